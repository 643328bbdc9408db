"""Measured error of path following against its bounds, as every parameter of the theorem grows."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims.montecarlo import quantile, stream
from sims.path_following.simulate import largest_errors
from sims.path_following.trials import error_sampler
from theory.arguments import whole
from theory.convex_order import tail_bound
from theory.operators import Operator, StochasticPruning, StochasticRounding
from theory.path_following import error_stds, error_variance

SOURCE = "Zhang & Saab 2025, Theorem 4.2"
TITLE = "Path following: measured error against the bounds"
CAPTION = (
    "<held> quantile of the largest output error of one neuron (points, 99 % intervals) and the "
    "radius each bound gives for the same failure level. Stochastic rounding with step <step>, C = 1, N "
    "= m = <size>, Gaussian inputs, uniform weights, unless varied. Paper: variance pi M^2/2 and the "
    "paper's tail. Range: variance pi L^2/8 and the superquantile tail. Covariance: the recursion "
    "instead of beta I. Bounds by beta grow with the samples m because column norms do; the measured "
    "error stops at the number of columns, or at the rank, and the covariance recursion follows it."
)
TRIALS = {"quick": 1_000, "standard": 10_000, "deep": 100_000}
PANELS = {
    "N": "columns N",
    "m": "samples m",
    "C": "scale C",
    "bits": "bits (step $2^{1-b}$)",
    "threshold": "pruning threshold c",
    "rank": "rank of the inputs",
}
DASHES: dict[str, Any] = {"paper": "--", "range": "-.", "covariance": "-"}
LINES = {
    "paper": ("paper", style.RED),
    "range": ("range form", style.PURPLE),
    "covariance": ("covariance", style.BLUE),
}


def _cells(size: int, step: float) -> list[tuple[str, float, int, int, float, Operator, int]]:
    """(panel, x, columns, samples, scale, operator, rank) of every point."""
    rounding = StochasticRounding(step)
    cells: list[tuple[str, float, int, int, float, Operator, int]] = []
    cells += [("N", n, n, size, 1.0, rounding, 0) for n in (8, 16, 32, 64, 128, 256, 512)]
    cells += [("m", m, size, m, 1.0, rounding, 0) for m in (8, 16, 32, 64, 128, 256, 512)]
    cells += [("C", c, size, size, c, rounding, 0) for c in (0.55, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)]
    cells += [("bits", b, size, size, 1.0, StochasticRounding(2.0 ** (1 - b)), 0) for b in range(1, 9)]
    cells += [("threshold", c, size, size, 1.0, StochasticPruning(c), 0) for c in (0.05, 0.1, 0.2, 0.4, 0.8)]
    cells += [("rank", r, size, size, 1.0, rounding, r) for r in (1, 2, 4, 8, 16, 32, 64, 128) if r <= size]
    return cells


def data(
    budget: str = "quick", seed: int = 0, *, level: float = 0.05, step: float = 0.25, size: int = 128
) -> Table:
    """Columns level, panel, x, measured, low, high, paper, range, covariance (radii in units of the output).

    Parameters
    ----------
    budget, seed
        1,000 trials behind every point at the quick budget.
    level
        Failure level, from 0.01 to 0.5.
    step
        Of the grid.
    size
        Columns N and samples m where they do not vary, from 8 to 512.
    """
    (level,), (step,) = reals("level", level, 0.00999, 0.5001), reals("step", step)
    rows = []
    for panel, x, columns, samples, scale, operator, rank in _cells(whole("size", size, 8, 512), step):
        rng = stream(seed, ("path_following_bounds", panel, x))
        inputs = rng.standard_normal((samples, columns))
        if rank:
            inputs = rng.standard_normal((samples, rank)) @ inputs[:rank] / math.sqrt(rank)
        weights = rng.uniform(-1, 1, columns)
        sample = error_sampler(weights, inputs, operator, scale)
        key = ("path_following_bounds", panel, x, "trials")
        measured = quantile(largest_errors(sample, TRIALS[budget], seed, key), 1 - level)
        norm = np.linalg.norm(inputs, axis=0).max()
        betas = [error_variance(scale, operator, norm, form) for form in ("paper", "range")]
        rows.append(
            (
                level,
                panel,
                x,
                *measured,
                tail_bound(math.sqrt(betas[0]), level, samples, "paper"),
                tail_bound(math.sqrt(betas[1]), level, samples),
                tail_bound(float(error_stds(inputs, scale, operator).max()), level, samples),
            )
        )
    names = ("level", "panel", "x", "measured", "low", "high", "paper", "range", "covariance")
    return by_column(names, rows)


def facts(table: Table) -> dict[str, str]:
    """The order of the quantile."""
    return {"held": f"{1 - table['level'][0]:g}"}


@style.styled
def draw(table: Table) -> Figure:
    """One panel per parameter, logarithmic axes."""
    figure, axes = style.panels(3, 2, width=2.9, height=2.6, sharey=True)
    for index, (panel, name) in enumerate(PANELS.items()):
        axis = axes.flat[index]
        here = table["panel"] == panel
        x = table["x"][here].astype(float)
        for column, (_, color) in LINES.items():
            axis.plot(x, table[column][here], DASHES[column], color=color)
        style.interval(
            axis, x, table["measured"][here], table["low"][here], table["high"][here], style.BLACK, fmt="o"
        )
        axis.set_yscale("log")
        if panel == "bits":
            axis.set_xticks(x)
        else:
            axis.set_xscale("log", base=2)
            # the two smallest C stand too close for a label each
            ticks = x[1:] if panel == "C" else x
            axis.set_xticks(ticks, [f"{value:g}" for value in ticks])
            axis.minorticks_off()
        axis.set_xlabel(name)
        if index % 3 == 0:
            axis.set_ylabel(rf"$\|u_N\|_\infty$, quantile {1 - table['level'][0]:g}")
    handles = [
        Line2D([], [], color=color, linestyle=DASHES[column], label=text)
        for column, (text, color) in LINES.items()
    ]
    handles.append(
        Line2D([], [], color=style.BLACK, marker="o", markersize=3.5, linestyle="none", label="measured")
    )
    style.legend_below(figure, handles, len(handles))
    return figure
