"""One number that cannot be used, among others that can, is refused: wherever it stands."""

import numpy as np
import pytest

from sims.layer_bounds.quantization import quantization_range
from sims.networks import images
from sims.networks.patches import patches
from sims.path_following.compression import compress
from sims.path_following.gram import Gram
from sims.path_following.problems import adversarial_columns
from sims.path_following.quantizers import neuron_quantizer
from sims.representation import linear_cka
from sims.subset_sum.algorithms import count_by_polynomial
from sims.weights import rotation
from sims.weights.affine import affine_rows
from sims.weights.allocation import allocate
from theory import allocation, convex_order, path_following, representation
from theory.codebooks import Codebook
from theory.operators import NearestRounding, StochasticRounding
from theory.partition import laws

RNG = np.random.default_rng(5)
W, X = RNG.normal(size=(3, 4)), RNG.normal(size=(6, 4))
G, ROUND = X.T @ X, NearestRounding(0.5)
PICTURES = RNG.random((8, 3, 3))
LABELS = np.arange(8.0) % 2

TAKERS = {
    "images": (PICTURES, lambda a: images.from_arrays(a, LABELS), "images must be finite"),
    "labels": (LABELS, lambda a: images.from_arrays(PICTURES, a), "labels must be integers"),
    "rows of affine grids": (W, lambda a: affine_rows(a, 3), "rows must be finite"),
    "rotation": (W, lambda a: rotation.rotate(a), "weights must be finite"),
    "gram of outputs": (
        G, lambda a: allocate({"w": W}, 4, grams={"w": a}), "the Gram matrix of 'w' must be 4 x 4, all",
    ),
    "steps": (np.ones(3), lambda a: quantization_range(W, inputs=X, bits=3, step=a), "step must be a"),
    "cka": (X, lambda a: linear_cka(a, X[::-1]), "x must be finite"),
    "weights to compress": (W, lambda a: compress(a, X, operator=ROUND), "weights must be finite"),
    "inputs": (X, lambda a: compress(W, a, operator=ROUND), "must be finite"),
    "targets": (X, lambda a: compress(W, X, target_inputs=a, operator=ROUND), "target_inputs must be finite"),
    "later inputs": (X, lambda a: _later(a), "must be finite"),
    "gram": (G, lambda a: compress(W, gram=a, operator=ROUND), "gram must be finite"),
    "row scales": (
        np.ones(3), lambda a: compress(W, X, operator=ROUND, row_scales=a), "row_scales must hold one",
    ),
    "neurons": (W, lambda a: neuron_quantizer(a, 3, False), "weights must be finite"),
    "operator": (W, lambda a: NearestRounding(0.5)(a), "finite"),
    "lengths": (np.ones(3), convex_order.gaussian_variance, "interval_length must be finite"),
    "deviations": (np.ones(3), lambda a: convex_order.tail_bound(a, 0.01), "std must be finite"),
    "covariance": (G, lambda a: convex_order.euclidean_tail_bound(a, 0.01), "covariance must be a square"),
    "spectrum": (np.ones(3), representation.effective_rank, "spectrum must hold finite"),
    "ranks": (
        np.full(3, 2.0), lambda a: representation.chance_cka(9, 2.0, a), "rank_y must be finite and at",
    ),
    "gram of inputs": (G, allocation.feedback_gain, "gram must be a square matrix of finite numbers"),
    "levels": (np.arange(3.0), Codebook, "levels must be finite numbers"),
    "scales C": (
        np.ones(3), lambda a: path_following.error_variance(a, StochasticRounding(1.0), 1.0),
        "scale C must be finite",
    ),
    "norms": (
        np.ones(3), lambda a: path_following.error_variance(1.0, StochasticRounding(1.0), a),
        "max_norm must be finite",
    ),
    "steps of rows": (
        np.ones(4), lambda a: path_following.nearest_plane_bound(G, a), "step must be positive and finite",
    ),
    "sizes": (np.full(3, 9.0), lambda a: laws.expected_perfect_partitions(a, 64), "n must be a number"),
    "largest values": (
        np.full(3, 9.0), lambda a: laws.expected_perfect_partitions(9, a), "max_value must be a number",
    ),
}  # fmt: skip


def _later(batch):
    gram = Gram()
    gram.update(X)
    gram.update(batch)
    return compress(W, gram=gram, operator=ROUND)


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_one_bad_number_is_refused(name, wrong):
    good, take, message = TAKERS[name]
    take(good)
    for place in (0, good.size // 2, good.size - 1):
        bad = good.copy()
        bad.flat[place] = wrong
        with pytest.raises(ValueError, match=message):
            take(bad)


def test_one_label_between_two_classes_is_refused():
    for place in (0, 7):
        with pytest.raises(ValueError, match="labels must be integers"):
            images.from_arrays(PICTURES, np.where(np.arange(8) == place, 0.5, LABELS))


def test_a_kernel_has_to_fit_both_sides_of_an_image():
    for shape in ((1, 1, 2, 5), (1, 1, 5, 2)):
        with pytest.raises(ValueError, match=f"3 x 3 does not fit into images of {shape[2]} x {shape[3]}"):
            patches(np.ones(shape), 3)


def test_two_samples_are_enough_for_columns_orthogonal_to_an_error():
    columns = adversarial_columns(2, 5, 0.3, np.random.default_rng(0))
    assert columns.shape == (2, 5)
    np.testing.assert_allclose(np.linalg.norm(columns, axis=0), 1.0)
    with pytest.raises(ValueError, match="samples must be at least 2"):
        adversarial_columns(1, 5, 0.3, np.random.default_rng(0))


def test_a_polynomial_counts_items_of_both_signs():
    """{-2}, {-3, 1} and {-2, -3, 1, 2}, say, sum to -2: every subset is tried."""
    items = np.array([-2, -3, 1, 2, 4])
    sums = [sum(x for i, x in enumerate(items.tolist()) if k >> i & 1) for k in range(32)]
    for target in range(-5, 8):
        assert count_by_polynomial(items, target) == sums.count(target)
