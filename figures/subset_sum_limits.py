"""One law, two limits: the quantized problem becomes the continuous one."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals, wholes
from figures.tables import Table, by_column
from sims import subset_sum as simulation
from theory import subset_sum as theory

SOURCE = "Lueker 1998 against the quantized law (derived)"
TITLE = "One law, two limits: exact hits on a grid, approximate hits on a line"
CAPTION = (
    r"Probability that no subset of n samples comes within $\Delta$ of $t=M/2$. (a) "
    r"$\Delta/M=\varepsilon=<epsilon>$ fixed, M growing: the quantized law (lines; points: exact "
    r"decisions, 99 % intervals) tends to the continuous one (dashed, samples uniform on [-1, 1]). (b) "
    r"The continuous law against n for several tolerances; halving $\varepsilon$ costs about one sample, "
    r"Lueker's $O(\log1/\varepsilon)$."
)
TRIALS = {"quick": 8000, "standard": 80_000, "deep": 800_000}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    epsilon: float = 0.01,
    items: tuple[int, ...] = (6, 9, 12),
    max_values: tuple[int, ...] = (100, 200, 300, 500, 1000, 2000, 5000, 10_000),
) -> Table:
    """Columns panel, n, max_value, epsilon, law, continuous, measured, low, high.

    Parameters
    ----------
    budget, seed
        8,000 instances behind every point at the quick budget.
    epsilon
        Tolerance of panel a in units of M, below 0.5.
    items
        Numbers of samples n in panel a, from 2 to 24.
    max_values
        Largest samples M; M epsilon is rounded to a whole number.
    """
    (tolerance,) = reals("epsilon", epsilon, 0.0, 0.5)
    rows = []
    for n in wholes("items", items, 2, 24):
        limit = theory.continuous_miss(n, tolerance, 0.5)
        for size in wholes("max_values", max_values, 2, 2**40):
            delta = round(tolerance * size)
            quantized = theory.miss_probability(n, size, size // 2, form="cox", delta=delta)
            found = simulation.estimate(n, size, size // 2, TRIALS[budget], seed, delta=delta)
            rows.append(("left", n, size, delta / size, quantized, limit, found.value, found.low, found.high))
    for exponent in (4, 6, 8, 10):
        for n in range(2, 19):
            limit = theory.continuous_miss(n, 2.0**-exponent, 0.5)
            rows.append(("right", n, 0, 2.0**-exponent, np.nan, limit, np.nan, np.nan, np.nan))
    names = ("panel", "n", "max_value", "epsilon", "law", "continuous", "measured", "low", "high")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """Convergence in M, and the continuous law against n."""
    figure, (left, right) = style.panels(2, width=3.9, height=3.2)
    for n, color in style.colors_of(table["n"][table["panel"] == "left"].tolist()).items():
        rows = (table["panel"] == "left") & (table["n"] == n)
        size = table["max_value"][rows]
        left.plot(size, table["law"][rows], color=color)
        left.axhline(table["continuous"][rows][0], color=color, linestyle="--", linewidth=0.8)
        style.interval(left, size, table["measured"][rows], table["low"][rows], table["high"][rows], color)
        style.label(left, size[-1], table["continuous"][rows][0], f"n = {n}", color, xytext=(6, 0))
    left.set(xscale="log", yscale="log", xlabel=r"$M$, with $\Delta=\varepsilon M$", ylabel="P(miss)")
    left.set(title="Finer grids, same tolerance", ylim=(0.5 * table["low"][table["low"] > 0].min(), 1.3))
    shades = (style.SKY, style.BLUE, style.PURPLE, style.BLACK)
    tolerances = np.unique(table["epsilon"][table["panel"] == "right"])[::-1]
    for color, dashes, epsilon in zip(shades, ("-", "--", "-.", ":"), tolerances, strict=True):
        rows = (table["panel"] == "right") & (table["epsilon"] == epsilon)
        n, p = table["n"][rows], table["continuous"][rows]
        right.plot(n, p, dashes, color=color, label=rf"$\varepsilon=2^{{{np.log2(epsilon):.0f}}}$")
    right.set(
        yscale="log",
        ylim=(1e-3, 1.3),
        xlabel="samples n",
        title="Continuous law",
    )
    right.legend(loc="lower left")
    return figure
