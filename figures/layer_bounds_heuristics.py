"""How far heuristics end from the optimum on real layers: quantization and pruning."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims.layer_bounds.layers import compared, real_slices

SOURCE = "Kuzmin et al. 2023, Section 4: heuristics beside proved optima"
TITLE = "What heuristics lose against the optimum"
CAPTION = (
    "Squared output error over the proved optimum, in dB, on slices of real layers: a mark for every "
    "layer (rows whose optimum was proved, summed), a bar for the median. (a) Codes of <bits> bits. "
    '(b) Masks at sparsity 1 - b/16, kept weights refitted; "smallest kept" is what the paper\'s '
    "released script computes as magnitude pruning, which sorts ascending and keeps the first. Single "
    "moves from the ends of all heuristics, and exchanges after greedy cuts, are within <closest> dB of the "
    "optimum in the median layer."
)
ROWS = {"quick": 2, "standard": 16, "deep": 48}
NETWORKS: tuple[str, ...] = ("digits", "lite0", "transformer")
_LOOKS = (("o", style.RED), ("s", style.BLUE), ("^", style.GREEN))


def data(budget: str = "quick", seed: int = 0, *, bits: tuple[int, ...] = (2, 4)) -> Table:
    """Columns method, layer, bits, heuristic, loss (dB over the optimum), rows (summed).

    Parameters
    ----------
    budget
        Two rows of every slice at the quick budget.
    seed
        Without effect: the slices are what they are.
    bits
        Up to three widths, from 2 to 8.
    """
    widths = wholes("bits", bits, 2, 8)
    if len(widths) > len(_LOOKS):
        raise ValueError(f"bits takes at most {len(_LOOKS)} numbers, got {len(widths)}")
    rows = []
    for one in real_slices(NETWORKS):
        for b in widths:
            both = compared(one, b, ROWS[budget])
            for method, of in (("quantization", both.quantized), ("pruning", both.pruned)):
                proved = [row for row in of.rows if row.optimum]
                optimum = sum(row.optimum for row in proved if row.optimum)
                if not proved:
                    continue
                for name in proved[0].errors:
                    error = sum(row.errors[name] for row in proved)
                    loss = float(10 * np.log10(error / optimum))
                    rows.append((method, f"{one.network} {one.layer}", b, name, loss, len(proved)))
    return by_column(("method", "layer", "bits", "heuristic", "loss", "rows"), rows)


def facts(table: Table) -> dict[str, str]:
    """What the two best heuristics lose in the median layer, the most over widths, rounded up."""
    losses = [
        np.median(table["loss"][(table["heuristic"] == name) & (table["bits"] == bits)])
        for name in ("1-opt from all", "swaps")
        for bits in np.unique(table["bits"])
    ]
    return {"closest": f"{np.ceil(10 * max(losses)) / 10:g}"}


@style.styled
def draw(table: Table) -> Figure:
    """A line for every heuristic."""
    figure, axes = style.panels(2, 1, width=4.4, height=3.4)
    marks = dict(zip(np.unique(table["bits"]).tolist(), _LOOKS, strict=False))
    shifts = dict(zip(marks, np.linspace(0.14, -0.14, len(marks)), strict=True))
    for axis, method in zip(axes, ("quantization", "pruning"), strict=True):
        of = table["method"] == method
        names = list(dict.fromkeys(table["heuristic"][of]))
        medians = [np.median(table["loss"][of & (table["heuristic"] == name)]) for name in names]
        names = [names[i] for i in np.argsort(medians, kind="stable")[::-1]]
        for place, name in enumerate(names):
            for bits, (mark, color) in marks.items():
                loss = table["loss"][of & (table["heuristic"] == name) & (table["bits"] == bits)]
                y = place + shifts[bits]
                axis.plot(loss, np.full(loss.shape, y), mark, color=color, markersize=3.5, alpha=0.6)
                axis.plot([np.median(loss)] * 2, [y - 0.14, y + 0.14], color=color, linewidth=2.5)
        axis.set_yticks(range(len(names)), names)
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.8)
        axis.set_xlim(left=-0.05)
        ticks = (0, 0.5, 1, 2, 5, 10, 20)
        axis.set_xticks([t for t in ticks if t <= max(1.0, table["loss"][of].max())])
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("error over the optimum (dB)")
        axis.set_title(method.capitalize())
    handles = []
    for bits, (mark, color) in marks.items():
        text = f"{bits} bits (a), sparsity {100 * (1 - bits / 16):g} % (b)"
        handles.append(Line2D([], [], color=color, marker=mark, linestyle="none", markersize=3.5, label=text))
    style.legend_below(figure, handles, len(handles))
    return figure
