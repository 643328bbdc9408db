"""The table for people: repeated blocks as one line, what fits into a hundred columns, sorted as asked."""

import math
import re
import shutil
import statistics
import sys
from collections.abc import Sequence

from sims.support.output import visible
from sims.weights.network import CUT, SNAP, error_shares
from sims.weights.table import Table, TensorRow, percent
from theory.arguments import choice
from theory.snr import equal_sparsity

SORTS = ("margin", "kurtosis", "error")
WIDE = 100  # columns of a terminal
_SINGLE = 40  # tensors that stand on lines of their own before repeated blocks are put together
_NUMBER = re.compile(r"(?<![^._/])\d+(?![^._/])|(?<=_)\d+(?=[./])")


def pattern_of(name: str) -> str:
    """The name with the numbers of repeated blocks as stars.

    Examples
    --------
    >>> pattern_of("model.layers.31.mlp.up_proj.weight"), pattern_of("encoderblock_7/fc1/kernel")
    ('model.layers.*.mlp.up_proj.weight', 'encoderblock_*/fc1/kernel')
    """
    return _NUMBER.sub("*", name)


def shortened(name: str, width: int) -> str:
    """The name in at most `width` characters, its middle left out where it is longer.

    Examples
    --------
    >>> shortened("model.layers.*.mlp.up_proj.weight", 20)
    'model.lay…oj.weight'
    """
    text = visible(name)
    if len(text) <= width:
        return text
    half = max(1, (width - 1) // 2)
    return f"{text[:half]}…{text[-half:]}"


def terminal_width() -> int:
    """Columns of the terminal, or `WIDE` where the standard output is none."""
    return shutil.get_terminal_size((WIDE, 24)).columns if sys.stdout.isatty() else WIDE


def title(table: Table) -> str:
    """What the table's numbers are."""
    bits = table.middle().bits
    grouped = "; repeated blocks: least/median/largest" if len(table.rows) > _SINGLE else ""
    return f"SNR in dB, rounded to {bits} bits and pruned to that size{grouped}"


def lines(table: Table, sort: str | None = None, width: int = WIDE) -> list[dict[str, str]]:
    """Printable cells: a line per tensor, or per group of repeated blocks, and one for the network.

    Ratios are those at the width of the verdict: least, median and largest of a group.

    Parameters
    ----------
    sort
        "margin" (quantization above pruning, the least first), "kurtosis" or "error" (share of the squared
        error under the method recommended), the largest first; the file's order by default.
    width
        Columns of the terminal.
    """
    if sort is not None:
        choice("sort", sort, SORTS)
    if not table.rows:
        return []
    middle = table.middle()
    bits, cut = middle.bits, middle.winner == CUT
    ratios = [row.pruning[bits] if cut else row.quantization[bits] for row in table.rows]
    shares = dict(
        zip(
            (row.name for row in table.rows),
            error_shares([row.signal for row in table.rows], ratios)[0],
            strict=True,
        )
    )
    groups: dict[str, list[TensorRow]] = {}
    for row in table.rows:
        key = pattern_of(row.name) if len(table.rows) > _SINGLE else row.name
        groups.setdefault(key, []).append(row)
    keys = {
        "margin": lambda rows: min(_margin(row, bits) for row in rows),
        "kurtosis": lambda rows: -max(_number(row.kurtosis) for row in rows),
        "error": lambda rows: -sum(shares[row.name] for row in rows),
    }
    order = list(groups.items())
    if sort is not None:
        order.sort(key=lambda item: keys[sort](item[1]))
    grouped = any(len(rows) > 1 for _, rows in order)
    found = [_line(key, rows, bits, shares, grouped) for key, rows in order]
    found.append(
        {
            "tensor": "network, errors summed",
            **({"": str(len(table.rows))} if grouped else {}),
            "weights": _count(table.size),
            "kurt.": "",
            f"{bits} bits": f"{middle.quantization:.1f}",
            f"cut {percent(equal_sparsity(bits))}": f"{middle.pruning:.1f}",
            "error": "100 %" if any(shares.values()) else "0 %",
            "verdict": _short(table.verdict),
        }
    )
    widths = [max(len(column), *(len(line[column]) for line in found)) for column in found[0]]
    taken = sum(widths[1:]) + 2 * len(widths[1:])
    ending = _common_ending([line["tensor"] for line in found[:-1]])
    for line in found[:-1]:
        line["tensor"] = line["tensor"].removesuffix(ending)
    for line in found:
        line["tensor"] = shortened(line["tensor"], max(16, width - taken))
    return found


def _common_ending(names: Sequence[str]) -> str:
    """The last part of every name (".weight") where all end alike, and something is left."""
    endings = {re.split(r"(?=[./][^./]*$)", name)[-1] for name in names}
    same = len(endings) == 1 and len(names) > 1
    ending = endings.pop() if same else ""
    return ending if ending in (".weight", "/kernel", ".kernel") else ""


def _line(
    key: str, rows: Sequence[TensorRow], bits: int, shares: dict[str, float], grouped: bool
) -> dict[str, str]:
    verdicts = [row.verdict for row in rows]
    line = {"tensor": rows[0].name if len(rows) == 1 else key}
    if grouped:
        line[""] = str(len(rows)) if len(rows) > 1 else ""
    return line | {
        "weights": _count(sum(row.size for row in rows)),
        "kurt.": _kurtosis([row.kurtosis for row in rows if not math.isnan(row.kurtosis)]),
        f"{bits} bits": _range([row.quantization[bits] for row in rows]),
        f"cut {percent(equal_sparsity(bits))}": _range([row.pruning[bits] for row in rows]),
        "error": percent(sum(shares[row.name] for row in rows), 2),
        "verdict": _short(verdicts[0]) if len(set(verdicts)) == 1 else _winners(rows, bits),
    }


def _kurtosis(values: Sequence[float]) -> str:
    """The median; a constant tensor has none."""
    return f"{statistics.median(values):.3g}" if values else "-"


def _winners(rows: Sequence[TensorRow], bits: int) -> str:
    """How many of each verdict at the width on which the network's rests."""
    winners = [row.winner(bits) for row in rows]
    return ", ".join(f"{winners.count(one)} {one}" for one in (SNAP, CUT) if one in winners) or "either"


def _short(verdict: str) -> str:
    return verdict.replace(" at ", " ")


def _range(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return "/".join(f"{one:.1f}" for one in (min(values), statistics.median(values), max(values)))


def _count(number: int) -> str:
    """A number of weights in at most six characters.

    Examples
    --------
    >>> _count(4928), _count(503_316_480)
    ('4,928', '503 M')
    """
    if number < 10**5:
        return f"{number:,}"
    shown = float(f"{number:.3g}")  # rounded first: 999,999 is 1 M, not 1e+03 k
    size, unit = next(one for one in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")) if shown >= one[0])
    return f"{shown / size:.3g} {unit}"


def _margin(row: TensorRow, bits: int) -> float:
    difference = row.quantization[bits] - row.pruning[bits]
    return 0.0 if math.isnan(difference) else difference


def _number(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def columns(table: Table) -> tuple[list[str], list[list]]:
    """Header and rows of every number of every tensor, and of what was left out, for a CSV file."""
    header = ["tensor", "shape", "weights", "bytes", "kurtosis", "peak"]
    for bits in table.bits:
        header += [f"quantization_snr_{bits}", f"pruning_snr_{bits}", f"natural_zeros_{bits}"]
        header += [f"share_of_quantization_error_{bits}", f"share_of_pruning_error_{bits}"]
    header += ["verdict", "note"]
    signals = [row.signal for row in table.rows]
    shares = {
        (method, bits): error_shares(signals, [getattr(row, method)[bits] for row in table.rows])[0]
        for method in ("quantization", "pruning")
        for bits in table.bits
    }
    found: list[list] = []
    for i, row in enumerate(table.rows):
        line: list = [row.name, " x ".join(map(str, row.shape)), row.size, row.nbytes, row.kurtosis, row.peak]
        for bits in table.bits:
            line += [row.quantization[bits], row.pruning[bits], row.zeros[bits]]
            line += [shares["quantization", bits][i], shares["pruning", bits][i]]
        found.append([*line, row.verdict, row.note])
    empty = [None] * (len(header) - 3)
    found += [[name, *empty, "not judged", reason] for name, reason in table.skipped.items()]
    return header, found
