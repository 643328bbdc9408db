"""Above the threshold: the smallest discrepancy, its exponential law, and what differencing finds."""

import itertools

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import wholes
from figures.tables import Table
from sims import partition as simulation
from sims.montecarlo import stream
from sims.montecarlo.intervals import clopper_pearson
from theory import partition as law
from theory.arguments import whole

SOURCE = "Borgs, Chayes & Pittel 2001; Mertens"
TITLE = "Above the threshold the smallest discrepancy is exponential, and far below what differencing finds"
CAPTION = (
    r"Integers drawn uniformly from {1..$2^{<bits>}$}: no perfect partition is to be expected. (a) Share of "
    r"instances whose exact smallest discrepancy exceeds $x/\mu$, $1/\mu=M\sqrt{2\pi nc}/2^n$, with 99 % "
    r"Clopper-Pearson bands, against $e^{-x}$. (b) Medians and middle halves of the smallest discrepancy "
    r"and of the one that Karmarkar-Karp differencing leaves, against n; line: $\ln 2/\mu$."
)
DASHES = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
INSTANCES = {"quick": 600, "standard": 5000, "deep": 40_000}


def data(
    budget: str = "quick", seed: int = 0, *, bits: int = 40, items: tuple[int, ...] = (8, 12, 16, 20, 24)
) -> Table:
    """Columns n, bits, smallest, differencing: one row per instance.

    Parameters
    ----------
    budget, seed
        600 instances of every n at the quick budget.
    bits
        log2 M, from 8 to 52.
    items
        Sizes n, from 4 to 28.
    """
    bits, sizes = whole("bits", bits, 8, 52), wholes("items", items, 4, 28)
    columns: dict[str, list] = {"n": [], "bits": [], "smallest": [], "differencing": []}
    for n in sizes:
        rng = stream(seed, ("partition_discrepancy", n))
        rows = rng.integers(1, 2**bits + 1, size=(INSTANCES[budget], n))
        columns["n"].append(np.full(len(rows), n))
        columns["bits"].append(np.full(len(rows), bits))
        columns["smallest"].append(simulation.smallest_discrepancy_rows(rows))
        columns["differencing"].append(simulation.differencing_rows(rows))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


@style.styled
def draw(table: Table) -> Figure:
    """Survival of min D, and both discrepancies against n."""
    figure, (left, right) = style.panels(2, width=3.8, height=3.1)
    sizes, max_value = np.unique(table["n"]), 2.0 ** int(table["bits"][0])
    for dashes, (n, color) in zip(itertools.cycle(DASHES), style.colors_of(sizes).items(), strict=False):
        if n < 12 and len(sizes) > 1:  # the law is for large n
            continue
        x = np.sort(table["smallest"][table["n"] == n]) / float(law.discrepancy_scale(int(n), max_value))
        share = 1.0 - np.arange(1, x.size + 1) / x.size
        edges = np.linspace(0.0, 5.0, 51)
        low, high = np.transpose([clopper_pearson(int((x > edge).sum()), x.size) for edge in edges])
        left.fill_between(edges, np.maximum(low, 1e-9), high, color=color, alpha=0.1, linewidth=0)
        left.step(x, share, where="post", color=color, linestyle=dashes, label=f"n = {n}")
    x = np.linspace(0.0, 5.0, 200)
    left.plot(x, np.exp(-x), color=style.BLACK, linewidth=1.0, linestyle=":", label=r"$e^{-x}$")
    left.set(yscale="log", xlim=(0, 5), ylim=(5e-3, 1.2), xlabel=r"$x=\mu\,\min D$", ylabel="share above x")
    left.set_title("Smallest discrepancy")
    left.legend()
    for name, color, text, place in (
        ("smallest", style.BLUE, "smallest", {"ha": "right", "xytext": (-8, -12)}),
        ("differencing", style.RED, "Karmarkar-Karp", {"xytext": (8, 8)}),
    ):
        quartiles = np.array(
            [np.quantile(np.maximum(table[name][table["n"] == n], 0.5), (0.5, 0.25, 0.75)) for n in sizes]
        )
        style.interval(right, sizes, quartiles[:, 0], quartiles[:, 1], quartiles[:, 2], color)
        second = min(1, len(sizes) - 1)
        style.label(right, sizes[second], quartiles[second, 0], text, color, **place)
    line = np.linspace(sizes[0], sizes[-1], 100)
    median = np.log(2.0) * np.asarray(law.discrepancy_scale(line, max_value))
    right.plot(line, median, color=style.BLUE, linewidth=1.0)
    right.set(
        yscale="log",
        xlabel="items n",
        ylabel="discrepancy",
        title=rf"Median over instances, $M=2^{{{table['bits'][0]}}}$",
    )
    right.set_xticks(sizes)
    return figure
