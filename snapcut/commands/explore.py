"""`snapcut explore`."""

import os
import sys

from sims.support import interruption


def explore(*, host: str = "127.0.0.1", port: int = 2718, browser: bool = True) -> int:
    """Explore parameters in the browser; nothing leaves this machine.

    Parameters
    ----------
    host
        Address to listen on; only this machine by default.
    port
        Port to listen on; 0 takes any free one.
    browser
        Open the address in the browser.
    """
    from figures.explore.server import serve

    interruption.leave_to_server()
    code = 0
    try:
        serve(host, port, browser)
    except SystemExit as end:  # SIGTERM
        code = int(end.code or 0)
    # Simulations of pages still open run in threads inside compiled code; ending the interpreter around them
    # would abort it. Nothing is left to finish or to write.
    sys.stdout.flush()
    os._exit(code)
