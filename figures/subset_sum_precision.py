"""How many samples a precision costs."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims import subset_sum as simulation
from theory import subset_sum as theory
from theory.arguments import whole

SOURCE = "Kumar & Natale 2025, Theorem 1: n of order log2(1/delta)"
TITLE = "One sample per bit of precision, plus a price for reliability"
CAPTION = (
    r"Samples needed to hit the target t = 1 with miss probability p, nonzero law. Lines: the default of "
    r"samples_needed, exact up to 3 bits (M = 7), beyond by law; points: smallest n whose measured miss "
    r"probability is at most p (exact decisions). Dotted: proved upper bound for p = <reliable>. Black: "
    r"every target of {-M..M} on the same draw at p = 0.1, exact up to 3 bits, beyond by the Cox law; "
    r"grey: counting bound $2^n\geq2M+1$ for any scheme that represents all of them."
)
TRIALS = {"quick": 6000, "standard": 60_000, "deep": 600_000}


def data(
    budget: str = "quick", seed: int = 0, *, misses: tuple[float, ...] = (0.5, 0.1, 0.01), most_bits: int = 20
) -> Table:
    """Columns bits, kind, miss, n.

    Parameters
    ----------
    budget, seed
        6,000 instances behind every point at the quick budget.
    misses
        Miss probabilities p, from 0.002; points are measured at p >= 0.01 only.
    most_bits
        Largest precision log2(M + 1), from 4 to 24.
    """
    wanted = reals("misses", misses, 0.00199, 1.0)[::-1]
    rows = []
    for bits in range(1, whole("most_bits", most_bits, 4, 24) + 1):
        size = 2**bits - 1
        for miss in wanted:
            needed = theory.samples_needed(size, 1, miss)
            rows.append((bits, "law", miss, needed))
            if bits in (2, 4, 8, 12, 16) and miss >= 0.01:
                n = max(needed - 2, 1)
                while simulation.estimate(n, size, 1, TRIALS[budget], seed).value > miss:
                    n += 1
                rows.append((bits, "measured", miss, n))
        if bits % 2 == 1 and bits <= 11:
            proved = theory.samples_needed(size, 1, wanted[-1], rigorous=True)
            rows.append((bits, "rigorous", wanted[-1], proved))
        if bits <= 10:
            n = bits
            every = theory.exact_every_target_miss if bits <= 3 else theory.every_target_miss
            while every(n, size) > 0.1:
                n += 1
            rows.append((bits, "every", 0.1, n))
        rows.append((bits, "counting", 0.0, int(np.ceil(np.log2(2 * size + 1)))))
    names = ("bits", "kind", "miss", "n")
    return by_column(names, rows)


def facts(table: Table) -> dict[str, str]:
    """The miss probability of the proved bound."""
    return {"reliable": f"{table['miss'][table['kind'] == 'rigorous'][0]:g}"}


@style.styled
def draw(table: Table) -> Figure:
    """One panel."""
    figure, axes = style.panels(1, width=5.4, height=3.9)
    misses = np.unique(table["miss"][table["kind"] == "law"])[::-1]
    colors = [*(style.BLUE, style.GREEN, style.RED)[-len(misses) :], style.PURPLE, style.ORANGE, style.SKY]
    for color, miss in zip(colors, misses, strict=False):
        rows = (table["kind"] == "law") & (table["miss"] == miss)
        axes.plot(table["bits"][rows], table["n"][rows], color=color)
        style.label(axes, table["bits"][rows][-1], table["n"][rows][-1] + 0.3, f"p = {miss:g}", color)
        rows = (table["kind"] == "measured") & (table["miss"] == miss)
        axes.plot(table["bits"][rows], table["n"][rows], style.mark(color), color=color)
    for kind, color, dashes, text, place in (
        ("rigorous", style.RED, ":", f"proved, p = {misses[-1]:g}", {}),
        ("every", style.BLACK, "-", "every target, p = 0.1", {"ha": "right", "xytext": (-2, 9)}),
        ("counting", style.GREY, "--", "counting bound", {"xytext": (4, -7)}),
    ):
        rows = table["kind"] == kind
        axes.plot(table["bits"][rows], table["n"][rows], dashes, color=color, linewidth=1.2)
        style.label(axes, table["bits"][rows][-1], table["n"][rows][-1], text, color, **place)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel=r"precision $\log_2(M+1)$ (bits)", ylabel="samples n", xlim=(1, table["bits"].max()))
    return figure
