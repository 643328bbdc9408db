"""Figure 3 of Kuzmin et al. on real tensors: SNR of pruning against SNR of quantization."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.parameters import wholes
from figures.style import BLACK, CUT, GREY, SNAP, WRITING, label, legend_below, log_ticks, panels, styled
from figures.tables import Table, by_column
from sims import weights
from sims.networks import digits
from sims.support.files import atomic_write
from sims.weights import released
from sims.weights.layout import shortened
from theory.snr import crossover_kurtosis

SOURCE = "Kuzmin et al. 2023, Figure 3"
TITLE = "Real tensors: quantization wins almost everywhere; kurtosis mostly says where it does not"
CAPTION = (
    "(a) One mark per weight tensor of the digits network (triangles) and, where its package is installed, "
    "EfficientNet-Lite0 (circles), in float64 with certified optimal steps; size grows with the number of "
    "weights. Grey dots: the 2,704 tensors of 45 models that the authors released, as they computed them, "
    "where ratios are finite and kurtosis is possible. Above the diagonal quantization keeps more signal "
    "than pruning at equal compression of 16-bit weights (mask not counted). (b) The margin over the "
    "tensor's kurtosis. (c) Density of our tensors that quantization (blue) or pruning (red) keeps "
    "better, each of unit area, a mark per tensor; black, where a Student-t law "
    "with 2 degrees of freedom crosses over. Kuzmin et al. 2023, Fig. 3."
)
BITS = tuple(range(2, 9))
PLOTTED = (2, 4, 8)  # of the first two panels
MARKERS = "o^sDvP"
RELEASED = "released by the authors"


def networks() -> dict[str, Mapping[str, np.ndarray]]:
    """The digits network, and EfficientNet-Lite0 where it is installed."""
    found: dict[str, Mapping[str, np.ndarray]] = {
        "digits": {f"layer{i}": matrix for i, matrix in enumerate(digits.weights(), start=1)}
    }
    if (path := weights.zoo_checkpoint()) is not None:
        found = {"EfficientNet-Lite0": weights.load(path), **found}
    return found


def data(budget: str = "quick", seed: int = 0, *, bits: tuple[int, ...] = BITS) -> dict[str, np.ndarray]:
    """One row per tensor and width; nothing is random.

    Parameters
    ----------
    budget, seed
        Without effect.
    bits
        Widths, from 2 to 8.
    """
    widths = wholes("bits", bits, 2, 8)
    ours = table_of({name: weights.analyse(arrays, widths) for name, arrays in networks().items()})
    theirs = released_table([width for width in widths if width in PLOTTED])
    return {name: np.concatenate([column, theirs[name]]) for name, column in ours.items()}


def released_table(bits: Sequence[int]) -> Table:
    """The same columns of the authors' released results; sizes are not among them and count as 0."""
    found = released.load()
    kurtosis = found.excess_kurtosis + 3
    possible = np.isfinite(kurtosis) & (kurtosis >= 1)
    names = np.char.add(np.char.add(found.model, "/"), found.layer)[possible]
    columns = [found.quantization[possible], found.pruning[possible]]
    at = [released.BITS.index(width) for width in bits]
    count = len(names) * len(at)
    return {
        "network": np.full(count, RELEASED),
        "tensor": np.repeat(names, len(at)),
        "size": np.zeros(count, np.int64),
        "kurtosis": np.repeat(kurtosis[possible], len(at)),
        "bits": np.tile(np.array(list(bits), np.int64), len(names)),
        "quantization_snr": columns[0][:, at].ravel(),
        "pruning_snr": columns[1][:, at].ravel(),
    }


def data_of(path: str | Path, bits: tuple[int, ...] = BITS) -> dict[str, np.ndarray]:
    """The same table for a user's weight file."""
    return table_of({Path(path).name: weights.report(path, bits)})


def table_of(tables: Mapping[str, weights.Table]) -> Table:
    """Columns network, tensor, size, kurtosis, bits, quantization_snr, pruning_snr of analysed networks."""
    rows = [
        (network, row.name, row.size, row.kurtosis, bits, row.quantization[bits], row.pruning[bits])
        for network, table in tables.items()
        for row in table.rows
        for bits in table.bits
    ]
    names = ("network", "tensor", "size", "kurtosis", "bits", "quantization_snr", "pruning_snr")
    return by_column(names, rows)


@styled
def draw(table: Table) -> Figure:
    """Both ratios, with a diagonal; the margin over kurtosis; the density of either winner over kurtosis."""
    figure, (left, right, density) = panels(3, width=4.0, height=4.0)
    shown = np.isfinite(table["quantization_snr"]) & np.isfinite(table["pruning_snr"])
    behind = {name: column[shown & (table["network"] == RELEASED)] for name, column in table.items()}
    table = {name: column[shown & (table["network"] != RELEASED)] for name, column in table.items()}
    if not shown.any():
        left.text(0.5, 0.5, "no tensor with finite ratios", ha="center", transform=left.transAxes)
        return figure
    widest = table["kurtosis"].max()
    if behind["bits"].size:
        widest = max(widest, np.percentile(behind["kurtosis"], 99))
    for axes, most in ((right, 1.3 * widest), (density, 6 * table["kurtosis"].max())):
        least = 0.55 * table["kurtosis"].min()
        axes.set_xscale("log")
        axes.set_xticks(*log_ticks(least, most))
        axes.minorticks_off()
        axes.set(xlabel="kurtosis of the tensor", xlim=(least, most))
    _densities(density, table)
    widths = np.array([bits for bits in np.unique(table["bits"]) if bits in PLOTTED])
    if not widths.size:
        widths = np.unique(table["bits"])
    table = {name: column[np.isin(table["bits"], widths)] for name, column in table.items()}
    shades = dict(zip(widths, np.linspace(0.35, 1.0, len(widths)), strict=True))
    area = 6 + 60 * np.sqrt(table["size"] / max(table["size"].max(), 1))
    margin = table["quantization_snr"] - table["pruning_snr"]
    kinds = dict(zip(dict.fromkeys(table["network"]), MARKERS, strict=False))
    dots = {
        "marker": ".",
        "s": 7,
        "color": GREY,
        "alpha": 0.22,
        "linewidth": 0,
        "zorder": 0.5,
        "rasterized": True,
    }
    left.scatter(behind["pruning_snr"], behind["quantization_snr"], **dots)
    right.scatter(behind["kurtosis"], behind["quantization_snr"] - behind["pruning_snr"], **dots)
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
    if behind["bits"].size:
        left.scatter([], [], marker=".", color=GREY, alpha=0.6, label=RELEASED, s=25)
    legend_below(figure, left.get_legend_handles_labels()[0], 3)
    right.axhline(0, color=GREY, linewidth=1)
    right.set(ylabel="quantization minus pruning (dB)", title="Margin")
    return figure


@styled
def picture(table: weights.Table, name: str) -> Figure:
    """One network at the width of its verdict; tensors that stand out carry numbers, named below.

    Parameters
    ----------
    table
        Of :func:`sims.weights.report`.
    name
        Of the network.
    """
    middle = table.middle()
    bits = middle.bits
    finite = {row.name for row in table.rows if math.isfinite(row.quantization[bits] - row.pruning[bits])}
    rows = [row for row in table.rows if row.name in finite]
    figure, (left, right) = panels(2, width=4.6, height=4.2)
    quantized = np.array([row.quantization[bits] for row in rows])
    pruned = np.array([row.pruning[bits] for row in rows])
    kurtosis = np.array([row.kurtosis for row in rows])
    area = 8 + 70 * np.sqrt(np.array([row.size for row in rows]) / max((row.size for row in rows), default=1))
    margin = quantized - pruned
    for wins, color, marker in ((margin > 0, SNAP, "o"), (margin <= 0, CUT, "s")):
        style = {"color": color, "marker": marker, "edgecolor": "white", "linewidth": 0.4, "alpha": 0.8}
        left.scatter(pruned[wins], quantized[wins], s=area[wins], **style)
        right.scatter(kurtosis[wins], margin[wins], s=area[wins], **style)
    limit = 1.2 * max([*quantized, *pruned, 1.0])
    left.plot([0, limit], [0, limit], color=GREY, linewidth=1)
    if math.isfinite(middle.quantization) and math.isfinite(middle.pruning):
        left.plot(middle.pruning, middle.quantization, "*", color=BLACK, markersize=11)
        label(left, middle.pruning, middle.quantization, "network", BLACK, xytext=(9, 0))
    left.set(
        xlim=(0, limit), ylim=(0, limit), title=f"{bits} bits against {100 * (1 - bits / 16):.3g} % pruned"
    )
    left.set(xlabel="SNR of pruning (dB)", ylabel="SNR of quantization (dB)")
    left.text(0.03, 0.96, "quantization better", color=SNAP, transform=left.transAxes, va="top")
    left.text(0.97, 0.04, "pruning better", color=CUT, transform=left.transAxes, ha="right")
    right.axhline(0, color=GREY, linewidth=1)
    right.set_xscale("log")
    seen = kurtosis[np.isfinite(kurtosis)]
    right.set_xticks(*(log_ticks(seen.min() / 1.1, 1.1 * seen.max()) if seen.size else ([], [])))
    right.minorticks_off()
    right.set(xlabel="kurtosis of the tensor", ylabel="quantization minus pruning (dB)", title="Margin")
    numbered = _standing_out(margin, kurtosis)
    for number, i in enumerate(numbered, start=1):
        for axes, x, y in ((left, pruned[i], quantized[i]), (right, kurtosis[i], margin[i])):
            label(axes, x, y, str(number), BLACK, xytext=(4, 6 if number % 2 else -6), bbox=None)
    key = [f"{number}  {shortened(rows[i].name, 44)}" for number, i in enumerate(numbered, start=1)]
    lossless = len(table.rows) - len(rows)
    if lossless:
        key.append(f"not shown, as one method loses nothing: {lossless}")
    figure.suptitle(f"{shortened(name, 60)}: {middle.winner}", fontsize=11, parse_math=False)
    figure.supxlabel("\n".join(key), fontsize=8, x=0.02, ha="left", parse_math=False)
    return figure


def save_picture(table: weights.Table, name: str, path: Path) -> None:
    """:func:`picture` in a file, of the kind that its ending says."""
    with atomic_write(path, "wb") as file, matplotlib.rc_context(WRITING):
        picture(table, name).savefig(file, format=path.suffix.removeprefix("."))


def _standing_out(margin: np.ndarray, kurtosis: np.ndarray, most: int = 3) -> list[int]:
    """Tensors of least margin, then those of most kurtosis."""
    chosen = [*np.argsort(margin)[:most], *np.argsort(-kurtosis)[:most]]
    return [int(i) for i in dict.fromkeys(chosen)]


def _densities(axes: Axes, table: dict[str, np.ndarray]) -> None:
    """One row per width: density of either winner, Gaussian kernels on log kurtosis, and counts."""
    widths = np.unique(table["bits"])
    logs = np.log(table["kurtosis"])
    here = table["bits"] == widths[0]
    bandwidth = np.std(logs[here]) * (0.75 * here.sum()) ** -0.2  # Silverman's rule, one for all
    bandwidth = min(max(bandwidth, 0.05), 0.35)  # few tensors stay apart
    x = np.linspace(logs.min() - 3 * bandwidth, logs.max() + 3 * bandwidth, 400)
    margin = table["quantization_snr"] - table["pruning_snr"]
    curves = {}
    for bits in widths:
        for color, wins in ((SNAP, margin > 0), (CUT, margin < 0)):
            won = (table["bits"] == bits) & wins
            kernels = np.exp(-0.5 * ((x[:, None] - logs[won]) / bandwidth) ** 2)
            curves[bits, color] = won, kernels.sum(axis=1) / max(1, won.sum())
    height = 0.75 / max(curve.max() for _, curve in curves.values())
    limit = axes.get_xlim()[1]
    for (bits, color), (won, curve) in curves.items():
        seen = height * curve > 0.01
        axes.fill_between(np.exp(x), bits, bits + height * curve, color=color, alpha=0.3, linewidth=0)
        axes.plot(np.exp(x), np.where(seen, bits + height * curve, np.nan), color=color, linewidth=1)
        axes.plot(table["kurtosis"][won], np.full(won.sum(), bits - 0.07), "|", color=color, markersize=4)
        place = {"xytext": (-22 if color == SNAP else -4, 8), "ha": "right"}
        label(axes, limit, bits, str(won.sum()), color, **place)
    crossovers = np.array([crossover_kurtosis(int(bits), 2) for bits in widths])
    crossovers[crossovers > 0.6 * limit] = np.nan  # the counts stand there
    axes.plot(crossovers, widths, "o-", color=BLACK, linewidth=1.2)
    axes.text(0.99, 0.97, "quantization better", color=SNAP, transform=axes.transAxes, ha="right", va="top")
    axes.text(0.99, 0.92, "pruning better", color=CUT, transform=axes.transAxes, ha="right", va="top")
    axes.set(ylim=(widths[0] - 0.3, widths[-1] + 1.6), yticks=widths)
    axes.set(ylabel="bits", title="Winners by kurtosis, and how many")
    axes.grid(axis="x", visible=False)
