"""All claims, and the run that turns their measurements into verdicts under one error budget."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paper_checks import kumar_natale, kuzmin, zhang_saab
from paper_checks.claim import (
    EVIDENCE,
    HOLDS,
    INCONCLUSIVE,
    NOT_REPRODUCED,
    REFUTED,
    SKIPPED,
    Claim,
    Measurement,
    Outcome,
    Paper,
    Run,
    execute,
)
from paper_checks.statistics import holm

FAMILY_WISE_ERROR = 1e-6


_PACKAGES = (kumar_natale, zhang_saab, kuzmin)  # a folder that is not listed here fails a test
PAPERS = {package.PAPER.key: package.PAPER for package in _PACKAGES}


def claims(names: Sequence[str] = (), paper: str | None = None) -> list[Claim]:
    """Every claim, or those named, or those of one paper, in the order of the papers.

    A name is an id ("kn.threshold") or a prefix of ids ending in a dot ("kn.").

    Raises
    ------
    ValueError
        An unknown name or paper; the message lists what exists.
    """
    found = [claim for package in _PACKAGES for claim in package.CLAIMS]
    ids = [claim.id for claim in found]
    if doubled := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"claim ids must be unique; repeated: {', '.join(sorted(doubled))}")
    if paper is not None:
        if paper not in PAPERS:
            raise ValueError(f"unknown paper {paper!r}; there are {', '.join(PAPERS)}")
        found = [claim for claim in found if claim.paper == paper]
    for name in names:
        if not any(_matches(claim.id, name) for claim in found):
            raise ValueError(f"no claim {name!r}; there are {', '.join(claim.id for claim in found)}")
    return [claim for claim in found if not names or any(_matches(claim.id, name) for name in names)]


def _matches(claim: str, name: str) -> bool:
    return claim == name or (name.endswith(".") and claim.startswith(name))


@dataclass(frozen=True)
class Judged:
    """An outcome with its verdict, and the verdict of each measurement."""

    outcome: Outcome
    verdict: str
    parts: tuple[str, ...]

    @property
    def expected(self) -> str:
        """The verdict declared in advance; a twin must be refuted."""
        return REFUTED if self.outcome.twin else self.outcome.claim.expected

    @property
    def as_declared(self) -> bool:
        """Whether the verdict is the declared one (a false printed number is refuted by not reproducing)."""
        if self.verdict == SKIPPED:
            return True
        if self.outcome.twin:
            return self.verdict in (REFUTED, NOT_REPRODUCED)
        return self.verdict == self.expected

    @property
    def leading(self) -> Measurement | None:
        """The measurement that decided: the first whose verdict is the claim's, of the strongest evidence."""
        deciding = [
            m for m, part in zip(self.outcome.measurements, self.parts, strict=True) if part == self.verdict
        ]
        return min(deciding, key=lambda m: EVIDENCE.index(m.evidence), default=None)

    @property
    def evidence(self) -> list[str]:
        """Kinds of evidence this outcome shows, strongest first."""
        return [kind for kind in EVIDENCE if any(m.evidence == kind for m in self.outcome.measurements)]

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        claim, lead = self.outcome.claim, self.leading
        return {
            "claim": claim.id,
            "twin": self.outcome.twin.title if self.outcome.twin else None,
            "title": claim.title,
            "paper": claim.paper,
            "place": claim.place,
            "statement": claim.statement,
            "mark": claim.mark,
            "verdict": self.verdict,
            "expected": self.expected,
            "as_declared": self.as_declared,
            "evidence": self.evidence,
            "leading_evidence": lead.evidence if lead else None,
            "value": lead.as_dict()["value"] if lead else None,
            "interval": lead.as_dict()["interval"] if lead else None,
            "tightness": lead.tightness if lead else None,
            "seed": self.outcome.seed,
            "seconds": round(self.outcome.seconds, 4),
            "reason": self.outcome.skipped,
            "measurements": [
                {**m.as_dict(), "verdict": part}
                for m, part in zip(self.outcome.measurements, self.parts, strict=True)
            ],
        }


def judge(outcomes: Sequence[Outcome], level: float = FAMILY_WISE_ERROR) -> list[Judged]:
    """Verdicts of a whole run: Holm over every p-value that randomness can move.

    Both null hypotheses of every measurement enter, so that neither a false "refuted" nor a false "holds"
    occurs anywhere in the run with probability above `level`. Exact measurements are certain and cost
    nothing.
    """
    places = [(i, j) for i, o in enumerate(outcomes) for j, m in enumerate(o.measurements) if m.trials]
    measured = [outcomes[i].measurements[j] for i, j in places]
    rejected = holm([m.p_inside for m in measured] + [m.p_outside for m in measured], level)
    inside = dict(zip(places, rejected[: len(places)], strict=True))
    outside = dict(zip(places, rejected[len(places) :], strict=True))
    judged = []
    for i, outcome in enumerate(outcomes):
        parts = []
        for j, m in enumerate(outcome.measurements):
            false = bool(inside.get((i, j), m.p_inside == 0.0))
            true = bool(outside.get((i, j), m.p_outside == 0.0))
            if false:
                parts.append(NOT_REPRODUCED if m.printed else REFUTED)
            else:
                parts.append(HOLDS if true else INCONCLUSIVE)
        verdict = next((v for v in (REFUTED, NOT_REPRODUCED, INCONCLUSIVE) if v in parts), HOLDS)
        judged.append(Judged(outcome, SKIPPED if outcome.skipped else verdict, tuple(parts)))
    return judged


def check(
    selected: Sequence[Claim],
    *,
    budget: str = "quick",
    power: bool = False,
    seed: int | None = 0,
    processes: int | None = None,
) -> list[Judged]:
    """Run claims (and with `power` their twins) over processes and judge them together.

    Parameters
    ----------
    selected
        Claims, from `claims()`.
    budget
        "quick", "standard" (10 times the trials) or "deep" (100 times).
    power
        Also run every twin; claims and twins share one error budget.
    seed
        None draws a fresh one; it is reported with every verdict.
    processes
        Claims run at once; results do not depend on it.
    """
    from sims.support import processes as workers
    from sims.support import progress
    from sims.support.threads import default_threads

    seed = secrets.randbelow(2**32) if seed is None else int(seed)
    processes = min(processes or default_threads(), max(len(selected), 1))
    batches = []
    with progress.bar(len(selected), "claims") as advance:
        if processes == 1:  # no need to find the claims again by name
            found: Iterable = (_with_twins(claim, budget, power, seed) for claim in selected)
        else:
            found = workers.run(_by_id, ((claim.id, budget, power, seed) for claim in selected), processes)
        for claim, batch in zip(selected, found, strict=True):
            batches.append([Outcome(claim, *rest) for rest in batch])
            advance(1)
    return judge([outcome for batch in batches for outcome in batch])


def _with_twins(claim: Claim, budget: str, power: bool, seed: int, threads: int | None = None) -> list[tuple]:
    """Fields of the outcomes of a claim and its twins, without the claim: its check may not pickle."""
    run = Run(claim.id, budget, seed, threads)
    outcomes = [execute(claim, run, twin) for twin in ((None, *claim.twins) if power else (None,))]
    return [(o.twin, o.measurements, o.seconds, o.seed, o.skipped) for o in outcomes]


def _by_id(name: str, budget: str, power: bool, seed: int) -> list[tuple]:
    """`_with_twins` in another process, on one thread: there are as many processes as cores."""
    (claim,) = (claim for claim in claims() if claim.id == name)
    return _with_twins(claim, budget, power, seed, threads=1)


def exit_code(judged: Sequence[Judged]) -> int:
    """0: every verdict as declared; 1: a claim refuted or a twin not refuted; 3: only inconclusive ones."""
    surprises = [j for j in judged if not j.as_declared]
    if not surprises:
        return 0
    return 3 if all(j.verdict == INCONCLUSIVE and not j.outcome.twin for j in surprises) else 1


def family(judged: Sequence[Judged]) -> dict:
    """How the error budget was spent."""
    tests = 2 * sum(1 for j in judged for m in j.outcome.measurements if m.trials)
    return {"family_wise_error": FAMILY_WISE_ERROR, "procedure": "Holm", "hypotheses": tests}


__all__ = ["PAPERS", "Judged", "Paper", "check", "claims", "exit_code", "family", "judge"]
