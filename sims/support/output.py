"""Results for people and for programs: tables, and JSON that every reader takes."""

import math
import sys
from collections.abc import Callable
from json import dumps
from pathlib import Path

from sims.support.files import atomic_write


def emit(json: Path | None, content: dict, show: Callable[[], None]) -> None:
    """Write `content` to the file `json` if one is named, and show it unless that is the standard output."""
    if json is not None:
        text = dumps(plain(content), indent=2, allow_nan=False) + "\n"
        if str(json) == "-":
            sys.stdout.write(text)
            return
        with atomic_write(json) as file:
            file.write(text)
    show()


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


def print_table(rows: list[dict], title: str | None = None, marked: tuple[str, ...] = ()) -> None:
    """One row per dict; numbers to 5 significant digits, right-aligned.

    Only the columns `marked` hold markup of ours; every other cell is text, whatever a file put into it.
    Colours on a terminal unless NO_COLOR, and room enough for every column elsewhere.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in rows[0]:
        numeric = all(isinstance(row[column], (int, float)) or row[column] is None for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(v) if column in marked else Text(_cell(v)) for column, v in row.items()))
    terminal = sys.stdout.isatty()
    console = Console() if terminal else Console(width=10_000, no_color=True, highlight=False)
    with console.capture() as text:  # printed by us: rich has ideas of its own about closed pipes
        console.print(table)
    sys.stdout.write(
        text.get() if terminal else "".join(f"{line.rstrip()}\n" for line in text.get().splitlines())
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
