"""What a reference value is: the call, and the right answer by a road that shares no code with theory/.

A row is [function, arguments, keywords, answer, relative tolerance]. Functions are "module:name" or
"module:Class.method"; the object of a method is its first argument. Objects travel as {"Gaussian": [1.0]}.
"""

import json
from fractions import Fraction
from pathlib import Path

import mpmath as mp

mp.mp.dps = 40
EXACT = 1e-9  # of a formula that is exact; rounding is far below it, another constant far above


class Table:
    """The rows of one room."""

    def __init__(self, module: str) -> None:
        self.module, self.rows = module, []

    def add(self, name: str, args: list, answer: object, rtol: float = EXACT, **kwargs: object) -> None:
        name = name if ":" in name else f"{self.module}:{name}"
        self.rows.append([name, plain(args), plain(kwargs), plain(answer), rtol])


def plain(value: object) -> object:
    """JSON's own types; numbers of more digits than a double holds as text."""
    if isinstance(value, Fraction):
        return str(value) if value.denominator > 1 else f"{value.numerator}/1"
    if isinstance(value, mp.mpf):
        return mp.nstr(value, 20)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return [plain(item) for item in (value.tolist() if hasattr(value, "tolist") else value)]
    if isinstance(value, int) and abs(value) > 2**53:
        return {"integer": str(value)}
    return value


def write(tables: list[Table], target: Path) -> None:
    """One row a line, so that a changed value is a changed line."""
    lines = ",\n".join(json.dumps(row) for table in tables for row in table.rows)
    target.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
