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
