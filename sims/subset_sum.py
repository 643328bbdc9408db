"""Quantized random subset sum: exact search and counting, and Monte Carlo over exact decisions."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sims import montecarlo
from sims.montecarlo import Estimate
from sims.subset_sum_plan import geometry
from theory.subset_sum_moments import Law, check_arguments, largest, variance

_LARGEST_N = 44


def checked_values(values: ArrayLike) -> np.ndarray:
    """One-dimensional int64 array of the values, or one sentence saying why it cannot be had."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"values must be one-dimensional, got shape {array.shape}")
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.dtype == object or array.dtype == np.uint64:
        if not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in array.tolist()):
            raise TypeError("values must be integers, got objects of another type")
    elif array.dtype.kind not in "iu":
        raise TypeError(f"values must be integers, got an array of {array.dtype}")
    reach = sum(abs(int(v)) for v in array.tolist())
    if reach >= 2**62:
        raise ValueError(f"the absolute values must sum to less than 2**62 (64-bit arithmetic), got {reach}")
    return array.astype(np.int64)


def checked_target(target: int) -> int:
    """The target as a Python integer."""
    if isinstance(target, (bool, np.bool_)) or not isinstance(target, (int, np.integer)):
        raise TypeError(f"target must be an integer, got {target!r}")
    return int(target)


def find_subset(values: ArrayLike, target: int) -> np.ndarray | None:
    """A subset with the given sum, as a boolean mask, or None when there is none (proved by exhaustion).

    Parameters
    ----------
    values : (n,) integers of any sign. target : integer; 0 is reached by the empty set.

    Examples
    --------
    >>> values = np.array([5, -3, 8, 2])
    >>> int(values[find_subset(values, 7)].sum()), find_subset(values, 6)
    (7, None)
    """
    items, target = checked_values(values), checked_target(target)
    positive, negative = int(items[items > 0].sum()), int(items[items < 0].sum())
    if not negative <= target <= positive:
        return None
    mask = np.zeros(items.size, bool)
    if target == 0:
        return mask
    live = np.flatnonzero(items)
    _reachable(live.size)
    chosen = _search_rows(items[live][None, :], np.array([target]))[0]
    if chosen < 0:
        return None
    mask[live] = (int(chosen) >> np.arange(live.size)) & 1 == 1
    return mask


def count_subsets(values: ArrayLike, target: int) -> int:
    """Exact number of subsets with the given sum (equal values are different items).

    Examples
    --------
    >>> count_subsets([1, -1, 2, 0], 0)  # {}, {1, -1}, each with and without the 0
    4
    """
    items, target = checked_values(values), checked_target(target)
    live = items[items != 0]
    zeros = items.size - live.size
    positive, negative = int(live[live > 0].sum()), int(live[live < 0].sum())
    if not negative <= target <= positive:
        return 0
    _reachable(live.size)
    from sims.kernels.subset_sum_count import count_pairs, sorted_sums

    halves = []
    for half in (live[: live.size // 2], live[live.size // 2 :]):
        sums, buffer = np.empty((2, 1 << half.size), np.int64)
        sorted_sums(np.ascontiguousarray(half), buffer, sums)
        halves.append(sums)
    return int(count_pairs(halves[0], halves[1], target, target)) << zeros


def draw(rng: np.random.Generator, count: int, n: int, max_value: int, law: Law = "nonzero") -> np.ndarray:
    """(count, n) int64 samples of a sampling law.

    Examples
    --------
    >>> bool((draw(np.random.default_rng(0), 1000, 3, 2) != 0).all())
    True
    """
    check_arguments(n, max_value, None, law)
    if law == "uniform":
        return rng.integers(-max_value, max_value + 1, size=(count, n))
    values = rng.integers(-max_value, max_value, size=(count, n))
    values += values >= 0
    if law == "product":
        other = rng.integers(-max_value, max_value, size=(count, n))
        other += other >= 0
        values *= other
    return values


def sampler(
    n: int, max_value: int, target: int, law: Law = "nonzero", delta: int = 0
) -> Callable[[np.random.Generator, int], np.ndarray]:
    """`sample(rng, count)` for `sims.montecarlo.probability`: True where every subset misses."""
    check_arguments(n, max_value, target, law)
    if n > _LARGEST_N:
        raise ValueError(f"n must be at most {_LARGEST_N} for Monte Carlo over exact decisions, got {n}")
    if n * largest(max_value, law) + abs(target) + delta >= 2**62:
        raise ValueError("n times the largest sample must stay below 2**62 (64-bit sums)")
    spread = 0.5 * math.log2(max(n * variance(max_value, law), 2.0)) - math.log2(2 * delta + 1)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        rows = draw(rng, count, n, max_value, law)
        if abs(target) <= delta:
            return np.zeros(count, bool)
        return _search_rows(rows, np.full(count, target - delta), 2 * delta, spread) < 0

    return sample


def estimate(
    n: int,
    max_value: int,
    target: int,
    trials: int,
    seed: int,
    law: Law = "nonzero",
    delta: int = 0,
    **options,
) -> Estimate:
    """Monte Carlo estimate of P(no subset of n samples sums to the target); every instance is decided
    exactly.

    Parameters
    ----------
    n, max_value, target, law, delta : as in `theory.subset_sum.miss_probability`.
    trials, seed : as in `sims.montecarlo.probability`, to which further options are passed.

    Examples
    --------
    >>> result = estimate(14, 8191, 1, trials=2000, seed=1)
    >>> bool(result.low < 0.606 < result.high)
    True
    """
    options.setdefault("key", ("subset_sum", n, max_value, target, law, delta))
    return montecarlo.probability(sampler(n, max_value, target, law, delta), trials, seed=seed, **options)


def _search_rows(
    rows: np.ndarray, targets: np.ndarray, width: int = 0, log2_spread: float | None = None
) -> np.ndarray:
    """Bit mask of a subset with targets <= sum <= targets + width for each row, or -1."""
    from sims.kernels.subset_sum import search_rows

    rows = np.ascontiguousarray(rows, dtype=np.int64)
    count, n = rows.shape
    out = np.full(count, -1, np.int64)
    if n == 0:
        out[(targets <= 0) & (targets + width >= 0)] = 0
        return out
    if log2_spread is None:
        log2_spread = 0.5 * math.log2(max(float((rows.astype(np.float64) ** 2).sum(axis=1).max()), 2.0))
    shape = geometry(n, log2_spread)
    search_rows(rows, targets, width, shape.split, shape.base, shape.inner, shape.words, shape.second, out)
    return out


def _reachable(n: int) -> None:
    if n > _LARGEST_N:
        raise ValueError(f"values must hold at most {_LARGEST_N} nonzero integers, got {n}")
