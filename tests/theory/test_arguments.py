"""The first values that are out of range, and the last that are not."""

import math
from fractions import Fraction

import numpy as np
import pytest

from theory.arguments import inside, integers, positive, share_count, share_of_zeros, shown, whole


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


def test_the_last_integer_of_63_bits():
    for value in (2**63 - 1, 1 - 2**63):
        assert whole("n", value) == value
    for value in (2**63, -(2**63), np.uint64(2**63)):
        with pytest.raises(ValueError, match=r"n must be smaller than 2\*\*63 in magnitude"):
            whole("n", value)
        assert whole("n", value, any_size=True) == int(value)
        assert whole("n", value, most=2**70, least=-(2**70)) == int(value)
    largest = np.nextafter(2.0**63, 0.0)
    assert integers("w", [largest, -largest]).tolist() == [2**63 - 1024, 1024 - 2**63]


def test_numbers_are_shown_in_full_up_to_thirty_digits():
    assert shown(10**30 - 1) == "9" * 30 and shown(1 - 10**30) == "-" + "9" * 30
    assert shown(10**30) == "an integer of 100 bits" == shown(-(10**30))


@pytest.mark.parametrize("size", [10, 1000, 10**7])
def test_a_share_a_few_ulps_above_its_decimals_is_one_more_only_where_it_says_more(size):
    for k in (1, 3, 7, 9):
        exact = k * size // 10
        assert share_count(math.nextafter(k / 10, 1.0), size) == exact == share_count(k / 10, size)
        assert share_count(k / 10 * (1 + 2.0**-48), size) == exact + 1
        assert share_count(k / 10 * (1 - 2.0**-48), size) == exact
