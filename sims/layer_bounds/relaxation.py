r"""Lower bounds on the error of quantized codes: the semidefinite relaxation by an interior-point method.

The codes z in {l, .., h}^n minimise (z - y)'G(z - y). With x = z - f - 1/2 around a corner f of the grid, a
= y - f - 1/2 and Y standing for (1, x)(1, x)', every integer satisfies

    (x_i - j)^2 >= 1/4   (no integer lies between f_i + j and f_i + j + 1),
    (x_i - A_i)(B_i - x_i) >= 0   (the box),

linear in Y_ii and Y_0i. Dropping rank one leaves a semidefinite program; its dual

    max tau - sum r mu,    S = C - tau E_00 - Diag(d) - sum c_i H_i >= 0,    mu >= 0,
    d = sum alpha mu,    c = sum p mu,    H_i = (E_0i + E_i0) / 2,

is a quadratic below the error at every integer point. Only (d, c) leave this module:
`sims.layer_bounds.certificate` turns them into a proved bound, whatever the rounding errors here.
"""

from typing import NamedTuple

import numpy as np

REACH = 1  # integer cuts j = -REACH .. REACH around the corner; farther ones change no bound by 0.001 dB
_TOLERANCE = 1e-7
_ITERATIONS = 60


class Dual(NamedTuple):
    """A dual point of the relaxation, and what came with it.

    `corner` (n,) is f; `d`, `c` (n,) the multipliers of x_i^2 and x_i; `value` the objective, not
    certified; `mean` (n,) and `moment` (n, n) the primal x and X, from which codes can be drawn;
    `iterations` those it took.
    """

    corner: np.ndarray
    d: np.ndarray
    c: np.ndarray
    value: float
    mean: np.ndarray
    moment: np.ndarray
    iterations: int


class _Cuts(NamedTuple):
    """Linear cuts alpha X_ii + p x_i + r >= 0, (n, cuts); rows of `valid` say which exist."""

    alpha: np.ndarray
    p: np.ndarray
    r: np.ndarray
    valid: np.ndarray


def corner_of(y: np.ndarray, low: float, high: float) -> np.ndarray:
    """f: the lower corner of the cell of the grid that holds y, or the nearest one to it."""
    return np.clip(np.floor(y), low, high - 1)


def _cuts(corner: np.ndarray, low: float, high: float, published: bool) -> _Cuts:
    j = np.arange(-REACH, REACH + 1)[None, :]
    least, most = np.full(len(corner), low), np.full(len(corner), high)
    if published:  # one integer cut and no box; a far one keeps the program bounded and is never active
        least, most = corner - 1000.0, corner + 1002.0
        j = j[:, REACH : REACH + 1]
    left, right = least - corner - 0.5, most - corner - 0.5
    inner = (corner[:, None] + j >= least[:, None]) & (corner[:, None] + j + 1 <= most[:, None])
    n = len(corner)
    ones = np.ones((n, 1))
    return _Cuts(
        np.hstack([np.ones((n, j.size)), -ones]),
        np.hstack([-2.0 * j * ones, (left + right)[:, None]]),
        np.hstack([(j**2 - 0.25) * ones, -(left * right)[:, None]]),
        np.hstack([inner, ones > 0]),
    )


def solve(gram: np.ndarray, y: np.ndarray, low: float, high: float, *, published: bool = False) -> Dual:
    """The dual of the relaxation by a primal-dual predictor-corrector in the HKM direction.

    Every iteration costs three products and a few factorisations of (n + 1)-matrices and one Cholesky
    factorisation of a (2n + 1)-matrix: constraints that touch Y_ii and Y_0i alone make the Schur complement
    a sum of entrywise products (`sims.kernels.layer_bounds_relaxation`). At 32 columns that is 0.4 million
    multiplications and 0.1 ms.

    Parameters
    ----------
    gram : (n, n) ndarray
        G, positive semidefinite, its diagonal positive.
    y : (n,) ndarray
        Weights in units of the step.
    low, high
        Least and greatest code, high - low >= 2.
    published
        The relaxation of Kuzmin et al.'s released code instead: the cut j = 0 alone, no box.

    Returns
    -------
    Dual
        Objective within 1e-7 of the optimum where the iteration was not cut short by rounding.

    References
    ----------
    Helmberg, Rendl, Vanderbei & Wolkowicz 1996; Kojima, Shindoh & Hara 1997; Monteiro 1997 (the direction).
    Park & Boyd 2018 (the relaxation with j = 0).

    Examples
    --------
    >>> found = solve(np.eye(2), np.array([0.5, 0.2]), -2, 1)     # orthogonal inputs: the relaxation is exact
    >>> round(found.value, 5)
    0.29
    """
    from sims.kernels.layer_bounds_relaxation import interior_point

    corner = corner_of(y, low, high)
    scale = float(np.mean(np.diagonal(gram)))
    value, d, c, primal, iterations = interior_point(
        np.ascontiguousarray(gram / scale),
        y - corner - 0.5,
        tuple(_cuts(corner, low, high, published)),
        _TOLERANCE,
        _ITERATIONS,
    )
    return Dual(corner, d * scale, c * scale, float(value * scale), primal[0, 1:], primal[1:, 1:], iterations)
