"""How many perfect partitions an instance has, against the Poisson laws of the two parities."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import by_column
from sims import partition as simulation
from sims.montecarlo import stream
from sims.montecarlo.intervals import clopper_pearson
from theory import partition as law

TITLE = "The number of perfect partitions is Poisson, with twice the mean on odd totals"
CAPTION = (
    r"Distribution of the number of unordered perfect partitions of 18 integers drawn uniformly from "
    r"{1..M}, $\lambda=-1$, given the parity of their total. Points: exact counts of random instances with "
    r"99 % Clopper-Pearson intervals; bars: Poisson laws of mean $\mu$ (even) and $2\mu$ (odd); crosses: "
    r"the same with the 1/n corrections of mean and variance."
)
ITEMS, POSITION, MOST = 18, -1.0, 9
TRIALS = {"quick": 20_000, "standard": 200_000, "deep": 2_000_000}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns odd, count, measured, low, high, poisson, corrected."""
    size = law.window_max_value(ITEMS, POSITION)
    parts = []
    for block in range(TRIALS[budget] // 20_000):
        rows = stream(seed, ("partition_counts",), block).integers(1, size + 1, size=(20_000, ITEMS))
        parts.append(np.stack([simulation.count_rows(rows), rows.sum(axis=1) % 2]))
    counts, odd = np.concatenate(parts, axis=1)
    table = []
    for parity, name in ((0, "even"), (1, "odd")):
        seen = counts[odd == parity]
        for k in range(MOST + 1):
            hits = int((seen == k).sum())
            pmf = [
                law.perfect_partition_count_pmf(k, ITEMS, size, name, form) for form in ("limit", "corrected")
            ]
            table.append((parity, k, hits / seen.size, *clopper_pearson(hits, seen.size), *pmf))
    names = ("odd", "count", "measured", "low", "high", "poisson", "corrected")
    return by_column(names, table)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Two panels, even and odd totals."""
    figure, axes = style.panels(2, width=3.6, height=2.8, sharey=True)
    size = law.window_max_value(ITEMS, POSITION)
    for panel, parity, color in zip(axes, (0, 1), (style.BLUE, style.RED), strict=True):
        rows = table["odd"] == parity
        k = table["count"][rows]
        panel.bar(k, table["poisson"][rows], width=0.75, color=color, alpha=0.25, label="Poisson")
        panel.plot(k, table["corrected"][rows], "x", color=style.BLACK, markersize=5, label="with 1/n terms")
        values = (table["measured"][rows], table["low"][rows], table["high"][rows])
        style.interval(panel, k, *values, color, label="exact counts")
        mean = float(law.expected_perfect_partitions(ITEMS, size, "odd" if parity else "even"))
        name = rf"odd totals, $2\mu = {mean:.2f}$" if parity else rf"even totals, $\mu = {mean:.2f}$"
        panel.set(title=name, xlabel="perfect partitions")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(axis="x", visible=False)
        panel.legend()
    axes[0].set_ylabel("probability")
    return figure
