r"""Path-following compression: the recursion in matrix form and every bound on its error.

Phase II compresses one weight after the other: with u_0 = 0 and scale C > 1/2,

    v_t = w_t + <X_t, u_{t-1}> / (C |X_t|^2),    q_t = T(v_t),    u_t = u_{t-1} + (w_t - q_t) X_t,

so that u_N = X w - X q. Write eps_t = v_t - q_t, D = diag |X_t|^2, K the strictly lower triangle of G = X'X
and M = I + (C D)^{-1} K. Then w - q = M^{-1} eps and u_N = X M^{-1} eps: a fixed linear map of the
operator's errors, a martingale difference sequence. Everything below is a statement about this map.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import choice, plain
from theory.convex_order import gaussian_variance
from theory.operators import Operator

_FORMS = ("range", "paper")


def check_scale(scale: ArrayLike) -> None:
    """Raise ValueError unless every C is finite and greater than 1/2."""
    if not np.all(np.isfinite(scale) & (np.asarray(scale) > 0.5)):
        raise ValueError(f"scale C must be finite and greater than 1/2 (C >= 1 in the paper), got {scale}")


def noise_variance(operator: Operator, form: str = "range") -> float:
    r"""Variance of the Gaussian dominating one error T(v) - v: \pi L^2/8 ("range") or \pi M^2/2 ("paper").

    Parameters
    ----------
    operator : Operator
        Must be unbiased.
    form : {"range", "paper"}

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For a biased operator or an unknown form.

    Examples
    --------
    >>> from theory.operators import StochasticRounding
    >>> noise_variance(StochasticRounding(1.0), "paper") / noise_variance(StochasticRounding(1.0))
    4.0
    """
    return float(gaussian_variance(_error_length(operator, form)))


def noise_std(operator: Operator, form: str = "range") -> float:
    """Square root of :func:`noise_variance`, of operators whose squares leave double precision, too.

    Examples
    --------
    >>> from theory.operators import OneBit
    >>> noise_std(OneBit(1e-200)) == 1e-200 * noise_std(OneBit(1.0))
    True
    """
    return math.sqrt(gaussian_variance(1.0)) * _error_length(operator, form)


def _error_length(operator: Operator, form: str) -> float:
    """L, or 2 M: the length of an interval that holds the error."""
    choice("form", form, _FORMS)
    if not operator.unbiased:
        raise ValueError(
            f"{type(operator).__name__} is biased; the convex-order theorems need E T(v) = v: "
            "use StochasticRounding, OneBit, StochasticPruning or PruneThenRound"
        )
    return float(operator.interval_length if form == "range" else 2 * operator.max_error)


def two_less_reciprocal(scale: Any) -> Any:
    """2 - 1/C for C > 1/2, to its last digits: C - 1/2 is exact where it is small.

    Examples
    --------
    >>> two_less_reciprocal(1.0), two_less_reciprocal(2.0)
    (1.0, 1.5)
    """
    return 2 * ((scale - 0.5) / scale)


def error_variance(scale: ArrayLike, operator: Operator, max_norm: ArrayLike, form: str = "range") -> Any:
    r"""beta with u_t <=_cx N(0, beta I): beta = s^2 C^2/(2C-1) max_{j<=t} |X_j|^2.

    s^2 = \pi L^2/8 (form "range") or \pi M^2/2 (form "paper").

    *Proof.* u_t = P_t u_{t-1} + eps_t X_t with P_t = I - X_t X_t'/(C |X_t|^2) and, given the past, eps_t
    <=_cx N(0, s^2). If u_{t-1} <=_cx N(0, S), then u_t <=_cx N(0, P_t S P_t + s^2 X_t X_t'). For S <= beta I
    the direction of X_t gets beta (1 - 1/C)^2 + s^2 |X_t|^2 <= beta, as 1 - (1 - 1/C)^2 = (2C-1)/C^2, and
    the others keep beta.

    Parameters
    ----------
    scale : array_like of float
        C > 1/2.
    operator : Operator
        Unbiased.
    max_norm : array_like of float
        max_{j<=t} |X_j|_2.
    form : {"range", "paper"}

    Returns
    -------
    float or ndarray
        In squared units of the output X w.

    Raises
    ------
    ValueError
        If C <= 1/2, a norm is negative, the operator is biased or the form unknown.

    References
    ----------
    Zhang & Saab 2025 (arXiv 2412.18184), Theorem 4.2 (stated there for C >= 1, in form "paper").

    Examples
    --------
    >>> from theory.operators import StochasticRounding
    >>> round(error_variance(1.0, StochasticRounding(1.0), 1.0), 4)
    0.3927
    >>> round(error_variance(2.0, StochasticRounding(1.0), 1.0, form="paper"), 4)
    2.0944
    """
    check_scale(scale)
    norm = np.asarray(max_norm, np.float64)
    if not np.all(np.isfinite(norm) & (norm >= 0)):
        raise ValueError(f"max_norm must be finite and not negative, got {max_norm}")
    c = np.asarray(scale, np.float64)
    with np.errstate(over="ignore"):  # beyond every double; no square of C, which may overflow
        squares = gaussian_variance(1.0) * (_error_length(operator, form) * norm) ** 2
        beta = squares * (c / two_less_reciprocal(c))
    return plain(beta)


def as_inputs(inputs: ArrayLike, name: str = "inputs", finite: bool = True) -> np.ndarray:
    """Inputs as a float64 matrix (samples, fan_in); integers and float16 are converted first.

    With ``finite=False`` the caller vouches for (or checks) what this function would: no NaN, no infinity.

    Raises
    ------
    ValueError
        If the array is not two-dimensional, has no column or is not finite.
    TypeError
        If it is not real numbers.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] == 0:
        raise ValueError(f"{name} must be a non-empty (samples, fan_in) matrix, got shape {array.shape}")
    array = array.astype(np.float64, copy=False)
    if finite and not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array


def feedback(gram: np.ndarray, scale: float) -> np.ndarray:
    r"""Strictly lower triangular H = (C D)^{-1} K, so that v = w + H (w - q); rows of dead columns are zero.

    Parameters
    ----------
    gram
        (N, N) array
        G = X'X.
    scale : float
        C > 1/2.

    Returns
    -------
    (N, N) ndarray

    Examples
    --------
    >>> import numpy as np
    >>> feedback(np.array([[2.0, 1.0], [1.0, 4.0]]), 1.0)
    array([[0.  , 0.  ],
           [0.25, 0.  ]])
    """
    check_scale(scale)
    diagonal = np.diagonal(gram)
    inverse = np.divide(1.0, scale * diagonal, out=np.zeros(len(diagonal)), where=diagonal > 0)
    return np.tril(gram, -1) * inverse[:, None]


def column_units(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns divided by a power of two each, and the exponents: entries below 1, the largest at least 1/2.

    Exact, so that nothing changes but the range: squares of 1e-200 or 1e200 leave double precision, and a
    column whose norm underflows would count as dead, its corrections as 0.

    Examples
    --------
    >>> import numpy as np
    >>> column_units(np.array([[3.0, 0.0], [-4.0, 1e-320]]))[1].tolist()
    [3, -1063]
    """
    exponents = np.frexp(np.abs(x).max(axis=0))[1]
    return np.ldexp(x, -exponents), exponents


def column_norms(x: np.ndarray) -> np.ndarray:
    """Euclidean norms of the columns, at any magnitude."""
    unit, exponents = column_units(x)
    return np.ldexp(np.linalg.norm(unit, axis=0), exponents)


def error_map(inputs: ArrayLike, scale: float) -> np.ndarray:
    r"""A = X M^{-1} = X (I + (C D)^{-1} K)^{-1}: u_N = A eps, with eps_t = v_t - T(v_t).

    Column t is P_N ... P_{t+1} X_t.

    Parameters
    ----------
    inputs : (samples, N) array_like
        X in the order in which the weights are compressed.
    scale : float
        C > 1/2.

    Returns
    -------
    (samples, N) ndarray

    Examples
    --------
    >>> import numpy as np
    >>> error_map(np.array([[1.0, 1.0], [0.0, 1.0]]), 1.0)     # (I - P) X_1 and X_2
    array([[ 0.5,  1. ],
           [-0.5,  1. ]])
    """
    from scipy.linalg import solve_triangular

    # with X = Y E, E the powers of two: M = E^{-1} M_Y E, hence X M^{-1} = Y M_Y^{-1} E
    y, exponents = column_units(as_inputs(inputs))
    h = feedback(y.T @ y, scale)
    return np.ldexp(solve_triangular(h, y.T, trans="T", lower=True, unit_diagonal=True).T, exponents)


def error_covariance(inputs: ArrayLike, scale: float, operator: Operator, form: str = "range") -> np.ndarray:
    r"""Covariance S_N of the dominating Gaussian: S_t = P_t S_{t-1} P_t + s^2 X_t X_t', S_0 = 0.

    Evaluated as s^2 A A' with A the `error_map`. S_N <= beta_N I always, with equality in the direction of
    the data in the limit of rank-one data with columns of equal norm.

    Parameters
    ----------
    inputs : (samples, N) array_like
        X in the order of compression; a zero column is skipped.
    scale : float
        C > 1/2.
    operator : Operator
        Unbiased.
    form : {"range", "paper"}

    Returns
    -------
    (samples, samples) ndarray

    References
    ----------
    Derived here from the proof of Theorem 4.2 of Zhang & Saab 2025, which bounds the same recursion by beta
    I.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import StochasticRounding
    >>> covariance = error_covariance(np.ones((1, 50)), 2.0, StochasticRounding(1.0))
    >>> bool(np.isclose(covariance[0, 0], error_variance(2.0, StochasticRounding(1.0), 1.0)))
    True
    """
    a = error_map(inputs, scale)
    return noise_variance(operator, form) * (a @ a.T)


def error_stds(inputs: ArrayLike, scale: float, operator: Operator, form: str = "range") -> np.ndarray:
    """Square roots of the diagonal of `error_covariance`, without forming the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import OneBit
    >>> error_stds(np.eye(2), 1.0, OneBit(1.0)).round(4)
    array([1.2533, 1.2533])
    """
    return noise_std(operator, form) * column_norms(error_map(inputs, scale).T)


def alignment_bound(weights: ArrayLike, inputs: ArrayLike, target_inputs: ArrayLike) -> np.ndarray:
    r"""Bound on what one sweep of Phase I leaves: |X w - X~ w~|_2 <= sum_t |w_t| |X_t - X~_t|_2.

    *Proof.* The sweep projects: r_t = (I - R_t)(r_{t-1} + w_t X_t), R_t the projection on X~_t, r_0 = 0, and
    r_N = X w - X~ w~. As R_t X~_t = X~_t, (I - R_t) X_t = (I - R_t)(X_t - X~_t); projections shorten. (A dead
    column X~_t = 0 keeps its weight and R_t = 0.) Later sweeps only reduce the residual, down to least
    squares.

    Parameters
    ----------
    weights : (fan_out, N) or (N,) array_like
    inputs, target_inputs : (samples, N) array_like
        X~ and X.

    Returns
    -------
    (fan_out,) ndarray

    Examples
    --------
    >>> import numpy as np
    >>> alignment_bound([[1.0, -2.0]], np.eye(2), 1.1 * np.eye(2)).round(6)
    array([0.3])
    """
    x, y = as_inputs(target_inputs, "target_inputs"), as_inputs(inputs)
    if x.shape != y.shape:
        raise ValueError(f"target_inputs must have the shape of inputs {y.shape}, got {x.shape}")
    w = np.atleast_2d(np.asarray(weights, np.float64))
    if w.shape[1] != x.shape[1]:
        raise ValueError(f"weights have fan_in {w.shape[1]} but the inputs have {x.shape[1]} columns")
    return np.abs(w) @ column_norms(x - y)


def gram_schmidt_reversed(inputs: ArrayLike) -> np.ndarray:
    """Columns g_t: X_t minus its projection on the columns after it.

    OPTQ's error is X(w - q) = sum_t eps_t g_t.

    Raises
    ------
    ValueError
        If the columns are linearly dependent, where OPTQ itself is undefined without damping.

    Examples
    --------
    >>> import numpy as np
    >>> gram_schmidt_reversed(np.array([[1.0, 1.0], [1.0, 0.0]])) + 0.0
    array([[0., 1.],
           [1., 0.]])
    """
    x = as_inputs(inputs)
    q, r = np.linalg.qr(x[:, ::-1])
    if r.shape[0] < r.shape[1] or np.any(np.abs(np.diagonal(r)) <= 1e-12 * np.abs(r).max(initial=0.0)):
        raise ValueError("the columns of inputs are linearly dependent")
    return np.ascontiguousarray((q * np.diagonal(r))[:, ::-1])


def optq_covariance(inputs: ArrayLike, operator: Operator, form: str = "range") -> np.ndarray:
    r"""Covariance of the Gaussian that dominates OPTQ's error with an unbiased operator: s^2 sum_t g_t g_t'.

    X (w - q) = sum_t eps_t g_t with orthogonal g_t (`gram_schmidt_reversed`), eps_t mean zero given the past.

    Parameters
    ----------
    inputs : (samples, N) array_like
        Linearly independent columns, in the order of compression.
    operator : Operator
        Unbiased.
    form : {"range", "paper"}

    Returns
    -------
    (samples, samples) ndarray

    References
    ----------
    Derived here; the matrix form of OPTQ is Babai's nearest-plane algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import StochasticRounding
    >>> optq_covariance(np.eye(2), StochasticRounding(1.0)).round(4)
    array([[0.3927, 0.    ],
           [0.    , 0.3927]])
    """
    g = gram_schmidt_reversed(inputs)
    return noise_variance(operator, form) * (g @ g.T)
