r"""Training of all seeds of a cell at once: one program, scanned over batches.

Every step takes all seeds: vectorised where the network is fully connected, one after another with
convolutions, whose patches of one seed fit the cache (on MNIST a third less time than vectorised).

Stochastic gradient descent with momentum, a cosine rate and decoupled decay, the same for every method.
Seed i draws its start and the order of its batches from streams of its own that no method changes: methods
are compared on the same networks and the same batches. An epoch is one call of the program, so a run that
is stopped and resumed after any epoch ends with the same bits.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sims.fine_tuning.backend import load
from sims.fine_tuning.networks import Network, activations
from sims.fine_tuning.quantizers import Layer, Options, effective, step
from sims.fine_tuning.store import Store
from sims.montecarlo.estimate import stream
from sims.networks.images import Dataset
from sims.support import progress
from theory.arguments import positive, whole
from theory.fine_tuning import Codes, cubic_sparsity, gradient_scale
from theory.snr import pruned_count

RENEWALS = 40  # of the masks while the sparsity grows
GROWTH = 0.75  # share of the steps during which it grows


@dataclass(frozen=True)
class Recipe:
    """The optimiser, the same for every method.

    Attributes
    ----------
    epochs, batch
        Passes over the training images; images per step.
    rate
        Largest learning rate; it falls to 0 along a cosine.
    momentum, decay
        Momentum; decoupled weight decay per step as a share of the rate.
    """

    epochs: int = 20
    batch: int = 64
    rate: float = 0.05
    momentum: float = 0.9
    decay: float = 1e-3

    def __post_init__(self) -> None:
        whole("epochs", self.epochs, 1)
        whole("batch", self.batch, 1)
        positive("rate", self.rate)
        if not (0 <= self.momentum < 1 and 0 <= self.decay < 1):
            raise ValueError(f"momentum and decay must lie in [0, 1), got {self.momentum} and {self.decay}")

    def steps(self, images: int) -> int:
        """Steps of an epoch; what does not fill a batch waits for the next epoch's order."""
        if images < self.batch:
            raise ValueError(f"batch must be at most the {images} training images, got {self.batch}")
        return images // self.batch

    def rates(self, images: int) -> np.ndarray:
        """Rate of every step of the run."""
        total = self.epochs * self.steps(images)
        return (0.5 * self.rate * (1 + np.cos(np.pi * np.arange(total) / total))).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks of several seeds.

    Attributes
    ----------
    weights
        What the layers multiply, float32 (seeds, fan_out, fan_in) each: quantized and pruned.
    latent
        The weights behind them.
    steps
        Steps (seeds, 1 or fan_out, 1) of each layer where they are quantized, else None.
    masks
        1 where a weight is kept, float32 like `weights`.
    """

    weights: list[np.ndarray]
    latent: list[np.ndarray]
    masks: list[np.ndarray]
    steps: list[np.ndarray] | None = None

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.weights[0])

    def network(self, seed: int) -> list[np.ndarray]:
        """The matrices of one seed in double precision."""
        return [layer[seed].astype(np.float64) for layer in self.weights]

    def sparsity(self) -> float:
        """Share of zeros over all layers and seeds."""
        return 1 - sum(np.count_nonzero(w) for w in self.weights) / sum(w.size for w in self.weights)


@dataclass(frozen=True)
class Plan:
    """What a run does to the weights.

    Attributes
    ----------
    options
        What the program is compiled for.
    codes
        Range of the codes where it quantizes.
    starts
        Start of the steps, (seeds, 1 or fan_out, 1) for each layer.
    sparsity
        Final share of zeros of each layer where it prunes by the cubic schedule.
    """

    options: Options = Options()  # noqa: RUF009 - a tuple, which nobody can change
    codes: Codes = Codes(-1, 1)  # noqa: RUF009
    starts: Sequence[np.ndarray] | None = None
    sparsity: float | None = None


def first_weights(network: Network, seeds: int, seed: int) -> list[np.ndarray]:
    """He-normal starts, float32 (seeds, fan_out, fan_in) for each layer."""
    drawn: list[list[np.ndarray]] = [[] for _ in network.matrices]
    for index in range(seeds):
        rng = stream(seed, ("fine-tuning", "start", index))
        for layer, (out, into) in zip(drawn, network.matrices, strict=True):
            layer.append((rng.standard_normal((out, into)) * math.sqrt(2 / into)).astype(np.float32))
    return [np.stack(layer) for layer in drawn]


def orders(images: int, recipe: Recipe, seeds: int, seed: int, phase: str, epoch: int) -> np.ndarray:
    """Images of every step of an epoch, int32 (steps, seeds, batch)."""
    steps = recipe.steps(images)
    rows = []
    for index in range(seeds):
        rng = stream(seed, ("fine-tuning", phase, index), epoch)
        rows.append(rng.permutation(images)[: steps * recipe.batch].reshape(steps, recipe.batch))
    return np.stack(rows, axis=1).astype(np.int32)


def pruning_counts(network: Network, sparsity: float | None, total: int) -> np.ndarray:
    """Weights to cut at every step, int32 (total, layers); -1 where masks stand."""
    counts = np.full((total, len(network.matrices)), -1, np.int32)
    if sparsity is None:
        return counts
    end = max(1, round(GROWTH * total))
    every = max(1, end // RENEWALS)
    renewed = np.unique(np.append(np.arange(0, end, every), min(end, total - 1)))
    wanted = np.asarray(cubic_sparsity(renewed, sparsity, 0, int(renewed[-1])))
    for layer, (out, into) in enumerate(network.matrices):
        counts[renewed, layer] = [pruned_count(out * into, share) for share in wanted]
    return counts


def train(
    network: Network,
    data: Dataset,
    start: Sequence[np.ndarray],
    plan: Plan,
    recipe: Recipe,
    *,
    seed: int = 0,
    phase: str = "fine-tuning",
    masks: Sequence[np.ndarray] | None = None,
    store: Store | None = None,
) -> Trained:
    """Train every seed from `start`, (seeds, fan_out, fan_in) for each layer.

    Parameters
    ----------
    network, data
        Architecture and images.
    start
        Weights to start from.
    plan
        What is done to the weights.
    recipe
        The optimiser.
    seed, phase
        Name the order of the batches; methods that are compared share both.
    masks
        Weights kept from the beginning; all of them by default.
    store
        Where the run is kept as it goes.

    Raises
    ------
    ValueError
        Fewer outputs than classes, shapes that do not fit, a run that leaves the finite numbers.
    """
    jax, jnp, optax = load()
    _check(network, data, start)
    images = len(data.train_images)
    steps = recipe.steps(images)
    rates = recipe.rates(images)
    counts = pruning_counts(network, plan.sparsity, len(rates))
    weights = [jnp.asarray(np.asarray(w, np.float32)) for w in start]
    # arrays are made by NumPy: JAX would compile a program for every shape of ones and zeros
    kept = [jnp.asarray(np.ones(w.shape) if masks is None else masks[i], np.float32)
            for i, w in enumerate(weights)]  # fmt: skip
    layers = _layers(network, plan, weights)
    parameters = [jnp.asarray(np.zeros(layer.start.shape, np.float32)) for layer in layers]
    trained = (weights, parameters)
    still = jax.tree.map(lambda a: jnp.asarray(np.zeros(a.shape, np.float32)), trained)
    state: Any = (trained, kept, optax.TraceState(still))
    leaves, tree = jax.tree.flatten(state)
    begun = 0
    if store is not None and (found := store.load()) is not None:
        begun, arrays = found
        state = jax.tree.unflatten(tree, [jnp.asarray(a) for a in _fitting(arrays, leaves, store)])
    run = _program(network, plan.options, recipe.momentum, recipe.decay)
    x, y = jnp.asarray(data.train_images), jnp.asarray(data.train_labels)
    with progress.bar(recipe.epochs, f"{network.kind} on {data.name}, epochs") as advance:
        advance(begun)
        for epoch in range(begun, recipe.epochs):
            order = orders(images, recipe, len(start[0]), seed, phase, epoch)
            here = slice(epoch * steps, (epoch + 1) * steps)
            state = run(state, layers, x, y, order, rates[here], counts[here])
            if store is not None:
                store.save(epoch + 1, jax.tree.leaves(state), recipe.epochs)
            advance(1)
    return _result(state, layers, plan.options)


def _check(network: Network, data: Dataset, start: Sequence[np.ndarray]) -> None:
    if data.classes > network.classes:
        raise ValueError(
            f"data {data.name!r} has {data.classes} classes, the network {network.classes} outputs"
        )
    if data.train_images.shape[1] != network.features:
        found = data.train_images.shape[1]
        raise ValueError(f"data {data.name!r} has {found} features, the network {network.features} inputs")
    shapes = [w.shape[1:] for w in start]
    if shapes != network.matrices or len({len(w) for w in start}) != 1:
        raise ValueError(f"start must hold (seeds, fan_out, fan_in) for {network.matrices}, got {shapes}")


def _fitting(arrays: list[np.ndarray], leaves: list[Any], store: Store) -> list[np.ndarray]:
    if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in leaves]:
        raise ValueError(f"{store.path} holds a run of another shape; choose another folder")
    return arrays


def _layers(network: Network, plan: Plan, weights: Sequence[Any]) -> list[Layer]:
    jnp = load().numpy
    found = []
    for index, (out, into) in enumerate(network.matrices):
        start = np.ones((len(weights[index]), 1, 1)) if plan.starts is None else plan.starts[index]
        start = jnp.asarray(np.asarray(start, np.float32))
        shared = out * into // start.shape[1]
        scale = np.float32(gradient_scale(shared, plan.codes))
        found.append(Layer(start, scale, np.float32(plan.codes.low), np.float32(plan.codes.high)))
    return found


@functools.lru_cache(maxsize=32)
def _program(network: Network, options: Options, momentum: float, decay: float) -> Callable:
    """(state, layers, images, labels, order, rates, counts) -> state after an epoch, all seeds together."""
    jax, jnp, optax = load()
    optimizer = optax.trace(decay=momentum)
    axes = [Layer(0, None, None, None)] * len(network.matrices)

    def loss(trained, masks, layers, x, y):
        made = [
            effective(w, p, m, layer, options) for w, p, m, layer in zip(*trained, masks, layers, strict=True)
        ]
        logits = activations(jnp, network, made, x)[-1]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def slopes(trained, masks, layers, x, y, order):
        return jax.grad(loss)(trained, masks, layers, x[order], y[order])

    if network.kind == "dense":  # small products: what a step costs is paid once for all seeds
        every_seed = jax.vmap(slopes, in_axes=(0, 0, axes, None, None, 0))
    else:  # patches of one seed fit the cache, those of all seeds do not

        def every_seed(trained, masks, layers, x, y, order):
            def one(seed):
                trained, masks, starts, order = seed
                own = [layer._replace(start=start) for layer, start in zip(layers, starts, strict=True)]
                return slopes(trained, masks, own, x, y, order)

            return jax.lax.map(one, (trained, masks, [layer.start for layer in layers], order))

    def batch(state, inputs, layers, x, y):
        (weights, parameters), masks, velocity = state
        order, rate, count = inputs
        if options.prune:
            masks, weights = jax.lax.cond(
                count[0] >= 0, lambda: _renewed(weights, masks, count, options), lambda: (masks, weights)
            )
        slope = every_seed((weights, parameters), masks, layers, x, y, order)
        (moved, turned), velocity = optimizer.update(slope, velocity)
        weights = [w - rate * (m + decay * w) for w, m in zip(weights, moved, strict=True)]
        parameters = [p - rate * m for p, m in zip(parameters, turned, strict=True)]
        return ((weights, parameters), masks, velocity), None

    def epoch(state, layers, x, y, orders, rates, counts):
        return jax.lax.scan(lambda s, i: batch(s, i, layers, x, y), state, (orders, rates, counts))[0]

    return jax.jit(epoch)


def _renewed(
    weights: list[Any], masks: list[Any], counts: Any, options: Options
) -> tuple[list[Any], list[Any]]:
    """Masks with counts[layer] zeros each: the least magnitudes, those cut before among them first."""
    jax, jnp, _ = load()

    def one(w, mask, count):
        magnitudes = jnp.where(mask > 0, jnp.abs(w), -1.0).ravel()
        ranks = (
            jnp.zeros(w.size, jnp.int32).at[jnp.argsort(magnitudes)].set(jnp.arange(w.size, dtype=jnp.int32))
        )
        return (ranks >= count).astype(w.dtype).reshape(w.shape)

    renewed = [
        jax.vmap(one, in_axes=(0, 0, None))(w, m, counts[i])
        for i, (w, m) in enumerate(zip(weights, masks, strict=True))
    ]
    # what is cut is zero from here on, also where nothing holds it there
    return renewed, [w * m for w, m in zip(weights, renewed, strict=True)]


@functools.lru_cache(maxsize=32)
def _made(options: Options) -> Callable:
    """(weights, parameters, masks, layers) -> matrices and steps, compiled in one program."""
    jax = load().jax

    def one(w, p, m, layer):
        return effective(w, p, m, layer, options)

    def every(weights, parameters, masks, layers):
        axes = Layer(0, None, None, None)
        matrices = [
            jax.vmap(one, in_axes=(0, 0, 0, axes))(*each)
            for each in zip(weights, parameters, masks, layers, strict=True)
        ]
        if not options.quantize:
            return matrices, None
        return matrices, [step(p, layer, options) for p, layer in zip(parameters, layers, strict=True)]

    return jax.jit(every)


def _result(state: Any, layers: list[Layer], options: Options) -> Trained:
    (weights, parameters), masks, _ = state
    found, steps = load().jax.tree.map(np.asarray, _made(options)(weights, parameters, masks, layers))
    for array in found:
        if not np.isfinite(array).all():
            raise ValueError("training left the finite numbers: the rate is too large")
    return Trained(
        found,
        [np.asarray(w) for w in weights],
        [np.asarray(m) for m in masks],
        steps,
    )
