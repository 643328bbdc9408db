"""The Cox law by another substitution, and target by target, from the window to n = 1000."""

import math

import mpmath as mp
import numpy as np
import pytest

from theory.subset_sum import continuous_miss, cox, every_target_miss, fresh_targets_miss


def test_none_of_no_targets_is_missed():
    assert fresh_targets_miss(1.0, 0) == 0.0 and fresh_targets_miss(1.0, 1) == 1.0
    assert [str(fresh_targets_miss(sure)) for sure in ([], 0.0, [0.0, 0.0])] == ["0.0"] * 3  # not -0.0


def test_a_certain_miss_is_no_more_than_certain_among_zeros():
    for n in range(40):
        assert fresh_targets_miss(cox.thinned_by_zeros(np.ones(n + 1), 3)) == pytest.approx(1.0)


def in_solutions(mu, d):
    """The law with u = mu exp(-(G - d)^2/2), the mean number of solutions, as the variable of integration."""
    mu, d = mp.mpf(mu), mp.mpf(d)

    def density(u):
        level = mp.log(mu / u)
        return mp.exp(-u) * mp.cosh(d * mp.sqrt(2 * level)) / mp.sqrt(level)

    return mp.exp(-d * d / 2) / (mu * mp.sqrt(mp.pi)) * mp.quad(density, [0, 1, 8, 60])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("d", [0.0, 0.7, 3.0])
def test_the_law_keeps_its_digits_wherever_a_double_holds_it(d):
    for mu in (1e30, 1e100, 1e300):
        assert cox.cox_miss(mu, d) == pytest.approx(float(in_solutions(mu, d)), rel=1e-9, abs=0)
    assert cox.cox_miss(5.0, 1e200) == pytest.approx(1.0)


def test_limits_beyond_the_range_of_doubles():
    # cosh, 2^n and the exponential each leave double precision where the law does not
    s = mp.sqrt(2 * (mp.log(mp.mpf(1e300)) + mp.euler))
    tail = mp.exp(-450) * mp.cosh(30 * s) / (mp.mpf(1e300) * mp.sqrt(mp.pi / 2) * s)
    assert cox.cox_tail(1e300, 30.0) == pytest.approx(float(tail), rel=1e-11)
    assert cox.moment_ratio_limit(200.0) == math.inf
    ratio = 2 / mp.sqrt(3) * mp.exp(mp.mpf(64) ** 2 / 6)
    assert cox.moment_ratio_limit(-64.0) == pytest.approx(float(ratio), rel=1e-12)  # 4e296
    mu = 2 * mp.mpf(1e-305) * mp.mpf(2) ** 1021 / mp.sqrt(2 * mp.pi * 340)
    assert continuous_miss(1020, 1e-305, 0.5) == pytest.approx(
        float(cox.cox_miss(float(mu), 1 / math.sqrt(340))), rel=1e-9
    )
    assert continuous_miss(1100, 1e-305, 0.5) < 1e-20 and every_target_miss(1200, 3) == 0.0


@pytest.mark.parametrize("law", ["nonzero", "uniform"])
@pytest.mark.parametrize(("n", "max_value"), [(10, 15), (14, 63), (16, 127), (1000, 3)])
def test_every_target_of_both_signs_has_a_mean_of_its_own(n, max_value, law):
    """E P(some t of -M..M but 0 is missed), each with exp(-mu exp(-(G - d_t)^2 / 2)), by a fine sum."""
    grid = [v for v in range(-max_value, max_value + 1) if v or law == "uniform"]
    square = sum(v * v for v in grid) / len(grid)
    mu = 2.0 ** (n + 1) / math.sqrt(2 * math.pi * n * square)
    nodes = np.linspace(-13, 13, 40_001) * (1 if mu < 1e9 else 4)
    weights = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    missed = np.zeros_like(nodes)
    for t in range(-max_value, max_value + 1):
        if t:
            this = np.exp(-mu * np.exp(-((nodes - 2 * t / math.sqrt(n * square)) ** 2) / 2))
            missed += (1 - missed) * this
    assert every_target_miss(n, max_value, law) == pytest.approx(missed @ weights, rel=1e-5, abs=0)


def test_means_about_the_largest_double():
    """Fair signs, M = 1: mu = 2^(n+1) / sqrt(2 pi n)."""
    for n in range(1000, 1090):
        mu = mp.mpf(2) ** (n + 1) / mp.sqrt(2 * mp.pi * n)
        if mu < 1e307:
            assert cox.cox_mean(n, 1) == pytest.approx(float(mu), rel=1e-11)
        elif mu > 1.7976e308:
            assert cox.cox_mean(n, 1) == math.inf
    assert [cox.moment_ratio_limit(d) for d in (65.5, 66.5, 1e3)] == [math.inf] * 3
    assert math.isnan(cox.moment_ratio_limit(math.nan))  # as the law itself
    assert cox.cox_tail(math.inf) == cox.cox_tail(math.inf, 2.0) == cox.cox_miss(math.inf, 0.0) == 0.0


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (lambda v: cox.cox_mean(5, 3, delta=v), "delta", 0),
        (lambda v: cox.cox_mean(v, 3), "n", 1),
        (lambda v: every_target_miss(5, 3, delta=v), "delta", 0),
        (lambda v: every_target_miss(5, 3, limit=v), "limit", 0),
        (lambda v: fresh_targets_miss(0.5, v), "count", 0),
        (lambda v: cox.thinned_by_zeros([1.0, 0.5], v), "max_value", 1),
        (lambda v: continuous_miss(v, 0.1, 0.5), "n", 1),
    ],
)
def test_the_least_that_is_taken(call, name, least):
    call(least)
    with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}"):
        call(least - 1)
