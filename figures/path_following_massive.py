"""One input channel that dominates: what it does to feedback, and which order of the columns undoes it."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims.montecarlo import stream
from sims.path_following import compress
from theory.operators import NearestRounding
from theory.snr import decibel

SOURCE = "Massive activations in path following: one channel far above the others; measured here"
TITLE = "A massive channel and feedback"
CAPTION = (
    "64 neurons of 36 inputs at <bits> bits, one input scaled up. (a) Share of weights whose corrected value "
    "leaves the grid: the error of the massive column is passed on, and no other column can undo it. (b) "
    "Signal-to-noise ratio of what the other 35 inputs contribute. GPFQ spends them on that error, clips "
    "almost "
    "every code and ends far below rounding; largest norm first, best elsewhere, is no help. Compressing the "
    "massive column last keeps the others at every factor; OPTQ only far out, where its damping makes it "
    "rounding."
)
FACTORS = 10.0 ** np.arange(0, 6.5, 0.5)
REPEATS = {"quick": 2, "standard": 10, "deep": 50}
_NEURONS, _COLUMNS, _SAMPLES, _MASSIVE = 64, 36, 256, 3
_METHODS = {
    "rounding": (style.BLACK, ":"),
    "GPFQ": (style.RED, "-"),
    "GPFQ, largest first": (style.ORANGE, "--"),
    "GPFQ, largest last": (style.BLUE, "-"),
    "OPTQ": (style.GREEN, "--"),
}


def data(budget: str = "quick", seed: int = 0, *, bits: int = 4) -> Table:
    """Columns method, factor, exits (share of weights), others (SNR in dB of the other inputs).

    Parameters
    ----------
    budget
        Layers drawn.
    seed
        Of the layers.
    bits
        Width, 2 to 8; the step is 4/2^(bits - 1).
    """
    (width,) = wholes("bits", bits, 2, 8)
    operator = NearestRounding(4.0 / 2 ** (width - 1), bits=width)
    rest = np.delete(np.arange(_COLUMNS), _MASSIVE)
    rows = []
    for factor in FACTORS:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in _METHODS}
        for repeat in range(REPEATS[budget]):
            rng = stream(seed, ("massive", repeat))
            w = rng.standard_normal((_NEURONS, _COLUMNS))
            x = rng.standard_normal((_SAMPLES, _COLUMNS)) + 0.5 * rng.standard_normal((_SAMPLES, 1))
            x[:, _MASSIVE] *= factor
            rising = np.argsort(np.linalg.norm(x, axis=0), kind="stable")
            for name, options in (
                ("rounding", {"method": "direct"}),
                ("GPFQ", {}),
                ("GPFQ, largest first", {"order": "norm"}),
                ("GPFQ, largest last", {"order": rising}),
                ("OPTQ", {"method": "optq"}),
            ):
                layer = compress(w, x, operator=operator, **options)
                error = float(np.sum((x[:, rest] @ (layer.weights - w)[:, rest].T) ** 2))
                signal = float(np.sum((x[:, rest] @ w[:, rest].T) ** 2))
                found[name].append((float(layer.exits.sum()) / w.size, decibel(signal, error)))
        for name, pairs in found.items():
            exits, others = np.mean(pairs, axis=0)
            rows.append((name, factor, exits, others))
    return by_column(("method", "factor", "exits", "others"), rows)


@style.styled
def draw(table: Table) -> Figure:
    """Exits, and what is left of the other inputs."""
    figure, axes = style.panels(2, width=4.2, height=3.2)
    for name, (color, dashes) in _METHODS.items():
        here = table["method"] == name
        x = table["factor"][here]
        axes[0].plot(x, 100 * table["exits"][here], dashes, color=color, marker=style.mark(color))
        axes[1].plot(x, table["others"][here], dashes, color=color, marker=style.mark(color), label=name)
    for axis in axes:
        axis.set(xscale="log", xlabel="massive channel over the others")
    axes[0].set(ylabel="weights that leave the grid (%)", ylim=(0, 100))
    axes[1].set(ylabel="SNR of the other inputs (dB)")
    style.legend_below(figure, axes[1].get_legend_handles_labels()[0], len(_METHODS))
    return figure
