"""The optimum over step and codes: against every code at its best step, and every step of a fine grid."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from sims.layer_bounds import joint, pruning_range, quantization_range
from sims.layer_bounds.certificate import Certificate, certify
from sims.layer_bounds.joint import JointNeuron, proved_bound
from sims.layer_bounds.lattice import Lattice
from sims.layer_bounds.limits import Limits
from sims.layer_bounds.neuron import Neuron
from sims.layer_bounds.problems import KINDS, problem
from sims.layer_bounds.relaxation import solve
from sims.layer_bounds.rounding import Rounding
from sims.weights.scales import integer_scale


def least_error(x, w, levels):
    """Least error over codes, each at its best step, by projection on the ray that it spans."""
    codes = np.array(list(itertools.product(levels, repeat=len(w))))
    points, target = codes @ x.T, x @ w
    lengths = np.linalg.norm(points, axis=1)
    along = np.divide(points @ target, lengths, out=np.zeros(len(points)), where=lengths > 0)
    return float(target @ target - np.maximum(along, 0).max() ** 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("bits", "n", "grid"), [(2, 7, "twos-complement"), (3, 5, "symmetric"), (4, 4, "symmetric")]
)
def test_the_joint_optimum_is_the_least_of_all_codes_at_their_best_steps(kind, bits, n, grid):
    levels = range(-(2 ** (bits - 1)) + (grid == "symmetric"), 2 ** (bits - 1))
    for seed in range(3):
        x, w = problem(kind, n, seed)
        proof = bits == 2 and seed == 0  # dear, and at more bits and few columns often 0
        found = quantization_range(w, inputs=x, bits=bits, step="joint", grid=grid, relaxation=proof)
        assert found.optimum == pytest.approx(least_error(x, w, levels), rel=1e-9)
        assert found.bound <= found.lower == found.optimum <= found.heuristic
        assert (found.bound > 0) == proof
        codes = found.solution / found.details["step"]
        np.testing.assert_allclose(codes, np.rint(codes), atol=1e-12)
        assert levels[0] <= codes.min() and codes.max() <= levels[-1]
        assert found.optimum == pytest.approx(np.sum((x @ (found.solution - w)) ** 2))


@pytest.mark.parametrize(
    ("least", "most", "rel"), [(1.0, 1.1, 1e-6), (1 / 1.1, 1.0, 1e-6), (0.93, 1.08, 0.03)]
)
def test_one_relaxation_bounds_the_steps_around_it_and_no_less(least, most, rel):
    """Orthogonal inputs: codes (1, 0) lose 0.16 at step 1, which a piece that ends there attains."""
    found = proved_bound(np.eye(2), np.array([1.0, 0.4]), -2, 1, least, most, 1.0)
    assert 0.16 * (1 - rel) < found <= 0.16


def test_no_fixed_step_is_better_and_the_best_one_is_among_them():
    x, w = problem("relu", 12, 4)
    joint = quantization_range(w, inputs=x, bits=2, step="joint")
    steps = joint.details["step"] * np.append(np.geomspace(0.5, 2.0, 40), 1.0)
    fixed = [quantization_range(w, inputs=x, bits=2, step=s, relaxation=False).optimum for s in steps]
    assert min(fixed) == fixed[-1] == pytest.approx(joint.optimum)
    for rule in ("weights", "outputs"):
        ruled = quantization_range(w, inputs=x, bits=2, rule=rule, relaxation=False)
        assert joint.optimum < ruled.optimum, rule


def test_every_heuristic_stands_with_the_best_of_its_steps():
    """36 steps from half to 1.2 times the weights' own; each code vector then at its best step on the ray."""
    best_is_neither_end = []
    for seed in range(2):
        x, w = problem("relu", 6, seed)
        found = quantization_range(w, inputs=x, bits=3, step="joint", relaxation=False)
        rounding, first = Rounding(Lattice(x.T @ x)), integer_scale(w, 3).scale
        errors: dict[str, list[float]] = {}
        for step in first * np.linspace(0.5, 1.2, 36):
            codes = rounding.codes(w / step, -4, 3, None, np.random.default_rng(0))
            assert np.array_equal(codes["nearest"], np.clip(np.rint(w / step), -4, 3))
            for name, z in codes.items():
                along = max(0.0, (x @ z) @ (x @ w)) ** 2 / ((x @ z) @ (x @ z) or 1.0)
                errors.setdefault(name, []).append(np.sum((x @ w) ** 2) - along)
        assert set(errors) == set(found.errors) - {"steps and moves in turn"}
        for name, tried in errors.items():
            assert found.errors[name] == pytest.approx(min(tried), rel=1e-9), name
        best_is_neither_end += [min(tried) < 0.99 * min(tried[0], tried[-1]) for tried in errors.values()]
    assert any(best_is_neither_end)


def test_weights_on_a_grid_are_found_whatever_its_step():
    x, _ = problem("autoregressive", 10, 0)
    codes = np.random.default_rng(5).integers(-4, 4, (3, 10))
    found = quantization_range(
        codes * [[0.3], [1.7], [40.0]], inputs=x, bits=3, step="joint", relaxation=False
    )
    assert found.stopped == 0 and found.optimum <= 1e-20 * found.energy
    assert len(found.rows) == 3 and found.solution.shape == (3, 10)


def test_a_stopped_joint_search_keeps_a_valid_range():
    x, w = problem("equicorrelated", 16, 3)
    whole = quantization_range(w, inputs=x, bits=2, step="joint")
    assert whole.stopped == 0 and whole.bound < whole.optimum
    for limit in (1, 100):
        part = quantization_range(w, inputs=x, bits=2, step="joint", node_limit=limit)
        assert part.optimum is None and part.nodes == limit
        assert part.bound == whole.bound <= part.lower <= whole.optimum <= part.heuristic


def test_awkward_layers_keep_a_valid_range():
    singular = np.random.default_rng(0).standard_normal((3, 5))  # fewer samples than columns
    found = quantization_range(np.arange(1.0, 6.0), inputs=singular, bits=2, step="joint")
    assert found.optimum is None and found.lower == found.bound == 0.0
    assert found.heuristic == pytest.approx(np.sum((singular @ (found.solution - np.arange(1.0, 6.0))) ** 2))
    dead = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, 1.0]])
    found = quantization_range([0.5, 9.0, 1.0], inputs=dead, bits=2, step="joint")
    assert found.optimum == pytest.approx(least_error(dead[:, ::2], np.array([0.5, 1.0]), range(-2, 2)))
    for w, x in (([0.0, 0.0], np.eye(2)), ([1.0, 2.0], np.zeros((2, 2)))):
        found = quantization_range(w, inputs=x, bits=2, step="joint")
        assert found.optimum == found.bound == 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": "best"}, "step must be one of joint"),
        ({"rule": "outputs"}, "a joint step is chosen by no rule and per row, got rule='outputs', per='row'"),
        (
            {"per": "matrix"},
            "a joint step is chosen by no rule and per row, got rule='weights', per='matrix'",
        ),
    ],
)
def test_bad_input_is_one_sentence(change, words):
    with pytest.raises(ValueError, match=words):
        quantization_range([0.5, 0.2], gram=np.eye(2), bits=2, **{"step": "joint", **change})


def test_what_a_stopped_search_found_counts_as_a_heuristic():
    errors = {"nearest": 3.0, "GPFQ": 2.0}
    found = {"bound": 1.0, "frontier": 1.0, "solution": np.zeros(2), "energy": 9.0}
    ended = Neuron.searched(1.5, dict(errors), ended=True, **found)
    stopped = Neuron.searched(1.5, dict(errors), ended=False, **found)
    assert (ended.optimum, ended.heuristic, ended.errors) == (1.5, 2.0, errors)
    assert (stopped.optimum, stopped.heuristic) == (None, 1.5)
    assert stopped.errors == {**errors, "stopped search": 1.5}
    for nothing in (2.0, 2.5):
        stopped = Neuron.searched(nothing, dict(errors), ended=False, **found)
        assert (stopped.optimum, stopped.heuristic, stopped.errors) == (None, 2.0, errors)


def test_columns_that_see_no_input_get_the_code_nearest_at_the_step_of_the_weights():
    w, first = np.array([0.5, -3.1, 1.0, 0.3]), integer_scale(np.array([0.5, -3.1, 1.0, 0.3]), 3).scale
    nearest = np.clip(np.rint(w / first), -4, 3)
    for x in (np.zeros((2, 4)), np.array([[1.0, 0.0, 2.0, 0.0], [3.0, 0.0, 1.0, 0.0]])):
        found = quantization_range(w, inputs=x, bits=3, step="joint", relaxation=False)
        codes = found.solution / found.details["step"]
        np.testing.assert_allclose(codes[[1, 3]], nearest[[1, 3]], rtol=1e-12)
        assert x.any() or np.allclose(codes, nearest)


@pytest.mark.parametrize(
    ("n", "bits", "seed"), [(4, 2, 600), (6, 2, 783), (6, 2, 916), (4, 4, 879), (5, 5, 690)]
)
def test_steps_and_moves_in_turn_go_on_beyond_the_36_steps(n, bits, seed):
    """Orthogonal inputs: every heuristic takes nearest codes. Where the best step is no step of the 36."""
    rng = np.random.default_rng(seed)
    rng.integers(3, 7), rng.integers(2, 6)
    squares = 10.0 ** rng.uniform(-4, 0, n)
    w = rng.standard_normal(n) * squares**-0.3
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def best_step(z):
        return max(0.0, squares @ (w * z)) / (squares @ z**2 or 1.0)

    def lost(z):
        return float(squares @ (best_step(z) * z - w) ** 2)

    tried = [
        np.clip(np.rint(w / s), low, high) for s in integer_scale(w, bits).scale * np.linspace(0.5, 1.2, 36)
    ]
    z = min(tried, key=lost)
    least = after = lost(z)
    before = np.inf
    while after < before:
        z = np.clip(np.rint(w / best_step(z)), low, high)
        before, after = after, lost(z)
    found = quantization_range(
        w, gram=np.diag(squares), bits=bits, step="joint", relaxation=False, node_limit=1
    )
    assert found.errors["steps and moves in turn"] == pytest.approx(min(before, after), rel=1e-9)
    assert min(before, after) < 0.9 * least


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("seed", range(4))
def test_steps_that_are_searched_hold_those_of_all_better_codes_and_little_more(unit, seed):
    """Below, real numbers in the box lose as much; above, one code alone, whatever the others, does too."""
    rng = np.random.default_rng(seed)
    x = unit * rng.standard_normal((6, 4)) * np.geomspace(1, 100, 4)
    w = rng.standard_normal(4) / np.geomspace(1, 100, 4) - (0.3, 0.0, 0.01, 0.02)
    codes = np.array([z for z in itertools.product(range(-4, 4), repeat=4) if any(z)])
    points, target = codes @ x.T, x @ w
    steps = points @ target / np.sum(points**2, axis=1)
    errors = np.sum((np.maximum(steps, 0)[:, None] * points - target) ** 2, axis=1)
    error = np.sort(errors)[20]
    least, most = JointNeuron(x.T @ x, Limits(1, np.inf), False, 0).steps(w, -4, 3, target @ target, error)
    better = steps[(errors <= error) & (steps > 0)]
    assert least <= better.min() and better.max() <= most

    def relaxed(step):
        return 2 * lsq_linear(x, target, (-4 * step, 3 * step), method="bvls", tol=1e-14).cost

    assert relaxed(1.03 * least) <= error * (1 + 1e-6) and relaxed(0.97 * least) > error * (1 - 1e-6)
    outside = [np.delete(x, j, axis=1) for j in range(4)]  # what a column adds to the span of the others
    parts = [x[:, j] - o @ np.linalg.lstsq(o, x[:, j], rcond=None)[0] for j, o in enumerate(outside)]
    alone = [np.sqrt(target @ target / (part @ part)) for part in parts]
    assert max(alone) <= most <= 1.02 * max(alone)


def test_what_depends_on_other_columns_does_not_depend_on_the_unit():
    x = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 1.0], [2.0, 0.0, 2.0]])  # the third is the sum of the others
    for unit in (1e-10, 1.0, 1e10):
        assert not Lattice(unit * x.T @ x).definite
        assert Lattice(unit * x[:, :2].T @ x[:, :2]).definite


def test_weights_that_the_inputs_do_not_see_have_no_code():
    found = quantization_range([3.0, -3.0], inputs=[[1.0, 1.0]], bits=3, step="joint")
    assert found.solution.tolist() == [0.0, 0.0] and found.optimum == found.energy == 0.0


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("layer_bounds_joint.joint_codes", {"bits": 3, "step": "joint"}),
        ("layer_bounds.nearest_codes", {"bits": 3, "step": 0.5}),
        ("layer_bounds_pruning.best_cut", {"keep": 3}),
        ("layer_bounds_pruning.best_frozen_cut", {"keep": 3, "refit": False}),
    ],
)
def test_a_stopped_search_proves_less_by_what_rounding_may_have_hidden(monkeypatch, kernel, options):
    """A search that has met nothing below the heuristic proves it up to the slack it worked with."""
    slacks = []

    def stopped(*arguments):
        radius, slack, allowed, _ = arguments[-4:]
        slacks.append(slack)
        return radius, radius, allowed, False

    monkeypatch.setattr(f"sims.kernels.{kernel}", stopped)
    x, w = problem("autoregressive", 6, seed=3)
    search = quantization_range if "bits" in options else pruning_range
    found = search(w, inputs=x, **options)
    (slack,) = slacks
    unit = options["step"] ** 2 if options.get("step") == 0.5 else 1.0
    assert found.optimum is None and slack > 0
    assert found.heuristic - found.lower == pytest.approx(slack * unit, rel=0.2)


def test_the_room_for_rounding_of_orthogonal_inputs_by_hand(monkeypatch):
    """Columns of lengths 2 and 3: terms up to 2 (2) 3 + r and 2 (3) 1 + r, r^2 the error to be beaten."""
    told = []

    def stopped(*arguments):
        told.append(arguments[-4:-2])
        return arguments[-4], arguments[-4], 1, False

    monkeypatch.setattr("sims.kernels.layer_bounds_joint.joint_codes", stopped)
    quantization_range([3.0, -1.0], inputs=np.diag([2.0, 3.0]), bits=2, step="joint")
    ((radius, slack),) = told
    assert radius > 0.01
    largest = (12 + math.sqrt(radius)) ** 2 + (6 + math.sqrt(radius)) ** 2
    assert slack * 2.0**53 / largest == pytest.approx(32, rel=0.01)


def test_the_bound_of_one_step_is_its_certificate_less_some_rounding():
    x, w = problem("autoregressive", 6, seed=3)
    gram, y = x.T @ x, w / 0.5
    alone = certify(gram, y, solve(gram, y, -4, 3), -4, 3).value * 0.25
    found = proved_bound(gram, w, -4, 3, 0.5, 0.5, np.inf)
    assert 1e-11 < 1 - found / alone < 1e-9


@pytest.mark.parametrize(
    ("length", "error", "solved", "least", "most"),
    [(4.0, np.inf, 31, 0.97, 0.98), (4.0, 0.5, 7, 0.5, 0.5), (1e6, np.inf, 97, 0.0, 0.0)],
    ids=["close to the relaxation", "above the error", "all pieces spent"],
)
@pytest.mark.parametrize("unit", [1.0, 4.0])
def test_steps_are_halved_until_the_limit_is_close_or_all_pieces_are_spent(
    length, error, solved, least, most, unit, monkeypatch
):
    """Where every relaxation gives 1, 0.97 takes steps from 1 to 16 in sixteen parts, 1/2 in four."""
    asked = []

    def certified(_, y, *__):
        asked.append(y)
        return Certificate(float(y @ y) / length, *np.zeros((3, 1)), -4, 3)  # in squared steps

    monkeypatch.setattr(joint, "solve", lambda *_: None)
    monkeypatch.setattr(joint, "certify", certified)
    found = proved_bound(np.eye(1), np.array([np.sqrt(length * unit)]), -4, 3, 1.0, 16.0, error * unit)
    assert len(asked) == solved and least - 1e-9 <= found / unit <= most + 1e-9
