import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.fine_tuning import median, sign_flip_p_value


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=8))
def test_the_p_value_is_the_share_of_all_sign_changes(differences):
    sums = [
        sum(sign * abs(d) for sign, d in zip(signs, differences, strict=True))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = sum(total >= sum(differences) for total in sums) / len(sums)
    assert sign_flip_p_value(differences) == pytest.approx(expected, rel=1e-12)


def test_many_pairs_are_counted_too():
    assert sign_flip_p_value([1] * 60) == pytest.approx(2.0**-60, rel=1e-9)
    assert sign_flip_p_value([0] * 30) == 1.0
    for n in range(60, 90):  # the shares of all sums are all, whatever the rounding of halves
        assert 1 - 1e-15 < sign_flip_p_value([-1] * n) <= 1.0


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ([3], "needs at least 2 seeds, got 1"),
        ([0.5, 1.0], "must be integers"),
        ([], "at least 2 seeds, got 0"),
        ([[3, 1], [2, 2]], "a paired test needs"),
    ],
)
def test_bad_input_is_one_sentence(differences, message):
    with pytest.raises(ValueError, match=message):
        sign_flip_p_value(np.array(differences))


def test_the_interval_of_a_median_covers_it():
    """By simulation of a skewed law: at least 95 % of the intervals of ten seeds hold its median."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        _, low, high = median(rng.exponential(size=10))
        held += low <= np.log(2) <= high
    assert held / 2000 >= 0.95
    assert median([2.0, 1.0]) == (1.5, 1.0, 2.0)
