"""Laws of grids with an offset against drawn blocks and every other offset."""

import numpy as np
import pytest

from theory.codebooks import Codebook, optimal_scale, quantization_error
from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Uniform
from theory.formats import FORMATS, SEARCHED, Format
from theory.formats.affine import affine_error, affine_snr, block_offset_error
from theory.formats.formats import double_quantized, dynamic_levels
from theory.formats.laws import format_error, format_snr

BY_NAME = {form.name: form for form in FORMATS}


@pytest.mark.parametrize("law", [Gaussian(0.3), Laplace(), StudentT(2, 30), Uniform(2.0)], ids=repr)
@pytest.mark.parametrize(
    "name", ["Q4_0", "Q4_1", "Q5_1", "INT2 g128 asym", "INT4 g32 asym", "INT8 g128 asym"]
)
def test_laws_of_blocks_against_drawn_ones(law, name):
    form = BY_NAME[name]
    w = law.ppf(np.random.default_rng(1).random((8_000, form.block)))
    steps = 2**form.bits - 1
    low, high = w.min(axis=1, keepdims=True), w.max(axis=1, keepdims=True)
    if form.offset == "zero":
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        s = (high - low) / steps
        z = np.rint(-low / s)
        q = s * (np.clip(np.rint(w / s) + z, 0, steps) - z)
    elif form.offset:
        s = (high - low) / steps
        q = low + s * np.rint((w - low) / s)
    else:
        s = np.take_along_axis(w, np.abs(w).argmax(axis=1)[:, None], axis=1) / -8
        q = s * np.clip(np.rint(w / s), -8, 7)
    errors = np.mean((w - q) ** 2, axis=1)
    assert format_error(law, form) == pytest.approx(errors.mean(), abs=4.5 * errors.std() / np.sqrt(8_000))


@pytest.mark.parametrize("law", [Gaussian(0.3), Laplace(), StudentT(2, 30)], ids=repr)
@pytest.mark.parametrize(
    ("name", "sparsity"), [("INT4 g32 asym", 0.5), ("INT2 g128 asym", 0.9), ("Q4_1", 0.75), ("Q5_1", 0.95)]
)
def test_laws_of_pruned_blocks_against_drawn_ones(law, name, sparsity):
    """A threshold of the law, ends of what is kept and zero, one weight after the other; masked zeros."""
    form = BY_NAME[name]
    w = law.ppf(np.random.default_rng(2).random((8_000, form.block)))
    left = np.where(np.abs(w) > law.ppf(0.5 + sparsity / 2), w, 0)
    steps = 2**form.bits - 1
    low = np.minimum(left.min(axis=1, keepdims=True), 0)
    s = (np.maximum(left.max(axis=1, keepdims=True), 0) - low) / steps
    with np.errstate(divide="ignore", invalid="ignore"):
        low = -s * np.rint(-low / s) if form.offset == "zero" else low
        q = np.where(left != 0, low + s * np.clip(np.rint((left - low) / s), 0, steps), 0)
    errors = np.mean((w - q) ** 2, axis=1)
    found = format_error(law, form.after(sparsity=sparsity))
    assert found == pytest.approx(errors.mean(), abs=4.5 * errors.std() / np.sqrt(8_000))


@pytest.mark.parametrize("offset", ["zero", "float"])
@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("size", [2, 3])
def test_laws_of_small_blocks_by_every_block_of_a_lattice(offset, sparsity, size):
    """Blocks of two and three, many of which keep one sign only, or one weight: midpoints of their cells."""
    cells = {2: (400, 408), 3: (64, 72, 80)}[size]  # of different sizes, lest two weights be equal
    w = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n * 2 - 1 for n in cells]), axis=-1).reshape(-1, size)
    left = np.where(np.abs(w) > sparsity, w, 0)
    low, high = left.min(axis=1), left.max(axis=1)
    if offset == "zero" or sparsity:  # zeros share the grid
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    error = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (high - low) / 3
        c = -s * np.rint(-low / s) if offset == "zero" else low
        for column, kept in zip(w.T, left.T, strict=True):
            q = np.where(kept != 0, c + s * np.clip(np.rint((kept - c) / s), 0, 3), 0)
            error += np.mean((column - q) ** 2) / size
    form = Format("two bits", "uint2", 2, block=size, offset=offset, sparsity=sparsity)
    # zero points jump, which Gauss's nodes see to 0.3 %
    assert format_error(Uniform(1.0), form) == pytest.approx(error, rel=5e-3, abs=1e-6)


@pytest.mark.parametrize("size", [2, 3, 32, 1024, 1500, 4096, 2**20])
def test_blocks_of_uniform_weights_between_their_ends_in_closed_form(size):
    """Others are uniform between the ends, in 15 cells of error s^2/12; E R^2 is that of Beta(B - 1, 2)."""
    square = 4 * (size - 1) * size / ((size + 1) * (size + 2))
    form = Format("four bits", "uint4", 4, block=size, offset="float")
    expected = (size - 2) / size * square / 15**2 / 12
    assert format_error(Uniform(1.0), form) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("law", [Gaussian(), Laplace(), Uniform(1.0), StudentT(2, 30)], ids=repr)
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_no_other_offset_is_better(law, bits):
    best = affine_error(law, bits)
    for zero in np.linspace(0, 2**bits - 1, 8 * (2**bits - 1) + 1):
        grid = Codebook(np.arange(2.0**bits) - zero)
        assert float(quantization_error(law, grid, optimal_scale(law, grid))) >= best * (1 - 1e-9)
    whole = [
        float(quantization_error(law, grid, optimal_scale(law, grid)))
        for grid in (Codebook(np.arange(2.0**bits) - z) for z in range(2**bits))
    ]
    assert affine_error(law, bits, zero_point=True) == pytest.approx(min(whole), rel=1e-9)


def test_edges_and_bad_input():
    one = Format("one", "uint4", 4, block=1, offset="float")
    assert format_error(Gaussian(), one) == block_offset_error(Gaussian(), one) == 0
    assert affine_snr(Uniform(1.0), 8) == pytest.approx(20 * 8 * np.log10(2), abs=1e-6)
    with pytest.raises(TypeError, match=r"symmetric about zero"):
        affine_error(Empirical([1.0, 2.0]), 4)
    with pytest.raises(ValueError, match="no law of a searched scale"):
        format_snr(Gaussian(), SEARCHED[0])
    with pytest.raises(ValueError, match="no law of the ends of what n:m keeps"):
        format_snr(Gaussian(), BY_NAME["Q4_1"].after(2, 4))
    assert format_error(Uniform(1.0), one.after(sparsity=0.5)) == pytest.approx(1 / 24, rel=1e-9)
    with pytest.raises(ValueError, match="after pruning an offset belongs to a block"):
        Format("x", "uint4", 4, sparsity=0.5, offset="zero")
    with pytest.raises(ValueError, match="x: rule must be one of max, search, got 'best'"):
        Format("x", "int4", 4, block=32, rule="best")


def test_double_quantization_by_the_definition():
    rng = np.random.default_rng(2)
    scales = np.abs(rng.normal(size=(30, 20))) + 1
    found = double_quantized(scales).ravel()
    flat, levels = scales.ravel(), dynamic_levels()
    for start in range(0, 600, 256):
        part = flat[start : start + 256] - flat.mean()
        peak = np.abs(part).max()
        nearest = levels[np.abs(part[:, None] / peak - levels).argmin(axis=1)]
        np.testing.assert_allclose(found[start : start + 256], nearest * peak + flat.mean(), rtol=1e-12)
    assert np.abs(found / flat - 1).max() < 0.02
    assert double_quantized(np.zeros(5)).tolist() == [0] * 5
    # (0 - 1.5)/3.5 is nearest to a level below it, and no scale is negative
    assert levels[np.abs(levels + 1.5 / 3.5).argmin()] * 3.5 < -1.5
    assert double_quantized(np.array([0.0, 1.0, 0.0, 5.0]))[[0, 2]].tolist() == [0.0, 0.0]
    assert len(np.unique(levels)) == 256


def test_dynamic_levels_decade_by_decade():
    """Decade 10^(e - 6) is cut into 2^e equal cells from a tenth up, whose middles are levels."""
    positive = [10.0 ** (e - 6) * (0.1 + 0.9 * (k + 0.5) / 2**e) for e in range(7) for k in range(2**e)]
    expected = sorted([*positive, *(-x for x in positive), 0.0, 1.0])
    assert dynamic_levels() == pytest.approx(expected, rel=1e-12)


# E (W - Q)^2 of blocks between their ends: the trapezoid rule in the logits of 1 - R and of the lower end's
# share of it, 600 nodes each, cells by partial moments
ENDS = {
    (StudentT(2, 1e4), 32, 2): 2.64156765,
    (StudentT(2, 30), 32, 4): 0.0632809254,
    (Laplace(), 128, 4): 0.0339580589,
    (Gaussian(), 4096, 3): 0.0897618985,
}


@pytest.mark.parametrize(("law", "size", "bits"), ENDS, ids=repr)
def test_blocks_between_their_ends_by_the_trapezoid_rule(law, size, bits):
    form = Format("ends", f"uint{bits}", bits, block=size, offset="float")
    assert block_offset_error(law, form) == pytest.approx(ENDS[law, size, bits], rel=1e-5)


@pytest.mark.parametrize(("size", "expected"), [(4096, 0.0097693638), (2**20, 0.0173700611)])
def test_long_pruned_blocks_by_finer_panels(size, expected):
    """Panels of 6 nodes from the threshold down to 2^-35 of it, both ends: 4 bits, half of the weights."""
    form = Format("long", "uint4", 4, block=size, offset="float", sparsity=0.5)
    assert block_offset_error(Gaussian(), form) == pytest.approx(expected, rel=1e-5)
