r"""Derivations behind the subset-sum laws: Cox mean, second-moment ratio, tail, reach law, by sympy."""

from functools import cache

import sympy as sp

n, s2, t, mu = sp.symbols("n s_2 t mu", positive=True)
d = sp.symbols("d", real=True)


@cache
def cox_mean() -> sp.Expr:
    """mu: 2^n subsets, the sum of signs at its centre (lattice step 2), variance n s2."""
    return 2**n * 2 / sp.sqrt(2 * sp.pi * n * s2)


@cache
def first_moment() -> sp.Expr:
    """E Z_t in the Gaussian limit: 2^n times the density of sum B_i X_i, whose variance is n s2/2."""
    return 2**n / sp.sqrt(2 * sp.pi * n * s2 / 2) * sp.exp(-(t**2) / (n * s2))


@cache
def first_moment_from_cox() -> sp.Expr:
    """E_G mu exp(-(G - d)^2/2) with d = 2t/sqrt(n s2); must equal `first_moment`."""
    g = sp.symbols("g", real=True)
    gauss = sp.exp(-(g**2) / 2) / sp.sqrt(2 * sp.pi)
    value = sp.integrate(sp.expand(gauss * sp.exp(-((g - d) ** 2) / 2)), (g, -sp.oo, sp.oo))
    return sp.simplify(cox_mean() * value.subs(d, 2 * t / sp.sqrt(n * s2)))


@cache
def moment_ratio() -> sp.Expr:
    """E lambda(G)^2 / (E lambda(G))^2 with lambda(G) = mu exp(-(G - d)^2/2)."""
    g = sp.symbols("g", real=True)
    gauss = sp.exp(-(g**2) / 2) / sp.sqrt(2 * sp.pi)
    first = sp.integrate(sp.expand(gauss * sp.exp(-((g - d) ** 2) / 2)), (g, -sp.oo, sp.oo))
    second = sp.integrate(sp.expand(gauss * sp.exp(-((g - d) ** 2))), (g, -sp.oo, sp.oo))
    return sp.simplify(second / first**2)


@cache
def tail_integral() -> tuple[sp.Expr, sp.Expr]:
    r"""Total mass and mean of v under e^v exp(-e^v) dv, the shape of the Cox integrand near its peak.

    With g^2/2 = ln mu - v the Cox integral at d = 0 is 2 int (2 pi)^(-1/2) mu^(-1) e^v exp(-e^v) dv/g. The
    mass is 1 and the mean of v is -gamma_E: replacing v by its mean in g = sqrt(2(ln mu - v)) gives `tail`.
    """
    # by w = e^v: Gamma(1) and Gamma'(1)
    w = sp.symbols("w", positive=True)
    mass = sp.integrate(sp.exp(-w), (w, 0, sp.oo))
    mean = sp.integrate(sp.log(w) * sp.exp(-w), (w, 0, sp.oo))
    return mass, sp.simplify(mean)


@cache
def tail() -> sp.Expr:
    """Leading tail of the Cox law at d = 0."""
    mass, mean = tail_integral()
    g = sp.sqrt(2 * (sp.log(mu) - mean))
    return sp.simplify(2 * mass / (mu * sp.sqrt(2 * sp.pi) * g))


@cache
def tail_shifted() -> sp.Expr:
    """The tail for small d: the Gaussian weight at d + g and d - g instead of at +-g."""
    _, mean = tail_integral()
    g = sp.sqrt(2 * (sp.log(mu) - mean))
    ratio = (sp.exp(-((d + g) ** 2) / 2) + sp.exp(-((d - g) ** 2) / 2)) / (2 * sp.exp(-(g**2) / 2))
    return sp.simplify(tail() * sp.simplify(sp.expand(ratio).rewrite(sp.cosh)))


@cache
def second_moments() -> dict[str, sp.Expr]:
    """s2 of the three sampling laws from sums of squares."""
    k, m = sp.symbols("k m", integer=True, positive=True)
    squares = sp.summation(k**2, (k, 1, m))
    nonzero = sp.factor(2 * squares / (2 * m))
    uniform = sp.factor(sp.simplify(2 * squares / (2 * m + 1)))
    return {"nonzero": nonzero, "uniform": uniform, "product": nonzero**2}


@cache
def reach_limit(k_max: int) -> list[sp.Expr]:
    """Limits of C(t M - 1, k) M^-k, k = 0..k_max: t^k/k!, the terms of the Laguerre sum L_n(-t)."""
    size, tt = sp.symbols("M t", positive=True)
    terms = []
    for k in range(k_max + 1):
        falling = sp.prod([(tt * size - 1 - i) for i in range(k)]) / sp.factorial(k)  # C(t M - 1, k)
        terms.append(sp.limit(falling / size**k, size, sp.oo))
    return terms
