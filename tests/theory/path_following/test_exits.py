"""Exit bounds at the edges: corrections far smaller than the weights, scales next to 1/2."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from theory.convex_order import exceedance_bound
from theory.operators import OneBit, StochasticRounding
from theory.path_following import alignment_bound, check_scale, error_map, error_stds
from theory.path_following.exits import correction_stds, exit_bound, norm_ratio, sufficient_scale


def exit_probability(x, w, operator, scale):
    """Exact, by walking the tree of the operator's choices; corrections are added in exact order."""
    low, high = operator.limits
    states, left = [(1.0, np.zeros(len(x)))], 0.0
    for t in range(x.shape[1]):
        column, grown = x[:, t], []
        for chance, u in states:
            correction = column @ u / (scale * (column @ column))
            # w + correction may round to w: compare the correction with the room
            if correction > high - w[t] or correction < low - w[t]:
                left += chance
                continue
            for point, probability in operator.outcomes(float(w[t] + correction)):
                grown.append((chance * probability, u + (w[t] - point) * column))
        states = grown
    return left


@pytest.mark.parametrize("small", [1e-3, 1e-8, 1e-12, 1e-100])
def test_a_weight_on_the_end_exits_by_the_smallest_correction(small):
    operator = StochasticRounding(1 / 8, bits=4)
    x = np.array([[1.0, small], [0.0, 1.0]])
    w = np.array([0.03, operator.limits[1]])
    exact = exit_probability(x, w, operator, 1.0)
    assert exact == pytest.approx(0.76)  # whenever the first weight is rounded down
    assert exit_bound(w, x, 1.0, operator)[0] >= exact


@pytest.mark.parametrize("small", [1e-3, 1e-7, 1e-9, 1e-150])
def test_correction_stds_of_nearly_orthogonal_columns(small):
    x = np.array([[1.0, small], [0.0, 1.0]])
    # v_2 - w_2 = -<X_2, X_1> eps_1 / (C |X_2|^2), |X_2|^2 = 1 + small^2
    expected = math.sqrt(math.pi / 8) * small / (2.0 * (1 + small**2))
    assert correction_stds(x, 2.0, StochasticRounding(1.0))[1] == pytest.approx(expected, rel=1e-14)
    assert correction_stds(x, 2.0, StochasticRounding(1.0))[0] == 0.0


def test_the_bound_is_sharp_in_order_where_corrections_are_tiny():
    # room of 3 standard deviations of a correction of size 1e-9: the tail, not 0
    operator = OneBit(1.0)
    x = np.array([[1.0, 1e-9], [0.0, 1.0]])
    std = correction_stds(x, 1.0, operator)[1]
    assert exit_bound([[0.0, 1.0 - 1e-8]], x, 1.0, operator)[0] == pytest.approx(
        float(exceedance_bound(std, 1e-8)), rel=1e-6
    )


@pytest.mark.parametrize("max_weight", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("level", [1.0, 1e8, 1e-8])
def test_a_sufficient_scale_is_a_scale(max_weight, level):
    # a step 1e-9 of the limits needs no scale to speak of, yet C = 1/2 is none
    step = level / 2**31
    c = sufficient_scale(max_weight * level / 2, 10, 0.01, StochasticRounding(step, bits=32))
    check_scale(c)
    assert 0.5 < c < 0.5 + 1e-15


def test_sufficient_scale_is_rounded_up():
    """Never below, however its sums and products were rounded: hundreds of weights, whatever the ratio."""
    for weight, k in itertools.product(np.linspace(0.01, 0.99, 120).tolist(), (1.0, 1.7, 30.0)):
        c = sufficient_scale(weight, 100, 0.01, OneBit(1.0), k)
        with mpmath.workdps(40):
            excess = mpmath.pi * mpmath.mpf(k) ** 2 * mpmath.log(200 / mpmath.mpf(0.01))
            least = (1 + excess / (1 - mpmath.mpf(weight)) ** 2) / 2
            assert least <= mpmath.mpf(c) <= least * (1 + mpmath.mpf("1e-14"))


class Lopsided(StochasticRounding):
    """Limits whose nearer end is the upper one, or, mirrored, the lower one."""

    ends = (-2.0, 1.0)

    @property
    def limits(self):
        return self.ends


def test_the_nearer_end_may_be_either():
    mirrored = type("Mirrored", (Lopsided,), {"ends": (-1.0, 2.0)})(0.5)
    # room 1 - 1/4 of a bit with A = 1, whose L = 2 is four steps: a sixteenth of its 2C - 1
    excess = (2 * sufficient_scale(0.25, 64, 0.01, OneBit(1.0)) - 1) / 16
    for operator in (Lopsided(0.5), mirrored):
        assert sufficient_scale(0.25, 64, 0.01, operator) == pytest.approx((1 + excess) / 2, rel=1e-13)


@pytest.mark.parametrize("exponent", [-1000, -664, -500, 500, 664, 1020])
def test_inputs_of_any_unit_have_the_bounds_of_their_directions(exponent):
    # squares of 1e-200 underflow: columns counted as dead, their corrections and the exit bound as 0
    x = np.array([[1.0, 2.0, -0.5], [3.0, 1.0, 0.25]])
    tiny, operator = np.ldexp(x, exponent), OneBit(1.0)
    assert np.array_equal(np.ldexp(tiny, -exponent), x)
    np.testing.assert_array_equal(
        correction_stds(tiny, 1.5, operator), correction_stds(x, 1.5, operator), strict=True
    )
    assert exit_bound([[0.1, 0.2, 0.0]], tiny, 40.0, operator) > 0
    assert norm_ratio(tiny) == norm_ratio(x)
    unit = np.ldexp(1.0, exponent)
    np.testing.assert_array_equal(error_map(tiny, 1.5), error_map(x, 1.5) * unit)
    np.testing.assert_allclose(error_stds(tiny, 1.5, operator), error_stds(x, 1.5, operator) * unit)
    np.testing.assert_allclose(
        alignment_bound([[1.0, -1.0, 0.5]], tiny, 2 * tiny),
        alignment_bound([[1.0, -1.0, 0.5]], x, 2 * x) * unit,
    )


def test_columns_of_different_units():
    # <X_2, X_1>/|X_2|^2 = 1e170: the correction of a short column by a long one
    x = np.array([[1.0, 1e-170], [0.0, 1e-170]])
    expected = math.sqrt(math.pi / 8) * 1e170 / 2
    assert correction_stds(x, 1.0, StochasticRounding(1.0))[1] == pytest.approx(expected, rel=1e-14)
    assert exit_bound([[0.0, 0.0]], x, 1.0, OneBit(1.0))[0] == 1.0
    assert norm_ratio(x) == pytest.approx(1e170 / math.sqrt(2), rel=1e-14)
    # ... and beyond every double the bound is 1, not nan
    assert exit_bound([[0.0, 0.0]], x * [[1.0, 1e-153]] * [[1e300, 1.0]], 1.0, OneBit(1.0))[0] == 1.0


def test_the_ends_of_what_a_sufficient_scale_takes():
    # 2C - 1 = pi log(2N/e) of one bit at w = 0; N = 1 and k = 1 are the least, e = 0 and 1 are no failures
    least = (1 + math.pi * math.log(2 / 0.25)) / 2
    assert sufficient_scale(0.0, 1, 0.25, OneBit(1.0), 1.0) == pytest.approx(least, rel=1e-13)


@pytest.mark.filterwarnings("error")
def test_the_first_arguments_out_of_range():
    operator = OneBit(1.0)
    assert 0.5 < sufficient_scale(0.0, 1, 0.999, operator, 1.0) < 100  # each at its end, or next to it
    for failure in (0.0, 1.0, [0.5, 0.0], [1.0, 0.5], math.nan):
        with pytest.raises(ValueError, match="failure must lie strictly between 0 and 1"):
            sufficient_scale(0.5, 64, failure, operator)
    for columns, ratio in ((0, 1.0), (64, 0.999), ([0, 64], 1.0), (64, [0.5, 2.0])):
        with pytest.raises(ValueError, match="norm_ratio and columns must be at least 1"):
            sufficient_scale(0.5, columns, 0.01, operator, ratio)
    for weight in (-0.001, 1.0):
        with pytest.raises(ValueError, match=r"max_weight must lie in \[0, 1\), inside the limits"):
            sufficient_scale(weight, 64, 0.01, operator)


def test_dead_inputs_have_the_ratio_of_equal_ones():
    assert norm_ratio(np.zeros((3, 4))) == 1.0 == norm_ratio(np.ones((3, 4)))
    assert norm_ratio([[0.0, 3.0, 0.0, 2.0, 0.0]]) == 1.5


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e160, 1e200])
def test_lengths_whose_squares_leave_double_precision(unit):
    """In its own unit an operator is that of length 1; a variance of 0 would let nothing exit."""
    x = np.array([[1.0, 2.0, -1.0], [0.5, 1.0, 3.0]])
    for of in (correction_stds, error_stds):
        np.testing.assert_allclose(of(x, 2.0, OneBit(unit)), unit * of(x, 2.0, OneBit(1.0)), rtol=1e-14)
    w = np.array([0.9, -0.2, 0.8])
    near = exit_bound(w, x, 2.0, OneBit(1.0))
    assert 0 < near <= 1 and exit_bound(unit * w, x, 2.0, OneBit(unit)) == pytest.approx(near, rel=1e-13)
    with np.errstate(all="raise"):
        scales = [sufficient_scale(0.5 * size, 8, 1e-300, OneBit(size)) for size in (unit, 1.0)]
        assert scales[0] == pytest.approx(scales[1], rel=1e-14)
        assert sufficient_scale(0.0, 1e300, 1e-300, OneBit(1.0)) == pytest.approx(
            0.5 + math.pi / 2 * (math.log(2) + 600 * math.log(10)), rel=1e-14
        )
