"""The first values that are out of range, and the last that are not."""

import math
from fractions import Fraction

import numpy as np
import pytest

from theory.arguments import inside, positive, share_of_zeros, whole
from theory.codebooks import integer_levels
from theory.distributions import Gaussian
from theory.path_following import gram_schmidt_reversed
from theory.rotations import rotation_block
from theory.snr import percentile_loss


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


def test_more_columns_than_samples_are_dependent():
    with pytest.raises(ValueError, match="linearly dependent"):
        gram_schmidt_reversed([[1.0, 2.0]])
    with pytest.raises(ValueError, match="linearly dependent"):
        gram_schmidt_reversed([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])


def test_a_rotation_needs_two_weights():
    assert rotation_block(6, 2) == 2
    for block in (0, 1):
        with pytest.raises(ValueError, match="block must be an integer >= 2"):
            rotation_block(6, block)


def test_the_percentile_rule_takes_99_9_unless_told():
    assert percentile_loss(Gaussian(), integer_levels(4)) == percentile_loss(
        Gaussian(), integer_levels(4), 99.9
    )
