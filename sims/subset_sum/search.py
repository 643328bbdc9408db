"""Quantized random subset sum: exact search and counting, and Monte Carlo over exact decisions."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sims import montecarlo
from sims.montecarlo import Estimate
from sims.subset_sum import algorithms as engine
from sims.subset_sum.plan import MOST_BYTES, Plan, plan, price
from theory.subset_sum.moments import Law, check_arguments, largest, variance

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


def find_subset(
    values: ArrayLike, target: int, *, delta: int = 0, max_seconds: float = 600.0
) -> np.ndarray | None:
    """A subset with the given sum, as a boolean mask, or None when there is none (proved by exhaustion).

    Parameters
    ----------
    values : (n,) integers of any sign. target : integer; 0 is reached by the empty set.
    delta : sums within delta of the target are accepted.
    max_seconds : refuse a question whose predicted time is longer, before starting. `explain` tells the plan.

    Raises
    ------
    TypeError, ValueError : values or target that are not integers, sums beyond 62 bits, or a question out of
        reach of every algorithm, with the time and memory it would take.

    Examples
    --------
    >>> values = np.array([5, -3, 8, 2])
    >>> int(values[find_subset(values, 7)].sum()), find_subset(values, 6)
    (7, None)
    """
    items, target = checked_values(values), checked_target(target)
    delta = _checked_delta(delta)
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
    values, target, max_seconds : as in `find_subset`.
    threads : used by the list algorithm (`sims.montecarlo.default_threads()`); never changes the result.

    Examples
    --------
    >>> count_subsets([1, -1, 2, 0], 0)  # {}, {1, -1}, each with and without the 0
    4
    """
    items, target = checked_values(values), checked_target(target)
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
    if chosen == "table":
        found = engine.count_by_table(live, target)
    elif chosen == "sorted":
        found = engine.count_by_sorting(live, target)
    elif chosen == "polynomial":
        found = engine.count_by_polynomial(live, target)
    else:
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
    checked_target(target)
    live = items[items != 0]
    return plan(live.size, int(np.abs(live).sum()), _spread(live), question, 2 * _checked_delta(delta) + 1)


def coverage(values: ArrayLike, limit: int) -> np.ndarray:
    """Which targets of {-limit..limit} some subset reaches: booleans of length 2 limit + 1, in one pass.

    Examples
    --------
    >>> coverage([1, -2], 3).astype(int)
    array([0, 1, 1, 1, 1, 0, 0])
    """
    items, limit = checked_values(values), checked_target(limit)
    if limit < 0:
        raise ValueError(f"limit must be an integer >= 0, got {limit}")
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
    if without and chosen.algorithm == without:
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


def _checked_delta(delta: int) -> int:
    delta = checked_target(delta)
    if delta < 0:
        raise ValueError(f"delta must be an integer >= 0, got {delta}")
    return delta


def draw(rng: np.random.Generator, count: int, n: int, max_value: int, law: Law = "nonzero") -> np.ndarray:
    """(count, n) int64 samples of a sampling law.

    Examples
    --------
    >>> bool((draw(np.random.default_rng(0), 1000, 3, 2) != 0).all())
    True
    """
    n, max_value, _ = check_arguments(n, max_value, None, law)
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
    n, max_value, target = check_arguments(n, max_value, target, law)
    if n > _LARGEST_N:
        spread = 0.5 * math.log2(n * variance(max_value, law))
        raise ValueError(
            f"n must be at most {_LARGEST_N} for Monte Carlo over exact decisions, got {n}: "
            f"{price(n, spread)}; sims.subset_sum.rare.estimate_rare takes more samples of smaller values"
        )
    if n * largest(max_value, law) + abs(target) + delta >= 2**62:
        raise ValueError("n times the largest sample must stay below 2**62 (64-bit sums)")
    spread = 0.5 * math.log2(max(n * variance(max_value, law), 2.0)) - math.log2(2 * delta + 1)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        rows = draw(rng, count, n, max_value, law)
        if abs(target) <= delta:
            return np.zeros(count, bool)
        return engine.missed_rows(rows, target, delta, spread)

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


def every_target_sampler(
    n: int, max_value: int, law: Law = "nonzero", limit: int | None = None
) -> Callable[[np.random.Generator, int], np.ndarray]:
    """`sample(rng, count)`: True where some target of {-limit..limit} is missed by one draw of n samples."""
    n, max_value, _ = check_arguments(n, max_value, None, law)
    bound = max_value if limit is None else checked_target(limit)
    words = (2 * n * largest(max_value, law) + 2 * bound + 128) // 64
    if words > 2**24:
        raise ValueError(
            f"every-target runs need n * max_value below 2**29, got {n * largest(max_value, law)}"
        )

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        from sims.kernels.subset_sum_table import missed_targets

        out = np.empty(count, np.int64)
        missed_targets(draw(rng, count, n, max_value, law), bound, words, out)
        return out > 0

    return sample


def simulate(
    n: int,
    max_value: int,
    target: int,
    trials: int,
    seed: int,
    law: Law = "nonzero",
    delta: int = 0,
    *,
    rare: bool = False,
    every_target: bool = False,
    **options,
) -> list[dict]:
    """Rows for `snapcut simulate subset-sum`: P(miss) measured, and every law and bound beside it.

    Parameters
    ----------
    n, max_value, target, trials, seed, law, delta, options : as in `estimate`.
    rare : measure by splitting (`sims.subset_sum.rare`) instead; `trials` is then the population size.
    every_target : add P(some target of {-M..M} is missed by one draw), measured on `trials` instances.

    Returns
    -------
    Rows with "quantity", "value", "low", "high" (None where there is no interval) and "source".
    """
    from theory import subset_sum as theory

    if rare:
        from sims.subset_sum.rare import estimate_rare

        found = estimate_rare(n, max_value, target, seed, law, delta, particles=trials, **options)
        measured = (float(found.values[n]), float(found.low[n]), float(found.high[n]))
        source = f"splitting, {len(found.replicates)} x {trials} particles"
    else:
        plain = estimate(n, max_value, target, trials, seed, law, delta, **options)
        measured, source = (plain.value, plain.low, plain.high), f"{plain.trials} trials, exact decisions"

    rows: list[dict] = []

    def add(
        quantity: str, value: float, source: str, low: float | None = None, high: float | None = None
    ) -> None:
        rows.append({"quantity": quantity, "value": value, "low": low, "high": high, "source": source})

    add("P(miss), measured", measured[0], source, measured[1], measured[2])
    form, accuracy = theory.miss_form(n, max_value, law, delta)
    best = theory.miss_probability(n, max_value, target, law, delta=delta)
    add("P(miss), best law", best, f"{form}; accuracy {accuracy}")
    forms: tuple = ("saddlepoint",) if law == "product" else ("cox", "saddlepoint")
    for name in forms:
        add(f"P(miss), {name} law", theory.miss_probability(n, max_value, target, law, name, delta), "law")
    if delta == 0:
        lower, upper = theory.miss_probability_bounds(n, max_value, target, law)
        add("P(miss), lower bound", lower, "rigorous: reach and divisibility")
        add("P(miss), upper bound", upper, "rigorous: moments in blocks, trivial event")
        add("P(no sample equals the target)", theory.trivial_miss(n, max_value, target, law), "exact")
        add("E solutions", theory.expected_solutions(n, max_value, target, law), "exact")
        add("failure exponent, bits per sample", theory.failure_exponent(max_value, target, law), "theorem")
        if law == "nonzero" and n >= 2:
            add(
                "P(miss), Lemma 4",
                theory.lemma4_failure(n, max_value, target),
                "KN Lemma 4; above 1: vacuous",
            )
    if every_target:
        sample = every_target_sampler(n, max_value, law)
        every = montecarlo.probability(sample, trials, seed=seed, key=("every_target", n, max_value, law))
        add("P(some |t| <= M missed), measured", every.value, f"{trials} trials", every.low, every.high)
        if law != "product":
            add("P(some |t| <= M missed), Cox law", theory.every_target_miss(n, max_value, law), "law")
    return rows
