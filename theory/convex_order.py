"""Convex domination by Gaussians: which Gaussian dominates a bounded error, and what that says of tails.

X <=_cx Z means E f(X) <= E f(Z) for every convex f. It bounds every stop-loss function E (X - k)_+, every
convex moment and, through them, the tails; it does *not* say that quantiles are ordered.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from theory.arguments import choice, plain, reals

_FORMS = ("superquantile", "superquantile-max", "chernoff", "paper")
_NORMS = ("sup", "euclidean")


def gaussian_variance(interval_length: ArrayLike) -> Any:
    r"""Variance of the Gaussian that dominates every mean-zero law on an interval of a given length.

    s^2 = \pi L^2 / 8.

    If E X = 0 and X lies in some interval of length L, then X <=_cx N(0, \pi L^2/8); the constant is sharp.

    *Proof.* On [a, a + L] a convex f lies below its chord, so the two-point mean-zero law on {a, a + L}
    dominates X. Let that law put p on b = (1-p) L. Its stop-loss function E(X-k)_+ = p (b - k) is linear
    between the atoms, that of sZ is convex with slope -P(sZ > k); the line lies below the curve if it does
    where the slopes agree, k = s z_p with P(Z > z_p) = p: there E(sZ-k)_+ = s phi(z_p) - k p. Hence
    domination holds iff s I(p) >= L p (1-p) with I = phi(Phi^-1(p)) (below the atoms E(X-k)_+ = -k, above
    them 0: both immediate). F(p) = I(p) - 4 I(1/2) p (1-p) has F(0) = F(1/2) = F'(1/2) = 0 and F'' = 8
    I(1/2) - 1/I, positive at 1/2 and decreasing away from it: on each side F is first convex, starting at 0
    with slope 0, then concave, ending at 0, so F >= 0. The constant is therefore s = L/(4 I(1/2)) =
    L sqrt(\pi/8), and p = 1/2 attains it.

    Parameters
    ----------
    interval_length : array_like of float
        L >= 0. For an error bounded by M in absolute value use L = 2M: that is the paper's \pi M^2/2. The
        errors of two-point operators have L equal to the grid step, hence four times less variance.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError
        If L is negative or not finite.

    Notes
    -----
    For second moments alone L^2/4 suffices (Popoviciu's inequality). `theory.derivations.convex_order` holds
    the derivatives of F in sympy and certifies F >= 0 in ball arithmetic.

    References
    ----------
    Zhang & Saab 2025 (arXiv 2412.18184), the lemma on bounded mean-zero variables before Theorem 4.2, states
    N(0, \pi M^2/2); the range form is derived here.

    Examples
    --------
    >>> round(gaussian_variance(1.0), 6)
    0.392699
    """
    length = np.asarray(interval_length, dtype=np.float64)
    if not np.all(np.isfinite(length) & (length >= 0)):
        raise ValueError(f"interval_length must be finite and not negative, got {interval_length}")
    variance = math.pi * length**2 / 8
    return plain(variance)


def stop_loss(std: ArrayLike, retention: ArrayLike) -> Any:
    r"""Gaussian stop-loss function E (s Z - k)_+ = s phi(k/s) - k P(Z > k/s).

    Parameters
    ----------
    std : array_like of float
        s >= 0; with s = 0 the value is max(-k, 0).
    retention : array_like of float
        k.

    Returns
    -------
    float or ndarray
        Relative error about 1e-16 (1 + (k/s)^2).

    Examples
    --------
    >>> round(stop_loss(1.0, 0.0), 6), round(stop_loss(2.0, 1.0), 6), stop_loss(0.0, -3.0)
    (0.398942, 0.395593, 3.0)
    """
    s, k = np.broadcast_arrays(np.asarray(std, np.float64), np.asarray(retention, np.float64))
    if not np.all((s >= 0) & np.isfinite(s)):
        raise ValueError(f"std must be finite and not negative, got {std}")
    with np.errstate(over="ignore"):
        z = np.divide(k, s, out=np.full(k.shape, np.inf), where=s > 0)
    z = np.where(s > 0, np.clip(z, -1e100, 1e100), np.copysign(1e100, k))  # squares stay finite
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    # E(Z - |z|)_+ = phi(z) (1 - |z| P(Z > |z|)/phi(z)), the ratio from erfcx; below the mean, -z more
    above = density * np.maximum(1 - np.abs(z) / _inverse_mills(np.abs(z)), 0.0)
    return plain(s * above + np.maximum(-k, 0.0))


def stop_loss_slack(points: ArrayLike, probabilities: ArrayLike, std: float) -> float:
    r"""Least room under the Gaussian stop-loss function: min of E (sZ - k)_+ - E (X - k)_+ over k.

    For k from the least to the greatest atom: beyond them the room is positive and tends to 0.
    Not negative exactly when X <=_cx N(0, s^2), for a mean-zero X on finitely many points. Between two atoms
    the stop-loss function of X is linear with slope -P(X > k), so the minimum over k is found where the
    Gaussian has that slope, or at an atom: no grid of k is involved.

    Parameters
    ----------
    points, probabilities : (n,) array_like
        A law with mean zero.
    std : float
        s > 0.

    Returns
    -------
    float

    Examples
    --------
    >>> s = math.sqrt(gaussian_variance(2.0))
    >>> abs(stop_loss_slack([-1.0, 1.0], [0.5, 0.5], s)) < 1e-15        # sharp
    True
    >>> stop_loss_slack([-1.0, 1.0], [0.5, 0.5], 0.99 * s) < 0
    True
    """
    if not 0 < std < math.inf:
        raise ValueError(f"std must be positive and finite, got {std}")
    x, p = np.asarray(points, np.float64), np.asarray(probabilities, np.float64)
    if x.ndim != 1 or x.shape != p.shape or not x.size:
        raise ValueError(f"points and probabilities must be lists as long as each other, got {points}")
    order = np.argsort(x)
    x, p = x[order], p[order]
    above = np.cumsum(p[::-1])[::-1]  # P(X >= x_i)
    touching = -std * special.ndtri(np.clip(above[1:], 1e-300, 1 - 1e-16))
    candidates = np.concatenate([x, np.clip(touching, x[:-1], x[1:])])
    # E (X - k)_+ = E[X; X >= k] - k P(X >= k), evaluated from the atoms at or above k
    first_moment = np.cumsum((p * x)[::-1])[::-1]
    index = np.searchsorted(x, candidates, side="left")
    loss = first_moment[index] - candidates * above[index]
    return float(np.min(stop_loss(std, candidates) - loss))


def _check_tail(std: ArrayLike, level: ArrayLike, dimension: ArrayLike, form: str, norm: str) -> None:
    choice("form", form, _FORMS)
    if choice("norm", norm, _NORMS) == "euclidean" and form == "superquantile-max":
        raise ValueError("form='superquantile-max' belongs to the sup norm; use 'superquantile'")
    if not np.all(np.isfinite(std) & (np.asarray(std) >= 0)):
        raise ValueError(f"std must be finite and not negative, got {std}")
    if not np.all((np.asarray(level) > 0) & (np.asarray(level) < 1)):
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    if not np.all((np.asarray(dimension) >= 1) & (np.asarray(dimension) == np.floor(dimension))):
        raise ValueError(f"dimension must be a positive integer, got {dimension}")


def tail_bound(
    std: ArrayLike, level: ArrayLike, dimension: ArrayLike = 1, form: str = "superquantile", norm: str = "sup"
) -> Any:
    r"""Radius r with P(|u| >= r) <= g for every u <=_cx N(0, s^2 I_m).

    Sup norm, m coordinates:

    - superquantile:     r = s phi(z)/a, a = g/(2m), z = Phi^{-1}(1-a);
    - superquantile-max: r = s E[Y | Y > q], Y = max_i |Z_i|, P(Y > q) = g, Z standard Gaussian in R^m;
    - chernoff:          r = s sqrt(2 log(2m/g));
    - paper:             r = 2 s sqrt(log(sqrt(2) m/g)).

    Euclidean norm, m dimensions (chi_m the norm of a standard Gaussian vector):

    - superquantile:     r = s E[chi_m | chi_m > q], P(chi_m > q) = g;
    - chernoff:          r = s sqrt(m + 2 sqrt(m log(1/g)) + 2 log(1/g));
    - paper:             r = 2 s sqrt(log(2^{m/2}/g)).

    *Proofs.* Superquantile: for k < r Markov gives P(X >= r) <= E(X-k)_+/(r-k) <= E(Z-k)_+/(r-k); with k the
    (1-a)-quantile of Z the right side is a exactly when r = E[Z | Z > k]. It is sharp in one dimension: the
    conditional expectation of Z given {Z > k} is dominated by Z and reaches r with probability a, and the
    same at -r. One coordinate has two tails, m coordinates 2m; this union asks only that every coordinate
    alone is dominated, and for m > 1 it is not sharp. Norms are convex, so (|u| - k)_+ is too, and the same
    argument bounds |u| by the superquantile of the Gaussian's norm: "superquantile-max" for the sup norm,
    never above the union, as (Y-k)_+ <= sum_i (Z_i-k)_+ + (-Z_i-k)_+, and equal to it for m = 1.
    Both norms' superquantiles are sharp in every dimension: E[Z | cell] is dominated by Z, and with the 2m
    cells {Y > q, Y = +-Z_i} (for the Euclidean norm, the rays beyond q) it has norm r with probability g.
    "superquantile-max" holds for u <=_cx N(0, S) with any S of variances at most s^2: by Sidak's inequality
    P(max |Z_i| <= x) is at least the product of the P(|Z_i| <= x), so independence is the worst case.
    Chernoff: exp is convex; for |u|^2 the chi-square moment generating function is inverted as by Laurent &
    Massart. Paper: E exp(u^2/4s^2) <= sqrt(2) per coordinate, 2^{m/2} for the squared norm.

    Parameters
    ----------
    std : array_like of float
        s >= 0.
    level : array_like of float
        Failure level g in (0, 1).
    dimension : array_like of int
        m >= 1.
    form : {"superquantile", "superquantile-max", "chernoff", "paper"}
    norm : {"sup", "euclidean"}

    Returns
    -------
    float or ndarray
        Relative error below 1e-13; "superquantile-max" and the Euclidean superquantile are quadratures.

    Raises
    ------
    ValueError
        For a negative std, a level outside (0, 1), a dimension below 1 or an unknown form or norm.

    References
    ----------
    The paper form of the sup norm is that of Zhang & Saab 2025 after Theorem 4.2; the others are derived
    here. Sidak, J. Amer. Statist. Assoc. 62:626, 1967.

    Examples
    --------
    >>> [round(tail_bound(1.0, 0.01, 1024, form), 3) for form in ("paper", "chernoff", "superquantile")]
    [6.894, 4.946, 4.63]
    >>> [round(tail_bound(1.0, 0.5, 2, form), 3) for form in ("superquantile", "superquantile-max")]
    [1.647, 1.607]
    """
    s, g, m = reals("std", std), reals("level", level), reals("dimension", dimension)
    _check_tail(s, g, m, form, norm)
    if norm == "sup":
        if form == "paper":
            factor = 2 * np.sqrt(math.log(2) / 2 + np.log(m) - np.log(g))
        elif form == "chernoff":
            factor = np.sqrt(2 * (math.log(2) + np.log(m) - np.log(g)))
        elif form == "superquantile-max":
            factor = np.vectorize(_largest_superquantile, otypes=[float])(g, m)
        else:
            factor = _inverse_mills(-special.ndtri_exp(np.log(g) - np.log(2 * m)))
    elif form == "paper":
        factor = 2 * np.sqrt(0.5 * m * math.log(2) - np.log(g))
    elif form == "chernoff":
        factor = np.sqrt(m + 2 * np.sqrt(-m * np.log(g)) - 2 * np.log(g))
    else:
        factor = np.vectorize(_chi_superquantile, otypes=[float])(g, m)
    return plain(s * factor)


def _inverse_mills(z: np.ndarray) -> np.ndarray:
    """H(z) = phi(z)/P(Z > z) = E[Z | Z > z]; neither underflows in this form."""
    return math.sqrt(2 / math.pi) / special.erfcx(z / math.sqrt(2))


def _panels(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [low, high]."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = (high - low) / (2 * count)
    centres = low + half * (2 * np.arange(count) + 1)
    return (centres[:, None] + half * nodes).ravel(), np.tile(half * weights, count)


def _largest_superquantile(level: float, dimension: float) -> float:
    """E[Y | Y > q] = q + (1/g) int_q^inf P(Y > x) dx for Y the largest of m magnitudes, P(Y > q) = g.

    q + E(Y-q)_+/g is least at that q, so an error of q enters at second order and never lowers the bound.
    """
    # P(|Z| > q) = 1 - (1 - g)^(1/m), its logarithm
    log_none = math.log1p(-level)
    if -log_none < 1e-17 * dimension:  # 1 - e^-x is x, which may be no double
        log_single = math.log(-log_none) - math.log(dimension)
    else:
        log_single = math.log(-math.expm1(log_none / dimension))
    q = -float(special.ndtri_exp(log_single - math.log(2)))
    end = -float(special.ndtri_exp(math.log(level) - math.log(2 * dimension) - 46))  # e^-46 of it beyond
    x, weight = _panels(q, end, 48)
    # P(Y > x)/g, with the single tail relative to the level: it may lie below 1e-308
    log_tail = math.log(2) + special.log_ndtr(-x)
    exponent = dimension * np.log1p(-np.exp(log_tail))
    small = log_tail < -30  # there P(Y > x) = m P(|Z| > x) to 1e-13 of 1 where m P(|Z| > x) is small, too
    ratio = np.where(
        small & (exponent > -1e-14),
        np.exp(log_tail + math.log(dimension) - math.log(level)),
        -np.expm1(exponent) / level,
    )
    return q + float(weight @ ratio)


def _chi_superquantile(level: float, dimension: float) -> float:
    """E[chi_m | chi_m > q], P(chi_m > q) = g."""
    m = dimension
    # A ratio of incomplete gamma functions loses digits with the dimension and with small levels: integrate
    # the density beyond q relative to that at q, v = x - q.
    q = math.sqrt(2 * float(special.gammainccinv(m / 2, level)))
    if q > 1e16:  # what lies beyond is less than 1 further in the mean
        return q
    mode = math.sqrt(m - 1)
    decay = max(q - (m - 1) / q, 0.0)
    span = max(mode - q, 0.0) + min(12.0, 40.0 / decay if decay else math.inf)
    v, weight = _panels(0.0, span, 24)
    ratio = weight * np.exp((m - 1) * np.log1p(v / q) - q * v - 0.5 * v * v)
    return q + float(ratio @ v / ratio.sum())


def exceedance_bound(std: ArrayLike, radius: ArrayLike) -> Any:
    r"""Sharp bound on P(X >= r) for X <=_cx N(0, s^2): the a with s phi(z_a)/a = r, 1 where r <= 0.

    The inverse of the one-sided superquantile tail: inf over k < r of E(sZ-k)_+/(r-k).

    Parameters
    ----------
    std : array_like of float
        s >= 0 (with s = 0 the bound is 0 for r > 0; infinite, it is 1).
    radius : array_like of float
        r.

    Returns
    -------
    float or ndarray
        Underflows to 0 beyond 38.6 standard deviations.

    Examples
    --------
    >>> round(exceedance_bound(1.0, tail_bound(1.0, 0.02)), 6)
    0.01
    """
    s, r = np.broadcast_arrays(np.asarray(std, np.float64), np.asarray(radius, np.float64))
    if not np.all(s >= 0):
        raise ValueError(f"std must not be negative, got {std}")
    with np.errstate(over="ignore", invalid="ignore"):
        target = np.divide(r, s, out=np.full(r.shape, np.inf), where=s > 0)
    inside = (target > 0) & np.isfinite(target)
    y = np.where(inside, target, 1.0)
    # Newton on the inverse Mills ratio h(z) = phi(z)/P(Z > z), h' = h (h - z) < 1; h is convex and increasing
    # with h(z) > z, so the start z = y lies to the right of the root and the iteration descends to it.
    z = y.copy()
    for _ in range(60):
        mills = _inverse_mills(z)
        # far out h - z = 1/z loses its digits, and h' is 1 - 1/z^2
        slope = np.where(z < 100, np.minimum(mills, 200) * (mills - z), 1.0)
        step = (mills - y) / np.maximum(slope, 1e-300)
        z = z - step
        if np.all(np.abs(step) <= 1e-13 * (1 + np.abs(z))):
            break
    tail = np.where(z < 37, special.ndtr(-z), np.exp(special.log_ndtr(-z)))  # ndtr gives up early
    # beyond every double on the one side, and a radius of no size at all on the other (an infinite s, too)
    return plain(np.where(inside, tail, np.where((r > 0) & (target == np.inf), 0.0, 1.0)))


def euclidean_tail_bound(covariance: ArrayLike, level: float) -> float:
    r"""Radius r with P(|u|_2 >= r) <= g for u <=_cx N(0, S) with a general covariance.

    r^2 = tr S + 2 |S|_F sqrt(x) + 2 |S|_op x,  x = log(1/g).

    Parameters
    ----------
    covariance : (m, m) array_like or (m,) array_like
        S, or its eigenvalues.
    level : float
        Failure level g in (0, 1).

    Returns
    -------
    float

    References
    ----------
    Laurent & Massart 2000, Lemma 1, whose moment generating function argument needs only convex domination.

    Examples
    --------
    >>> import numpy as np
    >>> round(euclidean_tail_bound(np.eye(4), 0.01), 4) == round(
    ...     tail_bound(1.0, 0.01, 4, "chernoff", norm="euclidean"), 4)
    True
    """
    _check_tail(1.0, level, 1, "chernoff", "euclidean")
    matrix = np.asarray(covariance, np.float64)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not np.all(np.isfinite(matrix)) or not (square or matrix.ndim == 1):
        raise ValueError("covariance must be a square matrix of finite numbers, or its eigenvalues")
    values = matrix if matrix.ndim == 1 else np.linalg.eigvalsh(matrix)
    values = np.maximum(values, 0.0)
    largest = float(values.max(initial=0.0))
    if largest == 0:
        return 0.0
    x = -math.log(level)
    values = values / largest  # their squares may leave double precision
    square = values.sum() + 2 * math.sqrt(x) * np.linalg.norm(values) + 2 * x
    return math.sqrt(largest) * math.sqrt(square)
