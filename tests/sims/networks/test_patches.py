"""Convolutions as products of patches, against a literal convolution; slices of real layers."""

import numpy as np
import pytest

from sims.layer_bounds.layers import compared, real_slices
from sims.networks.patches import patches


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (3, 2, 0), (2, 2, 1), (6, 1, 0)]
)
def test_patches_times_weights_is_the_convolution(kernel, stride, padding):
    rng = np.random.default_rng(0)
    images, weights = rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((4, 3, kernel, kernel))
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    height, width = ((side - kernel) // stride + 1 for side in padded.shape[2:])
    literal = [
        np.sum(padded[b, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel] * weights[o])
        for b in range(2)
        for i in range(height)
        for j in range(width)
        for o in range(4)
    ]
    found = patches(images, kernel, stride, padding) @ weights.reshape(4, -1).T
    np.testing.assert_allclose(found.ravel(), literal, atol=1e-12)


def test_bad_images_are_one_sentence():
    with pytest.raises(ValueError, match=r"images must have the shape \(images, channels, height, width\)"):
        patches(np.zeros((3, 3)), 1)
    with pytest.raises(ValueError, match="a kernel of 5 x 5 does not fit into images of 3 x 4"):
        patches(np.zeros((1, 1, 3, 4)), 5)


def test_slices_of_the_digits_network():
    slices = list(real_slices(("digits",)))
    assert [one.weights.shape for one in slices] == [(48, 36), (32, 36), (10, 31)]
    assert all(np.diagonal(one.gram).min() > 0 and one.samples == 1347 for one in slices)
    both = compared(slices[2], 2, 1)
    assert both.quantized.bound > both.published > 0  # in error: the box makes the bound larger
    assert both.pruned.details["cut"] == 28  # ceil(31 * 14/16)
