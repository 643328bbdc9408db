import dataclasses
import math
import re

import numpy as np
import pytest

from sims import weights
from sims.weights import formats
from sims.weights.encoding import encode
from sims.weights.masks import pruned
from sims.weights.scales import Values, optimal_scale, quantization_snr, quantize
from theory.distributions import Gaussian
from theory.formats import FORMATS, SEARCHED, Format, block_scale, codebook
from theory.formats.laws import format_snr
from theory.snr import decibel

BY_NAME = {form.name: form for form in FORMATS}


def literal_noise(array, form):
    """Every weight on its own, in plain Python order: rows, blocks, nearest level."""
    kept = np.zeros_like(array)
    peak = np.abs(array).max()
    for row in range(array.shape[0]):
        size = form.group or form.block
        for start in range(0, array.shape[1], size):
            block = array[row, start : start + size]
            if form.group:
                if len(block) == size:
                    chosen = np.argsort(np.abs(block))[form.group - form.keep :]
                    kept[row, start + chosen] = block[chosen]
                else:
                    kept[row, start : start + size] = block
            elif np.abs(block).max() > 0:
                scale = float(block_scale(form, np.abs(block).max(), peak))
                kept[row, start : start + size] = scale and quantize(block, form.levels, scale)
    if form.group and form.block:
        lost = ((array - kept) ** 2).sum() / (array**2).sum()
        block = dataclasses.replace(form, keep=0, group=0)
        return lost + literal_noise(kept, block) * (kept**2).sum() / (array**2).sum()
    if form.group and form.codes:
        left = kept != 0
        kept[left] = quantize(kept[left], form.levels, optimal_scale(kept[left], form.levels).scale)
    return float(((array - kept) ** 2).sum() / (array**2).sum())


@pytest.mark.parametrize(
    "name",
    [
        *("INT4 g128", "NF4 b64", "NVFP4", "MXFP4", "MXFP8 E4M3", "2:4", "2:8", "2:4 + INT4"),
        *("2:4 + FP8 E4M3", "2:4 + NF4 b64", "2:4 + NVFP4", "2:4 + MXFP4"),
    ],
)
def test_blocks_and_groups_are_literal_with_short_ends(name):
    array = np.random.default_rng(0).standard_t(3, size=(5, 150)) * 1e-3
    array[2, :64] = 0
    array[3] *= 1e-5  # below the least E4M3 scale
    assert formats.noise(array, BY_NAME[name]) == pytest.approx(literal_noise(array, BY_NAME[name]), rel=1e-9)


@pytest.mark.parametrize("name", ["int2", "symmetric8", "nf4", "e2m1", "e5m2"])
def test_nearest_level_is_found_beside_every_threshold_and_cell(name):
    """Ulps around the thresholds, the levels and the edges of the table's cells, and far outside."""
    from sims.kernels.formats import CELLS, block_errors

    levels = codebook(name).levels
    cells = levels[0] + np.arange(CELLS + 1) * (levels[-1] - levels[0]) / CELLS
    points = np.concatenate([levels, (levels[1:] + levels[:-1]) / 2, cells, [1e6, -1e6]])
    points = np.concatenate([points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)])
    for x in points:
        found = block_errors(np.array([[x]]), 1, levels, np.ones((1, 1)))[0, 0]
        assert found == pytest.approx(np.min((x - levels) ** 2), rel=1e-9, abs=1e-25), x
    for scale in (1e-200, 0.0):  # no division by what vanishes when squared
        assert block_errors(np.array([[3.0, -4.0]]), 2, levels, np.full((1, 1), scale)) == 25


def test_groups_keep_exactly_n_of_every_m_even_where_magnitudes_tie():
    from sims.kernels.formats import keep_largest

    rows = np.random.default_rng(5).choice([-2.0, -1.0, 1.0, 2.0], size=(40, 22))
    for keep, group in ((1, 2), (2, 4), (3, 5), (8, 8), (2, 30)):
        kept = keep_largest(rows, keep, group) != 0
        whole = rows.shape[1] // group
        assert kept.sum() == rows.shape[0] * (whole * keep + rows.shape[1] % group)
        lost = (rows[~kept] ** 2).sum()
        groups = np.sort(np.abs(rows[:, : whole * group].reshape(-1, group)), axis=1)
        assert lost == (groups[:, : group - keep] ** 2).sum()


def shrunk_ends(block, steps, factor):
    """Error on the integers of the block's range with 0, both ends moved in by a factor."""
    s = factor * (max(block.max(), 0.0) - min(block.min(), 0.0)) / steps
    z = np.rint(-min(block.min(), 0.0) * factor / s)
    return float(np.sum((block - s * (np.clip(np.floor(block / s + 0.5) + z, 0, steps) - z)) ** 2))


@pytest.mark.parametrize(
    "form", [form for form in SEARCHED if not form.codes.startswith("flipped")], ids=lambda form: form.name
)
def test_searched_blocks_try_these_factors_and_no_others(form):
    """The largest magnitude, or the ends, times 1, .95, ..., .6; a power of two once up and once down."""
    array = np.random.default_rng(9).standard_t(3, size=(6, 300))
    array[0, :7] = 0
    array[1, :32] = [4.0, *[0.25] * 31]  # clipping the first is worth a finer grid
    peak, total = np.abs(array).max(), 0.0
    factors = (1 - 0.05 * k for k in range(9)) if form.scale != "power" else (0.5, 1.0, 2.0)
    factors = list(factors)
    for row in array:
        for start in range(0, 300, form.block):
            block = row[start : start + form.block]
            if form.offset:
                errors = [shrunk_ends(block, 15, factor) for factor in factors]
            else:
                scales = [float(block_scale(form, f * np.abs(block).max(), peak)) for f in factors]
                errors = [np.sum((block - quantize(block, form.levels, s)) ** 2) for s in scales]
            total += min(errors)
    assert formats.noise(array, form) == pytest.approx(total / np.sum(array**2), rel=1e-9)


def least_of_any_scale(block, top):
    """Least error on s {-top, ..., top - 1}, s of either sign: codes change where s passes w / (k + 1/2)."""
    edges = np.sort(np.abs(block[:, None] / (np.arange(top) + 0.5)).ravel())
    least = [block @ block]
    for step in [edges[0] / 2, *(edges[1:] + edges[:-1]) / 2]:
        for sign in (1, -1):
            codes = np.clip(np.rint(sign * block / step), -top, top - 1)
            least.append(least[0] - (codes @ block) ** 2 / (codes @ codes))
    return min(least)


@pytest.mark.parametrize("form", [form for form in SEARCHED if form.codes.startswith("flipped")], ids=str)
def test_a_searched_step_of_either_sign_is_the_best_one(form):
    array = np.random.default_rng(7).standard_t(3, size=(3, 80))
    blocks = [row[start : start + form.block] for row in array for start in range(0, 80, form.block)]
    least = sum(least_of_any_scale(block, 2 ** (form.bits - 1)) for block in blocks)
    assert least * (1 - 1e-12) <= formats.noise(array, form) * np.sum(array**2) <= least * (1 + 1e-3)


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_a_single_block_beyond_float16_leaves_nothing(name):
    array = np.random.default_rng(7).normal(size=(2, 64))
    assert formats.noise(array, BY_NAME[name]) < 0.01
    array[1, 32:] *= 2**24
    assert formats.noise(array, BY_NAME[name]) == math.inf


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q8_0"])
def test_rows_of_many_blocks_have_the_errors_of_their_blocks(name):
    blocks = np.random.default_rng(8).normal(size=(2 * 1100, 32))
    expected = formats.noise(blocks, BY_NAME[name])
    assert formats.noise(blocks.reshape(2, -1), BY_NAME[name]) == pytest.approx(expected, rel=1e-9)


def test_a_power_of_two_stays_where_clipping_the_largest_is_cheaper_than_a_coarser_grid():
    """Of 7.8 beside 31 halves: at steps of 1/2, 1, 2 the error is 23.04, 3.24, and more than 31 times 1/4."""
    block = np.array([[7.8] + [0.5] * 31])
    form = next(form for form in SEARCHED if form.name == "MXFP4 mse")
    assert formats.noise(block, form) == pytest.approx((7.8 - 6) ** 2 / (7.8**2 + 31 / 4), rel=1e-9)


def test_the_last_factor_is_three_fifths_where_codes_are_few():
    """Of two bits the ends are moved in far: here six tenths are best in some blocks."""
    rows, total, best = np.random.default_rng(4).normal(size=(6, 128)), 0.0, []
    for block in rows.reshape(-1, 64):
        errors = [shrunk_ends(block, 3, 1 - 0.05 * k) for k in range(9)]
        total += min(errors)
        best.append(int(np.argmin(errors)))
    form = Format("INT2 g64 asym mse", "uint2", 2, block=64, offset="zero", rule="search")
    assert 8 in best and formats.noise(rows, form) == pytest.approx(total / np.sum(rows**2), rel=1e-9)


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "INT4 g32 asym", "NVFP4 mse", "INT4 g32 mse"])
@pytest.mark.parametrize("mask", [{"keep": 2, "group": 4}, {"sparsity": 0.5}], ids=str)
def test_a_pruned_block_has_the_error_of_its_zeros_and_that_of_its_mask(name, mask):
    """Prune, take the format for dense tensors, put the zeros back where it moved them."""
    by_name = BY_NAME | {form.name: form for form in SEARCHED}
    w = np.random.default_rng(6).standard_t(4, size=(8, 96))
    order = np.abs(w).reshape(-1, 4 if "keep" in mask else w.size)
    cut = np.argsort(np.argsort(order, axis=1), axis=1).reshape(w.shape) < order.shape[1] // 2
    left = np.where(cut, 0.0, w)
    form = by_name[name]
    if form.rule == "search":
        lost = formats.noise(left, form) * np.sum(left**2)
    else:
        found = np.where(cut, 0.0, encode(left, form))
        lost = np.sum((left - found) ** 2)
        np.testing.assert_array_equal(encode(w, form.after(**mask)), found)
    expected = (np.sum(w[cut] ** 2) + lost) / np.sum(w**2)
    assert formats.noise(w, form.after(**mask)) == pytest.approx(expected, rel=1e-9)


def test_own_zeros_are_a_bitmask_or_nothing():
    """A quarter of zeros: 1 + 3/4 b bits, where that is less than b."""
    array = np.random.default_rng(3).normal(size=(20, 40))
    array.reshape(-1)[:200] = 0
    found = {one.name: one for one in formats.compare(array)}
    assert found["own zeros"].bits == 13 and found["own zeros"].snr == math.inf
    for bits in range(2, 9):
        one = found[f"own zeros + INT{bits}"]
        assert one.bits == pytest.approx(min(bits, 1 + 0.75 * bits)) and one.snr == found[f"INT{bits}"].snr
    assert found["prune 50 %"].bits == 9  # its own share
    array.reshape(-1)[:500] = 0
    found = {one.name: one for one in formats.compare(array)}
    assert found["prune 50 %"].bits == pytest.approx(1 + 16 * 3 / 8) and found["prune 50 %"].snr == math.inf
    assert found["prune 50 % + INT4"].bits == pytest.approx(1 + 4 * 3 / 8)
    assert found["prune 50 % + NVFP4"].bits == pytest.approx(1 + 4 * 3 / 8 + 3 * 8 / 40)  # three blocks a row


def test_smaller_formats_come_first_and_of_equal_size_the_better():
    found = formats.compare(np.random.default_rng(3).normal(size=(20, 64)))
    keys = [(one.bits, -one.snr) for one in found]
    assert keys == sorted(keys)
    found = formats.compare(np.zeros((2, 4)))  # all of them lose nothing
    alike = [one.name for one in found if one.bits == 4.0]
    assert alike.index("INT4") == 0 and found[-1].name.startswith("prune") is False
    assert {one.snr for one in found} == {math.inf}
    found = formats.compare(
        np.tile([0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0], (4, 8))
    )  # three of four are zero
    alike = [one.name for one in found if one.bits == 5.0 and one.snr == math.inf]
    assert alike.index("INT5") < alike.index("prune 75 %")  # of equals those come first that prune nothing


def test_gaussian_tensors_have_the_ratios_of_their_laws():
    array = np.random.default_rng(1).normal(size=(300, 512))
    for name in (
        "INT3",
        "FP4 E2M1",
        "NF4 b64",
        "NVFP4",
        "MXINT8",
        "2:4",
        "2:4 + INT8",
        "prune 75 %",
        "prune 50 % + INT4",
        "FP8 E5M2",
    ):
        found = decibel(1.0, formats.noise(array, BY_NAME[name]))
        assert found == pytest.approx(format_snr(Gaussian(), BY_NAME[name]), abs=0.06), name


def test_channel_scales_are_the_optimum_of_each_row():
    array = np.random.default_rng(2).laplace(size=(6, 70)) * np.array([1, 2, 3, 10, 20, 0.1])[:, None]
    for bits, found in zip((1, 2, 4, 8), formats.channel_snr(array, (1, 2, 4, 8)), strict=True):
        errors = [(row**2).sum() * 10 ** (-quantization_snr(row, bits) / 10) for row in array]
        assert found == pytest.approx(decibel((array**2).sum(), sum(errors)), abs=1e-5)


@pytest.mark.parametrize("seed", [482, 4750, 2817])
def test_channel_scales_are_the_optimum_to_a_millionth(seed):
    """Against every set of codes that a scale gives; two scales have nearly the same error in these rows."""
    row = np.random.default_rng(seed).standard_t(3.0, size=60)
    halves = np.arange(0.5, 4.0)
    ends = np.sort((np.abs(row)[:, None] / halves).ravel())
    scales = np.append((ends[1:] + ends[:-1]) / 2, 2 * ends[-1])
    codes = np.clip(np.rint(row / scales[:, None]), -4, 3)
    squares = np.maximum((codes**2).sum(axis=1), 1)
    least = np.sum(row**2) - np.max((codes @ row).clip(0) ** 2 / squares)
    (found,) = formats.channel_snr(row[None], [3])
    assert np.sum(row**2) * 10 ** (-found / 10) == pytest.approx(least, rel=3e-6)


def test_short_and_long_rows_have_the_same_certified_errors():
    """Rounding every weight and searching sorted ones are two programs with one answer."""
    from sims.kernels.snr_rows import row_errors

    rng = np.random.default_rng(3)
    widths = np.arange(1, 9)
    for columns in (1, 3, 9, 25, 192, 700):
        rows = rng.standard_t(3, size=(9, columns)) * rng.choice([1e-6, 1, 1e3], size=(9, 1))
        rows[0] = 0
        rows[1] = 0.3
        rows[2] = np.abs(rows[2])
        rows[3] = -np.abs(rows[3])
        rows[4, 0] = 1e4
        rows[5] = np.round(rows[5] / np.abs(rows[5]).max() * 7)
        energy = (rows**2).sum(axis=1, keepdims=True)
        (direct, proved), (sorted_, bound) = (
            row_errors(rows, widths, 1e-6, 200_000, short) for short in (columns, 0)
        )
        for one, low in ((direct, proved), (sorted_, bound)):
            assert np.all(low <= one) and np.all(one - low <= 1.001e-6 * one + 1.1e-13 * energy)
        slack = 1e-12 * energy
        assert np.all(proved <= sorted_ + slack) and np.all(bound <= direct + slack)
        assert np.all(np.abs(direct - sorted_) <= 1.001e-6 * sorted_ + slack)


def test_direct_errors_are_those_of_a_fine_grid_of_scales():
    from sims.kernels.snr_rows import row_errors

    rows = np.random.default_rng(4).laplace(size=(4, 30))
    for bits in (2, 3, 5):
        (found, _) = row_errors(rows, np.array([bits]), 1e-6, 200_000, 30)
        top = 2 ** (bits - 1)
        for row, error in zip(rows, found[:, 0], strict=True):
            steps = np.abs(row).max() / top * np.geomspace(0.02, 4, 20_001)[:, None]
            least = ((row - steps * np.clip(np.rint(row / steps), -top, top - 1)) ** 2).sum(axis=1).min()
            assert least * (1 - 1e-3) <= error <= least * (1 + 1e-6)


def test_metadata_of_short_rows_is_counted():
    found = {one.name: one for one in formats.compare(np.random.default_rng(0).normal(size=(64, 9)))}
    assert found["INT4 per channel"].bits == pytest.approx(4 + 16 / 9)
    assert found["INT4 g128"].bits == pytest.approx(4 + 16 / 9)
    assert found["MXFP4"].bits == pytest.approx(4 + 8 / 9)
    assert found["INT4"].bits == 4
    assert found["2:8"].bits == pytest.approx((8 * 4.75 + 16) / 9)  # the ninth weight is kept whole
    found = {one.name: one for one in formats.compare(np.random.default_rng(0).normal(size=(300, 3)))}
    assert found["2:4 + INT4"].bits == found["INT4"].bits == 4 and found["2:8"].bits == 16
    assert found["2:4 + INT4"].snr == found["INT4"].snr


def test_a_single_weight_may_be_pruned_altogether():
    assert formats.noise(np.array([[3.0]]), BY_NAME["prune 50 % + INT4"]) == 1.0
    assert encode(np.array([[3.0]]), BY_NAME["prune 50 % + INT4"]).tolist() == [[0.0]]


def test_all_zero_and_huge_tensors():
    assert formats.noise(np.zeros((2, 4)), BY_NAME["2:4"]) == 0
    assert formats.channel_snr(np.zeros((2, 4)), [4]) == [math.inf]
    assert formats.channel_snr(np.ones((2, 4)), []) == formats.channel_snr(np.ones((2, 900)), []) == []
    small = np.random.default_rng(0).normal(size=(4, 64))
    for name in ("MXFP4", "NVFP4", "2:4", "2:4 + INT4", "prune 50 % + INT4"):
        assert formats.noise(small * 1e200, BY_NAME[name]) == pytest.approx(
            formats.noise(small, BY_NAME[name]), rel=0.3
        )


def test_a_bitmask_of_zeros_alone_takes_a_bit_a_weight():
    found = {one.name: one for one in formats.compare(np.zeros((4, 256)))}
    assert {one.snr for one in found.values()} == {math.inf}
    for name in ("own zeros", "own zeros + INT2", "own zeros + INT8", "prune 50 %", "prune 50 % + INT4"):
        assert found[name].bits == pytest.approx(1.0, abs=1e-9), name


def test_budget_and_sentences():
    rng = np.random.default_rng(0)
    table = weights.analyse(
        {"a": rng.normal(size=(64, 256)), "b": rng.normal(size=(32, 256))}, [4], every_format=True
    )
    assert table.rows[0].best(4.25).name == "NF4 b64" and table.rows[0].best(1) is None
    assert table.best_format(4.25).startswith(
        "Within 4.25 bits per weight NF4 b64 keeps the most signal: 20."
    )
    assert "prune 50 % + INT6, keeps 11." in table.best_format(4.25)
    assert table.best_format(1) == "No format fits into 1 bits per weight."
    line = table.lines(4.25)[0]
    assert line["verdict"] == "snap" and line["best within 4.25 bits"].startswith("NF4 b64 (20.")
    assert list(table.lines()[0]) == ["tensor", "weights", "kurtosis", "4 bits", "verdict"]
    assert (
        len(table.as_dict()["formats"]) == len(formats.EVERY) + 7 + 3 * 7 + 7 + 3 + 1
    )  # its own zeros are none
    prepared = Values(rng.normal(size=(8, 8)))
    assert prepared.size == 64


def test_zero_points_per_channel_are_literal():
    """Row by row in plain Python: the range of a row and 0, a step, an integer for zero."""
    w = np.random.default_rng(4).gamma(3.0, size=(6, 40)) * np.array([1, -1, 2, 5, 0, 1e-3])[:, None]
    found = {one.name: one for one in formats.channel_affine(w, Values(w))}
    for bits in (2, 4, 8):
        lost = 0.0
        for row in w:
            low, high = min(*row, 0.0), max(*row, 0.0)
            step = (high - low) / (2**bits - 1)
            for x in row if step else ():
                zero = round(-low / step)
                code = min(max(math.floor(x / step + 0.5) + zero, 0), 2**bits - 1)
                lost += (x - step * (code - zero)) ** 2
        one = found[f"INT{bits} per channel asym"]
        assert one.snr == pytest.approx(decibel(float((w**2).sum()), lost), rel=1e-9)
        assert one.bits == bits + (16 + bits) / 40
    assert found["INT4 per channel asym mse"].snr >= found["INT4 per channel asym"].snr
    assert {one.name for one in found.values()} <= {one.name for one in formats.compare(w)}
    assert all(one.snr == math.inf for one in formats.channel_affine(0 * w, Values(0 * w)))


def test_blocks_with_an_offset_and_a_zero_or_a_mask_reach_down_to_it():
    """Thirds of the range from zero, also where a block has no zero: codes of a mask stand for zeros, too."""
    w = np.array([[5.0, 6.0, 7.0, 9.0, 0.1, 0.2, 0.3, 0.4]])
    masked = encode(w, Format("x", "uint2", 2, block=4, offset="float", sparsity=0.5))
    np.testing.assert_allclose(masked, [[6, 6, 6, 9, 0, 0, 0, 0]])
    dense = encode(w, Format("x", "uint2", 2, block=4, offset="float"))
    np.testing.assert_allclose(dense[0, :4], [5, 5 + 4 / 3, 5 + 8 / 3, 9])
    zero = Format("x", "uint2", 2, block=4, offset="zero")
    np.testing.assert_allclose(encode(w, zero)[0, :4], [6, 6, 6, 9])
    np.testing.assert_allclose(encode(-w, zero)[0, :4], [-6, -6, -6, -9])
    w[0, 2] = 7.5  # 1/3 and 1/6 beside levels; the second block is on its own
    noise = formats.noise(w, Format("x", "uint2", 2, block=4, offset="float"))
    assert noise == pytest.approx((1 / 9 + 1 / 36) / (25 + 36 + 56.25 + 81 + 0.3), rel=1e-12)
    short = encode(w[:, :6], Format("x", "uint2", 2, block=4, offset="float"))
    np.testing.assert_allclose(short[0, 4:], [0.1, 0.2])  # the two of the last block are its ends


def test_what_a_row_of_its_own_grid_stores():
    """A scale of 16 bits, and a zero point as wide as the codes or an offset of 16 bits, for 64 weights."""
    found = {
        one.name: one.bits for one in formats.channel_affine(np.random.default_rng(0).normal(size=(3, 64)))
    }
    for bits in range(2, 9):
        assert found.pop(f"INT{bits} per channel asym") == bits + (16 + bits) / 64
        if bits <= 4:
            assert found.pop(f"INT{bits} per channel asym mse") == bits + (16 + bits) / 64
    assert found == {"INT4 per channel + offset": 4 + 32 / 64}


@pytest.mark.parametrize("form", [form for form in formats.EVERY if form.rule == "search"], ids=str)
def test_values_of_a_searched_scale_are_those_of_zeros_alone(form):
    """Zeros are kept by any scale, so that nobody needs to know which was found."""
    assert not encode(np.zeros((2, 64)), form).any()
    with pytest.raises(ValueError, match=rf"^{re.escape(form.name)}: the values of a searched scale are not"):
        encode(np.eye(2, 64), form)


def test_values_may_be_a_list():
    assert encode([[3.0, 1.0, -4.0, 2.0]], BY_NAME["2:4"]).tolist() == [[3, 0, -4, 0]]


@pytest.mark.parametrize("kept", range(1, 12))
def test_pruning_keeps_the_largest_magnitudes_to_the_last_one(kept):
    form = Format("prune", "", 16, sparsity=(12 - kept) / 12)
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(np.arange(1.0, 13)).reshape(3, 4) * (-1) ** seed
        left = encode(rows, form)
        assert sorted(np.abs(left[left != 0])) == list(range(13 - kept, 13))
        assert np.array_equal(left[left != 0], rows[left != 0])


def test_every_sparsity_of_a_large_matrix_keeps_the_largest_magnitudes():
    rows = np.random.default_rng(1).permutation(np.arange(1.0, 2049)).reshape(32, 64)
    for cut in range(1, 2048):
        left = pruned(rows, Format("x", "", 16, sparsity=cut / 2048))
        assert np.array_equal(left, np.where(rows > cut, rows, 0.0))
