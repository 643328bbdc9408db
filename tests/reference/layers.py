"""Bits over tensors, rotations, representations, fine-tuning, nearest planes, flat optima: rows."""

import itertools
from fractions import Fraction

from laws import best_scale, decibel, gaussian, laplace, rounding_error
from rows import Table, mp

SYMMETRIC = [-1, 0, 1]


def filled(variances: list, sizes: list, bits: float) -> list:
    """Reverse water-filling: the level at which the rates add up, by bisection."""
    low, high = mp.mpf(10) ** -30, mp.mpf(max(variances))
    for _ in range(200):
        level = mp.sqrt(low * high)
        rate = sum(n * mp.log(v / min(level, v), 2) / 2 for v, n in zip(variances, sizes, strict=True))
        low, high = (level, high) if rate > bits * sum(sizes) else (low, level)
    return [min(level, mp.mpf(v)) for v in variances]


def allocation() -> list[Table]:
    table = Table("theory.allocation")
    for variances, sizes, bits in (([4.0, 0.5, 0.01], [1, 2, 5], 0.75), ([1.0, 16.0, 3.0], [1, 1, 1], 2.5)):
        found = filled(variances, sizes, bits)
        table.add("water_filling", [variances, bits, sizes], found)
        signal = sum(n * v for n, v in zip(sizes, variances, strict=True))
        noise = sum(n * v for n, v in zip(sizes, found, strict=True))
        table.add("water_filling_snr", [variances, bits, sizes], decibel(signal, noise))
    gram = {"array": [[2.0, 1.0], [1.0, 2.0]]}  # eigenvalues 1 and 3
    table.add("output_snr", [gram, 1.5], decibel(4, sum(filled([1.0, 3.0], [1, 1], 1.5))))
    flat = {"array": [[1.0, 0.999], [0.999, 1.0]]}  # 1.999 and 0.001
    table.add("output_snr", [flat, 1.5], decibel(2, sum(filled([1.999, 0.001], [1, 1], 1.5))), 1e-8)
    table.add("feedback_gain", [gram], decibel(2, mp.sqrt(3)))
    return [table]


def rotated_rows(size: int) -> list:
    """Rows of a rotation of three columns, k = 2: columns 1 and 2, then 2 and 3, over all signs."""
    assert size == 3
    rows = []
    for signs in itertools.product((1, -1), repeat=4):
        # y = (w1 s1 + w2 s2, w1 s1 - w2 s2)/sqrt 2 with w3 behind; then its last two, with signs again
        half = 1 / mp.sqrt(2)
        first = [[half * signs[0], half * signs[1], 0], [half * signs[0], -half * signs[1], 0], [0, 0, 1]]
        second = [[1, 0, 0], [0, half * signs[2], half * signs[3]], [0, half * signs[2], -half * signs[3]]]
        rows += [[sum(second[i][k] * first[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    return rows


def rotations() -> list[Table]:
    table = Table("theory.rotations")
    rows = rotated_rows(3)
    fourth = sum(sum(r**4 for r in row) for row in rows) / len(rows)
    table.add("fourth_powers", [3], fourth)
    table.add("fourth_powers", [16], 16 * mp.mpf(1) / 16**2)  # sixteen entries of +-1/4
    table.add("fourth_powers", [48, 16], 16 * mp.mpf(1) / 16**2)
    table.add("rotated_kurtosis", [9.0, 3], 3 + 6 * fourth)
    for size, block in ((27, 16), (32, 32), (100, 64), (2, 2)):
        table.add("rotation_block", [size], block)
    lost = {}
    for law in (gaussian(), laplace()):
        cut = law.quantile(mp.mpf(7) / 8)
        lost[law] = decibel(2 * law.moment(2, 0, 40 * law.scale), 2 * law.moment(2, 0, cut))
    table.add("rotation_gain_pruning", [laplace().spec, 0.75], lost[gaussian()] - lost[laplace()])
    levels = list(range(-4, 4))
    normal = rounding_error(gaussian(), levels, best_scale(gaussian(), levels, 0.5860))
    heavy = rounding_error(laplace(), levels, best_scale(laplace(), levels, 1.03))
    gain = decibel(1, normal) - decibel(2, heavy)
    table.add("rotation_gain", [laplace().spec, {"Format": ["INT3", "int3", 3]}], gain)
    return [table]


def centred(points: list) -> list:
    """Centred Gram matrix of points in the plane, in fractions."""
    n = len(points)
    means = [sum(p[k] for p in points) / Fraction(n) for k in (0, 1)]
    return [[sum((p[k] - means[k]) * (q[k] - means[k]) for k in (0, 1)) for q in points] for p in points]


def product(k: list, m: list) -> Fraction:
    return sum(k[i][j] * m[i][j] for i in range(len(k)) for j in range(len(k)))


def representation() -> list[Table]:
    table = Table("theory.representation")
    table.add("effective_rank", [{"array": [3.0, 1.0, 0.5]}], mp.mpf("4.5") ** 2 / mp.mpf("10.25"))
    one = centred([(0, 1), (2, 0), (1, 3), (5, 1), (0, 0)])
    other = centred([(1, 1), (0, 2), (4, 0), (1, 2), (3, 3)])
    orders = list(itertools.permutations(range(5)))
    total = mp.mpf(0)
    for order in orders:
        moved = [[other[i][j] for j in order] for i in order]
        overlap = product(one, moved)
        total += mp.mpf(overlap.numerator) / overlap.denominator
    norms = mp.mpf(1)
    ranks = []
    for k in (one, other):
        square = product(k, k)
        trace = sum(k[i][i] for i in range(5))
        norms *= mp.sqrt(mp.mpf(square.numerator) / square.denominator)
        ranks.append(float(trace**2 / square))
    table.add("chance_cka", [5, *ranks], total / len(orders) / norms, 1e-9)
    # E <K, L> of n Gaussian samples, up to a factor that cancels: n tr(S_xy S_yx) + tr S_x tr S_y
    for n, x, y, c in ((12, 3.0, 5.0, 0.4), (40, 8.0, 2.0, 0.0)):
        sx, sy = 1 / mp.sqrt(mp.mpf(x)), 1 / mp.sqrt(mp.mpf(y))  # |S| of covariances of trace 1
        both = n * c * sx * sy + 1
        table.add("expected_cka", [n, x, y, c], both / mp.sqrt((n * sx**2 + 1) * (n * sy**2 + 1)))
    least = next(
        n for n in range(2, 9000) if mp.sqrt(40) / mp.sqrt((n + mp.mpf(4)) * (n + 10)) <= mp.mpf("0.05")
    )
    table.add("samples_for_bias", [0.05, 4.0, 10.0], least)
    table.add("samples_for_bias", [0.9, 1.0, 1.0], 2)  # one sample has no covariance
    return [table]


def nearest_plane() -> list[Table]:
    table = Table("theory.path_following.nearest_plane")
    columns = [[Fraction(2), Fraction(1), Fraction(0)], [Fraction(1), Fraction(3), Fraction(1)],
               [Fraction(0), Fraction(1), Fraction(2)]]  # fmt: skip

    def dot(a: list, b: list) -> Fraction:
        return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))

    gram = [[dot(a, b) for b in columns] for a in columns]

    def determinant(rows: list) -> Fraction:
        if not rows:
            return Fraction(1)
        rest = range(1, len(rows))
        return sum(
            (-1) ** j
            * rows[0][j]
            * determinant([[rows[i][k] for k in range(len(rows)) if k != j] for i in rest])
            for j in range(len(rows))
        )

    # a pivot is the ratio of the Gram determinants of the columns from t on and from t + 1 on
    minors = [determinant([row[t:] for row in gram[t:]]) for t in range(4)]
    pivots = [minors[t] / minors[t + 1] for t in range(3)]
    spec = {"array": [[float(v) for v in row] for row in gram]}
    table.add("optq_pivots", [spec], [float(p) for p in pivots])
    steps = [0.5, 1.0, 2.0]
    worst = sum(float(p) * (s / 2) ** 2 for p, s in zip(pivots, steps, strict=True))
    table.add("nearest_plane_bound", [spec, steps], worst)
    mean = sum(
        float(p) * s * s * mp.quad(lambda x: x * x, [-0.5, 0.5]) for p, s in zip(pivots, steps, strict=True)
    )
    table.add("nearest_plane_bound", [spec, steps], mean, mean=True)
    # the column of least pivot given those behind it: its determinant with them over theirs
    left, order = [0, 1, 2], []
    while left:

        def pivot(c: int, behind: tuple = tuple(order)) -> Fraction:
            chosen = [c, *behind]
            below = determinant([[gram[i][j] for j in behind] for i in behind])
            return determinant([[gram[i][j] for j in chosen] for i in chosen]) / below

        best = min(left, key=pivot)
        order.insert(0, best)
        left.remove(best)
    table.add("min_pivot_order", [spec], order)
    # two dimensions, by hand: b2 off b1 is (0, 1): z2 = round(0.6) = 1; then z1 = round(0.4 - 1) = -1
    table.add("nearest_plane", [{"array": [[1.0, 1.0], [0.0, 1.0]]}, {"array": [0.4, 0.6]}], [-1, 1])
    table.add("nearest_plane", [{"array": [[2.0, 1.0], [0.0, 3.0]]}, {"array": [3.7, 4.6]}], [1, 2])
    return [table]


def fine_tuning() -> list[Table]:
    table = Table("theory.fine_tuning")
    codes = {"Codes": [-4, 3]}
    sign = {"Codes": [-1, 1, True]}
    for args, answer in (([3], [-4, 3, False]), ([3, "symmetric"], [-3, 3, False]), ([1], [-1, 1, True])):
        table.add("tuning_codes", args, answer)
    for t, renewed in ((13, 12), (17, 16), (21, 20)):  # every other step from 10 to 20
        s = mp.mpf("0.9") + (mp.mpf("0.1") - mp.mpf("0.9")) * (1 - mp.mpf(renewed - 10) / 10) ** 3
        keys = {"begin": 10, "end": 20, "initial": 0.1, "frequency": 2}
        table.add("cubic_sparsity", [t, 0.9], s, **keys)
    weights = [0.3, -0.61, 5.0, -9.0, 1.4]
    # in steps of 1/2: 0.6, -1.22, 10, -18, 2.8
    table.add("quantized", [weights, 0.5, codes], [0.5, -0.5, 1.5, -2.0, 1.5])
    table.add("quantized", [weights, 0.5, sign], [0.5, -0.5, 0.5, -0.5, 0.5])
    table.add("lsq_gradients", [weights, 0.5, codes], [[1, 1, 0, 0, 1], [0.4, 0.22, 3, -4, 0.2]], 1e-12)
    table.add("lsq_gradients", [weights, 0.5, sign], [[1, 0, 0, 0, 0], [1, -1, 1, -1, 1]])
    table.add("gradient_scale", [50, codes], 1 / mp.sqrt(150))
    table.add("published_step", [weights, codes], 2 * mp.mpf("16.31") / 5 / mp.sqrt(3))

    def balance(s: mp.mpf) -> mp.mpf:
        """Ternary grid: granular error over the step against clipping error, from the definition."""
        inside = 2 * (gaussian().moment(2, 0, s / 2) + sum(
            c * gaussian().moment(k, s / 2, s) for k, c in ((2, 1), (1, -2 * s), (0, s * s))))  # fmt: skip
        beyond = gaussian().moment(1, s, 40) - s * gaussian().moment(0, s, 40)
        return inside / s - 2 * beyond

    with mp.workdps(20):
        root = mp.findroot(balance, (1.2, 1.4), solver="anderson", tol=1e-14)
    table.add("balanced_step", [gaussian().spec, 2], root)
    return [table]


def flatness() -> list[Table]:
    table, unique, books = (Table(f"theory.{n}") for n in ("snr.flatness", "snr.uniqueness", "codebooks"))
    # the ternary grid: E(s) = 1 - 4 s g(s/2), g the stop-loss; g' = -Q, g'' = phi
    q = lambda x: mp.erfc(x / mp.sqrt(2)) / 2  # noqa: E731
    error = lambda s: 1 - 4 * s * (mp.npdf(s / 2) - s / 2 * q(s / 2))  # noqa: E731
    scale = mp.findroot(lambda s: mp.diff(error, s), 1.2)
    curve = mp.diff(error, scale, 2)
    law, levels = gaussian().spec, {"array": SYMMETRIC}
    unique.add("ternary_optimum", [], [scale, error(scale)])
    books.add("error_curvature", [law, levels, 1.1], mp.diff(error, mp.mpf(1.1), 2), 1e-8)
    unique.add("prove_unique", [levels], {"unique": True, "scale": [scale, scale]})
    unique.add("sum_slopes", [levels, "gaussian", 1.1], [-mp.diff(error, mp.mpf(1.1), k) / 2 for k in (1, 2)])
    table.add("scale_condition", [law, levels], scale**2 * curve / error(scale), 1e-8)
    table.add("scale_loss", [law, levels, 1.3], decibel(error(scale * mp.mpf("1.3")), error(scale)))
    third = gaussian().quantile((1 + mp.mpf("0.95")) / 2)
    table.add("percentile_loss", [law, levels, 95.0], decibel(error(third), error(scale)))
    table.add("grid_ratio", [law, levels, 4.0, 50], 1 + mp.mpf(4) / 50 / scale)
    # worst where both neighbours lose the same; the mean over 400 positions
    lost = [
        10 * mp.log10(min(error(scale * 2 ** (p / 400)), error(scale * 2 ** (p / 400 - 1))) / error(scale))
        for p in (k + mp.mpf(1) / 2 for k in range(400))
    ]
    table.add("ladder_loss", [law, levels, 2.0], [sum(lost) / 400, max(lost)])
    # codes +-1 alone move the scale: E[k^2 (W - s k)^2] = 2 E[(W - s)^2; W > s/2]
    power = 2 * sum(
        c * gaussian().moment(k, scale / 2, 40) for k, c in ((2, 1), (1, -2 * scale), (0, scale**2))
    )
    table.add("scale_spread", [law, levels, 500], mp.sqrt(4 * power / curve**2 / 500) / scale, 1e-8)
    return [table, unique, books]


def tables() -> list[Table]:
    return [*allocation(), *rotations(), *representation(), *nearest_plane(), *fine_tuning(), *flatness()]
