"""When feedback pays: errors against N/m, weights not spread, inputs made to fool nearest rounding."""

import math

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import Table, by_column
from sims.montecarlo import stream, student_half_width
from sims.path_following import compress
from sims.path_following.problems import adversarial_columns
from theory.arguments import whole
from theory.convex_order import tail_bound
from theory.operators import NearestRounding, Operator, StochasticRounding
from theory.path_following import error_variance
from theory.path_following.laws import direct_error, saturation_law, second_moment

SOURCE = "Zhang & Saab 2025, Theorem 4.2: when feedback pays (derived laws)"
TITLE = "Path following against rounding each weight by itself"
CAPTION = (
    "(a) Squared error per output of <samples> Gaussian samples against the number of columns (points "
    "with 99 % intervals of Student's t over draws, lines the exact laws for weights spread over whole "
    "cells). Feedback saturates, rounding to nearest (RTN) grows; stochastic feedback pays only beyond "
    "N/m = 1.6 C^2/(2C-1), nearest feedback (GPFQ) always. (b) N/m = 2: weights concentrated around grid "
    "points break the laws in favour of everyone, of the stochastic methods least. (c) Unit columns, each "
    "orthogonal to the error that nearest rounding has made (m = 4, all weights 0.49): the norm of its "
    "error grows like the square root of N, and the largest entry is at least half of it; that of "
    "stochastic rounding keeps its bound (failure level 0.01)."
)
REPEATS = {"quick": 5, "standard": 40, "deep": 400}
_NEURONS = 32
CASES: dict[str, tuple[Operator, float, str, float]] = {
    "RTN": (NearestRounding(1.0), 1.0, "direct", 1 / 12),
    "SPFQ, C = 2": (StochasticRounding(1.0), 2.0, "path-following", 1 / 6),
    "SPFQ, C = 1": (StochasticRounding(1.0), 1.0, "path-following", 1 / 6),
    "GPFQ": (NearestRounding(1.0), 1.0, "path-following", 1 / 12),
}
COLORS = {
    "RTN": style.BLACK,
    "SPFQ, C = 2": style.PURPLE,
    "SPFQ, C = 1": style.BLUE,
    "GPFQ": style.RED,
}


def _growth(repeats: int, samples: int, seed: int) -> list[tuple[str, str, float, float, float, float]]:
    rows: list[tuple[str, str, float, float, float, float]] = []
    for columns in (samples * 2**k // 8 for k in range(7)):
        for name, (operator, scale, method, variance) in CASES.items():
            rng = stream(seed, ("path_following_saturation", columns, name))
            errors = []
            for _ in range(repeats):
                inputs = rng.standard_normal((samples, columns))
                weights = 3 + rng.uniform(-0.5, 0.5, (_NEURONS, columns))
                layer = compress(weights, inputs, operator=operator, scale=scale, method=method, seed=rng)
                errors.append(layer.error.mean())
            law = (
                direct_error(columns, samples, 1.0)
                if method == "direct"
                else saturation_law(columns, samples, scale, variance)
            )
            spread = student_half_width(np.std(errors, ddof=1) / math.sqrt(repeats), repeats)
            rows.append(
                (
                    "growth",
                    name,
                    columns / samples,
                    np.mean(errors) / samples,
                    spread / samples,
                    law / samples,
                )
            )
    return rows


def _concentrated(repeats: int, samples: int, seed: int) -> list[tuple[str, str, float, float, float, float]]:
    rows = []
    columns = 2 * samples
    for width in (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0):
        for name, (operator, scale, method, variance) in CASES.items():
            rng = stream(seed, ("path_following_saturation", "cell", width, name))
            errors = []
            for _ in range(repeats):
                inputs = rng.standard_normal((samples, columns))
                weights = 3 + width * rng.uniform(-0.5, 0.5, (_NEURONS, columns))
                layer = compress(weights, inputs, operator=operator, scale=scale, method=method, seed=rng)
                expected = (
                    (inputs**2).sum() / 12 if method == "direct" else second_moment(inputs, scale, variance)
                )
                errors.append(layer.error.mean() / expected)
            spread = student_half_width(np.std(errors, ddof=1) / math.sqrt(repeats), repeats)
            rows.append(("cell", name, width, float(np.mean(errors)), float(spread), 1.0))
    return rows


def _fooled(seed: int) -> list[tuple[str, str, float, float, float, float]]:
    rows: list[tuple[str, str, float, float, float, float]] = []
    radius = tail_bound(math.sqrt(error_variance(1.0, StochasticRounding(1.0), 1.0)), 0.01, 4)
    for columns in (4, 8, 16, 32, 64, 128, 256, 512):
        rng = stream(seed, ("path_following_saturation", "fooled", columns))
        inputs = adversarial_columns(4, columns, 0.49, rng)
        for name in ("GPFQ", "SPFQ, C = 1"):
            operator, scale, method, _ = CASES[name]
            weights = np.full((1 if name == "GPFQ" else 1000, columns), 0.49)
            layer = compress(weights, inputs, operator=operator, scale=scale, method=method, seed=rng)
            largest = np.abs((weights - layer.weights) @ inputs.T).max(axis=1)
            rows.append(("fooled", name, float(columns), float(np.quantile(largest, 0.99)), 0.0, radius))
    return rows


def data(budget: str = "quick", seed: int = 0, *, samples: int = 64) -> Table:
    """Columns samples, panel, method, x, value, spread (half of a 99 % interval), law.

    Parameters
    ----------
    budget, seed
        5 draws of data, 32 neurons each, at the quick budget.
    samples
        m in panels a and b, a multiple of 8 from 8 to 256.
    """
    if whole("samples", samples, 8, 256) % 8:
        raise ValueError(f"samples must be a multiple of 8, got {samples}")
    repeats = REPEATS[budget]
    rows = _growth(repeats, samples, seed) + _concentrated(repeats, samples, seed) + _fooled(seed)
    names = ("samples", "panel", "method", "x", "value", "spread", "law")
    return by_column(names, [(samples, *row) for row in rows])


@style.styled
def draw(table: Table) -> Figure:
    """Growth with N, weights concentrated in a cell, adversarial inputs."""
    figure, (growth, cell, fooled) = style.panels(3, 1, width=3.1, height=3.1)
    for axis, panel in ((growth, "growth"), (cell, "cell"), (fooled, "fooled")):
        for name, color in COLORS.items():
            here = (table["panel"] == panel) & (table["method"] == name)
            if not here.any():
                continue
            x, value, spread = (table[column][here].astype(float) for column in ("x", "value", "spread"))
            style.interval(axis, x, value, value - spread, value + spread, color)
            if panel == "growth":
                axis.plot(x, table["law"][here].astype(float), color=color, linewidth=1.2)
            else:
                axis.plot(x, value, color=color, linewidth=1.2)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
    last = (table["panel"] == "growth") & (table["x"].astype(float) == 8.0)
    for name, color in COLORS.items():
        here = last & (table["method"] == name)
        style.label(growth, 8.0, float(table["value"][here][0]), name, color)
    growth.set_xticks([1 / 8, 1 / 2, 2, 8], ["1/8", "1/2", "2", "8"])
    growth.set_xlabel(f"N/m (m = {table['samples'][0]})")
    growth.set_ylabel(r"$\mathbb{E}\|u_N\|^2/(m\,d^2)$")
    for name, color in COLORS.items():
        here = (table["panel"] == "cell") & (table["method"] == name)
        at = 0 if name.startswith("SPFQ") else 1
        x, value, spread = (float(table[column][here][at]) for column in ("x", "value", "spread"))
        value = {"SPFQ, C = 1": 1.0, "SPFQ, C = 2": max(value - spread, 0.5 * value)}.get(name, value)
        places: dict[str, dict] = {
            "RTN": {"xytext": (8, -4)},
            "SPFQ, C = 2": {"xytext": (-3, -9)},
            "SPFQ, C = 1": {"xytext": (-3, 7)},
            "GPFQ": {"xytext": (-6, 7), "ha": "right"},
        }
        style.label(cell, x, value, name, color, **places[name])
    cell.axhline(1, color=style.GREY, linewidth=0.8)
    cell.set_ylim(top=3)
    ticks = [0.02, 0.05, 0.1, 0.2, 0.4, 1.0]
    cell.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    cell.set_xlabel("width of the weights' interval, in cells")
    cell.set_ylabel("error / law for spread weights")
    here = table["panel"] == "fooled"
    radius = float(table["law"][here][0])
    fooled.axhline(radius, color=style.BLUE, linestyle=(0, (4, 2)), linewidth=1)
    fooled.text(512, radius * 1.1, "bound, SPFQ", color=style.BLUE, fontsize=8, ha="right", va="bottom")
    fooled.text(110, 4.6, "GPFQ", color=style.RED, fontsize=8, ha="right")
    fooled.text(24, 1.28, "SPFQ", color=style.BLUE, fontsize=8)
    fooled.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
    fooled.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    fooled.set_xlabel("N, inputs made to fool GPFQ")
    fooled.set_ylabel(r"$\|u_N\|_\infty/d$, 99 % quantile")
    for axis in (growth, cell, fooled):
        axis.minorticks_off()
    return figure
