"""The range lemma and the Gaussian tails, derived: sympy where it can, ball arithmetic elsewhere."""

from fractions import Fraction
from typing import Any


def range_lemma_derivatives() -> dict[str, Any]:
    """Facts of F(p) = I(p) - 4 I(1/2) p (1-p), I(p) = phi(Phi^-1(p)), each an expression that must vanish.

    With p = Phi(z) the chain rule gives I' = -z and I'' = -1/I. F vanishes at 1/2 with its first derivative,
    and F'' = 8 I(1/2) - 1/I.
    """
    import sympy as sp

    z = sp.symbols("z", real=True)
    density = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    cdf = (1 + sp.erf(z / sp.sqrt(2))) / 2
    half = density.subs(z, 0)

    def d(f: Any) -> Any:
        return sp.simplify(sp.diff(f, z) / density)  # d/dp with dp = phi dz

    f = density - 4 * half * cdf * (1 - cdf)
    second = d(d(f))
    return {
        "I' = -z": sp.simplify(d(density) + z),
        "I'' = -1/I": sp.simplify(d(d(density)) + 1 / density),
        "F(1/2) = 0": sp.simplify(f.subs(z, 0)),
        "F'(1/2) = 0": sp.simplify(d(f).subs(z, 0)),
        "F'' = 8 I(1/2) - 1/I": sp.simplify(second - (8 * half - 1 / density)),
        "F(1) = 0": sp.limit(f, z, sp.oo),
        "constant": sp.simplify((1 / (4 * half)) ** 2 - sp.pi / 8),
    }


def stop_loss_residual() -> Any:
    """Zero if (d/dk) [s phi(k/s) - k P(Z > k/s)] = -P(Z > k/s) and the bracket vanishes at infinity."""
    import sympy as sp

    k = sp.symbols("k", real=True)
    s = sp.symbols("s", positive=True)
    tail = sp.erfc(k / (s * sp.sqrt(2))) / 2
    value = s * sp.exp(-(k**2) / (2 * s**2)) / sp.sqrt(2 * sp.pi) - k * tail
    at_infinity = sp.limit(value.subs(s, 1), k, sp.oo)
    return sp.simplify(sp.diff(value, k) + tail) + at_infinity


def chi_tail_residual() -> Any:
    """Zero if E[chi_m; chi_m > q] = sqrt(2) Gamma((m+1)/2, q^2/2)/Gamma(m/2), by its derivative in q."""
    import sympy as sp

    q, m = sp.symbols("q m", positive=True)
    density = 2 ** (1 - m / 2) * q ** (m - 1) * sp.exp(-(q**2) / 2) / sp.gamma(m / 2)
    claimed = sp.sqrt(2) * sp.uppergamma((m + 1) / 2, q**2 / 2) / sp.gamma(m / 2)
    return sp.simplify(
        sp.powsimp(sp.expand_power_base(sp.diff(claimed, q) + q * density, force=True), force=True)
    )


def paper_tail_residual() -> Any:
    """Zero if E exp(Z^2/4) = sqrt(2) for standard Gaussian Z; the paper's tail is Markov's bound."""
    import sympy as sp

    z = sp.symbols("z", real=True)
    weight = sp.exp(z**2 / 4 - z**2 / 2) / sp.sqrt(2 * sp.pi)
    return sp.simplify(sp.integrate(weight, (z, -sp.oo, sp.oo)) - sp.sqrt(2))


def range_lemma_margins(factor: Fraction = Fraction(1), precision: int = 128) -> dict[str, Any]:
    r"""Balls that lie above 0 only if N(0, factor \pi L^2/8) dominates every mean-zero law on length L.

    Equivalently sqrt(factor) I(p) >= 4 I(1/2) p (1-p) for all p, in z = Phi^-1(p) >= 0 (both sides are even):

    - z >= 2: P(Z > z) <= phi(z)/z gives 4 phi(0) Phi(z) P(Z > z) <= (4 phi(0)/z) phi(z), so that
      1 - 2 phi(0) > 0 suffices;
    - 1/4 <= z <= 2: balls that cover the interval, both sides evaluated with rigorous error: the least one;
    - 0 <= z <= 1/4: the difference and its slope in p vanish at 0, so that its second derivative,
      8 phi(0) - 1/phi(z), positive on the whole piece, suffices;
    - with another factor than 1 the difference at z = 0, phi(0) (sqrt(factor) - 1), decides: a factor above 1
      only adds to the left side, one below 1 makes it negative.

    Parameters
    ----------
    factor
        Fraction
        Multiple of the claimed variance.
    precision : int
        Bits of the ball arithmetic.

    Returns
    -------
    dict of str to flint.arb
        By the part of the proof; the last one where `factor` is not 1.

    Examples
    --------
    >>> all(ball > 0 for ball in range_lemma_margins().values())
    True
    >>> range_lemma_margins(Fraction(995, 1000))["p = 1/2"] < 0
    True
    """
    from flint import arb, ctx, fmpq

    saved = ctx.prec
    ctx.prec = precision
    try:
        at_zero = 1 / (2 * arb.pi()).sqrt()

        def phi(z: Any) -> Any:
            return (-z * z / 2).exp() * at_zero

        def difference(z: Any) -> Any:
            upper = (z / arb(2).sqrt()).erfc() / 2
            return phi(z) - 4 * at_zero * (1 - upper) * upper

        pieces = 400
        radius = fmpq(7, 8 * pieces)
        middles = (fmpq(1, 4) + (2 * i + 1) * radius for i in range(pieces))
        balls = [difference(arb(middle, radius)) for middle in middles]
        margins = {
            "z >= 2": 1 - 2 * at_zero,
            "1/4 <= z <= 2": min(balls, key=lambda ball: ball.lower()),
            "0 <= z <= 1/4": 8 * at_zero - 1 / phi(arb(fmpq(1, 8), fmpq(1, 8))),
        }
        if factor != 1:
            root = arb(fmpq(factor.numerator, factor.denominator)).sqrt()
            margins["p = 1/2"] = at_zero * (root - 1)
        return margins
    finally:
        ctx.prec = saved


def certify_range_lemma(factor: Fraction = Fraction(1), precision: int = 128) -> bool | None:
    """Decide whether N(0, factor pi L^2/8) dominates every mean-zero law on an interval of length L.

    Returns
    -------
    bool or None
        True: proved. False: refuted by a point where the inequality certainly fails. None: undecided.

    Examples
    --------
    >>> certify_range_lemma(), certify_range_lemma(Fraction(995, 1000))
    (True, False)
    """
    margins = range_lemma_margins(factor, precision)
    if all(ball > 0 for ball in margins.values()):
        return True
    return False if margins.get("p = 1/2", 0) < 0 else None
