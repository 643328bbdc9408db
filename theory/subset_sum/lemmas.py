r"""Lemmas 3 and 4 of Kumar & Natale, evaluated with their own constants.

Both pass from a target t to the number partitioning target z = Lambda - 2t by Lemma 2 and use the moments of
Borgs, Chayes & Pittel, whose O(1/n) terms have no stated constants and are dropped here. Two remarks on the
source: z depends on the samples, while the moments are those of a fixed z; and "with high probability" there
means a failure that is an inverse polynomial, not an exponential, of n.
"""

import math
from fractions import Fraction

from theory.arguments import whole
from theory.integer_sums import as_float, check_arguments
from theory.partition.laws import lemma1_bounds, log_expected_perfect_partitions, second_moment

BETA = 0.5  # the paper's choice: 1/sqrt(3 + beta) scales the bound on Lambda


def lemma3_bounds(n: int, max_value: int, target: int, total: int) -> tuple[float, float]:
    r"""Lemma 3: bounds on P(some subset sums to t) given Lambda = sum X_i, by Lemma 1 at z = \|Lambda - 2t\|.

    .. math:: \frac{\rho_n e}{\rho_n e + 1} \le P(Y_{n,t} > 0) \le \min\{1, 2\rho_n e\},\qquad
              e = e^{-z^2/(2 n M^2 c)}

    z has the parity of Lambda, and given that parity both bounds of Lemma 1 double.

    Examples
    --------
    >>> lower, upper = lemma3_bounds(24, 2**12, 5, 0)
    >>> round(lower, 4), upper
    (0.9991, 1.0)
    """
    n, max_value, target = check_arguments(n, max_value, target, "nonzero")
    lower, upper = lemma1_bounds(n, max_value, abs(whole("total", total, any_size=True) - 2 * target))
    return 2.0 * lower, min(2.0 * upper, 1.0)


def lemma4_failure(n: int, max_value: int, target: int) -> float:
    r"""Lemma 4's bound on P(miss), its two error terms with their own constants.

    .. math:: P(\text{miss}) \le 2 n^{-1/(2(3+\beta))} + \frac{1}{1 + \rho_n e_a},\qquad
              a = \frac{M\sqrt{n\ln n}}{\sqrt{3+\beta}},\; \beta = \tfrac12

    The first term is Hoeffding's inequality for \|Lambda\| >= a, 2 n^(-1/7); the second is Lemma 3 at the
    worst z = a + 2\|t\|. The choice beta = 1/2 balances the first term with the dropped O(1/n) error of the
    second moment, which grows to n^(-1/7) at z = a (our reading).

    Returns
    -------
    A number that is at least 1 for every n <= 128 = 2^7, whatever M: there the lemma says nothing.

    Examples
    --------
    >>> lemma4_failure(128, 127, 1) >= 1.0, round(lemma4_failure(10_000, 127, 1), 3)
    (True, 0.537)
    """
    n, max_value, target = check_arguments(whole("n", n, 2), max_value, target, "nonzero")
    z = math.sqrt(n * math.log(n) / (3.0 + BETA)) + as_float(Fraction(2 * abs(target), max_value))
    exponent = z * (z / (2.0 * n * float(second_moment(max_value))))  # z and its variance in units of M
    log_rho = math.log(2.0) + float(log_expected_perfect_partitions(n, max_value))
    log_ratio = log_rho - exponent
    second = 1.0 / (1.0 + math.exp(log_ratio)) if log_ratio < 700.0 else 0.0
    return 2.0 * n ** (-1.0 / (2.0 * (3.0 + BETA))) + second


def lemma4_vacuous_up_to() -> int:
    """Largest n at which Hoeffding's term alone is at least 1, so that Lemma 4 says nothing at any M.

    Examples
    --------
    >>> lemma4_vacuous_up_to()
    128
    """
    return round(2.0 ** (2.0 * (3.0 + BETA)))
