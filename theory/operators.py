"""Operators T that send one weight to a compressed one: rounding, one bit, pruning, and their combination.

An operator is described by the law of T(v) at every v. The path-following theorems use three facts of it:
E T(v) = v inside `limits`, |T(v) - v| <= `max_error`, and that the error T(v) - v lies in an interval of
length `interval_length` whose position may depend on v.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real
from typing import Any, ClassVar

import numpy as np

# A law on finitely many points: (value, probability) pairs.
Outcomes = list[tuple[Any, Any]]


def _require_positive(owner: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} must be a real number, got {type(value).__name__}")
    if not 0.0 < float(value) < math.inf:
        raise ValueError(f"{owner}: {name} must be positive and finite, got {value}")


def _require_bits(owner: str, bits: Any) -> None:
    if bits is None:
        return
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer):
        raise TypeError(f"{owner}: bits must be an integer or None, got {type(bits).__name__}")
    if not 2 <= bits <= 32:
        raise ValueError(f"{owner}: bits must be between 2 and 32 (one bit is OneBit(level)), got {bits}")


def _floor_ratio(value: Any, step: Any) -> tuple[int, Any]:
    """Integer part and fractional part of value/step; a value that *is* k*step (as computed) gives (k, 0)."""
    ratio = value / step
    nearest = round(ratio)
    if nearest * step == value:
        return nearest, ratio * 0
    below = math.floor(ratio)
    return below, ratio - below


class Operator(ABC):
    """A (possibly random) map from a weight to a compressed weight.

    Attributes
    ----------
    interval_length : float
        L, the length of the smallest interval that holds T(v) - v, at the worst v inside `limits`.
    max_error : float
        M, the largest |T(v) - v| over v inside `limits`.
    limits : tuple of float
        The closed interval of v in which the two numbers above (and unbiasedness) are true.
    unbiased : bool
        Whether E T(v) = v inside `limits`.
    uses_uniforms : bool
        Whether T is random.
    """

    unbiased: ClassVar[bool] = True
    uses_uniforms: ClassVar[bool] = True

    @property
    @abstractmethod
    def interval_length(self) -> Any:
        """Length of the smallest interval that holds the error, at the worst value."""

    @property
    @abstractmethod
    def max_error(self) -> Any:
        """Largest absolute error."""

    @property
    def limits(self) -> tuple[Any, Any]:
        """Interval in which the operator keeps its promises."""
        return (-math.inf, math.inf)

    @abstractmethod
    def outcomes(self, value: Any) -> Outcomes:
        """Law of T(value) as (point, probability) pairs, in the arithmetic of the arguments.

        With `fractions.Fraction` parameters and value every probability is exact.
        """

    @abstractmethod
    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """T at float64 `values`, random choices made by comparing with `uniforms` in [0, 1)."""

    def __call__(self, values: Any, uniforms: Any = None) -> np.ndarray:
        """Apply the operator elementwise.

        Parameters
        ----------
        values : array_like of float
        uniforms : array_like of float, broadcastable to `values`
            Independent uniforms in [0, 1); required by random operators, ignored by the others.

        Returns
        -------
        ndarray of float64

        Raises
        ------
        ValueError
            If `values` is not finite or the uniforms are missing or outside [0, 1).
        """
        array = np.asarray(values, dtype=np.float64)
        if not np.all(np.isfinite(array)):
            raise ValueError("values must be finite, got NaN or infinity")
        if not self.uses_uniforms:
            return self._apply(array, array)
        if uniforms is None:
            raise ValueError(f"{type(self).__name__} is random: pass uniforms in [0, 1)")
        chances = np.asarray(uniforms, dtype=np.float64)
        if not np.all((chances >= 0) & (chances < 1)):
            raise ValueError("uniforms must lie in [0, 1)")
        return self._apply(array, chances)

    def variance(self, value: Any) -> Any:
        """Return E (T(v) - E T(v))^2 at one value, from `outcomes`."""
        law = self.outcomes(value)
        mean = sum(p * x for x, p in law)
        return sum(p * (x - mean) ** 2 for x, p in law)


def _grid_limits(step: Any, bits: int | None) -> tuple[Any, Any]:
    """Ends of the two's-complement grid step * {-2^(bits-1), ..., 2^(bits-1) - 1}."""
    if bits is None:
        return (-math.inf, math.inf)
    return (-step * 2 ** (bits - 1), step * (2 ** (bits - 1) - 1))


def _split(values: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratio, floor and a mask of the values that already are grid points as computed (k*step)."""
    ratio = values / step
    nearest = np.rint(ratio)
    return ratio, np.floor(ratio), nearest * step == values


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
    >>> rounding.interval_length, rounding.max_error, StochasticRounding(0.5, bits=2).limits
    (0.5, 0.5, (-1.0, 0.5))
    """

    step: float | Fraction
    bits: int | None = None

    def __post_init__(self) -> None:
        _require_positive("StochasticRounding", "step", self.step)
        _require_bits("StochasticRounding", self.bits)

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
        return _grid_limits(self.step, self.bits)

    def outcomes(self, value: Any) -> Outcomes:
        """Two grid points around `value`; one when it is a grid point or outside `limits`."""
        low, high = self.limits
        if value <= low or value >= high:
            return [(low if value <= low else high, value * 0 + 1)]
        below, fraction = _floor_ratio(value, self.step)
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
class NearestRounding(Operator):
    r"""Round to the nearest grid point: T(v) = d rint(v/d), ties to the even multiple.

    Deterministic, so biased: E T(v) = v fails and the convex-order theorems do not apply. |T(v) - v| <= d/2.

    Parameters
    ----------
    step : float
        Grid step d > 0.
    bits : int, optional
        Restrict the grid to d {-2^(b-1), ..., 2^(b-1) - 1}; values beyond go to the nearer end.

    Examples
    --------
    >>> NearestRounding(0.5)([0.6, 0.75, -1.2])
    array([ 0.5,  1. , -1. ])
    >>> NearestRounding(1.0, bits=3).limits      # beyond these the error exceeds d/2
    (-4.5, 3.5)
    """

    step: float | Fraction
    bits: int | None = None
    unbiased: ClassVar[bool] = False
    uses_uniforms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require_positive("NearestRounding", "step", self.step)
        _require_bits("NearestRounding", self.bits)

    @property
    def interval_length(self) -> Any:
        """L = d: over all v the error fills [-d/2, d/2]."""
        return self.step

    @property
    def max_error(self) -> Any:
        """M = d/2."""
        return self.step / 2

    @property
    def grid_ends(self) -> tuple[Any, Any]:
        """Least and greatest grid point."""
        return _grid_limits(self.step, self.bits)

    @property
    def limits(self) -> tuple[Any, Any]:
        """Half a step beyond the ends of the grid."""
        low, high = self.grid_ends
        return (low - self.step / 2, high + self.step / 2)

    def outcomes(self, value: Any) -> Outcomes:
        """The one nearest point."""
        low, high = self.grid_ends
        point = min(max(round(value / self.step) * self.step, low), high)
        return [(point, value * 0 + 1)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        low, high = self.grid_ends
        return np.clip(np.rint(values / float(self.step)) * float(self.step), float(low), float(high))


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
    >>> OneBit(2.0).outcomes(1.0)
    [(-2.0, 0.25), (2.0, 0.75)]
    """

    level: float | Fraction

    def __post_init__(self) -> None:
        _require_positive("OneBit", "level", self.level)

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
        if abs(value) >= self.level:
            return [(self.level if value > 0 else -self.level, value * 0 + 1)]
        up = (self.level + value) / (2 * self.level)
        return [(-self.level, 1 - up), (self.level, up)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        level = float(self.level)
        return np.where(uniforms < (level + values) / (2 * level), level, -level)


def _prune(values: np.ndarray, uniforms: np.ndarray, threshold: float) -> np.ndarray:
    kept = np.where(uniforms < np.abs(values) / threshold, np.copysign(threshold, values), 0.0)
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
    >>> StochasticPruning(1.0).outcomes(-0.25)
    [(0.0, 0.75), (-1.0, 0.25)]
    """

    threshold: float | Fraction

    def __post_init__(self) -> None:
        _require_positive("StochasticPruning", "threshold", self.threshold)

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
    >>> PruneThenRound(1.5, 1.0).interval_length
    2.0
    """

    threshold: float | Fraction
    step: float | Fraction

    def __post_init__(self) -> None:
        _require_positive("PruneThenRound", "threshold", self.threshold)
        _require_positive("PruneThenRound", "step", self.step)

    @property
    def threshold_cell(self) -> tuple[int, Any]:
        """floor(c/d) and the fractional part of c/d."""
        return _floor_ratio(self.threshold, self.step)

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
        rounding = StochasticRounding(self.step)
        law: dict[Any, Any] = {}
        for kept, chance in StochasticPruning(self.threshold).outcomes(value):
            for point, probability in rounding.outcomes(kept):
                law[point] = law.get(point, 0) + chance * probability
        return list(law.items())

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        # One uniform serves both choices: for |v| <= c the three outcomes are cut from [0, 1) in the order
        # ceil, floor, zero; for |v| > c it decides the rounding.
        step = float(self.step)
        below, fraction = self.threshold_cell
        keep = np.abs(values) / float(self.threshold)
        size = np.where(uniforms < keep * fraction, (below + 1) * step, below * step)
        pruned = np.where(uniforms < keep, np.copysign(size, values), 0.0)
        rounded = StochasticRounding(step)._apply(values, uniforms)
        return np.where(keep > 1, rounded, pruned)


@dataclass(frozen=True)
class HardPruning(Operator):
    r"""Deterministic pruning: T(v) = v if |v| > c, else 0. Biased; |T(v) - v| <= c.

    Applied without correction it is magnitude pruning.

    Parameters
    ----------
    threshold : float
        c > 0.

    Examples
    --------
    >>> HardPruning(1.0)([3.0, 0.5, -1.0])
    array([3., 0., 0.])
    """

    threshold: float | Fraction
    unbiased: ClassVar[bool] = False
    uses_uniforms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _require_positive("HardPruning", "threshold", self.threshold)

    @property
    def interval_length(self) -> Any:
        """L = 2c: over all v the error fills [-c, c]."""
        return 2 * self.threshold

    @property
    def max_error(self) -> Any:
        """M = c."""
        return self.threshold

    def outcomes(self, value: Any) -> Outcomes:
        """The one result."""
        return [(value if abs(value) > self.threshold else value * 0, value * 0 + 1)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        return np.where(np.abs(values) > float(self.threshold), values, 0.0)


def expectation(law: Outcomes) -> Any:
    """Mean of a law given as (point, probability) pairs, exact for exact pairs.

    Examples
    --------
    >>> expectation(OneBit(Fraction(3)).outcomes(Fraction(1, 7)))
    Fraction(1, 7)
    """
    total: Any = sum(probability * point for point, probability in law)
    return total if not isinstance(total, Rational) else Fraction(total)
