r"""Proof of a lower bound from any multipliers (d, c), however they were found.

With x = z - f - 1/2 and M = G - Diag(d) positive definite,

    (z - y)'G(z - y) = [x'M x - 2 b'x + a'G a] + sum_i (d_i x_i^2 + c_i x_i),     b = G a + c/2,

so that the least value of the bracket over all x plus, for each coordinate, the least of d k^2 + c k over
the few possible k bounds the error of every code vector. `certify` does this in double precision and pays
for every rounding; `verify` repeats it in exact rationals.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.linalg import lapack

from sims.layer_bounds.relaxation import Dual

_UNIT = 2.0**-53


@dataclass(frozen=True)
class Certificate:
    """A proved lower bound on |X(s z - w)|^2 / s^2 over all codes z in {low, .., high}^n.

    Attributes
    ----------
    value
        The bound; at least 0.
    corner, d, c : (n,) ndarray
        What it rests on, see the module.
    low, high
        Least and greatest code.
    """

    value: float
    corner: np.ndarray
    d: np.ndarray
    c: np.ndarray
    low: float
    high: float


def _gamma(count: int) -> float:
    """n u / (1 - n u): relative error of a sum of n products, in any order."""
    return count * _UNIT / (1 - count * _UNIT)


def _least_steps(
    d: np.ndarray, c: np.ndarray, corner: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Least d k^2 + c k over k = z - f - 1/2, z in {low, .., high}, by coordinate; and |d| k^2 + |c k|."""
    first, last = low - corner - 0.5, high - corner - 0.5  # half-integers, exact
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        vertex = np.where(d > 0, -c / (2 * d), first)
    # a vertex next to a tie may round to the wrong side: its outer neighbours are tried too
    around = np.floor(np.clip(vertex, first - 2, last + 2))[:, None] + np.arange(-1.5, 2.0)
    tried = np.clip(np.column_stack([around, first, last]), first[:, None], last[:, None])
    values = tried * (d[:, None] * tried + c[:, None])
    at = np.argmin(values, axis=1)[:, None]
    k = np.take_along_axis(tried, at, axis=1)[:, 0]
    return np.take_along_axis(values, at, axis=1)[:, 0], np.abs(d) * k**2 + np.abs(c * k)


def certify(gram: np.ndarray, y: np.ndarray, dual: Dual, low: float, high: float) -> Certificate:
    """The bound that the multipliers prove, rounding errors included.

    d is lowered until a Cholesky factorisation of M, scaled to unit diagonal by powers of two and shifted,
    runs through: then its least eigenvalue is at least mu = shift - gamma_{n+1} tr (Rump 2006, Theorem
    2.3). The minimum of the bracket is x~'M x~ - 2 b'x~ + a'G a at the computed solution less |residual|^2
    / mu; sums are charged gamma times the sum of their terms' magnitudes; the rounding of y = w / s costs
    its G-norm.

    Parameters
    ----------
    gram : (n, n) ndarray
        G, symmetric, its diagonal positive.
    y : (n,) ndarray
        w / s as computed (correctly rounded).
    dual : Dual
        Only its corner, d and c are used.
    low, high
        Least and greatest code.

    Returns
    -------
    Certificate
        Value 0 where nothing could be proved.

    References
    ----------
    Rump, Verification of positive definiteness, BIT 46 (2006).

    Examples
    --------
    >>> from sims.layer_bounds.relaxation import solve
    >>> gram, y = np.eye(2), np.array([0.5, 0.2])
    >>> found = certify(gram, y, solve(gram, y, -2, 1), -2, 1)
    >>> 0.28999 < found.value < 0.29, verify(found, gram, y)
    (True, True)
    """
    n = len(y)
    corner, c = dual.corner, dual.c
    a = y - corner - 0.5
    scale = np.ldexp(1.0, -np.round(0.5 * np.log2(np.diagonal(gram))).astype(int))
    trivial = Certificate(0.0, corner, np.zeros(n), np.zeros(n), low, high)
    if not (np.all(np.isfinite(dual.d)) and np.all(np.isfinite(c))):
        return trivial
    unit = scale[:, None] * gram * scale  # powers of two: exact
    shift = 8 * _gamma(n + 2) * float(np.trace(unit) + np.sum(np.abs(dual.d) * scale**2))
    for _ in range(8):
        d = dual.d - shift / scale**2
        shifted = unit.copy()
        place = np.arange(n)
        shifted[place, place] = unit[place, place] - d * scale**2
        trace = float(np.sum(np.abs(np.diagonal(shifted)))) + shift * n
        least = 0.5 * shift - 2 * _gamma(n + 2) * trace
        factor, failed = lapack.dpotrf(shifted - 0.5 * shift * np.eye(n), lower=1, clean=0)
        if not failed and least > 0:
            value = _value(gram, y, a, d, c, corner, low, high, factor, scale, least)
            return Certificate(value, corner, d, c, low, high) if value > 0 else trivial
        shift *= 10
    return trivial


def _value(
    gram: np.ndarray,
    y: np.ndarray,
    a: np.ndarray,
    d: np.ndarray,
    c: np.ndarray,
    corner: np.ndarray,
    low: float,
    high: float,
    factor: np.ndarray,
    scale: np.ndarray,
    least: float,
) -> float:
    n = len(y)
    size = np.abs(gram)
    x = np.zeros(n)
    for _ in range(3):  # the factor is of the shifted matrix: refine
        half_gradient = gram @ (x - a) - d * x - 0.5 * c
        step, _ = lapack.dpotrs(factor, scale * half_gradient, lower=1)
        x = x - scale * step
    e = x - a
    half_gradient = gram @ e - d * x - 0.5 * c
    error = _gamma(2 * n + 8)
    blur = error * (size @ (np.abs(x) + np.abs(a)) + np.abs(d * x) + np.abs(c))
    slope = float(np.sum((scale * (np.abs(half_gradient) + blur)) ** 2)) / least
    terms = np.concatenate([[e @ (gram @ e)], -x * (d * x + c)])
    best, sizes = _least_steps(d, c, corner, low, high)
    magnitude = (
        float((np.abs(x) + np.abs(a)) @ (size @ (np.abs(x) + np.abs(a))))
        + float(np.abs(d) @ x**2 + np.abs(c) @ np.abs(x))
        + float(sizes.sum())
    )
    bracket = math.fsum([*terms, *best]) - slope * (1 + 1e-10) - error * magnitude
    if bracket <= 0:
        return 0.0
    # y is w / s rounded: the error of the true weights is within |delta|_G of it, as a norm
    offset = _UNIT * np.abs(y)
    blurred = math.sqrt(float(offset @ (size @ offset)) * (1 + error))
    return max(0.0, math.sqrt(bracket) * (1 - 4 * _UNIT) - blurred) ** 2 * (1 - 4 * _UNIT)


def diagonal_below(gram: np.ndarray, passes: int = 8) -> np.ndarray:
    """s >= 0 with Diag(s) <= G, nearly as large as it can be: what a cut costs at least, column by column.

    Coordinates are raised in turn, a quarter of the way to the boundary; then all are lowered until a shifted
    Cholesky factorisation proves the inequality, as in `certify`. G positive definite.

    Examples
    --------
    >>> diagonal_below(np.diag([1.0, 4.0])).round(2)
    array([0.99, 3.96])
    """
    n = len(gram)
    scale = np.ldexp(1.0, -np.round(0.5 * np.log2(np.diagonal(gram))).astype(int))
    unit = scale[:, None] * gram * scale
    s = np.full(n, 0.9 * max(0.0, float(np.linalg.eigvalsh(unit)[0])))
    inverse = np.linalg.inv(unit - np.diag(s))
    for _ in range(passes):
        for i in range(n):
            step = 0.25 / inverse[i, i]
            s[i] += step
            inverse += np.outer(inverse[:, i], inverse[i]) * (step / (1 - step * inverse[i, i]))
    margin = 4 * _gamma(n + 2) * float(np.trace(unit)) * np.eye(n)
    s = np.maximum(s, 0.0)
    for _ in range(60):
        _, failed = lapack.dpotrf(unit - np.diag(s) - margin, lower=1)
        if not failed:
            return s / scale**2
        s *= 0.9
    return np.zeros(n)


def proved(certificate: Certificate, gram: np.ndarray, y: np.ndarray) -> Fraction:
    """The largest bound that (corner, d, c) prove, in exact rationals: nothing of `certify` is trusted.

    Their floats are taken as the fractions they are. Elimination of the bracket, a matrix bordered by -b,
    leaves its least value in the last place. O(n^3) operations on growing fractions.

    Parameters
    ----------
    certificate : Certificate
        Its own value is not used.
    gram : (n, n) ndarray
    y : (n,) ndarray
        Weights in units of the step, as floats.

    Returns
    -------
    Fraction
        0, which needs no proof, where the bracket has no least value, or a lower one in sum.

    Examples
    --------
    >>> found = Certificate(0.30, np.zeros(1), np.array([1.0]), np.array([0.0]), -2, 1)
    >>> proved(found, np.eye(1), np.array([0.5]))
    Fraction(1, 4)
    """
    from flint import fmpq, fmpq_mat

    def exact(value: float) -> fmpq:
        fraction = Fraction(float(value))
        return fmpq(fraction.numerator, fraction.denominator)

    n = len(y)
    half = fmpq(1, 2)
    g = fmpq_mat(n, n, [exact(value) for value in np.asarray(gram, np.float64).ravel()])
    d, c = [exact(v) for v in certificate.d], [exact(v) for v in certificate.c]
    a = [exact(v) - exact(f) - half for v, f in zip(y, certificate.corner, strict=True)]
    column = fmpq_mat(n, 1, a)
    target = g * column
    steps = fmpq(0)
    low, high = int(certificate.low), int(certificate.high)
    for i in range(n):
        ks = [fmpq(z) - exact(certificate.corner[i]) - half for z in range(low, high + 1)]
        steps += min(d[i] * k * k + c[i] * k for k in ks)
    rows = [[g[i, j] - (d[i] if i == j else 0) for j in range(n)] for i in range(n)]
    border = [-(target[i, 0] + c[i] * half) for i in range(n)]
    corner = (column.transpose() * target)[0, 0] + steps
    rows = [[*row, end] for row, end in zip(rows, border, strict=True)] + [[*border, corner]]
    if not _eliminates(rows, n):
        return Fraction(0)
    least = rows[n][n]
    return max(Fraction(0), Fraction(int(least.p), int(least.q)))


def verify(certificate: Certificate, gram: np.ndarray, y: np.ndarray) -> bool:
    """Whether the bound is at most what its multipliers prove, see `proved`.

    Examples
    --------
    >>> bound = Certificate(0.30, np.zeros(1), np.array([1.0]), np.array([0.0]), -2, 1)
    >>> verify(bound, np.eye(1), np.array([0.5]))           # the error of 0.5 is 0.25
    False
    """
    return Fraction(float(certificate.value)) <= proved(certificate, gram, y)


def _eliminates(rows: list, count: int) -> bool:
    """Exact symmetric elimination of `count` rows in place: all pivots positive, or zero with zero rows."""
    size = len(rows)
    for k in range(count):
        pivot = rows[k][k]
        if pivot < 0 or (pivot == 0 and any(rows[k][j] != 0 for j in range(k + 1, size))):
            return False
        if pivot == 0:
            continue
        for i in range(k + 1, size):
            share = rows[i][k] / pivot
            if share != 0:
                for j in range(i, size):
                    rows[i][j] = rows[j][i] = rows[i][j] - share * rows[k][j]
    return True
