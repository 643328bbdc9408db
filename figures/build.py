"""Make figures by name: data, drawing, and the four files each leaves behind."""

import importlib
import io
import json
import pkgutil
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

import figures
from figures.tables import Table
from sims.support.files import atomic_write
from sims.support.output import csv_text

_MACHINERY = ("style", "build", "explore", "tables")
_VERSIONED = ("numpy", "numba", "scipy", "matplotlib", "snapcut")


@dataclass(frozen=True)
class Built:
    """One figure in memory: everything that `save` writes and the report embeds."""

    name: str
    title: str
    caption: str
    png: bytes
    pdf: bytes
    table: Table
    manifest: dict


def names() -> list[str]:
    """Names of all figures, without importing them.

    Examples
    --------
    >>> "partition_threshold" in names()
    True
    """
    return [m.name for m in pkgutil.iter_modules(figures.__path__) if m.name not in _MACHINERY]


def module(name: str) -> ModuleType:
    """The module of a figure.

    Raises
    ------
    ValueError
        No figure of that name; the message lists them.
    """
    if name not in names():
        raise ValueError(f"no figure {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"figures.{name}")


def build(name: str, budget: str = "quick", seed: int = 0) -> Built:
    """Compute and draw one figure; equal arguments give equal bytes."""
    source = module(name)
    table = source.data(budget=budget, seed=seed)
    lengths = {column: len(values) for column, values in table.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"figure {name}: columns differ in length: {lengths}")
    drawn = source.draw(table)
    files = {}
    for kind, info in (("png", {"Software": None}), ("pdf", {"CreationDate": None, "Producer": None})):
        buffer = io.BytesIO()
        drawn.savefig(buffer, format=kind, metadata=info, dpi=160)
        files[kind] = buffer.getvalue()
    manifest = {
        "figure": name,
        "title": source.TITLE,
        "caption": source.CAPTION,
        "parameters": {"budget": budget, "seed": seed},
        "columns": list(table),
        "rows": next(iter(lengths.values())),
        "versions": versions(),
    }
    return Built(name, source.TITLE, source.CAPTION, files["png"], files["pdf"], table, manifest)


def versions() -> dict[str, str]:
    """Versions that the bits of a result may depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONED}}


def save(built: Built, folder: str | Path) -> list[Path]:
    """Write NAME.png, .pdf, .csv and .json into `folder`; each is whole or absent."""
    folder = Path(folder)
    lines = zip(*(np.asarray(column).tolist() for column in built.table.values()), strict=True)
    contents: dict[str, bytes] = {
        "png": built.png,
        "pdf": built.pdf,
        "csv": csv_text(list(built.table), lines).encode(),
        "json": (json.dumps(built.manifest, indent=2) + "\n").encode(),
    }
    written = []
    for kind, content in contents.items():
        path = folder / f"{built.name}.{kind}"
        with atomic_write(path, "wb") as file:
            file.write(content)
        written.append(path)
    return written


def build_all(
    selected: Sequence[str] = (), budget: str = "quick", seed: int = 0, processes: int | None = None
) -> Iterator[Built]:
    """Build several figures (default: all) over processes; yields them in the order given.

    Raises
    ------
    ValueError
        No figure of some name; raised before any work is done.
    """
    chosen = list(selected) or names()
    for name in chosen:
        module(name)
    return _built(chosen, budget, seed, processes)


def _built(chosen: Sequence[str], budget: str, seed: int, processes: int | None) -> Iterator[Built]:
    from sims.support import processes as workers
    from sims.support import progress
    from sims.support.threads import default_threads

    processes = min(processes or default_threads(), len(chosen))
    with progress.bar(len(chosen), "figures") as advance:
        for one in workers.run(build, ((name, budget, seed) for name in chosen), processes):
            advance(1)
            yield one
