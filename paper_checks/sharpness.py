"""How sharp a check is: the factors nearest to 1 on a claim's constant that it refutes.

A green verdict says that the stated constant is compatible with the evidence. How far from it another one
would have to be before the same check refuted it is measured here, by bisection through the parameter
`factor` of the check, on the same streams: estimates and exact values are kept by the `Run`, so that a step
costs little more than judging them again.
"""

import functools
import statistics
from collections.abc import Callable, Iterable

from paper_checks.claim import (
    NOT_REPRODUCED,
    Claim,
    Constant,
    Measurement,
    Run,
    Sharpness,
    Twin,
    execute,
)
from paper_checks.judge import judge

LEAST, STEPS_PER_DECADE, DECADES = 1e-4, 24, 4


def first(refuted: Callable[[float], bool]) -> float | None:
    """The least distance of a grid from 1e-4 to 1, 10 % apart, that is refuted; None where 1 is not.

    Bisection: what is refuted at a distance is taken to be refuted beyond it.

    Examples
    --------
    >>> round(first(lambda distance: distance > 0.02), 4)
    0.0215
    """
    low, high = -1, STEPS_PER_DECADE * DECADES
    if not refuted(1.0):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if refuted(_distance(middle)) else (middle, high)
    return _distance(high)


def _distance(step: int) -> float:
    return LEAST * 10 ** (step / STEPS_PER_DECADE)


def _refutes(claim: Claim, run: Run, factor: float) -> bool:
    """Whether the claim, alone, is refuted with its constant multiplied by `factor`."""
    outcome = execute(
        claim,
        run,
        Twin(f"times {factor:.6g}", {"factor": factor}),
        until=functools.partial(_settles, claim.expected == NOT_REPRODUCED),
    )
    return judge([outcome])[0].is_refuted


def _settles(unprinted: bool, one: Measurement) -> bool:
    """Whether a measurement refutes by itself: exact, and false. What follows it cannot change that.

    In a claim that is declared not to be reproduced, a printed number that is not is what was declared.
    """
    return not one.trials and one.p_inside == 0.0 and not (unprinted and one.printed)


def measure(claim: Claim, run: Run) -> Sharpness:
    """The nearest refuted factors of one claim, at the budget and the seed of `run`."""
    if not isinstance(claim.constant, Constant):
        return Sharpness(reason=claim.constant or "not stated")
    refutes = functools.partial(_refutes, claim, run)
    below = above = None
    if claim.constant.bound != "lower" and (distance := first(lambda d: refutes(1 / (1 + d)))):
        below = 1 / (1 + distance)
    if claim.constant.bound != "upper" and (distance := first(lambda d: refutes(1 + d))):
        above = 1 + distance
    constant = claim.constant
    return Sharpness(constant.name, below, above, constant.bound, constant.loose)


def summary(found: Iterable[Sharpness]) -> str:
    """Median and largest distance, and what has none.

    Examples
    --------
    >>> summary([Sharpness("a", 0.98, 1.01), Sharpness(reason="an identity"), Sharpness("b", 0.5)])
    'constants refuted at a distance of 2.04 % (median of 1, largest 2.04 %); 1 not within a factor of 2; \
1 claim without a constant'
    """
    found = list(found)
    numeric = [one for one in found if one.constant]
    distances = [one.distance for one in numeric if one.distance is not None]
    text = "no constant refuted"
    if distances:
        middle, largest = (f"{100 * x:.3g} %" for x in (statistics.median(distances), max(distances)))
        text = f"constants refuted at a distance of {middle} (median of {len(distances)}, largest {largest})"
    if missed := len(numeric) - len(distances):
        text += f"; {missed} not within a factor of 2"
    if bare := len(found) - len(numeric):
        text += f"; {bare} claim{'s' if bare != 1 else ''} without a constant"
    return text
