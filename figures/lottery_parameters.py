"""Drawn and kept parameters of the digits network's ticket, both constructions, every precision."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims.lottery.real import ticket_rows

SOURCE = "Kumar & Natale 2025, Theorems 1 and 2"
TITLE = "A ticket keeps few of the entries drawn, and two layers per layer far fewer than depth l + 1"
CAPTION = (
    "Digits network, 64-48-32-10, quantized to the given bits; candidates chosen so that less than one "
    "failure in a hundred networks is predicted: exactly up to 4 bits, from measured misses beyond. Every "
    "ticket was verified and gives the quantized network's output on each of the 450 test images; the "
    "test accuracy of both is written above. Black: weights of the target."
)
TARGET = 64 * 48 + 48 * 32 + 32 * 10


def data(budget: str = "quick", seed: int = 0, *, bits: tuple[int, ...] = (2, 3, 4, 6, 8)) -> Table:
    """Columns construction, bits, samples, drawn, kept, accuracy, identical.

    Parameters
    ----------
    budget
        Nothing to scale: a ticket is a ticket.
    seed
        Of the random networks.
    bits
        Widths of the weights, from 2 to 10.
    """
    widths = wholes("bits", bits, 2, 10)
    rows = []
    for construction in ("two_layer", "depth_plus_one"):
        for row in ticket_rows(bits=widths, seed=seed, construction=construction):
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
def draw(table: Table) -> Figure:
    """One logarithmic panel: drawn above, kept below, the target between."""
    figure, axes = style.panels(1, width=5.6, height=3.8)
    looks = {
        "two_layer": (style.BLUE, "two layers per layer"),
        "depth_plus_one": (style.GREEN, "depth l + 1"),
    }
    last = int(table["bits"].max())
    for construction, (color, name) in looks.items():
        rows = table["construction"] == construction
        bits = table["bits"][rows]
        for column, line in (("drawn", "-"), ("kept", "--")):
            value = table[column][rows]
            axes.plot(bits, value, line, color=color, marker=style.mark(color))
            style.label(axes, bits[-1], value[-1], f"{name}, {column}", color)
    axes.axhline(TARGET, color=style.BLACK, linewidth=1)
    style.label(axes, last, TARGET, "target", style.BLACK)
    rows = table["construction"] == "two_layer"
    for bits, accuracy in zip(table["bits"][rows], table["accuracy"][rows], strict=True):
        place: dict = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom"}
        axes.annotate(f"{100 * accuracy:.1f} %", (bits, 1.01), fontsize=8, color=style.GREY, **place)
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right", "va": "bottom"}
    axes.annotate("test accuracy:", (0, 1.01), (-4, 0), fontsize=8, color=style.GREY, **place)
    axes.set_yscale("log")
    axes.set(
        xlabel="bits per weight",
        ylabel="parameters",
        xlim=(table["bits"].min() - 0.4, last + 0.2),
        ylim=(1.5e3, None),
    )
    axes.set_xticks(np.unique(table["bits"]))
    return figure
