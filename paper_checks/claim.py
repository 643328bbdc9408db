"""What a paper says, a check that could refute it, and a false version that the same check must refute.

A check yields measurements. Each says: the statement puts a number into a region; here is the number,
known exactly or with an interval. Two null hypotheses follow, "the truth is inside" and "the truth is
outside"; exactly one of them is true. A verdict is the rejection of one of them, at a family-wise error
shared by all measurements of the run (`paper_checks.registry.judge`). A "simulated" number (a fit to several
estimates, say) has no interval and stands outside that budget: it is the weakest evidence.
"""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from sims import montecarlo
from sims.montecarlo import Estimate, Sample
from sims.support.output import plain
from theory.arguments import choice

HOLDS, REFUTED, INCONCLUSIVE = "holds", "refuted", "inconclusive"
NOT_REPRODUCED, SKIPPED = "not reproduced", "skipped"
VERDICTS = (HOLDS, REFUTED, INCONCLUSIVE, NOT_REPRODUCED, SKIPPED)
MARKS = ("paper", "derived", "heuristic")
# Strongest first. "symbolic": sympy, or a proof in exact algebra. "certified": ball arithmetic, or exact
# integers and rationals. "exhaustive": every case the statement speaks of, counted. "bound": a rigorous
# bound, in double precision. "evaluated": a formula or a program, mostly in double precision, at the stated
# points of a larger range. "monte carlo": an estimate with an exact interval. "simulated": a bare number.
EVIDENCE = ("symbolic", "certified", "exhaustive", "bound", "evaluated", "monte carlo", "simulated")
BUDGETS = {"quick": 1, "standard": 10, "deep": 100}


class Skipped(Exception):
    """Raised by a check that cannot run here; its argument says why."""


@dataclass(frozen=True)
class Paper:
    """A source whose statements are checked."""

    key: str
    authors: str
    title: str
    where: str


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
        Measured / bound, for bounds; measured / target, for laws.
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
        }


def _measure(
    name: str,
    measured: Estimate | float,
    region: tuple[float, float],
    evidence: str | None,
    tightness: float | None,
    detail: str,
) -> Measurement:
    least, greatest = float(region[0]), float(region[1])
    if not least <= greatest:  # NaN included: a law that fails to answer must not prove itself
        raise ValueError(f"{name}: the statement allows no value, its region is [{least}, {greatest}]")
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
        evidence = evidence or "monte carlo"
    else:
        value = low = high = float(measured)
        trials = 0
        inside = least <= value <= greatest  # a NaN is never inside
        p_inside, p_outside = (1.0, 0.0) if inside else (0.0, 1.0)
        evidence = evidence or "evaluated"
        if evidence == "monte carlo":
            raise ValueError(f"{name}: a Monte Carlo number needs its interval; hand over the Estimate")
    if evidence not in EVIDENCE:
        raise ValueError(f"evidence must be one of {EVIDENCE}, got {evidence!r}")
    return Measurement(
        name,
        evidence,
        value,
        low,
        high,
        (least, greatest),
        p_inside,
        p_outside,
        trials,
        tightness,
        None,
        detail,
    )


def _ratio(measured: Estimate | float, reference: float) -> float | None:
    value = measured.value if isinstance(measured, Estimate) else float(measured)
    return value / reference if reference and math.isfinite(reference) else None


def at_most(
    name: str, measured: Estimate | float, bound: float, *, evidence: str | None = None, detail: str = ""
) -> Measurement:
    """The statement says: truth <= bound. Tightness is measured / bound."""
    return _measure(name, measured, (-math.inf, bound), evidence, _ratio(measured, bound), detail)


def at_least(
    name: str, measured: Estimate | float, bound: float, *, evidence: str | None = None, detail: str = ""
) -> Measurement:
    """The statement says: truth >= bound. Tightness is bound / measured."""
    ratio = _ratio(measured, bound)
    return _measure(name, measured, (bound, math.inf), evidence, 1 / ratio if ratio else None, detail)


def within(
    name: str,
    measured: Estimate | float,
    target: float,
    tolerance: float,
    *,
    evidence: str | None = None,
    detail: str = "",
) -> Measurement:
    """The statement says: |truth - target| <= tolerance, a tolerance stated before looking."""
    region = (target - tolerance, target + tolerance)
    return _measure(name, measured, region, evidence, _ratio(measured, target), detail)


def identity(name: str, true: bool, detail: str = "", *, evidence: str = "symbolic") -> Measurement:
    """The statement is a proposition that was decided: proved, enumerated or certified, or found false."""
    return _measure(name, 1.0 if true else 0.0, (1.0, 1.0), evidence, None, detail)


def printed(
    name: str, value: float, text: str, *, evidence: str = "evaluated", detail: str = ""
) -> Measurement:
    """The statement is a number as printed: `value` must round to `text` at the printed precision.

    Examples
    --------
    >>> printed("INT4", 19.2577, "19.1").region
    (19.05, 19.150000000000002)
    """
    half = 0.5 * 10.0 ** int(Decimal(text).as_tuple().exponent)
    region = (float(text) - half, float(text) + half)
    return replace(_measure(name, value, region, evidence, _ratio(value, float(text)), detail), printed=text)


@dataclass(frozen=True)
class Twin:
    """A provably false version of a claim: its check with some parameters changed must refute it."""

    title: str
    changes: dict


@dataclass(frozen=True)
class Claim:
    r"""A statement of a paper (or of this project) with the check that could refute it.

    Attributes
    ----------
    id
        "<paper>.<name>", unique; what `snapcut check` takes.
    title
        One line.
    paper
        Key of `paper_checks.registry.PAPERS`.
    place
        Theorem, equation or figure.
    statement
        LaTeX, without dollar signs.
    hypotheses
        Plain text; mathematics between dollar signs.
    mark
        "paper" as the source states it, "derived" here, or "heuristic" with a stated range.
    check
        `check(run, **parameters)` yields measurements.
    twins
        At least one.
    expected
        The verdict declared in advance.
    figure
        Name of the figure that illustrates it.
    """

    id: str
    title: str
    paper: str
    place: str
    statement: str
    hypotheses: str
    mark: str
    check: Callable[..., Iterable[Measurement]]
    twins: Sequence[Twin]
    expected: str = HOLDS
    figure: str | None = None
    parameters: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise ValueError(f"{self.id}: mark must be one of {MARKS}, got {self.mark!r}")
        if self.expected not in VERDICTS:
            raise ValueError(f"{self.id}: expected must be one of {VERDICTS}, got {self.expected!r}")
        if not self.twins:
            raise ValueError(f"{self.id}: a check that cannot fail proves nothing; give it a power twin")


class Run:
    """What a check may use: the budget, the seed, and the claim's own random streams.

    Estimates are kept, so that a claim and its twins judge the same trials where they sample alike; a sampler
    that differs in anything it closes over is another estimate.
    """

    def __init__(self, claim: str, budget: str = "quick", seed: int = 0, threads: int | None = None):
        choice("budget", budget, BUDGETS)
        self.claim, self.budget, self.seed, self.threads = claim, budget, seed, threads
        self._kept: dict[tuple, object] = {}

    def trials(self, quick: int) -> int:
        """`quick` trials at the quick budget, 10 times as many at standard, 100 times at deep."""
        return quick * BUDGETS[self.budget]

    def once(self, name: str, compute: Callable[[], object]):
        """compute(), remembered under `name` for the twins of this claim."""
        if (name,) not in self._kept:
            self._kept[(name,)] = compute()
        return self._kept[(name,)]

    def probability(self, name: str, sample: Sample, trials: int, **options) -> Estimate:
        """`sims.montecarlo.probability` on the claim's stream `name`; `trials` is for the quick budget."""
        return self._estimate(montecarlo.probability, name, sample, trials, options)

    def mean(
        self, name: str, sample: Sample, trials: int, bounds: tuple[float, float], **options
    ) -> Estimate:
        """`sims.montecarlo.mean` likewise."""
        return self._estimate(montecarlo.mean, name, sample, trials, {**options, "bounds": bounds})

    def means(
        self, name: str, sample: Sample, trials: int, bounds: Sequence[tuple[float, float]], **options
    ) -> list[Estimate]:
        """`sims.montecarlo.means` likewise: several quantities of the same trials."""
        return self._estimate(montecarlo.means, name, sample, trials, {**options, "bounds": tuple(bounds)})

    def _estimate(self, estimator: Callable, name: str, sample: Sample, trials: int, options: dict):
        named = (estimator.__name__, name, trials, repr(sorted(options.items())), _identity(sample))
        if named not in self._kept:
            self._kept[named] = estimator(
                sample,
                self.trials(trials),
                seed=self.seed,
                key=(self.claim, name),
                threads=self.threads,
                **options,
            )
        return self._kept[named]


def _identity(sample: Sample) -> bytes:
    """Hash of a sampler with all it closes over; equal samplers may differ in it, never the reverse."""
    import cloudpickle

    return hashlib.sha256(cloudpickle.dumps(sample)).digest()


@dataclass(frozen=True)
class Outcome:
    """Measurements of one claim or twin, before the run's error budget turns them into a verdict."""

    claim: Claim
    twin: Twin | None
    measurements: tuple[Measurement, ...]
    seconds: float
    seed: int
    skipped: str = ""


def execute(claim: Claim, run: Run, twin: Twin | None = None) -> Outcome:
    """Run the check of a claim, or of one of its twins."""
    start = time.perf_counter()
    parameters = {**claim.parameters, **(twin.changes if twin else {})}
    try:
        measurements = tuple(claim.check(run, **parameters))
    except Skipped as reason:
        return Outcome(claim, twin, (), time.perf_counter() - start, run.seed, skipped=str(reason))
    except Exception as error:
        where = f"{claim.id} / twin {twin.title!r}" if twin else claim.id
        raise RuntimeError(f"the check of {where} failed: {type(error).__name__}: {error}") from error
    if not measurements:
        raise ValueError(f"{claim.id}: the check measured nothing")
    return Outcome(claim, twin, measurements, time.perf_counter() - start, run.seed)
