"""Explorer page: the best codes and the best mask of a small layer, beside heuristics and the limit."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from figures import style
from figures.explore.live import BUSY
from figures.explore.page import (
    LEVEL,
    SEED,
    Page,
    Parameter,
    Series,
    State,
    command_text,
    simulation_text,
    stopping,
)
from sims.layer_bounds import simulate as simulation
from sims.layer_bounds.problems import KINDS
from sims.support.row import Row
from theory.snr import decibel

WIDTHS = tuple(range(2, 9))
_MAX_LAYERS = 640
_STOP = {"4 dB": 4.0, "2 dB": 2.0, "1 dB": 1.0}
_SIZES = (4, 6, 8, 10, 12, 14, 16)
_CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
_KINDS = dict(zip(("independent", "neighbours", "all alike", "all alike, ReLU"), KINDS, strict=True))


def _drawn(state: State) -> simulation.Drawn:
    return state["kind"], state["inputs"], state["correlation"]


def curves(state: State) -> list[Series]:
    """SNR of one drawn layer against the width: limit, best and rounded codes, best and greedy mask."""
    both = [simulation.first_layer(_drawn(state), bits, state["seed"]) for bits in WIDTHS]
    columns = {
        "certified limit": [q.snr().bound for q, _ in both],
        "best codes": [decibel(q.energy, q.best) for q, _ in both],
        "OPTQ": [decibel(q.energy, q.errors["OPTQ"]) for q, _ in both],
        "rounded": [decibel(q.energy, q.errors["nearest"]) for q, _ in both],
        "best mask": [decibel(p.energy, p.best) for _, p in both],
    }
    return [Series(name, np.array(WIDTHS), np.array(values)) for name, values in columns.items()]


def live(state: State) -> Iterator[list[Series]]:
    """Median SNR of the best codes and the best mask over drawn layers, at the chosen width."""
    names = ("best codes, drawn layers", "best mask, drawn layers")
    growing = simulation.growing_best(
        _drawn(state),
        state["bits"],
        seed=state["seed"],
        trials=_MAX_LAYERS,
        level=state["level"],
        width=state["width"],
    )
    while True:
        with BUSY:
            found = next(growing, None)
        if found is None:
            return
        layers, medians = found
        yield [
            Series(name, *(np.array([number]) for number in (state["bits"], *median, layers)))
            for name, median in zip(names, medians, strict=True)
        ]


_STYLES = {
    "certified limit": (style.GREY, "--"),
    "best codes": (style.SNAP, "-"),
    "OPTQ": (style.GREEN, ":"),
    "rounded": (style.BLACK, ":"),
    "best mask": (style.CUT, "-"),
}


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """Output SNR in dB against bits, names at the right ends at least a line apart."""
    top = max(float(one.value.max()) for one in laws)
    line, place = top * (0.075 if narrow else 0.062), -np.inf
    for one in sorted(laws, key=lambda series: float(series.value[-1])):
        color, dashes = _STYLES[one.name]
        axes.plot(one.x, one.value, dashes, color=color, linewidth=1.4)
        place = max(float(one.value[-1]), place + line)
        style.label(axes, 8, place, one.name, color)
    for one in laws:
        if one.name.startswith("best"):
            color = _STYLES[one.name][0]
            chosen = one.value[one.x == state["bits"]]
            axes.plot([state["bits"]], chosen, "o", color=color, markersize=10, fillstyle="none")
    for one in points:
        assert one.low is not None and one.high is not None
        if np.isfinite(one.low[0]) and np.isfinite(one.high[0]):
            color = style.SNAP if one.name.startswith("best codes") else style.CUT
            style.interval(axes, one.x, one.value, one.low, one.high, color)
    axes.set(
        xlabel="bits per weight; sparsity 1 - b/16",
        ylabel="output SNR (dB)",
        xlim=(1.7, 10.6 if narrow else 9.4),
        ylim=(0, max(top, place) * 1.06),
        xticks=WIDTHS,
    )


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen width, as SNR in dB."""
    medians = [(float(one.value[0]), float(one.low[0]), float(one.high[0])) for one in points
               if one.low is not None and one.high is not None]  # fmt: skip
    layers = int(points[0].trials[0]) if points and points[0].trials is not None else 0
    return simulation.rows(_drawn(state), state["bits"], state["seed"], layers, medians)


def _arguments(state: State) -> dict:
    given = {name: state[name] for name in ("kind", "inputs", "correlation", "bits")}
    return given | stopping(state, _MAX_LAYERS)


PAGE = Page(
    name="layer-bounds",
    title="Layer bounds: the best that any method can do",
    lead=(
        "A neuron of a small layer is quantized to $b$ bits, or pruned to the same size. How well can its "
        "output be kept at best, and how near do heuristics come?"
    ),
    formulas=(
        r"\min_{z\in\{l..h\}^n}\|X(sz-w)\|^2",
        r"\min_{\|v\|_0\le k}\|X(v-w)\|^2",
        r"\text{bound}\le\text{optimum}\le\text{heuristic (in error)}",
    ),
    caption=(
        "One drawn layer, the chosen width circled: codes and mask are proved to be the best. Dashes: the "
        "certified limit that no codes exceed. Points: medians over drawn layers, with intervals that hold "
        "at all times. Correlated inputs help every method that uses them, and rounding not at all."
    ),
    parameters=(
        Parameter("kind", "correlation of inputs", "autoregressive", choices=_KINDS),
        Parameter(
            "correlation",
            "correlation r",
            0.8,
            values=_CORRELATIONS,
            used=lambda s: s["kind"] != "independent",
        ),
        Parameter("inputs", "inputs n", 10, values=_SIZES),
        Parameter("bits", "bits b", 4, values=WIDTHS),
        Parameter("width", "stop at interval width", 2.0, choices=_STOP, kind="simulation"),
        LEVEL,
        SEED,
    ),
    axes=("bits", "output_snr_db"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: simulation_text("layer_bounds", **_arguments(s)),
    command=lambda s: command_text("simulate", "layer-bounds", **_arguments(s)),
    count=lambda points: f"{points[0].trials[0]} layers" if points and points[0].trials is not None else "",
)
