"""What fine-tuning does to the representation: CKA and signal-to-noise by layer, before and after."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.tables import Table, by_column
from sims.fine_tuning import results

SOURCE = "Kuzmin et al. 2023, Section 5 (representations), on small networks"
TITLE = "Pruned outputs return towards the original; quantized ones are nearer, and move away at 8 bits"
CAPTION = (
    "Likeness of compressed networks to the original ones on test images, dense network on digits, "
    "medians over ten seeds with order-statistic intervals (at least 95 %). Open marks: before "
    "fine-tuning (nearest rounding; magnitude pruning), filled: after, an arrow from one to the other. "
    "(a-c) Unbiased linear CKA of the outputs of each layer; (d-f) signal-to-noise ratio of outputs, "
    "(g-i) of weights. Rounding to 2 bits destroys outputs and training repairs them; at 8 bits nothing "
    "was destroyed and training only moves away. Weights move away always."
)
BITS = (8, 4, 2)
PAIRS = {"quantized": ("nearest", "qat", style.SNAP, "o"), "pruned": ("magnitude", "prune", style.CUT, "s")}
MEASURES = {
    "cka": "CKA of outputs",
    "outputs_snr": "outputs, SNR in dB",
    "weights_snr": "weights, SNR in dB",
}


def data(budget: str = "quick", seed: int = 0) -> Table:
    """Columns kind, bits, layer, measure; before and after, medians over seeds with their intervals."""
    found = {
        (row["method"], row["bits"]): row
        for row in results.rows(budget)
        if (row["network"], row["data"]) == ("dense", "digits")
    }
    rows = []
    for kind, (before, after, *_) in PAIRS.items():
        for bits in BITS:
            for measure in MEASURES:
                names = [measure + end for end in results.ENDS]
                found_here = [found[method, bits][name] for method in (before, after) for name in names]
                for layer, values in enumerate(zip(*found_here, strict=True), start=1):
                    rows.append((kind, bits, layer, measure, *values))
    columns = (time + end for time in ("before", "after") for end in results.ENDS)
    return by_column(("kind", "bits", "layer", "measure", *columns), rows)


@style.styled
def draw(table: Table) -> Figure:
    """A column for each width, a row for each measure."""
    reach = {}
    for measure in MEASURES:
        here = table["measure"] == measure
        reach[measure] = np.ptp(np.concatenate([table["before"][here], table["after"][here]]).astype(float))
    figure, axes = style.panels(len(BITS), len(MEASURES), width=2.7, height=2.2, sharex=True, sharey="row")
    for column, bits in enumerate(BITS):
        for line, (measure, label) in enumerate(MEASURES.items()):
            axis = axes[line, column]
            for shift, (kind, (*_, color, marker)) in zip((-0.09, 0.09), PAIRS.items(), strict=True):
                rows = (table["kind"] == kind) & (table["bits"] == bits) & (table["measure"] == measure)
                x = table["layer"][rows] + shift
                before, after = table["before"][rows].astype(float), table["after"][rows].astype(float)
                for at, start, end in zip(x, before, after, strict=True):
                    if abs(end - start) < 0.05 * reach[measure]:
                        continue  # shorter than its head
                    arrow = {"arrowstyle": "->", "color": color, "linewidth": 1.1, "shrinkA": 2, "shrinkB": 2}
                    axis.annotate("", (at, end), (at, start), arrowprops=arrow)
                for time, value, look in (
                    ("before", before, {"markerfacecolor": "white", "alpha": 0.9}),
                    ("after", after, {"label": kind}),
                ):
                    low, high = (table[f"{time}_{end}"][rows].astype(float) for end in ("low", "high"))
                    style.interval(axis, x, value, low, high, color, fmt=marker, markersize=4.5, **look)
            axis.set_xlim(0.6, 3.4)
            axis.set_xticks((1, 2, 3), ("layer 1", "layer 2", "logits"))
            if column == 0:
                axis.set_ylabel(label)
        axes[0, column].set_title(f"{bits} bits / sparsity {1 - bits / 16:.3g}")
    handles = axes[0, 0].get_legend_handles_labels()[0]
    grey: dict = {"color": style.GREY, "marker": "D", "markersize": 4.5, "linestyle": "none"}
    handles.append(Line2D([], [], label="before fine-tuning", markerfacecolor="white", **grey))
    handles.append(Line2D([], [], label="after", **grey))
    axes[0, 0].legend(handles=handles, loc="lower left")
    return figure
