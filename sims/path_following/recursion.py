"""The recursion v = w + H (w - q), q = T(v), run over blocks of columns for all neurons at once."""

import numpy as np

from theory.operators import (
    HardPruning,
    NearestRounding,
    NearestSign,
    OneBit,
    Operator,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
)

# Columns per kernel call and per large product. Sums over 16 rows cost the kernel less than products with so
# few rows would; products with 128 rows run near the speed of square ones (benchmarks/path_following.py).
_BLOCK, _OUTER = 16, 128


def specification(operator: Operator) -> tuple[int, np.ndarray]:
    """Operator code and parameters for the kernel."""
    from sims.kernels import path_following as kernel

    low, high = (float(limit) for limit in operator.limits)
    p = np.array([1.0, 1.0, -np.inf, np.inf, low, high, 1.0])
    match operator:
        case StochasticRounding():
            p[0], p[2], p[3] = float(operator.step), low, high
            return kernel.ROUND_STOCHASTIC, p
        case NearestRounding():
            p[0], p[2:4] = float(operator.step), [float(end) for end in operator.grid_ends]
            return kernel.ROUND_NEAREST, p
        case OneBit():
            p[6] = float(operator.level)
            return kernel.ONE_BIT, p
        case NearestSign():
            p[6] = float(operator.level)
            return kernel.NEAREST_SIGN, p
        case StochasticPruning():
            p[1] = float(operator.threshold)
            return kernel.PRUNE_STOCHASTIC, p
        case PruneThenRound():
            p[0], p[1] = float(operator.step), float(operator.threshold)
            p[2:4] = operator.threshold_cell
            return kernel.PRUNE_THEN_ROUND, p
        case HardPruning():
            p[1] = float(operator.threshold)
            return kernel.PRUNE_HARD, p
    raise TypeError(f"operator must be one of theory.operators, got {type(operator).__name__}")


def sweep(
    weights: np.ndarray,
    matrix: np.ndarray,
    row_scale: np.ndarray,
    operator: Operator,
    rng: np.random.Generator,
    block: int = _BLOCK,
    outer: int = _OUTER,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run the recursion with H = diag(row_scale) tril(matrix, -1).

    Uniforms are drawn row by row, (columns, neurons), so the result does not depend on the blocks.

    Returns
    -------
    q (n, N), exits (n,), first_exit (n,)
    """
    from sims.kernels.path_following import compress_block, transpose

    n, columns = weights.shape
    kind, p = specification(operator)
    q = np.empty((columns, n))  # the weights, which the kernel replaces by results
    transpose(np.ascontiguousarray(weights), q)
    e = np.empty((columns, n))
    exits = np.zeros(n, dtype=np.int64)
    first = np.full(n, -1, dtype=np.int64)
    far = np.zeros((min(outer, columns), n))
    near = np.empty((min(block, columns), n))
    uniforms = np.zeros((min(block, columns), n))
    for outer_start in range(0, columns, outer):
        outer_stop = min(outer_start + outer, columns)
        if outer_start:
            products = matrix[outer_start:outer_stop, :outer_start]
            np.matmul(products, e[:outer_start], out=far[: outer_stop - outer_start])
        for start in range(outer_start, outer_stop, block):
            stop = min(start + block, outer_stop)
            size = stop - start
            correction = far[start - outer_start : stop - outer_start]
            if start > outer_start:
                recent = e[outer_start:start]
                correction += np.matmul(matrix[start:stop, outer_start:start], recent, out=near[:size])
            if operator.uses_uniforms:
                rng.random(out=uniforms[:size])
            compress_block(
                start, stop, q, matrix, row_scale, correction, uniforms[:size], e, exits, first, kind, p
            )
    return q.T, exits, first
