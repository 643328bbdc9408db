"""Products leave gaps in the grid, and are mostly even: what that costs in candidates."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import Table, by_column
from sims.lottery.misses import miss_table
from theory.arguments import whole
from theory.lottery.products import missing_products
from theory.subset_sum import Law

SOURCE = "Kumar & Natale 2025, proof of Theorem 1: what its rejection step leaves out"
TITLE = "Most values of the finest grid are no product, and products are mostly even"
CAPTION = (
    "(a) How many pairs (a, b) of sizes 1..<largest> give each value of the grid; values without any are "
    "marked below the axis. (b) Share of the grid $\\{1..M^2\\}$ that is a product, exhaustive. (c) "
    "Measured probability that n candidates miss a weight, products of sizes 1..<priced> against "
    "candidates uniform on the same grid $\\{\\pm1..\\pm<priced>^2\\}$; dotted: the rigorous bound "
    "$(3/4)^n$ for odd weights. Bars: two standard errors."
)
TRIALS = {"quick": 40_000, "standard": 400_000, "deep": 4_000_000}


def data(
    budget: str = "quick",
    seed: int = 0,
    *,
    largest: int = 15,
    priced: int = 8,
    odd: int = 15,
    even: int = 12,
    samples: int = 22,
) -> Table:
    """Columns panel, series, weight, x, value, error (one standard error; 0 where exact).

    Parameters
    ----------
    budget, seed
        40,000 draws behind panel c at the quick budget.
    largest
        Factors of panel a, from 2 to 63.
    priced
        Factors M of panel c, even, from 2 to 16.
    odd, even
        The weights of panel c, at most M squared.
    samples
        Largest number of candidates, from 8 to 30.
    """
    largest, samples = whole("largest", largest, 2, 63), whole("samples", samples, 8, 30)
    priced = whole("priced", priced, 2, 16)
    if priced % 2:
        raise ValueError(f"priced must be even, for the bound on odd weights, got {priced}")
    for name, weight, parity in (("odd", odd, 1), ("even", even, 0)):
        if whole(name, weight, 1, priced**2) % 2 != parity:
            raise ValueError(f"{name} must be an {name} weight, got {weight}")
    rows: list[tuple] = []
    sizes = np.arange(1, largest + 1)
    pairs = np.bincount(np.outer(sizes, sizes).ravel(), minlength=largest**2 + 1)
    rows += [("pairs", "products", 0, v, pairs[v], 0.0) for v in range(1, largest**2 + 1)]
    for bits in range(2, 11):
        top = 2 ** (bits - 1) - 1
        rows.append(("share", "products", 0, bits, 1 - missing_products(top).size / top**2, 0.0))
    laws: tuple[tuple[str, Law, int], ...] = (
        ("product", "product", priced),
        ("uniform", "nonzero", priced**2),
    )
    for series, law, top in laws:
        limit = max(odd, even)
        table = miss_table(samples, top, TRIALS[budget], seed, law=law, limit=limit, least=2)
        for weight in (odd, even):
            for n in range(2, samples + 1, 2):
                error = table.standard_error(n, weight)
                rows.append(("miss", series, weight, n, table.p[n, weight], error))
    names = ("panel", "series", "weight", "x", "value", "error")
    return by_column(names, rows)


@style.styled
def draw(table: Table) -> Figure:
    """Three panels."""
    figure, axes = style.panels(3, width=3.3, height=2.9)
    here = table["panel"] == "pairs"
    x, value = table["x"][here], table["value"][here]
    axes[0].vlines(x[value > 0], 0, value[value > 0], color=style.BLUE, linewidth=1.1)
    axes[0].plot(x[value == 0], np.full((value == 0).sum(), -0.35), "|", color=style.RED, markersize=4)
    missing = int((value == 0).sum())
    text = f"{missing} of {len(value)} values\nare no product"
    axes[0].text(
        0.97, 0.97, text, color=style.RED, fontsize=8, ha="right", va="top", transform=axes[0].transAxes
    )
    axes[0].set(xlabel="grid value v", ylabel="pairs (a, b) with ab = v", ylim=(-0.8, 1.4 * value.max()))

    here = table["panel"] == "share"
    axes[1].plot(table["x"][here], table["value"][here], "o-", color=style.BLUE)
    for bits, share in zip(table["x"][here], table["value"][here], strict=True):
        if bits in (4, 8):
            text = f"{100 * share:.0f} %"
            axes[1].annotate(text, (bits, share), (5, 6), textcoords="offset points", fontsize=8)
    axes[1].set(xlabel="bits of a and b", ylabel="share that is a product", ylim=(0, 1.05))
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))

    weights = dict.fromkeys(table["weight"][table["panel"] == "miss"].tolist())
    for color, series, name in ((style.RED, "product", "products"), (style.BLUE, "uniform", "uniform")):
        for line, weight in zip(("-", "--"), weights, strict=True):
            here = (table["panel"] == "miss") & (table["series"] == series) & (table["value"] > 0)
            here &= table["weight"] == weight
            name_of = f"{name}, w = {weight}" + (" (odd)" if weight % 2 else "")
            x, value, error = (table[column][here] for column in ("x", "value", "error"))
            axes[2].plot(x, value, linestyle=line, color=color, label=name_of)
            style.interval(axes[2], x, value, np.maximum(value - 2 * error, 1e-7), value + 2 * error, color)
    n = np.arange(2, table["x"][table["panel"] == "miss"].max() + 1)
    axes[2].plot(n, 0.75**n, ":", color=style.BLACK, label="$(3/4)^n$")
    axes[2].set_yscale("log")
    axes[2].set(xlabel="candidates n", ylabel="P(weight is missed)", ylim=(1e-6, 1.5))
    axes[2].legend(loc="lower left", fontsize=7)
    axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
