"""Instances of path following: random neurons and data, and columns that make exits likely."""

import math

import numpy as np

from sims.montecarlo import stream
from theory.arguments import whole


def problem(
    columns: int, samples: int, seed: int = 0, rank: int | None = None, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian inputs (samples, columns), of full or given rank, entries of variance 1, and uniform weights.

    Parameters
    ----------
    columns, samples : int
        N and m.
    seed : int
    rank : int, optional
        Inputs are a product of Gaussian factors of this rank.
    spread : float
        Weights are uniform on [-spread, spread].

    Returns
    -------
    inputs (m, N), weights (N,)

    Examples
    --------
    >>> import numpy as np
    >>> x, w = problem(5, 8, rank=2)
    >>> x.shape, w.shape, int(np.linalg.matrix_rank(x))
    ((8, 5), (5,), 2)
    """
    for name, value in (("columns", columns), ("samples", samples), ("rank", 1 if rank is None else rank)):
        whole(name, value, 1)
    rng = stream(seed, ("path_following", columns, samples, rank or 0))
    inputs = rng.standard_normal((samples, columns))
    if rank is not None:
        inputs = rng.standard_normal((samples, rank)) @ rng.standard_normal((rank, columns)) / math.sqrt(rank)
    return inputs, rng.uniform(-spread, spread, columns)


def adversarial_columns(samples: int, columns: int, weight: float, rng: np.random.Generator) -> np.ndarray:
    """Unit columns, each orthogonal to the error that nearest rounding (step 1, C = 1) has made so far.

    No column then corrects anything: with every weight at w, |w| < 1/2, the error is |w| sqrt(N) long.

    Parameters
    ----------
    samples, columns : int
        m >= 2 and N.
    weight : float
        w, the value of every weight.
    rng
        Generator

    Returns
    -------
    (samples, columns) ndarray

    Examples
    --------
    >>> import numpy as np
    >>> x = adversarial_columns(3, 100, 0.49, np.random.default_rng(0))
    >>> round(float(np.linalg.norm(0.49 * x.sum(axis=1))), 6)
    4.9
    """
    if samples < 2:
        raise ValueError(f"samples must be at least 2 for columns orthogonal to an error, got {samples}")
    x = np.empty((samples, columns))
    u = np.zeros(samples)
    for t in range(columns):
        g = rng.standard_normal(samples)
        if u.any():
            g -= u * (u @ g) / (u @ u)
        x[:, t] = g / np.linalg.norm(g)
        u = u + (weight - round(weight)) * x[:, t]
    return x
