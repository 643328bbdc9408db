"""SNR against stored bits per weight: every format in one frame, with the limits of any code."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLACK, CUT, GREEN, GREY, ORANGE, PURPLE, SNAP, label, legend_below, panels, styled
from figures.tables import Table, by_column
from theory.distributions import Distribution, Gaussian, StudentT
from theory.formats import FORMATS, Format
from theory.formats.laws import format_snr
from theory.snr import pruning_snr
from theory.snr.limits import lloyd_max_snr, shannon_bound_snr
from theory.storage import break_even_sparsity

SOURCE = "Kuzmin et al. 2023, Section 3, with storage counted (derived laws)"
TITLE = "Signal per stored bit: formats, pruning, and the limits of any code"
CAPTION = (
    "Expected SNR of independent weights against bits per weight as stored, scales and masks counted: "
    "(a) Gaussian weights; (b) a Student-t law with <df> degrees of freedom truncated at <bound>, kurtosis "
    "<kurtosis>. Integers have one scale of least error per tensor; g128 and b64 share a largest-magnitude "
    "scale per 128 or 64 weights; MX formats share a power of two per 32, NVFP4 an FP8 number per 16. "
    "Pruned values keep 16 bits unless rounded, with one scale per tensor or a block's; "
    "solid with a mask of one bit per weight, dotted with the mask at its entropy. Grey: Lloyd-Max "
    "levels; black: the Shannon bound (for the Gaussian the rate-distortion line of 6.02 dB per bit), "
    "which no code exceeds."
)
KINDS = {
    "integer": SNAP,
    "float": GREEN,
    "block": PURPLE,
    "n:m": ORANGE,
    "n:m + round": ORANGE,
    "prune": CUT,
    "prune + round": CUT,
}

# offsets of labels in points
NAMED = {
    "MXFP4": (5, -8),
    "MXINT8": (3, 6),
    "FP8 E4M3": (-4, 9),
    "2:4": (6, -2),
    "FP8 E5M2": (-4, -11),
    "INT2 g128": (6, -4),
    "MXFP6 E2M3": (-2, 8),
}
NAMED_BY_LAW = {
    "Gaussian": {
        "INT4": (-30, 2),
        "NF4 b64": (5, 6),
        "NVFP4": (6, -2),
        "2:4 + INT4": (-46, -9),
        "prune 50 % + NVFP4": (-8, 10),
    },
    "Student-t": {
        "INT4": (-26, 3),
        "NF4 b64": (4, 6),
        "NVFP4": (6, 4),
        "2:4 + INT4": (-50, 5),
        "prune 50 % + NVFP4": (-72, 9),
    },
}


def kind(form: Format) -> str:
    """Family of a format, which sets its colour."""
    if form.group or form.sparsity:
        return ("n:m" if form.group else "prune") + (" + round" if form.codes else "")
    if form.block:
        return "block"
    return "integer" if form.codes.startswith("int") else "float"


def data(budget: str = "quick", seed: int = 0, *, df: float = 2.0, bound: float = 30.0) -> Table:
    """Rows (law, kurtosis, kind, name, stored_bits, snr); exact laws, nothing is random.

    Parameters
    ----------
    budget, seed
        Without effect.
    df, bound
        Degrees of freedom and truncation of the Student-t law of panel b.
    """
    laws: dict[str, Distribution] = {"Gaussian": Gaussian(), "Student-t": StudentT(df, bound)}
    rows: list[tuple] = []
    for name, law in laws.items():
        for form in FORMATS:
            crowded = form.offset or form.scale in ("half", "float32", "double") or form.block in (32, 64)
            others = (
                crowded and form.scale != "power" and form.name != "NF4 b64"
            )  # figure formats_blocks has them
            if not others and not (form.sparsity and not form.codes):
                rows.append((name, kind(form), form.name, form.stored_bits, format_snr(law, form)))
        for stored in np.linspace(1.25, 9.5, 34):
            for scheme in ("bitmask", "entropy"):
                sparsity = break_even_sparsity(scheme, float(stored))
                rows.append((name, "prune", f"{scheme} mask", stored, pruning_snr(law, sparsity)))
        rows += [(name, "limit", "Lloyd-Max", bits, lloyd_max_snr(law, bits)) for bits in range(1, 9)]
        shannon = shannon_bound_snr(law, 0)
        rows += [(name, "limit", "Shannon", bits, shannon + 20 * np.log10(2) * bits) for bits in (1.0, 9.5)]
    rows = [(row[0], laws[row[0]].kurtosis, *row[1:]) for row in rows]
    names = ("law", "kurtosis", "kind", "name", "stored_bits", "snr")
    return by_column(names, rows)


def facts(table: Table) -> dict[str, str]:
    """The kurtosis of the second law."""
    return {"kurtosis": f"{table['kurtosis'][table['law'] == 'Student-t'][0]:.3g}"}


@styled
def draw(table: Table) -> Figure:
    """One panel per law."""
    figure, axes = panels(2, width=5.2, height=4.6, sharey=True)
    dots = {
        "integer": ("o", "INT b, one scale"),
        "float": ("D", "FP4, FP8, one scale"),
        "block": ("s", "shared scales (g128, b64, MX, NVFP4)"),
        "n:m": ("v", "n:m, 16-bit values"),
        "n:m + round": ("X", "2:4, then INT, FP8 or blocks"),
        "prune + round": ("P", "50 % pruned, then INT b or blocks"),
    }
    for panel, law in zip(axes, ("Gaussian", "Student-t"), strict=True):
        here = table["law"] == law
        for name, color, style in (
            ("Shannon", BLACK, "-"),
            ("Lloyd-Max", GREY, "--"),
            ("bitmask mask", CUT, "-"),
            ("entropy mask", CUT, ":"),
        ):
            line = here & (table["name"] == name)
            panel.plot(table["stored_bits"][line], table["snr"][line], style, color=color, linewidth=1.3)
        for name, (marker, text) in dots.items():
            chosen = here & (table["kind"] == name)
            style = "-" if name == "integer" else "none"
            panel.plot(
                table["stored_bits"][chosen], table["snr"][chosen], marker, color=KINDS[name],
                linestyle=style, linewidth=1, markersize=5, label=text,
            )  # fmt: skip
        for name, offset in (NAMED | NAMED_BY_LAW[law]).items():
            (at,) = np.flatnonzero(here & (table["name"] == name))
            label(
                panel, table["stored_bits"][at], table["snr"][at], name, KINDS[table["kind"][at]],
                xytext=offset, fontsize=7,
            )  # fmt: skip
        panel.set(xlabel="stored bits per weight", title=law, xlim=(1, 9.7), ylim=(0, 56))
        line = here & (table["name"] == "Shannon")
        slope = "Shannon bound, 6.02 dB per bit" if law == "Gaussian" else "Shannon bound"
        top = float(np.interp(7.2, table["stored_bits"][line], table["snr"][line]))
        label(panel, 7.2, top, slope, BLACK, xytext=(-6, 10), ha="right")
        line = here & (table["name"] == "Lloyd-Max")
        (at,) = np.flatnonzero(line & (table["stored_bits"] == 6))
        place = {"xytext": (-8, 9), "ha": "right", "fontsize": 7}
        label(panel, table["stored_bits"][at], table["snr"][at], "Lloyd-Max", GREY, **place)
        if law == "Gaussian":  # the other panel has no room for a second name
            line = here & (table["name"] == "entropy mask")
            at = np.flatnonzero(line)[20]
            place = {"xytext": (0, 14), "ha": "center", "fontsize": 7}
            label(panel, table["stored_bits"][at], table["snr"][at], "mask at its entropy", CUT, **place)
        line = here & (table["name"] == "bitmask mask")
        middle = int(np.flatnonzero(line)[18])
        label(
            panel,
            table["stored_bits"][middle],
            table["snr"][middle],
            "pruned, with mask",
            CUT,
            xytext=(4, -10),
        )
    axes[0].set_ylabel("SNR (dB)")
    legend_below(figure, axes[0].get_legend_handles_labels()[0], 3)
    return figure
