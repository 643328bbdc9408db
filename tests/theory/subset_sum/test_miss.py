import itertools
import math
import re

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory import integer_sums, subset_sum
from theory.derivations import subset_sum as derivation
from theory.subset_sum import cox as subset_sum_laws
from theory.subset_sum import miss as subset_sum_miss
from theory.subset_sum import moments as subset_sum_moments
from theory.subset_sum import saddlepoint
from theory.subset_sum.error_table import LOG_ERRORS, SAMPLES


def values_of(max_value, law):
    """Every equally likely outcome of one sample."""
    grid = range(-max_value, max_value + 1)
    if law == "uniform":
        return list(grid)
    nonzero = [x for x in grid if x]
    return [a * b for a in nonzero for b in nonzero] if law == "product" else nonzero


def enumerate_counts(n, max_value, target, law):
    """Number of solutions of every equally likely draw."""
    subsets = [[i for i in range(n) if mask >> i & 1] for mask in range(2**n)]
    return np.array(
        [
            sum(sum(x[i] for i in s) == target for s in subsets)
            for x in itertools.product(values_of(max_value, law), repeat=n)
        ]
    )


CASES = [
    ("nonzero", 4, 2, 3),
    ("nonzero", 4, 1, 2),
    ("nonzero", 3, 3, -2),
    ("uniform", 4, 2, 2),
    ("uniform", 3, 2, 0),
    ("product", 3, 2, 2),
    ("product", 2, 3, 5),
]


@pytest.mark.parametrize(("law", "n", "max_value", "target"), CASES)
def test_moments_equal_enumeration(law, n, max_value, target):
    counts = enumerate_counts(n, max_value, target, law)
    assert subset_sum.expected_solutions(n, max_value, target, law) == pytest.approx(counts.mean(), rel=1e-14)
    assert subset_sum.second_moment(n, max_value, target, law) == pytest.approx((counts**2).mean(), rel=1e-12)


@pytest.mark.parametrize("law", subset_sum.LAWS)
def test_moments_of_fewer_samples_come_from_the_same_table(law):
    first, second = subset_sum_moments.moments_up_to(6, 3, 2, law)
    for n in range(7):
        assert first[n] == pytest.approx(subset_sum.expected_solutions(n, 3, 2, law), rel=1e-12, abs=1e-14)
        assert second[n] == pytest.approx(subset_sum.second_moment(n, 3, 2, law), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("law", subset_sum.LAWS)
def test_sample_counts_and_variance(law):
    for max_value in (1, 2, 5, 12):
        counts, total = integer_sums.sample_counts(max_value, law)
        values, often = np.unique(values_of(max_value, law), return_counts=True)
        reach = integer_sums.largest(max_value, law)
        assert total == often.sum()
        assert np.array_equal(counts[values + reach], often) and counts.sum() == total
        assert integer_sums.variance(max_value, law) == pytest.approx((values**2 @ often) / total, rel=1e-14)


@pytest.mark.parametrize("law", subset_sum.LAWS)
def test_sum_probability_is_a_distribution(law):
    reach = 4 * integer_sums.largest(3, law)
    p = [integer_sums.sum_probability(4, 3, s, law, exact=True) for s in range(-reach - 1, reach + 2)]
    assert sum(p) == 1 and p[0] == 0


def test_fourier_and_integer_product_moments_agree(monkeypatch):
    exact = [subset_sum.expected_solutions(12, 20, t, "product") for t in (0, 1, 37, 400)]
    monkeypatch.setattr(subset_sum_moments, "EXACT_PRODUCT", 0)
    fourier = [subset_sum.expected_solutions(12, 20, t, "product") for t in (0, 1, 37, 400)]
    assert fourier == pytest.approx(exact, rel=1e-10)


@given(st.integers(0, 12), st.integers(1, 30), st.integers(-40, 40), st.sampled_from(subset_sum.LAWS))
def test_mean_is_symmetric_and_obeys_cauchy_schwarz(n, max_value, target, law):
    mean = subset_sum.expected_solutions(n, max_value, target, law)
    assert mean == subset_sum.expected_solutions(n, max_value, -target, law)
    if n <= 6 and max_value <= 8:
        second = subset_sum.second_moment(n, max_value, target, law)
        assert second >= mean**2 * (1 - 1e-12) and second >= mean * (1 - 1e-12)  # Z is an integer


def test_large_values_stay_exact():
    big = 2**40 - 1
    value = subset_sum.expected_solutions(48, big, 12345)
    assert value == pytest.approx(2.0**49 / math.sqrt(4 * math.pi * 48 * big**2 / 3), rel=0.01)


def test_laws_equal_their_derivations():
    n, s2, mu, d = derivation.n, derivation.s2, derivation.mu, derivation.d
    here = {n: 18, s2: integer_sums.variance(100, "nonzero")}
    assert float(derivation.cox_mean().subs(here)) == pytest.approx(
        subset_sum_laws.cox_mean(18, 100), rel=1e-13
    )
    assert sp.simplify(derivation.first_moment() - derivation.first_moment_from_cox()) == 0
    for value in (0.0, 0.7):
        ratio = float(derivation.moment_ratio().subs(d, value))
        assert ratio == pytest.approx(subset_sum_laws.moment_ratio_limit(value), rel=1e-13)
        tail = float(derivation.tail_shifted().subs({mu: 50, d: value}))
        assert tail == pytest.approx(subset_sum_laws.cox_tail(50.0, value), rel=1e-12)
    assert derivation.tail_integral() == (1, -sp.EulerGamma)
    for law, form in derivation.second_moments().items():
        (symbol,) = form.free_symbols
        assert float(form.subs(symbol, 9)) == pytest.approx(integer_sums.variance(9, law), rel=1e-14)


@pytest.mark.parametrize(("mu", "d"), [(0.01, 0.0), (1.0, 0.5), (30.0, 0.0), (1e6, 1.0), (1e12, 3.0)])
def test_cox_quadrature_against_high_precision(mu, d):
    import mpmath

    density = mpmath.npdf
    points = [-20, -10, -6, -3, 0, 3, 6, 10, 20]
    exact = mpmath.quad(lambda g: density(g) * mpmath.exp(-mu * mpmath.exp(-((g - d) ** 2) / 2)), points)
    assert subset_sum_laws.cox_miss(mu, d) == pytest.approx(float(exact), rel=1e-9)


def test_cox_law_of_means_beyond_every_double():
    """n = 2000: 2^n is no double. A target is missed where Lambda lies farther from it than sqrt(2 ln mu)."""
    n, m = 2000, 127
    variance = (m + 1) * (2 * m + 1) / 6
    log_mu = (n + 1) * math.log(2) - math.log(2 * math.pi * n * variance) / 2
    for target in (80_000, 82_000, 84_000):
        edge = 2 * target / math.sqrt(n * variance) - math.sqrt(2 * log_mu)
        miss = subset_sum_laws.cox_miss_probability(n, m, target)
        # no step but exp(-exp(.)) over 1/sqrt(2 log mu) = 0.02: 3 % where the density falls as there
        assert miss == pytest.approx(math.erfc(-edge / math.sqrt(2)) / 2, rel=0.1)
        far = {"delta": target - 2, "limit": target}
        assert subset_sum_laws.every_target_miss(n, m, **far) >= subset_sum_laws.cox_miss_probability(
            n, m, target, delta=target - 2
        )
    assert subset_sum_laws.every_target_miss(n, m) == 0.0
    # as many targets as allowed, however far from zero they begin
    assert subset_sum_laws.every_target_miss(60, 10**7, delta=10**7, limit=10**7 + 3) < 1e-9
    with pytest.raises(ValueError, match="limit - delta must be at most 10000000"):
        subset_sum_laws.every_target_miss(40, m, limit=10**7 + 1)


def test_cox_tail_converges():
    errors = [
        abs(subset_sum_laws.cox_tail(mu) / subset_sum_laws.cox_miss(mu, 0.0) - 1) for mu in (1e2, 1e4, 1e8)
    ]
    assert errors[0] < 0.03 and errors[2] < errors[1] < errors[0]


def test_moment_ratio_tends_to_its_limit():
    gaps = []
    for n in (12, 20, 28):
        mean = subset_sum.expected_solutions(n, 200, 0)
        gaps.append(
            abs(
                subset_sum.second_moment(n, 200, 0) / mean**2
                - 1 / mean
                - subset_sum_laws.moment_ratio_limit()
            )
        )
    assert gaps[2] < gaps[1] < gaps[0] < 0.07


def test_a_tolerance_places_a_cell_like_a_coarser_grid():
    """mu = (2 delta + 1) 2^(n+1) / sqrt(2 pi n s2): tolerance over range is all that counts."""
    for n in range(6, 20):
        for max_value in (7, 15, 100, 341):
            coarse = subset_sum_miss.miss_form(n, max_value)
            assert subset_sum_miss.miss_form(n, 3 * max_value, delta=1) == coarse
    assert [subset_sum_miss.miss_form(n, 341)[0] for n in (11, 12)] == ["cox", "saddlepoint"]
    for n, last in ((21, 14), (9, 99)):  # a finer grid than the last has the accuracy that was measured there
        assert subset_sum_miss.miss_form(n, last)[1] in ("by factors", "tens of per cent")
        assert re.match("about 1 %|a factor of 1.8", subset_sum_miss.miss_form(n, last + 1)[1])


@pytest.mark.parametrize("law", subset_sum.LAWS)
def test_the_form_that_is_taken_and_its_error_are_those_of_the_law(law):
    """With a target: exact up to M = 7, for products up to 3; the stated error is the one measured there."""
    last = 3 if law == "product" else 7
    forms = [subset_sum_miss.miss_form(20, size, law, target=2)[0] for size in (last, last + 1)]
    assert forms == ["exact", "saddlepoint"]
    # a tolerance adds to the size of the target: at M = 7 sizes up to 12 are cheap, at products of 3 up to 9
    cheap = 9 if law == "product" else 12
    reached = [subset_sum_miss.miss_form(20, last, law, d, 5)[0] for d in (cheap - 5, cheap - 4)]
    assert reached[0] == "exact" != reached[1]
    # near the window the Cox law, whose error is another, beyond it and for products the saddlepoint law
    for size, n in ((9, 6), (10, 6), (9, 30), (2, 10_001)) if law != "product" else ():
        form, accuracy = subset_sum_miss.miss_form(n, size, law, target=size)
        assert form == ("cox" if n == 6 else "saddlepoint")
        if n > 40:
            assert accuracy == "by factors"
            continue
        rows = [LOG_ERRORS[law, form, size, False][SAMPLES.index(n + step)] for step in (-2, 0, 2)]
        assert accuracy == f"within a factor of {math.exp(1.35 * max(rows) + 0.02):.2f}, as measured"


def test_the_exact_form_has_the_law_and_the_tolerance_it_is_asked_for():
    # one sample hits {2, 3, 4} in three of six, seven and, of 36 products of {+-1..+-3}, 2 + 2 + 1 times 2
    for law, missed in (("nonzero", 4 / 6), ("uniform", 5 / 7), ("product", 26 / 36)):
        found = subset_sum.miss_probability(1, 3, 3, law, "exact", delta=1)
        assert found == pytest.approx(missed, rel=1e-15)
        assert subset_sum.miss_probability(1, 3, 3, law, delta=1) == found


def test_the_empty_set_solves_zero():
    assert subset_sum.miss_probability(5, 7, 0) == 0.0
    assert subset_sum.miss_probability(5, 7, 2, delta=2) == 0.0
    assert subset_sum.miss_probability(0, 7, 1) == 1.0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: subset_sum.miss_probability(-1, 7, 1), ValueError, "n must be"),
        (lambda: subset_sum.miss_probability(5, 0, 1), ValueError, "max_value must be"),
        (lambda: subset_sum.miss_probability(5, 7, 0.5), TypeError, "target must be"),
        (lambda: subset_sum.miss_probability(5, 7, 1, law="normal"), ValueError, "law must be"),
        (lambda: subset_sum.miss_probability(5, 7, 1, form="guess"), ValueError, "form must be"),
        (lambda: subset_sum.miss_probability(5, 7, 1, delta=-1), ValueError, "delta must be"),
        (lambda: subset_sum.second_moment(100, 2**30, 1), ValueError, "second moment needs"),
        (lambda: subset_sum_laws.cox_tail(0.5), ValueError, "mu must exceed"),
    ],
)
def test_bad_input_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_target_within_the_window_is_never_missed():
    """The empty set reaches it."""
    assert (
        subset_sum_laws.continuous_miss(3, 0.2, 0.2) == subset_sum_laws.continuous_miss(3, 0.2, -0.1) == 0.0
    )
    assert 0.0 < subset_sum_laws.continuous_miss(3, 0.2, 0.21) < 1.0


@pytest.mark.parametrize("n", [9, 12, 16, 21, 30])
def test_the_cox_law_is_taken_up_to_three_bits_and_a_quarter_past_the_window(n):
    """n - log2 M <= 13/4: 2^(4n - 13) <= M^4. A tolerance of 1 is a grid three times as coarse."""
    first = next(m for m in itertools.count(int(2 ** (n - 3.3))) if m**4 >= 2 ** (4 * n - 13))
    for law in ("nonzero", "uniform"):
        forms = [subset_sum_miss.miss_form(n, m, law)[0] for m in (first - 1, first)]
        assert forms == ["saddlepoint", "cox"]
        assert subset_sum_miss.miss_form(n, 3 * first, law, delta=1)[0] == "cox"
        assert subset_sum_miss.miss_form(n, 3 * (first - 1), law, delta=1)[0] == "saddlepoint"
    assert subset_sum_miss.miss_form(n, 2 * first, "product")[0] == "saddlepoint"


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (lambda v: subset_sum.miss_probability(v, 3, 1), "n", 0),
        (lambda v: subset_sum.miss_probability(5, 9, 2, delta=v), "delta", 0),
        (lambda v: subset_sum_miss.miss_form(5, 9, delta=v), "delta", 0),
        (lambda v: subset_sum.samples_needed(v, 1, 0.1), "max_value", 1),
        (lambda v: subset_sum.poisson_mean([1, 2], 1, delta=v), "delta", 0),
        (lambda v: saddlepoint.saddlepoint_miss_probability(3, 2, 1, delta=v), "delta", 0),
        (lambda v: subset_sum.lemma4_failure(v, 3, 1), "n", 2),
    ],
)
def test_the_least_that_is_taken(call, name, least):
    call(least)
    with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}"):
        call(least - 1)


@pytest.mark.parametrize(
    ("law", "form"), [("nonzero", "cox"), ("nonzero", "saddlepoint"), ("uniform", "saddlepoint")]
)
def test_both_laws_take_the_tolerance_they_are_asked_for(law, form):
    """Sums within two of the target: the exact chain misses a third as often as it misses the target."""
    exactly = subset_sum.miss_probability(6, 7, 5, law, "exact", delta=2)
    assert 3 * exactly < subset_sum.miss_probability(6, 7, 5, law, "exact")
    found = subset_sum.miss_probability(6, 7, 5, law, form, delta=2)
    assert exactly / 1.4 < found < 1.4 * exactly


def test_products_have_bounds_of_their_own():
    """Sixteen samples of at most 6 never sum to 100, sixteen products of two of them often do."""
    assert subset_sum.miss_lower_bound(16, 6, 100) == 1.0
    found = subset_sum.miss_probability(16, 6, 100, "product")
    assert found == subset_sum.miss_probability(16, 6, 100, "product", "saddlepoint")
    assert 0.5 < found < 0.6


@pytest.mark.parametrize("n", [30, 60])
def test_products_miss_an_odd_target_where_all_of_them_are_even(n):
    """Of products of {+-1..+-7} 33 of 49 are even, of the numbers themselves 3 of 7."""
    even = (33 / 49) ** n
    assert even < subset_sum.miss_probability(n, 7, 1, "product", "saddlepoint") < 1.2 * even


@pytest.mark.parametrize("rigorous", [False, True])
def test_the_samples_that_products_need_are_the_fewest(rigorous):
    """A target of 20, beyond three numbers of at most 5, and one product of two."""
    n = subset_sum.samples_needed(5, 20, 0.05, "product", rigorous)
    misses = [
        subset_sum.miss_probability_bounds(k, 5, 20, "product")[1]
        if rigorous
        else subset_sum.miss_probability(k, 5, 20, "product")
        for k in (n - 1, n)
    ]
    assert misses[1] <= 0.05 < misses[0]


@pytest.mark.parametrize("law", ["nonzero", "uniform"])
def test_an_error_measured_without_tolerance_is_not_stated_with_one(law):
    n, max_value, target = 20, 9, 5
    assert "as measured" in subset_sum_miss.miss_form(n, max_value, law, target=target)[1]
    form, accuracy = subset_sum_miss.miss_form(n, max_value, law, 3, target)
    assert (form, accuracy) == subset_sum_miss.miss_form(n, max_value, law, 3)
    assert "as measured" not in accuracy


def test_a_tolerance_may_hit_more_often_than_the_bound_of_the_target_alone_allows():
    """One sample of {-1000..1000} without 0 lies within 500 of 1000 for 501 of 2000 values."""
    found = subset_sum.miss_probability(1, 1000, 1000, delta=500)
    assert found < 0.95 < subset_sum.miss_lower_bound(1, 1000, 1000)


def test_only_the_best_form_is_lifted_to_the_proved_bound():
    """Far out in the tail the law of the window falls below what is proved."""
    n, max_value, target = 60, 100, 100
    proved = subset_sum.miss_lower_bound(n, max_value, target)
    asked = subset_sum.miss_probability(n, max_value, target, form="cox")
    assert asked == float(subset_sum_laws.cox_miss_probability(n, max_value, target)) < proved
    assert subset_sum.miss_probability(n, max_value, target) >= proved


def test_without_a_target_no_exact_law_and_of_products_none_of_the_window():
    """On small grids and near the window alike, where a target or another law would get them."""
    for max_value in (1, 5, 7):
        assert subset_sum_miss.miss_form(12, max_value, target=1)[0] == "exact"
        assert subset_sum_miss.miss_form(12, max_value)[0] == "saddlepoint"
    for n, max_value in ((2, 50), (8, 200), (9, 10**5)):
        assert subset_sum_miss.miss_form(n, max_value)[0] == "cox"
        assert subset_sum_miss.miss_form(n, max_value, "product")[0] == "saddlepoint"
