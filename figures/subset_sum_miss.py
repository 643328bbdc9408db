"""How often does a random subset-sum instance fail, against the number of samples."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims import subset_sum as simulation
from theory import subset_sum as theory
from theory.arguments import whole

SOURCE = "Kumar & Natale 2025, Lemma 4: how often it fails (asked by its referees)"
TITLE = "A few samples above log2 M, failures become rare"
CAPTION = (
    "Probability that no subset of n samples uniform on $\\{\\pm1..\\pm M\\}$ sums to the target "
    "$t=<target>$. Points: exact decisions of random instances with 99 % Clopper-Pearson intervals. "
    "Solid lines: the default of miss_probability, the exact value where that is cheap (M up to 7), "
    "beyond the Cox law $E_G\\exp(-\\mu e^{-(G-d)^2/2})$ up to $n-\\log_2M=3.25$, then the saddlepoint "
    "law. Dashed: the Cox law where it is not the default."
)
TRIALS = {"quick": 20_000, "standard": 200_000, "deep": 2_000_000}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    max_values: tuple[int, ...] = (7, 127, 1023, 8191),
    target: int = 1,
) -> Table:
    """Columns target, max_value, n, measured, low, high, form, default (the value of `form`), cox.

    Parameters
    ----------
    budget, seed
        20,000 instances behind every point at the quick budget.
    max_values
        Largest samples M.
    target
        t, from 1 to the smallest M.
    """
    sizes = wholes("max_values", max_values, 1, 2**20)
    target = whole("target", target, 1, sizes[0])
    rows = []
    for size in sizes:
        bits = int(np.log2(size + 1))
        for n in range(max(bits - 6, 2), bits + 9):
            result = simulation.estimate(n, size, target, TRIALS[budget], seed)
            form, _ = theory.miss_form(n, size, target=target)
            default, cox = (
                theory.miss_probability(n, size, target),
                theory.miss_probability(n, size, target, form="cox"),
            )
            rows.append((target, size, n, result.value, result.low, result.high, form, default, cox))
    names = ("target", "max_value", "n", "measured", "low", "high", "form", "default", "cox")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """One panel, logarithmic."""
    figure, axes = style.panels(1, width=5.2, height=3.6)
    floor = 0.3 * table["high"][table["measured"] > 0].min()
    for color, size in zip(style.CYCLE, np.unique(table["max_value"]), strict=False):
        rows = table["max_value"] == size
        n, form, default, cox = (table[name][rows] for name in ("n", "form", "default", "cox"))
        inside = n[form == "cox"].max(initial=n[0])
        axes.plot(n, default, color=color)
        axes.plot(n[n >= inside], cox[n >= inside], "--", color=color, linewidth=1.0)
        seen = table["measured"][rows] > 0
        value, low, high = (table[name][rows][seen] for name in ("measured", "low", "high"))
        style.interval(axes, n[seen], value, low, high, color)
        height = 0.04  # where neighbouring curves leave room
        text = f"M = {size:g}" + (", exact" if form[0] == "exact" else "")
        style.label(axes, np.interp(-height, -cox, n), height, text, color)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="samples n", ylabel=f"P(no subset sums to {table['target'][0]})", ylim=(floor, 1.5))
    return figure
