"""Measured error of path following against its bounds, as every parameter of the theorem grows."""

import math

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import by_column
from sims.montecarlo import quantile, stream
from sims.path_following.simulate import largest_errors
from sims.path_following.trials import error_sampler
from theory.convex_order import tail_bound
from theory.operators import Operator, StochasticPruning, StochasticRounding
from theory.path_following import error_stds, error_variance

TITLE = "Path following: measured error against the bounds"
CAPTION = (
    "95 % quantile of the largest output error of one neuron (points, 99 % intervals) and the radius each "
    "bound gives for the same failure level. Stochastic rounding with step 0.25, C = 1, N = m = 128, "
    "Gaussian inputs, uniform weights, unless varied. Paper: variance pi M^2/2 and the paper's tail. "
    "Range: variance pi L^2/8 and the superquantile tail. Covariance: the recursion instead of beta I. "
    "Bounds by beta grow with the samples m because column norms do; the measured error stops at the "
    "number of columns, or at the rank, and the covariance recursion follows it."
)
LEVEL = 0.05
TRIALS = {"quick": 1_000, "standard": 10_000, "deep": 100_000}
PANELS = {
    "N": "columns N",
    "m": "samples m",
    "C": "scale C",
    "bits": "bits (step $2^{1-b}$)",
    "threshold": "pruning threshold c",
    "rank": "rank of the inputs",
}
LINES = {
    "paper": ("paper", style.RED),
    "range": ("range form", style.PURPLE),
    "covariance": ("covariance", style.BLUE),
}


def _cells() -> list[tuple[str, float, int, int, float, Operator, int]]:
    """(panel, x, columns, samples, scale, operator, rank) of every point."""
    step = StochasticRounding(0.25)
    cells: list[tuple[str, float, int, int, float, Operator, int]] = []
    cells += [("N", n, n, 128, 1.0, step, 0) for n in (8, 16, 32, 64, 128, 256, 512)]
    cells += [("m", m, 128, m, 1.0, step, 0) for m in (8, 16, 32, 64, 128, 256, 512)]
    cells += [("C", c, 128, 128, c, step, 0) for c in (0.55, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)]
    cells += [("bits", b, 128, 128, 1.0, StochasticRounding(2.0 ** (1 - b)), 0) for b in range(1, 9)]
    cells += [("threshold", c, 128, 128, 1.0, StochasticPruning(c), 0) for c in (0.05, 0.1, 0.2, 0.4, 0.8)]
    cells += [("rank", r, 128, 128, 1.0, step, r) for r in (1, 2, 4, 8, 16, 32, 64, 128)]
    return cells


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns panel, x, measured, low, high, paper, range, covariance (radii in units of the output)."""
    rows = []
    for panel, x, columns, samples, scale, operator, rank in _cells():
        rng = stream(seed, ("path_following_bounds", panel, x))
        inputs = rng.standard_normal((samples, columns))
        if rank:
            inputs = rng.standard_normal((samples, rank)) @ inputs[:rank] / math.sqrt(rank)
        weights = rng.uniform(-1, 1, columns)
        sample = error_sampler(weights, inputs, operator, scale)
        key = ("path_following_bounds", panel, x, "trials")
        measured = quantile(largest_errors(sample, TRIALS[budget], seed, key), 1 - LEVEL)
        norm = np.linalg.norm(inputs, axis=0).max()
        betas = [error_variance(scale, operator, norm, form) for form in ("paper", "range")]
        rows.append(
            (
                panel,
                x,
                *measured,
                tail_bound(math.sqrt(betas[0]), LEVEL, samples, "paper"),
                tail_bound(math.sqrt(betas[1]), LEVEL, samples),
                tail_bound(float(error_stds(inputs, scale, operator).max()), LEVEL, samples),
            )
        )
    names = ("panel", "x", "measured", "low", "high", "paper", "range", "covariance")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """One panel per parameter, logarithmic axes."""
    figure, axes = style.panels(3, 2, width=2.9, height=2.6, sharey=True)
    for index, (panel, name) in enumerate(PANELS.items()):
        axis = axes.flat[index]
        here = table["panel"] == panel
        x = table["x"][here].astype(float)
        for column, (text, color) in LINES.items():
            axis.plot(x, table[column][here], color=color)
            if panel == "rank":  # the panel with room between the lines
                style.label(axis, x[0], table[column][here][0] * 1.55, text, color)
        style.interval(axis, x, table["measured"][here], table["low"][here], table["high"][here], style.BLACK)
        if panel == "rank":
            style.label(axis, x[0], table["measured"][here][0] * 0.6, "measured", style.BLACK)
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
            axis.set_ylabel(r"$\|u_N\|_\infty$, 95 % quantile")
    return figure
