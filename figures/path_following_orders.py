"""Which order of the columns: four orders, four methods, four kinds of inputs."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column
from sims.montecarlo import stream, student_half_width
from sims.path_following import compress
from sims.path_following.feedback import ORDERS
from sims.path_following.quantizers import quantizer
from theory.arguments import whole
from theory.operators import NearestRounding, Operator, StochasticRounding

SOURCE = "Zhang & Saab 2025: which column order (asked by the referees of SPFQ)"
TITLE = "Path following: the order of the columns"
CAPTION = (
    "Squared output error by the order in which columns are compressed, over that of a random order (99 % "
    "intervals of Student's t over data and random choices; step <step>, digits at <bits> bits, m = "
    "<samples> and N = <columns> for the drawn inputs). Errors of early columns are corrected by later "
    "ones, those of the last stay: largest norm first is the best or close to it everywhere and costs "
    "nothing; pivoting, which puts the columns nearest to the span of the others last, gains less and can "
    "lose. With equal norms the order does not matter."
)
REPEATS = {"quick": 6, "standard": 30, "deep": 300}
METHODS = {
    "SPFQ": ("path-following", True),
    "GPFQ": ("path-following", False),
    "stochastic OPTQ": ("optq", True),
    "OPTQ": ("optq", False),
}
COLORS = {"given": style.BLACK, "norm": style.BLUE, "random": style.ORANGE, "pivoted": style.RED}
SETTINGS = ("equal norms", "unequal norms", "rank 16 + noise", "digits, layer 1", "digits, layer 2")


def _layer(
    setting: str, samples: int, columns: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and inputs of a setting; the digits' layers are what they are."""
    from sims.networks import digits

    if setting.startswith("digits"):
        network = digits.load()
        if setting.endswith("1"):
            return network.weights[0], network.train_images
        return network.weights[1], np.maximum(network.train_images @ network.weights[0].T, 0.0)
    inputs = rng.standard_normal((samples, columns))
    if setting == "unequal norms":
        inputs *= np.exp(rng.normal(0, 1, columns))
    elif setting == "rank 16 + noise":
        inputs = rng.standard_normal((samples, 16)) @ rng.standard_normal((16, columns)) / 4 + 0.1 * inputs
    return rng.uniform(-1, 1, (32, columns)), inputs


def _operator(weights: np.ndarray, setting: str, stochastic: bool, step: float, bits: int) -> Operator:
    if setting.startswith("digits"):
        return quantizer(weights, bits, stochastic)
    return StochasticRounding(step) if stochastic else NearestRounding(step)


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    step: float = 0.25,
    bits: int = 4,
    samples: int = 128,
    columns: int = 96,
) -> Table:
    """Columns setting, method, order, ratio (error over the mean error of random orders), spread.

    Parameters
    ----------
    budget, seed
        6 draws of data and random choices at the quick budget.
    step
        Of the grid for drawn inputs.
    bits
        Width for the digits network, from 2 to 8.
    samples, columns
        Of the drawn inputs: m from 16 to 1,024, N from 16 to 512.
    """
    (step,), bits = reals("step", step), whole("bits", bits, 2, 8)
    samples, columns = whole("samples", samples, 16, 1024), whole("columns", columns, 16, 512)
    rows = []
    for setting in SETTINGS:
        for name, (method, stochastic) in METHODS.items():
            errors: dict[str, list[float]] = {order: [] for order in ORDERS}
            for repeat in range(REPEATS[budget]):
                rng = stream(seed, ("path_following_orders", setting, repeat))
                weights, inputs = _layer(setting, samples, columns, rng)
                operator = _operator(weights, setting, stochastic, step, bits)
                gram = inputs.T @ inputs
                for order in ORDERS:
                    options = {"gram": gram, "order": order, "seed": rng.integers(2**32)}
                    layer = compress(weights, operator=operator, method=method, **options)
                    errors[order].append(float(layer.error.sum()))
            reference = np.array(errors["random"])
            for order in ORDERS:
                # paired: each draw of the data is its own reference, but random orders of fixed data vary
                share = np.array(errors[order]) / (reference.mean() if setting[0] == "d" else reference)
                spread = student_half_width(share.std(ddof=1) / np.sqrt(len(share)), len(share))
                rows.append((setting, name, order, float(share.mean()), float(spread)))
    names = ("setting", "method", "order", "ratio", "spread")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """One panel per method, one line per setting, one point per order."""
    figure, axes = style.panels(len(METHODS), 1, width=2.3, height=2.7, sharey=True, sharex=True)
    for axis, method in zip(axes, METHODS, strict=True):
        axis.axvline(1, color=style.GREY, linewidth=0.8)
        for row, setting in enumerate(reversed(SETTINGS)):
            for shift, order in zip((0.27, 0.09, -0.09, -0.27), ORDERS, strict=True):
                here = (table["setting"] == setting) & (table["method"] == method) & (table["order"] == order)
                value, spread = float(table["ratio"][here][0]), float(table["spread"][here][0])
                axis.errorbar(
                    value, row + shift, xerr=spread, fmt=style.mark(COLORS[order]), color=COLORS[order],
                    markersize=4, capsize=1.5,
                )  # fmt: skip
                if method == "SPFQ" and row == len(SETTINGS) - 1:
                    axis.plot([], [], style.mark(COLORS[order]), color=COLORS[order], label=order)
        axis.set_title(method)
        axis.set_xscale("log")
        axis.set_xticks([0.5, 1, 2], ["0.5", "1", "2"])
        axis.minorticks_off()
        axis.grid(axis="y", visible=False)
    axes[0].set_yticks(range(len(SETTINGS)), reversed(SETTINGS))
    for axis in axes:
        axis.set_xlabel("error / random order's")
    style.legend_below(figure, axes[0].get_legend_handles_labels()[0], 4)
    return figure
