r"""At which exponential rate do misses vanish as samples are added, M and t fixed?

Theorem. Let X be uniform on a finite multiset of integers, symmetric about 0, and t > 0 a sum of its values.
With

    q = max{ P(X <= 0), max over g not dividing t of P(g | X) },

    q^n <= P(miss with n samples) <= C n^D q^n        for constants C, D that depend on the law and t,

hence -(1/n) log2 P(miss) -> -log2 q.

Proof. Below: if every sample is <= 0, or every sample is a multiple of some g that does not divide t, no
subset sums to t. Above: call a value v frequent when it occurs at least K times among the samples, and let A
be the set of frequent values, V that of all values.

(i) If A holds a positive and a negative value and gcd(A) divides t, then t is reached once K is large enough.
Write t = sum over v in A of c_v v with integers c_v (Bezout). For v in A take w in A of the opposite sign;
the relation |w| v + |v| w = 0 lets us add m |w| to c_v and m |v| to c_w for any m >= 0 without changing the
sum. Doing so for every v in A with m large makes all coefficients non-negative; they depend only on A and t,
and there are finitely many A, so some K exceeds them all: take c_v copies of v.

(ii) So a miss implies that A has no positive value, or no negative value, or that g = gcd(A) does not divide
t (g = 0 when A is empty or {0}, and then t > 0 is not a multiple of it). In each case all samples but at most
K |V| (the infrequent ones) lie in {x <= 0}, or in {x >= 0}, or in the multiples of g. The three sets have
probability at most q each: the second by symmetry, the third because g does not divide t (for g = 0 it is
P(X = 0) <= P(X <= 0)). Choosing the places of the at most K |V| exceptions, P(miss) <= sum over the (finitely
many) cases of sum_{j <= K|V|} C(n, j) q^(n-j) <= C n^(K|V|) q^n. The symmetry is used once, for {x >= 0}.
QED

The polynomial factor is real and known (`theory.subset_sum.prefactor`): n^(t-1)/((t-1)! M^(t-1)) to leading
order for the nonzero law, so slopes fitted at moderate n stay below the exponent.
"""

import math
from fractions import Fraction

from theory.integer_sums import Law, check_arguments
from theory.subset_sum.bounds import critical_divisors, divides_every_sample


def nonpositive_probability(max_value: int, law: Law = "nonzero") -> Fraction:
    """P(X <= 0): 1/2, or (M+1)/(2M+1) for "uniform".

    Examples
    --------
    >>> nonpositive_probability(3, "uniform")
    Fraction(4, 7)
    """
    _, max_value, _ = check_arguments(None, max_value, None, law)
    return Fraction(max_value + 1, 2 * max_value + 1) if law == "uniform" else Fraction(1, 2)


def failure_rate(max_value: int, target: int, law: Law = "nonzero") -> Fraction:
    r"""The q of the theorem: asymptotically every further sample multiplies P(miss) by q.

    .. math:: q = \max\Bigl\{P(X \le 0),\; \max_{g \nmid t} P(g \mid X)\Bigr\}

    and q = 0 for t = 0, where no draw misses.

    Examples
    --------
    >>> failure_rate(127, 5), failure_rate(7, 5, "uniform"), failure_rate(8, 5, "product")
    (Fraction(1, 2), Fraction(8, 15), Fraction(3, 4))
    """
    _, max_value, target = check_arguments(None, max_value, target, law)
    if target == 0:
        return Fraction(0)
    divisors = critical_divisors(max_value, target, law, count=8)
    return max(
        nonpositive_probability(max_value, law),
        *(divides_every_sample(g, max_value, law) for g in divisors),
        Fraction(0),
    )


def failure_exponent(max_value: int, target: int, law: Law = "nonzero") -> float:
    r"""Bits of failure probability bought by one more sample, asymptotically.

    .. math:: \lim_{n\to\infty} -\tfrac1n \log_2 P(\text{miss}) = -\log_2 q

    Parameters
    ----------
    max_value
        M >= 1.
    target
        t; inf for t = 0.
    law
        Sampling law.

    Returns
    -------
    1 for "nonzero"; log2((2M+1)/(M+1)) for "uniform"; log2(4/3) = 0.415 for "product" with even M and odd t.
    Proved in the module's docstring; every sum of samples is assumed to be possible, i.e. t is an integer.

    Examples
    --------
    >>> failure_exponent(127, 5), round(failure_exponent(8, 5, "product"), 4)
    (1.0, 0.415)
    """
    rate = failure_rate(max_value, target, law)
    return math.inf if rate == 0 else -math.log2(rate)
