"""Which exact algorithm the cost model takes, and what it predicts to pay."""

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims.subset_sum.plan import plan
from theory.arguments import whole

SOURCE = "Cost model of the exact algorithms (ours, measured)"
TITLE = "Which exact algorithm, and at what price"
CAPTION = (
    r"Choice of the cost model for n integers uniform on {±1..±M}: colour is the algorithm, contours the "
    r"predicted time on one core, with at most 4 GiB. (a) Find one subset with a given sum or prove that "
    r"there is none; (b) count them all. White: out of reach (more than <longest> s, or no algorithm). "
    r"Line: the threshold, where one solution is expected."
)
ALGORITHMS = ("table", "search", "collections", "lists", "sorted", "polynomial")
COLORS = (style.GREEN, style.BLUE, style.SKY, style.ORANGE, style.PURPLE, style.GREY)


def data(
    budget: str = "quick", seed: int = 0, *, most: int = 96, most_bits: int = 52, longest: float = 3600.0
) -> Table:
    """Columns question, n, log2_max_value, algorithm, seconds, bytes; "none" where out of reach.

    Parameters
    ----------
    budget, seed
        Nothing is random.
    most
        Largest n, from 16 to 200.
    most_bits
        Largest log2 M, from 8 to 52.
    longest
        Seconds beyond which an answer is out of reach.
    """
    (patience,) = reals("longest", longest)
    rows = []
    for question in ("find", "count"):
        for n in range(4, whole("most", most, 16, 200) + 1, 2):
            for bits in range(2, whole("most_bits", most_bits, 8, 52) + 1, 2):
                spread = bits + 0.5 * np.log2(n / 3.0)
                chosen = plan(n, int(n * 2.0 ** (bits - 1)), float(spread), question)
                name = chosen.algorithm if chosen.seconds <= patience else "none"
                rows.append((question, n, bits, name, chosen.seconds, float(chosen.bytes)))
    names = ("question", "n", "log2_max_value", "algorithm", "seconds", "bytes")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """A map for each question."""
    figure, axes = style.panels(2, width=3.9, height=3.3, sharey=True)
    shown: set[str] = set()
    norm = BoundaryNorm(np.arange(len(ALGORITHMS) + 1) - 0.5, len(ALGORITHMS))
    for panel, question in zip(axes, ("find", "count"), strict=True):
        rows = table["question"] == question
        n, bits = np.unique(table["n"][rows]), np.unique(table["log2_max_value"][rows])
        shape = (n.size, bits.size)
        index = np.array([ALGORITHMS.index(a) if a in ALGORITHMS else -1 for a in table["algorithm"][rows]])
        seconds = table["seconds"][rows].reshape(shape).T
        index = index.reshape(shape).T
        reached = np.ma.masked_where(index < 0, index)
        panel.pcolormesh(
            n, bits, reached, cmap=ListedColormap(COLORS), norm=norm, alpha=0.45, shading="nearest"
        )
        names = {-4: "0.1 ms", -2: "10 ms", 0: "1 s", 2: "100 s"}
        for i in range(len(ALGORITHMS)):  # apart: where the algorithm changes, the time may jump
            height = np.ma.masked_where(index != i, np.log10(np.maximum(seconds, 1e-9)))
            if height.count() > 4:
                lines = panel.contour(
                    n, bits, height, list(names), colors=style.BLACK, linewidths=0.6, linestyles="-"
                )
                written = {text.get_text() for text in panel.clabel(lines, fmt=names, fontsize=7)}
                for level, parts in zip(lines.levels, lines.allsegs, strict=True):
                    if parts and names[level] not in written:  # too short to be interrupted by its label
                        x, y = np.mean(max(parts, key=len), axis=0)
                        panel.text(x + 0.7, y, names[level], fontsize=7, va="center")
        panel.plot(n, n - 0.5 * np.log2(n), color=style.RED, linewidth=1.2)
        shown |= {name for i, name in enumerate(ALGORITHMS) if (np.ma.filled(reached, -1) == i).any()}
        panel.set(
            xlabel="items n",
            title="Find one" if question == "find" else "Count all",
            ylim=(bits[0], bits[-1]),
            xlim=(n[0], n[-1]),
        )
        panel.grid(visible=False)
    handles = [
        Line2D([], [], linestyle="none", marker="s", color=color, alpha=0.6, label=name)
        for name, color in zip(ALGORITHMS, COLORS, strict=True)
        if name in shown
    ]
    handles.append(Line2D([], [], color=style.RED, linewidth=1.2, label="threshold"))
    style.legend_below(figure, handles, 7)
    axes[0].set_ylabel(r"$\log_2 M$")
    return figure
