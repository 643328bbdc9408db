import itertools
import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from sims.weights import scales as sims_snr
from theory import formats
from theory.codebooks import Codebook, quantization_error
from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform
from theory.formats import laws as format_laws
from theory.snr import decibel, pruning_error, quantization_snr
from theory.snr import limits as snr_limits

BY_NAME = {form.name: form for form in formats.FORMATS}
# the 16 levels as published with the QLoRA paper
NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023,
    1.0,
]  # fmt: skip


def literal_groups(form, size=30_000 * 32):
    """Magnitude quantiles of drawn weights, and which of them n:m pruning keeps."""
    u = np.random.default_rng(3).random((size // form.group, form.group)) * 2 - 1
    return u, np.argsort(np.argsort(np.abs(u), axis=1), axis=1) >= form.group - form.keep


def literal_mask(form, w):
    """What a format keeps of blocks, by sorting."""
    if not form.prunes:
        return np.full(w.shape, True)
    size = np.abs(w).reshape(-1, form.group or w.size)
    least = form.group - form.keep if form.group else round(form.sparsity * w.size)
    return (np.argsort(np.argsort(size, axis=1), axis=1) >= least).reshape(w.shape)


def rounded(x, exponent_bits, mantissa_bits, largest):
    """Nearest number of a small float format, by its exponent; beyond the largest it saturates."""
    least = 2 - 2 ** (exponent_bits - 1)
    exponent = np.maximum(np.floor(np.log2(np.maximum(np.abs(x), 1e-300))), least)
    step = 2.0 ** (exponent - mantissa_bits)
    return np.clip(np.rint(x / step) * step, -largest, largest)


def literal_blocks(name, w):
    """A tensor in blocks, encoded by the book: scale from the largest magnitude, then the codes."""
    largest = np.abs(w).max(axis=1, keepdims=True)
    if name.startswith("MX"):
        codes, top = {
            "MXFP4": (lambda x: rounded(x, 2, 1, 6.0), 4),
            "MXINT8": (lambda x: np.clip(np.rint(x), -127, 127), 64),
            "MXFP6 E2M3": (lambda x: rounded(x, 2, 3, 7.5), 4),
            "MXFP8 E4M3": (lambda x: rounded(x, 4, 3, 448.0), 256),
        }[name]
        scale = 2.0 ** np.floor(np.log2(largest)) / top
        return scale * codes(w / scale)
    if name == "NVFP4":
        unit = np.abs(w).max() / (6 * 448)
        scale = unit * rounded(largest / 6 / unit, 4, 3, 448.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(scale > 0, scale * rounded(w / scale, 2, 1, 6.0), 0.0)
    if name == "INT4 g128":
        return largest / 7 * np.rint(w / largest * 7)
    levels = np.array(NF4) * largest[:, :, None]
    return np.take_along_axis(levels[:, 0], np.abs(w[:, :, None] - levels).argmin(axis=2), axis=1)


@pytest.mark.parametrize("block", [1, 2, 4, 32])
def test_blocks_of_uniform_weights_with_powers_of_two_are_a_geometric_series(block):
    """Binades of the largest magnitude m are alike but for their size: E2M1, m in [4, 8) scales."""
    levels = [mpmath.mpf(level) for level in (0, 0.5, 1, 1.5, 2, 3, 4, 6)]
    cuts = [0, *((a + b) / 2 for a, b in itertools.pairwise(levels))]

    def lost_below(m):  # integral of the squared distance to the nearest level
        ends = [*(min(cut, m) for cut in cuts), m]
        pieces = zip(itertools.pairwise(ends), levels, strict=True)
        return sum(((up - level) ** 3 - (low - level) ** 3) / 3 for (low, up), level in pieces)

    def lost(m):  # by m itself, and by the others, uniform below it
        own = min((m - level) ** 2 for level in levels)
        return m ** (block - 1) * (own + (block - 1) * lost_below(m) / m)

    with mpmath.workdps(30):
        binade = mpmath.quad(lost, [4, 5, 6, 8])
        ratio = mpmath.mpf(2) ** -(block + 2)
        expected = binade * ratio**3 / (1 - ratio)
    form = formats.Format("MX", "e2m1", 4, block=block, scale="power")
    assert format_laws.format_error(Uniform(1.0), form) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("law", [Gaussian(0.3), Laplace(), StudentT(2, 30)], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        *("INT4 g128", "NF4 b64", "NVFP4", "MXFP4", "MXINT8", "MXFP6 E2M3", "MXFP8 E4M3"),
        *("2:4 + INT4 g128", "2:4 + NVFP4", "2:4 + MXFP4", "prune 50 % + NVFP4", "prune 50 % + NF4 b64"),
    ],
)
def test_laws_of_blocks_agree_with_tensors_encoded_by_the_book(law, name):
    check_blocks(law, name, *((2**12, 400) if name == "NVFP4" else (2**14, 40)), 0.02)


def test_far_outliers_set_the_unit_of_their_tensor():
    check_blocks(StudentT(2, 1e3), "NVFP4", 2**12, 600, 0.05)


def check_blocks(law, name, size, tensors, enough):
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(tensors):
        w = law.ppf(rng.random((size // BY_NAME[name].block, BY_NAME[name].block)))
        left = np.where(literal_mask(BY_NAME[name], w), w, 0.0)
        errors.append(np.mean((w - literal_blocks(name.rpartition(" + ")[2], left)) ** 2))
    mean, spread = np.mean(errors), np.std(errors) / np.sqrt(tensors)
    found = format_laws.format_error(law, BY_NAME[name], size)
    assert found == pytest.approx(mean, abs=4 * spread)
    assert spread < enough * mean


@pytest.mark.parametrize("law", [Gaussian(), StudentT(2, 1e6)], ids=repr)
def test_powers_of_two_by_the_exponents_that_a_weight_can_meet(law):
    """Given the weight, its block has maximum exponent k with probability G(2^(k+1))^(B-1) - G(2^k)^(B-1)."""
    form, total = BY_NAME["MXFP4"], 0.0
    values, thresholds = [0, 0.5, 1, 1.5, 2, 3, 4, 6], [0, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, math.inf]

    def lost(scale, low, high):  # E[(|w| - nearest)^2; low < |w| < high], cell by cell
        edges, levels = np.clip(scale * np.array(thresholds), low, high), scale * np.array(values)
        mass, first, second = (law.partial_moment(k, edges[:-1], edges[1:]) for k in range(3))
        return 2 * float(np.sum(second - 2 * levels * first + levels**2 * mass))

    for k in range(-12, 21):
        low, high = (1 - 2 * law.tail(np.array([2.0**e]))[0][0] for e in (k, k + 1))
        small, large = lost(2.0 ** (k - 2), 0.0, 2.0**k), lost(2.0 ** (k - 2), 2.0**k, 2.0 ** (k + 1))
        total += (high**31 - low**31) * small + high**31 * large
    assert format_laws.format_error(law, form) == pytest.approx(total, rel=1e-8)


@pytest.mark.parametrize("law", [Gaussian(), StudentT(2, 1e4), StudentT(1, 1e6)], ids=repr)
def test_few_nodes_average_the_peak(law, monkeypatch):
    found = format_laws.format_snr(law, BY_NAME["NVFP4"])
    monkeypatch.setattr(format_laws, "_PEAKS", np.polynomial.legendre.leggauss(16))
    assert found == pytest.approx(format_laws.format_snr(law, BY_NAME["NVFP4"]), abs=0.003)


@pytest.mark.parametrize("size", [16, 64])
def test_small_tensors_hold_their_peak_among_few_blocks(size):
    w = np.random.default_rng(4).standard_normal((20_000, size // 16, 16))
    errors = [np.mean((one - literal_blocks("NVFP4", one)) ** 2) for one in w]
    found = format_laws.format_error(Gaussian(), BY_NAME["NVFP4"], size)
    assert found == pytest.approx(np.mean(errors), abs=4 * np.std(errors) / np.sqrt(len(errors)))


@pytest.mark.parametrize("size", [64, 1024])
def test_the_ratio_is_that_of_a_tensor_of_its_size(size):
    """The unit of NVFP4 follows the peak of the tensor: it matters that one is small."""
    form = next(form for form in formats.FORMATS if form.name == "NVFP4")
    error = 10 ** (-format_laws.format_snr(Gaussian(), form, size) / 10)  # of unit variance
    assert error == pytest.approx(format_laws.format_error(Gaussian(), form, size), rel=1e-12)
    large = 10 ** (-format_laws.format_snr(Gaussian(), form) / 10)
    assert abs(error / large - 1) > 5e-4


def test_the_peak_of_two_blocks_is_that_of_the_other_one():
    # E over the largest of its 16 magnitudes, at equal steps of that law's distribution function
    form = BY_NAME["NVFP4"]
    peaks = Gaussian().ppf(0.5 + ((np.arange(20) + 0.5) / 20) ** (1 / 16) / 2)
    expected = np.mean([format_laws._peak_error(Gaussian(), form, float(peak)) for peak in peaks])
    assert format_laws.format_error(Gaussian(), form, 32) == pytest.approx(expected, rel=5e-5)


@pytest.mark.parametrize("law", [Gaussian(), Laplace()], ids=repr)
def test_the_largest_of_a_block_counts_in_its_own_group(law):
    # one of every two kept, four to a block: a third of the other weights share the group of the largest
    form = formats.Format("small", "symmetric2", 2, block=4, keep=1, group=2)
    w = law.ppf(np.random.default_rng(6).random((100_000, 4)))
    left = np.where(literal_mask(form, w), w, 0.0)
    scale = np.abs(w).max(axis=1, keepdims=True)
    errors = np.mean((w - scale * np.rint(left / scale)) ** 2, axis=1)
    found = format_laws.format_error(law, form)
    assert found == pytest.approx(np.mean(errors), abs=4 * np.std(errors) / np.sqrt(len(errors)))


MASKS = [{}, {"sparsity": 0.25}, {"sparsity": 0.75}, {"keep": 1, "group": 2}]


@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("scale", ["free", "power"])
@pytest.mark.parametrize(("codes", "low", "high"), [("symmetric3", -3, 3), ("flipped2", -2, 1)])
@pytest.mark.parametrize("cells", [(400, 408), (64, 72, 80)], ids=len)
def test_laws_of_small_blocks_by_every_block_of_a_lattice(cells, codes, low, high, scale, mask):
    """Many of them keep one weight only, or none; numbers of cells that differ leave no two weights equal."""
    size = len(cells)
    if size % mask.get("group", 1) or (codes, scale) == ("flipped2", "power"):
        return
    w = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n * 2 - 1 for n in cells]), axis=-1).reshape(-1, size)
    place = np.abs(w).argmax(axis=1)[:, None]
    largest = np.take_along_axis(w, place, axis=1)
    kept = np.arange(size) == place if "group" in mask else np.abs(w) > mask.get("sparsity", 0)
    s = largest / low if scale == "free" else 2.0 ** (np.floor(np.log2(np.abs(largest))) - 1)
    q = np.where(kept, s * np.clip(np.rint(w / s), low, high), 0)
    form = formats.Format("small", codes, 3, block=size, scale=scale, **mask)
    assert format_laws.format_error(Uniform(1.0), form) == pytest.approx(np.mean((w - q) ** 2), rel=4e-3)


@pytest.mark.parametrize("law", [Gaussian(0.3), Uniform(1.0), StudentT(3, 40)], ids=repr)
def test_a_block_of_one_with_a_power_of_two(law):
    # brute force over the weight: scale 2^(floor(log2 |w|) - 2) from exact exponents, nearest of +-{..., 6}
    form = formats.Format("one", "e2m1", 4, block=1, scale="power")
    u = (np.arange(400_000) + 0.5) / 400_000
    w = np.abs(law.ppf(0.5 + u / 2))
    scale = np.ldexp(1.0, np.frexp(w)[1] - 1 - 2)
    x = w / scale  # in [4, 8)
    nearest = np.where(x < 5, 4.0, 6.0)
    expected = np.mean((x - nearest) ** 2 * scale**2)
    assert format_laws.format_error(law, form) == pytest.approx(expected, rel=5e-4)  # of a midpoint rule
    for scale_kind in ("free", "e4m3"):
        one = formats.Format("one", "e2m1", 4, block=1, scale=scale_kind)
        assert format_laws.format_error(law, one) < 0.01 * law.second_moment


def test_power_scales_next_to_powers_of_two():
    form = BY_NAME["MXFP4"]  # largest level 6: exponent 2
    for exponent in range(-1060, 1020):
        power = math.ldexp(1.0, exponent)
        just_below = np.array([np.nextafter(power, 0), power, np.nextafter(power, np.inf)])
        found = formats.block_scale(form, just_below, 0.0)
        if exponent > -1022:  # below, the neighbour of a power is no ulp away
            expected = [
                math.ldexp(1.0, exponent - 3),
                math.ldexp(1.0, exponent - 2),
                math.ldexp(1.0, exponent - 2),
            ]
            np.testing.assert_array_equal(found, expected)
    assert formats.block_scale(form, np.array([0.0, 5e-324]), 0.0).tolist() == [0.0, 0.0]


def test_keeping_all_of_a_group_loses_nothing():
    form = formats.Format("4:4", "", 16, keep=4, group=4)
    assert format_laws.format_error(Gaussian(), form) == 0.0
    assert format_laws.format_snr(Gaussian(), form) == math.inf
    for name in ("Q4_0", "MXFP4"):  # nor anything more in blocks
        whole = replace(BY_NAME[name], name=f"4:4 + {name}", keep=4, group=4)
        assert format_laws.format_error(Gaussian(), whole) == format_laws.format_error(
            Gaussian(), BY_NAME[name]
        )


def test_normal_float_has_seven_levels_below_zero_and_eight_above():
    levels = formats.normal_float_levels()
    assert (levels < 0).sum() == 7 and (levels > 0).sum() == 8 and levels.size == 16


@pytest.mark.parametrize("law", [Gaussian(0.3), Laplace(), StudentT(2, 30)], ids=repr)
@pytest.mark.parametrize("name", ["2:4", "2:8", "2:4 + INT4", "2:4 + FP8 E4M3"])
def test_laws_of_groups_agree_with_drawn_weights(law, name):
    form = BY_NAME[name]
    u, kept = literal_groups(form)
    w = law.ppf(0.5 + u / 2)
    q = np.where(kept, w, 0.0)
    if form.codes:
        scale = sims_snr.optimal_scale(w[kept], form.levels).scale
        q[kept] = sims_snr.quantize(w[kept], form.levels, scale)
    tolerance = 0.12 if isinstance(law, StudentT) else 0.02
    assert format_laws.format_snr(law, form) == pytest.approx(
        decibel(np.mean(w**2), np.mean((w - q) ** 2)), abs=tolerance
    )


@pytest.mark.parametrize(("keep", "group"), [(1, 2), (2, 4), (1, 8), (7, 8)])
def test_groups_are_pruned_at_a_random_sparsity(keep, group):
    """What n:m pruning keeps of every magnitude quantile is the distribution function of Beta(m - n, n)."""
    from scipy import stats

    u, kept = literal_groups(formats.Format("x", "", 16, keep=keep, group=group))
    counts, edges = np.histogram(np.abs(u[kept]), bins=20, range=(0, 1))
    beta = stats.beta(group - keep, keep)
    expected = [beta.expect(lambda c, a=a, b=b: max(0, b - max(a, c))) for a, b in itertools.pairwise(edges)]
    assert counts / u.size == pytest.approx(expected, abs=5 / np.sqrt(u.size))
    law = Gaussian()
    random = beta.expect(lambda c: pruning_error(law, c))
    assert format_laws.group_pruning_error(law, keep, group) == pytest.approx(random, rel=1e-7)


def test_rounding_after_group_pruning_has_its_limits():
    """Fine values leave the pruning error alone; groups of one, all kept, are plain rounding."""
    for law in (Gaussian(), StudentT(2, 30)):
        fine = formats.Format("x", "int12", 12, keep=1, group=4)
        assert format_laws.format_error(law, fine) == pytest.approx(
            format_laws.group_pruning_error(law, 1, 4), rel=1e-3
        )
        whole = formats.Format("x", "int4", 4, keep=4, group=4)
        assert format_laws.format_error(law, whole) == format_laws.format_error(law, BY_NAME["INT4"])
        # large groups know their law: cutting half of each tends to cutting below the median
        limit = format_laws.format_error(law, BY_NAME["prune 50 % + INT8"])
        gaps = [
            format_laws.format_error(law, formats.Format("x", "int8", 8, keep=m // 2, group=m)) / limit - 1
            for m in (16, 64, 256)
        ]
        assert gaps == pytest.approx([gaps[2] * 16, gaps[2] * 4, gaps[2]], rel=0.15) and 0 < gaps[2] < 0.02


def test_scales_in_e4m3_are_within_a_sixteenth_and_reach_down_to_subnormals():
    form, peak = BY_NAME["NVFP4"], 3.0
    largest = peak * np.geomspace(2.0**-20, 1, 4001)
    exact, scale = largest / form.levels[-1], formats.block_scale(form, largest, peak)
    codes = scale * form.levels[-1] * 448 / peak
    levels = formats.codebook("e4m3").levels
    assert np.abs(codes[:, None] - levels).min(axis=1).max() < 1e-12 and codes.max() == 448
    normal = exact * form.levels[-1] * 448 / peak >= 2.0**-6
    assert np.all(np.abs(scale / exact - 1)[normal] <= 2.0**-4 + 1e-12)
    assert scale[0] == 0 and np.all(np.diff(scale) >= 0)
    assert np.all(formats.block_scale(form, np.zeros(2), 0.0) == 0)
    # a far outlier sends the blocks of a light law to zero
    assert format_laws._peak_error(Gaussian(), form, 1e8) == pytest.approx(1.0)


def test_published_tables():
    np.testing.assert_allclose(formats.normal_float_levels(), NF4, atol=1e-6)
    assert formats.float_levels(2, 1).tolist()[7:] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    e4m3 = formats.float_levels(4, 3, 448)
    assert e4m3[-1] == 448 and np.min(e4m3[e4m3 > 0]) == 2.0**-9
    e5m2 = formats.float_levels(5, 2, 57344)
    assert e5m2[-1] == 57344 and np.min(e5m2[e5m2 > 0]) == 2.0**-16
    with pytest.raises(ValueError, match="at most 24 bits beside the sign, got 25"):
        formats.float_levels(8, 17)
    assert formats.float_levels(2, 3)[-1] == 7.5 and formats.float_levels(3, 2)[-1] == 28


def test_stored_bits_count_the_metadata():
    expected = {f"INT{b}": b for b in range(2, 9)}
    expected |= {f"INT{b} g128": b + 16 / 128 for b in (2, 3, 4, 6, 8)}
    expected |= {"FP4 E2M1": 4, "FP8 E4M3": 8, "FP8 E5M2": 8, "NF4 b64": 4 + 16 / 64, "NVFP4": 4 + 8 / 16}
    blocks_of_32 = {
        "MXFP4": 4,
        "MXFP6 E2M3": 6,
        "MXFP6 E3M2": 6,
        "MXINT8": 8,
        "MXFP8 E4M3": 8,
        "MXFP8 E5M2": 8,
    }
    expected |= {name: bits + 8 / 32 for name, bits in blocks_of_32.items()}
    expected |= {f"INT4 g{n}": 4 + 16 / n for n in (64, 32)}
    # a zero point of the codes' width beside the scale; blocks of 32 with a half scale, or scale and minimum
    expected |= {f"INT{b} g128 asym": b + (16 + b) / 128 for b in (2, 3, 4, 8)}
    expected |= {f"INT4 g{n} asym": 4 + (16 + 4) / n for n in (64, 32)}
    expected |= {"Q4_0": 4 + 16 / 32, "Q5_0": 5 + 16 / 32, "Q8_0": 8 + 16 / 32, "Q4_1": 4 + 1, "Q5_1": 5 + 1}
    expected |= {"NF4 b64 float32": 4 + 32 / 64, "NF4 b64 double": 4 + 8 / 64 + 32 / (64 * 256)}
    # positions of two bits among four, of three among eight
    expected |= {"2:4": 2 * 18 / 4, "1:4": 18 / 4, "4:8": 4 * 19 / 8, "2:8": 2 * 19 / 8}
    expected |= {"2:4 + INT4": 2 * 6 / 4, "2:4 + INT8": 2 * 10 / 4, "2:4 + FP8 E4M3": 2 * 10 / 4}
    expected |= {"prune 50 %": 1 + 16 / 2, "prune 75 %": 1 + 16 / 4, "prune 87.5 %": 1 + 16 / 8}
    expected |= {f"prune 50 % + INT{b}": 1 + b / 2 for b in (4, 6, 8)}
    # a bit of mask a weight, or two for what 2:4 keeps; codes of half the weights; scales as they were
    shared = {"INT4 g128": 16 / 128, "Q4_0": 16 / 32, "NF4 b64": 16 / 64, "NVFP4": 8 / 16, "MXFP4": 8 / 32}
    for mask in ("prune 50 %", "2:4"):
        expected |= {f"{mask} + {name}": 1 + 4 / 2 + bits for name, bits in shared.items()}
        expected |= {f"{mask} + MXFP8 E4M3": 1 + 8 / 2 + 8 / 32}
    expected |= {"prune 50 % + INT4 g128 asym": 1 + 4 / 2 + 20 / 128}
    assert {form.name: form.stored_bits for form in formats.FORMATS} == expected


def test_pruning_then_rounding_tends_to_pruning_with_fine_values():
    law = Gaussian()
    coarse, fine = BY_NAME["prune 50 % + INT4"], formats.Format("x", "int12", 12, sparsity=0.5)
    pruned = format_laws.format_error(law, BY_NAME["prune 50 %"])
    assert format_laws.format_error(law, fine) == pytest.approx(pruned, rel=1e-5)
    assert format_laws.format_error(law, coarse) > pruned


def test_per_tensor_integers_are_the_quantizer_of_the_paper():
    assert format_laws.format_snr(Gaussian(), BY_NAME["INT5"]) == pytest.approx(
        quantization_snr(Gaussian(), 5)
    )


def test_truncated_law_is_the_conditional_law():
    law, inside = Gaussian(2), Truncated(Gaussian(2), 3.0)
    mass = float(law.partial_moment(0, -3, 3))
    for order, low, high in ((0, -1, 2), (2, 0.5, 9), (4, -9, 9)):
        expected = float(law.partial_moment(order, max(low, -3), min(high, 3))) / mass
        assert float(inside.partial_moment(order, low, high)) == pytest.approx(expected, rel=1e-12)
    probability, first = inside.tail(np.array([0.0, 1.0, 3.5]))
    assert probability[0] == pytest.approx(0.5) and probability[2] == first[2] == 0
    assert float(inside.cdf(inside.ppf(0.9))) == pytest.approx(0.9) and inside.ppf(1.0) == 3
    with pytest.raises(TypeError, match="symmetric"):
        Truncated(Empirical([1.0]), 1.0)


def test_formats_refuse_what_has_no_law():
    with pytest.raises(TypeError, match=r"symmetric about zero.* sims.weights"):
        format_laws.format_error(Empirical([1.0, 2.0]), BY_NAME["INT4"])
    for wrong, message in (
        ({"keep": 5, "group": 4}, "1 <= keep <= group"),
        ({"group": 4}, "1 <= keep <= group"),
        ({"sparsity": 0.5, "keep": 2, "group": 4}, "exclude each other"),
        ({"block": 30, "keep": 2, "group": 4}, "must hold whole n:m groups, got blocks of 30, groups of 4"),
        ({"block": 32, "scale": "bogus"}, "scale must be"),
        ({"block": 32, "offset": "float", "rule": "search"}, "a block with any offset has its own ends"),
        ({"keep": 1}, "1 <= keep <= group"),
        ({"sparsity": 1.0}, "sparsity must lie"),
    ):
        with pytest.raises(ValueError, match=message):
            formats.Format("x", "int4", 4, **wrong)
    for blocks in ({}, {"block": 32}, {"block": 32, "keep": 2, "group": 4}, {"block": 32, "sparsity": 0.5}):
        with pytest.raises(ValueError, match="no format"):
            formats.Format("x", "", 16, **blocks)
    for size in (0, 15, 16.5):
        with pytest.raises((TypeError, ValueError), match="size must be an integer >= 16"):
            format_laws.format_error(Gaussian(), BY_NAME["NVFP4"], size)
    assert format_laws.format_snr(Gaussian(), BY_NAME["NVFP4"], 10**18) == pytest.approx(20.45, abs=0.05)
    for name in ("int99x", "odd4", "int", ""):
        with pytest.raises(ValueError, match=f"no codebook '{name}'"):
            formats.codebook(name)
    with pytest.raises(ValueError, match="keep must be an integer from 1 to 4"):
        format_laws.group_pruning_error(Gaussian(), 5, 4)


# --- limits ----------------------------------------------------------------------------------------------


def test_lloyd_max_reaches_the_published_gaussian_table():
    # Max 1960, Table I: 4.40, 9.30, 14.62, 20.22 dB at 1-4 bits
    for bits, value in ((1, 4.40), (2, 9.30), (3, 14.62), (4, 20.22)):
        assert snr_limits.lloyd_max_snr(Gaussian(), bits) == pytest.approx(value, abs=0.005)


@pytest.mark.parametrize("law", [Gaussian(1.5), Laplace(), StudentT(2, 30)], ids=repr)
def test_lloyd_max_is_stationary_and_beats_uniform_levels(law):
    for bits in (2, 5, 8):
        levels = snr_limits.lloyd_max(law, 2**bits)
        edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
        means = law.partial_moment(1, edges[:-1], edges[1:]) / law.partial_moment(0, edges[:-1], edges[1:])
        np.testing.assert_allclose(means, levels, rtol=1e-6, atol=1e-9)
        assert snr_limits.lloyd_max_snr(law, bits) >= quantization_snr(law, bits)


def test_high_rate_laws_approach_their_quantizers():
    gaps = [
        abs(snr_limits.lloyd_max_snr(Gaussian(), b) - snr_limits.panter_dite_snr(Gaussian(), b))
        for b in (4, 6, 8)
    ]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] and gaps[2] < 0.04
    # the loss of the uniform quantizer grows without end, as its asymptotic law says
    gaps = [abs(quantization_snr(Gaussian(), b) - snr_limits.uniform_gaussian_snr(b)) for b in (8, 12, 16)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert snr_limits.panter_dite_snr(Gaussian(), 3) - 3 * snr_limits.DECIBEL_PER_BIT == pytest.approx(
        -10 * np.log10(np.sqrt(3) * np.pi / 2), abs=1e-3
    )


@pytest.mark.parametrize(
    "law", [StudentT(2, 1e3), StudentT(2, 1e6), StudentT(1, 1e4), StudentT(3, 1e9)], ids=repr
)
def test_panter_dite_is_the_limit_of_lloyd_max_for_heavy_tails(law):
    gaps = [snr_limits.panter_dite_snr(law, b) - snr_limits.lloyd_max_snr(law, b) for b in (6, 8, 10)]
    assert gaps[0] < gaps[1] < gaps[2] < 0.0
    assert gaps[2] > -0.03


@pytest.mark.parametrize("sparsity", [0.5, 0.999, 0.99999])
@pytest.mark.parametrize("codes", ["int1", "int2", "int3", "e2m1"])
@pytest.mark.parametrize(
    "law", [Gaussian(), Uniform(1.0), StudentT(2, 100), StudentT(2, 1e4), StudentT(3, 1e5)], ids=repr
)
def test_pruning_then_rounding_finds_the_best_step(law, codes, sparsity):
    form = formats.Format("cut", codes, 4, sparsity=sparsity)
    levels = formats.codebook(codes)
    threshold = float(law.ppf(0.5 + sparsity / 2))
    cut = Truncated(law, threshold)
    scales = np.geomspace(threshold / 100, 1e4 * threshold, 4001) / np.abs(levels.levels).max()  # brute force
    kept = quantization_error(law, levels, scales) - sparsity * quantization_error(cut, levels, scales)
    best = pruning_error(law, sparsity) + float(kept.min())
    assert format_laws.format_error(law, form) <= best * (1 + 1e-4)


@pytest.mark.parametrize(
    ("law", "codes", "sparsity"),
    [
        (Laplace(), "nf4", 0.9359475235228313),
        (Gaussian(), "e2m1", 0.9295054555659757),
        (Truncated(Laplace(), 5.51232566244668), "int4", 0.9958024280199178),
    ],
    ids=str,
)
def test_the_best_of_several_valleys_is_followed_down(law, codes, sparsity):
    """Valleys whose order on a grid is not that of their bottoms: every one of them is scanned here."""
    levels = formats.codebook(codes)
    threshold = law.magnitude_quantile(sparsity)
    cut = Truncated(law, threshold)

    def kept(scales):
        return quantization_error(law, levels, scales) - sparsity * quantization_error(cut, levels, scales)

    step = 0.002
    scales = threshold * np.exp(np.arange(-3.0, 4.0, step)) / np.abs(levels.levels).max()
    height = kept(scales)
    inner = np.flatnonzero((height[1:-1] <= height[:-2]) & (height[1:-1] <= height[2:])) + 1
    best = min(float(kept(scales[k] * np.exp(np.linspace(-step, step, 201))).min()) for k in inner)
    form = formats.Format("cut", codes, 4, sparsity=sparsity)
    found = format_laws.format_error(law, form)
    assert found == pytest.approx(pruning_error(law, sparsity) + best, rel=2e-8)


def test_entropy_coding_loses_less_at_low_rate():
    losses = []
    for step in (0.05, 3.5, 5.0):
        bits, snr = snr_limits.entropy_coded(Gaussian(), step)
        losses.append(snr_limits.rate_distortion_snr(bits) - snr)
    assert losses == pytest.approx([snr_limits.ENTROPY_CODED_LOSS, 0.888, 0.203], abs=1e-3)


def test_nothing_beats_the_shannon_bound():
    for law in (Gaussian(), Laplace(), Uniform()):
        for step in (0.1, 0.5, 1.5):
            bits, snr = snr_limits.entropy_coded(law, step)
            assert snr <= snr_limits.shannon_bound_snr(law, bits) + 1e-9
    assert snr_limits.differential_entropy(Gaussian()) == pytest.approx(
        0.5 * np.log2(2 * np.pi * np.e), rel=1e-9
    )
    assert snr_limits.differential_entropy(Laplace()) == pytest.approx(np.log2(2 * np.e), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snr_limits.rate_distortion_snr(-1), "bits must be at least 0"),
        (lambda: snr_limits.lloyd_max(Gaussian(), 3), "count must be an even integer"),
        *(
            (lambda step=step: snr_limits.entropy_coded(Gaussian(), step), "step must be positive")
            for step in (0, -0.5, math.inf, math.nan)
        ),
        (lambda: Codebook(np.array([np.nan])), "levels must be finite"),
    ],
)
def test_bad_limits_are_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bits", [2, 4])
def test_a_whole_tensor_searches_its_step_and_offset_by_either_rule(bits):
    """Those of least error are what the format asks for; blocks take their ends instead."""
    searched, other = (
        formats.Format("x", f"uint{bits}", bits, offset="float", rule=rule) for rule in ("search", "max")
    )
    assert searched.stored_bits == other.stored_bits == bits
    found = format_laws.format_error(Laplace(), searched)
    assert found == format_laws.format_error(Laplace(), other) > 0
