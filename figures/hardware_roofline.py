"""What hardware makes of it: speed by batch of widths and sparsities, and from where on pruning pays."""

import numpy as np
from matplotlib.figure import Figure

from figures.parameters import reals
from figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, label, panels, styled
from figures.tables import Table, by_column
from theory.hardware import Layer, Machine, break_even_sparsity, crossover_batch, layer_time

SOURCE = "Kuzmin et al. 2023, hardware section; the roofline model"
TITLE = "Bytes for one token, arithmetic for many: which width and which sparsity pay"
CAPTION = (
    "Roofline model of a layer of 8,192 x 8,192 weights at <terabytes> TB/s and <petaops> peta "
    "multiply-adds per second of 16 bits; 8-bit arithmetic twice as fast, 4-bit four times. (a) Speed "
    "beside dense 16-bit weights over the inputs at a time. W4A16 stores 4 bits and multiplies 16. Masked "
    "weights store a bit per weight beside the kept values and skip the zeros. Dotted: where the traffic of "
    "16-bit weights alone takes as long as their arithmetic; activations move it up a little. (b) Least "
    "sparsity at "
    "which masked 16-bit weights are as fast as dense INT4, by the cost of a kept multiply-add over a "
    "dense one."
)
CASES = {
    "INT8": (8, 8, 0.0, BLUE, "-"),
    "INT4": (4, 4, 0.0, GREEN, "-"),
    "W4A16": (4.125, 16, 0.0, PURPLE, "--"),
    "2:4, 16 bits": (9, 16, 0.5, ORANGE, "-."),
    "masked, 50 % zeros": (9, 16, 0.5, GREY, ":"),
    "masked, 90 % zeros": (2.6, 16, 0.9, RED, "-"),
}
OVERHEADS = (1.0, 2.0, 4.0, 8.0)


def data(budget: str = "quick", seed: int = 0, *, terabytes: float = 2.0, petaops: float = 0.4) -> Table:
    """Rows (panel, name, batch, value): speed over dense 16 bits, and break-even sparsities; a model.

    Parameters
    ----------
    budget, seed
        Without effect.
    terabytes
        Bandwidth in TB/s, up to 100.
    petaops
        Multiply-adds of 16 bits per second, in 10^15, up to 100.
    """
    (bandwidth,), (rate,) = reals("terabytes", terabytes, 0.0, 100.0), reals("petaops", petaops, 0.0, 100.0)
    machine = Machine(bandwidth * 1e12, rate * 1e15)
    rows: list[tuple] = []
    for batch in np.unique(np.geomspace(1, 16384, 400).astype(int)).tolist():
        dense = layer_time(Layer(8192, 8192, batch), machine)
        for name, (stored, value, sparsity, *_) in CASES.items():
            skipped = sparsity if value == 16 else 0.0
            one = Layer(8192, 8192, batch, stored, value, skipped)
            rows.append(("speed", name, batch, dense / layer_time(one, machine)))
        for overhead in OVERHEADS:
            found = break_even_sparsity("bitmask", machine, batch, overhead=overhead)
            rows.append(("break-even", f"{overhead:g} x", batch, found))
    rows.append(("crossover", "dense 16 bits", crossover_batch(machine), np.nan))
    return by_column(("panel", "name", "batch", "value"), rows)


@styled
def draw(table: Table) -> Figure:
    """Speeds, and break-even sparsities."""
    figure, (left, right) = panels(2, width=4.7, height=3.8)
    for name, (_, _, _, color, style) in CASES.items():
        here = (table["panel"] == "speed") & (table["name"] == name)
        left.plot(table["batch"][here], table["value"][here], style, color=color, label=name)
    left.axhline(1, color=GREY, linewidth=0.8)
    (meet,) = table["batch"][table["panel"] == "crossover"]
    batches = table["batch"][table["panel"] == "speed"]
    if 10 * batches.min() < meet < batches.max() / 10:  # else its names find no room
        left.axvline(meet, ymax=0.8, color=BLACK, linewidth=0.8, linestyle=":")  # below the legend
        for text, side in (("16 bits: memory", -1), ("arithmetic", 1)):
            place: dict = {"xytext": (4 * side, 0), "ha": "right" if side < 0 else "left"}
            label(left, float(meet), 0.75, text, BLACK, **place)
    left.set(xscale="log", yscale="log", xlabel="inputs at a time", ylabel="speed over dense 16 bits")
    left.set_ylim(0.65, 24)
    left.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    left.minorticks_off()
    left.set_title("Speed")
    left.legend(loc="upper right", ncols=2)
    for name, color, style in zip(
        dict.fromkeys(table["name"][table["panel"] == "break-even"].tolist()),
        (BLUE, GREEN, ORANGE, RED),
        ("-", "--", "-.", ":"),
        strict=True,
    ):
        here = (table["panel"] == "break-even") & (table["name"] == name)
        right.plot(table["batch"][here], table["value"][here], style, color=color, label=name)
    right.set(
        xscale="log", xlabel="inputs at a time", ylabel="break-even sparsity", title="Pruning against INT4"
    )
    right.legend(loc="best", title="cost of a kept multiply-add")
    right.set_ylim(0.7, 1.0)
    return figure
