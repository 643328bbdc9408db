"""Operators T that send one weight to a compressed one: rounding, one bit, pruning, and their combination.

An operator is described by the law of T(v) at every v. The path-following theorems use three facts of it:
E T(v) = v inside `limits`, |T(v) - v| <= `max_error`, and that the error T(v) - v lies in an interval of
length `interval_length` whose position may depend on v. The deterministic operators keep the second only.
"""

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

from theory.arguments import positive
from theory.operators.base import Operator, Outcomes, check_grid_bits, check_length, floor_ratio, grid_limits
from theory.operators.biased import HardPruning


def _split(values: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratio, floor and a mask of the values that already are grid points as computed (k*step)."""
    with np.errstate(over="ignore"):  # a multiple of so small a step is the value itself
        ratio = values / step
    beyond = np.isinf(ratio)
    ratio = np.where(beyond, 0.0, ratio)
    return ratio, np.floor(ratio), beyond | (np.rint(ratio) * step == values)


@dataclass(frozen=True)
class StochasticRounding(Operator):
    r"""Unbiased rounding to a uniform grid: T(v) = d (floor(v/d) + Bernoulli(frac(v/d))).

    The error is a two-point law on an interval of length L = d, and |T(v) - v| < d.

    Parameters
    ----------
    step : float
        Grid step d > 0.
    bits : int, optional
        Restrict the grid to d {-2^(b-1), ..., 2^(b-1) - 1}. Values outside `limits` go to the nearer end
        (saturation): there the operator is biased and the theorems no longer apply.

    Examples
    --------
    >>> rounding = StochasticRounding(0.5)
    >>> rounding([0.6, 0.6, -1.0], [0.1, 0.9, 0.0])
    array([ 1. ,  0.5, -1. ])
    >>> rounding.outcomes(0.625)
    [(0.5, 0.75), (1.0, 0.25)]
    >>> rounding.unit, rounding.interval_length, rounding.max_error, StochasticRounding(0.5, bits=2).limits
    (0.5, 0.5, 0.5, (-1.0, 0.5))
    """

    step: float | Fraction
    bits: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", check_length("StochasticRounding: step", self.step))
        check_grid_bits("StochasticRounding", self.bits)

    @property
    def unit(self) -> Any:
        """u = d, the grid step."""
        return self.step

    @property
    def interval_length(self) -> Any:
        """L = d."""
        return self.step

    @property
    def max_error(self) -> Any:
        """M = d (a supremum, approached as v tends to a grid point)."""
        return self.step

    @property
    def limits(self) -> tuple[Any, Any]:
        """Ends of the grid; infinite without `bits`."""
        return grid_limits(self.step, self.bits)

    def outcomes(self, value: Any) -> Outcomes:
        """Two grid points around `value`; one when it is a grid point or outside `limits`."""
        value, (low, high) = self._number(value), self.limits
        if value <= low or value >= high:
            return [(low if value <= low else high, value * 0 + 1)]
        if abs(value / self.step) == math.inf:  # a grid point, to rounding
            return [(value, value * 0 + 1)]
        below, fraction = floor_ratio(value, self.step)
        if fraction == 0:
            return [(below * self.step, fraction + 1)]
        return [(below * self.step, 1 - fraction), ((below + 1) * self.step, fraction)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        step = float(self.step)
        ratio, below, on_grid = _split(values, step)
        rounded = (below + (uniforms < ratio - below)) * step
        low, high = self.limits
        return np.clip(np.where(on_grid, values, rounded), float(low), float(high))


@dataclass(frozen=True)
class OneBit(Operator):
    r"""Unbiased choice of a sign: T(v) = A with probability (A + v)/(2A), else -A.

    Parameters
    ----------
    level : float
        A > 0. Unbiased for |v| <= A; beyond, the sign of v is taken for certain.

    Examples
    --------
    >>> OneBit(1.0)([0.5, 0.5], [0.7, 0.8])
    array([ 1., -1.])
    >>> OneBit(2.0).outcomes(1.0), OneBit(2.0).unit
    ([(-2.0, 0.25), (2.0, 0.75)], 2.0)
    """

    level: float | Fraction

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", check_length("OneBit: level", self.level))

    @property
    def unit(self) -> Any:
        """u = A, the level."""
        return self.level

    @property
    def interval_length(self) -> Any:
        """L = 2A."""
        return 2 * self.level

    @property
    def max_error(self) -> Any:
        """M = 2A."""
        return 2 * self.level

    @property
    def limits(self) -> tuple[Any, Any]:
        """(-A, A)."""
        return (-self.level, self.level)

    def outcomes(self, value: Any) -> Outcomes:
        """-A and A; one of them for certain at and beyond the limits."""
        value = self._number(value)
        if abs(value) >= self.level:
            return [(self.level if value > 0 else -self.level, value * 0 + 1)]
        up = (self.level + value) / (2 * self.level)
        return [(-self.level, 1 - up), (self.level, up)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        level = float(self.level)
        with np.errstate(over="ignore"):  # far beyond the level the sign is certain
            chance = (level + values) / (2 * level)
        return np.where(uniforms < chance, level, -level)


def _prune(values: np.ndarray, uniforms: np.ndarray, threshold: float) -> np.ndarray:
    with np.errstate(over="ignore"):  # weights far beyond the threshold are kept
        chance = np.abs(values) / threshold
    kept = np.where(uniforms < chance, np.copysign(threshold, values), 0.0)
    return np.where(np.abs(values) > threshold, values, kept)


@dataclass(frozen=True)
class StochasticPruning(Operator):
    r"""Unbiased pruning: |v| > c is kept; else T(v) = sign(v) c with probability |v|/c, and 0 otherwise.

    Parameters
    ----------
    threshold : float
        c > 0.

    Examples
    --------
    >>> StochasticPruning(1.0)([3.0, 0.5, -0.5], [0.9, 0.6, 0.4])
    array([ 3.,  0., -1.])
    >>> StochasticPruning(1.0).outcomes(-0.25), StochasticPruning(1.0).unit
    ([(0.0, 0.75), (-1.0, 0.25)], 1.0)
    """

    threshold: float | Fraction

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", check_length("StochasticPruning: threshold", self.threshold))

    @property
    def unit(self) -> Any:
        """u = c, the threshold."""
        return self.threshold

    @property
    def interval_length(self) -> Any:
        """L = c."""
        return self.threshold

    @property
    def max_error(self) -> Any:
        """M = c (a supremum, approached as v tends to 0)."""
        return self.threshold

    def outcomes(self, value: Any) -> Outcomes:
        """0 and sign(v) c below the threshold, v itself above."""
        value = self._number(value)
        if abs(value) >= self.threshold or value == 0:
            return [(value, value * 0 + 1)]
        keep = abs(value) / self.threshold
        return [(abs(value) * 0, 1 - keep), (self.threshold if value > 0 else -self.threshold, keep)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        return _prune(values, uniforms, float(self.threshold))


@dataclass(frozen=True)
class PruneThenRound(Operator):
    r"""Stochastic pruning followed by independent stochastic rounding: T = R_d o P_c.

    For |v| <= c the result lies in {0, d floor(c/d), d ceil(c/d)} with the sign of v, so
    L = M = d ceil(c/d); for |v| > c it is one of the two grid points around v, an interval of length
    d <= d ceil(c/d).

    Parameters
    ----------
    threshold : float
        c > 0.
    step : float
        d > 0. With c < d the pruning is absorbed by the rounding (the law is that of rounding alone).

    Examples
    --------
    >>> PruneThenRound(threshold=1.5, step=1.0).outcomes(0.75)
    [(0.0, 0.5), (1.0, 0.25), (2.0, 0.25)]
    >>> PruneThenRound(1.5, 1.0)([0.75, 0.75, 0.75, 3.0], [0.2, 0.3, 0.6, 0.5])
    array([2., 1., 0., 3.])
    >>> PruneThenRound(1.5, 1.0).interval_length, PruneThenRound(1.5, 1.0).unit
    (2.0, 1.0)
    """

    threshold: float | Fraction
    step: float | Fraction

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", check_length("PruneThenRound: threshold", self.threshold))
        object.__setattr__(self, "step", check_length("PruneThenRound: step", self.step))
        if self.threshold / self.step == math.inf:
            raise ValueError(
                f"PruneThenRound: threshold / step must be finite, got {self.threshold} / {self.step}"
            )

    @property
    def threshold_cell(self) -> tuple[int, Any]:
        """floor(c/d) and the fractional part of c/d; a c that is a multiple of d to rounding counts as one.

        1.11/0.37 is three and an ulp: a fourth grid point of probability 1e-16 would widen L by a third.
        Exact numbers (fractions) are taken as they are.
        """
        below, fraction = floor_ratio(self.threshold, self.step)
        if isinstance(fraction, float):
            nearest = round(below + fraction)
            if abs(below + fraction - nearest) <= 4 * sys.float_info.epsilon * nearest:
                return nearest, 0.0
        return below, fraction

    @property
    def unit(self) -> Any:
        """u = d, the grid step: every result is a multiple of it, whatever the threshold."""
        return self.step

    @property
    def interval_length(self) -> Any:
        """L = d ceil(c/d)."""
        below, fraction = self.threshold_cell
        return (below + (fraction > 0)) * self.step

    @property
    def max_error(self) -> Any:
        """M = d ceil(c/d) (a supremum, approached as v tends to 0)."""
        return self.interval_length

    def outcomes(self, value: Any) -> Outcomes:
        """Composition of the two laws, equal points merged."""
        value, rounding = self._number(value), StochasticRounding(self.step)
        below, fraction = self.threshold_cell
        law: dict[Any, Any] = {}
        for kept, chance in StochasticPruning(self.threshold).outcomes(value):
            if fraction == 0 and abs(kept) == self.threshold:  # a grid point, to rounding
                points = [(below * self.step * (1 if kept > 0 else -1), value * 0 + 1)]
            else:
                points = rounding.outcomes(kept)
            for point, probability in points:
                law[point] = law.get(point, 0) + chance * probability
        return list(law.items())

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        # One uniform serves both choices: for |v| <= c the three outcomes are cut from [0, 1) in the order
        # ceil, floor, zero; for |v| > c it decides the rounding.
        step = float(self.step)
        below, fraction = self.threshold_cell
        with np.errstate(over="ignore"):
            keep = np.minimum(np.abs(values) / float(self.threshold), 2.0)  # all above 1 are rounded
        size = np.where(uniforms < keep * fraction, (below + 1) * step, below * step)
        pruned = np.where(uniforms < keep, np.copysign(size, values), 0.0)
        rounded = StochasticRounding(step)._apply(values, uniforms)
        return np.where(keep > 1, rounded, pruned)


@dataclass(frozen=True)
class PruneFraction:
    r"""Cut a given fraction of the weights; the method of compression decides which.

    Not an operator on single weights: "direct" cuts the smallest magnitudes, "obs" removes the weights whose
    removal costs least after refitting, "path-following" and "optq" look for the threshold c of `HardPruning`
    (`StochasticPruning` if `stochastic`) that leaves this sparsity.

    Parameters
    ----------
    sparsity : float
        In (0, 1).
    stochastic : bool

    Examples
    --------
    >>> PruneFraction(0.5)
    PruneFraction(sparsity=0.5, stochastic=False)
    """

    sparsity: float
    stochastic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "sparsity", positive("PruneFraction: sparsity", self.sparsity))
        if self.sparsity >= 1:
            raise ValueError(f"PruneFraction: sparsity must be below 1, got {self.sparsity}")

    def at(self, threshold: float) -> "HardPruning | StochasticPruning":
        """The pruning operator with a threshold."""
        return StochasticPruning(threshold) if self.stochastic else HardPruning(threshold)


def expectation(law: Outcomes) -> Any:
    """Mean of a law given as (point, probability) pairs, exact for exact pairs.

    Examples
    --------
    >>> expectation(OneBit(Fraction(3)).outcomes(Fraction(1, 7)))
    Fraction(1, 7)
    """
    total: Any = sum(probability * point for point, probability in law)
    return total if not isinstance(total, Rational) else Fraction(total)
