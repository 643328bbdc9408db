"""Given integers: find a subset with a given sum, count them all, or mark every sum that is reached."""

import numpy as np
from numpy.typing import ArrayLike

from sims.subset_sum import algorithms as engine
from sims.subset_sum.plan import MOST_BYTES, Plan, plan
from theory.arguments import whole


def checked_values(values: ArrayLike) -> np.ndarray:
    """One-dimensional int64 array of the values, or one sentence saying why it cannot be had."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got shape {array.shape}")
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.dtype == object:
        if not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in array.tolist()):
            raise TypeError("values must be integers, got objects of another type")
    elif array.dtype.kind not in "iu":
        raise TypeError(f"values must be integers, got an array of {array.dtype}")
    reach = sum(abs(int(v)) for v in array.tolist())
    if reach >= 2**62:
        raise ValueError(f"the absolute values must sum to less than 2**62 (64-bit arithmetic), got {reach}")
    return array.astype(np.int64)


def find_subset(
    values: ArrayLike, target: int, *, delta: int = 0, max_seconds: float = 600.0
) -> np.ndarray | None:
    """A subset with the given sum, as a boolean mask, or None when there is none (proved by exhaustion).

    Parameters
    ----------
    values
        (n,) integers of any sign.
    target
        Integer; 0 is reached by the empty set.
    delta
        Sums within delta of the target are accepted.
    max_seconds
        Refuse a question whose predicted time is longer, before starting. `explain` tells the plan.

    Raises
    ------
    TypeError, ValueError
        Values or target that are not integers, sums beyond 62 bits, or a question out of
        reach of every algorithm, with the time and memory it would take.

    Examples
    --------
    >>> values = np.array([5, -3, 8, 2])
    >>> int(values[find_subset(values, 7)].sum()), find_subset(values, 6)
    (7, None)
    """
    items, target = checked_values(values), whole("target", target)
    delta = whole("delta", delta, 0)
    mask = np.zeros(items.size, bool)
    if abs(target) <= delta:
        return mask
    live = np.flatnonzero(items)
    low, high = _window(items, target, delta)
    if low > high:
        return None
    chosen = _find(items[live], low, high, max_seconds)
    if chosen is None:
        return None
    mask[live] = chosen
    return mask


def _find(items: np.ndarray, low: int, high: int, max_seconds: float) -> np.ndarray | None:
    divisor = int(np.gcd.reduce(items))
    if divisor > 1:  # a common factor is information: all sums are multiples of it
        items, low, high = items // divisor, -(-low // divisor), high // divisor
        if low > high:
            return None
    chosen = _affordable(items, "find", high - low + 1, max_seconds)
    if chosen.algorithm == "collections":
        found = engine.find_by_collections(items, low, high, chosen.collection)
        if found is not None:
            return found
        chosen = _affordable(items, "find", high - low + 1, max_seconds, without="collections")
    if chosen.algorithm == "table":
        return engine.find_by_table(items, low, high)
    if chosen.algorithm == "search":
        return engine.find_by_search(items, low, high)
    return engine.lists(items, low, counting=False)[1]


def count_subsets(
    values: ArrayLike, target: int, *, max_seconds: float = 600.0, threads: int | None = None
) -> int:
    """Exact number of subsets with the given sum (equal values are different items).

    Parameters
    ----------
    values, target, max_seconds
        As in `find_subset`.
    threads
        Used by the list algorithm (`sims.support.threads.default_threads()`); never changes the result.

    Examples
    --------
    >>> count_subsets([1, -1, 2, 0], 0)  # {}, {1, -1}, each with and without the 0
    4
    """
    items, target = checked_values(values), whole("target", target)
    live = items[items != 0]
    low, high = _window(live, target, 0)
    if low > high:
        return 0
    if live.size == 0:
        return 2**items.size
    divisor = int(np.gcd.reduce(live))
    if target % divisor:
        return 0
    live, target = live // divisor, target // divisor
    chosen = _affordable(live, "count", 1, max_seconds).algorithm
    found = None
    if chosen == "sifted":
        found = engine.count_by_sifting(live, target)
    elif chosen == "table":
        found = engine.count_by_table(live, target)
    elif chosen == "sorted":
        found = engine.count_by_sorting(live, target)
    elif chosen == "polynomial":
        found = engine.count_by_polynomial(live, target)
    if found is None:  # chosen, or more solutions than sifting has room for
        found = engine.lists(live, target, counting=True, threads=threads)[0]
    return found << (items.size - live.size)


def explain(values: ArrayLike, target: int, question: str = "find", *, delta: int = 0) -> Plan:
    """The algorithm that `find_subset` or `count_subsets` would take, its predicted cost, and why.

    Examples
    --------
    >>> print(explain([3, 5, -7, 11], 8).algorithm)
    table
    """
    items = checked_values(values)
    whole("target", target)
    live = items[items != 0]
    return plan(live.size, int(np.abs(live).sum()), _spread(live), question, 2 * whole("delta", delta, 0) + 1)


def coverage(values: ArrayLike, limit: int) -> np.ndarray:
    """Which targets of {-limit..limit} some subset reaches: booleans of length 2 limit + 1, in one pass.

    Examples
    --------
    >>> coverage([1, -2], 3).astype(int)
    array([0, 1, 1, 1, 1, 0, 0])
    """
    items, limit = checked_values(values), whole("limit", limit, 0)
    reach = int(np.abs(items).sum())
    if reach + limit > 2**36:
        raise ValueError(
            f"coverage needs one bit per sum: {reach + limit} sums, {(reach + limit) / 2**33:.0f} GiB"
        )
    from sims.kernels.subset_sum_table import reachable

    low, high = int(items[items < 0].sum()), int(items[items > 0].sum())
    bits = np.zeros((reach + 128) // 64, np.uint64)
    reachable(items, bits, bits.copy())
    targets = np.arange(-limit, limit + 1)
    place = targets % (64 * bits.size)
    inside = (targets >= low) & (targets <= high)
    return inside & ((bits[place >> 6] >> (place & 63).astype(np.uint64)) & np.uint64(1)).astype(bool)


def _affordable(items: np.ndarray, question: str, width: int, max_seconds: float, without: str = "") -> Plan:
    chosen = plan(items.size, int(np.abs(items).sum()), _spread(items), question, width)
    if chosen.algorithm == without:
        left = [o for o in chosen.others if o[2] <= MOST_BYTES]
        if not left:
            raise ValueError(
                f"random sub-collections of {items.size} values gave no answer, and exhausting them is out "
                f"of reach: {chosen}"
            )
        name, seconds, size = left[0]
        chosen = Plan(name, seconds, size, "sub-collections gave no answer.")
    if chosen.seconds > max_seconds:
        raise ValueError(
            f"{items.size} values with absolute sum {int(np.abs(items).sum())} are out of reach "
            f"(max_seconds={max_seconds:g}): {chosen}"
        )
    return chosen


def _window(items: np.ndarray, target: int, delta: int) -> tuple[int, int]:
    """The accepted sums, cut to the range of all sums; empty (low > high) when no sum can be accepted."""
    return max(target - delta, int(items[items < 0].sum())), min(target + delta, int(items[items > 0].sum()))


def _spread(items: np.ndarray) -> float:
    return engine.log2_spread(items)
