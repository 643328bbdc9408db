r"""Numbers of parameters: the counting bound of Theorem 3, and the units a random network must draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from theory.arguments import choice, whole

ERDOS_BORWEIN = 1.6066951524152917  # sum of 1/(2^k - 1): units wasted per round when inputs are many


def counting_bound(fan_in: int, fan_out: int, values: int, probability: float = 1.0) -> float:
    r"""Least number of nonzero parameters of a network whose prunings represent every matrix.

    .. math:: \alpha \ge d_{out}\, d_{in} \log_2 V + \log_2 p

    A network with alpha nonzero parameters has at most 2^alpha prunings; each of the V^(d_out d_in) matrices
    over V values is represented with probability at least p, so p V^(d_out d_in) <= E(matrices) <= 2^alpha.

    Parameters
    ----------
    fan_in, fan_out
        Sizes of the matrix.
    values
        V, number of grid values; 2 M + 1 with zero.
    probability
        p in (0, 1].

    Returns
    -------
    The bound, at least 0.

    Raises
    ------
    ValueError
        Sizes below 1, values below 2, or a probability outside (0, 1].

    References
    ----------
    A. Kumar, E. Natale, arXiv:2508.11020, Theorem 3.

    Examples
    --------
    >>> counting_bound(10, 10, 256)
    800.0
    """
    fan_in, fan_out = whole("fan_in", fan_in, 1), whole("fan_out", fan_out, 1)
    values = whole("values", values, 2)
    if not 0.0 < probability <= 1.0:
        raise ValueError(f"probability={probability} must lie in (0, 1]")
    return max(0.0, fan_in * fan_out * math.log2(values) + math.log2(probability))


def drawn_units(fan_in: int, samples: int, signed: bool = False, usable: float = 0.5) -> tuple[float, float]:
    r"""Mean and standard deviation of the units drawn until every input has its `samples` usable ones.

    .. math:: E H = n \sum_{k=1}^{d} \frac1{1 - 2^{-k}} \to n (d + 1.6067), \qquad
              \mathrm{Var}\, H = n \sum_{k=1}^{d} \frac{2^{-k}}{(1 - 2^{-k})^2}

    Units are matched: in each of n rounds every slot (input, side) gets one; with k slots waiting, a unit
    fits none with probability 2^-k, so nearly none is wasted. The sums are exact; the limit is that of many
    inputs (at d = 1 the sum is 2, the limit 2.607). With both sides (`signed`) a unit always
    fits an input that waits for both; only the slots left alone at the end cost more than one unit each. The
    block form of the proof wastes half: 2 n d units.

    Parameters
    ----------
    fan_in
        Inputs of the layer.
    samples
        n.
    signed
        a slot for either side of an input.
    usable
        Probability that a weight has the wanted sign; below 1/2 only where entries can be zero. The
        moments are exact for one side or usable = 1/2, and within 1 % otherwise.

    Examples
    --------
    >>> [round(float(x), 2) for x in drawn_units(784, 21)]
    [16497.74, 7.59]
    >>> [round(float(x), 2) for x in drawn_units(1, 21)]
    [42.0, 6.48]
    """
    fan_in, samples = whole("fan_in", fan_in, 1), whole("samples", samples, 1)
    if not 0.0 < usable <= 0.5:
        raise ValueError(f"usable={usable} must lie in (0, 1/2]")
    mean, variance = _signed_round(fan_in, usable) if signed else _one_sided_round(fan_in, usable)
    return samples * mean, math.sqrt(samples * variance)


def _one_sided_round(slots: int, usable: float) -> tuple[float, float]:
    """Sum of `slots` geometric waiting times with success 1 - (1 - usable)^k, k = slots..1."""
    few = math.ceil(min(slots, 750 / usable))  # with more waiting, a unit always fits: (1 - u)^few < e^-750
    none, some = _chances(usable, np.arange(1, few + 1))
    return slots + float(np.sum(none / some)), float(np.sum(none / some**2))


def _chances(share: float, waiting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chance that none, and that some of those waiting takes a unit, which each does with `share`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_none = np.where(waiting > 0, waiting * np.log1p(-share), 0.0)
    return np.exp(log_none), -np.expm1(log_none)


def _signed_round(fan_in: int, usable: float) -> tuple[float, float]:
    """Moments of the units of a round with slots (j, +), (j, -), served first come, first fit.

    State: s inputs at the head of the queue wait for one side (independent fair sides), d wait for both. A
    unit serves one of the s with probability 1 - (1 - u)^s, else the first of the d with probability 2u
    against its own entry, else the next one. First and second moments of the time to absorption.
    """
    u = usable
    # with 6/u waiting a unit fits some one of them 399 times in 400: that many never come to wait
    top = math.ceil(min(fan_in, max(60, 6 / u)))
    single, taken = _chances(u, np.arange(top + 2))
    neither, both = _chances(2 * u, np.arange(fan_in + 1))  # some waiting pair takes the unit
    mean = np.zeros(top + 2)  # d = 0: s alone waiting
    second = np.zeros(top + 2)
    for s in range(1, top + 2):
        hit, stay = taken[s], single[s]
        mean[s] = (1 + hit * mean[s - 1]) / hit
        # E T^2 = 1 + 2 (hit E T_{s-1} + stay E T_s) + hit E T_{s-1}^2 + stay E T_s^2
        second[s] = (1 + 2 * (hit * mean[s - 1] + stay * mean[s]) + hit * second[s - 1]) / hit
    for d in range(1, fan_in + 1):
        new_mean, new_second = np.zeros(top + 2), np.zeros(top + 2)
        for s in range(top + 1):
            hit, up, stay = taken[s], single[s] * both[d], single[s] * neither[d]
            less = (new_mean[s - 1], new_second[s - 1]) if s else (0.0, 0.0)
            more = (mean[s + 1], second[s + 1])
            new_mean[s] = (1 + hit * less[0] + up * more[0]) / (hit + up)
            new_second[s] = (
                1 + 2 * (hit * less[0] + up * more[0] + stay * new_mean[s]) + hit * less[1] + up * more[1]
            ) / (hit + up)
        new_mean[top + 1], new_second[top + 1] = new_mean[top], new_second[top]
        mean, second = new_mean, new_second
    return float(mean[0]), float(second[0] - mean[0] ** 2)


@dataclass(frozen=True)
class ParameterCounts:
    """Parameters of a ticket before its masks are chosen; expected values where widths are random.

    Attributes
    ----------
    target
        Weights of the target.
    drawn
        Entries of all random matrices.
    candidates
        Entries left when every unit keeps one input and units that fit nowhere are cut: the network
        of Theorem 3, whose prunings are to represent every target.
    bound
        Counting bound summed over layers (every layer must represent every matrix).
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
    choice("construction", construction, ("two_layer", "depth_plus_one"))
    choice("allotment", allotment, ("matched", "block"))
    sizes = [whole("sizes", size, 1) for size in sizes]
    samples, max_value = whole("samples", samples, 1), whole("max_value", max_value, 1)
    copies = samples if copies is None else whole("copies", copies, 1)
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
