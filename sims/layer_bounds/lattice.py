"""What the codes of every neuron of a layer share: the Gram matrix prepared for search and for rounding."""

import math
from functools import cached_property
from typing import Any

import numpy as np

from sims.path_following.gram import as_gram
from theory.path_following import min_pivot_order

_DEPENDENT = 1e-15  # a pivot below n times this share of its column is rounding
_SQUARES = 900  # binary exponent of an energy: its billionth, or the sum of many, is a double, too
_INDEFINITE = 1e-9  # relative to the largest eigenvalue: more is no rounding


def semidefinite(inputs: Any, gram: Any) -> np.ndarray:
    """X'X as a symmetric float64 matrix, from inputs or from the matrix itself.

    Raises
    ------
    ValueError
        As `sims.path_following.gram.as_gram`; and if the matrix is indefinite by more than rounding.

    Examples
    --------
    >>> semidefinite(None, [[1.0, 2.0], [2.0, 1.0]])
    Traceback (most recent call last):
    ValueError: gram must be positive semidefinite, as X'X is; its eigenvalues are from -1 to 3
    """
    own = as_gram(inputs, gram, None).own
    own = 0.5 * (own + own.T)
    if gram is not None:
        ends = np.linalg.eigvalsh(own)[[0, -1]]
        if ends[0] < -_INDEFINITE * max(ends[1], 0.0):
            raise ValueError(
                "gram must be positive semidefinite, as X'X is; "
                f"its eigenvalues are from {ends[0]:.6g} to {ends[1]:.6g}"
            )
    return own


def check_range(weights: np.ndarray, gram: np.ndarray) -> None:
    """Refuse weights whose squared errors are no doubles: they would be 0, or infinite.

    Inputs next to nothing are no reason: they are as good as dead.

    Examples
    --------
    >>> check_range(np.array([[1e-170]]), np.eye(1))
    Traceback (most recent call last):
    ValueError: weights up to 1e-170 with these inputs have squared errors beyond double precision; \
multiply them by a power of two
    """
    largest = float(np.abs(weights).max(initial=0.0))
    if beyond_squares(largest, gram):
        raise ValueError(
            f"weights up to {largest:.3g} with these inputs have squared errors beyond double precision; "
            "multiply them by a power of two"
        )


def beyond_squares(largest: float, gram: np.ndarray) -> bool:
    """Whether squared errors of so large weights leave double precision for the weights' sake."""
    square = float(np.diagonal(gram).max(initial=0.0))
    if not (largest > 0 and square > 0):
        return False
    own, of_inputs = 2 * math.log2(largest), math.log2(square)
    return own + of_inputs >= _SQUARES or (own + of_inputs <= -_SQUARES and own < of_inputs)


def factor(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r_kk^2, r_kj / r_kk and the pivots taken for zero of G = R'R, R upper triangular; G may be singular.

    Examples
    --------
    >>> factor(np.ones((2, 2)))[0]
    array([1., 0.])
    """
    left = np.array(gram, np.float64)
    n = len(left)
    squares, u, dropped = np.zeros(n), np.zeros((n, n)), np.zeros(n)
    own = np.diagonal(left).copy()
    for k in range(n):
        if left[k, k] <= n * _DEPENDENT * own[k]:
            dropped[k] = n * _DEPENDENT * own[k]
        else:
            squares[k] = left[k, k]
            u[k, k:] = left[k, k:] / left[k, k]
            left[k:, k:] -= np.outer(u[k, k:], left[k, k:])
    return squares, u, dropped


class Lattice:
    """A Gram matrix with its factor in the order in which codes are decided.

    Attributes
    ----------
    gram : (n, n) ndarray
        X'X over the columns that are not dead.
    live : (N,) ndarray of bool
        Columns that are not zero; a dead one takes any code at no cost.
    order : (n,) ndarray of int
        Columns of `gram`, the one decided last first.
    squares, u, dropped
        Of G = R'R in that order, see `factor`.

    Examples
    --------
    >>> Lattice(np.diag([1.0, 0.0, 3.0])).order
    array([0, 1])
    """

    def __init__(self, gram: np.ndarray) -> None:
        self.live = np.diagonal(gram) > 0
        self.gram = np.ascontiguousarray(gram[np.ix_(self.live, self.live)])
        self.order = min_pivot_order(self.gram)[::-1]
        self.squares, self.u, self.dropped = factor(self.gram[np.ix_(self.order, self.order)])

    def slack(self, radius: float, y: np.ndarray, low: float, high: float) -> float:
        """More than rounding can change the error of codes that are no worse than `radius`.

        With E_j the largest |z_j - y_j| that the box and the radius leave, |R| E bounds every intermediate
        sum: the factor R is exact for a matrix within n u |R|'|R| of G, a centre is wrong by n u of its
        sum. Dropped pivots count in full.
        """
        n = len(y)
        box = np.maximum(np.abs(low - y), np.abs(high - y))[self.order]
        reach = np.minimum(box, np.sqrt(radius * self.spread[self.order])) if self.definite else box
        sums = np.sqrt(self.squares) * (np.abs(self.u) @ reach)
        size = float(sums @ sums)
        return 4 * n * 2.0**-53 * (radius + np.sqrt(radius * size) + size) + float(self.dropped @ reach**2)

    @cached_property
    def spread(self) -> np.ndarray:
        """Diagonal of the inverse: |e_j|^2 <= [G^-1]_jj e'G e; a little more than computed."""
        return 1.01 * np.abs(np.diagonal(np.linalg.inv(self.gram)))

    @cached_property
    def definite(self) -> bool:
        """Whether no column lies in the span of the others."""
        return bool(np.all(self.squares > 0))

    @cached_property
    def regular(self) -> np.ndarray:
        """The Gram matrix where it is definite; else with 1 % of its mean diagonal added, as OPTQ does."""
        if self.definite and np.linalg.cond(self.gram) < 1e13:
            return self.gram
        return self.gram + 0.01 * float(np.mean(np.diagonal(self.gram))) * np.eye(len(self.gram))

    def error(self, y: np.ndarray, codes: np.ndarray) -> float:
        """|X (z - y)|^2, never negative."""
        e = codes - y
        return max(0.0, float(e @ (self.gram @ e)))
