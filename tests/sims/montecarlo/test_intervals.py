"""The intervals cover: exactly where that can be computed, by the toolkit's own coverage count elsewhere."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.montecarlo.intervals import (
    BernoulliSequence,
    BoundedSequence,
    bernstein_p_values,
    binomial_p_values,
    clopper_pearson,
    empirical_bernstein,
    quantile,
    student_half_width,
)


def binomial(n, p):
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@pytest.mark.parametrize("p", [0.001, 0.03, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_clopper_pearson_covers_by_enumeration(p, level):
    n = 40
    covered = [low <= p <= high for low, high in (clopper_pearson(k, n, level) for k in range(n + 1))]
    assert binomial(n, p) @ covered >= level
    assert clopper_pearson(0, n, level)[0] == 0.0 and clopper_pearson(n, n, level)[1] == 1.0


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


def test_one_trial_says_nothing_of_a_mean_and_a_constant_everything():
    assert bernstein_p_values(0.9, 0.0, 1, 1.0, 0.1) == (1.0, 1.0)
    found = [bernstein_p_values(0.5, 0.0, 10, 0.0, bound) for bound in (0.4, 0.5, 0.6)]
    assert found == [(0.0, 1.0), (1.0, 1.0), (1.0, 0.0)]


def test_before_the_first_trial_nothing_is_excluded():
    assert BernoulliSequence(0.99).interval() == (0.0, 1.0)
    sequence = BoundedSequence(0.99, -1.0, 3.0)
    sequence.update(0, 0.0, 0.0)
    assert sequence.interval() == (-1.0, 3.0)


def test_a_probability_outside_zero_to_one_is_decided_without_data():
    assert binomial_p_values(0, 10, -0.1) == (0.0, 1.0)
    assert binomial_p_values(10, 10, 1.1) == (1.0, 0.0)
    for successes in (0, 4, 10):
        sequence = BernoulliSequence(0.99, successes, 10 - successes)
        assert sequence.p_values(-0.1) == (0.0, 1.0) and sequence.p_values(1.1) == (1.0, 0.0)


@pytest.mark.parametrize("successes", [0, 4, 10])
@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_the_data_may_contradict_that_something_never_or_always_happens(successes, bound):
    weights = binomial(10, bound)
    expected = weights[successes:].sum(), weights[: successes + 1].sum()
    assert binomial_p_values(successes, 10, bound) == expected
    assert BernoulliSequence(0.99, successes, 10 - successes).p_values(bound) == pytest.approx(expected)


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


def literal_bounded_interval(blocks, level, low, high):
    """The published confidence sequence, trial by trial, with its running intersection after each block."""
    alpha = 1 - level
    weighted = weights = penalty = 0.0
    count, mean, deviations = 0, 0.5, 0.25
    interval = (0.0, 1.0)
    for block in blocks:
        scaled = (np.asarray(block) - low) / (high - low)
        after = count + len(scaled)
        spread = deviations / (count + 1)
        weight = min(math.sqrt(2 * math.log(2 / alpha) / (spread * after * math.log(1 + after))), 0.5)
        squares = 0.0
        for x in scaled:
            weighted += weight * x
            weights += weight
            squares += (x - mean) ** 2
            penalty += (x - mean) ** 2 * (-math.log(1 - weight) - weight)
        deviations += squares
        mean = (mean * (count + 1) + scaled.sum()) / (after + 1)
        count = after
        radius = (math.log(2 / alpha) + penalty) / weights
        interval = (
            max(interval[0], weighted / weights - radius),
            min(interval[1], weighted / weights + radius),
        )
    return tuple(low + (high - low) * x for x in interval)


@pytest.mark.parametrize("level", [0.9, 0.999])
def test_the_bounded_sequence_is_the_published_one(level):
    rng = np.random.default_rng(3)
    blocks = [3 * rng.beta(2, 5, size) - 1 for size in (1, 50, 7, 400, 30)]
    sequence = BoundedSequence(level, -1.0, 2.0)
    for block in blocks:
        sequence.update(len(block), float(block.sum()), float(((block - block.mean()) ** 2).sum()))
    assert sequence.interval() == pytest.approx(literal_bounded_interval(blocks, level, -1.0, 2.0), rel=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_the_bounded_sequence_keeps_its_level_exactly(p):
    """Every path of 14 coin tosses in blocks of two: the truth is lost with probability at most alpha."""
    lost = 0.0
    for path in range(2**14):
        tosses = [path >> i & 1 for i in range(14)]
        sequence, inside = BoundedSequence(0.5, 0.0, 1.0), True
        for i in range(0, 14, 2):
            total = sum(tosses[i : i + 2])
            sequence.update(2, float(total), total - total**2 / 2)
            low, high = sequence.interval()
            inside &= low <= p <= high
        ones = sum(tosses)
        lost += 0.0 if inside else p**ones * (1 - p) ** (14 - ones)
    assert lost <= 0.5


@pytest.mark.parametrize(("p", "bound"), [(0.3, 0.3), (0.25, 0.3), (0.5, 0.5)])
def test_anytime_p_values_are_valid_at_every_look(p, bound):
    """Exact, over all looks up to 60: P(some p-value of a true hypothesis <= a) <= a, and not far below."""
    for alpha in (0.1, 0.01):
        alive = {0: 1.0}  # successes -> probability of never having crossed
        crossed = 0.0
        for n in range(1, 61):
            step: dict[int, float] = {}
            for successes, weight in alive.items():
                for gain, chance in ((0, 1 - p), (1, p)):
                    step[successes + gain] = step.get(successes + gain, 0.0) + weight * chance
            alive = {}
            for successes, weight in step.items():
                if BernoulliSequence(0.99, successes, n - successes).p_values(bound)[0] <= alpha:
                    crossed += weight
                else:
                    alive[successes] = weight
        assert crossed <= alpha
        assert crossed > alpha / 100 or p < bound


def test_bernstein_scales_with_the_range():
    """Values in a range ten times as wide have an interval ten times as wide, and the same p-values."""
    low, high = empirical_bernstein(0.5, 0.04, 500, 1.0)
    wide = empirical_bernstein(5.0, 4.0, 500, 10.0)
    assert wide == pytest.approx((10 * low, 10 * high))
    assert bernstein_p_values(5.0, 4.0, 500, 10.0, 4.0) == pytest.approx(
        bernstein_p_values(0.5, 0.04, 500, 1.0, 0.4)
    )
    assert [bernstein_p_values(0.5, 0.04, 500, 1.0, bound) for bound in (0.4999, 0.5001)] == [(1, 1)] * 2
    assert bernstein_p_values(0.5, 0.04, 500, 2.0, 0.4)[0] > bernstein_p_values(0.5, 0.04, 500, 1.0, 0.4)[0]
    assert empirical_bernstein(0.5, 0.04, 500, 2.0)[1] > high


def test_the_empirical_bernstein_radius_by_hand():
    """Two trials and a level at which the logarithm is 1: 7/3 of the range, and the root of the variance."""
    level = 1 - 4 / math.e**2
    assert empirical_bernstein(0.0, 0.0, 2, 3.0, level) == pytest.approx((-14.0, 14.0))
    assert empirical_bernstein(1.0, 2.0, 2, 0.0, level) == pytest.approx((-1.0, 3.0))
    assert empirical_bernstein(0.5, 0.1, 1, 1.0) == (-math.inf, math.inf)


@pytest.mark.parametrize("n", [1, 7, 50, 400])
@pytest.mark.parametrize(("p", "confidence"), [(0.5, 0.9), (0.9, 0.95), (0.02, 0.99)])
def test_the_quantile_interval_is_the_narrowest_pair_of_order_statistics(n, p, confidence):
    """The i-th smallest lies above the quantile when fewer than i trials lie below it."""
    weights = binomial(n, p)
    tail = (1 - confidence) / 2
    value, low, high = quantile(np.arange(1.0, n + 1), p, confidence)
    lower = [i for i in range(1, n + 1) if weights[:i].sum() <= tail]
    upper = [i for i in range(1, n + 1) if weights[i:].sum() <= tail]
    assert low == (max(lower) if lower else -math.inf)
    assert high == (min(upper) if upper else math.inf)
    assert value == min(math.floor(p * n), n - 1) + 1


@pytest.mark.parametrize(
    ("trials", "level", "width"), [(2, 0.99, 63.657), (5, 0.99, 4.604), (60, 0.95, 2.001)]
)
def test_few_values_have_wide_intervals(trials, level, width):
    """Beside the printed table of Student's t."""
    assert student_half_width(1.0, trials, level) == pytest.approx(width, abs=5e-4)
    assert student_half_width(0.25, trials, level) == pytest.approx(width / 4, abs=2e-4)


def test_a_mean_of_five_is_missed_as_often_as_stated():
    """2.6 standard errors, right for many values, miss the mean of five in 6 % of samples, not in 1 %."""
    drawn = np.random.default_rng(5).standard_normal((40_000, 5))
    distance, error = np.abs(drawn.mean(axis=1)), drawn.std(axis=1, ddof=1) / np.sqrt(5)
    missed = np.mean(distance > [student_half_width(one, 5) for one in error])
    assert 0.0085 < missed < 0.0115
    assert np.mean(distance > 2.6 * error) > 0.05


@pytest.mark.parametrize("level", [0.99, 1 - 2.0**-53])
def test_few_values_at_a_level_next_to_one(level):
    """Of two values the law of the mean is Cauchy's: its quantile is a tangent."""
    with mpmath.workdps(40):
        exact = float(1 / mpmath.tan(mpmath.pi * (1 - mpmath.mpf(level)) / 2))
    assert student_half_width(1.0, 2, level) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(1, 10**7), (1, 10**9), (2, 10**12), (0, 10**13)])
def test_the_ends_of_a_sequence_are_those_of_its_mixture_however_rare_the_event(successes, trials):
    """Both ends beside their equation e(p) = 1/alpha, to nine digits of themselves."""
    s, f = successes, trials - successes
    low, high = BernoulliSequence(0.99, s, f).interval()
    with mpmath.workdps(50):
        mixture = mpmath.beta(s + 0.5, f + 0.5) / mpmath.beta(0.5, 0.5)
        for end in (low, high)[s == 0 :]:
            e = mixture / (mpmath.mpf(end) ** s * (1 - mpmath.mpf(end)) ** f)
            assert float(e) == pytest.approx(100, rel=1e-4)
    assert low < s / trials < high or s == 0 == low < high


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1e160])
def test_bernstein_p_values_hold_in_any_unit(unit):
    """Without variance they depend on ratios alone; with one, its root must be a double."""
    for gap in (0.4, -0.2, 0.0):
        expected = bernstein_p_values(gap, 0.0, 200, 1.0, 0.0)
        assert bernstein_p_values(gap * unit, 0.0, 200, unit, 0.0) == pytest.approx(expected)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_a_bounded_sequence_holds_in_any_unit(unit):
    """Values of no spread: their squares are 0 in every unit."""
    plain, other = BoundedSequence(0.99, 0.0, 1.0), BoundedSequence(0.99, 0.0, unit)
    for _ in range(3):
        plain.update(100, 25.0, 0.0)
        other.update(100, 25.0 * unit, 0.0)
    assert np.array(other.interval()) / unit == pytest.approx(plain.interval(), rel=1e-12)
