"""Every option of a layer (order, Phase I, damping, units, exits) against the loop that it stands for."""

import numpy as np
import pytest

from sims.path_following import compress, output_error
from sims.path_following.compression import METHODS
from sims.path_following.feedback import align, column_order, damped
from sims.path_following.layers import compare
from sims.path_following.pruning import with_sparsity
from sims.path_following.trials import error_sampler, exit_sampler
from theory.operators import (
    HardPruning,
    NearestRounding,
    OneBit,
    PruneFraction,
    StochasticPruning,
    StochasticRounding,
)

N = 9
ORDERS = {
    "norm": "norm",
    "random": "random",
    "pivoted": "pivoted",
    "cycle": [4, 0, 7, 2, 8, 1, 3, 6, 5],  # not its own inverse
}


def problem(n=3, columns=N, samples=14, seed=0):
    """Weights, inputs with unequal and correlated columns, and the inputs of a compressed network."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, columns)) @ (np.eye(columns) + 0.3) * np.geomspace(0.3, 3, columns)
    return rng.uniform(-0.9, 0.9, (n, columns)), x, x + 0.3 * rng.standard_normal(x.shape)


def phase_one(x, y, w, order, sweeps):
    """Follow the outputs X w with multiples of one column of Y after the other; later sweeps mend each."""
    aligned = np.zeros_like(w)
    r = np.zeros(len(x))
    for sweep in range(sweeps):
        for t in order:
            r = r + (w[t] * x[:, t] if sweep == 0 else 0.0)
            step = y[:, t] @ r / (y[:, t] @ y[:, t])
            aligned[t] += step
            r = r - step * y[:, t]
    return aligned


def phase_two(y, w, order, operator, scale, uniforms):
    """The algorithm as printed, columns in the given order; which v lay outside the limits."""
    u, q, outside = np.zeros(len(y)), np.zeros_like(w), []
    for place, t in enumerate(order):
        v = w[t] + y[:, t] @ u / (scale * (y[:, t] @ y[:, t]))
        if not operator.limits[0] <= v <= operator.limits[1]:
            outside.append(place)
        q[t] = operator(v, uniforms[place])
        u = u + (w[t] - q[t]) * y[:, t]
    return q, u, outside


@pytest.mark.parametrize("sweeps", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_both_phases_follow_the_order(order, sweeps):
    w, x, y = problem()
    operator = StochasticRounding(0.2, bits=3)
    found = compress(
        w, y, target_inputs=x, operator=operator, scale=1.5, order=ORDERS[order], alignment=sweeps, seed=11
    )
    rng = np.random.default_rng(11)
    chosen = rng.permutation(N) if order == "random" else found.order
    assert found.order.tolist() == list(chosen) != list(range(N))
    uniforms = rng.random((N, len(w))).T
    for i in range(len(w)):
        aligned = phase_one(x, y, w[i], chosen, sweeps)
        np.testing.assert_allclose(found.aligned[i], aligned, atol=1e-10)
        q, u, outside = phase_two(y, aligned, chosen, operator, 1.5, uniforms[i])
        np.testing.assert_allclose(found.weights[i], q, atol=1e-12)
        np.testing.assert_allclose(output_error(found, y)[i], u, atol=1e-10)
        assert found.error[i] == pytest.approx(np.sum((x @ w[i] - y @ q) ** 2))
        assert found.output_energy[i] == pytest.approx(np.sum((x @ w[i]) ** 2))
        assert found.exits[i] == len(outside)
        assert found.first_exit[i] == (outside[0] if outside else -1)
    assert found.exits.any() and (found.first_exit > 0).any()


def test_least_squares_is_the_solution_nearest_to_the_weights():
    w, x, y = problem(samples=5)  # fewer samples than columns: many solutions
    found = compress(w, y, target_inputs=x, operator=NearestRounding(1e-3), alignment="least-squares")
    for i in range(len(w)):
        change = np.linalg.pinv(y) @ (x @ w[i] - y @ w[i])
        np.testing.assert_allclose(found.aligned[i], w[i] + change, atol=1e-8)


def test_no_sweep_leaves_the_weights():
    w, x, y = problem()
    np.testing.assert_array_equal(align(w, y.T @ y, y.T @ x, 0), w)


def test_orders_by_norm_and_by_pivots():
    """Longest first, the first of equals; then the column farthest from the span of those before."""
    gram = np.diag([1.0, 4.0, 2.0, 4.0, 9.0])
    rng = np.random.default_rng(0)
    assert column_order(gram, "norm", rng).tolist() == [4, 1, 3, 2, 0]
    _, x, _ = problem(samples=30)
    norms = [float(np.linalg.norm(column)) for column in x.T]
    assert column_order(x.T @ x, "norm", rng).tolist() == sorted(range(N), key=lambda t: -norms[t])
    left, chosen = x.copy(), []
    for _ in range(N):
        t = int(np.argmax(np.linalg.norm(left, axis=0)))
        chosen.append(t)
        direction = left[:, t] / np.linalg.norm(left[:, t])
        left = left - np.outer(direction, direction @ left)
        left[:, chosen] = 0.0
    assert (
        column_order(x.T @ x, "pivoted", rng).tolist()
        == chosen
        != column_order(x.T @ x, "norm", rng).tolist()
    )


def augmented(x, damping):
    """Inputs with N more samples, whose Gram matrix is that of x plus damping * mean |X_t|^2 * I."""
    mean = float(np.mean([column @ column for column in x.T]))
    return np.vstack([x, np.sqrt(damping * mean) * np.eye(x.shape[1])])


@pytest.mark.parametrize("damping", [0.01, 0.3])
def test_damping_is_a_share_of_the_mean_square_of_the_columns(damping):
    """OPTQ and OBS on the damped problem are those of the augmented inputs without damping."""
    w, x, _ = problem(samples=30)
    more = augmented(x, damping)
    np.testing.assert_allclose(damped(x.T @ x, damping), more.T @ more)
    for method, operator in (("optq", NearestRounding(0.25)), ("obs", PruneFraction(0.6))):
        found = compress(w, x, operator=operator, method=method, damping=damping)
        expected = compress(w, more, operator=operator, method=method, damping=0.0)
        np.testing.assert_allclose(found.weights, expected.weights, atol=1e-10)
        np.testing.assert_allclose(found.error, np.sum((x @ (w - found.weights).T) ** 2, axis=0), rtol=1e-9)


@pytest.mark.parametrize(("stochastic", "kind"), [(False, HardPruning), (True, StochasticPruning)])
def test_a_threshold_that_fits_at_once_keeps_the_kind_of_pruning(stochastic, kind):
    w = np.array([[0.1, -0.2, 0.3, -0.4]])
    found = with_sparsity(PruneFraction(0.5, stochastic), w, lambda tried: HardPruning(tried.threshold)(w))
    assert found == kind(0.2)


@pytest.mark.parametrize("method", ["direct", "path-following"])
@pytest.mark.parametrize("stochastic", [False, True])
def test_weights_that_are_zero_already_count_as_cut(method, stochastic):
    w = np.array([[0.0, 1.0, 0.0, -2.0]])
    found = compress(w, np.eye(4), operator=PruneFraction(0.5, stochastic), method=method)
    assert found.weights.tolist() == w.tolist()


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_a_threshold_is_searched_until_it_cuts_as_many_as_asked(factor):
    """Feedback moves what a threshold cuts: here to what a third more, or a third less, would cut."""
    w = np.random.default_rng(0).standard_normal((100, 1000))
    found = with_sparsity(PruneFraction(0.4), w, lambda tried: HardPruning(factor * tried.threshold)(w))
    assert np.sum(np.abs(w) <= factor * found.threshold) == 40_000


@pytest.mark.parametrize("sparsity", [0.3, 0.5])
def test_the_surgeon_cuts_the_nearest_whole_number_of_weights(sparsity):
    w, x, _ = problem(samples=30)
    found = compress(w, x, operator=PruneFraction(sparsity), method="obs")
    assert (found.weights == 0).sum(axis=1).tolist() == [round(sparsity * N)] * len(w) != [int(sparsity * N)]


def test_everything_can_be_cut():
    w, x, _ = problem(n=1, samples=30)
    for method in ("direct", "path-following", "optq", "obs"):
        found = compress(w, x, operator=PruneFraction(0.99), method=method)
        np.testing.assert_array_equal(found.weights, 0.0)


@pytest.mark.parametrize("method", ["path-following", "optq", "direct"])
def test_a_unit_per_neuron_is_a_layer_of_rescaled_neurons(method):
    w, x, y = problem()
    units = np.array([0.25, 1.0, 3.0])
    operator = StochasticRounding(0.5, bits=3)
    inputs = {"target_inputs": x} if method == "path-following" else {}
    found = compress(w, y, operator=operator, method=method, order="norm", seed=2, row_scales=units, **inputs)
    for i, unit in enumerate(units):
        scaled = StochasticRounding(0.5 * unit, bits=3)
        one = compress(
            np.tile(w[i], (3, 1)), y, operator=scaled, method=method, order="norm", seed=2, **inputs
        )
        np.testing.assert_allclose(found.weights[i], one.weights[i], atol=1e-12)
        np.testing.assert_allclose(found.aligned[i], one.aligned[i], atol=1e-12)
        assert found.exits[i] == one.exits[i]


def test_direct_exits_are_strict_and_in_the_order_of_compression():
    operator = NearestRounding(0.5, bits=2)  # limits -1.25 and 0.75
    w = [[0.75, -1.25, 0.5], [0.75, 0.76, 0.9], [-1.3, 0.0, 0.76], [0.0, -1.25, 5.0]]
    for order, first in (("given", [-1, 1, 0, 2]), ([2, 0, 1], [-1, 0, 0, 0]), ([1, 0, 2], [-1, 0, 1, 2])):
        found = compress(w, np.eye(3), operator=operator, method="direct", order=order)
        assert found.exits.tolist() == [0, 2, 2, 1]
        assert found.first_exit.tolist() == first


@pytest.mark.parametrize("method", ["path-following", "optq", "direct"])
def test_trials_are_the_same_neuron_again_and_again(method):
    """Without damping, whatever the method: the error is that of the undamped problem."""
    w, x, _ = problem(n=1, samples=30)
    operator = StochasticRounding(0.2)
    sample = error_sampler(w[0], x, operator, 1.5, method)
    found = sample(np.random.default_rng(5), 60)  # a hundredth of damping changes some of their codes
    for i, row in enumerate(np.random.default_rng(5).random((N, 60)).T):
        if method == "path-following":
            u = phase_two(x, w[0], range(N), operator, 1.5, row)[1]
        else:
            v, q = w[0].copy(), np.zeros(N)
            for t in range(N):
                q[t] = operator(v[t], row[t])
                if method == "optq" and t + 1 < N:  # refit the later weights by least squares
                    v[t + 1 :] += np.linalg.lstsq(x[:, t + 1 :], x[:, t] * (v[t] - q[t]), rcond=None)[0]
            u = x @ (w[0] - q)
        np.testing.assert_allclose(found[i], u, atol=1e-10)


def test_one_exit_is_an_exit():
    w, x = np.array([0.3, -0.5, 0.6]), np.array([[1.0, 0.5, 0.8], [0.2, 1.0, -0.4]])
    operator = OneBit(1.0)
    count = 200
    left = exit_sampler(w, x, operator, 1.2)(np.random.default_rng(1), count)
    outside = [
        phase_two(x, w, range(3), operator, 1.2, row)[2]
        for row in np.random.default_rng(1).random((3, count)).T
    ]
    assert left.tolist() == [bool(places) for places in outside]
    assert {len(places) for places in outside} >= {0, 1}


def test_hard_pruning_cuts_a_weight_on_the_threshold():
    found = compress([[0.5, -0.5, 0.75]], np.eye(3), operator=HardPruning(0.5))
    assert found.weights.tolist() == [[0.0, 0.0, 0.75]]


@pytest.mark.parametrize("exponent", [-600, 0, 600])
def test_a_layer_whose_inputs_have_died_loses_all_of_its_output_in_any_unit(exponent):
    """The unit is that of the larger of both inputs: of zeros alone none would be chosen."""
    w, x, _ = problem()
    for row in compare(w, np.zeros_like(x), target_inputs=np.ldexp(x, exponent), bits=3):
        assert (row.error, row.largest) == (1.0, 0.0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("power", [-60, 40])
def test_the_unit_of_the_inputs_changes_no_code(method, power):
    rng = np.random.default_rng(9)
    w, x = rng.uniform(-0.9, 0.9, (4, 20)), rng.standard_normal((30, 20)) @ (np.eye(20) + 0.2)
    target = x + 0.05 * rng.standard_normal(x.shape)
    operator = PruneFraction(0.4) if method == "obs" else StochasticRounding(0.25, bits=4)
    options = {"operator": operator, "method": method, "seed": 3}
    if method == "path-following":
        options |= {"scale": 1.5, "order": "norm"}
    unit = 2.0**power
    one, other = compress(w, x, **options), compress(w, unit * x, **options)
    np.testing.assert_array_equal(other.weights, one.weights)
    if method == "path-following":
        aligned = [compress(w, u * x, target_inputs=u * target, **options).weights for u in (1.0, unit)]
        np.testing.assert_allclose(*aligned, rtol=1e-12)


@pytest.mark.parametrize("method", ["path-following", "optq"])
def test_inputs_next_to_nothing_are_followed_like_others(method):
    """Whole numbers times 2^-530, whose squares are exact below the least normal double."""
    rng = np.random.default_rng(4)
    x, w = rng.integers(-9, 10, (12, 5)).astype(float), rng.standard_normal((3, 5))
    options = {"operator": NearestRounding(0.3), "method": method}
    plain = compress(w, x, **options)
    small = compress(w, np.ldexp(x, -530), **options)
    assert np.array_equal(small.weights, plain.weights)
    assert np.ldexp(small.error, 1060) == pytest.approx(plain.error, rel=0.1)
    x[:, 1] = np.ldexp(x[:, 1], -530)  # beside them a column of no length
    assert np.isfinite(compress(w, x, **options).weights).all()
