r"""Sums of random integers: the sampling laws, and the exact probability of a sum.

Partition and subset sum share this. Laws: "nonzero" is uniform on {+-1..+-M}, "uniform" on {-M..M},
"product" is a b with a and b both uniform on {+-1..+-M}, on the grid of M^2.
"""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from theory.arguments import choice, whole

Law = Literal["nonzero", "uniform", "product"]


LAWS: tuple[Law, ...] = ("nonzero", "uniform", "product")


EXACT_PRODUCT = 3_000_000  # length of the integer polynomial up to which the product law stays exact


def check_arguments(n: int | None, max_value: int, target: int | None, law: str) -> tuple[Any, Any, Any]:
    """(n, max_value, target) as Python integers (None stays), or one sentence saying what is wrong.

    NumPy integers are accepted and converted: exact arithmetic must not wrap around at 64 bits.
    """
    choice("law", law, LAWS)
    return (
        None if n is None else whole("n", n, 0),
        None if max_value is None else whole("max_value", max_value, 1, any_size=True),
        None if target is None else whole("target", target, any_size=True),
    )


def largest(max_value: int, law: Law) -> int:
    """Largest value a sample takes: M, or M^2 for "product"."""
    return int(max_value) ** 2 if law == "product" else int(max_value)


def variance(max_value: int, law: Law) -> float:
    r"""Second moment s2 = E X^2 (the mean is zero).

    .. math:: \text{nonzero } \tfrac{(M+1)(2M+1)}{6},\quad \text{uniform } \tfrac{M(M+1)}{3},\quad
              \text{product } \Bigl(\tfrac{(M+1)(2M+1)}{6}\Bigr)^2

    Examples
    --------
    >>> variance(1, "nonzero"), variance(1, "uniform"), variance(2, "product")
    (1.0, 0.6666666666666666, 6.25)
    """
    _, max_value, _ = check_arguments(None, max_value, None, law)
    return as_float(exact_variance(max_value, law))


def exact_variance(max_value: int, law: Law) -> Fraction:
    """:func:`variance` as a fraction."""
    if law == "uniform":
        return Fraction(max_value * (max_value + 1), 3)
    square = Fraction((max_value + 1) * (2 * max_value + 1), 6)
    return square**2 if law == "product" else square


def as_float(value: Fraction) -> float:
    """Nearest double, inf beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def log_fraction(value: Fraction) -> float:
    """Natural logarithm of a positive fraction of any size."""
    return math.log(value.numerator) - math.log(value.denominator)


@lru_cache(maxsize=32)
def sample_counts(max_value: int, law: Law) -> tuple[np.ndarray, int]:
    """Counts of the values -R..R (R = `largest`), and their total: P(X = x) = counts[x + R] / total.

    Examples
    --------
    >>> sample_counts(2, "product")
    (array([2, 0, 4, 2, 0, 2, 4, 0, 2]), 16)
    """
    _, max_value, _ = check_arguments(None, max_value, None, law)
    reach = largest(max_value, law)
    if law != "product":
        counts = np.ones(2 * reach + 1, np.int64)
        counts[reach] = law == "uniform"
    else:
        counts = np.zeros(2 * reach + 1, np.int64)
        factors = np.arange(1, max_value + 1)
        for a in range(1, max_value + 1):
            counts[reach + a * factors] += 2
        counts[:reach] = counts[:reach:-1]
    counts.setflags(write=False)
    return counts, int(counts.sum())


def lattice_count(j: int, max_value: int, s: int) -> int:
    """Number of j-tuples from {-M..M} with sum s, by inclusion-exclusion over the values above the cap."""
    j, max_value, s = int(j), int(max_value), int(s)
    if j == 0:
        return int(s == 0)
    width = 2 * max_value + 1
    top = s + j * max_value
    total = 0
    for i in range(j + 1):
        if top - width * i < 0:
            break
        total += (-1) ** i * math.comb(j, i) * math.comb(top - width * i + j - 1, j - 1)
    return total


def sum_probability(k: int, max_value: int, s: int, law: Law = "nonzero", exact: bool = False) -> Any:
    r"""P(X_1 + ... + X_k = s), from integers.

    .. math:: N_j(s) = \sum_i (-1)^i \binom{j}{i}\binom{s + jM - (2M+1)i + j - 1}{j-1}, \qquad
              P_{uniform} = \frac{N_k(s)}{(2M+1)^k},\quad
              P_{nonzero} = \frac{\sum_j (-1)^{k-j}\binom{k}{j} N_j(s)}{(2M)^k}

    Parameters
    ----------
    k, max_value, s, law
        Number of terms, M, value, sampling law.
    exact
        Return a Fraction instead of a float.

    Examples
    --------
    >>> sum_probability(2, 1, 0), sum_probability(2, 1, 0, "uniform", exact=True)
    (0.5, Fraction(1, 3))
    """
    k, max_value, s = check_arguments(k, max_value, s, law)
    if law == "uniform":
        value = Fraction(lattice_count(k, max_value, s), (2 * max_value + 1) ** k)
    elif law == "nonzero":
        terms = ((-1) ** (k - j) * math.comb(k, j) * lattice_count(j, max_value, s) for j in range(k + 1))
        value = Fraction(sum(terms), (2 * max_value) ** k)
    else:
        value = product_coefficient(k, max_value, s, empty=0)
    return value if exact else float(value)


def product_coefficient(n: int, max_value: int, target: int, empty: int) -> Fraction:
    """Coefficient at `target` of (empty + P(X = .))^n for the product law, by integer polynomials."""
    n, max_value, target = check_arguments(n, max_value, target, "product")
    reach, empty = largest(max_value, "product"), whole("empty", empty)
    if n * reach > EXACT_PRODUCT:
        raise ValueError(
            f"an exact sum of the product law needs n * max_value**2 <= {EXACT_PRODUCT}, got {n * reach}"
        )
    from flint import fmpz_poly

    counts, total = sample_counts(max_value, "product")
    coefficients = [int(c) for c in counts]
    coefficients[reach] += empty * total
    power = fmpz_poly(coefficients) ** n
    position = target + n * reach
    return Fraction(int(power[position]) if 0 <= position <= 2 * n * reach else 0, total**n)
