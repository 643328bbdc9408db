r"""Miss probabilities far below 1/trials: multilevel splitting over the number of samples.

A longer list of samples keeps every subset of a shorter one, so the events "miss with n samples" are nested:

    P(miss with n) = product over m < n of P(miss with m + 1 | miss with m).

A population of sample lists that all miss is carried from m to m + 1: each list draws one more sample, those
that now hit die, and the survivors are copied at random back to full size. The product of the surviving
fractions is an unbiased estimate of P(miss) at every n at once (Cerou, Del Moral, Furon & Guyader, Statistics
and Computing 22 (2012) 795); every hit is decided exactly on a bitset of all sums. One level costs
a factor of about two in probability, so 1e-12 is forty levels, not 10^12 trials.

Independent replicates give the interval.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sims import montecarlo
from sims.montecarlo import Estimate, stream
from sims.subset_sum.sampling import draw
from sims.support.threads import in_order
from theory.arguments import inside, whole
from theory.integer_sums import Law, check_arguments, largest
from theory.subset_sum.saddlepoint import poisson_mean

_MOST_BYTES = 2**30


@dataclass(frozen=True)
class RareEstimate:
    """Unbiased estimates of P(miss with n) for n = 0..N from independent replicates of one splitting run.

    Attributes
    ----------
    values, low, high
        (N + 1,) means over the replicates, and Student intervals at `level`: of log P where
        all replicates are positive (delta method), (0, upper) where some died out. Where all did, the
        value is 0 and the upper limit that of the last n that was reached: P(miss) never grows with n.
    replicates
        (R, N + 1) the single estimates.
    level, particles, seed
        How it was made.
    """

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    replicates: np.ndarray
    level: float
    particles: int
    seed: int

    def slope(self, first: int, last: int) -> tuple[float, float]:
        """Bits of miss probability per sample between two n, and its standard error over the replicates."""
        with np.errstate(divide="ignore", invalid="ignore"):
            bits = -np.log2(self.replicates[:, last] / self.replicates[:, first]) / (last - first)
        bits = bits[np.isfinite(bits)]
        if bits.size < 2:
            return math.nan, math.inf
        return float(bits.mean()), float(bits.std(ddof=1) / math.sqrt(bits.size))


def estimate_rare(
    n: int,
    max_value: int,
    target: int,
    seed: int,
    law: Law = "nonzero",
    delta: int = 0,
    *,
    particles: int = 4000,
    replicates: int = 24,
    level: float = 0.99,
    threads: int | None = None,
    draws: Callable[[np.random.Generator, int], np.ndarray] | None = None,
) -> RareEstimate:
    r"""P(miss with m samples) for every m <= n, down to probabilities no plain Monte Carlo can see.

    .. math:: \hat P_n = \prod_{m=1}^{n} \frac{\#\{\text{lists that still miss after sample } m\}}{N}

    Parameters
    ----------
    n, max_value, target, law, delta
        As in `theory.subset_sum.miss_probability`.
    seed
        Names the streams; results do not depend on `threads`.
    particles
        Population size N.
    replicates
        Independent runs, >= 2; they make the interval.
    draws
        `draws(rng, count)`, samples of another law on {-M..M} (M^2 for "product"), instead of `law`.

    Raises
    ------
    ValueError
        a population whose bitsets (particles * 2 n * largest sample / 8 bytes) would not fit 1 GiB.

    Examples
    --------
    >>> rare = estimate_rare(24, 15, 1, seed=1, particles=500, replicates=8)
    >>> bool(rare.low[24] < rare.values[24] < rare.high[24] < 1e-6)
    True
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0)
    inside("level", level)
    replicates, particles = whole("replicates", replicates, 2), whole("particles", particles, 2)
    # sums in [-n R, n R] and the target must be told apart modulo the length of the bitset
    words = (2 * n * largest(max_value, law) + 2 * (abs(target) + delta) + 128) // 64
    if 16 * words * particles > _MOST_BYTES:
        raise ValueError(
            f"{particles} particles of {words} words each need {16 * words * particles / 2**30:.1f} GiB; "
            "use fewer particles, or smaller n or max_value"
        )

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        return draws(rng, count) if draws else draw(rng, count, 1, max_value, law)[:, 0]

    def replicate(index: int) -> np.ndarray:
        rng = stream(seed, ("subset_sum_rare", n, max_value, target, law, delta), index)
        return _split(rng, sample, n, target, delta, particles, words)

    found = np.array(list(in_order(replicate, range(replicates), threads)))
    return _summary(found, level, particles, seed)


def _split(rng, sample, n: int, target: int, delta: int, particles: int, words: int) -> np.ndarray:
    from sims.kernels.subset_sum_table import add_samples

    estimate = np.zeros(n + 1)
    if abs(target) <= delta:
        return estimate
    estimate[0] = 1.0
    bits = np.zeros((particles, words), np.uint64)
    bits[:, 0] = 1  # the empty set
    missed = np.empty(particles, np.bool_)
    spare = np.empty(words, np.uint64)
    for m in range(1, n + 1):
        add_samples(bits, sample(rng, particles), target, delta, spare, missed)
        alive = np.flatnonzero(missed)
        estimate[m] = estimate[m - 1] * (alive.size / particles)
        if alive.size == 0:
            break
        if alive.size < particles:  # survivors stay, the dead are replaced by copies of random survivors
            dead = np.flatnonzero(~missed)
            copies = np.arange(dead.size) % alive.size
            parents = (
                rng.permutation(alive)[copies] if dead.size <= alive.size else rng.choice(alive, dead.size)
            )
            bits[dead] = bits[parents]
    return estimate


def _summary(found: np.ndarray, level: float, particles: int, seed: int) -> RareEstimate:
    count = len(found)
    mean = found.mean(axis=0)
    error = found.std(axis=0, ddof=1) / math.sqrt(count)
    reach = montecarlo.student_half_width(1.0, count, level)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.exp(reach * error / mean)
    positive = (found > 0.0).all(axis=0)
    low = np.where(positive, mean / factor, 0.0)
    high = np.where(positive, mean * factor, np.maximum(mean + reach * error, 0.0))
    high = np.minimum(high, 1.0)
    seen = np.flatnonzero(mean)
    if seen.size:  # more samples miss no more often: the last limit holds where no particle was left
        high[seen[-1] :] = high[seen[-1]]
    return RareEstimate(mean, low, high, found, level, particles, seed)


def estimate_poisson(
    n: int,
    max_value: int,
    target: int,
    trials: int,
    seed: int,
    law: Law = "nonzero",
    delta: int = 0,
    **options,
) -> Estimate:
    r"""Conditional Poisson law averaged over random samples: low variance, no decision, but a law's bias.

    .. math:: E_X\, e^{-\lambda(X)}

    with the saddlepoint mean lambda of `theory.subset_sum.saddlepoint.poisson_mean`. Where divisibility
    matters (small products) the law misses it; `estimate_rare` is unbiased.

    Parameters
    ----------
    n, max_value, target, law, delta
        As in `theory.subset_sum.miss_probability`.
    trials, seed, options
        As in `sims.montecarlo.mean`.

    Examples
    --------
    >>> found = estimate_poisson(12, 127, 1, trials=2000, seed=1)
    >>> bool(found.low < 0.025 < found.high)
    True
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        if abs(target) <= delta:
            return np.zeros(count)
        return np.exp(-np.asarray(poisson_mean(draw(rng, count, n, max_value, law), target, delta=delta)))

    options.setdefault("key", ("subset_sum_poisson", n, max_value, target, law, delta))
    return montecarlo.mean(sample, trials, bounds=(0.0, 1.0), seed=seed, **options)
