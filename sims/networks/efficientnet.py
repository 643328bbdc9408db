"""Inputs of EfficientNet-Lite0's pointwise layers, propagated through the network from real photographs.

The pointwise (1 x 1) convolutions hold most of its weights and are matrix products over pixels: layers of the
kind path following is about. The checkpoint comes with the [zoo] extra, the photographs with scikit-learn.
"""

from collections.abc import Iterator

import numpy as np

from sims.networks.patches import patches

_EPSILON = 1e-3  # of batch normalisation, as the network was trained
# Blocks of each stage: count, kernel size, stride of the first.
_STAGES = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))


def photographs(crops: int = 4, size: int = 128) -> np.ndarray:
    """Crops of scikit-learn's two photographs, (crops, 3, size, size), pixels scaled to about [-1, 1].

    Crops alternate between the photographs and move across them; they need no random numbers.
    """
    from sklearn.datasets import load_sample_images

    images = [image.astype(np.float64) for image in load_sample_images().images]
    result = np.empty((crops, 3, size, size))
    for index in range(crops):
        image = images[index % 2]
        room = (image.shape[0] - size, image.shape[1] - size)
        share = (index // 2 + 0.5) / max(1, (crops + 1) // 2)
        top, left = (int(share * space) for space in room)
        result[index] = image[top : top + size, left : left + size].transpose(2, 0, 1)
    return (result - 127.0) / 128.0


def _padded(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Zero padding that gives ceil(size/stride) outputs, the extra row and column at the end."""
    pads = [(0, 0), (0, 0)]
    for size in x.shape[2:]:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, pads)


def _convolve(x: np.ndarray, weights: np.ndarray, stride: int) -> np.ndarray:
    """Convolution (images, channels, height, width); depthwise if the weights have one input channel."""
    kernel = weights.shape[2]
    height, width = (-(-size // stride) for size in x.shape[2:])
    x = _padded(x, kernel, stride)
    depthwise = weights.shape[1] == 1
    result = np.zeros((len(x), len(weights), height, width))
    for i in range(kernel):
        for j in range(kernel):
            window = x[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            if depthwise:
                result += weights[None, :, 0, i, j, None, None] * window
            else:
                result += np.einsum("oc,bchw->bohw", weights[:, :, i, j], window, optimize=True)
    return result


def stem_layer(arrays: dict[str, np.ndarray], images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first layer, a dense 3 x 3 convolution: weights (32, 27) and inputs (pixels, 27)."""
    weights = arrays["_conv_stem.weight"]
    padded = _padded(images, weights.shape[2], 2)
    return weights.reshape(len(weights), -1), patches(padded, weights.shape[2], 2)


def pointwise_layers(
    arrays: dict[str, np.ndarray], images: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Walk through the network and yield every pointwise layer with its inputs.

    Parameters
    ----------
    arrays
        Dict of ndarray
        The checkpoint, as `sims.weights.load` gives it.
    images : (n, 3, height, width) ndarray

    Yields
    ------
    name, weights (fan_out, fan_in), inputs (pixels, fan_in)
    """

    def normalised(x: np.ndarray, name: str) -> np.ndarray:
        scale = arrays[f"{name}.weight"] / np.sqrt(arrays[f"{name}.running_var"] + _EPSILON)
        shift = arrays[f"{name}.bias"] - arrays[f"{name}.running_mean"] * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.clip(x, 0.0, 6.0)

    def flat(x: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(-1, x.shape[1])

    def pointwise(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.einsum("oc,bchw->bohw", weights, x, optimize=True)

    x = relu6(normalised(_convolve(images, arrays["_conv_stem.weight"], 2), "_bn0"))
    block = 0
    for count, _, first_stride in _STAGES:
        for repeat in range(count):
            name = f"_blocks.{block}"
            stride = first_stride if repeat == 0 else 1
            entry = x
            if f"{name}._expand_conv.weight" in arrays:
                weights = arrays[f"{name}._expand_conv.weight"][:, :, 0, 0]
                yield f"{block} expand", weights, flat(x)
                x = relu6(normalised(pointwise(x, weights), f"{name}._bn0"))
            x = _convolve(x, arrays[f"{name}._depthwise_conv.weight"], stride)
            x = relu6(normalised(x, f"{name}._bn1"))
            weights = arrays[f"{name}._project_conv.weight"][:, :, 0, 0]
            yield f"{block} project", weights, flat(x)
            x = normalised(pointwise(x, weights), f"{name}._bn2")
            if repeat:
                x = x + entry
            block += 1
    weights = arrays["_conv_head.weight"][:, :, 0, 0]
    yield "head", weights, flat(x)
    x = relu6(normalised(pointwise(x, weights), "_bn1"))
    yield "classifier", arrays["_fc.weight"], x.mean(axis=(2, 3))
