r"""The prefactor of the exponent theorem: P(miss) = p(n) q^n (1 + exponentially small), p a known polynomial.

Theorem. M and t > 0 fixed, q = max{P(X <= 0), max over g not dividing t of P(g | X)} as in
`theory.subset_sum.exponent`. Then, for constants D and rho < q,

    P(miss with n) = p(n) q^n + O(n^D rho^n),

where p adds up, over the events that attain the maximum,

    X <= 0:    sum_{k < t} C(n, k) P(X > 0)^k P(X <= 0)^(-k) P(k positive samples sum to less than t),
    g | X:     sum_k C(n, k) q^(-k) P(k samples that g does not divide have no subset sum = t mod g).

Nonzero law: q = 1/2 and, with N_k(s) the number of k-tuples from {1..M} of sum at most s,

    p(n) = sum_{k < t} C(n, k) N_k(t - 1) M^-k  +  1[M even and t odd],

of degree t - 1 and leading coefficient 1/((t-1)! M^(t-1)): t - 1 ones among negative samples. For t <= M + 1,
N_k(t - 1) = C(t-1, k). Here rho = (M - 1)/(2M) for M >= 2 and the correction is 0 for M = 1.

Proof. Call a value frequent when it occurs at least K times. By part (i) of the proof of the exponent theorem
K can be chosen so that a miss implies for the set A of frequent values: A has no positive value, or no
negative value, or gcd(A) does not divide t. Sum over A and over the numbers c_x < K of the other values: the
draws have the exponential generating function

    prod_{x not in A} (w_x z)^{c_x}/c_x!  *  prod_{x in A} (e^{w_x z} - sum_{i < K} (w_x z)^i/i!),

w_x = the number of ways to draw x: rates above P(A) do not occur, and the rate P(A) itself carries the
polynomial sum over the missing c of prod (w_x z)^{c_x}/c_x!. P(A) = q leaves three cases.

(1) A = {x <= 0} with P(X <= 0) = q. It holds -1. If the positive samples sum to t or more, add them one by
    one until the sum is in [t, t + R), R the largest value, and correct by less than R of the -1: a hit. If
    they sum to less, a miss.
(2) A = {x >= 0}. It holds 1, and t of them are a hit: no term.
(3) A has gcd h not dividing t. Then h is a multiple of a critical prime power g (one more than t holds), and
    q = P(A) <= P(h | X) <= P(g | X) <= q: A is all multiples of g, among them g itself and -g. If some subset
    of c is = t mod g, so is one of fewer than g samples (drop parts that are = 0), and a bounded number of g
    or -g corrects it: a hit; otherwise a miss. In a miss every sample of c enlarges the set S of subset sums
    mod g: if S + r lies in S, then S, which holds 0, holds all multiples of r, so gcd(r, g) does not divide
    t, although more values are its multiples than those of g: P(g | X) was not the maximum. So c has at most
    g - 1 samples and p is a polynomial.

Every other A has P(A) <= rho < q. For the nonzero law such an A has at most M - 1 of the 2M values. QED
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from theory.arguments import shown, whole
from theory.integer_sums import Law, check_arguments, largest, sample_counts
from theory.subset_sum.bounds import critical_divisors, divides_every_sample
from theory.subset_sum.closed_form import falling_to_powers
from theory.subset_sum.exponent import failure_rate, nonpositive_probability

_LARGEST_SAMPLE, _LARGEST_TARGET = 4096, 128


@dataclass(frozen=True)
class Prefactor:
    """p(n) q^n, the leading term of P(miss).

    Attributes
    ----------
    rate
        q.
    coefficients
        Of 1, n, n^2, ... in p.
    """

    rate: Fraction
    coefficients: tuple[Fraction, ...]

    @property
    def degree(self) -> int:
        """Degree of p; -1 for t = 0, where p is 0."""
        return len(self.coefficients) - 1

    def probability(self, n: int) -> Fraction:
        """The leading term p(n) q^n."""
        n = whole("n", n, 0)
        return sum((c * n**k for k, c in enumerate(self.coefficients)), Fraction(0)) * self.rate**n


def failure_prefactor(max_value: int, target: int, law: Law = "nonzero") -> Prefactor:
    r"""The polynomial p in P(miss) = p(n) q^n (1 + exponentially small), exactly, at every M and t.

    .. math:: \text{nonzero: } p(n) = \sum_{k<t} \binom nk \frac{N_k(t-1)}{M^k} + 1[2 \mid M,\, 2 \nmid t],
              \qquad p(n) \sim \frac{n^{t-1}}{(t-1)!\, M^{t-1}}

    Parameters
    ----------
    max_value, target, law
        M, t, sampling law. Samples up to 4096, targets up to 128.

    Returns
    -------
    Rate q (`failure_rate`) and coefficients of p. Proved in the module's docstring. For the nonzero law the
    relative error falls like a power of n times (1 - 1/M)^n, so p(n) q^n says little for n below several M.

    Examples
    --------
    >>> failure_prefactor(3, 3).coefficients  # 1 + 2 n/3 + n (n - 1)/18
    (Fraction(1, 1), Fraction(11, 18), Fraction(1, 18))
    >>> failure_prefactor(2, 1).coefficients, failure_prefactor(4, 3, "product").rate
    ((Fraction(2, 1),), Fraction(3, 4))
    >>> from theory.subset_sum.exact import exact_miss_probability
    >>> n, p = 200, failure_prefactor(7, 5)
    >>> p.degree, abs(float(exact_miss_probability(n, 7, 5) / p.probability(n)) - 1) < 1e-8
    (4, True)
    """
    _, max_value, target = check_arguments(None, max_value, target, law)
    target = abs(target)
    if largest(max_value, law) > _LARGEST_SAMPLE or target > _LARGEST_TARGET:
        raise ValueError(
            f"failure_prefactor takes samples up to {_LARGEST_SAMPLE} and targets up to {_LARGEST_TARGET}, "
            f"got max_value={shown(max_value)} and target={shown(target)}; failure_exponent has no such limit"
        )
    if target == 0:
        return Prefactor(Fraction(0), ())
    rate = failure_rate(max_value, target, law)
    by_count: list[Fraction] = []  # coefficients of n!/(n-k)!
    if nonpositive_probability(max_value, law) == rate:
        by_count = _added(by_count, _reach_terms(max_value, target, law, rate))
    for g in critical_divisors(max_value, target, law, count=8):
        if divides_every_sample(g, max_value, law) == rate:
            by_count = _added(by_count, _divisor_terms(max_value, target, law, rate, g))
    powers = list(falling_to_powers(tuple(by_count)))
    while powers[-1] == 0:
        powers.pop()
    return Prefactor(rate, tuple(powers))


def _added(first: list[Fraction], second: list[Fraction]) -> list[Fraction]:
    longer, shorter = (first, second) if len(first) > len(second) else (second, first)
    return [a + b for a, b in zip(longer, [*shorter, *[Fraction(0)] * len(longer)], strict=False)]


def _reach_terms(max_value: int, target: int, law: Law, rate: Fraction) -> list[Fraction]:
    """Terms k < t: (ways of k positive samples with sum < t)/(total rate)^k/k!."""
    counts, total = sample_counts(max_value, law)
    reach = largest(max_value, law)
    positive = [
        (v, int(counts[reach + v])) for v in range(1, min(reach, target - 1) + 1) if counts[reach + v]
    ]
    ways, terms = [1] + [0] * (target - 1), []
    for k in range(target):
        terms.append(Fraction(sum(ways), math.factorial(k)) / (total * rate) ** k)
        following = [0] * target
        for s, w in enumerate(ways):
            if w:
                for v, c in positive:
                    if s + v < target:
                        following[s + v] += w * c
        ways = following
    return terms


def _divisor_terms(max_value: int, target: int, law: Law, rate: Fraction, g: int) -> list[Fraction]:
    """Terms k: (ways of k samples not divisible by g with no subset sum = t mod g)/(total rate)^k/k!.

    They end where every sample enlarges the set of sums, part (3) of the proof: gcd(sample, g) divides t.
    """
    counts, total = sample_counts(max_value, law)
    reach = largest(max_value, law)
    residues = [0] * g
    for x in range(-reach, reach + 1):
        residues[x % g] += int(counts[reach + x])
    if endless := sorted({math.gcd(r, g) for r in range(1, g) if residues[r] and target % math.gcd(r, g)}):
        raise ValueError(
            f"g must be critical for target={target}, got {g}: multiples of {endless[0]} never reach the "
            f"target, so the terms have no end"
        )
    goal, full = 1 << (target % g), (1 << g) - 1
    states, terms = {1: 1}, list[Fraction]()
    while states:
        terms.append(
            Fraction(sum(states.values()), math.factorial(len(terms))) / (total * rate) ** len(terms)
        )
        following: dict[int, int] = {}
        for bits, w in states.items():
            for r in range(1, g):
                if residues[r]:
                    grown = bits | (bits << r | bits >> (g - r)) & full
                    if not grown & goal:
                        following[grown] = following.get(grown, 0) + w * residues[r]
        states = following
    return terms
