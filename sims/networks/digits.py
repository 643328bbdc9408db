"""A small real network on real data: a bias-free ReLU classifier of scikit-learn's 8 x 8 handwritten digits.

    logits(x) = W_3 relu(W_2 relu(W_1 x)),     x = pixels / 16 in [0, 1]^64

The network is trained by :mod:`sims.networks.train_digits` (numpy only, fixed seed); its weights and the
split of the 1,797 images ship as ``sims/data/digits_network.npz``. It has no biases because the
lottery-ticket theorems have none, and its inputs are non-negative.
"""

import contextlib
import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

FILE = "digits_network.npz"


@dataclass(frozen=True, eq=False)
class Digits:
    """The trained network with its data.

    Attributes
    ----------
    weights
        List of float64 arrays (fan_out, fan_in), first layer first: 48 x 64, 32 x 48, 10 x 32.
    train_images, test_images
        float64 (samples, 64), pixels in [0, 1], multiples of 1/16.
    train_labels, test_labels
        int64 (samples,), the digits 0-9.
    """

    weights: list[np.ndarray]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def outputs(
        self, weights: Sequence[np.ndarray] | None = None, images: np.ndarray | None = None
    ) -> np.ndarray:
        """Logits (samples, 10) of `weights` (default: trained) on `images` (default: the test images)."""
        return forward(
            self.weights if weights is None else weights, self.test_images if images is None else images
        )

    def accuracy(self, weights: Sequence[np.ndarray] | None = None, *, split: str = "test") -> float:
        """Share of images classified correctly by `weights` (default: the trained ones).

        Parameters
        ----------
        weights
            Matrices (fan_out, fan_in), first layer first; any number of layers from 64 to 10 units.
        split
            "test" or "train".

        Examples
        --------
        >>> digits = load()
        >>> digits.accuracy() >= 0.96
        True
        """
        if split not in ("test", "train"):
            raise ValueError(f'split must be "test" or "train", got {split!r}')
        images, labels = (
            (self.test_images, self.test_labels)
            if split == "test"
            else (self.train_images, self.train_labels)
        )
        return float(np.mean(self.outputs(weights, images).argmax(axis=1) == labels))


def forward(weights: Sequence[np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """W_l relu(... relu(W_1 x)) for every row x of `inputs`.

    Inputs (samples, fan_in of the first layer) give outputs (samples, fan_out of the last).

    Raises
    ------
    ValueError
        If the shapes do not chain.

    Examples
    --------
    >>> forward([np.array([[1.0], [-1.0]]), np.array([[2.0, 3.0]])], np.array([[1.0], [-1.0]]))
    array([[2.],
           [3.]])
    """
    hidden = np.asarray(inputs, dtype=np.float64)
    for index, matrix in enumerate(weights):
        matrix = np.asarray(matrix, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != hidden.shape[-1]:
            raise ValueError(
                f"weights[{index}] must be a matrix (fan_out, {hidden.shape[-1]}), got shape {matrix.shape}"
            )
        if index:
            hidden = np.maximum(hidden, 0.0)
        hidden = hidden @ matrix.T
    return hidden


def weights() -> list[np.ndarray]:
    """The trained weights alone, as float64 matrices (fan_out, fan_in): no data set is loaded.

    Examples
    --------
    >>> [matrix.shape for matrix in weights()]
    [(48, 64), (32, 48), (10, 32)]
    """
    arrays = _arrays()
    names = sorted(name for name in arrays if name.startswith("layer"))
    return [arrays[name].astype(np.float64) for name in names]


def load() -> Digits:
    """The trained network, and scikit-learn's digits in the split it was trained on."""
    arrays = _arrays()
    images, labels = images_and_labels()
    train, test = arrays["train_indices"], arrays["test_indices"]
    return Digits(weights(), images[train], labels[train], images[test], labels[test])


@functools.cache
def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 images as float64 (1797, 64) with pixels in [0, 1], and their labels; read-only."""
    table = _table()
    images, labels = table[:, :-1] / 16.0, table[:, -1].astype(np.int64)
    images.flags.writeable = labels.flags.writeable = False  # shared through the cache
    return images, labels


def _table() -> np.ndarray:
    """Rows of 64 pixels in 0..16 and the digit: scikit-learn's file, since its import takes two seconds."""
    found = importlib.util.find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        with contextlib.suppress(OSError):
            return np.loadtxt(Path(folder) / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    from sklearn.datasets import load_digits  # kept elsewhere, in a version to come

    data = load_digits()
    return np.column_stack([data.data, data.target])


@functools.cache
def _arrays() -> dict[str, np.ndarray]:
    with (
        resources.as_file(resources.files("sims.data") / FILE) as path,
        np.load(path, allow_pickle=False) as archive,
    ):
        return {name: archive[name] for name in archive.files}
