"""Figure 1 of Kuzmin et al.: what 4-bit quantization and 75 % pruning do to Gaussian weights."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLACK, CUT, GREY, SNAP, label, panels, styled
from figures.tables import Table
from theory.arguments import whole
from theory.distributions import Gaussian
from theory.snr import (
    equal_sparsity,
    integer_levels,
    optimal_scale,
    pruning_snr,
    quantization_snr,
)

SOURCE = "Kuzmin et al. 2023, Figure 1"
TITLE = "Gaussian weights: <bits>-bit quantization keeps <gain> dB more than <percent> % pruning"
CAPTION = (
    "(a) N(0, 1), the probability of each of the <levels> levels divided by their spacing, and the "
    "weights that <percent> % pruning keeps. (b) Squared error times density; the areas are the mean "
    "squared errors. (c) Signal-to-noise ratio at equal compression of 16-bit weights, b bits against "
    "sparsity 1 - b/16 (mask not counted), closed forms with the optimal step. Kuzmin et al. 2023, "
    "Figure 1; they print 19.1 and 5.6 dB at 4 bits."
)


def data(budget: str = "quick", seed: int = 0, *, bits: int = 4) -> Table:
    """Columns bits, panel, series, x, y; closed forms, so neither budget nor seed matters.

    Parameters
    ----------
    budget, seed
        Without effect.
    bits
        Width shown in panels a and b, from 2 to 8.
    """
    bits = whole("bits", bits, 2, 8)
    law = Gaussian()
    levels = integer_levels(bits)
    step = optimal_scale(law, levels)
    sparsity = equal_sparsity(bits)
    threshold = float(law.ppf(0.5 + sparsity / 2))
    w = np.linspace(-4, 4, 1601)
    density = law.pdf(w)
    codes = np.clip(np.rint(w / step), levels[0], levels[-1])
    edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2 * step, [np.inf]])
    masses = np.diff(law.cdf(edges))
    widths = np.arange(2, 9)
    series = [
        ("weights", "original", w, density),
        ("weights", "quantized", levels * step, masses / step),
        ("weights", "kept", w, np.where(np.abs(w) > threshold, density, 0.0)),
        ("error", "quantized", w, (w - codes * step) ** 2 * density),
        ("error", "pruned", w, np.where(np.abs(w) <= threshold, w**2 * density, 0.0)),
        ("snr", "quantized", 16 / widths, np.array([quantization_snr(law, int(b)) for b in widths])),
        ("snr", "pruned", 16 / widths, np.array([pruning_snr(law, equal_sparsity(int(b))) for b in widths])),
    ]
    rows = sum(len(x) for _, _, x, _ in series)
    return {
        "bits": np.full(rows, bits),
        "panel": np.concatenate([np.full(len(x), panel) for panel, _, x, _ in series]),
        "series": np.concatenate([np.full(len(x), name) for _, name, x, _ in series]),
        "x": np.concatenate([x for *_, x, _ in series]),
        "y": np.concatenate([y for *_, y in series]),
    }


def facts(table: Table) -> dict[str, str]:
    """What the title and the caption say of this width."""
    bits = int(table["bits"][0])
    at = (table["panel"] == "snr") & np.isclose(table["x"], 16 / bits)
    quantized, pruned = (table["y"][at & (table["series"] == name)][0] for name in ("quantized", "pruned"))
    return {
        "gain": f"{quantized - pruned:.1f}",
        "percent": f"{100 * equal_sparsity(bits):g}",
        "levels": f"{2**bits}",
    }


@styled
def draw(table: Table) -> Figure:
    """Three panels: weights, error, signal-to-noise ratio."""
    bits = int(table["bits"][0])
    said = facts(table)

    def line(panel: str, series: str) -> tuple[np.ndarray, np.ndarray]:
        chosen = (table["panel"] == panel) & (table["series"] == series)
        return table["x"][chosen], table["y"][chosen]

    figure, (left, middle, right) = panels(3, width=3.5, height=3.1)

    x, y = line("weights", "original")
    left.plot(x, y, color=GREY, linewidth=1)
    label(left, 0.72, 0.315, "$N(0, 1)$", GREY)
    kept_x, kept_y = line("weights", "kept")
    left.fill_between(kept_x, kept_y, color=CUT, alpha=0.35, linewidth=0)
    left.vlines(*_stems(line("weights", "quantized")), color=SNAP, linewidth=1.4)
    left.plot(*line("weights", "quantized"), "o", color=SNAP, markersize=3)
    label(left, -3.9, 0.345, f"{said['levels']} levels", SNAP, xytext=(0, 0))
    label(left, 1.55, 0.165, "kept by pruning", CUT)
    label(left, 1.55, 0.140, f"({said['percent']} % are 0)", CUT)
    left.set(xlabel="weight", ylabel="density", ylim=(0, 0.42), title="Weights")

    for series, color in (("pruned", CUT), ("quantized", SNAP)):
        x, y = line("error", series)
        middle.fill_between(x, y, color=color, alpha=0.35, linewidth=0)
        middle.plot(x, y, color=color, linewidth=1.1)
    edge = float(np.abs(line("weights", "kept")[0][line("weights", "kept")[1] > 0]).min())
    highest = line("error", "pruned")[1].max()
    label(middle, edge, 0.72 * highest, f"{said['percent']} %\npruning", CUT)
    middle.annotate(
        f"{bits}-bit\nquantization",
        (0.9, 0.5 * line("error", "quantized")[1].max()),
        (edge + 0.4, 0.3 * highest),
        color=SNAP,
        fontsize=8,
        arrowprops={"arrowstyle": "-", "color": SNAP, "linewidth": 0.8},
    )
    middle.set(xlabel="weight", ylabel="squared error × density", ylim=(0, None), title="Error")

    for series, color, name in (("quantized", SNAP, "quantization"), ("pruned", CUT, "pruning")):
        x, y = line("snr", series)
        right.plot(x, y, "o-", color=color)
        right.annotate(
            name, (x[3], y[3]), (6, 8), textcoords="offset points", color=color, fontsize=9, va="bottom"
        )
        at = int(np.argmin(np.abs(x - 16 / bits)))
        right.annotate(
            f"{y[at]:.1f}",
            (x[at], y[at]),
            (0, -13),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=color,
        )
    ratios = line("snr", "quantized")[0]
    right.set_xscale("log", base=2)
    right.set_xticks([2, 3, 4, 6, 8], ["2×", "3×", "4×", "6×", "8×"])
    right.minorticks_off()
    for ratio, width in zip(ratios, range(2, 9), strict=True):
        right.annotate(
            f"{width}", (ratio, 1.0), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", fontsize=7.5, color=BLACK,
        )  # fmt: skip
    right.set(xlabel="compression of 16-bit weights", ylabel="SNR (dB)", ylim=(0, 44))
    right.set_title("SNR at equal compression; above: bits", pad=16)
    return figure


def _stems(points: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return points[0], np.zeros_like(points[1]), points[1]
