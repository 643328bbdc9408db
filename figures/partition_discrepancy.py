"""Above the threshold: the smallest discrepancy, its exponential law, and what differencing finds."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from sims import partition as simulation
from sims.montecarlo import stream
from theory import partition as law

TITLE = "Above the threshold the smallest discrepancy is exponential, and far below what differencing finds"
CAPTION = (
    r"Integers drawn uniformly from {1..$2^{40}$}: no perfect partition is to be expected. Left: share of "
    r"instances whose exact smallest discrepancy exceeds $x/\mu$, $1/\mu=M\sqrt{2\pi nc}/2^n$, against "
    r"$e^{-x}$. Right: medians and middle halves of the smallest discrepancy and of the one that "
    r"Karmarkar-Karp differencing leaves, against n; line: $\ln 2/\mu$."
)
MAX_VALUE = 2**40
SIZES = (8, 12, 16, 20, 24)
INSTANCES = {"quick": 600, "standard": 5000, "deep": 40_000}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns n, smallest, differencing: one row per instance."""
    columns: dict[str, list] = {"n": [], "smallest": [], "differencing": []}
    for n in SIZES:
        rng = stream(seed, ("partition_discrepancy", n))
        rows = rng.integers(1, MAX_VALUE + 1, size=(INSTANCES[budget], n))
        columns["n"].append(np.full(len(rows), n))
        columns["smallest"].append(simulation.smallest_discrepancy_rows(rows))
        columns["differencing"].append(simulation.differencing_rows(rows))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Survival of min D, and both discrepancies against n."""
    figure, (left, right) = style.panels(2, width=3.8, height=3.1)
    sizes = np.unique(table["n"])
    for color, n in zip(style.CYCLE, sizes, strict=False):
        if n < 12:
            continue
        x = np.sort(table["smallest"][table["n"] == n]) / float(law.discrepancy_scale(int(n), MAX_VALUE))
        left.step(x, 1.0 - np.arange(1, x.size + 1) / x.size, where="post", color=color, label=f"n = {n}")
    x = np.linspace(0.0, 5.0, 200)
    left.plot(x, np.exp(-x), color=style.BLACK, linewidth=1.0, linestyle="--", label=r"$e^{-x}$")
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
        style.label(right, sizes[1], quartiles[1, 0], text, color, **place)
    n = np.linspace(sizes[0], sizes[-1], 100)
    median = np.log(2.0) * np.asarray(law.discrepancy_scale(n, MAX_VALUE))
    right.plot(n, median, color=style.BLUE, linewidth=1.0)
    right.set(
        yscale="log", xlabel="items n", ylabel="discrepancy", title=r"Median over instances, $M=2^{40}$"
    )
    right.set_xticks(sizes)
    return figure
