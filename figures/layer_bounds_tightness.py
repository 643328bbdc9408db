"""How far the certified bound lies below the optimum, against the correlation and number of inputs."""

import numpy as np
from matplotlib.figure import Figure

from figures import style
from figures.parameters import reals
from figures.tables import Table, by_column, span
from sims.layer_bounds import quantization_range
from sims.layer_bounds.problems import problem
from sims.layer_bounds.relaxation import solve
from theory.arguments import whole

SOURCE = "Kuzmin et al. 2023, Section 4: how tight its relaxation is"
TITLE = "Tightness of the certified bound"
CAPTION = (
    "Optimum over lower bound, in dB, of quantizing one neuron: mean over drawn layers with 2 standard "
    "errors. (a) Against the correlation r of <columns> inputs; (b) against the number of inputs at r "
    "= <correlation>. Lines: the relaxation with box and integer cuts, certified; dashes: as the "
    "paper's released code states it. In (a) box and cuts gain <gain2> dB at 2 bits and <gain4> dB at 4 "
    "bits; the certified bound is within <independent> dB of the optimum where inputs are independent, and "
    "<correlated> dB from it at r = 0.9."
)
SEEDS = {"quick": 8, "standard": 40, "deep": 200}
SIZES = {"quick": (4, 8, 16, 24), "standard": (4, 8, 16, 24, 32), "deep": (4, 8, 16, 24, 32, 40)}
CORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)
CASES = {("autoregressive", 2): style.RED, ("autoregressive", 4): style.BLUE, ("relu", 2): style.ORANGE}
_MARKS = dict(zip(CASES, "osD", strict=True))


def data(budget: str = "quick", seed: int = 0, *, columns: int = 16, correlation: float = 0.9) -> Table:
    """Columns panel, inputs, bits, x; gap and published, each with its standard error; share proved.

    Parameters
    ----------
    budget, seed
        8 drawn layers behind every point at the quick budget.
    columns
        Inputs of panel a, from 4 to 32.
    correlation
        Of the inputs of panel b, between 0 and 1.
    """
    columns, (fixed,) = whole("columns", columns, 4, 32), reals("correlation", correlation, 0.0, 1.0)
    rows = []
    points = [("correlation", r, columns, r) for r in CORRELATIONS]
    points += [("size", n, n, fixed) for n in SIZES[budget]]
    for panel, x, n, r in points:
        for kind, bits in CASES:
            gaps = [g for i in range(SEEDS[budget]) if (g := _gap(kind, n, r, bits, seed + i))]
            both = np.array(gaps)
            error = both.std(axis=0, ddof=1) / np.sqrt(len(both))
            mean = both.mean(axis=0)
            share = len(gaps) / SEEDS[budget]
            rows.append((panel, n, r, kind, bits, x, mean[0], error[0], mean[1], error[1], share))
    names = (
        "panel",
        "columns",
        "correlation",
        "inputs",
        "bits",
        "x",
        "gap",
        "gap_error",
        "published",
        "published_error",
        "proved",
    )
    return by_column(names, rows)


def _gap(kind: str, n: int, correlation: float, bits: int, seed: int) -> tuple[float, float] | None:
    """dB between the optimum and both bounds; None where the optimum was not proved."""
    inputs, w = problem(kind, n, seed, correlation=correlation)
    found = quantization_range(w, inputs=inputs, bits=bits)
    if found.optimum is None:
        return None
    step, low, high = (found.details[name] for name in ("step", "low", "high"))
    published = solve(inputs.T @ inputs, w / step, low, high, published=True).value * step**2
    return tuple(float(10 * np.log10(found.optimum / value)) for value in (found.bound, published))  # type: ignore[return-value]


def facts(table: Table) -> dict[str, str]:
    """What panel a shows, in dB: gains of box and cuts by width, and distances from the optimum."""
    here = table["panel"] == "correlation"
    gain = table["published"] - table["gap"]
    apart = {r: table["gap"][here & (table["x"] == r)] for r in (0.0, 0.9)}

    return {
        "gain2": span(gain[here & (table["bits"] == 2)]),
        "gain4": span(gain[here & (table["bits"] == 4)]),
        "independent": f"{np.ceil(10 * apart[0.0].max()) / 10:.1f}",
        "correlated": span(apart[0.9]),
    }


@style.styled
def draw(table: Table) -> Figure:
    """Two panels, a colour for each kind of inputs and width."""
    figure, axes = style.panels(2, 1, width=3.7, height=3.2, sharey=True)
    for axis, panel in zip(axes, ("correlation", "size"), strict=True):
        for place, ((kind, bits), color) in enumerate(CASES.items(), start=-1):
            here = (table["panel"] == panel) & (table["inputs"] == kind) & (table["bits"] == bits)
            x = table["x"][here] + place * (0.008 if panel == "correlation" else 0.2)  # bars side by side
            axis.plot(x, table["published"][here], "--x", color=color, linewidth=1.0)
            axis.errorbar(
                x,
                table["gap"][here],
                yerr=2 * table["gap_error"][here],
                color=color,
                marker=_MARKS[kind, bits],
                capsize=2,
                label=f"{kind}, {bits} bits",
            )
    axes[0].plot([], [], "--x", color=style.GREY, label="as published")
    axes[0].set_ylim(bottom=0)
    columns = table["columns"][table["panel"] == "correlation"][0]
    fixed = table["correlation"][table["panel"] == "size"][0]
    axes[0].set(xlabel=f"correlation r of {columns} inputs", ylabel="optimum over bound (dB)")
    axes[1].set(xlabel=f"inputs, at r = {fixed:g}")
    axes[0].legend(loc="upper left")
    return figure
