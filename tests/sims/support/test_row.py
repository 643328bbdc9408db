"""A row is plain numbers, whatever library computed them."""

import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest

from sims import montecarlo
from sims.support.row import Row


def test_numbers_become_plain():
    row = Row("x", np.float64(0.5), np.float32(0.25), Fraction(3, 4), np.int64(2), trials=np.int64(7))
    numbers = (row.measured, row.low, row.high, row.theory, row.trials)
    assert [type(value) for value in numbers] == [float, float, float, int, int]
    assert pickle.loads(pickle.dumps(row)) == row and json.loads(json.dumps(row.as_dict())) == row.as_dict()


def test_an_estimate_brings_its_interval_and_trials():
    estimate = montecarlo.probability(lambda rng, count: rng.random(count) < 0.5, 200, seed=0)
    row = Row.of("heads", estimate, "coins", 0.5)
    assert (row.measured, row.low, row.high) == (estimate.value, estimate.low, estimate.high)
    assert (row.theory, row.source, row.trials) == (0.5, "coins", 200)


def test_a_law_measures_nothing():
    row = Row.law("heads", 0.5, "definition")
    assert row.as_dict() == {
        "quantity": "heads",
        "measured": None,
        "low": None,
        "high": None,
        "theory": 0.5,
        "source": "definition",
        "trials": None,
    }


def test_infinity_is_a_number():
    assert Row("x", 1.0, -math.inf, math.inf).high == math.inf


@pytest.mark.parametrize("value", ["0.5", True, np.zeros(1), 1j])
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(TypeError, match="theory must be a number or None"):
        Row("x", theory=value)
