"""Weights that a network computes from what it stores: the product, the quotient, or nothing."""

import numpy as np
import pytest

from sims import weights

RNG = np.random.default_rng(43)
LAYER = {"e.weight": RNG.normal(size=(40, 50)).astype(np.float32)}


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def selected(arrays):
    return weights.select(weights.opened(arrays))


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("c.weight_orig", "c.weight_u", "c.weight_v"), "c.weight"),
        (
            tuple(f"c.parametrizations.weight.{part}" for part in ("original", "0._u", "0._v")),
            "c.weight",
        ),
    ],
)
@pytest.mark.parametrize(("shape", "axis"), [((12, 30), 0), ((12, 5, 3, 2), 0), ((5, 12, 3, 2), 1)])
def test_spectral_norm_divides(names, target, shape, axis):
    """The two vectors are the leading singular ones: afterwards the largest singular value is 1."""
    stored = normal(*shape)
    matrix = np.moveaxis(stored, axis, 0).reshape(12, -1)
    u, values, v = np.linalg.svd(matrix.astype(np.float64))
    arrays = dict(zip(names, (stored, u[:, 0], v[0]), strict=True)) | LAYER
    found = selected(arrays)
    assert list(found.tensors) == [target, "e.weight"] and not found.skipped
    divided = found.tensors[target].load()
    np.testing.assert_allclose(divided, stored / values[0], rtol=1e-5)
    assert (
        found.tensors[target].axis == axis
        and found.tensors[target].note == "weights over their spectral norm"
    )


def test_spectral_norm_of_one_output_is_its_length():
    stored = normal(1, 300)
    length = np.sqrt(np.sum(stored.astype(np.float64) ** 2))
    arrays = {"c.weight_orig": stored, "c.weight_u": np.ones(1), "c.weight_v": stored[0] / length}
    np.testing.assert_allclose(selected(arrays).tensors["c.weight"].load(), stored / length, rtol=1e-6)
    nothing = arrays | {"c.weight_u": np.zeros(1)}  # no norm is known: the weights stay
    np.testing.assert_array_equal(selected(nothing).tensors["c.weight"].load(), stored)


def test_a_direction_of_zeros_has_no_length():
    directions = normal(12, 30)
    directions[3] = 0
    arrays = {"c.weight_g": np.full((12, 1), 2, np.float32), "c.weight_v": directions}
    found = selected(arrays).tensors["c.weight"].load()
    assert not found[3].any()
    np.testing.assert_allclose(np.sqrt((np.delete(found, 3, 0) ** 2).sum(axis=1)), 2, rtol=1e-6)


def test_of_a_square_kernel_the_vectors_tell_the_axis():
    """Both matrices have the same shape: the vectors are singular for one of them."""
    for axis in (0, 1):
        stored = normal(6, 6, 3, 3)
        u, values, v = np.linalg.svd(np.moveaxis(stored, axis, 0).reshape(6, -1).astype(np.float64))
        for sign in (1, -1):  # u and v of opposite signs: torch divides by u'Wv, whatever its sign
            arrays = {"c.weight_orig": stored, "c.weight_u": sign * u[:, 0], "c.weight_v": v[0]}
            divided = selected(arrays).tensors["c.weight"].load()
            np.testing.assert_allclose(divided, sign * stored / values[0], rtol=1e-5)


def test_vectors_that_do_not_fit_leave_the_weights_unread():
    arrays = {"c.weight_orig": normal(16, 20), "c.weight_u": normal(16), "c.weight_v": normal(16)} | LAYER
    found = selected(arrays)
    assert list(found.tensors) == ["e.weight"]
    why = "vectors of shapes (16,) and (16,) for weights of shape (16, 20)"
    assert found.skipped == dict.fromkeys(("c.weight_orig", "c.weight_u", "c.weight_v"), why)


def test_an_unknown_parametrization_is_left():
    """Orthogonal matrices, or one's own: what is stored is not what the network multiplies with."""
    parts = [f"c.parametrizations.weight.{part}" for part in ("original", "0.base")]
    parts += ["d.parametrizations.kernel.original0", "d.parametrizations.kernel.original2"]
    found = selected({name: normal(32, 32) for name in parts} | LAYER)
    assert list(found.tensors) == ["e.weight"]
    assert set(found.skipped.values()) == {
        "a part of weights that the network computes in a way that is not read"
    }
    assert set(found.skipped) == set(parts)
    names = ["parametrizations_of.weight", "x.parametrizations.weight"]
    assert list(selected({name: normal(32, 32) for name in names}).tensors) == names


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("l.weight", "l.mask"), "l.weight"),
        (("l.weight", "l.weight_mask"), "l.weight"),
        (("l.kernel", "l.kernel_mask"), "l.kernel"),
        (("l.parametrizations.weight.original", "l.parametrizations.weight.0.mask"), "l.weight"),
        (("l/l/kernel:0", "l/l/mask:0"), "l/l/kernel:0"),
        (("l/kernel", "l/mask"), "l/kernel"),
        (("l/weights", "l/mask"), "l/weights"),
    ],
)
def test_a_mask_of_one_shape_is_a_factor(names, target):
    """MADE keeps both, torch.ao.pruning and TensorFlow, and programs that prune by themselves."""
    values, mask = normal(24, 40), RNG.random((24, 40)) < 0.4
    for kind in (bool, np.float32, np.uint8):
        found = selected(dict(zip(names, (values, mask.astype(kind)), strict=True)) | LAYER)
        assert list(found.tensors) == [target, "e.weight"] and not found.skipped
        last = "kernel" in target or "/" in target
        assert found.tensors[target].axis == (1 if last else None)  # of TensorFlow outputs come last
        np.testing.assert_array_equal(found.tensors[target].load(), np.where(mask, values, 0))
    soft = RNG.random((24, 40)).astype(np.float32)
    found = selected(dict(zip(names, (values, soft), strict=True)))
    np.testing.assert_array_equal(found.tensors[target].load(), values * soft)
    other = selected(dict(zip(names, (values, np.ones((5, 40), bool)), strict=True)))
    if names[0] == target:  # and otherwise a part of nobody knows what
        np.testing.assert_array_equal(other.tensors[target].load(), values)


@pytest.mark.parametrize("scores", ["scores", "mask_scores", "popup_scores"])
def test_weights_that_scores_prune_are_left(scores):
    """Edge-popup keeps a share of random weights: without the share nobody knows the network."""
    found = selected({"c.weight": normal(32, 32), f"c.{scores}": normal(32, 32)} | LAYER)
    assert list(found.tensors) == ["e.weight"]
    why = "weights that scores prune, and how many of them is not in the file"
    assert found.skipped == {"c.weight": why, f"c.{scores}": why}
    assert "c.weight" in selected({"c.weight": normal(32, 32), f"c.{scores}": normal(32, 1)}).tensors


@pytest.mark.parametrize("small", [2.0**-20, 0.5, 1.0])
def test_directions_have_any_length_but_none(small):
    """Rows along one axis each: the weights are their lengths there. A row of zeros has no direction."""
    directions = small * np.eye(20, 30, dtype=np.float32)
    directions[7] = 0
    lengths = np.arange(1, 21, dtype=np.float32)[:, None]
    found = selected({"c.weight_v": directions, "c.weight_g": lengths} | LAYER).tensors["c.weight"].load()
    np.testing.assert_array_equal(found, lengths * (directions > 0))
