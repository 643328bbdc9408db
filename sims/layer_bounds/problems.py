"""Instances: a neuron's weights, and inputs of four kinds of correlation."""

import math

import numpy as np

from sims.montecarlo import stream
from theory.arguments import choice, whole

KINDS = ("independent", "autoregressive", "equicorrelated", "relu")


def problem(
    kind: str, columns: int, seed: int = 0, *, correlation: float = 0.9, samples: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (samples, columns) and Gaussian weights (columns,).

    Parameters
    ----------
    kind : {"independent", "autoregressive", "equicorrelated", "relu"}
        Correlation of columns i and j: none, r^|i - j|, r; or the positive parts of Gaussian columns with
        correlation r, which are never negative, as activations are.
    columns : int
    seed : int
    correlation : float
        r in [0, 1).
    samples : int, optional
        16 times the columns by default.

    Examples
    --------
    >>> x, w = problem("relu", 6)
    >>> x.shape, w.shape, bool((x >= 0).all())
    ((96, 6), (6,), True)
    """
    choice("kind", kind, KINDS)
    whole("columns", columns, 1)
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation must lie in [0, 1), got {correlation}")
    rng = stream(seed, ("layer_bounds", kind, columns, float(correlation)))
    m = 16 * columns if samples is None else whole("samples", samples, 1)
    x = rng.standard_normal((m, columns))
    own = math.sqrt(1 - correlation**2)
    if kind == "autoregressive":
        for i in range(1, columns):
            x[:, i] = correlation * x[:, i - 1] + own * x[:, i]
    elif kind in ("equicorrelated", "relu"):
        x = math.sqrt(1 - correlation) * x + math.sqrt(correlation) * rng.standard_normal((m, 1))
    if kind == "relu":
        x = np.maximum(x, 0.0)
    return x, rng.standard_normal(columns)
