"""Progress on stderr, and only where a person is watching."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from sims.support.output import visible

_active = threading.Lock()


@contextlib.contextmanager
def bar(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Context in which `advance(steps)` moves a bar; silent unless stderr is a terminal.

    Only one bar is drawn at a time: a run inside a run, or on a second thread, stays silent.
    """
    if not sys.stderr.isatty() or not _active.acquire(blocking=False):
        yield lambda steps: None
        return
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task(escape(visible(label)), total=total)
            yield lambda steps: shown.advance(task, steps)
    finally:
        _active.release()
