"""Make figures by name: data, drawing, and the four files each leaves behind."""

import contextlib
import hashlib
import importlib
import io
import json
import pkgutil
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from figures import parameters, style
from figures.tables import Table
from sims.support.files import check_target, write_together
from sims.support.names import named
from sims.support.output import csv_text

_MACHINERY = ("style", "page", "build", "explore", "parameters", "tables", "dots")
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
    return [m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name not in _MACHINERY]


def module(name: str) -> ModuleType:
    """The module of a figure.

    Raises
    ------
    ValueError
        No figure of that name; the message names the nearest, or all.
    """
    if named([name], names(), "figure") != [name]:
        raise ValueError(f"no figure {name!r}; it is the beginning of {', '.join(selected([name]))}")
    return importlib.import_module(f"figures.{name}")


def selected(patterns: Sequence[str] = ()) -> list[str]:
    """Names of figures from names and prefixes, in the order given; all of them when there are none.

    Raises
    ------
    ValueError
        Neither a figure nor the beginning of one.

    Examples
    --------
    >>> selected(["partition_threshold", "snr_stu"])
    ['partition_threshold', 'snr_student']
    """
    return named(patterns, names(), "figure")


def listing(chosen: Sequence[str] = ()) -> list[dict[str, str]]:
    """One row per figure (names or prefixes; default: all): its name, what of which paper it shows, its title
    and its parameters.
    """
    rows = []
    for name in selected(chosen):
        source = module(name)
        known = parameters.defaults(source)
        rows.append(
            {
                "figure": name,
                "shows": source.SOURCE,
                "title": parameters.filled(source.TITLE, known, "…"),
                "parameters": " ".join(f"{k}={parameters.shown(v)}" for k, v in known.items()),
            }
        )
    return rows


def build(
    name: str,
    budget: str = "quick",
    seed: int = 0,
    chosen: Mapping[str, Any] | None = None,
    width: float | None = None,
) -> Built:
    """Compute and draw one figure; equal arguments give equal bytes.

    Parameters
    ----------
    name
        Of the figure.
    budget
        "quick", "standard" or "deep": trials behind each point.
    seed
        Of the random streams.
    chosen
        Values of the figure's parameters; those not named keep their defaults.
    width
        In inches, as the figure is to stand on a page; by default as wide as its panels like to be.
    """
    source = module(name)
    known = parameters.defaults(source)
    for key in chosen or {}:
        parameters.check_known(name, key, known)
    used = known | dict(chosen or {})
    table = source.data(budget=budget, seed=seed, **used)
    lengths = {column: len(values) for column, values in table.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"figure {name}: columns differ in length: {lengths}")
    drawing = drawn(name, table, width)
    png, pdf = _pictures(drawing)
    texts = used | (source.facts(table) if hasattr(source, "facts") else {})
    title, caption = (parameters.filled(text, texts) for text in (source.TITLE, source.CAPTION))
    manifest = {
        "figure": name,
        "title": title,
        "caption": caption,
        "shows": source.SOURCE,
        "parameters": {"budget": budget, "seed": seed, **used},
        "width": width,
        "columns": list(table),
        "rows": next(iter(lengths.values())),
        "versions": versions(),
    }
    return Built(name, title, caption, png, pdf, table, manifest)


def _pictures(drawing: Figure) -> tuple[bytes, bytes]:
    """PNG and PDF of a drawing, whose panels are placed once: `savefig` would draw four times."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    png, pdf = io.BytesIO(), io.BytesIO()
    drawing.set_dpi(160)
    FigureCanvasAgg(drawing).print_png(png, metadata={"Software": None})
    drawing.set_layout_engine("none")  # panels stay where they are
    with matplotlib.rc_context(style.WRITING), _glyphs_alone():
        FigureCanvasPdf(drawing).print_pdf(pdf, metadata={"CreationDate": None, "Producer": None})
    return png.getvalue(), pdf.getvalue()


@contextlib.contextmanager
def _glyphs_alone() -> Iterator[None]:
    """Fonts in a PDF lose their rules of ligatures and kerning, which took half the time of cutting them.

    Nothing in a PDF reads them: glyphs stand where matplotlib put them, and look the same.
    """
    from fontTools.subset import Options

    before = getattr(Options, "_drop_tables_default", [])  # matplotlib has no setting for it
    Options._drop_tables_default = [*before, "GDEF", "GPOS", "GSUB"]
    try:
        yield
    finally:
        Options._drop_tables_default = before


def drawn(name: str, table: Table, width: float | None = None) -> Figure:
    """The drawing of a figure's data, on a page of that width."""
    with style.page(width):
        return module(name).draw(table)


def versions() -> dict[str, str]:
    """Versions that the bits of a result may depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONED}}


def save(built: Built, folder: str | Path) -> list[Path]:
    """Write NAME.png, .pdf, .csv and .json into `folder`: all of them, whole, or none.

    The manifest (.json) holds checksums of the others, so that a set can be told from parts of two.
    """
    paths = _paths(built.name, folder)
    write_together({paths[kind]: content for kind, content in _contents(built).items()})
    return list(paths.values())


class Saved:
    """Figures saved into a folder one after another, and which of them stand there, whatever interrupts.

    What is interrupted while files take their places ends with all of them in place: only a look tells.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.paths: dict[str, list[Path]] = {}
        self._at_hand: Built | None = None

    def add(self, built: Built) -> None:
        """Save one more."""
        self._at_hand = built
        self.paths[built.name] = save(built, self.folder)

    def names(self) -> list[str]:
        """Of all that are whole in the folder."""
        one = self._at_hand
        if one is None or one.name in self.paths:
            return list(self.paths)
        manifest = _paths(one.name, self.folder)["json"]
        here = manifest.exists() and manifest.read_bytes() == _contents(one)["json"]
        return [*self.paths, *([one.name] if here else [])]


def _contents(built: Built) -> dict[str, bytes]:
    lines = zip(*(np.asarray(column).tolist() for column in built.table.values()), strict=True)
    contents: dict[str, bytes] = {
        "png": built.png,
        "pdf": built.pdf,
        "csv": csv_text(list(built.table), lines).encode(),
    }
    checksums = {kind: hashlib.sha256(content).hexdigest() for kind, content in contents.items()}
    manifest = {**built.manifest, "sha256": checksums}
    contents["json"] = (json.dumps(manifest, indent=2) + "\n").encode()
    return contents


def _paths(name: str, folder: str | Path) -> dict[str, Path]:
    return {kind: Path(folder) / f"{name}.{kind}" for kind in ("png", "pdf", "csv", "json")}


def check_targets(chosen: Sequence[str], folder: str | Path) -> None:
    """Notice before any work that a figure (default: any) could not be saved into `folder`.

    Raises
    ------
    ValueError
        No figure of some name.
    OSError
        A file that cannot be written; it is named.
    """
    for name in selected(chosen):
        for path in _paths(name, folder).values():
            check_target(path)


def build_all(
    chosen: Sequence[str] = (),
    budget: str = "quick",
    seed: int = 0,
    processes: int | None = None,
    settings: Sequence[str] = (),
    width: float | None = None,
) -> Iterator[Built]:
    """Build several figures (names or prefixes; default: all) over processes; yields them in the order given.

    Parameters
    ----------
    chosen, budget, seed, width
        As for `selected` and `build`.
    processes
        At most so many.
    settings
        Parameters as texts KEY=VALUE; every figure built must have them.

    Raises
    ------
    ValueError
        No figure of some name, no parameter of some name, a width that no figure fits; raised before any work
        is done.
    """
    wanted = selected(chosen)
    with style.page(width):  # says what is wrong with it
        pass
    jobs = []
    for name in wanted:
        known = parameters.defaults(module(name)) if settings else {}
        jobs.append((name, budget, seed, parameters.read(name, known, settings), width))
    return _built(jobs, processes)


def _built(jobs: Sequence[tuple], processes: int | None) -> Iterator[Built]:
    from sims.support import processes as workers
    from sims.support import progress
    from sims.support.threads import default_threads

    processes = min(processes or default_threads(), len(jobs))
    with progress.bar(len(jobs), "figures") as advance:
        for one in workers.run(build, jobs, processes):
            advance(1)
            yield one
