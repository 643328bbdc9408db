"""One law, two limits: the quantized problem becomes the continuous one."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import by_column
from sims import subset_sum as simulation
from theory import subset_sum as theory

TITLE = "One law, two limits: exact hits on a grid, approximate hits on a line"
CAPTION = (
    r"Probability that no subset of n samples comes within $\Delta$ of $t=M/2$. Left: "
    r"$\Delta/M=\varepsilon=0.01$ fixed, M growing: the quantized law (lines; points: exact decisions, 99 "
    r"% intervals) tends to the continuous one (dashed, samples uniform on [-1, 1]). Right: the continuous "
    r"law against n for several tolerances; halving $\varepsilon$ costs about one sample, Lueker's "
    r"$O(\log1/\varepsilon)$."
)
EPSILON = 0.01
SIZES = (100, 200, 300, 500, 1000, 2000, 5000, 10_000)
ITEMS = (6, 9, 12)
TRIALS = {"quick": 8000, "standard": 80_000, "deep": 800_000}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns panel, n, max_value, epsilon, law, continuous, measured, low, high."""
    rows = []
    for n in ITEMS:
        limit = theory.continuous_miss(n, EPSILON, 0.5)
        for size in SIZES:
            delta = round(EPSILON * size)
            quantized = theory.miss_probability(n, size, size // 2, form="cox", delta=delta)
            found = simulation.estimate(n, size, size // 2, TRIALS[budget], seed, delta=delta)
            rows.append(("left", n, size, delta / size, quantized, limit, found.value, found.low, found.high))
    for exponent in (4, 6, 8, 10):
        epsilon = 2.0**-exponent
        for n in range(2, 19):
            limit = theory.continuous_miss(n, epsilon, 0.5)
            rows.append(("right", n, 0, epsilon, np.nan, limit, np.nan, np.nan, np.nan))
    names = ("panel", "n", "max_value", "epsilon", "law", "continuous", "measured", "low", "high")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Convergence in M, and the continuous law against n."""
    figure, (left, right) = style.panels(2, width=3.9, height=3.2)
    for color, n in zip(style.CYCLE, ITEMS, strict=False):
        rows = (table["panel"] == "left") & (table["n"] == n)
        size = table["max_value"][rows]
        left.plot(size, table["law"][rows], color=color)
        left.axhline(table["continuous"][rows][0], color=color, linestyle="--", linewidth=0.8)
        style.interval(left, size, table["measured"][rows], table["low"][rows], table["high"][rows], color)
        style.label(left, size[-1], table["continuous"][rows][0], f"n = {n}", color, xytext=(6, 0))
    left.set(xscale="log", yscale="log", xlabel=r"$M$, with $\Delta=0.01\,M$", ylabel="P(miss)")
    left.set(title="Finer grids, same tolerance", ylim=(0.006, 1.3))
    shades = (style.SKY, style.BLUE, style.PURPLE, style.BLACK)
    tolerances = np.unique(table["epsilon"][table["panel"] == "right"])[::-1]
    for color, epsilon in zip(shades, tolerances, strict=True):
        rows = (table["panel"] == "right") & (table["epsilon"] == epsilon)
        n, p = table["n"][rows], table["continuous"][rows]
        right.plot(n, p, color=color)
        x = float(np.interp(-0.5, -p, n))
        style.label(right, x, 0.5, rf"$2^{{{np.log2(epsilon):.0f}}}$", color)
    right.set(
        yscale="log",
        ylim=(1e-3, 1.3),
        xlabel="samples n",
        title=r"Continuous law, $\varepsilon=2^{-4}..2^{-10}$",
    )
    return figure
