"""llama.cpp's block formats: bit for bit with the gguf package, and by the book without it."""

import re

import numpy as np
import pytest

from sims.weights import formats, ggml
from sims.weights.encoding import encode
from theory.formats import FORMATS

BY_NAME = {form.name: form for form in FORMATS}


def rows():
    rng = np.random.default_rng(0)
    return {
        "normal": rng.normal(size=(40, 320)),
        "heavy": rng.standard_t(2, size=(40, 320)) * 1e-3,
        "ties": np.round(rng.normal(size=(40, 320)) * 4) / 4,
        "zeros": np.zeros((2, 64)),
        "shifted": np.abs(rng.normal(size=(20, 320))) * 1e4,
        "tiny": rng.normal(size=(20, 320)) * 1e-7,
    }


@pytest.mark.parametrize("name", ggml.NAMES)
@pytest.mark.parametrize("kind", rows())
def test_the_values_are_those_of_the_gguf_package(name, kind):
    quants = pytest.importorskip("gguf.quants")
    kinds = pytest.importorskip("gguf").GGMLQuantizationType
    w = rows()[kind].astype(np.float32)
    expected = quants.dequantize(quants.quantize(w, kinds[name]), kinds[name])
    np.testing.assert_array_equal(ggml.encode_rows(w, name), expected)


@pytest.mark.parametrize("name", ggml.NAMES)
def test_by_the_book(name):
    """Level by level in Python, the scale rounded to float16 after the codes are found."""
    bits = int(name[1])
    for block in rows()["normal"].astype(np.float32).reshape(-1, 32)[:20]:
        if name.endswith("_1"):
            d, m = np.float32(block.max() - block.min()) / (2**bits - 1), block.min()
            codes = [round(float((w - m) / d)) for w in block]
        else:
            peak = max(block, key=abs)
            d, m = (abs(peak) / 127 if bits == 8 else peak / -(2 ** (bits - 1))), np.float32(0)
            top = 127 if bits == 8 else 2 ** (bits - 1) - 1
            codes = [min(round(float(w / d)), top) for w in block]
        values = np.float32(np.float16(d)) * np.float32(codes) + np.float32(np.float16(m))
        found = ggml.encode_blocks(block[None], name)
        assert np.abs(found.codes[0] - codes).max() <= 1  # ties of the last bit
        np.testing.assert_allclose(found.values[0], values, atol=1.001 * abs(float(d)))
        assert np.mean(found.codes[0] == codes) > 0.9


def test_short_ends_are_filled_with_zeros():
    w = rows()["normal"][:, :50]
    found = ggml.encode_rows(w, "Q8_0")
    padded = np.zeros((40, 64))
    padded[:, :50] = w
    np.testing.assert_array_equal(found, ggml.encode_rows(padded, "Q8_0")[:, :50])
    assert BY_NAME["Q8_0"].stored_bits_in_rows(50) == 8 + 32 / 50
    np.testing.assert_array_equal(encode(w, BY_NAME["Q8_0"]), found)


def test_weights_beyond_float16_are_lost():
    assert formats.noise(np.full((2, 32), 1e9), BY_NAME["Q8_0"]) == np.inf
    assert formats.noise(np.outer([1.0, 1e9], np.ones(32)), BY_NAME["Q8_0"]) == np.inf  # one row is enough
    assert formats.noise(np.full((2, 32), 1e-12), BY_NAME["Q4_0"]) == pytest.approx(1.0, rel=1e-12)
    with pytest.raises(ValueError, match="name must be one of Q4_0"):
        ggml.encode_blocks(np.ones((1, 32)), "Q4_K")
    for shape in ((1, 31), (32,), (2, 32, 3)):
        with pytest.raises(ValueError, match=rf"shape \(any, 32\), got {re.escape(str(shape))}"):
            ggml.encode_blocks(np.ones(shape), "Q4_0")


def test_bits_of_blocks_are_those_of_the_files():
    bits = {name: BY_NAME[name].stored_bits for name in ggml.NAMES}
    assert bits == {"Q4_0": 4.5, "Q4_1": 5.0, "Q5_0": 5.5, "Q5_1": 6.0, "Q8_0": 8.5}
    assert BY_NAME["NF4 b64 float32"].stored_bits == 4.5
    assert BY_NAME["NF4 b64 double"].stored_bits == 4 + 8 / 64 + 32 / (64 * 256)
    assert BY_NAME["INT4 g128 asym"].stored_bits == 4 + 20 / 128


def test_halves_of_eight_bits_are_rounded_away_from_zero():
    row = np.zeros((1, 32))
    row[0, :6] = [127, 0.5, 1.5, 2.5, -0.5, -2.5]  # a scale of one
    assert ggml.encode_blocks(row, "Q8_0").codes[0, :6].tolist() == [127, 1, 2, 3, -1, -3]
