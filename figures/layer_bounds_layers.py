"""Kuzmin et al., Figure 4, with optima: the best quantization and pruning of real layers, 2 to 8 bits."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims.layer_bounds.layers import compared, real_slices
from theory.snr import decibel

SOURCE = "Kuzmin et al. 2023, Figure 4"
TITLE = "The best quantization and the best pruning of real layers"
CAPTION = (
    "Signal-to-noise ratio of the output of slices of real layers (36 input columns; 27 of the stem; "
    "some output channels, summed), at equal compression: b bits against sparsity 1 - b/16, kept "
    "weights refitted. A mark is the proved optimum of the grid (one step per row, least squared error "
    "of its weights) or of the mask; where a search was stopped, a bar joins the best point found to "
    "the best proved bound. Dashes: the certified relaxation with box and integer cuts; grey: the "
    "relaxation as the paper's released code states it, without either (whether its printed figure "
    "used that code is unknown). In every cell the best pruning is worse than a quantization that was "
    "found. Inputs: training images (digits), crops of two photographs (EfficientNet-Lite0), random "
    "tokens (MiniLM: its vocabulary is not in the package); the last two with the zoo and transformer "
    "extras."
)
ROWS = {"quick": 2, "standard": 16, "deep": 48}
NODES = {"quick": 2_000_000, "standard": 50_000_000, "deep": 1_000_000_000}
NETWORKS: tuple[str, ...] = ("digits", "lite0", "transformer")
_RANGE = ("heuristic", "optimum", "bound", "relaxation", "published")
_NAMES = ("layer", "columns", "rows", "bits", "method", *_RANGE)


def data(budget: str = "quick", seed: int = 0, *, bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8)) -> Table:
    """Columns layer, columns, rows, bits, method, and the range in dB.

    These are heuristic, optimum (nan where not proved), bound (the best proved), relaxation (its
    certificate) and published (nan for pruning).

    Parameters
    ----------
    budget
        Two rows of every slice and two million nodes a search at the quick budget.
    seed
        Without effect: the slices are what they are.
    bits
        Widths, from 2 to 8.
    """
    widths = wholes("bits", bits, 2, 8)
    found = []
    for one in real_slices(NETWORKS):
        name = f"{one.network} {one.layer}"
        for b in widths:
            both = compared(one, b, ROWS[budget], NODES[budget])
            for method, of, published in (
                ("quantization", both.quantized, both.published),
                ("pruning", both.pruned, np.nan),
            ):
                snr = of.snr()
                optimum = np.nan if snr.optimum is None else snr.optimum
                grey = np.nan if np.isnan(published) else decibel(of.energy, published)
                ends = (snr.heuristic, optimum, decibel(of.energy, of.lower), snr.bound, grey)
                found.append((name, one.weights.shape[1], len(of.solution), b, method, *ends))
    return by_column(_NAMES, found)


_WIDTH = 2.1  # of a panel, in inches
_STYLES = {"quantization": (style.SNAP, "o", -0.16), "pruning": (style.CUT, "s", 0.16)}


@style.styled
def draw(table: Table) -> Figure:
    """A panel for every layer."""
    names = list(dict.fromkeys(table["layer"]))
    columns = min(5, len(names) + 1, max(1, int(style.page_width(5 * _WIDTH) / (0.8 * _WIDTH))))
    rows = -(-(len(names) + 1) // columns)
    figure, axes = style.panels(columns, rows, width=_WIDTH, height=1.9, sharex=True, squeeze=False)
    panels = axes.ravel()
    for axis, name in zip(panels, names, strict=False):
        _panel(axis, {key: column[table["layer"] == name] for key, column in table.items()})
        axis.set_title(name, fontsize=9)
    for axis in panels[len(names) :]:
        axis.axis("off")
    _legend(panels[len(names)])
    for axis in panels[max(0, len(names) - columns) : len(names)]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("bits b (sparsity 1 - b/16)")
    for row in (row for row in axes if row[0].axison):
        row[0].set_ylabel("SNR (dB)")
    return figure


def _panel(axis: Axes, here: dict[str, np.ndarray]) -> None:
    for method, (color, mark, offset) in _STYLES.items():
        of = here["method"] == method
        x = here["bits"][of] + offset
        best, optimum = here["heuristic"][of], here["optimum"][of]
        proved = np.isfinite(optimum)
        if method == "quantization":
            for key, shade in (("published", style.GREY), ("relaxation", color)):
                top = np.where(np.isfinite(here[key][of]), here[key][of], np.nan)
                axis.plot(x, top, "_", color=shade, markersize=7, markeredgewidth=1.4)
        open_ = ~proved
        axis.vlines(x[open_], best[open_], here["bound"][of][open_], color=color, linewidth=3, alpha=0.5)
        axis.plot(x[proved], optimum[proved], mark, color=color, markersize=4)
        axis.plot(x[open_], best[open_], mark, color=color, markersize=4, fillstyle="none")
    axis.set_xticks(np.unique(here["bits"]))


def _legend(axis: Axes) -> None:
    def line(color: str, mark: str, text: str, **options) -> Line2D:
        return Line2D([], [], color=color, marker=mark, linestyle="none", label=text, **options)

    axis.legend(
        handles=[
            line(style.SNAP, "o", "quantization, optimum", markersize=4),
            line(style.SNAP, "_", "certified bound", markersize=8, markeredgewidth=1.4),
            line(style.GREY, "_", "bound as published", markersize=8, markeredgewidth=1.4),
            line(style.CUT, "s", "pruning, optimum", markersize=4),
            line(
                style.BLACK,
                "o",
                "best found (optimum\nnot proved, bar to bound)",
                markersize=4,
                fillstyle="none",
            ),
        ],
        loc="center",
    )
