"""Bits of failure probability bought by one more sample: exact, by the prefactor theorem, and measured."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style
from figures.parameters import wholes
from figures.tables import Table, by_column
from sims.subset_sum.rare import estimate_rare
from theory import subset_sum as theory
from theory.arguments import whole

SOURCE = "Kumar & Natale 2025, Lemma 4: does failure decay exponentially (derived theorem)"
TITLE = "How fast failures vanish: the exponent theorem and its prefactor"
CAPTION = (
    r"Slope $-\log_2 P(n+w)/P(n)$ per sample, M fixed. Solid: exact probabilities, w = 1, where cheap. "
    r"Dotted: the leading term $p(n)\,q^n$ of the theorem, whose polynomial p is known exactly; dashed: "
    r"its limit $-\log_2 q$, $q=\max\{P(X\leq0),\max_{g\nmid t}P(g|X)\}$. Solid and dotted meet once n is "
    r"several times the largest sample; the polynomial, of degree t − 1 for the nonzero law, keeps the "
    r"slope low for long. (c) No exact curve is cheap; points: splitting estimates, w = 4, with two "
    r"standard errors."
)
LAWS: tuple[theory.Law, ...] = ("nonzero", "uniform", "product")
SPLIT: tuple[tuple[theory.Law, int, int], ...] = (
    ("nonzero", 15, 1),
    ("nonzero", 15, 15),
    ("uniform", 15, 1),
    ("product", 6, 7),
)
LONGEST, STEP = 80, 4
PARTICLES = {"quick": 500, "standard": 4000, "deep": 20_000}
COLORS = {"nonzero": style.BLUE, "uniform": style.GREEN, "product": style.RED}
TARGETS = (style.BLUE, style.PURPLE, style.SKY, style.GREEN)


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    small: tuple[int, ...] = (2, 3),
    max_value: int = 7,
    targets: tuple[int, ...] = (1, 2, 7),
    most: int = 48,
) -> Table:
    """Columns panel, source, law, max_value, target, n, slope, error, limit.

    Sources are "exact" and "prefactor", slopes from n to n + 1, and "splitting", from n to n + 4.

    Parameters
    ----------
    budget, seed
        500 particles in 16 replicates of splitting at the quick budget.
    small
        Largest sample M (at most 4) and target t of panel a, all three laws.
    max_value, targets
        Of panel b, nonzero law: M at most 7, at most four targets up to M.
    most
        Largest number of samples in panel c, from 16 to 60.
    """
    most, size = whole("most", most, 16, 60), whole("max_value", max_value, 1, 7)
    if len(small) != 2 or not 1 <= small[0] <= 4:
        raise ValueError(f"small takes two numbers, M from 1 to 4 and t, got {small}")
    wanted = wholes("targets", targets, 1, size)
    if len(wanted) > len(TARGETS):
        raise ValueError(f"targets takes at most {len(TARGETS)} numbers, got {len(wanted)}")
    panels = (
        ("small", [(law, *small) for law in LAWS]),
        ("middle", [(LAWS[0], size, target) for target in wanted]),
        ("split", list(SPLIT)),
    )
    rows: list[tuple] = []
    for panel, cases in panels:
        for law, size, target in cases:
            case = law, size, target
            limit = theory.failure_exponent(size, target, law)
            sources: list[tuple] = [("prefactor", theory.failure_prefactor(size, target, law))]
            if panel != "split":
                sources.append(("exact", theory.miss_law(size, target, law)))
            for source, formula in sources:
                log = [_log2(formula.probability(n)) for n in range(2, LONGEST + 1)]
                for n, slope in enumerate(-np.diff(log), 2):
                    rows.append((panel, source, *case, n, slope, 0.0, limit))
            if panel == "split":
                rare = estimate_rare(
                    most, size, target, seed, law, particles=PARTICLES[budget], replicates=16
                )
                for n in range(2, most - STEP + 1, STEP):
                    rows.append((panel, "splitting", *case, n, *rare.slope(n, n + STEP), limit))
    names = ("panel", "source", "law", "max_value", "target", "n", "slope", "error", "limit")
    return by_column(names, rows)


def _log2(p) -> float:
    """Of a rational far below the smallest float."""
    return float(np.log2(float(p)))


@style.styled
def draw(table: Table) -> Figure:
    """Small grid, all laws; M = 7, three targets; splitting beyond."""
    figure, axes = style.panels(3, width=3.3, height=3.3, sharey=True)
    most = int(table["n"][table["source"] == "splitting"].max()) + STEP
    for panel, name in zip(axes, ("small", "middle", "split"), strict=True):
        columns = [
            table[column][table["panel"] == name].tolist() for column in ("law", "max_value", "target")
        ]
        for rank, (law, size, target) in enumerate(dict.fromkeys(zip(*columns, strict=True))):
            here = (table["panel"] == name) & (table["law"] == law) & (table["max_value"] == size)
            here &= table["target"] == target
            at = {
                source: {column: table[column][here & (table["source"] == source)] for column in table}
                for source in ("exact", "prefactor", "splitting")
            }
            color = TARGETS[rank] if name == "middle" else COLORS[law]
            panel.axhline(at["prefactor"]["limit"][0], color=color, linestyle="--", linewidth=0.8)
            end = LONGEST if name != "split" else most
            n, slope = (at["prefactor"][column] for column in ("n", "slope"))
            shown = n < end
            if name == "split":
                panel.plot(n[shown] + 0.5, slope[shown], ":", color=style.BLACK, linewidth=1.2)
                x, y, error = (at["splitting"][column] for column in ("n", "slope", "error"))
                marker = "D" if target == 15 else style.mark(color)
                text = f"{law}, M = {size}, t = {target}"
                low, high = y - 2.0 * error, y + 2.0 * error
                style.interval(panel, x + STEP / 2, y, low, high, color, fmt=marker, label=text)
            else:
                x, y = (at["exact"][column] for column in ("n", "slope"))
                panel.plot(x + 0.5, y, color=color, linewidth=2.2)
                panel.plot(n + 0.5, slope, ":", color=style.BLACK, linewidth=1.2)
                text = law if name == "small" else f"t = {target}"
                # n, and points above the curve
                place = (12, 6) if target == 1 else (24, -8) if target == 2 else (79, -10)
                side = "left" if place[0] == 12 else "right"
                style.label(panel, place[0], y[x == place[0]][0], text, color, ha=side, xytext=(0, place[1]))
    lines = [
        Line2D([], [], linestyle="-", color=style.GREY, linewidth=2.2, label="exact"),
        Line2D([], [], linestyle=":", color=style.BLACK, linewidth=1.2, label="theorem with p(n)"),
        Line2D([], [], linestyle="--", color=style.GREY, linewidth=0.8, label="limit"),
    ]
    axes[0].legend(handles=lines, loc="upper right")
    size, target = (table[column][table["panel"] == "small"][0] for column in ("max_value", "target"))
    axes[0].set(ylabel="bits per sample", title=f"Exact, M = {size}, t = {target}", ylim=(0.0, 1.7))
    size = table["max_value"][table["panel"] == "middle"][0]
    axes[1].set(title=f"Exact, M = {size}, nonzero law")
    axes[2].set(title="Splitting, larger grids", xlim=(0, most))
    axes[2].legend(loc="upper right")
    for panel in axes:
        panel.set_xlabel("samples n")
    return figure
