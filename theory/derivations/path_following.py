"""The constants of the path-following bounds, in sympy. A function returns what must vanish, or a law."""

from typing import Any


def invariance_residual() -> Any:
    r"""Zero if beta = s^2 |X|^2 C^2/(2C-1) is kept: (1 - 1/C)^2 beta + s^2 |X|^2 = beta.

    In the direction of X_t the projection multiplies by 1 - 1/C and the error adds s^2 |X_t|^2; beta is the
    fixed point of the variance, hence the limit for rank-one data.
    """
    import sympy as sp

    c, s, x = sp.symbols("C s x", positive=True)
    beta = s**2 * x**2 * c**2 / (2 * c - 1)
    return sp.simplify((1 - 1 / c) ** 2 * beta + s**2 * x**2 - beta)


def contraction() -> Any:
    r"""E |P u|^2/|u|^2 for P = I - X X'/(C |X|^2) and X uniform in direction in m dimensions.

    |P u|^2 = |u|^2 - (2/C - 1/C^2) <X, u>^2/|X|^2, and E <X, u>^2/|X|^2 = |u|^2/m.
    """
    import sympy as sp

    c, m = sp.symbols("C m", positive=True)
    return sp.simplify(1 - (2 / c - 1 / c**2) / m - (1 - (2 * c - 1) / (c**2 * m))) + (
        1 - (2 * c - 1) / (c**2 * m)
    )


def saturation_residual() -> Any:
    r"""Zero if var m^2 C^2/(2C-1) (1 - r^N) solves a_{N+1} = r a_N + var m with r = contraction()."""
    import sympy as sp

    c, m, n, variance = sp.symbols("C m N sigma2", positive=True)
    r = contraction().subs({sp.Symbol("C", positive=True): c, sp.Symbol("m", positive=True): m})

    def law(k: Any) -> Any:
        return variance * m**2 * c**2 / (2 * c - 1) * (1 - r**k)

    step = sp.simplify(sp.expand(law(n + 1) - r * law(n) - variance * m, func=True))
    return sp.simplify(sp.powsimp(sp.expand(step))) + law(0)


def uniform_cell_variance() -> tuple[Any, Any]:
    """Mean variance of stochastic rounding and squared error of nearest rounding, averaged over a cell."""
    import sympy as sp

    x, d = sp.symbols("x d", positive=True)
    stochastic = sp.integrate(d**2 * x * (1 - x), (x, 0, 1))
    nearest = 2 * sp.integrate(d**2 * x**2, (x, 0, sp.Rational(1, 2)))
    return sp.simplify(stochastic), sp.simplify(nearest)


def sufficient_scale_residual() -> Any:
    r"""Zero if 2C - 1 = (\pi L^2/4) k^2 log(2N/e)/(A-w)^2 makes 2 N exp(-(A-w)^2/(2 sigma^2)) equal e.

    sigma^2 = (\pi L^2/8) k^2/(2C-1) is the dominating variance of a correction.
    """
    import sympy as sp

    c, length, k, n, e, room = sp.symbols("C L k N e a", positive=True)
    sigma2 = sp.pi * length**2 / 8 * k**2 / (2 * c - 1)
    excess = sp.pi * length**2 / 4 * k**2 * sp.log(2 * n / e) / room**2
    failure = 2 * n * sp.exp(-(room**2) / (2 * sigma2))
    return sp.simplify(failure.subs(c, (1 + excess) / 2) - e)


def operator_means() -> dict[str, Any]:
    """E T(v) - v of every unbiased operator at a symbolic v in its cell; each must vanish.

    Written from the definitions alone, so that `theory.operators` is held to something it did not supply.
    """
    import sympy as sp

    v, d, a, c, k, j, f = sp.symbols("v d A c k j f", positive=True)
    up = v / d - k  # fractional part of v/d with floor k
    rounding = d * (k * (1 - up) + (k + 1) * up)
    one_bit = a * (a + v) / (2 * a) - a * (1 - (a + v) / (2 * a))
    pruning = c * v / c
    # below the threshold: keep with v/c, then round c = d (j + f) to d j or d (j + 1)
    joint = (v / c * d * (j * (1 - f) + (j + 1) * f)).subs(c, d * (j + f))
    return {
        "stochastic rounding": sp.simplify(rounding - v),
        "one bit": sp.simplify(one_bit - v),
        "stochastic pruning": sp.simplify(pruning - v),
        "prune then round": sp.simplify(joint - v),
    }
