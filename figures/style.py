"""One look for every figure: Okabe-Ito colours (safe for the colour-blind), direct labels, no pyplot.

Importing pyplot costs more than a second and keeps global state; figures are made from
`matplotlib.figure.Figure` directly and never touch the caller's settings.
"""

import functools
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GREY = "#CC79A7", "#56B4E9", "#1A1A1A", "#767676"
CYCLE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
SNAP, CUT = BLUE, RED  # quantization and pruning carry the same colours in every figure
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
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
    "figure.dpi": 100,
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: run a drawing function under the project's settings, and restore the caller's."""

    @functools.wraps(draw)
    def wrapper(*args, **options) -> Figure:
        with matplotlib.rc_context(SETTINGS):
            return draw(*args, **options)

    return wrapper


def panels(columns: int = 1, rows: int = 1, *, width: float = 3.6, height: float = 3.0, **options):
    """Figure and its axes, shape (rows, columns) squeezed; `width` and `height` are per panel, in inches."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


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
    settings = {"fmt": "o", "markersize": 3.5, "capsize": 1.5, "linewidth": 0.9, **options}
    return axes.errorbar(x, value, yerr=errors, color=color, **settings)
