"""Results for people and for programs: tables, CSV, and JSON that every reader takes.

The names of tensors, of files and of parameters come from strangers. Whatever shows text that is not ours
passes it through `visible` (or writes it with `say`, `print_table` or `csv_text`, which do).
"""

import contextlib
import csv
import io
import math
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from json import dumps
from pathlib import Path
from typing import IO, Any

from sims.support.files import atomic_write, naming


def emit(json: Path | None, content: dict, show: Callable[[], None]) -> None:
    """Write `content` to the file `json` if one is named, and show it unless that is the standard output.

    A result that cannot be written to its file is still shown.
    """
    if json is not None:
        text = dumps(plain(content), indent=2, allow_nan=False) + "\n"
        if str(json) == "-":
            _write(text)
            return
        try:
            with atomic_write(json) as file:
                file.write(text)
        except OSError:
            show()
            raise
    show()


def _write(text: str) -> None:
    with naming("standard output"):
        sys.stdout.write(text)


def plain(value):
    """The same content for JSON, which knows neither NumPy numbers nor infinity nor NaN (they become None).

    Examples
    --------
    >>> plain({"snr": math.inf, 4: [1.5, True, None]})
    {'snr': None, '4': [1.5, True, None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, (bool, int)):
        return number
    return float(number) if math.isfinite(number) else None


_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, formats (direction marks), surrogates, line ends
_FORMULA = ("=", "+", "-", "@")


def visible(text: str) -> str:
    r"""The text with every character that a terminal obeys instead of showing written as an escape.

    Examples
    --------
    >>> print(visible("w\x1b[2J\n\u202e"), visible("Größe [b]"))
    w\x1b[2J\n\u202e Größe [b]
    """
    if text.isprintable():  # nothing below is; most names are
        return text
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in _INVISIBLE else character
        for character in text
    )


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Stands for `warnings.showwarning` in programs of ours: one line without a path, and only what is meant.

    What libraries warn about in passing (invalid values in a cast, names that will go) helps no reader of a
    result; SNAPCUT_DEBUG=1 shows it.
    """
    if issubclass(category, UserWarning) or os.environ.get("SNAPCUT_DEBUG"):
        with contextlib.suppress(OSError, AttributeError):  # standard error may be full, or closed
            sys.stderr.write(f"snapcut: {visible(str(message))}\n")


def say(*lines: str, file: IO[str] | None = None) -> None:
    """Write lines of text on standard output (or `file`), whatever a stranger put into them."""
    for line in lines:
        with naming("standard output" if file is None else file.name):
            print(visible(line), file=file)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV, None as nothing; text that a spreadsheet would run as a formula gets a leading quote.

    Examples
    --------
    >>> print(csv_text(["name", "x"], [["=1+1", -0.5], ["w", None]]), end="")
    name,x
    '=1+1,-0.5
    w,
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_inert, header))
    writer.writerows([_inert(value) for value in row] for row in rows)
    return text.getvalue()


def _inert(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def print_table(rows: list[dict], title: str | None = None, marked: tuple[str, ...] = ()) -> None:
    """One row per dict; numbers to 5 significant digits, right-aligned.

    Only the columns `marked` hold markup of ours; every other cell is text, whatever a file put into it.
    Colours on a terminal unless NO_COLOR. A terminal that is too narrow shows the columns from the left that
    fit, and the others below each row by name: no cell is ever broken. Elsewhere there is room enough.
    """
    _write(table_text(rows, title, marked, colours=sys.stdout.isatty()))


def table_text(
    rows: list[dict], title: str | None = None, marked: tuple[str, ...] = (), *, colours: bool = False
) -> str:
    """What :func:`print_table` prints.

    Examples
    --------
    >>> print(table_text([{"n": 4, "P": 0.5}, {"n": 16, "P": None}]), end="")
     n    P
     4  0.5
    16
    """
    from rich.console import Console
    from rich.text import Text

    if not rows:
        return ""
    if colours:
        console = Console()
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
        console = Console(width=width, no_color=True, highlight=False, force_terminal=False)

    def text(column: str, value: object) -> Text:
        return Text.from_markup(cell(value)) if column in marked else Text(visible(cell(value)))

    cells = [[text(column, row[column]) for column in rows[0]] for row in rows]
    names = [visible(column) for column in rows[0]]
    numeric = [all(isinstance(row[c], (int, float)) or row[c] is None for row in rows) for c in rows[0]]
    lines = _lines([Text(name) for name in names], cells, numeric, console.width)
    with console.capture() as printed:  # by us: rich has ideas of its own about closed pipes
        if title:
            console.print(Text(title, style="italic"), soft_wrap=True)
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
    return "".join(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _lines(names: list, cells: list[list], numeric: list[bool], width: int) -> Iterator:
    """Header and rows of a table; what does not fit beside the first columns stands below, name by name."""
    from rich.text import Text

    widths = [max(text.cell_len for text in column) for column in zip(names, *cells, strict=True)]
    shown, used = 0, -_GAP
    while shown < len(widths) and (shown == 0 or used + _GAP + widths[shown] <= width):
        used += _GAP + widths[shown]
        shown += 1
    for index, row in enumerate([names, *cells]):
        line = Text(style="bold" if index == 0 else "")
        for text, right, room in zip(row[:shown], numeric, widths, strict=False):
            space = " " * (room - text.cell_len)
            line.append(" " * _GAP if line.plain else "")
            line.append_text(Text(space) + text if right else text + Text(space))
        yield line
        if index == 0:
            continue
        below = Text()
        for name, text in zip(names[shown:], row[shown:], strict=True):
            if not text.plain:
                continue
            pair = Text.assemble((f"{name.plain} ", "dim"), text)
            if below.plain and below.cell_len + _GAP + pair.cell_len > width:
                yield below
                below = Text()
            below = Text.assemble(below, "  " if below.plain else "    ", pair)
        if below.plain:
            yield below


_GAP = 2  # spaces between columns


def cell(value: object) -> str:
    """A value as tables show it: five significant digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
