r"""Rigorous bounds on hitting a target, at every n and M: no limit is taken anywhere in this module.

A miss is certain when the positive samples together stay below t ("reach"), or when every sample is a
multiple of some g that does not divide t ("divisibility"): the union of these events bounds P(miss) from
below. From above: moments, independent blocks of samples, and the trivial event that one sample equals the
target.
"""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from theory.arguments import whole
from theory.integer_sums import Law, check_arguments, exact_variance, largest, sum_probability
from theory.subset_sum.moments import (
    expected_solutions,
    expected_solutions_error,
    expected_solutions_reachable,
    second_moment_reachable,
    weighted_counts,
    weighted_moments_up_to,
)

_EVENTS = 5  # divisibility events joined by inclusion-exclusion; rarer ones change nothing visible
_PRODUCT_REACH = 200_000  # largest target whose reach polynomial is expanded for the product law


def divides_every_sample(divisor: int, max_value: int, law: Law = "nonzero") -> Fraction:
    r"""P(g divides X), exactly; zero is a multiple of every g.

    .. math:: \text{nonzero } \frac{\lfloor M/g\rfloor}{M},\quad
              \text{uniform } \frac{2\lfloor M/g\rfloor + 1}{2M+1},\quad
              \text{product } \sum_{d \mid g} P(\gcd(a, g) = d)\,P(g/d \mid b)

    Examples
    --------
    >>> divides_every_sample(2, 4), divides_every_sample(2, 4, "product")
    (Fraction(1, 2), Fraction(3, 4))
    """
    _, max_value, _ = check_arguments(None, max_value, None, law)
    divisor = whole("divisor", divisor, 1, any_size=True)
    multiples = max_value // divisor
    if law == "nonzero":
        return Fraction(multiples, max_value)
    if law == "uniform":
        return Fraction(2 * multiples + 1, 2 * max_value + 1)
    total = Fraction(0)
    from flint import fmpz

    for d in _divisors(divisor):
        # a with gcd(a, g) = d, by Moebius over the multiples of d that divide g
        exactly = sum(
            int(fmpz(e // d).moebius_mu()) * (max_value // e) for e in _divisors(divisor) if e % d == 0
        )
        total += Fraction(exactly, max_value) * Fraction(max_value // (divisor // d), max_value)
    return total


def critical_divisors(max_value: int, target: int, law: Law = "nonzero", count: int = _EVENTS) -> list[int]:
    """The prime powers p^(v+1), p^v the exact power of p in the target, most probable first.

    Every g that does not divide t is a multiple of one of them, so they carry the whole divisibility event.

    Examples
    --------
    >>> critical_divisors(100, 12, count=4)
    [5, 7, 8, 9]
    """
    _, max_value, target = check_arguments(None, max_value, target, law)
    count = whole("count", count, 0)
    found: list[tuple[Fraction, int]] = []  # (-probability, g)
    for prime in _primes() if target else ():
        first = -divides_every_sample(prime, max_value, law), prime
        # what this prime and later ones give is neither more probable than the prime itself nor smaller
        if first[0] == 0 or sum(known < first for known in found) >= count:
            break
        power = prime
        while target % power == 0:
            power *= prime
        found.append((-divides_every_sample(power, max_value, law), power))
    return [g for chance, g in sorted(found)[:count] if chance]


def reach_probability(
    n: int, max_value: int, target: int, law: Law = "nonzero", divisor: int = 1
) -> Fraction:
    r"""P(the positive samples sum to less than \|t\|, and the divisor divides every sample), exactly.

    .. math:: \text{nonzero, } 1 \le t \le M+1: \quad
              2^{-n} \sum_k \binom nk \binom{t-1}{k} M^{-k} \;\to\; 2^{-n} L_n(-t/M)

    In general the number of k-tuples from {1..M} with sum at most s is counted by inclusion-exclusion over
    the cap; the limit M -> infinity with t/M fixed is a Laguerre polynomial. No subset can then reach t,
    hence this is a lower bound of P(miss). It is not sharp on small grids: at M = 5, t = 1 the exact value
    is 2.43 times as large at n = 8 and 1.08 times at n = 20. As n -> infinity the ratio tends to 1 like
    n^D (1 - 1/M)^n for the nonzero law and odd M or even t; with even M and odd t the event that all samples
    are even is as likely up to a power of n, so that the ratio tends to 2 for t = 1 and to 1 only like
    n^(1-t) for t > 1 (`theory.subset_sum.prefactor`).

    Parameters
    ----------
    n, max_value, target, law
        As everywhere; the sign of the target does not matter.
    divisor
        Joint event with divisor \| X_i for every i.

    Examples
    --------
    >>> reach_probability(2, 3, 1), reach_probability(2, 3, 2)
    (Fraction(1, 4), Fraction(5, 12))
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    divisor = whole("divisor", divisor, 1, any_size=True)
    if target == 0:
        return Fraction(0)
    most = (abs(target) - 1) // divisor  # of the positive sum in units of the divisor
    if law == "product":
        return _product_reach(n, max_value, abs(target), divisor)
    cap = max_value // divisor
    total = 2 * max_value + (law == "uniform")
    rest = cap + (law == "uniform")  # negative (or zero) multiples of the divisor
    ways = sum(
        math.comb(n, k) * rest ** (n - k) * _tuples_up_to(k, cap, most) for k in range(min(n, most) + 1)
    )
    return Fraction(ways, total**n)


def _tuples_up_to(k: int, cap: int, most: int) -> int:
    """Number of k-tuples from {1..cap} with sum <= most."""
    if k == 0:
        return 1
    total = 0
    for i in range(k + 1):
        left = most - i * cap
        if left < k:
            break
        total += (-1) ** i * math.comb(k, i) * math.comb(left, k)
    return total


def _product_reach(n: int, max_value: int, target: int, divisor: int) -> Fraction:
    rest = divides_every_sample(divisor, max_value, "product") / 2  # P(X < 0, divisor | X); X is never 0
    if target > _PRODUCT_REACH:
        return rest**n  # no positive sample at all: weaker, still a lower bound
    from flint import fmpz_poly

    most = (target - 1) // divisor
    ways = [0] * (most + 1)  # ways[v] = number of factor pairs (a, b), of either sign, with a b = v * divisor
    for a in range(1, min(max_value, most * divisor) + 1):
        step = divisor // math.gcd(a, divisor)
        for b in range(step, min(max_value, most * divisor // a) + 1, step):
            ways[a * b // divisor] += 2
    total = 4 * max_value * max_value
    ways[0] = int(rest * total)
    power = fmpz_poly(ways).pow_trunc(n, most + 1)
    return Fraction(int(sum(power.coeffs())), total**n)


def miss_lower_bound(n: int, max_value: int, target: int, law: Law = "nonzero") -> float:
    r"""P(reach or some critical divisor divides every sample): inclusion-exclusion, exact, below P(miss).

    Where less than one solution is expected, 1 - E Z if that is more: Markov's inequality.

    Examples
    --------
    >>> miss_lower_bound(1, 5, 3)  # one sample: only X = 3 solves it
    0.9
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if target == 0:
        return 0.0
    if n == 0:
        return 1.0
    divisors = critical_divisors(max_value, target, law)
    union = reach_probability(n, max_value, target, law)
    for size in range(1, len(divisors) + 1):
        for chosen in itertools.combinations(divisors, size):
            common = math.lcm(*chosen)
            both = reach_probability(n, max_value, target, law, common)
            alone = divides_every_sample(common, max_value, law) ** n
            union += (-1) ** (size - 1) * (alone - both)
    many = n - math.log2(n * largest(max_value, law)) > 3.0
    central = target * target <= 3 * n * exact_variance(max_value, law)
    error = expected_solutions_error(n, max_value, law)
    # far more than one solution expected: Markov is void; far out it is not, however many samples there are
    if (many and central) or error >= 1.0 or not expected_solutions_reachable(n, max_value, law):
        return float(union)
    return max(float(union), 1.0 - (expected_solutions(n, max_value, target, law) + error))


def trivial_miss(n: int, max_value: int, target: int, law: Law = "nonzero") -> float:
    r"""P(no single sample equals the target), an upper bound of P(miss).

    .. math:: \Bigl(1 - P(X = t)\Bigr)^n, \qquad P(X = t) = \frac1{2M} \;(\text{nonzero})

    Examples
    --------
    >>> trivial_miss(2, 1, 1)
    0.25
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if target == 0:
        return 0.0
    return float((1 - _equals_target(max_value, target, law)) ** n)


def _equals_target(max_value: int, target: int, law: Law) -> Fraction:
    if abs(target) > largest(max_value, law) or (target == 0 and law != "uniform"):
        return Fraction(0)
    if law != "product":
        return Fraction(1, 2 * max_value + (law == "uniform"))
    ways = sum(2 for a in range(1, max_value + 1) if target % a == 0 and abs(target) // a <= max_value)
    return Fraction(ways, (2 * max_value) ** 2)


def second_moment_bounds(
    n: int, max_value: int, target: int, law: Law = "nonzero"
) -> tuple[np.ndarray, np.ndarray]:
    r"""(E Z, upper bound of E Z^2) for 0..n samples and every weight, at any M ("nonzero" and "uniform").

    The sum over u in `theory.subset_sum.moments.second_moment` is bounded by taking one factor at its
    maximum:

    .. math:: T(a,b,c) \le \min\bigl\{\bar P_c\, P_{a+b}(0),\; \bar P_a\, P_{b+c}(t),\;
              \bar P_b\, P_{a+c}(t)\bigr\}, \qquad \bar P_k = P_{2\lfloor k/2\rfloor}(0)

    (an even power of a real characteristic function is non-negative, so its coefficients peak at 0; one more
    sample only smooths). It costs n^3 steps whatever M is. In the cases tested the bound is at most 1.3 times
    the exact moment for M above 100 and targets up to M, 1.5 times on smaller grids; beyond M it is looser:
    1.8 times at 2 M, 4.2 times at 3 M.

    Returns
    -------
    Arrays of shape (weights, n + 1), weights as in `theory.subset_sum.moments.WEIGHTS`, the plain count
    first.
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    at_zero = [sum_probability(k, max_value, 0, law) for k in range(n + 1)]
    at_target = [sum_probability(k, max_value, target, law) for k in range(n + 1)]
    one = float(Fraction(1, 2 * max_value + (law == "uniform")))
    peak = np.array([1.0, one, *(at_zero[k - k % 2] for k in range(2, n + 1))])
    none, hits = np.array(at_zero), np.array(at_target)
    far = np.concatenate([hits, np.zeros(n + 1)])  # what more than n samples do is not asked for

    def triples(a: int, b_max: int) -> np.ndarray:
        b, c = np.arange(b_max + 1)[:, None], np.arange(n - a + 1)
        value = np.minimum(peak[c] * none[a + b], np.minimum(peak[a] * far[b + c], peak[b] * hits[a + c]))
        value[:, 0] = np.minimum(value[:, 0], hits[a] * hits[: b_max + 1])
        return value

    return weighted_counts(hits, triples)


def block_miss(n: int, max_value: int, target: int, law: Law = "nonzero") -> float:
    r"""Upper bound of P(miss) from moments of independent blocks, the best block length and weight.

    .. math:: P(\text{miss}) \le \min_{n_0 \le n,\, \theta}
              \Bigl(1 - \frac{(E Z_{n_0,\theta})^2}{E Z_{n_0,\theta}^2}\Bigr)^{\lfloor n/n_0 \rfloor},
              \qquad Z_{n,\theta} = \sum_{S : \sum_S X = t} \theta^{|S|}

    n0 = n, theta = 1 is the plain second-moment bound, which never passes 0.866; weights below 1 lift that
    cap, blocks make the bound exponential in n. Moments are exact where `second_moment_reachable` says so,
    rigorously bounded otherwise; 1 where neither is affordable.

    Examples
    --------
    >>> round(block_miss(24, 127, 1), 4)
    0.0383
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if target == 0:
        return 0.0
    if n == 0:
        return 1.0
    # longer blocks gain little and cost work
    most = min(n, math.ceil(math.log2(largest(max_value, law))) + 16)
    while most and law == "product" and not second_moment_reachable(most, max_value, law):
        most -= 1
    if second_moment_reachable(most, max_value, law) and most:
        first, second = weighted_moments_up_to(most, max_value, target, law)
    elif law != "product":
        first, second = second_moment_bounds(most, max_value, target, law)
    else:
        return 1.0
    best = 1.0
    for length in range(1, most + 1):
        seen = second[:, length] > 0.0
        if seen.any():
            hit = min(float((first[seen, length] ** 2 / second[seen, length]).max()), 1.0)
            best = min(best, (1.0 - hit) ** (n // length))
    return best


def miss_probability_bounds(n: int, max_value: int, target: int, law: Law = "nonzero") -> tuple[float, float]:
    r"""Rigorous (lower, upper) bounds on P(no subset sums to the target); keeps its digits in the tail.

    .. math:: P(\text{reach} \cup \text{divisibility}) \le P(\text{miss}) \le
              \min\{P_{\text{blocks}}, P_{\text{trivial}}\}

    Examples
    --------
    >>> lower, upper = miss_probability_bounds(21, 127, 127)
    >>> f"{lower:.2e} {upper:.3f}"
    '3.83e-04 0.152'
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if target == 0:
        return 0.0, 0.0
    lower = miss_lower_bound(n, max_value, target, law)
    upper = min(block_miss(n, max_value, target, law), trivial_miss(n, max_value, target, law))
    return lower, max(lower, upper)  # they can meet; rounding must not make them cross


def hit_probability_bounds(n: int, max_value: int, target: int, law: Law = "nonzero") -> tuple[float, float]:
    r"""Rigorous (lower, upper) bounds on the probability that some subset sums to the target.

    .. math:: 1 - \min\{P_{\text{blocks}}, P_{\text{trivial}}\} \;\le\; P(\text{hit}) \;\le\;
              \min\{E Z_t,\; 1 - P(\text{reach} \cup \text{divisibility})\}

    Parameters
    ----------
    n
        Samples, >= 0.
    max_value
        M >= 1.
    target
        Any integer.
    law
        Sampling law.

    Returns
    -------
    (lower, upper). (1, 1) for target 0: the empty set. Floating-point sums of exact terms; no limit is taken.
    Near 1 a double keeps nothing of a miss below 1e-16: `miss_probability_bounds` does.

    Examples
    --------
    >>> hit_probability_bounds(3, 7, 0)
    (1.0, 1.0)
    >>> lower, upper = hit_probability_bounds(21, 127, 127)
    >>> round(lower, 4), round(upper, 5)
    (0.8485, 0.99962)
    """
    lower, upper = miss_probability_bounds(n, max_value, target, law)
    return 1.0 - upper, 1.0 - lower


def _primes() -> Iterator[int]:
    found: list[int] = []
    for candidate in itertools.count(2):
        if all(candidate % p for p in found):
            found.append(candidate)
            yield candidate


def _divisors(value: int) -> list[int]:
    small = [d for d in range(1, math.isqrt(value) + 1) if value % d == 0]
    return small + [value // d for d in reversed(small) if d * d != value]
