"""Ctrl-C and SIGTERM: a program ends at once, with one line, and leaves nothing half-done.

The interrupted code unwinds by an exception, as usual. Where that takes too long (machine code that looks at
no signal, a library that swallows the exception) a thread ends the process instead: what was being written
is deleted, and the workers end with their parent.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from sims.support.files import discard_unfinished
from sims.support.output import visible

PATIENCE = 0.3  # seconds for the code to unwind by itself
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _State:
    """What the handler, the thread and the program tell each other; there is one main thread, hence one."""

    kept: Callable[[], str] = staticmethod(lambda: "nothing was kept")
    said = False
    code: int | None = None  # of the exit, once a signal came
    patience = PATIENCE


def remember(kept: Callable[[], str]) -> None:
    """From now on an interrupted program says `kept()`: what stays, and how to go on from there.

    It may be asked in any thread at any time, so it only looks. Nothing is said where it gives "".
    """
    _State.kept = staticmethod(kept)


def be_patient(seconds: float) -> None:
    """From now on an interrupted program has that long to show what it has."""
    _State.patience = seconds


def leave_to_server() -> None:
    """A server ends by itself, in its own time and without a word."""
    remember(lambda: "")
    if _is_main():
        signal.set_wakeup_fd(-1)


@contextlib.contextmanager
def ends_at_once() -> Iterator[None]:
    """In the block SIGINT raises KeyboardInterrupt, SIGTERM SystemExit(143), and the process ends soon after.

    Outside the main thread it does nothing, as Python tells no other thread of signals.
    """
    if not _is_main():
        yield
        return
    _State.kept, _State.said, _State.code = staticmethod(lambda: "nothing was kept"), False, None
    _State.patience = PATIENCE
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as by nohup
    handlers = {number: signal.signal(number, _unwind) for number in heard}
    hooks = threading.excepthook, sys.unraisablehook
    try:
        with _watched():
            yield
    except Exception as error:  # Python 3.11 makes a RuntimeError of one that comes while a class is created
        if _State.code is None:
            raise
        raise _exception(_State.code) from error
    finally:
        if _State.code is not None:
            threading.excepthook, sys.unraisablehook = hooks
            _say()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def finish(code: int) -> None:
    """Results are written, or will not be: the process ends with this code, whatever comes now.

    To be called last by a program of its own: a signal ends it without a word, and after an interruption it
    waits for nothing much longer.
    """
    if not _is_main():
        return
    _State.said = True
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(code))
    if _State.code is not None:
        _be_quiet()
        timer = threading.Timer(PATIENCE, os._exit, [code])
        timer.daemon = True
        timer.start()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _unwind(number: int, _: FrameType | None) -> None:
    if _State.code is not None:  # asked a second time
        _leave()
    _State.code = 128 + number
    _be_quiet()
    raise _exception(_State.code)


def _exception(code: int) -> BaseException:
    return KeyboardInterrupt() if code == 128 + signal.SIGINT else SystemExit(code)


def _be_quiet() -> None:
    """Pools torn down in the middle of a task complain from threads and destructors: nothing to act on."""
    threading.excepthook = lambda _: None
    sys.unraisablehook = lambda _: None


def _leave() -> None:
    discard_unfinished()
    _say()
    os._exit(_State.code or 0)


def _say() -> None:
    """The one line of an interrupted program."""
    if _State.said:
        return
    _State.said = True
    try:
        kept = _State.kept()
    except Exception:  # it looks at folders that anybody may have changed meanwhile
        kept = "what was finished is kept"
    word = "interrupted" if _State.code == 128 + signal.SIGINT else "ended"
    if kept:
        with contextlib.suppress(OSError, AttributeError):
            os.write(sys.stderr.fileno(), f"snapcut: {word}; {visible(kept)}\n".encode(errors="replace"))


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """A thread that hears of signals from the system itself, also while machine code runs."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    unwound = threading.Event()
    thread = threading.Thread(target=_end_unless, args=(unwound, reading), daemon=True)
    thread.start()
    try:
        yield
    finally:
        unwound.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
        thread.join()
        os.close(reading)


def _end_unless(unwound: threading.Event, reading: int) -> None:
    while number := os.read(reading, 1):
        if number[0] in _SIGNALS and not unwound.wait(_State.patience):
            _State.code = _State.code or 128 + number[0]
            _leave()
