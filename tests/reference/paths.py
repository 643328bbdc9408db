"""Gaussian domination, operators, path following: rows by mpmath and by literal recursions."""

import math
from fractions import Fraction

from rows import Table, mp


def tail(z: mp.mpf) -> mp.mpf:
    return mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2


def upper_quantile(a: mp.mpf) -> mp.mpf:
    """The z with P(Z > z) = a."""
    start = mp.sqrt(2) * mp.erfinv(1 - 2 * mp.mpf(a)) if a > 1e-15 else mp.sqrt(-2 * mp.log(a))
    return mp.findroot(lambda z: mp.log(tail(z) / a), start)


def chi_tail(q: mp.mpf, m: int) -> mp.mpf:
    return mp.gammainc(mp.mpf(m) / 2, q * q / 2, mp.inf, regularized=True)


def convex_order() -> list[Table]:
    table = Table("theory.convex_order")
    # the fair coin on +-L/2: its stop-loss L/4 at 0 is that of N(0, s^2), s phi(0)
    table.add("gaussian_variance", [1.5], (mp.mpf("1.5") / 4 / mp.npdf(0)) ** 2)
    for s, k in ((1.0, 0.0), (2.0, 1.0), (0.7, -1.3), (1.0, 9.0)):
        ends = [k, k + s, k + 4 * s, k + 40 * s] if k > 0 else [k, 0, s, 4 * s, 40 * s]
        value = mp.quad(lambda x, s=s, k=k: (x - k) * mp.npdf(x / s) / s, ends)
        table.add("stop_loss", [s, k], value)
    points, chances, s = [-1.0, 0.1, 0.5, 1.2, 2.0], [0.6, 0.125, 0.125, 0.05, 0.1], 1.2
    centre = sum(p * x for p, x in zip(chances, points, strict=True))
    points = [x - centre for x in points]

    def slack(k: mp.mpf) -> mp.mpf:
        loss = sum(p * max(x - k, 0) for p, x in zip(chances, points, strict=True))
        return s * mp.npdf(k / s) - k * tail(k / s) - loss

    grid = [points[0] + (points[-1] - points[0]) * mp.mpf(i) / 4000 for i in range(4001)]
    near = min(grid, key=slack)
    low, high = near - mp.mpf("0.001"), near + mp.mpf("0.001")
    for _ in range(120):
        a, b = (2 * low + high) / 3, (low + 2 * high) / 3
        low, high = (low, b) if slack(a) < slack(b) else (a, high)
    for order in ([0, 1, 2, 3, 4], [3, 0, 4, 1, 2]):
        atoms = [[column[i] for i in order] for column in (points, chances)]
        table.add("stop_loss_slack", [*atoms, s], slack((low + high) / 2), 1e-8)
    for g, m in ((0.02, 1), (0.5, 2), (0.01, 1024), (1e-12, 5)):
        a = mp.mpf(g) / (2 * m)
        z = upper_quantile(a)
        table.add("tail_bound", [1.5, g, m], mp.mpf("1.5") * mp.npdf(z) / a)
        # Chernoff: the least r with 2 m e^{-r^2/2} = g; Markov on exp(u^2/4)
        table.add("tail_bound", [1.5, g, m, "chernoff"], mp.mpf("1.5") * mp.sqrt(2 * mp.log(1 / a)))
        table.add("tail_bound", [1.5, g, m, "paper"], mp.mpf("1.5") * 2 * mp.sqrt(mp.log(mp.sqrt(2) * m / g)))
        q = upper_quantile((1 - (1 - mp.mpf(g)) ** (mp.mpf(1) / m)) / 2)
        beyond = mp.quad(lambda x, m=m: 1 - (1 - 2 * tail(x)) ** m, [q, q + 0.5, q + 1, q + 2, q + 4, q + 10])
        table.add("tail_bound", [1.0, g, m, "superquantile-max"], q + beyond / g)
    for g, m in ((0.3, 1), (0.05, 4), (0.01, 60), (1e-9, 500)):
        start = mp.sqrt(m) + mp.sqrt(-mp.log(g))
        q = mp.findroot(lambda q, m=m, g=g: mp.log(chi_tail(q, m) / g), start)
        inside = mp.quad(lambda x, m=m: chi_tail(x, m), [q, q + 0.5, q + 1, q + 2, q + 4, q + 10])
        table.add("tail_bound", [2.0, g, m, "superquantile", "euclidean"], 2 * (q + inside / g))
        x = -mp.log(g)
        table.add(
            "tail_bound", [2.0, g, m, "chernoff", "euclidean"], 2 * mp.sqrt(m + 2 * mp.sqrt(m * x) + 2 * x)
        )
        table.add("tail_bound", [2.0, g, m, "paper", "euclidean"], 2 * 2 * mp.sqrt(mp.log(2) * m / 2 + x))
    for s, r, chance in ((0.0, 0.0, 1), (0.0, 1e-9, 0), (0.0, -1.0, 1), (2.0, 0.0, 1), (2.0, -3.0, 1)):
        table.add("exceedance_bound", [s, r], chance)
    for r in (0.4, 2.0, 9.0):
        # inf over k < r of E (Z - k)_+/(r - k), by golden section
        ratio = lambda k, r=r: (mp.npdf(k) - k * tail(k)) / (r - k)  # noqa: E731
        low, high = mp.mpf(-6), mp.mpf(r) - mp.mpf("1e-3")
        for _ in range(200):
            a, b = low + (high - low) * mp.mpf("0.382"), low + (high - low) * mp.mpf("0.618")
            low, high = (low, b) if ratio(a) < ratio(b) else (a, high)
        table.add("exceedance_bound", [1.5, 1.5 * r], ratio((low + high) / 2))
    x = -mp.log(mp.mpf("0.04"))
    spread = mp.sqrt(9 + 1 + mp.mpf("0.25"))
    radius = mp.sqrt(mp.mpf("4.5") + 2 * spread * mp.sqrt(x) + 2 * 3 * x)
    table.add("euclidean_tail_bound", [{"array": [3.0, 1.0, 0.5]}, 0.04], radius)
    turned = [[2.0, 1.0], [1.0, 2.0]]  # eigenvalues 3 and 1
    radius = mp.sqrt(4 + 2 * mp.sqrt(10) * mp.sqrt(x) + 6 * x)
    table.add("euclidean_tail_bound", [{"array": turned}, 0.04], radius)
    return [table]


def literal_law(kind: str, unit: Fraction, v: Fraction, extra: Fraction | None = None) -> dict:
    """T(v) as {point: probability}: unbiased choices between neighbours, by their definition."""
    if kind == "round":
        below = v // unit
        return merged([(below * unit, 1 - (v / unit - below)), ((below + 1) * unit, v / unit - below)])
    if kind == "sign":
        return merged([(-unit, (unit - v) / (2 * unit)), (unit, (unit + v) / (2 * unit))])
    sign = 1 if v >= 0 else -1
    kept = (
        [(v, Fraction(1))]
        if abs(v) > unit
        else [(Fraction(0), 1 - abs(v) / unit), (sign * unit, abs(v) / unit)]
    )
    if kind == "prune":
        return merged(kept)
    both = [(q, p * c) for point, p in kept for q, c in literal_law("round", extra, point).items()]
    return merged(both)


def merged(pairs: list) -> dict:
    law: dict = {}
    for point, chance in pairs:
        if chance:
            law[point] = law.get(point, Fraction(0)) + chance
    return law


def operators() -> list[Table]:
    table, biased = Table("theory.operators.unbiased"), Table("theory.operators.biased")
    base = Table("theory.operators.base")

    def f(x: Fraction) -> dict:
        return {"fraction": str(x)}

    d, c = Fraction(3, 8), Fraction(5, 4)
    cases = [
        ("StochasticRounding", [f(d)], "round", (d, None), d, (-math.inf, math.inf)),
        ("StochasticRounding", [f(d), 3], "round", (d, None), d, (-4 * d, 3 * d)),
        ("OneBit", [f(c)], "sign", (c, None), 2 * c, (-c, c)),
        ("StochasticPruning", [f(c)], "prune", (c, None), c, (-math.inf, math.inf)),
        (
            "PruneThenRound",
            [f(c), f(d)],
            "both",
            (c, d),
            4 * d,
            (-math.inf, math.inf),
        ),  # ceil(10/3) = 4 steps
        ("PruneThenRound", [f(4 * d), f(d)], "both", (4 * d, d), 4 * d, (-math.inf, math.inf)),
        ("PruneThenRound", [f(d / 3), f(d)], "both", (d / 3, d), d, (-math.inf, math.inf)),
    ]
    for name, parameters, kind, (unit, extra), length, limits in cases:
        spec = {name: parameters}
        low, high = (max(float(limits[0]), -3.0), min(float(limits[1]), 3.0))
        grid = [Fraction(k, 64) for k in range(math.ceil(low * 64), math.floor(high * 64) + 1)]
        widths, errors = [], []
        for v in grid:
            law = literal_law(kind, unit, v, extra)
            assert sum(law.values()) == 1 and sum(q * p for q, p in law.items()) == v  # unbiased
            widths.append(max(law) - min(law))
            errors.append(max(abs(q - v) for q in law))
        assert max(widths) == length >= max(errors) > length * Fraction(9, 10)  # L is attained, M approached
        table.add(f"{name}.interval_length", [spec], float(length))
        table.add(f"{name}.max_error", [spec], float(length))
        table.add(f"{name}.limits", [spec], [v if math.isinf(v) else float(v) for v in limits])
        table.add(f"{name}.unit", [spec], float(extra if extra else unit))
        for v in (Fraction(1, 3), Fraction(-5, 7), Fraction(0), c, -c):
            if float(limits[0]) < v < float(limits[1]):
                law = literal_law(kind, unit, v, extra)
                table.add(f"{name}.outcomes", [spec, f(v)], {"law": {str(q): p for q, p in law.items()}})
                table.add(
                    f"{name}.variance", [spec, f(v)], float(sum(p * (q - v) ** 2 for q, p in law.items()))
                )
    table.add("PruneThenRound.threshold_cell", [{"PruneThenRound": [f(c), f(d)]}], [3, float(Fraction(1, 3))])
    table.add("PruneFraction.at", [{"PruneFraction": [0.5]}, 0.25], {"threshold": 0.25, "unbiased": False})
    table.add(
        "PruneFraction.at", [{"PruneFraction": [0.5, True]}, 0.25], {"threshold": 0.25, "unbiased": True}
    )
    table.add(
        "expectation",
        [[[f(Fraction(2)), f(Fraction(1, 3))], [f(Fraction(-1)), f(Fraction(2, 3))]]],
        Fraction(0),
    )
    nearest = {
        "NearestRounding": (
            [f(d), 3],
            lambda v: max(min(mp.nint(float(v / d)), 3), -4),
            d / 2,
            d,
            (-4.5 * d, 3.5 * d),
        ),
        "NearestSign": ([f(c)], lambda v: 1 if v >= 0 else -1, c, 2 * c, (-2 * c, 2 * c)),
        "HardPruning": ([f(c)], lambda v: v / c if abs(v) > c else 0, c, 2 * c, (-math.inf, math.inf)),
    }
    for name, (parameters, code, worst, length, limits) in nearest.items():
        spec = {name: parameters}
        unit = d if name == "NearestRounding" else c
        low, high = max(float(limits[0]), -4.0), min(float(limits[1]), 4.0)
        grid = [Fraction(k, 1024) for k in range(math.ceil(low * 1024), math.floor(high * 1024) + 1)]
        errors = [float(code(v)) * float(unit) - float(v) for v in grid]
        assert float(worst) * 0.99 <= max(map(abs, errors)) <= float(worst) + 1e-12
        assert float(length) * 0.99 <= max(errors) - min(errors) <= float(length) + 1e-12
        biased.add(f"{name}.max_error", [spec], float(worst))
        biased.add(f"{name}.interval_length", [spec], float(length))
        biased.add(
            f"{name}.limits",
            [spec],
            [v if isinstance(v, float) and math.isinf(v) else float(v) for v in limits],
        )
        biased.add(f"{name}.unit", [spec], float(unit))
        for v in (0.3, -1.1, 1.6, 1.25, -1.25, 0.0):
            biased.add(f"{name}.outcomes", [spec, v], [[float(code(Fraction(v))) * float(unit), 1.0]])
    biased.add("NearestRounding.grid_ends", [{"NearestRounding": [0.5, 3]}], [-2.0, 1.5])
    base.add("floor_ratio", [f(Fraction(-7, 4)), f(Fraction(1, 2))], [-4, float(Fraction(1, 2))])
    base.add("floor_ratio", [1.5, 0.5], [3, 0.0])
    base.add("grid_limits", [0.25, 4], [-2.0, 1.75])
    base.add("grid_limits", [0.25, None], [-math.inf, math.inf])
    return [table, biased, base]


X = [
    [Fraction(1), Fraction(2), Fraction(-1)],
    [Fraction(3), Fraction(1), Fraction(2)],
]  # two samples, three columns


def dot(a: list, b: list) -> Fraction:
    return sum(x * y for x, y in zip(a, b, strict=True))


def columns(x: list) -> list:
    return [list(column) for column in zip(*x, strict=True)]


def followed(x: list, scale: Fraction, which: int) -> tuple[list, list]:
    """u_N and the corrections v_t - w_t when the operator errs by 1 at `which` alone: v - T(v) = 1 there."""
    u, corrections = [Fraction(0)] * len(x), []
    for t, column in enumerate(columns(x)):
        correction = dot(column, u) / (scale * dot(column, column)) if any(column) else Fraction(0)
        corrections.append(correction)
        step = (1 if t == which else 0) - correction  # w - q = eps - correction
        u = [a + step * b for a, b in zip(u, column, strict=True)]
    return u, corrections


def path_following() -> list[Table]:
    bounds, exits, laws = (Table(f"theory.path_following.{n}") for n in ("bounds", "exits", "laws"))
    inputs = [[float(v) for v in row] for row in X]
    spec, scale = {"array": inputs}, Fraction(3, 2)
    rounding, bit = {"StochasticRounding": [0.5]}, {"OneBit": [2.0]}
    s2 = mp.pi * mp.mpf("0.25") / 8
    bounds.add("noise_variance", [rounding], s2)
    bounds.add("noise_variance", [bit], mp.pi * 16 / 8)
    for c in (0.5 + 2.0**-30, 1.0, 3.0, 1e200):
        bounds.add("two_less_reciprocal", [c], 2 - 1 / mp.mpf(c))
    bounds.add("noise_std", [bit], mp.sqrt(mp.pi * 16 / 8))
    bounds.add("noise_std", [rounding, "paper"], 2 * mp.sqrt(s2))
    bounds.add("noise_variance", [rounding, "paper"], 4 * s2)
    # one column, one step after another: beta solves beta = beta (1 - 1/C)^2 + s^2 |X|^2
    for c in (1, Fraction(3, 2), 4):
        fixed = s2 * 9 / (1 - (1 - mp.mpf(1) / (mp.mpf(c.numerator) / c.denominator)) ** 2)
        bounds.add("error_variance", [float(c), rounding, 3.0], fixed)
    walks = [followed(X, scale, t) for t in range(3)]
    a = [[float(walks[t][0][i]) for t in range(3)] for i in range(2)]
    bounds.add("error_map", [spec, 1.5], a)
    covariance = [[s2 * sum(mp.mpf(a[i][t]) * a[j][t] for t in range(3)) for j in range(2)] for i in range(2)]
    bounds.add("error_covariance", [spec, 1.5, rounding], covariance)
    bounds.add(
        "error_covariance", [spec, 1.5, rounding, "paper"], [[4 * v for v in row] for row in covariance]
    )
    bounds.add("error_stds", [spec, 1.5, rounding], [mp.sqrt(covariance[i][i]) for i in range(2)])
    gram = [[dot(p, q) for q in columns(X)] for p in columns(X)]
    h = [[float(gram[i][j] / (scale * gram[i][i])) if j < i else 0.0 for j in range(3)] for i in range(3)]
    bounds.add("feedback", [{"array": [[float(v) for v in row] for row in gram]}, 1.5], h)
    bounds.add("column_units", [spec], [[[v / 4 for v in row] for row in inputs], [2, 2, 2]])
    bounds.add("column_norms", [spec], [mp.sqrt(10), mp.sqrt(5), mp.sqrt(5)])
    other = [[1.3, 2.0, -1.0], [3.4, 2.0, 0.0]]  # by (0.3, 0.4), (0, 1), (0, 2)
    residue = [
        sum(abs(w) * g for w, g in zip(row, (mp.mpf("0.5"), 1, 2), strict=True))
        for row in ([1, -2, 3], [0, 1, 1])
    ]
    bounds.add("alignment_bound", [[[1.0, -2.0, 3.0], [0.0, 1.0, 1.0]], spec, {"array": other}], residue)
    square = [row[:2] for row in X]
    first, last = columns(square)
    ratio = dot(first, last) / dot(last, last)
    g = [[x - ratio * y for x, y in zip(first, last, strict=True)], last]
    tall = {"array": [row[:2] for row in inputs]}
    bounds.add("gram_schmidt_reversed", [tall], [[float(g[t][i]) for t in (0, 1)] for i in (0, 1)])
    both = [[s2 * float(sum(v[i] * v[j] for v in g)) for j in (0, 1)] for i in (0, 1)]
    bounds.add("optq_covariance", [tall, rounding], both)
    bounds.add("optq_covariance", [tall, rounding, "paper"], [[4 * v for v in row] for row in both])

    spreads = [mp.sqrt(sum(mp.mpf(float(walks[j][1][t])) ** 2 for j in range(t))) for t in range(3)]
    stds = [mp.sqrt(s2) * v for v in spreads]
    exits.add("correction_stds", [spec, 1.5, rounding], stds)
    exits.add("correction_stds", [spec, 1.5, rounding, "paper"], [2 * v for v in stds])

    def exceeded(r: mp.mpf) -> mp.mpf:  # a with phi(z)/a = r, P(Z > z) = a
        z = mp.findroot(lambda z: mp.npdf(z) / tail(z) - r, r - 1 / r if r > 1.5 else mp.mpf(0))
        return tail(z)

    clipped = {"StochasticRounding": [0.5, 3]}  # {-2, ..., 1.5}
    wide = {"array": [[v * 2 for v in row] for row in inputs]}  # the unit of the inputs does not matter
    for w in ([0.1, 0.2, -0.3], [0.0, -1.2, 0.9], [1.5, 0.1, 0.0]):
        for form, length in (("range", 1), ("paper", 2)):
            total = sum(
                exceeded((end - sign * mp.mpf(v)) / (length * s))
                for v, s in zip(w, stds, strict=True)
                if s  # the first weight is never corrected: on the end itself it does not exit
                for sign, end in ((1, mp.mpf("1.5")), (-1, mp.mpf(2)))
            )
            exits.add("exit_bound", [[w], wide, 1.5, clipped, form], [min(total, 1)])
    # two tails, N columns: 2 N exp(-room^2/(2 v)) = e with v = s^2 k^2/(2C - 1)
    for w, n, e, k in ((0.25, 64, 0.01, 1.0), (0.0, 10, 0.3, 2.5)):
        for operator, end, length in ((bit, 2, 4), (clipped, mp.mpf("1.5"), mp.mpf("0.5"))):
            variance = (end - mp.mpf(w)) ** 2 / (2 * mp.log(2 * n / mp.mpf(e)))
            c = (1 + mp.pi * mp.mpf(length) ** 2 / 8 * mp.mpf(k) ** 2 / variance) / 2
            exits.add("sufficient_scale", [w, n, e, operator, k], c, 1e-12)
    exits.add("norm_ratio", [{"array": [[3.0, 1.0, 0.0, 4.0], [4.0, 1.0, 0.0, 0.0]]}], 5 / mp.sqrt(2))

    # frobenius norm of the error map, from the literal walks
    total = sum(v * v for row in a for v in row)
    laws.add("second_moment", [spec, 1.5, 0.25], mp.mpf(total) / 4)
    for n, m, c in ((1, 5, 1), (3, 2, 2), (40, 7, Fraction(3, 4))):
        value, c = mp.mpf(0), mp.mpf(Fraction(c).numerator) / Fraction(c).denominator
        for _ in range(n):  # a Gaussian direction keeps 1 - (2C - 1)/(C^2 m) of |u|^2, and adds var m
            value = value * (1 - (2 * c - 1) / (c * c * m)) + mp.mpf("0.125") * m
        laws.add("saturation_law", [n, m, float(c), 0.125], value)
    laws.add("direct_error", [12, 10, 0.5], 12 * 10 * mp.quad(lambda x: x * x / 0.5, [-0.25, 0.25]))
    # stochastic: p (1 - p) d^2 over the cell
    laws.add(
        "direct_error", [12, 10, 0.5, True], 120 * mp.quad(lambda p: p * (1 - p) * mp.mpf("0.25"), [0, 1])
    )
    for c in (1.0, 3.0):
        limit = mp.mpf(c) ** 2 / (2 * mp.mpf(c) - 1)
        gain = lambda r, limit=limit: 2 * limit * (1 - mp.exp(-r / limit)) - r  # noqa: E731
        laws.add("break_even_ratio", [c], mp.findroot(gain, (limit, 2 * limit), solver="anderson"))
    flat = {"array": [[float(v) for v in row] for row in gram]}
    laws.add("layer_error_bound", [flat, rounding, "path-following", 1.5], mp.mpf(total) / 16)
    laws.add("layer_error_bound", [flat, rounding, "direct"], mp.mpf(20) / 16)  # trace 10 + 5 + 5
    nearest = {"NearestRounding": [0.5]}
    # |B eps|^2 <= N M^2 times the largest eigenvalue; of the 2 x 2 matrix A A' by its quadratic
    for matrix, method in (
        (covariance, "path-following"),
        ([[s2 * float(dot(p, q)) for q in X] for p in X], "direct"),
    ):
        p, q, r = matrix[0][0] / s2, matrix[1][1] / s2, matrix[0][1] / s2
        top = (p + q) / 2 + mp.sqrt(((p - q) / 2) ** 2 + r * r)
        laws.add("layer_error_bound", [flat, nearest, method, 1.5], 3 * top / 16)
    small = {"array": [[float(gram[i][j]) for j in (0, 1)] for i in (0, 1)]}
    pivots = mp.mpf(float(sum(dot(v, v) for v in g)))
    laws.add("layer_error_bound", [small, nearest, "optq"], pivots / 16)
    laws.add("layer_error_bound", [small, rounding, "optq"], pivots / 16)
    damped = [
        [gram[i][j] + (Fraction(15, 2) * Fraction(1, 5) if i == j else 0) for j in (0, 1)] for i in (0, 1)
    ]
    second = damped[1][1]
    first = damped[0][0] - damped[0][1] ** 2 / second  # pivots of the damped matrix, back to front
    laws.add("layer_error_bound", [small, nearest, "optq", 1.0, 0.2], float(first + second) / 16)
    return [bounds, exits, laws]


def tables() -> list[Table]:
    return [*convex_order(), *operators(), *path_following()]
