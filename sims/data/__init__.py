"""Data that ships with the toolkit."""

import csv
from pathlib import Path

FOLDER = Path(__file__).parent  # where scripts write what ships


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table that ships, by column, words as they stand; lines that begin with # are remarks.

    Examples
    --------
    >>> shipped_rows("layer_bounds_times.csv")[0]["solver"]
    'snapcut'
    """
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
