"""Progress on stderr, and only where a person is watching: one display for a whole run."""

import contextlib
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sims.support.output import visible

Item = TypeVar("Item")
_DEEPEST = 2  # lines of the display: a run, and the part of it under way
_NEWS_EVERY = 0.3  # seconds
_active = threading.Lock()


class _Display:
    """The display on screen, the thread it belongs to, and its lines; or the file that stands for one."""

    shown: Any = None
    owner = 0
    lines = 0
    file: Path | None = None


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
    elif mine or not (_Display.file or sys.stderr.isatty()) or not _active.acquire(blocking=False):
        yield lambda steps, news=None: None
    elif _Display.file is not None:
        try:
            yield _written(_Display.file, total, label)
        finally:
            _Display.file.unlink(missing_ok=True)
            _active.release()
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


def _written(file: Path, total: int, label: str) -> Callable[..., None]:
    """Steps into a file, for the process that shows them; a file that cannot be written is no news."""
    done, told = 0, -math.inf

    def advance(steps: int, news: Callable[[], str] | None = None) -> None:
        nonlocal done, told
        done += steps
        if time.monotonic() - told > _NEWS_EVERY or done == total:
            told = time.monotonic()
            with contextlib.suppress(OSError):
                draft = file.with_suffix(".new")
                draft.write_text(f"{done} {total} {label}")
                draft.replace(file)

    return advance


@contextlib.contextmanager
def inside() -> Iterator[Path | None]:
    """A folder for :func:`reporting` in other processes, whose bars become one more line of the display.

    The line says how far the runs under way are, taken together. None where nobody watches.
    """
    shown = _Display.shown
    if shown is None or _Display.owner != threading.get_ident() or _Display.lines >= _DEEPEST:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder, _line(1, ""):
        task, ended = shown.tasks[-1].id, threading.Event()
        shown.update(task, visible=False)

        def look() -> None:
            while not ended.wait(_NEWS_EVERY):
                found = [news for file in Path(folder).glob("*.txt") if (news := _read(file))]
                shown.update(task, visible=bool(found))
                if found:
                    done, total = sum(each[0] for each in found), sum(each[1] for each in found)
                    label = f"{found[0][2]}, {len(found)} at once" if len(found) > 1 else found[0][2]
                    shown.update(task, completed=done, total=total, description=label)

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield Path(folder)
        finally:
            ended.set()
            watcher.join()


def _read(file: Path) -> tuple[int, int, str] | None:
    from rich.markup import escape

    try:
        done, total, label = file.read_text().split(" ", 2)
        return int(done), int(total), escape(visible(label))
    except (OSError, ValueError):  # it has just ended
        return None


@contextlib.contextmanager
def reporting(folder: Path | None) -> Iterator[None]:
    """In the block bars of this process go into a file of the folder of :func:`inside`."""
    before = _Display.file
    _Display.file = None if folder is None or _Display.shown else folder / f"{os.getpid()}.txt"
    try:
        yield
    finally:
        _Display.file = before


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
