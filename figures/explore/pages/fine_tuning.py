"""Explorer page: a finished run of fine-tuning, width by width and seed by seed. Nothing is trained here."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from figures import style
from figures.explore.page import Page, Parameter, Series, State, python_line
from sims.fine_tuning import results
from sims.support.row import Row

SHOWN = {  # method: label, colour, marker
    "qat": ("learned steps", style.SNAP, "o"),
    "prune": ("gradual pruning", style.CUT, "s"),
    "optq": ("OPTQ, no training", style.SKY, "^"),
    "nearest": ("nearest, no training", style.PURPLE, "v"),
    "magnitude": ("magnitude, no training", style.ORANGE, "D"),
}
CASES = {
    "dense, digits of 8 x 8": "dense-digits",
    "dense, MNIST of 14 x 14": "dense-mnist",
    "convolutional, digits of 8 x 8": "conv-digits",
    "convolutional, MNIST of 14 x 14": "conv-mnist",
}
GROUPS = {"fine-tuned": "tuned", "all methods": "all"}
_TUNED = ("qat", "prune")


@lru_cache(maxsize=8)
def _case(name: str) -> dict[tuple[str, int], dict[str, Any]]:
    network, data = name.split("-")
    rows = (row for row in results.load() if (row["network"], row["data"]) == (network, data))
    return {(row["method"], row["bits"]): row for row in rows}


def _methods(state: State) -> tuple[str, ...]:
    return _TUNED if state["methods"] == "tuned" else tuple(SHOWN)


def _widths(case: dict[tuple[str, int], dict[str, Any]]) -> np.ndarray:
    return np.array(sorted({bits for _, bits in case}))


def curves(state: State) -> list[Series]:
    """Median test error in % of every method against the width."""
    case = _case(state["case"])
    bits = _widths(case)
    original = 100 * (1 - float(np.median(case["qat", 8]["originals"])))
    found = [Series("original networks", bits, np.full(len(bits), original))]
    for method in _methods(state):
        errors = np.array([100 * (1 - case[method, b]["median"]) for b in bits.tolist()])
        found.append(Series(SHOWN[method][0], bits, errors))
    return found


def live(state: State) -> Iterator[list[Series]]:
    """The intervals over seeds, which the run has left: they are there at once."""
    case = _case(state["case"])
    bits = _widths(case)
    found = []
    for method in _methods(state):
        rows = [case[method, b] for b in bits.tolist()]
        value, low, high = (100 * (1 - np.array([row[k] for row in rows])) for k in ("median", "high", "low"))
        seeds = np.array([row["seeds"] for row in rows])
        found.append(Series(SHOWN[method][0] + ", seeds", bits, value, low, high, seeds))
    yield found


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """Error against the width, on a logarithmic axis."""
    original, *medians = laws
    axes.axhline(float(original.value[0]), color=style.GREY, linewidth=0.9)
    for method, one in zip(_methods(state), medians, strict=True):
        label, color, marker = SHOWN[method]
        axes.plot(one.x, one.value, color=color, linewidth=1.4, label=label)
        for series in points:
            if series.name.startswith(label) and series.low is not None and series.high is not None:
                style.interval(axes, series.x, series.value, series.low, series.high, color, fmt=marker)
    axes.axvline(state["bits"], color=style.GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.set_yscale("log")
    lowest = min(float(one.value.min()) for one in laws)
    axes.set_ylim(0.6 * lowest, 90)
    axes.yaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(loc="upper right", frameon=False)
    axes.set(xlabel="bits per weight", ylabel="test error (%)", xlim=(0.7, 8.3))


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen width."""
    network, data = state["case"].split("-")
    return results.comparison(network, data, state["bits"], _methods(state))


def python(state: State) -> str:
    """The rows of the finished run."""
    network, data = state["case"].split("-")
    return (
        "from sims.fine_tuning import results\nfrom sims.support.output import print_table\n\n"
        f"rows = results.comparison({network!r}, {data!r}, {state['bits']}, {_methods(state)})\n"
        "print_table([row.as_dict() for row in rows])"
    )


def command(state: State) -> str:
    """The same, in one line; `snapcut tune` would train anew."""
    return python_line(python(state))


PAGE = Page(
    name="fine-tuning",
    title="After fine-tuning: snap or cut?",
    lead=(
        "Small networks, trained ten times over, then compressed to the same size by learned quantization "
        "steps or by gradual pruning, and trained again. What is shown is a finished run; nothing is trained "
        "in the browser. Directions only: none of this is an accuracy on ImageNet."
    ),
    formulas=(
        r"\hat w = s\,\mathrm{clip}\left(\lfloor w/s \rceil\right)",
        r"\text{sparsity}=1-\frac b{16}",
    ),
    caption=(
        "Lines: median test error over ten seeds; bars: order-statistic intervals of the median, at least "
        "95 %. Grey: the networks before compression. Quantization and pruning start from the same networks "
        "and see the same batches."
    ),
    parameters=(
        Parameter("bits", "bits b", 2, values=tuple(range(1, 9))),
        Parameter("case", "network and images", "dense-digits", choices=CASES),
        Parameter("methods", "methods", "tuned", choices=GROUPS),
    ),
    axes=("bits", "test_error_percent"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=python,
    command=command,
    count=lambda points: (
        f"{int(points[0].trials[0])} seeds" if points and points[0].trials is not None else ""
    ),
)
