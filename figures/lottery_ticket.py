"""A whole lottery ticket of one small layer: random matrices, masks, and the target they add up to."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures import style
from figures.tables import by_column
from sims.lottery import Ticket, embed

TITLE = "A lottery ticket: nothing is trained, entries are only kept or cut"
CAPTION = (
    "Target layer W with two inputs and two outputs, entries in {-7..7}. Columns are the hidden units of "
    "the random network: every entry of A ($\\pm1$) and of B ($\\{\\pm1..\\pm7\\}$) was drawn before W was "
    "seen. Kept entries are coloured by the input they carry, all others are cut. Each unit keeps one input "
    "with a positive weight; the kept entries of a row of B, in the colour of input j, add up to $W_{ij}$: "
    "$B\\,\\mathrm{relu}(Ax)=Wx$ exactly, for every $x\\geq0$. Picked for the page: the first random network "
    "with at most 22 units and at least two terms in every sum."
)
TARGET = ((5, -3), (-6, 7))
SAMPLES, UNITS = 7, 22
COLORS = (style.BLUE, style.RED)
WIDTH = 5.0  # of a column of sums, in cells


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns matrix ("A", "B" or "W"), row, column, value, kept; `budget` has nothing to scale here."""
    target = np.array(TARGET)
    number = seed
    while not _telling(ticket := embed([target], 7, SAMPLES, number)):
        number += 1_000_003  # another network
    rows = []
    for name, matrix, mask in zip("AB", ticket.matrices(), ticket.masks, strict=True):
        rows += [(name, r, c, int(v), bool(mask[r, c])) for (r, c), v in np.ndenumerate(matrix)]
    rows += [("W", r, c, int(v), True) for (r, c), v in np.ndenumerate(ticket.effective()[0][0])]
    names = ("matrix", "row", "column", "value", "kept")
    return by_column(names, rows)


def _telling(ticket: Ticket) -> bool:
    """Whether the ticket is whole, fits the page, and shows sums rather than single entries."""
    terms = np.bitwise_count(ticket.layers[0].blocks[0].words)
    return not ticket.failures and ticket.layers[0].drawn <= UNITS and int(terms.min()) >= 2


def _matrix(table: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    here = table["matrix"] == name
    shape = (int(table["row"][here].max()) + 1, int(table["column"][here].max()) + 1)
    return table["value"][here].reshape(shape), table["kept"][here].reshape(shape)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """A above B, one column per hidden unit; at the right of each row of B what it adds up to."""
    first, kept_first = _matrix(table, "A")
    second, kept_second = _matrix(table, "B")
    target, _ = _matrix(table, "W")
    units = len(first)
    owner = np.where(kept_first.any(axis=1), kept_first.argmax(axis=1), -1)
    figure = Figure(figsize=(8.6, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()

    def cell(x: float, y: float, value: int, color: str | None) -> None:
        if color:
            axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=color, edgecolor="none"))
        text = f"{value:d}".replace("-", "−")
        shade: dict = {"color": "white", "fontweight": "bold"} if color else {"color": "#A8A8A8"}
        axes.text(x, y, text, ha="center", va="center", fontsize=8, **shade)

    heights = {"A": 1.2, "B": 4.6}
    for h in range(units):
        for j in range(first.shape[1]):
            cell(h, heights["A"] + j, first[h, j], COLORS[owner[h]] if kept_first[h, j] else None)
        for i in range(len(second)):
            cell(h, heights["B"] + i, second[i, h], COLORS[owner[h]] if kept_second[i, h] else None)
    grey = style.GREY
    axes.text(-1.0, heights["A"] - 1.05, f"hidden units 1 to {units}", ha="left", color=grey, fontsize=8)
    for j in range(first.shape[1]):
        axes.text(
            -1.0, heights["A"] + j, f"A, input {j + 1}", ha="right", va="center", color=COLORS[j], fontsize=9
        )
    for i in range(len(second)):
        axes.text(-1.0, heights["B"] + i, f"B, output {i + 1}", ha="right", va="center", fontsize=9)
        x = units + 0.3
        for j in range(first.shape[1]):
            used = kept_second[i] & (owner == j)
            terms = " ".join(f"{v:+d}" for v in second[i, used]).removeprefix("+") or "0"
            text = f"{terms} = $\\mathbf{{{target[i, j]:d}}}$".replace("-", "−")
            axes.text(x, heights["B"] + i, text, ha="left", va="center", color=COLORS[j], fontsize=9)
            x += WIDTH
    for j in range(first.shape[1]):
        axes.text(
            units + 0.3 + WIDTH * j,
            heights["B"] - 0.95,
            f"sum, input {j + 1}: $W_{{i{j + 1}}}$",
            ha="left",
            va="center",
            color=COLORS[j],
            fontsize=8,
        )
    axes.annotate(
        "relu",
        (units / 2 - 0.5, heights["B"] - 0.75),
        (units / 2 - 0.5, heights["A"] + first.shape[1] - 0.2),
        ha="center",
        va="center",
        color=grey,
        arrowprops={"arrowstyle": "->", "color": grey},
    )
    axes.set(xlim=(-4.2, units + 0.3 + 2 * WIDTH), ylim=(heights["B"] + len(second), heights["A"] - 1.5))
    return figure
