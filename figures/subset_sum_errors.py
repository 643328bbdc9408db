"""How far the laws of random subset sum are from the exact one on small grids, and which is the default."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from figures import style
from figures.tables import Table, by_column
from theory import subset_sum as theory
from theory.arguments import whole

SOURCE = "Laws of random subset sum (derived) against the exact chain"
TITLE = "Laws miss by factors on small grids, where the exact value is cheap"
CAPTION = (
    "A law over the exact value of P(no subset of n samples sums to t), samples uniform on {±1..±M}. The "
    "number in a cell is that ratio, the colour its logarithm: red where the law takes misses for too "
    "frequent, blue for too rare. (a, c) Cox law; (b, d) saddlepoint law; (a, b) t = 1; "
    "(c, d) t = M. Every value divided by is exact, a closed form from the chain of reachable sums. Black "
    "frames: cells in which the law is the default of miss_probability. Up to M = 7 the default is the exact "
    "value itself; beyond, it may take more than 50 ms and has to be asked for."
)
STEPS = {"quick": (4, 6), "standard": (2, 2), "deep": (2, 1)}  # first n, and steps
FORMS: tuple[Literal["cox", "saddlepoint"], ...] = ("cox", "saddlepoint")
NAMES = {"cox": "Cox law", "saddlepoint": "Saddlepoint law"}
LARGEST = 16.0  # ratio at which the colours end


def data(budget: str = "quick", seed: int = 0, *, max_value: int = 10, most: int = 40) -> Table:
    """Columns form, end, max_value, target, n, exact, law, ratio, stated, default.

    `end` says which target: "one" or "largest"; `stated` is the factor that `miss_error` states, `default`
    the form that `miss_probability` takes.

    Parameters
    ----------
    budget, seed
        Nothing is random; larger budgets show more n.
    max_value
        Largest M, from 2 to 12.
    most
        Largest n, from 16 to 60.
    """
    sizes = range(1, whole("max_value", max_value, 2, 12) + 1)
    first, step = STEPS[budget]
    samples = range(first, whole("most", most, 16, 60) + 1, step)
    rows = []
    for end in ("one", "largest"):
        for size in sizes:
            target = 1 if end == "one" else size
            exact = theory.miss_law(size, target)
            for n in samples:
                truth = float(exact.probability(n))
                default = theory.miss_form(n, size, target=target)[0]
                for form in FORMS:
                    law = theory.miss_probability(n, size, target, form=form)
                    stated = 1.0 + theory.miss_error(n, size, target, form=form)
                    rows.append((form, end, size, target, n, truth, law, law / truth, stated, default))
    names = ("form", "end", "max_value", "target", "n", "exact", "law", "ratio", "stated", "default")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """A map for each law and target."""
    figure, axes = style.panels(2, 2, width=4.5, height=3.1, sharex=True, sharey=True)
    colours = LinearSegmentedColormap.from_list("ratio", [style.BLUE, "#FFFFFF", style.RED])
    norm = LogNorm(1.0 / LARGEST, LARGEST)
    for row, (end, name) in zip(axes, (("one", "t = 1"), ("largest", "t = M")), strict=True):
        for panel, form in zip(row, FORMS, strict=True):
            here = (table["form"] == form) & (table["end"] == end)
            n, sizes = np.unique(table["n"][here]), np.unique(table["max_value"][here])
            shape = (sizes.size, n.size)
            ratio = table["ratio"][here].reshape(shape)
            image = panel.pcolormesh(n, sizes, ratio, cmap=colours, norm=norm, shading="nearest")
            every = max(1, 4 // int(n[1] - n[0]))  # columns far enough apart for numbers
            numbered = range(every // 2, n.size, every)
            for i, j in ((i, j) for i in range(sizes.size) for j in numbered):
                dark = abs(np.log(ratio[i, j])) > 0.75 * np.log(LARGEST)
                ink = "#FFFFFF" if dark else style.BLACK
                text = f"{ratio[i, j]:.{1 if ratio[i, j] >= 10 else 2}f}"
                panel.text(
                    n[j], sizes[i], text, ha="center", va="center", fontsize=7, color=ink, in_layout=False
                )
            default = table["default"][here].reshape(shape) == form
            _frame(panel, n, sizes, default)
            if default[-1].any():
                top = n[default[-1]].mean(), sizes[-1] + 0.5
                style.label(panel, *top, "default", style.BLACK, ha="center", xytext=(0, 7), bbox=None)
            panel.set_title(f"{NAMES[form]}, {name}", pad=15)
            panel.grid(visible=False)
            panel.set_xticks(n[numbered])
            panel.yaxis.set_major_locator(MultipleLocator(1))
            if form == FORMS[-1]:
                cheap = (table["default"] == "exact") & here
                _bracket(panel, table["max_value"][cheap].max(), "exact is the default")
        row[0].set_ylabel("largest sample M")
    for panel in axes[-1]:
        panel.set_xlabel("samples n")
    bar = figure.colorbar(image, ax=axes, extend="both", shrink=0.6, aspect=28, pad=0.03)
    bar.set_label("law / exact")
    ticks = [2.0**k for k in range(-4, 5)]
    bar.set_ticks(ticks, labels=[f"{t:g}" if t >= 1 else f"1/{1 / t:g}" for t in ticks])
    bar.minorticks_off()
    return figure


def _frame(panel: Axes, n: np.ndarray, sizes: np.ndarray, inside: np.ndarray) -> None:
    """A line round the cells that are inside."""
    across, up = np.diff(n)[0] / 2, 0.5
    padded = np.pad(inside, 1)
    lines = []
    for i, j in np.argwhere(inside):
        left, right, low, high = n[j] - across, n[j] + across, sizes[i] - up, sizes[i] + up
        edges = {  # neighbouring cell: the edge shared with it
            (i + 1, j): [(left, low), (left, high)],
            (i + 1, j + 2): [(right, low), (right, high)],
            (i, j + 1): [(left, low), (right, low)],
            (i + 2, j + 1): [(left, high), (right, high)],
        }
        lines += [edge for cell, edge in edges.items() if not padded[cell]]
    frame = LineCollection(lines, colors=style.BLACK, linewidths=1.8, capstyle="projecting", clip_on=False)
    panel.add_collection(frame)


def _bracket(panel: Axes, top: float, text: str) -> None:
    """A line right of the map from its lowest row to `top`, with a word on it."""
    low, high = 0.55, top + 0.45
    along = panel.get_yaxis_transform()
    panel.plot([1.02, 1.02], [low, high], transform=along, color=style.BLACK, linewidth=1.8, clip_on=False)
    panel.text(
        1.035, (low + high) / 2, text, transform=along, rotation=270, ha="left", va="center", fontsize=8
    )
