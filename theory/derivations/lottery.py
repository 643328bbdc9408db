r"""Derivations behind `theory.lottery` and `theory.lottery.products`, by sympy.

A hidden unit fits none of k waiting slots with probability 2^-k, so the k-th last slot of a round waits a
geometric time with success s = 1 - 2^-k; the moments of a round are sums of geometric moments. The success
of outputs that share N usable units is a mixture over N, and a mixture of powers exceeds the power of the
mixture.
"""

from functools import cache

import sympy as sp

k, d = sp.symbols("k d", integer=True, positive=True)
s = sp.symbols("s", positive=True)


@cache
def geometric_moments() -> tuple[sp.Expr, sp.Expr]:
    """Mean and variance of the trials up to the first success, from their generating function."""
    z = sp.symbols("z", positive=True)
    generating = s * z / (1 - (1 - s) * z)
    mean = sp.simplify(sp.diff(generating, z).subs(z, 1))
    second = sp.simplify(sp.diff(generating, z, 2).subs(z, 1))  # E T (T - 1)
    return mean, sp.factor(second + mean - mean**2)


@cache
def round_moments(slots: int) -> tuple[sp.Rational, sp.Rational]:
    """Exact mean and variance of the units of one round with `slots` one-sided slots."""
    mean, variance = geometric_moments()
    hits = [1 - sp.Rational(1, 2**j) for j in range(1, slots + 1)]
    return sum(mean.subs(s, hit) for hit in hits), sum(variance.subs(s, hit) for hit in hits)


@cache
def waste() -> sp.Expr:
    """Units a slot costs beyond one: 1/(1 - 2^-k) - 1, whose sum over k is the Erdős-Borwein constant."""
    return sp.simplify(1 / (1 - 2**-k) - 1)


@cache
def counting_residual() -> sp.Expr:
    """log2 of 2^alpha / (p V^m) at alpha = m log2 V + log2 p: 0, the count is just met at the bound."""
    V, p, m = sp.symbols("V p m", positive=True)
    alpha = m * sp.log(V, 2) + sp.log(p, 2)
    return sp.simplify(sp.expand_log(sp.log(2**alpha / (p * V**m), 2), force=True))


@cache
def shared_units_gain(outputs: int, samples: int) -> sp.Rational:
    """Block form, ternary, one input: success of outputs that share N, minus that of independent ones."""
    shares = [sp.binomial(2 * samples, j) * sp.Rational(1, 4**samples) for j in range(2 * samples + 1)]
    hits = [1 - sp.Rational(1, 2**j) for j in range(2 * samples + 1)]
    together = sum(share * hit**outputs for share, hit in zip(shares, hits, strict=True))
    alone = sum(share * hit for share, hit in zip(shares, hits, strict=True))
    return sp.nsimplify(together - alone**outputs)


@cache
def block_miss() -> sp.Expr:
    """Sum over N of C(2n, N) 4^-n 2^-N, over (3/4)^(2n), by which a ternary weight fails there."""
    n, j = sp.symbols("n j", integer=True, positive=True)
    total = sp.summation(sp.binomial(2 * n, j) * sp.Rational(1, 2) ** j, (j, 0, 2 * n)) / 4**n
    return sp.simplify(total / sp.Rational(3, 4) ** (2 * n))


@cache
def even_share() -> sp.Expr:
    """P(2 | ab) for M = 2m: one minus both factors odd."""
    m = sp.symbols("m", integer=True, positive=True)
    return sp.simplify(1 - (m / (2 * m)) ** 2)
