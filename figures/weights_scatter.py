"""Figure 3 of Kuzmin et al. on real tensors: SNR of pruning against SNR of quantization."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from figures.style import CUT, GREY, SNAP, label, panels, styled
from sims import digits, weights

TITLE = "Real tensors: quantization wins almost everywhere, and kurtosis says where it does not"
CAPTION = (
    "One mark per weight tensor of the digits network (triangles) and, where its package is installed, "
    "EfficientNet-Lite0 (circles), in float64 with certified optimal steps; size grows with the number of "
    "weights. Above the diagonal quantization keeps more signal than pruning at equal compression of 16-bit "
    "weights (mask not counted). Right: the margin over the tensor's kurtosis. Kuzmin et al. 2023, Fig. 3."
)
BITS = (2, 4, 8)
MARKERS = "o^sDvP"


def networks() -> dict[str, Mapping[str, np.ndarray]]:
    """The digits network, and EfficientNet-Lite0 where it is installed."""
    found: dict[str, Mapping[str, np.ndarray]] = {
        "digits": {f"layer{i}": matrix for i, matrix in enumerate(digits.weights(), start=1)}
    }
    if (path := weights.zoo_checkpoint()) is not None:
        found = {"EfficientNet-Lite0": weights.load(path), **found}
    return found


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """One row per tensor and width; nothing is random."""
    return table_of({name: weights.analyse(arrays, BITS) for name, arrays in networks().items()})


def data_of(path: str | Path, bits: tuple[int, ...] = BITS) -> dict[str, np.ndarray]:
    """The same table for a user's weight file."""
    return table_of({Path(path).name: weights.report(path, bits)})


def table_of(tables: Mapping[str, weights.Table]) -> dict[str, np.ndarray]:
    """Columns network, tensor, size, kurtosis, bits, quantization_snr, pruning_snr of analysed networks."""
    rows = [
        (network, row.name, row.size, row.kurtosis, bits, row.quantization[bits], row.pruning[bits])
        for network, table in tables.items()
        for row in table.rows
        for bits in table.bits
    ]
    names = ("network", "tensor", "size", "kurtosis", "bits", "quantization_snr", "pruning_snr")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


@styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Left: both ratios, a diagonal, one colour per width. Right: the margin over kurtosis."""
    figure, (left, right) = panels(2, width=4.4, height=4.0)
    shown = np.isfinite(table["quantization_snr"]) & np.isfinite(table["pruning_snr"])
    table = {name: column[shown] for name, column in table.items()}
    widths = np.unique(table["bits"])
    shades = dict(zip(widths, np.linspace(0.35, 1.0, len(widths)), strict=True))
    area = 6 + 60 * np.sqrt(table["size"] / max(table["size"].max(), 1))
    margin = table["quantization_snr"] - table["pruning_snr"]
    kinds = dict(zip(dict.fromkeys(table["network"]), MARKERS, strict=False))
    for network, marker in kinds.items():
        for bits in widths:
            chosen = (table["network"] == network) & (table["bits"] == bits)
            color = np.where(margin[chosen] > 0, SNAP, CUT)
            style = {"marker": marker, "s": area[chosen], "alpha": shades[bits], "linewidth": 0.3}
            x, y = table["pruning_snr"][chosen], table["quantization_snr"][chosen]
            left.scatter(x, y, c=color, edgecolor="white", **style)
            right.scatter(table["kurtosis"][chosen], margin[chosen], c=color, edgecolor="white", **style)
    for bits in widths:
        chosen = table["bits"] == bits
        at = np.median(table["quantization_snr"][chosen])
        label(left, table["pruning_snr"][chosen].max(), at, f"{bits} bits", SNAP, xytext=(8, 0), fontsize=9)
        flattest = np.argsort(table["kurtosis"][chosen])[: max(1, chosen.sum() // 2)]
        low, height = table["kurtosis"][chosen].min(), np.median(margin[chosen][flattest])
        label(right, low, height, f"{bits} bits", SNAP, xytext=(-6, 0), ha="right", fontsize=9)
    limit = 1.08 * max(table["quantization_snr"].max(), table["pruning_snr"].max())
    left.plot([0, limit], [0, limit], color=GREY, linewidth=1)
    left.set(xlim=(0, 0.75 * limit), ylim=(0, limit))
    left.text(0.03, 0.53, "quantization better", color=SNAP, transform=left.transAxes)
    left.text(0.97, 0.04, "pruning better", color=CUT, transform=left.transAxes, ha="right")
    left.set(xlabel="SNR of pruning (dB)", ylabel="SNR of quantization (dB)", title="Both methods")
    for network, marker in kinds.items():
        left.scatter([], [], marker=marker, color=GREY, label=network, s=25)
    left.legend(loc="upper right")
    right.axhline(0, color=GREY, linewidth=1)
    right.set_xscale("log")
    ticks = [
        tick for tick in (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if tick < 2 * table["kurtosis"].max()
    ]
    right.set_xticks(ticks, [str(tick) for tick in ticks])
    right.minorticks_off()
    right.set_xlim(0.55 * table["kurtosis"].min(), 1.3 * table["kurtosis"].max())
    right.set(xlabel="kurtosis of the tensor", ylabel="quantization minus pruning (dB)", title="Margin")
    return figure
