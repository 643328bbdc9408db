"""The first lines that run: whether this is the command, and what Ctrl-C does until `main` begins."""

import os
import signal
import sys

_module = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] if sys.argv[:1] == ["-m"] else []
# The program is `snapcut` or `python -m snapcut`, and no other that imports it.
IS_COMMAND = _module == ["snapcut"] or os.path.basename(sys.argv[0] if sys.argv else "") == "snapcut"

# Until `main` begins, Ctrl-C ends a command as it ends any: in silence.
if IS_COMMAND and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
