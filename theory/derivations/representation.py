r"""Derivations behind `theory.representation`, by sympy: means over all matchings, and Gaussian moments.

A matching of the samples permutes the rows and columns of one Gram matrix. Over all n! of them its entries
off the diagonal average to one number and those on it to another; a centred matrix has row sums zero, so
the average of L is (tr L / (n - 1)) H, H the centring matrix, and that of a U-centred matrix (zero
diagonal, row sums zero) is 0.
"""

import itertools
from functools import cache

import sympy as sp


def centring(n: int) -> sp.Matrix:
    """H = I - 11'/n."""
    return sp.eye(n) - sp.ones(n, n) / n


def symmetric(name: str, n: int) -> sp.Matrix:
    """A symmetric matrix of free entries."""
    return sp.Matrix(n, n, lambda i, j: sp.Symbol(f"{name}_{min(i, j)}{max(i, j)}", real=True))


def u_centred(matrix: sp.Matrix) -> sp.Matrix:
    """The matrix with zero diagonal and zero row sums whose product is HSIC_1 (Song et al., eq. 4)."""
    n = matrix.rows
    off = matrix - sp.diag(*matrix.diagonal())
    rows = off * sp.ones(n, 1)
    total = sum(rows)

    def entry(i: int, j: int) -> sp.Expr:
        if i == j:
            return sp.Integer(0)
        return off[i, j] - (rows[i] + rows[j]) / (n - 2) + total / ((n - 1) * (n - 2))

    return sp.Matrix(n, n, entry)


def mean_over_matchings(matrix: sp.Matrix) -> sp.Matrix:
    """Average of P M P' over all permutation matrices P."""
    n = matrix.rows
    total = sp.zeros(n, n)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        total += matrix.extract(list(order), list(order))
    return (total / len(orders)).applyfunc(sp.expand)


@cache
def centred_mean(n: int = 4) -> sp.Matrix:
    """Average of a centred symmetric matrix minus (tr L / (n - 1)) H: zero."""
    h = centring(n)
    gram = h * symmetric("l", n) * h
    return (mean_over_matchings(gram) - sp.trace(gram) / (n - 1) * h).applyfunc(sp.expand)


@cache
def unbiased_mean(n: int = 4) -> sp.Matrix:
    """Average of a U-centred symmetric matrix: zero, so every product with it has mean zero."""
    return mean_over_matchings(u_centred(symmetric("l", n))).applyfunc(sp.expand)


@cache
def hsic_product(n: int = 4) -> sp.Expr:
    """HSIC_1 in Song's form minus <K~, L~>/(n(n - 3)) of the U-centred matrices: zero."""
    k, el = symmetric("k", n), symmetric("l", n)
    off_k, off_l = (m - sp.diag(*m.diagonal()) for m in (k, el))
    ones = sp.ones(n, 1)
    product = sp.trace(off_k * off_l)
    product += (ones.T * off_k * ones)[0] * (ones.T * off_l * ones)[0] / ((n - 1) * (n - 2))
    product -= sp.Rational(2, n - 2) * (ones.T * off_k * off_l * ones)[0]
    inner = sum(a * b for a, b in zip(u_centred(k), u_centred(el), strict=True))
    return sp.expand(product / (n * (n - 3)) - inner / (n * (n - 3)))


@cache
def gaussian_products() -> tuple[sp.Expr, sp.Expr]:
    r"""E<K, L> and E|K|^2 of n centred Gaussian samples minus the stated forms: both zero.

    Centring n Gaussian rows leaves n - 1 independent ones: <K, L> = sum over pairs (i, j) of
    (x_i'x_j)(y_i'y_j). A pair i != j has mean |S_xy|^2, a pair i = j has E|x|^2|y|^2 = tr S_x tr S_y + 2
    |S_xy|^2 (Isserlis). Stated: (n - 1)(n |S_xy|^2 + tr S_x tr S_y), and the same with y = x.
    """
    n, cross, own, trace_x, trace_y = sp.symbols("n C A t_x t_y", positive=True)
    m = n - 1
    unequal = m * (m - 1) * cross + m * (trace_x * trace_y + 2 * cross)
    equal = m * (m - 1) * own + m * (trace_x**2 + 2 * own)
    return (
        sp.expand(unequal - m * (n * cross + trace_x * trace_y)),
        sp.expand(equal - m * (n * own + trace_x**2)),
    )


@cache
def isserlis(p: int = 2) -> sp.Expr:
    """E|x|^2|y|^2 of jointly Gaussian (x, y) minus tr S_x tr S_y + 2 |S_xy|^2: zero.

    By differentiating the moment generating function exp(t'St/2).
    """
    size = 2 * p
    cov = symmetric("s", size)
    t = sp.symbols(f"t0:{size}")
    vector = sp.Matrix(t)
    exponent = (vector.T * cov * vector)[0] / 2
    # only fourth-order terms of the exponential survive at t = 0: exponent^2 / 2
    quartic = sp.Poly(sp.expand(exponent**2 / 2), *t)
    total = sp.Integer(0)
    for i in range(p):
        for j in range(p, size):
            powers = [0] * size
            powers[i] += 2
            powers[j] += 2
            total += quartic.coeff_monomial(sp.prod([v**e for v, e in zip(t, powers, strict=True)])) * 4
    x, y, cross = cov[:p, :p], cov[p:, p:], cov[:p, p:]
    return sp.expand(total - sp.trace(x) * sp.trace(y) - 2 * sum(entry**2 for entry in cross))


@cache
def expected_ratio() -> sp.Expr:
    """E<K, L> / sqrt(E|K|^2 E|L|^2) minus (n c + sqrt(r_x r_y)) / sqrt((n + r_x)(n + r_y)): zero."""
    n, a, b, c, rank_x, rank_y = sp.symbols("n a b c r_x r_y", positive=True)
    trace_x, trace_y = sp.sqrt(rank_x * a), sp.sqrt(rank_y * b)
    ratio = (n * c * sp.sqrt(a * b) + trace_x * trace_y) / sp.sqrt(
        (n * a + trace_x**2) * (n * b + trace_y**2)
    )
    return sp.simplify(ratio - (n * c + sp.sqrt(rank_x * rank_y)) / sp.sqrt((n + rank_x) * (n + rank_y)))
