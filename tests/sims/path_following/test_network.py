"""A network layer by layer, each written out as one layer on the inputs that reach it."""

import numpy as np
import pytest

from sims.path_following import compress
from sims.path_following.network import compress_network
from theory.operators import StochasticRounding

OPERATOR = StochasticRounding(0.25)
OPTIONS = {"scale": 2.5, "order": "norm", "damping": 0.3}


def network(seed=0):
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((7, 5)), rng.standard_normal((6, 7)), rng.standard_normal((2, 6))]
    return weights, rng.random((30, 5)) * np.array([3.0, 0.2, 1.0, 0.5, 2.0])


@pytest.mark.parametrize("alignment", [1, 2, "least-squares"])
@pytest.mark.parametrize("method", ["path-following", "optq"])
def test_a_layer_is_aligned_to_what_the_original_made_of_its_own_inputs(method, alignment):
    weights, x = network()
    layers = compress_network(
        weights, x, lambda w: OPERATOR, method=method, alignment=alignment, seed=4, **OPTIONS
    )
    original = compressed = x
    for index, (w, found) in enumerate(zip(weights, layers, strict=True)):
        expected = compress(
            w,
            compressed,
            target_inputs=original,  # the first layer sees the same twice: Phase I leaves its weights
            operator=OPERATOR,
            method=method,
            alignment=alignment,
            seed=4 + index,  # uniforms of its own
            **OPTIONS,
        )
        np.testing.assert_allclose(found.weights, expected.weights, atol=1e-9)
        np.testing.assert_allclose(found.aligned, expected.aligned, atol=1e-9)
        assert (not index) == np.allclose(found.aligned, w)
        original = np.maximum(original @ w.T, 0)
        compressed = np.maximum(compressed @ found.weights.T, 0)


def test_rounding_weight_by_weight_has_no_phase_one():
    weights, x = network()
    layers = compress_network(weights, x, lambda w: OPERATOR, method="direct", alignment=3, seed=4)
    original = compressed = x
    for index, (w, found) in enumerate(zip(weights, layers, strict=True)):
        uniforms = np.random.default_rng(4 + index).random(w.shape[::-1]).T
        np.testing.assert_array_equal(found.weights, OPERATOR(w, uniforms))
        np.testing.assert_array_equal(found.aligned, w)
        difference = original @ w.T - compressed @ found.weights.T
        np.testing.assert_allclose(found.error, (difference**2).sum(axis=0), rtol=1e-9)
        original = np.maximum(original @ w.T, 0)
        compressed = np.maximum(compressed @ found.weights.T, 0)
