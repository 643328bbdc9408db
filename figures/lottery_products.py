"""Products leave gaps in the grid, and are mostly even: what that costs in candidates."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style
from figures.tables import by_column
from sims.lottery.misses import miss_table
from theory.lottery.products import missing_products
from theory.subset_sum import Law

TITLE = "Most values of the finest grid are no product, and products are mostly even"
CAPTION = (
    "Left: how many of the $M^2 = 225$ pairs (a, b) of sizes 1..15 give each value; values without any are "
    "marked below the axis. Middle: share of the grid $\\{1..M^2\\}$ that is a product, exhaustive. Right: "
    "measured probability that n candidates miss a weight, products of sizes 1..8 against candidates "
    "uniform on the same grid $\\{\\pm1..\\pm64\\}$; dotted: the rigorous bound $(3/4)^n$ for odd weights. "
    "Bars: two standard errors."
)
TRIALS = {"quick": 40_000, "standard": 400_000, "deep": 4_000_000}
TOP, PRICED, SAMPLES = 15, 8, 22
ODD, EVEN = 15, 12


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Columns panel, series, x, value, error (one standard error; 0 where exact)."""
    rows: list[tuple] = []
    sizes = np.arange(1, TOP + 1)
    pairs = np.bincount(np.outer(sizes, sizes).ravel(), minlength=TOP**2 + 1)
    rows += [("pairs", "products", v, pairs[v], 0.0) for v in range(1, TOP**2 + 1)]
    for bits in range(2, 11):
        top = 2 ** (bits - 1) - 1
        rows.append(("share", "products", bits, 1 - missing_products(top).size / top**2, 0.0))
    laws: tuple[tuple[str, Law, int], ...] = (
        ("product", "product", PRICED),
        ("uniform", "nonzero", PRICED**2),
    )
    for series, law, top in laws:
        table = miss_table(SAMPLES, top, TRIALS[budget], seed, law=law, limit=ODD, least=2)
        for weight in (ODD, EVEN):
            for n in range(2, SAMPLES + 1, 2):
                rows.append(
                    ("miss", f"{series} {weight}", n, table.p[n, weight], table.standard_error(n, weight))
                )
    names = ("panel", "series", "x", "value", "error")
    return by_column(names, rows)


@style.styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Three panels."""
    figure, axes = style.panels(3, width=3.3, height=2.9)
    here = table["panel"] == "pairs"
    x, value = table["x"][here], table["value"][here]
    axes[0].vlines(x[value > 0], 0, value[value > 0], color=style.BLUE, linewidth=1.1)
    axes[0].plot(x[value == 0], np.full((value == 0).sum(), -0.35), "|", color=style.RED, markersize=4)
    missing = int((value == 0).sum())
    axes[0].text(70, 7.2, f"{missing} of {len(value)} values\nare no product", color=style.RED, fontsize=8)
    axes[0].set(xlabel="grid value v", ylabel="pairs (a, b) with ab = v", ylim=(-0.8, 9))

    here = table["panel"] == "share"
    axes[1].plot(table["x"][here], table["value"][here], "o-", color=style.BLUE)
    for bits, share in zip(table["x"][here], table["value"][here], strict=True):
        if bits in (4, 8):
            text = f"{100 * share:.0f} %"
            axes[1].annotate(text, (bits, share), (5, 6), textcoords="offset points", fontsize=8)
    axes[1].set(xlabel="bits of a and b", ylabel="share of $\\{1..M^2\\}$ that is a product", ylim=(0, 1.05))
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))

    looks = {
        f"product {ODD}": (style.RED, "-", f"products, w = {ODD} (odd)"),
        f"product {EVEN}": (style.RED, "--", f"products, w = {EVEN}"),
        f"uniform {ODD}": (style.BLUE, "-", f"uniform, w = {ODD}"),
        f"uniform {EVEN}": (style.BLUE, "--", f"uniform, w = {EVEN}"),
    }
    for series, (color, line, name) in looks.items():
        here = (table["panel"] == "miss") & (table["series"] == series) & (table["value"] > 0)
        x, value, error = (table[column][here] for column in ("x", "value", "error"))
        axes[2].plot(x, value, linestyle=line, color=color, label=name)
        style.interval(axes[2], x, value, np.maximum(value - 2 * error, 1e-7), value + 2 * error, color)
    n = np.arange(2, SAMPLES + 1)
    axes[2].plot(n, 0.75**n, ":", color=style.BLACK, label="$(3/4)^n$")
    axes[2].set_yscale("log")
    axes[2].set(xlabel="candidates n", ylabel="P(weight is missed)", ylim=(1e-6, 1.5))
    axes[2].legend(loc="lower left", fontsize=7)
    axes[2].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
