r"""The price of products: what the candidates a b of the two-layer construction can and cannot reach.

The proof of Theorem 1 makes the products uniform on the grid of delta^2 by rejection. No rejection can: a
value that is no product (every prime above M, for one) keeps probability 0. Products also share divisors:
three of four are even when M is even, so odd targets lack odd candidates more often than fair coins would.
"""

import math
from collections.abc import Sequence

import numpy as np

from theory.arguments import choice, integers, whole
from theory.subset_sum.exponent import failure_exponent


def missing_products(max_value: int) -> np.ndarray:
    """Grid values 1..M^2 that are no product a b with a, b in 1..M: exhaustive.

    Examples
    --------
    >>> missing_products(3)
    array([5, 7, 8])
    >>> [m * m - missing_products(m).size for m in range(1, 11)]  # distinct entries of multiplication tables
    [1, 3, 6, 9, 14, 18, 25, 30, 36, 42]
    """
    max_value = whole("max_value", max_value, 1)
    factors = np.arange(1, max_value + 1)
    present = np.zeros(max_value**2 + 1, bool)
    present[0] = True
    for a in factors:
        present[a * factors] = True
    return np.flatnonzero(~present)


def candidate_price(max_value: int, target: int) -> float:
    r"""Candidates the product law needs per uniform candidate on the same grid, at tiny failure levels.

    .. math:: \frac{e_{\text{nonzero}}}{e_{\text{product}}}

    (`theory.subset_sum.exponent`): 2.41 for odd targets and even M, of which three products in four are even.

    Raises
    ------
    ValueError
        The target 0, which no candidate is needed for, or a max_value below 1.

    Examples
    --------
    >>> round(candidate_price(128, 1), 3), round(candidate_price(127, 1), 3), candidate_price(128, 12)
    (2.409, 2.366, 1.0)
    """
    max_value, target = whole("max_value", max_value, 1), whole("target", target)
    if target == 0:
        raise ValueError("target=0 must be another weight: the empty set represents it without a candidate")
    uniform = failure_exponent(max_value**2, target, "nonzero")
    return uniform / failure_exponent(max_value, target, "product")


def shared_divisor_bound(
    weights: Sequence[np.ndarray], samples: int, max_value: int, prime: int = 2, independent: bool = False
) -> float:
    r"""Rigorous upper bound on the success of a two-layer ticket under the product law.

    .. math:: P \le \prod_j \sum_k \binom nk \alpha^k (1-\alpha)^{n-k} \bigl(1 - (1-\alpha)^k\bigr)^{m_j}

    alpha is the share of 1..M that the prime does not divide, m_j the number of weights from input j that it
    does not divide. Such a weight needs a candidate a b with neither factor divisible. The k usable a's are
    shared by all outputs of input j; given k, the b's of different outputs are independent. With
    `independent` the sum is taken inside the power, as if every output had an A of its own: smaller, hence no
    bound.

    Examples
    --------
    >>> w = [np.array([[1], [1]])]
    >>> round(shared_divisor_bound(w, 1, 2), 4)  # a odd (1/2), then both b odd (1/4)
    0.125
    >>> round(shared_divisor_bound(w, 1, 2, independent=True), 4)
    0.0625
    """
    from scipy.stats import binom

    max_value = whole("max_value", max_value, 1)
    prime, samples = whole("prime", prime), whole("samples", samples, 0)
    if prime < 2 or any(prime % d == 0 for d in range(2, math.isqrt(prime) + 1)):
        raise ValueError(f"prime={prime} must be a prime")
    alpha = 1 - (max_value // prime) / max_value
    k = np.arange(samples + 1)
    share = binom.pmf(k, samples, alpha)
    reached = 1 - (1 - alpha) ** k
    log = 0.0
    for w in weights:
        for m in (integers("weights", w) % prime != 0).sum(axis=0):
            hit = (share @ reached) ** m if independent else share @ reached**m
            log += math.log(hit) if hit > 0 else -math.inf
    return min(math.exp(log), 1.0)


def reduced_shares(max_value: int, ratio: int, rounding: str = "truncate", zero: bool = False) -> np.ndarray:
    r"""Exact law of a weight drawn on a grid `ratio` times finer and reduced to {-M..M}.

    Shares of the values -M..M. Truncation sends 2 ratio - 1 of the fine values to 0 and one to each end;
    rounding to the nearest sends about half as many to an end as to an inner value. So reducing a uniform
    weight never gives a uniform one.

    Parameters
    ----------
    zero
        Whether the fine grid holds 0 (S_delta of the paper does; the networks here are drawn without it).

    Examples
    --------
    >>> reduced_shares(2, 4, zero=True) * 17
    array([1., 4., 7., 4., 1.])
    >>> reduced_shares(2, 4, "nearest", zero=True) * 17
    array([3., 4., 3., 4., 3.])
    """
    max_value = whole("max_value", max_value, 1)
    ratio = whole("ratio", ratio, 1)
    choice("rounding", rounding, ("truncate", "nearest"))
    fine = np.arange(-max_value * ratio, max_value * ratio + 1)
    fine = fine if zero else fine[fine != 0]
    size = (np.abs(fine) + (ratio // 2 if rounding == "nearest" else 0)) // ratio
    counts = np.bincount(np.sign(fine) * size + max_value, minlength=2 * max_value + 1)
    return counts / fine.size
