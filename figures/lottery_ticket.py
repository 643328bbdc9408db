"""A whole lottery ticket of one small layer: random matrices, masks, and the target they add up to."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures import style
from figures.tables import Table, by_column
from sims.lottery import Ticket, embed
from theory.arguments import whole

SOURCE = "Kumar & Natale 2025, Theorem 1: the construction"
TITLE = "A lottery ticket: nothing is trained, entries are only kept or cut"
CAPTION = (
    "Target layer W with two inputs and two outputs, entries in {-<max_value>..<max_value>}. Columns are "
    "the hidden units of the random network: every entry of A ($\\pm1$) and of B "
    "($\\{\\pm1..\\pm<max_value>\\}$) was drawn before W was seen. Kept entries are coloured by the "
    "input they carry, all others are cut. Each unit keeps one input with a positive weight; the kept "
    "entries of a row of B, in the colour of input j, add up to $W_{ij}$: $B\\,\\mathrm{relu}(Ax)=Wx$ "
    "exactly, for every $x\\geq0$. Picked for the page: the first random network with at most <units> "
    "units and at least two terms in every sum."
)
TRIES = 2000
COLORS = (style.BLUE, style.RED)
WIDTH = 5.0  # of a column of sums, in cells


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    target: tuple[int, ...] = (5, -3, -6, 7),
    max_value: int = 7,
    samples: int = 7,
    units: int = 22,
) -> Table:
    """Columns matrix ("A", "B" or "W"), row, column, value, kept.

    Parameters
    ----------
    budget
        Has nothing to scale here.
    seed
        Of the first random network tried.
    target
        The four entries of W, row by row, from -M to M.
    max_value
        M, from 2 to 31.
    samples
        Usable candidates per weight, from 3 to 12.
    units
        Most hidden units that fit the page, from 8 to 40.

    Raises
    ------
    ValueError
        2,000 random networks have no such ticket.
    """
    size = whole("max_value", max_value, 2, 31)
    entries = [whole("target", entry, -size, size) for entry in target]
    if len(entries) != 4:
        raise ValueError(f"target takes four numbers, W row by row, got {target}")
    samples, units = whole("samples", samples, 3, 12), whole("units", units, 8, 40)
    matrix = np.array(entries).reshape(2, 2)
    for number in range(TRIES):
        ticket = embed([matrix], size, samples, seed + 1_000_003 * number)
        if _telling(ticket, units):
            break
    else:
        raise ValueError(
            f"none of {TRIES} random networks has a ticket of at most {units} units for {target}: "
            "more units, more samples or another target"
        )
    rows = []
    for name, drawn, mask in zip("AB", ticket.matrices(), ticket.masks, strict=True):
        rows += [(name, r, c, int(v), bool(mask[r, c])) for (r, c), v in np.ndenumerate(drawn)]
    rows += [("W", r, c, int(v), True) for (r, c), v in np.ndenumerate(ticket.effective()[0][0])]
    names = ("matrix", "row", "column", "value", "kept")
    return by_column(names, rows)


def _telling(ticket: Ticket, units: int) -> bool:
    """Whether the ticket is whole, fits the page, and shows sums rather than single entries."""
    terms = np.bitwise_count(ticket.layers[0].blocks[0].words)
    return not ticket.failures and ticket.layers[0].drawn <= units and int(terms.min()) >= 2


def _matrix(table: dict[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    here = table["matrix"] == name
    shape = (int(table["row"][here].max()) + 1, int(table["column"][here].max()) + 1)
    return table["value"][here].reshape(shape), table["kept"][here].reshape(shape)


@style.styled
def draw(table: Table) -> Figure:
    """A above B, one column per hidden unit; at the right of each row of B what it adds up to."""
    first, kept_first = _matrix(table, "A")
    second, kept_second = _matrix(table, "B")
    target, _ = _matrix(table, "W")
    units = len(first)
    owner = np.where(kept_first.any(axis=1), kept_first.argmax(axis=1), -1)
    wide = style.page_width(8.6) > 7.5  # else the sums stand below the matrices
    figure, axes = style.panels(1, width=8.6, height=2.4 if wide else 3.0)
    axes.set_axis_off()

    def cell(x: float, y: float, value: int, color: str | None) -> None:
        if color:
            axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=color, edgecolor="none"))
        text = f"{value:d}".replace("-", "−")
        shade: dict = {"color": "white", "fontweight": "bold"} if color else {"color": "#A8A8A8"}
        axes.text(x, y, text, ha="center", va="center", fontsize=8, **shade)

    heights = {"A": 1.2, "B": 4.6}

    def at(i: float, j: int) -> tuple[float, float]:
        """Where the sum of row i and input j stands."""
        if wide:
            return units + 0.3 + WIDTH * j, heights["B"] + i
        return 0.6 * units * j - 0.5, heights["B"] + len(second) + 1.4 + i

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
        for j in range(first.shape[1]):
            used = kept_second[i] & (owner == j)
            terms = " ".join(f"{v:+d}" for v in second[i, used]).removeprefix("+") or "0"
            text = f"{terms} = $\\mathbf{{{target[i, j]:d}}}$".replace("-", "−")
            axes.text(*at(i, j), text, ha="left", va="center", color=COLORS[j], fontsize=9)
    for j in range(first.shape[1]):
        name = f"sum, input {j + 1}: $W_{{i{j + 1}}}$"
        axes.text(*at(-0.95, j), name, ha="left", va="center", color=COLORS[j], fontsize=8)
    axes.annotate(
        "relu",
        (units / 2 - 0.5, heights["B"] - 0.75),
        (units / 2 - 0.5, heights["A"] + first.shape[1] - 0.2),
        ha="center",
        va="center",
        color=grey,
        arrowprops={"arrowstyle": "->", "color": grey},
    )
    right, bottom = at(len(second), first.shape[1])
    axes.set(
        xlim=(-4.2, right if wide else units + 0.3),
        ylim=(bottom if not wide else heights["B"] + len(second), heights["A"] - 1.5),
    )
    return figure
