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
    three, found = efficientnet.photographs(crops=3, size=32), efficientnet.photographs(crops=4, size=32)
    assert found.shape == (4, 3, 32, 32)
    np.testing.assert_array_equal(three, found[:3])  # the fourth would be of the second photograph
    for index, crop in enumerate(found):
        image = images[index % 2]
        share = (0.25, 0.75)[index // 2]  # the middles of two equal parts of the way
        top, left = int(share * (image.shape[0] - 32)), int(share * (image.shape[1] - 32))
        pixels = image[top : top + 32, left : left + 32].astype(int)
        np.testing.assert_array_equal(crop.transpose(1, 2, 0), (pixels - 127) / 128)


# EfficientNet-Lite0, block by block: (stage, kernel, stride of the first, blocks), stem and head fixed
LITE0 = ((0, 3, 1, 1), (1, 3, 2, 2), (2, 5, 2, 2), (3, 3, 2, 3), (4, 5, 1, 3), (5, 5, 2, 4), (6, 3, 1, 1))


def small_network(rng):
    """The graph of Lite0 with two channels a stage, and one channel more in each expansion."""
    arrays = {
        "_conv_stem.weight": rng.normal(size=(2, 3, 3, 3)),
        "_conv_head.weight": rng.normal(size=(3, 2, 1, 1)),
    }
    arrays["_fc.weight"] = rng.normal(size=(4, 3))
    sizes, block = {"_bn0": 2, "_bn1": 3}, 0
    for stage, kernel, _, count in LITE0:
        for _ in range(count):
            name, inner = f"_blocks.{block}", 3 if stage else 2
            if stage:
                arrays[f"{name}._expand_conv.weight"] = rng.normal(size=(3, 2, 1, 1))
                sizes[f"{name}._bn0"] = 3
            arrays[f"{name}._depthwise_conv.weight"] = rng.normal(size=(inner, 1, kernel, kernel)) / kernel
            arrays[f"{name}._project_conv.weight"] = rng.normal(size=(2, inner, 1, 1))
            sizes |= {f"{name}._bn1": inner, f"{name}._bn2": 2}
            block += 1
    for name, size in sizes.items():
        arrays |= {f"{name}.{part}": rng.normal(size=size) for part in ("weight", "bias", "running_mean")}
        arrays[f"{name}.running_var"] = rng.random(size) * 0.01
    return arrays


def test_every_pointwise_layer_of_the_graph():
    rng = np.random.default_rng(0)
    arrays, images = small_network(rng), rng.normal(size=(2, 3, 16, 16))

    def norm(x, name):
        w, b, mean, var = (
            arrays[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return np.stack(
            [w[c] * (x[:, c] - mean[c]) / (var[c] + 0.001) ** 0.5 + b[c] for c in range(len(w))], axis=1
        )

    def cut(x):
        return np.minimum(np.maximum(x, 0), 6)

    def point(x, name):
        w = arrays[name][:, :, 0, 0]
        expected.append((w, np.stack([x[:, c].ravel() for c in range(x.shape[1])], axis=1)))
        return np.stack([sum(w[o, c] * x[:, c] for c in range(x.shape[1])) for o in range(len(w))], axis=1)

    expected, names, block = [], [], 0
    x = cut(norm(efficientnet._convolve(images, arrays["_conv_stem.weight"], 2), "_bn0"))
    for stage, _, stride, count in LITE0:
        for repeat in range(count):
            name, before = f"_blocks.{block}", x
            if stage:
                names.append(f"{block} expand")
                x = cut(norm(point(x, f"{name}._expand_conv.weight"), f"{name}._bn0"))
            x = efficientnet._convolve(x, arrays[f"{name}._depthwise_conv.weight"], 1 if repeat else stride)
            names.append(f"{block} project")
            x = norm(point(cut(norm(x, f"{name}._bn1")), f"{name}._project_conv.weight"), f"{name}._bn2")
            x = x + before if repeat else x
            block += 1
    x = cut(norm(point(x, "_conv_head.weight"), "_bn1"))
    found = list(efficientnet.pointwise_layers(arrays, images))
    assert [name for name, _, _ in found] == [*names, "head", "classifier"] and block == 16
    for (_, w, inputs), (weights, values) in zip(found, expected, strict=False):
        np.testing.assert_array_equal(w, weights)
        np.testing.assert_allclose(inputs, values, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(found[-1][1], arrays["_fc.weight"])
    np.testing.assert_allclose(found[-1][2], [[image[c].mean() for c in range(3)] for image in x], rtol=1e-9)
    weights, windows = efficientnet.stem_layer(arrays, images)
    product = (windows @ weights.T).reshape(2, 8, 8, 2).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(
        product, efficientnet._convolve(images, arrays["_conv_stem.weight"], 2), atol=1e-9
    )
