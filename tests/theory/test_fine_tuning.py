import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy import integrate
from scipy.optimize import brentq
from scipy.stats import norm

from theory import fine_tuning
from theory.codebooks import integer_levels, optimal_scale
from theory.derivations import fine_tuning as derivations
from theory.distributions import Gaussian, StudentT
from theory.fine_tuning import (
    balanced_step,
    cubic_sparsity,
    gradient_scale,
    lsq_gradients,
    published_step,
    quantized,
    tuning_codes,
)


def test_every_derivation_ends_in_zero():
    assert derivations.surrogate_slopes() == (0, 0)
    assert derivations.multiplicative_update() == 0
    assert set(derivations.schedule().values()) == {0}
    assert derivations.late_start() == 0


@pytest.mark.parametrize(("begin", "end", "frequency"), [(0, 100, 1), (7, 50, 6), (3, 4, 10)])
def test_the_schedule_reaches_its_end_exactly_and_never_falls(begin, end, frequency):
    steps = np.arange(end + 20)
    found = cubic_sparsity(steps, 0.9, begin, end, initial=0.1, frequency=frequency)
    assert np.all(found[: begin + 1] == 0.1) and np.all(found[end:] == 0.9)
    assert np.all(np.diff(found) >= 0)
    for t in range(begin, end):  # a literal reading of the paper
        last = t - (t - begin) % frequency
        assert found[t] == pytest.approx(
            0.9 + (0.1 - 0.9) * (1 - (last - begin) / (end - begin)) ** 3, abs=1e-15
        )
    assert len(set(found[begin:end].tolist())) == -(-(end - begin) // frequency)


def surrogate(w, s, codes, w0, s0):
    """The rounding residual frozen at (w0, s0)."""
    if codes.sign:
        return s * np.sign(w0)
    if codes.low < w0 / s0 < codes.high:
        return s * (w / s + np.round(w0 / s0) - w0 / s0)
    return s * (codes.high if w0 > 0 else codes.low)


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
@pytest.mark.parametrize("grid", ["twos-complement", "symmetric"])
def test_slopes_are_finite_differences_of_the_surrogate(bits, grid):
    codes = tuning_codes(bits, grid)
    rng = np.random.default_rng(bits)
    s = 0.37
    w = rng.uniform(1.4 * codes.low * s, 1.4 * codes.high * s, 200)
    slope_w, slope_s = lsq_gradients(w, s, codes)
    h = 1e-6
    for i, value in enumerate(w):
        by_s = surrogate(value, s + h, codes, value, s) - surrogate(value, s - h, codes, value, s)
        assert slope_s[i] == pytest.approx(by_s / (2 * h), abs=1e-5)
        if not codes.sign:
            inside = codes.low < value / s < codes.high
            assert slope_w[i] == inside
    if not codes.sign:  # the ends themselves are outside
        on_ends = lsq_gradients(np.array([codes.low, codes.high]) * 0.5, 0.5, codes)
        assert [slope.tolist() for slope in on_ends] == [[0, 0], [codes.low, codes.high]]
    assert surrogate(w[0], s, codes, w[0], s) == pytest.approx(quantized(w, s, codes)[0])
    if not codes.sign:  # eq. 3 of LSQ counts the ends of the range to the outside
        ends = [codes.low, codes.high]
        slope_w, slope_s = lsq_gradients(0.5 * np.array(ends), 0.5, codes)
        assert slope_w.tolist() == [0.0, 0.0] and slope_s.tolist() == ends


def test_one_bit_is_the_sign_with_its_own_straight_through_range():
    codes = tuning_codes(1)
    assert quantized([-3.0, -0.1, 0.0, 2.0], 0.5, codes).tolist() == [-0.5, -0.5, 0.5, 0.5]
    inside, slope = lsq_gradients([-3.0, -0.1, 0.0, 2.0], 0.5, codes)
    assert inside.tolist() == [0, 1, 1, 0] and slope.tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_the_balanced_step_by_quadrature(bits):
    """E of the surrogate's slope, integrated cell by cell over the density."""
    high = 2 ** (bits - 1) - 1

    def slope(s):
        total = 0.0
        for k in range(-high, high + 1):
            low, up = max(k - 0.5, -high) * s, min(k + 0.5, high) * s
            total += integrate.quad(lambda x, k=k: (k * s - x) * (k - x / s) * norm.pdf(x), low, up)[0]
        return total + 2 * integrate.quad(lambda x: (high * s - x) * high * norm.pdf(x), high * s, 40)[0]

    found = balanced_step(Gaussian(), bits)
    assert found == pytest.approx(brentq(slope, 0.5 * found, 2 * found), rel=1e-7)
    assert balanced_step(Gaussian(3.0), bits) == pytest.approx(3 * found, rel=1e-9)


@pytest.mark.parametrize(("bits", "percent"), [(2, 6.5), (3, 1.8), (4, 0.52), (5, 0.16)])
def test_learned_steps_lie_above_the_best_ones(bits, percent):
    best = optimal_scale(Gaussian(), integer_levels(bits, "symmetric"))
    assert 100 * (balanced_step(Gaussian(), bits) / best - 1) == pytest.approx(percent, rel=0.03)


def test_the_published_scale_and_start():
    codes = tuning_codes(3)
    assert gradient_scale(75, codes) == pytest.approx(1 / 15)
    assert published_step(np.full((4, 4), -0.6), codes) == pytest.approx(1.2 / math.sqrt(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cubic_sparsity(1, 1.0, 0, 5), ValueError, r"sparsity must lie in \[0, 1\)"),
        (lambda: cubic_sparsity(1, 0.5, 5, 5), ValueError, "end must be an integer >= 6, got 5"),
        (lambda: cubic_sparsity(1, 0.2, 0, 5, initial=0.5), ValueError, "final sparsity 0.2 is below"),
        (lambda: cubic_sparsity(1.5, 0.2, 0, 5), TypeError, "step must hold integers"),
        (lambda: cubic_sparsity(1, 0.2, 0, 5, frequency=0), ValueError, "frequency must be an integer >= 1"),
        (lambda: lsq_gradients([1.0], -0.1, tuning_codes(2)), ValueError, "step must be positive"),
        (lambda: tuning_codes(0), ValueError, "bits must be an integer from 1 to 16, got 0"),
        (lambda: tuning_codes(1, "other"), ValueError, "grid must be one of"),
        (lambda: balanced_step(Gaussian(), 1), ValueError, "bits must be an integer from 2 to 16, got 1"),
        (lambda: published_step([0.0, 0.0], tuning_codes(2)), ValueError, r"mean \|w\| must be positive"),
    ],
)
def test_bad_input_is_one_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_numbers_stay_numbers():
    assert isinstance(fine_tuning.cubic_sparsity(3, 0.5, 0, 9), float)


@pytest.mark.parametrize(("bits", "bound"), [(3, 10.0), (4, 1e3), (6, 1e6), (8, 1e4)])
def test_the_balanced_step_of_heavy_tails_lies_between_two_signs_of_the_slope(bits, bound):
    """Student's t, df = 2: (1 + x^2/2)^(-3/2) has elementary moments; steps up to 100 deviations / high."""

    def slope(step):
        moments = [
            lambda x: x / mpmath.sqrt(1 + x * x / 2),
            lambda x: -2 / mpmath.sqrt(1 + x * x / 2),
            lambda x: (
                2 * (mpmath.sqrt(2) * mpmath.asinh(x / mpmath.sqrt(2)) - x / mpmath.sqrt(1 + x * x / 2))
            ),
        ]
        top = step * high
        edges = [mpmath.mpf(0), *(step * (k + mpmath.mpf(1) / 2) for k in range(high)), top]
        granular = 0
        for code, (low, up) in enumerate(itertools.pairwise(edges)):
            zeroth, first, second = (moment(up) - moment(low) for moment in moments)
            granular += second - 2 * code * step * first + (code * step) ** 2 * zeroth
        beyond = [moment(mpmath.mpf(bound)) - moment(top) for moment in moments]
        return granular / step - high * (beyond[1] - top * beyond[0])

    high = 2 ** (bits - 1) - 1
    step = balanced_step(StudentT(2, bound), bits)
    with mpmath.workdps(40):
        assert slope(mpmath.mpf(step) * (1 - mpmath.mpf("1e-8"))) < 0
        assert slope(mpmath.mpf(step) * (1 + mpmath.mpf("1e-8"))) > 0


def test_a_schedule_without_growth_and_a_weight_on_the_level():
    assert cubic_sparsity([0, 5, 99], 0.5, begin=2, end=9, initial=0.5).tolist() == [0.5, 0.5, 0.5]
    inside, slope = lsq_gradients([1.0, -1.0, 1.0001, 0.0], 1.0, tuning_codes(1))
    assert inside.tolist() == [1.0, 1.0, 0.0, 1.0] and slope.tolist() == [1.0, -1.0, 1.0, 1.0]


def test_no_steps_have_no_sparsity_and_tiny_steps_clip_in_silence():
    assert np.shape(cubic_sparsity([], 0.5, 0, 10)) == (0,)
    with np.errstate(all="raise"):
        inside, slope = lsq_gradients([1e300, -1e300], 1e-300, tuning_codes(3))
        assert inside.tolist() == [0.0, 0.0] and slope.tolist() == [3.0, -4.0]
        assert quantized([1e300, -1e300], 1e-300, tuning_codes(3)).tolist() == [3e-300, -4e-300]
