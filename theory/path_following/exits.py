"""Will the sequence v_t leave the alphabet? Bounds on saturation, and the scale C that prevents it."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import plain, reals
from theory.convex_order import exceedance_bound
from theory.operators import Operator
from theory.path_following.bounds import (
    as_inputs,
    column_norms,
    column_units,
    feedback,
    noise_std,
)


def correction_stds(inputs: ArrayLike, scale: float, operator: Operator, form: str = "range") -> np.ndarray:
    r"""Standard deviations of the Gaussians that dominate the corrections v_t - w_t, one per column.

    v - w = (I - M^{-1}) eps, so v_t - w_t <=_cx N(0, s^2 sum_{j<t} (M^{-1})_{tj}^2): 0 only where the
    correction is, however small.

    Parameters
    ----------
    inputs : (samples, N) array_like
    scale, operator, form
        As in `error_variance`

    Returns
    -------
    (N,) ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import OneBit
    >>> correction_stds(np.ones((1, 3)), 2.0, OneBit(1.0)).round(4)      # s/2 and s sqrt(1/4 + 1/16)
    array([0.    , 0.6267, 0.7006])
    """
    from scipy.linalg import solve_triangular

    x, exponents = column_units(as_inputs(inputs))
    h = feedback(x.T @ x, scale)
    inverse = solve_triangular(h, np.eye(len(h)), lower=True, unit_diagonal=True)
    with np.errstate(over="ignore"):  # beside columns 1e308 times longer a correction may be anything
        inverse = np.ldexp(inverse, exponents - exponents[:, None])
    # the diagonal goes before squaring: beside its 1 the square of a correction below 1e-8 would vanish
    return noise_std(operator, form) * column_norms(np.tril(inverse, -1).T)


def exit_bound(
    weights: ArrayLike, inputs: ArrayLike, scale: float, operator: Operator, form: str = "range"
) -> np.ndarray:
    r"""Bound on the probability that v ever leaves the operator's limits (saturation, or a one-bit range).

    P(exit) <= sum_t [ a((high - w_t)/s_t) + a((w_t - low)/s_t) ],

    s_t the `correction_stds` and a(.) the sharp tail of the Gaussian domination. Until the first exit the
    sequence equals that of an operator that makes no error beyond the limits, which the theorem covers.

    Parameters
    ----------
    weights : (fan_out, N) or (N,) array_like
    inputs : (samples, N) array_like
    scale, operator, form
        As in `error_variance`; the operator must have finite limits to be able to exit.

    Returns
    -------
    (fan_out,) ndarray
        At most 1; exactly 1 for a neuron with a weight outside the limits.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import OneBit
    >>> bool(exit_bound([[0.1, 0.1]], np.ones((4, 2)), 40.0, OneBit(1.0))[0] < 1e-10)
    True
    """
    w = np.atleast_2d(np.asarray(weights, np.float64))
    low, high = (float(limit) for limit in operator.limits)
    stds = correction_stds(inputs, scale, operator, form)
    if w.shape[1] != len(stds):
        raise ValueError(f"weights have fan_in {w.shape[1]} but the inputs have {len(stds)} columns")
    total = np.zeros(len(w))
    for room in (high - w, w - low):
        # A weight on the end itself, never corrected, does not exit.
        tails = np.where((room == 0) & (stds == 0), 0.0, exceedance_bound(stds, room))
        total += tails.sum(axis=1)
    return np.minimum(total, 1.0)


def sufficient_scale(
    max_weight: ArrayLike,
    columns: ArrayLike,
    failure: ArrayLike,
    operator: Operator,
    norm_ratio: ArrayLike = 1.0,
) -> Any:
    r"""Scale C that keeps every v inside the limits with probability at least 1 - e.

    2C - 1 = (\pi L^2/4) k^2 log(2N/e) / (A - |w|_inf)^2,  A = min(|low|, high);

    for one bit (L = 2A): 2C - 1 = \pi k^2 log(2N/e) / (1 - |w|_inf/A)^2.

    *Proof.* By `error_variance`, v_t - w_t = <X_t, u_{t-1}>/(C |X_t|^2) is dominated by N(0, s^2 k^2/(2C-1))
    with s^2 = \pi L^2/8 and k = max_t max_{j<=t} |X_j|/|X_t|; Chernoff's bound at A - |w|_inf, two tails, N
    columns.

    Parameters
    ----------
    max_weight : array_like of float
        |w|_inf, below the nearer end A of the limits.
    columns : array_like of int
        N.
    failure : array_like of float
        e in (0, 1).
    operator : Operator
        With finite limits.
    norm_ratio : array_like of float
        k >= 1.

    Returns
    -------
    float or ndarray
        Always greater than 1/2, rounded up.

    Raises
    ------
    ValueError
        If a weight does not lie inside the limits, the limits are infinite, or e or k is out of range.

    References
    ----------
    Zhang & Saab 2025, the one-bit corollary of Theorem 4.2, with the range form of the variance (derived
    here).

    Examples
    --------
    >>> from theory.operators import OneBit
    >>> round(sufficient_scale(0.5, 64, 0.01, OneBit(1.0)), 2)
    59.92
    """
    low, high = (float(limit) for limit in operator.limits)
    end = min(-low, high)
    if not math.isfinite(end):
        raise ValueError(f"{type(operator).__name__} has no limits to leave: every scale C > 1/2 does")
    weight, n = reals("max_weight", max_weight), reals("columns", columns)
    e, k = reals("failure", failure), reals("norm_ratio", norm_ratio)
    if not np.all((weight >= 0) & (weight < end)):
        raise ValueError(f"max_weight must lie in [0, {end:g}), inside the limits, got {max_weight}")
    if not np.all((e > 0) & (e < 1)):
        raise ValueError(f"failure must lie strictly between 0 and 1, got {failure}")
    if not np.all((k >= 1) & (n >= 1)):
        raise ValueError(f"norm_ratio and columns must be at least 1, got {norm_ratio} and {columns}")
    noise_std(operator)  # refuses a biased operator
    length = float(operator.interval_length)  # its square alone could leave double precision
    excess = math.pi / 4 * (math.log(2) + np.log(n) - np.log(e)) * (k * (length / (end - weight))) ** 2
    # rounded up: a larger C only helps, and C = 1/2 itself is no scale
    return plain(np.nextafter(0.5 * (1 + excess * (1 + 2e-15)), np.inf))


def norm_ratio(inputs: ArrayLike) -> float:
    """k = max_t max_{j<=t} |X_j| / |X_t| over the columns that are not zero.

    Examples
    --------
    >>> norm_ratio([[2.0, 1.0, 0.0, 4.0]])
    2.0
    """
    norms = column_norms(as_inputs(inputs))
    norms = norms[norms > 0]
    return float(np.max(np.maximum.accumulate(norms) / norms)) if len(norms) else 1.0
