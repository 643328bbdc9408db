r"""Number partitioning of n integers drawn uniformly from {1..M}.

A partition gives every X_i a sign; its discrepancy is \|sum s_i X_i\|. The 2^(n-1) partitions are unordered
(s and -s are one). A partition is perfect when its discrepancy is 0 (even total) or 1 (odd total).

Everything here follows from one number,

    mu = 2^n / (M sqrt(2 pi n c)),      c = E[X^2]/M^2 = 1/3 + 1/(2M) + 1/(6M^2),

the mean number of perfect partitions given an even total; `theory.derivations.partition` derives it and the
corrections in 1/n.

References
----------
[BCP] Borgs, Chayes & Pittel, Random Structures & Algorithms 19 (2001) 247.
[KN] Kumar & Natale, "Quantization vs Pruning: Insights from the Strong Lottery Ticket Hypothesis", 2025.
[MM] Mertens, Physical Review Letters 81 (1998) 4281 and 84 (2000) 1347 (the energies are uncorrelated).
"""

import math
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import choice, plain, shown, whole
from theory.integer_sums import as_float, check_arguments, sum_probability

WINDOW_CONSTANT = math.sqrt(3.0 / (2.0 * math.pi))
Form = Literal["limit", "corrected"]


def critical_bits(n: ArrayLike) -> np.ndarray | float:
    r"""Bits of M at which perfect partitions disappear.

    .. math:: m_c = n - \tfrac12 \log_2 n, \qquad \kappa_c = m_c/n

    Parameters
    ----------
    n
        Number of items, >= 1; scalar or array.

    Returns
    -------
    log2 of the critical M; [BCP]. The window around it has width O(1) in bits.

    Examples
    --------
    >>> critical_bits(16)
    14.0
    """
    n = _sizes(n)
    return plain(n - 0.5 * np.log2(n))


def window_parameter(n: ArrayLike, max_value: ArrayLike) -> np.ndarray | float:
    r"""Position in the scaling window, negative where perfect partitions abound.

    .. math:: \lambda = \log_2 M - \bigl(n - \tfrac12 \log_2 n\bigr)

    Examples
    --------
    >>> window_parameter(16, 2**15)
    1.0
    """
    return plain(_log2_values(max_value) - critical_bits(n))


def window_max_value(n: int, parameter: float) -> int:
    r"""Integer M nearest to the window position lambda, i.e. to 2^(n - log2(n)/2 + lambda), at least 1.

    Examples
    --------
    >>> window_max_value(16, 0.0)
    16384
    """
    bits = float(critical_bits(whole("n", n, 1))) + parameter
    if not -math.inf < bits < 2**20:
        raise ValueError(f"parameter must be finite and M below 2**(2**20), got {parameter} at n = {n}")
    shift = max(math.floor(bits) - 60, 0)  # beyond, a double's digits are followed by zeros
    return max(1, round(2.0 ** (bits - shift)) << shift)


def second_moment(max_value: ArrayLike) -> np.ndarray | float:
    r"""Second moment of one item in units of M^2.

    .. math:: c = \frac{E X^2}{M^2} = \frac13 + \frac1{2M} + \frac1{6M^2}

    Examples
    --------
    >>> second_moment(1), second_moment(2)
    (1.0, 0.625)
    """
    inverse = np.exp2(-_log2_values(max_value))  # 1/M: M itself may exceed every double
    rest = inverse / 2.0 + inverse * inverse / 6.0
    return plain(1.0 / 3.0 + rest)


def expected_perfect_partitions(
    n: ArrayLike, max_value: ArrayLike, parity: str = "even", form: Form = "limit"
) -> np.ndarray | float:
    r"""Mean number of perfect partitions given the parity of the total.

    .. math:: \mu = \frac{2^n}{M\sqrt{2\pi n c}} \;(\text{even}), \qquad 2\mu \;(\text{odd}), \qquad
              \text{corrected: } \mu\Bigl(1 - \frac{3}{20 n}\Bigr)

    An odd total has twice as many: each of the 2^(n-1) unordered partitions may end at +1 or at -1, two
    values of the lattice instead of one.

    Parameters
    ----------
    n, max_value
        Items and M; broadcast.
    parity
        "even" or "odd".
    form
        "limit" is the leading order, relative error -3/(20 n) + O(n^-2); "corrected" keeps that term.

    Source: [BCP] for the leading order; the correction is derived in `theory.derivations.partition`.
    Given the total is even, the exact mean for finite n and M is `expected_perfect_partitions_exact`.
    inf beyond 1.8e308, 0 below 5e-324; laws and bounds here are evaluated from its logarithm.

    Examples
    --------
    >>> round(expected_perfect_partitions(24, 2**20), 4)
    2.2568
    """
    with np.errstate(over="ignore"):
        return plain(np.exp(log_expected_perfect_partitions(n, max_value, parity, form)))


def log_expected_perfect_partitions(
    n: ArrayLike, max_value: ArrayLike, parity: str = "even", form: Form = "limit"
) -> np.ndarray | float:
    """Natural logarithm of `expected_perfect_partitions`, at any n and M.

    Examples
    --------
    >>> round(log_expected_perfect_partitions(5000, 2**4000), 3)
    688.519
    """
    size = _sizes(n)
    # bits first: they cancel near the window, exactly where M is a power of two
    bits = size - _log2_values(max_value) - 0.5 * np.log2(2.0 * np.pi * size * second_moment(max_value))
    log_mean = math.log(2.0) * bits
    if choice("form", form, ("limit", "corrected")) == "corrected":
        log_mean = log_mean + np.log1p(-3.0 / (20.0 * size))
    return plain(log_mean + math.log(_parity_factor(parity)))


def perfect_partition_probability(
    n: ArrayLike, max_value: ArrayLike, form: Form = "limit"
) -> np.ndarray | float:
    r"""Probability that some partition is perfect.

    .. math:: P(\text{perfect}) \to 1 - \tfrac12\bigl(e^{-\mu} + e^{-2\mu}\bigr), \qquad
              \text{in the window } \mu = \sqrt{\tfrac{3}{2\pi}}\, 2^{-\lambda}

    Parameters
    ----------
    n
        Number of items (>= 1).
    max_value
        M (>= 1). Both broadcast.
    form
        "limit", the formula above, or "corrected": at finite n the number of perfect partitions is a
        Poisson variable whose mean fluctuates with sum X_i^2; mean mu (1 - 3/(20n)) and relative variance
        v = 1/(5n), here as a gamma law, so that exp(-x) becomes (1 + v x)^(-1/v).

    Returns
    -------
    Probability. A law, not a bound; accuracy against exact simulation is measured by the claim
    `kn.threshold` ("limit") and `kn.corrections` ("corrected").

    Examples
    --------
    >>> round(perfect_partition_probability(24, 2**20), 4)
    0.9422
    """
    perfect = np.zeros(())  # summed as such: far above the window it is small, and 1 - P(miss) loses it
    for parity in ("even", "odd"):
        mean = np.asarray(expected_perfect_partitions(n, max_value, parity, form))
        if form == "corrected":
            spread = 1.0 / (5.0 * _sizes(n))
            perfect = perfect - 0.5 * np.expm1(-np.log1p(spread * mean) / spread)
        else:
            perfect = perfect - 0.5 * np.expm1(-mean)
    return plain(perfect)


def window_probability(parameter: ArrayLike) -> np.ndarray | float:
    r"""The n -> infinity limit of P(perfect) at window position lambda.

    .. math:: 1 - \tfrac12\bigl(e^{-\mu} + e^{-2\mu}\bigr), \quad \mu = \sqrt{\tfrac{3}{2\pi}}\,2^{-\lambda}

    Examples
    --------
    >>> round(window_probability(0.0), 4)
    0.6239
    """
    with np.errstate(over="ignore"):
        mean = WINDOW_CONSTANT * np.exp2(-np.asarray(parameter, dtype=np.float64))
        return plain(-0.5 * (np.expm1(-mean) + np.expm1(-2.0 * mean)))


def perfect_partition_count_pmf(
    count: ArrayLike, n: int, max_value: int, parity: str = "even", form: Form = "limit"
) -> np.ndarray | float:
    r"""Law of the number of perfect partitions given the parity of the total.

    .. math:: P(Z = k) \to e^{-m} \frac{m^k}{k!}, \qquad m = \mu \;(\text{even}),\; 2\mu \;(\text{odd})

    "corrected" mixes the Poisson law over a gamma mean of relative variance 1/(5n) (a negative binomial law):
    Var Z = mu + mu^2/(5n). Stated for mu much below n.

    Examples
    --------
    >>> round(float(perfect_partition_count_pmf(0, 24, 2**20)), 4)
    0.1047
    """
    from scipy.special import betaln, gammaln

    k = np.asarray(count)
    if k.dtype.kind not in "iu" or (k < 0).any():
        raise ValueError(f"count must hold integers >= 0, got {count!r}")
    k = k.astype(np.float64)
    log_mean = float(log_expected_perfect_partitions(n, max_value, parity, form))
    mean = math.exp(log_mean) if log_mean < 700.0 else math.inf
    if form == "limit":
        return plain(np.exp(k * log_mean - mean - gammaln(k + 1.0)))
    shape = 5.0 * whole("n", n, 1)
    # log mean/shape by the logarithm: the mean may exceed every double
    odds = log_mean - math.log(shape)
    log_mass = (
        -np.log(k + shape)  # Gamma(k + r) / (Gamma(r) k!) = 1 / ((k + r) B(k + 1, r))
        - betaln(k + 1.0, shape)
        - shape * np.logaddexp(0.0, odds)
        - k * np.logaddexp(0.0, -odds)
    )
    return plain(np.exp(np.minimum(log_mass, 0.0)))  # rounding may leave more than 1


def discrepancy_scale(n: ArrayLike, max_value: ArrayLike) -> np.ndarray | float:
    r"""Mean smallest discrepancy above the threshold.

    .. math:: E[\min D] \approx \frac1\mu = \frac{M\sqrt{2\pi n c}}{2^n}

    Valid where it is much larger than 1 (no perfect partition expected) and much smaller than M sqrt(n).

    Examples
    --------
    >>> round(discrepancy_scale(16, 2**20), 3)
    92.621
    """
    with np.errstate(over="ignore"):
        return plain(np.exp(-np.asarray(log_expected_perfect_partitions(n, max_value))))


def min_discrepancy_survival(discrepancy: ArrayLike, n: int, max_value: int) -> np.ndarray | float:
    r"""P(min D > d): the sorted discrepancies form a Poisson process on the integers of the total's parity.

    .. math:: P(\min D > d) = \tfrac12 e^{-\mu(1 + 2\lfloor d/2\rfloor)}
              + \tfrac12 e^{-2\mu\lfloor (d+1)/2\rfloor} \;\to\; e^{-\mu d}

    On even totals discrepancy 0 has mean mu partitions and every even d > 0 has 2 mu (two signs); on odd
    totals every odd d has 2 mu. For mu -> 0 this is the exponential law of mean 1/mu ([MM]; [BCP] Theorem
    2.8); d = 0 gives the odd half and the miss probability of the even one.

    Parameters
    ----------
    discrepancy
        d, integers >= 0.
    n, max_value
        Items and M.

    Examples
    --------
    >>> p = perfect_partition_probability(20, 2**18)
    >>> even, odd = min_discrepancy_survival(0, 20, 2**18), min_discrepancy_survival(1, 20, 2**18)
    >>> round(float(odd + p), 12), bool(even > odd)
    (1.0, True)
    """
    d = np.asarray(discrepancy)
    if d.dtype.kind not in "iu" or (d < 0).any():
        raise ValueError(f"discrepancy must hold integers >= 0, got {discrepancy!r}")
    mu = float(expected_perfect_partitions(n, max_value))
    steps = d // 2 + d % 2  # d + 1 may wrap around
    with np.errstate(over="ignore"):  # of a mean beside the largest double
        even = np.exp(-mu * (1.0 + 2.0 * (d // 2)))
        odd = np.exp(
            -2.0 * np.multiply(mu, steps, out=np.zeros(d.shape), where=steps > 0)
        )  # 0 times inf is 0
    return plain(0.5 * (even + odd))


def lemma1_bounds(n: int, max_value: int, target: int = 0) -> tuple[float, float]:
    r"""[KN] Lemma 1 without its O(1/n) terms: P(some signing has \|sum s_i X_i\| = z) between two moments.

    .. math:: \rho_n = 2^{n+1}\gamma_n,\quad \gamma_n = \frac{1}{M\sqrt{2\pi n c}},\quad
              e = e^{-z^2/(2 n M^2 c)}, \qquad
              \frac{(E Z)^2}{E Z^2} \le P(Z > 0) \le E Z

    Z counts signings with \|sum s_i X_i\| = z, so that s and -s both count: E Z = rho_n e (z != 0) or rho_n/2
    (z = 0). The moments are those of [BCP] Theorem 4 over all totals: one signing ends at z with probability
    gamma_n e, two different ones (s' not +-s) with 2 gamma_n^2 e^2, because they agree in parity. Hence
    E Z^2 = 2 (E Z)^2 + 2 E Z, and the lower bound E Z/(2 E Z + 2) never passes 1/2, the share of totals of
    z's parity. The upper bound is vacuous from E Z = 1 on.

    The error terms of the lemma have no stated constants; at finite n these are therefore approximations of
    its bounds, not bounds. `theory.subset_sum.hit_probability_bounds` is rigorous.

    Examples
    --------
    >>> lower, upper = lemma1_bounds(16, 2**14)
    >>> round(lower, 4), round(upper, 4)
    (0.2043, 0.691)
    """
    n, max_value = whole("n", n, 1), whole("max_value", max_value, 1, any_size=True)
    target = whole("target", target, any_size=True)
    scaled = float(Fraction(abs(target), max_value)) if abs(target) < max_value << 1000 else math.inf
    log_mean = float(log_expected_perfect_partitions(n, max_value))
    log_mean += (math.log(2.0) if target else 0.0) - scaled * (
        scaled / (2.0 * n * float(second_moment(max_value)))
    )
    if log_mean > 700.0:
        return 0.5, 1.0
    mean = math.exp(log_mean)
    return mean / (2.0 * mean + 2.0), min(mean, 1.0)


def expected_perfect_partitions_exact(n: int, max_value: int) -> float:
    r"""Exact mean of the number of partitions of discrepancy 0, given that the total is even.

    .. math:: E[Z \mid \text{even}] = \frac{2^{n-1}\, P(\sum_i s_i X_i = 0)}{P(\sum X_i \text{ even})}

    with s_i X_i uniform on {+-1..+-M}: a coefficient of a polynomial, evaluated in integers. NaN where no
    total is even: an odd number of ones.

    Examples
    --------
    >>> expected_perfect_partitions_exact(2, 1)  # {1, 1} has one perfect partition
    1.0
    """
    n, max_value, _ = check_arguments(n, max_value, None, "nonzero")
    zero = sum_probability(n, max_value, 0, "nonzero", exact=True)
    even = _even_total(n, max_value)
    return as_float(Fraction(2) ** (n - 1) * zero / even) if even else math.nan


def _even_total(n: int, max_value: int) -> Fraction:
    """P(X_1 + ... + X_n is even)."""
    even_minus_odd = Fraction(max_value // 2 - (max_value + 1) // 2, max_value)  # E (-1)^X
    return (1 + even_minus_odd**n) / 2


def perfect_partition_variance_exact(n: int, max_value: int) -> float:
    r"""Exact variance of the number of partitions of discrepancy 0, given that the total is even.

    .. math:: E[Z^2 \mid \text{even}] = \frac{2^{n-2}}{P(\text{even})}
              \sum_a \binom na P(S_a = 0)\, P(S_{n-a} = 0)

    Two signings agree on a items and differ on the others; both sum to 0 exactly when the agreeing and the
    differing part each do. S_a is a sum of a uniform signs-times-values. To be compared with mu + mu^2/(5n).
    NaN where no total is even: an odd number of ones.

    Examples
    --------
    >>> perfect_partition_variance_exact(2, 1), round(perfect_partition_variance_exact(4, 2), 4)
    (0.0, 0.1875)
    """
    n, max_value, _ = check_arguments(n, max_value, None, "nonzero")
    zero = [sum_probability(a, max_value, 0, "nonzero", exact=True) for a in range(n + 1)]
    even = _even_total(n, max_value)
    if not even:
        return math.nan
    second = (
        sum(math.comb(n, a) * zero[a] * zero[n - a] for a in range(n + 1)) * Fraction(2) ** (n - 2) / even
    )
    return as_float(second - (Fraction(2) ** (n - 1) * zero[n] / even) ** 2)


def _parity_factor(parity: str) -> float:
    return 1.0 if choice("parity", parity, ("even", "odd")) == "even" else 2.0


def _sizes(n: ArrayLike) -> np.ndarray:
    sizes = np.asarray(n)
    if sizes.dtype.kind not in "iuf" or not (sizes >= 1).all() or not np.isfinite(sizes).all():
        raise ValueError(f"n must be a number of items >= 1, got {shown(n)}")
    return sizes.astype(np.float64)


def _log2_values(max_value: ArrayLike) -> np.ndarray:
    """Log2 of M; Python integers may be of any size."""
    m = np.asarray(max_value)
    if m.dtype == object:  # Python integers beyond 64 bits
        exact = [whole("max_value", v, 1, any_size=True) for v in m.ravel()]
        return np.array([math.log2(v) for v in exact]).reshape(m.shape)
    if m.dtype.kind not in "iuf" or not (m >= 1).all() or not np.isfinite(m).all():
        raise ValueError(f"max_value must be a number >= 1, got {max_value!r}")
    return np.log2(m.astype(np.float64))
