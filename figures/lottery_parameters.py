"""Drawn and kept parameters of the digits network's ticket, both constructions, every precision."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import by_column
from sims.lottery.real import ticket_rows

TITLE = "The ticket keeps a few entries per weight of a network drawn much larger"
CAPTION = (
    "Digits network, 64-48-32-10, quantized to the given bits; candidates chosen so that less than one "
    "failure in a hundred networks is predicted: exactly up to 4 bits, from measured misses beyond. Every "
    "ticket was verified and gives the quantized network's output on each of the 450 test images; the "
    "accuracy of both is written above. Black: weights of the target."
)
BITS = {"quick": (2, 3, 4, 6, 8), "standard": (2, 3, 4, 5, 6, 7, 8), "deep": (2, 3, 4, 5, 6, 7, 8)}
TARGET = 64 * 48 + 48 * 32 + 32 * 10


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns construction, bits, samples, drawn, kept, accuracy, identical."""
    rows = []
    for construction in ("two_layer", "depth_plus_one"):
        for row in ticket_rows(bits=BITS[budget], seed=seed, construction=construction):
            rows.append(
                (
                    construction,
                    row["bits"],
                    row["samples"],
                    row["drawn parameters"],
                    row["kept parameters"],
                    row["ticket accuracy"],
                    row["identical outputs"],
                )
            )
    names = ("construction", "bits", "samples", "drawn", "kept", "accuracy", "identical")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """One logarithmic panel: drawn above, kept below, the target between."""
    figure, axes = style.panels(1, width=5.6, height=3.8)
    looks = {
        "two_layer": (style.BLUE, "two layers per layer"),
        "depth_plus_one": (style.GREEN, "depth l + 1"),
    }
    for construction, (color, name) in looks.items():
        rows = table["construction"] == construction
        bits = table["bits"][rows]
        for column, line in (("drawn", "o-"), ("kept", "s--")):
            value = table[column][rows]
            axes.plot(bits, value, line, color=color)
            style.label(axes, bits[-1], value[-1], f"{name}, {column}", color)
    axes.axhline(TARGET, color=style.BLACK, linewidth=1)
    style.label(axes, 8, TARGET, "target", style.BLACK, xytext=(4, -7))
    rows = table["construction"] == "two_layer"
    for bits, accuracy in zip(table["bits"][rows], table["accuracy"][rows], strict=True):
        axes.annotate(f"{100 * accuracy:.1f} %", (bits, 1.6e7), ha="center", fontsize=8, color=style.GREY)
    axes.set_yscale("log")
    axes.set(xlabel="bits per weight", ylabel="parameters", xlim=(1.6, 10.9), ylim=(1.5e3, 4e7))
    axes.set_xticks(np.unique(table["bits"]))
    return figure
