"""Layers of saved networks with their inputs: by literal loops, and refused where images do not fit."""

import numpy as np
import pytest
from scipy import signal

import snapcut
from sims.fine_tuning.saved import saved_layers
from sims.networks import images


@pytest.fixture
def saved(tmp_path):
    """A function that writes matrices as `snapcut tune` does."""

    def write(*shapes, **more):
        rng = np.random.default_rng(0)
        arrays = {f"layer{i}": rng.standard_normal(shape) for i, shape in enumerate(shapes, start=1)}
        np.savez(tmp_path / "net.npz", **arrays, **more)
        return tmp_path / "net.npz", list(arrays.values())

    return write


def test_a_dense_network_is_walked_through_on_its_training_images(saved):
    path, (first, second, third) = saved((6, 64), (5, 6), (10, 5))
    pixels = images.load("digits").train_images
    found = list(saved_layers(path, "digits"))
    assert [name for name, _, _ in found] == ["layer1", "layer2", "layer3"]
    assert all(np.array_equal(w, own) for (_, w, _), own in zip(found, (first, second, third), strict=True))
    assert [x.shape for _, _, x in found] == [(1347, 64), (1347, 6), (1347, 5)]
    for sample in (0, 500, 1346):
        hidden = [max(float(row @ pixels[sample]), 0.0) for row in first]
        assert np.allclose(found[1][2][sample], hidden)
        assert np.allclose(found[2][2][sample], [max(float(row @ hidden), 0.0) for row in second])


def test_a_convolution_reads_patches(saved):
    path, (first, second, _) = saved((2, 9), (3, 18), (10, 12))
    pixels = images.load("digits").train_images[:256].reshape(-1, 8, 8)
    (_, _, patches), (_, _, deeper), (_, _, flat) = saved_layers(path, "digits")
    assert [x.shape for x in (patches, deeper, flat)] == [(256 * 64, 9), (256 * 16, 18), (256, 12)]
    image = pixels[7]
    maps = [np.maximum(signal.correlate2d(image, row.reshape(3, 3), "same"), 0) for row in first]
    assert np.allclose(np.maximum(patches[7 * 64 : 8 * 64] @ first.T, 0), np.stack(maps, -1).reshape(64, 2))
    pooled = [
        [[m[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(4)] for i in range(4)] for m in maps
    ]
    # the middle of a patch is its fifth pixel, all channels
    assert np.allclose(deeper[7 * 16 : 8 * 16, 8:10], np.reshape(pooled, (2, 16)).T)
    product = np.maximum(deeper[7 * 16 : 8 * 16] @ second.T, 0).reshape(4, 4, 3)
    assert np.allclose(flat[7], product.reshape(2, 2, 2, 2, 3).max(axis=(1, 3)).ravel())


def test_its_layers_are_compressed_and_bounded(saved):
    path, _ = saved((6, 64), (5, 6), (10, 5))
    table = snapcut.layer(f"{path}:layer2", data="digits", bits=3, methods=["RTN", "GPFQ"])
    assert table.source[1].weights.shape == (5, 6) and 0 < table.rows[1]["error"] < 1
    best = snapcut.layer(f"{path}:layer2", data="digits", bits=3, bounds=True, rows=[0, 3], columns=range(6))
    (quantized,) = (row for row in best.rows if row["method"] == "quantization")
    own = snapcut.layer(f"{path}:layer2", data="digits", bits=3, methods=["RTN"], per_neuron=True).rows[0]
    assert quantized["optimum (dB)"] > own["snr_db"] - 3 and np.isfinite(quantized["limit (dB)"])


def test_on_vectors_no_network_has_convolutions(saved, tmp_path):
    np.savez(tmp_path / "own.npz", images=np.eye(16)[np.arange(40) % 16], labels=np.arange(40) % 2)
    path, _ = saved((2, 9), (3, 18), (2, 3))
    with pytest.raises(ValueError, match="no bias-free ReLU network of 16 features and 2 classes"):
        list(saved_layers(path, str(tmp_path / "own.npz")))


@pytest.mark.parametrize(
    ("shapes", "more", "message"),
    [
        (((6, 64), (5, 7), (10, 5)), {}, "no bias-free ReLU network of 64 features and 10 classes .digits."),
        (((6, 64), (9, 6)), {}, "no bias-free ReLU network .* shapes 6 x 64, 9 x 6"),
        (((10, 64),), {"bias": np.ones(10)}, "no bias-free ReLU network .* shapes 10 x 64, 10"),
        (((2, 9), (3, 27), (10, 12)), {}, "no bias-free ReLU network"),
        ([(4, 64), *[(4, 4)] * 3], {}, "4 x 64, 4 x 4, 4 x 4, 4 x 4$"),
        ([(4, 64), *[(4, 4)] * 4], {}, r"4 x 64, 4 x 4, 4 x 4, 4 x 4, \.\.\.$"),
    ],
    ids=["does not chain", "classes", "bias", "channels", "four", "long"],
)
def test_other_networks_are_one_sentence(saved, shapes, more, message):
    path, _ = saved(*shapes, **more)
    with pytest.raises(ValueError, match=message):
        list(saved_layers(path, "digits"))


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("{}:layer4", {}, "no layer of .* 'layer4'; there are layer1, layer2$"),
        ("{}", {}, "data goes with a layer of a network's file as FILE:LAYER"),
        ("{}:layer1", {"inputs": np.eye(64)}, "data brings the inputs of a layer"),
        ("{}:layer1", {"gram": np.eye(64)}, "data brings the inputs of a layer"),
    ],
    ids=["layer", "no layer", "inputs", "gram"],
)
def test_bad_addresses_are_one_sentence(saved, address, options, message):
    path, _ = saved((6, 64), (10, 6))
    with pytest.raises(ValueError, match=message):
        snapcut.layer(address.format(path), data="digits", **options)
