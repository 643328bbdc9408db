"""All seeds of a cell in one program beside loops over seeds. Ratios of one run; CPU time, compilation apart.

The same work three times: ten networks trained together (vectorised over seeds, scanned over batches); one
network after another by the same scanned program; one after another and batch after batch, a compiled step
each, as a training script usually loops. Weights agree to float tolerance before anything is timed. `--conv`
adds the convolutional networks. Their products fill the processor one seed at a time; beside them stands the
floor, the matrix products of the same epochs alone, as the BLAS of NumPy multiplies them.
"""

import sys
import time

import numpy as np

from sims.fine_tuning import Setting, training
from sims.fine_tuning.backend import load
from sims.fine_tuning.quantizers import Options
from sims.fine_tuning.training import Plan, Recipe, first_weights, train

SEEDS, EPOCHS, PHASE = 10, 6, "benchmark"


def together(network, data, start, recipe):
    return train(network, data, start, Plan(), recipe, phase=PHASE).weights


def loop(network, data, start, recipe, by_batch=False):
    """One seed after another, with the batches that it has among the others."""
    _, jnp, optax = load()
    images, steps = len(data.train_images), recipe.steps(len(data.train_images))
    run = training._program(network, Options(), recipe.momentum, recipe.decay)
    rates, counts = recipe.rates(images), training.pruning_counts(network, None, recipe.epochs * steps)
    x, y = jnp.asarray(data.train_images), jnp.asarray(data.train_labels)
    size = 1 if by_batch else steps
    found = []
    for seed in range(SEEDS):
        weights = [jnp.asarray(w[seed : seed + 1]) for w in start]
        layers = training._layers(network, Plan(), weights)
        trained = (weights, [jnp.zeros_like(layer.start) for layer in layers])
        state = (
            trained,
            [jnp.ones_like(w) for w in weights],
            optax.trace(decay=recipe.momentum).init(trained),
        )
        for epoch in range(recipe.epochs):
            order = training.orders(images, recipe, SEEDS, 0, PHASE, epoch)[:, seed : seed + 1]
            for at in range(0, steps, size):
                here = slice(epoch * steps + at, epoch * steps + at + size)
                state = run(state, layers, x, y, order[at : at + size], rates[here], counts[here])
        found.append([np.asarray(w) for w in state[0][0]])
    return [np.concatenate(layer) for layer in zip(*found, strict=True)]


def by_batch(*arguments):
    return loop(*arguments, by_batch=True)


def cpu(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def floor(network, images, recipe):
    """Operations of all products, and CPU seconds of them: outputs, and gradients of weights and inputs."""
    rng, total, operations = np.random.default_rng(0), 0.0, 0
    pixels = network.shape[0] * network.shape[1]
    for index, (out, into) in enumerate(network.matrices):
        rows = recipe.batch * (pixels, pixels // 4, 1)[index]
        x, w, d = (rng.standard_normal(s, np.float32) for s in ((rows, into), (out, into), (rows, out)))
        products = [(x, w.T), (d.T, x)] + ([(d, w)] if index else [])
        for one, other in products:
            one @ other
            start = time.process_time()
            for _ in range(20):
                one @ other
            total += (time.process_time() - start) / 20
            operations += 2 * rows * out * into
    times = SEEDS * recipe.epochs * recipe.steps(images)
    return times * operations, times * total


def main():
    cases = [("dense", "digits"), ("dense", "mnist")] + (
        [("conv", "digits"), ("conv", "mnist")] if "--conv" in sys.argv else []
    )
    for kind, name in cases:
        network, data, *_ = Setting(kind, name).made()
        start = first_weights(network, SEEDS, 0)
        roads = (together, loop, by_batch)
        whole, *others = (road(network, data, start, Recipe(1)) for road in roads)  # compiles them
        for other in others:
            for one, same in zip(whole, other, strict=True):
                np.testing.assert_allclose(one, same, rtol=1e-3, atol=1e-4)
        recipe = Recipe(EPOCHS if kind == "dense" else 2)
        rounds = [[cpu(road, network, data, start, recipe) for road in roads] for _ in range(3)]
        fast, scanned, stepped = (min(times) for times in zip(*rounds, strict=True))
        print(
            f"{kind} on {name}, {SEEDS} seeds, {recipe.epochs} epochs: {fast:.2f} s of CPU; "
            f"x {scanned / fast:.1f} of a loop over seeds, "
            f"x {stepped / fast:.1f} of one over seeds and batches (goal 3)"
        )
        if kind == "conv":
            operations, products = floor(network, len(data.train_images), recipe)
            print(
                f"  its products alone, {operations / 1e9:.0f} G operations: {products:.2f} s of CPU, "
                f"x {stepped / products:.1f} is the most that can be gained"
            )


if __name__ == "__main__":
    main()
