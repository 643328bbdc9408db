"""The methods that are compared, each with the same pretrained networks, batches, epochs and optimiser.

At b bits the pruned networks have sparsity 1 - b/16 in every layer: the same compression of 16-bit weights,
the mask not counted, as the paper compares.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sims.fine_tuning.networks import Network, batches, finished, gathered
from sims.fine_tuning.quantizers import Options
from sims.fine_tuning.store import Store
from sims.fine_tuning.training import Plan, Recipe, Trained, first_weights, train
from sims.networks.images import Dataset
from theory.arguments import choice, share_of_zeros
from theory.codebooks import Grid
from theory.fine_tuning import Codes, tuning_codes
from theory.snr import equal_sparsity

TUNED = ("qat", "ste", "prune", "prune-then-quantize")
# name: (method and stochastic, as in sims.path_following.layers; whether it prunes)
POST_TRAINING = {
    "nearest": ("RTN", False),
    "gpfq": ("GPFQ", False),
    "spfq": ("SPFQ", False),
    "optq": ("OPTQ", False),
    "magnitude": ("magnitude", True),
    "path-following pruning": ("path following", True),
    "obs": ("OBS", True),
}
METHODS = (*TUNED, *POST_TRAINING)
HALF = 0.5  # share of zeros of prune-then-quantize, whose weights then have twice the bits
CALIBRATION = 512  # training images that post-training methods see
Keep = Callable[[str], Store | None]  # the file of a run, by its phase


def _nowhere(phase: str) -> None:
    return None


def pretrained(
    network: Network, data: Dataset, seeds: int, recipe: Recipe, *, seed: int = 0, keep: Keep = _nowhere
) -> Trained:
    """Networks trained in floating point, one a seed: what every method starts from."""
    start = first_weights(network, seeds, seed)
    phase = "pretraining"
    return train(network, data, start, Plan(), recipe, seed=seed, phase=phase, store=keep(phase))


def sparsity_of(method: str, bits: int) -> float:
    """Share of zeros that stands beside `bits` bits.

    Examples
    --------
    >>> sparsity_of("prune", 4), sparsity_of("qat", 4), sparsity_of("prune-then-quantize", 4)
    (0.75, 0.0, 0.5)
    """
    choice("method", method, METHODS)
    if method == "prune-then-quantize":
        return HALF
    cuts = method == "prune" or (method in POST_TRAINING and POST_TRAINING[method][1])
    return float(equal_sparsity(bits)) if cuts else 0.0


def fine_tuned(
    network: Network,
    data: Dataset,
    start: Trained,
    method: str,
    bits: int,
    recipe: Recipe,
    *,
    grid: Grid = "twos-complement",
    per_channel: bool = False,
    seed: int = 0,
    keep: Keep = _nowhere,
    **changes: Any,
) -> Trained:
    """Fine-tune every network of `start` by one of `TUNED`.

    Parameters
    ----------
    method
        "qat": learned steps from the steps of least error. "ste": these steps, kept. "prune": the cubic
        schedule over three quarters of the steps. "prune-then-quantize": half of the epochs prune to one
        half, the other half train steps of twice the bits on what is left.
    bits
        b, 1 to 16.
    grid, per_channel
        Of the quantizers: codes, and a step for every row of a matrix instead of one for all.
    keep
        Where runs are kept as they go.
    changes
        Fields of :class:`sims.fine_tuning.quantizers.Options` to set otherwise.

    Returns
    -------
    Trained
    """
    choice("method", method, TUNED)
    shared: dict[str, Any] = {"seed": seed, "store": keep("fine-tuning")}
    if method == "prune":
        plan = Plan(Options(prune=True)._replace(**changes), sparsity=sparsity_of(method, bits))
        return train(network, data, start.latent, plan, recipe, **shared)
    codes = tuning_codes(bits if method != "prune-then-quantize" else min(2 * bits, 16), grid)
    options = Options(quantize=True, sign=codes.sign, learn=method != "ste")
    if method != "prune-then-quantize":
        starts = best_steps(start.latent, codes, per_channel)
        plan = Plan(options._replace(**changes), codes, starts)
        return train(network, data, start.latent, plan, recipe, **shared)
    if recipe.epochs < 2:
        raise ValueError(f"prune-then-quantize needs at least 2 epochs, one for each, got {recipe.epochs}")
    first = dataclasses.replace(recipe, epochs=recipe.epochs - recipe.epochs // 2)
    plan = Plan(Options(prune=True), sparsity=HALF)
    cut = train(network, data, start.latent, plan, first, seed=seed, store=keep("pruning"))
    starts = best_steps(cut.weights, codes, per_channel, cut.masks)
    plan = Plan(options._replace(prune=True, **changes), codes, starts)
    second = dataclasses.replace(recipe, epochs=recipe.epochs // 2)
    return train(network, data, cut.weights, plan, second, masks=cut.masks, **shared)


def best_steps(
    weights: Sequence[np.ndarray],
    codes: Codes,
    per_channel: bool = False,
    masks: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Steps of least squared error, (seeds, 1 or fan_out, 1) for each layer; of the kept weights if masked.

    Examples
    --------
    >>> (found,) = best_steps([np.array([[[0.5, -1.0], [0.0, 0.5]]])], tuning_codes(2))
    >>> found.tolist()
    [[[0.5]]]
    """
    from sims.weights.scales import Values

    levels = np.arange(codes.low, codes.high + 1.0)

    def one(values: np.ndarray) -> float:
        if not values.any():
            return 1.0  # nothing is there to be rounded
        if codes.sign:
            return float(np.abs(values).mean())
        return Values(values).optimal_scale(levels, tolerance=1e-4).scale

    found = []
    for index, layer in enumerate(weights):
        kept = np.ones_like(layer, bool) if masks is None else masks[index] > 0
        groups = len(layer[0]) if per_channel else 1
        steps = np.ones((len(layer), groups, 1))
        for seed in range(len(layer)):
            rows = layer[seed].reshape(groups, -1).astype(np.float64)
            keep = kept[seed].reshape(groups, -1)
            steps[seed, :, 0] = [one(row[mask]) for row, mask in zip(rows, keep, strict=True)]
        found.append(steps)
    return found


def post_training(
    network: Network,
    data: Dataset,
    start: Trained,
    method: str,
    bits: int,
    *,
    seed: int = 0,
) -> Trained:
    """Compress every network of `start` by one of `POST_TRAINING`, layer by layer, without training.

    The codes are two's complement with one step a layer, as the operators of path following have them. Each
    layer is asked to reproduce what the original made of its own inputs (order 1 alignment where the
    method has feedback), on the first `CALIBRATION` training images.
    """
    choice("method", method, POST_TRAINING)
    per_seed = [
        _compressed(
            network, start.network(index), data.train_images[:CALIBRATION], method, bits, seed + index
        )
        for index in range(start.seeds)
    ]
    weights = [np.stack(layer).astype(np.float32) for layer in zip(*per_seed, strict=True)]
    return Trained(weights, list(start.latent), [(w != 0).astype(np.float32) for w in weights])


def _compressed(
    network: Network,
    weights: list[np.ndarray],
    images: np.ndarray,
    method: str,
    bits: int,
    seed: int,
) -> list[np.ndarray]:
    from sims.path_following.compression import compress
    from sims.path_following.gram import Gram
    from sims.path_following.layers import PRUNERS, QUANTIZERS
    from sims.path_following.quantizers import quantizer
    from theory.operators import PruneFraction

    name, cuts = POST_TRAINING[method]
    kind, stochastic = (PRUNERS if cuts else QUANTIZERS)[name]
    original = compressed = images.astype(np.float64)
    found = []
    for index, matrix in enumerate(weights):
        gram = Gram()
        for own, other in zip(batches(compressed), batches(original), strict=True):
            rows = [gathered(np, network, index, h).reshape(-1, matrix.shape[1]) for h in (own, other)]
            gram.update(rows[0], rows[1] if index else None)
        operator = (
            PruneFraction(share_of_zeros(equal_sparsity(bits)), stochastic)
            if cuts
            else quantizer(matrix, bits, stochastic)
        )
        alignment = 0 if kind == "direct" else 1
        layer = compress(
            matrix, gram=gram, operator=operator, method=kind, seed=seed + 1000 * index, alignment=alignment
        )
        found.append(layer.weights)
        original = finished(np, network, index, gathered(np, network, index, original) @ matrix.T)
        compressed = finished(np, network, index, gathered(np, network, index, compressed) @ layer.weights.T)
    return found
