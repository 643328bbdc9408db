"""Whole networks, layer by layer, each on the inputs that the compressed layers before it produce."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sims.path_following.compression import Compressed, compress
from theory.operators import Operator, PruneFraction
from theory.path_following import as_inputs


def compress_network(
    weights: Sequence[Any],
    inputs: Any,
    operator: Callable[[np.ndarray], Operator | PruneFraction],
    *,
    method: str = "path-following",
    scale: float = 1.0,
    order: Any = "given",
    seed: int = 0,
    alignment: int | str = 1,
    damping: float = 0.01,
) -> list[Compressed]:
    r"""Compress a ReLU network W_l relu(... relu(W_1 x)) layer after layer.

    Layer i sees X~ = relu outputs of the layers compressed before it and is asked to reproduce what the
    original layer made of its own inputs X: Phase I aligns (order `alignment`), Phase II compresses.

    Parameters
    ----------
    weights
        Matrices (fan_out, fan_in), first layer first
    inputs : (samples, fan_in of the first layer) array_like
    operator : callable
        Operator for a layer's weight matrix, e.g. ``lambda w: quantizer(w, 4, stochastic=True)``.
    method, scale, order, seed, alignment, damping
        As in `sims.path_following.compress`

    Returns
    -------
    list of Compressed, one per layer; `.error` is the error at the layer's output, earlier layers included

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import NearestRounding
    >>> rng = np.random.default_rng(0)
    >>> network = [rng.standard_normal((6, 4)), rng.standard_normal((2, 6))]
    >>> layers = compress_network(network, rng.random((20, 4)), lambda w: NearestRounding(0.01))
    >>> [layer.weights.shape for layer in layers]
    [(6, 4), (2, 6)]
    """
    original = compressed = as_inputs(inputs)
    layers: list[Compressed] = []
    for index, matrix in enumerate(weights):
        w = np.asarray(matrix, np.float64)
        if w.ndim != 2 or w.shape[1] != original.shape[1]:
            raise ValueError(f"weights[{index}] must be (fan_out, {original.shape[1]}), got shape {w.shape}")
        layer = compress(
            w,
            compressed,
            target_inputs=original if index else None,
            operator=operator(w),
            method=method,
            scale=scale,
            order=order,
            seed=seed + index,
            # a method without feedback is not given Phase I either
            alignment=0 if method == "direct" else alignment,
            damping=damping,
        )
        layers.append(layer)
        original = np.maximum(original @ w.T, 0.0)
        compressed = np.maximum(compressed @ layer.weights.T, 0.0)
    return layers
