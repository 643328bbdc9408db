"""The table of formats against what their names and specifications say."""

import math
import re

import numpy as np
import pytest

from theory.distributions import Gaussian
from theory.formats import FORMATS, SEARCHED, WITHOUT_LAW, Format, block_scale, float_levels
from theory.formats.formats import codebook, double_quantized
from theory.formats.laws import format_error, shrunk_error
from theory.formats.searched import ray_error

# Bits of a code, levels, block, and bits that a block shares, as published: MX and NVFP4 by their
# specifications, Q*_* by llama.cpp's block structs, NF4 by QLoRA, FP8 without infinities and NaN.
PUBLISHED = {
    "FP4 E2M1": (4, 15, 0, 0), "FP8 E4M3": (8, 253, 0, 0), "FP8 E5M2": (8, 247, 0, 0),
    "MXFP4": (4, 15, 32, 8), "MXFP6 E2M3": (6, 63, 32, 8), "MXFP6 E3M2": (6, 63, 32, 8),
    "MXINT8": (8, 255, 32, 8), "MXFP8 E4M3": (8, 253, 32, 8), "MXFP8 E5M2": (8, 247, 32, 8),
    "NVFP4": (4, 15, 16, 8), "Q4_0": (4, 16, 32, 16), "Q4_1": (4, 16, 32, 32), "Q5_0": (5, 32, 32, 16),
    "Q5_1": (5, 32, 32, 32), "Q8_0": (8, 255, 32, 16), "NF4 b64": (4, 16, 64, 16),
    "NF4 b64 float32": (4, 16, 64, 32), "NF4 b64 double": (4, 16, 64, 8 + 32 / 256),
}  # fmt: skip


def expected(name):
    """The same of any name without a mask; of "" what is kept stays as it is, in 16 bits."""
    if not name or name in PUBLISHED:
        return PUBLISHED.get(name, (16, 0, 0, 0))
    found = re.fullmatch(r"INT(\d)(?: g(\d+))?( asym)?", name)
    bits, group = int(found[1]), int(found[2] or 0)
    # a float16 scale, an integer zero point beside it; in blocks without one the codes are symmetric
    shared = 16 * bool(group) + (bits if found[3] else 0)
    return bits, 2**bits - bool(group and not found[3]), group, shared


@pytest.mark.parametrize("form", [*FORMATS, *WITHOUT_LAW], ids=lambda form: form.name)
def test_a_format_is_what_its_name_says(form):
    mask, _, name = form.name.rpartition(" + ")
    if "%" in name or ":" in name:
        mask, name = name, ""
    bits, levels, block, shared = expected(name.removesuffix(" mse"))
    kept, masked = 1.0, 0.0
    if ":" in mask:
        n, m = map(int, mask.split(":"))
        assert (form.keep, form.group) == (n, m)
        kept, masked = n / m, n * math.ceil(math.log2(m)) / m
    elif mask:
        share = float(mask.removeprefix("prune ").removesuffix(" %")) / 100
        assert form.sparsity == share
        kept, masked = 1 - share, 1.0
    assert form.bits == bits and form.block == block and form.rule == ("search" if "mse" in name else "max")
    assert form.stored_bits == kept * bits + masked + (shared / block if block else 0)
    assert not name or len(form.levels) == levels


def test_names_are_unique_and_those_of_practice():
    names = [form.name for form in (*FORMATS, *SEARCHED)]
    assert len(set(names)) == len(names)
    assert set(names) >= {*PUBLISHED, *(f"INT{b}" for b in range(2, 9))}
    assert set(names) >= {f"INT{b} g128" for b in (2, 3, 4, 6, 8)} | {"INT4 g64", "INT4 g32"}
    assert set(names) >= {f"INT{b} g128 asym" for b in (2, 3, 4, 8)} | {"INT4 g64 asym", "INT4 g32 asym"}
    assert {"2:4", "1:4", "4:8", "2:8", "prune 50 %", "prune 75 %", "prune 87.5 %"} <= set(names)


def test_scales_of_a_block_in_e4m3_are_nearest_ties_below_and_small_ones_nothing():
    # the peak 6 * 448 makes the unit 1: a scale is the E4M3 number nearest to largest / 6
    form = next(form for form in FORMATS if form.name == "NVFP4")
    least = 2.0**-9  # the smallest subnormal; from 16 on numbers are 2 apart, from 256 on 32
    wanted = {
        0.0: 0.0, 0.4 * least: 0.0, 0.5 * least: 0.0, 0.6 * least: least, 1.5 * least: least,
        1.6 * least: 2 * least, 17.0: 16.0, 17.1: 18.0, 272.0: 256.0, 273.0: 288.0, 431.0: 416.0,
        433.0: 448.0, 448.0: 448.0,
    }  # fmt: skip
    found = block_scale(form, 6 * np.array(list(wanted)), 6 * 448.0)
    assert found.tolist() == list(wanted.values())
    assert block_scale(form, np.zeros(2), 0.0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["MXFP4", "MXINT8", "MXFP8 E4M3"])
def test_powers_of_two_as_scales_at_their_ends(name):
    # the exponents of 6, 127 and 448 are 2, 6 and 8
    form = next(form for form in FORMATS if form.name == name)
    exponent = {"MXFP4": 2, "MXINT8": 6, "MXFP8 E4M3": 8}[name]
    largest = np.array([1.0, np.nextafter(1, 0), np.nextafter(2, 0), 2.0, 0.0, 2.0**-200])
    expected = np.array([1.0, 0.5, 1.0, 2.0, 0.0, 2.0**-200]) * 2.0**-exponent
    assert block_scale(form, largest, 8.0).tolist() == expected.tolist()


# Bits that a block of 4-bit codes shares: a scale alone, beside any number for an offset, beside a code for
# zero. Numbers of 16, 32 and 8 bits; a double one is a byte and 1/256 of a float32 number.
SHARED = {
    "free": (16, 32, 20),
    "half": (16, 32, 20),
    "float32": (32, 64, 36),
    "double": (8.125, 16.25, 12.125),
    "power": (8, 16, 12),
    "e4m3": (8, 16, 12),
}


@pytest.mark.parametrize("scale", SHARED)
@pytest.mark.parametrize(("offset", "which"), [("", 0), ("float", 1), ("zero", 2)])
def test_a_block_of_any_kind_shares_what_its_scale_and_offset_take(scale, offset, which):
    shared = SHARED[scale][which]
    form = Format("x", "uint4" if offset else "symmetric4", 4, block=32, scale=scale, offset=offset)
    assert form.scale_bits + form.offset_bits == shared
    assert form.stored_bits == 4 + shared / 32
    # 80 weights: two blocks and a half, which takes a scale and an offset as well
    assert form.stored_bits_in_rows(80) * 80 == pytest.approx(80 * 4 + 3 * shared, rel=1e-14)
    # what is left of a block shares the same: a mask and half the codes; two codes with two bits each of four
    assert form.after(sparsity=0.5).stored_bits == 1 + 4 / 2 + shared / 32
    assert form.after(2, 4).stored_bits == 2 * (4 + 2) / 4 + shared / 32
    assert form.after(2, 4).stored_bits_in_rows(80) * 80 == pytest.approx(80 * 3 + 3 * shared, rel=1e-14)


def test_the_levels_of_half_precision_are_its_finite_numbers():
    """All of NumPy's float16, of which -0 and 0 are one."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(float)
    expected = np.unique(every[np.isfinite(every)])
    np.testing.assert_array_equal(float_levels(5, 10, 65504), expected)


def test_formats_that_have_no_block_scale_are_said_so():
    signs = Format("signs", "int1", 1, block=32)  # {-1, 0}
    for find in (
        lambda: format_error(Gaussian(), signs),
        lambda: block_scale(signs, np.array([1.0]), 1.0),
        lambda: shrunk_error(Gaussian(), signs, 0.5),
    ):
        with pytest.raises(ValueError, match="signs: a block's scale needs a positive last level, got 0"):
            find()
    for form in (Format("plain", "int4", 4), Format("plain", "uint4", 4, block=32, offset="float")):
        with pytest.raises(ValueError, match="plain: a factor is that of a block's scale"):
            shrunk_error(Gaussian(), form, 0.9)


def test_empty_scales_and_limits_that_are_no_number():
    with np.errstate(all="raise"):
        assert double_quantized(np.zeros((0, 3))).shape == (0, 3)
    for largest in (-1.0, math.nan):
        with pytest.raises(ValueError, match="largest must be a number of at least 0"):
            float_levels(2, 1, largest)
    with pytest.raises(
        ValueError, match="log_rays must be at least log 2, that of two rays, and finite, got inf"
    ):
        ray_error(2, math.inf)
    assert not np.signbit(codebook("flipped4").levels[codebook("flipped4").levels == 0]).any()
