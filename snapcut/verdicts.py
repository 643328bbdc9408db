"""Verdicts as rows of a table, and the lines below it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paper_checks.claim import Measurement
    from paper_checks.registry import Judged

_COLOURS = {
    "holds": "green",
    "refuted": "red",
    "inconclusive": "yellow",
    "not reproduced": "magenta",
    "skipped": "dim",
}


def rows(
    judged: list["Judged"], *, power: bool, sharpness: bool, verbose: bool = False, coloured: bool = False
) -> list[dict]:
    """A row per verdict, or with `verbose` per measurement; columns of what was not asked for are left out.

    With `coloured` the verdicts are markup for a terminal.
    """
    make = _measurement_rows if verbose else _verdict_rows
    hidden = {"false version": not power, "refuted at": not sharpness}
    found = [row for one in judged for row in make(one, coloured)]
    return [{name: value for name, value in row.items() if not hidden.get(name)} for row in found]


def _verdict_rows(one: "Judged", coloured: bool) -> list[dict]:
    """A verdict with its headline: the number that tells most, or what was covered."""
    lead = one.headline
    return [
        {
            "claim": one.outcome.claim.id,
            "verdict": _coloured(one.verdict, one.as_declared) if coloured else one.verdict,
            **(_measured(lead.measurement) if lead else _measured(None)),
            **({"value": lead.measured, "stated": lead.stated} if lead and lead.cases else {}),
            "evidence": lead.evidence if lead else one.outcome.skipped,
            "expected": one.expected,
            "s": round(one.outcome.seconds, 2),
            "refuted at": str(one.outcome.sharpness or ""),
            "false version": _twin(one),
        }
    ]


def _measurement_rows(one: "Judged", coloured: bool) -> list[dict]:
    """Every measurement of a claim, with its own verdict; the claim itself where it was skipped."""
    measurements = one.outcome.measurements or [None]
    parts = one.parts or [one.verdict]
    return [
        {
            "claim": one.outcome.claim.id,
            "verdict": _coloured(part, one.outcome.twin is not None or part == one.expected)
            if coloured
            else part,
            **_measured(m),
            "evidence": m.evidence if m else one.outcome.skipped,
            "false version": _twin(one),
            "measurement": m.name if m else "",
        }
        for m, part in zip(measurements, parts, strict=True)
    ]


def _twin(one: "Judged") -> str:
    return one.outcome.twin.title if one.outcome.twin else ""


def _coloured(verdict: str, as_declared: bool) -> str:
    return f"[{_COLOURS[verdict] if as_declared else 'bold white on red'}]{verdict}[/]"


def _measured(m: "Measurement | None") -> dict:
    from paper_checks.headline import measured, stated

    if m is None:
        return dict.fromkeys(("value", "stated", "interval (99 %)", "tightness"))
    spread = "" if m.low == m.high else f"[{m.low:.4g}, {m.high:.4g}]"
    value = measured(m) if m.is_proposition else m.value
    return {"value": value, "stated": stated(m), "interval (99 %)": spread, "tightness": m.tightness}


def summary(judged: list) -> list[str]:
    """How many verdicts are as declared, and the seed; how sharp they are where that was asked for."""
    from paper_checks.judge import ran

    plain, twins = ran(judged)
    text = f"{sum(one.as_declared for one in plain)} of {len(plain)} verdicts as declared"
    if twins:
        text += f", {sum(one.as_declared for one in twins)} of {len(twins)} false versions refuted"
    if skipped := len(judged) - len(plain) - len(twins):
        text += f", {skipped} skipped"
    lines = [f"{text}; seed {judged[0].outcome.seed}" if judged else text]
    if found := [one.outcome.sharpness for one in plain if one.outcome.sharpness]:
        from paper_checks import sharpness

        lines.append(sharpness.summary(found))
    return lines
