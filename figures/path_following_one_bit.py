"""One bit: how often v leaves the range, against the scale C."""

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.tables import by_column
from sims.montecarlo import probability
from sims.path_following.problems import problem
from sims.path_following.trials import exit_sampler
from theory.convex_order import gaussian_variance
from theory.operators import OneBit
from theory.path_following.exits import exit_bound, norm_ratio

TITLE = "One bit: leaving the range [-A, A], against the scale C"
CAPTION = (
    "Probability that any of the 64 values v_t of a neuron leaves the range (points, 99 % intervals; "
    "Gaussian inputs, m = 64, weights uniform up to the stated maximum), the bound from the covariance of "
    "each correction with the sharp tail (line), and the closed form 2N exp(-(1 - w/A)^2 (2C-1)/(pi k^2)) "
    "(dashed). For a failure of 1 % the covariance bound asks for 1.5 to 2 times the C that is enough, "
    "the closed form for 20 to 200 times, as it knows neither the directions of the inputs nor the other "
    "weights."
)
TRIALS = {"quick": 4_000, "standard": 40_000, "deep": 400_000}
LARGEST = (0.3, 0.6, 0.9)
COLORS = (style.BLUE, style.GREEN, style.RED)


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns largest, scale, value, low, high, covariance, closed."""
    rows = []
    for largest in LARGEST:
        inputs, weights = problem(64, 64, seed, spread=largest)
        ratio = norm_ratio(inputs)
        room = 1 - float(np.abs(weights).max())
        for scale in np.geomspace(0.75, 4000, 26):
            sample = exit_sampler(weights, inputs, OneBit(1.0), scale)
            key = ("path_following_one_bit", largest, round(scale, 6))
            estimate = probability(sample, TRIALS[budget], seed=seed, key=key)
            variance = gaussian_variance(2.0) * ratio**2 / (2 * scale - 1)
            closed = 2 * 64 * math.exp(-(room**2) / (2 * variance))
            bound = float(exit_bound(weights, inputs, scale, OneBit(1.0))[0])
            rows.append(
                (largest, scale, estimate.value, estimate.low, estimate.high, bound, min(closed, 1.0))
            )
    names = ("largest", "scale", "value", "low", "high", "covariance", "closed")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """One colour per largest weight."""
    figure, axis = style.panels(1, 1, width=6.4, height=3.6)
    floor = 2e-4
    for largest, color in zip(LARGEST, COLORS, strict=True):
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
        axis.plot(scale, table["covariance"][here], color=color)
        axis.plot(scale, table["closed"][here], color=color, linestyle=(0, (4, 2)), linewidth=1)
        inside = np.flatnonzero(table["closed"][here] < 0.03)
        if len(inside):
            text = rf"$\|w\|_\infty = {largest:g}\,A$"
            style.label(axis, scale[inside[0]], 0.8 * table["closed"][here][inside[0]], text, color)
    styles: dict[str, dict] = {
        "measured": {"marker": "o", "linestyle": "none"},
        "bound, covariance": {"linestyle": "-"},
        "bound, closed form": {"linestyle": (0, (4, 2)), "linewidth": 1},
    }
    handles = [Line2D([], [], color=style.GREY, label=name, **look) for name, look in styles.items()]
    axis.legend(handles=handles, loc="center right")
    axis.set_xlim(0.65, 3e4)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(floor, 1.5)
    axis.set_xlabel("scale C")
    axis.set_ylabel("P(some v leaves the range)")
    return figure
