"""What precedes the path-following recursion: the order of the columns, Phase I, OPTQ's feedback matrix."""

from typing import Any

import numpy as np

ORDERS = ("given", "norm", "random", "pivoted")


def column_order(gram: np.ndarray, order: Any, rng: np.random.Generator) -> np.ndarray:
    """Order in which columns are compressed.

    Parameters
    ----------
    gram : (N, N) ndarray
    order
        {"given", "norm", "random", "pivoted"} or permutation of range(N)
        "norm": largest column norm first; "pivoted": the pivots of the Cholesky factorisation with diagonal
        pivoting, the column farthest from the span of those before it first.
    rng
        Generator
        For "random".

    Returns
    -------
    (N,) ndarray of int

    Raises
    ------
    ValueError
        For an unknown name or an array that is not a permutation.

    Examples
    --------
    >>> import numpy as np
    >>> column_order(np.diag([1.0, 3.0, 2.0]), "norm", np.random.default_rng(0))
    array([1, 2, 0])
    """
    size = len(gram)
    if not isinstance(order, str):
        permutation = np.asarray(order)
        if permutation.shape != (size,) or not np.array_equal(np.sort(permutation), np.arange(size)):
            raise ValueError(f"order must be a name or a permutation of range({size})")
        return permutation.astype(np.int64)
    if order == "given":
        return np.arange(size)
    if order == "norm":
        return np.argsort(-np.diagonal(gram), kind="stable")
    if order == "random":
        return rng.permutation(size)
    if order == "pivoted":
        from scipy.linalg import lapack

        _, pivots, _, _ = lapack.dpstrf(gram, lower=1)
        return pivots.astype(np.int64) - 1
    raise ValueError(f"order must be one of {', '.join(ORDERS)} or a permutation, got {order!r}")


def align(weights: np.ndarray, own: np.ndarray, cross: np.ndarray, alignment: int | str) -> np.ndarray:
    """Phase I: Gauss-Seidel sweeps on G w~ = X~'X w, or their least-squares limit."""
    from scipy.linalg import solve_triangular

    w = weights.T
    if alignment == "least-squares":
        # The solution nearest to w: directions the inputs do not see, dead columns among them, keep their
        # weight.
        return (w + np.linalg.lstsq(own, (cross - own) @ w, rcond=None)[0]).T
    if isinstance(alignment, bool) or not isinstance(alignment, int | np.integer) or alignment < 0:
        raise ValueError(f"alignment must be a number of sweeps >= 0 or 'least-squares', got {alignment!r}")
    dead = np.diagonal(own) <= 0
    lower, upper = np.tril(own), np.triu(own, 1)
    lower[dead, dead] = 1.0
    aligned = w
    for sweep in range(alignment):
        right = np.tril(cross) @ w if sweep == 0 else cross @ w - upper @ aligned
        right[dead] = w[dead]
        aligned = solve_triangular(lower, right, lower=True)
    return aligned.T


def optq_feedback(gram: np.ndarray, damping: float) -> np.ndarray:
    """U' with G + damping mean(diag G) I = U diag(.) U', U unit upper triangular."""
    reversed_gram = damped(gram, damping)[::-1, ::-1]
    try:
        factor = np.linalg.cholesky(reversed_gram)
    except np.linalg.LinAlgError:
        raise ValueError(
            "the Gram matrix is singular: OPTQ needs damping > 0 (0.01 is customary), "
            "or at least as many independent samples as inputs and no dead column"
        ) from None
    unit = factor / np.diagonal(factor)
    return np.ascontiguousarray(unit[::-1, ::-1].T)


def damped(gram: np.ndarray, damping: float) -> np.ndarray:
    """G + damping mean(diag G) I; the identity if G is zero, where any feedback is as good as none.

    Raises
    ------
    ValueError
        If damping is negative or not finite.
    """
    if not (np.isfinite(damping) and damping >= 0):
        raise ValueError(f"damping must be finite and not negative, got {damping}")
    mean = float(np.mean(np.diagonal(gram)))
    if mean == 0:
        return np.eye(len(gram))
    return gram + damping * mean * np.eye(len(gram))
