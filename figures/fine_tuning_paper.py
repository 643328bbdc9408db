"""Table 1 of the paper as differences, and ours beside it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.tables import Table, by_column
from sims.fine_tuning import results

SOURCE = "Kuzmin et al. 2023, Table 1, beside small networks"
TITLE = (
    "Quantization minus pruning after fine-tuning: nine large models of the paper, four small settings here"
)
CAPTION = (
    "(a) Table 1 of Kuzmin et al. 2023, fine-tuned quantization minus fine-tuned pruning at b bits and "
    "sparsity 1 - b/16, in points of the metric (one run a cell; for the language model the perplexity "
    "lost by pruning). Quantization wins 60 of 63 cells, pruning 2, one is a tie. (b) Small networks "
    "here, mean difference in points of accuracy over ten paired seeds, bars the range over seeds. Only "
    "signs and their growth towards few bits can be compared: models, data and room for loss differ; a "
    "point of accuracy on 450 images is 4.5 images."
)
BITS = (8, 7, 6, 5, 4, 3, 2)


def data(budget: str = "quick", seed: int = 0) -> Table:
    """Columns source ("paper", "here"), name, metric, bits, difference, low, high (nan for one run)."""
    rows = []
    table = results.paper_table()
    for one, other in zip(table[::2], table[1::2], strict=True):
        assert (one["model"], one["method"], other["method"]) == (other["model"], "quantization", "pruning")
        sign = -1.0 if "lower is better" in one["metric"] else 1.0
        for bits in BITS:
            gap = sign * (one[str(bits)] - other[str(bits)])
            rows.append(("paper", one["model"], one["metric"], bits, round(gap, 1), np.nan, np.nan))
    found = {(r["network"], r["data"], r["method"], r["bits"]): r for r in results.rows(budget)}
    for network, name in dict.fromkeys(key[:2] for key in found):
        for bits in BITS:
            pair = [np.array(found[network, name, m, bits]["accuracies"]) for m in ("qat", "prune")]
            gaps = 100 * (pair[0] - pair[1])
            here = f"{network}, {style.DATA.get(name, name)}"
            rows.append(("here", here, "accuracy %", bits, gaps.mean(), gaps.min(), gaps.max()))
    return by_column(("source", "name", "metric", "bits", "difference", "low", "high"), rows)


@style.styled
def draw(table: Table) -> Figure:
    """Differences against bits, on a scale that shows both small and large ones."""
    figure, axes = style.panels(2, width=4.4, height=4.0)
    titles = ("Table 1 of the paper", "Small networks here")
    for axis, source, title in zip(axes, ("paper", "here"), titles, strict=True):
        axis.axhline(0, color=style.GREY, linewidth=0.9)
        names = list(dict.fromkeys(table["name"][table["source"] == source].tolist()))
        ends = []
        for index, name in enumerate(names):
            rows = (table["source"] == source) & (table["name"] == name)
            x = table["bits"][rows].astype(float)
            y, low, high = (table[k][rows].astype(float) for k in ("difference", "low", "high"))
            color, marker = style.CYCLE[index % len(style.CYCLE)], "osD^vP*Xh"[index]
            if source == "here":
                x = x + 0.09 * (index - (len(names) - 1) / 2)
                style.interval(axis, x, y, low, high, color, fmt=marker)
                axis.plot(x, y, color=color, linewidth=1.1)
            else:
                axis.plot(x, y, color=color, linewidth=1.1, marker=marker)
            ends.append((float(y[-1]), name, color))
        axis.set_yscale("symlog", linthresh=1.0, linscale=0.6)
        axis.set_yticks((-10, -1, 0, 1, 10, 50) if source == "paper" else (-1, 0, 1, 2, 5))
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_xlim(8.3, -0.6)
        axis.set_xticks(BITS)
        axis.set_xlabel("bits per weight")
        axis.set_title(title)
        _labels(axis, ends)
    axes[0].set_ylabel("quantization minus pruning (points)")
    return figure


def _labels(axis: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Names beside the last points, moved apart where they would overlap."""
    axis.set_ylim(axis.get_ylim())  # labels stretch no axis
    scale = axis.transScale + axis.transLimits
    heights = [float(scale.transform((2, value))[1]) for value, *_ in ends]
    for (value, name, color), height in zip(ends, style.spread(heights, 0.055), strict=True):
        axis.annotate(
            name,
            (2, value),
            (1.72, height),
            textcoords=axis.get_xaxis_transform(),
            color=color,
            fontsize=7,
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        )
