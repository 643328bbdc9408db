"""Linear CKA of unrelated and of related data against the number of samples: both estimators, and the law."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims.montecarlo import means, student_half_width
from sims.representation import linear_cka
from theory.representation import expected_cka

SOURCE = "Kuzmin et al. 2023, Section 5 (representation): bias of the estimator (derived)"
TITLE = "Linear CKA sees a likeness in unrelated data"
CAPTION = (
    "Linear CKA of Gaussian representations of equal width against the number of samples; points: means "
    "over random draws with 99 % intervals of Student's t (filled: the plain estimator, open: the "
    "unbiased one), lines: the law of the plain estimator. (a) Independent data, where 0 is right; the "
    "plain estimator falls like width/(samples + width). (b) Data whose true CKA is 0.5. Wide layers on "
    "few images look alike whatever they hold; the unbiased form does not."
)
TRIALS = {"quick": 60, "standard": 600, "deep": 6_000}
_SHOWN = {0.0: "independent", 0.5: "true CKA 0.5"}


def _pair(rng: np.random.Generator, n: int, width: int, true: float) -> tuple[np.ndarray, np.ndarray]:
    """Representations whose population CKA is `true`: every feature correlated with its partner's."""
    x = rng.standard_normal((n, width))
    share = np.sqrt(true)  # correlation r of each pair: CKA = r^2
    return x, share * x + np.sqrt(1 - true) * rng.standard_normal((n, width))


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    widths: tuple[int, ...] = (8, 32, 128),
    samples: tuple[int, ...] = (8, 16, 32, 64, 128),
) -> Table:
    """Columns true, width, samples, estimator ("plain", "unbiased", "law"), value, low, high.

    Parameters
    ----------
    budget, seed
        60 draws behind every point at the quick budget.
    widths
        Up to six numbers of features, the same on both sides, from 2 to 512.
    samples
        Numbers of samples, from 4 to 1,024.
    """
    sizes, counts = wholes("widths", widths, 2, 512), wholes("samples", samples, 4, 1024)
    if len(sizes) > 6:
        raise ValueError(f"widths takes at most 6 numbers, got {len(sizes)}")
    rows = []
    for true in _SHOWN:
        for width in sizes:
            for n in counts:
                rows.append((true, width, n, "law", *3 * (float(expected_cka(n, width, width, true)),)))

                def sample(rng, count, n=n, width=width, true=true):
                    pairs = (_pair(rng, n, width, true) for _ in range(count))
                    return np.array(
                        [[linear_cka(*pair, unbiased) for unbiased in (False, True)] for pair in pairs]
                    )

                found = means(
                    sample,
                    TRIALS[budget],
                    bounds=((0.0, 1.0), (-1.0, 1.0)),
                    seed=seed,
                    key=("representation_bias", true, width, n),
                )
                for name, one in zip(("plain", "unbiased"), found, strict=True):
                    half = student_half_width(one.standard_error, TRIALS[budget])
                    rows.append((true, width, n, name, one.value, one.value - half, one.value + half))
    return by_column(("true", "width", "samples", "estimator", "value", "low", "high"), rows)


@style.styled
def draw(table: Table) -> Figure:
    """Independent data on the left, related data on the right."""
    figure, axes = style.panels(2, width=3.9, height=3.3, sharey=True)
    palette = (style.BLUE, style.GREEN, style.RED, style.PURPLE, style.ORANGE, style.SKY)
    colors = dict(zip(np.unique(table["width"]).tolist(), palette, strict=False))
    for axis, (true, title) in zip(axes, _SHOWN.items(), strict=True):
        axis.axhline(true, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 2)))
        for width in colors:
            here = (table["true"] == true) & (table["width"] == width)
            for name in ("law", "plain", "unbiased"):
                rows = here & (table["estimator"] == name)
                x, value = table["samples"][rows], table["value"][rows]
                if name == "law":
                    axis.plot(x, value, color=colors[width], linewidth=1.2)
                    continue
                filled = {} if name == "plain" else {"markerfacecolor": "white"}
                style.interval(
                    axis,
                    x,
                    value,
                    table["low"][rows],
                    table["high"][rows],
                    colors[width],
                    **filled,
                )
        axis.set_xscale("log", base=2)
        counts = np.unique(table["samples"])
        axis.set_xticks(counts, [str(n) for n in counts])
        axis.set_xlabel("samples")
        axis.set_title(title)
        axis.set_ylim(-0.15, 1.12)
    style.label(axes[1], 128, 0.5, "true value", style.GREY, xytext=(-48, -8))
    axes[0].set_ylabel("linear CKA")
    handles = [
        Line2D(
            [], [], color=color, marker=style.mark(color), markersize=3.5, linewidth=1.2, label=f"width {n}"
        )
        for n, color in colors.items()
    ]
    look: dict = {"color": style.GREY, "marker": "o", "markersize": 3.5, "linestyle": "none"}
    handles.append(Line2D([], [], label="plain", **look))
    handles.append(Line2D([], [], label="unbiased", markerfacecolor="white", **look))
    style.legend_below(figure, handles, len(handles))
    return figure
