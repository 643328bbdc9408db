"""One number of a check and the region into which a statement puts it.

Two null hypotheses follow, "the truth is inside" and "the truth is outside"; exactly one of them is true.

Evidence is what the number itself says of it, so that it cannot be mislabelled: balls and fractions are
certified, estimates are Monte Carlo, and an enumeration is exhaustive if it says how many cases it looked at.
"""

import math
import sys
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias, TypeGuard

from sims.montecarlo import Estimate
from sims.support.output import plain

# Strongest first. "symbolic": sympy, or a proof in exact algebra. "certified": ball arithmetic, or exact
# rationals. "exhaustive": every case the statement speaks of, counted. "bound": a rigorous bound, in double
# precision. "evaluated": a formula or a program, mostly in double precision, at the stated points of a larger
# range. "monte carlo": an estimate with an exact interval. "simulated": a bare number.
EVIDENCE = ("symbolic", "certified", "exhaustive", "bound", "evaluated", "monte carlo", "simulated")


@dataclass(frozen=True)
class Measurement:
    """One number of a check, the region the statement puts it into, and both p-values.

    Attributes
    ----------
    value, low, high
        The number and its interval (all equal where it is exact).
    region
        (least, greatest) value that the statement allows.
    p_inside
        p-value of "the truth lies in the region"; small refutes the statement.
    p_outside
        p-value of "the truth lies outside"; small confirms it.
    tightness
        Measured / bound, for bounds, None where one of them is not positive; measured / target, for laws.
    cases
        How many cases a proposition was decided for.
    printed
        The number as a paper prints it, where the statement is that very number.
    """

    name: str
    evidence: str
    value: float
    low: float
    high: float
    region: tuple[float, float]
    p_inside: float
    p_outside: float
    trials: int = 0
    tightness: float | None = None
    printed: str | None = None
    detail: str = ""
    cases: int = 1

    @property
    def is_proposition(self) -> bool:
        """Whether this is a statement found true or false, and no number."""
        return not self.trials and self.region == (1.0, 1.0) and self.tightness is None

    def as_dict(self) -> dict:
        """Plain values, ready for JSON; infinite limits become None."""
        finite = plain([self.value, self.low, self.high, *self.region])
        return {
            "name": self.name,
            "evidence": self.evidence,
            "value": finite[0],
            "interval": finite[1:3],
            "region": finite[3:],
            "p_inside": self.p_inside,
            "p_outside": self.p_outside,
            "trials": self.trials,
            "tightness": plain(self.tightness),
            "printed": self.printed,
            "detail": self.detail,
            "cases": self.cases,
        }


# What a check may measure; Any stands for a ball (flint.arb), whose library few checks need.
Measured: TypeAlias = "Estimate | Fraction | float | Any"


def _is_ball(measured: Measured) -> TypeGuard[Any]:
    return "flint" in sys.modules and isinstance(measured, sys.modules["flint"].arb)


def proved(low: float, high: float) -> Any:
    """The ball of all numbers between two limits that are proved; a measure of it is certified.

    Examples
    --------
    >>> within("between 1/4 and 1/2", proved(0.25, 0.5), 0.3, 0.1).p_outside  # neither inside nor outside
    1.0
    """
    from flint import arb

    return arb(low).union(arb(high))


def _decided(inside: bool, outside: bool) -> tuple[float, float]:
    """p-values of "the truth is inside" and "outside" where one of them is known, or neither is."""
    return float(not outside), float(not inside)


def _measure(
    name: str,
    measured: Measured,
    region: tuple[Any, Any],
    evidence: str | None,
    tightness: float | None,
    detail: str,
    cases: int | None = None,
) -> Measurement:
    least, greatest = region
    if not least <= greatest:  # NaN included: a law that fails to answer must not prove itself
        raise ValueError(f"{name}: the statement allows no value, its region is [{least}, {greatest}]")
    trials = 0
    if isinstance(measured, Estimate):
        # An impossible value bounds nothing: "P <= 1" needs no trial.
        floor, ceiling = measured.bounds
        has_low, has_high = least > floor, greatest < ceiling
        above = measured.p_values(greatest) if has_high else (1.0, 0.0)
        below = measured.p_values(least) if has_low else (0.0, 1.0)
        sides = has_low + has_high
        p_inside = min(1.0, sides * min(above[0], below[1])) if sides else 1.0
        p_outside = max(above[1] if has_high else 0.0, below[0] if has_low else 0.0)
        value, low, high, trials = measured.value, measured.low, measured.high, measured.trials
        own = "monte carlo"
    elif _is_ball(measured):  # comparisons of balls are true where they are certain
        value, low, high = (float(part) for part in (measured.mid(), measured.lower(), measured.upper()))
        p_inside, p_outside = _decided(
            bool(measured >= least and measured <= greatest), bool(measured < least or measured > greatest)
        )
        own = "certified"
    else:
        value = low = high = float(measured)
        inside = bool(least <= measured <= greatest)  # a NaN is never inside
        p_inside, p_outside = _decided(inside, not inside)
        own = "certified" if isinstance(measured, Fraction) else "evaluated"
        if evidence == "monte carlo":
            raise ValueError(f"{name}: a Monte Carlo number needs its interval; hand over the Estimate")
    evidence = evidence or ("exhaustive" if cases is not None and own == "evaluated" else own)
    if evidence not in EVIDENCE:
        raise ValueError(f"evidence must be one of {EVIDENCE}, got {evidence!r}")
    if evidence == "exhaustive" and (cases is None or cases < 2):
        raise ValueError(f"{name}: exhaustive evidence says how many cases were looked at, got {cases}")
    if evidence == "certified" and own != "certified":
        raise ValueError(f"{name}: a certified number is a ball or a fraction, got {measured!r}")
    return Measurement(
        name,
        evidence,
        value,
        low,
        high,
        (float(least), float(greatest)),
        p_inside,
        p_outside,
        trials,
        tightness,
        None,
        detail,
        cases or 1,
    )


def _value(measured: Measured) -> float:
    if isinstance(measured, Estimate):
        return measured.value
    return float(measured.mid() if _is_ball(measured) else measured)


def _ratio(measured: Measured, target: float) -> float | None:
    return _value(measured) / float(target) if target and math.isfinite(target) else None


def _share(part: float, whole: float) -> float | None:
    """part / whole of two sizes; a ratio with a negative number says nothing about a bound."""
    return part / whole if part >= 0 and 0 < whole < math.inf else None


def at_most(
    name: str,
    measured: Measured,
    bound: float,
    *,
    evidence: str | None = None,
    detail: str = "",
    cases: int | None = None,
) -> Measurement:
    """The statement says: truth <= bound. Tightness is measured / bound.

    `cases`, here and below, is the number of cases of an enumeration behind the number.
    """
    share = _share(_value(measured), float(bound))
    return _measure(name, measured, (-math.inf, bound), evidence, share, detail, cases)


def at_least(
    name: str,
    measured: Measured,
    bound: float,
    *,
    evidence: str | None = None,
    detail: str = "",
    cases: int | None = None,
) -> Measurement:
    """The statement says: truth >= bound. Tightness is bound / measured."""
    share = _share(float(bound), _value(measured)) or None  # "at least 0" is a sign, and has no tightness
    return _measure(name, measured, (bound, math.inf), evidence, share, detail, cases)


def within(
    name: str,
    measured: Measured,
    target: float,
    tolerance: float,
    *,
    evidence: str | None = None,
    detail: str = "",
    cases: int | None = None,
) -> Measurement:
    """The statement says: |truth - target| <= tolerance, a tolerance stated before looking.

    Examples
    --------
    >>> within("a share", Fraction(1, 3), 1 / 3, 1e-9).evidence, within("a count", 2, 2, 0, cases=9).evidence
    ('certified', 'exhaustive')
    """
    region = (target - tolerance, target + tolerance)
    return _measure(name, measured, region, evidence, _ratio(measured, target), detail, cases)


def identity(
    name: str, true: Any, detail: str = "", *, evidence: str = "symbolic", cases: int | None = None
) -> Measurement:
    """The statement is a proposition that was decided: proved, enumerated or certified, or found false.

    `true` is a boolean, or the ball of a number that is positive where the proposition is true and negative
    where it is false: its type alone makes this certified, and a ball around 0 decides nothing. `cases` says
    how many cases were looked at, one by one.

    Examples
    --------
    >>> [identity("positive", proved(*ends)).p_outside for ends in ((0.25, 1.0), (-0.25, 1.0))]
    [0.0, 1.0]
    """
    if _is_ball(true):
        truth = proved(float(true > 0), float(not true < 0))
        return _measure(name, truth, (1.0, 1.0), None, None, detail, cases)
    return _measure(name, bool(true), (1.0, 1.0), evidence, None, detail, cases)


def printed(
    name: str,
    value: Measured,
    text: str,
    *,
    evidence: str | None = None,
    detail: str = "",
    cases: int | None = None,
) -> Measurement:
    """The statement is a number as printed: `value` must round to `text` at the printed precision.

    Examples
    --------
    >>> printed("INT4", 19.2577, "19.1").region
    (19.05, 19.150000000000002)
    """
    half = 0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent)
    region = (float(text) - half, float(text) + half)
    measured = _measure(name, value, region, evidence, _ratio(value, float(text)), detail, cases)
    return replace(measured, printed=text)
