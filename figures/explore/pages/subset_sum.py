"""Explorer page: does some subset of random integers sum to a target?"""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.explore.live import MAX_TRIALS, Event, probabilities
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
    measured_row,
    simulation_text,
    stopping,
)
from figures.explore.picture import decades
from sims import simulations
from sims import subset_sum as simulation
from sims.subset_sum.simulate import law_rows
from sims.support.row import Row
from theory import subset_sum as theory
from theory.integer_sums import LAWS, check_arguments
from theory.subset_sum.miss import MissForm

_DEFAULTS = defaults(simulations.subset_sum)
_LARGEST_N = 30
_LARGEST_GRID = 20_000  # exact sums over the grid take seconds beyond
SIZES = (
    1,
    2,
    3,
    4,
    5,
    7,
    10,
    15,
    20,
    31,
    50,
    63,
    100,
    127,
    200,
    255,
    500,
    511,
    1000,
    1023,
    2000,
    2047,
    4095,
    8191,
    16383,
)
TARGETS = (0, *SIZES)
DELTAS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
_NAMES: dict[MissForm, str] = {"exact": "exact", "cox": "cox law", "saddlepoint": "saddlepoint law"}
_LAWS = dict(zip(("{±1..±M}", "{−M..M}", "a·b, both in {±1..±M}"), LAWS, strict=True))


def _bits(state: State) -> float:
    """log2 of the number of values a sample takes, halved: the scale of the threshold."""
    return math.log2(state["max_value"]) * (2 if state["law"] == "product" else 1)


def _miss(state: State, n: int, form: MissForm) -> float:
    return theory.miss_probability(
        n, state["max_value"], state["target"], law=state["law"], form=form, delta=state["delta"]
    )


def _exact_is_cheap(state: State) -> bool:
    model = (state[name] for name in ("max_value", "target", "law", "delta"))
    return theory.exact_is_cheap(_LARGEST_N, *model)


def _forms(state: State) -> list[MissForm]:
    """Those shown at the chosen setting; the saddlepoint law takes longer than a slider may wait."""
    forms: list[MissForm] = ["exact", "cox"] if _exact_is_cheap(state) else ["cox"]
    return forms if _in_cox_range(state, state["n"]) or not _has_tail(state) else [*forms, "saddlepoint"]


def _has_tail(state: State) -> bool:
    """Whether bounds and the saddlepoint law join the picture."""
    size, target, delta = (state[name] for name in ("max_value", "target", "delta"))
    return size ** (2 if state["law"] == "product" else 1) <= _LARGEST_GRID and abs(target) > delta


def curves(state: State) -> list[Series]:
    """The Cox law against the number of samples, and before it the exact values where they are cheap."""
    check_arguments(state["n"], state["max_value"], state["target"], state["law"])
    n = np.arange(1, _LARGEST_N + 1)
    forms = (form for form in _forms(state) if form != "saddlepoint")
    return [Series(_NAMES[form], n, np.array([_miss(state, int(k), form) for k in n])) for form in forms]


def live(state: State) -> Iterator[list[Series]]:
    """Exact decisions of random instances, the chosen n first; then bounds and the law of the tail."""
    chosen, middle = state["n"], round(_bits(state))
    others = [n for n in range(middle - 4, middle + 9, 2) if 1 <= n <= _LARGEST_N and n != chosen]
    m, t, law, delta = (state[name] for name in ("max_value", "target", "law", "delta"))
    simulated: list[Series] = []
    for simulated in probabilities(
        [
            Event(n, simulation.sampler(n, m, t, law, delta), ("subset_sum", n, m, t, law, delta))
            for n in (chosen, *others)
        ],
        seed=state["seed"],
        level=state["level"],
        width=state["width"],
    ):
        yield simulated
    (measured,) = simulated
    rows = [_measured(measured), *law_rows(chosen, m, t, law, delta)]
    simulated = [measured, Finished.of(rows)]
    yield simulated
    if not _has_tail(state):
        return
    first, last = _shown(state)
    tail = [n for n in range(first, last + 1) if not _in_cox_range(state, n)]
    tail.sort(key=lambda n: n != chosen)
    found: dict[int, float] = {}
    for n in tail:
        found[n] = _miss(state, n, "saddlepoint")
        ordered = np.array(sorted(found))
        yield [*simulated, Series("saddlepoint law", ordered, np.array([found[int(k)] for k in ordered]))]


def _measured(point: Series) -> Row:
    return measured_row("P(miss), measured", point, "trials, exact decisions")


def _shown(state: State) -> tuple[int, int]:
    """First and last n of the picture: around the threshold, with the chosen n."""
    middle = round(_bits(state))
    low = max(1, min(middle - 6, state["n"] - 1))
    return low, min(_LARGEST_N, max(low + 6, middle + 10, state["n"] + 1))


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """P(miss) against n, logarithmic; the Cox law dashed outside its stated range."""
    *exact, cox = laws
    low, high = _shown(state)
    shown = (cox.x >= low) & (cox.x <= high)
    n, miss = cox.x[shown], cox.value[shown]
    least = min(float(one.value[shown].min()) for one in laws)
    floor = 10.0 ** math.floor(math.log10(min(max(least, 1e-6), 0.05)))
    inside = np.array([_in_cox_range(state, int(k)) for k in n])
    outside = np.ones_like(inside) if not inside.any() else ~inside | (n == n[inside].max())
    axes.set_yscale("log")
    decades(axes.yaxis)
    if miss.max() == 0:
        axes.text(
            0.5, 0.9, "reached by the empty set", transform=axes.transAxes, ha="center", color=style.BLACK
        )
        inside, outside, exact = np.zeros_like(inside), np.zeros_like(inside), []
    # Curves fall and may cross anywhere: their names stand in the corner that stays empty.
    names = {}
    if exact:
        default = exact[0].value[shown]
        (names["exact"],) = axes.plot(n, default, color=style.GREEN, linewidth=2.2)
    else:
        default = miss
    (cox_line,) = axes.plot(n[inside], miss[inside], color=style.BLUE)
    axes.plot(n[outside], miss[outside], color=style.BLUE, linestyle=(0, (3, 2)), linewidth=1.2)
    if miss.max() > 0:
        names["Cox law"] = cox_line
    ring = float(default[n == state["n"]][0])  # on the default of miss_probability
    for one in points:
        if one.name == "saddlepoint law":
            if not exact and state["n"] in one.x:
                ring = float(one.value[one.x == state["n"]][0])
            (names["saddlepoint law"],) = axes.plot(
                one.x, one.value, ".-", color=style.RED, linewidth=1.2, markersize=4
            )
        if one.trials is None:
            continue
        assert one.low is not None and one.high is not None
        seen = one.value > 0
        bars = np.maximum(one.low[seen], floor / 10), one.high[seen]
        style.interval(axes, one.x[seen], one.value[seen], *bars, style.BLACK, zorder=4)
        axes.plot(one.x[~seen], one.high[~seen], "v", color=style.BLACK, markersize=5)
    if ring > 0:
        axes.plot(state["n"], max(ring, floor), "o", color=style.BLACK, markersize=9, fillstyle="none")
    if names:
        axes.legend(list(names.values()), list(names), loc="upper right", labelcolor="linecolor")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        xlabel="samples n", ylabel="P(no subset sums to t)", ylim=(floor, 1.6), xlim=(low - 0.4, high + 0.4)
    )


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen setting; bounds and the saddlepoint law once they are computed."""
    if (found := finished_rows(points)) is not None:
        return found
    measured = [_measured(one) for one in points if one.trials is not None]
    setting = (state[name] for name in ("n", "max_value", "target", "law", "delta"))
    return [*measured, *law_rows(*setting, quick=True)]


def _in_cox_range(state: State, n: int) -> bool:
    """Whether the Cox law is the better one of the two laws, exact values left aside."""
    return theory.miss_form(n, state["max_value"], state["law"], state["delta"])[0] == "cox"


def _arguments(state: State) -> dict:
    given = {name: state[name] for name in ("n", "max_value", "target", "law", "delta")}
    return {**given, **stopping(state, MAX_TRIALS)}


PAGE = Page(
    name="subset-sum",
    title="Random subset sum",
    lead=(
        "How likely is it that no subset of $n$ random integers sums to the target $t$? Given their sum, the "
        "number of solutions is nearly Poisson; averaging over the sum gives the Cox law:"
    ),
    formulas=(
        r"P(\text{miss}) \approx \mathbb E_G\, e^{-\mu\, e^{-(G-d)^2/2}}",
        r"\mu=\frac{2^{n+1}}{\sqrt{2\pi n\,\mathbb E X^2}}",
        r"d=\frac{2t}{\sqrt{n\,\mathbb E X^2}}",
        r"G\sim N(0,1)",
    ),
    caption=(
        "Green: the exact value, on grids up to $M=7$ (products: 3), where it takes milliseconds. Blue: the "
        "Cox law, dashed outside its range; red: the saddlepoint law of the tail, which takes longer and "
        "joins last. Circle: the best of them at the chosen $n$. Points: exact decisions of random "
        "instances; a triangle is an upper limit where no miss was seen. Each interval holds at all times at "
        "the chosen confidence."
    ),
    parameters=(
        Parameter("n", "samples n", 16, values=tuple(range(1, _LARGEST_N + 1))),
        Parameter("max_value", "largest value M", 8191, values=SIZES),
        Parameter("target", "target t", _DEFAULTS["target"], values=TARGETS),
        Parameter("delta", "tolerance Δ", _DEFAULTS["delta"], values=DELTAS),
        Parameter("law", "samples", _DEFAULTS["law"], choices=_LAWS),
        WIDTH,
        LEVEL,
        SEED,
    ),
    axes=("n", "probability_miss"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: simulation_text("subset_sum", **_arguments(s)),
    command=lambda s: command_text("simulate", "subset-sum", **_arguments(s)),
)
