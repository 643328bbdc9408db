"""The miss probability by its best law, and the samples a miss probability asks for."""

import math
from typing import Literal

from theory.arguments import choice, inside, shown, whole
from theory.integer_sums import Law, check_arguments, largest
from theory.subset_sum.bounds import miss_lower_bound, miss_probability_bounds
from theory.subset_sum.cox import cox_miss_probability
from theory.subset_sum.errors import miss_error
from theory.subset_sum.exact import (
    CertifiedInterval,
    exact_is_cheap,
    exact_miss_probability,
)
from theory.subset_sum.saddlepoint import saddlepoint_miss_probability

MissForm = Literal["best", "exact", "cox", "saddlepoint"]
_WINDOW = 3.25  # n - log2 M up to which the Cox law is the better one
_MOST_SAMPLES = 4096


def miss_form(
    n: int, max_value: int, law: Law = "nonzero", delta: int = 0, target: int | None = None
) -> tuple[str, str]:
    """The form `miss_probability` takes, and its stated accuracy; without a target, the best law short of it.

    Examples
    --------
    >>> miss_form(12, 1023)
    ('cox', 'about 1 % for M >= 1000, 5 % for M >= 100')
    >>> miss_form(21, 127)[0], miss_form(12, 127, "product")[0]
    ('saddlepoint', 'saddlepoint')
    >>> miss_form(21, 7, target=5), miss_form(21, 9, target=5)
    (('exact', 'exact'), ('saddlepoint', 'within a factor of 1.70, as measured'))
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0, any_size=True)
    if target is not None and exact_is_cheap(n, max_value, target, law, delta):
        return "exact", "exact"
    near_window = law != "product" and n - math.log2(max_value) + math.log2(2 * delta + 1) <= _WINDOW
    if target is not None and delta == 0:
        form = "cox" if near_window else "saddlepoint"
        error = miss_error(n, max_value, target, law, form)
        if not math.isnan(error):
            return form, f"within a factor of {1.0 + error:.2f}, as measured"
    window = 2 * delta + 1  # max_value / window is the M of a grid on which one sum is as wide as the window
    if near_window:
        fine = max_value >= 100 * window
        return "cox", "about 1 % for M >= 1000, 5 % for M >= 100" if fine else "tens of per cent"
    return "saddlepoint", "a factor of 1.8 down to 1e-11" if max_value >= 15 * window else "by factors"


def miss_probability(
    n: int, max_value: int, target: int, law: Law = "nonzero", form: MissForm = "best", delta: int = 0
) -> float:
    r"""Probability that no subset of n random samples sums to the target.

    .. math:: \text{cox: } E_G\, e^{-\mu\, e^{-(G-d)^2/2}},\quad
              \mu = \frac{2^{n+1}}{\sqrt{2\pi n s_2}},\; d = \frac{2t}{\sqrt{n s_2}};\qquad
              \text{saddlepoint: } E_X\, e^{-\lambda(X)}

    Parameters
    ----------
    n, max_value, target, law
        Samples, M, target (on the grid of M^2 for "product"), sampling law.
    form
        "exact", the reachable-set chain (`theory.subset_sum.exact`), rounded once; "cox", near the window;
        "saddlepoint", the conditional Poisson law averaged over a fixed set of samples, for the tail and for
        "product"; "best" is exact wherever that costs under about 50 ms, else chooses as `miss_form` says and
        never falls below the rigorous lower bound.
    delta
        Some subset within delta of the target suffices; multiplies mu by 2 delta + 1, adds lambda over the
        window.

    Returns
    -------
    Unless exact a law, not a bound (`hit_probability_bounds` is); 0 for targets within delta of 0 (the empty
    set).

    Raises
    ------
    ValueError
        Form "exact" where the chain outgrows its limits.

    Examples
    --------
    >>> miss_probability(10, 127, 0)
    0.0
    >>> round(miss_probability(16, 8191, 1), 3), f"{miss_probability(21, 127, 127):.0e}"
    (0.199, '9e-04')
    >>> f"{miss_probability(20, 3, 1):.3e} {miss_probability(20, 3, 1, form='saddlepoint'):.3e}"
    '9.631e-07 3.338e-06'
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0, any_size=True)
    choice("form", form, ("best", "exact", "cox", "saddlepoint"))
    if abs(target) <= delta:
        return 0.0
    if n == 0:
        return 1.0
    chosen = miss_form(n, max_value, law, delta, target)[0] if form == "best" else form
    if chosen == "exact":
        found = exact_miss_probability(n, max_value, target, law, delta)
        if isinstance(found, CertifiedInterval):
            raise ValueError(
                f"the exact chain outgrew its limits at max_value={max_value}, target={target}; use "
                'exact_miss_probability for a certified interval, or form="saddlepoint"'
            )
        return float(found)
    if chosen == "cox":
        value = float(cox_miss_probability(n, max_value, target, law, delta))
    else:
        value = saddlepoint_miss_probability(n, max_value, target, law, delta)
    if form == "best" and delta == 0:
        value = max(value, miss_lower_bound(n, max_value, target, law))
    return value


def samples_needed(
    max_value: int, target: int, miss_probability: float, law: Law = "nonzero", rigorous: bool = False
) -> int:
    r"""Smallest number of samples at which a fixed target is missed with at most the given probability.

    .. math:: \min\{n : P_{n'}(\text{miss}) \le p \text{ for all } n' \ge n\}

    (P(miss) falls with n: a longer list of samples keeps every subset of a shorter one.)

    Parameters
    ----------
    max_value, target, law
        As in `miss_probability`.
    miss_probability
        0 < p < 1.
    rigorous
        Size by the proved upper bound of P(miss) instead of the law. Never size a network by a law
        outside its range when a guarantee is wanted.

    Returns
    -------
    n; 0 for target 0. At fixed p it grows by one per bit of M; for p -> 0 at fixed M like
    log2(1/p) / `failure_exponent`. Raises ValueError where no n up to 4096 suffices.

    Examples
    --------
    >>> samples_needed(127, 1, 0.01), samples_needed(127, 1, 0.01, rigorous=True)
    (13, 32)
    """
    _, max_value, target = check_arguments(None, max_value, target, law)
    inside("miss_probability", miss_probability)
    if target == 0:
        return 0

    def enough(n: int) -> bool:
        if abs(target) > n * largest(max_value, law):
            return False  # out of reach, and the bounds of far targets take long
        if rigorous:
            # not 1 - P(hit): that is 0 as soon as the bound falls below 1e-16
            return miss_probability_bounds(n, max_value, target, law)[1] <= miss_probability
        if miss_lower_bound(n, max_value, target, law) > miss_probability:
            return False
        return _miss(n, max_value, target, law) <= miss_probability

    low, high = 0, 1
    while not enough(high):
        if high == _MOST_SAMPLES:
            raise ValueError(
                f"no n up to {_MOST_SAMPLES} brings the miss probability of target {shown(target)} at "
                f"max_value {shown(max_value)} to {miss_probability}"
            )
        low, high = high, min(2 * high if high < 8 else high + high // 2, _MOST_SAMPLES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


_miss = miss_probability  # `samples_needed` has a parameter of that name
