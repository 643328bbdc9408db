"""`snapcut figures`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sims.support import interruption
from sims.support.output import emit, print_table, say
from snapcut.options import Budget, Json, Listed, check_targets
from snapcut.words import command, count


def figures(
    *name: str,
    list_: Listed = False,
    set_: Annotated[tuple[str, ...], Parameter("--set", negative="")] = (),
    width: float | None = None,
    out: Path = Path("report/figures"),
    budget: Budget = "quick",
    seed: int = 0,
    json: Json = None,
) -> int:
    """Draw figures: PNG, PDF, the data as CSV and a manifest each.

    Parameters
    ----------
    name
        Names of figures or their beginnings (snr_); all when none is named.
    list_
        Only say which figures there are, what of which paper they show, and what --set can change.
    set_
        A parameter of the figure as KEY=VALUE, like df=4 or bits=2,4,8; may be given several times.
    width
        Width in inches, as the figure is to stand on a page; type keeps its size (5.5 suits most papers).
    out
        Folder to write into.
    budget
        Number of trials behind each point.
    seed
        Seed of the random streams.
    json
        Also write the list of files to this file ("-" for stdout instead of the list).
    """
    check_targets(json)
    from figures import build

    chosen = build.selected(name)
    if list_:
        rows = build.listing(chosen)
        emit(json, {"figures": rows}, lambda: print_table(rows))
        return 0
    build.check_targets(chosen, out)
    saved = build.Saved(out)

    def kept() -> str:
        written = saved.names()
        rest = [one for one in chosen if one not in written]
        options = ["--out", out, "--budget", budget, "--seed", seed]
        options += [part for setting in set_ for part in ("--set", setting)]
        options += [] if width is None else ["--width", width]
        return f"{count(written, 'figure')} in {out} kept; the rest: {command('figures', *rest, *options)}"

    interruption.remember(kept)
    ready = build.build_all(chosen, budget, seed, settings=set_, width=width)
    for one in ready:  # each is whole on disk before the next is waited for
        saved.add(one)
    written = {one: [str(path) for path in paths] for one, paths in saved.paths.items()}
    emit(json, {"figures": written}, lambda: say(*(paths[0] for paths in written.values())))
    return 0
