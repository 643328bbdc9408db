"""Slices of real layers, and both methods on them: what the paper's comparison of layers is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sims.layer_bounds.lattice import Lattice
from sims.layer_bounds.pruning import pruning_range
from sims.layer_bounds.quantization import quantization_range
from sims.layer_bounds.ranges import Range
from sims.layer_bounds.relaxation import solve
from theory.snr import equal_sparsity, pruned_count

COLUMNS = 36  # the paper's slices: 36 features, or 4 input channels of a 3 x 3 convolution
LITE0 = ("0 project", "1 expand", "1 project", "3 project", "5 expand")
TRANSFORMER = ("0 query", "0 attention out", "1 feed-forward in", "1 feed-forward out", "2 value")


@dataclass(frozen=True, eq=False)
class Slice:
    """Some input columns of a layer.

    Attributes
    ----------
    network, layer : str
    weights : (fan_out, n) ndarray
    gram : (n, n) ndarray
        X'X of these columns on the layer's own inputs.
    samples : int
        Rows of X.
    """

    network: str
    layer: str
    weights: np.ndarray
    gram: np.ndarray
    samples: int


@dataclass(frozen=True, eq=False)
class Compared:
    """Both methods on some rows of a slice at the same compression.

    Attributes
    ----------
    quantized, pruned : Range
    published : float
        The relaxation as the paper's released code states it (one integer cut per weight, no box): a
        squared error.
    """

    quantized: Range
    pruned: Range
    published: float


def _slice(network: str, layer: str, weights: np.ndarray, inputs: np.ndarray) -> Slice:
    # columns that are never active leave nothing to compare
    columns = np.flatnonzero(np.any(inputs != 0, axis=0))[:COLUMNS]
    x = inputs[:, columns]
    return Slice(network, layer, weights[:, columns], x.T @ x, len(x))


def real_slices(networks: tuple[str, ...] = ("digits", "lite0", "transformer")) -> Iterator[Slice]:
    """Slices of layers of the digits network, EfficientNet-Lite0 and a transformer, where installed.

    Every layer sees inputs propagated through its network: the training images, crops of two photographs,
    random tokens. The first 36 input columns that are ever active are taken (27 of the 3 x 3 stem, which
    has no more).
    """
    from sims.networks.transformer import transformer_model
    from sims.weights import layers_of, zoo_checkpoint

    if "digits" in networks:
        for name, weights, inputs in layers_of("digits"):
            yield _slice("digits", name, weights, inputs)
    if "lite0" in networks and zoo_checkpoint() is not None:
        wanted = {"stem", *LITE0}
        for name, weights, inputs in layers_of("efficientnet"):
            if name in wanted:
                wanted.remove(name)
                yield _slice("Lite0", "stem 3 x 3" if name == "stem" else name, weights, inputs)
            if not wanted:
                break
    if "transformer" in networks and transformer_model() is not None:
        for name, weights, inputs in layers_of("minilm"):
            if name in TRANSFORMER:
                yield _slice("MiniLM", name, weights, inputs)


def compared(one: Slice, bits: int, rows: int, node_limit: int = 2_000_000) -> Compared:
    """Quantization at `bits` and pruning at sparsity 1 - bits/16, on rows spread evenly over the layer.

    One step per row, of least squared error of its weights; kept weights are refitted.

    Examples
    --------
    >>> first = next(real_slices(("digits",)))
    >>> found = compared(first, 4, rows=2)
    >>> low, best, high = found.quantized.snr()
    >>> low <= best <= high and found.pruned.snr().optimum < best
    True
    """
    w = one.weights[np.linspace(0, len(one.weights) - 1, min(rows, len(one.weights))).astype(int)]
    quantized = quantization_range(w, gram=one.gram, bits=bits, node_limit=node_limit)
    keep = w.shape[1] - pruned_count(w.shape[1], equal_sparsity(bits))
    pruned = pruning_range(w, gram=one.gram, keep=keep, node_limit=node_limit // 10)
    lattice = Lattice(one.gram)
    published = 0.0
    for row, found in zip(w, quantized.rows, strict=True):
        step, low, high = (found.details[name] for name in ("step", "low", "high"))
        value = solve(lattice.gram, row[lattice.live] / step, low, high, published=True).value
        published += max(0.0, value) * step**2
    return Compared(quantized, pruned, published)
