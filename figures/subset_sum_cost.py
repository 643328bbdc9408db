"""Which exact algorithm the cost model takes, and what it predicts to pay."""

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from figures import style
from figures.tables import by_column
from sims.subset_sum.plan import plan

TITLE = "Which exact algorithm, and at what price"
CAPTION = (
    r"Choice of the cost model for n integers uniform on {±1..±M}: colour is the algorithm, contours the "
    r"predicted time on one core, with at most 4 GiB. Left: find one subset with a given sum or prove that "
    r"there is none; right: count them all. White: out of reach (more than an hour, or no algorithm)."
)
ALGORITHMS = ("table", "search", "collections", "lists", "sorted", "polynomial")
COLORS = (style.GREEN, style.BLUE, style.SKY, style.ORANGE, style.PURPLE, style.GREY)
LONGEST = 3600.0


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns question, n, log2_max_value, algorithm, seconds, bytes."""
    rows = []
    for question in ("find", "count"):
        for n in range(4, 97, 2):
            for bits in range(2, 53, 2):
                spread = bits + 0.5 * np.log2(n / 3.0)
                chosen = plan(n, int(n * 2.0 ** (bits - 1)), float(spread), question)
                rows.append((question, n, bits, chosen.algorithm, chosen.seconds, float(chosen.bytes)))
    names = ("question", "n", "log2_max_value", "algorithm", "seconds", "bytes")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """A map for each question."""
    figure, axes = style.panels(2, width=3.9, height=3.3, sharey=True)
    norm = BoundaryNorm(np.arange(len(ALGORITHMS) + 1) - 0.5, len(ALGORITHMS))
    for panel, question in zip(axes, ("find", "count"), strict=True):
        rows = table["question"] == question
        n, bits = np.unique(table["n"][rows]), np.unique(table["log2_max_value"][rows])
        shape = (n.size, bits.size)
        index = np.array([ALGORITHMS.index(a) if a in ALGORITHMS else -1 for a in table["algorithm"][rows]])
        seconds = table["seconds"][rows].reshape(shape).T
        reached = np.ma.masked_where(
            (index.reshape(shape).T < 0) | (seconds > LONGEST), index.reshape(shape).T
        )
        panel.pcolormesh(
            n, bits, reached, cmap=ListedColormap(COLORS), norm=norm, alpha=0.45, shading="nearest"
        )
        names = {-4: "0.1 ms", -2: "10 ms", 0: "1 s", 2: "100 s"}
        height = np.ma.masked_where(np.ma.getmaskarray(reached), np.log10(np.maximum(seconds, 1e-9)))
        lines = panel.contour(
            n, bits, height, list(names), colors=style.BLACK, linewidths=0.6, linestyles="-"
        )
        panel.clabel(lines, fmt=names, fontsize=7)
        panel.plot(n, n - 0.5 * np.log2(n), color=style.RED, linewidth=1.2)
        for i, (name, color) in enumerate(zip(ALGORITHMS, COLORS, strict=True)):
            if (np.ma.filled(reached, -1) == i).any():
                panel.plot([], [], "s", color=color, alpha=0.6, label=name)
        panel.set(xlabel="items n", title="Find one" if question == "find" else "Count all", ylim=(2, 52))
        panel.legend(loc="lower right", framealpha=0.9, frameon=True, edgecolor="none")
        panel.grid(visible=False)
    style.label(axes[0], 33, 32.5, "threshold", style.RED, rotation=44, ha="center", xytext=(0, 7))
    axes[0].set_ylabel(r"$\log_2 M$")
    return figure
