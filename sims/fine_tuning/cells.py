"""One cell of a comparison: a network, a data set, a method and a width, for all seeds at once.

`compare` gives everything that is measured, a number per seed; `simulate` the same as rows, for sweeps. Cells
depend on their parameters and the seed alone; what is kept in `store` saves time and changes nothing.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sims.fine_tuning.methods import (
    POST_TRAINING,
    TUNED,
    best_steps,
    fine_tuned,
    post_training,
    pretrained,
    sparsity_of,
)
from sims.fine_tuning.networks import Network, accuracy, activations, batches
from sims.fine_tuning.store import Store
from sims.fine_tuning.training import Recipe, Trained
from sims.montecarlo.intervals import quantile
from sims.networks.images import Dataset, load
from sims.representation import LinearCKA, SignalToNoise, layer_snr
from sims.support import progress
from sims.support.row import Row
from theory.arguments import whole
from theory.codebooks import Grid
from theory.fine_tuning import tuning_codes

CONFIDENCE = 0.95  # of the interval of a median over seeds


@dataclass(frozen=True)
class Setting:
    """What a cell is made of, besides the seed.

    Attributes
    ----------
    network, data
        "dense" or "conv"; "digits", "mnist" or a .npz file.
    seeds
        Networks, each with its own start and order of batches.
    pretraining, epochs
        Epochs in floating point, and of fine-tuning.
    batch, rate, tuning_rate
        Images per step; largest learning rate of the two phases.
    grid, per_channel
        Of the quantizer that is trained with; what is compressed without training has two's complement codes
        and one step a layer.
    hidden
        Units of the hidden layers; the usual ones where empty.
    """

    network: str = "dense"
    data: str = "digits"
    seeds: int = 10
    pretraining: int = 30
    epochs: int = 20
    batch: int = 64
    rate: float = 0.1
    tuning_rate: float = 0.05
    grid: Grid = "twos-complement"
    per_channel: bool = False
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        whole("seeds", self.seeds, 1)
        tuning_codes(2, self.grid)  # names the grids

    def made(self) -> tuple[Network, Dataset, Recipe, Recipe]:
        """The network, the data, and the recipes of both phases.

        Examples
        --------
        >>> network, data, first, second = Setting().made()
        >>> network.size, data.classes, first.epochs, second.epochs
        (4928, 10, 30, 20)
        """
        data = load(self.data)
        network = Network.on(data, self.network, self.hidden or None)
        first = Recipe(self.pretraining, self.batch, self.rate)
        return network, data, first, Recipe(self.epochs, self.batch, self.tuning_rate)


@dataclass(frozen=True, eq=False)
class Cell:
    """What one method makes of the networks of a setting; arrays hold a number per seed.

    Attributes
    ----------
    method, bits, sparsity
        The method, b, and the share of zeros it was asked for.
    trained, original
        Networks after and before.
    accuracy, original_accuracy
        On the test images.
    images
        Number of test images.
    weights_snr, outputs_snr
        {layer: dB} of the weights and of the outputs on the test images, against the original network.
    cka
        {layer: unbiased linear CKA} of the outputs with those of the original network.
    steps
        {layer: learned step over the step of least error of the final latent weights}; empty without steps.
    """

    method: str
    bits: int
    sparsity: float
    trained: Trained
    original: Trained
    accuracy: np.ndarray
    original_accuracy: np.ndarray
    images: int
    weights_snr: dict[str, np.ndarray]
    outputs_snr: dict[str, np.ndarray]
    cka: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]


_FINE_TUNING = ("epochs", "tuning_rate", "grid", "per_channel")  # of a setting: pretraining does not see them


def originals(setting: Setting, seed: int = 0, store: str | None = None) -> Trained:
    """The pretrained networks of a setting, trained once in a process (and once in a folder `store`)."""
    unseen: dict[str, Any] = {one.name: one.default for one in fields(Setting) if one.name in _FINE_TUNING}
    return _originals(replace(setting, **unseen), seed, store, load(setting.data).digest)


@functools.lru_cache(maxsize=8)
def _originals(setting: Setting, seed: int, store: str | None, digest: str) -> Trained:
    network, data, recipe, _ = setting.made()
    identity = _identity(setting, seed, data)
    for name in _FINE_TUNING:
        del identity[name]
    return pretrained(
        network, data, setting.seeds, recipe, seed=seed, keep=lambda phase: _kept(store, identity, phase)
    )


def compare(
    setting: Setting, method: str, bits: int, seed: int = 0, store: str | None = None, **changes: Any
) -> Cell:
    """Run one cell: train or compress the networks of all seeds, and measure what became of them.

    Parameters
    ----------
    setting
        Network, data, seeds, recipe.
    method
        One of `sims.fine_tuning.METHODS`.
    bits
        b; pruning runs at sparsity 1 - b/16.
    seed
        Of the streams; two methods of one seed have the same networks and batches.
    store
        Folder in which runs are kept as they go and from which they resume.
    changes
        Fields of :class:`sims.fine_tuning.quantizers.Options` to set otherwise.

    Raises
    ------
    ValueError
        A setting that does not fit, or a stored run of another kind.
    ImportError
        The [train] extra is missing.
    """
    sparsity = sparsity_of(method, bits)
    network, data, _, recipe = setting.made()
    before = originals(setting, seed, store)
    if method in TUNED:
        identity = {**_identity(setting, seed, data), "method": method, "bits": bits, **changes}
        after = fine_tuned(
            network,
            data,
            before,
            method,
            bits,
            recipe,
            grid=setting.grid,
            per_channel=setting.per_channel,
            seed=seed,
            keep=lambda phase: _kept(store, identity, phase),
            **changes,
        )
    else:
        after = post_training(network, data, before, method, bits, seed=seed)
    measured = [
        _measured(network, data, before.network(i), after.network(i))
        for i in progress.steps(range(after.seeds), f"{network.kind} on {data.name}, networks measured")
    ]
    steps = {}
    if after.steps is not None:
        width = min(2 * bits, 16) if method == "prune-then-quantize" else bits
        masks = after.masks if method == "prune-then-quantize" else None
        best = best_steps(after.latent, tuning_codes(width, setting.grid), setting.per_channel, masks)
        with np.errstate(invalid="ignore", divide="ignore"):  # raw steps may have turned negative: NaN
            ratios = [np.exp(np.log(a / b).mean(axis=(1, 2))) for a, b in zip(after.steps, best, strict=True)]
        steps = _named(ratios)
    return Cell(
        method,
        bits,
        sparsity,
        after,
        before,
        _accuracies(network, data, after),
        _accuracies(network, data, before),
        len(data.test_labels),
        _by_layer([one[0] for one in measured]),
        _by_layer([one[1] for one in measured]),
        _by_layer([one[2] for one in measured]),
        steps,
    )


def _accuracies(network: Network, data: Dataset, trained: Trained) -> np.ndarray:
    images, labels = data.test_images, data.test_labels
    return np.array([accuracy(network, trained.network(i), images, labels) for i in range(trained.seeds)])


def _by_layer(seeds: list[dict[str, float]]) -> dict[str, np.ndarray]:
    return {name: np.array([one[name] for one in seeds]) for name in seeds[0]}


def _named(arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"layer{i}": array for i, array in enumerate(arrays, start=1)}


def _measured(
    network: Network, data: Dataset, before: list[np.ndarray], after: list[np.ndarray]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """SNR of the weights, SNR of the outputs, CKA of the outputs, by layer."""
    snr, likeness = SignalToNoise(), [LinearCKA() for _ in before]
    for images in batches(data.test_images):
        pair = [activations(np, network, weights, images.astype(np.float64)) for weights in (before, after)]
        snr.update(*map(_named, pair))
        for one, x, y in zip(likeness, *pair, strict=True):
            one.update(x, y)
    cka = {f"layer{i}": _value(one) for i, one in enumerate(likeness, start=1)}
    return layer_snr(_named(before), _named(after)), snr.values(), cka


def _value(likeness: LinearCKA) -> float:
    """CKA, or NaN where a layer is dead: all its outputs are the same."""
    try:
        return likeness.value()
    except ValueError:
        return float("nan")


def _identity(setting: Setting, seed: int, data: Dataset) -> dict[str, Any]:
    import importlib.metadata

    return {**asdict(setting), "data": data.digest, "seed": seed, "jax": importlib.metadata.version("jax")}


def _kept(store: str | None, identity: dict[str, Any], phase: str) -> Store | None:
    return None if store is None else Store(Path(store), {**identity, "phase": phase})


def median(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Median over seeds, and an interval from order statistics that holds whatever the law of a seed is.

    With fewer than six seeds no interval has the confidence of 95 %; its ends are then the extremes.

    Examples
    --------
    >>> median([0.9, 0.8, 0.85, 0.95, 0.91, 0.92, 0.7])
    (0.9, 0.7, 0.95)
    """
    ordered = np.sort(np.asarray(values, np.float64))
    _, low, high = quantile(ordered, 0.5, CONFIDENCE)
    return float(np.median(ordered)), max(low, float(ordered[0])), min(high, float(ordered[-1]))


def simulate(
    network: Literal["dense", "conv"] = "dense",
    data: str = "digits",
    method: str = "qat",
    bits: int = 4,
    seeds: int = 10,
    pretraining: int = 30,
    epochs: int = 20,
    batch: int = 64,
    rate: float = 0.1,
    tuning_rate: float = 0.05,
    grid: Grid = "twos-complement",
    per_channel: bool = False,
    store: str | None = None,
    seed: int = 0,
) -> list[Row]:
    """Rows of one cell: the median accuracy over seeds first, then every seed, then the layers' medians.

    Parameters
    ----------
    network, data, seeds, pretraining, epochs, batch, rate, tuning_rate, grid, per_channel
        As in :class:`Setting`.
    method, bits, store, seed
        As in :func:`compare`.

    Returns
    -------
    list of Row; `theory` of the first is the median accuracy of the networks before.

    Examples
    --------
    >>> from sims.fine_tuning import available
    >>> if available():
    ...     rows = simulate(seeds=2, pretraining=1, epochs=1, bits=4)
    ...     assert [row.quantity for row in rows][:2] == ["test accuracy", "accuracy of seed 0"]
    """
    setting = Setting(network, data, seeds, pretraining, epochs, batch, rate, tuning_rate, grid, per_channel)
    cell = compare(setting, method, bits, seed, store)
    value, low, high = median(cell.accuracy)
    before = float(np.median(cell.original_accuracy))
    rows = [Row("test accuracy", value, low, high, before, f"{seeds} seeds", seeds)]
    rows += [Row(f"accuracy of seed {i}", float(one)) for i, one in enumerate(cell.accuracy)]
    rows += [Row(f"accuracy before, seed {i}", float(one)) for i, one in enumerate(cell.original_accuracy)]
    for title, found in (
        ("SNR of the weights, dB", cell.weights_snr),
        ("SNR of the outputs, dB", cell.outputs_snr),
        ("CKA of the outputs", cell.cka),
        ("learned over best step", cell.steps),
    ):
        for name, values in found.items():
            ends = [one if np.isfinite(one) else None for one in median(values)]
            rows.append(Row(f"{title}, {name}", *(ends if ends[0] is not None else ())))
    return rows


__all__ = ["POST_TRAINING", "Cell", "Setting", "compare", "median", "originals", "simulate"]
