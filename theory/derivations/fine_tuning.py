"""Derivations behind `theory.fine_tuning`, by sympy: slopes of the surrogate, and the cubic schedule."""

from functools import cache

import sympy as sp

w, s = sp.symbols("w s", positive=True)
r = sp.Symbol("r", real=True)


@cache
def surrogate_slopes() -> tuple[sp.Expr, sp.Expr]:
    """Slopes of s (w/s + r) in w and s at r = k - w/s, less the stated 1 and k - w/s: both zero."""
    code = sp.Symbol("k", integer=True)
    inside = s * (w / s + r)
    residual = code - w / s
    return sp.simplify(sp.diff(inside, w) - 1), sp.simplify(sp.diff(inside, s).subs(r, residual) - residual)


@cache
def multiplicative_update() -> sp.Expr:
    """s exp(-a g/s) less the published s - a g, to first order in the rate a: zero."""
    rate, gradient = sp.symbols("a g", real=True)
    return sp.simplify(
        sp.series(s * sp.exp(-rate * gradient / s), rate, 0, 2).removeO() - (s - rate * gradient)
    )


@cache
def schedule() -> dict[str, sp.Expr]:
    """The cubic schedule in u = (t - t_0)/(t_1 - t_0): what it is at both ends, and its slope.

    "start" and "end" are zero; "slope" is 3 (s_f - s_0)(1 - u)^2 less the derivative, zero: so it never
    falls.
    """
    u, first, last = sp.symbols("u s_0 s_f", real=True)
    value = last + (first - last) * (1 - u) ** 3
    return {
        "start": sp.simplify(value.subs(u, 0) - first),
        "end": sp.simplify(value.subs(u, 1) - last),
        "slope": sp.simplify(sp.diff(value, u) - 3 * (last - first) * (1 - u) ** 2),
    }


@cache
def late_start() -> sp.Expr:
    """First sparsity of a schedule of n parts entered one part up, less s_f (3/n - 3/n^2 + 1/n^3): zero."""
    n, last = sp.symbols("n s_f", positive=True)
    return sp.simplify(last * (1 - (1 - 1 / n) ** 3) - last * (3 / n - 3 / n**2 + 1 / n**3))
