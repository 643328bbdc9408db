r"""OPTQ as Babai's nearest-plane algorithm, and the bound that follows.

X z, z integer, is a lattice; rounding a neuron to a grid of step s is finding the lattice point near X w / s.
With U D U' = G = X'X, U unit upper triangular, in the order of compression, OPTQ's feedback is U' - I: it
rounds v_t = w_t + sum_{j<t} U_jt (w_j - q_j), and its error is

    |X (w - q)|^2 = sum_t D_t (v_t - q_t)^2,    D_t = |g_t|^2,

g_t the Gram-Schmidt vectors in reverse order (`gram_schmidt_reversed`): X_t off the span of the later
columns. Babai's algorithm, on the basis in that order, makes the same choices one hyperplane after the other.
"""

import numpy as np
from numpy.typing import ArrayLike


def optq_pivots(gram: ArrayLike) -> np.ndarray:
    """D_t = |g_t|^2 = 1 / [(G_tt..NN)^-1]_tt: squared distance of X_t from the span of the later columns.

    Parameters
    ----------
    gram : (N, N) array_like
        X'X in the order of compression.

    Returns
    -------
    (N,) ndarray

    Raises
    ------
    ValueError
        If the matrix is not positive definite.

    Examples
    --------
    >>> optq_pivots([[2.0, 1.0], [1.0, 1.0]])
    array([1., 1.])
    """
    g = np.asarray(gram, np.float64)
    try:
        return np.diagonal(np.linalg.cholesky(g[::-1, ::-1]))[::-1] ** 2
    except np.linalg.LinAlgError:
        raise ValueError("the Gram matrix is singular: OPTQ needs damping > 0 (0.01 is customary)") from None


def nearest_plane_bound(gram: ArrayLike, step: ArrayLike = 1.0, *, mean: bool = False) -> float:
    r"""Bound on OPTQ's squared error without clipping: (1/4) sum_t D_t s_t^2; its mean is a third of it.

    |v_t - q_t| <= s_t / 2, and the errors enter along orthogonal directions. Attained where every v_t is
    halfway between two levels. For weights uniform over whole cells every v_t is uniform over its cell: the
    mean is (1/12) sum_t D_t s_t^2 exactly.

    Parameters
    ----------
    gram : (N, N) array_like
        X'X in the order of compression.
    step : float or (N,) array_like
        s, one for all columns or one each, in the order of compression.
    mean
        The mean instead of the bound.

    Returns
    -------
    float

    References
    ----------
    Chen et al. 2025 (arXiv 2507.18553), Theorems 4 and 5.

    Examples
    --------
    >>> nearest_plane_bound(np.eye(3)), nearest_plane_bound(np.eye(3), mean=True)
    (0.75, 0.25)
    """
    s = np.asarray(step, np.float64)
    if not np.all(np.isfinite(s) & (s > 0)):
        raise ValueError(f"step must be positive and finite, got {step}")
    pivots = optq_pivots(gram)
    if s.shape not in ((), pivots.shape):
        raise ValueError(f"step must be one number or {len(pivots)}, one for every column, got {s.size}")
    with np.errstate(over="ignore"):  # squares of s alone could leave double precision
        return float(np.sum(pivots * s * s)) / (12 if mean else 4)


def min_pivot_order(gram: ArrayLike) -> np.ndarray:
    """Order of compression whose pivots are chosen from the last column on, the smallest one left each time.

    The product of the pivots is det G in every order, so their sum, and with it `nearest_plane_bound`, is
    low where they are even; a greedy choice, not always the best. Needs no inverse: dead and dependent
    columns have pivot 0.

    Parameters
    ----------
    gram : (N, N) array_like

    Returns
    -------
    (N,) ndarray of int

    References
    ----------
    Chen et al. 2025 (arXiv 2507.18553), the min-pivot order.

    Examples
    --------
    >>> min_pivot_order(np.diag([1.0, 3.0, 2.0]))
    array([1, 2, 0])
    """
    left = np.array(gram, np.float64)
    n = len(left)
    order = np.empty(n, np.int64)
    pivots = np.diagonal(left).copy()
    floor = 1e-15 * n * pivots
    for t in range(n - 1, -1, -1):
        p = int(np.argmin(pivots))
        order[t] = p
        if pivots[p] > floor[p]:
            row = left[p].copy()
            left -= np.outer(row, row / pivots[p])
        pivots = np.where(np.isinf(pivots), np.inf, np.diagonal(left))
        pivots[p] = np.inf
    return order


def nearest_plane(basis: ArrayLike, target: ArrayLike) -> np.ndarray:
    r"""Babai's nearest plane: integers z with B z near the target, the last basis vector first.

    z_k = round(<r, b*_k> / |b*_k|^2), then r -= z_k b_k, for k = n, .., 1; b*_k is b_k off the span of the
    basis vectors before it.

    Parameters
    ----------
    basis : (m, n) array_like
        Linearly independent columns.
    target : (m,) array_like

    Returns
    -------
    (n,) ndarray of integers as float64

    Raises
    ------
    ValueError
        If a column is zero once the span of those before it is taken off.

    References
    ----------
    Babai, On Lovasz' lattice reduction and the nearest lattice point problem, Combinatorica 6 (1986).

    Examples
    --------
    >>> nearest_plane([[1.0, 1.0], [0.0, 1.0]], [0.4, 0.6])
    array([-1.,  1.])
    """
    b = np.asarray(basis, np.float64)
    # the same integers in any unit: squares of 1e-200 leave double precision
    exponent = int(np.frexp(np.abs(b).max(initial=0.0))[1])
    b, rest = np.ldexp(b, -exponent), np.ldexp(np.array(target, np.float64), -exponent)
    star = np.zeros_like(b)
    for k in range(b.shape[1]):
        star[:, k] = b[:, k]
        for j in range(k):
            star[:, k] -= star[:, j] * (star[:, j] @ b[:, k]) / (star[:, j] @ star[:, j])
        if not np.any(star[:, k]):
            raise ValueError("the columns of basis are linearly dependent")
    z = np.zeros(b.shape[1])
    for k in range(b.shape[1] - 1, -1, -1):
        z[k] = np.rint((rest @ star[:, k]) / (star[:, k] @ star[:, k]))
        rest -= z[k] * b[:, k]
    return z
