"""Four-bit formats over the size of their blocks: normal levels, integers with and without an offset."""

from matplotlib.figure import Figure

from figures.parameters import wholes
from figures.style import BLACK, BLUE, GREEN, ORANGE, RED, panels, styled
from figures.tables import Table, by_column
from theory.distributions import Distribution, Gaussian, Laplace
from theory.formats import Format
from theory.formats.laws import format_snr
from theory.snr import quantization_snr

SOURCE = "Formats people ship; bitsandbytes issue 2086"
TITLE = "Four bits in blocks: which levels for which size"
CAPTION = (
    "Expected SNR of 4-bit codes over the weights that share a scale, (a) Gaussian and (b) Laplace weights: "
    "NF4 on the largest magnitude; symmetric integers on the largest magnitude; integers with a zero point "
    "or with a free offset, from both ends of the block. In short blocks offsets win, since the ends "
    "leave nothing unused and what lies between is nearly flat; in long ones NF4 does. Dotted: INT4 with "
    "the best scale of the whole tensor. Scales and offsets cost bits that are not shown: 16 per block, "
    "4 for a zero point, 16 for an offset."
)
LAWS: dict[str, Distribution] = {"Gaussian": Gaussian(), "Laplace": Laplace()}
KINDS = {
    "NF4": ("nf4", "", RED, "o-"),
    "zero point": ("uint4", "zero", BLUE, "s-"),
    "free offset": ("uint4", "float", GREEN, "^--"),
    "symmetric": ("symmetric4", "", ORANGE, "D-"),
}


def data(
    budget: str = "quick", seed: int = 0, *, sizes: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512)
) -> Table:
    """Rows (law, name, size, snr): SNR in dB; exact laws, nothing is random.

    Parameters
    ----------
    budget, seed
        Without effect.
    sizes
        Weights per block, from 4 to 4,096.
    """
    rows: list[tuple] = []
    for law, one in LAWS.items():
        for name, (codes, offset, *_) in KINDS.items():
            for size in wholes("sizes", sizes, 4, 4096):
                form = Format(name, codes, 4, block=size, offset=offset)
                rows.append((law, name, size, format_snr(one, form)))
        rows.append((law, "whole tensor", 0, quantization_snr(one, 4)))
    return by_column(("law", "name", "size", "snr"), rows)


@styled
def draw(table: Table) -> Figure:
    """One panel per law."""
    figure, axes = panels(2, width=4.6, height=3.6, sharey=True)
    for panel, law in zip(axes, LAWS, strict=True):
        here = table["law"] == law
        for name, (_, _, color, style) in KINDS.items():
            line = here & (table["name"] == name)
            panel.plot(table["size"][line], table["snr"][line], style, color=color, label=name)
        (whole,) = table["snr"][here & (table["name"] == "whole tensor")]
        panel.axhline(whole, color=BLACK, linestyle=":", linewidth=1, label="INT4, whole tensor")
        panel.set(xlabel="weights per block", title=law)
        panel.set_xscale("log", base=2)
    axes[0].set_ylabel("SNR (dB)")
    axes[0].legend(loc="lower left")
    return figure
