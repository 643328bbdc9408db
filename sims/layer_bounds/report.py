"""The user's own layer: rows and columns chosen, both methods, finished rows kept when it is interrupted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from sims.layer_bounds.lattice import semidefinite
from sims.layer_bounds.pruning import pruning_range
from sims.layer_bounds.quantization import quantization_range
from sims.layer_bounds.ranges import Range, joined
from sims.layer_bounds.rows import over_rows
from sims.path_following import as_weights
from theory.arguments import choice, whole
from theory.snr import equal_sparsity, pruned_count

Step = Literal["weights", "outputs", "joint"]
_STEPS = {"weights": "", "outputs": ", step for the outputs", "joint": ", best step"}
ROWS, COLUMNS = 8, 36  # taken where nobody names any: exact search is for some tens of columns
_ROUNDING = 1e-12  # share of the energy; less is no error, and the certificate takes off about as much


@dataclass(frozen=True)
class Report:
    """Ranges of a layer by method, and what should be said about them.

    Attributes
    ----------
    ranges
        {"quantization": Range, "pruning": Range}, over the rows that were finished.
    settings
        {method: what was asked of it, in words}
    notes
        Sentences: what was left out, stopped or shifted.
    interrupted
        Whether rows are missing because the run was interrupted.
    """

    ranges: dict[str, Range]
    settings: dict[str, str]
    notes: list[str]
    interrupted: bool

    def lines(self) -> list[dict[str, Any]]:
        """A table: one line for each method."""
        lines = []
        for method, found in self.ranges.items():
            snr = found.snr()
            tried = {k: v for k, v in found.errors.items() if k != "smallest kept"}
            lines.append(
                {
                    "method": method,
                    "setting": self.settings[method],
                    "found (dB)": snr.heuristic,
                    "by": min(tried, key=tried.__getitem__),
                    "optimum (dB)": snr.optimum,
                    "limit (dB)": snr.bound,
                    "not proved": found.stopped,
                }
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Plain values: sums, and every row."""
        return {
            method: {
                **found.as_dict(),
                "setting": self.settings[method],
                "rows": [
                    row.as_dict() | {k: row.details[k] for k in ("step",) if k in row.details}
                    for row in found.rows or (found,)
                ],
            }
            for method, found in self.ranges.items()
        } | {"notes": self.notes, "interrupted": self.interrupted}


def layer_report(
    weights: Any,
    inputs: Any = None,
    *,
    gram: Any = None,
    bits: int | None = 4,
    sparsity: float | None = None,
    rows: Sequence[int] | None = None,
    columns: Sequence[int] | None = None,
    time_limit: float | None = 2.0,
    step: Step = "weights",
    processes: int = 1,
) -> Report:
    """Quantization at `bits` and pruning at `sparsity` (at equal compression if one is not named).

    Parameters
    ----------
    weights : (fan_out, fan_in) array_like
    inputs, gram
        X, or X'X.
    bits, sparsity
        None leaves pruning at 1 - bits/16, or quantization out.
    rows, columns
        Which to take; by default eight rows spread evenly and the first 36 columns.
    time_limit : float, optional
        Seconds of search per row and method.
    step : {"weights", "outputs", "joint"}
        The grid's step in every row: by a rule of `quantization_range`, or the best together with the codes.

    Raises
    ------
    ValueError, TypeError
        As `quantization_range` and `pruning_range`; rows or columns that the layer has not.

    Examples
    --------
    >>> found = layer_report(np.eye(3) + 0.4, np.eye(3), bits=3)
    >>> [line["not proved"] for line in found.lines()], found.notes
    ([0, 0], [])
    """
    choice("step", step, get_args(Step))
    if bits is None and sparsity is None:
        raise ValueError("give bits, to quantize, or sparsity, to prune, or both")
    matrix = semidefinite(inputs, gram)
    w = as_weights(weights, len(matrix))
    notes = []
    chosen_rows = _chosen("rows", rows, len(w))
    if rows is None and len(w) > ROWS:
        chosen_rows = np.unique(np.linspace(0, len(w) - 1, ROWS).astype(int))
        notes.append(f"{len(chosen_rows)} of {len(w)} rows, spread evenly; name others with --rows")
    chosen_columns = _chosen("columns", columns, len(matrix))
    if columns is None and len(matrix) > COLUMNS:
        chosen_columns = np.arange(COLUMNS)
        notes.append(f"columns 0-{COLUMNS - 1} of {len(matrix)}, as a layer of their own; see --columns")
    w = w[np.ix_(chosen_rows, chosen_columns)]
    matrix = np.ascontiguousarray(matrix[np.ix_(chosen_columns, chosen_columns)])
    ranges, settings, interrupted = {}, {}, False
    for method, setting, options in _tasks(w.shape[1], bits, sparsity, step):
        cells = [(row, matrix, method, {**options, "time_limit": time_limit}) for row in w]
        done: list[Range] = []
        try:
            for one in over_rows(_one, cells, processes, f"{method}: rows"):
                done.append(one)  # one by one: an interruption keeps them
        except KeyboardInterrupt:
            interrupted = True
        if done:
            ranges[method], settings[method] = joined(done, False), setting
        if interrupted:
            if not ranges:
                raise KeyboardInterrupt
            notes.append(f"interrupted: {len(done)} of {len(w)} rows of {method}")
            break
    notes += _remarks(ranges, step)
    return Report(ranges, settings, notes, interrupted)


def _one(row: np.ndarray, gram: np.ndarray, method: str, options: dict[str, Any]) -> Range:
    function = quantization_range if method == "quantization" else pruning_range
    return function(row, gram=gram, **options)


def _tasks(
    n: int, bits: int | None, sparsity: float | None, step: Step
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if bits is not None:
        by = {"step": step} if step == "joint" else {"rule": step}
        yield "quantization", f"{bits} bits{_STEPS[step]}", {"bits": bits, **by}
    if sparsity is None:
        assert bits is not None
        sparsity = float(equal_sparsity(bits))
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must lie between 0 and 1, got {sparsity}")
    keep = n - pruned_count(n, sparsity)
    yield "pruning", f"{keep} of {n} kept", {"keep": keep}


def _chosen(name: str, indices: Sequence[int] | None, size: int) -> np.ndarray:
    if indices is None:
        return np.arange(size)
    wrong = [i for i in indices if not 0 <= i < size]
    if wrong or not len(indices):
        raise ValueError(f"{name} must lie between 0 and {size - 1}, got {wrong[0] if wrong else 'none'}")
    return np.unique([whole(name, i) for i in indices])


def _remarks(ranges: dict[str, Range], step: Step) -> list[str]:
    notes = []
    for method, found in ranges.items():
        rows = found.rows or (found,)
        untried = sum(row.optimum is None and row.nodes == 0 for row in rows)  # a joint step, singular inputs
        stopped, total = found.stopped - untried, len(rows)
        if untried:
            notes.append(
                f"{method}: nothing is proved in {untried} of {total} rows: inputs are dependent, and the "
                "best step over all codes is only searched where they are not"
            )
        if stopped:
            notes.append(
                f"{method}: {stopped} of {total} searches were stopped; their ranges are valid, and a "
                "longer --time-limit may close them"
            )
    quantized = ranges.get("quantization")
    if quantized is not None:
        rows = tuple(row for row in quantized.rows or (quantized,) if row.nodes)
        empty = sum(row.bound == 0 and row.best > _ROUNDING * row.energy for row in rows)
        hard = "a best step over many bits is hard to cover"
        why = hard if step == "joint" else "inputs are dependent"
        if empty:
            notes.append(
                f"quantization: the relaxation proves nothing in {empty} of {len(rows)} rows (limit inf "
                f"where in all): {why}; optima come from the search and hold"
            )
    pruned = ranges.get("pruning")
    if pruned is not None and pruned.details.get("shift"):
        notes.append(
            "the Gram matrix is singular: for pruning 1e-9 of its mean diagonal was added, and the numbers "
            "are about that"
        )
    return notes
