"""Numbers with their intervals beside what theory says, one row each: the picture of any small table."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLUE, RED, panels, styled

_DECADES = 2.0  # a wider spread of positive numbers is shown on a logarithmic axis


@styled
def draw(
    title: str,
    *,
    names: Sequence[str],
    values: Sequence[float | None],
    reference: Sequence[float | None],
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    labels: tuple[str, str] = ("measured", "theory"),
) -> Figure:
    """One row per name: a dot (with its interval) for the value, a diamond for the reference.

    Parameters
    ----------
    title
        Above the panel.
    names
        Of the rows, from the top.
    values, reference
        Numbers by row; None, NaN and infinity are left out.
    low, high
        Ends of the intervals of `values`.
    labels
        What values and references are.
    """
    measured, theory, lower, upper = (
        np.array([np.nan if number is None else number for number in numbers], float)
        for numbers in (values, reference, low or values, high or values)
    )
    figure, axes = panels(1, width=6.0, height=1.2 + 0.32 * len(names))
    place = np.arange(len(names))[::-1]
    for y, value, least, most in zip(place, measured, lower, upper, strict=True):
        if np.isfinite(value):
            axes.plot([least, most], [y, y], color=BLUE, linewidth=2, alpha=0.5)
    seen, known = np.isfinite(measured), np.isfinite(theory)
    for chosen, numbers, name, style in (
        (seen, measured, labels[0], {"marker": "o", "color": BLUE}),
        (known, theory, labels[1], {"marker": "D", "color": RED, "fillstyle": "none"}),
    ):
        if chosen.any():
            axes.plot(numbers[chosen], place[chosen], linestyle="", label=name, **style)
    shown = np.concatenate([measured[seen], theory[known]])
    if shown.size and (shown > 0).all() and np.log10(shown.max() / shown.min()) > _DECADES:
        axes.set_xscale("log")
    axes.set_yticks(place, names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.grid(axis="y", visible=False)
    axes.set_title(title)
    if shown.size:
        figure.legend(loc="outside lower right", ncols=2)
    return figure
