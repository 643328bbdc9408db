"""Exact partition laws against every draw and every signing; finite-n corrections against exact moments."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from theory import partition
from theory.partition import exact as exact


def literal(n, max_value):
    """(smallest discrepancies, perfect counts, parities) of every draw, over every signing with s_1 = 1."""
    signings = np.array([(1, *s) for s in itertools.product((-1, 1), repeat=n - 1)])
    draws = np.array(list(itertools.product(range(1, max_value + 1), repeat=n)))
    discrepancies = np.abs(draws @ signings.T)
    return discrepancies.min(axis=1), (discrepancies <= 1).sum(axis=1), draws.sum(axis=1) % 2


def law_of(values):
    return {int(k): Fraction(v, len(values)) for k, v in Counter(values.tolist()).items()}


GRIDS = [(1, 5), (2, 4), (3, 5), (4, 4), (5, 3), (6, 3), (9, 2), (4, 7), (5, 6)]


@pytest.mark.parametrize(("n", "max_value"), GRIDS)
def test_laws_equal_enumeration(n, max_value):
    least, counts, parity = literal(n, max_value)
    assert exact.min_discrepancy_distribution(n, max_value) == law_of(least)
    assert exact.perfect_probability(n, max_value) == Fraction(int((counts > 0).sum()), len(counts))
    for name, chosen in ((None, parity >= 0), ("even", parity == 0), ("odd", parity == 1)):
        found = exact.perfect_partition_distribution(n, max_value, name)
        assert {z: p for z, p in found.items() if p} == law_of(counts[chosen])


def signed_counts(n, max_value):
    """Integer coefficients of (x^-M + ... + x^-1 + x + ... + x^M)^n, by plain convolution."""
    one = np.array([int(k != max_value) for k in range(2 * max_value + 1)], object)
    power = np.array([1], object)
    for _ in range(n):
        power = np.convolve(power, one)
    return power


@pytest.mark.parametrize(("n", "max_value"), [(8, 9), (10, 6), (6, 20)])
def test_moments_equal_coefficients_of_a_power(n, max_value):
    ways = signed_counts(n, max_value)
    middle = n * max_value
    odd_share = Fraction(max_value // 2 - (max_value + 1) // 2, max_value) ** n
    for parity, at, share, both in (("even", 0, 1 + odd_share, 2), ("odd", 1, 1 - odd_share, 1)):
        mean, variance = exact.perfect_partition_moments(n, max_value, parity)
        # 2^n signings times P(signed sum = at), halved for s and -s where both end at 0
        expected = Fraction(int(ways[middle + at]), max_value**n) / both / (share / 2)
        assert mean == expected
        assert variance > 0
    mean, variance = exact.perfect_partition_moments(n, max_value)
    assert float(mean) == pytest.approx(partition.expected_perfect_partitions_exact(n, max_value), rel=1e-14)
    assert float(variance) == pytest.approx(
        partition.perfect_partition_variance_exact(n, max_value), rel=1e-10
    )


def signed_sum_probability(n, max_value, at):
    """P(sum of n values uniform on {+-1..+-M} = at), by a Fourier sum with a point for every sum there is."""
    theta = 2.0 * np.pi * np.arange(1, 2 * n * max_value + 1) / (2 * n * max_value + 1)
    characteristic = (np.sin((max_value + 0.5) * theta) / np.sin(0.5 * theta) - 1.0) / (2.0 * max_value)
    return (1.0 + (characteristic**n * np.cos(at * theta)).sum()) / (2 * n * max_value + 1)


@pytest.mark.parametrize("parity", ["even", "odd"])
def test_the_corrected_mean_is_right_to_the_order_it_claims(parity):
    # 3/19 for 3/20 is off by 0.0079/n, the wrong sign by 0.3/n: both far above 0.02/n^2
    for n, max_value in ((12, 2000), (16, 16384), (24, 8000), (48, 8000)):
        odd_share = (max_value // 2 - (max_value + 1) // 2) / max_value
        share = (1.0 + odd_share**n) / 2 if parity == "even" else (1.0 - odd_share**n) / 2
        true = 2.0**n * signed_sum_probability(n, max_value, int(parity == "odd")) / share
        true /= 2.0 if parity == "even" else 1.0  # s and -s both end at 0, but only one of them at 1
        found = partition.expected_perfect_partitions(n, max_value, parity, form="corrected")
        assert abs(found / true - 1.0) < 0.02 / n**2 + 0.12 / (
            n * max_value
        )  # the second: 1/M in the kurtosis


def test_the_corrected_variance_is_right_to_the_order_it_claims():
    def relative(n):  # n (Var Z - E Z)/mu^2, exactly and by the corrected law
        size = partition.window_max_value(n, 0.0)
        mu = partition.expected_perfect_partitions(n, size)
        true = partition.perfect_partition_variance_exact(n, size)
        true -= partition.expected_perfect_partitions_exact(n, size)
        k = np.arange(80)
        pmf = partition.perfect_partition_count_pmf(k, n, size, "even", "corrected")
        mean = (pmf * k).sum()
        return n * true / mu**2, n * ((pmf * k**2).sum() - mean**2 - mean) / mu**2

    exact_ones, corrected = np.array([relative(n) for n in (24, 48)]).T
    limit, law = 2 * exact_ones[1] - exact_ones[0], 2 * corrected[1] - corrected[0]
    assert limit == pytest.approx(0.2, abs=0.002) and law == pytest.approx(0.2, abs=0.002)
    assert abs(exact_ones[1] - corrected[1]) < 0.01  # and the wrong sign would be 0.4 away


def test_the_smallest_discrepancy_follows_its_lattice_law():
    n, size = 7, 24
    law = exact.min_discrepancy_distribution(n, size)
    true = np.array([float(sum(p for d, p in law.items() if d > x)) for x in range(size)])
    found = partition.min_discrepancy_survival(np.arange(size), n, size)
    assert np.abs(found - true).max() < 0.02  # off by one on odd sums, or 0 counted twice: above 0.09


def test_a_set_of_as_many_bits_as_there_may_be(monkeypatch):
    """One item is its own discrepancy; the limit itself, 8192, would take minutes."""
    monkeypatch.setattr(exact, "_MOST_BITS", 6)
    assert exact.min_discrepancy_distribution(1, 6) == {value: Fraction(1, 6) for value in range(1, 7)}
    for n, size in ((1, 7), (7, 1)):
        with pytest.raises(ValueError, match="at most 6, the size of a set"):
            exact.min_discrepancy_distribution(n, size)


def test_a_limit_that_is_just_met_is_met():
    # four of four values: C(7, 4) multisets; one item: a set per value, and that of no item
    assert exact.perfect_partition_distribution(4, 4, max_multisets=35)
    assert exact.min_discrepancy_distribution(1, 5, max_states=6)
    assert exact.perfect_probability(1, 5, max_states=6) == Fraction(1, 5)
    for call in (
        lambda: exact.perfect_partition_distribution(4, 4, max_multisets=34),
        lambda: exact.min_discrepancy_distribution(1, 5, max_states=5),
        lambda: exact.perfect_probability(1, 5, max_states=5),
    ):
        with pytest.raises(ValueError, match=r"more than 34|outgrew 5 sets"):
            call()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: exact.min_discrepancy_distribution(0, 3), ValueError, "n must be"),
        (lambda: exact.min_discrepancy_distribution(5, 2.5), TypeError, "max_value must be"),
        (lambda: exact.min_discrepancy_distribution(12, 40, max_states=500), ValueError, "outgrew 500 sets"),
        (lambda: exact.perfect_partition_distribution(20, 40), ValueError, "multisets, more than"),
        (lambda: exact.perfect_partition_distribution(4, 4, "both"), ValueError, "parity must be"),
        (lambda: exact.perfect_partition_distribution(2, 1, "odd"), ValueError, "no total"),
    ],
)
def test_bad_input_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(
    "law",
    [
        exact.min_discrepancy_distribution,
        exact.perfect_partition_distribution,
        exact.perfect_partition_moments,
        exact.perfect_probability,
    ],
)
def test_one_item_of_one_value_is_the_least(law):
    law(2, 1)
    for n, max_value, name in ((0, 3, "n"), (3, 0, "max_value")):
        with pytest.raises(ValueError, match=f"{name} must be an integer >= 1, got 0"):
            law(n, max_value)


@pytest.mark.parametrize(("n", "max_value", "sets"), [(8, 8, 442), (10, 10, 1551)])
def test_discrepancies_that_decide_nothing_are_dropped(n, max_value, sets):
    """The most sets held at a time, as measured: with a window twice as wide twice as many."""
    law = exact.min_discrepancy_distribution(n, max_value, max_states=sets)
    assert sum(law.values()) == 1
    with pytest.raises(ValueError, match=f"outgrew {sets - 1} sets"):
        exact.min_discrepancy_distribution(n, max_value, max_states=sets - 1)


@pytest.mark.parametrize(("n", "size"), [(2, 3), (3, 3), (4, 3), (4, 5), (5, 3), (6, 3), (7, 2)])
def test_exact_variances_are_rounded_once(n, size):
    """Of all lists whose total is even: a fraction, and then the double next to it."""
    _, perfect, odd = literal(n, size)
    counts = perfect[odd == 0].tolist()
    mean = Fraction(sum(counts), len(counts))
    variance = Fraction(sum(count**2 for count in counts), len(counts)) - mean**2
    assert partition.perfect_partition_variance_exact(n, size) == float(variance)
    assert partition.expected_perfect_partitions_exact(n, size) == float(mean)
