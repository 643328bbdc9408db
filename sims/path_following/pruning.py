"""Pruning to a given sparsity: the threshold that leaves it, and the optimal brain surgeon."""

from collections.abc import Callable

import numpy as np

from sims.path_following.feedback import damped
from sims.support.threads import in_order
from theory.operators import HardPruning, Operator, PruneFraction

_BISECTIONS = 30


def with_sparsity(
    wanted: PruneFraction, weights: np.ndarray, run: Callable[[Operator], np.ndarray]
) -> Operator:
    """The pruning operator whose result has the wanted sparsity: the least threshold found that reaches it.

    Parameters
    ----------
    wanted
        PruneFraction
    weights : (n, N) ndarray
        Where the search starts: the threshold of magnitude pruning.
    run : callable
        Compressed weights under an operator, with the same random numbers each time.

    Returns
    -------
    Operator
        Sparsity of its result is at least the wanted one, unless the weights grow without limit; within
        1/size where sparsity depends on the threshold monotonically (it always does without feedback).

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([[1.0, -2.0, 3.0, -4.0]])
    >>> with_sparsity(PruneFraction(0.5), w, lambda operator: operator(w))(w)
    array([[ 0.,  0.,  3., -4.]])
    """
    magnitudes = np.sort(np.abs(weights), axis=None)
    count = round(wanted.sparsity * magnitudes.size)
    if count == 0:
        raise ValueError(f"sparsity {wanted.sparsity} cuts none of the {magnitudes.size} weights")
    start = max(float(magnitudes[count - 1]), np.finfo(np.float64).tiny)

    def cut(threshold: float) -> int:
        return int(np.count_nonzero(run(wanted.at(threshold)) == 0))

    if not wanted.stochastic and cut(start) == count:
        return HardPruning(start)  # no feedback: exact at once
    high = start
    for _ in range(60):
        if cut(high) >= count:
            break
        high *= 1.5
    low = 0.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        reached = cut(middle)
        if reached >= count:
            high = middle
            if reached == count:
                break
        else:
            low = middle
    return wanted.at(high)


def optimal_brain_surgeon(
    weights: np.ndarray, gram: np.ndarray, sparsity: float, damping: float
) -> np.ndarray:
    """Greedy pruning of every neuron by w_p^2/[G^-1]_pp, the others refitted after each removal.

    N^2 operations per removal and neuron; neurons are spread over threads.

    Parameters
    ----------
    weights : (n, N) ndarray
    gram : (N, N) ndarray
    sparsity : float
        round(sparsity N) weights of every neuron are cut.
    damping : float
        See `sims.path_following.compress`.

    Returns
    -------
    (n, N) ndarray

    References
    ----------
    Hassibi & Stork 1993; row by row as in Frantar & Alistarh 2022 (arXiv 2208.11580).

    Examples
    --------
    >>> import numpy as np
    >>> gram = np.array([[1.0, 0.9], [0.9, 1.0]])      # the survivor takes over what its twin did
    >>> optimal_brain_surgeon(np.array([[1.0, 0.5]]), gram, 0.5, 0.0).round(3)
    array([[1.45, 0.  ]])
    """
    from sims.kernels.path_following import prune_by_loss

    try:
        factor = np.linalg.inv(np.linalg.cholesky(damped(gram, damping)))
    except np.linalg.LinAlgError:
        raise ValueError("the Gram matrix is singular: OBS needs damping > 0 (0.01 is customary)") from None
    inverse = factor.T @ factor
    result = weights.copy()
    count = round(sparsity * weights.shape[1])

    def one(row: np.ndarray) -> None:
        prune_by_loss(row, inverse.copy(), count)

    if len(result):
        one(result[0])  # compiles once, before the threads
    for _ in in_order(one, result[1:]):
        pass
    return result
