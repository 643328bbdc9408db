"""Counting laws: where their arguments end."""

import math

import pytest

from theory.lottery import drawn_units


def test_at_most_half_of_the_units_are_usable():
    """A single input takes the units of its sign: a negative binomial number of them."""
    for usable in (0.5, 0.25):
        mean, spread = drawn_units(1, 21, signed=False, usable=usable)
        assert mean == pytest.approx(21 / usable)
        assert spread == pytest.approx(math.sqrt(21 * (1 - usable)) / usable)
    for usable in (0.0, 0.51, 1.0, -0.5, math.nan):
        with pytest.raises(ValueError, match="must lie in"):
            drawn_units(4, 21, usable=usable)
