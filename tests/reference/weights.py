"""Laws of weights, quantizers, formats, storage: rows by integration and by literal sums."""

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy
from laws import best_scale, decibel, gaussian, laplace, rounding_error, student, truncated, uniform
from rows import Table, mp

NODES = [(mp.mpf(x), mp.mpf(w)) for x, w in zip(*numpy.polynomial.legendre.leggauss(3), strict=True)]
INT = {b: list(range(-(2 ** (b - 1)), 2 ** (b - 1))) for b in range(1, 9)}


def distributions() -> list[Table]:
    table = Table("theory.distributions.laws")
    for law in (gaussian(1.5), laplace(0.7), uniform(2.0), student(3.0, 12.0), truncated(1.25)):
        name = next(iter(law.spec))
        where = "theory.distributions.student_t" if name == "StudentT" else "theory.distributions.laws"
        for x in (0.0, -0.6, 1.1):
            table.add(f"{where}:{name}.pdf", [law.spec, x], law.pdf(mp.mpf(x)))
            table.add(
                f"{where}:{name}.cdf", [law.spec, x], mp.mpf(1) / 2 + mp.sign(x) * law.moment(0, 0, abs(x))
            )
        for p in (0.6, 0.93):
            table.add(f"{where}:{name}.ppf", [law.spec, p], law.quantile(p))
            table.add(f"{where}:{name}.ppf", [law.spec, 1 - p], -law.quantile(1 - mp.mpf(1 - p)))
        for x in (0.0, 0.9):
            end = min(law.bound, 40 * law.scale)
            table.add(
                f"{where}:{name}.tail", [law.spec, {"array": x}], [law.moment(k, x, end) for k in (0, 1)]
            )
        for order, (low, high) in itertools.product(range(5), [(-0.4, 1.1), (0.5, 0.501), (-1.0, -0.2)]):
            table.add(
                f"{where}:{name}.partial_moment", [law.spec, order, low, high], law.moment(order, low, high)
            )
        end = min(law.bound, 40 * law.scale)
        second, fourth = (2 * law.moment(k, 0, end) for k in (2, 4))
        table.add(f"{where}:{name}.second_moment", [law.spec], second)
        table.add(f"{where}:{name}.kurtosis", [law.spec], fourth / second**2)
        table.add(f"{where}:{name}.mean", [law.spec], 0)
    # Gamma((df + 1)/2)/Gamma(df/2) is a series from df = 300 on, whose last terms are seen just above
    for df in (250.0, 301.0, 4e6):
        v = mp.mpf(df)
        peak = mp.exp(mp.loggamma((v + 1) / 2) - mp.loggamma(v / 2)) / mp.sqrt(mp.pi * v)
        inside = mp.quad(lambda x, v=v: (1 + x * x / v) ** (-(v + 1) / 2), [0, 1, 3, 6, 9]) * 2 * peak
        name = "theory.distributions.student_t:StudentT.pdf"
        table.add(name, [{"StudentT": [df, 9.0]}, 0.0], peak / inside, 1e-14)
    values = [Fraction(v) for v in (-3, -1, Fraction(1, 2), 1, 1, 4)]
    spec = {"Empirical": [[float(v) for v in values]]}
    mean = sum(values) / 6
    central = [sum((v - mean) ** k for v in values) / 6 for k in (2, 4)]
    table.add("Empirical.mean", [spec], float(mean))
    table.add("Empirical.second_moment", [spec], float(sum(v * v for v in values) / 6))
    table.add("Empirical.kurtosis", [spec], float(central[1] / central[0] ** 2))
    for x in (-1.0, 0.75, 9.0):
        table.add("Empirical.cdf", [spec, x], sum(v <= x for v in values) / 6)
        above = [v for v in values if v > x]
        if x > 0:
            table.add("Empirical.tail", [spec, {"array": x}], [len(above) / 6, float(sum(above)) / 6])
    for p, v in ((1 / 6, -3), (0.5, 0.5), (0.51, 1), (5 / 6, 1), (0.9, 4)):
        table.add("Empirical.ppf", [spec, p], v)
    for order in range(5):
        inside = [v**order for v in values if -1 < v <= 1]  # an atom on the left end stays outside
        table.add("Empirical.partial_moment", [spec, order, -1.0, 1.0], float(sum(inside) / 6))
    table.add("Empirical.reflected", [spec], {"values": [-4, -1, -1, -0.5, 1, 3]})
    table.add("Empirical.normalised", [spec], [{"values": [v / 8 for v in (-3, -1, 0.5, 1, 1, 4)]}, 3])
    return [table]


def codebooks() -> list[Table]:
    table, snr = Table("theory.codebooks"), Table("theory.snr.ratio")
    table.add("integer_levels", [3], INT[3])
    table.add("integer_levels", [3, "symmetric"], [-3, -2, -1, 0, 1, 2, 3])
    uneven = [-1.0, -0.25, 0.0, 0.5, 0.75]
    for law in (gaussian(), laplace(), uniform(), student(2.0, 30.0), truncated(2.0)):
        for levels, scale in ((INT[2], 0.8), (uneven, 1.7), (INT[1], 1.0)):
            table.add(
                "quantization_error", [law.spec, {"array": levels}, scale], rounding_error(law, levels, scale)
            )
    power = {"gaussian": mp.mpf(1), "laplace": mp.mpf(2)}
    for law, second, starts in (
        (gaussian(), power["gaussian"], {1: 0.8, 2: 1.06, 3: 0.6, 4: 0.335}),
        (laplace(), power["laplace"], {2: 1.6, 3: 1.15}),
    ):
        for bits, near in starts.items():
            levels = INT[bits]
            grid = [mp.mpf(near) * mp.mpf(k) / 20 for k in range(12, 30)]
            with mp.workdps(15):  # the valley first, then its bottom
                near = min(grid, key=lambda s: rounding_error(law, levels, s))
            scale = best_scale(law, levels, near)
            table.add("optimal_scale", [law.spec, {"array": levels}], scale)
            error = rounding_error(law, levels, scale)
            snr.add("quantization_snr", [law.spec, bits], decibel(second, error), 1e-10)
            half = mp.inf if bits == 1 else scale / 2
            zeros = law.moment(0, 0, scale / 2) + law.moment(0, 0, min(half, 40 * law.scale))
            snr.add("natural_zeros", [law.spec, bits], zeros)
    third = gaussian().quantile((1 + mp.mpf("0.99")) / 2)
    table.add("scale_for", [gaussian().spec, {"array": INT[3]}, "percentile"], third / 3, percentile=99.0)
    table.add("scale_for", [uniform(2.0).spec, {"array": INT[3]}, "max-abs"], mp.mpf(2) / 3)
    table.add("scale_for", [uniform(2.0).spec, {"array": INT[3]}, "scale"], 0.3, scale=0.3)
    values = [float(v) for v in range(1, 1001)]
    table.add(
        "scale_for",
        [{"Empirical": [values]}, {"array": INT[4]}, "percentile"],
        mp.mpf(999) / 7,
        percentile=99.9,
    )
    for grid, levels in (("twos-complement", INT[3]), ("symmetric", INT[3][1:])):
        right = decibel(1, rounding_error(gaussian(), levels, 0.5))
        snr.add("quantization_snr", [gaussian().spec, 3, "scale"], right, scale=0.5, grid=grid)
    for law, sparsity in itertools.product(
        (gaussian(), laplace(), uniform(3.0), student(2.0, 30.0)), (0.25, 0.9)
    ):
        threshold = law.quantile((1 + mp.mpf(sparsity)) / 2)
        lost = 2 * law.moment(2, 0, threshold)
        total = 2 * law.moment(2, 0, min(law.bound, 40 * law.scale))
        snr.add("pruning_error", [law.spec, sparsity], lost)
        snr.add("pruning_snr", [law.spec, sparsity], decibel(total, lost))
    some = {"Empirical": [[3.0, -1.0, 0.5, 2.0, -0.25]]}
    snr.add("pruning_error", [some, 0.4], (0.25**2 + 0.5**2) / 5)
    snr.add("pruning_error", [some, 0.41], (0.25**2 + 0.5**2 + 1) / 5)  # at least the share asked for
    for signal, noise in ((3.0, 0.1), (1e-200, 1e-190)):
        snr.add("decibel", [signal, noise], decibel(mp.mpf(signal), mp.mpf(noise)))
    snr.add("noise_snr", [0.02], -10 * mp.log10(mp.mpf(0.02)))
    snr.add("noise_snr", [9e-16], "inf")
    for size, share, count in ((1000, 0.999, 999), (7, 0.5, 4), (10, 0.3, 3), (3, 0.0, 0), (16, 0.9375, 15)):
        snr.add("pruned_count", [size, share], count)
    snr.add("equal_sparsity", [3], mp.mpf(13) / 16)
    snr.add("equal_sparsity", [3], mp.mpf(14) / 16, mask=True)
    return [table, snr, *crossings()]


def crossings() -> list[Table]:
    """Student-t of df = 2 at 2 bits, {-2s..s}: everything elementary, the crossing by bisection."""
    table = Table("theory.snr.ratio")

    def gap(r: mp.mpf, c: mp.mpf) -> mp.mpf:
        z = r / mp.sqrt(2 + r * r)  # mass of |T| <= r
        second = (2 * mp.asinh(r / mp.sqrt(2)) - 2 * z) / z  # E W^2
        cut = mp.sqrt(2) * c * z / mp.sqrt(1 - (c * z) ** 2)
        lost = (2 * mp.asinh(cut / mp.sqrt(2)) - 2 * cut / mp.sqrt(2 + cut * cut)) / z

        def mass(x: mp.mpf) -> mp.mpf:
            return (z - x / mp.sqrt(2 + x * x)) / (2 * z) if x < r else mp.mpf(0)

        def first(x: mp.mpf) -> mp.mpf:
            return (1 / mp.sqrt(2 + x * x) - 1 / mp.sqrt(2 + r * r)) / z if x < r else mp.mpf(0)

        def error(s: mp.mpf) -> mp.mpf:
            total = second
            for edges in ([0.5], [0.5, 1.5]):  # codes 1; -1 and -2
                for e in edges:
                    total -= 2 * s * (first(s * e) - s * e * mass(s * e))
            return total

        with mp.workdps(25):
            best = min((r * mp.mpf(k) / 400 for k in range(4, 401)), key=error)
            low, high = best * mp.mpf("0.95"), best * mp.mpf("1.05")
            for _ in range(90):  # golden section
                a, b = low + (high - low) * mp.mpf("0.382"), low + (high - low) * mp.mpf("0.618")
                low, high = (low, b) if error(a) < error(b) else (a, high)
        return lost - error((low + high) / 2)

    for mask, sparsity in (({}, mp.mpf(7) / 8), ({"mask": True}, mp.mpf(15) / 16)):
        low, high = mp.mpf(3), mp.mpf(60)  # pruning loses more at the first, less at the last
        assert gap(low, sparsity) > 0 > gap(high, sparsity)
        for _ in range(48):
            middle = (low + high) / 2
            low, high = (middle, high) if gap(middle, sparsity) > 0 else (low, middle)
        z = low / mp.sqrt(2 + low * low)
        second = 2 * mp.asinh(low / mp.sqrt(2)) / z - 2
        # int x^4 (2 + x^2)^(-3/2) = x (x^2 + 6)/(2 sqrt(2 + x^2)) - 3 asinh(x/sqrt 2)
        fourth = 2 * (low * (low**2 + 6) / (2 * mp.sqrt(2 + low**2)) - 3 * mp.asinh(low / mp.sqrt(2))) / z
        table.add("crossover_bound", [2, 2.0], low, **mask)
        table.add("crossover_kurtosis", [2, 2.0], fourth / second**2, **mask)
    return [table]


def limits() -> list[Table]:
    table = Table("theory.snr.limits")
    per_bit = 20 * mp.log10(2)
    table.add("rate_distortion_snr", [2.5], mp.mpf("2.5") * per_bit)
    cube = {}
    for law in (gaussian(1.5), laplace(0.7), uniform(2.0), student(3.0, 12.0)):
        end = min(law.bound, 40 * law.scale)
        power = 2 * law.moment(2, 0, end)
        entropy = -2 * law.integral(lambda x, law=law: mp.log(law.pdf(x), 2), 0, end)
        table.add("differential_entropy", [law.spec], entropy)
        noise = mp.power(4, entropy - 3) / (2 * mp.pi * mp.e)
        table.add("shannon_bound_snr", [law.spec, 3], decibel(power, noise))
        wide = law.bound if law.bound < mp.inf else 400 * law.scale
        cuts = [0, *(c * law.scale for c in (1, 4, 10, 20, 60) if c * law.scale < wide), wide]
        cube[law] = (2 * mp.quad(lambda x, law=law: mp.cbrt(law.pdf(x)), cuts)) ** 3
        table.add("panter_dite_snr", [law.spec, 5], decibel(power, cube[law] / (12 * 4**5)), 1e-12)
    table.add("uniform_gaussian_snr", [6], decibel(1, mp.mpf(4) / 3 * mp.log(64) / 64**2))
    phi = mp.npdf
    # Max's equations for four levels: thresholds 0, t; levels a, b the means of their cells
    t = mp.findroot(
        lambda t: (
            2 * t - (phi(0) - phi(t)) / (mp.erf(t / mp.sqrt(2)) / 2) - phi(t) / (mp.erfc(t / mp.sqrt(2)) / 2)
        ),
        0.98,
    )
    masses = [mp.erf(t / mp.sqrt(2)) / 2, mp.erfc(t / mp.sqrt(2)) / 2]
    firsts = [phi(0) - phi(t), phi(t)]
    a, b = (f / m for f, m in zip(firsts, masses, strict=True))
    table.add("lloyd_max", [gaussian().spec, 4], [-b, -a, a, b])
    table.add("lloyd_max_snr", [gaussian().spec, 2], decibel(1, 1 - 2 * (firsts[0] * a + firsts[1] * b)))
    table.add("lloyd_max", [gaussian(2.0).spec, 2], [-2 * mp.sqrt(2 / mp.pi), 2 * mp.sqrt(2 / mp.pi)])
    table.add("lloyd_max", [uniform(2.0).spec, 4], [-1.5, -0.5, 0.5, 1.5])
    for law in (gaussian(), laplace(), uniform(2.0)):
        step, end = mp.mpf(3) / 4, min(law.bound, 40 * law.scale)
        cells = [(max(-step / 2, -end), step / 2)] + [
            ((k - mp.mpf(1) / 2) * step, (k + mp.mpf(1) / 2) * step) for k in range(1, 130)
        ]
        entropy = kept = mp.mpf(0)
        for k, (low, high) in enumerate(cells):
            mass, first = law.moment(0, low, high), law.moment(1, low, high)
            if mass > mp.mpf(10) ** -30:
                entropy -= (1 + (k > 0)) * mass * mp.log(mass, 2)
                kept += (1 + (k > 0)) * first**2 / mass
        power = 2 * law.moment(2, 0, end)
        table.add("entropy_coded", [law.spec, 0.75], [entropy, decibel(power, power - kept)])
    certified = Table("theory.snr.certified")
    for bits, near in ((2, 1.06), (3, 0.586)):
        best = decibel(1, rounding_error(gaussian(), INT[bits], best_scale(gaussian(), INT[bits], near)))
        certified.add("gaussian_optimum", [bits], [best, best], 1e-7)  # both ends, to the tolerance it proves
    return [table, certified]


def storage() -> list[Table]:
    table = Table("theory.storage")

    def entropy(p: mp.mpf) -> mp.mpf:
        p = mp.mpf(p)
        return -p * mp.log(p, 2) - (1 - p) * mp.log(1 - p, 2)

    def entries(c: float, r: int) -> mp.mpf:
        """A run of G zeros before a value takes floor(G / 2^r) fillers: sum over G literally."""
        c = mp.mpf(c)
        fillers = mp.fsum(c**g * (1 - c) * (g // 2**r) for g in range(2400))
        return (1 - c) * (1 + fillers)

    for p in (0.3, 0.97):
        table.add("binary_entropy", [p], entropy(p))
    for c, r in ((0.5, 2), (0.9, 3), (0.95, 0)):
        table.add("run_length_bits", [c, r], entries(c, r))
    quarter = mp.mpf(1) / 4
    for scheme, args, answer, options in (
        ("dense", [0.75, 5], 5, {}),
        ("bitmask", [0.75, 5], 1 + quarter * 5, {}),
        ("csr", [0.75, 5], quarter * (5 + 9) + mp.mpf(32) / 300, {"columns": 300}),
        ("csr", [0.75, 5], quarter * (5 + 8) + mp.mpf(32) / 256, {"columns": 256}),
        ("entropy", [0.75, 5], entropy(0.75) + quarter * 5, {}),
        ("n:m", [0.75, 5], mp.mpf(2) / 8 * (5 + 3), {"group": 8}),
        ("n:m", [0.8, 5], mp.mpf(1) / 5 * (5 + 3), {"group": 5}),
        ("block", [0.0, 5], 5 + mp.mpf(16) / 48, {"block": 48, "scale_bits": 16}),
        ("run-length", [0.9, 5], min(entries(0.9, r) * (5 + r) for r in range(8)), {}),
    ):
        table.add("bits_per_weight", [scheme, *args], answer, **options)
    table.add("mask_overhead", [8], mp.mpf(1) / 8)
    table.add("break_even_sparsity", ["bitmask", 4, 8], mp.mpf(5) / 8)
    table.add("break_even_sparsity", ["csr", 4, 8], 1 - (4 - mp.mpf(32) / 512) / (8 + 9), columns=512)
    half = mp.findroot(lambda c: entropy(c) + (1 - c) * 16 - 4, (0.75, 0.85), solver="anderson")
    table.add("break_even_sparsity", ["entropy", 4, 16], half)
    runs = mp.findroot(lambda c: entries(c, 4) * 20 - 4, (0.79, 0.83), solver="anderson", tol=1e-20)
    assert all(
        entries(float(runs), r) * (16 + r) >= 4 - 1e-9 for r in range(9)
    )  # four bits are the best field
    table.add("break_even_sparsity", ["run-length", 4, 16], runs)
    return [table]


def e2m1() -> list[Fraction]:
    positive = [Fraction(m, 2) for m in (0, 1)]
    positive += [(1 + Fraction(m, 2)) * 2**e for e in (0, 1, 2) for m in (0, 1)]
    return sorted({-v for v in positive} | set(positive))


def formats() -> list[Table]:
    table, law_table = Table("theory.formats.formats"), Table("theory.formats.laws")
    table.add("float_levels", [2, 1], [float(v) for v in e2m1()])
    small = [m / 4 for m in range(4)] + [(1 + m / 4) * 2 ** (e - 1) for e in (1, 2, 3) for m in range(4)]
    small = sorted({-v for v in small} | set(small))
    table.add("float_levels", [2, 2], small)
    end = 1 - (mp.mpf(1) / 30 + mp.mpf(1) / 32) / 2
    top = mp.sqrt(2) * mp.erfinv(2 * end - 1)

    def side(count: int) -> list:
        steps = [end + (mp.mpf(1) / 2 - end) * k / count for k in range(count)]
        return [mp.sqrt(2) * mp.erfinv(2 * p - 1) / top for p in steps]

    nf4 = sorted([-v for v in side(7)] + [mp.mpf(0)] + side(8))
    table.add("normal_float_levels", [], nf4)
    by_name = {
        "MXFP4": ["MXFP4", "e2m1", 4, 32, "power"],
        "NVFP4": ["NVFP4", "e2m1", 4, 16, "e4m3"],
        "NF4": ["NF4", "nf4", 4, 64],
        "2:4": ["2:4", "", 16, 0, "free", 2, 4],
        "INT4 g128": ["INT4", "symmetric4", 4, 128],
        "prune": ["prune", "int4", 4, 0, "free", 0, 0, 0.5],
        "INT4": ["INT4", "int4", 4],
    }
    spec = {name: {"Format": row} for name, row in by_name.items()}
    stored = {"MXFP4": 4 + 8 / 32, "NVFP4": 4 + 8 / 16, "NF4": 4 + 16 / 64, "2:4": (16 + 2) / 2}
    for name, bits in {**stored, "prune": 1 + 4 / 2, "INT4": 4}.items():
        table.add("Format.stored_bits", [spec[name]], bits)
    table.add("Format.stored_bits_in_rows", [spec["MXFP4"], 40], 4 + mp.mpf(16) / 40)
    table.add("Format.stored_bits_in_rows", [spec["2:4"], 10], (8 * mp.mpf(9) + 2 * 16) / 10)
    table.add("Format.scale_bits", [spec["MXFP4"]], 8)
    table.add("Format.scale_bits", [spec["NF4"]], 16)
    table.add("Format.levels", [spec["MXFP4"]], [float(v) for v in e2m1()])
    table.add("codebook", ["symmetric2"], {"levels": [-1, 0, 1]})
    for largest, scale in ((7.0, 1.0), (3.9, 0.5), (4.0, 1.0), (0.26, 0.0625), (0.0, 0.0)):
        table.add("block_scale", [spec["MXFP4"], {"array": largest}, 9.0], scale)  # 2^(floor log2 m) / 4
    table.add("block_scale", [spec["INT4 g128"], {"array": 3.5}, 9.0], 0.5)
    for largest, scale in ((6.0, 448), (3.1, 224), (0.05, 3.75)):  # 231.5, 3.73 go to the nearest of E4M3
        table.add("block_scale", [spec["NVFP4"], {"array": largest}, 6.0], mp.mpf(scale) / 448)

    # uniform weights: given its largest magnitude m a block is uniform on [-m, m], its error in m^2
    def block_uniform(levels: list, size: int) -> mp.mpf:
        peak = mp.mpf(size) / (size + 2)  # E m^2
        return peak * (size - 1) / size * rounding_error(uniform(), levels, 1 / mp.mpf(max(levels)))

    for name, levels, size in (("INT4 g128", list(range(-7, 8)), 128), ("NF4", nf4, 64)):
        law_table.add("format_error", [uniform().spec, spec[name]], block_uniform(levels, size))
    # MXFP4: m of density 32 m^31; on (high/2, high] the scale is high/8, m lies between codes 4 and 8
    levels = [mp.mpf(v.numerator) / v.denominator for v in e2m1()]
    error, size, high = mp.mpf(0), 32, mp.mpf(1)

    def given(m: mp.mpf, step: mp.mpf) -> mp.mpf:
        """Mean of (w - q)^2 over w uniform on [-m, m], by cubes; and the largest weight's own."""
        ends = [-m, *((a + b) / 2 * step for a, b in itertools.pairwise(levels)), m]
        cells = zip(levels, itertools.pairwise([max(min(e, m), -m) for e in ends]), strict=True)
        inner = sum(((b - q * step) ** 3 - (a - q * step) ** 3) / 3 for q, (a, b) in cells) / (2 * m)
        return ((size - 1) * inner + min((m - q * step) ** 2 for q in (4, 6))) / size

    while high > mp.mpf("0.03"):
        cuts = [high / 2, high * 5 / 8, high]
        error += mp.quad(lambda m, high=high: size * m ** (size - 1) * given(m, high / 8), cuts)
        high /= 2
    law_table.add("format_error", [uniform().spec, spec["MXFP4"]], error)
    plain_int4 = rounding_error(gaussian(), INT[4], best_scale(gaussian(), INT[4], 0.335))
    law_table.add("format_error", [gaussian().spec, spec["INT4"]], plain_int4)
    law_table.add("format_snr", [gaussian().spec, spec["INT4"]], decibel(1, plain_int4))
    law_table.add("format_snr", [uniform().spec, spec["NF4"]], decibel(mp.mpf(1) / 3, block_uniform(nf4, 64)))
    # the j-th smallest of m: uniform, E U_j^2 = j (j + 1)/((m + 1)(m + 2)); exponential, by Renyi's sums
    for keep, group in ((2, 4), (1, 4), (4, 8)):
        lost = (
            sum(Fraction(j * (j + 1), (group + 1) * (group + 2)) for j in range(1, group - keep + 1)) / group
        )
        law_table.add(
            "group_pruning_error", [uniform().spec, keep, group], mp.mpf(lost.numerator) / lost.denominator
        )
        lost = Fraction(0)
        for j in range(1, group - keep + 1):
            gaps = [Fraction(1, group - i) for i in range(j)]
            lost += sum(gaps) ** 2 + sum(g * g for g in gaps)
        law_table.add(
            "group_pruning_error",
            [laplace().spec, keep, group],
            mp.mpf(lost.numerator) / lost.denominator / group,
        )
    law_table.add("format_error", [uniform().spec, spec["2:4"]], mp.mpf(2) / 30)
    both = {"Format": ["2:4 + INT4", "int4", 4, 0, "free", 2, 4]}
    cut_at_half = pruned_then_rounded(lambda u: u < 0.5)
    law_table.add("format_error", [uniform().spec, spec["prune"]], cut_at_half, 1e-7)
    half = mp.mpf(1) / 2
    # uniform weights, scale f m/7: given m, w/m is uniform; m itself lies 1 - f above the last code
    for f in (mp.mpf("0.875"), mp.mpf("1.125")):
        inner = rounding_error(uniform(), list(range(-7, 8)), f / 7)
        own = min((1 - f * k / 7) ** 2 for k in range(8))
        total = mp.mpf(128) / 130 * (127 * inner + own) / 128
        law_table.add("shrunk_error", [uniform().spec, spec["INT4 g128"], float(f)], total)
    searched = Table("theory.formats.searched")
    for rays in (
        2,
        5,
        64,
    ):  # in the plane at equal angles; in space caps of height 1 - cos, each 1/N of the sphere
        plane = half - mp.sin(2 * mp.pi / rays) * rays / (4 * mp.pi) if rays > 2 else half
        searched.add("ray_error", [2, float(mp.log(rays))], plane)
        h = mp.mpf(2) / rays
        space = rays * mp.quad(lambda c: (1 - c * c) / 2, [1 - h, 1])
        searched.add("ray_error", [3, float(mp.log(rays))], space)
    # a block of one 2:4 group: given its largest m, of three others the largest, of density 3 u^2, is kept
    parts = itertools.pairwise([mp.mpf(0), *((j + half) / 7 for j in range(7)), mp.mpf(1)])
    kept = sum(
        mp.quad(lambda u, q=q: 3 * u**2 * (u - mp.mpf(q) / 7) ** 2, part) for q, part in enumerate(parts)
    )
    group = {"Format": ["2:4 + INT4 g4", "symmetric4", 4, 4, "free", 2, 4]}
    law_table.add("format_error", [uniform().spec, group], mp.mpf(2) / 30 + kept * 2 / 3 / 4, 1e-6)
    table.add("Format.stored_bits", [group], 2 * (mp.mpf(4) + 2) / 4 + 4)
    table.add("Format.prunes", [group], True)
    table.add("Format.prunes", [spec["NF4"]], False)
    table.add(
        "Format.after", [spec["MXFP4"], 2, 4], {"stored_bits": 2 * (mp.mpf(4) + 2) / 4 + mp.mpf(8) / 32}
    )

    # half of the weights cut, then blocks of 16: (w - m k/7)^2 over (1/2, m), by cubes, m of density 16 m^15
    def beyond(m: mp.mpf) -> mp.mpf:
        total = mp.mpf(0)
        for k in range(8):
            a, b = (min(max((k + side) * m / 7, half), m) for side in (-half, half))
            total += ((b - k * m / 7) ** 3 - (a - k * m / 7) ** 3) / 3
        return 15 * m**14 * total

    cuts = [half, *sorted(x for x in (half * 7 / (j + half) for j in range(7)) if half < x < 1), mp.mpf(1)]
    cut = {"Format": ["prune + INT4 g16", "symmetric4", 4, 16, "free", 0, 0, 0.5]}
    law_table.add("format_error", [uniform().spec, cut], mp.mpf(1) / 24 + mp.quad(beyond, cuts), 1e-9)
    # at most one of three others is smaller; the random sparsity is a sum of 96 nodes there, good to 1e-6
    cut_of_four = pruned_then_rounded(lambda u: (1 - u) ** 3 + 3 * u * (1 - u) ** 2)
    law_table.add("format_error", [uniform().spec, both], cut_of_four, 1e-6)
    return [table, law_table, searched]


def pruned_then_rounded(pruned: Callable) -> mp.mpf:
    """Uniform weights: one of size u is cut with probability pruned(u), else rounded to 4-bit integers."""
    half = mp.mpf(1) / 2
    lost = mp.quad(lambda u: u * u * pruned(u), [0, half, 1])

    def error(s: mp.mpf) -> mp.mpf:
        total = lost
        for top in (7, 8):  # codes of the two sides
            for k in range(top + 1):
                low, high = max(k - half, 0) * s, (k + half) * s if k < top else mp.mpf(1)
                cuts = sorted({min(low, 1), min(high, 1), *([half] if low < half < high else [])})
                for a, b in itertools.pairwise(cuts):  # a polynomial of degree five
                    c, w = (a + b) / 2, (b - a) / 2
                    at = ((c + w * x, w * weight) for x, weight in NODES)
                    total += sum(weight * (1 - pruned(u)) * (u - k * s) ** 2 for u, weight in at) / 2
        return total

    with mp.workdps(16):
        grid = [mp.mpf(k) / 400 for k in range(30, 400, 2)]
        best = min(grid, key=error)
        low, high = best - mp.mpf(1) / 200, best + mp.mpf(1) / 200
        for _ in range(45):
            a, b = low + (high - low) * mp.mpf("0.382"), low + (high - low) * mp.mpf("0.618")
            low, high = (low, b) if error(a) < error(b) else (a, high)
        return error((low + high) / 2)


def tables() -> list[Table]:
    return [*distributions(), *codebooks(), *limits(), *storage(), *formats()]
