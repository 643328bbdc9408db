"""The miss probability with every law and every bound, for the three sampling laws, down to the far tail."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.tables import Table, by_column
from sims.subset_sum.rare import estimate_rare
from theory import subset_sum as theory
from theory.arguments import whole

SOURCE = "Kumar & Natale 2025, Lemma 4, beside exact and derived bounds"
TITLE = "Failure decays exponentially; proved bounds frame it, the published one does not reach it"
CAPTION = (
    r"Probability that no subset of n samples sums to the target. Points: splitting over the number of "
    r"samples, every hit decided exactly, 99 % intervals. Blue: saddlepoint law; sky, dash-dotted: Cox "
    r"law, good only near the window. Shaded: between the rigorous bounds (reach and divisibility below; "
    r"second moments in blocks above). Grey dashes: the trivial event that one sample equals the target; "
    r"red dots: Lemma 4 of Kumar & Natale, at least 1 for every n up to 128."
)
PARTICLES = {"quick": 600, "standard": 4000, "deep": 20_000}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    nonzero: tuple[int, ...] = (127, 127),
    uniform: tuple[int, ...] = (31, 31),
    product: tuple[int, ...] = (6, 7),
    most: int = 40,
) -> Table:
    """One row per law and n: estimate with interval, laws, bounds, the trivial event and Lemma 4.

    Parameters
    ----------
    budget, seed
        600 particles in 16 replicates of splitting at the quick budget.
    nonzero, uniform, product
        Largest sample M and target t of each law.
    most
        Largest number of samples, from 8 to 60.
    """
    most = whole("most", most, 8, 60)
    cases: dict[theory.Law, tuple[int, ...]] = {"nonzero": nonzero, "uniform": uniform, "product": product}
    for law, case in cases.items():
        if len(case) != 2:
            raise ValueError(f"{law} takes two numbers, the largest sample and the target, got {case}")
    rows = []
    for law, (size, target) in cases.items():
        rare = estimate_rare(most, size, target, seed, law, particles=PARTICLES[budget], replicates=16)
        for n in range(2, most + 1, 2):
            lower, upper = theory.miss_probability_bounds(n, size, target, law)
            rows.append(
                (
                    *(law, size, target, n, rare.values[n], rare.low[n], rare.high[n]),
                    theory.miss_probability(n, size, target, law, form="saddlepoint"),
                    np.nan if law == "product" else theory.miss_probability(n, size, target, law, form="cox"),
                    *(lower, upper, theory.trivial_miss(n, size, target, law)),
                    theory.lemma4_failure(n, size, target) if law == "nonzero" else np.nan,
                )
            )
    measured = ("law", "max_value", "target", "n", "measured", "low", "high")
    names = (*measured, "saddlepoint", "cox", "lower", "upper", "trivial", "lemma4")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """One panel per sampling law."""
    figure, axes = style.panels(3, width=3.1, height=3.7, sharey=True)
    for panel, law in zip(axes, dict.fromkeys(table["law"].tolist()), strict=True):
        rows = table["law"] == law
        at = {name: column[rows] for name, column in table.items()}
        n, size, target = at["n"], at["max_value"][0], at["target"][0]
        end = n[-1]

        def beside(share: float, column: str, text: str, color: str, at=at, n=n, panel=panel, **place):
            i = round(share * (len(n) - 1))
            style.label(panel, n[i], at[column][i], text, color, **place)

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
        beside(1.0, "trivial", "one sample", style.GREY, ha="right", xytext=(0, -8))
        beside(1.0, "upper", "proved", style.BLACK, ha="right", xytext=(0, 8))
        beside(0.53, "lower", "proved", style.BLACK, ha="right", xytext=(-6, -8))
        beside(0.7, "saddlepoint", "saddlepoint law", style.BLUE, xytext=(7, 7))
        if law != "product":
            beside(0.85, "cox", "Cox law", style.SKY, ha="right", xytext=(-14, -22))
        if law == "nonzero":
            beside(1.0, "lemma4", "Lemma 4", style.RED, ha="right", xytext=(0, 8))
        panel.set_xlim(0, 1.05 * end)
    axes[0].set_ylabel("P(no subset sums to t)")
    return figure
