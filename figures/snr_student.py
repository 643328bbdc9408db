"""Figure 2 of Kuzmin et al.: heavier tails, measured by the truncation of a Student-t law."""

import numpy as np
from matplotlib.figure import Figure

from figures.parameters import reals, wholes
from figures.style import BLACK, CUT, GREY, SNAP, label, log_ticks, panels, styled
from figures.tables import Table, by_column
from theory.distributions import StudentT
from theory.snr import crossover_kurtosis, equal_sparsity, pruning_error, pruning_snr, quantization_snr

SOURCE = "Kuzmin et al. 2023, Figure 2"
TITLE = "Heavy tails: beyond a kurtosis that grows with the width, pruning wins"
CAPTION = (
    "Weights from a Student-t law with <df> degrees of freedom truncated to [-r, r]; r sets the kurtosis. "
    "(a) Pruning at sparsity 1 - b/16; its error (dashed, in decibels below the unit of the law) settles, "
    "as the paper's caption says, but its SNR (solid) rises, because the signal grows. (b) Quantization "
    "at the best step falls. (c) Which method keeps more, and the exact crossover (solid; dashed with "
    "the mask's bit counted). Dotted: <other_df> degrees of freedom, where they cross at all: kurtosis alone "
    "does not decide. Kuzmin et al. 2023, Figure 2."
)
TRUNCATIONS = 200


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    df: float = 2.0,
    other_df: float = 3.0,
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8),
    largest_bound: float = 400.0,
) -> Table:
    """Rows (kind, df, bits, kurtosis, snr): both SNRs over 200 truncations, and the crossovers.

    Parameters
    ----------
    budget, seed
        Nothing is random, and nothing is estimated.
    df
        Degrees of freedom of the weights' law.
    other_df
        Of a second law, whose crossovers are drawn beside.
    bits
        Widths from 2 to 12.
    largest_bound
        Truncation at which the axes end, in units of the law; above 1.2.
    """
    widths = wholes("bits", bits, 2, 12)
    (largest,) = reals("largest_bound", largest_bound, 1.2)
    rows = []
    for bound in np.geomspace(1.2, largest, TRUNCATIONS):
        law = StudentT(df, float(bound))
        for b in widths:
            rows.append(("pruning", df, b, law.kurtosis, pruning_snr(law, equal_sparsity(b))))
            error = -10 * np.log10(pruning_error(law, equal_sparsity(b)))
            rows.append(("pruning error", df, b, law.kurtosis, error))
            rows.append(("quantization", df, b, law.kurtosis, quantization_snr(law, b)))
    for degrees, kind, mask in (
        (df, "crossover", False),
        (df, "crossover with mask", True),
        (other_df, "other crossover", False),
    ):
        found = [(b, crossover_kurtosis(b, degrees, mask=mask)) for b in widths]
        rows += [(kind, degrees, b, kurtosis, np.nan) for b, kurtosis in found if np.isfinite(kurtosis)]
    return by_column(("kind", "df", "bits", "kurtosis", "snr"), rows)


@styled
def draw(table: Table) -> Figure:
    """Pruning, quantization, and the regions of the trade-off."""
    widths = np.unique(table["bits"])

    def part(kind: str, bits: int | None = None) -> np.ndarray:
        chosen = table["kind"] == kind
        return chosen if bits is None else chosen & (table["bits"] == bits)

    figure, (left, middle, right) = panels(3, width=3.6, height=3.4)
    highest = 1.12 * float(table["snr"][part("quantization")].max())
    for axes, kind, color in ((left, "pruning", CUT), (middle, "quantization", SNAP)):
        for rank, bits in enumerate(widths):
            chosen = part(kind, bits)
            x, y = table["kurtosis"][chosen], table["snr"][chosen]
            alpha = 0.45 + 0.55 * rank / max(1, len(widths) - 1)
            axes.plot(x, y, color=color, linewidth=1.3, alpha=alpha)
            text = f"{bits} bits" if kind == "quantization" else f"{100 * equal_sparsity(int(bits)):g} %"
            if (len(widths) - 1 - rank) % 2 == 0:
                label(axes, x[-1], y[-1], text, color)
            if kind == "pruning" and bits in (2, 4):
                y = table["snr"][part("pruning error", bits)]
                axes.plot(x, y, "--", color=GREY, linewidth=1)
                label(axes, x[-1], y[-1], text, GREY)
        axes.set(xlabel="kurtosis", ylabel="SNR (dB)", ylim=(-2, highest))
    left.set(title="Pruning, by sparsity", ylabel="SNR, dashed: 1 / MSE (dB)")
    middle.set_title("Quantization, by width")

    kurtosis = np.unique(table["kurtosis"][part("pruning")])
    margin = np.array(
        [
            [table["snr"][part(kind, b)][np.argsort(table["kurtosis"][part(kind, b)])] for b in widths]
            for kind in ("quantization", "pruning")
        ]
    )
    shades = right.pcolormesh(
        kurtosis, widths, margin[0] - margin[1], cmap="RdBu", vmin=-15, vmax=15, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    bar = figure.colorbar(shades, ax=right, extend="both")
    bar.set_label("quantization minus pruning (dB)")
    bar.outline.set_visible(False)
    for kind, dashes in (("crossover", "-"), ("crossover with mask", "--"), ("other crossover", ":")):
        here = part(kind) & (table["kurtosis"] <= kurtosis[-1])
        x, y = table["kurtosis"][here], table["bits"][here]
        right.plot(x, y, dashes, color=BLACK, marker="o", markersize=3, linewidth=1.2)
        if x.size:  # named at its middle, on the side away from the other
            middle_one = x.size // 2 if kind != "other crossover" else x.size - 1
            side = -1 if kind == "crossover" else 1
            name = f"df {table['df'][here][0]:g}" + (", mask" if kind.endswith("mask") else "")
            right.annotate(
                name, (x[middle_one], y[middle_one]), (6 * side, 0), textcoords="offset points", fontsize=7,
                ha="left" if side > 0 else "right", va="center",
                bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7},
            )  # fmt: skip
    gain = margin[0] - margin[1]
    corners: tuple[tuple[str, float, dict], ...] = (
        ("quantization\nbetter", gain[-1, 0], {"x": 0.04, "y": 0.96, "va": "top"}),
        ("pruning\nbetter", -gain[0, -1], {"x": 0.96, "y": 0.04, "ha": "right"}),
    )
    for name, strength, place in corners:
        if strength > 5:  # letters stand out from a shade that is dark, or light enough for black ones
            right.text(
                s=name,
                color="white" if strength > 11 else BLACK,
                fontsize=9,
                transform=right.transAxes,
                **place,
            )
    right.set(xlabel="kurtosis", ylabel="bits", title="Trade-off")
    right.set_yticks(widths)
    right.grid(False)
    for axes in (left, middle, right):
        axes.set_xscale("log")
        if kurtosis[0] < 3 < kurtosis[-1]:
            axes.axvline(3, color=GREY, linewidth=0.7, linestyle=(0, (2, 2)))
        axes.set_xticks(*log_ticks(kurtosis[0], kurtosis[-1]))
        axes.minorticks_off()
        axes.set_xlim(kurtosis.min(), kurtosis.max())
    return figure
