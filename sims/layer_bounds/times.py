"""Time against the number of inputs beside general solvers: ``python -m sims.layer_bounds.times``.

The table that it writes stands in `sims/data`, so that the figure shows it where the [oracles] extra is
missing. CPU seconds of one thread (start it with OPENBLAS_NUM_THREADS=1), four neurons at every size,
answers equal to 1e-5 before any time counts. Another machine has other times; ratios stay about the same.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sims.data import FOLDER, shipped_rows
from sims.layer_bounds import oracles, pruning_range, quantization_range
from sims.layer_bounds.certificate import certify
from sims.layer_bounds.problems import problem
from sims.layer_bounds.relaxation import solve
from sims.support.files import atomic_write
from sims.support.output import csv_text
from sims.weights.scales import integer_scale

FILE = "layer_bounds_times.csv"
COLUMNS = ("question", "solver", "n", "median", "least", "largest", "solved", "instances")
LIMIT = 5  # CPU seconds of SCIP for one instance
LOW, HIGH = -8, 7  # 4 bits
SIZES = {  # question: sizes here, sizes of the general solver
    "bound": ((4, 8, 16, 32, 64, 128, 256), (4, 8, 16, 32, 48)),
    "codes": ((4, 8, 12, 16, 24, 32, 36), (4, 8, 12, 16)),
    "masks": ((8, 12, 16, 24, 32, 36), (8, 12, 16, 20)),
}
SOLVERS = {"bound": "cvxpy + Clarabel", "codes": "SCIP", "masks": "SCIP"}
INSTANCES = tuple((kind, seed) for kind in ("autoregressive", "relu") for seed in (0, 1))


def load() -> list[dict[str, Any]]:
    """The committed table: question, solver, n, median, least, largest (CPU seconds), solved, instances.

    Examples
    --------
    >>> sorted({row["solver"] for row in load()})
    ['SCIP', 'cvxpy + Clarabel', 'snapcut']
    """
    rows: list[dict[str, Any]] = [*shipped_rows(FILE)]
    for row in rows:
        row |= {name: int(row[name]) for name in ("n", "solved", "instances")}
        row |= {name: float(row[name]) for name in ("median", "least", "largest")}
    return rows


def _timed(function: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    best, answer = float("inf"), None
    for _ in range(rounds):
        start = time.process_time()
        answer = function()
        best = min(best, time.process_time() - start)
    return best, answer


def _ours(question: str, gram: np.ndarray, w: np.ndarray, step: float) -> tuple[float, float, bool]:
    """CPU seconds, value, whether it is proved."""
    y = w / step
    if question == "bound":
        took, found = _timed(lambda: certify(gram, y, solve(gram, y, LOW, HIGH), LOW, HIGH), 3)
        return took, found.value, True
    if question == "codes":
        took, found = _timed(lambda: quantization_range(w, gram=gram, bits=4, step=step, relaxation=False), 3)
        return took, found.best / step**2, found.optimum is not None
    took, found = _timed(lambda: pruning_range(w, gram=gram, keep=len(w) // 4), 3)
    return took, found.best, found.optimum is not None


def _theirs(question: str, gram: np.ndarray, w: np.ndarray, step: float) -> tuple[float, float, float, bool]:
    """CPU seconds, the proved lower bound, the value, whether they are equal."""
    y = w / step
    if question == "bound":
        took, value = _timed(lambda: oracles.conic(gram, y, LOW, HIGH), 1)
        return took, value, value, True
    if question == "codes":
        took, found = _timed(lambda: oracles.scip_codes(gram, y, LOW, HIGH, LIMIT), 1)
    else:
        took, found = _timed(lambda: oracles.scip_mask(gram, w, len(w) // 4, LIMIT), 1)
    return took, found.bound, found.value, found.status == "optimal"


def _measured() -> Iterator[tuple]:
    for question, (here, there) in SIZES.items():
        for n in sorted({*here, *there}):
            times: dict[str, list[tuple[float, bool]]] = {"snapcut": [], SOLVERS[question]: []}
            for kind, seed in INSTANCES:
                x, w = problem(kind, n, seed)
                gram, step = x.T @ x, integer_scale(w, 4).scale
                took, value, proved = _ours(question, gram, w, step)
                times["snapcut"].append((took, proved))
                if n in there:
                    took, lower, upper, solved = _theirs(question, gram, w, step)
                    assert lower * (1 - 1e-5) <= value <= upper * (1 + 1e-5), "answers differ"
                    times[SOLVERS[question]].append((took, solved))
            for solver, all_ in times.items():
                if all_ and n in (here if solver == "snapcut" else there):
                    seconds = [took for took, _ in all_]
                    yield (
                        *(question, solver, n),
                        *(f"{of(seconds):.3g}" for of in (statistics.median, min, max)),
                        *(sum(solved for _, solved in all_), len(all_)),
                    )


def main() -> None:
    """Measure and write the table."""
    pruning_range([1.0, 0.5], gram=np.eye(2), keep=1)  # kernels and libraries load before anything is timed
    quantization_range([1.0, 0.5], gram=np.eye(2), bits=2)
    oracles.conic(np.eye(2), np.array([0.3, 0.4]), LOW, HIGH)
    oracles.scip_codes(np.eye(2), np.array([0.3, 0.4]), LOW, HIGH)
    text = csv_text(COLUMNS, list(_measured()))
    with atomic_write(FOLDER / FILE, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
