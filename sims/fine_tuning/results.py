"""The standard comparison and the table of it that ships: ``python -m sims.fine_tuning.results``.

A dense and a convolutional network on two data sets each, 1 to 8 bits, ten seeds a cell. The table stands in
``sims/data`` so that figures, the guide and the explorer show a finished run also where the [train] extra
is missing. A rerun on another machine rounds differently and gives other last digits; the committed file is
the reference.
"""

import argparse
import functools
import json
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from sims.data import FOLDER, shipped_rows
from sims.fine_tuning.cells import Setting
from sims.fine_tuning.methods import METHODS
from sims.fine_tuning.statistics import sign_flip_p_value
from sims.fine_tuning.study import EPOCHS, Study, accuracies, study
from sims.support.files import atomic_write
from sims.support.output import csv_text
from sims.support.row import Row

FILE = "fine_tuning_results.csv"
BITS = (8, 7, 6, 5, 4, 3, 2, 1)
PAPER = "kuzmin_table1.csv"
_IMAGES = {"digits": 450, "mnist": 1000}  # of the tests
_WITHOUT_TWO_PHASES = ("qat", "prune", "nearest", "optq", "spfq", "magnitude", "obs")
CASES = {  # network and data: methods compared; fewer with convolutions, which take longer
    ("dense", "digits"): METHODS,
    ("dense", "mnist"): METHODS,
    ("conv", "digits"): _WITHOUT_TWO_PHASES,
    ("conv", "mnist"): _WITHOUT_TWO_PHASES,
}
LAYER_COLUMNS = {
    "weights_snr": "SNR of the weights, dB",
    "outputs_snr": "SNR of the outputs, dB",
    "cka": "CKA of the outputs",
    "steps": "learned over best step",
}
ENDS = {"": "measured", "_low": "low", "_high": "high"}  # of a median over seeds: itself and its interval
_LISTS = tuple(column + end for column, end in product(LAYER_COLUMNS, ENDS))


def setting(network: str, data: str, seeds: int = 10) -> Setting:
    """The standard setting of a network on a data set."""
    pretraining, epochs = EPOCHS[network]
    return Setting(network, data, seeds, pretraining, epochs)


def compact(found: Study) -> list[dict[str, Any]]:
    """A row per cell: accuracies by seed, medians by layer and their ends, each list as JSON in a column."""
    rows = []
    for row in found.rows:
        before = [row[f"accuracy before, seed {i}, measured"] for i in range(row["seeds"])]
        line: dict[str, Any] = {name: row[name] for name in ("network", "data", "method", "bits", "seeds")}
        line |= {"median": row["estimate"], "low": row["low"], "high": row["high"]}
        line |= {"accuracies": _text(accuracies(row)), "originals": _text(before)}
        for (column, title), (end, name) in product(LAYER_COLUMNS.items(), ENDS.items()):
            layers = [row.get(f"{title}, layer{i}, {name}") for i in range(1, 4)]
            line[column + end] = _text(layers) if any(value is not None for value in layers) else ""
        rows.append(line)
    return rows


def _text(values: Any) -> str:
    return json.dumps([None if value is None else float(f"{value:.5g}") for value in values])


@functools.cache
def load() -> tuple[dict[str, Any], ...]:
    """The committed table, numbers as numbers and lists as lists.

    Examples
    --------
    >>> sorted({row["network"] for row in load()})
    ['conv', 'dense']
    """
    return tuple(_read(row) for row in shipped_rows(FILE))


def _read(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "bits": int(row["bits"]),
        "seeds": int(row["seeds"]),
        **{name: float(row[name]) for name in ("median", "low", "high")},
        **{name: json.loads(row[name] or "[]") for name in ("accuracies", "originals", *_LISTS)},
    }


def comparison(network: str, data: str, bits: int, methods: Sequence[str] = ("qat", "prune")) -> list[Row]:
    """Rows of the committed table at one width: accuracies by method, the paired test of qat and prune.

    Examples
    --------
    >>> first, *_ = comparison("dense", "digits", 2)
    >>> first.quantity, round(first.theory, 3)
    ('accuracy of the original networks', 0.964)
    """
    cells = {row["method"]: row for row in load()
             if (row["network"], row["data"], row["bits"]) == (network, data, bits)}  # fmt: skip
    original = float(np.median(cells["qat"]["originals"]))
    found = [Row.law("accuracy of the original networks", original, "median over seeds")]
    for method in methods:
        cell = cells[method]
        ends = cell["median"], cell["low"], cell["high"]
        source = f"median over {cell['seeds']} seeds; before compression beside it"
        found.append(Row(f"accuracy, {method}", *ends, theory=original, source=source, trials=cell["seeds"]))
    ours, theirs = (np.array(cells[method]["accuracies"]) for method in ("qat", "prune"))
    differences = np.rint((ours - theirs) * _IMAGES[data]).astype(np.int64)
    gap = float((ours - theirs).mean())
    p = sign_flip_p_value(differences)
    return [
        *found,
        Row("learned steps above pruning", gap, trials=len(ours), source="mean of paired seeds"),
        Row.law("p of no advantage", p, "exact sign-flip test over the seeds"),
    ]


def rows(budget: str = "quick", seeds: int = 10) -> tuple[dict[str, Any], ...]:
    """The committed table at the quick budget; computed anew at the others, which takes minutes."""
    if budget == "quick":
        return load()
    found: list[dict[str, Any]] = []
    for (network, data), methods in CASES.items():
        found += compact(study(setting(network, data, seeds), BITS, methods))
    return tuple(_read(row) for row in found)


@functools.cache
def paper_table() -> tuple[dict[str, Any], ...]:
    """Table 1 of Kuzmin et al. 2023: a row for each of nine models and two methods, with what it lost or won.

    Returns
    -------
    rows with model, metric, fp (the original network's), method, and a number for each width 8 to 2

    Examples
    --------
    >>> rows = paper_table()
    >>> len(rows), rows[0]["model"], rows[0]["4"]
    (18, 'ResNet-18', 70.0)
    """
    words = ("model", "metric", "method")
    return tuple({k: v if k in words else float(v) for k, v in row.items()} for row in shipped_rows(PAPER))


def main() -> None:
    """Run every case, resuming what is kept, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / FILE)
    parser.add_argument("--folder", type=Path, default=Path("fine_tuning_run"), help="where cells are kept")
    parser.add_argument("--processes", type=int, default=None)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for (network, data), methods in CASES.items():
        start = time.perf_counter()
        folder = arguments.folder / f"{network}-{data}"
        found = study(
            setting(network, data),
            BITS,
            methods,
            folder=folder,
            resume=True,
            processes=arguments.processes,
        )
        rows += compact(found)
        print(
            f"{network} on {data}: {len(found.rows)} cells, {time.perf_counter() - start:.0f} s", flush=True
        )
    with atomic_write(arguments.out) as file:
        file.write(csv_text(list(rows[0]), (list(row.values()) for row in rows)))
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
