"""How often does a random subset-sum instance fail, against the number of samples."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import by_column
from sims import subset_sum as simulation
from theory import subset_sum as theory

TITLE = "A few samples above log2 M, failures become rare"
CAPTION = (
    "Probability that no subset of n samples uniform on $\\{\\pm1..\\pm M\\}$ sums to the target "
    "$t=1$. Points: exact decisions of random instances with 99 % Clopper-Pearson intervals; lines: the "
    "Cox law $E_G\\exp(-\\mu e^{-(G-d)^2/2})$, dashed beyond its stated range $n-\\log_2M\\leq3$."
)
SIZES = (127, 1023, 8191)
TRIALS = {"quick": 20_000, "standard": 200_000, "deep": 2_000_000}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns max_value, n, measured, low, high, cox."""
    rows = []
    for size in SIZES:
        bits = int(np.log2(size + 1))
        for n in range(max(bits - 6, 2), bits + 9):
            result = simulation.estimate(n, size, 1, TRIALS[budget], seed)
            cox = theory.miss_probability(n, size, 1, form="cox")
            rows.append((size, n, result.value, result.low, result.high, cox))
    names = ("max_value", "n", "measured", "low", "high", "cox")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """One panel, logarithmic."""
    figure, axes = style.panels(1, width=5.2, height=3.6)
    floor = 0.3 * table["high"][table["measured"] > 0].min()
    for color, size in zip(style.CYCLE, np.unique(table["max_value"]), strict=False):
        rows = table["max_value"] == size
        n, cox = table["n"][rows], table["cox"][rows]
        inside = n - np.log2(size) <= 3.0
        beyond = n >= n[inside].max()
        axes.plot(n[inside], cox[inside], color=color)
        axes.plot(n[beyond], cox[beyond], "--", color=color)
        seen = table["measured"][rows] > 0
        value, low, high = (table[name][rows][seen] for name in ("measured", "low", "high"))
        style.interval(axes, n[seen], value, low, high, color)
        height = 0.04  # where neighbouring curves leave room
        style.label(axes, np.interp(-height, -cox, n), height, f"M = {size:g}", color)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="samples n", ylabel="P(no subset sums to 1)", ylim=(floor, 1.5))
    return figure
