"""One look for every figure: Okabe-Ito colours (safe for the colour-blind), direct labels, no pyplot.

Importing pyplot costs more than a second and keeps global state; figures are made from
`matplotlib.figure.Figure` directly and never touch the caller's settings.
"""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.page import finish, legend_below, page, page_width, panels

__all__ = ["finish", "legend_below", "page", "page_width", "panels"]  # the layout, beside what is below

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#1A1A1A", "#767676"
CYCLE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
SNAP, CUT = BLUE, RED  # quantization and pruning carry the same colours in every figure
DATA = {"mnist": "MNIST"}  # data sets by name, where they are written otherwise
# a second channel: points of a colour carry the same mark in every figure
MARKS = {BLUE: "o", RED: "s", GREEN: "^", PURPLE: "D", ORANGE: "v", SKY: "P", BLACK: "X", GREY: "p"}
METHODS = {  # of compressing a layer
    "RTN": BLACK,
    "stochastic rounding": GREY,
    "GPFQ": RED,
    "SPFQ": BLUE,
    "OPTQ": GREEN,
    "stochastic OPTQ": SKY,
    "magnitude": BLACK,
    "path following": RED,
    "stochastic path following": BLUE,
    "OPTQ pruning": GREEN,
    "OBS": ORANGE,
}

METHOD_MARKS = {  # which share a colour across the two tasks, never within one
    "RTN": "X",
    "stochastic rounding": "p",
    "GPFQ": "s",
    "SPFQ": "o",
    "OPTQ": "^",
    "stochastic OPTQ": "P",
    "magnitude": "X",
    "path following": "s",
    "stochastic path following": "o",
    "OPTQ pruning": "^",
    "OBS": "v",
}

SETTINGS: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=CYCLE),
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 160,
    "figure.dpi": 100,
}


# While a file is written: text in a PDF is TrueType, which can be edited, and not Type 3 (drawn glyphs),
# which some journals refuse.
WRITING: Any = {"pdf.fonttype": 42}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: run a drawing function under the project's settings, and restore the caller's."""

    @functools.wraps(draw)
    def wrapper(*args, **options) -> Figure:
        with matplotlib.rc_context(SETTINGS):
            return finish(draw(*args, **options))

    return wrapper


def mark(color: str) -> str:
    """The mark that points of a colour carry."""
    return MARKS.get(color, "o")


def colors_of(sizes: Iterable[float]) -> dict[float, str]:
    """A colour for every size, the same for the same size in every figure where it is one of the usual.

    Examples
    --------
    >>> colors_of([12, 16])[12] == colors_of([8, 12])[12] == BLUE
    True
    """
    usual = {8: SKY, 12: BLUE, 16: RED, 20: GREEN, 24: PURPLE, 28: ORANGE, 32: BLACK}
    listed = sorted(set(sizes))
    free = iter(
        [*(c for c in usual.values() if c not in {usual.get(int(n)) for n in listed}), *usual.values()]
    )
    return {n: usual[int(n)] if n in usual else next(free, BLACK) for n in listed}


def label(axes: Axes, x: float, y: float, text: str, color: str, **options) -> None:
    """Write `text` beside the point (x, y) of a line, in the line's colour, on a faint white ground."""
    axes.annotate(
        text,
        (x, y),
        **{
            "xytext": (4, 0),
            "textcoords": "offset points",
            "color": color,
            "fontsize": 8,
            "va": "center",
            "bbox": {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
            "annotation_clip": False,
            **options,
        },
    )


def interval(axes: Axes, x, value, low, high, color: str, **options):
    """Points with their intervals: value in [low, high], drawn as error bars."""
    value, low, high = (np.asarray(v, dtype=float) for v in (value, low, high))
    errors = np.maximum(np.stack([value - low, high - value]), 0.0)
    settings = {"fmt": mark(color), "markersize": 3.5, "capsize": 1.5, "linewidth": 0.9, **options}
    return axes.errorbar(x, value, yerr=errors, color=color, **settings)


def spread(values: Iterable[float], gap: float) -> list[float]:
    """Heights of labels in the order given, moved apart to at least `gap`.

    Examples
    --------
    >>> [round(height, 3) for height in spread([0.5, 0.1, 0.52], 0.1)]
    [0.46, 0.1, 0.56]
    """
    wanted = np.array(list(values), dtype=float)
    order = np.argsort(wanted, kind="stable")
    placed = wanted[order]
    for _ in range(100):
        for i in range(len(placed) - 1):
            short = gap - (placed[i + 1] - placed[i])
            if short > 0:
                placed[i] -= short / 2
                placed[i + 1] += short / 2
    result = np.empty(len(placed))
    result[order] = placed
    return result.tolist()


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Places and names of few round ticks of a logarithmic axis: the coarsest of a decade that gives three.

    Examples
    --------
    >>> log_ticks(2.2, 25)
    ([3.0, 5.0, 10.0, 20.0], ['3', '5', '10', '20'])
    >>> log_ticks(2.6, 3.8)[1], log_ticks(3, 2000)[1]
    (['2.6', '2.8', '3', '3.2', '3.4', '3.6', '3.8'], ['3', '10', '30', '100', '300', '1000'])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in _STEPS[int(high / low < 30) :]:
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) > 2:
            break
    return ticks, [f"{tick:g}" for tick in ticks]


_FIFTHS = tuple(round(1 + k / 5, 1) for k in range(45))
_STEPS: tuple[tuple[float, ...], ...] = ((1, 3), (1, 2, 3, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8), _FIFTHS)
