"""Mean numbers of solutions by every draw, on each of the roads to them."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from theory.subset_sum import miss_lower_bound, moments
from theory.subset_sum.bounds import second_moment_bounds

LAWS = {
    "nonzero": lambda m: [v for v in range(-m, m + 1) if v],
    "uniform": lambda m: list(range(-m, m + 1)),
    "product": lambda m: [a * b for a in range(-m, m + 1) for b in range(-m, m + 1) if a and b],
}


def mean_of_every_draw(n, max_value, law):
    """{t: mean number of subsets with that sum}, the empty one included."""
    draws = np.array(list(itertools.product(LAWS[law](max_value), repeat=n)))
    sums = draws @ ((np.arange(2**n) >> np.arange(n)[:, None]) & 1)
    values, counts = np.unique(sums, return_counts=True)
    return dict(zip(values.tolist(), (counts / len(draws)).tolist(), strict=True))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("exact_product", [0, moments.EXACT_PRODUCT])
def test_expected_solutions_are_the_mean_over_every_draw(monkeypatch, law, exact_product):
    """Products by exact integers and, where these would be too many, by a transform."""
    monkeypatch.setattr(moments, "EXACT_PRODUCT", exact_product)
    compute = getattr(moments.expected_solutions, "__wrapped__", moments.expected_solutions)
    for n, max_value in ((1, 3), (3, 2), (4, 2)):
        means = mean_of_every_draw(n, max_value, law)
        for target in range(0, 2 * max_value**2 + 2):
            expected = means.get(target, 0.0)
            assert compute(n, max_value, target, law) == pytest.approx(expected, rel=1e-12, abs=1e-13)
            assert compute(n, max_value, -target, law) == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("law", LAWS)
def test_what_fits_is_said_up_to_the_last_that_fits(law):
    """n^2 times the largest sample up to 6e7; n M^2 up to 3e7 for products, anything else."""
    size = 60 if law != "product" else 10
    last = 1000 if law != "product" else int((6e7 / 100) ** 0.5)
    assert moments.second_moment_reachable(last, size, law)
    assert not moments.second_moment_reachable(last + 1, size, law)
    assert moments.expected_solutions_reachable(30, 1000, law)
    assert moments.expected_solutions_reachable(31, 1000, law) == (law != "product")
    assert moments.expected_solutions_reachable(31, 10**12, law) == (law != "product")
    with pytest.raises(ValueError, match="the exact second moment needs"):
        moments.second_moment(last + 1, size, 1, law)


def test_what_a_transform_leaves_is_neither_below_0_nor_taken_for_a_proof(monkeypatch):
    """Products of numbers up to 10, so far out that no transform of 2^12 subsets tells their mean from 0."""
    cells = [(12, 10, target, "product") for target in range(900, 1200, 7)]
    exactly = [(moments.expected_solutions(*cell), miss_lower_bound(*cell)) for cell in cells]
    monkeypatch.setattr(moments, "EXACT_PRODUCT", 0)
    for cell, (mean, bound) in zip(cells, exactly, strict=True):
        found = moments.expected_solutions(*cell)
        assert 0.0 <= found == pytest.approx(mean, abs=1e-15 * 2**12)
        assert miss_lower_bound(*cell) <= bound


def test_more_solutions_than_any_double_are_infinitely_many(monkeypatch):
    monkeypatch.setattr(moments, "EXACT_PRODUCT", 0)
    assert moments.expected_solutions(1100, 2, 0, "product") == math.inf


@pytest.mark.filterwarnings("error")
def test_second_moments_of_signs_beyond_the_factorials_of_doubles():
    """Of k ones among n signs, i + t ones and i minus ones are C(n, k - t) subsets (Vandermonde)."""
    target = -3
    first, second = moments.moments_up_to(172, 1, target)
    cheap = second_moment_bounds(172, 1, target)[1][0]
    for n in (20, 169, 171, 172):
        counts = [math.comb(n, k - target) if k >= target else 0 for k in range(n + 1)]
        mean = sum(math.comb(n, k) * count for k, count in enumerate(counts))
        square = sum(math.comb(n, k) * count**2 for k, count in enumerate(counts))
        assert first[n] == pytest.approx(float(Fraction(mean, 2**n)), rel=1e-12)
        assert second[n] == pytest.approx(float(Fraction(square, 2**n)), rel=1e-12)
        assert second[n] * (1 - 1e-12) <= cheap[n] < 3 * second[n]


def test_what_a_transform_may_lack_is_known_at_any_number_of_samples():
    """A share of all 2^n subsets; beyond every double it is no number any more, and no overflow."""
    share = [moments.expected_solutions_error(n, 60, "product") / 2.0**n for n in (850, 900, 990)]
    assert share == pytest.approx([1e-15] * 3)
    assert [moments.expected_solutions_error(n, 60, "product") for n in (1024, 1500)] == [math.inf] * 2
    exact = [(8, 600, "product"), (10**5, 10**9, "nonzero"), (10**5, 10**9, "uniform")]
    assert [moments.expected_solutions_error(*case) for case in exact] == [0.0] * 3
