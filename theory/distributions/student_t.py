"""Student's t truncated to an interval, for every real number of degrees of freedom."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from theory.distributions.base import CHUNK, NODES, WEIGHTS, Distribution, scale_parameter

_GAUSSIAN = 1e20  # degrees of freedom from which on the law is Gaussian in double precision
_LOGARITHMIC = 1e-16  # up to here cosh^-df is 1 to 1e-14 wherever x / sqrt(df) is a double


@dataclass(frozen=True)
class StudentT(Distribution):
    r"""Student's t with `df` degrees of freedom, truncated to [-bound, bound].

        f(x) = C (1 + x^2/df)^{-(df+1)/2},  |x| <= bound,   any real df > 0

    Partial moments have the closed form C x^{k+1}/(k+1) 2F1((df+1)/2, (k+1)/2; (k+3)/2; -x^2/df). With
    x = sqrt(df) sinh t they are integrals of df^{(k+1)/2} sinh^k t cosh^{-df} t, smooth and positive, which a
    panel Gauss-Legendre rule sums to 1e-13 (a difference of 2F1 values would lose digits on narrow intervals,
    the incomplete beta function fails for k >= df). The tail moments that signal-to-noise ratios use are
    elementary or one incomplete beta function, of the smaller of x^2/(df + x^2) and df/(df + x^2), and
    integrals where their difference from the tail beyond the bound cancels. From df = 10^20 on the law is
    that of df = 10^20, Gaussian to 1e-14 wherever it is above 1e-308.

    Parameters
    ----------
    df
        Degrees of freedom, any positive number; the weights' law of [1]_ is df = 2.
    bound
        Truncation r, positive and finite.

    References
    ----------
    .. [1] Kuzmin et al., "Pruning vs Quantization: Which is Better?", NeurIPS 2023, Section 3.

    Examples
    --------
    >>> round(StudentT(2, 29.366).kurtosis, 2)
    28.35
    """

    df: float
    bound: float
    _df: float = field(init=False, repr=False, compare=False)
    _inside: float = field(init=False, repr=False, compare=False)
    _outside: float = field(init=False, repr=False, compare=False)
    _constant: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        df, bound = (
            scale_parameter("df", self.df, "degrees of freedom"),
            scale_parameter("bound", self.bound, "truncation"),
        )
        object.__setattr__(self, "df", df)
        object.__setattr__(self, "bound", bound)
        object.__setattr__(self, "_df", df := min(df, _GAUSSIAN))
        inside, outside = (float(side(df, np.array(bound))) for side in (_inside, _outside))  # untruncated
        density = _half_gamma_ratio(df / 2) / math.sqrt(df * math.pi)
        object.__setattr__(self, "_inside", inside)
        object.__setattr__(self, "_outside", outside)
        object.__setattr__(self, "_constant", density / inside)

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """C (1 + x^2/df)^(-(df+1)/2) inside, 0 outside."""
        x = np.asarray(x, float)
        density = self._constant * np.exp(-0.5 * (self._df + 1) * np.log1p(x * (x / self._df)))
        return np.where(np.abs(x) <= self.bound, density, 0.0)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """P(W <= x)."""
        x = np.asarray(np.clip(x, -self.bound, self.bound), float)
        upper = self.tail(np.abs(x))[0]
        return np.where(x < 0, upper, 1 - upper)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Inverse of :meth:`cdf` through the inverse incomplete beta function."""
        p = np.asarray(p, float)
        tail = np.minimum(p, 1 - p)
        if self._df < _LOGARITHMIC:  # asinh(x / sqrt(df)) is uniform; SciPy's quantiles are lost
            root = math.sqrt(self._df)
            magnitude = root * np.sinh((1 - 2 * tail) * math.asinh(self.bound / root))
            return np.sign(p - 0.5) * np.where(tail == 0, self.bound, np.minimum(magnitude, self.bound))
        # x^2 = df y / (1 - y) with P(|T| <= x) = I_y(1/2, df/2); the smaller of y and 1 - y keeps its digits,
        # found from the smaller of P(|T| <= x) and P(|T| > x)
        half, below, above = (
            self._df / 2,
            (1 - 2 * tail) * self._inside,
            self._outside + 2 * tail * self._inside,
        )
        y = np.where(
            above < 0.5,
            special.betainccinv(0.5, half, np.minimum(above, 1.0)),
            special.betaincinv(0.5, half, below),
        )
        rest = np.where(
            above < 0.5,
            special.betaincinv(half, 0.5, np.minimum(above, 1.0)),
            special.betainccinv(half, 0.5, below),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(y < 0.5, y / (1 - y), (1 - rest) / rest)
        magnitude = np.where(tail == 0, self.bound, np.minimum(np.sqrt(self._df * ratio), self.bound))
        return np.sign(p - 0.5) * magnitude

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(W > x) by one incomplete beta function (df = 1, 2: elementary), E[W; W > x] elementary."""
        x = np.minimum(x, self.bound)
        if self.df == 2:  # the paper's law: square roots alone
            root, last = np.sqrt(2 + x * x), math.sqrt(2 + self.bound**2)
            both = (self.bound - x) * (self.bound + x) / (root * last)
            probability = both / (self._inside * (self.bound * root + x * last))
            return probability, self._constant * math.sqrt(8) * both / (root + last)
        outside = np.full(np.shape(x), self._outside)  # nothing is left there
        within = ~(x >= self.bound)
        outside[within] = _outside(self._df, x[within])
        probability = np.maximum(outside - self._outside, 0.0)
        cancelled = np.flatnonzero(np.ravel((probability < 1e-3 * outside) & within))
        probability = np.array(0.5 / self._inside * probability)
        if cancelled.size:
            flat, low = probability.reshape(-1), np.ravel(x)
            for part in np.array_split(cancelled, -(-cancelled.size // CHUNK)):
                flat[part] = self._half(0, low[part], np.full(part.size, self.bound))
        m = 0.5 * (self._df - 1)
        span = np.log1p((self.bound - x) * (self.bound + x) / (self._df + x * x))
        # (e^{-m a} - e^{-m b}) / m stays exact through m = 0, the logarithmic case df = 1
        first = 0.5 * self._df * self._constant * span * special.exprel(-m * span)
        return probability, first * np.exp(-m * np.log1p(x * (x / self._df)))

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        # beyond `last` the density underflows; it keeps the panels few when df is large
        last = min(self.bound, math.sqrt(self._df) * math.sqrt(math.expm1(min(1400 / (self._df + 1), 700.0))))
        root = math.sqrt(self._df)
        low, high = np.minimum(low, last), np.minimum(high, last)
        a, b, width = low / root, high / root, (high - low) / root
        start = np.arcsinh(a)
        # asinh b - asinh a without cancellation on narrow intervals
        both = b * np.sqrt(1 + a * a) + a * np.sqrt(1 + b * b)
        span = np.arcsinh(width * (b + a) / np.where(both > 0, both, 1.0))
        panels = max(1, math.ceil(float(np.max(span, initial=0.0)) / min(0.75, 1.5 / root)))
        half = span[..., None, None] / (2 * panels)
        t = start[..., None, None] + half * (2 * np.arange(panels)[:, None] + 1 + NODES)
        sinh = np.sinh(t)
        density = np.exp(-0.5 * self._df * np.log1p(sinh * sinh))  # cosh^-df
        # lengths in front, powers of x: sinh^4 times a length of 1e-75 would be 0
        pieces = self._constant * root * half[..., 0] * (((root * sinh) ** order * density) @ WEIGHTS)
        return pieces.sum(axis=-1)


def _half_gamma_ratio(x: float) -> float:
    """Gamma(x + 1/2) / Gamma(x); a difference of log-gammas would lose digits for large x."""
    if x < 150:
        return math.gamma(x + 0.5) / math.gamma(x)
    series = (1, -1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)
    return math.sqrt(x) * sum(c * x**-i for i, c in enumerate(series))


def _inside(df: float, x: np.ndarray) -> np.ndarray:
    """P(|T| <= x) of the untruncated t to full relative precision; for df = 1 and 2 it is elementary."""
    if df == 1:  # SciPy's 1 - I_y(1/2, 1/2) is off by up to 8e-11 next to 1
        return 2 / math.pi * np.arctan(x)
    if df == 2:
        return x / np.sqrt(2 + x * x)
    return _incomplete_beta(df, x, special.betainc, special.betaincc)


def _outside(df: float, x: np.ndarray) -> np.ndarray:
    """P(|T| > x), likewise."""
    if df == 1:
        return 2 / math.pi * np.arctan2(1.0, x)
    if df == 2:
        root = np.sqrt(2 + x * x)
        return 2 / (root * (root + x))
    return _incomplete_beta(df, x, special.betaincc, special.betainc)


def _incomplete_beta(
    df: float, x: np.ndarray, of_y: Callable[..., Any], of_rest: Callable[..., Any]
) -> np.ndarray:
    """Whichever of y = x^2/(df + x^2) and 1 - y is smaller carries the digits; only that one is evaluated."""
    square = np.asarray(x * (x / df))
    near = square < 1
    found = np.empty_like(square)
    found[near] = of_y(0.5, df / 2, square[near] / (1 + square[near]))
    found[~near] = of_rest(df / 2, 0.5, 1 / (1 + square[~near]))
    return found
