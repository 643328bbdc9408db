r"""Exact moments of the number of subsets that sum to a target.

X_1..X_n iid from a sampling law, Z_t = number of subsets S of [n] with sum_S X_i = t. A fair coin per item
turns the first moment into a probability, E Z_t = 2^n P(sum B_i X_i = t); pairs of subsets give the second.

Laws: "nonzero" is uniform on {+-1..+-M}, "uniform" on {-M..M}, "product" is a b with a and b both uniform on
{+-1..+-M}, on the grid of M^2.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.fft import next_fast_len

from theory.arguments import shown
from theory.integer_sums import (
    EXACT_PRODUCT,
    Law,
    as_float,
    check_arguments,
    largest,
    lattice_count,
    product_coefficient,
    sample_counts,
)

WEIGHTS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


_FOURIER_PRODUCT = 30_000_000  # half length of the Fourier sum: a gigabyte


_ARRAY_LIMIT = 60_000_000  # n^2 times the reach: work of the exact second moment (seconds)


def expected_solutions(n: int, max_value: int, target: int, law: Law = "nonzero") -> float:
    r"""Exact mean number of subsets that sum to the target, the empty set included.

    .. math:: E Z_t = \sum_{k=0}^n \binom nk P(X_1 + \dots + X_k = t)

    Parameters
    ----------
    n
        Number of samples, >= 0.
    max_value
        M >= 1.
    target
        Any integer.
    law
        Sampling law.

    Returns
    -------
    E Z_t. "nonzero" and "uniform": a ratio of integers at every M, rounded once. "product": the same up to
    n M^2 of about 3e6, beyond it a Fourier sum with absolute error about 1e-15 2^n.

    Examples
    --------
    >>> expected_solutions(2, 1, 1)  # of {-1,1}^2, three draws in four hold a 1, and {1, 1} has two solutions
    1.0
    >>> f"{expected_solutions(21, 127, 0):.2f}"
    '3515.67'
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if abs(target) > n * largest(max_value, law):
        return 0.0
    if not expected_solutions_reachable(n, max_value, law):
        raise ValueError(
            f"the product law needs n * max_value**2 <= {_FOURIER_PRODUCT} here, got "
            f"{shown(n * max_value**2)}; use smaller n or max_value"
        )
    if law == "product":
        if n * max_value**2 <= EXACT_PRODUCT:
            return as_float(product_coefficient(n, max_value, target, empty=1))
        chance = _fourier_chance(n, max_value, abs(target), law)
        return as_float(Fraction(chance) * 2**n)
    if law == "uniform":
        width = 2 * max_value + 1
        terms = (
            math.comb(n, j) * width ** (n - j) * lattice_count(j, max_value, target) for j in range(n + 1)
        )
        return as_float(Fraction(sum(terms), width**n))
    width = 2 * max_value  # 1 + (D - 1)/(2M) = (2M - 1 + D)/(2M), D the polynomial of {-M..M}
    terms = (
        math.comb(n, j) * (width - 1) ** (n - j) * lattice_count(j, max_value, target) for j in range(n + 1)
    )
    return as_float(Fraction(sum(terms), width**n))


def _transform(max_value: int, law: Law, length: int) -> np.ndarray:
    """Characteristic function of X at the angles 2 pi j / length, j = 0..length//2 (real: X is symmetric)."""
    counts, total = sample_counts(max_value, law)
    reach = largest(max_value, law)
    wrapped = np.zeros(length)
    wrapped[: reach + 1] = counts[reach:]
    wrapped[length - reach :] = counts[:reach]
    return np.fft.rfft(wrapped).real / total


@lru_cache(maxsize=64)
def _fourier_chance(n: int, max_value: int, target: int, law: Law) -> float:
    """P(sum B_i X_i = t) for one t >= 0: cosines, where all masses would be another transform."""
    length = next_fast_len(2 * n * largest(max_value, law) + 1, real=True)
    terms = ((1.0 + _transform(max_value, law, length)) / 2.0) ** n
    turns = np.arange(terms.size) * target % length  # whole turns are left out while they are integers
    terms *= np.cos(turns * (2.0 * np.pi / length))
    unpaired = terms[0] + (terms[-1] if length % 2 == 0 else 0.0)  # their own mirror image
    return max(0.0, float(2.0 * terms.sum() - unpaired) / length)  # rounding of a mass near 0


def _masses(transform: np.ndarray, length: int, reach: int) -> np.ndarray:
    """P(s) for s = -reach..reach of a sum that goes no further, from its transform at `length` angles."""
    values = np.fft.irfft(transform, length)
    return np.concatenate([values[length - reach :], values[: reach + 1]])


def _sums(n: int, max_value: int, law: Law) -> np.ndarray:
    """P(S_k = s) at [k, n R + s] for k = 0..n, absolute error about 1e-16 (n = 0: as many columns as n = 1).

    S_k reaches no further than k R, so that few samples need few angles: every second one, or fourth...
    """
    step = largest(max_value, law)
    reach = max(n, 1) * step
    halvings = max(n.bit_length() - 1, 0)
    length = next_fast_len((2 * reach >> halvings) + 1, real=True) << halvings
    transform = _transform(max_value, law, length)
    sums = np.zeros((n + 1, 2 * reach + 1))
    power = np.ones_like(transform)
    for k in range(n + 1):
        stride = 1 << max(h for h in range(halvings + 1) if length >> h > 2 * k * step)
        inside = slice(reach - k * step, reach + k * step + 1)
        sums[k, inside] = _masses(power[::stride], length // stride, k * step)
        power *= transform
    return np.maximum(sums, 0.0, out=sums)


@lru_cache(maxsize=4)
def _pair_moments(n: int, max_value: int, target: int, law: Law) -> tuple[np.ndarray, np.ndarray]:
    r"""E Z and E Z^2 for every number of samples 0..n and every weight of WEIGHTS, shapes (weights, n + 1).

    Z counts the subsets S with theta^\|S\|, theta a weight; theta = 1, the plain count, comes first.
    A pair (A, B) of subsets is a = |A only|, b = |B only|, c = |both|; both sums are t exactly when the sums
    of A only and of B only agree, u, and the common one is t - u. So E Z_m^2 is the sum over a + b + c <= m
    of m!/(a! b! c! (m-a-b-c)!) T(a, b, c), with T = sum_u P_a(u) P_b(u) P_c(t - u) shared by every m.
    """
    reach = max(n, 1) * largest(max_value, law)
    sums = _sums(n, max_value, law)
    hits = sums[:, reach + target] if abs(target) <= reach else np.zeros(n + 1)
    # common[c, reach + u] = P(S_c = t - u)
    common = np.zeros_like(sums)
    low, high = max(-reach, target - reach), min(reach, target + reach)
    if low <= high:
        common[:, reach + low : reach + high + 1] = sums[:, reach + target - high : reach + target - low + 1][
            :, ::-1
        ]
    step = largest(max_value, law)

    def triples(a: int, b_max: int) -> np.ndarray:
        # |u| <= b R suffices for each b; the widest b sets the slice
        part = slice(reach - b_max * step, reach + b_max * step + 1)
        return (sums[: b_max + 1, part] * sums[a, part]) @ common[: n - a + 1, part].T

    return weighted_counts(hits, triples)


def weighted_counts(
    hits: np.ndarray, triples: Callable[[int, int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    r"""E Z and E Z^2 as in `_pair_moments`, from P_k(t) and T(a, b, c), [b, c] at each a, b up to b_max.

    .. math:: E Z_m^2 = \sum_s \binom ms \sum_c \theta^{s+c} \binom sc
              \sum_{a+b=s-c} \binom{a+b}{a}\, T(a,b,c)
    """
    n = len(hits) - 1
    binomials = np.zeros((n + 1, n + 1))  # by Pascal's triangle: factorials leave double precision at 171
    binomials[:, 0] = 1.0
    theta, k = np.array(WEIGHTS)[:, None], np.arange(n + 1)
    apart = np.zeros((n + 1, n + 1))  # [a + b, c]
    with np.errstate(over="ignore", invalid="ignore"):
        for m in range(1, n + 1):
            binomials[m, 1:] = binomials[m - 1, 1:] + binomials[m - 1, :-1]
        for a in range(n + 1):
            b_max = min(a, n - a)
            b = k[: b_max + 1]
            ways = np.where(b == a, 1.0, 2.0) * binomials[a + b, b]
            apart[a : a + b_max + 1, : n - a + 1] += ways[:, None] * triples(a, b_max)
        pairs = np.stack(
            [
                (theta ** (s + k[: s + 1])) @ (binomials[s, : s + 1] * apart[s - k[: s + 1], k[: s + 1]])
                for s in k
            ],
            axis=1,
        )
        first, second = (theta**k * hits) @ binomials.T, pairs @ binomials.T
    return np.nan_to_num(first, nan=np.inf, posinf=np.inf), np.nan_to_num(second, nan=np.inf, posinf=np.inf)


def second_moment(n: int, max_value: int, target: int, law: Law = "nonzero") -> float:
    r"""Mean square of the number of subsets that sum to the target.

    .. math:: E Z_t^2 = \sum_{a+b+c \le n} \frac{n!}{a!\,b!\,c!\,(n-a-b-c)!}
              \sum_u P(S_a = u)\,P(S_b = u)\,P(S_c = t - u)

    Relative error about 1e-12 (floating-point sums of non-negative terms).

    Raises
    ------
    ValueError
        The table of sums would not fit (n^2 times the largest sample above 6e7).

    Examples
    --------
    >>> second_moment(2, 1, 1)  # {1,1}: 2^2, {1,-1} twice: 1, {-1,-1}: 0, over four draws
    1.5
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if not second_moment_reachable(n, max_value, law):
        raise ValueError(
            f"the exact second moment needs n**2 * {shown(largest(max_value, law))} <= {_ARRAY_LIMIT}, "
            f"got {shown(n * n * largest(max_value, law))}; use smaller n or max_value"
        )
    return float(_pair_moments(n, max_value, target, law)[1][0, n])


def expected_solutions_reachable(n: int, max_value: int, law: Law) -> bool:
    """Does `expected_solutions` fit the memory of an ordinary machine? Always, but for large products."""
    return law != "product" or n * largest(max_value, law) <= _FOURIER_PRODUCT


def expected_solutions_error(n: int, max_value: int, law: Law) -> float:
    """What `expected_solutions` may lack, or have too much: 0 but for large products, inf beyond any use."""
    if law != "product" or n * max_value**2 <= EXACT_PRODUCT:
        return 0.0
    return 1e-15 * 2.0**n if n < 1000 else math.inf


def second_moment_reachable(n: int, max_value: int, law: Law) -> bool:
    """Is `second_moment` a matter of seconds?"""
    return n * n * largest(max_value, law) <= _ARRAY_LIMIT


def moments_up_to(n: int, max_value: int, target: int, law: Law = "nonzero") -> tuple[np.ndarray, np.ndarray]:
    """(E Z_t, E Z_t^2) for 0..n samples, arrays of length n + 1; the work of one `second_moment`."""
    second_moment(n, max_value, target, law)
    first, second = _pair_moments(n, max_value, target, law)
    return first[0].copy(), second[0].copy()


def weighted_moments_up_to(
    n: int, max_value: int, target: int, law: Law = "nonzero"
) -> tuple[np.ndarray, np.ndarray]:
    r"""Moments of the weighted count for every weight of WEIGHTS and 0..n samples, shapes (weights, n + 1).

    .. math:: Z_\theta = \sum_{S : \sum_S X = t} \theta^{|S|}, \qquad
              E Z_\theta^2 = \sum_{a+b+c \le n} \frac{n!\;\theta^{a+b+2c}}{a!\,b!\,c!\,(n-a-b-c)!}\, T(a,b,c)

    Z_theta > 0 exactly when Z > 0, so (E Z_theta)^2/E Z_theta^2 bounds P(hit) from below for every theta.
    Small subsets depend less on the sum of all samples: the bound is no longer capped at sqrt(3)/2 = 0.866.

    Examples
    --------
    >>> first, second = weighted_moments_up_to(28, 127, 1)
    >>> hit = first[:, 28] ** 2 / second[:, 28]
    >>> bool(hit[0] < 0.866 < 0.96 < hit.max())
    True
    """
    second_moment(n, max_value, target, law)
    first, second = _pair_moments(n, max_value, target, law)
    return first.copy(), second.copy()
