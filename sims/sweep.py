"""Grids of simulations that survive a crash, on this machine or on a cluster.

A cell is one setting of the parameters. Finished cells are stored one file each, whole or absent, as they
end; a sweep that was killed resumes and repeats nothing. A cell's result depends on its parameters and the
seed alone, so every backend gives the same bits.
"""

import contextlib
import hashlib
import inspect
import itertools
import json
import os
import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sims.montecarlo.store import source_digest
from sims.simulations import SIMULATIONS, find
from sims.support import processes as workers
from sims.support import progress
from sims.support.files import atomic_write, discard_abandoned, sealed, unsealed
from sims.support.output import csv_text
from sims.support.threads import default_threads
from theory.arguments import choice, whole

BACKENDS = ("local", "dask")
_CONNECT_WITHIN = 10  # seconds
_COLUMNS = ("seed", "quantity", "estimate", "low", "high", "theory", "source")


@dataclass(frozen=True)
class Sweep:
    """A grid of cells: every combination of the listed values.

    Attributes
    ----------
    simulation
        A name in `sims.simulations.SIMULATIONS`, or "module:function" of one's own that returns rows of type
        `sims.support.row.Row`, the estimate it is about first.
    grid
        Values of each parameter that varies.
    fixed
        Parameters that do not.
    seed
        Shared by all cells; each cell draws from streams named by its own parameters.
    """

    simulation: str
    grid: Mapping[str, Sequence[Any]]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def cells(self) -> list[dict[str, Any]]:
        """The parameters of every cell, the last grid parameter varying fastest.

        Examples
        --------
        >>> Sweep("partition", {"n": [8, 10]}, {"max_value": 64, "trials": 9}).cells()[1]
        {'n': 10, 'max_value': 64, 'trials': 9}
        """
        names = list(self.grid)
        return [
            {name: _plain(v) for name, v in (*zip(names, values, strict=True), *self.fixed.items())}
            for values in itertools.product(*(self.grid[name] for name in names))
        ]


def _plain(value: Any) -> Any:
    """A number of NumPy as Python's, also in a list: cells are named by what is written of them."""
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(one) for one in value)
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def load(path: str | Path) -> Sweep:
    """Read a sweep from TOML: `simulation`, `seed`, fixed parameters, and a table [grid] of lists.

    Raises
    ------
    ValueError
        Not TOML, or not a sweep; the message names the line or the key.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    simulation, seed, grid = (content.pop(key, None) for key in ("simulation", "seed", "grid"))
    if not isinstance(simulation, str):
        known = ", ".join(SIMULATIONS)
        raise ValueError(f'{path} needs a line like simulation = "partition"; it may be {known}')
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()) or not grid:
        raise ValueError(f"{path} needs a table [grid] of nonempty lists, such as n = [12, 16, 20]")
    sweep = Sweep(simulation, grid, content, 0 if seed is None else seed)
    _validate(sweep)
    return sweep


def _validate(sweep: Sweep) -> None:
    """Every parameter must fit the simulation's signature, before any cell is computed."""
    if isinstance(sweep.seed, bool) or not isinstance(sweep.seed, int) or not 0 <= sweep.seed < 2**63:
        raise ValueError(f"seed must be a nonnegative integer below 2**63, got {sweep.seed!r}")
    signature = inspect.signature(find(sweep.simulation))
    named = {p.name: p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD}
    given = set(sweep.grid) | set(sweep.fixed) | {"seed"}
    if unknown := sorted(given - set(named)):
        raise ValueError(f"{sweep.simulation} has no parameter {unknown[0]!r}; it takes {', '.join(named)}")
    if missing := [n for n, p in named.items() if p.default is p.empty and n not in given]:
        raise ValueError(f"{sweep.simulation} needs a value for {missing[0]!r}, fixed or in [grid]")
    if taken := sorted((set(sweep.grid) | set(sweep.fixed)) & set(_COLUMNS)):
        raise ValueError(f"{taken[0]!r} names a column of the results and cannot be a parameter")
    if repeated := sorted(set(sweep.grid) & set(sweep.fixed)):
        raise ValueError(f"{repeated[0]!r} is given both fixed and in [grid]")


def compute(simulation: str, parameters: dict[str, Any], seed: int) -> dict[str, Any]:
    """One cell as one flat row: parameters, the first row's estimate and interval, the other rows by name.

    Runs in a worker process or on another machine; one thread, because cells are what runs in parallel. Only
    plain values: what is stored and read again is the same row.
    """
    with _one_thread():
        first, *others = find(simulation)(**parameters, seed=seed)
    row = {
        **parameters,
        "seed": seed,
        "quantity": first.quantity,
        "estimate": first.measured,
        "low": first.low,
        "high": first.high,
        "theory": first.theory,
        "source": first.source,
    }
    row.setdefault("trials", first.trials)  # where "trials" is a parameter, it stands as it was asked for
    for other in others:
        name = " | ".join(part for part in (other.quantity, other.source) if part)
        ends = {f"{name}, low": other.low, f"{name}, high": other.high}
        shown = {f"{name}, measured": other.measured, **ends, name: other.theory}
        row |= {column: value for column, value in shown.items() if value is not None}
    return json.loads(json.dumps(row, default=float))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = os.environ.get("SNAPCUT_THREADS")
    os.environ["SNAPCUT_THREADS"] = "1"
    try:
        yield
    finally:
        del os.environ["SNAPCUT_THREADS"]
        if before is not None:
            os.environ["SNAPCUT_THREADS"] = before


def cell_key(sweep: Sweep, parameters: Mapping[str, Any]) -> str:
    """Name of a cell's file: a hash of its parameters, the seed, and the sources it comes from.

    The hash covers all of `theory` and `sims`, and the file of a simulation of one's own (not what that file
    imports): a cell computed by other code is not this cell.
    """
    own = inspect.getsourcefile(find(sweep.simulation))
    source = hashlib.sha256(Path(own).read_bytes()).hexdigest() if own else ""
    text = json.dumps(
        [sweep.simulation, dict(parameters), sweep.seed, source_digest(), source], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def run(
    sweep: Sweep,
    folder: str | Path,
    *,
    resume: bool = False,
    backend: str = "local",
    scheduler: str | None = None,
    processes: int | None = None,
) -> list[dict[str, Any]]:
    """Compute every cell, storing each as it ends, and return the rows in grid order.

    Parameters
    ----------
    folder
        Where cells are stored (folder/cells) and the tables written by `save`.
    resume
        Keep the finished cells found there; without it a folder that has any is refused.
    backend
        "local" processes, or "dask": the cluster at `scheduler` ("tcp://host:8786").
    processes
        Local processes (every core).

    Raises
    ------
    ValueError
        Bad parameters, a folder in use by another sweep, or finished cells without `resume`.
    ConnectionError
        The cluster does not answer within 10 seconds.
    """
    choice("backend", backend, BACKENDS)
    if (scheduler is None) == (backend == "dask"):
        raise ValueError(
            "the dask backend needs a scheduler address such as tcp://host:8786, and only it takes one"
        )
    _validate(sweep)
    if processes is not None:
        whole("processes", processes, 1)
    folder = Path(folder)
    cells = sweep.cells()
    try:
        json.dumps(cells)
    except TypeError as error:
        raise ValueError(f"parameters must be numbers, words or lists of them: {error}") from None
    keys = [cell_key(sweep, parameters) for parameters in cells]
    asked = dict(zip(keys, cells, strict=True))
    with _only_one(folder):
        stored = folder / "cells"
        discard_abandoned(stored)
        read = ((key, _read(stored / f"{key}.json", key, sweep, cell)) for key, cell in asked.items())
        finished = {key: row for key, row in read if row is not None}
        if finished and not resume:
            raise ValueError(
                f"{folder} holds {len(finished)} finished cells; resume them or choose another folder"
            )
        waiting = {key: parameters for key, parameters in asked.items() if key not in finished}
        failed = []
        label = "cells" if ":" in sweep.simulation else f"{sweep.simulation} cells"
        with progress.bar(len(cells), label) as advance:
            advance(len(finished))
            local = backend == "local"
            with _backend(backend, scheduler), progress.inside() as news:
                for key, row, why in _computed(sweep, waiting, processes, news if local else None, local):
                    if why:
                        failed.append((waiting[key], why))
                        continue
                    with atomic_write(stored / f"{key}.json") as file:
                        file.write(sealed({"cell": key, "row": row}))
                    finished[key] = row
                    advance(1)
        if failed:
            parameters, why = failed[0]
            others = f"; {len(failed) - 1} more cells failed" if len(failed) > 1 else ""
            raise ValueError(f"the cell {parameters} failed: {why}{others}; the other cells are stored")
        return [finished[key] for key in keys]


def _computed(
    sweep: Sweep, waiting: dict[str, dict], processes: int | None, news: Path | None, local: bool
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(key, row, "") or (key, {}, error) of every cell, in the order they end."""
    cells = ((key, sweep.simulation, parameters, sweep.seed, news) for key, parameters in waiting.items())
    return workers.run(_keyed, cells, processes or default_threads(), ordered=False, local=local)


def _keyed(
    key: str, simulation: str, parameters: dict, seed: int, news: Path | None
) -> tuple[str, dict, str]:
    """One cell that fails must not take the others with it: its error travels back as text."""
    try:
        with progress.reporting(news):
            return key, compute(simulation, parameters, seed), ""
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        return key, {}, f"{kind}{error}"


@contextlib.contextmanager
def _backend(backend: str, scheduler: str | None) -> Iterator[None]:
    if backend == "local":
        yield
        return
    with workers.cluster(scheduler, _CONNECT_WITHIN, "without --backend dask the sweep runs on this machine"):
        yield


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder; the lock goes with the process, so a killed sweep leaves none behind."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another sweep is running in {folder}; choose another folder") from None
        yield


def stored_cells(folder: str | Path) -> list[Path]:
    """Files of the cells that are finished."""
    return list((Path(folder) / "cells").glob("*.json"))


def _read(path: Path, key: str, sweep: Sweep, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """A stored row, or None where there is none; a damaged one is reported and computed again."""
    if not os.path.lexists(path):
        return None
    try:
        if not path.is_file():  # a folder, a pipe, a link to nothing: kept, but out of the way
            path.rename(_unused(path))
            raise ValueError("it is no file")
        stored = unsealed(path.read_text(encoding="utf-8"))
        if stored.get("cell") != key:
            raise ValueError("it holds another cell")
        row = stored.get("row")
        _check_row(row, {**parameters, "seed": sweep.seed})
        return row
    except (ValueError, PermissionError) as error:
        warnings.warn(f"{path} is damaged and its cell is computed again: {error}", stacklevel=4)
        return None


def _unused(path: Path) -> Path:
    """A name beside `path` that nothing has."""
    names = (path.with_suffix(f".damaged{i or ''}") for i in itertools.count())
    return next(name for name in names if not os.path.lexists(name))


def _check_row(row: Any, given: Mapping[str, Any]) -> None:
    """What `compute` returns: every column, the parameters as given, an estimate inside its interval."""
    if not isinstance(row, dict) or not {*_COLUMNS, "trials"} <= row.keys():
        raise ValueError("it holds no row of results")
    if any(row[name] != value for name, value in json.loads(json.dumps(dict(given))).items()):
        raise ValueError("it holds other parameters")
    numbers = [row[name] for name in ("low", "estimate", "high") if row[name] is not None]
    if not all(isinstance(number, (int, float)) for number in (*numbers, row["theory"] or 0)):
        raise ValueError("it holds words where numbers belong")
    if any(one > other for one, other in itertools.pairwise(numbers)):
        raise ValueError("its estimate is outside its interval")


def save(rows: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Write rows as one tidy table: .csv, or .parquet where pyarrow is installed."""
    path = Path(path)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".parquet":
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise ImportError("writing .parquet needs pyarrow; write .csv, or pip install pyarrow") from None
        table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
        with atomic_write(path, "wb") as file:
            pyarrow.parquet.write_table(table, file)
        return path
    with atomic_write(path) as file:
        file.write(csv_text(columns, ([row.get(name) for name in columns] for row in rows)))
    return path
