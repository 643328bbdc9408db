"""How many perfect partitions an instance has, against the Poisson laws of the two parities."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import Table, by_column
from sims import partition as simulation
from sims.montecarlo import stream
from sims.montecarlo.intervals import clopper_pearson
from theory import partition as law
from theory.arguments import whole

SOURCE = "Borgs, Chayes & Pittel 2001 (even totals); odd totals derived"
TITLE = "The number of perfect partitions is Poisson, with twice the mean on odd totals"
CAPTION = (
    r"Distribution of the number of unordered perfect partitions of <items> integers drawn uniformly from "
    r"{1..M}, $\lambda=<position>$, given the parity of their total. Points: exact counts of random "
    r"instances with 99 % Clopper-Pearson intervals; bars: Poisson laws of mean $\mu$ (even) and $2\mu$ "
    r"(odd); crosses: the same with the 1/n corrections of mean and variance."
)
TRIALS = {"quick": 20_000, "standard": 200_000, "deep": 2_000_000}


def data(
    budget: str = "quick", seed: int = 0, *, items: int = 18, position: float = -1.0, most: int = 9
) -> Table:
    """Columns items, max_value, odd, count, measured, low, high, poisson, corrected.

    Parameters
    ----------
    budget, seed
        20,000 instances at the quick budget.
    items
        n, from 4 to 24.
    position
        Of log2 M in the window, in bits.
    most
        Largest number of partitions shown.
    """
    items, most = whole("items", items, 4, 24), whole("most", most, 1, 60)
    size = law.window_max_value(items, position)
    parts = []
    for block in range(TRIALS[budget] // 20_000):
        rows = stream(seed, ("partition_counts",), block).integers(1, size + 1, size=(20_000, items))
        parts.append(np.stack([simulation.count_rows(rows), rows.sum(axis=1) % 2]))
    counts, odd = np.concatenate(parts, axis=1)
    table = []
    for parity, name in ((0, "even"), (1, "odd")):
        seen = counts[odd == parity]
        for k in range(most + 1):
            hits = int((seen == k).sum())
            pmf = [
                law.perfect_partition_count_pmf(k, items, size, name, form) for form in ("limit", "corrected")
            ]
            table.append((items, size, parity, k, hits / seen.size, *clopper_pearson(hits, seen.size), *pmf))
    names = ("items", "max_value", "odd", "count", "measured", "low", "high", "poisson", "corrected")
    return by_column(names, table)


@style.styled
def draw(table: Table) -> Figure:
    """Two panels, even and odd totals."""
    figure, axes = style.panels(2, width=3.6, height=2.8, sharey=True)
    for panel, parity, color in zip(axes, (0, 1), (style.BLUE, style.RED), strict=True):
        rows = table["odd"] == parity
        k = table["count"][rows]
        panel.bar(k, table["poisson"][rows], width=0.75, color=color, alpha=0.25, label="Poisson")
        panel.plot(k, table["corrected"][rows], "x", color=style.BLACK, markersize=5, label="with 1/n terms")
        values = (table["measured"][rows], table["low"][rows], table["high"][rows])
        style.interval(panel, k, *values, color, label="exact counts")
        items, size = int(table["items"][0]), int(table["max_value"][0])
        mean = float(law.expected_perfect_partitions(items, size, "odd" if parity else "even"))
        name = rf"odd totals, $2\mu = {mean:.2f}$" if parity else rf"even totals, $\mu = {mean:.2f}$"
        panel.set(title=name, xlabel="perfect partitions")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(axis="x", visible=False)
        panel.legend()
    axes[0].set_ylabel("probability")
    return figure
