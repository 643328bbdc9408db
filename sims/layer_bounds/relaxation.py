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
from scipy.linalg import lapack

REACH = 1  # integer cuts j = -REACH .. REACH around the corner; farther ones change no bound by 0.001 dB
_TOLERANCE = 1e-7
_ITERATIONS = 60
_SHORTEN = 0.95  # of the way to the boundary of the cone
_CENTRE = 0.01  # least centring: smaller values save an iteration and lose the central path


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

    Every iteration costs a few products and factorisations of (n + 1)-matrices and one Cholesky
    factorisation of a (2n + 1)-matrix: constraints that touch Y_ii and Y_0i alone make the Schur complement
    a sum of entrywise products. Cut multipliers are eliminated coordinate by coordinate, in the basis in
    which their 2 x 2 weight is diagonal: otherwise an active cut (weight mu/s of 1e8) drowns its neighbour,
    and the gap stalls at 1e-5.

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
    n = len(y)
    corner = corner_of(y, low, high)
    cuts = _cuts(corner, low, high, published)
    alpha, p, r, valid = cuts
    scale = float(np.mean(np.diagonal(gram)))
    gram = gram / scale
    a = y - corner - 0.5
    target = gram @ a
    cost = np.empty((n + 1, n + 1))
    cost[0, 0], cost[0, 1:], cost[1:, 0], cost[1:, 1:] = a @ target, -target, -target, gram
    inner = np.arange(1, n + 1)
    # strictly feasible on both sides, near the central path: x = 0, X_ii midway between cut and box
    moment = 0.5 * (0.25 + r[:, -1])
    level = float(np.max(moment * np.diagonal(gram)))
    primal = np.diag(np.concatenate([[1.0], moment]))
    s = np.where(valid, alpha * moment[:, None] + r, 1.0)
    mu = np.where(valid, 0.25 * level / moment[:, None], 0.0)
    mu[:, -1] += mu[:, :-1].sum(axis=1)
    d, c = (alpha * mu).sum(axis=1), (p * mu).sum(axis=1)
    b = target + 0.5 * c
    tau = cost[0, 0] - b @ np.linalg.solve(gram - np.diag(d), b) - level
    minors = (alpha[:, :, None] * p[:, None, :] - alpha[:, None, :] * p[:, :, None]) ** 2
    cone = n + 1 + int(valid.sum())
    best: tuple = (-np.inf, d, c, primal)
    for iteration in range(_ITERATIONS):  # noqa: B007 (the count is part of the result)
        dual = cost.copy()
        dual[0, 0] -= tau
        dual[0, 1:] -= 0.5 * c
        dual[1:, 0] -= 0.5 * c
        dual[inner, inner] -= d
        inverse = _inverse(dual)
        if inverse is None:
            break
        gap = float(np.vdot(primal, dual) + np.vdot(mu, np.where(valid, s, 0.0)))
        value = tau - float(np.vdot(r, mu))
        if value > best[0]:
            best = (value, d, c, primal)
        if gap <= _TOLERANCE * abs(value):
            break
        weight = np.where(valid, mu / s, 0.0)
        gap_now = gap / cone
        system = _Schur(primal, inverse, cuts, weight, minors)
        if system.factor is None:
            break
        residual = np.where(
            valid, alpha * primal[inner, inner][:, None] + p * primal[0, 1:][:, None] + r - s, 0.0
        )
        back = np.where(valid, mu, 0.0)
        predictor = system.direction(-primal, -back, residual)
        ahead = _lengths(primal, dual, s, mu, predictor)
        after = float(
            np.vdot(primal + ahead[0] * predictor.primal, dual + ahead[1] * predictor.dual)
            + np.vdot(mu + ahead[1] * predictor.mu, np.where(valid, s + ahead[0] * predictor.s, 0.0))
        )
        share = max(_CENTRE, min(1.0, after / gap) ** 3)
        second = predictor.primal @ predictor.dual @ inverse
        corrector = system.direction(
            share * gap_now * inverse - primal - 0.5 * (second + second.T),
            np.where(valid, (share * gap_now - predictor.mu * predictor.s) / s, 0.0) - back,
            residual,
        )
        first, other = (min(1.0, _SHORTEN * length) for length in _lengths(primal, dual, s, mu, corrector))
        if max(first, other) < 0.01:
            break
        primal = primal + first * corrector.primal
        s = s + first * corrector.s
        mu = mu + other * corrector.mu
        tau += other * -corrector.dual[0, 0]
        d, c = (alpha * mu).sum(axis=1), (p * mu).sum(axis=1)
    value, d, c, primal = best
    return Dual(corner, d * scale, c * scale, float(value * scale), primal[0, 1:], primal[1:, 1:], iteration)


class _Direction(NamedTuple):
    primal: np.ndarray
    dual: np.ndarray
    s: np.ndarray
    mu: np.ndarray


class _Schur:
    """The linear system of one iteration, factored once for predictor and corrector."""

    def __init__(
        self, primal: np.ndarray, inverse: np.ndarray, cuts: _Cuts, weight: np.ndarray, minors: np.ndarray
    ) -> None:
        n = len(primal) - 1
        self.primal, self.inverse, self.cuts, self.weight = primal, inverse, cuts, weight
        alpha, p = cuts.alpha, cuts.p
        first = (alpha * alpha * weight).sum(axis=1)
        mixed = (alpha * p * weight).sum(axis=1)
        second = (p * p * weight).sum(axis=1)
        # Cauchy-Binet: the determinant as a sum of squares, without cancellation
        determinant = 0.5 * np.einsum("ie,ief,if->i", weight, minors, weight)
        angle = 0.5 * np.arctan2(2 * mixed, first - second)
        self.cosine, self.sine = np.cos(angle), np.sin(angle)
        self.large = 0.5 * (first + second + np.hypot(first - second, 2 * mixed))
        with np.errstate(divide="ignore"):
            self.small = determinant / self.large
        y0, z0, y, z = primal[0, 1:], inverse[0, 1:], primal[1:, 1:], inverse[1:, 1:]
        y00, z00 = primal[0, 0], inverse[0, 0]
        product = y * z
        cross = 0.5 * (y0[:, None] * z + z0[:, None] * y)
        outer = np.outer(y0, z0)
        linear = 0.25 * (outer + outer.T + z00 * y + y00 * z)
        co, si = self.cosine[:, None], self.sine[:, None]
        # rows, then columns, turned into each coordinate's own basis
        upper, lower = co * product + si * cross.T, co * cross + si * linear
        left, right = co * cross.T - si * product, co * linear - si * cross
        matrix = np.empty((2 * n + 1, 2 * n + 1))
        matrix[0, 0] = y00 * z00
        row, column = y0 * z0, 0.5 * (y00 * z0 + z00 * y0)
        matrix[1 : n + 1, 0], matrix[n + 1 :, 0] = self._turn(row, column)
        matrix[1 : n + 1, 1 : n + 1] = upper * co.T + lower * si.T
        matrix[n + 1 :, 1 : n + 1] = left * co.T + right * si.T
        matrix[n + 1 :, n + 1 :] = right * co.T - left * si.T
        place = np.arange(n)
        with np.errstate(divide="ignore"):
            matrix[1 + place, 1 + place] += 1.0 / self.large
            matrix[n + 1 + place, n + 1 + place] += 1.0 / self.small
        factor, failed = lapack.dpotrf(matrix, lower=1, clean=0)
        self.factor = None if failed else factor

    def _turn(self, one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.cosine * one + self.sine * two, self.cosine * two - self.sine * one

    def _turn_back(self, one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.cosine * one - self.sine * two, self.cosine * two + self.sine * one

    def direction(self, right: np.ndarray, centred: np.ndarray, residual: np.ndarray) -> _Direction:
        """Solve dY + sym(Y dS S^-1) = right, dmu + (mu/s) ds = centred, with both sides' feasibility."""
        n = len(right) - 1
        alpha, p = self.cuts.alpha, self.cuts.p
        free = centred - self.weight * residual
        g = self._turn((alpha * free).sum(axis=1), (p * free).sum(axis=1))
        f = self._turn(np.diagonal(right)[1:], right[0, 1:])
        side = np.concatenate(
            [
                [1.0 - self.primal[0, 0] - right[0, 0]],
                g[0] / self.large - f[0],
                g[1] / self.small - f[1],
            ]
        )
        eta, _ = lapack.dpotrs(self.factor, side, lower=1)
        one, two = eta[1 : n + 1], eta[n + 1 :]
        # the change of (Y_ii, Y_0i) from the multipliers: what dY says is blurred by S^-1, and mu/s
        # multiplies it
        change = self._turn_back((g[0] - one) / self.large, (g[1] - two) / self.small)
        ds = np.where(self.cuts.valid, alpha * change[0][:, None] + p * change[1][:, None] + residual, 0.0)
        dmu = np.where(self.cuts.valid, centred - self.weight * ds, 0.0)
        dd, dc = self._turn_back(one, two)
        dual = np.zeros_like(right)
        dual[0, 0], dual[0, 1:], dual[1:, 0] = -eta[0], -0.5 * dc, -0.5 * dc
        place = np.arange(1, n + 1)
        dual[place, place] = -dd
        product = self.primal @ dual @ self.inverse
        return _Direction(right - 0.5 * (product + product.T), dual, ds, dmu)


def _inverse(matrix: np.ndarray) -> np.ndarray | None:
    """Inverse of a positive definite matrix; None where it is not."""
    factor, failed = lapack.dpotrf(matrix, lower=1, clean=1)
    if failed:
        return None
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse, -1)
    return lower + lower.T + np.diag(np.diagonal(inverse))


def _lengths(
    primal: np.ndarray, dual: np.ndarray, s: np.ndarray, mu: np.ndarray, step: _Direction
) -> tuple[float, float]:
    """How far primal and dual may go, at most 1, to about 10 % below the boundary."""
    return _length(primal, step.primal, s, step.s), _length(dual, step.dual, mu, step.mu)


def _length(matrix: np.ndarray, change: np.ndarray, slack: np.ndarray, move: np.ndarray) -> float:
    shrinking = move < 0
    length = 1.0
    if shrinking.any():
        length = min(1.0, float(np.min(-slack[shrinking] / move[shrinking])))
    while length > 1e-8 and lapack.dpotrf(matrix + length * change, lower=1, clean=0, overwrite_a=1)[1]:
        length *= 0.85
    return length
