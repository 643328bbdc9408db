"""The phase transition of number partitioning, and its collapse onto one curve in the window variable."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals, wholes
from figures.tables import Table, by_column
from sims import partition as simulation
from theory import partition as law

SOURCE = "Borgs, Chayes & Pittel 2001, finite-size scaling"
TITLE = "Perfect partitions disappear in a window of constant width"
CAPTION = (
    "(a) Probability that n integers drawn uniformly from {1..M} have a perfect partition. Points: exact "
    "decisions of random instances with 99 % Clopper-Pearson intervals; lines: "
    "$1-(e^{-\\mu}+e^{-2\\mu})/2$, $\\mu=2^n/(M\\sqrt{2\\pi nc})$. (b) The same points against "
    "$\\lambda=\\log_2M-(n-\\frac{1}{2}\\log_2n)$ fall on the limit curve, "
    "$\\mu=\\sqrt{3/(2\\pi)}\\,2^{-\\lambda}$."
)
TRIALS = {"quick": 3000, "standard": 20_000, "deep": 200_000}


def data(
    budget: str = "quick", seed: int = 0, *, items: tuple[int, ...] = (12, 16, 20, 24), reach: float = 4.0
) -> Table:
    """Columns n, log2_max_value, window, measured, low, high, law, corrected.

    Parameters
    ----------
    budget, seed
        3,000 instances behind every point at the quick budget.
    items
        Sizes n, from 8 to 30.
    reach
        Half of the window shown, in bits of log2 M; at most 6.
    """
    (reach,) = reals("reach", reach, 0.0, 6.001)
    rows = []
    for n in wholes("items", items, 8, 30):
        for position in np.linspace(-reach, reach, 17):
            size = law.window_max_value(n, position)
            result = simulation.estimate(n, size, TRIALS[budget], seed)
            limit = law.perfect_partition_probability(n, size)
            corrected = law.perfect_partition_probability(n, size, form="corrected")
            window = law.window_parameter(n, size)
            rows.append((n, np.log2(size), window, result.value, result.low, result.high, limit, corrected))
    names = ("n", "log2_max_value", "window", "measured", "low", "high", "law", "corrected")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """Two panels: against log2 M, and against lambda."""
    figure, (left, right) = style.panels(2, width=3.8, height=3.1, sharey=True)
    named = -np.inf
    for n, color in style.colors_of(np.unique(table["n"])).items():
        rows = table["n"] == n
        bits = np.linspace(table["log2_max_value"][rows].min(), table["log2_max_value"][rows].max(), 200)
        left.plot(bits, law.perfect_partition_probability(n, 2.0**bits), color=color)
        if bits[0] - named > 0.13 * np.ptp(table["log2_max_value"]):  # the others are named in b
            style.label(left, bits[0], 1.0, f"n = {n:g}", color, xytext=(-4, 9))
            named = bits[0]
        values = (table["measured"][rows], table["low"][rows], table["high"][rows])
        style.interval(left, table["log2_max_value"][rows], *values, color)
        style.interval(right, table["window"][rows], *values, color, label=f"n = {n:g}")
    window = np.linspace(table["window"].min(), table["window"].max(), 300)
    right.plot(window, law.window_probability(window), color=style.BLACK, linewidth=1.1, zorder=1)
    style.label(right, 1.5, 0.42, r"limit, $n\to\infty$", style.BLACK)
    left.set(xlabel=r"precision $\log_2 M$ (bits)", ylabel="P(perfect partition)", title="Transition")
    left.set_ylim(0, 1.15)  # room for the names
    right.set(xlabel=r"window position $\lambda$ (bits)", title=r"Collapse in $\lambda$")
    right.legend(loc="lower left")
    return figure
