r"""Number partitioning on small grids, exactly: laws of the smallest discrepancy and of the perfect count.

n items uniform on {1..M}; what a draw can do depends only on how often each value occurs, so the items are
taken sorted by value and a value that occurs k times among j + k items so far carries the weight C(j + k, k).

Smallest discrepancy: the state is the set of discrepancies |sum s_i X_i| of the signings so far, as a bit
string; equal sets merge. With r items of at most v to come, discrepancies above r v + M are dropped: they end
above M, and some signing ends at M or below (give each item, largest first, the sign that opposes the sum).

Perfect count: a state is the polynomial prod (1 + x^{X_i}), its coefficients packed into one integer. Every
multiset of values is a state of its own, C(n + M - 1, n) of them.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from theory.arguments import choice, shown, whole

MOST_MULTISETS = 1_000_000
MOST_STATES = 1_000_000
_MOST_BITS = 2**13  # of a set of discrepancies: from two items on the states are too many before


def min_discrepancy_distribution(
    n: int, max_value: int, max_states: int = MOST_STATES
) -> dict[int, Fraction]:
    r"""Exact law of the smallest discrepancy: {d: P(min D = d)}.

    .. math:: \min D = \min_{s \in \{-1,1\}^n} \Bigl|\sum_i s_i X_i\Bigr|

    Parameters
    ----------
    n, max_value
        Items (>= 1) and M.
    max_states
        States kept at a time.

    Returns
    -------
    Probabilities of 0..M that are not 0; they add up to 1.

    Raises
    ------
    ValueError
        The chain outgrew max_states; n M exceeds 8,192.

    Examples
    --------
    >>> min_discrepancy_distribution(2, 2)  # {1,1}, {2,2}: 0; {1,2}, {2,1}: 1
    {0: Fraction(1, 2), 1: Fraction(1, 2)}
    >>> round(float(min_discrepancy_distribution(10, 7)[0]), 4)
    0.4997
    """
    n, max_value = whole("n", n, 1), whole("max_value", max_value, 1, any_size=True)
    if n * max_value > _MOST_BITS:
        raise ValueError(
            f"n * max_value must be at most {_MOST_BITS}, the size of a set of discrepancies, got "
            f"{shown(n * max_value)}; use theory.partition.min_discrepancy_survival"
        )
    # states[j]: {bit string of discrepancies: number of draws of j items}
    states: list[dict[int, int]] = [{1: 1}, *({} for _ in range(n))]
    for value in range(max_value, 0, -1):
        following: list[dict[int, int]] = [{} for _ in range(n + 1)]
        for j, layer in enumerate(states):
            for start, ways in layer.items():
                bits = start
                for k in range(n - j + 1):
                    if k:
                        bits = _shifted(bits, value)
                    # behind this value only smaller ones come; at value 1 none do
                    rest = (n - j - k) * (value - 1) + max_value
                    kept = bits & ((1 << (rest + 1)) - 1)
                    row = following[j + k]
                    row[kept] = row.get(kept, 0) + ways * math.comb(j + k, k)
            if sum(map(len, following)) > max_states:
                raise ValueError(
                    f"n={n}, max_value={max_value} outgrew {max_states} sets of discrepancies; use "
                    "theory.partition.min_discrepancy_survival, or raise max_states"
                )
        states = following
    law: dict[int, int] = {}
    for bits, ways in states[n].items():
        least = (bits & -bits).bit_length() - 1
        law[least] = law.get(least, 0) + ways
    return {d: Fraction(law[d], max_value**n) for d in sorted(law)}


def _shifted(bits: int, value: int) -> int:
    """Discrepancies |d - value| and d + value."""
    low = bits & ((1 << value) - 1)
    mirrored = int(f"{low:0{value}b}"[::-1], 2) << 1  # bit d to bit value - d
    return bits << value | bits >> value | mirrored


@lru_cache(maxsize=16)
def _counts(n: int, max_value: int) -> tuple[tuple[int, int, int], ...]:
    """((parity of the total, perfect partitions, number of draws), ...)."""
    slot = n + 1  # bits per coefficient: at most 2^n subsets
    found: dict[tuple[int, int], int] = {}
    for total, packed, ways in _multisets(n, max_value, 0, 1, 1, 0, slot):
        subsets = packed >> (slot * (total // 2)) & ((1 << slot) - 1)
        parity = total % 2
        # an even total counts every perfect partition by both of its halves, an odd one by its smaller half
        key = parity, subsets if parity else subsets // 2
        found[key] = found.get(key, 0) + ways
    return tuple((parity, count, found[parity, count]) for parity, count in sorted(found))


def _multisets(
    left: int, value: int, total: int, packed: int, ways: int, used: int, slot: int
) -> Iterator[tuple[int, int, int]]:
    """(total, packed subset counts, number of draws) of every multiset of `left` more values <= value."""
    if left == 0:
        yield total, packed, ways
        return
    if value == 1:
        for _ in range(left):
            packed += packed << slot
        yield total + left, packed, ways * math.comb(used + left, left)
        return
    for k in range(left + 1):
        if k:
            packed += packed << (slot * value)
        more = ways * math.comb(used + k, k)
        yield from _multisets(left - k, value - 1, total + k * value, packed, more, used + k, slot)


def perfect_partition_distribution(
    n: int, max_value: int, parity: str | None = None, max_multisets: int = MOST_MULTISETS
) -> dict[int, Fraction]:
    r"""Exact law of the number Z of perfect (unordered) partitions: {z: P(Z = z)}.

    .. math:: Z = \#\{\{s, -s\} : |\textstyle\sum_i s_i X_i| \le 1\}

    Parameters
    ----------
    n, max_value
        Items (>= 1) and M.
    parity
        "even" or "odd", the law given the parity of the total; None,
        over all totals.
    max_multisets
        C(n + M - 1, n) up to which the work is done.

    Raises
    ------
    ValueError
        More multisets than max_multisets; no total of that parity.

    Examples
    --------
    >>> perfect_partition_distribution(2, 2)
    {0: Fraction(0, 1), 1: Fraction(1, 1)}
    >>> perfect_partition_distribution(3, 2, "even")  # {2,2,2} has none; {1,1,2} has one
    {0: Fraction(1, 4), 1: Fraction(3, 4)}
    """
    n, max_value = whole("n", n, 1), whole("max_value", max_value, 1, any_size=True)
    choice("parity", parity, (None, "even", "odd"))
    work = math.comb(n + max_value - 1, n)
    if work > max_multisets:
        raise ValueError(
            f"n={n}, max_value={shown(max_value)} has {shown(work)} multisets, more than {max_multisets}; "
            "use theory.partition.perfect_partition_count_pmf, or raise max_multisets"
        )
    wanted = {None: (0, 1), "even": (0,), "odd": (1,)}[parity]
    rows = [(count, ways) for p, count, ways in _counts(n, max_value) if p in wanted]
    draws = sum(ways for _, ways in rows)
    if draws == 0:
        raise ValueError(f"no total of n={n} items of at most {max_value} is {parity}")
    law: dict[int, Fraction] = {0: Fraction(0)}
    for count, ways in rows:
        law[count] = law.get(count, Fraction(0)) + Fraction(ways, draws)
    return dict(sorted(law.items()))


def perfect_partition_moments(n: int, max_value: int, parity: str = "even") -> tuple[Fraction, Fraction]:
    r"""Exact mean and variance of the number of perfect partitions given the parity of the total.

    .. math:: \text{to be compared with } \mu\Bigl(1 - \frac{3}{20n}\Bigr)
              \quad\text{and}\quad \mu + \frac{\mu^2}{5n}

    and twice that mean for odd totals (`theory.partition.expected_perfect_partitions`).

    Examples
    --------
    >>> perfect_partition_moments(2, 1), perfect_partition_moments(3, 1, "odd")
    ((Fraction(1, 1), Fraction(0, 1)), (Fraction(3, 1), Fraction(0, 1)))
    """
    law = perfect_partition_distribution(n, max_value, parity)
    mean = sum((z * p for z, p in law.items()), Fraction(0))
    return mean, sum((z * z * p for z, p in law.items()), Fraction(0)) - mean**2


def perfect_probability(n: int, max_value: int, max_states: int = MOST_STATES) -> Fraction:
    r"""Exact probability that some partition is perfect: P(min D <= 1).

    Examples
    --------
    >>> perfect_probability(3, 2), perfect_probability(1, 4)
    (Fraction(7, 8), Fraction(1, 4))
    """
    law = min_discrepancy_distribution(n, max_value, max_states)
    return law.get(0, Fraction(0)) + law.get(1, Fraction(0))
