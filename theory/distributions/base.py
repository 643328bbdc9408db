"""What every law of weights has: :class:`Distribution`, and the quadrature of its partial moments."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import positive, whole

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
CHUNK = 2**15  # integrals at a time


def scale_parameter(name: str, value: float, unit: str) -> float:
    """`value` as a float, or a ValueError that names the parameter and its unit."""
    value = float(positive(name, value, unit))
    if not 1e-75 < value < 1e75:  # fourth moments must stay within double precision
        raise ValueError(f"{name} must lie between 1e-75 and 1e75 ({unit}), got {value}")
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
        order
            k, an integer 0-4.
        low, high
            Ends a <= b, arrays that broadcast; infinite ends allowed.

        Returns
        -------
        float64 array of the broadcast shape (a scalar array for numbers).

        Examples
        --------
        >>> import math
        >>> from theory.distributions import Gaussian
        >>> round(float(Gaussian(2.0).partial_moment(2)), 12)
        4.0
        >>> round(float(Gaussian().partial_moment(1, 0.0)), 12) == round((2 * np.pi) ** -0.5, 12)
        True
        """
        order, low, high = interval(order, low, high)
        if order % 2:  # the law is symmetric: (-x, x) adds nothing, and is left out rather than cancelled
            with np.errstate(invalid="ignore"):  # -inf + inf
                sign = np.where(low + high < 0, -1.0, 1.0)
            near, far = np.minimum(np.abs(low), np.abs(high)), np.maximum(np.abs(low), np.abs(high))
            return sign * self._half(
                order, np.where(np.isinf(near), 0.0, near), np.where(np.isinf(near), 0.0, far)
            )
        positive = self._half(order, np.maximum(low, 0.0), np.maximum(high, 0.0))
        negative = self._half(order, np.maximum(-high, 0.0), np.maximum(-low, 0.0))
        return positive + negative

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

    def magnitude_quantile(self, share: float) -> float:
        """The least x with P(|W| <= x) >= share, for share in [0, 1].

        Examples
        --------
        >>> from theory.distributions import Empirical, Uniform
        >>> Uniform(2.0).magnitude_quantile(0.75), Empirical([1.0, -2.0, 4.0]).magnitude_quantile(0.5)
        (1.5, 2.0)
        """
        share = self._share(share)
        return self.bound if share == 1 else float(self.ppf(0.5 + share / 2))

    @staticmethod
    def _share(share: float) -> float:
        if not 0 <= share <= 1:
            raise ValueError(f"share must lie in [0, 1], got {share}")
        return float(share)

    def reflected(self) -> "Distribution":
        """The law of -W."""
        return self


def interval(order: int, low: ArrayLike, high: ArrayLike) -> tuple[int, np.ndarray, np.ndarray]:
    """Order and ends of a partial moment, checked, the ends of one shape."""
    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    if not np.all(low <= high):  # also catches NaN
        raise ValueError("low must not exceed high, and neither may be NaN")
    return whole("order", order, 0, 4), low, high


def legendre(function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Gauss-Legendre integral of `function` over [low, high] elementwise; 20 nodes."""
    half, centre = (high - low) / 2, (high + low) / 2
    return half * (function(centre[..., None] + half[..., None] * NODES) @ WEIGHTS)


def panel_nodes(ends: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights, `count` of them between any two neighbouring ends."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half, centre = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    return (centre[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def beta_nodes(count: int, a: float, b: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes and masses of the law Beta(a, b), a and b at least 1, by its Jacobi matrix on [0, 1].

    Nodes of a law close to 0 are found to 1e-16 of the largest. (SciPy's weights overflow from b = 1044 on.)
    """
    from scipy.linalg import eigh_tridiagonal

    n, c = np.arange(1.0, count), a + b - 2
    s = 2 * n + c
    diagonal = np.append(a / (a + b), (2 * n * (n + c + 1) + c * a) / (s * (s + 2)))
    beside = np.sqrt(n * (n + b - 1) * (n + a - 1) * (n + c) / ((s + 1) * (s - 1))) / s
    nodes, vectors = eigh_tridiagonal(diagonal, beside)
    return nodes, vectors[0] ** 2


def tail_inside(law: Distribution, x: np.ndarray, bound: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """P(x < W <= bound) and E[W; x < W <= bound], x >= 0: differences of the law's tails, which may cancel.

    `bound` is a number, or of a shape that broadcasts to that of x. Where three digits are lost the
    differences are integrated instead, some at a time: x may hold a value for every level of a 16-bit grid
    and every step tried.
    """
    bound = np.asarray(bound, dtype=np.float64)
    x = np.minimum(x, bound)
    ends = law.tail(bound)
    found = []
    for order, values in enumerate(law.tail(x)):
        difference = np.maximum(values - ends[order], 0.0)
        cancelled = np.flatnonzero(np.ravel((difference < 1e-3 * values) & (x < bound)))
        if cancelled.size:
            difference = np.array(difference)
            flat, low, high = difference.reshape(-1), np.ravel(x), np.broadcast_to(bound, x.shape).ravel()
            for part in np.array_split(cancelled, -(-cancelled.size // CHUNK)):
                flat[part] = law._half(order, low[part], high[part])
        found.append(np.asarray(difference))
    return found[0], found[1]
