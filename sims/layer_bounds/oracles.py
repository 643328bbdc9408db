"""General solvers on the same programs: oracles for claims and benchmarks, with the [oracles] extra.

They answer the questions that `sims.layer_bounds` answers by solvers of its own; nothing else uses them.
"""

import importlib.util
from typing import Any, NamedTuple

import numpy as np


class Solved(NamedTuple):
    """What an integer solver ended with: its status, the best error found, and its lower bound."""

    status: str
    value: float
    bound: float


def available() -> bool:
    """Whether the [oracles] extra is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("cvxpy", "clarabel", "pyscipopt"))


def conic(gram: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    r"""The semidefinite relaxation of quantizing `y` with box and integer cuts, by cvxpy with Clarabel.

    .. math:: \min\ \langle G, Z\rangle - 2 y^\top G z + y^\top G y, \qquad
        \begin{pmatrix} 1 & z^\top \\ z & Z \end{pmatrix} \succeq 0

    with (low + high) z_i - Z_ii >= low high, and Z_ii - (2k + 1) z_i + k (k + 1) >= 0 for the three k
    nearest to y_i from below.

    Parameters
    ----------
    gram
        (n, n), positive definite.
    y
        (n,) weights in units of the step.
    low, high
        Ends of the codes.
    """
    import cvxpy

    n = len(y)
    moment = cvxpy.Variable((n + 1, n + 1), symmetric=True)
    z, zz = moment[0, 1:], cvxpy.diag(moment[1:, 1:])
    floor = np.clip(np.floor(y), low, high - 1)
    constraints = [moment >> 0, moment[0, 0] == 1, (low + high) * z - zz - low * high >= 0]
    for j in (-1, 0, 1):
        k = floor + j
        there = (k >= low) & (k <= high - 1)
        constraints.append((zz - cvxpy.multiply(2 * k + 1, z) + k * (k + 1))[there] >= 0)
    value = cvxpy.trace(gram @ moment[1:, 1:]) - 2 * (gram @ y) @ z + float(y @ gram @ y)
    program = cvxpy.Problem(cvxpy.Minimize(value), constraints)
    program.solve(solver="CLARABEL")
    return float(program.value)


def scip_codes(gram: np.ndarray, y: np.ndarray, low: int, high: int, seconds: float = 60.0) -> Solved:
    """Least error (z - y)' G (z - y) over integers z in the box, by SCIP, within a time limit."""
    model = _model(seconds)
    z = [model.addVar(vtype="I", lb=low, ub=high) for _ in y]
    return _minimum(model, gram, [z[i] - float(y[i]) for i in range(len(y))])


def scip_mask(gram: np.ndarray, w: np.ndarray, keep: int, seconds: float = 60.0) -> Solved:
    """Least error (v - w)' G (v - w) over v with at most `keep` nonzero entries, none ten times max |w|."""
    from pyscipopt import quicksum

    model = _model(seconds)
    size = 10 * float(np.abs(w).max())
    v = [model.addVar(lb=-size, ub=size) for _ in w]
    kept = [model.addVar(vtype="B") for _ in w]
    for one, on in zip(v, kept, strict=True):
        model.addCons(one <= size * on)
        model.addCons(one >= -size * on)
    model.addCons(quicksum(kept) <= keep)
    return _minimum(model, gram, [v[i] - float(w[i]) for i in range(len(w))])


def _model(seconds: float) -> Any:
    from pyscipopt import Model

    model = Model()
    model.hideOutput()
    model.setParam("limits/time", seconds)
    model.setParam("timing/clocktype", 1)  # CPU, so that other work on the machine takes nothing from it
    return model


def _minimum(model: Any, gram: np.ndarray, e: list) -> Solved:
    """Of |R e|^2, R'R = gram."""
    from pyscipopt import quicksum

    error = []
    for row in np.linalg.cholesky(gram).T:
        part = model.addVar(lb=None)
        model.addCons(part == quicksum(float(row[i]) * e[i] for i in range(len(e)) if row[i]))
        error.append(part)
    goal = model.addVar(lb=0)
    model.addCons(quicksum(part * part for part in error) <= goal)
    model.setObjective(goal)
    model.optimize()
    return Solved(model.getStatus(), model.getObjVal(), model.getDualbound())
