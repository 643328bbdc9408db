"""Threads for compiled kernels: how many, and calls whose results come back in order."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_LARGE = 8  # an item is large if there are fewer than so many of its size for each thread


def default_threads() -> int:
    """Threads used when none are named: $SNAPCUT_THREADS, else every core this process may use."""
    if chosen := os.environ.get("SNAPCUT_THREADS"):
        if not chosen.isdecimal() or int(chosen) < 1:
            raise ValueError(f"SNAPCUT_THREADS must be a positive integer, got {chosen!r}")
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int | None = None,
    sizes: Sequence[int] | None = None,
) -> Iterator[Result]:
    """Yield function(item) for every item, in the order of the items, with `threads` calls under way.

    One thread starts no other. Items are taken as they are needed, so there may be no end of them; when the
    caller stops early, calls that have not begun are dropped.

    Parameters
    ----------
    function
        Releases the GIL for most of its time (a compiled kernel), or threads gain nothing.
    threads
        `default_threads()`; never changes a result.
    sizes
        Work in every item. Large ones begin first, lest one is left for a single thread at the end; all
        items are taken at once, and no result that comes early is waited for.

    Examples
    --------
    >>> list(in_order(abs, [-3, 1, -2], threads=2))
    [3, 1, 2]
    """
    threads = threads or default_threads()
    if threads == 1 or (isinstance(items, Sized) and len(items) < 2):
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: list[Future[Result]] = []
    ended = False
    try:
        if sizes is not None:
            items, large = list(items), sum(sizes) / (_LARGE * threads)
            begin = sorted(range(len(items)), key=lambda i: -sizes[i] if sizes[i] > large else 0)
            begun = {i: pool.submit(function, items[i]) for i in begin}
            waiting, items = [begun[i] for i in range(len(items))], ()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * threads:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    except (KeyboardInterrupt, SystemExit):
        ended = True  # calls under way may take longer than anybody waits
        raise
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=not ended)
