"""Where the panels of a figure stand: side by side as they like, or on a page of a given width.

A paper sets a figure to the width of its text. Scaling a wide figure down shrinks its type with it; here the
panels go into further rows instead, and type keeps its size in points.
"""

import itertools
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

_PAGE: ContextVar[float | None] = ContextVar("width of the page in inches", default=None)
_NARROWEST, _WIDEST = 3.0, 20.0
_SQUEEZE = 0.6  # of the width that a panel likes; below that, panels go into further rows


@contextmanager
def page(width: float | None) -> Iterator[None]:
    """Lay out the figures drawn inside for a page of this width in inches; type keeps its size in points.

    Raises
    ------
    ValueError
        Not between 3 and 20 inches.
    """
    if width is not None and not _NARROWEST <= width <= _WIDEST:
        raise ValueError(f"the width must be from {_NARROWEST:g} to {_WIDEST:g} inches, got {width:g}")
    token = _PAGE.set(width)
    try:
        yield
    finally:
        _PAGE.reset(token)


def page_width(natural: float) -> float:
    """The width in inches that a figure is drawn at: the page's, or else the one it likes."""
    return _PAGE.get() or natural


def panels(columns: int = 1, rows: int = 1, *, width: float = 3.6, height: float = 3.0, **options):
    """Figure and its axes, shape (rows, columns), squeezed unless `squeeze=False`; `width` and `height` are
    per panel, in inches.

    On a page (see `page`) too narrow for all columns the panels go, in their order, into further rows.
    """
    wanted = page_width(width * columns)
    across = min(columns, max(1, int(wanted / (_SQUEEZE * width))))
    down = math.ceil(rows * columns / across)
    across = math.ceil(rows * columns / down)
    scale = min(max(wanted / across / width, 0.85), 1.25)
    figure = Figure(figsize=(wanted, height * scale * down), layout="constrained")
    squeeze = options.pop("squeeze", True)
    if across == columns:
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    else:
        axes = _folded(figure, columns, rows, across, down, **options)
    if squeeze:
        axes = axes.squeeze() if axes.size > 1 else axes.item()
    figure.snapcut_panels = list(np.ravel(axes))  # type: ignore[attr-defined]
    return figure, axes


def _folded(
    figure: Figure,
    columns: int,
    rows: int,
    across: int,
    down: int,
    *,
    sharex: bool | str = False,
    sharey: bool | str = False,
    **options,
) -> np.ndarray:
    """The panels of `rows` by `columns`, in rows of `across`; the last row is as wide as the others."""
    total = rows * columns
    last = total - across * (down - 1)
    for ratios in ("width_ratios", "height_ratios"):  # of the panels side by side
        options.pop(ratios, None)
    grid = figure.add_gridspec(down, math.lcm(across, last), **options)
    made: list[Axes] = []
    for index in range(total):
        row, place = divmod(index, across)
        span = grid.ncols // (last if row == down - 1 else across)
        shared = {
            "sharex": _owner(made, index, columns, sharex),
            "sharey": _owner(made, index, columns, sharey),
        }
        axes = figure.add_subplot(grid[row, place * span : (place + 1) * span], **shared)
        if sharey and place:
            axes.tick_params(labelleft=False)
        made.append(axes)
    figure.snapcut_folds = [  # type: ignore[attr-defined]
        (made[index], made[index - index % columns]) for index in range(across, total, across) if sharey
    ]
    return np.array(made, dtype=object).reshape(rows, columns)


def _owner(made: Sequence[Axes], index: int, columns: int, share: bool | str) -> Axes | None:
    """The panel whose axis panel `index` shares: the first of all, of its row, or of its column."""
    if not share:
        return None
    first = {"row": index - index % columns, "col": index % columns}.get(str(share), 0)
    return made[first] if first < index else None


def finish(figure: Figure) -> Figure:
    """Letters on panels, shared labels wherever folding began a row; on a page, nothing too long for it."""
    for first, owner in getattr(figure, "snapcut_folds", ()):
        if not first.get_ylabel():
            first.set_ylabel(owner.get_ylabel())
    axes = getattr(figure, "snapcut_panels", [])
    if len(axes) > 1:
        drawn = [panel for panel in axes if panel.axison]
        for letter, panel in zip("abcdefghijklmnopqrstuvwxyz", drawn, strict=False):
            panel.annotate(
                letter, (0, 1), (-6, 6), xycoords="axes fraction", textcoords="offset points", ha="right",
                fontsize=10, fontweight="bold", color="#1A1A1A",
            )  # fmt: skip
    if _PAGE.get() is not None:
        _fit(figure)
    return figure


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int, **options) -> None:
    """A legend under all panels, in as many of its `columns` as the page has room for."""
    columns = min(columns, len(handles))
    longest = max(len(str(handle.get_label())) for handle in handles)
    room = int(figure.get_figwidth() / (0.45 + 0.062 * longest))  # inches: a mark, and 8-point letters
    place: Any = {"loc": "outside lower center", "handletextpad": 0.4, "columnspacing": 1.2, **options}
    rows = math.ceil(len(handles) / max(1, min(columns, room)))
    figure.legend(handles=handles, ncols=math.ceil(len(handles) / rows), **place)  # rows of equal length


def _fit(figure: Figure) -> None:
    """Names of axes in several lines, and fewer tick labels, where a narrow page needs it."""
    figure.draw_without_rendering()
    for panel in figure.axes:
        text = panel.xaxis.label
        room = 1.02 * panel.get_window_extent().width
        if text.get_text() and "\n" not in text.get_text() and text.get_window_extent().width > room:
            share = room / text.get_window_extent().width
            lines = textwrap.wrap(text.get_text(), max(12, int(share * len(text.get_text()))))
            if not any(line.count("$") % 2 for line in lines):  # never inside a formula
                text.set_text("\n".join(lines))
    figure.draw_without_rendering()
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            _thin([tick.label1 for tick in axis.get_major_ticks() if tick.label1.get_visible()])


def _thin(labels: Sequence[Text]) -> None:
    """Hide every other label until none touches the next."""
    shown = [label for label in labels if label.get_text()]
    boxes = {label: label.get_window_extent() for label in shown}
    while len(shown) > 2 and any(
        boxes[a].padded(1.5).overlaps(boxes[b]) for a, b in itertools.pairwise(shown)
    ):
        for label in shown[1::2]:
            label.set_visible(False)
        shown = shown[::2]
