import itertools
import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import integer_sums, subset_sum
from theory.subset_sum import bounds as subset_sum_bounds
from theory.subset_sum import lemmas as subset_sum_lemmas
from theory.subset_sum import moments as subset_sum_moments
from theory.subset_sum.saddlepoint import saddlepoint_miss_probability


def values_of(max_value, law):
    grid = range(-max_value, max_value + 1)
    if law == "uniform":
        return list(grid)
    nonzero = [x for x in grid if x]
    return [a * b for a in nonzero for b in nonzero] if law == "product" else nonzero


def enumerate_misses(n, max_value, law, limit):
    """P(miss t) for t = 0..limit, by every equally likely draw."""
    values = np.array(values_of(max_value, law))
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    x = np.array(list(itertools.product(values, repeat=n)))
    sums = x @ masks.T
    return [1.0 - float((sums == t).any(axis=1).mean()) for t in range(limit + 1)]


CASES = [
    ("nonzero", 2, 6),
    ("nonzero", 3, 5),
    ("nonzero", 5, 4),
    ("uniform", 2, 5),
    ("uniform", 4, 4),
    ("product", 2, 3),
    ("product", 3, 2),
]


@pytest.mark.parametrize(("law", "max_value", "n"), CASES)
def test_bounds_hold_on_every_draw(law, max_value, n):
    for target, miss in enumerate(enumerate_misses(n, max_value, law, 3 * max_value)):
        for sign in (1, -1):
            lower, upper = subset_sum.miss_probability_bounds(n, max_value, sign * target, law)
            assert lower <= miss * (1 + 1e-12) and miss <= upper * (1 + 1e-12) + 1e-15
            hit_low, hit_high = subset_sum.hit_probability_bounds(n, max_value, sign * target, law)
            assert hit_low <= 1 - miss + 1e-12 and 1 - miss <= hit_high + 1e-12
        if target:
            assert miss >= float(subset_sum.reach_probability(n, max_value, target, law)) * (1 - 1e-12)
            assert miss <= subset_sum.trivial_miss(n, max_value, target, law) * (1 + 1e-12)


def test_the_union_of_reach_and_divisibility_is_all_there_is_for_m_2():
    for law, n in (("nonzero", 6), ("uniform", 5)):
        for target, miss in enumerate(enumerate_misses(n, 2, law, 3)):
            assert miss == pytest.approx(subset_sum.miss_lower_bound(n, 2, target, law), rel=1e-12)


def test_reach_probability_by_enumeration_with_divisors():
    for law, max_value, n in (("nonzero", 5, 4), ("uniform", 4, 4), ("product", 3, 3)):
        values = values_of(max_value, law)
        for target, divisor in ((1, 1), (4, 2), (9, 1), (7, 3)):
            count = sum(
                sum(v for v in x if v > 0) < target and all(v % divisor == 0 for v in x)
                for x in itertools.product(values, repeat=n)
            )
            expected = Fraction(count, len(values) ** n)
            assert subset_sum_bounds.reach_probability(n, max_value, target, law, divisor) == expected


def test_the_reach_law_tends_to_a_laguerre_polynomial():
    from scipy.special import eval_laguerre

    exact = float(subset_sum.reach_probability(12, 10**6, 700_000))
    assert exact == pytest.approx(2.0**-12 * eval_laguerre(12, -0.7), rel=1e-4)


@given(st.integers(1, 12), st.integers(1, 40), st.sampled_from(subset_sum.LAWS))
def test_divisibility_by_counting(divisor, max_value, law):
    counts, total = integer_sums.sample_counts(max_value, law)
    reach = integer_sums.largest(max_value, law)
    values = np.arange(-reach, reach + 1)
    expected = Fraction(int(counts[values % divisor == 0].sum()), total)
    assert subset_sum_bounds.divides_every_sample(divisor, max_value, law) == expected


@given(st.integers(2, 14), st.integers(2, 60), st.integers(-100, 100))
def test_the_cheap_second_moment_is_an_upper_bound(n, max_value, target):
    first, second = subset_sum_bounds.second_moment_bounds(n, max_value, target)
    exact_first, exact = subset_sum_moments.weighted_moments_up_to(n, max_value, target)
    assert first == pytest.approx(exact_first, rel=1e-9, abs=1e-12)
    assert (second >= exact * (1 - 1e-9) - 1e-12).all()


@pytest.mark.parametrize(
    ("max_value", "target", "worst"),
    [
        *((max_value, target, 1.3) for max_value, target in ((127, 1), (127, 127), (1023, 1023))),
        *((max_value, target, 1.5) for max_value, target in ((2, 1), (2, 2), (5, 5), (15, 15))),
        (127, 254, 1.8),
        (127, 381, 4.2),
    ],
)
def test_the_cheap_second_moment_is_as_close_as_it_says(max_value, target, worst):
    second = subset_sum_bounds.second_moment_bounds(24, max_value, target)[1]
    exact = subset_sum_moments.weighted_moments_up_to(24, max_value, target)[1]
    hit = exact > 1e-12
    loose = (second[hit] / exact[hit]).max()
    # and the stated number is used up to nearly all of what exceeds 1
    assert 1 + 0.3 * (worst - 1) < loose < worst


def test_weighted_moments_equal_enumeration():
    for law, max_value, n, target in (("nonzero", 2, 4, 3), ("uniform", 2, 4, 1), ("product", 2, 3, 2)):
        x = np.array(list(itertools.product(values_of(max_value, law), repeat=n)))
        masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        hits = (x @ masks.T) == target
        first, second = subset_sum_moments.weighted_moments_up_to(n, max_value, target, law)
        for row, theta in enumerate(subset_sum_moments.WEIGHTS):
            weighted = hits @ theta ** masks.sum(axis=1)
            assert first[row, n] == pytest.approx(weighted.mean(), rel=1e-12)
            assert second[row, n] == pytest.approx((weighted**2).mean(), rel=1e-12)


@settings(max_examples=25)
@given(st.data(), st.integers(0, 16), st.integers(1, 300), st.sampled_from(["nonzero", "uniform"]))
def test_bounds_never_cross_and_the_law_respects_the_lower_one(data, n, max_value, law):
    target = data.draw(st.integers(-2 * max_value, 2 * max_value))
    lower, upper = subset_sum.miss_probability_bounds(n, max_value, target, law)
    assert 0.0 <= lower <= upper <= 1.0
    assert subset_sum.miss_probability(n, max_value, target, law) >= lower * (1 - 1e-12)


def test_exponents_of_the_three_laws():
    assert subset_sum.failure_exponent(127, 1) == 1.0
    assert subset_sum.failure_exponent(127, 1, "uniform") == pytest.approx(math.log2(255 / 128))
    assert subset_sum.failure_exponent(128, 1, "product") == pytest.approx(math.log2(4 / 3))
    assert subset_sum.failure_exponent(128, 2, "product") == pytest.approx(-math.log2(1 - (86 / 128) ** 2))
    assert subset_sum.failure_exponent(5, 0) == math.inf


def test_samples_needed_is_the_smallest():
    for law in ("nonzero", "uniform"):
        n = subset_sum.samples_needed(31, 5, 0.02, law)
        assert (
            subset_sum.miss_probability(n, 31, 5, law)
            <= 0.02
            < subset_sum.miss_probability(n - 1, 31, 5, law)
        )
        safe = subset_sum.samples_needed(31, 5, 0.02, law, rigorous=True)
        assert n <= safe
        assert subset_sum.hit_probability_bounds(safe, 31, 5, law)[0] >= 0.98
    assert subset_sum.samples_needed(31, 0, 0.02) == 0
    with pytest.raises(ValueError, match="strictly between"):
        subset_sum.samples_needed(31, 1, 1.5)


def test_sizes_are_found_up_to_the_largest_number_of_samples(monkeypatch):
    monkeypatch.setitem(subset_sum.samples_needed.__globals__, "_MOST_SAMPLES", 20)
    for n in (1, 19, 20):
        assert subset_sum.samples_needed(1, 1, 2.0**-n) == n  # P(miss) = 2^-n at M = 1
    with pytest.raises(ValueError, match="no n up to 20 brings the miss probability of target 1"):
        subset_sum.samples_needed(1, 1, 2.0**-21)


@pytest.mark.parametrize("law", subset_sum.LAWS)
def test_one_sample_equals_the_target_as_often_as_counted_out(law):
    """Every target up to 1 beyond the largest sample on either side."""
    samples = values_of(4, law)
    for target in range(-max(samples) - 1, max(samples) + 2):
        share = Fraction(samples.count(target), len(samples)) if target else 1
        assert subset_sum.trivial_miss(3, 4, target, law) == float((1 - share) ** 3)


def test_a_proved_size_may_just_meet_its_level():
    for n in (1, 2, 9, 30):
        assert subset_sum.samples_needed(1, 1, 2.0**-n, rigorous=True) == n  # P(miss) = 2^-n at M = 1


def test_rigorous_sizes_below_the_resolution_of_a_hit():
    # P(hit) is 1 in doubles from a miss of 1e-16 on; the bound of the miss is not 0
    assert subset_sum.samples_needed(1, 1, 1e-30, rigorous=True) == 100  # P(miss) = 2^-n at M = 1
    for p in (1e-17, 1e-25):
        n = subset_sum.samples_needed(31, 5, p, rigorous=True)
        before, after = (subset_sum.miss_probability_bounds(m, 31, 5)[1] for m in (n - 1, n))
        assert after <= p < before


@pytest.mark.parametrize("law", subset_sum.LAWS)
@pytest.mark.parametrize("target", [1, 12, 864, -(2**20), math.lcm(*range(1, 43))])
def test_critical_divisors_are_the_most_probable_of_all(law, target):
    """Of the least prime powers that do not divide the target, by counting the samples that each divides."""
    max_value = 60 if law != "product" else 12
    primes = [p for p in range(2, 90) if all(p % d for d in range(2, p))]
    powers = [next(p**k for k in range(1, 99) if target % p**k) for p in primes]
    values = np.array(values_of(max_value, law))
    shares = [int((values % g == 0).sum()) for g in powers]
    ranked = [g for share, g in sorted((-share, g) for share, g in zip(shares, powers, strict=True)) if share]
    for count in (0, 1, 2, 7):
        assert subset_sum_bounds.critical_divisors(max_value, target, law, count) == ranked[:count]


def test_published_lemmas():
    lower, upper = subset_sum_lemmas.lemma3_bounds(16, 4095, 1, 1)
    assert 0.0 < lower < upper <= 1.0
    assert all(subset_sum.lemma4_failure(n, 127, 1) >= 1.0 for n in (2, 16, 64, 128))
    assert subset_sum.lemma4_failure(129, 127, 1) < 1.0
    assert subset_sum.lemma4_failure(10**6, 2**40, 1) == pytest.approx(2 * 10 ** (-6 / 7), rel=1e-9)


@pytest.mark.parametrize("law", subset_sum.LAWS)
def test_saddlepoint_law_against_enumeration(law):
    n, max_value = (4, 3) if law == "product" else (6, 3)
    misses = enumerate_misses(n, max_value, law, 3)
    for target in (1, 3):
        value = subset_sum.miss_probability(n, max_value, target, law, form="saddlepoint")
        assert 0.4 < value / misses[target] < 1.8


def test_the_saddlepoint_law_of_zeros_and_of_tolerances():
    for n, max_value, target in ((12, 15, 4), (10, 127, 127)):
        zero, thinned = 1 / (2 * max_value + 1), 0.0
        for k in range(n + 1):
            chance = math.comb(n, k) * zero**k * (1 - zero) ** (n - k)
            thinned += chance * saddlepoint_miss_probability(n - k, max_value, target)
        found = saddlepoint_miss_probability(n, max_value, target, "uniform")
        assert found == pytest.approx(thinned, rel=1e-11)
    # no tolerance unless asked for; with one, every sum of the window in place of one: the target itself may
    # be out of reach (the law is 10-90 % off here)
    assert saddlepoint_miss_probability(8, 5, 4) == saddlepoint_miss_probability(8, 5, 4, delta=0)
    for cell in ((8, 5, 4, 0), (8, 5, 4, 1), (14, 9, 9, 4), (16, 8, 8, 7), (12, 8, 15, 8)):
        n, max_value, target, delta = cell
        exact = float(subset_sum.exact_miss_probability(n, max_value, target, delta=delta))
        assert 1 < saddlepoint_miss_probability(n, max_value, target, delta=delta) / exact < 2
        if max_value > 7:  # not exact
            assert 1 < subset_sum.miss_probability(n, max_value, -target, delta=delta) / exact < 2


@pytest.mark.parametrize(
    ("n", "max_value", "target", "delta", "step"),
    [(14, 127, 100, 0, 1), (14, 127, 140, 4, 1), (14, 127, 140, 13, 3), (3, 6, 1, 0, 1), (13, 100, 1, 0, 1)],
)
def test_samples_full_of_solutions_are_left_out_and_nothing_else(n, max_value, target, delta, step):
    """Every stratum and every point of it, whose values follow the powers of a generalised golden ratio.

    Of the sums within the tolerance nine are taken one by one, of 27 every third with its neighbours.
    """
    ratio = float(mp.findroot(lambda x: x ** (n + 1) - x - 1, 1.1))
    points = 0.5 + np.arange(1, 513)[:, None] * ratio ** -np.arange(1.0, n + 1)
    sizes = np.floor(max_value * (points % 1)).astype(int) + 1
    law = float(subset_sum.reach_probability(n, max_value, target - delta))
    for k in range(n + 1):
        x = sizes * np.where(np.arange(n) < k, 1, -1)
        sums = range(target - delta + step // 2, target + delta + 1, step)
        mean = step * sum(subset_sum.poisson_mean(x, u) for u in sums)
        missed = np.exp(-mean) * (np.maximum(x, 0).sum(axis=1) >= target - delta)
        law += math.comb(n, k) / 2**n * missed.mean()
    for g in () if delta else (2, 3) if target == 1 else (3, 7):  # the likeliest two not in the target
        law = 1 - (1 - law) * (1 - (max_value // g / max_value) ** n)
    assert saddlepoint_miss_probability(n, max_value, target, delta=delta) == pytest.approx(law, rel=1e-9)


def test_the_poisson_mean_is_exact_at_the_ends_and_close_between():
    x = np.array([5, 9, 14, 3, 0, -4, -11])
    assert subset_sum.poisson_mean(x, 31) == 2.0 and subset_sum.poisson_mean(x, 32) == 0.0
    assert subset_sum.poisson_mean(x, -15) == 2.0
    rng = np.random.default_rng(3)
    x = rng.integers(-50, 50, size=(40, 16))
    masks = (np.arange(2**16)[:, None] >> np.arange(16)) & 1
    counts = np.array([((masks @ row) == 7).sum() for row in x])
    assert subset_sum.poisson_mean(x, 7).mean() == pytest.approx(counts.mean(), rel=0.1)
    assert subset_sum.poisson_mean(x, 7, "gaussian").mean() == pytest.approx(counts.mean(), rel=0.1)
    with pytest.raises(ValueError, match="form must be"):
        subset_sum.poisson_mean(x, 7, "exact")
    for form in ("saddlepoint", "gaussian"):  # of zeros every subset solves t = 0, of nothing the empty one
        assert [subset_sum.poisson_mean(x, 0, form) for x in ([0, 0, 0], [])] == [8.0, 1.0]
        assert [subset_sum.poisson_mean(x, 1, form) for x in ([0, 0, 0], [])] == [0.0, 0.0]
        with pytest.raises(ValueError, match="values must be the samples"):
            subset_sum.poisson_mean(3, 0, form)


def test_zero_thinning_is_exact():
    from theory.subset_sum.cox import thinned_by_zeros

    nonzero = [1.0, *(enumerate_misses(n, 2, "nonzero", 3)[3] for n in range(1, 6))]
    assert thinned_by_zeros(nonzero, 2) == pytest.approx(enumerate_misses(5, 2, "uniform", 3)[3], rel=1e-12)


def test_one_law_two_limits():
    for n in (8, 12):
        gaps = []
        for size in (10**3, 10**4, 10**5):
            quantized = subset_sum.miss_probability(n, size, size // 2, form="cox", delta=size // 100)
            gaps.append(abs(quantized / subset_sum.continuous_miss(n, 0.01, 0.5) - 1.0))
        assert gaps[2] < gaps[1] < gaps[0] and gaps[2] < 1e-3


def test_numpy_integers_do_not_wrap_around():
    n, size, target = np.int64(40), np.int64(2**31), np.int32(12345)
    for law in ("nonzero", "uniform"):
        plain = subset_sum.miss_probability_bounds(40, 2**31, 12345, law)
        assert subset_sum.miss_probability_bounds(n, size, target, law) == plain
        exact = subset_sum.expected_solutions(40, 2**31, 12345, law)
        assert subset_sum.expected_solutions(n, size, target, law) == exact
    assert integer_sums.largest(np.int32(2**16), "product") == 2**32


def test_many_samples_stay_finite():
    lower, upper = subset_sum.miss_probability_bounds(600, 127, 100)
    assert 0.0 < lower < 1e-150 and upper < 1e-6
    assert subset_sum.hit_probability_bounds(600, 127, 100)[0] == 1.0 - upper


def test_large_products_are_bounded_or_refused():
    lower, upper = subset_sum.miss_probability_bounds(40, 8191, 12345, "product")
    assert 0.0 < lower < upper <= 1.0
    assert subset_sum.reach_probability(3, 10**6, 10**9, "product") == Fraction(1, 8)
    with pytest.raises(ValueError, match="product law needs"):
        subset_sum.expected_solutions(40, 8191, 1, "product")


def test_targets_out_of_reach_are_never_hit():
    for law in subset_sum.LAWS:
        assert subset_sum.hit_probability_bounds(3, 4, 1000, law) == (0.0, 0.0)
        assert subset_sum.hit_probability_bounds(0, 4, 1, law) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("n", "max_value", "target"), [(20, 2**18, 1), (24, 2**22, 2**22), (30, 2**26, 7), (2, 3, 3)]
)
def test_lemma_4_term_by_term(n, max_value, target):
    """Hoeffding's term, and Lemma 3 at the worst sum: where both are of the order of one."""
    c = 1 / 3 + 1 / (2 * max_value) + 1 / (6 * max_value**2)
    rho = 2.0 ** (n + 1) / (max_value * math.sqrt(2 * math.pi * n * c))
    z = max_value * math.sqrt(n * math.log(n) / 3.5) + 2 * target
    second = 1 / (1 + rho * math.exp(-(z**2) / (2 * n * c * max_value**2)))
    found = subset_sum.lemma4_failure(n, max_value, target)
    assert found == pytest.approx(2 * n ** (-1 / 7) + second, rel=1e-10)
    assert found == subset_sum.lemma4_failure(n, max_value, -target)  # the samples are symmetric
    assert 0.1 < second < 1.0


@pytest.mark.parametrize(("n", "max_value"), [(14, 4000), (24, 2**20)])
def test_lemma_3_knows_a_target_by_its_distance_from_half_the_total(n, max_value):
    """Lemma 2: t given Lambda is the number partitioning target Lambda - 2 t, of either sign."""
    from theory.subset_sum.lemmas import lemma3_bounds

    values = [
        lemma3_bounds(n, max_value, t, total) for t, total in ((7, 0), (-7, 0), (7, 28), (1, 16), (3, -8))
    ]
    assert len({tuple(value) for value in values}) == 1
    far = 2 * max_value
    assert lemma3_bounds(n, max_value, far, 2 * far)[0] > lemma3_bounds(n, max_value, far, 0)[0]
    assert lemma3_bounds(n, max_value, far, 2 * far) == lemma3_bounds(n, max_value, far // 2, far)


def test_products_are_counted_up_to_a_target_of_two_hundred_thousand():
    """One sample a b of |a|, |b| <= 450 stays below t; beyond only that none is positive."""
    sizes = np.multiply.outer(np.arange(1, 451), np.arange(1, 451))
    for target in (25_000, 200_000):
        below = 1 - Fraction(int((sizes >= target).sum()), 2 * sizes.size)
        assert subset_sum.reach_probability(1, 450, target, "product") == below > Fraction(1, 2)
    assert subset_sum.reach_probability(1, 450, 200_001, "product") == Fraction(1, 2)


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (lambda v: subset_sum_bounds.divides_every_sample(v, 4, "product"), "divisor", 1),
        (lambda v: subset_sum_bounds.reach_probability(3, 4, 2, divisor=v), "divisor", 1),
        (lambda v: subset_sum_bounds.critical_divisors(4, 3, count=v), "count", 0),
    ],
)
def test_the_least_that_is_taken(call, name, least):
    call(least)
    with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}"):
        call(least - 1)


@pytest.mark.parametrize(("law", "max_value"), [("nonzero", 3), ("uniform", 2), ("uniform", 1)])
def test_moments_of_weighted_counts_lie_below_their_bounds(law, max_value):
    """Every draw of three samples; a subset of k of them counts theta^k."""
    draws = list(itertools.product(values_of(max_value, law), repeat=3))
    subsets = [[i for i in range(3) if mask >> i & 1] for mask in range(8)]
    for target in range(1, 2 * max_value + 1):
        first, second = subset_sum_bounds.second_moment_bounds(3, max_value, target, law)
        for row, theta in enumerate(subset_sum_moments.WEIGHTS):
            counts = [
                sum(theta ** len(one) for one in subsets if sum(x[i] for i in one) == target) for x in draws
            ]
            assert first[row, 3] == pytest.approx(sum(counts) / len(draws), rel=1e-12)
            square = sum(count**2 for count in counts) / len(draws)
            assert square * (1 - 1e-12) <= second[row, 3] <= 2 * square


@pytest.mark.parametrize("law", ["nonzero", "uniform"])
def test_blocks_beyond_the_exact_moments_use_the_bounds_of_their_law(monkeypatch, law):
    asked, bounds = [], subset_sum_bounds.second_moment_bounds

    def recorded(*given):
        asked.append(given)
        return bounds(*given)

    monkeypatch.setattr(subset_sum_bounds, "second_moment_reachable", lambda *_: False)
    monkeypatch.setattr(subset_sum_bounds, "second_moment_bounds", recorded)
    upper = subset_sum_bounds.block_miss(9, 3, 2, law)
    assert asked == [(9, 3, 2, law)] and upper >= subset_sum.exact_miss_probability(9, 3, 2, law)


@pytest.mark.parametrize(("n", "max_value"), [(1, 3), (2, 3), (3, 2)])
def test_the_union_of_every_divisor_of_products(n, max_value):
    """4 divides some products of numbers below 4, and 9 of numbers below 9."""
    values = values_of(max_value, "product")
    for target in range(1, max_value**2 + 1):
        divisors = [g for g in range(2, 10) if target % g]
        hits = solutions = 0
        for x in itertools.product(values, repeat=n):
            short = sum(v for v in x if v > 0) < target
            hits += short or any(all(v % g == 0 for v in x) for g in divisors)
            sums = [sum(part) for k in range(1, n + 1) for part in itertools.combinations(x, k)]
            solutions += sums.count(target)
        expected = max(hits, len(values) ** n - solutions) / len(values) ** n  # or Markov's inequality
        found = subset_sum.miss_lower_bound(n, max_value, target, "product")
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "max_value", "target"), [(12, 2, 1), (20, 3, 1), (24, 3, 2)])
def test_blocks_of_products_bound_the_exact_miss(n, max_value, target):
    """Their moments are affordable, so the bound says something; without room it says nothing."""
    exactly = subset_sum.exact_miss_probability(n, max_value, target, "product")
    assert exactly <= subset_sum_bounds.block_miss(n, max_value, target, "product") < 0.1
    assert subset_sum_bounds.block_miss(n, 10**5, target, "product") == 1.0


@pytest.mark.parametrize(("n", "max_value", "target"), [(8, 30, 84), (14, 50, 380), (20, 60, 700)])
def test_a_far_target_is_hit_no_more_often_than_it_has_solutions(n, max_value, target):
    """Markov's inequality, however many samples: each is left out or takes any of 2 M values."""
    ways = np.ones(1, dtype=object)
    for _ in range(n):
        ways = np.convolve(ways, [1] * max_value + [2 * max_value] + [1] * max_value)
    solutions = Fraction(int(ways[n * max_value + target]), (2 * max_value) ** n)
    assert 0.5 > solutions >= subset_sum.hit_probability_bounds(n, max_value, target)[1] - 1e-15
