"""One bit: how often v leaves the range, against the scale C."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims.montecarlo import probability
from sims.path_following.problems import problem
from sims.path_following.trials import exit_sampler
from theory.arguments import whole
from theory.convex_order import gaussian_variance
from theory.operators import OneBit
from theory.path_following.exits import exit_bound, norm_ratio

SOURCE = "Zhang & Saab 2025, one-bit quantization (Corollary of Theorem 4.2)"
TITLE = "One bit: leaving the range [-A, A], against the scale C"
CAPTION = (
    "Probability that any of the <size> values v_t of a neuron leaves the range (points, 99 % intervals; "
    "Gaussian inputs, m = <size>, weights uniform up to the maximum beside each curve), the bound from the "
    "covariance of each correction with the sharp tail (line), and the closed form 2N exp(-(1 - w/A)^2 "
    "(2C-1)/(pi k^2)) (dashed). For a failure of 1 % the covariance bound asks for <covariance> times the "
    "C that is enough, the closed form for <closed> times, as it knows neither the directions of the "
    "inputs nor the other weights."
)
TRIALS = {"quick": 4_000, "standard": 40_000, "deep": 400_000}
COLORS = (style.BLUE, style.GREEN, style.RED, style.PURPLE)


def data(
    budget: str = "quick", seed: int = 0, *, largest: tuple[float, ...] = (0.3, 0.6, 0.9), size: int = 64
) -> Table:
    """Columns largest, scale, value, low, high (nan between the points), covariance, closed.

    Parameters
    ----------
    budget, seed
        4,000 trials behind every point at the quick budget.
    largest
        Up to four bounds on the weights, in units of A, between 0 and 1.
    size
        Columns N and samples m, from 8 to 256.
    """
    size, bounds = whole("size", size, 8, 256), reals("largest", largest, 0.0, 1.0)
    if len(bounds) > len(COLORS):
        raise ValueError(f"largest takes at most {len(COLORS)} numbers, got {len(bounds)}")
    rows = []
    for most in bounds:
        inputs, weights = problem(size, size, seed, spread=most)
        ratio = norm_ratio(inputs)
        room = 1 - float(np.abs(weights).max())
        for index, scale in enumerate(np.geomspace(0.75, 4000, 126)):  # a point at every fifth
            found = (np.nan, np.nan, np.nan)
            if index % 5 == 0:
                sample = exit_sampler(weights, inputs, OneBit(1.0), scale)
                key = ("path_following_one_bit", most, round(scale, 6))
                estimate = probability(sample, TRIALS[budget], seed=seed, key=key)
                found = (estimate.value, estimate.low, estimate.high)
            variance = gaussian_variance(2.0) * ratio**2 / (2 * scale - 1)
            closed = 2 * size * math.exp(-(room**2) / (2 * variance))
            bound = float(exit_bound(weights, inputs, scale, OneBit(1.0))[0])
            rows.append((most, scale, *found, bound, min(closed, 1.0)))
    names = ("largest", "scale", "value", "low", "high", "covariance", "closed")
    return by_column(names, rows)


def facts(table: Table) -> dict[str, str]:
    """How many times the C that is enough for a failure of 1 % either bound asks for."""
    times: dict[str, list[float]] = {"covariance": [], "closed": []}
    for largest in np.unique(table["largest"]):
        here = table["largest"] == largest
        seen = here & np.isfinite(table["value"])
        enough = _falls_to(table["scale"][seen], table["value"][seen], 0.01)
        for name, found in times.items():
            found.append(_falls_to(table["scale"][here], table[name][here], 0.01) / enough)
    return {name: _range(found) for name, found in times.items()}


def _falls_to(scale: np.ndarray, value: np.ndarray, level: float) -> float:
    """Where a falling curve meets `level`, between its points on logarithmic axes; inf if it does not."""
    last = int(np.flatnonzero(value > level)[-1])
    if last + 1 == len(value):
        return math.inf
    (x0, x1), (y0, y1) = np.log(scale[last : last + 2]), np.log(np.maximum(value[last : last + 2], 1e-9))
    return float(np.exp(x0 + (x1 - x0) * (math.log(level) - y0) / (y1 - y0)))


def _range(values: list[float]) -> str:
    ends = {f"{float(f'{value:.2g}'):g}" for value in values if np.isfinite(value)}
    parts = sorted(ends, key=float)
    parts = [parts[0], parts[-1]] if len(parts) > 1 else parts
    return " to ".join([*parts, *(["more than is shown"] if not np.all(np.isfinite(values)) else [])])


@style.styled
def draw(table: Table) -> Figure:
    """One colour per largest weight."""
    figure, axis = style.panels(1, 1, width=6.4, height=3.6)
    floor = 2e-4
    for largest, color in zip(np.unique(table["largest"]), COLORS, strict=False):
        here = table["largest"] == largest
        scale = table["scale"][here]
        seen = table["value"][here] > 0
        style.interval(
            axis,
            scale[seen],
            table["value"][here][seen],
            table["low"][here][seen],
            table["high"][here][seen],
            color,
        )
        axis.plot(scale, table["covariance"][here], color=color, linewidth=1.3)
        axis.plot(scale, table["closed"][here], color=color, linestyle=(0, (4, 2)), linewidth=1)
        inside = np.flatnonzero(table["closed"][here] < 0.03)
        if len(inside):
            text = f"{largest:g} A"
            style.label(axis, scale[inside[0]], 0.8 * table["closed"][here][inside[0]], text, color)
    styles: dict[str, dict] = {
        "measured": {"marker": "o", "linestyle": "none"},
        "bound, covariance": {"linestyle": "-"},
        "bound, closed form": {"linestyle": (0, (4, 2)), "linewidth": 1},
    }
    handles = [Line2D([], [], color=style.GREY, label=name, **look) for name, look in styles.items()]
    style.legend_below(figure, handles, 3)
    axis.set_xlim(0.65, 4000)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(floor, 1.5)
    axis.set_xlabel("scale C")
    axis.set_ylabel("P(some v leaves the range)")
    return figure
