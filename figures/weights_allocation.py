"""Bits per layer: what a format per tensor gains over one format for all, and who gets the bits."""

import numpy as np
from matplotlib.figure import Figure

from figures.parameters import reals
from figures.style import BLACK, BLUE, GREEN, GREY, RED, label, panels, styled
from figures.tables import Table, by_column
from sims.networks import digits
from sims.weights import formats, load, zoo_checkpoint
from sims.weights.allocation import allocate_stored

SOURCE = "Reverse water-filling (Cover & Thomas) on real tensors, bits per layer"
TITLE = "Bits per layer: a format for every tensor"
CAPTION = (
    "(a) Pooled SNR of the network over stored bits per weight, for the best single format and for a "
    "format per tensor (proved best by the search), with the reverse water-filling limit of independent "
    "Gaussian tensors of these variances. (b) Stored bits of every tensor within <budget_bits> bits per "
    "weight, over its mean square: tensors whose weights are larger get more. EfficientNet-Lite0 where "
    "it is installed (50 tensors), otherwise the digits network beside tensors of other sizes."
)
BUDGETS = np.arange(2.25, 8.3, 0.25)


def _arrays() -> dict[str, np.ndarray]:
    if (path := zoo_checkpoint()) is not None:
        return {name: w for name, w in load(path).items() if w.ndim > 1 and w.size >= 256}
    rng = np.random.default_rng(0)
    found = {f"digits {i}": w for i, w in enumerate(digits.weights())}
    return found | {f"drawn {i}": rng.standard_t(3, size=(48, 64)) / 3.0**i for i in range(5)}


def data(budget: str = "quick", seed: int = 0, *, budget_bits: float = 4.0) -> Table:
    """Rows (panel, name, x, y): SNR over budget, bits over mean square; nothing is random.

    Parameters
    ----------
    budget, seed
        Without effect.
    budget_bits
        Stored bits per weight of panel b, from 2 to 12.
    """
    (within,) = reals("budget_bits", budget_bits, 1.99, 12.01)
    arrays = _arrays()
    found = {name: formats.compare(w) for name, w in arrays.items()}
    sizes = {name: w.size for name, w in arrays.items()}
    energies = {name: float(np.sum(w**2)) for name, w in arrays.items()}
    rows: list[tuple] = []
    for bits in BUDGETS:
        chosen = allocate_stored(found, sizes, energies, float(bits))
        rows.append(("snr", "per tensor", bits, chosen.snr))
        if chosen.uniform:
            rows.append(("snr", "one for all", bits, -10 * np.log10(chosen.uniform_error)))
        rows.append(("snr", "limit", bits, chosen.limit))
    chosen = allocate_stored(found, sizes, energies, within)
    rows.append(("budget", "", within, np.nan))
    rows += [("bits", name, energies[name] / sizes[name], chosen.stored_bits[name]) for name in arrays]
    return by_column(("panel", "name", "x", "y"), rows)


@styled
def draw(table: Table) -> Figure:
    """The gain, and the bits by tensor."""
    figure, (left, right) = panels(2, width=4.6, height=3.8)
    for name, color, style, text in (
        ("limit", BLACK, "--", "water-filling limit"),
        ("per tensor", BLUE, "o-", "a format per tensor"),
        ("one for all", RED, "s-", "one format for all"),
    ):
        chosen = (table["panel"] == "snr") & (table["name"] == name)
        left.plot(table["x"][chosen], table["y"][chosen], style, color=color, label=text)
    left.set(xlabel="stored bits per weight", ylabel="pooled SNR (dB)", title="What it gains")
    left.legend(loc="upper left")
    here = table["panel"] == "bits"
    right.plot(table["x"][here], table["y"][here], "o", color=GREEN, markersize=5, alpha=0.8)
    within = float(table["x"][table["panel"] == "budget"][0])
    right.axhline(within, color=GREY, linewidth=0.8, linestyle="--")
    name = f"{within:g} bits for all"
    label(right, float(table["x"][here].max()), within, name, GREY, xytext=(8, -7), ha="right")
    right.set(xscale="log", xlabel="mean square of the tensor's weights", ylabel="stored bits per weight")
    right.set_title(f"Who gets the bits within {within:g} per weight")
    return figure
