"""The command: what was typed goes to `snapcut.commands`, errors become sentences and exit codes.

Results go to stdout, progress to stderr (on a terminal only). Exit codes: 0 every verdict is the declared
one, 1 a claim refuted, 2 usage or bad input, 3 inconclusive, 70 an error of snapcut itself, 130 interrupted,
141 the reader of a pipe went away, 143 ended by SIGTERM. SNAPCUT_DEBUG=1 shows the traceback behind a
sentence.
"""

import contextlib
import os
import sys
import warnings

from cyclopts import CycloptsError

from sims.support import interruption
from sims.support.files import naming
from sims.support.output import show_warning, visible
from snapcut.app import app
from snapcut.commands.simulate import offer_simulations
from snapcut.startup import IS_COMMAND
from snapcut.words import again, begin

INTERNAL_ERROR, PIPE_CLOSED = 70, 141


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `snapcut` command."""
    begin(sys.argv[1:] if arguments is None else arguments)
    _open_standard_streams()
    warnings.showwarning = show_warning
    try:
        with interruption.ends_at_once():
            interruption.remember(lambda: f"nothing was kept; again: {again()}")
            offer_simulations()
            code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
            with naming("standard output"):
                sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except CycloptsError as error:
        code = _fail(str(error))
    except KeyboardInterrupt:
        code = 130
    except SystemExit as ended:  # SIGTERM's; and the parser of the command line makes one of Ctrl-C
        if isinstance(ended.code, str):
            raise
        code = ended.code
    except Exception as error:
        if os.environ.get("SNAPCUT_DEBUG"):
            raise
        if isinstance(error, (ValueError, TypeError, OSError, ImportError)):
            code = _fail(_sentence(error))
        elif isinstance(error, MemoryError):
            code = _fail(f"what was asked for does not fit in memory: {_sentence(error)}")
        else:
            _fail(f"internal error, please report it (SNAPCUT_DEBUG=1 shows where): {_sentence(error)}")
            code = INTERNAL_ERROR
    code = code if isinstance(code, int) else 0
    if IS_COMMAND:
        interruption.finish(code)
    sys.exit(code)


def _open_standard_streams() -> None:
    """A stream that the caller closed leads nowhere: its number must not go to the next file opened."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _fail(message: str) -> int:
    # the words of the command line and of a file are part of the message; its line ends are ours
    with contextlib.suppress(OSError):  # nobody can be told that nobody can be told
        print(*map(visible, f"snapcut: {message}".split("\n")), sep="\n", file=sys.stderr)
    return 2


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
