"""The parts of the claims that are exact."""

from fractions import Fraction

import numpy as np
import pytest

from paper_checks.claim import Run
from paper_checks.zhang_saab import domination
from sims.path_following.trials import error_sampler
from theory.operators import StochasticRounding


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
    assert [m.p_inside for m in lowered] == [1.0, 0.0, 0.0]
    biased = list(domination.unbiased_and_bounded(run, operators=("nearest rounding",)))
    assert biased[1].p_inside == 0.0
