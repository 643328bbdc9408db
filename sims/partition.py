"""Number partitioning by exact search: decide, count, and estimate probabilities by Monte Carlo."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sims import montecarlo
from sims.montecarlo import Estimate
from sims.subset_sum import checked_values, count_subsets, find_subset
from sims.subset_sum.plan import Geometry, geometry, price
from sims.support.row import Row
from theory import partition as laws
from theory.arguments import whole

_LARGEST_SORTED = 48  # two sorted halves of 2^23 and 2^24 sums
_LARGEST_N = 44  # meet in the middle: 2^22 left sums


def count_perfect_partitions(values: ArrayLike) -> int:
    r"""Exact number of unordered perfect partitions.

    .. math:: \#\{\{S, S^c\} : |\textstyle\sum_S x - \sum_{S^c} x| = \textstyle\sum x \bmod 2\}

    Parameters
    ----------
    values
        Integers of any sign, (n,), n >= 1.

    Returns
    -------
    Number of ways to split the items (not their values: equal items are different) into two unlabelled parts,
    one of which may be empty, with sums that differ by 0, or by 1 when the total is odd.

    Examples
    --------
    >>> count_perfect_partitions([2, 10, 3, 8, 5, 7, 9, 5, 3, 2])
    23
    """
    items, targets = _parts(values)
    return sum(count_subsets(items, target) for target in targets)


def find_perfect_partition(values: ArrayLike) -> np.ndarray | None:
    """One perfect partition as a boolean mask of the part that does not hold the first item, or None.

    Examples
    --------
    >>> x = np.array([3, 1, 1, 2, 2, 1])
    >>> mask = find_perfect_partition(x)
    >>> int(x[mask].sum()), int(x[~mask].sum())
    (5, 5)
    """
    items, targets = _parts(values)
    for target in targets:
        found = find_subset(items, target)
        if found is not None:
            return np.concatenate([[False], found])
    return None


def _geometry(items: int, log2_spread: float) -> Geometry:
    """That of a search, but with fewer layers, and long rows have their shorter half on the left (measured).

    Which part is found may depend on it; whether there is one does not.
    """
    shape = geometry(items, log2_spread)
    if shape.split < 11:
        return shape
    if shape.split < 13:
        return Geometry(shape.split, shape.split - 4, shape.inner, shape.words, shape.second)
    split = min(shape.split, items // 2)
    words = 2 ** (split - 2)
    return Geometry(split, min(split - 4, 11), min(items - split, 9), words, words - 1)


def perfect_rows(rows: np.ndarray) -> np.ndarray:
    """Decide every row: has it a perfect partition? `rows` (count, n), integers >= 1; booleans (count,).

    The Monte Carlo kernel: exact, 5 microseconds a row at n = 24, 100 at n = 32 (benchmarks/subset_sum.py).
    """
    from sims.kernels.partition import perfect_rows as kernel

    rows = np.ascontiguousarray(rows, dtype=np.int64)
    count, n = rows.shape
    if n == 1:
        return rows[:, 0] <= 1
    shape = _geometry(n - 1, math.log2(max(int(rows.max(initial=1)), 2)) + 0.5 * math.log2(n))
    out = np.empty(count, np.bool_)
    kernel(rows, shape.split, shape.base, shape.inner, shape.words, shape.second, out)
    return out


def count_rows(rows: np.ndarray) -> np.ndarray:
    """Number of unordered perfect partitions of every row; `rows` (count, n) as in `perfect_rows`."""
    return count_within_rows(rows, 1)  # a discrepancy has the parity of the sum


def count_within_rows(rows: np.ndarray, limit: int) -> np.ndarray:
    """Number of unordered partitions of every row with discrepancy at most `limit` (an integer >= 0)."""
    from sims.kernels.partition import within_rows

    limit = whole("limit", limit, 0)

    def kernel(rows: np.ndarray, out: np.ndarray) -> None:
        within_rows(rows, limit, out)

    return _by_halves(kernel, rows)


def smallest_discrepancy_rows(rows: np.ndarray) -> np.ndarray:
    """Exact smallest discrepancy of every row, by sorted halves; `rows` (count, n) integers of any sign."""
    from sims.kernels.partition import smallest_rows

    return _by_halves(smallest_rows, rows)


def differencing_rows(rows: np.ndarray) -> np.ndarray:
    """Discrepancy that Karmarkar-Karp differencing leaves of every row, at least the smallest one."""
    from sims.kernels.partition import differencing_rows as kernel

    rows = np.ascontiguousarray(rows, dtype=np.int64)
    out = np.empty(len(rows), np.int64)
    kernel(rows, out)
    return out


def smallest_discrepancy(values: ArrayLike) -> int:
    """Exact smallest discrepancy of one instance.

    Examples
    --------
    >>> smallest_discrepancy([8, 7, 6, 5, 4]), int(differencing_rows(np.array([[8, 7, 6, 5, 4]]))[0])
    (0, 2)
    """
    items = checked_values(values)
    if items.size == 0:
        raise ValueError("values must hold at least one integer, got none")
    return int(smallest_discrepancy_rows(items[None, :])[0])


def _by_halves(kernel, rows: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(rows, dtype=np.int64)
    if rows.shape[1] > _LARGEST_SORTED:
        raise ValueError(f"sorted halves hold at most {_LARGEST_SORTED} items, got {rows.shape[1]}")
    out = np.empty(len(rows), np.int64)
    kernel(rows, out)
    return out


def sampler(n: int, max_value: int) -> Callable[[np.random.Generator, int], np.ndarray]:
    """`sample(rng, count)` for `sims.montecarlo.probability`: has a random instance a perfect partition?"""
    n, max_value = _check(n, max_value)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        return perfect_rows(rng.integers(1, max_value + 1, size=(count, n)))

    return sample


def estimate(n: int, max_value: int, trials: int, seed: int, **options) -> Estimate:
    """Monte Carlo estimate of P(perfect) for n integers uniform on {1..max_value}.

    Parameters
    ----------
    n
        1..44 items.
    max_value
        M.
    trials, seed
        As in `sims.montecarlo.probability`, to which further
        options (level, width, threads, key, store) are passed.

    Returns
    -------
    Estimate with an exact (Clopper-Pearson) interval. Every instance is decided exactly.

    Examples
    --------
    >>> from theory.partition import perfect_partition_probability
    >>> result = estimate(12, 1024, trials=4000, seed=1)
    >>> bool(result.low < perfect_partition_probability(12, 1024, form="corrected") < result.high)
    True
    """
    n, max_value = _check(n, max_value)
    options.setdefault("key", ("partition", n, max_value))
    return montecarlo.probability(sampler(n, max_value), trials, seed=seed, **options)


def simulate(n: int, max_value: int, trials: int, seed: int, **options) -> list[Row]:
    """Rows for `snapcut simulate partition`: the estimate, then every law and bound of `law_rows`."""
    measured = estimate(n, max_value, trials, seed, **options)
    return [
        Row.of("P(perfect), measured", measured, f"{measured.trials} trials"),
        *law_rows(n, max_value),
    ]


def law_rows(n: int, max_value: int) -> list[Row]:
    """Every law and bound of one setting.

    Examples
    --------
    >>> [row.quantity for row in law_rows(20, 100_000)][:2]
    ['P(perfect), limit law', 'P(perfect), corrected law']
    """
    lower, upper = laws.lemma1_bounds(n, max_value)
    limit = laws.perfect_partition_probability(n, max_value)
    corrected = laws.perfect_partition_probability(n, max_value, form="corrected")
    scale = laws.discrepancy_scale(n, max_value)
    return [
        Row.law("P(perfect), limit law", limit, "limit law, BCP"),
        Row.law("P(perfect), corrected law", corrected, "derived"),
        Row.law("P(discrepancy 0), Cauchy-Schwarz", lower, "KN Lemma 1"),
        Row.law("P(discrepancy 0), Markov", upper, "KN Lemma 1"),
        Row.law("E perfect | even, limit", laws.expected_perfect_partitions(n, max_value), "mu"),
        Row.law("E perfect | even, exact", laws.expected_perfect_partitions_exact(n, max_value), "exact"),
        Row.law("window position lambda", laws.window_parameter(n, max_value), "definition"),
        Row.law("critical bits", laws.critical_bits(n), "BCP"),
        Row.law("mean smallest discrepancy, above the threshold", scale, "1/mu"),
    ]


def _parts(values: ArrayLike) -> tuple[np.ndarray, list[int]]:
    """Items besides the first, and the sums of a part without the first that make a partition perfect."""
    items = checked_values(values)
    if items.size == 0:
        raise ValueError("values must hold at least one integer, got none")
    total = int(items.sum())
    return items[1:], [total // 2] if total % 2 == 0 else [total // 2, total // 2 + 1]


def _check(n: int, max_value: int) -> tuple[int, int]:
    n, max_value = whole("n", n, 1), whole("max_value", max_value, 1)
    if n > _LARGEST_N:
        raise ValueError(
            f"n must be at most {_LARGEST_N} for Monte Carlo over exact decisions, got {n}: "
            f"{price(n - 1, math.log2(max_value) + 0.5 * math.log2(n))}"
        )
    if n * max_value >= 2**62:
        raise ValueError(f"n * max_value must stay below 2**62 (64-bit sums), got {n * max_value}")
    return n, max_value


__all__: Sequence[str] = [
    "count_perfect_partitions",
    "count_rows",
    "count_within_rows",
    "differencing_rows",
    "estimate",
    "find_perfect_partition",
    "law_rows",
    "perfect_rows",
    "sampler",
    "simulate",
    "smallest_discrepancy",
    "smallest_discrepancy_rows",
]
