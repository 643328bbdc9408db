"""SciPy's frozen distributions, and plain arrays, where a law of weights is asked for."""

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from theory.distributions.base import Distribution, legendre
from theory.distributions.laws import Empirical

P = ParamSpec("P")
R = TypeVar("R")
_RATIO = 2.0**0.25  # of the ends of a cell of the quadrature
_TOLERANCE = 1e-9  # of the mass of every cell against the law's own cdf
_NEEDED = ("pdf", "cdf", "sf", "ppf", "support")


class Frozen(Distribution):
    r"""A continuous law frozen by `scipy.stats`, symmetric about zero.

    .. math:: M_k(a, b) = \int_a^b w^k f(w)\, dw

    by Gauss-Legendre quadrature of the density on cells that grow by a factor 2^(1/4) from the median
    magnitude, outwards and inwards. The mass of every cell is compared with the law's own distribution
    function when the law is made, and the second moment with SciPy's.

    Parameters
    ----------
    law
        Such as ``scipy.stats.t(5)`` or ``scipy.stats.logistic(scale=0.1)``.

    Raises
    ------
    TypeError
        Not a continuous frozen distribution.
    ValueError
        Not symmetric about zero, no finite second moment, or a density that quadrature cannot follow.

    Examples
    --------
    >>> from scipy import stats
    >>> round(Frozen(stats.logistic(scale=2.0)).kurtosis, 9)
    4.2
    >>> Frozen(stats.expon())
    Traceback (most recent call last):
    ValueError: law expon must be symmetric about zero; subtract its mean, or give weights
    """

    def __init__(self, law: Any) -> None:
        if not all(hasattr(law, name) for name in _NEEDED):
            raise TypeError(f"law must be a continuous law frozen by scipy.stats, got {law!r}")
        self.law = law
        self.name = str(getattr(getattr(law, "dist", None), "name", type(law).__name__))
        low, high = (float(end) for end in law.support())
        self.bound = max(-low, high)
        x = np.asarray(law.ppf([0.6, 0.75, 0.9, 0.99]), float)
        if -low != high or not np.allclose(law.cdf(-x), law.sf(x), rtol=1e-9, atol=0):
            raise ValueError(
                f"law {self.name} must be symmetric about zero; subtract its mean, or give weights"
            )
        self._edges = self._cells(float(x[1]))
        cells = [self._integral(k, self._edges[:-1], self._edges[1:]) for k in range(5)]
        masses = np.asarray(law.sf(self._edges[:-1]) - law.sf(self._edges[1:]), float)
        if not np.allclose(cells[0], masses, rtol=0, atol=_TOLERANCE):
            raise ValueError(f"the density of law {self.name} jumps or peaks too sharply for quadrature")
        self._sums = [np.append(np.cumsum(cell[::-1])[::-1], 0.0) for cell in cells]  # of all beyond an edge
        expected = float(law.moment(2))
        if not math.isfinite(expected):
            raise ValueError(f"law {self.name} has no finite second moment, so no signal to compare with")
        if abs(2 * self._sums[2][0] / expected - 1) > 1e-6:
            raise ValueError(
                f"the second moment of law {self.name} is {2 * self._sums[2][0]:.9g} by quadrature of its "
                f"density, but {expected:.9g} by scipy"
            )

    def __repr__(self) -> str:
        return f"Frozen({self.name})"

    def _cells(self, middle: float) -> np.ndarray:
        """Ends of the cells, from 0 to where nothing is left."""
        powers = middle * _RATIO ** np.arange(-200, 1000)
        powers = powers[(powers < self.bound) & (powers < 1e75)]
        with np.errstate(over="ignore", under="ignore"):
            left = np.asarray(self.law.pdf(powers), float) * powers**3
        last = int(np.flatnonzero(left > 0)[-1])  # the density underflows beyond
        end = [self.bound] if math.isfinite(self.bound) else []
        return np.concatenate([[0.0], powers[: last + 1], end])

    @functools.cached_property
    def kurtosis(self) -> float:
        """E W^4 / (E W^2)^2; inf where SciPy has no finite fourth moment."""
        return super().kurtosis if math.isfinite(self.law.moment(4)) else math.inf

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """The law's own density."""
        return np.asarray(self.law.pdf(x), float)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """The law's own distribution function."""
        return np.asarray(self.law.cdf(x), float)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """The law's own quantiles."""
        return np.asarray(self.law.ppf(p), float)

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The law's own survival function, and M_1(x, inf) by quadrature."""
        return np.asarray(self.law.sf(x), float), self._outside(1, np.asarray(x, float))

    def _integral(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return legendre(lambda w: w**order * self.law.pdf(w), low, high)

    def _outside(self, order: int, x: np.ndarray) -> np.ndarray:
        """M_k(x, inf) for x >= 0: the rest of x's cell and all cells beyond."""
        last = len(self._edges) - 2
        cell = np.clip(np.searchsorted(self._edges, x, side="right") - 1, 0, last)
        start = np.minimum(x, self._edges[-1])
        rest = self._integral(order, start, self._edges[cell + 1])
        return rest + self._sums[order][cell + 1]

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        near = np.minimum(low, self._edges[-1])
        far = np.minimum(high, self._edges[-1])
        edges = self._edges
        same = np.searchsorted(edges, near, side="right") == np.searchsorted(edges, far, side="right")
        inside = self._integral(order, near, np.where(same, far, near))
        return np.where(same, inside, self._outside(order, near) - self._outside(order, far))


def as_law(law: Any) -> Distribution:
    """A law of weights from what people have: a law, SciPy's frozen distribution, or an array of weights.

    Raises
    ------
    TypeError
        None of these.

    Examples
    --------
    >>> as_law([1.0, -2.0])
    Empirical(2 values in [-2, 1])
    >>> as_law("normal")
    Traceback (most recent call last):
    TypeError: a law must be one of theory.distributions, a frozen scipy.stats law or weights, got 'normal'
    """
    if isinstance(law, Distribution):
        return law
    if hasattr(law, "pdf") or hasattr(law, "pmf"):
        return Frozen(law)
    values = np.asarray(law)
    if values.dtype.kind not in "iuf" or not values.ndim:
        raise TypeError(
            "a law must be one of theory.distributions, a frozen scipy.stats law or weights, "
            f"got {str(law)[:60]!r}"
        )
    return Empirical(values)


def takes_law(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: the first argument may be whatever `as_law` takes."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **options: P.kwargs) -> R:
        if args and not isinstance(args[0], Distribution):
            args = (as_law(args[0]), *args[1:])  # type: ignore[assignment]
        return function(*args, **options)

    return wrapper
