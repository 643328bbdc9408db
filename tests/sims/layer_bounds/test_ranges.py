"""Ranges put together: sums, what is known of all rows, decibels."""

import math

import numpy as np
import pytest

from sims.layer_bounds import pruning_range, quantization_range
from sims.layer_bounds.ranges import Range, joined
from sims.layer_bounds.rows import GROUP, over_rows

ONE = Range(
    1.0, 2.0, 3.0, np.array([1.0, 0.0]), 100.0, {"a": 3.0, "b": 4.0}, 2.0, nodes=5, details={"step": 0.5}
)
OPEN = Range(0.5, None, 6.0, np.array([0.0, 2.0]), 50.0, {"b": 6.0, "c": 7.0}, 1.5, nodes=7)


def test_rows_are_summed():
    both, proved = joined([ONE, OPEN], False), joined([ONE, ONE], False)
    assert (both.bound, both.optimum, both.heuristic, both.energy) == (1.5, None, 9.0, 150.0)
    assert (both.lower, both.nodes, both.errors, both.stopped) == (3.5, 12, {"b": 10.0}, 1)
    assert both.best == 2.0 + 6.0 and both.rows == (ONE, OPEN) and both.details == {"step": 0.5}
    assert joined([ONE], False).rows == (ONE,) and joined([ONE], False).errors == ONE.errors
    numbers = "bound=1.0, optimum=2.0, heuristic=3.0, energy=100.0, lower=2.0, nodes=5"
    assert repr(ONE) == f"Range({numbers})"  # and no arrays
    np.testing.assert_array_equal(both.solution, [[1.0, 0.0], [0.0, 2.0]])
    assert (proved.optimum, proved.stopped, proved.best) == (4.0, 0, 4.0)
    assert joined([OPEN], True) is OPEN and (OPEN.stopped, OPEN.best, ONE.stopped, ONE.best) == (
        1,
        6.0,
        0,
        2.0,
    )


def test_decibels_and_plain_values():
    snr = joined([ONE, ONE], False).snr()
    expected = [10 * math.log10(200 / error) for error in (6.0, 4.0, 2.0)]
    assert snr == pytest.approx(expected) and OPEN.snr().optimum is None
    values = ONE.as_dict()
    assert (values["snr_heuristic"], values["snr_optimum"]) == ONE.snr()[:2]
    assert values["snr_bound"] == pytest.approx(20.0)
    assert {name: values[name] for name in ("bound", "optimum", "heuristic", "lower", "energy")} == {
        "bound": 1.0, "optimum": 2.0, "heuristic": 3.0, "lower": 2.0, "energy": 100.0,
    }  # fmt: skip
    assert (values["stopped"], values["nodes"], values["errors"]) == (0, 5, {"a": 3.0, "b": 4.0})


@pytest.mark.parametrize("count", [0, 1, GROUP, GROUP + 1, 3 * GROUP])
def test_rows_come_in_their_order(count):
    cells = [(k, k + 1) for k in range(count)]
    assert list(over_rows(lambda a, b: 10 * a + b, cells, 1, "rows")) == [11 * k + 1 for k in range(count)]


@pytest.mark.parametrize(("of_weights", "of_inputs"), [(-30, 0), (0, 20), (25, -25)])
@pytest.mark.parametrize(
    "problem",
    [
        {"bits": 2},
        {"bits": 3, "rule": "outputs", "grid": "symmetric"},
        {"bits": 2, "step": "joint"},
        {"keep": 3},
        {"keep": 3, "refit": False},
        {"pattern": (2, 4)},
    ],
    ids=repr,
)
def test_no_number_knows_the_units_of_weights_and_inputs(problem, of_weights, of_inputs):
    """Powers of two: the same codes and cuts, by a search of as many nodes; errors go with both squares."""
    rng = np.random.default_rng(4)
    w, x = rng.standard_normal((2, 8)), rng.standard_normal((12, 8)) @ (np.eye(8) + 0.3)
    solve = quantization_range if "bits" in problem else pruning_range
    unit, square = 2.0**of_weights, 4.0 ** (of_weights + of_inputs)
    one, other = solve(w, inputs=x, **problem), solve(unit * w, inputs=2.0**of_inputs * x, **problem)
    np.testing.assert_allclose(other.solution, unit * one.solution, rtol=1e-12)
    assert other.nodes == one.nodes and other.stopped == one.stopped == 0
    for name in ("optimum", "heuristic", "lower", "energy"):
        assert getattr(other, name) == pytest.approx(square * getattr(one, name), rel=1e-12)
    assert other.bound == pytest.approx(square * one.bound, rel=1e-6) and one.bound > 0
    assert other.errors == pytest.approx({name: square * value for name, value in one.errors.items()})
