"""The miss probability with every law and every bound, for the three sampling laws, down to the far tail."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import by_column
from sims.subset_sum.rare import estimate_rare
from theory import subset_sum as theory

TITLE = "Failure decays exponentially; proved bounds frame it, the published one does not reach it"
CAPTION = (
    r"Probability that no subset of n samples sums to the target. Points: splitting over the number of "
    r"samples, every hit decided exactly, 99 % intervals. Blue: conditional Poisson law (saddlepoint); "
    r"sky: Cox law, good only near the window. Shaded: between the rigorous bounds (reach and divisibility "
    r"below; second moments in blocks above). Grey dashes: the trivial event that one sample equals the "
    r"target; red dots: Lemma 4 of Kumar & Natale, at least 1 for every n up to 128."
)
CASES: tuple[tuple[theory.Law, int, int], ...] = (
    ("nonzero", 127, 127),
    ("uniform", 31, 31),
    ("product", 6, 7),
)
MOST = 40
PARTICLES = {"quick": 600, "standard": 4000, "deep": 20_000}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """One row per law and n: estimate with interval, laws, bounds, the trivial event and Lemma 4."""
    rows = []
    for law, size, target in CASES:
        rare = estimate_rare(MOST, size, target, seed, law, particles=PARTICLES[budget], replicates=16)
        for n in range(2, MOST + 1, 2):
            lower, upper = theory.miss_probability_bounds(n, size, target, law)
            product = law == "product"
            rows.append(
                (
                    *(law, size, target, n, rare.values[n], rare.low[n], rare.high[n]),
                    theory.miss_probability(n, size, target, law, form="saddlepoint"),
                    np.nan if product else theory.miss_probability(n, size, target, law, form="cox"),
                    *(lower, upper, theory.trivial_miss(n, size, target, law)),
                    theory.lemma4_failure(n, size, target) if law == "nonzero" else np.nan,
                )
            )
    measured = ("law", "max_value", "target", "n", "measured", "low", "high")
    names = (*measured, "saddlepoint", "cox", "lower", "upper", "trivial", "lemma4")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """One panel per sampling law."""
    figure, axes = style.panels(3, width=3.1, height=3.7, sharey=True)
    for panel, (law, size, target) in zip(axes, CASES, strict=True):
        rows = table["law"] == law
        at = {name: column[rows] for name, column in table.items()}
        n = at["n"]
        panel.fill_between(n, at["lower"], at["upper"], color=style.GREY, alpha=0.15, linewidth=0)
        panel.plot(n, at["upper"], color=style.BLACK, linewidth=0.8)
        panel.plot(n, at["lower"], color=style.BLACK, linewidth=0.8)
        panel.plot(n, at["trivial"], color=style.GREY, linestyle="--", linewidth=1.0)
        panel.plot(n, at["saddlepoint"], color=style.BLUE)
        panel.plot(n, at["cox"], color=style.SKY, linestyle="-.")
        panel.plot(n, at["lemma4"], ":", color=style.RED)
        seen = at["measured"] > 0
        style.interval(panel, n[seen], at["measured"][seen], at["low"][seen], at["high"][seen], style.RED)
        panel.set(
            yscale="log", ylim=(1e-10, 6.0), xlabel="samples n", title=f"{law}, M = {size}, t = {target}"
        )
        style.label(panel, 40, at["trivial"][-1], "one sample", style.GREY, ha="right", xytext=(0, -8))
        style.label(panel, 40, at["upper"][-1], "proved", style.BLACK, ha="right", xytext=(0, 8))
        style.label(panel, 22, at["lower"][n == 22][0], "proved", style.BLACK, ha="right", xytext=(-6, -8))
        style.label(panel, 30, at["saddlepoint"][n == 30][0], "Poisson law", style.BLUE, xytext=(6, 6))
        if law != "product":
            height = at["cox"][n == 34][0]
            style.label(
                panel,
                34,
                height,
                "Cox law",
                style.SKY,
                ha="right",
                xytext=(-14, -22),
            )
        if law == "nonzero":
            style.label(panel, 40, at["lemma4"][-1], "Lemma 4", style.RED, ha="right", xytext=(0, 8))
    axes[0].set_ylabel("P(no subset sums to t)")
    return figure
