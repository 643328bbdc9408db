"""Convolutions and photographs against loops over pixels."""

import numpy as np
import pytest

from sims.networks import efficientnet


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 2)])
@pytest.mark.parametrize("size", [(4, 5), (7, 6)])
def test_convolutions_pixel_by_pixel(kernel, stride, size, depthwise):
    """ceil(size/stride) outputs; what is missing is zero, the odd row and column at the end."""
    rng = np.random.default_rng(kernel + stride)
    x = rng.integers(-4, 5, (2, 3, *size)).astype(float)
    weights = rng.integers(-4, 5, (3 if depthwise else 2, 1 if depthwise else 3, kernel, kernel)).astype(
        float
    )
    found = efficientnet._convolve(x, weights, stride)
    out = [-(-n // stride) for n in size]
    before = [max((o - 1) * stride + kernel - n, 0) // 2 for o, n in zip(out, size, strict=True)]
    assert found.shape == (2, len(weights), *out)
    for place in np.ndindex(*found.shape):
        image, channel, top, left = place
        total = 0.0
        for c, i, j in np.ndindex(weights.shape[1:]):
            row, column = top * stride + i - before[0], left * stride + j - before[1]
            if 0 <= row < size[0] and 0 <= column < size[1]:
                total += weights[channel, c, i, j] * x[image, channel if depthwise else c, row, column]
        assert found[place] == total


def test_crops_are_pixels_of_the_two_photographs_in_turn():
    from sklearn.datasets import load_sample_images

    images = load_sample_images().images
    found = efficientnet.photographs(crops=4, size=32)
    assert found.shape == (4, 3, 32, 32)
    for index, crop in enumerate(found):
        image = images[index % 2]
        share = (0.25, 0.75)[index // 2]  # the middles of two equal parts of the way
        top, left = int(share * (image.shape[0] - 32)), int(share * (image.shape[1] - 32))
        pixels = image[top : top + 32, left : left + 32].astype(int)
        np.testing.assert_array_equal(crop.transpose(1, 2, 0), (pixels - 127) / 128)
