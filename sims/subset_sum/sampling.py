"""Random instances of subset sum, each decided exactly: samplers and their estimates."""

import math
from collections.abc import Callable

import numpy as np

from sims import montecarlo
from sims.montecarlo import Estimate
from sims.subset_sum import algorithms as engine
from sims.subset_sum.plan import price
from theory.arguments import whole
from theory.integer_sums import Law, check_arguments, largest, variance

_LARGEST_N = 44


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
    delta = whole("delta", delta, 0)
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
    n, max_value, target, law, delta
        As in `theory.subset_sum.miss_probability`.
    trials, seed
        As in `sims.montecarlo.probability`, to which further options are passed.

    Examples
    --------
    >>> result = estimate(14, 8191, 1, trials=2000, seed=1)
    >>> bool(result.low < 0.606 < result.high)
    True
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0)
    options.setdefault("key", ("subset_sum", n, max_value, target, law, delta))
    return montecarlo.probability(sampler(n, max_value, target, law, delta), trials, seed=seed, **options)


def every_target_sampler(
    n: int, max_value: int, law: Law = "nonzero", limit: int | None = None
) -> Callable[[np.random.Generator, int], np.ndarray]:
    """`sample(rng, count)`: True where some target of {-limit..limit} is missed by one draw of n samples."""
    n, max_value, _ = check_arguments(n, max_value, None, law)
    bound = max_value if limit is None else whole("limit", limit, 0)
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
