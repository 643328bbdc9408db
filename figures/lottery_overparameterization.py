"""How large the random network must be, against the precision of the target."""

import itertools
import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims.lottery.misses import best_miss_table
from sims.montecarlo import student_half_width
from theory.arguments import whole
from theory.lottery import counting_bound, parameter_counts
from theory.subset_sum import Law, exact_is_cheap, samples_needed

SOURCE = "Kumar & Natale 2025, Theorems 1 to 3"
TITLE = "One more candidate per bit: overparameterization against precision"
CAPTION = (
    "(a) Candidates per weight at which a share <miss> of weights, uniform on the grid of V values, is "
    "missed, for candidates uniform on the grid and for products on the grid of $V=2M^2+1$ values. Exact "
    "up to 4 bits (products: of 3-bit factors), measured beyond, with 99 % intervals (jackknife, "
    "Student's t); above, the number that the rigorous bounds ask for (largest weight), below, the "
    "counting bound $\\log_2V$. (b) Random parameters per target weight of a network with layers of "
    "<sizes> units and these candidates, uniform law. Two layers per layer, block: as in the proof; "
    "matched: a unit may keep any input that its sign fits. Depth l + 1 with n copies of each hidden "
    "unit grows with the square."
)
PARTS = 8  # of the draws, whose scatter is the error
TRIALS = {"quick": 3_000, "standard": 30_000, "deep": 300_000}


def _candidates(table: np.ndarray, top: int, miss: float) -> float:
    """Interpolated number of candidates at which the mean miss over the grid {-top..top} is `miss`."""
    mean = table[:, 1:].mean(axis=1) * 2 * top / (2 * top + 1)
    n = np.flatnonzero(mean > miss)[-1]
    return float(n + math.log(mean[n] / miss) / math.log(mean[n] / mean[n + 1]))


def _measured(
    budget: str, seed: int, miss: float, samples: int, top: int, least: int, product: bool
) -> tuple[float, float, float]:
    """Candidates with their 99 % interval: Student's t over parts of the draws, each left out once."""
    grid = top * top if product else top
    law: Law = "product" if product else "nonzero"
    trials = TRIALS[budget] // (4 * PARTS if product and top > 15 else PARTS)
    count = 1 if exact_is_cheap(samples, top, grid, law) else PARTS
    tables = np.array(
        [
            best_miss_table(samples, top, trials, PARTS * seed + part, law=law, least=least)
            for part in range(count)
        ]
    )
    value = _candidates(tables.mean(axis=0), grid, miss)
    if count == 1:
        return value, value, value
    others = [_candidates(np.delete(tables, part, axis=0).mean(axis=0), grid, miss) for part in range(PARTS)]
    half = student_half_width(math.sqrt((PARTS - 1) * np.var(others)), PARTS)
    return value, value - half, value + half


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    miss: float = 0.01,
    sizes: tuple[int, ...] = (784, 500, 10),
    most_bits: int = 10,
) -> Table:
    """Columns panel, series, bits (of the grid, log2 V; of the weights in panel b), value, low, high.

    Parameters
    ----------
    budget, seed
        3,000 draws behind every measured point at the quick budget.
    miss
        Mean probability that a weight is missed, from 0.002 to 0.5.
    sizes
        Widths of the target network of panel b, inputs first.
    most_bits
        Largest precision in panel a, from 4 to 12.
    """
    (miss,) = reals("miss", miss, 0.00199, 0.5001)
    layers = [whole("sizes", size, 1) for size in sizes]
    if len(layers) < 2:
        raise ValueError(f"sizes needs at least two widths, got {sizes}")
    rows: list[tuple] = []
    for bits in range(2, whole("most_bits", most_bits, 4, 12) + 1):
        top = 2 ** (bits - 1) - 1
        width = math.log2(2 * top + 1)
        found = _measured(budget, seed, miss, bits + 16, top, bits, product=False)
        rows.append(("candidates", "uniform", width, *found))
        exact = {"rigorous": samples_needed(top, top, miss, rigorous=True)} if bits <= 8 else {}
        for series, value in {**exact, "counting bound": width}.items():
            rows.append(("candidates", series, width, *3 * (value,)))
        if 3 <= bits <= 6:
            products = _measured(budget, seed, miss, 2 * bits + 24, top, 2 * bits, product=True)
            rows.append(("candidates", "products", math.log2(2 * top * top + 1), *products))
        if bits <= 8:
            samples = math.ceil(found[0])
            total = parameter_counts(layers, samples, top)
            block = parameter_counts(layers, samples, top, allotment="block")
            deep = parameter_counts(layers, samples, top, "depth_plus_one")
            bound = sum(counting_bound(a, b, 2 * top + 1) for a, b in itertools.pairwise(layers))
            for series, value in (
                ("two layers, matched", total.drawn),
                ("two layers, block", block.drawn),
                ("depth l + 1", deep.drawn),
                ("after fixed cuts", total.candidates),
                ("counting bound", bound),
            ):
                rows.append(("parameters", series, bits, *3 * (value / total.target,)))
    names = ("panel", "series", "bits", "value", "low", "high")
    return by_column(names, rows)


COLORS = {
    "uniform": style.BLUE,
    "products": style.RED,
    "rigorous": style.PURPLE,
    "counting bound": style.BLACK,
    "two layers, matched": style.BLUE,
    "two layers, block": style.SKY,
    "depth l + 1": style.GREEN,
    "after fixed cuts": style.ORANGE,
}
NAMES = {"rigorous": "rigorous bounds", "after fixed cuts": "matched, one input\nper unit"}


@style.styled
def draw(table: Table) -> Figure:
    """Candidates, linear; parameters, logarithmic."""
    figure, axes = style.panels(2, width=4.3, height=3.5)
    for axis, panel in zip(axes, ("candidates", "parameters"), strict=True):
        here = table["panel"] == panel
        for series in dict.fromkeys(table["series"][here].tolist()):
            rows = here & (table["series"] == series)
            order = np.argsort(table["bits"][rows])
            x, y, low, high = (table[name][rows][order] for name in ("bits", "value", "low", "high"))
            bound = series == "counting bound"
            look = "--" if bound else f"{style.mark(COLORS[series])}-"
            axis.plot(x, y, look, color=COLORS[series])
            if (high > low).any():
                style.interval(axis, x, y, low, high, COLORS[series])
            style.label(axis, x[-1], y[-1], NAMES.get(series, series), COLORS[series])
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set(xlabel="log2 of the grid values V", ylabel="candidates n per weight", ylim=(0, None))
    axes[1].set_yscale("log")
    axes[1].set(xlabel="bits per target weight", ylabel="random parameters per target weight")
    axes[1].set_xticks(range(2, 9))
    return figure
