"""Bits of failure probability bought by one more sample, against the exponent theorem."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import by_column
from sims.subset_sum.rare import estimate_rare
from theory import subset_sum as theory

TITLE = "How fast failures vanish: the exponent theorem"
CAPTION = (
    r"Slope $-\log_2 P(n+w)/P(n)$ per sample, M fixed. Left: exact probabilities at M = 2, t = 3 (w = 1); "
    r"dashed: the limits of the theorem, $-\log_2\max\{P(X\leq0),\max_{g\nmid t}P(g|X)\}$. The polynomial "
    r"factor $n^{t-1}$ keeps the slope low for long. Right: splitting estimates, w = 4, with two standard "
    r"errors."
)
EXACT: tuple[tuple[theory.Law, int, int], ...] = (("nonzero", 2, 3), ("uniform", 2, 3), ("product", 2, 3))
SPLIT: tuple[tuple[theory.Law, int, int], ...] = (
    ("nonzero", 15, 1),
    ("nonzero", 15, 15),
    ("uniform", 15, 1),
    ("product", 6, 7),
)
MOST, STEP = 48, 4
PARTICLES = {"quick": 500, "standard": 4000, "deep": 20_000}
COLORS = {"nonzero": style.BLUE, "uniform": style.GREEN, "product": style.RED}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns source, law, max_value, target, n, slope, error, limit."""
    rows = []
    for law, size, target in EXACT:
        exact = theory.miss_law(size, target, law)
        p = np.array([float(exact.probability(n)) for n in range(81)])
        limit = theory.failure_exponent(size, target, law)
        for n in range(2, 80):
            rows.append(("exact", law, size, target, n, -np.log2(p[n + 1] / p[n]), 0.0, limit))
    for law, size, target in SPLIT:
        rare = estimate_rare(MOST, size, target, seed, law, particles=PARTICLES[budget], replicates=16)
        limit = theory.failure_exponent(size, target, law)
        for n in range(2, MOST - STEP + 1, STEP):
            rows.append(("splitting", law, size, target, n, *rare.slope(n, n + STEP), limit))
    names = ("source", "law", "max_value", "target", "n", "slope", "error", "limit")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Exact slopes, and splitting slopes."""
    figure, (left, right) = style.panels(2, width=3.9, height=3.2, sharey=True)
    for law, _, _ in EXACT:
        rows = (table["source"] == "exact") & (table["law"] == law)
        left.plot(table["n"][rows], table["slope"][rows], color=COLORS[law])
        left.axhline(table["limit"][rows][0], color=COLORS[law], linestyle="--", linewidth=0.8)
        style.label(left, 80, table["slope"][rows][-1], law, COLORS[law], ha="right", xytext=(0, -9))
    for law, size, target in SPLIT:
        rows = (table["source"] == "splitting") & (table["law"] == law) & (table["target"] == target)
        n, slope, error = table["n"][rows] + STEP / 2, table["slope"][rows], 2.0 * table["error"][rows]
        marker = "s" if target == 15 else "o"
        text = f"{law}, M = {size}, t = {target}"
        style.interval(right, n, slope, slope - error, slope + error, COLORS[law], fmt=marker, label=text)
        right.axhline(table["limit"][rows][0], color=COLORS[law], linestyle="--", linewidth=0.8)
    left.set(xlabel="samples n", ylabel="bits per sample", title="Exact, M = 2, t = 3", ylim=(0.0, 1.6))
    right.set(xlabel="samples n", title="Splitting")
    right.legend(loc="upper right")
    return figure
