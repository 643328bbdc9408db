"""Progress on stderr, and only where a person is watching: one display for a whole run."""

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from sims.support.output import visible

Item = TypeVar("Item")
_DEEPEST = 2  # lines of the display: a run, and the part of it under way
_NEWS_EVERY = 0.3  # seconds
_active = threading.Lock()


class _Display:
    """The display on screen, the thread it belongs to, and its lines."""

    shown: Any = None
    owner = 0
    lines = 0


@contextlib.contextmanager
def bar(total: int, label: str) -> Iterator[Callable[..., None]]:
    """Context in which `advance(steps)` moves a bar with the time that remains; silent unless on a terminal.

    A run inside a run is a second line of the same display, and what is inside that stays silent, as does
    whatever runs on another thread. A second argument of `advance` is a function that says how things stand:
    it is asked only where somebody sees it.
    """
    mine = _Display.shown is not None and _Display.owner == threading.get_ident()
    if mine and _Display.lines < _DEEPEST:
        with _line(total, label) as advance:
            yield advance
    elif mine or not sys.stderr.isatty() or not _active.acquire(blocking=False):
        yield lambda steps, news=None: None
    else:
        try:
            from rich.console import Console
            from rich.progress import Progress

            with Progress(console=Console(stderr=True), transient=True) as _Display.shown:
                _Display.owner = threading.get_ident()
                with _line(total, label) as advance:
                    yield advance
        finally:
            _Display.shown = None
            _active.release()


@contextlib.contextmanager
def _line(total: int, label: str) -> Iterator[Callable[..., None]]:
    from rich.markup import escape

    shown = _Display.shown
    task = shown.add_task(escape(visible(label)), total=total)
    _Display.lines += 1

    asked = -math.inf

    def advance(steps: int, news: Callable[[], str] | None = None) -> None:
        nonlocal asked
        shown.advance(task, steps)
        if news is not None and time.monotonic() - asked > _NEWS_EVERY:
            asked = time.monotonic()
            shown.update(task, description=escape(visible(news())))

    try:
        yield advance
    finally:
        _Display.lines -= 1
        shown.remove_task(task)


def steps(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items, one by one, with a bar that moves when the next is asked for.

    Examples
    --------
    >>> list(steps("abc", "letters"))
    ['a', 'b', 'c']
    """
    with bar(len(items), label) as advance:
        for item in items:
            yield item
            advance(1)
