"""What operators say of themselves, beside their laws."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from theory.operators import (
    HardPruning,
    NearestRounding,
    NearestSign,
    OneBit,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
    expectation,
)
from theory.operators.base import floor_ratio, grid_limits

HALF = Fraction(1, 2)
OPERATORS = [
    StochasticRounding(HALF), OneBit(HALF), StochasticPruning(HALF), PruneThenRound(HALF, Fraction(1, 3)),
    NearestRounding(HALF), NearestSign(HALF), HardPruning(HALF),
]  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_unbiased_and_random_are_what_the_law_is(operator):
    """Over values inside every limit: the mean is the value, and more than one outcome is possible."""
    laws = [(v, operator.outcomes(v)) for v in (Fraction(k, 24) for k in range(-11, 12))]
    assert operator.unbiased == all(expectation(law) == v for v, law in laws)
    assert operator.uses_uniforms == any(len(law) > 1 for _, law in laws)
    assert all(sum(p for _, p in law) == 1 for _, law in laws)
    for v, law in laws:
        second = sum(p * x * x for x, p in law)
        assert operator.variance(v) == second - expectation(law) ** 2


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_every_length_follows_the_unit(operator):
    """Parameters three times as large: so are the errors, and what is said of them."""
    lengths = ("step", "level", "threshold")
    changes = {name: 3 * getattr(operator, name) for name in lengths if hasattr(operator, name)}
    larger = dataclasses.replace(operator, **changes)
    for name in ("unit", "interval_length", "max_error"):
        assert getattr(larger, name) == 3 * getattr(operator, name) > 0
    assert larger.limits == tuple(3 * end for end in operator.limits)
    for v in (Fraction(k, 24) for k in range(-11, 12)):
        assert [(3 * x, p) for x, p in operator.outcomes(v)] == [tuple(one) for one in larger.outcomes(3 * v)]


def test_a_grid_has_one_code_more_below_zero():
    assert grid_limits(HALF, 3) == (-2, Fraction(3, 2)) and grid_limits(HALF, None) == (-math.inf, math.inf)
    assert grid_limits(2, np.int8(8)) == (-256, 254)
    assert floor_ratio(Fraction(7, 4), HALF) == (3, HALF) and floor_ratio(Fraction(-1, 4), HALF) == (-1, HALF)
    assert floor_ratio(0.3, 0.1) == (2, pytest.approx(1.0)) and floor_ratio(3 * 0.1, 0.1) == (3, 0.0)
    for bits, words in ((1, "use OneBit"), (33, "from 2 to 32"), (0, "from 2 to 32")):
        with pytest.raises(ValueError, match=words):
            StochasticRounding(HALF, bits=bits)
    assert StochasticRounding(HALF, bits=32).limits == (-(2**30), 2**30 - HALF)


def test_uniforms_are_needed_and_lie_in_their_interval():
    operator = StochasticRounding(1.0)
    assert operator([0.25], [0.0]).tolist() == [1.0] and operator([0.25], [0.25]).tolist() == [0.0]
    for bad in ([1.0], [-1e-9], [math.nan]):
        with pytest.raises(ValueError, match=r"uniforms must lie in \[0, 1\)"):
            operator([0.25], bad)
    with pytest.raises(ValueError, match="StochasticRounding is random: pass uniforms"):
        operator([0.25])
    assert NearestRounding(1.0)([0.75]).tolist() == [1.0]


@pytest.mark.parametrize("make", [StochasticRounding, NearestRounding])
@pytest.mark.parametrize(("step", "value"), [(1e-300, 1e10), (5e-324, -1.0), (1e-10, -1e300), (0.3, 1.7e308)])
def test_weights_that_are_more_steps_than_any_double_stay(make, step, value):
    """The nearest multiple of the step is the weight itself, to rounding; a grid of bits ends before."""
    with np.errstate(all="raise"):
        assert make(step)([value, 0.0], [0.5, 0.5]).tolist() == [value, 0.0]
        low, high = grid_limits(step, 4)
        assert make(step, 4)(value, 0.5) == (high if value > 0 else low)
    assert make(step).outcomes(value) == [(value, 1.0)]
    assert make(step, 4).outcomes(value) == [(high if value > 0 else low, 1.0)]


def test_numpy_numbers_have_the_law_of_their_value():
    """|-128| wraps around in int8, and 40000 + 30000 is infinite in float16."""
    for operator in (
        StochasticPruning(300),
        HardPruning(3),
        OneBit(300.0),
        NearestSign(3),
        StochasticRounding(3),
    ):
        assert operator.outcomes(np.int8(-128)) == operator.outcomes(-128)
    assert OneBit(40000.0).outcomes(np.float16(30000)) == [(-40000.0, 0.125), (40000.0, 0.875)]
    assert StochasticRounding(1.0).outcomes(np.array(0.25)) == [(0.0, 0.75), (1.0, 0.25)]


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
def test_the_law_at_what_is_no_finite_number_is_refused(operator):
    for value in (math.nan, -math.inf, np.float32("inf"), 10**400):
        with pytest.raises(ValueError, match=r"value must be finite, got .{2,30}$"):
            operator.outcomes(value)
    with pytest.raises(TypeError, match="value must be a real number"):
        operator.outcomes("1")


def test_lengths_whose_multiples_leave_double_precision_are_refused():
    for make in (StochasticRounding, NearestRounding, OneBit, NearestSign, StochasticPruning, HardPruning):
        with pytest.raises(ValueError, match=r"must be at most 1e\+298, got 1e\+308"):
            make(1e308)
        operator = make(1e298)
        assert operator.interval_length <= 2e298 and operator.max_error <= 2e298
        assert operator.outcomes(5e297)[0][1] in (0.25, 0.5, 1.0)
    with pytest.raises(ValueError, match="threshold / step must be finite"):
        PruneThenRound(1e10, 1e-300)
    with pytest.raises(ValueError, match=r"step must be at most 1e\+298"):
        PruneThenRound(1.0, 1e299)


def test_variances_of_rare_and_of_far_outcomes():
    assert StochasticPruning(1e200).variance(1e-50) == pytest.approx(1e150, rel=1e-12)  # v (c - v)
    assert OneBit(1e200).variance(0.0) == math.inf and OneBit(1e150).variance(0.0) == pytest.approx(1e300)
