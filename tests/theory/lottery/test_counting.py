"""Counting laws: where their arguments end."""

import math

import numpy as np
import pytest

from theory.lottery import counting_bound, drawn_units, parameter_counts


@pytest.mark.parametrize(("fan_in", "usable"), [(3, 0.5), (20, 0.3), (14, 0.4), (100, 0.01)])
def test_slots_of_both_sides_unit_by_unit(fan_in, usable):
    """The law of (inputs that wait for one side, for both), moved on by a unit at a time until none waits."""
    one, two = np.ogrid[: fan_in + 2, : fan_in + 1]
    first = 1 - (1 - usable) ** one  # some input that waits for one side takes the unit
    second = (1 - first) * (1 - (1 - 2 * usable) ** two)
    law = np.zeros((fan_in + 2, fan_in + 1))
    law[0, fan_in] = 1.0
    mean = square = 0.0
    for units in range(int(35 / usable)):
        waiting = law.sum() - law[0, 0]  # P(T > units)
        mean, square = mean + waiting, square + (2 * units + 1) * waiting
        after = law * (1 - first - second)
        after[:-1] += (law * first)[1:]
        after[1:, :-1] += (law * second)[:-1, 1:]
        law = after
    found = drawn_units(fan_in, 1, signed=True, usable=usable)
    assert found == pytest.approx((mean, math.sqrt(square - mean**2)), rel=1e-10)


def test_at_most_half_of_the_units_are_usable():
    """A single input takes the units of its sign: a negative binomial number of them."""
    for usable in (0.5, 0.25):
        mean, spread = drawn_units(1, 21, signed=False, usable=usable)
        assert mean == pytest.approx(21 / usable)
        assert spread == pytest.approx(math.sqrt(21 * (1 - usable)) / usable)
    for usable in (0.0, 0.51, 1.0, -0.5, math.nan):
        with pytest.raises(ValueError, match="must lie in"):
            drawn_units(4, 21, usable=usable)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("usable", [1e-10, 1e-17, 1e-150])
def test_slots_wait_on_their_own_where_hardly_a_unit_is_usable(usable):
    """Exponential times of one rate: the last of k has the mean 1 + 1/2 + ... + 1/k."""
    for signed, slots in ((False, 5), (True, 10)):
        mean = sum(1 / k for k in range(1, slots + 1)) / usable
        spread = math.sqrt(sum(1 / k**2 for k in range(1, slots + 1))) / usable
        assert drawn_units(5, 1, signed, usable) == pytest.approx((mean, spread), rel=1e-8)


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (lambda v: counting_bound(v, 2, 3), "fan_in", 1),
        (lambda v: counting_bound(2, v, 3), "fan_out", 1),
        (lambda v: counting_bound(2, 2, v), "values", 2),
        (lambda v: drawn_units(v, 2), "fan_in", 1),
        (lambda v: drawn_units(2, v, signed=True), "samples", 1),
        (lambda v: parameter_counts([v, 2], 2, 2), "sizes", 1),
        (lambda v: parameter_counts([2, v], 2, 2), "sizes", 1),
        (lambda v: parameter_counts([2, 2], v, 2), "samples", 1),
        (lambda v: parameter_counts([2, 2], 2, v), "max_value", 1),
        (lambda v: parameter_counts([2, 2], 2, 2, copies=v), "copies", 1),
    ],
)
def test_the_least_that_is_taken(call, name, least):
    call(least)
    with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}, got {least - 1}"):
        call(least - 1)


@pytest.mark.parametrize(
    ("construction", "signed", "drawn", "candidates"),
    [
        # layers 3 x 2, 2 x 4, 4 x 1; 5 candidates a slot, 6 copies of a hidden unit
        ("two_layer", False, 30 * (3 + 2) + 20 * (2 + 4) + 40 * (4 + 1), 15 * 3 + 10 * 5 + 20 * 2),
        ("two_layer", True, 30 * (3 + 2) + 20 * (2 + 4) + 40 * (4 + 1), 30 * 3 + 10 * 5 + 20 * 2),
        ("depth_plus_one", False, 30 * (3 + 12) + 12 * 24 + 24, 15 * 13 + 12 * 24 + 24),
        ("depth_plus_one", True, 30 * (3 + 12) + 12 * 24 + 24, 30 * 13 + 12 * 24 + 24),
    ],
)
def test_parameters_of_three_layers_by_hand(construction, signed, drawn, candidates):
    """Both sides are for the first layer alone; the last has no copies, two layers each have none."""
    found = parameter_counts([3, 2, 4, 1], 5, 7, construction, signed, "block", copies=6)
    assert (found.drawn, found.candidates) == (drawn, candidates)
