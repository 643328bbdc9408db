"""Layers of the networks at hand with the inputs that reach them: real layers without a file."""

from collections.abc import Iterator

import numpy as np

from sims.networks import digits, efficientnet, transformer
from sims.weights.sources import at_hand, load

Layer = tuple[str, np.ndarray, np.ndarray]


def layers_of(network: str) -> Iterator[Layer]:
    """Every layer of a network at hand, walked through from real inputs.

    The digits network sees its training images, EfficientNet-Lite0 crops of two photographs (its stem and its
    pointwise layers), the transformer random tokens.

    Parameters
    ----------
    network
        A name in `sims.weights.AT_HAND`.

    Yields
    ------
    name, weights (fan_out, fan_in), inputs (samples, fan_in)

    Raises
    ------
    ValueError
        No network of that name, or its extra is missing.

    Examples
    --------
    >>> [(name, w.shape, x.shape) for name, w, x in layers_of("digits")][0]
    ('1', (48, 64), (1347, 64))
    """
    path = at_hand(network)
    if path is None:
        shipped = digits.load()
        hidden = shipped.train_images
        for index, weights in enumerate(shipped.weights, 1):
            yield str(index), weights, hidden
            hidden = np.maximum(hidden @ weights.T, 0.0)
    elif network == "efficientnet":
        arrays, images = load(path), efficientnet.photographs(2, 96)
        yield "stem", *efficientnet.stem_layer(arrays, images)
        yield from efficientnet.pointwise_layers(arrays, images)
    else:
        yield from transformer.linear_layers(path, sequences=6, length=32)


def layer_named(address: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights and inputs of a layer by its address NETWORK:LAYER.

    Raises
    ------
    ValueError
        No network or no layer of that name; the sentence says which there are.

    Examples
    --------
    >>> weights, inputs = layer_named("digits:3")
    >>> weights.shape, inputs.shape
    ((10, 32), (1347, 32))
    >>> layer_named("digits:4")
    Traceback (most recent call last):
    ValueError: no layer of digits '4'; there are 1, 2, 3
    """
    network, _, layer = address.partition(":")
    return picked(layers_of(network), layer, network)


def picked(layers: Iterator[Layer], wanted: str, network: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights and inputs of the layer of that name, or a sentence that says which there are."""
    names = []
    for name, weights, inputs in layers:
        if name == wanted:
            return weights, inputs
        names.append(name)
    raise ValueError(f"no layer of {network} {wanted!r}; there are {', '.join(names)}")
