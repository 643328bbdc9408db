r"""The two kinds of network that are trained here: fully connected, and convolutional. No biases, ReLU.

Every layer is a matrix (fan_out, fan_in). A 3 x 3 convolution is one too: its inputs are the patches of the
image, nine pixels times the channels. That is how it is trained (many seeds at once, where a grouped
convolution is 40 times slower), and how path following and lottery tickets see it.

The functions take the array module as `xp`: `numpy`, or `jax.numpy` inside a compiled program.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import choice, whole

KINDS = ("dense", "conv")
HIDDEN = {"dense": (48, 32), "conv": (16, 32)}  # units, channels


@dataclass(frozen=True)
class Network:
    """An architecture.

    Attributes
    ----------
    kind
        "dense", or "conv": two 3 x 3 convolutions, each with 2 x 2 maxima behind it, and a dense layer.
    features
        Inputs: height * width of an image.
    shape
        (height, width), needed by "conv".
    hidden
        Units of the hidden layers; channels of the two convolutions.
    classes
        Outputs.
    """

    kind: str
    features: int
    shape: tuple[int, int] | None
    hidden: tuple[int, ...]
    classes: int

    def __post_init__(self) -> None:
        choice("network", self.kind, KINDS)
        for units in self.hidden:
            whole("hidden", units, 1)
        if self.kind == "dense":
            return
        if len(self.hidden) != 2:
            raise ValueError(f"a conv network has two convolutions, got hidden={self.hidden}")
        if self.shape is None or min(self.shape) < 4:
            found = "vectors" if self.shape is None else self.shape
            raise ValueError(f"a conv network needs images of at least 4 x 4 pixels, got {found}")

    @classmethod
    def on(cls, data: Any, kind: str = "dense", hidden: Sequence[int] | None = None) -> "Network":
        """The network of that kind for a :class:`sims.networks.images.Dataset`.

        Examples
        --------
        >>> from sims.networks.images import from_arrays
        >>> Network.on(from_arrays(np.zeros((40, 8, 8)), np.arange(40) % 4), "conv").matrices
        [(16, 9), (32, 144), (4, 128)]
        """
        choice("network", kind, KINDS)
        units = HIDDEN[kind] if hidden is None else tuple(hidden)
        return cls(kind, data.train_images.shape[1], data.shape, units, data.classes)

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """(fan_out, fan_in) of every layer."""
        if self.kind == "dense":
            sizes = (self.features, *self.hidden, self.classes)
            return [(out, into) for into, out in itertools.pairwise(sizes)]
        assert self.shape is not None
        first, second = self.hidden
        pixels = (self.shape[0] // 4) * (self.shape[1] // 4)
        return [(first, 9), (second, 9 * first), (self.classes, pixels * second)]

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(out * into for out, into in self.matrices)


def gathered(xp: Any, network: Network, index: int, hidden: Any) -> Any:
    """What layer `index` multiplies, (..., fan_in), from the outputs of the layer before (or the images)."""
    if network.kind == "dense":
        return hidden
    if index == 0:
        assert network.shape is not None
        hidden = hidden.reshape(*hidden.shape[:-1], *network.shape, 1)
    if index == 2:
        return hidden.reshape(*hidden.shape[:-3], -1)
    return _patches(xp, hidden)


def finished(xp: Any, network: Network, index: int, product: Any) -> Any:
    """What layer `index` puts out from its product: ReLU (and maxima of 2 x 2), or the logits."""
    if index == len(network.matrices) - 1:
        return product
    if network.kind == "conv":
        product = _maxima(product)  # before ReLU, which commutes with maxima: a quarter of the numbers
    return xp.maximum(product, 0)


def activations(xp: Any, network: Network, weights: Sequence[Any], images: Any) -> list[Any]:
    """Outputs of every layer, the logits last.

    Examples
    --------
    >>> network = Network("dense", 2, None, (2,), 1)
    >>> weights = [np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([[1.0, 1.0]])]
    >>> [a.tolist() for a in activations(np, network, weights, np.array([[3.0, 5.0]]))]
    [[[3.0, 0.0]], [[3.0]]]
    """
    return [outputs for _, outputs in walk(xp, network, weights, images)]


def walk(xp: Any, network: Network, weights: Sequence[Any], images: Any) -> Iterator[tuple[Any, Any]]:
    """What every layer multiplies, and what it puts out, one after the other."""
    hidden = images
    for index, matrix in enumerate(weights):
        inputs = gathered(xp, network, index, hidden)
        hidden = finished(xp, network, index, inputs @ xp.swapaxes(matrix, -1, -2))
        yield inputs, hidden


def batches(images: np.ndarray, size: int = 256) -> Iterator[np.ndarray]:
    """Images in pieces, so that the patches of a convolution fit the memory."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def accuracy(
    network: Network, weights: Sequence[np.ndarray], images: np.ndarray, labels: np.ndarray
) -> float:
    """Share of images whose largest logit is the label's; in double precision."""
    matrices = [np.asarray(w, np.float64) for w in weights]
    right = 0
    for start, batch in zip(range(0, len(images), 256), batches(images), strict=True):
        logits = activations(np, network, matrices, batch.astype(np.float64))[-1]
        right += int((logits.argmax(axis=-1) == labels[start : start + len(batch)]).sum())
    return right / len(images)


def _patches(xp: Any, x: Any) -> Any:
    """(..., height, width, 9 channels): the 3 x 3 neighbourhood of every pixel, zeros beyond the edge."""
    height, width = x.shape[-3:-1]
    padded = xp.pad(x, [(0, 0)] * (x.ndim - 3) + [(1, 1), (1, 1), (0, 0)])
    parts = [padded[..., i : i + height, j : j + width, :] for i in range(3) for j in range(3)]
    return xp.concatenate(parts, axis=-1)


def _maxima(x: Any) -> Any:
    """Maxima over 2 x 2 pixels; an odd last row or column is left out."""
    height, width = x.shape[-3] // 2, x.shape[-2] // 2
    x = x[..., : 2 * height, : 2 * width, :]
    return x.reshape(*x.shape[:-3], height, 2, width, 2, x.shape[-1]).max(axis=(-4, -2))
