"""SciPy's frozen distributions, and plain arrays, where a law of weights is asked for."""

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from theory.distributions.base import Distribution, interval, legendre
from theory.distributions.laws import Empirical

P = ParamSpec("P")
R = TypeVar("R")
_RATIO = 2.0**0.25  # of the ends of a cell of the quadrature
_FINEST = 160  # steps of that ratio towards an end: 2^-40; nodes closer to it would round to it
_TOLERANCE = 1e-9  # of the mass of every cell against the law's own cdf
_NEEDED = ("pdf", "cdf", "sf", "ppf", "isf", "support", "moment")


def _asked(function: Callable[[ArrayLike], Any], x: ArrayLike) -> np.ndarray:
    """A function of SciPy's, without its warnings where a tail leaves double precision (it returns 0)."""
    with np.errstate(all="ignore"):
        return np.asarray(function(x), float)


class Frozen(Distribution):
    r"""A continuous law frozen by `scipy.stats`.

    .. math:: M_k(a, b) = \int_a^b w^k f(w)\, dw

    by Gauss-Legendre quadrature of the density, on each side of zero by itself. Cells grow by a factor
    2^(1/4) away from zero, or from the support's end beyond it, and shrink towards a finite far end. The mass
    of every cell is compared with the law's own distribution function when the law is made, and the second
    moment with SciPy's.

    Parameters
    ----------
    law
        Such as ``scipy.stats.t(5)``, ``scipy.stats.logistic(scale=0.1)`` or ``scipy.stats.expon(loc=-1)``.
        The mean need not be zero: signals and errors are raw second moments, as for weights.

    Raises
    ------
    TypeError
        Not a continuous frozen distribution.
    ValueError
        No finite second moment, or a density that quadrature cannot follow.

    Examples
    --------
    >>> from scipy import stats
    >>> round(Frozen(stats.logistic(scale=2.0)).kurtosis, 9)
    4.2
    >>> round(Frozen(stats.expon()).second_moment, 9), round(Frozen(stats.expon()).kurtosis, 9)
    (2.0, 9.0)
    """

    def __init__(self, law: Any) -> None:
        if not all(hasattr(law, name) for name in _NEEDED):
            raise TypeError(f"law must be a continuous law frozen by scipy.stats, got {law!r}")
        self.law = law
        self.name = str(getattr(getattr(law, "dist", None), "name", type(law).__name__))
        expected = float(law.moment(2))
        if not math.isfinite(expected):
            raise ValueError(f"law {self.name} has no finite second moment, so no signal to compare with")
        low, high = (float(end) for end in law.support())
        self.bound = max(-low, high)
        x = np.asarray(law.ppf([0.6, 0.75, 0.9, 0.99]), float)
        self.symmetric = -low == high and np.allclose(law.cdf(-x), law.sf(x), rtol=1e-9, atol=0)
        self._right = _Side(law, self.name)
        self._left = self._right if self.symmetric else _Side(_Mirrored(law), self.name)
        found = sum(float(side.sums[2][0]) for side in (self._right, self._left))
        if not abs(found / expected - 1) <= 1e-6:
            raise ValueError(
                f"the second moment of law {self.name} is {found:.9g} by quadrature of its density, "
                f"but {expected:.9g} by scipy"
            )

    def __repr__(self) -> str:
        return f"Frozen({self.name})"

    @functools.cached_property
    def kurtosis(self) -> float:
        """E (W - m)^4 / (E (W - m)^2)^2, m the mean; inf where SciPy has no finite fourth moment."""
        if not math.isfinite(self.law.moment(4)):
            return math.inf
        if self.symmetric:
            return super().kurtosis
        second, fourth = (
            self._right.central(k, self.mean) + self._left.central(k, -self.mean) for k in (2, 4)
        )
        return fourth / second**2

    def pdf(self, x: ArrayLike) -> np.ndarray:
        """The law's own density."""
        return _asked(self.law.pdf, x)

    def cdf(self, x: ArrayLike) -> np.ndarray:
        """The law's own distribution function."""
        return _asked(self.law.cdf, x)

    def ppf(self, p: ArrayLike) -> np.ndarray:
        """The law's own quantiles."""
        return _asked(self.law.ppf, p)

    def tail(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The law's own survival function, and M_1(x, inf) by quadrature."""
        return _asked(self.law.sf, x), self._right.outside(1, np.asarray(x, float))

    def _half(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return self._right.between(order, low, high)

    def partial_moment(self, order: int, low: ArrayLike = -np.inf, high: ArrayLike = np.inf) -> np.ndarray:
        """M_k(a, b), each side of zero by its own quadrature."""
        if self.symmetric:
            return super().partial_moment(order, low, high)
        order, low, high = interval(order, low, high)
        right = self._right.between(order, np.maximum(low, 0.0), np.maximum(high, 0.0))
        left = self._left.between(order, np.maximum(-high, 0.0), np.maximum(-low, 0.0))
        return right + (-1) ** order * left

    def magnitude_quantile(self, share: float) -> float:
        """The x with P(|W| <= x) = share: by bisection of the two tails where the law is not symmetric."""
        share = self._share(share)
        if self.symmetric or share == 1:
            return super().magnitude_quantile(share)
        from scipy.optimize import brentq

        def beyond(x: float) -> float:
            return float(_asked(self.law.sf, x) + _asked(self.law.cdf, -x)) - (1 - share)

        top = max(abs(float(end)) for end in self.law.ppf([(1 - share) / 2, 1 - (1 - share) / 2]))
        return float(brentq(beyond, 0.0, top, xtol=1e-300, rtol=1e-14)) if beyond(0.0) > 0 else 0.0

    def reflected(self) -> "Frozen":
        """The law of -W."""
        return self._reflection

    @functools.cached_property
    def _reflection(self) -> "Frozen":
        return self if self.symmetric else Frozen(_Mirrored(self.law))


class _Mirrored:
    """The law of -W, with what :class:`Frozen` asks of a law."""

    def __init__(self, law: Any) -> None:
        self.law, self.dist = law, getattr(law, "dist", None)

    def pdf(self, x: ArrayLike) -> Any:
        return self.law.pdf(-np.asarray(x))

    def cdf(self, x: ArrayLike) -> Any:
        return self.law.sf(-np.asarray(x))

    def sf(self, x: ArrayLike) -> Any:
        return self.law.cdf(-np.asarray(x))

    def ppf(self, p: ArrayLike) -> Any:
        return -self.law.isf(p)

    def isf(self, p: ArrayLike) -> Any:
        return -self.law.ppf(p)

    def moment(self, order: int) -> float:
        return (-1) ** order * float(self.law.moment(order))

    def support(self) -> tuple[float, float]:
        low, high = self.law.support()
        return -high, -low


class _Side:
    """Moments of a law over the positive half line: cells, and sums of all beyond and below their ends."""

    def __init__(self, law: Any, name: str) -> None:
        self.law = law
        self.edges = self._cells()
        cells = [self._integral(k, self.edges[:-1], self.edges[1:]) for k in range(5)]
        masses = -np.diff(_asked(law.sf, self.edges))
        if not np.allclose(cells[0], masses, rtol=0, atol=_TOLERANCE):
            raise ValueError(f"the density of law {name} jumps or peaks too sharply for quadrature")
        self.sums = [np.append(np.cumsum(cell[::-1])[::-1], 0.0) for cell in cells]
        self.below = [np.append(0.0, np.cumsum(cell)) for cell in cells]

    def _cells(self) -> np.ndarray:
        """Ends of the cells, from 0 to where nothing is left; the median, a kink of some laws, is one."""
        low, high = (max(float(end), 0.0) for end in self.law.support())
        share = float(self.law.sf(0.0))
        if not share:
            return np.array([0.0, 1.0])
        middle = float(self.law.isf(share / 2))
        powers = max(middle - low, 0.0) * _RATIO ** np.arange(-_FINEST, 1000)
        powers = powers[(low + powers < high) & (powers < 1e75)]
        with np.errstate(over="ignore", under="ignore"):
            left = _asked(self.law.pdf, low + powers) * powers**3
        powers = powers[: int(np.flatnonzero(left > 0)[-1]) + 1]  # the density underflows beyond
        ends = [np.array([0.0, low]), low + powers]
        if math.isfinite(high):
            ends += [high - (high - middle) * _RATIO ** np.arange(-_FINEST, 1), np.array([high])]
        median = float(self.law.ppf(0.5))
        found = np.concatenate([*ends, [median] if 0 < median < high else []])
        return np.unique(found)

    def central(self, order: int, centre: float) -> float:
        """Integral of (w - centre)^k f(w) over the side."""
        low, high = self.edges[:-1], self.edges[1:]
        return float(np.sum(legendre(lambda w: (w - centre) ** order * self._density(w), low, high)))

    def between(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """M_k(low, high), 0 <= low <= high."""
        edges, last = self.edges, len(self.edges) - 2
        near, far = np.minimum(low, edges[-1]), np.minimum(high, edges[-1])
        first, final = (np.clip(np.searchsorted(edges, x, side="right") - 1, 0, last) for x in (near, far))
        same = first == final
        parts = self._integral(order, near, np.where(same, far, edges[first + 1]))
        parts = parts + self._integral(order, np.where(same, far, edges[final]), far)
        # whole cells in between by sums from the nearer side: those of the other would cancel
        first = np.minimum(first + 1, final)
        below, beyond = self.below[order], self.sums[order]
        inner = below[final] < beyond[first]
        return parts + np.where(inner, below[final] - below[first], beyond[first] - beyond[final])

    def outside(self, order: int, x: np.ndarray) -> np.ndarray:
        """M_k(x, inf) for x >= 0: the rest of x's cell and all cells beyond."""
        last = len(self.edges) - 2
        cell = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, last)
        start = np.minimum(x, self.edges[-1])
        rest = self._integral(order, start, self.edges[cell + 1])
        return rest + self.sums[order][cell + 1]

    def _integral(self, order: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return legendre(lambda w: w**order * self._density(w), low, high)

    def _density(self, w: np.ndarray) -> np.ndarray:
        """The density, 0 where it is infinite: an end of the support that a node rounds to has no mass."""
        values = _asked(self.law.pdf, w)
        return np.where(np.isfinite(values), values, 0.0)


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
        for name in ("law", "distribution"):
            if name in options:
                options[name] = as_law(options[name])
        return function(*args, **options)

    return wrapper


def takes_symmetric_law(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: as :func:`takes_law`, of a law with a density, symmetric about zero, or a TypeError."""

    @takes_law
    @functools.wraps(function)
    def wrapper(*args: P.args, **options: P.kwargs) -> R:
        law = args[0] if args else options["law"]
        if not getattr(law, "symmetric", False):
            raise TypeError(
                f"{function.__name__} needs a continuous law symmetric about zero, got {law!r}; "
                "weights themselves are for sims.weights"
            )
        return function(*args, **options)

    return wrapper
