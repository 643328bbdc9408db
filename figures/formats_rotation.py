"""What a Hadamard rotation of the inputs does to every format: before and after, heavy tails and light."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLACK, BLUE, GREY, ORANGE, RED, label, legend_below, panels, styled
from figures.tables import Table, by_column
from theory.distributions import Distribution, Gaussian, Laplace, StudentT, Uniform
from theory.formats import FORMATS
from theory.formats.laws import format_snr
from theory.rotations import rotated_kurtosis

SOURCE = "Kuzmin et al. 2023, Section 3: rotated weights (derived laws)"
TITLE = "Rotation helps long scales, not short blocks, and ends pruning"
CAPTION = (
    "(a) Expected SNR of every format after a long Hadamard rotation of the inputs minus that before, "
    "for independent weights of three laws at equal variance. Rotation makes any law Gaussian: one scale "
    "per tensor and long blocks gain on heavy tails, NVFP4 and FP8 lose a little, pruning loses all it "
    "had; uniform weights lose in turn. (b) Kurtosis left by a Hadamard rotation of size n, 3 + (kappa "
    "- 3)/n."
)
LAWS = ("Student-t", "Laplace", "uniform")
SHOWN = (
    "INT2", "INT3", "INT4", "INT6", "INT8", "INT4 g128", "INT8 g128", "FP4 E2M1", "NF4 b64", "MXFP4",
    "MXFP6 E2M3", "MXINT8", "MXFP8 E4M3", "NVFP4", "FP8 E4M3", "2:4 + INT4", "2:4", "prune 50 %",
    "prune 75 %",
)  # fmt: skip


def data(budget: str = "quick", seed: int = 0, *, df: float = 2.0, bound: float = 30.0) -> Table:
    """Rows (panel, law, kurtosis, name, x, y): gains in dB by format, kurtosis by size; exact laws.

    Parameters
    ----------
    budget, seed
        Without effect.
    df, bound
        Degrees of freedom and truncation of the Student-t law.
    """
    heavy = StudentT(df, bound)
    laws: tuple[Distribution, ...] = (heavy, Laplace(2**-0.5), Uniform(3**0.5))
    chosen = {form.name: form for form in FORMATS if form.name in SHOWN}
    scale = heavy.second_moment**0.5
    rows: list[tuple] = []
    for name in SHOWN:
        after = format_snr(Gaussian(), chosen[name])
        for law, one in zip(LAWS, laws, strict=True):
            # powers of two as scales know the unit of the weights: compare at the same variance
            unit = Gaussian(scale) if law.startswith("Student") else Gaussian()
            here = format_snr(unit, chosen[name]) if unit.std != 1 else after
            rows.append(
                ("gain", law, one.kurtosis, name, SHOWN.index(name), here - format_snr(one, chosen[name]))
            )
    for law, one in zip(LAWS, laws, strict=True):
        for n in 2 ** np.arange(13):
            left = one.kurtosis if n == 1 else rotated_kurtosis(one.kurtosis, int(n))
            rows.append(("kurtosis", law, one.kurtosis, "", n, left))
    return by_column(("panel", "law", "kurtosis", "name", "x", "y"), rows)


@styled
def draw(table: Table) -> Figure:
    """Gains by format, kurtosis by size."""
    figure, (left, right) = panels(2, width=4.8, height=4.6, width_ratios=(1.5, 1))
    for law, color, marker in zip(LAWS, (RED, ORANGE, BLUE), "sv^", strict=True):
        here = (table["panel"] == "gain") & (table["law"] == law)
        kurtosis = float(table["kurtosis"][here][0])
        name = f"{law}, kurtosis {kurtosis:.3g}"
        left.plot(table["y"][here], -table["x"][here], marker, color=color, label=name)
        here = (table["panel"] == "kurtosis") & (table["law"] == law)
        right.plot(table["x"][here], table["y"][here], f"{marker}-", color=color)
        at = int(np.flatnonzero(here)[2])
        label(
            right,
            table["x"][at],
            table["y"][at],
            law,
            color,
            xytext=(6, -9 if kurtosis < 3 else 4),
        )
    left.axvline(0, color=BLACK, linewidth=0.8)
    left.set_yticks(-np.arange(len(SHOWN)), SHOWN)
    left.set(xlabel="dB gained by a rotation", title="Gain by format")
    legend_below(figure, left.get_legend_handles_labels()[0], len(LAWS))  # its marks are no data
    right.axhline(3, color=GREY, linewidth=0.8, linestyle="--")
    right.set(xscale="log", yscale="log", xlabel="size n of the rotation", ylabel="kurtosis left")
    right.set_xscale("log", base=2)
    right.set_yticks([2, 3, 5, 10, 20, 30], ["2", "3", "5", "10", "20", "30"])
    right.minorticks_off()
    right.set_title("Kurtosis")
    return figure
