import itertools
import math

import numpy as np
import pytest

from sims.subset_sum import estimate
from sims.subset_sum.rare import _split, _summary, estimate_poisson, estimate_rare
from theory.subset_sum import failure_exponent, miss_law, miss_probability, miss_probability_bounds
from theory.subset_sum.exponent import failure_rate


def enumerated(n, max_value, target, law="nonzero"):
    grid = [v for v in range(-max_value, max_value + 1) if v or law == "uniform"]
    values = [a * b for a in grid for b in grid] if law == "product" else grid
    x = np.array(list(itertools.product(values, repeat=n)))
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return 1.0 - float(((x @ masks.T) == target).any(axis=1).mean())


@pytest.mark.parametrize(("law", "n"), [("nonzero", 40), ("uniform", 40), ("product", 30)])
def test_the_exponent_is_attained_by_exact_probabilities(law, n):
    for target in (1, 2, 3):
        exact = {m: float(miss_law(2, target, law).probability(m)) for m in (n, 2 * n)}
        rate = float(failure_rate(2, target, law))
        assert rate**n <= exact[n] * (1 + 1e-11) and rate ** (2 * n) <= exact[2 * n] * (1 + 1e-11)
        slope = -np.log2(exact[2 * n] / exact[n]) / n
        # the polynomial factor n^(t-1) costs at most (t-1)/n bits of slope between n and 2n
        assert -np.log2(rate) - (target - 1 + 0.1) / n <= slope <= -np.log2(rate) + 1.0 / n


def test_the_exact_law_approaches_the_union_of_reach_and_divisibility():
    exact = {n: float(miss_law(3, 1).probability(n)) for n in (10, 20, 40)}
    ratios = [exact[n] / miss_probability_bounds(n, 3, 1)[0] for n in (10, 20, 40)]
    assert ratios[0] < 1.3 and ratios[1] < 1.01 and 1.0 - 1e-12 <= ratios[2] < 1.00001


def test_unbiased_where_enumeration_can_see_it():
    rare = estimate_rare(6, 2, 3, seed=5, particles=50, replicates=2000, threads=1)
    for n in range(1, 7):
        exact = enumerated(n, 2, 3)
        error = rare.replicates[:, n].std(ddof=1) / np.sqrt(2000)
        assert abs(rare.values[n] - exact) < 4.5 * error + 1e-15  # small populations: any bias would show


def test_agrees_with_plain_monte_carlo():
    rare = estimate_rare(12, 15, 4, seed=2, particles=2000, replicates=16)
    plain = estimate(12, 15, 4, trials=200_000, seed=3)
    assert rare.low[12] < plain.high and plain.low < rare.high[12]


@pytest.mark.parametrize(("law", "target"), [("nonzero", 7), ("uniform", 7), ("product", 5)])
def test_far_tail_stays_between_the_rigorous_bounds(law, target):
    size = 3 if law == "product" else 15
    rare = estimate_rare(36, size, target, seed=1, law=law, particles=1000, replicates=8)
    lower, upper = miss_probability_bounds(36, size, target, law)
    assert lower * 0.9 < rare.high[36] and rare.low[36] < upper
    slope, error = rare.slope(26, 36)
    # the polynomial prefactor lowers the slope by a few tenths of a bit
    assert failure_exponent(size, target, law) - 0.4 < slope < failure_exponent(size, target, law) + 0.2
    assert error < 0.05


def test_same_bits_for_any_number_of_threads():
    one = estimate_rare(14, 9, 2, seed=8, particles=100, replicates=4, threads=1)
    two = estimate_rare(14, 9, 2, seed=8, particles=100, replicates=4, threads=2)
    assert np.array_equal(one.replicates, two.replicates)
    assert np.array_equal(estimate_rare(5, 9, 0, seed=8).values, np.zeros(6))


def test_within_delta_and_extinction():
    rare = estimate_rare(30, 40, 20, seed=1, delta=6, particles=20, replicates=3)
    assert rare.values[30] <= rare.values[10] <= 1.0
    assert (rare.low <= rare.values).all() and (rare.values <= rare.high).all()


WRONG = [({"n": -1}, "n must"), ({"max_value": 0}, "max_value must"), ({"delta": 0.5}, "delta must")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"particles": 1}, "particles must be"),
        ({"replicates": 1}, "replicates must be"),
        ({"max_value": 2**30}, "GiB"),
        ({"level": 1.0}, "level must"),
        *WRONG,
    ],
)
def test_bad_input_is_one_sentence(changes, words):
    with pytest.raises((ValueError, TypeError), match=words):
        estimate_rare(**{"n": 10, "max_value": 7, "target": 1, "seed": 0, **changes})


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_bad_input_of_the_average_is_one_sentence(changes, words):
    with pytest.raises((ValueError, TypeError), match=words):
        estimate_poisson(**{"n": 10, "max_value": 7, "target": 0, "trials": 9, "seed": 0, **changes})


def test_poisson_average_is_close_to_the_truth_and_to_its_quadrature():
    found = estimate_poisson(12, 127, 1, trials=8000, seed=4)
    rare = estimate_rare(12, 127, 1, seed=1, particles=1000, replicates=8)
    assert found.value == pytest.approx(rare.values[12], rel=0.35)
    assert found.low < miss_probability(12, 127, 1, form="saddlepoint") < found.high
    assert estimate_poisson(16, 31, 1, trials=50, seed=4, delta=1).value == 0.0


@pytest.mark.parametrize(("law", "hits"), [("nonzero", 1 / 4), ("uniform", 1 / 5), ("product", 1 / 8)])
@pytest.mark.parametrize("delta", [0, 1])
def test_the_poisson_average_of_one_sample_by_hand(law, hits, delta):
    """Of one sample only the largest has a subset at its own end; there the mean is exact: 2 delta + 1."""
    found = estimate_poisson(1, 2, 4 if law == "product" else 2, 6000, 3, law, delta=delta)
    assert found.low < 1 - hits * (1 - math.exp(-(2 * delta + 1))) < found.high


def test_where_every_list_has_hit_the_truth_is_not_excluded():
    """Samples of {±1} all miss 1 if all are -1: with probability 2^-n, which pairs of lists soon miss."""
    rare = estimate_rare(40, 1, 1, seed=1, particles=2, replicates=3)
    seen = np.flatnonzero(rare.values)[-1]
    assert 2 < seen < 40 and (rare.low[seen + 1 :] == 0.0).all()
    assert (rare.high[seen + 1 :] >= 0.5 ** np.arange(seen + 1, 41)).all()
    assert (rare.high[seen:] == rare.high[seen]).all()


def test_a_target_within_delta_of_zero_is_never_missed():
    assert estimate_rare(5, 9, 2, seed=1, delta=2, particles=10, replicates=2).high.tolist() == [0.0] * 6
    assert estimate_rare(5, 9, 2, seed=1, delta=2, particles=10, replicates=2).values.tolist() == [0.0] * 6
    assert estimate_rare(5, 9, 3, seed=1, delta=2, particles=10, replicates=2).values[0] == 1.0


def test_the_summary_of_three_replicates_by_hand():
    """Student's law with two degrees of freedom has its quantile in closed form."""
    level = 0.9
    found = np.array([[1.0, 0.5, 0.2, 0.0], [1.0, 0.4, 0.0, 0.0], [1.0, 0.6, 0.4, 0.0]])
    rare = _summary(found, level, particles=10, seed=3)
    reach = level * math.sqrt(2 / (1 - level**2))
    error = math.sqrt((0.1**2 + 0.1**2) / 2) / math.sqrt(3)
    assert rare.values.tolist() == pytest.approx([1.0, 0.5, 0.2, 0.0])
    factor = math.exp(reach * error / 0.5)
    assert rare.low.tolist() == pytest.approx([1.0, 0.5 / factor, 0.0, 0.0])
    last = min(1.0, 0.2 + reach * 2 * error)  # holds for more samples, too, where nothing was left to see
    assert rare.high.tolist() == pytest.approx([1.0, 0.5 * factor, last, last])
    assert (rare.level, rare.particles, rare.seed) == (level, 10, 3)
    wide = _summary(np.array([[0.9], [0.99], [0.5]]), 0.99, 10, 0)
    assert wide.high[0] == 1.0 and 0.0 < wide.low[0] < 0.2


def test_the_slope_is_the_mean_bits_per_sample():
    values = np.array([[1.0, 0.5, 0.25, 0.125], [1.0, 0.25, 0.125, 0.125], [1.0, 0.5, 0.0, 0.0]])
    rare = _summary(values, 0.9, 10, 0)
    slope, error = rare.slope(1, 3)
    assert slope == pytest.approx((2 / 2 + 1 / 2) / 2)  # a replicate that died out has no slope
    assert error == pytest.approx(math.sqrt(2 * 0.25**2) / math.sqrt(2))
    assert math.isnan(rare.slope(2, 3)[0]) is False
    alone = _summary(values[1:], 0.9, 10, 0).slope(0, 2)
    assert math.isnan(alone[0]) and alone[1] == math.inf


def test_half_a_population_replaces_the_other_half_one_by_one():
    """Two of four lists miss 3 after the first sample, {5} and {6}: a copy of each, so that two more end."""
    for seed in range(12):
        samples = iter([np.array([3, 3, 5, 6]), np.full(4, -2)])
        estimate = _split(np.random.default_rng(seed), lambda *_, left=samples: next(left), 2, 3, 0, 4, 4)
        assert estimate.tolist() == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("second", [-2, -3, -4])
def test_the_survivor_that_is_copied_is_any_of_them(second):
    """{5}, {6} and {7} miss 3 and one is doubled: the second sample ends one of four lists, or two."""
    found = set()
    for seed in range(24):
        samples = iter([np.array([3, 5, 6, 7]), np.full(4, second)])
        estimate = _split(np.random.default_rng(seed), lambda *_, left=samples: next(left), 2, 3, 0, 4, 4)
        found.add(tuple(estimate.tolist()))
    assert found == {(1.0, 0.75, 0.75 * 0.75), (1.0, 0.75, 0.75 * 0.5)}


def test_the_memory_of_a_population_is_named():
    """Sums to 10 * 2^20 on either side and the target; bits of every list, and a copy of them."""
    words = 2 * 10 * 2**20 // 64 + 2
    with pytest.raises(ValueError, match=f"of {words} words each need {16 * words * 1000 / 2**30:.1f} GiB"):
        estimate_rare(10, 2**20, 1, seed=0, particles=1000)


def test_a_population_that_does_not_fit_is_refused_from_the_first_on():
    words = (2 * 10 * 2**20 + 2 * 1 + 128) // 64
    with pytest.raises(ValueError, match="GiB"):
        estimate_rare(10, 2**20, 1, seed=0, particles=2**30 // (16 * words) + 1)


def test_a_population_may_fill_the_memory_that_it_is_given(monkeypatch):
    """Sums to 3 * 9 on either side and the target 1: 184 bits in 2 words, twice for each of 50 particles."""
    monkeypatch.setattr("sims.subset_sum.rare._MOST_BYTES", 2 * 8 * 2 * 50)
    assert estimate_rare(3, 9, 1, seed=0, particles=50, replicates=2).values[0] == 1.0
    with pytest.raises(ValueError, match="51 particles of 2 words each"):
        estimate_rare(3, 9, 1, seed=0, particles=51, replicates=2)


@pytest.mark.parametrize(("law", "delta"), [("uniform", 0), ("product", 0), ("nonzero", 1)])
def test_small_cases_by_enumeration(law, delta):
    grid = [v for v in range(-2, 3) if v or law == "uniform"]
    values = [a * b for a in grid for b in grid] if law == "product" else grid
    x = np.array(list(itertools.product(values, repeat=3)))
    sums = x @ ((np.arange(8) >> np.arange(3)[:, None]) & 1)
    exact = 1.0 - float((np.abs(sums - 3) <= delta).any(axis=1).mean())
    rare = estimate_rare(3, 2, 3, seed=5, law=law, delta=delta, particles=400, replicates=60)
    error = rare.replicates[:, 3].std(ddof=1) / np.sqrt(60)
    assert abs(rare.values[3] - exact) < 4.5 * error
    assert error < 0.05 * exact
