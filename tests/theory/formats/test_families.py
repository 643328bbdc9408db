"""Formats by what they are made of: names, codebooks, sizes, and what cannot be."""

import numpy as np
import pytest

from sims.weights.encoding import encode
from sims.weights.formats import noise
from theory.distributions import Laplace
from theory.formats import CODES, FORMATS, SCALES, Format, codebook, family, widths
from theory.formats.families import SIGNED
from theory.formats.laws import format_error

BY_NAME = {form.name: form for form in FORMATS}


@pytest.mark.parametrize(
    ("family_of", "shipped"),
    [
        (("twos-complement", 4), "INT4"),
        (("symmetric", 4, 128), "INT4 g128"),
        (("zero-point", 4, 32), "INT4 g32 asym"),
        (("float", 4), "FP4 E2M1"),
        (("float", 4, 32, "power-of-two"), "MXFP4"),
        (("float", 4, 16, "e4m3"), "NVFP4"),
        (("float", 6, 32, "power-of-two"), "MXFP6 E2M3"),
        (("symmetric", 8, 32, "power-of-two"), "MXINT8"),
        (("normal-float", 4, 64), "NF4 b64"),
        (("float", 8), "FP8 E4M3"),
    ],
)
def test_shipped_formats_are_members_of_a_family(family_of, shipped):
    one, other = family(*family_of), BY_NAME[shipped]
    assert one.stored_bits == other.stored_bits and np.array_equal(one.levels, codebook(other.codes).levels)
    assert (one.block, one.scale, one.offset) == (other.block, other.scale, other.offset)


@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize("group", [0, 16])
@pytest.mark.parametrize("scale", SCALES)
def test_the_law_of_a_family_is_the_mean_of_its_tensors_and_values_have_its_error(codes, group, scale):
    if scale != "float16" and (not group or codes in SIGNED):
        return
    law = Laplace()
    w = law.ppf(np.random.default_rng(1).random((512, 80)))
    for bits in widths(codes)[:3]:
        form = family(codes, bits, group, scale)
        lost = np.sum((w - encode(w, form)) ** 2) / np.sum(w**2)
        assert noise(w, form) == pytest.approx(lost, rel=1e-6)
        assert lost == pytest.approx(format_error(law, form, w.size) / law.second_moment, rel=0.05)


def test_an_offset_of_a_block_is_its_least_weight_and_short_blocks_have_their_own():
    form = family("offset", 2, 4)
    w = np.array([[5.0, 6.0, 7.0, 8.0, -1.0, 2.0]])
    assert encode(w, form).tolist() == [[5.0, 6.0, 7.0, 8.0, -1.0, 2.0]]
    assert encode(np.full((1, 4), 3.0), form).tolist() == [[3.0] * 4]
    signed = family("twos-complement", 2, 3)
    assert encode(np.array([[-4.0, 1.9, 0.5]]), signed).tolist() == [[-4.0, 2.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: family("float", 5), "float codes have 4, 6, 8 bits, got 5"),
        *(
            (lambda c=c, s=s: family(c, 4, 32, s), f"scale must be float16 for {c} codes, got '{s}'")
            for c in ("twos-complement", "zero-point", "offset")  # a sign of the scale, or a number beside it
            for s in ("power-of-two", "e4m3")
        ),
        (lambda: family("binary", 4), "codes must be one of twos-complement"),
        (lambda: family("float", 4, 32, "half"), "scale must be one of float16, power-of-two, e4m3"),
        (
            lambda: Format("x", "uint4", 4, keep=2, group=4, offset="zero"),
            "after pruning an offset belongs to a block",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("codes", sorted(SIGNED))
@pytest.mark.parametrize("scale", SCALES)
def test_a_whole_tensor_has_one_scale_however_groups_would_store_theirs(codes, scale):
    assert family(codes, 4, 0, scale) == family(codes, 4)
