"""What an operator T on single weights is: its law at every v, and the promises the theorems use."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import positive, shown, whole

# A law on finitely many points: (value, probability) pairs.
Outcomes = list[tuple[Any, Any]]

_LONGEST = 1e298


def check_grid_bits(owner: str, bits: Any) -> None:
    """Raise unless `bits` is None (an infinite grid) or an integer from 2 to 32."""
    if bits is None:
        return
    if whole(f"{owner}: bits", bits) == 1:
        raise ValueError(f"{owner}: one bit has no zero; use OneBit(level)")
    whole(f"{owner}: bits", bits, 2, 32)


def check_length(name: str, value: Any) -> Any:
    """`value`, a positive length of which twice, or 2^31 times, is a double."""
    value = positive(name, value)
    if value > _LONGEST:
        raise ValueError(f"{name} must be at most {_LONGEST:g}, got {shown(value)}")
    return value


def floor_ratio(value: Any, step: Any) -> tuple[int, Any]:
    """Integer part and fractional part of value/step; a value that *is* k*step (as computed) gives (k, 0)."""
    ratio = value / step
    nearest = round(ratio)
    if nearest * step == value:
        return nearest, ratio * 0
    below = math.floor(ratio)
    return below, ratio - below


class Operator(ABC):
    r"""A (possibly random) map from a weight to a compressed weight.

    Attributes
    ----------
    unit : float
        The length u that the operator is measured in: the grid step of rounding, the level of one bit, the
        threshold of pruning, the step (not the threshold) of pruning then rounding. Multiplying every
        length among the parameters by s multiplies `unit`, `interval_length`, `max_error` and `limits` by
        s, and the errors scale along, :math:`T_{su}(sv) \sim s\,T_u(v)`: in these units an operator for
        weights of one size serves weights of any other.
    interval_length : float
        L, the length of the smallest interval that holds T(v) - v, at the worst v inside `limits`.
    max_error : float
        M, the largest |T(v) - v| over v inside `limits`.
    limits
        Tuple of float
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
    def unit(self) -> Any:
        """Length that the errors scale with."""

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

    def __call__(self, values: ArrayLike, uniforms: ArrayLike | None = None) -> np.ndarray:
        """Apply the operator elementwise.

        Parameters
        ----------
        values : array_like of float
        uniforms
            array_like of float, broadcastable to `values`
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

    @staticmethod
    def _number(value: Any) -> Any:
        """One finite real number; NumPy's narrow ones would wrap around in what is made of them."""
        if isinstance(value, (np.generic, np.ndarray)) and not value.ndim:
            value = value.item()
        try:
            finite = math.isfinite(value)
        except OverflowError:  # an integer beyond every double
            finite = False
        except TypeError:
            raise TypeError(f"value must be a real number, got {value!r}") from None
        if not finite:
            raise ValueError(f"value must be finite, got {shown(value)}")
        return value

    def variance(self, value: Any) -> Any:
        """Return E (T(v) - E T(v))^2 at one value, from `outcomes`; infinite beyond every double."""
        law = self.outcomes(value)
        mean = sum(p * x for x, p in law)
        # no power, which raises where it overflows, and the probability first: it may be tiny
        return sum(p * (x - mean) * (x - mean) for x, p in law)


def grid_limits(step: Any, bits: int | None) -> tuple[Any, Any]:
    """Ends of the two's-complement grid step * {-2^(bits-1), ..., 2^(bits-1) - 1}."""
    if bits is None:
        return (-math.inf, math.inf)
    half = 2 ** (int(bits) - 1)  # NumPy's small integers would wrap around
    return (-step * half, step * (half - 1))
