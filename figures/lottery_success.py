"""Success of lottery tickets against the number of candidates: single weights and whole networks."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import by_column
from sims import montecarlo
from sims.lottery.misses import best_miss_table
from sims.lottery.trials import network_failures, random_network, weight_failures
from theory.lottery import block_success_probability, copies_success_probability, success_probability
from theory.subset_sum import hit_probability_bounds, miss_probability

TITLE = "How often a weight, and a network, has no ticket"
CAPTION = (
    "Left: 8-bit weights w, law nonzero. Points: tickets of fresh networks, 99 % intervals; solid: Cox "
    "law up to n = 10, then saddlepoint law; dotted: rigorous bounds for w = 127 from both sides. Right: "
    "a random 4-bit network 16-12-8. Points: whole tickets; lines: the laws for networks, from exact miss"
    " probabilities of single weights. Block: as in the proof, every input has 2n units, of which about n"
    " are usable, the same for all outputs. Depth l + 1: n copies of every hidden unit; the good ones are"
    " the candidates of the next layer."
)
TRIALS = {"quick": 20_000, "standard": 200_000, "deep": 2_000_000}
WEIGHTS = (127, 32, 1)
SIZES, TOP = (16, 12, 8), 7
FORMS: dict[str, dict] = {
    "two layers, matched": {},
    "two layers, block": {"allotment": "block"},
    "depth l + 1": {"construction": "depth_plus_one"},
}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns panel, series, n, kind ("measured", "law", "lower", "upper"), value, low, high."""
    rows: list[tuple] = []
    for weight in WEIGHTS:
        for n in range(8, 27, 2):
            if n <= 18:
                key = ("lottery_success", weight, n)
                found = montecarlo.probability(
                    weight_failures(127, n, weight), TRIALS[budget], seed=seed, key=key
                )
                rows.append(("weight", f"w = {weight}", n, "measured", found.value, found.low, found.high))
            law = miss_probability(n, 127, weight)
            rows.append(("weight", f"w = {weight}", n, "law", law, law, law))
            if weight == WEIGHTS[0]:
                least, most = (1 - p for p in reversed(hit_probability_bounds(n, 127, weight)))
                rows.append(("weight", f"w = {weight}", n, "lower", least, least, least))
                rows.append(("weight", f"w = {weight}", n, "upper", most, most, most))
    weights = random_network(SIZES, TOP, seed)
    table = best_miss_table(50, TOP, TRIALS[budget], seed)
    for name, options in FORMS.items():
        for n in range(8, 26):
            if "allotment" in options:
                success = block_success_probability(weights, table, n)
            elif "construction" in options:
                success = copies_success_probability(weights, table, n, n)
            else:
                success = success_probability(weights, table[n])
            rows.append(("network", name, n, "law", 1 - success, 0.0, 0.0))
            if n % 3 == 0:
                found = montecarlo.probability(
                    network_failures(weights, TOP, n, **options),
                    TRIALS[budget] // 50,
                    seed=seed,
                    key=("lottery_success", name, n),
                    block=128,
                )
                rows.append(("network", name, n, "measured", found.value, found.low, found.high))
    names = ("panel", "series", "n", "kind", "value", "low", "high")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Two logarithmic panels."""
    figure, axes = style.panels(2, width=4.2, height=3.4)
    for axis, panel in zip(axes, ("weight", "network"), strict=True):
        here = table["panel"] == panel
        series = list(dict.fromkeys(table["series"][here].tolist()))
        for color, name in zip(style.CYCLE, series, strict=False):
            rows = here & (table["series"] == name)
            law = rows & (table["kind"] == "law")
            n, value = table["n"][law], table["value"][law]
            axis.plot(n, value, color=color)
            for kind in ("lower", "upper"):
                bound = rows & (table["kind"] == kind)
                axis.plot(table["n"][bound], table["value"][bound], ":", color=color)
            seen = rows & (table["kind"] == "measured") & (table["value"] > 0)
            n, value, low, high = (table[column][seen] for column in ("n", "value", "low", "high"))
            style.interval(axis, n, value, low, high, color)
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for color, weight in zip(style.CYCLE, WEIGHTS, strict=False):
        law = (table["series"] == f"w = {weight}") & (table["kind"] == "law")
        style.label(axes[0], table["n"][law][-1], table["value"][law][-1], f"w = {weight}", color)
    upper = table["kind"] == "upper"
    style.label(axes[0], table["n"][upper][-1], table["value"][upper][-1], "bound", style.CYCLE[0])
    lower = table["kind"] == "lower"
    style.label(axes[0], table["n"][lower][-1], table["value"][lower][-1], "reach bound", style.CYCLE[0])
    axes[0].set(xlabel="candidates n", ylabel="P(weight has no subset)", ylim=(1e-7, 1.5), xlim=(7, 31))
    for color, name in zip(style.CYCLE, FORMS, strict=False):
        law = (table["series"] == name) & (table["kind"] == "law")
        style.label(axes[1], table["n"][law][-1], table["value"][law][-1], name, color)
    axes[1].set(xlabel="candidates n (expected, for block)", ylabel="P(network has no ticket)")
    axes[1].set(xlim=(7, 34), ylim=(1e-4, 1.5))
    return figure
