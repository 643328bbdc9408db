r"""Derivations behind `theory.snr` and `theory.distributions`, by sympy.

The error of a nearest-level quantizer telescopes over its thresholds: with e halfway between neighbouring
levels l < m,

    (w - m)^2 - (w - l)^2 = -2 (m - l)(w - e),

so E (W - Q(W))^2 = E W^2 - 2 sum_i (l_{i+1} - l_i) E(|W| - e_i)_+. Everything else is one-line calculus on
that sum, and elementary integrals for the laws.
"""

from functools import cache

import sympy as sp

w, s, x, r, c = sp.symbols("w s x r c", positive=True)


def gaussian_density(u: sp.Expr) -> sp.Expr:
    """Density phi(u) of N(0, 1)."""
    return sp.exp(-(u**2) / 2) / sp.sqrt(2 * sp.pi)


def gaussian_survival(u: sp.Expr) -> sp.Expr:
    """P(W > u) of N(0, 1)."""
    return sp.erfc(u / sp.sqrt(2)) / 2


@cache
def telescoping() -> sp.Expr:
    """(w - m)^2 - (w - l)^2 + 2 (m - l)(w - (l + m)/2): zero."""
    low, high = sp.symbols("l m", real=True)
    return sp.expand((w - high) ** 2 - (w - low) ** 2 + 2 * (high - low) * (w - (low + high) / 2))


@cache
def slopes() -> tuple[sp.Expr, sp.Expr]:
    """First and second derivative in s of one threshold's term, minus the stated forms: both zero.

    A = g T_1(s e) and B = 2 e g T_0(s e) make the term -2 s A + s^2 B; stated are the slope -2 A + 2 s B and
    the curvature 2 B - 2 s g e^2 f(s e), using T_0' = -f and T_1'(x) = -x f(x).
    """
    e, g = sp.symbols("e g", positive=True)
    survival, density = sp.Function("T_0"), sp.Function("f")
    first = sp.Function("T_1")

    def reduced(expression: sp.Expr) -> sp.Expr:
        # T_0' = -f and T_1'(x) = -x f(x)
        for function, value in ((survival, -density(x)), (first, -x * density(x))):
            expression = expression.replace(
                lambda node, function=function: (
                    isinstance(node, sp.Subs) and node.expr.has(sp.Derivative) and node.expr.has(function)
                ),
                lambda node, value=value: value.subs(x, node.point[0]),
            )
        return expression

    term = -2 * s * g * first(s * e) + s**2 * 2 * e * g * survival(s * e)
    slope = reduced(sp.diff(term, s).doit())
    a, b = g * first(s * e), 2 * e * g * survival(s * e)
    slope_gap = sp.simplify(slope - (-2 * a + 2 * s * b))
    curvature = reduced(sp.diff(-2 * a + 2 * s * b, s).doit())
    curvature_gap = sp.simplify(curvature - (2 * b - 2 * s * g * e**2 * density(s * e)))
    return slope_gap, curvature_gap


@cache
def gap_slope() -> sp.Expr:
    """d/ds [(w - s p)^2 - (w - s q)^2] - 2 (p - q)(s (p + q) - w): zero.

    With p the code at s1 and q <= p the nearest code at s > s1, w <= s (q + q')/2 <= s (p + q), so the gap
    between the parabola of fixed codes and the error only grows: the certificate of the optimal scale.
    """
    p, q = sp.symbols("p q", nonnegative=True)
    return sp.expand(sp.diff((w - s * p) ** 2 - (w - s * q) ** 2, s) - 2 * (p - q) * (s * (p + q) - w))


@cache
def gaussian_tails() -> tuple[sp.Expr, sp.Expr]:
    """P(W > x) and E[W; W > x] of N(0, 1), integrated."""
    u = sp.symbols("u", positive=True)
    return (
        sp.simplify(sp.integrate(gaussian_density(u), (u, x, sp.oo))),
        sp.simplify(sp.integrate(u * gaussian_density(u), (u, x, sp.oo))),
    )


@cache
def gaussian_pruning_error() -> sp.Expr:
    """E[W^2; |W| <= x] - (P(|W| <= x) - 2 x phi(x)) of N(0, 1): zero."""
    u = sp.symbols("u", real=True)
    integral = sp.integrate(u**2 * gaussian_density(u), (u, -x, x))
    return sp.simplify(integral - (sp.erf(x / sp.sqrt(2)) - 2 * x * gaussian_density(x)))


def gaussian_quantization_error(bits: int) -> sp.Expr:
    """E (W - Q(W))^2 of N(0, 1) as an expression in the step s, bin by bin (not telescoped)."""
    half = 2 ** (bits - 1)
    total = sp.S.Zero
    for top in (half - 1, half):  # the positive side ends at 2^(b-1) - 1, the negative one at 2^(b-1)
        for k in range(top + 1):
            low = s * max(sp.Rational(2 * k - 1, 2), sp.S.Zero)
            phi_low, mass = gaussian_density(low), gaussian_survival(low)
            first, second = phi_low, mass + low * phi_low
            if k < top:
                high = s * sp.Rational(2 * k + 1, 2)
                phi_high = gaussian_density(high)
                mass -= gaussian_survival(high)
                first -= phi_high
                second -= gaussian_survival(high) + high * phi_high
            total += second - 2 * s * k * first + (s * k) ** 2 * mass
    return total


@cache
def laplace_tails() -> tuple[sp.Expr, sp.Expr]:
    """P(W > x) and E[W; W > x] of f = exp(-|w|/c)/(2c)."""
    u = sp.symbols("u", positive=True)
    density = sp.exp(-u / c) / (2 * c)
    return (
        sp.simplify(sp.integrate(density, (u, x, sp.oo))),
        sp.simplify(sp.integrate(u * density, (u, x, sp.oo))),
    )


def student_two() -> dict[str, sp.Expr]:
    """Student-t with 2 degrees of freedom truncated to [-r, r]: the paper's law in elementary functions.

    Keys: "mass" P(|T| <= r) of the untruncated law; "second" and "fourth", the integrals over [0, r] of u^2
    and u^4 times the density scaled to 1/(2 + u^2)^(3/2); "threshold" of magnitude pruning at sparsity c.
    """
    mass = r / sp.sqrt(2 + r**2)
    second = sp.asinh(r / sp.sqrt(2)) - mass
    fourth = (r**3 + 6 * r) / (2 * sp.sqrt(2 + r**2)) - 3 * sp.asinh(r / sp.sqrt(2))
    square = sp.symbols("y", positive=True)
    (solution,) = sp.solve(sp.Eq(square, c**2 * mass**2 * (2 + square)), square)
    return {"mass": mass, "second": second, "fourth": fourth, "threshold": sp.sqrt(sp.simplify(solution))}


def student_two_gaps() -> list[sp.Expr]:
    """Derivatives of the closed forms minus their integrands, and their values at r = 0: all zero."""
    forms = student_two()
    density = (2 + r**2) ** sp.Rational(-3, 2)
    integrands = {"mass": 2 * density, "second": r**2 * density, "fourth": r**4 * density}
    return [
        *(sp.simplify(sp.diff(forms[key], r) - integrand) for key, integrand in integrands.items()),
        *(sp.limit(forms[key], r, 0) for key in integrands),
    ]


@cache
def student_first_tail() -> sp.Expr:
    """Integral of u (1 + u^2/d)^(-(d+1)/2) over [x, r] minus its closed form, for symbolic d: zero."""
    u, d = sp.symbols("u d", positive=True)
    antiderivative = -d / (d - 1) * (1 + u**2 / d) ** (-(d - 1) / 2)
    return sp.simplify(sp.diff(antiderivative, u) - u * (1 + u**2 / d) ** (-(d + 1) / 2))
