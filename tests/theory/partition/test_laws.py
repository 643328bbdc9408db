import itertools
import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory import partition
from theory.derivations import partition as derivation
from theory.partition import laws


def test_closed_forms_equal_their_derivations():
    n, m = derivation.n, derivation.M
    for items, size in ((5, 3), (24, 2**20)):
        assert float(derivation.second_moment().subs(m, size)) == pytest.approx(partition.second_moment(size))
        exact = float(derivation.mean_even().subs({n: items, m: size}))
        assert exact == pytest.approx(partition.expected_perfect_partitions(items, size), rel=1e-13)
    assert float(derivation.window_constant()) == pytest.approx(partition.WINDOW_CONSTANT, rel=1e-15)
    assert sp.simplify(derivation.window_constant() - sp.sqrt(3 / (2 * sp.pi))) == 0
    assert derivation.mean_correction() == sp.Rational(-3, 20)
    assert derivation.mean_relative_variance() == sp.Rational(1, 5)
    assert derivation.fourth_cumulant_of_signs() == -2
    for position in (-2.0, 0.0, 3.0):
        miss = float(derivation.miss_window().subs(derivation.lam, position))
        assert 1 - miss == pytest.approx(partition.window_probability(position), rel=1e-13)


@pytest.mark.parametrize(("n", "max_value"), [(1, 3), (2, 3), (3, 4), (4, 3), (5, 2)])
def test_exact_mean_equals_enumeration(n, max_value):
    counts = []
    for x in itertools.product(range(1, max_value + 1), repeat=n):
        if sum(x) % 2 == 0:
            signed = (
                sum(s * v for s, v in zip(signs, x, strict=True))
                for signs in itertools.product((-1, 1), repeat=n)
            )
            counts.append(sum(v == 0 for v in signed) / 2)
    assert partition.expected_perfect_partitions_exact(n, max_value) == pytest.approx(
        np.mean(counts), rel=1e-14
    )


def test_the_correction_of_the_mean_is_the_first_order_of_the_exact_mean():
    for n in (12, 24, 48):
        size = partition.window_max_value(n, 0.0)
        ratio = partition.expected_perfect_partitions_exact(n, size) / partition.expected_perfect_partitions(
            n, size
        )
        # the remainder is O(1/n^2) with a constant below 1/30 (measured at n = 12: 0.021)
        assert abs((ratio - 1) + 3 / (20 * n)) < 1 / (30 * n**2)


def test_the_nearest_integer_has_all_digits_of_a_double():
    """n - log2(n)/2 is an integer for n = 4^k, sixteenths are doubles: 2 to their sum at 400 digits."""
    for n, position in itertools.product((16, 64, 256, 1024), range(16)):
        with mp.workdps(400):
            exact = int(mp.nint(mp.mpf(2) ** (n - mp.log(n, 4) + mp.mpf(position) / 16)))
        assert abs(partition.window_max_value(n, position / 16) - exact) <= exact >> 52, (n, position)


def test_the_critical_point_and_the_window_agree():
    assert partition.window_parameter(20, 2.0 ** partition.critical_bits(20)) == pytest.approx(0.0, abs=1e-12)
    assert partition.window_max_value(20, partition.window_parameter(20, 12345)) == 12345


def test_window_limit_is_approached():
    gaps = []
    for n in (16, 64, 256):
        size = 2.0 ** (partition.critical_bits(n) + 0.5)
        gaps.append(abs(partition.perfect_partition_probability(n, size) - partition.window_probability(0.5)))
    assert gaps[0] < 1e-4 and gaps[2] <= gaps[1] <= gaps[0]


@pytest.mark.parametrize("form", ["limit", "corrected"])
@pytest.mark.parametrize("parity", ["even", "odd"])
def test_count_law_is_a_distribution_with_the_stated_moments(form, parity):
    n, size = 20, 2**18
    k = np.arange(400)
    pmf = partition.perfect_partition_count_pmf(k, n, size, parity, form)
    mean = partition.expected_perfect_partitions(n, size, parity, form)
    variance = mean if form == "limit" else mean + mean**2 / (5 * n)
    assert pmf.sum() == pytest.approx(1.0, abs=1e-12)
    assert (pmf * k).sum() == pytest.approx(mean, rel=1e-12)
    assert (pmf * k**2).sum() - mean**2 == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("form", ["limit", "corrected"])
def test_probability_is_one_minus_the_empty_count(form):
    zero = [partition.perfect_partition_count_pmf(0, 18, 2**16, parity, form) for parity in ("even", "odd")]
    assert 1 - np.mean(zero) == pytest.approx(
        partition.perfect_partition_probability(18, 2**16, form), rel=1e-13
    )


@given(st.integers(2, 60), st.floats(-6, 6))
def test_probability_falls_with_the_range_and_lies_between_zero_and_one(n, position):
    size = 2.0 ** max(partition.critical_bits(n) + position, 0.0)
    for form in ("limit", "corrected"):
        here = partition.perfect_partition_probability(n, size, form)
        assert 0.0 <= partition.perfect_partition_probability(n, 2 * size, form) <= here <= 1.0


def test_smallest_discrepancy_above_the_threshold_is_exponential():
    n, size = 20, 2**28
    scale = partition.discrepancy_scale(n, size)
    for multiple in (0.5, 1.0, 3.0):
        survival = partition.min_discrepancy_survival(round(multiple * scale), n, size)
        assert survival == pytest.approx(math.exp(-multiple), rel=0.02)
    mean = partition.min_discrepancy_survival(np.arange(round(40 * scale)), n, size).sum()
    assert mean == pytest.approx(scale, rel=0.01)


@given(st.integers(1, 40), st.integers(1, 2**20), st.integers(0, 10**6))
def test_lemma_1_bounds_never_cross(n, max_value, target):
    lower, upper = partition.lemma1_bounds(n, max_value, target)
    assert 0.0 <= lower <= upper <= 1.0 and lower < 0.5


def test_arrays_are_broadcast():
    n = np.array([12, 16, 20])
    values = partition.perfect_partition_probability(n, 2 ** (n - 2))
    assert values.shape == (3,)
    assert values[1] == partition.perfect_partition_probability(16, 2**14)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: partition.critical_bits(0), "n must be"),
        (lambda: partition.perfect_partition_probability(10, 0), "max_value must be"),
        (lambda: partition.perfect_partition_probability(10, math.nan), "max_value must be"),
        (lambda: partition.perfect_partition_probability(10, 10, "exact"), "form must be"),
        (lambda: partition.expected_perfect_partitions(10, 10, "both"), "parity must be"),
        (lambda: partition.perfect_partition_count_pmf(-1, 10, 10), "count must"),
        (lambda: partition.perfect_partition_count_pmf(0.5, 10, 10), "count must"),
        (lambda: partition.min_discrepancy_survival(0.5, 10, 10), "discrepancy must"),
        (lambda: partition.min_discrepancy_survival([2, -1], 10, 10), "discrepancy must"),
        *((lambda n=n: partition.critical_bits(n), "n must be") for n in (True, math.inf, math.nan, [4, 0])),
        *(
            (lambda m=m: partition.perfect_partition_probability(10, m), "max_value must be")
            for m in (True, math.inf, [4, 0])
        ),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# mu = 2^n / (M sqrt(2 pi n c)) and the laws made of it, at sizes where 2^n, M or mu exceed every double:
# mpmath at 60 digits with exact integers
HUGE = [(1100, 1095), (1024, 1), (1300, 2), (5000, 4000), (2000, 1994), (3000, 3100), (10**5, 99_990)]


@pytest.mark.parametrize(("n", "bits"), HUGE)
def test_laws_beyond_the_range_of_doubles(n, bits):
    m = 2**bits
    with mp.workdps(60):
        c = mp.mpf(1) / 3 + mp.mpf(1) / (2 * m) + mp.mpf(1) / (6 * m * m)
        log_mean = n * mp.log(2) - mp.log(m) - mp.log(2 * mp.pi * n * c) / 2
        mean = mp.exp(log_mean)
        perfect = 1 - (mp.exp(-mean) + mp.exp(-2 * mean)) / 2
        spread = mp.mpf(1) / (5 * n)
        none = {
            "limit": mp.exp(-mean),
            "corrected": mp.exp(-mp.log1p(spread * mean * (1 - mp.mpf(3) / (20 * n))) / spread),
        }
        lemma = {}
        for z in (0, 3, 2 * m, m << 1050):
            rho = 2 * mean * mp.exp(-(mp.mpf(z) ** 2) / (2 * n * mp.mpf(m) ** 2 * c)) / (2 if z == 0 else 1)
            lemma[z] = (float(rho / (2 * rho + 2)), float(min(rho, 1)))
        survival = (mp.exp(-mean) + 1) / 2, (mp.exp(-5 * mean) + mp.exp(-4 * mean)) / 2  # d = 0 and 4
        window = float(mp.log(m, 2) - (n - mp.log(n, 2) / 2))
    assert laws.log_expected_perfect_partitions(n, m) == pytest.approx(float(log_mean), rel=1e-14, abs=1e-8)
    assert partition.perfect_partition_probability(n, m) == pytest.approx(
        float(perfect), rel=1e-9, abs=1e-300
    )
    for form, expected in none.items():
        found = partition.perfect_partition_count_pmf(0, n, m, form=form)
        assert found == pytest.approx(float(expected), rel=1e-6, abs=1e-300)
    for z, expected in lemma.items():
        assert partition.lemma1_bounds(n, m, z) == pytest.approx(expected, rel=1e-8, abs=1e-300)
    found = [partition.min_discrepancy_survival(d, n, m) for d in (0, 4)]
    assert found == pytest.approx([float(s) for s in survival], rel=1e-8, abs=1e-300)
    assert partition.window_parameter(n, m) == pytest.approx(window, abs=1e-8)
    assert partition.discrepancy_scale(n, m) == pytest.approx(
        float(mp.exp(-log_mean)) if log_mean > -709 else math.inf, rel=1e-8
    )


def test_window_values_beyond_the_range_of_doubles():
    assert partition.window_max_value(4096, 0.0) == 2**4090
    assert partition.window_max_value(16, 0.0) == 16384
    for n in (30, 900, 1100, 5000):
        assert partition.window_parameter(n, partition.window_max_value(n, 0.3)) == pytest.approx(
            0.3, abs=1e-8
        )


@pytest.mark.filterwarnings("error")
def test_probabilities_end_at_0_and_1():
    assert partition.window_probability([-math.inf, -1100.0, 1100.0, math.inf]).tolist() == [1, 1, 0, 0]
    for n in (1, 10, 77, 300):  # no partition is perfect
        law = partition.perfect_partition_count_pmf([0, 1], n, 2**3000, form="corrected")
        assert law.tolist() == [pytest.approx(1.0), 0.0] and law[0] <= 1.0


def test_exact_moments_beyond_the_range_of_doubles(monkeypatch):
    # n fair signs (M = 1): C(n, n/2)/2 partitions of discrepancy 0, always; the sum's law in closed form
    def fair(n, max_value, value, law, exact):
        return Fraction(math.comb(n, n // 2), 2**n) if n % 2 == 0 else Fraction(0)

    assert partition.expected_perfect_partitions_exact(60, 1) == math.comb(60, 30) // 2
    monkeypatch.setattr(laws, "sum_probability", fair)
    assert partition.expected_perfect_partitions_exact(1000, 1) == float(math.comb(1000, 500) // 2)
    assert partition.expected_perfect_partitions_exact(1200, 1) == math.inf


@pytest.mark.parametrize("n", [1, 3, 7])
def test_an_odd_number_of_ones_has_no_even_total_to_speak_of(n):
    """Of ones and twos some have: those with an even number of ones."""
    assert math.isnan(partition.expected_perfect_partitions_exact(n, 1))
    assert math.isnan(partition.perfect_partition_variance_exact(n, 1))
    counts = [
        sum(np.dot(signs, values) == 0 for signs in itertools.product((1, -1), repeat=n)) / 2
        for values in itertools.product((1, 2), repeat=n)
        if sum(values) % 2 == 0
    ]
    assert partition.expected_perfect_partitions_exact(n, 2) == pytest.approx(np.mean(counts))
    assert partition.perfect_partition_variance_exact(n, 2) == pytest.approx(np.var(counts))


def test_count_law_for_large_counts():
    # negative binomial with r = 5n, mean (1 - 3/(20n)) mu: mpmath's gamma at 40 digits
    n, m = 2000, 2**1985
    for k in (500, 530):
        with mp.workdps(40):
            c = mp.mpf(1) / 3
            mean = mp.mpf(2) ** n / m / mp.sqrt(2 * mp.pi * n * c) * (1 - mp.mpf(3) / (20 * n))
            r = mp.mpf(5 * n)
            value = (
                mp.gamma(k + r)
                / mp.gamma(r)
                / mp.factorial(k)
                * (r / (r + mean)) ** r
                * (mean / (r + mean)) ** k
            )
        assert partition.perfect_partition_count_pmf(k, n, m, form="corrected") == pytest.approx(
            float(value), rel=1e-10
        )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda v: partition.window_max_value(v, 0.0), "n"),
        (lambda v: partition.perfect_partition_count_pmf(1, v, 4, form="corrected"), "n"),
        (lambda v: partition.lemma1_bounds(v, 4), "n"),
        (lambda v: partition.lemma1_bounds(4, v), "max_value"),
        (lambda v: partition.second_moment([2**70, v]), "max_value"),  # beside an integer beyond 64 bits
        (lambda v: partition.window_parameter(90, [v, 2**70]), "max_value"),
        (lambda v: partition.critical_bits([3, v]), "n"),
    ],
)
def test_one_item_of_one_value_is_the_least(call, name):
    call(1)
    with pytest.raises(ValueError, match=f"^{name} must be .*>= 1, got"):
        call(0)


def test_means_about_the_largest_double():
    """Fair signs, M = 1: mean 2^n / sqrt(2 pi n), which passes 1.8e308 at n = 1030."""
    for n in range(1000, 1080):
        with mp.workdps(30):
            mean = mp.mpf(2) ** n / mp.sqrt(2 * mp.pi * n)
        expected = float(mean) if mean < 1.7976e308 else math.inf
        assert partition.expected_perfect_partitions(n, 1) == pytest.approx(expected, rel=1e-11)
        assert partition.perfect_partition_count_pmf(3, n, 1) == 0.0
        assert partition.lemma1_bounds(n, 1) == (0.5, 1.0) == partition.lemma1_bounds(n, 1, 7)
        assert partition.min_discrepancy_survival([0, 1, 2], n, 1).tolist() == [0.5, 0.0, 0.0]


def test_a_window_ends_at_a_million_bits():
    bits = 2**20
    assert partition.window_max_value(16, bits - 14 - 0.5).bit_length() == bits
    for parameter in (bits - 14, 2.0 * bits, math.nan):
        with pytest.raises(ValueError, match="M below"):
            partition.window_max_value(16, parameter)
