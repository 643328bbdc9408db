"""A group of rows of a layer as one cell of a sweep: stored as it ends, resumed, here or on a cluster."""

import numpy as np

from sims.layer_bounds.pruning import pruning_range
from sims.layer_bounds.quantization import quantization_range
from sims.networks.samples import as_samples
from sims.support.row import Row
from sims.weights import load
from theory.arguments import choice, whole
from theory.snr import equal_sparsity, pruned_count

METHODS = ("quantization", "pruning")


def layer_cell(
    weights: str,
    inputs: str = "",
    gram: str = "",
    bits: int = 4,
    first: int = 0,
    count: int = 8,
    columns: int = 36,
    method: str = "quantization",
    node_limit: int = 20_000_000,
    seed: int = 0,
) -> list[Row]:
    """Ranges of rows first .. first + count - 1, summed: "sims.layer_bounds.cells:layer_cell" in a sweep.

    Parameters
    ----------
    weights, inputs, gram
        Files of one array each: W, and X or X'X.
    bits
        Width; pruning keeps as much, at sparsity 1 - bits/16.
    first, count
        Rows of the cell; those beyond the layer are left out.
    columns
        The first columns of the layer, as a layer of their own.
    method
        "quantization" or "pruning".
    node_limit, seed
        As in `quantization_range`.

    Returns
    -------
    list of Row
        The error of the best codes or masks, between its proved bound and what was found; the signal; the
        certificate of the relaxation; searches that were stopped.
    """
    choice("method", method, METHODS)
    if bool(inputs) == bool(gram):
        raise ValueError("give either inputs or gram, the name of a file")
    w = _only(weights)
    w = w.reshape(len(w), -1)
    start = whole("first", first, 0, len(w) - 1)
    rows, width = w[start : start + whole("count", count, 1)], whole("columns", columns, 1)
    matrix = _only(gram) if gram else None
    if matrix is None:
        x = as_samples([_only(inputs)])[:, :width]
        matrix = x.T @ x
    matrix, rows = matrix[:width, :width], rows[:, :width]
    if method == "quantization":
        found = quantization_range(rows, gram=matrix, bits=bits, node_limit=node_limit, seed=seed)
    else:
        keep = rows.shape[1] - pruned_count(rows.shape[1], equal_sparsity(bits))
        found = pruning_range(rows, gram=matrix, keep=keep, node_limit=node_limit)
    best = found.best
    return [
        Row("squared error", best, min(found.lower, best), best, source=method, trials=len(rows)),
        Row.law("signal", found.energy, "|X w|^2"),
        Row.law("certified bound", found.bound, "relaxation"),
        Row.law("not proved", found.stopped, "searches that were stopped"),
    ]


def _only(path: str) -> np.ndarray:
    arrays = list(load(path).values())
    if len(arrays) != 1:
        raise ValueError(f"{path} must hold one array, it holds {len(arrays)}")
    return arrays[0]
