"""Miss probabilities of every weight at once: exact on small grids, else measured on candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sims import montecarlo
from sims.lottery.masks import MAX_SAMPLES
from sims.subset_sum import draw
from theory.arguments import choice, inside, whole
from theory.lottery import (
    expected_failures,
    miss_probabilities,
    miss_probability_table,
    samples_needed,
)
from theory.subset_sum import Law, exact_is_cheap
from theory.subset_sum.bounds import reach_probability

_ROWS = 4096  # candidate sets per stream


@dataclass(frozen=True)
class MissTable:
    """Measured miss probabilities p[n, |t|] for n = 0..samples candidates and targets up to `limit`.

    Attributes
    ----------
    p
        (samples + 1, limit + 1) float64; nan below `least` candidates, p[:, 0] = 0, p[0, 1:] = 1.
    trials
        Candidate sets drawn. Every set tells about all targets, both signs and all prefixes at once, so
        that entries of one table are dependent; each is an unbiased mean over `trials` independent sets.
    """

    p: np.ndarray
    trials: int

    def standard_error(self, n: int, value: int) -> float:
        """At most this much, were the two signs of a set always to agree."""
        p = self.p[n, abs(value)]
        return float(np.sqrt(p * (1 - p) / self.trials))


def miss_table(
    samples: int,
    max_value: int,
    trials: int,
    seed: int,
    law: Law = "nonzero",
    limit: int | None = None,
    least: int = 1,
) -> MissTable:
    """Measure the miss probability of every target at once, for every number of candidates up to `samples`.

    Parameters
    ----------
    samples, max_value, law
        Candidates, M, sampling law ("nonzero" or "product").
    limit
        Largest target; M (M^2 for "product") unless given.
    least
        Numbers of candidates below this are not recorded (nan).

    Examples
    --------
    >>> table = miss_table(4, 1, 20_000, seed=0)
    >>> [round(float(p), 1) for p in table.p[:, 1]]  # ternary: 2^-n
    [1.0, 0.5, 0.2, 0.1, 0.1]
    """
    from sims.kernels import lottery as kernels

    samples = whole("samples", samples, 1, 1 << 40)
    max_value, trials = whole("max_value", max_value, 1, 1 << 40), whole("trials", trials, 1, 1 << 40)
    choice("law", law, ("nonzero", "product"))
    most = max_value**2 if law == "product" else max_value
    top, least = most if limit is None else whole("limit", limit, 0), whole("least", least, 0)
    counts = np.zeros((samples + 1, top + 1), np.int64)
    for block, start in enumerate(range(0, trials, _ROWS)):
        rng = montecarlo.stream(seed, ("lottery.misses", samples, max_value, law), block)
        kernels.count_misses(
            draw(rng, min(_ROWS, trials - start), samples, max_value, law), top, least, True, counts
        )
    p = counts / (2 * trials)
    p[1:least] = np.nan
    p[0] = 1.0
    p[:, 0] = 0.0
    return MissTable(p, trials)


def rare_misses(samples: int, max_value: int, trials: int, seed: int) -> np.ndarray:
    r"""Miss probabilities p[v], v = 0..M, of `samples` candidates in the tail (law "nonzero").

    .. math:: p_v = P\Bigl(\sum_{X_i > 0} X_i < v\Bigr) + \sum_{k=0}^{n} \binom nk 2^{-n}\,
              P\Bigl(\text{miss } v,\; \sum_{X_i > 0} X_i \ge v \Bigm| k \text{ candidates are positive}\Bigr)

    The first term, which dominates the tail, is known exactly (the reach law); the second is
    measured with a fixed number of trials for every k: half of them shared equally, half by probability.
    Unbiased.

    Examples
    --------
    >>> bool(abs(rare_misses(20, 1, 2000, seed=0)[1] * 2**20 - 1) < 1e-12)  # ternary: only k = 0 misses
    True
    """
    from scipy.stats import binom

    from sims.kernels import lottery as kernels

    samples, max_value = whole("samples", samples, 1), whole("max_value", max_value, 1)
    trials = whole("trials", trials, 1)
    shares = binom.pmf(np.arange(samples + 1), samples, 0.5)
    p = np.array([0.0] + [float(reach_probability(samples, max_value, v)) for v in range(1, max_value + 1)])
    for k, share in enumerate(shares):
        rows = max(16, round(trials * (0.5 * share + 0.5 / (samples + 1))))
        rng = montecarlo.stream(seed, ("lottery.rare", samples, max_value), k)
        x = rng.integers(1, max_value + 1, (rows, samples))
        x[:, k:] *= -1
        counts = np.zeros((samples + 1, max_value + 1), np.int64)
        kernels.count_misses(x, max_value, samples, False, counts)
        p += share * counts[samples] / rows
    return p


def best_misses(samples: int, max_value: int, trials: int, seed: int) -> np.ndarray:
    """Miss probabilities p[v], v = 0..M: exact up to M = 7 (4-bit weights), `rare_misses` beyond.

    Examples
    --------
    >>> best_misses(8, 1, 100, seed=0).tolist()  # ternary: 2^-8
    [0.0, 0.00390625]
    """
    if exact_is_cheap(samples, max_value, max_value):
        return miss_probabilities(samples, max_value)
    # an unbiased estimate of a probability near 1 may exceed it
    return np.minimum(rare_misses(samples, max_value, trials, seed), 1.0)


def best_miss_table(
    samples: int, max_value: int, trials: int, seed: int, law: Law = "nonzero", least: int = 1
) -> np.ndarray:
    """p[n, v] for n = 0..samples and every weight: exact up to M = 7 ("product": 3), else measured.

    Parameters
    ----------
    samples, max_value, trials, seed, law, least
        As in `miss_table`, which measures. The exact table has no gaps below `least`.

    Examples
    --------
    >>> best_miss_table(3, 1, 100, seed=0)[:, 1].tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    top = max_value**2 if law == "product" else max_value
    if exact_is_cheap(samples, max_value, top, law):
        return miss_probability_table(samples, max_value, law)
    return miss_table(samples, max_value, trials, seed, law, least=least).p


def smallest_samples(
    weights: Sequence[np.ndarray], max_value: int, failure: float, seed: int = 0, trials: int = 40_000
) -> tuple[int, float]:
    """Fewest candidates whose expected number of failed weights is at most `failure`, and that number.

    Law "nonzero"; exact up to M = 7, beyond measured by `rare_misses`. The miss probability falls by at most
    about one half per candidate, so the search among measured ones skips ahead by the missing bits and never
    far beyond the answer.

    Raises
    ------
    ValueError
        More than the 62 candidates that a mask can hold would be needed.

    Examples
    --------
    >>> n, expected = smallest_samples([np.ones((2, 2), int)], 1, 0.03)  # 4 weights: 4 / 2^n
    >>> n, round(expected, 6)
    (8, 0.015625)
    """
    inside("failure", failure)
    n = 1
    if exact_is_cheap(MAX_SAMPLES, max_value, max_value):
        n = max(n, samples_needed(weights, max_value, failure))
    while n <= MAX_SAMPLES:
        expected = expected_failures(weights, best_misses(n, max_value, trials, seed))
        if expected <= failure:
            return n, expected
        n += max(1, int(np.log2(expected / failure)))
    raise ValueError(
        f"failure={failure} needs more than {MAX_SAMPLES} samples per weight; allow more failures"
    )
