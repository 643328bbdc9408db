"""Water-filling against bisection on its level, and the limits it contains."""

import numpy as np
import pytest
from scipy.optimize import brentq

from theory import allocation


@pytest.mark.parametrize("bits", [0.1, 1.0, 3.7])
def test_the_level_by_bisection(bits):
    rng = np.random.default_rng(int(10 * bits))
    v, n = np.exp(3 * rng.normal(size=12)), rng.integers(1, 50, 12)

    def rate(level):
        return n @ np.log2(v / np.minimum(level, v)) / 2 - bits * n.sum()

    level = brentq(rate, 1e-30, v.max(), xtol=1e-300, rtol=1e-14)
    np.testing.assert_allclose(allocation.water_filling(v, bits, n), np.minimum(level, v), rtol=1e-9)


def test_no_other_split_of_the_bits_is_better():
    v, n = np.array([1.0, 9.0, 0.04]), np.array([3, 1, 2])
    rng = np.random.default_rng(2)
    split = rng.dirichlet(np.ones(3), 20_000) * 1.5 * n.sum() / n  # bits per weight of each tensor
    errors = (n * v * 4.0**-split).sum(axis=1)
    best = 10 * np.log10((n @ v) / errors.min())
    assert best <= allocation.water_filling_snr(v, 1.5, n) < best + 0.02


def test_edges():
    assert allocation.water_filling([2.0, 0.0, 1.0], 0).tolist() == [2.0, 0.0, 1.0]
    assert allocation.water_filling([0.0, 0.0], 3).tolist() == [0.0, 0.0]
    assert allocation.water_filling([4.0, 0.0], 1).tolist() == [0.25, 0.0]
    assert allocation.water_filling_snr([0.0, 1.0], 0.0) == 0.0


def test_outputs_at_high_rate():
    x = np.random.default_rng(3).normal(size=(200, 8)) * np.arange(1, 9)
    gram = x.T @ x
    n, sign_log = 8, np.linalg.slogdet(gram)[1]
    high_rate = 10 * np.log10(np.trace(gram) / n) - 10 * sign_log / n / np.log(10) + 6 * 20 * np.log10(2)
    assert allocation.output_snr(gram, 6.0) == pytest.approx(high_rate, abs=1e-9)
    assert allocation.feedback_gain(gram) == pytest.approx(high_rate - 6 * 20 * np.log10(2), abs=1e-9)
    assert allocation.feedback_gain(np.outer([1, 2], [1, 2])) == np.inf
    # 10 log10(0.5 / 1e-5), and no more than a part of the space below rounding
    assert allocation.feedback_gain(np.diag([1.0, 1e-10])) == pytest.approx(46.98970004, abs=1e-8)
    assert allocation.feedback_gain(np.diag([1.0, 2e-14])) == pytest.approx(65.4845501, abs=1e-7)
    assert allocation.feedback_gain(np.diag([1.0, 1e-15])) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: allocation.water_filling([1.0, -1.0], 2), "variances must be a list of finite numbers"),
        *(
            (lambda v=v: allocation.water_filling(v, 2), "variances must be a list of finite numbers")
            for v in ([], 1.0, [[1.0, 2.0]], [1.0, np.nan], [np.inf])
        ),
        *(
            (
                lambda n=n: allocation.water_filling([1.0, 2.0], 2, n),
                "sizes must be 2 positive finite numbers",
            )
            for n in ([1, 0], [1, -1], [1, np.inf], [np.nan, 1])
        ),
        *(
            (lambda g=g: allocation.feedback_gain(g), "gram must be a square matrix of finite numbers")
            for g in (np.zeros((0, 0)), np.diag([1.0, np.nan]), np.diag([1.0, np.inf]), np.ones(4))
        ),
        (lambda: allocation.water_filling([1.0], -1), "bits must be a finite number of at least 0, got -1"),
        (lambda: allocation.water_filling([1.0], 1, [1, 2]), "sizes must be 1 positive finite numbers"),
        (lambda: allocation.water_filling_snr([1.0, 2.0], 1, [1]), "sizes must be 2 positive finite numbers"),
        (lambda: allocation.water_filling_snr(1.0, 2), "variances must be a list of finite numbers"),
        (lambda: allocation.output_snr(np.ones((2, 3)), 1), "gram must be a square matrix"),
        (lambda: allocation.feedback_gain(np.ones((2, 2, 2))), "gram must be a square matrix"),
        (lambda: allocation.feedback_gain(np.zeros((2, 2))), "gram must not be zero"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_only_the_symmetric_part_of_a_gram_matrix_counts():
    # w G w' is w (G + G')/2 w'
    lopsided, even = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.5], [0.5, 1.0]])
    for gram in (lopsided, lopsided.T):
        assert allocation.output_snr(gram, 3.0) == pytest.approx(allocation.output_snr(even, 3.0))
        assert allocation.feedback_gain(gram) == pytest.approx(-5 * np.log10(0.75))


def test_inputs_of_rank_one_ask_for_bits_in_one_direction():
    # eigenvalues of 0 are found as -1e-17: no variances, and no error
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=6)
        assert allocation.output_snr(np.outer(x, x), 1.0) == pytest.approx(6 * 20 * np.log10(2), rel=1e-9)


def test_next_to_no_bits_leave_the_variances_as_they_are():
    """2 to the logarithm of a number is not the number: to rounding with a few bits, exactly without."""
    for k in range(1, 60):
        v, n = [k / 7, k / 11], [k, 3]
        assert allocation.water_filling(v, 0, n).tolist() == v
        np.testing.assert_allclose(allocation.water_filling(v, 1e-300, n), v, rtol=1e-13)


@pytest.mark.parametrize("unit", [5e-324, 1e-310, 1e307])
def test_ratios_know_no_unit(unit):
    """Of variances whose sum exceeds every double, or whose share below the smallest."""
    plain = np.array([3.0, 2.0, 12.0])
    snr, gain = allocation.water_filling_snr(plain, 4.0), allocation.feedback_gain(np.diag(plain))
    assert allocation.water_filling_snr(plain * unit, 4.0) == pytest.approx(snr, rel=1e-12)
    assert allocation.output_snr(np.diag(plain * unit), 4.0) == pytest.approx(snr, rel=1e-12)
    assert allocation.feedback_gain(np.diag(plain * unit)) == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("unit", [1e-300, 1e308])
def test_sizes_count_by_their_shares_alone(unit):
    v, n = [1.0, 4.0, 0.5], np.array([0.25, 1.0, 0.75])
    with np.errstate(all="raise"):
        found = allocation.water_filling(v, 1.5, unit * n)
        gain = allocation.water_filling_snr(v, 1.5, unit * n)
    np.testing.assert_allclose(found, allocation.water_filling(v, 1.5, n), rtol=1e-13)
    assert gain == pytest.approx(allocation.water_filling_snr(v, 1.5, n), abs=1e-12)
