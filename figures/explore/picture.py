"""Pictures of a page: SVG that follows the reader's light or dark theme, and files to keep.

Matplotlib's settings are global to the process, and it opens its fonts once for every thread, while sessions
are threads of it: one thread draws for all.
"""

import io
import json
import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from figures import style
from theory.arguments import choice

_PEN = ThreadPoolExecutor(1, thread_name_prefix="snapcut-pen")
WIDE, NARROW = (7.2, 3.9), (3.9, 3.7)  # inches; shown about 800 and 360 pixels wide
KINDS = ("pdf", "svg", "png")
# Fixed margins: constrained layout would triple the time of a drawing, which must follow a slider.
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.68, 0.14, 0.5, 0.14

# Colours that change with the theme, as CSS variables; head.html gives their values.
_THEMED = {
    style.BLUE: "blue",
    style.RED: "red",
    style.GREEN: "green",
    style.ORANGE: "orange",
    style.PURPLE: "purple",
    style.SKY: "sky",
    style.BLACK: "ink",
    style.GREY: "grey",
    "#E6E6E6": "grid",
    "#FFFFFF": "paper",
    "#000000": "ink",
}
_COLOUR = re.compile("|".join(re.escape(c.lower()) for c in _THEMED))
_IDENTIFIER = re.compile(r'((?:\bid="|href="#|url\(#))')


def superscript(exponent: int) -> str:
    """Digits above the line.

    Examples
    --------
    >>> superscript(-12)
    '⁻¹²'
    """
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def decades(axis: Axis) -> None:
    """Label the powers of ten of a logarithmic axis in plain text, without minor ticks.

    Matplotlib's own labels are formulas, and its minor ticks are many: they double the time of a drawing.
    """

    def label(value: float, _: float) -> str:
        return f"{value:g}" if 1e-2 <= value <= 1e3 else f"10{superscript(round(math.log10(value)))}"

    axis.set_major_formatter(label)
    axis.set_minor_locator(NullLocator())


class Spot(NamedTuple):
    """A point of the picture, in its own coordinates, and what is said when the pointer is near."""

    x: float
    value: float
    text: str


@style.styled
def _drawn(draw: Callable[[Axes], None], size: tuple[float, float]) -> Figure:
    figure = Figure(figsize=size)
    width, height = size
    axes = figure.add_axes(
        (_LEFT / width, _BOTTOM / height, 1 - (_LEFT + _RIGHT) / width, 1 - (_BOTTOM + _TOP) / height)
    )
    draw(axes)
    return figure


def export(draw: Callable[[Axes], None], kind: str, size: tuple[float, float] = WIDE) -> bytes:
    """The picture as a file: "pdf", "svg" or "png", black on white; equal pictures give equal bytes."""
    choice("kind", kind, KINDS)
    info: dict[str, dict] = {
        "pdf": {"CreationDate": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
    }
    return _PEN.submit(_saved, draw, size, "snapcut", format=kind, metadata=info[kind], dpi=200).result()


def _saved(draw: Callable[[Axes], None], size: tuple[float, float], salt: str, **options: Any) -> bytes:
    return _drawing(draw, size, salt, **options)[1]


def _drawing(
    draw: Callable[[Axes], None], size: tuple[float, float], salt: str, **options: Any
) -> tuple[Figure, bytes]:
    buffer = io.BytesIO()
    with matplotlib.rc_context({**style.WRITING, "svg.hashsalt": salt, "svg.fonttype": "path"}):
        figure = _drawn(draw, size)
        figure.savefig(buffer, **options)
    return figure, buffer.getvalue()


def _placed(figure: Figure, spots: Sequence[Spot]) -> str:
    """[x, y, text] of every spot inside the axes, in points from the upper left corner, as JSON."""
    (axes,) = figure.axes
    if not spots:
        return "[]"
    pixels = axes.transData.transform(np.array([(one.x, one.value) for one in spots]))
    inside = axes.patch.contains_points(pixels, radius=1.0)
    x, y = (72 * pixels / figure.dpi).T
    top = 72 * figure.get_figheight()
    return json.dumps(
        [
            [round(float(x[i]), 1), round(float(top - y[i]), 1), one.text]
            for i, one in enumerate(spots)
            if inside[i] and math.isfinite(x[i]) and math.isfinite(y[i])
        ],
        ensure_ascii=False,
    )


def themed_svg(
    draw: Callable[[Axes], None],
    size: tuple[float, float],
    prefix: str,
    description: str,
    spots: Sequence[Spot] = (),
) -> str:
    """The picture as an <svg> element whose colours are CSS variables and whose ids begin with `prefix`.

    `spots` go into its data, for the pointer.
    """
    info = {"Date": None, "Creator": None}

    def drawn() -> tuple[bytes, str]:
        figure, content = _drawing(draw, size, prefix, format="svg", transparent=True, metadata=info)
        return content, _placed(figure, spots)

    content, places = _PEN.submit(drawn).result()
    text = content.decode()
    text = text[text.index("<svg") :]
    text = _COLOUR.sub(lambda m: f"var(--snapcut-{_THEMED[m.group().upper()]})", text)
    text = _IDENTIFIER.sub(rf"\g<1>{prefix}", text)
    # Its <style> would apply to the whole page; head.html has the same rule for pictures alone.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", text, count=1)
    data = f'role="img" aria-label="{escape(description, quote=True)}"'
    if spots:
        data += f' data-snapcut-spots="{escape(places, quote=True)}"'
    return text.replace("<svg ", f"<svg {data} ", 1)
