"""Real layers by every method: signal-to-noise ratio of the output at 4 bits and at half of the weights."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column, span
from sims.path_following import compress
from sims.path_following.gram import Gram
from sims.path_following.layers import PRUNERS, QUANTIZERS, compare
from sims.path_following.quantizers import quantizer
from theory.arguments import whole
from theory.operators import StochasticRounding
from theory.path_following.laws import layer_error_bound

SOURCE = "Zhang & Saab 2025 on real layers"
TITLE = "Real layers by every method"
CAPTION = (
    "Signal-to-noise ratio of a layer's output on its own inputs: the digits network, and pointwise "
    "layers of EfficientNet-Lite0 on four crops of two photographs propagated through it (fan-in in "
    "brackets; shown when the zoo extra is installed). (a) <bits> bits, one step per layer. (b) A share "
    "<sparsity> of the weights cut. (c) The same step without the ends of the range, where theorems "
    "apply: measured (filled) and the bound on the mean error (open), <below> dB below. In (a) nearest "
    "feedback (GPFQ) gains <feedback> dB over RTN, and OPTQ, which refits all later weights, <refitting> dB "
    "more; stochastic feedback (SPFQ) pays <price> dB for its guarantees."
)
SEEDS = {"quick": 1, "standard": 5, "deep": 20}
ZOO = ("0 project", "1 expand", "3 project", "5 expand", "5 project", "8 project")
UNCLIPPED = {"stochastic rounding": "direct", "SPFQ": "path-following", "stochastic OPTQ": "optq"}
TASKS: dict[str, dict] = {"quantized": QUANTIZERS, "pruned": PRUNERS, "no ends": UNCLIPPED}


def layers(zoo: bool = True) -> list[tuple[str, np.ndarray, Gram]]:
    """Name, weights and Gram matrix of the digits' layers, and of EfficientNet-Lite0's if installed."""
    from sims.networks import digits
    from sims.weights import load, zoo_checkpoint

    network = digits.load()
    found = []
    hidden = network.train_images
    for index, weights in enumerate(network.weights):
        gram = Gram()
        gram.update(hidden)
        found.append((f"digits {index + 1} ({weights.shape[1]})", weights, gram))
        hidden = np.maximum(hidden @ weights.T, 0.0)
    path = zoo_checkpoint()
    if zoo and path is not None:
        from sims.networks.efficientnet import photographs, pointwise_layers

        wanted = set(ZOO)
        for name, weights, inputs in pointwise_layers(load(path), photographs(4, 128)):
            if name in wanted:
                wanted.remove(name)
                gram = Gram()
                gram.update(inputs)
                found.append((f"Lite0, {name} ({weights.shape[1]})", weights, gram))
            if not wanted:
                break
    return found


def data(budget: str = "quick", seed: int = 0, *, bits: int = 4, sparsity: float = 0.5) -> Table:
    """Columns task, setting, layer, method, snr, bound (dB; nan where no theorem applies), exits.

    Parameters
    ----------
    budget
        One seed of the stochastic methods at the quick budget, five without ends.
    seed
        The first of them.
    bits
        Width, from 2 to 8.
    sparsity
        Share of the weights cut, between 0 and 1.
    """
    bits, (sparsity,) = whole("bits", bits, 2, 8), reals("sparsity", sparsity, 0.0, 1.0)
    rows = []
    for layer, weights, gram in layers():
        for task, options in (("quantized", {"bits": bits}), ("pruned", {"sparsity": sparsity})):
            repeats = [
                compare(weights, gram=gram, seed=seed + repeat, **options) for repeat in range(SEEDS[budget])
            ]
            for same in zip(*repeats, strict=True):
                error = float(np.mean([row.error for row in same]))
                bound = same[0].bound
                values = (-10 * np.log10(error), -10 * np.log10(bound), same[0].exits)
                rows.append((task, *options.values(), layer, same[0].name, *values))
        clipped = quantizer(weights, bits, stochastic=True)
        assert isinstance(clipped, StochasticRounding)
        operator = StochasticRounding(clipped.step)
        for name, method in UNCLIPPED.items():
            draws = [
                compress(weights, gram=gram, operator=operator, method=method, seed=seed + repeat)
                for repeat in range(5 * SEEDS[budget])
            ]
            energy = float(draws[0].output_energy.sum())
            error = float(np.mean([draw.error.sum() for draw in draws])) / energy
            bound = len(weights) * layer_error_bound(gram.own, operator, method, damping=0.01) / energy
            rows.append(("no ends", bits, layer, name, -10 * np.log10(error), -10 * np.log10(bound), 0))
    names = ("task", "setting", "layer", "method", "snr", "bound", "exits")
    return by_column(names, rows)


def facts(table: Table) -> dict[str, str]:
    """Ranges over the layers, in dB: bounds below what was measured, and what methods gain."""

    def of(task: str, method: str, column: str = "snr") -> np.ndarray:
        return table[column][(table["task"] == task) & (table["method"] == method)].astype(float)

    below = [of("no ends", method) - of("no ends", method, "bound") for method in UNCLIPPED]
    nearest = of("quantized", "GPFQ")
    return {
        "below": span(np.concatenate(below)),
        "feedback": span(nearest - of("quantized", "RTN")),
        "refitting": span(of("quantized", "OPTQ") - nearest),
        "price": span(nearest - of("quantized", "SPFQ")),
    }


@style.styled
def draw(table: Table) -> Figure:
    """One line per layer, one mark per method."""
    names = list(dict.fromkeys(table["layer"]))
    figure, axes = style.panels(3, 1, width=3.2, height=0.3 * len(names) + 1.3, sharey=True)
    for axis, (task, methods) in zip(axes, TASKS.items(), strict=True):
        for row, layer in enumerate(reversed(names)):
            here = (table["task"] == task) & (table["layer"] == layer)
            values = table["snr"][here].astype(float)
            axis.plot([values.min(), values.max()], [row, row], color="#CCCCCC", linewidth=1, zorder=1)
        for method in methods:
            here = (table["task"] == task) & (table["method"] == method)
            rows = len(names) - 1 - np.arange(here.sum())
            snr = table["snr"][here].astype(float)
            look = style.METHOD_MARKS[method]
            axis.plot(snr, rows, look, color=style.METHODS[method], label=method, markersize=5)
            if task == "no ends":
                bound = table["bound"][here].astype(float)
                axis.plot(bound, rows, look, color=style.METHODS[method], markersize=5, fillstyle="none")
        setting = float(table["setting"][table["task"] == task][0])
        titles = {
            "quantized": f"{setting:g} bits",
            "pruned": f"{100 * setting:g} % sparsity",
            "no ends": f"{setting:g}-bit step without ends; bounds",
        }
        axis.set_title(titles[task])
        axis.set_xlabel("SNR of the output in dB")
        axis.set_ylim(-0.6, len(names) - 0.4)
    axes[0].set_yticks(range(len(names)), reversed(names))
    handles = {
        text: handle for axis in axes for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    style.legend_below(figure, list(handles.values()), 5)
    return figure
