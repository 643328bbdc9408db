r"""How far each form of `theory.subset_sum.miss_probability` is from the exact law, as measured.

The table (`theory.subset_sum.error_table`, written by tests/theory/reference_miss_errors.py) holds the
largest log error over some targets for every law, M and even n; here it becomes a stated error for every cell
between.
"""

import math

from theory.integer_sums import Law, check_arguments, largest
from theory.subset_sum.error_table import LOG_ERRORS, SAMPLES

FORMS = ("exact", "cox", "saddlepoint")
# Of log errors, for targets and n between the measured ones; no cell of 2,154 needed more than 1.24.
_MARGIN = 1.35
_FLOOR = 0.02  # below it the rows are chance


def miss_error(n: int, max_value: int, target: int, law: Law = "nonzero", form: str = "saddlepoint") -> float:
    r"""Stated relative error of a form of the miss probability, at a given cell.

    .. math:: \frac{1}{1 + \epsilon} \le \frac{P_{\text{form}}}{P_{\text{exact}}} \le 1 + \epsilon

    Parameters
    ----------
    n, max_value, target, law
        As in `theory.subset_sum.miss_probability`, delta = 0.
    form
        "exact", "cox" or "saddlepoint".

    Returns
    -------
    epsilon: 0 for "exact" and for t = 0; otherwise 1.35 times the largest log error measured at even n up to
    three away, over targets on the same side of half the largest sample, plus 0.02, as a ratio: a fitted
    statement about a law, not a bound. nan outside the table: n from 2 to 40, targets up to the largest
    sample, M up to 10 (3 for "product").

    Examples
    --------
    >>> miss_error(20, 3, 1, form="exact"), miss_error(20, 100, 1)
    (0.0, nan)
    >>> [round(1 + miss_error(20, 3, 1, form=form), 1) for form in ("cox", "saddlepoint")]  # 3.0, 3.5 there
    [4.5, 6.2]
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    if form not in FORMS:
        raise ValueError(f'form must be "exact", "cox" or "saddlepoint", got {form!r}')
    if form == "exact" or target == 0:
        return 0.0
    reach = largest(max_value, law)
    row = LOG_ERRORS.get((law, form, max_value, 2 * abs(target) <= reach))
    if row is None or abs(target) > reach or not SAMPLES[0] <= n <= SAMPLES[-1]:
        return math.nan
    near = max(e for m, e in zip(SAMPLES, row, strict=True) if abs(m - n) <= 3)
    return math.expm1(_MARGIN * near + _FLOOR)
