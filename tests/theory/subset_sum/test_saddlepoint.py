"""The saddlepoint density by a root and a sum at 30 digits, from one end of the range to the other."""

import math

import mpmath as mp
import numpy as np
import pytest

from theory.subset_sum import failure_prefactor, poisson_mean, saddlepoint
from theory.subset_sum.bounds import block_miss
from theory.subset_sum.saddlepoint import saddlepoint_miss_probability

SAMPLES = [
    [3, -7, 11, 19, -23, 31, 36],
    [1, 1, 1, 1, 1, 1, -1, -1],
    [-250, 1, 2, -3, 4, 5, -6, 7, 8],  # one sample beside which the others are small
    [5, 9, 14, 3, 2, 4, 11],
]


def density(sample, target):
    """exp(K(h) - h t) / sqrt(2 pi K''(h)) at the h that makes K' = t, which grows with h."""
    with mp.workdps(30):

        def slope(h):
            return mp.fsum(x / (1 + mp.exp(-h * x)) for x in sample) - target

        low, high = mp.mpf(-1), mp.mpf(1)
        while slope(low) > 0:
            low *= 2
        while slope(high) < 0:
            high *= 2
        for _ in range(90):
            h = (low + high) / 2
            low, high = (h, high) if slope(h) < 0 else (low, h)
        curve = mp.fsum(x * x * mp.exp(h * x) / (1 + mp.exp(h * x)) ** 2 for x in sample)
        cumulant = mp.fsum(mp.log(1 + mp.exp(h * x)) for x in sample)
        return float(mp.exp(cumulant - h * target) / mp.sqrt(2 * mp.pi * curve))


@pytest.mark.parametrize("sample", SAMPLES, ids=["mixed", "signs", "one large", "positive"])
def test_the_density_from_end_to_end(sample):
    low, high = sum(x for x in sample if x < 0), sum(x for x in sample if x > 0)
    targets = {low + 1, low + 2, (3 * low + high) // 4, -1, 0, 1, (low + high) // 2, high // 2, high - 1}
    for target in sorted(t for t in targets if low < t < high):
        expected = density(sample, target)
        # stationary in h, Newton stops at 1e-4 of a standard deviation: 1e-8 of lambda
        assert poisson_mean(sample, target) == pytest.approx(expected, rel=2e-8), target
        mirrored = [-x for x in sample]
        rows = np.array([sample, mirrored, [*sample[:-1], 0]])  # each row stops when it is done
        assert poisson_mean(rows, target)[0] == pytest.approx(expected, rel=2e-8)
        assert poisson_mean(mirrored, -target) == pytest.approx(expected, rel=2e-8)


@pytest.mark.filterwarnings("error")
def test_more_solutions_than_any_double_are_infinitely_many():
    """Zeros double the count."""
    for zeros, factor in ((0, 1.0), (1000, 2.0**1000), (1100, np.inf)):
        for form in ("saddlepoint", "gaussian"):
            assert poisson_mean([0] * zeros, 0, form) == factor
            assert poisson_mean([0] * zeros, 1, form) == 0.0
        for target in (-1, 6, 7):
            few = poisson_mean([1, 2, 3], target)
            assert poisson_mean([1, 2, 3] + [0] * zeros, target) == (few * factor if few else 0.0)
        centre = poisson_mean([1, 2, 3] + [0] * zeros, 3)
        assert centre == pytest.approx(poisson_mean([1, 2, 3], 3) * factor, rel=1e-12)
    assert poisson_mean([1] * 2000, 1000) == poisson_mean([1] * 2000, 1000, "gaussian") == np.inf
    middle = math.comb(1020, 510)  # 1.4e305
    assert poisson_mean([1] * 1020, 510) == pytest.approx(middle, rel=1e-3)


def test_the_law_where_2_to_the_n_exceeds_every_double(monkeypatch):
    """What is left of a miss is that the positive samples stay below the target."""
    monkeypatch.setattr(saddlepoint, "_POINTS", 2)
    law = saddlepoint.saddlepoint_miss_probability.__wrapped__  # its cache would keep what two points give
    expected = float(failure_prefactor(40, 5).probability(1040))
    assert law(1040, 40, 5) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("max_value", "target"), [(1, 1), (2, 1), (5, 3)])
def test_the_fewest_samples_have_values_of_their_own(max_value, target):
    """One sample misses with 1 - 1/(2M): the law is near that, and not the 1 of no sample."""
    assert saddlepoint_miss_probability(0, max_value, target) == 1.0
    ratio = saddlepoint_miss_probability(1, max_value, target) / (1 - 1 / (2 * max_value))
    assert 1.0 < ratio < 1.4


def test_the_bound_in_blocks_is_attained_by_signs():
    """n signs miss 1 where none of them is 1: with 2^-n, in blocks of one."""
    found = [block_miss(n, 1, 1) for n in range(6)]
    assert found == pytest.approx([2.0**-n for n in range(6)], rel=1e-12) and found[0] == 1.0
