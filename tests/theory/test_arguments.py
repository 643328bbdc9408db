"""The first values that are out of range, and the last that are not."""

import math
from fractions import Fraction

import numpy as np
import pytest

from theory.arguments import inside, integers, positive, share_count, share_of_zeros, whole


def test_shares_and_levels():
    assert share_of_zeros(0) == 0.0 and share_of_zeros(Fraction(1, 4)) == 0.25
    for value in (-1e-9, 1.0, 1.5, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"sparsity must lie in \[0, 1\)"):
            share_of_zeros(value)
    for value in (0.0, 1.0, -0.5, 1.5, math.nan):
        with pytest.raises(ValueError, match="strictly between 0 and 1"):
            inside("level", value)


def test_whole_and_positive_numbers():
    assert [whole("n", value, 1, 3) for value in (1, np.int8(2), 3)] == [1, 2, 3]
    for value in (0, 4):
        with pytest.raises(ValueError, match="n must be an integer from 1 to 3"):
            whole("n", value, 1, 3)
    for value in (1.0, True, "1", np.bool_(True)):
        with pytest.raises(TypeError, match="n must be an integer"):
            whole("n", value, 1, 3)
    assert positive("x", Fraction(1, 3)) == Fraction(1, 3)
    for value in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="x must be positive and finite"):
            positive("x", value)
    for value in (True, np.bool_(True), "1", 1j, None):
        with pytest.raises(TypeError, match="x must be a real number"):
            positive("x", value)


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9, 2**40])
def test_a_share_counts_as_what_its_decimals_say(size):
    for share in ("0.1", "0.7", "0.999", "0.123456789", "0.5000000004", "0.000000001", "0", "1"):
        assert share_count(float(share), size) == math.ceil(Fraction(share) * size)


def test_arrays_of_integers():
    for dtype in (np.int8, np.uint16, np.float32):
        found = integers("w", np.array([[3, 100]], dtype))
        assert found.dtype == np.int64 and found.tolist() == [[3, 100]]
    for value in (0.5, math.nan, math.inf, np.uint64(2**63), -(2.0**63)):
        with pytest.raises(ValueError, match=r"w must hold integers below 2\*\*63 in magnitude"):
            integers("w", [1, value])
    for value in (["a"], [True], [1j]):
        with pytest.raises(TypeError, match="w must hold integers"):
            integers("w", value)
