"""A comparison over widths and methods, as a sweep of cells, and the table that says who wins.

Every cell is one program for all seeds; finished ones are stored as they end, and a killed study resumes. A
cluster carries the cells unchanged (:mod:`sims.sweep`).
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sims import sweep
from sims.fine_tuning.backend import load as load_backend
from sims.fine_tuning.cells import Cell, Setting, compare, median, originals
from sims.fine_tuning.methods import METHODS, TUNED
from sims.fine_tuning.statistics import sign_flip_p_value
from sims.support.files import atomic_write
from theory.arguments import choice, whole
from theory.snr import equal_sparsity

SIMULATION = "sims.fine_tuning:simulate"  # by its address: the list of simulations would close a circle
EPOCHS = {"dense": (30, 20), "conv": (12, 8)}  # pretraining and fine-tuning, where none are named
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Study:
    """Finished cells of one setting.

    Attributes
    ----------
    setting, seed
        What was run.
    rows
        A flat row per cell, in the order of the widths, then the methods.
    store
        Folder of the runs behind them, or None.
    """

    setting: Setting
    seed: int
    rows: list[dict[str, Any]]
    store: str | None = None

    def of(self, method: str, bits: int) -> dict[str, Any]:
        """The row of a cell."""
        for row in self.rows:
            if row["method"] == method and row["bits"] == bits:
                return row
        raise ValueError(f"no cell of {method!r} at {bits} bits was run")

    @property
    def bits(self) -> list[int]:
        """Widths, as they were asked for."""
        return list(dict.fromkeys(row["bits"] for row in self.rows))

    @property
    def methods(self) -> list[str]:
        """Methods, likewise."""
        return list(dict.fromkeys(row["method"] for row in self.rows))

    def lines(self) -> list[dict[str, Any]]:
        """A line per width: median accuracies in per cent with their intervals, and the paired test."""
        found = []
        for bits in self.bits:
            line: dict[str, Any] = {"bits": bits, "sparsity": float(equal_sparsity(bits))}
            line["original"] = 100 * self.rows[0]["theory"]
            for method in self.methods:
                row = self.of(method, bits)
                line[method] = (
                    f"{100 * row['estimate']:.2f} [{100 * row['low']:.2f}, {100 * row['high']:.2f}]"
                )
            if {"qat", "prune"} <= set(self.methods) and self.setting.seeds > 1:
                test = paired(self.of("qat", bits), self.of("prune", bits))
                line |= {"qat - prune": 100 * test["difference"], "p": test["p"], "seeds won": test["won"]}
            found.append(line)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"setting": vars(self.setting), "seed": self.seed, "table": self.lines(), "cells": self.rows}

    def save_networks(self, folder: str | Path, seed_index: int = 0) -> list[Path]:
        """Write the networks of one seed, a .npz of matrices layer1, layer2, ... for each cell.

        Codes are exact multiples of their step in single precision: `snapcut ticket --network` finds them
        again.
        """
        written = []
        whole("seed_index", seed_index, 0, self.setting.seeds - 1)
        name = f"{self.setting.network}-{Path(self.setting.data).stem}"
        networks = {f"{name}-float": originals(self.setting, self.seed, self.store).weights}
        for row in self.rows:
            cell = compare(self.setting, row["method"], row["bits"], self.seed, self.store)
            networks[f"{name}-{row['method'].replace(' ', '-')}-{row['bits']}"] = cell.trained.weights
        for file_name, weights in networks.items():
            path = Path(folder) / f"{file_name}.npz"
            with atomic_write(path, "wb") as file:
                np.savez(file, **{f"layer{i}": w[seed_index] for i, w in enumerate(weights, start=1)})
            written.append(path)
        return written


def study(
    setting: Setting,
    bits: Sequence[int] = (8, 4, 3, 2),
    methods: Sequence[str] = ("qat", "prune"),
    *,
    seed: int = 0,
    folder: str | Path | None = None,
    resume: bool = False,
    processes: int | None = None,
    **road: Any,
) -> Study:
    """Run every method at every width.

    Parameters
    ----------
    setting
        Network, data, seeds, recipe.
    bits, methods
        Widths from 1 to 15 (at 16 pruning cuts nothing); names from `METHODS`.
    folder
        Where cells and runs are kept, so that a killed study resumes to the same bits; a temporary one by
        default.
    resume, processes, road
        As in :func:`sims.sweep.run` (backend and scheduler of a cluster).

    Raises
    ------
    ValueError
        Bad parameters, or finished cells in the folder without `resume`.
    ImportError
        The [train] extra is missing.
    """
    load_backend()
    if not bits or not methods:
        raise ValueError("a study needs at least one width and one method")
    for method in methods:
        choice("method", method, METHODS)
    widths = [whole("bits", width, 1, 15) for width in bits]
    if setting.seeds < 2 and {"qat", "prune"} <= set(methods):
        raise ValueError(f"seeds must be at least 2 for the paired test, got {setting.seeds}")
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="snapcut-") as passing:
            return study(setting, bits, methods, seed=seed, folder=passing, processes=processes, **road)
    store = str(Path(folder) / "runs")
    setting.made()  # what cannot be read is said before anything is computed
    originals(setting, seed, store)  # once, not once in every process
    fixed = {name: value for name, value in vars(setting).items() if name != "hidden"} | {"store": store}
    grid: dict[str, Sequence[Any]] = {"bits": widths, "method": list(methods)}
    rows = sweep.run(
        sweep.Sweep(SIMULATION, grid, fixed, seed), folder, resume=resume, processes=processes, **road
    )
    return Study(setting, seed, rows, store)


def accuracies(row: Mapping[str, Any]) -> np.ndarray:
    """Test accuracies of a row, by seed."""
    return np.array([row[f"accuracy of seed {i}, measured"] for i in range(row["seeds"])])


def paired(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, float | str]:
    """Mean difference in accuracy over paired seeds, its exact one-sided p-value, and the seeds won.

    Accuracies are multiples of 1/(test images), so differences are counted in images.
    """
    from sims.networks.images import load

    images = len(load(first["data"]).test_labels)
    differences = np.rint((accuracies(first) - accuracies(second)) * images).astype(np.int64)
    won, lost = int((differences > 0).sum()), int((differences < 0).sum())
    return {
        "difference": float(differences.mean() / images),
        "p": sign_flip_p_value(differences),
        "won": f"{won} of {len(differences)}, {lost} lost",
    }


__all__ = ["EPOCHS", "TUNED", "Cell", "Study", "accuracies", "median", "paired", "study"]
