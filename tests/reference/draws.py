"""Every draw of a few random integers, and what each decides: the enumeration behind sums and subset sums."""

import collections
import functools
import itertools
import math
from fractions import Fraction

Draws = list[tuple[int, int]]


@functools.cache
def values(max_value: int, law: str) -> Draws:
    """(value, ways) of one sample."""
    signed = [v for v in range(-max_value, max_value + 1) if v]
    if law == "product":
        return sorted(collections.Counter(a * b for a in signed for b in signed).items())
    return [(v, 1) for v in (range(-max_value, max_value + 1) if law == "uniform" else signed)]


@functools.cache
def draws(n: int, max_value: int, law: str) -> tuple[list, int]:
    """Every multiset of n samples with its number of ways, and the number of all draws."""
    found, kinds = [], values(max_value, law)
    for chosen in itertools.combinations_with_replacement(range(len(kinds)), n):
        ways = math.factorial(n)
        for index, count in collections.Counter(chosen).items():
            ways = ways // math.factorial(count) * kinds[index][1] ** count
        found.append(([kinds[i][0] for i in chosen], ways))
    return found, sum(ways for _, ways in kinds) ** n


def subset_sums(sample: list) -> collections.Counter:
    counts = collections.Counter({0: 1})
    for x in sample:
        counts = counts + collections.Counter({s + x: c for s, c in counts.items()})
    return counts


@functools.cache
def mean(n: int, max_value: int, law: str, what: str, t: int, extra: float = 0) -> Fraction:
    """Mean over all draws of something that a draw decides."""
    found, total = draws(n, max_value, law)
    answer = Fraction(0)
    for sample, ways in found:
        if what == "miss":
            value = not any(abs(s - t) <= extra for s in subset_sums(sample))
        elif what == "solutions":
            value = subset_sums(sample)[t]
        elif what == "square":
            value = subset_sums(sample)[t] ** 2
        elif what == "every":
            sums = set(subset_sums(sample))
            near = {s + shift for s in sums for shift in range(-int(extra), int(extra) + 1)}
            value = not all(u in near for u in range(-t, t + 1))
        elif what == "reach":
            value = sum(x for x in sample if x > 0) < abs(t) and all(x % int(extra or 1) == 0 for x in sample)
        elif what == "certain":  # no positive sum as large as t, or a common divisor that t lacks
            value = sum(x for x in sample if x > 0) < abs(t) or t % (math.gcd(*sample) or 10**9) != 0
        answer += Fraction(int(value) * ways, total)
    return answer


def weighted(n: int, max_value: int, law: str, t: int, theta: Fraction) -> tuple[Fraction, Fraction]:
    """Mean and mean square of sum theta^|S| over the subsets S with sum t."""
    found, total = draws(n, max_value, law)
    first = second = Fraction(0)
    for sample, ways in found:
        z = sum(
            (theta**k for k in range(n + 1) for part in itertools.combinations(sample, k) if sum(part) == t),
            Fraction(0),
        )
        first, second = first + z * ways / total, second + z * z * ways / total
    return first, second
