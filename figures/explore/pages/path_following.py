"""Explorer page: the error of a neuron compressed column by column."""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from figures import style
from figures.explore.live import BUSY
from figures.explore.page import (
    LEVEL,
    SEED,
    Finished,
    Page,
    Parameter,
    Series,
    State,
    command_text,
    defaults,
    finished_rows,
    first_point,
    simulation_text,
    stopping,
)
from figures.explore.picture import decades
from sims import simulations
from sims.montecarlo import stream
from sims.montecarlo.intervals import BoundedSequence
from sims.montecarlo.store import Moments
from sims.path_following.simulate import (
    EXIT_TRIALS,
    OPERATORS,
    SQUARE_KEY,
    Case,
    block_size,
    named_operator,
    square_limit,
)
from sims.path_following.trials import error_sampler
from sims.support.row import Row
from theory.path_following import error_variance
from theory.path_following.laws import direct_error, saturation_law

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


@lru_cache(maxsize=8)  # every redrawing asks for it
def _case(operator: str, step: float, threshold: float, *setting: float) -> Case:
    columns, samples, scale, level, seed = setting
    op = named_operator(operator, step, threshold)
    return Case(op, int(columns), int(samples), scale, None, level, int(seed))


def case(state: State) -> Case:
    """The neuron of the state, with its data."""
    names = ("operator", "step", "threshold", "columns", "samples", "scale", "failure", "seed")
    return _case(*(state[name] for name in names))


def curves(state: State) -> list[Series]:
    """Laws and bounds of the mean squared error after t columns."""
    one, m, scale = case(state), state["samples"], state["scale"]
    op = one.operator
    t = np.unique(np.round(np.geomspace(1, state["columns"], 80)).astype(int))
    norms = np.maximum.accumulate(np.linalg.norm(one.data[0], axis=0))[t - 1]
    series = [
        Series(
            f"bound, {form} form", t, m * np.array([error_variance(scale, op, norm, form) for norm in norms])
        )
        for form in ("paper", "range")
    ]
    length = float(op.interval_length)
    popoviciu = np.asarray(saturation_law(t, m, scale, length**2 / 4))
    series.append(Series("second-moment bound, Gaussian data", t, popoviciu))
    if state["operator"] == "rounding":
        law = np.asarray(saturation_law(t, m, scale, state["step"] ** 2 / 6))
        series.append(Series("law, Gaussian data", t, law))
        series.append(Series("round to nearest", t, np.asarray(direct_error(t, m, state["step"]))))
    return series


def live(state: State) -> Iterator[list[Series]]:
    """Errors after the first t columns of one drawn data matrix, the whole of it first."""
    whole, scale, columns = case(state), state["scale"], state["columns"]
    op, (inputs, weights) = whole.operator, whole.data
    sizes = np.unique(np.round(np.geomspace(1, columns, _POINTS)).astype(int))[::-1].tolist()
    block = block_size(columns, state["samples"])
    most = _MAX_BLOCKS * block
    with BUSY:
        exits = whole.exits(min(most, EXIT_TRIALS), block=block, level=state["level"])
    if exits is not None and exits.successes:
        yield [Finished.of(whole.rows(exits=exits))]
        raise ValueError(
            f"v left the limits of the operator in {exits.successes} of {exits.trials} trials, about which "
            "the bounds say nothing; a larger scale C keeps it inside"
        )
    samplers = [error_sampler(weights[:t], inputs[:, :t], op, scale) for t in sizes]
    limits = [square_limit(inputs[:, :t], scale, op) for t in sizes]
    sequences = [BoundedSequence(state["level"], 0.0, limit) for limit in limits]
    moments = [Moments(0, (), ()) for _ in sizes]
    ends = np.array([(0.0, limit) for limit in limits])
    enough = state["width"] * np.array([whole.square_laws["bound, Popoviciu"], *limits[1:]])
    open_ = list(range(len(sizes)))
    series: list[Series] = []
    for index in range(_MAX_BLOCKS):
        for i in list(open_):
            key = SQUARE_KEY if i == 0 else (*SQUARE_KEY, sizes[i])
            with BUSY:
                errors = samplers[i](stream(state["seed"], key, index), block)
            new = Moments.of((errors**2).sum(axis=1))
            sequences[i].update(new.count, new.mean[0] * new.count, new.deviations[0])
            moments[i] = moments[i].merge(new)
            ends[i] = sequences[i].interval()
            if i:  # the chosen point stops as its command does, the others at the same relative width
                enough[i] = enough[0] * moments[i].mean[0] / moments[0].mean[0]
            if ends[i, 1] - ends[i, 0] <= enough[i]:
                open_.remove(i)
            seen = np.array([one.count for one in moments]) > 0
            means = np.array([one.mean[0] for one in moments if one.count])
            counts = np.array([one.count for one in moments if one.count])
            low, high = ends[seen].T
            series = [Series("simulation", np.array(sizes)[seen], means, low, high, counts)]
            yield series
        if not open_:
            break
    square = first_point(series[0])
    with BUSY:
        largest = whole.largest(square.trials, state["level"])
    yield [*series, Finished.of(whole.rows(square, largest, exits))]


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
        assert one.low is not None and one.high is not None
        low = np.maximum(one.low, one.value / 1e3)
        style.interval(axes, one.x, one.value, low, one.high, style.BLACK, zorder=4)
    values = np.concatenate([one.value for one in (*laws, *points)])
    last = max(state["columns"], 2)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    decades(axes.yaxis)
    axes.xaxis.set_major_locator(FixedLocator([2**k for k in range(0, 10, 2) if 2**k <= last]))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(
        xlabel="columns compressed, t",
        ylabel="squared error of the output",
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
    """Numbers after all columns; the largest error once the simulation has ended."""
    if (found := finished_rows(points)) is not None:
        return found
    return case(state).rows(first_point(points[0]) if points else None)


def _steps(state: State) -> bool:
    return state["operator"] != "pruning"


def _thresholds(state: State) -> bool:
    return state["operator"] in ("pruning", "prune-then-round")


def _arguments(state: State) -> dict:
    optional = {"step": _steps(state), "threshold": _thresholds(state)}
    names = ("operator", *(name for name, used in optional.items() if used), "columns", "samples", "scale")
    given = {name: state[name] for name in names}
    most = _MAX_BLOCKS * block_size(state["columns"], state["samples"])
    return {**given, "level": state["failure"], **stopping(state, most)}


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
        "Error $\\|u_t\\|^2$ after $t$ columns of Gaussian data. Points: repeated runs on one drawn "
        "matrix, with intervals that hold at all times. Range form: the bound above, $L$ the operator's "
        "interval; published form: with the largest error in place of half of $L$. The second-moment bound "
        "and the law are means over the data."
    ),
    parameters=(
        Parameter("operator", "operator", _DEFAULTS["operator"], choices=_OPERATORS),
        Parameter("step", "step d (level A of one bit)", _DEFAULTS["step"], values=_STEPS, used=_steps),
        Parameter(
            "threshold", "pruning threshold c", _DEFAULTS["threshold"], values=_STEPS, used=_thresholds
        ),
        Parameter("columns", "columns N", 256, values=_SIZES),
        Parameter("samples", "data rows m", 64, values=_SIZES),
        Parameter("scale", "scale C", _DEFAULTS["scale"], values=_SCALES),
        Parameter("failure", "failure level γ", _DEFAULTS["level"], values=_FAILURES),
        Parameter("width", "stop at interval width", 0.1, choices=_STOP, kind="simulation"),
        LEVEL,
        SEED,
    ),
    axes=("columns", "squared_error"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: simulation_text("path_following", **_arguments(s)),
    command=lambda s: command_text("simulate", "path-following", **_arguments(s)),
    count=lambda points: (
        f"{int(points[0].trials.sum()):,} runs".replace(",", "\u202f")
        if points and points[0].trials is not None
        else ""
    ),
)
