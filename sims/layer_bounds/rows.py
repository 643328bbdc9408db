"""Many neurons: groups of rows over processes, with progress, the same bits however they are spread."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sims.support import processes as workers
from sims.support import progress
from theory.arguments import whole

GROUP = 8  # rows a worker takes at a time
Result = TypeVar("Result")


def over_rows(
    function: Callable[..., Result], cells: Sequence[tuple], processes: int, label: str
) -> Iterator[Result]:
    """What `function` returns for every cell as its arguments, in order.

    Examples
    --------
    >>> list(over_rows(divmod, [(7, 2), (9, 4)], 1, "dividing"))
    [(3, 1), (2, 1)]
    """
    count = whole("processes", processes, 1)
    groups = [cells[start : start + GROUP] for start in range(0, len(cells), GROUP)]
    if len(groups) < 2:
        count = 1
    with progress.bar(len(cells), label) as advance:
        if count == 1:  # a step of the bar for every row
            for cell in cells:
                yield function(*cell)
                advance(1)
            return
        for results in workers.run(_group, ((function, group) for group in groups), count):
            yield from results
            advance(len(results))


def _group(function: Callable[..., Result], cells: Sequence[tuple]) -> list[Result]:
    return [function(*cell) for cell in cells]
