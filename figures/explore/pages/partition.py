"""Explorer page: does a random set of integers split evenly?"""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from figures import style
from figures.explore.live import MAX_TRIALS, Event, probabilities
from figures.explore.page import (
    LEVEL,
    SEED,
    WIDTH,
    Page,
    Parameter,
    Series,
    State,
    command_text,
    defaults,
    measured_row,
    simulation_text,
    stopping,
)
from sims import partition as simulation
from sims import simulations
from sims.support.row import Row
from theory import partition as theory

_DEFAULTS = defaults(simulations.partition)
_REACH = 5.0  # bits drawn on either side of the threshold
_OFFSETS = np.arange(-4.0, 4.01, 1.0)  # where points are simulated besides the chosen one


def max_value(state: State) -> int:
    """M = 2^bits, rounded."""
    return max(1, round(2.0 ** state["bits"]))


def curves(state: State) -> list[Series]:
    """The limit law and the corrected law against log2 M."""
    centre = float(theory.critical_bits(state["n"]))
    bits = np.linspace(
        max(0.0, min(centre - _REACH, state["bits"] - 0.5)), max(centre + _REACH, state["bits"] + 0.5), 241
    )
    return [
        Series(
            form,
            bits,
            np.asarray(theory.perfect_partition_probability(state["n"], 2.0**bits, form=form)),
        )
        for form in ("limit", "corrected")
    ]


def live(state: State) -> Iterator[list[Series]]:
    """Exact decisions of random instances, the chosen M first."""
    n, centre = state["n"], float(theory.critical_bits(state["n"]))
    sizes = [max_value(state), *(max(1, round(2.0 ** (centre + offset))) for offset in _OFFSETS)]
    sizes = list(dict.fromkeys(sizes))
    return probabilities(
        [Event(float(np.log2(m)), simulation.sampler(n, m), ("partition", n, m)) for m in sizes],
        seed=state["seed"],
        level=state["level"],
        width=state["width"],
    )


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """P(perfect) against precision, the threshold marked."""
    limit, corrected = laws
    centre = float(theory.critical_bits(state["n"]))
    axes.axvline(centre, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    style.label(axes, centre, 1.04, "threshold n − ½ log₂ n", style.GREY)
    axes.plot(limit.x, limit.value, color=style.BLUE)
    axes.plot(corrected.x, corrected.value, color=style.RED, linestyle=(0, (5, 2)), linewidth=1.2)
    at = centre + 0.5
    place = at, float(np.interp(at, limit.x, limit.value))
    style.label(axes, *place, "limit law", style.BLUE, xytext=(10, 18))
    style.label(axes, *place, "with 1/n terms", style.RED, xytext=(10, 5))
    here = float(np.log2(max_value(state)))
    axes.plot(
        [here], [np.interp(here, limit.x, limit.value)], "o", color=style.BLUE, markersize=9, fillstyle="none"
    )
    for one in points:
        style.interval(axes, one.x, one.value, one.low, one.high, style.BLACK)
    axes.set(
        xlabel="precision log₂ M (bits)",
        ylabel="P(perfect partition)",
        ylim=(-0.04, 1.1),
        xlim=(limit.x[0], limit.x[-1]),
    )


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen n and M."""
    found = [measured_row("P(perfect), measured", one) for one in points]
    return [*found, *simulation.law_rows(state["n"], max_value(state))]


def _arguments(state: State) -> dict:
    return {"n": state["n"], "max_value": max_value(state), **stopping(state, MAX_TRIALS)}


PAGE = Page(
    name="partition",
    title="Number partitioning",
    lead=(
        "Can $n$ integers, drawn uniformly from $\\{1,\\dots,M\\}$, be split into two parts whose sums "
        "differ by at most 1? The number of such perfect partitions is nearly Poisson:"
    ),
    formulas=(
        r"P(\text{perfect}) \approx 1-\tfrac12\left(e^{-\mu}+e^{-2\mu}\right)",
        r"\mu=\frac{2^n}{M\sqrt{2\pi n c}}",
        r"c=\tfrac13+\tfrac1{2M}+\tfrac1{6M^2}",
    ),
    caption=(
        "Lines: the laws. Circle: the chosen $M$. Points: exact decisions of random instances; each interval "
        "holds at all times at the chosen confidence, so it may be watched while it shrinks."
    ),
    parameters=(
        Parameter("n", "items n", _DEFAULTS["n"], values=tuple(range(4, 31))),
        Parameter("bits", "precision log₂ M", 17.0, values=tuple(np.arange(0, 36.1, 0.25).tolist())),
        WIDTH,
        LEVEL,
        SEED,
    ),
    axes=("log2_max_value", "probability_perfect"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: simulation_text("partition", **_arguments(s)),
    command=lambda s: command_text("simulate", "partition", **_arguments(s)),
)
