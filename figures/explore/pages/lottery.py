"""Explorer page: does a random network contain a given quantized one?"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.explore.live import BUSY, Event, probabilities
from figures.explore.page import (
    LEVEL,
    SEED,
    WIDTH,
    Finished,
    Page,
    Parameter,
    Series,
    State,
    command_text,
    defaults,
    finished_rows,
    first_point,
    measured_row,
    simulation_text,
    stopping,
)
from figures.explore.picture import decades
from sims import simulations
from sims.lottery import CONSTRUCTIONS
from sims.lottery.misses import rare_misses
from sims.lottery.simulate import MISS_TRIALS, NETWORK_BLOCK, NETWORK_KEY
from sims.lottery.simulate import rows as ticket_rows
from sims.lottery.trials import network_failures, random_network
from sims.support.row import Row
from theory.lottery import (
    copies_success_probability,
    miss_probability_table,
    parameter_counts,
    success_probability,
)
from theory.subset_sum import exact_is_cheap
from theory.subset_sum.bounds import reach_probability

_DEFAULTS = defaults(simulations.lottery)
_MOST = 30  # samples per weight
_SAMPLES = tuple(range(1, _MOST + 1))
_MISS_TRIALS = (1000, 20_000, MISS_TRIALS)  # sets of candidates behind the law, in successive versions
_NETWORKS = 16_384
_UNITS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
_CONSTRUCTIONS = dict(zip(("two layers per layer", "depth plus one"), CONSTRUCTIONS, strict=True))
_INPUTS, _HIDDEN, _OUTPUTS = _DEFAULTS["sizes"]


def _sizes(state: State) -> tuple[int, int, int]:
    return state["inputs"], state["hidden"], state["outputs"]


def max_value(state: State) -> int:
    """M = 2^(b-1) - 1."""
    return 2 ** (state["bits"] - 1) - 1


@lru_cache(maxsize=16)
def _target(sizes: tuple[int, ...], size: int, seed: int) -> list[np.ndarray]:
    return random_network(sizes, size, seed)


@lru_cache(maxsize=16)
def _reach(size: int) -> np.ndarray:
    """p[n, v]: probability that the positive samples stay below v, and so miss it."""
    p = np.zeros((_MOST + 1, size + 1))
    p[0, 1:] = 1.0
    for n in range(1, _MOST + 1):
        p[n, 1:] = [float(reach_probability(n, size, v)) for v in range(1, size + 1)]
    return p


def _failure(state: State, miss: np.ndarray) -> np.ndarray:
    """P(the network fails) for n = 1.._MOST samples, from the misses p[n, v] of single weights."""
    weights = _target(_sizes(state), max_value(state), state["seed"])
    counts = range(1, _MOST + 1)
    miss = np.minimum(miss, 1.0)  # an unbiased estimate of a probability near 1 may exceed it
    if state["construction"] == "depth_plus_one":
        return np.array([1 - copies_success_probability(weights, miss, n, n) for n in counts])
    return np.array([1 - success_probability(weights, miss[n]) for n in counts])


_exact = lru_cache(maxsize=16)(miss_probability_table)  # every redrawing asks for it


def curves(state: State) -> list[Series]:
    """What the reach law alone costs: a network cannot do better with independent candidates."""
    n = np.arange(1, _MOST + 1)
    return [Series("reach law", n, _failure(state, _reach(max_value(state))))]


def live(state: State) -> Iterator[list[Series]]:
    """The law from exact or measured miss probabilities, then whole networks pruned to the target."""
    size, n = max_value(state), np.arange(1, _MOST + 1)
    weights = _target(_sizes(state), size, state["seed"])
    law: list[Series] = []
    exact = exact_is_cheap(_MOST, size, size)  # up to 4 bits: a fifth of a second, once
    if exact:
        law = [Series("law, exact misses", n, _failure(state, _exact(_MOST, size)))]
        yield law
    for trials in () if exact else _MISS_TRIALS:
        miss = np.zeros((_MOST + 1, size + 1))
        miss[0, 1:] = 1.0
        for k in range(1, _MOST + 1):
            with BUSY:
                miss[k] = rare_misses(k, size, trials, state["seed"])
        law = [Series("law, measured misses", n, _failure(state, miss))]
        yield law
    chosen = state["samples"]
    near = [k for k in (chosen - 4, chosen - 2, chosen + 2, chosen + 4) if 1 <= k <= _MOST]
    events = [
        Event(
            k,
            network_failures(weights, size, k, construction=state["construction"]),
            NETWORK_KEY if k == chosen else (*NETWORK_KEY, k),
        )
        for k in (chosen, *near)
    ]
    for points in probabilities(
        events,
        seed=state["seed"],
        level=state["level"],
        width=state["width"],
        trials=_NETWORKS,
        block=NETWORK_BLOCK,
    ):
        yield [*points, *law]
    (measured,) = points
    with BUSY:
        rows = ticket_rows(
            _sizes(state),
            state["bits"],
            chosen,
            state["seed"],
            first_point(measured),
            construction=state["construction"],
            confidence=state["level"],
        )
    yield [measured, *law, Finished.of(rows)]


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """P(network fails) against samples per weight, logarithmic."""
    (reach,) = laws
    floor = 1e-4
    axes.plot(reach.x, reach.value, color=style.GREY, linewidth=1.3)
    for one in points:
        if one.trials is None:
            shown = one.value > floor / 3
            axes.plot(one.x[shown], one.value[shown], color=style.BLUE)
            at = int(np.flatnonzero(one.value > 0.5)[-1]) if (one.value > 0.5).any() else 0
            style.label(axes, float(one.x[at]), float(one.value[at]), "law", style.BLUE, xytext=(9, 4))
            continue
        assert one.low is not None and one.high is not None
        seen = one.value > 0
        bars = np.maximum(one.low[seen], floor / 10), one.high[seen]
        style.interval(axes, one.x[seen], one.value[seen], *bars, style.BLACK, zorder=4)
        axes.plot(one.x[~seen], one.high[~seen], "v", color=style.BLACK, markersize=5)
    low = np.flatnonzero(reach.value > 0.02)
    at = int(low[-1]) if low.size else 0
    place = float(reach.x[at]), float(max(reach.value[at], floor))
    style.label(axes, *place, "reach law alone", style.GREY, ha="right", xytext=(-8, -8))
    axes.axvline(state["samples"], color=style.BLUE, linewidth=0.9, linestyle=(0, (2, 3)))
    axes.set_yscale("log")
    decades(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        xlabel="samples per weight, n",
        ylabel="P(some weight is missed)",
        ylim=(floor, 1.6),
        xlim=(0, _MOST + 0.5),
    )


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen number of samples; of single weights and of one ticket at the end."""
    if (found := finished_rows(points)) is not None:
        return found
    n = state["samples"]
    laws = [one for one in points if one.trials is None]
    law = float(laws[0].value[n - 1]) if laws else None
    measured = [
        measured_row("network fails", one, "networks", law) for one in points if one.trials is not None
    ]
    counts = parameter_counts(_sizes(state), n, max_value(state), state["construction"])
    return [
        *(measured or ([Row.law("network fails", law, laws[0].name)] if laws else [])),
        Row.law("drawn parameters", counts.drawn, ""),
        Row.law("drawn per target weight", counts.overparameterization, ""),
        Row("candidates / counting bound", counts.ratio),
    ]


def _arguments(state: State) -> dict:
    given = {name: state[name] for name in ("bits", "samples", "construction")}
    return {"sizes": _sizes(state), **given, **stopping(state, _NETWORKS)}


PAGE = Page(
    name="lottery",
    title="Strong lottery tickets",
    lead=(
        "A random network is drawn; then a target network with $b$-bit weights is to be found inside it, "
        "exactly, by pruning alone. Every target weight is a subset sum of $n$ random candidates:"
    ),
    formulas=(
        r"W_{ij}=\sum_{h\in S}a_h b_h",
        r"P(\text{network fails})=1-\prod_{W}\bigl(1-p_n(|W|)\bigr)",
        r"p_n(v)\ge\sum_{k}\binom nk 2^{-n}\binom{v-1}{k}M^{-k}",
    ),
    caption=(
        "Grey: the part of the misses that is known exactly, where all positive candidates together stay "
        "below the weight. Blue: the law, with the other misses of single weights exact up to 4 bits and "
        "measured beyond. "
        "Points: whole random networks pruned to the target, with intervals that hold at all times; a "
        "triangle is an upper limit. Dotted: the chosen $n$."
    ),
    parameters=(
        Parameter("samples", "samples per weight n", _DEFAULTS["samples"], values=_SAMPLES),
        Parameter("bits", "bits per weight b", _DEFAULTS["bits"], values=(2, 3, 4, 5, 6, 7)),
        Parameter("inputs", "inputs", _INPUTS, values=_UNITS),
        Parameter("hidden", "hidden units", _HIDDEN, values=_UNITS),
        Parameter("outputs", "outputs", _OUTPUTS, values=_UNITS),
        Parameter("construction", "construction", _DEFAULTS["construction"], choices=_CONSTRUCTIONS),
        replace(WIDTH, default=0.05),
        LEVEL,
        SEED,
    ),
    axes=("samples_per_weight", "probability_network_fails"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: simulation_text("lottery", **_arguments(s)),
    command=lambda s: command_text("simulate", "lottery", **_arguments(s)),
    count=lambda points: next(
        (
            f"{int(one.trials.sum()):,} networks".replace(",", "\u202f")
            for one in points
            if one.trials is not None
        ),
        "",
    ),
)
