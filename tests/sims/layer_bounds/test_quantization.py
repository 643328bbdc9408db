"""Ranges of quantization: against every code vector, on awkward inputs, and stopped early."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sims.layer_bounds import joint, quantization, quantization_range
from sims.layer_bounds.problems import KINDS
from sims.layer_bounds.problems import problem as layer
from sims.layer_bounds.quantization import feasible_codes
from sims.layer_bounds.rounding import Rounding
from sims.montecarlo import stream
from sims.path_following import compress
from theory.operators import NearestRounding
from theory.path_following import min_pivot_order


def least_error(x, w, step, levels):
    """The least |X (s z - w)|^2 and its codes, one vector of codes after the other."""
    codes = np.array(list(itertools.product(levels, repeat=len(w))))
    errors = (((codes * step - w) @ x.T) ** 2).sum(axis=1)
    return errors.min(), codes[errors.argmin()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("bits", "n", "grid"), [(2, 7, "twos-complement"), (3, 5, "symmetric"), (4, 4, "symmetric")]
)
def test_the_optimum_is_the_least_of_all_codes_and_lies_in_the_range(kind, bits, n, grid):
    levels = range(-(2 ** (bits - 1)) + (grid == "symmetric"), 2 ** (bits - 1))
    for seed in range(4):
        x, w = layer(kind, n, seed)
        step = 0.9 / 2 ** (bits - 2)
        found = quantization_range(w, inputs=x, bits=bits, step=step, grid=grid)
        least, codes = least_error(x, w, step, levels)
        assert found.optimum == pytest.approx(least, rel=1e-9)
        np.testing.assert_array_equal(next(feasible_codes(found)), codes)
        assert found.bound <= least * (1 + 1e-12)
        assert found.bound <= found.optimum <= found.heuristic == min(found.errors.values())


finite = st.floats(-3, 3, allow_subnormal=False)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=finite),
    st.integers(0, 10),
    st.sampled_from([0.25, 1.0]),
)
def test_any_inputs_give_a_valid_range(x, seed, step):
    """Dead, equal and dependent columns included: hypothesis likes them."""
    w = np.random.default_rng(seed).uniform(-3, 3, x.shape[1])
    found = quantization_range(w, inputs=x, bits=2, step=step)
    least, _ = least_error(x, w, step, range(-2, 2))
    tiny = 1e-12 * (1 + found.energy)
    assert found.optimum == pytest.approx(least, rel=1e-9, abs=tiny)
    assert found.bound <= least + tiny and found.bound <= found.optimum + tiny <= found.heuristic + 2 * tiny
    error = float(np.sum((x @ (found.solution - w)) ** 2))
    assert error == pytest.approx(found.optimum, rel=1e-9, abs=tiny)


def test_a_stopped_search_keeps_a_valid_range_and_says_so():
    x, w = layer("equicorrelated", 20, 3)
    whole = quantization_range(w, inputs=x, bits=2)
    assert whole.stopped == 0 and whole.lower == whole.optimum
    for limit in (1, 30, 300):
        part = quantization_range(w, inputs=x, bits=2, node_limit=limit)
        assert part.optimum is None and part.stopped == 1 and part.snr().optimum is None
        assert part.nodes == limit
        assert part.bound <= part.lower <= whole.optimum <= part.heuristic
        eight = quantization_range(
            8 * w, inputs=x, bits=2, node_limit=limit
        )  # all of it in squares of the unit
        for name in ("bound", "lower", "heuristic", "energy"):
            assert getattr(eight, name) == pytest.approx(64 * getattr(part, name), rel=1e-9), name
    quick = quantization_range(w, inputs=x, bits=2, time_limit=60.0)
    assert quick.optimum == whole.optimum


def test_rows_are_summed_and_may_be_spread():
    x, _ = layer("relu", 10, 0)
    w = np.random.default_rng(1).standard_normal((9, 10))
    found = quantization_range(w, inputs=x, bits=3)
    alone = [quantization_range(row, gram=x.T @ x, bits=3) for row in w]
    assert [row.optimum for row in found.rows] == pytest.approx([one.optimum for one in alone])
    assert found.optimum == pytest.approx(sum(one.optimum for one in alone))
    assert found.solution.shape == w.shape and found.energy == pytest.approx(np.sum((x @ w.T) ** 2))
    low, middle, high = found.snr()
    assert low <= middle <= high
    spread = quantization_range(w, inputs=x, bits=3, processes=2)
    partly = quantization_range(w, inputs=x, bits=3, node_limit=150)
    assert 0 < partly.stopped < 9 and partly.optimum is None
    assert partly.best == pytest.approx(np.sum((x @ (partly.solution - w).T) ** 2))
    assert [row.as_dict() for row in spread.rows] == [row.as_dict() for row in found.rows]
    np.testing.assert_array_equal(spread.solution, found.solution)


def test_rules_of_the_step():
    x, _ = layer("relu", 12, 0)
    w = np.random.default_rng(1).standard_normal((4, 12)) * [[1], [2], [3], [4]]
    by = {
        (rule, per): quantization_range(w, inputs=x, bits=3, rule=rule, per=per, relaxation=False)
        for rule in ("weights", "outputs")
        for per in ("row", "matrix")
    }
    steps = {key: [row.details["step"] for row in one.rows] for key, one in by.items()}
    assert len(set(steps["weights", "matrix"])) == 1 and len(set(steps["weights", "row"])) == 4
    for row, step in zip(w, steps["weights", "row"], strict=True):
        tried = step * np.linspace(0.7, 1.4, 701)
        errors = [np.sum((np.clip(np.rint(row / s), -4, 3) * s - row) ** 2) for s in tried]
        assert errors[300] <= min(errors) * (1 + 1e-6)
    assert by["outputs", "row"].heuristic <= by["weights", "row"].errors["1-opt from nearest"]
    assert by["weights", "row"].bound == 0.0  # none was asked for


@pytest.mark.parametrize("rule", ["weights", "outputs"])
def test_columns_that_see_no_input_get_the_nearest_codes_and_a_row_of_zeros_the_step_1(rule):
    w = np.array([[0.5, -3.1, 1.0, 0.3], [0.0, 0.0, 0.0, 0.0]])
    for x in (np.zeros((2, 4)), np.array([[1.0, 0.0, 2.0, 0.0], [3.0, 0.0, 1.0, 0.0]])):
        found = quantization_range(w, inputs=x, bits=3, rule=rule, relaxation=False)
        step = found.rows[0].details["step"]
        codes, nearest = found.solution[0] / step, np.clip(np.rint(w[0] / step), -4, 3)
        np.testing.assert_allclose(codes[[1, 3]], nearest[[1, 3]], rtol=1e-12)
        assert x.any() or np.allclose(codes, nearest)
        assert found.rows[1].details["step"] == 1.0 and not found.solution[1].any()


@pytest.mark.parametrize("step", [0.75, "joint"])
@pytest.mark.parametrize("stopped", [False, True])
def test_the_unit_of_the_weights_changes_errors_by_its_square(step, stopped):
    x, w = layer("relu", 12, 1)
    options = {"node_limit": 20, "relaxation": False} if stopped else {}
    near, far = (
        quantization_range(
            unit * w, inputs=x, bits=2, step=step if step == "joint" else unit * step, **options
        )
        for unit in (1.0, 8.0)
    )
    assert near.stopped == stopped and (0 < near.lower < near.best if stopped else near.bound > 0)
    for name in ("bound", "lower", "heuristic", "best", "energy"):
        assert getattr(far, name) == pytest.approx(64 * getattr(near, name), rel=1e-9)
    assert far.errors == pytest.approx({name: 64 * error for name, error in near.errors.items()})
    np.testing.assert_allclose(far.solution, 8 * near.solution)


@pytest.mark.parametrize(("grid", "least"), [("twos-complement", -4), ("symmetric", -3)])
@pytest.mark.parametrize(("kind", "seed"), [("equicorrelated", 6), ("relu", 0), ("relu", 4)])
def test_the_rule_of_outputs_takes_the_step_whose_local_optimum_loses_least(kind, seed, grid, least):
    """36 steps, half to 1.2 times that of the weights; one code after the other takes its best value."""
    x, w = layer(kind, 7, seed)
    options = {"inputs": x, "bits": 3, "grid": grid, "relaxation": False}
    found = quantization_range(w, rule="outputs", **options)
    first = quantization_range(w, **options).details["step"]
    errors = []
    for step in first * np.linspace(0.5, 1.2, 36):
        z, before = np.clip(np.rint(w / step), least, 3), np.inf
        while (lost := np.sum((x @ (step * z - w)) ** 2)) < before * (1 - 1e-12):
            before = lost
            for i in range(7):
                others = np.where(np.arange(7) == i, np.arange(least, 4)[:, None], z)
                z = others[np.sum((x @ (step * others - w).T) ** 2, axis=0).argmin()]
        errors.append((lost, step))
    assert found.details["step"] == pytest.approx(min(errors)[1], rel=1e-9)


def test_feedback_heuristics_are_those_of_the_layer_compressor():
    x, w = layer("relu", 16, 2)
    gram = x.T @ x
    found = quantization_range(w, gram=gram, bits=3, step=0.4)
    orders = {
        "OPTQ": "given",
        "OPTQ, activation order": "norm",
        "OPTQ, min-pivot order": min_pivot_order(gram),
    }
    for name, order in orders.items():
        theirs = compress(
            w, gram=gram, operator=NearestRounding(0.4, bits=3), method="optq", order=order, damping=0.0
        )
        assert found.errors[name] == pytest.approx(theirs.error[0]), name
    theirs = compress(w, gram=gram, operator=NearestRounding(0.4, bits=3))
    assert found.errors["path following"] == pytest.approx(theirs.error[0])


@pytest.mark.parametrize("step", [None, "joint"])
def test_every_row_draws_from_a_stream_of_its_own(monkeypatch, step):
    names = []

    def recorded(seed, key=(), block=0):
        names.append((seed, tuple(key), block))
        return stream(seed, key, block)

    for module in (joint, quantization):
        monkeypatch.setattr(module, "stream", recorded)
    x, _ = layer("relu", 3, 0)
    for seed in (0, 1):
        quantization_range(1 + x[:4], inputs=x, bits=2, step=step, seed=seed, relaxation=False)
    assert len(names) == len(set(names)) == 8


def test_no_heuristic_leaves_the_box():
    x, w = layer("equicorrelated", 12, 5)
    from sims.layer_bounds.lattice import Lattice
    from sims.layer_bounds.relaxation import solve

    lattice = Lattice(x.T @ x)
    y = 3 * w
    found = Rounding(lattice).codes(y, -2, 1, solve(lattice.gram, y, -2, 1), np.random.default_rng(0))
    assert len(found) == 10
    for name, codes in found.items():
        assert np.array_equal(codes, np.rint(codes)) and codes.min() >= -2 and codes.max() <= 1, name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bits": 1}, "bits must be an integer from 2 to 16, got 1"),
        ({"bits": 2.0}, "bits must be an integer"),
        ({"step": 0.0}, "step must be a positive finite number, or one for each of the 1 rows"),
        ({"step": [1.0, 2.0]}, "step must be a positive finite number"),
        ({"weights": np.ones((2, 2)), "step": [1.0, 0.0]}, "step must be a positive finite number"),
        ({"weights": np.ones((2, 2)), "step": [np.nan, 1.0]}, "step must be a positive finite number"),
        ({"rule": "best"}, "rule must be one of weights, outputs"),
        ({"per": "slice"}, "per must be one of row, matrix"),
        ({"grid": "odd"}, "grid must be one of"),
        ({"node_limit": 0}, "node_limit must be an integer >= 1"),
        ({"time_limit": 0.0}, "time_limit must be positive"),
        ({"gram": [[1.0, 2.0], [2.0, 1.0]]}, "its eigenvalues are from -1 to 3"),
        ({"gram": [[1.0, np.nan], [np.nan, 1.0]]}, "gram must be finite"),
        ({"gram": np.eye(3)}, "weights have fan_in 2 but the inputs have 3"),
        ({"inputs": np.eye(2)}, "give either inputs or gram"),
        ({"weights": [1.0, np.inf]}, "weights must be finite"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(change, words):
    arguments = {"weights": [0.5, 0.2], "gram": np.eye(2), "bits": 2, **change}
    with pytest.raises((ValueError, TypeError), match=words.replace("(", r"\(")):
        quantization_range(arguments.pop("weights"), **arguments)


def test_compiled_and_plain_kernels_agree(outputs):
    code = """
import numpy as np
from sims.layer_bounds import joint, quantization, quantization_range
x = np.maximum(np.random.default_rng(0).standard_normal((40, 7)) + 0.5, 0)
found = quantization_range(np.linspace(-1, 1, 7), inputs=x, bits=2)
print(found.optimum.hex(), found.nodes, {k: v.hex() for k, v in found.errors.items()})
joint = quantization_range(np.linspace(-1, 1, 7), inputs=x, bits=2, step="joint", relaxation=False)
print(joint.optimum.hex(), joint.nodes, joint.details["step"].hex())
"""
    plain, compiled = outputs(code)
    assert plain == compiled


@pytest.mark.parametrize("step", [1e-200, 1e200, [1.0, 1e-200]])
def test_steps_whose_squares_are_no_doubles_are_refused(step):
    with pytest.raises(ValueError, match="step must be nearer to the weights"):
        quantization_range(np.ones((2, 2)), gram=np.eye(2), bits=4, step=step)
