"""Deterministic operators: nearest rounding, nearest sign, hard threshold. E T(v) = v fails for them."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from theory.operators.base import Operator, Outcomes, check_grid_bits, check_length, grid_limits


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
    >>> NearestRounding(0.5).unit
    0.5
    """

    step: float | Fraction
    bits: int | None = None
    unbiased: ClassVar[bool] = False
    uses_uniforms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", check_length("NearestRounding: step", self.step))
        check_grid_bits("NearestRounding", self.bits)

    @property
    def unit(self) -> Any:
        """u = d, the grid step."""
        return self.step

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
        return grid_limits(self.step, self.bits)

    @property
    def limits(self) -> tuple[Any, Any]:
        """Half a step beyond the ends of the grid."""
        low, high = self.grid_ends
        return (low - self.step / 2, high + self.step / 2)

    def outcomes(self, value: Any) -> Outcomes:
        """The one nearest point."""
        value, (low, high) = self._number(value), self.grid_ends
        ratio = value / self.step
        nearest = value if abs(ratio) == math.inf else round(ratio) * self.step
        point = min(max(nearest, low), high)
        return [(point, value * 0 + 1)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        low, high = self.grid_ends
        with np.errstate(over="ignore"):  # a multiple of so small a step is the value itself
            ratio = values / float(self.step)
        nearest = np.where(np.isinf(ratio), values, np.rint(ratio) * float(self.step))
        return np.clip(nearest, float(low), float(high))


@dataclass(frozen=True)
class NearestSign(Operator):
    r"""Nearest of {-A, A}: T(v) = A for v >= 0, else -A. Biased; |T(v) - v| <= A for |v| <= 2A.

    Parameters
    ----------
    level : float
        A > 0.

    Examples
    --------
    >>> NearestSign(0.5)([0.1, -2.0]), NearestSign(0.5).unit
    (array([ 0.5, -0.5]), 0.5)
    """

    level: float | Fraction
    unbiased: ClassVar[bool] = False
    uses_uniforms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", check_length("NearestSign: level", self.level))

    @property
    def unit(self) -> Any:
        """u = A, the level."""
        return self.level

    @property
    def interval_length(self) -> Any:
        """L = 2A: over |v| <= 2A the error fills [-A, A]."""
        return 2 * self.level

    @property
    def max_error(self) -> Any:
        """M = A."""
        return self.level

    @property
    def limits(self) -> tuple[Any, Any]:
        """(-2A, 2A), beyond which the error exceeds A."""
        return (-2 * self.level, 2 * self.level)

    def outcomes(self, value: Any) -> Outcomes:
        """The one nearest point."""
        value = self._number(value)
        return [(self.level if value >= 0 else -self.level, value * 0 + 1)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        return np.where(values >= 0, float(self.level), -float(self.level))


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
    >>> HardPruning(1.0)([3.0, 0.5, -1.0]), HardPruning(1.0).unit
    (array([3., 0., 0.]), 1.0)
    """

    threshold: float | Fraction
    unbiased: ClassVar[bool] = False
    uses_uniforms: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", check_length("HardPruning: threshold", self.threshold))

    @property
    def unit(self) -> Any:
        """u = c, the threshold."""
        return self.threshold

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
        value = self._number(value)
        return [(value if abs(value) > self.threshold else value * 0, value * 0 + 1)]

    def _apply(self, values: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        return np.where(np.abs(values) > float(self.threshold), values, 0.0)
