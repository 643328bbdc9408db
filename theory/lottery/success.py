r"""Strong lottery tickets: how wide a random network must be, and with what probability it holds the target.

A target weight w is represented when some subset of its candidates sums to w. The tables of miss
probabilities these functions take are indexed by |w|: p[v] for a fixed number of candidates, p[n, v] for n
candidates; p[..., 0] = 0. They come from a law (`miss_probabilities`) or from measurement
(`sims.lottery.misses.miss_table`).

    numbers of parameters     drawn_units, parameter_counts, counting_bound
    success                   success_probability, failure_probability
    where units are shared    block_success_probability, copies_success_probability
    size                      predicted_failures, samples_needed
    price of products         theory.lottery.products

References
----------
.. [1] A. Kumar, E. Natale, arXiv:2508.11020, 2025: Theorems 1, 2 and 3.
"""

import math
from collections.abc import Sequence

import numpy as np

from theory.arguments import inside, integers, whole
from theory.subset_sum import Law, miss_probability, miss_probability_bounds
from theory.subset_sum import samples_needed as samples_for_one


def miss_probabilities(
    samples: int, max_value: int, law: Law = "nonzero", limit: int | None = None
) -> np.ndarray:
    """Table p[v], v = 0..limit, of the probability that `samples` candidates miss the weight v, by the law.

    `theory.subset_sum.miss_probability` for every v; limit is M (M^2 for "product") unless given.

    Examples
    --------
    >>> miss_probabilities(12, 7).shape
    (8,)
    """
    samples, max_value = whole("samples", samples, 0), whole("max_value", max_value, 1)
    top = whole("limit", limit, 0) if limit is not None else max_value**2 if law == "product" else max_value
    return np.array([miss_probability(samples, max_value, v, law=law) for v in range(top + 1)])


def miss_probability_table(samples: int, max_value: int, law: Law = "nonzero") -> np.ndarray:
    """Table p[n, v] of `miss_probabilities` for n = 0..samples candidates.

    Examples
    --------
    >>> miss_probability_table(3, 1)[:, 1].tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    return np.stack([miss_probabilities(n, max_value, law) for n in range(whole("samples", samples, 0) + 1)])


def predicted_failures(
    weights: Sequence[np.ndarray], max_value: int, samples: int, rigorous: bool = False, retries: int = 0
) -> float:
    r"""Expected number of failed weights, law "nonzero": a bound of the network's failure probability.

    .. math:: \sum_w p_{n, |w|}^{1 + r}

    Parameters
    ----------
    weights
        Integer matrices.
    samples
        n.
    rigorous
        By the proved upper bounds of p; else exactly up to M = 7, and by the law beyond, evaluated at
        nine sizes of weights and interpolated in log p between them (within a third).
    retries
        r, rounds in which a failed weight gets n fresh candidates and tries among those alone.

    Examples
    --------
    >>> w = [np.array([[7, -3], [1, 5]])]
    >>> predicted_failures(w, 7, 14) < 0.01 < predicted_failures(w, 7, 14, rigorous=True) < 1
    True
    >>> predicted_failures([np.array([[1, -1]])], 1, 3, retries=1)  # ternary: 2 / 2^(2 * 3)
    0.03125
    """
    samples, max_value = whole("samples", samples, 0), whole("max_value", max_value, 1)
    retries = whole("retries", retries, 0)
    flat = [np.zeros(0, np.int64), *(_magnitudes(w).ravel() for w in weights)]
    sizes, counts = np.unique(np.concatenate(flat), return_counts=True)
    sizes, counts = sizes[sizes > 0], counts[sizes > 0]
    if sizes.size == 0:
        return 0.0
    if rigorous:
        miss = np.array([miss_probability_bounds(samples, max_value, int(v))[1] for v in sizes])
    else:
        nodes = np.unique(np.rint(np.linspace(sizes[0], sizes[-1], 9)).astype(int))
        law = np.array([miss_probability(samples, max_value, int(v)) for v in nodes])
        # a probability below the smallest double counts as that
        miss = np.exp(np.interp(sizes, nodes, np.log(np.maximum(law, 5e-324))))
        miss[np.isin(sizes, nodes)] = law[np.isin(nodes, sizes)]  # exp(log p) may exceed p, and a limit met
    return float(counts @ miss ** (1 + retries))


def samples_needed(
    weights: Sequence[np.ndarray], max_value: int, failure: float, rigorous: bool = False
) -> int:
    r"""Candidates per weight that keep the expected number of failed weights at or below `failure`.

    .. math:: \min\Bigl\{ n : \sum_w p_{n, |w|} \le \epsilon \Bigr\}

    By the union bound the network then fails with probability at most epsilon. Law "nonzero".

    Parameters
    ----------
    weights
        Integer matrices.
    failure
        epsilon in (0, 1).
    rigorous
        As in `predicted_failures`. For M from 3 to 127 the bounds ask for two to four times as many as
        the law; for M = 1 they are exact.

    Examples
    --------
    >>> w = [np.array([[7, -3], [1, 5]])]
    >>> samples_needed(w, 7, 0.01), 28 <= samples_needed(w, 7, 0.01, rigorous=True) <= 35
    (14, True)
    """
    inside("failure", failure)
    max_value = whole("max_value", max_value, 1)
    largest, total = 0, 0
    for w in weights:
        largest, total = max(largest, int(_magnitudes(w).max(initial=0))), total + int(np.count_nonzero(w))
    if total == 0:
        return 0
    n = samples_for_one(max_value, largest, failure / total, rigorous=rigorous)
    while predicted_failures(weights, max_value, n, rigorous) > failure:
        n += 1
    while n > 1 and predicted_failures(weights, max_value, n - 1, rigorous) <= failure:
        n -= 1  # the largest weight needs more than the average one
    return n


def success_probability(
    weights: Sequence[np.ndarray], miss: np.ndarray, signed_inputs: bool = False
) -> float:
    r"""Probability that every weight is represented, for independent candidates.

    .. math:: P = \prod_w (1 - p_{|w|})

    Exact for the law "nonzero" with a fixed number of candidates: those of different outputs are different
    entries of B, and A contributes signs only. For "product" outputs share the sizes of A; see
    `theory.lottery.products.shared_divisor_bound`.

    Parameters
    ----------
    weights
        Integer matrices.
    miss
        p[v].
    signed_inputs
        Both sides of the first layer must succeed.

    Examples
    --------
    >>> round(success_probability([np.array([[1, 0], [-1, 1]])], np.array([0.0, 0.5])), 12)
    0.125
    """
    return math.exp(_log_of_all(weights, miss, signed_inputs))


def failure_probability(
    weights: Sequence[np.ndarray], miss: np.ndarray, signed_inputs: bool = False
) -> float:
    r"""Probability that some weight is not represented: 1 - `success_probability`, however small.

    .. math:: 1 - \prod_w (1 - p_{|w|}) = -\operatorname{expm1} \sum_w \log(1 - p_{|w|})

    Parameters
    ----------
    weights, miss, signed_inputs
        As in `success_probability`.

    Examples
    --------
    >>> failure_probability([np.array([[1, 0], [-1, 1]])], np.array([0.0, 2.0**-100])) == 3 / 2**100
    True
    """
    return 0.0 - math.expm1(_log_of_all(weights, miss, signed_inputs))


def _log_of_all(weights: Sequence[np.ndarray], miss: np.ndarray, signed_inputs: bool) -> float:
    """Logarithm of the probability that no weight fails."""
    return sum(
        float(_log_success(w, miss).sum()) * (1 + (signed_inputs and i == 0)) for i, w in enumerate(weights)
    )


def expected_failures(weights: Sequence[np.ndarray], miss: np.ndarray, signed_inputs: bool = False) -> float:
    """Sum of p over all weights: an upper bound of the failure probability whatever depends on what.

    With `signed_inputs` every weight of the first layer is to be represented on both sides and counts twice.

    Examples
    --------
    >>> expected_failures([np.array([[1, 0], [-1, 1]])], np.array([0.0, 0.25]))
    0.75
    >>> expected_failures([np.array([[1, 0], [-1, 1]])], np.array([0.0, 0.25]), signed_inputs=True)
    1.5
    """
    return float(
        sum(_misses(w, miss).sum() * (1 + (signed_inputs and i == 0)) for i, w in enumerate(weights))
    )


def _magnitudes(w: np.ndarray) -> np.ndarray:
    """|w| in 64 bits: in 8 bits -128 has no magnitude."""
    return np.abs(integers("weights", w))


def _misses(w: np.ndarray, miss: np.ndarray) -> np.ndarray:
    """p of every weight."""
    table, sizes = np.asarray(miss, dtype=float), _magnitudes(w)
    reach = sizes.max(initial=0)
    if reach >= table.shape[-1]:
        raise ValueError(f"miss must reach the largest weight, {reach}, got {table.shape[-1]} entries")
    found = table[..., sizes]
    if not ((found >= 0.0) & (found <= 1.0)).all():
        raise ValueError("miss must hold probabilities")
    return found


def _rows(miss: np.ndarray, most: int) -> np.ndarray:
    """Rows p[0], ..., p[most]."""
    if len(miss) <= most:
        raise ValueError(f"miss must have a row for every number of candidates up to {most}, got {len(miss)}")
    return miss[: most + 1]


def _log_success(w: np.ndarray, miss: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log1p(-_misses(w, miss))


def block_success_probability(
    weights: Sequence[np.ndarray], miss: np.ndarray, samples: int, signed_inputs: bool = False
) -> float:
    r"""Success in the block form of the proof, where all outputs share the number of usable units.

    .. math:: P = \prod_{j} \sum_{N} \binom{2n}{N} 4^{-n} \prod_i (1 - p_{N, |w_{ij}|})

    Input j has 2n units of its own; the number N whose weight is positive is Binomial(2n, 1/2) and the same
    for every output i. Given N the outputs are independent ("nonzero" law); they are not without it: the
    product of the averaged probabilities is smaller. With `signed_inputs` the other 2n - N units of the first
    layer serve the negative side.

    Parameters
    ----------
    miss
        p[N, v], N = 0..2n.

    Examples
    --------
    Ternary weights, p_N = 2^-N: one input with two outputs, n = 1.

    >>> p = np.array([[0, 1], [0, 1 / 2], [0, 1 / 4]])
    >>> round(block_success_probability([np.array([[1], [1]])], p, 1), 12)  # (0 + 2/4 + 9/16) / 4
    0.265625
    """
    from scipy.stats import binom

    samples = whole("samples", samples, 1)
    share = binom.pmf(np.arange(2 * samples + 1), 2 * samples, 0.5)
    total = 0.0
    for i, w in enumerate(weights):
        columns = np.stack([_log_success(w, p).sum(axis=0) for p in _rows(miss, 2 * samples)])
        if signed_inputs and i == 0:
            columns = columns + columns[::-1]
        with np.errstate(divide="ignore"):
            total += np.log(share @ np.exp(columns)).sum()
    return min(math.exp(total), 1.0)  # the shares add up to 1 but for rounding


def copies_success_probability(
    weights: Sequence[np.ndarray], miss: np.ndarray, samples: int, copies: int, signed_inputs: bool = False
) -> float:
    r"""Success of depth l + 1, where the good copies of a unit are the candidates of the next layer.

    .. math:: G_i \sim \text{Binomial}(\rho, q_i),\quad q_i = \prod_j (1 - p_{n, |w_{ij}|}), \qquad
              P = \prod_j E_{G_j} \prod_i (1 - p_{G_j, |w_{ij}|})

    Exact for one hidden layer ("nonzero" law). With more, a copy of the next layer is good with a probability
    that depends on the numbers of good copies before it; here these numbers are taken as independent between
    units (mean field). With `signed_inputs` a copy of the first pair must succeed on both sides: q_i^2.

    Parameters
    ----------
    miss
        p[n, v], n = 0..max(samples, copies).
    samples
        Candidates of the first pair.
    copies
        rho, copies of a hidden unit.
    signed_inputs
        Both sides of the first layer must succeed.

    Examples
    --------
    >>> p = np.array([[0, 1], [0, 1 / 2], [0, 1 / 4]])
    >>> w = [np.array([[1]]), np.array([[1]])]
    >>> round(copies_success_probability(w, p, 1, 2), 12)  # E(1 - 2^-G), G ~ Bin(2, 1/2)
    0.4375
    """
    from scipy.stats import binom

    samples, copies = whole("samples", samples, 0), whole("copies", copies, 0)
    counts, miss = np.arange(copies + 1), _rows(miss, max(samples, copies))
    if not len(weights):
        return 1.0  # nothing can fail
    sides = 1 + bool(signed_inputs)
    good = np.exp(sides * _log_success(weights[0], miss[samples]).sum(axis=1))  # of the first hidden layer
    if len(weights) == 1:
        return float(np.prod(good))
    for w in weights[1:-1]:
        share = binom.pmf(counts, copies, good[:, None])  # (units, counts)
        reached = np.exp(np.stack([_log_success(w, p) for p in miss[: copies + 1]]))  # (counts, out, units)
        good = np.einsum("jc,cij->ij", share, reached).prod(axis=1)
    share = binom.pmf(counts, copies, good[:, None])
    columns = np.exp(np.stack([_log_success(weights[-1], p).sum(axis=0) for p in miss[: copies + 1]]))
    return min(float(np.prod(np.einsum("jc,cj->j", share, columns))), 1.0)
