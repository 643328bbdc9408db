"""Explorer page: the error of a neuron compressed column by column."""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from figures import style
from figures.explore.live import BUSY, QuantileSequence
from figures.explore.page import (
    LEVEL,
    SEED,
    Page,
    Parameter,
    Series,
    State,
    call_text,
    command_text,
    defaults,
    simulated_row,
)
from figures.explore.picture import decades
from sims import simulations
from sims.montecarlo import stream
from sims.montecarlo.intervals import BoundedSequence
from sims.path_following.simulate import (
    OPERATORS,
    SQUARE_KEY,
    block_size,
    named_operator,
    setting,
    square_limit,
)
from sims.path_following.trials import error_sampler
from sims.support.row import Row
from theory.convex_order import tail_bound
from theory.operators import Operator
from theory.path_following import error_variance
from theory.path_following.laws import direct_error, saturation_law, second_moment

_MAX_BLOCKS = 64
_POINTS = 9
_STOP = {"20 %": 0.2, "10 %": 0.1, "5 %": 0.05, "2 %": 0.02}
_SIZES = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
_OPERATORS = dict(
    zip(("stochastic rounding", "one bit", "stochastic pruning", "prune, then round"), OPERATORS, strict=True)
)
_SCALES = (0.6, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)
_STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0)
_FAILURES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
_DEFAULTS = defaults(simulations.path_following)


def operator(state: State) -> Operator:
    """The operator of the state."""
    return named_operator(state["operator"], state["step"], state["threshold"])


_setting = lru_cache(maxsize=8)(setting)  # every redrawing asks for it


def _data(state: State) -> tuple[np.ndarray, np.ndarray]:
    return _setting(operator(state), state["columns"], state["samples"], state["seed"])


def _law(state: State, t: np.ndarray) -> np.ndarray | None:
    """Mean squared error of stochastic rounding after t columns of Gaussian data, per output."""
    if state["operator"] != "rounding":
        return None
    return (
        np.asarray(saturation_law(t, state["samples"], state["scale"], state["step"] ** 2 / 6))
        / state["samples"]
    )


def curves(state: State) -> list[Series]:
    """Laws and bounds of the mean squared error per output, after t columns."""
    op, m, scale = operator(state), state["samples"], state["scale"]
    inputs, _ = _data(state)
    t = np.unique(np.round(np.geomspace(1, state["columns"], 80)).astype(int))
    norms = np.maximum.accumulate(np.linalg.norm(inputs, axis=0))[t - 1]
    series = [
        Series(f"bound, {form} form", t, np.array([error_variance(scale, op, norm, form) for norm in norms]))
        for form in ("paper", "range")
    ]
    length = float(op.interval_length)
    popoviciu = np.asarray(saturation_law(t, m, scale, length**2 / 4)) / m
    series.append(Series("second-moment bound, Gaussian data", t, popoviciu))
    if (law := _law(state, t)) is not None:
        series.append(Series("law, Gaussian data", t, law))
        series.append(Series("round to nearest", t, np.asarray(direct_error(t, m, state["step"])) / m))
    return series


def live(state: State) -> Iterator[list[Series]]:
    """Errors after the first t columns of one drawn data matrix, the whole of it first."""
    op, m, scale = operator(state), state["samples"], state["scale"]
    inputs, weights = _data(state)
    columns = state["columns"]
    sizes = np.unique(np.round(np.geomspace(1, columns, _POINTS)).astype(int))[::-1].tolist()
    block = block_size(columns, m)
    samplers = [error_sampler(weights[:t], inputs[:, :t], op, scale) for t in sizes]
    limits = [square_limit(inputs[:, :t], scale, op) / m for t in sizes]
    sequences = [BoundedSequence(state["level"], 0.0, limit) for limit in limits]
    sums, counts = np.zeros(len(sizes)), np.zeros(len(sizes), int)
    ends = np.array([(0.0, limit) for limit in limits])
    largest = QuantileSequence(state["level"], 1.0 - state["failure"])
    open_ = list(range(len(sizes)))
    for index in range(_MAX_BLOCKS):
        for i in list(open_):
            key = SQUARE_KEY if i == 0 else (*SQUARE_KEY, sizes[i])
            with BUSY:
                errors = samplers[i](stream(state["seed"], key, index), block)
            squares = (errors**2).sum(axis=1) / m
            sequences[i].update(block, float(squares.sum()), float(((squares - squares.mean()) ** 2).sum()))
            sums[i] += squares.sum()
            counts[i] += block
            ends[i] = sequences[i].interval()
            if i == 0:
                largest.update(np.abs(errors).max(axis=1))
            if ends[i, 1] - ends[i, 0] <= state["stop"] * sums[i] / counts[i]:
                open_.remove(i)
            seen = counts > 0
            square = (np.array(sizes)[seen], sums[seen] / counts[seen], *ends[seen].T, counts[seen])
            top = (columns, largest.value, *largest.interval(), counts[0])
            yield [
                Series("simulation", *square),
                Series("largest error", *(np.array([value]) for value in top)),
            ]
        if not open_:
            return


_COLOURS = {
    "bound, paper form": style.GREY,
    "bound, range form": style.RED,
    "second-moment bound, Gaussian data": style.PURPLE,
    "law, Gaussian data": style.BLUE,
    "round to nearest": style.GREEN,
}
_NAMES = {
    "bound, paper form": "published bound",
    "bound, range form": "range bound",
    "second-moment bound, Gaussian data": "second moment",
    "law, Gaussian data": "law",
    "round to nearest": "round to nearest",
}


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """Mean squared error per output against the number of columns compressed, both logarithmic."""
    for one in laws:
        color = _COLOURS[one.name]
        dashes = (0, (4, 2)) if one.name == "round to nearest" else "-"
        mark = "." if len(one.x) == 1 else None
        axes.plot(one.x, one.value, color=color, linestyle=dashes, linewidth=1.4, marker=mark)
    _place_names(axes, laws, state["columns"], narrow)
    for one in points:
        if one.name == "simulation":
            assert one.low is not None and one.high is not None
            low = np.maximum(one.low, one.value / 1e3)
            style.interval(axes, one.x, one.value, low, one.high, style.BLACK, zorder=4)
    values = np.concatenate([one.value for one in (*laws, *points) if one.name != "largest error"])
    last = max(state["columns"], 2)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    decades(axes.yaxis)
    axes.xaxis.set_major_locator(FixedLocator([2**k for k in range(0, 10, 2) if 2**k <= last]))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel="columns compressed, t",
        ylabel="squared error per output",
        xlim=(
            0.9,
            last * (last / 0.9) ** (0.55 if narrow else 0.24),
        ),  # the names stand beyond the last column
        ylim=(values.min() / 1.6, values.max() * 1.8),
    )


def _place_names(axes: Axes, laws: list[Series], last: int, narrow: bool) -> None:
    """Write each curve's name at its right end, at least a line apart."""
    low, high = (
        float(f([one.value.min() if f is min else one.value.max() for one in laws])) for f in (min, max)
    )
    line = (math.log(high * 1.8) - math.log(low / 1.6)) * (0.062 if narrow else 0.055)
    place = -math.inf
    for one in sorted(laws, key=lambda series: series.value[-1]):
        place = max(math.log(one.value[-1]), place + line)
        style.label(axes, last, math.exp(place), _NAMES[one.name], _COLOURS[one.name])


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers after all columns."""
    op, m, scale = operator(state), state["samples"], state["scale"]
    inputs, _ = _data(state)
    length, norm = float(op.interval_length), float(np.linalg.norm(inputs, axis=0).max())
    beta = {form: error_variance(scale, op, norm, form) for form in ("paper", "range")}
    found = [line for one in points if one.name == "simulation"
             for line in simulated_row("squared error per output, simulated", one, "runs")]  # fmt: skip
    popoviciu = second_moment(inputs, scale, length**2 / 4) / m
    law = _law(state, np.array([state["columns"]]))
    if law is not None:
        found.append(Row.law("… law", law[0], "Gaussian data, weights spread over cells"))
    found += [
        Row.law("… second-moment bound", popoviciu, "rigorous, these data"),
        Row.law("… bound, range form", beta["range"], "rigorous"),
        Row.law("… bound, published form", beta["paper"], "Zhang & Saab, Theorem 4.2"),
    ]
    if law is not None:
        found.append(
            Row.law("… round to nearest", direct_error(state["columns"], m, state["step"]) / m, "no feedback")
        )
    share = f"{100 * (1 - state['failure']):g} % quantile of the largest error"
    found += [line for one in points if one.name == "largest error"
              for line in simulated_row(f"{share}, simulated", one, "runs")]  # fmt: skip
    level = state["failure"]
    sharp = tail_bound(math.sqrt(beta["range"]), level, m)
    published = tail_bound(math.sqrt(beta["paper"]), level, m, "paper")
    return [
        *found,
        Row.law("… bound, range form and sharp tail", sharp, "rigorous"),
        Row.law("… bound, published form", published, "Zhang & Saab"),
    ]


def _arguments(state: State) -> dict:
    own = {"rounding": ("step",), "one-bit": ("step",), "pruning": ("threshold",)}
    names = ("operator", *own.get(state["operator"], ("step", "threshold")), "columns", "samples", "scale")
    return {**{name: state[name] for name in names}, "level": state["failure"], "seed": state["seed"]}


PAGE = Page(
    name="path-following",
    title="Path following",
    lead=(
        "Weights are compressed one by one, each correcting the output error of those before it. Does the "
        "error stay bounded as columns are added?"
    ),
    formulas=(
        r"q_t=T\!\left(w_t+\frac{\langle X_t,u_{t-1}\rangle}{C\,\|X_t\|^2}\right)",
        r"u_t=u_{t-1}+(w_t-q_t)X_t",
        r"u_t\leq_{cx}N\!\left(0,\ \frac{\pi L^2}{8}\,\frac{C^2}{2C-1}\max_{j\le t}\|X_j\|^2 I\right)",
    ),
    caption=(
        "Error $\\|u_t\\|^2/m$ after $t$ columns of Gaussian data. Points: repeated runs on one drawn "
        "matrix, with intervals that hold at all times. Range form: the bound above, $L$ the operator's "
        "interval; published form: with the largest error in place of half of $L$. The second-moment bound "
        "and the law are means over the data."
    ),
    parameters=(
        Parameter("operator", "operator", _DEFAULTS["operator"], choices=_OPERATORS),
        Parameter("step", "step $d$ (level $A$ of one bit)", _DEFAULTS["step"], values=_STEPS),
        Parameter("threshold", "pruning threshold $c$", _DEFAULTS["threshold"], values=_STEPS),
        Parameter("columns", "columns $N$", 256, values=_SIZES),
        Parameter("samples", "data rows $m$", 64, values=_SIZES),
        Parameter("scale", "scale $C$", _DEFAULTS["scale"], values=_SCALES),
        Parameter("failure", "failure level $\\gamma$", _DEFAULTS["level"], values=_FAILURES),
        Parameter("stop", "stop at interval width", 0.1, choices=_STOP, kind="simulation"),
        LEVEL,
        SEED,
    ),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: call_text("sims.simulations", "path_following", **_arguments(s)),
    command=lambda s: command_text("simulate", "path-following", **_arguments(s)),
    count=lambda points: (
        f"{int(points[0].trials.sum()):,} runs".replace(",", "\u202f")
        if points and points[0].trials is not None
        else ""
    ),
)
