"""Figure 2 of Kuzmin et al.: heavier tails, measured by the truncation of a Student-t law."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLACK, CUT, GREY, SNAP, label, panels, styled
from figures.tables import by_column
from theory.distributions import StudentT
from theory.snr import crossover_kurtosis, equal_sparsity, pruning_error, pruning_snr, quantization_snr

TITLE = "Heavy tails: beyond a kurtosis that grows with the width, pruning wins"
CAPTION = (
    "Weights from a Student-t law with 2 degrees of freedom truncated to [-r, r]; r sets the kurtosis. "
    "Left: pruning at sparsity 1 - b/16; its error (dashed, in decibels below the unit of the law) settles, "
    "as the paper's caption says, but its SNR (solid) rises, because the signal grows. Middle: quantization "
    "at the best step falls. Right: which method keeps more, and the exact crossover (solid; dashed with "
    "the mask's bit counted). Dotted: 3 degrees of freedom cross at 2 and 3 of these widths only, so "
    "kurtosis alone does not decide. Kuzmin et al. 2023, Figure 2."
)
DF = 2.0
BITS = tuple(range(2, 9))


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Rows (kind, df, bits, kurtosis, value): both SNRs over 200 truncations, and the crossovers."""
    rows = []
    for bound in np.geomspace(1.2, 400, 200):
        law = StudentT(DF, float(bound))
        for bits in BITS:
            rows.append(("pruning", DF, bits, law.kurtosis, pruning_snr(law, equal_sparsity(bits))))
            error = -10 * np.log10(pruning_error(law, equal_sparsity(bits)))
            rows.append(("pruning error", DF, bits, law.kurtosis, error))
            rows.append(("quantization", DF, bits, law.kurtosis, quantization_snr(law, bits)))
    for df in (2.0, 3.0):
        for mask in (False, True) if df == 2 else (False,):
            kind = "crossover with mask" if mask else "crossover"
            found = [(bits, crossover_kurtosis(bits, df, mask=mask)) for bits in BITS]
            rows += [(kind, df, bits, kurtosis, np.nan) for bits, kurtosis in found if np.isfinite(kurtosis)]
    names = ("kind", "df", "bits", "kurtosis", "snr")
    return by_column(names, rows)


@styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Pruning, quantization, and the regions of the trade-off."""

    def part(kind: str, bits: int | None = None, df: float = DF) -> np.ndarray:
        chosen = (table["kind"] == kind) & (table["df"] == df)
        return chosen if bits is None else chosen & (table["bits"] == bits)

    figure, (left, middle, right) = panels(3, width=3.6, height=3.4)
    for axes, kind, color in ((left, "pruning", CUT), (middle, "quantization", SNAP)):
        for bits in BITS:
            chosen = part(kind, bits)
            x, y = table["kurtosis"][chosen], table["snr"][chosen]
            axes.plot(x, y, color=color, linewidth=1.3, alpha=0.45 + 0.55 * (bits - 2) / 6)
            text = f"{bits} bits" if kind == "quantization" else f"{100 * equal_sparsity(bits):g} %"
            if bits % 2 == 0:
                label(axes, x[-1], y[-1], text, color)
            if kind == "pruning" and bits in (2, 4):
                y = table["snr"][part("pruning error", bits)]
                axes.plot(x, y, "--", color=GREY, linewidth=1)
                label(axes, x[-1], y[-1], text, GREY)
        axes.set(xlabel="kurtosis", ylabel="SNR (dB)", ylim=(-2, 46))
    left.set(title="Pruning, by sparsity", ylabel="SNR, dashed: 1 / MSE (dB)")
    middle.set_title("Quantization, by width")

    kurtosis = np.unique(table["kurtosis"][part("pruning")])
    margin = np.array(
        [
            table["snr"][part("quantization", bits)][
                np.argsort(table["kurtosis"][part("quantization", bits)])
            ]
            - table["snr"][part("pruning", bits)][np.argsort(table["kurtosis"][part("pruning", bits)])]
            for bits in BITS
        ]
    )
    shades = right.pcolormesh(
        kurtosis, BITS, margin, cmap="RdBu", vmin=-15, vmax=15, shading="nearest", rasterized=True
    )
    bar = figure.colorbar(shades, ax=right, extend="both")
    bar.set_label("quantization minus pruning (dB)")
    bar.outline.set_visible(False)
    for kind, df, style in (
        ("crossover", 2.0, "-"),
        ("crossover with mask", 2.0, "--"),
        ("crossover", 3.0, ":"),
    ):
        chosen = part(kind, df=df)
        right.plot(
            table["kurtosis"][chosen],
            table["bits"][chosen],
            style,
            color=BLACK,
            marker="o",
            markersize=3,
            linewidth=1.2,
        )
    right.text(3.4, 6.2, "quantization\nbetter", color="white", fontsize=9)
    right.text(150, 2.6, "pruning\nbetter", color="white", fontsize=9)
    right.set(xlabel="kurtosis", ylabel="bits", title="Trade-off")
    right.set_yticks(BITS)
    right.grid(False)
    for axes in (left, middle, right):
        axes.set_xscale("log")
        axes.axvline(3, color=GREY, linewidth=0.7, linestyle=(0, (2, 2)))
        ticks = [2, 3, 5, 10, 30, 100, 300, 1000]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(kurtosis.min(), kurtosis.max())
    return figure
