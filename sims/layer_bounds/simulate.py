"""One drawn layer, and medians over many: the best codes and mask, beside heuristics and the limit."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from sims.layer_bounds.problems import problem
from sims.layer_bounds.pruning import pruning_range
from sims.layer_bounds.quantization import quantization_range
from sims.layer_bounds.ranges import Range
from sims.montecarlo import growing_medians
from sims.montecarlo.quantiles import Quantile
from sims.support.row import Row
from theory.arguments import whole
from theory.snr import decibel, equal_sparsity, pruned_count

BLOCK = 16  # layers between two reports
Drawn = tuple[str, int, float]  # correlation of inputs, their number, r


def layer(drawn: Drawn, bits: int, seed: int, relaxation: bool = True) -> tuple[Range, Range]:
    """Ranges of one drawn layer: codes of `bits` bits, and a mask of the same size."""
    kind, inputs, correlation = drawn
    x, w = problem(kind, inputs, seed, correlation=correlation)
    gram = x.T @ x
    keep = inputs - pruned_count(inputs, equal_sparsity(bits))
    quantized = quantization_range(w, gram=gram, bits=bits, relaxation=relaxation, node_limit=500_000)
    return quantized, pruning_range(w, gram=gram, keep=keep, node_limit=50_000)


first_layer = lru_cache(maxsize=512)(layer)  # every redrawing of a page asks for it


def growing_best(
    drawn: Drawn, bits: int, *, seed: int, trials: int, level: float = 0.99, width: float | None = None
) -> Iterator[tuple[int, list[Quantile]]]:
    """Medians of the SNR in dB of the best codes and the best mask, over layers of seeds `seed`, ..."""
    first = seed

    def sample(_: np.random.Generator, count: int) -> np.ndarray:
        nonlocal first
        pairs = [layer(drawn, bits, one, relaxation=False) for one in range(first, first + count)]
        first += count
        return np.array([[decibel(one.energy, one.best) for one in pair] for pair in pairs])

    options = {"seed": seed, "key": ("layer_bounds",), "block": BLOCK, "level": level, "width": width}
    yield from growing_medians(sample, trials, **options)  # type: ignore[arg-type]


def rows(
    drawn: Drawn, bits: int, seed: int, layers: int = 0, medians: list[Quantile] | None = None
) -> list[Row]:
    """SNR of every method on the layer of `seed`; before them medians over drawn layers, once known."""
    inputs = drawn[1]
    quantized, pruned = first_layer(drawn, bits, seed)
    kept = inputs - pruned.details["cut"]
    proved = "proved optimum" if quantized.optimum is not None else "best found, search stopped"

    def ratio(of: Range, error: float) -> float:
        return decibel(of.energy, error)

    found = [
        Row(f"{name}, median over layers (dB)", *median, source="proved optima", trials=layers)
        for name, median in zip(("best codes", "best mask"), medians or (), strict=False)
    ]
    found += [
        Row.law("certified limit of any codes (dB)", quantized.snr().bound, "relaxation with box and cuts"),
        Row.law("best codes (dB)", ratio(quantized, quantized.best), proved),
    ]
    for name in ("1-opt from all", "OPTQ", "nearest"):
        found.append(Row.law(f"codes by {name} (dB)", ratio(quantized, quantized.errors[name]), "heuristic"))
    best = f"best mask, {kept} of {inputs} kept (dB)"
    found.append(Row.law(best, ratio(pruned, pruned.best), "refitted"))
    for name, error in pruned.errors.items():
        if name != "smallest kept":
            found.append(Row.law(f"mask by {name} (dB)", ratio(pruned, error), "heuristic"))
    return found


def simulate(
    kind: str, inputs: int, correlation: float, bits: int, *, trials: int, seed: int, **options
) -> list[Row]:
    """Rows of `snapcut simulate layer-bounds`.

    Examples
    --------
    >>> found = {row.quantity: row for row in simulate("relu", 6, 0.8, 4, trials=16, seed=0)}
    >>> limit = found["certified limit of any codes (dB)"].theory
    >>> found["codes by nearest (dB)"].theory <= found["best codes (dB)"].theory <= limit + 1e-9
    True
    """
    drawn = kind, whole("inputs", inputs, 1, 24), correlation
    *_, (layers, medians) = growing_best(drawn, bits, seed=seed, trials=trials, **options)
    return rows(drawn, bits, seed, layers, medians)
