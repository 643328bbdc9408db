"""`snapcut sweep`."""

from pathlib import Path
from typing import Literal

from sims.support import interruption
from sims.support.output import emit, say
from snapcut.options import Json, check_targets
from snapcut.words import again, count


def sweep(
    file: Path,
    *,
    out: Path | None = None,
    resume: bool = False,
    backend: Literal["local", "dask"] = "local",
    scheduler: str | None = None,
    processes: int | None = None,
    json: Json = None,
) -> int:
    """Simulate every cell of a grid; finished cells survive a crash.

    Parameters
    ----------
    file
        TOML file: simulation, seed, fixed parameters, and a table [grid] of lists.
    out
        Folder of the cells and of sweep.csv; by default the file's name without its ending.
    resume
        Keep the finished cells found in the folder and compute the rest.
    backend
        Processes of this machine, or the Dask cluster at --scheduler.
    scheduler
        Address of the cluster, such as tcp://host:8786.
    processes
        Local processes; every core by default.
    json
        Also write the rows to this file ("-" for stdout).
    """
    folder = out or file.with_suffix("")
    check_targets(json, folder / "sweep.csv")
    from sims import sweep as sweeps

    resumed = again(*(() if resume else ("--resume",)))
    interruption.remember(
        lambda: f"{count(sweeps.stored_cells(folder), 'cell')} in {folder} kept; to go on: {resumed}"
    )
    rows = sweeps.run(
        sweeps.load(file), folder, resume=resume, backend=backend, scheduler=scheduler, processes=processes
    )
    table = sweeps.save(rows, folder / "sweep.csv")
    emit(json, {"cells": rows}, lambda: say(f"{len(rows)} cells in {table}"))
    return 0
