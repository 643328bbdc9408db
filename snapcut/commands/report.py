"""`snapcut report`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sims.support import interruption
from sims.support.output import emit, say
from snapcut.options import Budget, Json, check_targets, seed_of
from snapcut.verdicts import summary
from snapcut.words import again, count


def report(
    *,
    out: Path = Path("report"),
    budget: Budget = "quick",
    seed: str = "0",
    power: bool = True,
    sharpness: bool = True,
    json: Json = None,
) -> int:
    """Check every claim, draw every figure, and write one self-contained HTML page.

    Parameters
    ----------
    out
        Folder of the page (index.html) and of the figure files (figures/).
    budget
        Number of trials.
    seed
        A number, or "random".
    power
        Also run and show the false version of every claim.
    sharpness
        Also show how sharp every claim is: the nearest factors on its constant that it refutes.
    json
        Also write the verdicts and the names of the figures to this file ("-" for stdout).
    """
    check_targets(json, out / "index.html")
    from figures import build
    from paper_checks import registry
    from paper_checks.report import Picture, render, weight_sheets, write
    from sims.support import processes as workers
    from sims.support import progress
    from sims.support.threads import default_threads

    used = registry.seeded(seed_of(seed))
    build.check_targets((), out / "figures")
    claims, names = registry.claims(), build.names()
    tasks, options = registry.together(claims), (budget, power, sharpness, used)
    calls: list[tuple[str, Callable, tuple]] = [
        *((task[0].paper, registry.fields, ([one.id for one in task], *options)) for task in tasks),
        *((name.partition("_")[0], build.build, (name, budget, used)) for name in names),
        ("sheets", weight_sheets, ()),
    ]
    order = workers.spread([kind for kind, _, _ in calls])  # figures beside claims: no core waits
    found: dict[int, Any] = {}
    pictures: dict[str, Picture] = {}
    saved = build.Saved(out / "figures")
    interruption.remember(
        lambda: f"{count(saved.names(), 'figure')} in {saved.folder} kept, no page; again: {again()}"
    )
    with progress.bar(len(calls), "report") as advance:
        results = workers.run(_result, (calls[i][1:] for i in order), min(default_threads(), len(calls)))
        for i, one in zip(order, results, strict=True):
            if isinstance(one, build.Built):
                saved.add(one)
                pictures[one.name] = Picture(one.name, one.title, one.caption, one.png)
            found[i] = one
            advance(1)
    fields = {one.id: each for i, task in enumerate(tasks) for one, each in zip(task, found[i], strict=True)}
    judged = registry.judged(claims, [fields[one.id] for one in claims])
    shown, sheets = [pictures[name] for name in names], found[len(calls) - 1]
    page = render(judged, shown, budget=budget, seed=used, versions=build.versions(), sheets=sheets)
    path = write(page, out)

    def show() -> None:
        say(*summary(judged), str(path))

    content = {"page": str(path), "figures": names}
    emit(json, {**content, "claims": [one.as_dict() for one in judged]}, show)
    return registry.exit_code(judged)


def _result(function: Callable, arguments: tuple) -> Any:
    return function(*arguments)
