"""What is written while a network is judged: rows as they come, and the table so far after Ctrl-C."""

import contextlib
from collections.abc import Iterable
from json import dumps
from pathlib import Path

from sims.support import interruption
from sims.support.files import atomic_write
from sims.support.output import csv_text, plain
from sims.weights.layout import columns
from sims.weights.table import Table

_PATIENCE = 10.0  # seconds to show what there is after Ctrl-C


def by_lines(path: Path | None) -> bool:
    """Whether a file takes a line of JSON per tensor, by its name."""
    return path is not None and path.suffix == ".jsonl"


def follow(growing: Iterable[Table], lines: Path | None = None) -> tuple[Table, bool]:
    """The last table that came, and whether Ctrl-C came before the others.

    Parameters
    ----------
    growing
        Of :func:`sims.weights.growing_report`.
    lines
        File for a line of JSON per tensor, on the disk as soon as it is judged; the network ends it.

    Raises
    ------
    KeyboardInterrupt
        Before any tensor was judged.
    """
    table: Table | None = None
    written = 0
    interruption.be_patient(_PATIENCE)
    interruption.remember(
        lambda: f"{table.seen} of {table.planned} tensors judged" if table else "no tensor was judged"
    )
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(lines.open("w", encoding="utf-8")) if lines else None

        def write(content: dict) -> None:
            if file is not None:
                file.write(dumps(plain(content), allow_nan=False) + "\n")
                file.flush()

        interrupted = False
        try:
            for table in growing:
                for row in table.rows[written:]:
                    write(row.as_dict())
                written = len(table.rows)
        except KeyboardInterrupt:
            if table is None:
                raise
            interrupted = True
        assert table is not None
        whole = table.as_dict()
        write({key: value for key, value in whole.items() if key != "tensors"} if file else {})
    return table, interrupted


def save_csv(table: Table, path: Path) -> None:
    """Every number of every tensor, and what was left out, as CSV."""
    with atomic_write(path) as file:
        file.write(csv_text(*columns(table)))
