"""Codebooks at the edges of their arguments."""

import itertools

import numpy as np
import pytest

from theory.codebooks import (
    Codebook,
    error_curvature,
    integer_levels,
    optimal_scale,
    quantization_error,
    scale_for,
)
from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform
from theory.formats.affine import affine_error
from theory.snr.flatness import scale_condition


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


def uniform_error(scales, levels):
    """Of a uniform law on [-1, 1], integrated cell by cell."""
    ends = np.clip(scales[:, None] * (levels[1:] + levels[:-1]) / 2, -1, 1)
    ends = np.hstack([np.full((scales.size, 1), -1.0), ends, np.ones((scales.size, 1))])
    level = scales[:, None] * levels
    return np.sum(((ends[:, 1:] - level) ** 3 - (ends[:, :-1] - level) ** 3) / 6, axis=1)


@pytest.mark.parametrize("bits", [5, 6, 7])
def test_of_two_valleys_close_to_each_other_the_lower_one_is_found(bits):
    """Where a uniform law is covered its valleys lie 5e-4 of a scale apart."""
    codes = np.arange(-(2.0 ** (bits - 1)), 2 ** (bits - 1))
    errors = uniform_error(np.linspace(1.0, 1.04, 4001) / 2 ** (bits - 1), codes)
    found = quantization_error(Uniform(1.0), codes, optimal_scale(Uniform(1.0), codes))
    assert found <= errors.min() * (1 + 1e-10)
    assert found == pytest.approx(errors.min(), rel=1e-6)


@pytest.mark.parametrize("levels", [
    [-64, -3, -2, -1, 0, 1, 2, 3, 64], [-560, -28, -17, -3, 3, 17, 28, 560],
    [-395, -27, -14, -4, 0, 4, 14, 27, 395],
])  # fmt: skip
def test_levels_far_out_are_left_alone_where_that_pays(levels):
    """Of a symmetric law and codebook too: covering it with the outermost levels loses more."""
    levels = np.array(levels, float)
    errors = uniform_error(np.geomspace(0.5, 2000.0, 40_001) / levels[-1], levels)
    found = quantization_error(Uniform(1.0), levels, optimal_scale(Uniform(1.0), levels))
    assert found == pytest.approx(errors.min(), rel=3e-6)


@pytest.mark.parametrize("wobble", [0.0, 0.04])
@pytest.mark.parametrize("least", [-1.0, -0.68, -2.5, -5.3, -9.6, -12.0])
def test_levels_mostly_on_one_side_have_valleys_where_the_other_is_clipped(least, wobble):
    levels = np.arange(13.0) + least + wobble * np.cos(np.arange(13.0))
    for one in (levels, -levels[::-1]):
        errors = uniform_error(np.geomspace(0.03, 3.0, 40_001), one)
        found = quantization_error(Uniform(1.0), one, optimal_scale(Uniform(1.0), one))
        assert found == pytest.approx(errors.min(), rel=3e-6)


@pytest.mark.parametrize(("size", "bits"), [(3, 8), (5, 8), (8, 8), (4, 11), (6, 12)])
def test_the_best_scale_of_few_values_by_every_code(size, bits):
    """Between the scales at which a code changes the best one is a regression on the codes."""
    levels = integer_levels(bits)
    values = np.random.default_rng(size).standard_t(1.5, size)
    changes = np.sort(np.abs(np.divide.outer(values, levels[1:] - 0.5)).ravel())

    def coded(scales):
        return np.clip(np.rint(values / scales[:, None]), levels[0], levels[-1])

    def squares(scales, codes):  # summed as such: 12 bits leave 1e-9 of the power
        return np.sum((values - scales[:, None] * codes) ** 2, axis=1)

    codes = coded((changes[1:] + changes[:-1]) / 2)
    codes = codes[codes @ values > 0]
    least = squares(codes @ values / np.sum(codes**2, axis=1), codes).min()
    scale = np.array([optimal_scale(Empirical(values), levels)])
    assert squares(scale, coded(scale)) == pytest.approx(least, rel=3e-6)


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


@pytest.mark.parametrize(
    ("law", "mean"),  # of magnitudes
    [
        (Uniform(3.0), 1.5),
        (Gaussian(2.0), 2 * (2 / np.pi) ** 0.5),
        (StudentT(2, 7.0), 2**0.5 * (1 - 25.5**-0.5) * 51**0.5 / 7),
        (Truncated(Laplace(), 1.0), (1 - 2 / np.e) / (1 - 1 / np.e)),
    ],
    ids=repr,
)
def test_two_opposite_levels_lie_on_the_mean_magnitude(law, mean):
    scale = optimal_scale(law, [-0.5, 0.5])
    assert scale == pytest.approx(2 * mean, rel=1e-12)
    error = float(quantization_error(law, np.array([-0.5, 0.5]), scale))
    assert error == pytest.approx(law.second_moment - mean**2, rel=1e-12)
    assert affine_error(law, 1) <= error * (1 + 1e-9)  # of any offset


@pytest.mark.parametrize("level", [2.0, -2.0, 0.0])
@pytest.mark.parametrize(
    "law", [Gaussian(), Uniform(3.0), Empirical([1.0, -1.0]), Empirical([-1.0, 0.5, 0.5])]
)
def test_one_level_has_a_scale_where_the_mean_lies_on_its_side_and_one_elsewhere(law, level):
    """Where the mean is zero, E (W - s l)^2 grows from s = 0 on: there is no best s > 0."""
    assert optimal_scale(law, [level]) == 1.0
    values = Empirical([3.0, -1.0, 4.0])  # mean 2
    assert optimal_scale(values, [level]) == (1.0 if level <= 0 else 2.0 / level)
    assert optimal_scale(values.reflected(), [level]) == (1.0 if level >= 0 else -2.0 / level)


def test_zeros_have_a_scale_of_one_by_every_rule():
    zeros = Empirical([0.0, 0.0])
    for rule in ("mse", "max-abs"):
        assert scale_for(zeros, integer_levels(4), rule) == 1.0


# Values and levels whose two best valleys differ by 0.03 to 1 % of the error, found among 3,000 draws
VALLEYS = [
    ([1.617, -0.857, -1.555], [-1.453, -0.351, 0.056, 0.439, 0.628, 2.911]),
    ([1.369, 1.224, -1.771], [-2.388, -0.173, 0.079, 0.29, 0.345, 0.785]),
    ([-0.283, -0.465, -1.266, -0.486], [-1.029, -0.44, -0.095, 0.976]),
    ([1.175, 0.471, 0.613, 1.325], [-0.811, 0.236, 0.573, 2.687]),
    ([0.818, 0.733, -1.256], [-1.156, -0.306, 0.168, 0.967, 1.333, 2.517]),
    ([0.904, -1.29, 1.174, 0.581, -0.474], [-0.979, -0.617, 0.01, 0.191, 0.32, 1.538]),
    ([-0.737, 1.01, -0.899, -0.019, -0.697, 1.714], [-2.936, -0.53, -0.375, -0.221, 0.116]),
]


@pytest.mark.parametrize(("values", "levels"), VALLEYS)
def test_of_valleys_a_hundredth_apart_the_lowest_is_found(values, levels):
    """Every assignment of levels to values, each with its regression."""
    w = np.array(values)
    codes = np.array(list(itertools.product(levels, repeat=len(values))))
    gain = np.maximum(codes @ w, 0.0) ** 2 / np.sum(codes**2, axis=1)
    found = float(quantization_error(Empirical(w), np.array(levels), optimal_scale(Empirical(w), levels)))
    assert found * len(values) == pytest.approx(w @ w - gain.max(), rel=3e-6)


def test_the_ends_of_percentiles_and_of_levels():
    law = Empirical([1.0, -6.0, 3.0])
    assert scale_for(law, integer_levels(2, "symmetric"), "percentile", percentile=100) == 6.0
    assert scale_for(law, integer_levels(2, "symmetric"), "percentile", percentile=1e-9) == 1.0
    for percentile in (0.0, 100.001):
        with pytest.raises(ValueError, match="percentile must lie in"):
            scale_for(law, integer_levels(2), "percentile", percentile=percentile)
    for rule in ("max-abs", "percentile"):  # {-1, 0}
        with pytest.raises(ValueError, match="needs a positive level; this codebook ends at 0"):
            scale_for(law, integer_levels(1), rule)


@pytest.mark.parametrize("scale", [None, 0.0, -1.0, np.inf, np.nan])
def test_a_given_scale_is_positive_and_finite(scale):
    with pytest.raises(ValueError, match="needs a positive finite scale"):
        scale_for(Gaussian(), integer_levels(4), "scale", scale=scale)


@pytest.mark.parametrize("levels", [[], [np.nan], [0.0, np.inf], [-np.inf, 0.0, 1.0], [0.0, np.nan]], ids=str)
def test_levels_are_finite_and_there_is_one(levels):
    with pytest.raises(ValueError, match="levels must be finite numbers, at least one"):
        Codebook(levels)


@pytest.mark.parametrize("law", [Gaussian(), Uniform(1.0)], ids=repr)
def test_levels_have_a_unit_of_their_own_as_far_as_it_goes(law):
    """What scales and levels cost together has none; cubes of levels are doubles, or refused."""
    levels = np.array([-2.0, -1.0, 0.0, 1.0, 2.5])
    best, condition = optimal_scale(law, levels), scale_condition(law, levels)
    for unit in (1e-74, 1e-40, 1e40, 1e74):
        assert optimal_scale(law, levels * unit) * unit == pytest.approx(best, rel=1e-9)
        assert scale_condition(law, levels * unit) == pytest.approx(condition, rel=1e-9)
    for unit in (1e-300, 1e-76, 1e76, 1e300):
        with pytest.raises(ValueError, match="must be 0 or between 1e-75 and 1e75, got"):
            optimal_scale(law, levels * unit)


def test_two_opposite_levels_meet_the_mean_magnitude():
    """Signs alone: the best size is E|W|, of a bounded law as well."""
    assert optimal_scale(Uniform(3.0), [-1.0, 1.0]) == pytest.approx(1.5, rel=1e-12)
    assert optimal_scale(Uniform(3.0), [-2.0, 2.0]) == pytest.approx(0.75, rel=1e-12)


def test_percentiles_that_are_no_scale_are_said_so():
    codes = integer_levels(4)
    for law, percentile, words in (
        (Gaussian(), 100, "percentile 100 is inf"),
        (Empirical([0.0, 0.0, 0.0, 5.0]), 50, "percentile 50 is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            scale_for(law, codes, "percentile", percentile=percentile)
    zeros = Empirical([0.0, 0.0])
    assert scale_for(zeros, codes, "percentile") == scale_for(zeros, codes, "max-abs") == 1.0


def test_a_curvature_has_a_positive_scale_and_a_density():
    for scale in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="scale must be positive and finite"):
            error_curvature(Gaussian(), [-1.0, 0.0, 1.0], scale)
    with pytest.raises(TypeError, match="no density"):
        error_curvature([1.0, 2.0], [-1.0, 0.0, 1.0], 1.0)


@pytest.mark.parametrize(
    "law", [Gaussian(), Laplace(), Uniform(), StudentT(2, 5), Empirical([1.0, -2.0])], ids=repr
)
def test_thresholds_beyond_doubles_have_nothing_beyond(law):
    with np.errstate(all="raise"):
        assert quantization_error(law, [0.0, 1e10], 1e300) == law.second_moment
