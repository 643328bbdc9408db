"""Verdicts: every measurement of a run judged together under one error budget."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from paper_checks.claim import (
    EVIDENCE,
    HOLDS,
    INCONCLUSIVE,
    NOT_REPRODUCED,
    REFUTED,
    SKIPPED,
    Constant,
    Outcome,
)
from paper_checks.headline import Headline, headline
from paper_checks.statistics import holm

FAMILY_WISE_ERROR = 1e-6


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
    def is_refuted(self) -> bool:
        """Whether this is refuted; a false printed number is by not reproducing it.

        Where the claim itself is declared not to be reproduced, that says nothing of its twin.
        """
        if self.verdict == NOT_REPRODUCED:
            return self.outcome.claim.expected != NOT_REPRODUCED
        return self.verdict == REFUTED

    @property
    def as_declared(self) -> bool:
        """Whether the verdict is the declared one."""
        if self.verdict == SKIPPED:
            return True
        return self.is_refuted if self.outcome.twin else self.verdict == self.expected

    @functools.cached_property
    def headline(self) -> Headline | None:
        """What is shown first (`paper_checks.headline`); None where nothing was measured."""
        measured = zip(self.outcome.measurements, self.parts, strict=True)
        constant = self.outcome.claim.constant
        return headline(
            [m for m, part in measured if part == self.verdict],
            self.verdict == HOLDS,
            bool(constant.bound) if isinstance(constant, Constant) else None,
        )

    @property
    def evidence(self) -> list[str]:
        """Kinds of evidence this outcome shows, strongest first."""
        return [kind for kind in EVIDENCE if any(m.evidence == kind for m in self.outcome.measurements)]

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        claim, lead = self.outcome.claim, self.headline
        number = lead.measurement.as_dict() if lead and lead.measurement else {}
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
            "headline": f"{lead.setting}: {lead.measured}; stated: {lead.stated}" if lead else None,
            "value": number.get("value"),
            "interval": number.get("interval"),
            "tightness": number.get("tightness"),
            "cases": lead.cases if lead else 0,
            "sharpness": self.outcome.sharpness.as_dict() if self.outcome.sharpness else None,
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


def exit_code(judged: Sequence[Judged]) -> int:
    """0: every verdict as declared; 1: a claim refuted or a twin not refuted; 3: only inconclusive ones."""
    surprises = [j for j in judged if not j.as_declared]
    if not surprises:
        return 0
    return 3 if all(j.verdict == INCONCLUSIVE and not j.outcome.twin for j in surprises) else 1


def ran(judged: Sequence[Judged]) -> tuple[list[Judged], list[Judged]]:
    """The claims, and their false versions, without those that were skipped: what totals count."""
    found = [one for one in judged if one.verdict != SKIPPED]
    return [one for one in found if not one.outcome.twin], [one for one in found if one.outcome.twin]


def family(judged: Sequence[Judged]) -> dict:
    """How the error budget was spent."""
    tests = 2 * sum(1 for j in judged for m in j.outcome.measurements if m.trials)
    return {"family_wise_error": FAMILY_WISE_ERROR, "procedure": "Holm", "hypotheses": tests}
