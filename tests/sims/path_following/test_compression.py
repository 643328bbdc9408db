"""Whole-layer compression against the literal column recursions it must equal."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sims.path_following import compress, output_error
from sims.path_following.compression import METHODS
from sims.path_following.gram import Gram
from sims.path_following.recursion import specification, sweep
from theory.operators import (
    HardPruning,
    NearestRounding,
    NearestSign,
    OneBit,
    PruneFraction,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
)
from theory.path_following import error_map

OPERATORS = [
    StochasticRounding(0.25),
    StochasticRounding(0.125, bits=4),
    NearestRounding(0.25),
    NearestRounding(0.125, bits=3),
    OneBit(4.0),
    NearestSign(0.4),
    StochasticPruning(0.8),
    PruneThenRound(0.8, 0.25),
    PruneThenRound(0.1, 0.25),
    HardPruning(0.5),
]


def columns_one_by_one(x, w, operator, scale, uniforms):
    """The algorithm as printed: one neuron, one column, one inner product at a time."""
    u = np.zeros(len(x))
    q = np.zeros_like(w)
    for t in range(len(w)):
        square = x[:, t] @ x[:, t]
        correction = x[:, t] @ u / (scale * square) if square > 0 else 0.0
        q[t] = operator(w[t] + correction, uniforms[t])
        u = u + (w[t] - q[t]) * x[:, t]
    return q, u


def layer(n=5, columns=70, samples=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.9, 0.9, (n, columns)), rng.standard_normal((samples, columns))


@pytest.mark.parametrize("operator", OPERATORS, ids=repr)
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_codes_are_those_of_the_literal_recursion(operator, scale):
    w, x = layer()
    x[:, 3] = 0.0  # a dead column gets no correction
    result = compress(w, x, operator=operator, scale=scale, seed=7)
    uniforms = np.random.default_rng(7).random(w.shape[::-1]).T
    for i in range(len(w)):
        q, u = columns_one_by_one(x, w[i], operator, scale, uniforms[i])
        if isinstance(operator, StochasticPruning | HardPruning):  # kept values carry rounding of the sums
            np.testing.assert_allclose(result.weights[i], q, rtol=0, atol=1e-12)
        else:
            np.testing.assert_array_equal(result.weights[i], q)
        np.testing.assert_allclose(output_error(result, x)[i], u, atol=1e-11)
        assert result.error[i] == pytest.approx(u @ u, rel=1e-9)


def test_codes_do_not_depend_on_blocks_or_threads():
    w, x = layer(n=130, columns=300, samples=100)
    gram = x.T @ x
    scale = 1.0 / np.diagonal(gram)
    operator = StochasticRounding(0.1)

    def run(block, outer):
        rng = np.random.default_rng(3)
        return sweep(w, gram, scale, operator, rng, block, outer)[0]

    expected = run(32, 128)
    for block, outer in [(1, 1), (7, 21), (64, 64), (300, 300), (16, 512)]:
        np.testing.assert_array_equal(run(block, outer), expected)
    for threads in (1, 2):
        with threadpool_limits(threads):
            np.testing.assert_array_equal(run(32, 128), expected)


def test_error_is_the_error_map_of_the_operators_errors():
    w, x = layer(n=1)
    scale = 1.7
    result = compress(w, x, operator=StochasticRounding(0.25), scale=scale, seed=1)
    e = w[0] - result.weights[0]
    squares = (x**2).sum(axis=0)
    v = np.array([w[0, t] + x[:, t] @ (x[:, :t] @ e[:t]) / (scale * squares[t]) for t in range(len(e))])
    np.testing.assert_allclose(error_map(x, scale) @ (v - result.weights[0]), x @ e, atol=1e-10)


def test_exits_are_counted_and_located():
    x = np.ones((1, 3))
    result = compress([[0.2, 0.9, 0.9]], x, operator=NearestRounding(0.5, bits=2))
    # v: 0.2 -> 0 (e 0.2); 1.1 -> 0.5, outside (limit 0.75), e 0.4, u 0.6; 1.5 outside
    assert result.weights.tolist() == [[0.0, 0.5, 0.5]]
    assert result.exits.tolist() == [2]
    assert result.first_exit.tolist() == [1]


@pytest.mark.parametrize("method", METHODS)
def test_a_neuron_without_exits_has_no_first_exit(method):
    w, x = layer()
    operators = (
        [PruneFraction(0.5)] if method == "obs" else [NearestRounding(0.5, bits=2), NearestRounding(0.5)]
    )
    for operator in operators:
        result = compress(w, x, operator=operator, method=method)
        assert result.exits.shape == result.first_exit.shape == (len(w),)
        np.testing.assert_array_equal(result.first_exit == -1, result.exits == 0)
        assert result.exits.any() == (operator == NearestRounding(0.5, bits=2))


@pytest.mark.parametrize("order", ["norm", "random", "pivoted", np.arange(70)[::-1]])
def test_orders_are_permutations_of_the_same_problem(order):
    w, x = layer()
    result = compress(w, x, operator=NearestRounding(0.25), order=order, seed=5)
    by_hand = compress(w[:, result.order], x[:, result.order], operator=NearestRounding(0.25))
    np.testing.assert_array_equal(result.weights[:, result.order], by_hand.weights)
    assert sorted(result.order) == list(range(70))


def test_pivoted_order_starts_with_the_longest_column_and_ends_in_the_span():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 3)) @ rng.standard_normal((3, 9))
    order = compress(np.zeros((1, 9)), x, operator=NearestRounding(1.0), order="pivoted").order
    assert order[0] == np.argmax((x**2).sum(axis=0))
    assert np.linalg.matrix_rank(x[:, order[:3]]) == 3


def test_direct_is_the_operator_alone():
    w, x = layer()
    operator = StochasticRounding(0.25)
    result = compress(w, x, operator=operator, method="direct", seed=2)
    np.testing.assert_array_equal(result.weights, operator(w, np.random.default_rng(2).random((70, 5)).T))


def optq_as_published(x, w, operator, uniforms):
    """Quantize a weight, then refit all later ones by least squares so that they make up for it."""
    w = w.copy()
    q = np.zeros_like(w)
    for t in range(len(w)):
        q[t] = operator(w[t], uniforms[t])
        if t + 1 < len(w):
            w[t + 1 :] += np.linalg.lstsq(x[:, t + 1 :], x[:, t] * (w[t] - q[t]), rcond=None)[0]
    return q


@pytest.mark.parametrize("operator", [NearestRounding(0.25), StochasticRounding(0.25)], ids=repr)
def test_optq_is_the_published_recursion(operator):
    w, x = layer(n=3, columns=20, samples=40)
    result = compress(w, x, operator=operator, method="optq", damping=0.0, seed=4)
    uniforms = np.random.default_rng(4).random(w.shape[::-1]).T
    for i in range(3):
        np.testing.assert_array_equal(result.weights[i], optq_as_published(x, w[i], operator, uniforms[i]))


def greedy_by_definition(x, w, count):
    """Try every removal, refit the rest by least squares, keep the cheapest; `count` times."""
    kept = list(range(len(w)))
    target = x @ w
    for _ in range(count):
        trials = []
        for p in kept:
            rest = [i for i in kept if i != p]
            fit = np.linalg.lstsq(x[:, rest], target, rcond=None)[0]
            trials.append((np.sum((target - x[:, rest] @ fit) ** 2), rest, fit))
        _, kept, fit = min(trials, key=lambda trial: trial[0])
    result = np.zeros_like(w)
    result[kept] = fit
    return result


def test_obs_is_greedy_removal_with_refitting():
    w, x = layer(n=3, columns=12)
    result = compress(w, x, operator=PruneFraction(0.5), method="obs", damping=0.0)
    for i in range(3):
        np.testing.assert_allclose(result.weights[i], greedy_by_definition(x, w[i], 6), atol=1e-9)


@pytest.mark.parametrize(
    ("method", "stochastic"),
    [*itertools.product(["path-following", "optq", "direct"], [False, True]), ("obs", False)],
)
@pytest.mark.parametrize("sparsity", [0.3, 0.8])
def test_a_fraction_is_cut_as_asked(method, stochastic, sparsity):
    w, x = layer(n=20, samples=200)
    operator = PruneFraction(sparsity, stochastic)
    result = compress(w, x, operator=operator, method=method, seed=3)
    assert result.sparsity == pytest.approx(sparsity, abs=0.01)
    if method == "direct" and not stochastic:
        kept = np.abs(result.weights[result.weights != 0]).min()
        assert kept > np.abs(w[result.weights == 0]).max()
        np.testing.assert_array_equal(result.weights[result.weights != 0], w[result.weights != 0])


def test_feedback_and_refitting_beat_magnitude_pruning():
    w, x = layer(n=20, samples=200)
    errors = [
        compress(w, x, operator=PruneFraction(0.5), method=method).error.sum()
        for method in ("obs", "path-following", "direct")
    ]
    assert errors[0] < errors[1] < errors[2]


def test_alignment_is_the_literal_projection_and_tends_to_least_squares():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 12))
    y = x + 0.2 * rng.standard_normal(x.shape)
    w = rng.standard_normal(12)
    fine = NearestRounding(2.0**-40)
    u = np.zeros(50)
    aligned = np.zeros(12)
    for t in range(12):  # order 1 as printed: follow sum_{j<=t} w_j X_j with multiples of Y_t
        target = u + w[t] * x[:, t]
        aligned[t] = y[:, t] @ target / (y[:, t] @ y[:, t])
        u = target - aligned[t] * y[:, t]
    first = compress(w, y, target_inputs=x, operator=fine)
    np.testing.assert_allclose(first.aligned[0], aligned, atol=1e-10)
    limit = np.linalg.lstsq(y, x @ w, rcond=None)[0]
    many = compress(w, y, target_inputs=x, operator=fine, alignment=400)
    np.testing.assert_allclose(many.aligned[0], limit, atol=1e-8)
    exact = compress(w, y, target_inputs=x, operator=fine, alignment="least-squares")
    np.testing.assert_allclose(exact.aligned[0], limit, atol=1e-8)
    assert first.error[0] == pytest.approx(np.sum((x @ w - y @ first.weights[0]) ** 2), rel=1e-9)


def test_dead_columns_keep_their_weight_in_alignment():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 6))
    y = x.copy()
    y[:, 2] = 0.0
    w = rng.standard_normal((2, 6))
    for alignment in (1, 3, "least-squares"):
        aligned = compress(w, y, target_inputs=x, operator=NearestRounding(0.1), alignment=alignment).aligned
        np.testing.assert_allclose(aligned[:, 2], w[:, 2], atol=1e-9)


def test_streamed_gram_gives_the_same_layer():
    w, x = layer()
    y = x + 0.1
    gram = Gram()
    for start in range(0, 40, 16):
        gram.update(y[start : start + 16], x[start : start + 16])
    streamed = compress(w, gram=gram, operator=NearestRounding(0.1))
    whole = compress(w, y, target_inputs=x, operator=NearestRounding(0.1))
    np.testing.assert_array_equal(streamed.weights, whole.weights)
    np.testing.assert_allclose(streamed.error, whole.error, rtol=1e-9)
    for first, second in (((y, x), (y,)), ((y,), (y, x))):
        gram = Gram()
        gram.update(*first)
        with pytest.raises(ValueError, match="target_inputs must be given for every batch or for none"):
            gram.update(*second)


def test_batches_are_as_wide_as_the_matrix_they_are_added_to():
    for gram in (Gram(np.eye(3)), Gram()):
        gram.update(np.ones((2, 3)))
        with pytest.raises(ValueError, match="inputs must have 3 columns as before, got 4"):
            gram.update(np.ones((2, 4)))


def test_a_matrix_to_start_from_is_left_as_it_is():
    _, x = layer()
    given = x[:16].T @ x[:16]
    kept, gram = given.copy(), Gram(given)
    gram.update(x[16:32])
    gram.update(x[32:])
    np.testing.assert_array_equal(given, kept)
    np.testing.assert_allclose(gram.own, x.T @ x, rtol=1e-12, atol=1e-12)


def test_float16_and_integers_are_computed_in_float64():
    w, x = layer()
    low = x.astype(np.float16)
    narrow = compress(w.astype(np.float16), low, operator=NearestRounding(0.1))
    wide = compress(w.astype(np.float16).astype(float), low.astype(float), operator=NearestRounding(0.1))
    np.testing.assert_array_equal(narrow.weights, wide.weights)
    assert narrow.weights.dtype == np.float64
    integers = compress(w, np.arange(140).reshape(2, 70), operator=NearestRounding(0.1))
    assert np.isfinite(integers.weights).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 0.5}, "greater than 1/2"),
        ({"scale": np.nan}, "greater than 1/2"),
        ({"scale": np.inf}, "greater than 1/2"),
        ({"scale": "1"}, "greater than 1/2, got 1"),
        ({"method": "obs"}, "PruneFraction"),
        ({"method": "obs", "operator": PruneFraction(0.5, True)}, r"operator=PruneFraction\(sparsity\)"),
        ({"operator": PruneFraction(0.01)}, "cuts none"),
        ({"method": "magic"}, "method must be one of"),
        ({"order": "backwards"}, "order must be one of"),
        ({"order": [0, 0, 1]}, "permutation"),
        ({"order": [0, 1]}, "permutation"),
        ({"order": 3}, r"order must be a name or a permutation of range\(3\)"),
        ({"weights": np.zeros((2, 4))}, "fan_in 4"),
        ({"weights": np.zeros((0, 3))}, r"weights must be a \(fan_out, fan_in\) matrix, got shape \(0, 3\)"),
        ({"weights": np.zeros((1, 3, 3))}, r"weights must be .* matrix, got shape \(1, 3, 3\)"),
        ({"row_scales": [1.0]}, r"one positive finite number per neuron, shape \(2,\)"),
        ({"row_scales": [1.0, 0.0]}, "one positive finite number per neuron"),
        ({"weights": np.full((2, 3), np.nan)}, "weights must be finite"),
        ({"inputs": np.full((2, 3), np.inf)}, "inputs must be finite"),
        ({"inputs": np.zeros(3)}, r"\(samples, fan_in\)"),
        ({"target_inputs": np.zeros((4, 3))}, "shape of inputs"),
        ({"target_inputs": np.diag([1.0, np.nan, 1.0])[:2]}, "target_inputs must be finite"),
        ({"target_inputs": np.full((2, 3), -np.inf)}, "target_inputs must be finite"),
        (
            {"operator": OneBit(0.5), "weights": [[0.1, 0.7, -0.6]]},
            "2 of 3 weights lie outside.*at least 0.7",
        ),
        ({"inputs": None}, "either inputs or gram"),
        ({"gram": np.eye(3)}, "either inputs or gram"),
        ({"inputs": None, "gram": np.triu(np.ones((3, 3)))}, "symmetric"),
        ({"inputs": None, "gram": -np.eye(3)}, "diagonal"),
        ({"inputs": None, "gram": np.diag([1.0, -1.0, 1.0])}, "its diagonal cannot be negative"),
        ({"inputs": None, "gram": np.ones(3)}, r"a square matrix X'X, got shape \(3,\)"),
        ({"inputs": None, "gram": np.ones((3, 2))}, r"a square matrix X'X, got shape \(3, 2\)"),
        ({"inputs": None, "gram": np.ones((0, 0))}, r"a square matrix X'X, got shape \(0, 0\)"),
        ({"method": "optq", "damping": np.inf}, "damping must be finite and not negative, got inf"),
        ({"method": "optq", "damping": -0.1}, r"damping must be finite and not negative, got -0\.1"),
        ({"method": "optq", "damping": 0.0, "inputs": np.ones((2, 3))}, "singular"),
        *(
            ({"inputs": np.ones((2, 3)), "target_inputs": np.ones((2, 3)), "alignment": given}, "of sweeps")
            for given in (-1, "once", True)
        ),
    ],
)
def test_bad_input_is_one_clear_sentence(change, message):
    arguments = {"weights": np.zeros((2, 3)), "inputs": np.eye(3)[:2] + 1, "operator": NearestRounding(1.0)}
    arguments |= change
    with pytest.raises(ValueError, match=message):
        compress(arguments.pop("weights"), arguments.pop("inputs"), **arguments)


def test_a_gram_matrix_may_be_asymmetric_by_a_share_of_its_largest_entry():
    """Rounding of X'X is about that of its largest entry, however small the others are: 1e-9 of 1e6."""
    compress([[0.4, 0.4]], gram=[[1e6, 1.0], [1.0 + 9e-4, 1.0]], operator=NearestRounding(1.0))
    with pytest.raises(ValueError, match="gram must be symmetric"):
        compress([[0.4, 0.4]], gram=[[1e6, 1.0], [1.0 + 1.1e-3, 1.0]], operator=NearestRounding(1.0))


def test_errors_and_energies_of_what_the_inputs_do_not_see_are_none_but_for_rounding_and_never_negative():
    """Weights moved along the null space of X: a third of the rounded quadratic forms fall below zero."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 8)), rng.standard_normal((40, 8))
    unseen = rng.standard_normal((40, 5)) @ np.linalg.svd(x)[2][3:]
    forms = np.einsum("ij,jk,ik->i", unseen, x.T @ x, unseen)
    for target in (None, x):
        layer = compress(w, x, target_inputs=target, operator=NearestRounding(0.1))
        for error in (
            replace(layer, weights=w + unseen).error,
            replace(layer, original=unseen).output_energy,
        ):
            assert (error >= 0).all() and error.max() < 1e-12 and (error == 0).sum() > 5 < (forms < 0).sum()


def test_types_that_are_not_numbers_are_named():
    with pytest.raises(TypeError, match="weights must hold real numbers"):
        compress([["a"]], [[1.0]], operator=NearestRounding(1.0))
    with pytest.raises(TypeError, match=r"theory\.operators"):
        compress([[1.0]], [[1.0]], operator="nearest")


def test_kernel_without_compilation_gives_the_same_bits():
    from sims.kernels.path_following import compress_block

    rng = np.random.default_rng(0)
    gram = np.cov(rng.standard_normal((9, 30)))
    for operator in OPERATORS:
        results = []
        for function in (compress_block, getattr(compress_block, "py_func", compress_block)):
            q = rng.spawn(1)[0].standard_normal((9, 70)) * 0 + np.linspace(-0.9, 0.9, 630).reshape(9, 70)
            e, exits, first = np.zeros((9, 70)), np.zeros(70, np.int64), np.full(70, -1)
            correction, u = np.zeros((9, 70)), np.random.default_rng(1).random((9, 70))
            kind, p = specification(operator)
            function(0, 9, q, gram, 1 / np.diagonal(gram), correction, u, e, exits, first, kind, p)
            results.append((q, e, exits, first))
        for compiled, plain in zip(*results, strict=True):
            np.testing.assert_array_equal(compiled, plain)
