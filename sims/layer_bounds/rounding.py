"""Feasible codes for a neuron: nearest, feedback, greedy, reduced bases, relaxations, single moves."""

from collections.abc import Iterator

import numpy as np

from sims.layer_bounds.lattice import Lattice
from sims.layer_bounds.relaxation import Dual
from sims.path_following.feedback import optq_feedback
from theory.path_following import feedback

DRAWS = 12  # codes drawn from the relaxation
_REDUCED = 160  # columns up to which a basis is reduced


class Rounding:
    """Heuristics of a layer; what does not depend on the neuron is computed once.

    Examples
    --------
    >>> lattice = Lattice(np.array([[1.0, 0.9], [0.9, 1.0]]))
    >>> found = Rounding(lattice).codes(np.array([0.45, 0.45]), -2, 1, None, np.random.default_rng(0))
    >>> found["nearest"], found["OPTQ"]
    (array([0., 0.]), array([0., 1.]))
    """

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        gram, regular = lattice.gram, lattice.regular
        n = len(gram)
        norm = np.argsort(-np.diagonal(gram), kind="stable")
        self.feedback = {
            "path following": (np.arange(n), feedback(gram, 1.0)),
            "OPTQ": (np.arange(n), _optq(regular, np.arange(n))),
            "OPTQ, activation order": (norm, _optq(regular, norm)),
            "OPTQ, min-pivot order": (lattice.order[::-1], _optq(regular, lattice.order[::-1])),
        }
        self.inverse = np.linalg.inv(regular)
        self.basis: tuple[np.ndarray, np.ndarray] | None = None

    def codes(
        self, y: np.ndarray, low: float, high: float, dual: Dual | None, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Codes in the box by every heuristic, the last two polished by single moves.

        Parameters
        ----------
        y : (n,) ndarray
            Weights in units of the step, live columns only.
        low, high
            Least and greatest code.
        dual
            A solved relaxation to draw from, if there is one.
        rng
            For these draws.

        Returns
        -------
        {name: (n,) ndarray of integers as float64}
        """
        from sims.kernels.layer_bounds import descend
        from sims.kernels.layer_bounds_rounding import feedback_codes, greedy_codes

        low, high = float(low), float(high)
        found = {"nearest": np.clip(np.rint(y), low, high)}
        for name, (order, matrix) in self.feedback.items():
            z = np.empty(len(y))
            feedback_codes(matrix, y[order], low, high, z)
            found[name] = np.empty(len(y))
            found[name][order] = z
        found["greedy"] = np.empty(len(y))
        greedy_codes(self.inverse.copy(), y.copy(), low, high, found["greedy"])
        if len(y) <= _REDUCED:
            found["Babai after LLL"] = np.clip(self.reduced(y), low, high)
        if dual is not None:
            drawn = [np.clip(z, low, high) for z in _draws(dual, rng)]
            found["relaxation, rounded"] = min(drawn, key=lambda z: self.lattice.error(y, z))
        gram = self.lattice.gram
        polished = found["nearest"].copy()
        descend(gram, y, low, high, polished)
        ends = [z.copy() for z in found.values()]
        for z in ends:
            descend(gram, y, low, high, z)
        found["1-opt from nearest"] = polished
        found["1-opt from all"] = min(ends, key=lambda z: self.lattice.error(y, z))
        return found

    def reduced(self, y: np.ndarray) -> np.ndarray:
        """Babai's codes on an LLL-reduced basis, box or no box: clipping them is the caller's part.

        Parameters
        ----------
        y : (n,) or (n, count) ndarray
            Weights in units of the step, a neuron a column.

        Examples
        --------
        >>> Rounding(Lattice(np.array([[1.0, 1.0], [1.0, 1.25]]))).reduced(np.array([0.4, 0.8]))
        array([0., 1.])
        """
        from sims.kernels.layer_bounds_rounding import reduce_basis

        if self.basis is None:
            order = self.lattice.order
            factor = np.linalg.cholesky(self.lattice.regular[np.ix_(order, order)]).T.copy()
            self.basis = (reduce_basis(factor, 0.75, 100 * len(factor)), factor)
        transform, factor = self.basis
        order = self.lattice.order
        # coordinates of y in the reduced basis; its triangular factor decides one after the other
        t = np.linalg.solve(transform.astype(np.float64), y[order])
        z = np.zeros_like(t)
        for k in range(len(y) - 1, -1, -1):
            z[k] = np.rint(t[k] - factor[k, k + 1 :] @ (z[k + 1 :] - t[k + 1 :]) / factor[k, k])
        result = np.empty_like(z)
        result[order] = transform @ z
        return result


def _optq(gram: np.ndarray, order: np.ndarray) -> np.ndarray:
    return np.tril(optq_feedback(gram[np.ix_(order, order)], 0.0), -1)


def _draws(dual: Dual, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The mean of the relaxation rounded, and draws from the Gaussian of its two moments."""
    yield np.rint(dual.corner + 0.5 + dual.mean)
    values, vectors = np.linalg.eigh(dual.moment - np.outer(dual.mean, dual.mean))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    for normal in rng.standard_normal((DRAWS, len(dual.mean))):
        yield np.rint(dual.corner + 0.5 + dual.mean + root @ normal)
