r"""Strong lottery tickets: how wide a random network must be, and with what probability it holds the target.

A target weight w is represented when some subset of its candidates sums to w. The tables of miss
probabilities these functions take are indexed by |w|: p[v] for a fixed number of candidates, p[n, v] for n
candidates; p[..., 0] = 0. They come from a law (`miss_probabilities`) or from measurement
(`sims.lottery.trials.miss_table`).

    numbers of parameters     drawn_units, parameter_counts, counting_bound
    success                   success_probability, block_success_probability, copies_success_probability
    size                      predicted_failures, samples_needed
    price of products         theory.lottery.products

References
----------
.. [1] A. Kumar, E. Natale, arXiv:2508.11020, 2025: Theorems 1, 2 and 3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from theory.subset_sum import Law, hit_probability_bounds, miss_probability
from theory.subset_sum import samples_needed as samples_for_one

ERDOS_BORWEIN = 1.6066951524152917  # sum of 1/(2^k - 1): units wasted per round when inputs are many


def counting_bound(fan_in: int, fan_out: int, values: int, probability: float = 1.0) -> float:
    r"""Least number of nonzero parameters of a network whose prunings represent every matrix.

    .. math:: \alpha \ge d_{out}\, d_{in} \log_2 V + \log_2 p

    A network with alpha nonzero parameters has at most 2^alpha prunings; each of the V^(d_out d_in) matrices
    over V values is represented with probability at least p, so p V^(d_out d_in) <= E(matrices) <= 2^alpha.

    Parameters
    ----------
    fan_in, fan_out : sizes of the matrix.
    values : V, number of grid values; 2 M + 1 with zero.
    probability : p in (0, 1].

    Returns
    -------
    The bound, at least 0.

    Raises
    ------
    ValueError : sizes below 1, values below 2, or a probability outside (0, 1].

    References
    ----------
    A. Kumar, E. Natale, arXiv:2508.11020, Theorem 3.

    Examples
    --------
    >>> counting_bound(10, 10, 256)
    800.0
    """
    for name, value, least in (("fan_in", fan_in, 1), ("fan_out", fan_out, 1), ("values", values, 2)):
        if not value >= least:
            raise ValueError(f"{name}={value} must be at least {least}")
    if not 0.0 < probability <= 1.0:
        raise ValueError(f"probability={probability} must lie in (0, 1]")
    return max(0.0, fan_in * fan_out * math.log2(values) + math.log2(probability))


def drawn_units(fan_in: int, samples: int, signed: bool = False, usable: float = 0.5) -> tuple[float, float]:
    r"""Mean and standard deviation of the units drawn until every input has its `samples` usable ones.

    .. math:: E H = n \sum_{k=1}^{d} \frac1{1 - 2^{-k}} = n (d + 1.6067), \qquad
              \mathrm{Var}\, H = n \sum_{k=1}^{d} \frac{2^{-k}}{(1 - 2^{-k})^2}

    Units are matched: in each of n rounds every slot (input, side) gets one; with k slots waiting, a unit
    fits none with probability 2^-k, so nearly none is wasted. Exact. With both sides (`signed`) a unit always
    fits an input that waits for both; only the slots left alone at the end cost more than one unit each. The
    block form of the proof wastes half: 2 n d units.

    Parameters
    ----------
    fan_in : inputs of the layer. samples : n. signed : a slot for either side of an input.
    usable : probability that a weight has the wanted sign; below 1/2 only where entries can be zero. The
        moments are exact for one side or usable = 1/2, and within 1 % otherwise.

    Examples
    --------
    >>> [round(float(x), 2) for x in drawn_units(784, 21)]
    [16497.74, 7.59]
    >>> [round(float(x), 2) for x in drawn_units(1, 21)]
    [42.0, 6.48]
    """
    if fan_in < 1 or samples < 1:
        raise ValueError(f"fan_in={fan_in} and samples={samples} must be at least 1")
    if not 0.0 < usable <= 0.5:
        raise ValueError(f"usable={usable} must lie in (0, 1/2]")
    mean, variance = _signed_round(fan_in, usable) if signed else _one_sided_round(fan_in, usable)
    return samples * mean, math.sqrt(samples * variance)


def _one_sided_round(slots: int, usable: float) -> tuple[float, float]:
    """Sum of `slots` geometric waiting times with success 1 - (1 - usable)^k, k = slots..1."""
    none = (1.0 - usable) ** np.arange(1, slots + 1)
    return float(np.sum(1 / (1 - none))), float(np.sum(none / (1 - none) ** 2))


def _signed_round(fan_in: int, usable: float) -> tuple[float, float]:
    """Moments of the units of a round with slots (j, +), (j, -), served first come, first fit.

    State: s inputs at the head of the queue wait for one side (independent fair sides), d wait for both. A
    unit serves one of the s with probability 1 - (1 - u)^s, else the first of the d with probability 2u
    against its own entry, else the next one. First and second moments of the time to absorption.
    """
    u = usable
    top = min(fan_in, 60)  # with 60 waiting, a unit fits none of them once in 2^60 times
    single = (1.0 - u) ** np.arange(top + 2)
    mean = np.zeros(top + 2)  # d = 0: s alone waiting
    second = np.zeros(top + 2)
    for s in range(1, top + 2):
        hit, stay = 1 - single[s], single[s]
        mean[s] = (1 + hit * mean[s - 1]) / (1 - stay)
        # E T^2 = 1 + 2 (hit E T_{s-1} + stay E T_s) + hit E T_{s-1}^2 + stay E T_s^2
        second[s] = (1 + 2 * (hit * mean[s - 1] + stay * mean[s]) + hit * second[s - 1]) / (1 - stay)
    for d in range(1, fan_in + 1):
        both = 1 - (1 - 2 * u) ** d  # some waiting pair takes the unit
        new_mean, new_second = np.zeros(top + 2), np.zeros(top + 2)
        for s in range(top + 1):
            hit = 1 - single[s] if s else 0.0
            up, stay = single[s] * both, single[s] * (1 - both)
            less = (new_mean[s - 1], new_second[s - 1]) if s else (0.0, 0.0)
            more = (mean[s + 1], second[s + 1])
            new_mean[s] = (1 + hit * less[0] + up * more[0]) / (1 - stay)
            new_second[s] = (
                1 + 2 * (hit * less[0] + up * more[0] + stay * new_mean[s]) + hit * less[1] + up * more[1]
            ) / (1 - stay)
        new_mean[top + 1], new_second[top + 1] = new_mean[top], new_second[top]
        mean, second = new_mean, new_second
    return float(mean[0]), float(second[0] - mean[0] ** 2)


@dataclass(frozen=True)
class ParameterCounts:
    """Parameters of a ticket before its masks are chosen; expected values where widths are random.

    Attributes
    ----------
    target : weights of the target.
    drawn : entries of all random matrices.
    candidates : entries left when every unit keeps one input and units that fit nowhere are cut: the network
        of Theorem 3, whose prunings are to represent every target.
    bound : counting bound summed over layers (every layer must represent every matrix).
    """

    target: int
    drawn: float
    candidates: float
    bound: float

    @property
    def overparameterization(self) -> float:
        """Drawn parameters per target weight."""
        return self.drawn / self.target

    @property
    def ratio(self) -> float:
        """Candidates over the counting bound: 1 would be optimal."""
        return self.candidates / self.bound


def parameter_counts(
    sizes: Sequence[int],
    samples: int,
    max_value: int,
    construction: str = "two_layer",
    signed_inputs: bool = False,
    allotment: str = "matched",
    copies: int | None = None,
) -> ParameterCounts:
    r"""Parameters of a random network that is to hold every target with layers `sizes` on {-M..M}.

    .. math:: \text{two\_layer: } \sum_i H_i (d_{i-1} + d_i), \qquad
              \text{depth\_plus\_one: } H_1 (d_0 + \rho d_1) + \sum_{i \ge 2} \rho^2 d_{i-1} d_i

    (the last layer of depth_plus_one has no copies: rho d_{l-1} d_l). With n ~ rho ~ log2(1/delta),
    parameters grow like log(1/delta) and log^2(1/delta).

    Examples
    --------
    >>> counts = parameter_counts([784, 500, 10], 21, 127)
    >>> round(counts.overparameterization, 1), round(counts.ratio, 2)
    (66.9, 2.64)
    """
    copies = copies or samples
    drawn = candidates = bound = 0.0
    last = len(sizes) - 2
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        repeat = copies if construction == "depth_plus_one" and i < last else 1
        both = signed_inputs and i == 0
        if i == 0 or construction == "two_layer":
            slots = samples * fan_in * (2 if both else 1)
            units = 2 * samples * fan_in if allotment == "block" else drawn_units(fan_in, samples, both)[0]
            drawn += units * (fan_in + fan_out * repeat)
            candidates += slots * (1 + fan_out * repeat)
        else:
            drawn += copies * fan_in * fan_out * repeat
            candidates += copies * fan_in * fan_out * repeat
        bound += counting_bound(fan_in, fan_out, 2 * max_value + 1)
    target = sum(a * b for a, b in pairwise(sizes))
    return ParameterCounts(target, drawn, candidates, bound)


def miss_probabilities(samples: int, max_value: int, law: Law = "nonzero", limit: int | None = None):
    """Table p[v], v = 0..limit, of the probability that `samples` candidates miss the weight v, by the law.

    `theory.subset_sum.miss_probability` for every v; limit is M (M^2 for "product") unless given.

    Examples
    --------
    >>> miss_probabilities(12, 7).shape
    (8,)
    """
    top = limit if limit is not None else max_value**2 if law == "product" else max_value
    return np.array([miss_probability(samples, max_value, v, law=law) for v in range(top + 1)])


def predicted_failures(
    weights: Sequence[np.ndarray], max_value: int, samples: int, rigorous: bool = False
) -> float:
    r"""Expected number of failed weights, law "nonzero": a bound of the network's failure probability.

    .. math:: \sum_w p_{n, |w|}

    Parameters
    ----------
    weights : integer matrices. samples : n.
    rigorous : by the proved upper bounds of p; else by the law, evaluated at nine sizes of weights and
        interpolated in log p between them (within a third).

    Examples
    --------
    >>> w = [np.array([[7, -3], [1, 5]])]
    >>> predicted_failures(w, 7, 14) < 0.01 < predicted_failures(w, 7, 14, rigorous=True) < 1
    True
    """
    sizes, counts = np.unique(np.abs(np.concatenate([np.ravel(w) for w in weights])), return_counts=True)
    sizes, counts = sizes[sizes > 0], counts[sizes > 0]
    if sizes.size == 0:
        return 0.0
    if rigorous:
        miss = np.array([1 - hit_probability_bounds(samples, max_value, int(v))[0] for v in sizes])
    else:
        nodes = np.unique(np.rint(np.linspace(sizes[0], sizes[-1], 9)).astype(int))
        law = [math.log(miss_probability(samples, max_value, int(v))) for v in nodes]
        miss = np.exp(np.interp(sizes, nodes, law))
    return float(counts @ miss)


def samples_needed(
    weights: Sequence[np.ndarray], max_value: int, failure: float, rigorous: bool = False
) -> int:
    r"""Candidates per weight that keep the expected number of failed weights at or below `failure`.

    .. math:: \min\Bigl\{ n : \sum_w p_{n, |w|} \le \epsilon \Bigr\}

    By the union bound the network then fails with probability at most epsilon. Law "nonzero".

    Parameters
    ----------
    weights : integer matrices. failure : epsilon in (0, 1).
    rigorous : as in `predicted_failures`. For M from 3 to 127 the bounds ask for two to four times as many as
        the law; for M = 1 they are exact.

    Examples
    --------
    >>> w = [np.array([[7, -3], [1, 5]])]
    >>> samples_needed(w, 7, 0.01), 28 <= samples_needed(w, 7, 0.01, rigorous=True) <= 35
    (14, True)
    """
    if not 0.0 < failure < 1.0:
        raise ValueError(f"failure={failure} must lie strictly between 0 and 1")
    largest, total = 0, 0
    for w in weights:
        largest, total = max(largest, int(np.abs(w).max())), total + int(np.count_nonzero(w))
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
    weights : integer matrices. miss : p[v]. signed_inputs : both sides of the first layer must succeed.

    Examples
    --------
    >>> round(success_probability([np.array([[1, 0], [-1, 1]])], np.array([0.0, 0.5])), 12)
    0.125
    """
    return math.exp(sum(_log_success(w, miss).sum() * (1 + (signed_inputs and i == 0))
                        for i, w in enumerate(weights)))  # fmt: skip


def expected_failures(weights: Sequence[np.ndarray], miss: np.ndarray) -> float:
    """Sum of p over all weights: an upper bound of the failure probability whatever depends on what.

    Examples
    --------
    >>> expected_failures([np.array([[1, 0], [-1, 1]])], np.array([0.0, 0.25]))
    0.75
    """
    return float(sum(np.asarray(miss)[np.abs(w)].sum() for w in weights))


def _log_success(w: np.ndarray, miss: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log1p(-np.asarray(miss, dtype=float)[..., np.abs(np.asarray(w))])


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
    miss : p[N, v], N = 0..2n.

    Examples
    --------
    Ternary weights, p_N = 2^-N: one input with two outputs, n = 1.

    >>> p = np.array([[0, 1], [0, 1 / 2], [0, 1 / 4]])
    >>> round(block_success_probability([np.array([[1], [1]])], p, 1), 12)  # (0 + 2/4 + 9/16) / 4
    0.265625
    """
    from scipy.stats import binom

    share = binom.pmf(np.arange(2 * samples + 1), 2 * samples, 0.5)
    total = 0.0
    for i, w in enumerate(weights):
        columns = np.stack([_log_success(w, p).sum(axis=0) for p in miss[: 2 * samples + 1]])
        if signed_inputs and i == 0:
            columns = columns + columns[::-1]
        total += np.log(share @ np.exp(columns)).sum()
    return math.exp(total)


def copies_success_probability(weights: Sequence[np.ndarray], miss: np.ndarray, samples: int, copies: int):
    r"""Success of depth l + 1, where the good copies of a unit are the candidates of the next layer.

    .. math:: G_i \sim \text{Binomial}(\rho, q_i),\quad q_i = \prod_j (1 - p_{n, |w_{ij}|}), \qquad
              P = \prod_j E_{G_j} \prod_i (1 - p_{G_j, |w_{ij}|})

    Exact for one hidden layer ("nonzero" law, non-negative inputs). With more, a copy of the next layer is
    good with a probability that depends on the numbers of good copies before it; here these numbers are taken
    as independent between units (mean field).

    Parameters
    ----------
    miss : p[n, v], n = 0..max(samples, copies). samples : candidates of the first pair. copies : rho.

    Examples
    --------
    >>> p = np.array([[0, 1], [0, 1 / 2], [0, 1 / 4]])
    >>> w = [np.array([[1]]), np.array([[1]])]
    >>> round(copies_success_probability(w, p, 1, 2), 12)  # E(1 - 2^-G), G ~ Bin(2, 1/2)
    0.4375
    """
    from scipy.stats import binom

    counts = np.arange(copies + 1)
    good = np.exp(_log_success(weights[0], miss[samples]).sum(axis=1))  # q_i of the first hidden layer
    if len(weights) == 1:
        return float(np.prod(good))
    for w in weights[1:-1]:
        share = binom.pmf(counts, copies, good[:, None])  # (units, counts)
        reached = np.exp(np.stack([_log_success(w, p) for p in miss[: copies + 1]]))  # (counts, out, units)
        good = np.einsum("jc,cij->ij", share, reached).prod(axis=1)
    share = binom.pmf(counts, copies, good[:, None])
    columns = np.exp(np.stack([_log_success(weights[-1], p).sum(axis=0) for p in miss[: copies + 1]]))
    return float(np.prod(np.einsum("jc,cj->j", share, columns)))
