r"""Derivations behind `theory.partition`: every constant from sums and integrals, by sympy.

Given the items, a random signing has variance Q = sum X_i^2, so the number of signings that sum to 0 is about
2^n times twice the Gaussian density at 0 (the sums live on one parity, a lattice of step 2): the mean of the
number of unordered perfect partitions given the items is

    Z(X) = 2^n / sqrt(2 pi Q) * (1 + kappa_4/(8 Q^2) + ...),      kappa_4 = -2 sum X_i^4,

and averaging over Q gives the law and its corrections.
"""

from functools import cache

import sympy as sp

n, M, lam = sp.symbols("n M lambda", positive=True)


@cache
def second_moment() -> sp.Expr:
    """c = E X^2/M^2 of X uniform on {1..M}, from the sum of squares."""
    k = sp.symbols("k", integer=True, positive=True)
    return sp.expand(sp.simplify(sp.summation(k**2, (k, 1, M)) / M**3))


@cache
def mean_even() -> sp.Expr:
    """mu: 2^n signings, half unordered, lattice step 2, density at 0 of a Gaussian of variance n c M^2."""
    x = sp.symbols("x", real=True)
    density = sp.exp(-(x**2) / (2 * n * second_moment() * M**2)) / sp.sqrt(
        2 * sp.pi * n * second_moment() * M**2
    )
    lattice_step = 2  # sums of one instance share the parity of its total
    return sp.simplify(2**n * lattice_step * density.subs(x, 0) / 2)


@cache
def window_constant() -> sp.Expr:
    """Limit of mu 2^lambda along M = 2^(n - log2(n)/2 + lambda), n -> infinity."""
    size = 2 ** (n + lam) / sp.sqrt(n)
    constant = sp.limit(second_moment(), M, sp.oo)
    mu = 2**n / (size * sp.sqrt(2 * sp.pi * n * constant))
    return sp.simplify(mu * 2**lam)


@cache
def _uniform_moment(power: int) -> sp.Expr:
    """E U^power of a uniform variable on [0, 1]: the continuous limit of X/M."""
    u = sp.symbols("u")
    return sp.integrate(u**power, (u, 0, 1))


@cache
def mean_correction() -> sp.Expr:
    """Coefficient of 1/n in E Z / mu: fluctuation of Q^(-1/2), and the fourth cumulant at the centre."""
    m2, m4 = _uniform_moment(2), _uniform_moment(4)
    relative_variance = (m4 - m2**2) / m2**2 / n  # of Q
    epsilon = sp.symbols("epsilon")
    # E (1 + epsilon)^(-1/2) to second order, epsilon of mean 0 and the variance above
    curvature = sp.series((1 + epsilon) ** sp.Rational(-1, 2), epsilon, 0, 3).removeO().coeff(epsilon, 2)
    edgeworth = -2 * n * m4 / (8 * (n * m2) ** 2)  # He_4(0) = 3: kappa_4/24 * 3/Q^2
    return sp.simplify(n * (curvature * relative_variance + edgeworth))


@cache
def mean_relative_variance() -> sp.Expr:
    """Coefficient of 1/n in Var(Z(X))/mu^2: Z(X) varies like Q^(-1/2)."""
    m2, m4 = _uniform_moment(2), _uniform_moment(4)
    return sp.Rational(1, 4) * (m4 - m2**2) / m2**2


@cache
def fourth_cumulant_of_signs() -> sp.Expr:
    """kappa_4 of a fair sign: -2, from its cumulant generating function ln cosh."""
    h = sp.symbols("h")
    return sp.diff(sp.log(sp.cosh(h)), h, 4).subs(h, 0)


@cache
def miss_window() -> sp.Expr:
    """1 - P(perfect) in the window: both parities equally likely, Poisson means mu and 2 mu."""
    k = sp.symbols("k", integer=True, nonnegative=True)
    mu = window_constant() * 2**-lam
    poisson = [sp.exp(-mean) * mean**k / sp.factorial(k) for mean in (mu, 2 * mu)]
    return sp.simplify(sum(p.subs(k, 0) for p in poisson) / 2)
