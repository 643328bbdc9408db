"""Passes over values against loops of plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.kernels import values as kernels

HELD = [0.0, -0.0, 0.5, -1e7, 1.0 + 2.0**-23, 2.0**-99]
NOT_HELD = [0.1, 1.0 + 2.0**-24, 1e300, math.nan, math.inf, 2.0**-101, -(2.0**30)]


@pytest.mark.parametrize("odd", [*HELD, *NOT_HELD])
def test_narrow_copies_what_float32_holds_and_keeps_normal(odd):
    for place, after in ((0, 0), (4095, 0), (4096, 7), (8200, 0)):
        values = np.full(place + 1 + after, -0.75)
        values[place] = odd
        out = np.empty(values.size, np.float32)
        assert kernels.narrow(values, out) == (odd in HELD)
        if odd in HELD:
            assert out.tobytes() == values.astype(np.float32).tobytes()


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12), st.sampled_from([0.5, 1.0, -4.0]))
def test_centred_kurtosis(values, factor):
    found = kernels.centred_kurtosis(np.array(values, float), factor)
    mean = sum(values) / len(values)
    second, fourth = (sum((v - mean) ** k for v in values) / len(values) for k in (2, 4))
    if len(set(values)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(fourth / second**2, rel=1e-10)


ODD = [0.0, -0.0, 1e-45, -1e-45, 1.0, -1.0, 3.4e38, -3.4e38, math.inf, -math.inf, math.nan, -math.nan]


@given(st.lists(st.one_of(st.sampled_from(ODD), st.floats(width=32)), max_size=40))
def test_floats_are_sorted_by_their_bits(values):
    found = np.array(values, np.float32)
    expected = np.sort(found)
    numbers = found[~np.isnan(found)].tolist()
    kernels.sort_floats(found.view(np.uint32), np.empty(found.size, np.uint32))
    np.testing.assert_array_equal(found, expected)
    assert found[: len(numbers)].tolist() == sorted(numbers)


def test_many_floats_are_sorted_in_every_digit():
    """All sixteen bits of either half, in an order that is none."""
    for shift in (0, 9, 16):
        bits = np.random.default_rng(shift).permutation(2**16).astype(np.uint32) << np.uint32(shift)
        found = np.where(np.isnan(bits.view(np.float32)), np.float32(1), bits.view(np.float32))
        expected = np.sort(found)
        kernels.sort_floats(found.view(np.uint32), np.empty(found.size, np.uint32))
        np.testing.assert_array_equal(found, expected)
