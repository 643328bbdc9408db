"""Train the digits network and write its weights: ``python -m sims.networks.train_digits``.

Numpy only, one seed, about two seconds. The run repeats bit for bit on one machine; another BLAS rounds
differently, so a rerun elsewhere gives other weights of the same quality, and the committed file is the
reference.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from sims.data import FOLDER
from sims.networks.digits import FILE, forward, images_and_labels
from sims.support.files import atomic_write

WIDTHS = (64, 48, 32, 10)
TEST_IMAGES = 450  # a quarter of 1,797
EPOCHS = 120
BATCH = 64
RATE = 2e-3
DECAY = 3e-4  # decoupled weight decay per step at the full rate


def split(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices (train, test), every digit in the same proportion in both, each sorted."""
    test: list[int] = []
    for digit in range(10):
        members = rng.permutation(np.flatnonzero(labels == digit))
        test.extend(members[: TEST_IMAGES // 10])
    chosen = np.sort(np.array(test))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def loss_gradients(weights: list[np.ndarray], images: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Gradients of the mean cross-entropy, one per layer, by back-propagation."""
    activations = [images]
    for matrix in weights[:-1]:
        activations.append(np.maximum(activations[-1] @ matrix.T, 0.0))
    logits = activations[-1] @ weights[-1].T
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    delta = shifted / shifted.sum(axis=1, keepdims=True)
    delta[np.arange(len(labels)), labels] -= 1.0
    delta /= len(labels)
    gradients: list[np.ndarray] = []
    for matrix, activation in zip(reversed(weights), reversed(activations), strict=True):
        gradients.append(delta.T @ activation)
        delta = (delta @ matrix) * (activation > 0)
    return gradients[::-1]


def train(seed: int = 0, epochs: int = EPOCHS) -> dict[str, np.ndarray]:
    """Arrays of the committed file: layer1, layer2, ... (float32), train_indices, test_indices (int16).

    Adam with decoupled weight decay and a cosine rate; He-normal start; images jittered by up to one
    grey level (1/16), which regularises a little. The test images are never looked at.
    """
    rng = np.random.default_rng(seed)
    images, labels = images_and_labels()
    train_indices, test_indices = split(labels, rng)
    x, y = images[train_indices], labels[train_indices]
    weights = [
        rng.standard_normal((fan_out, fan_in)) * np.sqrt(2.0 / fan_in)
        for fan_in, fan_out in itertools.pairwise(WIDTHS)
    ]
    first = [np.zeros_like(matrix) for matrix in weights]
    second = [np.zeros_like(matrix) for matrix in weights]
    steps_per_epoch = -(-len(x) // BATCH)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            step += 1
            rate = RATE * 0.5 * (1 + np.cos(np.pi * step / (epochs * steps_per_epoch)))
            noisy = x[batch] + rng.uniform(-1, 1, size=(len(batch), x.shape[1])) / 16
            for layer, gradient in enumerate(loss_gradients(weights, noisy, y[batch])):
                first[layer] += 0.1 * (gradient - first[layer])
                second[layer] += 0.001 * (gradient**2 - second[layer])
                update = (first[layer] / (1 - 0.9**step)) / (
                    np.sqrt(second[layer] / (1 - 0.999**step)) + 1e-8
                )
                weights[layer] -= rate * update + (rate / RATE) * DECAY * weights[layer]
    return {
        **{f"layer{i}": matrix.astype(np.float32) for i, matrix in enumerate(weights, start=1)},
        "train_indices": train_indices.astype(np.int16),
        "test_indices": test_indices.astype(np.int16),
    }


def main() -> None:
    """Train, report both accuracies, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / FILE)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arrays = train(arguments.seed)
    images, labels = images_and_labels()
    weights = [arrays[f"layer{i}"] for i in range(1, len(WIDTHS))]
    for name in ("train", "test"):
        indices = arrays[f"{name}_indices"]
        accuracy = np.mean(forward(weights, images[indices]).argmax(axis=1) == labels[indices])
        print(f"{name} accuracy {accuracy:.4f} on {len(indices)} images")
    with atomic_write(arguments.out, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
