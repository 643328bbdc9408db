"""`snapcut report`."""

from pathlib import Path

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
    from sims.support import progress

    chosen = seed_of(seed)
    build.check_targets((), out / "figures")
    pictures: list[Picture] = []
    interruption.remember(
        lambda: f"{count(pictures, 'figure')} in {out / 'figures'} kept, no page; again: {again()}"
    )
    with progress.bar(3, "report") as advance:
        judged = registry.check(
            registry.claims(), budget=budget, power=power, sharpness=sharpness, seed=chosen
        )
        used = judged[0].outcome.seed
        advance(1)
        for one in build.build_all((), budget, used):
            build.save(one, out / "figures")
            pictures.append(Picture(one.name, one.title, one.caption, one.png))
        advance(1)
        sheets = weight_sheets()
    page = render(judged, pictures, budget=budget, seed=used, versions=build.versions(), sheets=sheets)
    path = write(page, out)

    def show() -> None:
        say(*summary(judged), str(path))

    content = {"page": str(path), "figures": [one.name for one in pictures]}
    emit(json, {**content, "claims": [one.as_dict() for one in judged]}, show)
    return registry.exit_code(judged)
