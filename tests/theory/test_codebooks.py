"""Codebooks at the edges of their arguments."""

import numpy as np
import pytest

from theory.codebooks import integer_levels, optimal_scale, quantization_error, scale_for
from theory.distributions import Empirical, Gaussian, Uniform


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, [1.0, -2.0]])
def test_scales_are_positive_and_finite(scale):
    with pytest.raises(ValueError, match="scale must be positive and finite"):
        quantization_error(Gaussian(), np.array([-1.0, 0.0, 1.0]), scale)


def test_one_level_is_a_parabola():
    """Least where the scaled level is the mean; a mean on the other side leaves nothing to gain."""
    values = np.array([1.0, 2.0, 6.0])
    for level in (0.5, 2.0, -2.0):
        found = optimal_scale(Empirical(np.sign(level) * values), np.array([level]))
        assert found == pytest.approx(3.0 / abs(level), rel=1e-12)
    assert optimal_scale(Empirical(values), np.array([-1.0])) == 1.0


def test_the_optimal_scale_of_a_uniform_law_divides_it_evenly():
    """The grid {-1, 0, 1} s on [-1, 1]: cells of equal length, 2/3, whose middles are the levels."""
    levels = np.array([-1.0, 0.0, 1.0])
    scale = optimal_scale(Uniform(1.0), levels)
    assert scale == pytest.approx(2 / 3, rel=1e-9)
    assert quantization_error(Uniform(1.0), levels, scale) == pytest.approx((2 / 3) ** 2 / 12, rel=1e-9)
    fine = np.linspace(0.2, 1.5, 2001)
    assert np.min(quantization_error(Uniform(1.0), levels, fine)) >= (2 / 3) ** 2 / 12 * (1 - 1e-12)


@pytest.mark.parametrize(
    ("levels", "chosen"),
    [
        ([-22.0, 0.0, 40.0, 316.0, 336.0], [40.0, -22.0]),
        ([-390.0, -186.0, 0.0, 147.0, 354.0], [147.0, -186.0]),
    ],
)
def test_the_search_goes_on_until_what_lies_on_the_codebook_is_found(levels, chosen):
    law = Empirical(0.37 * np.array(chosen))
    scale = optimal_scale(law, levels)
    assert scale == pytest.approx(0.37, rel=1e-9)
    assert quantization_error(law, levels, scale) < 1e-12 * law.second_moment


def test_zeros_have_a_scale_of_one_by_every_rule():
    zeros = Empirical([0.0, 0.0])
    for rule in ("mse", "max-abs"):
        assert scale_for(zeros, integer_levels(4), rule) == 1.0
