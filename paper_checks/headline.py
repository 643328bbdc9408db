"""The one number of a claim that is shown first, and how numbers of a check are written for reading.

What holds is shown where it is tested hardest: a bound at its tightest setting, a law where the least
deviation is allowed, and what is true or false (or equal up to rounding) by what was covered. What does not
hold is shown by what decided it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from paper_checks.measurement import EVIDENCE, Measurement

ROUNDING = 1e-6  # a relative deviation no larger than this is allowed for rounding and search alone


@dataclass(frozen=True)
class Headline:
    """The informative number of a claim, in words, and the measurement it comes from.

    Attributes
    ----------
    measured, stated
        For reading: the value with its interval, and what the statement says; or how many cases are true.
    setting
        The name of the measurement, or the range that was covered.
    measurement
        Where the number stands; None where coverage is shown.
    cases
        How many cases are covered; 0 where a number is shown.
    evidence
        Of the measurement, or the strongest of those covered.
    """

    measured: str
    stated: str
    setting: str
    evidence: str
    measurement: Measurement | None = None
    cases: int = 0

    @property
    def tightness(self) -> float | None:
        """Of the measurement."""
        return self.measurement.tightness if self.measurement else None


def headline(deciding: Sequence[Measurement], holds: bool, bound: bool | None = None) -> Headline | None:
    """Choose among the measurements that decided a verdict.

    Parameters
    ----------
    deciding
        Those whose own verdict is the claim's.
    holds
        Whether that is "holds".
    bound
        Whether the claim states a bound; None where it does not say.
    """
    if not deciding:
        return None
    if not holds:
        return _shown(min(deciding, key=lambda m: EVIDENCE.index(m.evidence)))
    numbers = [m for m in deciding if _rank(m, bound) is not None]
    if numbers:
        return _shown(min(numbers, key=lambda m: _rank(m, bound) or ()))
    return _covered(deciding)


def _shown(m: Measurement) -> Headline:
    is_bound = math.inf in map(abs, m.region)
    attained = is_bound and m.tightness is not None and abs(m.tightness - 1) <= ROUNDING
    return Headline(measured(m) + (", attained" if attained else ""), stated(m), m.name, m.evidence, m)


def _rank(m: Measurement, bound: bool | None) -> tuple | None:
    """Sorts what tells most first; None for what tells nothing but that two things agree."""
    least, greatest = m.region
    strength = EVIDENCE.index(m.evidence)
    if math.isfinite(least) and math.isfinite(greatest):
        target, tolerance = (least + greatest) / 2, (greatest - least) / 2
        if not target:
            return None if tolerance <= ROUNDING else (4, strength)
        if tolerance <= ROUNDING * abs(target):
            return None if m.is_proposition or target == 1.0 else (3, strength)
        share = float(
            f"{tolerance / abs(target):.6g}"
        )  # equal ones are equal: the largest deviation is shown
        return (1 if bound else 0, share, strength, -abs(m.value / target - 1))
    limit = greatest if math.isinf(least) else least
    if limit and abs(limit) <= ROUNDING and (m.tightness or 0.0) < ROUNDING**0.5:
        return None
    if m.tightness:
        return (1 if bound is False else 0, -m.tightness, strength)
    return (4, abs(m.value - limit), strength)


def _covered(deciding: Sequence[Measurement]) -> Headline:
    cases = sum(m.cases for m in deciding)
    exact = all(m.is_proposition for m in deciding)
    return Headline(
        f"{number(cases)} case{'s' if cases != 1 else ''}",
        "true" if exact else "up to rounding",
        coverage([m.name for m in deciding]),
        min((m.evidence for m in deciding), key=EVIDENCE.index),
        cases=cases,
    )


def coverage(names: Sequence[str]) -> str:
    """The range that names of settings span.

    Examples
    --------
    >>> coverage(["M = 1, n = 8", "M = 1, n = 5", "M = 7, n = 5", "M = 3, n = 6"])
    'M = 1 to 7, n = 5 to 8'
    >>> coverage(["slopes", "start and end"])
    'slopes; start and end'
    >>> coverage(["2 bits", "3 bits", "4 bits", "8 bits"])
    '2 bits to 8 bits'
    """
    spans: dict[str, list[float]] = {}
    for name in names:
        for key, value in re.findall(r"(?<![\w|])(\w+) = (-?\d+(?:\.\d+)?)(?![\w.])", name):
            spans.setdefault(key, []).append(float(value))
    spans = {key: values for key, values in spans.items() if len(set(values)) > 1}
    if spans and len(names) > 3:
        return ", ".join(f"{k} = {number(min(v))} to {number(max(v))}" for k, v in spans.items())
    if len(names) <= 3:
        return "; ".join(names)
    return f"{names[0]} to {names[-1]}"


def number(x: float | None, digits: int = 4) -> str:
    """A number for reading: `digits` significant digits, an infinite limit as a symbol, nothing for None.

    Examples
    --------
    >>> number(0.123456), number(-1.5e-9), number(float("inf"))
    ('0.1235', '−1.5e−09', '∞')
    """
    if x is None:
        return ""
    if isinstance(x, int):
        return f"{x:,}".replace(",", "\u202f")
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    return f"{x:.{digits}g}".replace("-", "−")


def measured(m: Measurement) -> str:
    """Value with its interval, or the value alone where it is exact, or the truth of a proposition."""
    if m.is_proposition and m.value in (0.0, 1.0):
        return "true" if m.value == 1.0 else "false"
    if m.trials:
        return f"{number(m.value)} [{number(m.low)}, {number(m.high)}]"
    return number(m.value, 4 if math.inf in map(abs, m.region) else _digits(*_target(m)) + 1)


def stated(m: Measurement) -> str:
    """What the statement says about the value."""
    least, greatest = m.region
    if m.printed is not None:
        return f"printed {m.printed}"
    if math.isinf(least):
        return f"≤ {number(greatest)}"
    if math.isinf(greatest):
        return f"≥ {number(least)}"
    if m.is_proposition:
        return "true"
    target, tolerance = _target(m)
    if not tolerance:
        return f"{number(target)}, exactly"
    return f"{number(target, _digits(target, tolerance))} ± {number(tolerance, 2)}"


def _target(m: Measurement) -> tuple[float, float]:
    """Middle and half width of the region of a law."""
    least, greatest = m.region
    return (least + greatest) / 2, (greatest - least) / 2


def _digits(target: float, tolerance: float) -> int:
    """Significant digits of a number beside its tolerance, 4 to 7."""
    if not 0 < tolerance < abs(target) < math.inf:
        return 4
    return min(max(math.floor(math.log10(abs(target))) - math.floor(math.log10(tolerance)) + 2, 4), 7)
