"""The parts of the claims that are exact."""

from fractions import Fraction

import numpy as np
import pytest

from paper_checks.claim import Run
from paper_checks.zhang_saab import alphabets, domination, tails
from sims.path_following.trials import error_sampler, exit_sampler
from theory.convex_order import tail_bound
from theory.operators import OneBit, StochasticRounding


def test_the_exact_law_is_what_sampling_finds():
    rng = np.random.default_rng(0)
    inputs, weights = rng.standard_normal((2, 5)), rng.uniform(-0.5, 0.5, 5)
    ends, chances = domination.exact_error_law(inputs, weights, StochasticRounding(1.0), 1.5)
    assert chances.sum() == pytest.approx(1)
    sampled = error_sampler(weights, inputs, StochasticRounding(1.0), 1.5)(rng, 20_000)
    assert np.mean(sampled[:, 0] ** 2) == pytest.approx(chances @ ends[:, 0] ** 2, rel=0.05)
    assert sampled[:, 1].max() == pytest.approx(ends[:, 1].max())


def test_exact_measurements_refute_the_twins():
    run = Run("test", "quick", 0)
    lowered = domination.gaussian_domination(run, factor=Fraction(995, 1000))
    assert [m.p_inside for m in lowered] == [1.0] * 4 + [0.0] * 2  # false next to p = 1/2, and for the coin
    biased = list(domination.unbiased_and_bounded(run, operators=("nearest rounding",)))
    assert biased[1].p_inside == 0.0


@pytest.mark.parametrize(("columns", "weight", "scale"), [(1, 0.5, 1.0), (6, 0.3, 1.0), (7, 0.45, 2.5)])
def test_the_law_of_equal_columns_is_that_of_the_tree(columns, weight, scale):
    ends, chances = domination.exact_error_law(
        np.ones((1, columns)), np.full(columns, weight), StochasticRounding(1.0), scale
    )
    lattice, shares = domination.equal_columns_law(columns, weight, scale)
    assert shares.sum() == pytest.approx(1, abs=1e-14)
    for end, share in zip(lattice, shares, strict=True):
        assert share == pytest.approx(chances[np.abs(ends[:, 0] - end) < 1e-9].sum(), abs=1e-14)


@pytest.mark.parametrize(
    ("operator", "weight", "scale"), [(OneBit(1.0), 0.6, 4.0), (StochasticRounding(0.5, bits=3), 1.4, 1.5)]
)
def test_exact_exits_are_what_sampling_finds(operator, weight, scale):
    exact = alphabets.exact_exit(weight, 12, operator, scale)
    assert 0.01 < exact < 0.99
    sample = exit_sampler(np.full(12, weight), np.ones((1, 12)), operator, scale)
    exits = sample(np.random.default_rng(0), 40_000)
    assert exits.mean() == pytest.approx(exact, abs=0.012)


def test_the_numerical_tail_is_refuted_by_half_a_percent():
    radius = tail_bound(1.0, 0.02)
    assert tails._gaussian_markov(radius) == pytest.approx(0.01, rel=1e-8)
    assert tails._gaussian_markov(0.995 * radius) > 0.0101
    assert tails._chi_stop_loss(1, 0.0) == pytest.approx(np.sqrt(2 / np.pi), rel=1e-9)
    assert tails._chi_stop_loss(3, -1.0) == pytest.approx(1 + 2 * np.sqrt(2 / np.pi), rel=1e-9)
