"""The ladder of bounds: what each refinement gains, down to the measured error."""

import math

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims.montecarlo import quantile
from sims.path_following.problems import problem
from sims.path_following.simulate import largest_errors
from sims.path_following.trials import error_sampler
from theory.convex_order import tail_bound
from theory.operators import OneBit, Operator, StochasticPruning, StochasticRounding
from theory.path_following import error_stds, error_variance

SOURCE = "Zhang & Saab 2025, Theorem 4.2: are the bounds tight (asked by the referees of SPFQ)"
TITLE = "Path following: how tight each bound is"
CAPTION = (
    "Radius that holds every output error of one neuron but for a failure level of <level> according to "
    "each bound, as a multiple of the measured quantile (black: its 99 % interval). From right to left: "
    "the paper's variance and tail; its variance with the sharp (superquantile) tail; the range lemma, "
    "four times less variance, with Chernoff's and with the sharp tail; the covariance recursion in "
    "place of beta I. The last step is the largest where inputs are far from orthogonal or C is large: "
    "low rank, pixels, one bit."
)
TRIALS = {"quick": 2_000, "standard": 20_000, "deep": 100_000}
STEPS = (
    "paper",
    "paper variance, sharp tail",
    "range, Chernoff",
    "range, sharp tail",
    "covariance, sharp tail",
)
COLORS = (style.RED, style.ORANGE, style.PURPLE, style.SKY, style.BLUE)


def _settings(seed: int) -> list[tuple[str, np.ndarray, np.ndarray, Operator, float]]:
    from sims.networks import digits

    gaussian = problem(128, 128, seed)
    low_rank = problem(128, 128, seed, rank=8)
    network = digits.load()
    weights = network.weights[0]
    step = float(np.abs(weights).max()) / 7
    pixels = network.train_images[:256]
    small = problem(128, 128, seed, spread=0.3)
    return [
        ("rounding, Gaussian inputs", *gaussian, StochasticRounding(0.25), 1.0),
        ("rounding, C = 4", *gaussian, StochasticRounding(0.25), 4.0),
        ("rounding, inputs of rank 8", *low_rank, StochasticRounding(0.25), 1.0),
        ("rounding to 4 bits, digits", pixels, weights[0], StochasticRounding(step), 1.0),
        ("pruning, c = 0.5", *gaussian, StochasticPruning(0.5), 1.0),
        ("one bit, C = 200", *small, OneBit(1.0), 200.0),
    ]


def data(budget: str = "quick", seed: int = 0, *, level: float = 0.01) -> Table:
    """Columns level, setting, bound, radius, measured, low, high; one row per setting and bound.

    Parameters
    ----------
    budget, seed
        2,000 trials behind every quantile at the quick budget.
    level
        Failure level, from 0.005 to 0.5.
    """
    (level,) = reals("level", level, 0.00499, 0.5001)
    rows = []
    for name, inputs, weights, operator, scale in _settings(seed):
        sample = error_sampler(weights, inputs, operator, scale)
        largest = largest_errors(sample, TRIALS[budget], seed, ("path_following_tightness", name))
        measured = quantile(largest, 1 - level)
        norm = float(np.linalg.norm(inputs, axis=0).max())
        paper, sharp = (math.sqrt(error_variance(scale, operator, norm, form)) for form in ("paper", "range"))
        m = len(inputs)
        radii = (
            tail_bound(paper, level, m, "paper"),
            tail_bound(paper, level, m),
            tail_bound(sharp, level, m, "chernoff"),
            tail_bound(sharp, level, m),
            tail_bound(float(error_stds(inputs, scale, operator).max()), level, m),
        )
        rows += [(level, name, bound, radius, *measured) for bound, radius in zip(STEPS, radii, strict=True)]
    names = ("level", "setting", "bound", "radius", "measured", "low", "high")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """One line per setting; every bound as a multiple of the measured quantile."""
    figure, axis = style.panels(1, 1, width=7.2, height=3.4)
    settings = list(dict.fromkeys(table["setting"]))
    for row, setting in enumerate(reversed(settings)):
        here = table["setting"] == setting
        ratios = table["radius"][here] / table["measured"][here]
        axis.plot([1, ratios.max()], [row, row], color="#BBBBBB", linewidth=1, zorder=1)
        for ratio, color in zip(ratios, COLORS, strict=True):
            axis.plot(ratio, row, style.mark(color), color=color, markersize=6, zorder=3)
        low, high = (table["measured"][here][0] / table[end][here][0] for end in ("high", "low"))
        axis.plot([low, high], [row, row], color=style.BLACK, linewidth=4, solid_capstyle="butt", zorder=2)
    top = table["setting"] == settings[0]
    ratios = table["radius"][top] / table["measured"][top]
    line = 0.32 if style.page_width(7.2) > 6.5 else 0.44  # of the names above, in rows
    for index, (text, color) in enumerate(zip(STEPS, COLORS, strict=True)):
        height = len(settings) - 0.45 + line * index
        x = ratios[index]
        axis.plot([x, x], [len(settings) - 1, height - 0.1], color=color, linewidth=0.7)
        axis.text(x * 1.02, height, text, color=color, fontsize=8, va="center", ha="left")
    axis.text(1.0, len(settings) - 0.45, "measured", color=style.BLACK, fontsize=8, ha="center", va="center")
    axis.set_ylim(-0.5, len(settings) + 4.2 * line - 0.2)
    axis.set_yticks(range(len(settings)), reversed(settings))
    axis.set_xscale("log")
    ticks = [1, 2, 5, 10, 20, 50, 100]
    axis.set_xticks(ticks, [f"{tick} ×" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlim(0.6, None)
    held = 1 - table["level"][0]
    axis.set_xlabel(f"radius that holds all outputs with probability {held:g}, over the measured quantile")
    axis.grid(axis="y", visible=False)
    return figure
