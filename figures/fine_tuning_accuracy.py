"""Test error after fine-tuning against bits and equal sparsity, methods without training beside it."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import Table, by_column
from sims.fine_tuning import results

SOURCE = "Kuzmin et al. 2023, Section 5, on small networks (directions, not its accuracies)"
TITLE = "Fine-tuned at equal compression: quantization keeps its accuracy down to 2 bits, pruning does not"
CAPTION = (
    "Test error of small networks (ReLU, no biases) against the width b; pruned networks have sparsity 1 "
    "- b/16 in every layer. Medians over ten paired seeds with order-statistic intervals (at least 95 %). "
    "Solid: fine-tuned with learned steps (LSQ) or by the cubic schedule, the same epochs and optimiser; "
    "broken: without training (nearest, OPTQ, path following; magnitude, OBS), set apart a little for the "
    "eye. Grey line: the original networks. Dense: "
    "64-48-32-10 and 196-48-32-10; conv: two 3 x 3 convolutions and a dense layer. Directions only: none "
    "of this is an accuracy on ImageNet."
)
SHOWN = {  # method: colour, line, marker, label
    "qat": (style.SNAP, "-", "o", "learned steps"),
    "prune": (style.CUT, "-", "s", "gradual pruning"),
    "optq": (style.SKY, "--", "^", "OPTQ"),
    "nearest": (style.BLUE, ":", "v", "nearest"),
    "spfq": (style.PURPLE, "-.", "P", "SPFQ (path following)"),
    "obs": (style.GREEN, "-.", "X", "OBS"),
    "magnitude": (style.ORANGE, "--", "D", "magnitude"),
}
_SIZES = {"digits": "8 x 8", "mnist": "14 x 14"}


def data(budget: str = "quick", seed: int = 0) -> Table:
    """Columns network, data, method, bits, median, low, high, original (median of the networks before)."""
    rows = [
        (
            *(row[name] for name in ("network", "data", "method", "bits", "median", "low", "high")),
            float(np.median(row["originals"])),
        )
        for row in results.rows(budget)
    ]
    return by_column(("network", "data", "method", "bits", "median", "low", "high", "original"), rows)


@style.styled
def draw(table: Table) -> Figure:
    """A panel for each network on each data set."""
    cases = list(dict.fromkeys(zip(table["network"].tolist(), table["data"].tolist(), strict=True)))
    figure, axes = style.panels(len(cases), width=3.3, height=3.3, sharex=True, sharey=True)
    for axis, (network, name) in zip(axes, cases, strict=True):
        here = (table["network"] == network) & (table["data"] == name)
        axis.axhline(100 * (1 - float(table["original"][here][0])), color=style.GREY, linewidth=0.9)
        for number, (method, (color, line, marker, label)) in enumerate(SHOWN.items()):
            rows = here & (table["method"] == method)
            if not rows.any():
                continue
            order = np.argsort(table["bits"][rows])
            x = table["bits"][rows][order] + 0.06 * (number - 3)
            # the error's low end is the accuracy's high one
            y, low, high = (
                100 * (1 - table[k][rows][order].astype(float)) for k in ("median", "high", "low")
            )
            axis.plot(x, y, line, color=color, linewidth=1.3, label=label)
            style.interval(axis, x, y, low, high, color, fmt=marker)
        size = f", {_SIZES[name]}" if name in _SIZES else ""
        axis.set_title(f"{network}, {style.DATA.get(name, name)}{size}")
        axis.set_yscale("log")
        axis.set_ylim(1.5, 115)  # all errors: guessing errs on 90 %
        axis.set_yticks((2, 5, 10, 20, 50), ("2", "5", "10", "20", "50"))
        axis.minorticks_off()
        axis.set_xticks(range(1, 9), [f"{b}\n{1 - b / 16:.3g}" for b in range(1, 9)])
        axis.set_xlabel("bits per weight / sparsity")
        axis.tick_params("x", labelsize=6.5)
    axes[0].set_ylabel("test error (%)")
    style.legend_below(figure, axes[0].get_legend_handles_labels()[0], len(SHOWN))
    return figure
