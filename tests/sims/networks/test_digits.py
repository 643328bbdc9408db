from importlib import resources

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sims.networks import digits, train_digits


def test_trained_network_reaches_its_accuracy_and_has_no_bias():
    network = digits.load()
    assert network.accuracy() >= 0.96
    assert network.accuracy(split="train") >= 0.99
    np.testing.assert_array_equal(network.outputs(images=np.zeros((2, 64))), 0)


def test_split_is_a_partition_with_equal_shares_of_every_digit():
    network = digits.load()
    assert len(network.train_images) + len(network.test_images) == 1797
    assert np.bincount(network.test_labels).tolist() == [45] * 10
    arrays = digits._arrays()
    assert not set(arrays["train_indices"]) & set(arrays["test_indices"])


def test_images_are_in_the_unit_interval_on_the_sixteenths_grid():
    network = digits.load()
    images = np.concatenate([network.train_images, network.test_images])
    assert images.min() == 0 and images.max() == 1
    np.testing.assert_array_equal(images * 16, np.rint(images * 16))


@pytest.mark.parametrize("there", [True, False])
def test_images_are_those_of_scikit_learn(monkeypatch, there):
    """Read from its file, or by its function where a version keeps the file elsewhere."""
    if not there:
        monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: None)
    theirs = load_digits()
    images, labels = digits.images_and_labels.__wrapped__()
    np.testing.assert_array_equal(images, theirs.data / 16)
    np.testing.assert_array_equal(labels, theirs.target)
    assert images.dtype == np.float64 and labels.dtype == np.int64


def test_outputs_are_positively_homogeneous():
    network = digits.load()
    np.testing.assert_allclose(
        network.outputs(images=network.test_images * 8), network.outputs() * 8, rtol=1e-12
    )


def test_callers_cannot_change_the_cached_network():
    digits.weights()[0][:] = 0
    assert digits.load().accuracy() >= 0.96


def test_gradients_match_finite_differences():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(5, 4)), rng.normal(size=(3, 5))]
    images, labels = rng.normal(size=(7, 4)), rng.integers(0, 3, 7)

    def loss(matrices):
        logits = digits.forward(matrices, images)
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(7), labels])

    for layer, gradient in enumerate(train_digits.loss_gradients(weights, images, labels)):
        for index in np.ndindex(gradient.shape):
            shifted = [matrix.copy() for matrix in weights]
            shifted[layer][index] += 1e-6
            assert (loss(shifted) - loss(weights)) / 1e-6 == pytest.approx(gradient[index], abs=2e-5)


def test_training_repeats_and_a_short_run_already_learns():
    one, two = train_digits.train(seed=3, epochs=6), train_digits.train(seed=3, epochs=6)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    network = digits.load()
    assert network.accuracy([one["layer1"], one["layer2"], one["layer3"]]) > 0.8


def test_the_rate_falls_to_nothing_along_a_cosine(monkeypatch):
    """22 batches an epoch, the last of them short; slopes of one everywhere make every update one."""
    seen = []

    def ones(weights, images, labels):
        seen.append((weights[1].copy(), images))
        return [np.ones_like(matrix) for matrix in weights]

    monkeypatch.setattr(train_digits, "loss_gradients", ones)
    found = train_digits.train(epochs=2)
    before = np.array([matrix for matrix, _ in seen])
    assert [len(images) for _, images in seen] == [*[64] * 21, 1347 - 21 * 64] * 2
    rates = (before[:-1] - before[1:]) / (1 + 0.15 * before[:-1])  # decay: 3e-4 at the full rate of 2e-3
    assert np.ptp(rates, axis=(1, 2)).max() < 1e-9
    assert rates[[21, 10, 32], 0, 0] == pytest.approx([1e-3, 1e-3 + 2**-0.5 / 1e3, 1e-3 - 2**-0.5 / 1e3])
    np.testing.assert_array_equal(found["layer2"], before[-1].astype(np.float32))
    drawn = np.concatenate([images for _, images in seen])
    assert -1 / 16 <= drawn.min() < -0.06 and 1.06 < drawn.max() <= 17 / 16


def test_bad_input_is_one_sentence():
    network = digits.load()
    with pytest.raises(ValueError, match=r"weights\[1\] must be a matrix \(fan_out, 48\)"):
        network.accuracy([network.weights[0], network.weights[2]])
    with pytest.raises(ValueError, match=r"weights\[0\] must be a matrix \(fan_out, 64\), got shape \(64,\)"):
        network.accuracy([network.weights[0][0]])
    with pytest.raises(ValueError, match="split must be"):
        network.accuracy(split="validation")


def test_the_script_writes_where_the_file_ships(monkeypatch, capsys):
    written = []

    class Unwritten:
        def __init__(self, path, mode):
            written.append((path, mode))

        __enter__ = __exit__ = lambda *_: None

    with resources.as_file(resources.files("sims.data") / digits.FILE) as path, np.load(path) as file:
        shipped = dict(file)
    monkeypatch.setattr(train_digits, "train", lambda seed: shipped)
    monkeypatch.setattr(train_digits, "atomic_write", Unwritten)
    monkeypatch.setattr(np, "savez_compressed", lambda *_, **__: None)
    monkeypatch.setattr("sys.argv", ["train_digits"])
    train_digits.main()
    assert written == [(path, "wb")]
    assert "test accuracy 0.9" in capsys.readouterr().out


def test_images_shared_through_the_cache_cannot_be_changed():
    images, labels = digits.images_and_labels()
    assert not images.flags.writeable and not labels.flags.writeable
