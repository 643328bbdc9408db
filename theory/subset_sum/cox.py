r"""Limit laws of quantized random subset sum: the Cox law and what follows from it.

Given the samples, the number of solutions Z_t is close to a Poisson variable. Its mean depends on the samples
mainly through Lambda = sum X_i, because by [KN] Lemma 2 a subset sums to t exactly when a signing of the
samples sums to 2t - Lambda; with Lambda/sqrt(n s2) close to a standard normal G,

    E[Z_t | G] = mu exp(-(G - d)^2/2),   mu = 2^(n+1)/sqrt(2 pi n s2),   d = 2t/sqrt(n s2),   s2 = E X^2.

A Poisson variable with a random mean is a Cox variable, hence the name. These are laws for the window, not
bounds: `theory.subset_sum.hit_probability_bounds` is rigorous.
"""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import plain, reals, whole
from theory.integer_sums import Law, as_float, check_arguments, exact_variance, largest, log_fraction

EULER_GAMMA = 0.5772156649015329
_MOST_TARGETS = 10**7  # each costs 801 nodes or more
_MOST_NODES = 2**20  # enough for log mu = 6e6
_CELLS = 2048 * 801  # targets by nodes at a time: 13 MB


def _log_mean(n: int, max_value: int, law: Law, delta: int) -> float:
    """Logarithm of :func:`cox_mean`: 2^n and M may exceed every double where their ratio is of order one."""
    n, max_value, _ = check_arguments(n, max_value, None, law)
    delta = whole("delta", delta, 0, any_size=True)
    if n == 0:
        raise ValueError("n must be an integer >= 1 for the Cox law, got 0")
    log_mean = (n + 1) * math.log(2.0) - 0.5 * (
        math.log(2 * math.pi * n) + log_fraction(exact_variance(max_value, law))
    )
    return log_mean + math.log(2 * delta + 1)


def _gaussian_nodes(log_mu: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of E_G, at least that many, for integrands in exp(log_mu - (G - d)^2/2).

    Failures come from |G - d| about u = sqrt(2 log_mu): reach past it, and past |G| = 10 on both sides; no
    density is left beyond 39. There the integrand falls within 1/u, and grows from |Im G| = pi/(2 u) on: a
    step h leaves e^(-pi^2/(h u)).
    """
    turn = math.sqrt(2.0 * max(log_mu, 0.0))
    reach = min(10.0 + turn, 39.0)
    g = np.linspace(-reach, reach, min(max(least, math.ceil(2.0 * reach * turn / 0.3)), _MOST_NODES))
    return g, np.exp(-0.5 * g * g) * (g[1] - g[0]) / math.sqrt(2.0 * math.pi)


def _miss(log_mu: float, d: ArrayLike) -> np.ndarray | float:
    """:func:`cox_miss`, of means that exceed every double too."""
    d = np.asarray(d, dtype=np.float64)
    g, weight = _gaussian_nodes(log_mu, 2001)
    value = np.empty(d.size)
    for part in np.array_split(np.arange(d.size), max(d.size * g.size // _CELLS, 1)):
        apart = g - np.minimum(np.abs(d.ravel()[part, None]), 1e100)  # its square stays finite
        with np.errstate(over="ignore"):
            value[part] = np.exp(-np.exp(log_mu - 0.5 * apart**2)) @ weight
    return plain(np.minimum(value, 1.0).reshape(d.shape))


def cox_mean(n: int, max_value: int, law: Law = "nonzero", delta: int = 0) -> float:
    r"""Mean number of solutions at the most favourable Lambda, the mu of the Cox law.

    .. math:: \mu = (2\Delta + 1)\,\frac{2^{n+1}}{\sqrt{2\pi n s_2}}

    Parameters
    ----------
    n, max_value, law
        Samples, M, sampling law.
    delta
        Sums within delta of the target count as hits.

    Examples
    --------
    >>> round(cox_mean(16, 8191), 3)
    2.764
    """
    log_mean = _log_mean(n, max_value, law, delta)
    return math.exp(log_mean) if log_mean < 709.0 else math.inf


def scaled_target(n: int, max_value: int, target: ArrayLike, law: Law = "nonzero") -> np.ndarray | float:
    r"""Target in standard deviations of Lambda, doubled: d = 2 t/sqrt(n s2).

    Examples
    --------
    >>> round(scaled_target(16, 8191, 8191), 4)
    0.8659
    """
    n, max_value, _ = check_arguments(n, max_value, None, law)
    target = np.asarray(target)
    if target.dtype == object:  # integers beyond 64 bits, in units of the largest sample
        unit = largest(max_value, law)
        target = np.array([as_float(Fraction(int(t), unit)) for t in target.ravel()]).reshape(target.shape)
        variance = exact_variance(max_value, law) / unit**2
    else:
        target, variance = reals("target", target), exact_variance(max_value, law)
    return plain(2.0 * target * math.exp(-0.5 * (math.log(n) + log_fraction(variance))))


def cox_miss(mu: float, d: ArrayLike) -> np.ndarray | float:
    r"""The Cox law as a function of its two parameters.

    .. math:: P(\text{miss}) \approx E_G\, e^{-\mu\, e^{-(G-d)^2/2}}, \qquad G \sim N(0, 1)

    Parameters
    ----------
    mu
        Mean number of solutions at the best Lambda, >= 0.
    d
        Scaled target, scalar or array.

    Returns
    -------
    Miss probability, by the trapezoidal rule (which converges geometrically for analytic integrands),
    relative error below 1e-9 for every mu.

    Examples
    --------
    >>> round(cox_miss(2.764, 0.0), 4), cox_miss(0.0, 1.0)
    (0.1993, 1.0)
    """
    if not mu >= 0.0:
        raise ValueError(f"mu must be >= 0, got {mu}")
    if mu == 0.0 or mu == math.inf:
        return plain(np.full_like(np.asarray(d, dtype=np.float64), float(mu == 0.0)))
    return _miss(math.log(mu), d)


def cox_miss_probability(
    n: int, max_value: int, target: ArrayLike, law: Law = "nonzero", delta: int = 0
) -> np.ndarray | float:
    r"""Cox law of missing one fixed target: `cox_miss` at `cox_mean` and `scaled_target`.

    Range: within about 1 % of the truth where n - log2 M <= 3 and M >= 1000, 10-30 % at n - log2 M of 7-10,
    wrong by factors beyond; not for "product", whose samples are far from the Gaussian shape the law assumes.
    For M <= 10 its error was measured cell by cell (`theory.subset_sum.errors.miss_error`).
    """
    return _miss(_log_mean(n, max_value, law, delta), scaled_target(n, max_value, target, law))


def cox_tail(mu: float, d: float = 0.0) -> float:
    r"""Asymptotic form of the Cox law for large mu.

    .. math:: \frac{1}{\mu\sqrt{\pi(\ln\mu + \gamma_E)}}\; e^{-d^2/2}
              \cosh\bigl(d\sqrt{2(\ln\mu + \gamma_E)}\bigr)

    At d = 0 the relative error falls like 1/ln^2(mu) (2.1 % at mu = 100, 0.6 % at 10^4); for d > 0 it is
    meant for small d.

    Examples
    --------
    >>> round(cox_tail(1e4) / cox_miss(1e4, 0.0), 3)
    0.994
    """
    if not mu > 1.0:
        raise ValueError(f"mu must exceed 1 for the tail form, got {mu}")
    if mu == math.inf:
        return 0.0
    level = math.log(mu) + EULER_GAMMA
    # e^(-d^2/2) cosh(2 d w), where cosh alone may exceed every double
    w = math.sqrt(0.5 * level)
    shape = 0.5 * (math.exp(-0.5 * d * (d - 4.0 * w)) + math.exp(-0.5 * d * (d + 4.0 * w)))
    return shape / (mu * math.sqrt(math.pi * level))


def moment_ratio_limit(d: float = 0.0) -> float:
    r"""Limit of E[Z^2]/(E Z)^2 as E Z grows: the second moment alone proves no more than its inverse.

    .. math:: \frac{E Z_t^2}{(E Z_t)^2} - \frac{1}{E Z_t} \to \frac{2}{\sqrt 3}\, e^{d^2/6}

    Examples
    --------
    >>> round(1 / moment_ratio_limit(), 4)
    0.866
    """
    return 2.0 / math.sqrt(3.0) * math.exp(d * d / 6.0) if not d * d >= 4200.0 else math.inf


def every_target_miss(
    n: int, max_value: int, law: Law = "nonzero", delta: int = 0, limit: int | None = None
) -> float:
    r"""P(some target in {-limit..limit} is missed by one draw of the samples), by the Cox law.

    .. math:: 1 - E_G \prod_{t} \bigl(1 - e^{-\lambda_t(G)}\bigr), \qquad
              \lambda_t(G) = \mu\, e^{-(G - d_t)^2/2}

    The targets share the samples, hence one G; given G they are taken as independent. Targets within delta of
    0 are solved by the empty set and left out.

    Parameters
    ----------
    n, max_value, law, delta
        As in `cox_miss_probability`.
    limit
        Largest target, M by default.

    Examples
    --------
    >>> p = every_target_miss(20, 127)
    >>> cox_miss_probability(20, 127, 127) < p < 1.0
    True
    """
    n, max_value, _ = check_arguments(n, max_value, None, law)
    delta = whole("delta", delta, 0, any_size=True)
    limit = whole("limit", max_value if limit is None else limit, 0, any_size=True)
    if limit - delta > _MOST_TARGETS:
        raise ValueError(f"limit - delta must be at most {_MOST_TARGETS}, the targets on each side")
    log_mu = _log_mean(n, max_value, law, delta)
    g, weight = _gaussian_nodes(log_mu, 801)
    log_all = np.zeros_like(g)
    targets = np.arange(delta + 1, limit + 1)
    for part in np.array_split(targets, max(len(targets) * g.size // _CELLS, 1)):
        d = scaled_target(n, max_value, part, law)
        for sign in (1.0, -1.0):
            with np.errstate(divide="ignore", over="ignore"):
                mean = np.exp(log_mu - 0.5 * (g[:, None] - sign * np.asarray(d)) ** 2)
                log_all += np.log(-np.expm1(-mean)).sum(axis=1)
    return float(np.clip(-np.expm1(log_all) @ weight, 0.0, 1.0))


def fresh_targets_miss(miss: ArrayLike, count: int | None = None) -> float:
    r"""P(at least one of several targets is missed), each on samples of its own.

    .. math:: 1 - \prod_w (1 - p_w)

    Parameters
    ----------
    miss
        One miss probability per target, or a single one with `count` targets alike.

    Examples
    --------
    >>> round(fresh_targets_miss(1e-4, 1000), 6), fresh_targets_miss([0.5, 0.5])
    (0.095167, 0.75)
    """
    p = np.asarray(miss, dtype=np.float64)
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(f"miss must hold probabilities, got {miss!r}")
    count = 1 if count is None else whole("count", count, 0)
    if count == 0:
        return 0.0  # also of targets that are certainly missed
    with np.errstate(divide="ignore"):
        return 0.0 - float(np.expm1(count * np.log1p(-p).sum()))


def thinned_by_zeros(nonzero_miss: ArrayLike, max_value: int) -> float:
    r"""P(miss) of the uniform law from that of the nonzero law, exactly.

    .. math:: P_{\text{uniform}}(n) = \sum_{k=0}^{n} \binom nk p^k (1-p)^{n-k}\, P_{\text{nonzero}}(n-k),
              \qquad p = \frac1{2M+1}

    A zero changes no sum; the other samples follow the nonzero law.

    Parameters
    ----------
    nonzero_miss
        P_nonzero(0), ..., P_nonzero(n) at one target, length n + 1.

    Examples
    --------
    >>> round(thinned_by_zeros([1.0, 0.5], 1), 6)  # n = 1, M = 1, t = 1: X = 1 in one case of three
    0.666667
    """
    from scipy.stats import binom

    max_value = whole("max_value", max_value, 1, any_size=True)
    miss = np.asarray(nonzero_miss, dtype=np.float64)
    n = len(miss) - 1
    zeros = binom.pmf(np.arange(n, -1, -1), n, float(Fraction(1, 2 * max_value + 1)))
    return min(float(zeros @ miss), 1.0)


def continuous_miss(n: int, epsilon: float, tau: float) -> float:
    r"""Cox law of continuous random subset sum: n samples uniform on [-1, 1], target tau, tolerance epsilon.

    .. math:: \mu = \frac{2\varepsilon\, 2^{n+1}}{\sqrt{2\pi n/3}},\qquad d = \frac{2\tau}{\sqrt{n/3}}

    The common limit of the quantized laws for M -> infinity with Delta/M = epsilon and t/M = tau: one law,
    two limits. Setting E Z of order 1 gives n = log2(1/epsilon) + O(log n), the O(log 1/epsilon) of Lueker
    (1998).

    Examples
    --------
    >>> quantized = cox_miss_probability(12, 10**6, 500_000, delta=1000)
    >>> round(continuous_miss(12, 0.001, 0.5) / quantized, 2)
    1.0
    """
    n = whole("n", n, 1)
    if not epsilon > 0.0:
        raise ValueError(f"epsilon must be positive, got {epsilon}")
    if abs(tau) <= epsilon:
        return 0.0
    log_mean = math.log(2.0 * epsilon) + (n + 1) * math.log(2.0) - 0.5 * math.log(2.0 * math.pi * n / 3.0)
    return float(_miss(log_mean, 2.0 * tau / math.sqrt(n / 3.0)))
