"""Success of lottery tickets against the number of candidates: single weights and whole networks."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims import montecarlo
from sims.lottery.misses import best_miss_table
from sims.lottery.trials import network_failures, random_network, weight_failures
from theory.arguments import whole
from theory.lottery import block_success_probability, copies_success_probability, success_probability
from theory.subset_sum import miss_probability, miss_probability_bounds

SOURCE = "Kumar & Natale 2025, Theorems 1 and 2: probability of success"
TITLE = "How often a weight, and a network, has no ticket"
CAPTION = (
    "(a) Weights w of a grid with M = <max_value>, law nonzero. Points: tickets of fresh networks, 99 % "
    "intervals; solid: Cox law near the window, then saddlepoint law; dotted: rigorous bounds for the "
    "largest weight from both sides. (b) A random network with layers of <sizes> units, M = <top>. "
    "Points: whole tickets; lines: the laws for networks, from exact miss probabilities of single "
    "weights. Block: as in the proof, every input has 2n units, of which about n are usable, the same "
    "for all outputs. Depth l + 1: n copies of every hidden unit; the good ones are the candidates of "
    "the next layer."
)
TRIALS = {"quick": 20_000, "standard": 200_000, "deep": 2_000_000}
FORMS: dict[str, dict] = {
    "two layers, matched": {},
    "two layers, block": {"allotment": "block"},
    "depth l + 1": {"construction": "depth_plus_one"},
}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    max_value: int = 127,
    weights: tuple[int, ...] = (127, 32, 1),
    sizes: tuple[int, ...] = (16, 12, 8),
    top: int = 7,
) -> Table:
    """Columns panel, series, n, kind ("measured", "law", "lower", "upper"), value, low, high.

    Parameters
    ----------
    budget, seed
        20,000 tickets behind every point at the quick budget (panel b: 400).
    max_value
        M of panel a, from 7 to 511.
    weights
        Weights of panel a, from 1 to M.
    sizes, top
        Widths and M of the network of panel b.
    """
    size = whole("max_value", max_value, 7, 511)
    single, layers = wholes("weights", weights, 1, size)[::-1], [whole("sizes", one, 1, 64) for one in sizes]
    top = whole("top", top, 1, 31)
    rows: list[tuple] = []
    for weight in single:
        for n in range(8, 27, 2):
            if n <= 18:
                key = ("lottery_success", weight, n)
                found = montecarlo.probability(
                    weight_failures(size, n, weight), TRIALS[budget], seed=seed, key=key
                )
                rows.append(("weight", f"w = {weight}", n, "measured", found.value, found.low, found.high))
            law = miss_probability(n, size, weight)
            rows.append(("weight", f"w = {weight}", n, "law", law, law, law))
            if weight == single[0]:
                least, most = miss_probability_bounds(n, size, weight)
                rows.append(("weight", f"w = {weight}", n, "lower", least, least, least))
                rows.append(("weight", f"w = {weight}", n, "upper", most, most, most))
    network = random_network(layers, top, seed)
    table = best_miss_table(50, top, TRIALS[budget], seed)
    for name, options in FORMS.items():
        for n in range(8, 26):
            if "allotment" in options:
                success = block_success_probability(network, table, n)
            elif "construction" in options:
                success = copies_success_probability(network, table, n, n)
            else:
                success = success_probability(network, table[n])
            rows.append(("network", name, n, "law", 1 - success, 0.0, 0.0))
            if n % 3 == 0:
                found = montecarlo.probability(
                    network_failures(network, top, n, **options),
                    TRIALS[budget] // 50,
                    seed=seed,
                    key=("lottery_success", name, n),
                    block=128,
                )
                rows.append(("network", name, n, "measured", found.value, found.low, found.high))
    names = ("panel", "series", "n", "kind", "value", "low", "high")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
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
    first = list(dict.fromkeys(table["series"][table["panel"] == "weight"].tolist()))
    for color, name in zip(style.CYCLE, first, strict=False):
        law = (table["series"] == name) & (table["kind"] == "law")
        style.label(axes[0], table["n"][law][-1], table["value"][law][-1], name, color)
    upper = table["kind"] == "upper"
    style.label(axes[0], table["n"][upper][-1], table["value"][upper][-1], "bound", style.CYCLE[0])
    lower = table["kind"] == "lower"
    style.label(axes[0], table["n"][lower][-1], table["value"][lower][-1], "reach bound", style.CYCLE[0])
    axes[0].set(xlabel="candidates n", ylabel="P(weight has no subset)", ylim=(1e-7, 1.5))
    for color, name in zip(style.CYCLE, FORMS, strict=False):
        law = (table["series"] == name) & (table["kind"] == "law")
        style.label(axes[1], table["n"][law][-1], table["value"][law][-1], name, color)
    axes[1].set(xlabel="candidates n (expected, for block)", ylabel="P(network has no ticket)")
    axes[1].set(ylim=(1e-4, 1.5))
    return figure
