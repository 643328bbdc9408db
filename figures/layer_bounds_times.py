"""Time of bound, best codes and best mask against the number of inputs, beside general solvers."""

from matplotlib.figure import Figure

from figures import style
from figures.tables import Table, by_column
from sims.layer_bounds import times

SOURCE = "Solvers of this project beside general ones (ours, measured)"
TITLE = "Time for the bound, the best codes and the best mask of a neuron"
CAPTION = (
    "CPU seconds of one thread against the number of inputs: medians of four neurons (autoregressive and "
    "rectified inputs, correlation 0.9; 4 bits; a quarter of the weights kept and refitted), bars from the "
    "least to the largest. (a) The certified lower bound; (b) optimal codes; (c) optimal masks. Open marks: "
    "a solver stopped at its limit (5 s of CPU for SCIP, which then has no proof). Answers of both sides "
    "were equal to 1e-5. The table ships with the toolkit (by `python -m sims.layer_bounds.times` with the "
    "extra oracles): nothing is timed while the figure is drawn."
)
_PANELS = {"bound": "Lower bound", "codes": "Best codes", "masks": "Best mask"}
_STYLES = {"snapcut": (style.BLUE, "-"), "cvxpy + Clarabel": (style.ORANGE, "--"), "SCIP": (style.RED, "--")}


def data(budget: str = "quick", seed: int = 0) -> Table:
    """Columns question, solver, n; median, least, largest (CPU seconds); solved, instances.

    Parameters
    ----------
    budget, seed
        Without effect: the table was measured once.
    """
    rows = times.load()
    return by_column(tuple(rows[0]), [tuple(row.values()) for row in rows])


@style.styled
def draw(table: Table) -> Figure:
    """A panel for each question, a line for each solver."""
    figure, axes = style.panels(len(_PANELS), width=3.2, height=3.0, sharey=True)
    for axis, (question, title) in zip(axes, _PANELS.items(), strict=True):
        asked = table["question"] == question
        for solver in dict.fromkeys(table["solver"][asked].tolist()):
            here = asked & (table["solver"] == solver)
            color, line = _STYLES[solver]
            n, median = table["n"][here], table["median"][here]
            stopped = table["solved"][here] < table["instances"][here]
            axis.plot(n, median, line, color=color)
            for which, fill in ((~stopped, color), (stopped, "white")):
                style.interval(
                    axis,
                    n[which],
                    median[which],
                    table["least"][here][which],
                    table["largest"][here][which],
                    color,
                    fmt=style.mark(color),
                    markerfacecolor=fill,
                )
            ours = solver == "snapcut"
            at = len(n) // 2 if ours else -2
            place = {"xytext": (6, -11)} if ours else {"xytext": (-8, 9), "ha": "right"}
            style.label(axis, n[at], median[at], solver, color, **place)
        axis.set(xscale="log", yscale="log", title=title, xlabel="inputs n")
        ticks = [
            t for t in (4, 8, 16, 32, 64, 128, 256) if table["n"][asked].min() <= t <= table["n"][asked].max()
        ]
        axis.set_xticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
    axes[0].set_ylabel("CPU time (s)")
    return figure
