"""The intervals cover: exactly where that can be computed, by the toolkit's own coverage count elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.sequential import (
    BernoulliSequence,
    BoundedSequence,
    bernstein_p_values,
    binomial_p_values,
    clopper_pearson,
    empirical_bernstein,
)


def binomial(n, p):
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@pytest.mark.parametrize("p", [0.001, 0.03, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_clopper_pearson_covers_by_enumeration(p, level):
    n = 40
    covered = [low <= p <= high for low, high in (clopper_pearson(k, n, level) for k in range(n + 1))]
    assert binomial(n, p) @ covered >= level


@given(st.integers(0, 60), st.floats(0.01, 0.99))
def test_binomial_p_values_are_the_tails(successes, bound):
    weights = binomial(60, bound)
    at_most, at_least = binomial_p_values(successes, 60, bound)
    assert at_most == pytest.approx(weights[successes:].sum(), rel=1e-9)
    assert at_least == pytest.approx(weights[: successes + 1].sum(), rel=1e-9)


@given(st.integers(1, 59), st.sampled_from([0.9, 0.99, 0.999]))
def test_p_values_invert_the_interval(successes, level):
    low, high = clopper_pearson(successes, 60, level)
    assert binomial_p_values(successes, 60, low)[0] == pytest.approx((1 - level) / 2, rel=1e-6)
    assert binomial_p_values(successes, 60, high)[1] == pytest.approx((1 - level) / 2, rel=1e-6)


@given(st.floats(0.0, 1.0), st.floats(1e-6, 0.25), st.integers(2, 10**6), st.sampled_from([0.9, 0.999]))
def test_bernstein_p_values_invert_the_interval(mean, variance, trials, level):
    low, high = empirical_bernstein(mean, variance, trials, 1.0, level)
    assert bernstein_p_values(mean, variance, trials, 1.0, low)[0] == pytest.approx((1 - level) / 2, rel=1e-6)
    assert bernstein_p_values(mean, variance, trials, 1.0, high)[1] == pytest.approx(
        (1 - level) / 2, rel=1e-6
    )


def test_a_probability_outside_zero_to_one_is_decided_without_data():
    assert binomial_p_values(0, 10, -0.1) == (0.0, 1.0)
    assert binomial_p_values(10, 10, 1.1) == (1.0, 0.0)


@pytest.mark.parametrize("p", [0.02, 0.5])
def test_mixture_e_process_has_mean_one_at_the_truth(p):
    # Exact: e_n is a martingale, so its mean under the truth is 1 at every n.
    for n in (1, 5, 30):
        e = [math.exp(BernoulliSequence(0.99, k, n - k).log_e(p)) for k in range(n + 1)]
        assert binomial(n, p) @ e == pytest.approx(1.0, rel=1e-9)


def coverage_at_all_times(make, draw, truth, replicates=300, blocks=25, size=80):
    """Replicates in which the truth never left the interval, looking after every block."""
    rng = np.random.default_rng(7)
    kept = 0
    for _ in range(replicates):
        sequence, inside = make(), True
        for _ in range(blocks):
            values = draw(rng, size)
            sequence.update(size, float(values.sum()), float(((values - values.mean()) ** 2).sum()))
            low, high = sequence.interval()
            inside &= low <= truth <= high
        kept += inside
    return kept


CASES = {
    "rare event": (lambda: BernoulliSequence(0.9), lambda rng, n: (rng.random(n) < 0.01) * 1.0, 0.01),
    "fair coin": (lambda: BernoulliSequence(0.9), lambda rng, n: (rng.random(n) < 0.5) * 1.0, 0.5),
    "uniform": (lambda: BoundedSequence(0.9, 0.0, 1.0), lambda rng, n: rng.random(n), 0.5),
    "skewed": (lambda: BoundedSequence(0.9, -1.0, 3.0), lambda rng, n: 4 * rng.random(n) ** 9 - 1, -0.6),
    "two points": (lambda: BoundedSequence(0.9, 0.0, 1.0), lambda rng, n: (rng.random(n) < 0.03) * 1.0, 0.03),
}


@pytest.mark.parametrize("case", CASES)
def test_confidence_sequences_cover_at_all_times(case):
    make, draw, truth = CASES[case]
    # At least 90 % is promised; 300 replicates below 84 % would have probability under 1e-3.
    assert coverage_at_all_times(make, draw, truth) >= 252


def test_looking_often_breaks_a_fixed_sample_interval():
    """The twin of the test above: it can fail, for a fixed-sample interval does."""

    class Naive(BernoulliSequence):
        def interval(self):
            return clopper_pearson(self.successes, self.successes + self.failures, 0.9)

    assert coverage_at_all_times(lambda: Naive(0.9), CASES["fair coin"][1], 0.5) < 252


def test_sequences_shrink_to_the_truth():
    rng = np.random.default_rng(1)
    sequence = BoundedSequence(0.99, 0.0, 1.0)
    for _ in range(100):
        values = rng.random(1000) ** 2
        sequence.update(1000, float(values.sum()), float(((values - values.mean()) ** 2).sum()))
    low, high = sequence.interval()
    # sd 0.298: the fixed-sample normal interval at 99 % is 0.0049 wide; anytime validity costs a factor < 3.
    assert high - low < 0.015
    assert low < 1 / 3 < high
