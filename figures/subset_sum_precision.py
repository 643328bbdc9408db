"""How many samples a precision costs."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import by_column
from sims import subset_sum as simulation
from theory import subset_sum as theory

TITLE = "One sample per bit of precision, plus a price for reliability"
CAPTION = (
    r"Samples needed to hit the target t = 1 with miss probability p, nonzero law. Lines: the default of "
    r"samples_needed, exact up to 3 bits (M = 7), beyond by law; points: "
    r"smallest n whose measured miss probability is at most p (exact decisions). Dotted: proved upper "
    r"bound for p = 0.01. Black: every target of {-M..M} on the same draw at p = 0.1, exact up to 3 bits, "
    r"beyond by the Cox law; grey: counting bound $2^n\geq2M+1$ for any scheme that represents all of them."
)
BITS = tuple(range(1, 21))
MISSES = (0.5, 0.1, 0.01)
TRIALS = {"quick": 6000, "standard": 60_000, "deep": 600_000}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns bits, kind, miss, n."""
    rows = []
    for bits in BITS:
        size = 2**bits - 1
        for miss in MISSES:
            needed = theory.samples_needed(size, 1, miss)
            rows.append((bits, "law", miss, needed))
            if bits in (2, 4, 8, 12, 16):
                n = max(needed - 2, 1)
                while simulation.estimate(n, size, 1, TRIALS[budget], seed).value > miss:
                    n += 1
                rows.append((bits, "measured", miss, n))
        if bits % 2 == 1 and bits <= 11:
            rows.append((bits, "rigorous", 0.01, theory.samples_needed(size, 1, 0.01, rigorous=True)))
        if bits <= 10:
            n = bits
            every = theory.exact_every_target_miss if bits <= 3 else theory.every_target_miss
            while every(n, size) > 0.1:
                n += 1
            rows.append((bits, "every", 0.1, n))
        rows.append((bits, "counting", 0.0, int(np.ceil(np.log2(2 * size + 1)))))
    names = ("bits", "kind", "miss", "n")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """One panel."""
    figure, axes = style.panels(1, width=5.4, height=3.9)
    for color, miss in zip((style.BLUE, style.GREEN, style.RED), MISSES, strict=True):
        rows = (table["kind"] == "law") & (table["miss"] == miss)
        axes.plot(table["bits"][rows], table["n"][rows], color=color)
        style.label(axes, table["bits"][rows][-1], table["n"][rows][-1] + 0.3, f"p = {miss:g}", color)
        rows = (table["kind"] == "measured") & (table["miss"] == miss)
        axes.plot(table["bits"][rows], table["n"][rows], "o", color=color)
    for kind, color, dashes, text, place in (
        ("rigorous", style.RED, ":", "proved, p = 0.01", {}),
        ("every", style.BLACK, "-", "every target, p = 0.1", {"ha": "right", "xytext": (-2, 9)}),
        ("counting", style.GREY, "--", "counting bound", {"xytext": (4, -7)}),
    ):
        rows = table["kind"] == kind
        axes.plot(table["bits"][rows], table["n"][rows], dashes, color=color, linewidth=1.2)
        style.label(axes, table["bits"][rows][-1], table["n"][rows][-1], text, color, **place)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=r"precision $\log_2(M+1)$ (bits)", ylabel="samples n", xlim=(1, 24.5))
    return figure
