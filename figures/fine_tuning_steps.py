"""Learned steps beside the steps of least error, layer by layer, and the law of where they settle."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import Table, by_column
from sims.fine_tuning import results
from theory.codebooks import integer_levels, optimal_scale
from theory.distributions import Gaussian
from theory.fine_tuning import balanced_step

SOURCE = "Esser et al. 2020; Kuzmin et al. 2023, Section 5, on small networks; law derived"
TITLE = "Learned steps are larger than the steps of least error"
CAPTION = (
    "Learned step over the step that rounds the final latent weights with least squared error, medians "
    "over ten seeds with order-statistic intervals (at least 95 %), against the width; a line for each "
    "layer, set apart a little for the eye. Dashed: where LSQ's gradient of the weights' own error "
    "vanishes for Gaussian weights (symmetric codes), 6.5 % above the best step at 2 bits: the surrogate "
    "explains a small part; the loss of the network moves the steps further. Small networks."
)
LAYERS = (style.BLUE, style.GREEN, style.RED)


def data(budget: str = "quick", seed: int = 0) -> Table:
    """Columns network, data, layer (0 for the law), bits, ratio, low, high (a law is its own)."""
    rows = []
    for row in results.rows(budget):
        if row["method"] == "qat":
            found = zip(row["steps"], row["steps_low"], row["steps_high"], strict=True)
            rows += [
                (row["network"], row["data"], layer, row["bits"], *ends)
                for layer, ends in enumerate(found, start=1)
            ]
    for bits in range(2, 9):
        best = optimal_scale(Gaussian(), integer_levels(bits, "symmetric"))
        rows.append(("law", "Gaussian", 0, bits, *3 * (balanced_step(Gaussian(), bits) / best,)))
    return by_column(("network", "data", "layer", "bits", "ratio", "low", "high"), rows)


@style.styled
def draw(table: Table) -> Figure:
    """A panel for each network on each data set."""
    names = zip(table["network"].tolist(), table["data"].tolist(), strict=True)
    cases = [case for case in dict.fromkeys(names) if case[0] != "law"]
    figure, axes = style.panels(len(cases), width=3.2, height=2.8, sharex=True, sharey=True)
    law = table["network"] == "law"
    for axis, (network, name) in zip(axes, cases, strict=True):
        axis.plot(
            table["bits"][law], table["ratio"][law], color=style.GREY, linestyle=(0, (4, 2)), linewidth=1.1
        )
        for layer, (color, marker) in enumerate(zip(LAYERS, "osD", strict=True), start=1):
            rows = (table["network"] == network) & (table["data"] == name) & (table["layer"] == layer)
            order = np.argsort(table["bits"][rows])
            x = table["bits"][rows][order] + 0.1 * (layer - 2)
            y, low, high = (table[name][rows][order].astype(float) for name in ("ratio", "low", "high"))
            axis.plot(x, y, color=color, linewidth=1.2)
            style.interval(axis, x, y, low, high, color, fmt=marker, label=f"layer {layer}")
        axis.set_title(f"{network}, {style.DATA.get(name, name)}")
        axis.set_xticks(range(1, 9))
        axis.set_xlabel("bits per weight")
    axes[0].set_ylabel("learned / best step")
    axes[0].legend(loc="upper right")
    axes[0].set_ylim(bottom=0.86)
    at = float(table["ratio"][law][0])
    style.label(axes[0], 2, at, "law", style.GREY, xytext=(-4, 0), ha="right")
    return figure
