"""Explorer page: the best codes and the best mask of a small layer, beside heuristics and the limit."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes

from figures import style
from figures.explore.live import BUSY, QuantileSequence
from figures.explore.page import LEVEL, SEED, Page, Parameter, Series, State, python_line, simulated_row
from sims.layer_bounds import Range, pruning_range, quantization_range
from sims.layer_bounds.problems import KINDS, problem
from sims.support.row import Row
from theory.snr import decibel, equal_sparsity, pruned_count

WIDTHS = tuple(range(2, 9))
_BLOCK, _MAX_LAYERS = 16, 640
_STOP = {"4 dB": 4.0, "2 dB": 2.0, "1 dB": 1.0}
_SIZES = (4, 6, 8, 10, 12, 14, 16)
_CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
_KINDS = dict(zip(("independent", "neighbours", "all alike", "all alike, ReLU"), KINDS, strict=True))


def _ranges(
    kind: str, inputs: int, correlation: float, bits: int, seed: int, relaxation: bool
) -> tuple[Range, Range]:
    x, w = problem(kind, inputs, seed, correlation=correlation)
    gram = x.T @ x
    keep = inputs - pruned_count(inputs, equal_sparsity(bits))
    quantized = quantization_range(w, gram=gram, bits=bits, relaxation=relaxation, node_limit=500_000)
    return quantized, pruning_range(w, gram=gram, keep=keep, node_limit=50_000)


_kept = lru_cache(maxsize=512)(_ranges)  # every redrawing asks for them


def _layer(state: State, bits: int) -> tuple[Range, Range]:
    return _kept(state["kind"], state["inputs"], state["correlation"], bits, state["seed"], True)


def curves(state: State) -> list[Series]:
    """SNR of one drawn layer against the width: limit, best and rounded codes, best and greedy mask."""
    both = [_layer(state, bits) for bits in WIDTHS]
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
    medians = [QuantileSequence(state["level"]) for _ in names]
    at = np.array([state["bits"]])
    for start in range(0, _MAX_LAYERS, _BLOCK):
        with BUSY:
            found = [
                _ranges(state["kind"], state["inputs"], state["correlation"], state["bits"], seed, False)
                for seed in range(state["seed"] + start, state["seed"] + start + _BLOCK)
            ]
        series = []
        for index, (name, median) in enumerate(zip(names, medians, strict=True)):
            median.update(np.array([decibel(pair[index].energy, pair[index].best) for pair in found]))
            low, high = (np.array([end]) for end in median.interval())
            trials = np.array([start + _BLOCK])
            series.append(Series(name, at, np.array([median.value]), low, high, trials))
        yield series
        if (
            max(float(s.high[0] - s.low[0]) for s in series if s.high is not None and s.low is not None)
            <= (state["stop"])
        ):
            return


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
    quantized, pruned = _layer(state, state["bits"])
    kept = state["inputs"] - pruned.details["cut"]
    proved = "proved optimum" if quantized.optimum is not None else "best found, search stopped"
    tried = {name: error for name, error in pruned.errors.items() if name != "smallest kept"}
    found = [
        Row.law("certified limit of any codes (dB)", quantized.snr().bound, "relaxation with box and cuts"),
        Row.law("best codes (dB)", decibel(quantized.energy, quantized.best), proved),
    ]
    for name in ("1-opt from all", "OPTQ", "nearest"):
        found.append(
            Row.law(f"… {name} (dB)", decibel(quantized.energy, quantized.errors[name]), "heuristic")
        )
    found.append(
        Row.law(
            f"best mask, {kept} of {state['inputs']} kept (dB)",
            decibel(pruned.energy, pruned.best),
            "refitted",
        )
    )
    for name in tried:
        found.append(Row.law(f"… {name} (dB)", decibel(pruned.energy, pruned.errors[name]), "heuristic"))
    for one in points:
        found += simulated_row(f"{one.name} (dB)", one, "layers, median")
    return found


def python(state: State) -> str:
    """Both ranges of the layer on screen."""
    n = state["inputs"]
    keep = n - pruned_count(n, equal_sparsity(state["bits"]))
    return (
        "from sims.layer_bounds import pruning_range, quantization_range\n"
        "from sims.layer_bounds.problems import problem\n\n"
        f"x, w = problem({state['kind']!r}, {n}, {state['seed']}, correlation={state['correlation']!r})\n"
        f"print(quantization_range(w, inputs=x, bits={state['bits']}).snr())\n"
        f"print(pruning_range(w, inputs=x, keep={keep}).snr())"
    )


def command(state: State) -> str:
    """The same, in one line."""
    return python_line(python(state))


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
        Parameter("correlation", "correlation $r$", 0.8, values=_CORRELATIONS),
        Parameter("inputs", "inputs $n$", 10, values=_SIZES),
        Parameter("bits", "bits $b$", 4, values=WIDTHS),
        Parameter("stop", "stop at interval width", 2.0, choices=_STOP, kind="simulation"),
        LEVEL,
        SEED,
    ),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=python,
    command=command,
    count=lambda points: f"{points[0].trials[0]} layers" if points and points[0].trials is not None else "",
)
