"""All claims, and the run that turns their measurements into verdicts under one error budget."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace

from paper_checks import kumar_natale, kuzmin, zhang_saab
from paper_checks.claim import Claim, Outcome, Paper, Run, execute
from paper_checks.judge import Judged, exit_code, family, judge
from paper_checks.sharpness import measure
from sims.support.names import named

_PACKAGES = (kumar_natale, zhang_saab, kuzmin)  # a folder that is not listed here fails a test
PAPERS = {package.PAPER.key: package.PAPER for package in _PACKAGES}


def claims(names: Sequence[str] = (), paper: str | None = None) -> list[Claim]:
    """Every claim, or those named, or those of one paper, in the order of the papers.

    A name is an id ("kn.threshold") or the beginning of ids ("kn", "kn.exact").

    Raises
    ------
    ValueError
        An unknown name or paper; the message says what exists.
    """
    found = [claim for package in _PACKAGES for claim in package.CLAIMS]
    ids = [claim.id for claim in found]
    if doubled := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"claim ids must be unique; repeated: {', '.join(sorted(doubled))}")
    if bare := [claim.id for claim in found if not claim.twins]:
        raise ValueError(f"{bare[0]}: a check that cannot fail proves nothing; give it a power twin")
    if paper is not None:
        if paper not in PAPERS:
            raise ValueError(f"unknown paper {paper!r}; there are {', '.join(PAPERS)}")
        found = [claim for claim in found if claim.paper == paper]
    chosen = set(named(names, [claim.id for claim in found], "claim"))
    return [claim for claim in found if claim.id in chosen]


def listing(selected: Sequence[Claim]) -> list[dict[str, str | int]]:
    """One row per claim, without running it."""
    return [
        {
            "claim": claim.id,
            "mark": claim.mark,
            "false versions": len(claim.twins),
            "title": claim.title,
            "place": f"{claim.paper}, {claim.place}",
        }
        for claim in selected
    ]


def check(
    selected: Sequence[Claim],
    *,
    budget: str = "quick",
    power: bool = False,
    sharpness: bool = False,
    seed: int | None = 0,
    processes: int | None = None,
) -> list[Judged]:
    """Run claims (and with `power` their twins) over processes and judge them together.

    Parameters
    ----------
    selected
        Claims, from `claims()` or of one's own.
    budget
        "quick", "standard" (10 times the trials) or "deep" (100 times).
    power
        Also run every twin; claims and twins share one error budget.
    sharpness
        Also find the nearest factors on every claim's constant that it refutes (`paper_checks.sharpness`).
    seed
        None draws a fresh one; it is reported with every verdict.
    processes
        Claims run at once; results do not depend on it.
    """
    from sims.support import processes as workers
    from sims.support import progress
    from sims.support.threads import default_threads

    seed = seeded(seed)
    tasks = together(selected)
    processes = min(processes or default_threads(), max(len(tasks), 1))
    ours = {id(claim) for package in _PACKAGES for claim in package.CLAIMS}
    options = (budget, power, sharpness, seed)
    order = workers.spread([task[0].paper for task in tasks])
    batches: dict[int, list[tuple]] = {}
    with progress.bar(len(selected), "claims") as advance:
        if processes == 1 or any(id(claim) not in ours for claim in selected):
            # somebody's own claim has no id by which another process would find it
            found: Iterable = ([_fields(claim, *options) for claim in tasks[i]] for i in order)
        else:
            found = workers.run(
                fields, (([claim.id for claim in tasks[i]], *options) for i in order), processes
            )
        for i, several in zip(order, found, strict=True):
            batches.update(zip(map(id, tasks[i]), several, strict=True))
            advance(len(several))
    return judged(selected, [batches[id(claim)] for claim in selected])


def together(selected: Sequence[Claim]) -> list[list[Claim]]:
    """Claims that run in one process: those which share something costly, every other one by itself.

    The longest come first: begun last, such a task would run on while the other processes wait.
    """
    tasks: dict[str | int, list[Claim]] = {}
    for i, claim in enumerate(selected):
        tasks.setdefault(claim.shares or i, []).append(claim)
    return sorted(tasks.values(), key=len, reverse=True)


def seeded(seed: int | None) -> int:
    """The seed, or a fresh one for None."""
    return secrets.randbelow(2**32) if seed is None else int(seed)


def judged(selected: Sequence[Claim], batches: Iterable[Sequence[tuple]]) -> list[Judged]:
    """Verdicts of claims from their `fields`, under one error budget."""
    pairs = zip(selected, batches, strict=True)
    return judge([Outcome(claim, *each) for claim, batch in pairs for each in batch])


def _fields(
    claim: Claim, budget: str, power: bool, sharpness: bool, seed: int, threads: int | None = None
) -> list[tuple]:
    """Fields of the outcomes of a claim and its twins, without the claim: its check may not pickle."""
    run = Run(claim.id, budget, seed, threads)
    outcomes = [execute(claim, run, twin) for twin in ((None, *claim.twins) if power else (None,))]
    if sharpness and not outcomes[0].skipped:
        outcomes[0] = replace(outcomes[0], sharpness=measure(claim, run))
    return [(o.twin, o.measurements, o.seconds, o.seed, o.skipped, o.sharpness) for o in outcomes]


def fields(names: Sequence[str], budget: str, power: bool, sharpness: bool, seed: int) -> list[list[tuple]]:
    """What `judged` needs of the claims of those ids, on one thread: there are as many processes as cores.

    Arguments as for `check`; what is returned pickles, as a claim's check may not.
    """
    ours = {claim.id: claim for claim in claims()}
    return [_fields(ours[name], budget, power, sharpness, seed, threads=1) for name in names]


__all__ = [
    "PAPERS",
    "Judged",
    "Paper",
    "check",
    "claims",
    "exit_code",
    "family",
    "fields",
    "judge",
    "judged",
    "seeded",
    "together",
]
