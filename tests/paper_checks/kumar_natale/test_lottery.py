"""What claims on lottery tickets are measured with."""

from fractions import Fraction

import numpy as np
import pytest

from paper_checks.kumar_natale.lottery import enumerated_miss
from paper_checks.kumar_natale.lottery_size import candidates_for, literal_units, real_candidates, represented


def test_enumerated_miss_by_hand():
    assert enumerated_miss([-1, 1], 3, 1) == 1 / 8
    assert enumerated_miss([-2, -1, 1, 2], 1, 2) == 3 / 4


def test_candidates_for_a_ternary_weight():
    # misses 2/3 of 2^-n; 10 % of them at n = log2(20/3)
    assert candidates_for(2, 0.1, seed=0, trials=200_000) == pytest.approx(2.737, abs=0.02)


def test_literal_units_by_hand():
    assert literal_units(1) == (2, 2)  # geometric, p = 1/2
    # two wait: geometric with p = 3/4, mean 4/3 and variance (1/4) / (9/16); then one
    assert literal_units(2) == (Fraction(4, 3) + 2, Fraction(4, 9) + 2)


def test_represented_by_hand():
    # one unit, one input: nothing, or the product of both weights
    found = represented(np.array([[1]]), np.array([[-1]]), np.eye(1, dtype=int))
    assert found.tolist() == [[-1], [0]]
    # relu(x1 - x2) is no linear map; either weight alone is, and -x2 gives 0
    rays = np.array([[1, 0], [0, 1], [1, 1]])
    assert represented(np.array([[1, -1]]), np.array([[1]]), rays).tolist() == [[0, 0], [1, 0]]


def test_real_candidates_gain_more_than_one_a_bit():
    gain = real_candidates(2.0**13, 0.1) - real_candidates(2.0**12, 0.1)
    assert gain == pytest.approx(1.044, abs=0.004)
