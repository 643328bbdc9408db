"""HTML of a page, and its controls as marimo elements. Everything that varies is escaped here."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from matplotlib.axes import Axes

from figures.explore.page import MAX_UPLOAD, Lines, Page, Parameter, Series, State, curves_of
from figures.explore.picture import NARROW, WIDE, Spot, superscript, themed_svg
from sims.support.output import visible
from sims.support.row import Row

_DISPLAY = r"\displaystyle "


def navigation(labels: Mapping[str, str], here: str) -> str:
    """Links to every page, {name: label}."""
    links = "".join(
        f'<a href="?page={name}"{" aria-current=page" if name == here else ""}>{escape(label)}</a>'
        for name, label in labels.items()
    )
    return f'<nav class="snapcut-nav" aria-label="Subjects"><strong>snapcut</strong>{links}</nav>'


def lead(mo: Any, page: Page) -> str:
    """What the page asks, and its law; formulas stand in a row where there is room."""
    formulas = "".join(
        f"<div>{mo.md('$' + _DISPLAY + formula + '$').text}</div>" for formula in page.formulas
    )
    title, text = mo.md(f"# {page.title}").text, mo.md(page.lead).text
    return f'{title}{text}<div class="snapcut-formulas">{formulas}</div>'


def notice(sentences: Sequence[str]) -> str:
    """What could not be done, one line each; nothing when there is nothing to say."""
    lines = "".join(f"<p>{escape(visible(sentence))}</p>" for sentence in sentences)
    return f'<div class="snapcut-notice" role="alert">{lines}</div>' if sentences else ""


def control(mo: Any, parameter: Parameter, value: Any) -> Any:
    """The marimo element of a parameter, set to `value`."""
    if parameter.choices:
        shown = next(label for label, choice in parameter.choices.items() if choice == value)
        return mo.ui.dropdown(dict(parameter.choices), value=shown, label=parameter.label, full_width=True)
    if parameter.values:
        return mo.ui.slider(
            steps=parameter.positions(value),
            value=value,
            label=parameter.label,
            show_value=True,
            full_width=True,
        )
    return mo.ui.number(
        start=parameter.low, stop=parameter.high, step=1, value=value, label=parameter.label, full_width=True
    )


def upload(mo: Any, page: Page) -> Any:
    """The element that takes a file, on the page that does."""
    if not page.upload:
        return None
    return mo.ui.file(
        filetypes=list(page.upload), max_size=MAX_UPLOAD, label="Choose a weight file", kind="button"
    )


def controls(page: Page, elements: Any, file: Any = None) -> str:
    """The controls in their groups."""
    groups = {"model": "Parameters", "simulation": "Simulation"}
    blocks = []
    for kind, heading in groups.items():
        inside = ""
        for p in page.parameters:
            if p.kind == kind:
                names = (
                    f'data-snapcut-parameter="{p.name}" data-snapcut-label="{escape(p.label, quote=True)}"'
                )
                inside += f"<div {names}>{elements[p.name]}</div>"
        if kind == "model" and file is not None:
            hint = f"{' '.join(page.upload)}, up to {MAX_UPLOAD >> 20} MB"
            inside += f'<div class="snapcut-upload">{file}<p>{hint}</p></div>'
        if inside:
            blocks.append(f'<fieldset class="snapcut-controls"><legend>{heading}</legend>{inside}</fieldset>')
    return "".join(blocks)


def number(value: float) -> str:
    """Five significant digits; large powers of ten written out.

    Examples
    --------
    >>> number(0.123456), number(1048576), number(1.5e-9), number(float("nan"))
    ('0.12346', '1048576', '1.5 × 10⁻⁹', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e12:
        text = str(int(value))
    elif 1e-4 <= abs(value) < 1e7:
        text = f"{value:.5g}"
    else:
        mantissa, exponent = f"{value:.4e}".split("e")
        text = f"{float(mantissa):g} × 10{superscript(int(exponent))}"
    return text.replace("-", "−")


def numbers(rows: Lines) -> str:
    """The tables of numbers, a column per heading, a new one where the headings change; sentences between."""
    parts: list[str] = []
    lines: list[dict[str, str]] = []
    for one in [*rows, ""]:
        line = None if isinstance(one, str) else _texts(one)
        if lines and (line is None or line.keys() != lines[0].keys()):
            parts.append(_numbers(lines))
            lines = []
        if line is not None:
            lines.append(line)
        elif one:
            parts.append(f"<p>{escape(visible(str(one)))}</p>")
    return f'<div class="snapcut-numbers">{"".join(parts)}</div>'


def _numbers(lines: Sequence[dict[str, str]]) -> str:
    head = "".join(f"<th scope=col{_class(name)}>{escape(visible(name))}</th>" for name in lines[0])
    body = ""
    for line in lines:
        (_, title), *cells = line.items()
        others = "".join(f"<td{_class(name)}>{text}</td>" for name, text in cells)
        body += f"<tr><th scope=row>{title}</th>{others}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _class(name: str) -> str:
    return " class=snapcut-source" if name == "source" else ""


def _texts(line: Row | dict[str, Any]) -> dict[str, str]:
    """Cells by heading, escaped; of a `Row`, the interval in one, and its trials as its source tells them."""
    if isinstance(line, dict):
        return {name: _cell(value) for name, value in line.items()}
    return {
        "quantity": _cell(line.quantity),
        "measured": _cell(line.measured),
        "interval": _cell(line.low, line.high),
        "theory": _cell(line.theory),
        "source": _cell(line.source),
    }


def _cell(*values: Any) -> str:
    if values[0] is None:
        return ""
    texts = [escape(visible(value)) if isinstance(value, str) else number(value) for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def picture(
    page: Page, state: State, laws: list[Series], points: list[Series], running: bool, problem: str = ""
) -> str:
    """Picture in two shapes (the style sheet shows the fitting one), status, problem and numbers."""
    rows = page.rows(state, points)
    drawn, pinned = curves_of(points), state.get("pin")
    kept = pinned.laws if pinned else []
    head = [one for one in rows[:3] if not isinstance(one, str)]
    first = [[text for text in _texts(one).values() if text][:2] for one in head]
    description = f"{page.title}: " + "; ".join(" ".join(pair) for pair in first)
    shapes = ""
    for shape, size in (("wide", WIDE), ("narrow", NARROW)):

        def drawn_shape(axes: Axes, narrow: bool = shape == "narrow") -> None:
            draw(axes, page, state, laws, drawn, narrow)

        svg = themed_svg(drawn_shape, size, shape, description, hover(page, [*laws, *drawn, *kept]))
        shapes += f'<div class="snapcut-{shape}">{svg}</div>'
    above, below = notice([problem] if problem else []), status(page.count(points), running)
    tip = '<div class="snapcut-tip" role="status" hidden></div>'
    return f'<div class="snapcut-figure">{above}{shapes}{tip}{below}</div>{numbers(rows)}'


def draw(
    axes: Axes, page: Page, state: State, laws: list[Series], points: list[Series], narrow: bool
) -> None:
    """The picture of a state, pinned curves behind it."""
    page.draw(axes, state, laws, points, narrow)
    if pinned := state.get("pin"):
        pinned.draw(axes, state, narrow)


def hover(page: Page, series: Sequence[Series]) -> list[Spot]:
    """What the pointer says beside every point: series, coordinates by name, the interval."""
    x_name, value_name = (name.replace("_db", " (dB)").replace("_", " ") for name in page.axes)
    found = []
    for one in series:
        names = one.columns().get("tensor")
        for i, (x, value) in enumerate(zip(one.x.tolist(), one.value.tolist(), strict=True)):
            if not (math.isfinite(x) and math.isfinite(value)):
                continue
            interval = ""
            if one.low is not None and one.high is not None:
                interval = f" [{number(float(one.low[i]))}, {number(float(one.high[i]))}]"
            title = one.name if names is None else visible(str(names[i]))
            text = f"{title}: {x_name} {number(x)}, {value_name} {number(value)}{interval}"
            found.append(Spot(x, value, text))
    return found


def status(text: str, running: bool) -> str:
    """How far the simulation is."""
    words = " ".join(["Simulating …" if running else "", text]).strip()
    return f'<p class="snapcut-status" data-running="{str(running).lower()}">{escape(words)}</p>'


def texts(page: Page, state: State) -> str:
    """The state as Python, as a command and as a link, each with a button that copies it."""
    blocks = "".join(
        f'<div class="snapcut-text">{_button(f"snapcut-{kind}", label)}'
        f'<pre tabindex="0" id="snapcut-{kind}">{escape(text)}</pre></div>'
        for kind, label, text in (
            ("python", "as Python", page.python(state)),
            ("command", "as command", page.command(state)),
        )
    )
    pinned = state.get("pin")
    link_text = page.link(state) + ("&" + urlencode({"pin": pinned.text()}) if pinned else "")
    address, title = escape(link_text), escape(f"{page.title} · snapcut")
    idle = escape(" ".join(page.idle(state)))
    mark = (
        f'<span data-snapcut-link="{address}" data-snapcut-title="{title}" data-snapcut-idle="{idle}">'
        "restores this page</span>"
    )
    link = f'<div class="snapcut-text">{_button("link", "link")}{mark}</div>'
    return f'<div class="snapcut-texts">{blocks}{link}</div>'


def _button(source: str, label: str) -> str:
    return f'<button type="button" data-snapcut-copy="{source}">Copy {label}</button>'
