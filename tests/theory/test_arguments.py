"""The first values that are out of range, and the last that are not."""

import math
from fractions import Fraction

import numpy as np
import pytest

from theory.arguments import inside, positive, share_of_zeros, whole


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
