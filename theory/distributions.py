r"""Weight distributions with exact partial moments.

    M_k(a, b) = \int_a^b w^k f(w) dw,        kurtosis = E W^4 / (E W^2)^2

Every law here has mean zero except :class:`Empirical`. Signal-to-noise ratios (:mod:`theory.snr`) need only
two functions of a law, its tail moments P(W > x) and E[W; W > x], which all have in elementary or special
functions. Partial moments of orders 0-4 are accurate to about 1e-13 relative on any interval, also on narrow
ones and in the tails: differences of closed forms are taken only where they do not cancel, elsewhere a Gauss-
Legendre rule sums positive terms. Random draws are ``law.ppf(uniforms)``.
"""

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from scipy import special

ArrayLike = float | np.ndarray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def _positive(name: str, value: float, unit: str) -> float:
    value = float(value)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be a positive finite number ({unit}), got {value}")
    return value


class Distribution(ABC):
    """A law of one weight, symmetric about zero unless it says otherwise."""

    symmetric = True
    bound: float  # the least r with P(|W| <= r) = 1; inf for unbounded laws

    @abstractmethod
    def pdf(self, x: ArrayLike) -> np.ndarray:
        """Density f(x)."""

    @abstractmethod
    def cdf(self, x: ArrayLike) -> np.ndarray:
        """P(W <= x)."""

    @abstractmethod
    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Quantile: the x with P(W <= x) = p; of uniforms on (0, 1) it draws from the law."""

    @abstractmethod
    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(W > x) and E[W; W > x] for x >= 0 (not checked)."""

    @abstractmethod
    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Integral of w^order f(w) over [low, high], 0 <= low <= high <= inf."""

    def partial_moment(self, order: int, low: ArrayLike = -np.inf, high: ArrayLike = np.inf) -> np.ndarray:
        r"""M_k(a, b) = \int_a^b w^k f(w) dw.

        Parameters
        ----------
        order : k, an integer 0-4.
        low, high : ends a <= b, arrays that broadcast; infinite ends allowed.

        Returns
        -------
        float64 array of the broadcast shape (a scalar array for numbers).

        Examples
        --------
        >>> round(float(Gaussian(2.0).partial_moment(2)), 12)
        4.0
        >>> round(float(Gaussian().partial_moment(1, 0.0)), 12) == round(1 / math.sqrt(2 * math.pi), 12)
        True
        """
        if order not in (0, 1, 2, 3, 4):
            raise ValueError(f"order must be an integer from 0 to 4, got {order!r}")
        low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
        if not np.all(low <= high):  # also catches NaN
            raise ValueError("low must not exceed high, and neither may be NaN")
        positive = self._half(order, np.maximum(low, 0.0), np.maximum(high, 0.0))
        negative = self._half(order, np.maximum(-high, 0.0), np.maximum(-low, 0.0))
        return positive + (-1.0) ** order * negative

    @functools.cached_property
    def mean(self) -> float:
        """E W."""
        return float(self.partial_moment(1)) if not self.symmetric else 0.0

    @functools.cached_property
    def second_moment(self) -> float:
        """E W^2, the signal power."""
        return float(self.partial_moment(2))

    @functools.cached_property
    def kurtosis(self) -> float:
        """E W^4 / (E W^2)^2 (central moments where the mean is not zero): 3 for the Gaussian."""
        return float(self.partial_moment(4)) / self.second_moment**2

    def reflected(self) -> "Distribution":
        """The law of -W."""
        return self


def _legendre(function, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Gauss-Legendre integral of `function` over [low, high] elementwise; 20 nodes."""
    half, centre = (high - low) / 2, (high + low) / 2
    return half * (function(centre[..., None] + half[..., None] * _NODES) @ _WEIGHTS)


def _gamma_difference(shape: float, z_low: np.ndarray, z_high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(shape, z_high) - P(shape, z_low) and where that difference has lost digits."""
    lower_low, lower_high = special.gammainc(shape, z_low), special.gammainc(shape, z_high)
    upper_low, upper_high = special.gammaincc(shape, z_low), special.gammaincc(shape, z_high)
    left = lower_high < 0.5  # difference the smaller of the two complementary functions
    difference = np.where(left, lower_high - lower_low, upper_low - upper_high)
    size = np.where(left, lower_high, upper_low)
    return difference, difference < 0.1 * size


@dataclass(frozen=True)
class Gaussian(Distribution):
    """N(0, std^2).

    Examples
    --------
    >>> round(Gaussian().kurtosis, 12)
    3.0
    """

    std: float = 1.0
    bound = math.inf

    def __post_init__(self) -> None:
        _positive("std", self.std, "standard deviation of the weights")

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """exp(-x^2 / 2 std^2) / (std sqrt(2 pi))."""
        return np.exp(-0.5 * (np.asarray(x) / self.std) ** 2) / (self.std * math.sqrt(2 * math.pi))

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Phi(x / std)."""
        return special.ndtr(np.asarray(x) / self.std)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Std Phi^-1(p)."""
        return self.std * special.ndtri(p)

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Phi(-x/std) and std phi(x/std)."""
        return special.ndtr(-x / self.std), self.std**2 * self.pdf(x)

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        # int_0^x u^k phi(u) du = 2^(k/2 - 1) Gamma((k+1)/2) / sqrt(pi) P((k+1)/2, x^2/2)
        shape = (order + 1) / 2
        difference, cancelled = _gamma_difference(
            shape, 0.5 * (low / self.std) ** 2, 0.5 * (high / self.std) ** 2
        )
        closed = self.std**order * 2 ** (order / 2 - 1) * math.gamma(shape) / math.sqrt(math.pi) * difference
        end = np.where(np.isfinite(high), high, low)  # an empty interval where only the closed form applies
        return np.where(cancelled, _legendre(lambda u: u**order * self.pdf(u), low, end), closed)


@dataclass(frozen=True)
class Laplace(Distribution):
    """f(x) = exp(-|x| / scale) / (2 scale); E W^2 = 2 scale^2, kurtosis 6.

    Examples
    --------
    >>> round(Laplace().kurtosis, 12)
    6.0
    """

    scale: float = 1.0
    bound = math.inf

    def __post_init__(self) -> None:
        _positive("scale", self.scale, "mean magnitude of the weights")

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """exp(-|x| / scale) / (2 scale)."""
        return np.exp(-np.abs(x) / self.scale) / (2 * self.scale)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """1/2 exp(x / scale) for x < 0, by symmetry above."""
        tail = 0.5 * np.exp(-np.abs(x) / self.scale)
        return np.where(np.asarray(x) < 0, tail, 1 - tail)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Scale log(2p) below the median, -scale log(2(1-p)) above."""
        p = np.asarray(p, float)
        with np.errstate(divide="ignore"):
            return self.scale * np.where(p < 0.5, np.log(2 * p), -np.log(2 * (1 - p)))

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """E^(-x/scale)/2 and (x + scale) e^(-x/scale)/2."""
        probability = 0.5 * np.exp(-x / self.scale)
        return probability, (x + self.scale) * probability

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        difference, cancelled = _gamma_difference(order + 1, low / self.scale, high / self.scale)
        closed = 0.5 * self.scale**order * math.factorial(order) * difference
        end = np.where(np.isfinite(high), high, low)
        return np.where(cancelled, _legendre(lambda u: u**order * self.pdf(u), low, end), closed)


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on [-bound, bound]: E W^2 = bound^2/3, kurtosis 9/5.

    Examples
    --------
    >>> round(Uniform(3.0).kurtosis, 12)
    1.8
    """

    bound: float = 1.0

    def __post_init__(self) -> None:
        _positive("bound", self.bound, "largest magnitude of the weights")

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """1 / (2 bound) inside, 0 outside."""
        return np.where(np.abs(x) <= self.bound, 0.5 / self.bound, 0.0)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """(x + bound) / (2 bound), clipped to [0, 1]."""
        return np.clip(0.5 + np.asarray(x) / (2 * self.bound), 0.0, 1.0)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Bound (2 p - 1)."""
        return self.bound * (2 * np.asarray(p, float) - 1)

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(bound - x)+ / (2 bound) and (bound^2 - x^2)+ / (4 bound)."""
        inside = np.maximum(self.bound - x, 0.0)
        return inside / (2 * self.bound), inside * (self.bound + x) / (4 * self.bound)

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        a, b = np.minimum(low, self.bound), np.minimum(high, self.bound)
        # b^(k+1) - a^(k+1) = (b - a)(b^k + ... + a^k): no cancellation on narrow intervals
        powers = sum(b**i * a ** (order - i) for i in range(order + 1))
        return (b - a) * powers / ((order + 1) * 2 * self.bound)


@dataclass(frozen=True)
class StudentT(Distribution):
    r"""Student's t with `df` degrees of freedom, truncated to [-bound, bound].

        f(x) = C (1 + x^2/df)^{-(df+1)/2},  |x| <= bound,   any real df > 0

    Partial moments have the closed form C x^{k+1}/(k+1) 2F1((df+1)/2, (k+1)/2; (k+3)/2; -x^2/df). With
    x = sqrt(df) sinh t they are integrals of df^{(k+1)/2} sinh^k t cosh^{-df} t, smooth and positive, which a
    panel Gauss-Legendre rule sums to 1e-14 for every df and bound (a difference of 2F1 values would lose
    digits on narrow intervals, the incomplete beta function fails for k >= df). The tail moments that
    signal-to-noise ratios use are elementary or one incomplete beta function.

    Parameters
    ----------
    df : degrees of freedom, any positive number; the weights' law of [1]_ is df = 2.
    bound : truncation r, positive and finite.

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
    _inside: float = field(init=False, repr=False, compare=False)
    _outside: float = field(init=False, repr=False, compare=False)
    _constant: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        df, bound = (
            _positive("df", self.df, "degrees of freedom"),
            _positive("bound", self.bound, "truncation"),
        )
        inside, outside = map(float, _two_sided(df, np.array(bound)))  # P(|T| <= bound), untruncated
        density = _half_gamma_ratio(df / 2) / math.sqrt(df * math.pi)
        object.__setattr__(self, "_inside", inside)
        object.__setattr__(self, "_outside", outside)
        object.__setattr__(self, "_constant", density / inside)

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """C (1 + x^2/df)^(-(df+1)/2) inside, 0 outside."""
        x = np.asarray(x, float)
        density = self._constant * np.exp(-0.5 * (self.df + 1) * np.log1p(x * (x / self.df)))
        return np.where(np.abs(x) <= self.bound, density, 0.0)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """P(W <= x)."""
        x = np.clip(np.asarray(x, float), -self.bound, self.bound)
        upper = self.tail(np.abs(x))[0]
        return np.where(x < 0, upper, 1 - upper)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Inverse of :meth:`cdf` through the inverse incomplete beta function."""
        p = np.asarray(p, float)
        tail = np.minimum(p, 1 - p)
        # x^2 = df y / (1 - y) with P(|T| <= x) = I_y(1/2, df/2); the smaller of y and 1 - y keeps its digits
        y = special.betaincinv(0.5, self.df / 2, (1 - 2 * tail) * self._inside)
        complement = special.betaincinv(self.df / 2, 0.5, self._outside + 2 * tail * self._inside)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(y < 0.5, y / (1 - y), (1 - complement) / complement)
        magnitude = np.where(tail == 0, self.bound, np.minimum(np.sqrt(self.df * ratio), self.bound))
        return np.sign(p - 0.5) * magnitude

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P(W > x) by one incomplete beta function (elementary for df = 2), E[W; W > x] elementary."""
        x = np.minimum(x, self.bound)
        if self.df == 2:  # the paper's law: square roots alone, five times as fast
            root, last = np.sqrt(2 + x * x), math.sqrt(2 + self.bound**2)
            span = (self.bound - x) * (self.bound + x) / (root * last * (root + last))
            probability = 0.5 / self._inside * (2 / (root * (root + x)) - self._outside)
            return np.maximum(probability, 0.0), self._constant * math.sqrt(8) * span
        probability = 0.5 * (_two_sided(self.df, x)[1] - self._outside) / self._inside
        m = 0.5 * (self.df - 1)
        log_x = np.log1p(x * (x / self.df))
        span = math.log1p(self.bound * (self.bound / self.df)) - log_x
        # (e^{-m a} - e^{-m b}) / m stays exact through m = 0, the logarithmic case df = 1
        first = 0.5 * self.df * self._constant * np.exp(-m * log_x) * span * special.exprel(-m * span)
        return np.maximum(probability, 0.0), first

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        # beyond `last` the density underflows; it keeps the panels few when df is large
        last = min(self.bound, math.sqrt(self.df) * math.sqrt(math.expm1(min(1400 / (self.df + 1), 700.0))))
        root = math.sqrt(self.df)
        low, high = np.minimum(low, last), np.minimum(high, last)
        a, b, width = low / root, high / root, (high - low) / root
        start = np.arcsinh(a)
        # asinh b - asinh a without cancellation on narrow intervals
        both = b * np.sqrt(1 + a * a) + a * np.sqrt(1 + b * b)
        span = np.arcsinh(width * (b + a) / np.where(both > 0, both, 1.0))
        panels = max(1, math.ceil(float(np.max(span, initial=0.0)) / min(0.75, 1.5 / root)))
        half = span[..., None, None] / (2 * panels)
        t = start[..., None, None] + half * (2 * np.arange(panels)[:, None] + 1 + _NODES)
        sinh = np.sinh(t)
        density = np.exp(-0.5 * self.df * np.log1p(sinh * sinh))  # cosh^-df
        pieces = half[..., 0] * ((sinh**order * density) @ _WEIGHTS)
        return self._constant * self.df ** ((order + 1) / 2) * pieces.sum(axis=-1)


def _half_gamma_ratio(x: float) -> float:
    """Gamma(x + 1/2) / Gamma(x); a difference of log-gammas would lose digits for large x."""
    if x < 150:
        return math.gamma(x + 0.5) / math.gamma(x)
    series = (1, -1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)
    return math.sqrt(x) * sum(c * x**-i for i, c in enumerate(series))


def _two_sided(df: float, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(|T| <= x) and P(|T| > x) of the untruncated t, each to full relative precision."""
    if df == 2:  # elementary: x / sqrt(2 + x^2); the paper's law, and the fast path of its Figure 2
        root = np.sqrt(2 + x * x)
        return x / root, 2 / (root * (root + x))
    square = x * (x / df)
    return (
        special.betainc(0.5, df / 2, square / (1 + square)),
        special.betainc(df / 2, 0.5, 1 / (1 + square)),
    )


@dataclass(frozen=True)
class Truncated(Distribution):
    """A symmetric law given that |W| <= bound: the weights of a block below its largest magnitude.

    Examples
    --------
    >>> round(float(Truncated(Gaussian(), 1.0).partial_moment(0)), 12)
    1.0
    """

    law: Distribution
    bound: float

    def __post_init__(self) -> None:
        _positive("bound", self.bound, "truncation")
        if not self.law.symmetric:
            raise TypeError("law must be symmetric about zero")

    @functools.cached_property
    def _mass(self) -> float:
        return float(self.law.partial_moment(0, -self.bound, self.bound))

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """Density of the law divided by its mass inside, 0 outside."""
        return np.where(np.abs(x) <= self.bound, self.law.pdf(x) / self._mass, 0.0)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """P(W <= x)."""
        x = np.clip(np.asarray(x, float), -self.bound, self.bound)
        upper = self.tail(np.abs(x))[0]
        return np.where(x < 0, upper, 1 - upper)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """Quantile, from the law's own."""
        p = np.asarray(p, float)
        inside = np.clip(self.law.ppf(0.5 + (p - 0.5) * self._mass), -self.bound, self.bound)
        return np.where((p <= 0) | (p >= 1), np.sign(p - 0.5) * self.bound, inside)

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differences of the law's tails."""
        x = np.minimum(x, self.bound)
        probability, first = self.law.tail(x)
        outside, first_outside = self.law.tail(np.array(self.bound))
        return (
            np.maximum(probability - outside, 0.0) / self._mass,
            np.maximum(first - first_outside, 0.0) / self._mass,
        )

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return self.law._half(order, np.minimum(low, self.bound), np.minimum(high, self.bound)) / self._mass


class Empirical(Distribution):
    """The law of a weight drawn from given values: exact, by sorting once and prefix sums.

    An atom on the end of an interval belongs to it on the left: M_k(a, b) sums over a < w <= b, and
    P(W > x) is strict.

    Parameters
    ----------
    values : array of any shape; at least one value, all finite. Sums are taken in float64.

    Examples
    --------
    >>> law = Empirical([1.0, -2.0, 4.0])
    >>> float(law.partial_moment(2)) * 3
    21.0
    """

    symmetric = False

    def __init__(self, values: np.ndarray) -> None:
        values = np.sort(np.asarray(values, dtype=np.float64), axis=None)
        if values.size == 0:
            raise ValueError("values must hold at least one weight, got an empty array")
        if not (math.isfinite(values[0]) and math.isfinite(values[-1])):
            raise ValueError("values must be finite, got NaN or infinity")
        self.values = values
        self.bound = float(max(-values[0], values[-1]))
        self._sums: dict[int, np.ndarray] = {}

    def __repr__(self) -> str:
        return f"Empirical({self.values.size} values in [{self.values[0]:g}, {self.values[-1]:g}])"

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """Refused: atoms have no density."""
        raise TypeError("an empirical law has atoms and no density; use cdf or partial_moment")

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """Share of values <= x."""
        return np.searchsorted(self.values, x, side="right") / self.values.size

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """The least value v with P(W <= v) >= p."""
        rank = np.ceil(np.asarray(p, float) * self.values.size).astype(np.int64) - 1
        return self.values[np.clip(rank, 0, self.values.size - 1)]

    def _prefix(self, order: int) -> np.ndarray:
        if order not in self._sums:
            # extended precision where the platform has it: differences of prefix sums cancel
            total = np.cumsum(self.values.astype(np.longdouble) ** order, dtype=np.longdouble)
            self._sums[order] = np.concatenate([[np.longdouble(0)], total])
        return self._sums[order]

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share and mean contribution of the values above x."""
        position = np.searchsorted(self.values, x, side="right")
        first = self._prefix(1)
        n = self.values.size
        return (n - position) / n, ((first[-1] - first[position]) / n).astype(np.float64)

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        raise NotImplementedError  # partial_moment needs no split at zero here

    def partial_moment(self, order: int, low: ArrayLike = -np.inf, high: ArrayLike = np.inf) -> np.ndarray:
        """Mean of w^order over the values with low < w <= high, times their share."""
        if order not in (0, 1, 2, 3, 4):
            raise ValueError(f"order must be an integer from 0 to 4, got {order!r}")
        if not np.all(np.asarray(low) <= np.asarray(high)):
            raise ValueError("low must not exceed high, and neither may be NaN")
        prefix = self._prefix(order)
        ends = [np.searchsorted(self.values, end, side="right") for end in (low, high)]
        return ((prefix[ends[1]] - prefix[ends[0]]) / self.values.size).astype(np.float64)

    @functools.cached_property
    def kurtosis(self) -> float:
        """Central: E (W - m)^4 / (E (W - m)^2)^2; nan for a constant."""
        centred = self.values - self.mean
        scale = np.max(np.abs(centred))
        if scale == 0:
            return math.nan
        square = (centred / scale) ** 2
        return float(np.mean(square**2) / np.mean(square) ** 2)

    def reflected(self) -> "Empirical":
        """The law of -W."""
        return Empirical(-self.values)
