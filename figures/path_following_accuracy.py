"""The digits network compressed by every method: test accuracy against bits and against sparsity."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals, wholes
from figures.tables import Table, by_column
from sims.path_following.layers import PRUNERS, QUANTIZERS
from sims.path_following.network import compress_network
from sims.path_following.quantizers import quantizer
from theory.operators import PruneFraction

SOURCE = "Zhang & Saab 2025, Algorithms 1 and 2 on a real network"
TITLE = "A real network compressed layer by layer"
CAPTION = (
    "The digits network (64-48-32-10, ReLU, no biases) compressed layer by layer, each layer aligned to "
    "the original outputs (order 1) before it is compressed. (a, b) Test accuracy (grey line: "
    "uncompressed); (c, d) signal-to-noise ratio of the logits on the training inputs. Bands: range over "
    "seeds. One step "
    "per layer, the one that suits nearest rounding best; one bit is {-A, A}, A the mean magnitude for "
    "nearest and the largest for stochastic rounding. Stochastic pruning needs such thresholds at high "
    "sparsity that feedback amplifies its noise: from 80 % on it does worse than cutting every weight "
    "(below 0 dB). Cutting with refitting (OBS) loses least."
)
SEEDS = {"quick": 3, "standard": 20, "deep": 100}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    bits: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8),
    sparsities: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
) -> Table:
    """Columns kind, method, x, uncompressed; accuracy and snr (dB), each with its ends over seeds.

    Parameters
    ----------
    budget
        3 seeds of every stochastic method at the quick budget.
    seed
        The first of them.
    bits
        Widths, from 1 to 12.
    sparsities
        Shares of weights cut in every layer, between 0 and 1.
    """
    from sims.networks import digits

    widths, shares = wholes("bits", bits, 1, 12), reals("sparsities", sparsities, 0.0, 1.0)

    network = digits.load()
    rows = []
    cases = [("bits", name, float(b), *QUANTIZERS[name]) for name in QUANTIZERS for b in widths]
    cases += [("sparsity", name, x, *PRUNERS[name]) for name in PRUNERS for x in shares]
    for kind, name, x, method, stochastic in cases:
        accuracies, ratios = [], []
        for repeat in range(SEEDS[budget] if stochastic else 1):

            def operator(w: np.ndarray, kind: str = kind, x: float = x, stochastic: bool = stochastic):
                return quantizer(w, int(x), stochastic) if kind == "bits" else PruneFraction(x, stochastic)

            layers = compress_network(
                network.weights, network.train_images, operator, method=method, seed=seed + 1000 * repeat
            )
            accuracies.append(network.accuracy([layer.weights for layer in layers]))
            ratios.append(float(layers[-1].error.sum() / layers[-1].output_energy.sum()))
        snr = (-10 * np.log10(ratio) for ratio in (np.mean(ratios), max(ratios), min(ratios)))
        shown = (np.mean(accuracies), min(accuracies), max(accuracies), *snr)
        rows.append((kind, name, x, *shown, network.accuracy()))
    measured = (one + end for one in ("accuracy", "snr") for end in ("", "_least", "_greatest"))
    return by_column(("kind", "method", "x", *measured, "uncompressed"), rows)


def _lines(axis: Axes, table: Table, kind: str, column: str) -> None:
    for name in QUANTIZERS if kind == "bits" else PRUNERS:
        here = (table["kind"] == kind) & (table["method"] == name)
        x, y = table["x"][here].astype(float), table[column][here].astype(float)
        color = style.METHODS[name]
        axis.plot(x, y, marker=style.METHOD_MARKS[name], color=color, linewidth=1.2, label=name)
        low, high = (table[column + end][here].astype(float) for end in ("_least", "_greatest"))
        axis.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


@style.styled
def draw(table: Table) -> Figure:
    """Accuracy above, signal-to-noise ratio of the logits below; bits left, sparsity right."""
    figure, axes = style.panels(2, 2, width=3.9, height=2.6, sharex="col")
    for column, kind in enumerate(("bits", "sparsity")):
        top, bottom = axes[0, column], axes[1, column]
        places = np.unique(table["x"][table["kind"] == kind].astype(float))
        _lines(top, table, kind, "accuracy")
        _lines(bottom, table, kind, "snr")
        handles = top.get_legend_handles_labels()[0]
        if kind == "sparsity":  # long names below, where the curves leave room
            handles.sort(key=lambda line: len(str(line.get_label())))
        place = "lower right" if kind == "bits" else "lower left"
        top.legend(handles=handles, loc=place, fontsize=7, handlelength=1.4)
        top.axhline(float(table["uncompressed"][0]), color=style.GREY, linewidth=0.8)
        top.set_ylim(0, 1)
        bottom.set_xlabel("bits per weight" if kind == "bits" else "sparsity")
        bottom.set_xticks(places)
    axes[0, 0].set_ylabel("test accuracy")
    axes[1, 0].set_ylabel("logits, SNR in dB")
    return figure
