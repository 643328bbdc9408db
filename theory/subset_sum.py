r"""Quantized random subset sum: the face of the subject.

Which subsets of n random integers sum to a target t? The laws of the samples are "nonzero" (uniform on
{+-1..+-M}), "uniform" ({-M..M}) and "product" (a b, both factors uniform on {+-1..+-M}). t = 0 is always
solved, by the empty set.

    exact         expected_solutions, second_moment          theory.subset_sum_moments
    rigorous      hit_probability_bounds                     theory.subset_sum_bounds
    laws          miss_probability                           theory.subset_sum_laws
"""

from typing import Literal

from theory.subset_sum_laws import cox_miss_probability
from theory.subset_sum_moments import LAWS, Law, check_arguments, expected_solutions, second_moment

__all__ = ["LAWS", "Law", "expected_solutions", "miss_probability", "second_moment"]

MissForm = Literal["cox"]


def miss_probability(
    n: int, max_value: int, target: int, law: Law = "nonzero", form: MissForm = "cox", delta: int = 0
) -> float:
    r"""Probability that no subset of n random samples sums to the target.

    .. math:: P(\text{miss}) \approx E_G\, e^{-\mu\, e^{-(G-d)^2/2}}, \quad
              \mu = \frac{2^{n+1}}{\sqrt{2\pi n s_2}},\; d = \frac{2t}{\sqrt{n s_2}}

    Parameters
    ----------
    n, max_value, target, law : samples, M, target (on the grid of M^2 for "product"), sampling law.
    form : "cox", the formula above.
    delta : some subset within delta of the target suffices; multiplies mu by 2 delta + 1.

    Returns
    -------
    A law, not a bound; 0 for targets within delta of 0 (the empty set).

    Examples
    --------
    >>> miss_probability(10, 127, 0)
    0.0
    >>> round(miss_probability(16, 8191, 1), 3)
    0.199
    """
    check_arguments(n, max_value, target, law)
    if abs(target) <= delta:
        return 0.0
    if n == 0:
        return 1.0
    if form != "cox":
        raise ValueError(f'form must be "cox", got {form!r}')
    return float(cox_miss_probability(n, max_value, target, law, delta))
