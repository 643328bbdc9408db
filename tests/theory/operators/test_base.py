"""What operators say of themselves, beside their laws."""

from fractions import Fraction

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
