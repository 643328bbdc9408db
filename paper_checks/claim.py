"""What a paper says, a check that could refute it, and a false version that the same check must refute.

A check yields measurements. Each says: the statement puts a number into a region; here is the number,
known exactly or with an interval. Two null hypotheses follow, "the truth is inside" and "the truth is
outside"; exactly one of them is true. A verdict is the rejection of one of them, at a family-wise error
shared by all measurements of the run (`paper_checks.registry.judge`). A "simulated" number (a fit to several
estimates, say) has no interval and stands outside that budget: it is the weakest evidence.
"""

import hashlib
import inspect
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from paper_checks.measurement import (
    EVIDENCE,
    Measurement,
    at_least,
    at_most,
    identity,
    printed,
    proved,
    within,
)
from sims import montecarlo
from sims.montecarlo import Estimate, Sample
from theory.arguments import choice

HOLDS, REFUTED, INCONCLUSIVE = "holds", "refuted", "inconclusive"
NOT_REPRODUCED, SKIPPED = "not reproduced", "skipped"
VERDICTS = (HOLDS, REFUTED, INCONCLUSIVE, NOT_REPRODUCED, SKIPPED)
MARKS = ("paper", "derived", "heuristic")
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
class Twin:
    """A provably false version of a claim: its check with some parameters changed must refute it."""

    title: str
    changes: dict


@dataclass(frozen=True)
class Constant:
    """The number a claim states, which its check multiplies by a parameter `factor` (1.0 where left alone).

    How sharp a check is, is measured through it (`paper_checks.sharpness`): by the factors nearest to 1 at
    which the check refutes what it then states.

    Attributes
    ----------
    name
        What is multiplied, in words.
    bound
        "upper" or "lower" where the statement is a bound: a weaker one holds as well, so that only the other
        side can be refuted; empty for a law, which is false on either side.
    loose
        Why the check is not sharp, in a few words.
    """

    name: str
    bound: str = ""
    loose: str = ""

    def __post_init__(self) -> None:
        if self.bound not in ("", "upper", "lower"):
            raise ValueError(f'bound must be "", "upper" or "lower", got {self.bound!r}')


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
        Key of `paper_checks.registry.PAPERS`; for a claim of one's own, any word.
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
        False versions; the registry asks for one at least, a claim of one's own may do without.
    expected
        The verdict declared in advance.
    figure
        Name of the figure that illustrates it.
    parameters
        Of the check, where they differ from its own defaults.
    constant
        The stated number that the check's `factor` multiplies; or, in a few words, why there is none.
    shares
        Name of something costly, such as trained networks: claims of one name run in one process.
    """

    id: str
    title: str
    paper: str
    place: str
    statement: str
    hypotheses: str
    mark: str
    check: Callable[..., Iterable[Measurement]]
    twins: Sequence[Twin] = ()
    expected: str = HOLDS
    figure: str | None = None
    parameters: dict = field(default_factory=dict)
    constant: Constant | str = ""
    shares: str = ""

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise ValueError(f"{self.id}: mark must be one of {MARKS}, got {self.mark!r}")
        if self.expected not in VERDICTS:
            raise ValueError(f"{self.id}: expected must be one of {VERDICTS}, got {self.expected!r}")
        if isinstance(self.constant, Constant) and "factor" not in inspect.signature(self.check).parameters:
            raise ValueError(
                f"{self.id}: its check has no parameter `factor` to multiply {self.constant.name}"
            )


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

    def remembered(self, name: str, sample: Sample) -> Sample:
        """`sample` with its results kept: for what is drawn before the statement enters."""
        return self.once(f"remembered {name}", lambda: _Remembered(sample))

    def probability(self, name: str, sample: Sample, trials: int, **options) -> Estimate:
        """`sims.montecarlo.probability` on the claim's stream `name`; `trials` is for the quick budget."""
        return self._estimate(montecarlo.probability, name, sample, trials, options)

    def probabilities(self, name: str, sample: Sample, trials: int, events: int) -> list[Estimate]:
        """`sims.montecarlo.probabilities` likewise: several events of the same trials."""
        return self._estimate(montecarlo.probabilities, name, sample, trials, {"events": events})

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


class _Remembered:
    """A sampler that keeps what it returned for every stream; it pickles, and so compares, as the sampler."""

    def __init__(self, sample: Sample):
        self._sample = sample
        self._kept: dict[tuple, object] = {}

    def __call__(self, rng, count: int):
        start = (str(rng.bit_generator.state), count)
        if start not in self._kept:
            self._kept[start] = self._sample(rng, count)
        return self._kept[start]

    def __reduce__(self):
        return _Remembered, (self._sample,)


def _identity(sample: Sample) -> bytes:
    """Hash of a sampler with all it closes over; equal samplers may differ in it, never the reverse."""
    import cloudpickle

    return hashlib.sha256(cloudpickle.dumps(sample)).digest()


@dataclass(frozen=True)
class Sharpness:
    """The factors nearest to 1 on a claim's constant that its check refutes.

    Attributes
    ----------
    constant
        What is multiplied; empty where there is no constant.
    below, above
        The largest refuted factor below 1, and the least above 1. None where none within a factor of 2 is
        refuted, or where that side of a bound is true.
    bound
        As in :class:`Constant`.
    reason
        Why there is no constant, why it was not tried, or why the check is not sharp.
    """

    constant: str = ""
    below: float | None = None
    above: float | None = None
    bound: str = ""
    reason: str = ""

    @property
    def distance(self) -> float | None:
        """By what share a constant must be off to be refuted: the worse side; None where one is open."""
        sides = {"upper": (self.below,), "lower": (self.above,)}.get(self.bound, (self.below, self.above))
        if not self.constant or None in sides:
            return None
        return max(max(side, 1 / side) - 1 for side in sides if side)

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return {
            "constant": self.constant or None,
            "bound": self.bound or None,
            "below": self.below,
            "above": self.above,
            "distance": self.distance,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        if not self.constant:
            return self.reason
        why = f" ({self.reason})" if self.reason else ""
        if self.bound:
            side = self.below if self.bound == "upper" else self.above
            return (f"\u00d7{side:.4f}" if side else "within \u00d72: none") + why
        sides = (f"\u00d7{side:.4f}" if side else "none" for side in (self.below, self.above))
        return " ".join(sides) + why


@dataclass(frozen=True)
class Outcome:
    """Measurements of one claim or twin, before the run's error budget turns them into a verdict."""

    claim: Claim
    twin: Twin | None
    measurements: tuple[Measurement, ...]
    seconds: float
    seed: int
    skipped: str = ""
    sharpness: Sharpness | None = None


def execute(
    claim: Claim, run: Run, twin: Twin | None = None, until: Callable[[Measurement], bool] | None = None
) -> Outcome:
    """Run the check of a claim, or of one of its twins, up to the first measurement that `until` holds of."""
    start = time.perf_counter()
    parameters = {**claim.parameters, **(twin.changes if twin else {})}
    try:
        measurements: list[Measurement] = []
        for one in claim.check(run, **parameters):
            measurements.append(one)
            if until is not None and until(one):
                break
    except Skipped as reason:
        return Outcome(claim, twin, (), time.perf_counter() - start, run.seed, skipped=str(reason))
    except Exception as error:
        where = f"{claim.id} / twin {twin.title!r}" if twin else claim.id
        raise RuntimeError(f"the check of {where} failed: {type(error).__name__}: {error}") from error
    if not measurements:
        raise ValueError(f"{claim.id}: the check measured nothing")
    return Outcome(claim, twin, tuple(measurements), time.perf_counter() - start, run.seed)


__all__ = [
    "BUDGETS",
    "EVIDENCE",
    "Claim",
    "Constant",
    "Measurement",
    "Outcome",
    "Paper",
    "Run",
    "Sharpness",
    "Skipped",
    "Twin",
    "at_least",
    "at_most",
    "execute",
    "identity",
    "printed",
    "proved",
    "within",
]
