"""Layers of a network in a file with the inputs that its data set brings them: what `snapcut tune` saves."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sims.fine_tuning.networks import Network, walk
from sims.networks.images import Dataset, load

_IMAGES = {"dense": 4096, "conv": 256}  # at most; a convolution reads a patch for every pixel


def saved_layers(path: str | Path, data: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Every layer of a bias-free ReLU network in a file, with its inputs on the training images.

    Matrices that chain from the images' features to the classes are a fully connected network; those of two
    3 x 3 convolutions and a dense layer, as `snapcut tune --network conv` saves them, a convolutional one,
    whose inputs are patches. The first 4,096 images are read, or the first 256 by convolutions.

    Parameters
    ----------
    path
        Any weight file of :func:`sims.weights.load`; matrices in their order, no biases.
    data
        See :func:`sims.networks.images.load`: "digits", "mnist", or a .npz file.

    Yields
    ------
    name, weights (fan_out, fan_in), inputs (samples, fan_in)

    Raises
    ------
    ValueError
        Tensors that are no such network, or one that does not read these images.
    """
    from sims.weights import load as weights_of

    arrays = {name: np.asarray(array, np.float64) for name, array in weights_of(path).items()}
    images = load(data)
    network = _architecture([array.shape for array in arrays.values()], images, Path(path).name)
    read = images.train_images[: _IMAGES[network.kind]].astype(np.float64)
    layers = walk(np, network, list(arrays.values()), read)
    for (name, matrix), (inputs, _) in zip(arrays.items(), layers, strict=True):
        yield name, matrix, inputs.reshape(-1, matrix.shape[1])


def _architecture(shapes: list[tuple[int, ...]], images: Dataset, name: str) -> Network:
    """The network of these matrices on these images."""
    hidden = [shape[0] for shape in shapes[:-1]]
    for kind in ("dense", "conv") if images.shape is not None and len(hidden) == 2 else ("dense",):
        network = Network.on(images, kind, hidden)
        if network.matrices == shapes:
            return network
    found = [" x ".join(map(str, shape)) for shape in shapes]
    raise ValueError(
        f"{name!r} is no bias-free ReLU network of {images.train_images.shape[1]} features and "
        f"{images.classes} classes ({images.name}): its tensors have the shapes "
        f"{', '.join([*found[:4], '...'] if len(found) > 4 else found)}"
    )
