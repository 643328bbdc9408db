"""Second moments of the path-following error: an exact bound, and laws for Gaussian inputs.

For a fixed error variance the squared error is a function of the inputs alone; it saturates as columns are
added, which is where feedback beats rounding each weight by itself.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import plain, reals
from theory.operators import Operator
from theory.path_following.bounds import check_scale, error_map, feedback, two_less_reciprocal
from theory.path_following.nearest_plane import optq_pivots


def second_moment(inputs: ArrayLike, scale: float, variance: float) -> float:
    r"""E |u_N|^2 = var |A|_F^2 for errors of equal variance, A the `error_map`.

    With var = L^2/4 it is an upper bound for every unbiased operator (martingale differences are
    uncorrelated; Popoviciu). For weights uniform over whole grid cells of width d it is an equality,
    whatever the inputs, with var = d^2/6 for stochastic and d^2/12 for nearest rounding: w_t is independent
    of the correction it receives, so v_t modulo d is uniform given the past, and the error has mean zero and
    that variance given the past.

    Parameters
    ----------
    inputs : (samples, N) array_like
    scale : float
        C > 1/2.
    variance : float

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> round(second_moment(np.eye(3), 1.0, 1 / 6), 6)
    0.5
    """
    if not (math.isfinite(variance) and variance >= 0):
        raise ValueError(f"variance must be finite and not negative, got {variance}")
    return variance * float(np.sum(error_map(inputs, scale) ** 2))


def saturation_law(columns: ArrayLike, samples: ArrayLike, scale: ArrayLike, variance: ArrayLike) -> Any:
    r"""Expected squared error for iid standard Gaussian inputs; it saturates as columns are added.

    E |u_N|^2 = var m^2 C^2/(2C-1) (1 - (1 - (2C-1)/(C^2 m))^N)

    the mean of `second_moment` over the inputs: E|P_t u|^2 = |u|^2 (1 - (2C-1)/(C^2 m)), and each column
    adds var m. Exact for weights uniform over whole grid cells. Per output coordinate the error grows like N
    while N << m and stops at var m C^2/(2C-1).

    Parameters
    ----------
    columns, samples : array_like of int
        N and m.
    scale : array_like of float
        C > 1/2.
    variance : array_like of float
        Of one error: d^2/6 for stochastic and d^2/12 for nearest rounding of spread weights.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> round(saturation_law(1, 10, 1.0, 1 / 6), 6), round(saturation_law(10_000, 10, 1.0, 1 / 6), 4)
    (1.666667, 16.6667)
    """
    check_scale(scale)
    n, m, c = reals("columns", columns), reals("samples", samples), reals("scale", scale)
    var = reals("variance", variance)
    if not np.all((n >= 0) & (m >= 1)):
        raise ValueError(f"columns must be >= 0 and samples >= 1, got {columns} and {samples}")
    if not np.all(np.isfinite(var) & (var >= 0)):
        raise ValueError(f"variance must be finite and not negative, got {variance}")
    contraction = two_less_reciprocal(c) / c / m  # no square of C, which may overflow
    tiny = contraction < 1e-300  # then nothing contracts within any number of columns
    safe = np.where(tiny, 1.0, contraction)
    with np.errstate(divide="ignore", invalid="ignore"):  # m = 1, C = 1: nothing survives one projection
        sums = np.where(tiny, n, -np.expm1(n * np.log1p(-safe)) / safe)
    return plain(np.where(n == 0, 0.0, var * m * sums))


def direct_error(columns: ArrayLike, samples: ArrayLike, step: ArrayLike, stochastic: bool = False) -> Any:
    r"""Expected squared error of rounding without feedback for the same inputs: m N d^2/12, or m N d^2/6.

    Examples
    --------
    >>> direct_error(12, 10, 1.0)
    10.0
    """
    d = reals("step", step)  # its square alone could leave double precision
    error = (reals("columns", columns) * d) * (reals("samples", samples) * d) / (6 if stochastic else 12)
    return plain(error)


def break_even_ratio(scale: float) -> float:
    r"""N/m beyond which stochastic path following beats round-to-nearest, for iid Gaussian inputs and m
    large.

    2 (C^2/(2C-1)) (1 - e^{-r (2C-1)/C^2}) = r.

    Parameters
    ----------
    scale : float
        C > 1/2.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(break_even_ratio(c), 2) for c in (1.0, 2.0, 4.0)]
    [1.59, 2.12, 3.64]
    """
    from scipy.special import lambertw

    check_scale(scale)
    # 2 (1 - e^{-y}) = y with y = r (2C-1)/C^2: y = 2 + W(-2 e^{-2}) on the principal branch, the same for
    # every C.
    y = 2 + lambertw(-2 * math.exp(-2)).real
    return float(y * scale / two_less_reciprocal(scale))


def layer_error_bound(
    gram: ArrayLike,
    operator: Operator,
    method: str = "path-following",
    scale: float = 1.0,
    damping: float = 0.0,
) -> float:
    r"""Bound on the squared output error |X (w - q)|^2 of one neuron, from X'X alone.

    With the error X (w - q) = B eps, |eps_t| <= M and, for unbiased operators, eps_t in an interval of
    length L:

    - unbiased: E |B eps|^2 <= (L^2/4) |B|_F^2 (on average over the operator's choices);
    - deterministic: |B eps|^2 <= N M^2 |B|_op^2 (always); M^2 |B|_F^2 for OPTQ, whose columns are orthogonal.

    B = X M^{-1} for path following, X for "direct", the reversed Gram-Schmidt vectors for "optq" (of the
    damped problem, which only adds to the error). Valid as long as v stays inside the operator's limits.

    Parameters
    ----------
    gram : (N, N) array_like
        X'X in the order of compression.
    operator : Operator
    method : {"path-following", "optq", "direct"}
    scale : float
        C > 1/2.
    damping : float
        As in `sims.path_following.compress`.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import NearestRounding, StochasticRounding
    >>> [layer_error_bound(np.eye(3), T(1.0), m) for m in ("direct", "optq") for T in (NearestRounding,)]
    [0.75, 0.75]
    >>> layer_error_bound(np.eye(3), StochasticRounding(1.0))
    0.75
    """
    from scipy.linalg import eigvalsh, solve_triangular

    g = np.asarray(gram, np.float64)
    if g.ndim != 2 or g.shape[0] != g.shape[1] or g.size == 0 or not np.all(np.isfinite(g)):
        raise ValueError(f"gram must be a square matrix of finite numbers, got shape {g.shape}")
    if method == "optq" and not np.any(np.diagonal(g)):
        trace = largest = 0.0  # inputs that are all zero have no error
    elif method == "optq":
        shifted = g + damping * np.mean(np.diagonal(g)) * np.eye(len(g))
        squares = optq_pivots(shifted)
        trace, largest = float(squares.sum()), float(squares.max())
    elif method in ("path-following", "direct"):
        if method == "path-following":
            h = feedback(g, scale)
            inverse = solve_triangular(h, np.eye(len(g)), lower=True, unit_diagonal=True)
            g = inverse.T @ g @ inverse
        trace = float(np.trace(g))
        largest = float(eigvalsh(g, subset_by_index=[len(g) - 1, len(g) - 1])[0])
    else:
        raise ValueError(f"method must be 'path-following', 'optq' or 'direct', got {method!r}")
    if operator.unbiased:
        length = float(operator.interval_length)  # its square alone could leave double precision
        return length * (length * trace) / 4
    factor = trace if method == "optq" else len(g) * largest
    return float(operator.max_error) * (float(operator.max_error) * factor)
