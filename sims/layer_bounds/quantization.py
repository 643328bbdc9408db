"""The best any quantizer can do on a layer: heuristics, a proved bound and the optimum on one grid."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import numpy as np

from sims.layer_bounds.certificate import certify
from sims.layer_bounds.joint import STEPS, JointNeuron
from sims.layer_bounds.lattice import Lattice, beyond_squares, check_range, semidefinite
from sims.layer_bounds.limits import Limits
from sims.layer_bounds.neuron import Neuron
from sims.layer_bounds.ranges import Range, joined
from sims.layer_bounds.relaxation import solve
from sims.layer_bounds.rows import over_rows
from sims.montecarlo import stream
from sims.path_following import as_weights
from theory.arguments import choice, whole
from theory.codebooks import Grid, integer_levels

NODE_LIMIT = 20_000_000  # about two seconds
Rule = Literal["weights", "outputs"]
Per = Literal["row", "matrix"]


def quantization_range(
    weights: Any,
    *,
    inputs: Any = None,
    gram: Any = None,
    bits: int,
    step: Any = None,
    rule: Rule = "weights",
    per: Per = "row",
    grid: Grid = "twos-complement",
    node_limit: int = NODE_LIMIT,
    time_limit: float | None = None,
    relaxation: bool = True,
    seed: int = 0,
    processes: int = 1,
) -> Range:
    r"""Bound, optimum and best heuristic of quantizing each neuron of a layer, on one grid fixed beforehand.

    .. math:: \min_{z \in \{l, \dots, h\}^N} |X (s z - w)|^2

    Step, grid and box are the same for all three numbers ("joint": all steps). The optimum is found by
    sphere decoding (`sims.kernels.layer_bounds.nearest_codes`), the bound is the certificate of a
    semidefinite relaxation.

    Parameters
    ----------
    weights : (fan_out, fan_in) or (fan_in,) array_like
        w, one neuron per row.
    inputs : (samples, fan_in) array_like, optional
        X.
    gram : (fan_in, fan_in) array_like or sims.path_following.gram.Gram, optional
        X'X instead, so that the data may have any length.
    bits : int
        2 to 16: codes {-2^(b-1), .., 2^(b-1) - 1}, or without the first on the "symmetric" grid.
    step : float or (fan_out,) array_like or "joint", optional
        s, chosen by `rule` if not given. "joint": the optimum over step and codes of every row, for which
        the Gram matrix must be definite (else no proof is tried).
    rule : {"weights", "outputs"}
        "weights": the step of least squared error of the weights, certified. "outputs": of 36 steps from
        0.5 to 1.2 times that one, the step at which single moves from the nearest codes end with the least
        output error.
    per : {"row", "matrix"}
        Whether the rule chooses a step for every row, or one for the whole matrix.
    grid : {"twos-complement", "symmetric"}
    node_limit : int
        Nodes of the search per neuron; a neuron that needs more keeps a valid range without an optimum.
    time_limit : float, optional
        Seconds of search per neuron, likewise; what is found then depends on the machine.
    relaxation
        Whether to compute the relaxation and its bound.
    seed : int
        Of the codes drawn from the relaxation.
    processes : int
        Processes over which rows are spread; never changes a result.

    Returns
    -------
    Range
        Sums over the neurons; `.rows` has each of them.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, values that are not finite, a Gram matrix that is not positive semidefinite,
        bits outside 2 to 16, a step that is not positive.

    References
    ----------
    Kuzmin et al. 2023 (arXiv 2307.02973), Section 4. Agrell, Eriksson, Vardy & Zeger 2002 (the search).

    Examples
    --------
    >>> gram = np.array([[1.0, 0.9], [0.9, 1.0]])
    >>> found = quantization_range([0.45, 0.45], gram=gram, bits=2, step=1.0)
    >>> found.solution, round(found.optimum, 6), found.bound <= found.optimum <= found.heuristic
    (array([0., 1.]), 0.0595, True)
    """
    bits = whole("bits", bits, 2, 16)
    choice("rule", rule, get_args(Rule))
    choice("per", per, get_args(Per))
    levels = integer_levels(bits, grid)
    low, high = float(levels[0]), float(levels[-1])
    limits = Limits.checked(node_limit, time_limit)
    matrix = semidefinite(inputs, gram)
    w = as_weights(weights, len(matrix))
    check_range(w, matrix)
    neuron: Callable[..., Range]
    if isinstance(step, str):
        choice("step", step, ("joint",))
        if rule != "weights" or per != "row":
            raise ValueError(f"a joint step is chosen by no rule and per row, got rule={rule!r}, per={per!r}")
        step, neuron = None, JointNeuron(matrix, limits, relaxation, seed)
    else:
        neuron = _Neuron(matrix, limits, relaxation, seed)
    steps = _steps(w, matrix, step, bits, rule, per, grid)
    cells = [(row, float(s), low, high, index) for index, (row, s) in enumerate(zip(w, steps, strict=True))]
    found = over_rows(neuron, cells, processes, "quantizing neurons")
    return joined(list(found), np.ndim(weights) == 1)


def _steps(
    w: np.ndarray, gram: np.ndarray, step: Any, bits: int, rule: Rule, per: Per, grid: Grid
) -> np.ndarray:
    if step is not None:
        given = np.asarray(step, np.float64)
        if given.shape not in ((), (len(w),)) or not np.all(np.isfinite(given) & (given > 0)):
            raise ValueError(
                f"step must be a positive finite number, or one for each of the {len(w)} rows, got {step!r}"
            )
        least, most, largest = float(given.min()), float(given.max()), float(np.abs(w).max())
        with np.errstate(over="ignore"):
            sizes = least, most, float(np.float64(largest) / least)
        if any(size == np.inf or beyond_squares(size, gram) for size in sizes):
            raise ValueError(
                f"step must be nearer to the weights, so that squared errors are doubles, got {step!r}"
            )
        return np.broadcast_to(given, (len(w),))
    groups = [w] if per == "matrix" else [row[None, :] for row in w]
    chosen = [_chosen_step(group, gram, bits, rule, grid) for group in groups]
    return np.broadcast_to(chosen, (len(w),)) if per == "matrix" else np.array(chosen)


def _chosen_step(rows: np.ndarray, gram: np.ndarray, bits: int, rule: Rule, grid: Grid) -> float:
    from sims.weights.scales import integer_scale

    if not rows.any():
        return 1.0
    first = integer_scale(rows, bits, grid).scale
    if rule == "weights":
        return first
    from sims.kernels.layer_bounds import descend

    levels = integer_levels(bits, grid)
    low, high = float(levels[0]), float(levels[-1])

    def error(step: float) -> float:
        y = rows / step
        return step**2 * sum(descend(gram, one, low, high, np.clip(np.rint(one), low, high)) for one in y)

    return float(min(first * STEPS, key=error))


class _Neuron(Neuron):
    """What one cell computes at a given step."""

    def __call__(self, w: np.ndarray, step: float, low: float, high: float, index: int) -> Range:
        lattice = self.lattice
        codes = np.clip(np.rint(w / step), low, high)
        details = {"step": step, "low": low, "high": high}
        live = lattice.live
        w = w[live]
        energy = lattice.error(w, np.zeros_like(w))
        if self.rounding is None:
            return Range(0.0, 0.0, 0.0, codes * step, energy, {"nearest": 0.0}, 0.0, details=details)
        y = w / step
        dual = solve(lattice.gram, y, low, high) if self.relaxation else None
        bound = 0.0 if dual is None else certify(lattice.gram, y, dual, low, high).value * step**2
        rng = stream(self.seed, ("layer_bounds", index))
        tried = self.rounding.codes(y, low, high, dual, rng)
        errors = {name: self.error(w, z, step) for name, z in tried.items()}
        name = min(errors, key=errors.__getitem__)
        best, heuristic = tried[name], errors[name]
        found, frontier, nodes, ended = search(lattice, y, low, high, best, self.limits)
        error = self.error(w, found, step)
        if error <= heuristic:
            best = found
        codes[live] = best
        return self.searched(
            error,
            errors,
            bound=bound,
            frontier=frontier * step**2,
            ended=ended,
            solution=codes * step,
            energy=energy,
            nodes=nodes,
            details=details,
        )

    def error(self, w: np.ndarray, codes: np.ndarray, step: float) -> float:
        """|X (s z - w)|^2, from the codes."""
        return self.lattice.error(w, step * codes)


def search(
    lattice: Lattice,
    y: np.ndarray,
    low: float,
    high: float,
    start: np.ndarray,
    limits: Limits,
) -> tuple[np.ndarray, float, int, bool]:
    """Codes with the least error by sphere decoding, from feasible ones.

    Parameters
    ----------
    start : (n,) ndarray
        Codes that set the first radius.

    Returns
    -------
    codes; a lower bound on every error, in squared steps; nodes; whether the search ended
    """
    from sims.kernels.layer_bounds import nearest_codes

    order = lattice.order
    codes = start[order].copy()
    radius = lattice.error(y, start)

    def attempt(allowed: int) -> tuple[float, int, bool]:
        nonlocal radius
        slack = lattice.slack(radius, y, low, high)
        radius, frontier, nodes, ended = nearest_codes(
            lattice.squares, lattice.u, y[order], low, high, radius, slack, allowed, codes
        )
        return frontier - slack, nodes, ended

    lower, nodes, ended = limits.spend(attempt)
    result = np.empty(len(y))
    result[order] = codes
    return result, lower, nodes, ended


def feasible_codes(found: Range) -> Iterator[np.ndarray]:
    """Integer codes of every neuron of a range, as the search left them."""
    for row in found.rows or (found,):
        yield np.rint(row.solution / row.details["step"]).astype(np.int64)
