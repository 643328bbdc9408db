"""Work spread over processes, through joblib, so that a cluster can take their place."""

import contextlib
import ctypes
import functools
import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sims.support.extras import to_install
from sims.support.output import show_warning

_LOOK_EVERY = 1.0  # seconds
_PR_SET_PDEATHSIG = 1  # of prctl(2)
# Where psutil is installed, joblib replaces a worker that has grown by 300 MB. Imports, kernels and a network
# take as much, and a new worker has to load them again: it may grow by so many bytes.
_GROWTH = 2**32
_RESTARTS = 5  # times a local pool whose worker died is started again


def run(
    function: Callable,
    arguments: Iterable[tuple],
    processes: int,
    *,
    ordered: bool = True,
    local: bool = True,
) -> Iterator[Any]:
    """Call `function` with every tuple of arguments; yield the results in order, or as they end.

    A worker process that dies costs only the calls it had under way; they run again.

    Parameters
    ----------
    processes
        1 runs in this process.
    ordered
        Yield in the order of `arguments`.
    local
        False leaves the choice of workers to joblib's current `parallel_config`.

    Examples
    --------
    >>> list(run(divmod, [(7, 2), (9, 4)], processes=1))
    [(3, 1), (2, 1)]
    """
    if processes == 1 and local:
        for each in arguments:
            yield function(*each)
        return
    waiting: dict[int, Any] = {}
    following = 0
    for index, result in _unordered(function, dict(enumerate(arguments)), processes, local):
        if not ordered:
            yield result
            continue
        waiting[index] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def spread(kinds: Sequence[str]) -> list[int]:
    """Places of calls, those of every kind spread evenly over the run.

    Neighbours run side by side, and those of one kind would compile the same kernels at the same time.

    Examples
    --------
    >>> spread(["a", "a", "a", "a", "b", "b"])
    [0, 4, 1, 2, 5, 3]
    """
    return sorted(range(len(kinds)), key=lambda i: kinds[:i].count(kinds[i]) / kinds.count(kinds[i]))


@contextlib.contextmanager
def cluster(scheduler: str | None, within: float = 10.0, otherwise: str = "") -> Iterator[None]:
    """In the block :func:`run` with ``local=False`` uses the Dask cluster at an address.

    Parameters
    ----------
    scheduler
        Such as "tcp://host:8786".
    within
        Seconds in which it must answer.
    otherwise
        What to do instead, for the sentence that says that it does not.

    Raises
    ------
    ConnectionError
        It does not answer.
    ImportError
        The extra is not installed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(f"the dask backend needs the extra cluster; {to_install('cluster')}") from None
    from joblib import parallel_config

    client = None
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        client = Client(scheduler, timeout=within, set_as_default=False)
    if client is None:
        gc.collect()  # the half-made client ends now and in this thread, not wherever it would be collected
        told = f"no Dask scheduler answers at {scheduler} within {within:g} s"
        raise ConnectionError("; ".join(filter(None, (told, otherwise))))
    with client, parallel_config(backend="dask", client=client):
        yield


def _unordered(function: Callable, calls: dict[int, tuple], processes: int, local: bool) -> Iterator[tuple]:
    """(index, result) of every call, as they end."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # joblib replaces a worker that has grown by too much, and warns: no result depends on it.
    # Nor does one on its remarks about a run that ends early: why it ended is said elsewhere.
    for remark in ("A worker stopped while some jobs were given", r"\d+ tasks (have been|which were)"):
        warnings.filterwarnings("ignore", remark, UserWarning)
    _hush_feeder()
    parent = os.getpid() if local else None
    lasting = threading.current_thread() is threading.main_thread()
    for attempt in range(_RESTARTS + 1):
        if local:
            with _deaf_to_interrupts():  # start the workers; the next call finds the same pool
                Parallel(n_jobs=processes)(delayed(_watch)(parent, lasting) for _ in range(processes))
        pool = Parallel(n_jobs=processes, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
        try:
            for index, result in pool(
                delayed(_indexed)(i, function, each, parent, lasting) for i, each in list(calls.items())
            ):
                del calls[index]
                yield index, result
            return
        except TerminatedWorkerError:
            if attempt == _RESTARTS:
                raise
            warnings.warn(f"a worker process was lost; its work runs again ({len(calls)} left)", stacklevel=3)


@functools.cache
def _hush_feeder() -> None:
    """The thread that feeds a pool misses calls that were dropped when a run ended early: no news."""
    others = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        feeder = arguments.thread is not None and arguments.thread.name.startswith("ExecutorManagerThread")
        if not (feeder and arguments.exc_type is KeyError):
            others(arguments)

    threading.excepthook = hook


def _indexed(index: int, function: Callable, arguments: tuple, parent: int | None, lasting: bool) -> tuple:
    if parent is not None:
        _watch(parent, lasting)
        if os.getpid() != parent:
            _set_aside()
    return index, function(*arguments)


def _set_aside() -> None:
    """Objects that outlived the last call are no garbage: modules and kernels, hundreds of thousands.

    joblib's workers look for garbage after every second, and would look through all of them.
    """
    gc.collect()  # only what is new since the last call
    gc.freeze()


@functools.cache  # once in each worker
def _watch(parent: int, lasting: bool) -> None:
    """End this worker when the process `parent` is gone: what it computes would reach nobody.

    A thread looks every second. On Linux the kernel ends the worker too, even inside compiled code that lets
    no thread run; but it does so when the *thread* that started the worker ends, so only where that is
    `lasting`, the main thread.
    """
    if os.getpid() == parent:  # a backend of joblib that runs calls in the process itself
        return
    warnings.showwarning = show_warning
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = _GROWTH
    if lasting and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os._exit(1)  # nothing here is worth keeping, and nobody waits for it


@contextlib.contextmanager
def _quiet_trackers() -> Iterator[None]:
    """Processes started here clean up after one that ended at once, and do not list what they found."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker")))
    try:
        yield
    finally:
        del os.environ["PYTHONWARNINGS"]
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Children started here inherit the blocked signal: on Ctrl-C the parent ends them without a traceback.

    An interrupt that arrives meanwhile waits, and is delivered to the parent afterwards.
    """
    from multiprocessing import resource_tracker

    from joblib.externals import loky

    with _quiet_trackers():
        for tracker in (resource_tracker, loky.backend.resource_tracker):
            tracker.ensure_running()  # starting one unblocks the signal: it must not happen in between
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
