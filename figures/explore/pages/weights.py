"""Explorer page: snap or cut the reader's own weights?"""

import contextlib
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from figures import style
from figures.explore.page import MAX_UPLOAD, Page, Parameter, Series, State, command_text
from sims import checkpoints
from sims import weights as simulation
from sims.weights import layout
from sims.weights.allocation import allocate_table
from theory import snr
from theory.distributions import StudentT

_BOUNDS = np.geomspace(1.5, 3000.0, 40)
_DF = 2.0
_SOURCES = {"digits": "digits", "efficientnet-lite0": "efficientnet"}  # as `snapcut weights` names them
BUDGETS = {"(not asked)": 0.0} | {
    f"{b:g} bits per weight": b for b in (2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 8.0)
}
SOURCES = {"digits network (built in)": "digits"}
if simulation.zoo_checkpoint() is not None:
    SOURCES["EfficientNet-Lite0"] = "efficientnet-lite0"


@dataclass(frozen=True)
class Tensors(Series):
    """The tensors judged so far: kurtosis, and quantization above pruning in dB; and the table behind it."""

    table: simulation.Table = field(kw_only=True)

    def columns(self, x: str = "x", value: str = "value") -> dict[str, Sequence | np.ndarray | None]:
        """The tensors by name, with both ratios."""
        rows, (bits,) = self.table.rows, self.table.bits
        return {
            **super().columns(x, value),
            "tensor": [row.name for row in rows],
            "weights": [row.size for row in rows],
            "quantization_snr_db": [row.quantization[bits] for row in rows],
            "pruning_snr_db": [row.pruning[bits] for row in rows],
        }


@lru_cache(maxsize=16)
def _student(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Kurtosis and margin of truncated Student laws with two degrees of freedom."""
    laws = [StudentT(_DF, float(bound)) for bound in _BOUNDS]
    sparsity = snr.equal_sparsity(bits)
    margin = [snr.quantization_snr(law, bits) - snr.pruning_snr(law, sparsity) for law in laws]
    return np.array([float(law.kurtosis) for law in laws]), np.array(margin)


def curves(state: State) -> list[Series]:
    """The margin of quantization over pruning for Student laws of growing kurtosis."""
    return [Series("Student law", *_student(state["bits"]))]


@contextlib.contextmanager
def _contents(state: State) -> Iterator[checkpoints.Contents]:
    """The network to judge; an uploaded file is there as long as the context is.

    Raises
    ------
    ValueError
        The file is too large or unreadable; one sentence.
    """
    upload = state.get("upload")
    if upload is None:
        yield simulation.opened(_SOURCES[state["source"]])
        return
    name, contents = upload
    if len(contents) > MAX_UPLOAD:
        raise ValueError(f"{name!r} has {len(contents):,} bytes; at most {MAX_UPLOAD:,} can be uploaded")
    # The readers name the file in their messages; nothing else of the name is kept.
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", Path(name).name)[-100:].lstrip(".") or "upload"
    with tempfile.TemporaryDirectory(prefix="snapcut-") as folder:
        path = Path(folder) / plain
        path.write_bytes(contents)
        yield checkpoints.open_checkpoint(path)


def live(state: State) -> Iterator[list[Series]]:
    """Judge tensor after tensor."""
    bits = state["bits"]
    with _contents(state) as contents:
        for table in simulation.growing_report(contents, [bits], every_format=state["budget"] > 0):
            yield [_points(table, bits)]


def _points(table: simulation.Table, bits: int) -> Tensors:
    kurtosis = np.array([row.kurtosis for row in table.rows])
    margin = np.array([row.quantization[bits] - row.pruning[bits] for row in table.rows])
    return Tensors("tensors", kurtosis, margin, table=table)


def _table(points: list[Series]) -> simulation.Table | None:
    return next((one.table for one in points if isinstance(one, Tensors)), None)


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """Margin of quantization over pruning against kurtosis, a mark per tensor."""
    (student,) = laws
    axes.axhline(0, color=style.GREY, linewidth=0.9)
    axes.plot(student.x, student.value, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 2)))
    kurtosis, margin, sizes = np.zeros(0), np.zeros(0), np.zeros(0)
    if (table := _table(points)) is not None:
        (found,) = points
        finite = np.isfinite(found.value) & np.isfinite(found.x)
        kurtosis, margin = found.x[finite], found.value[finite]
        sizes = np.array([row.size for row in table.rows])[finite]
        if not finite.all():
            hidden = (
                f"{np.sum(~finite)} of {finite.size} tensors are in the table only:\nconstant, or kept whole"
            )
            axes.text(0.02, 0.97, hidden, transform=axes.transAxes, va="top", color=style.GREY)
    top = max([1.1 * float(student.value.max()), *(1.1 * margin)])
    low = min([-0.35 * top, *(1.15 * margin)])
    right = max([60.0, *(1.3 * kurtosis)])
    inside = student.x <= right
    edge = int(np.flatnonzero(inside & (student.value >= low))[-1])
    place = float(student.x[edge]), float(student.value[edge])
    style.label(axes, *place, "Student law, ν = 2", style.GREY, ha="right", xytext=(-8, -6))
    if sizes.size:
        axes.scatter(
            kurtosis,
            margin,
            s=12 + 70 * np.sqrt(sizes / sizes.max()),
            c=np.where(margin > 0, style.SNAP, style.CUT),
            edgecolor="white",
            linewidth=0.4,
            alpha=0.85,
            zorder=4,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000]))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    for text, color, above, side in (("snap ↑", style.SNAP, 4, "bottom"), ("cut ↓", style.CUT, -4, "top")):
        options: dict = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "va": side}
        axes.annotate(text, (0, 0), (6, above), color=color, **options)
    axes.set(
        xlabel="kurtosis of the tensor",
        ylabel="quantization above pruning (dB)",
        xlim=(1.5, right),
        ylim=(low, top),
    )


def rows(state: State, points: list[Series]) -> list[dict[str, Any] | str]:
    """What `snapcut weights` prints: the table, what was not judged and why, the verdict, the allocation."""
    table = _table(points)
    if table is None:
        return []
    found: list[dict[str, Any] | str] = [*layout.lines(table), *table.skipped_lines(), *table.sentences()]
    if state["budget"] and not table.partial:
        allocation = allocate_table(table, state["budget"])
        found += [*allocation.lines(), allocation.sentence()]
    return found


def python(state: State) -> str:
    """The same analysis of the same file."""
    budget = state["budget"]
    every = ", every_format=True" if budget else ""
    text = (
        "from sims.support.output import print_table, say\nfrom sims.weights import layout, report\n\n"
        f"table = report({_source(state)!r}, bits=[{state['bits']}]{every})\n"
        "print_table(layout.lines(table), title=layout.title(table))\n"
        "say(*table.skipped_lines(), *table.sentences())"
    )
    if budget:
        text += (
            "\n\nfrom sims.weights.allocation import allocate_table\n\n"
            f"allocation = allocate_table(table, {budget})\n"
            f"print_table(allocation.lines(), title='Formats by tensor within {budget:g} bits per weight')\n"
            "say(allocation.sentence())"
        )
    return text


def command(state: State) -> str:
    """`snapcut weights` on the same network."""
    options = {"bits": state["bits"], **({"allocate": state["budget"]} if state["budget"] else {})}
    return command_text("weights", shlex.quote(_source(state)), **options)


def _source(state: State) -> str:
    return _file(state) if state.get("upload") is not None else _SOURCES[state["source"]]


def _file(state: State) -> str:
    return Path(state["upload"][0]).name


PAGE = Page(
    name="weights",
    title="Your own weights: snap or cut?",
    lead=(
        "Every tensor of a network is rounded with its best scale, and pruned to the same size. The file "
        "is read on this machine by readers that cannot run code; it goes nowhere else."
    ),
    formulas=(
        r"\mathrm{SNR}=10\log_{10}\frac{\sum w_i^2}{\sum(w_i-F(w_i))^2}",
        r"\text{sparsity}=1-\frac b{16}",
    ),
    caption=(
        "One mark per weight tensor, its area growing with the number of weights: above the line "
        "quantization keeps more signal than pruning at equal size, below it pruning does. Dashed: "
        "truncated Student laws with two degrees of freedom, whose kurtosis grows with the truncation. The "
        "network's verdict comes from errors and signals summed over tensors, not from a mean of decibels."
    ),
    parameters=(
        Parameter("bits", "bits b", 4, values=tuple(range(2, 9))),
        Parameter("budget", "formats by tensor within", 0.0, choices=BUDGETS),
        Parameter("source", "network", "digits", choices=SOURCES, used=lambda s: s.get("upload") is None),
    ),
    axes=("kurtosis", "quantization_above_pruning_db"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=python,
    command=command,
    count=lambda points: f"{len(points[0].x)} tensors" if points else "",
    upload=checkpoints.ENDINGS,
)
