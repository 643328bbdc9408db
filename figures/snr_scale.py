"""The scale of a quantizer: its only valley, a law with two, and what other rules than the best one lose."""

import numpy as np
from matplotlib.figure import Figure

from figures.parameters import wholes
from figures.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, panels, styled
from figures.tables import Table, by_column
from theory.codebooks import integer_codebook, optimal_scale, quantization_error
from theory.distributions import Gaussian
from theory.formats import Format
from theory.formats.laws import format_error
from theory.snr.flatness import grid_ratio, ladder_loss, percentile_loss
from theory.snr.uniqueness import OUTLIERS

SOURCE = "von Berg et al. (sensitivity to the scale); Kuzmin et al. 2023, Section 3"
TITLE = "One best scale, and what every other rule loses"
CAPTION = (
    "(a) Error of symmetric grids of Gaussian weights over that at the best scale; ball arithmetic "
    "proves that there is no other valley (claim ku.one_scale). With one weight in 1,000 a hundred times "
    "as wide, a ternary grid has two: for the bulk and for the outliers (dashed). (b) Expected loss of "
    "rules beside the best scale of Gaussian weights: the largest of 64, 1,024 and a million magnitudes, "
    "the 99.9th percentile, the best power of two (mean over the unit of the weights) and the best of 100 "
    "equal steps."
)
BLOCKS = {"absmax of 64": 64, "absmax of 1,024": 1024, "absmax of 1,048,576": 2**20}
RULES = {
    "absmax of 64": (BLUE, "o-"),
    "absmax of 1,024": (BLUE, "s--"),
    "absmax of 1,048,576": (BLUE, "D:"),
    "99.9th percentile": (RED, "v-"),
    "power of two": (GREEN, "^-"),
    "100 equal steps": (PURPLE, "x-"),
}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    bits: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8),
    valleys: tuple[int, ...] = (2, 4, 8),
) -> Table:
    """Rows (panel, name, x, y): dB above the best error over s / s*, and dB lost over bits; exact laws.

    Parameters
    ----------
    budget, seed
        Without effect.
    bits
        Widths of panel b, from 2 to 8.
    valleys
        Up to three widths of panel a.
    """
    widths, shown = wholes("bits", bits, 2, 8), wholes("valleys", valleys, 2, 8)
    if len(shown) > 3:
        raise ValueError(f"valleys takes at most 3 numbers, got {len(shown)}")
    rows: list[tuple] = []
    law = Gaussian()
    factors = np.geomspace(0.2, 300, 400)
    for b in shown:
        grid = integer_codebook(b, "symmetric")
        best = optimal_scale(law, grid)
        near = factors[factors < 5]
        errors = quantization_error(law, grid, best * near) / quantization_error(law, grid, best)
        rows += [("valley", f"{b} bits", x, 10 * np.log10(y)) for x, y in zip(near, errors, strict=True)]
    grid = integer_codebook(2, "symmetric")
    mixed = np.sum([p * quantization_error(Gaussian(std), grid, factors) for p, std in OUTLIERS], axis=0)
    scale = optimal_scale(law, grid)
    errors = 10 * np.log10(mixed / mixed.min())
    rows += [("valley", "outliers", x, y) for x, y in zip(factors / scale, errors, strict=True)]
    for b in widths:
        grid = integer_codebook(b, "symmetric")
        least = float(quantization_error(law, grid, optimal_scale(law, grid)))
        lost = {
            name: 10 * np.log10(format_error(law, Format(name, f"symmetric{b}", b, block=size)) / least)
            for name, size in BLOCKS.items()
        }
        lost["99.9th percentile"] = percentile_loss(law, grid)
        lost["power of two"] = ladder_loss(law, grid, 2.0)[0]
        lost["100 equal steps"] = ladder_loss(law, grid, grid_ratio(law, grid, 4.5))[0]
        rows += [("rules", name, b, value) for name, value in lost.items()]
    return by_column(("panel", "name", "x", "y"), rows)


@styled
def draw(table: Table) -> Figure:
    """The valleys, and the losses of rules."""
    figure, (left, right) = panels(2, width=4.7, height=3.8)

    def line(panel: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        chosen = (table["panel"] == panel) & (table["name"] == name)
        return table["x"][chosen], table["y"][chosen]

    shown = dict.fromkeys(table["name"][table["panel"] == "valley"].tolist())
    looks = ((BLUE, "-"), (GREEN, "-."), (ORANGE, ":"), (BLACK, "--"))
    for name, (color, style) in zip(shown, (*looks[: len(shown) - 1], looks[3]), strict=True):
        x, y = line("valley", name)
        left.plot(x, y, style, color=color, label="2 bits, with outliers" if name == "outliers" else name)
    left.set(
        xscale="log", xlabel="scale over the best one of the Gaussian", ylabel="dB above the least error"
    )
    left.set(xlim=(0.2, 200), ylim=(0, 14), title="One valley, or two")
    left.axhline(0, color=GREY, linewidth=0.8)
    left.legend(loc="upper right")
    for name, (color, style) in RULES.items():
        right.plot(*line("rules", name), style, color=color, label=name)
    right.axhline(0, color=GREY, linewidth=0.8)
    right.set(xlabel="bits", ylabel="dB lost beside the best scale of the law", title="Rules for the scale")
    right.set(ylim=(-4.5, 8))
    right.legend(loc="upper right", ncols=2)
    return figure
