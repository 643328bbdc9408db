"""The best any pruning can do on a layer: heuristics, a proved bound and the optimal mask."""

from typing import Any

import numpy as np

from sims.layer_bounds.certificate import diagonal_below
from sims.layer_bounds.lattice import check_range, factor, semidefinite
from sims.layer_bounds.limits import Limits
from sims.layer_bounds.ranges import Range, joined
from sims.layer_bounds.rows import over_rows
from sims.path_following import as_weights
from theory.arguments import whole
from theory.path_following import min_pivot_order

NODE_LIMIT = 2_000_000  # about five seconds; with frozen weights ten times as many
SHIFT = 1e-9  # of the mean diagonal, added to a Gram matrix that is singular or nearly so
_CONDITION = 1e11


def pruning_range(
    weights: Any,
    *,
    inputs: Any = None,
    gram: Any = None,
    keep: int | None = None,
    pattern: tuple[int, int] | None = None,
    box: tuple[float, float] | None = None,
    refit: bool = True,
    node_limit: int = NODE_LIMIT,
    time_limit: float | None = None,
    processes: int = 1,
) -> Range:
    r"""Bound, optimum and best heuristic of keeping few weights of each neuron of a layer.

    .. math:: \min_{v} (v - w)^\top G (v - w), \quad \|v\|_0 \le k, \quad l \le v_i \le h

    The kept weights are refitted, or stay as they are. The optimum is found by branch and bound on what
    each further cut costs. A singular Gram matrix is shifted by 1e-9 of its mean diagonal
    (`details["shift"]`), and every number is about the shifted problem.

    Parameters
    ----------
    weights : (fan_out, fan_in) or (fan_in,) array_like
        w, one neuron per row.
    inputs : (samples, fan_in) array_like, optional
        X.
    gram : (fan_in, fan_in) array_like or sims.path_following.gram.Gram, optional
        X'X instead.
    keep : int, optional
        k, weights kept in every row (exactly k if they are frozen).
    pattern : (n, m), optional
        Instead of `keep`: n of every m neighbours are kept, as in 2:4.
    box : (low, high), optional
        Kept weights must lie in it; it holds 0. Only with `refit`.
    refit
        False freezes the kept weights.
    node_limit : int
        Nodes of the search per neuron (ten times as many where weights are frozen, whose nodes are cheap).
    time_limit : float, optional
        Seconds of search per neuron.
    processes : int
        Processes over which rows are spread; never changes a result.

    Returns
    -------
    Range
        `errors` has "magnitude", "OBS" and "swaps", all refitted (in the box) or frozen, and "smallest
        kept", what is left if the smallest magnitudes are kept: no heuristic, but what a published script
        computes. It takes no part in `heuristic`.

    Raises
    ------
    ValueError, TypeError
        Shapes that do not fit, values that are not finite, an indefinite Gram matrix, more weights kept
        than there are, an empty box or one without 0, a pattern that does not divide the fan-in.

    References
    ----------
    Furnival & Wilson 1974 (leaps and bounds). Hassibi & Stork 1993 (what a cut costs).

    Examples
    --------
    >>> gram = np.array([[1.0, 0.9], [0.9, 1.0]])
    >>> found = pruning_range([1.0, 0.5], gram=gram, keep=1)
    >>> found.solution.round(3), round(found.optimum, 4)
    (array([1.45, 0.  ]), 0.0475)
    >>> round(pruning_range([1.0, 0.5], gram=gram, keep=1, refit=False).optimum, 4)
    0.25
    """
    matrix = semidefinite(inputs, gram)
    w = as_weights(weights, len(matrix))
    check_range(w, matrix)
    limits = Limits.checked(node_limit, time_limit)
    group, quota = _quotas(w.shape[1], keep, pattern)
    low, high = _box(box, refit)
    neuron = _Neuron(matrix, group, quota, low, high, refit, limits)
    found = over_rows(neuron, [(row,) for row in w], processes, "pruning neurons")
    return joined(list(found), np.ndim(weights) == 1)


def _quotas(size: int, keep: int | None, pattern: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Group of every column, and how many of each group are cut."""
    if (keep is None) == (pattern is None):
        raise ValueError("give either keep, a number of weights per row, or pattern, such as (2, 4)")
    if pattern is None:
        kept = whole("keep", keep, 0)
        if kept > size:
            raise ValueError(f"keep must be at most {size}, the number of weights in a row, got {kept}")
        return np.zeros(size, np.int64), np.array([size - kept])
    if not isinstance(pattern, tuple | list) or len(pattern) != 2:
        raise ValueError(f"pattern must be two integers (n, m), n kept of every m, got {pattern!r}")
    m = whole("pattern's m", pattern[1], 1)
    n = whole("pattern's n", pattern[0], 0, m)
    if size % m:
        raise ValueError(f"pattern {n}:{m} needs a fan-in that is a multiple of {m}, got {size}")
    return np.arange(size) // m, np.full(size // m, m - n)


def _box(box: Any, refit: bool) -> tuple[float, float]:
    if box is None:
        return -np.inf, np.inf
    if not refit:
        raise ValueError("box is for refitted weights: with refit=False the kept ones stay as they are")
    if not isinstance(box, tuple | list) or len(box) != 2:
        raise ValueError(f"box must be a pair (low, high), got {box!r}")
    low, high = float(box[0]), float(box[1])
    if not low <= 0 <= high or low == high:
        raise ValueError(f"box must be an interval that holds 0, got ({low:g}, {high:g})")
    return low, high


class _Neuron:
    """What one cell computes; the layer is prepared once in every process."""

    def __init__(
        self,
        gram: np.ndarray,
        group: np.ndarray,
        quota: np.ndarray,
        low: float,
        high: float,
        refit: bool,
        limits: Limits,
    ) -> None:
        self.live = np.diagonal(gram) > 0
        # a dead column is cut at no cost, before any other of its group
        dead = np.bincount(group[~self.live], minlength=len(quota))
        self.group, self.quota = group[self.live], np.maximum(quota - dead, 0)
        self.low, self.high, self.refit, self.limits = low, high, refit, limits
        self.gram = np.ascontiguousarray(gram[np.ix_(self.live, self.live)])
        self.shift = 0.0
        n = len(self.gram)
        self.below = self.inverse = np.zeros((0, 0))
        self.condition = 1.0
        if n:
            ends = np.linalg.eigvalsh(self.gram)[[0, -1]]
            if ends[0] <= ends[1] / _CONDITION:
                self.shift = SHIFT * float(np.mean(np.diagonal(self.gram)))
                self.gram = self.gram + self.shift * np.eye(n)
                ends = np.linalg.eigvalsh(self.gram)[[0, -1]]
            self.condition = float(ends[1] / ends[0])
            self.inverse = np.linalg.inv(self.gram)
            self.below = diagonal_below(self.gram)

    def __call__(self, w: np.ndarray) -> Range:
        solution = np.zeros(len(w))
        w = w[self.live]
        energy = max(0.0, float(w @ (self.gram @ w))) if len(w) else 0.0
        details = {"cut": int(self.quota.sum()), "shift": self.shift}
        if not len(w) or not self.quota.any():
            v, error = self.fitted(w, np.zeros(len(w), np.bool_)) if len(w) else (w, 0.0)
            solution[self.live] = v
            return Range(error, error, error, solution, energy, {"magnitude": error}, error, details=details)
        masks = self.heuristics(w)
        fits = {name: self.fitted(w, mask) for name, mask in masks.items()}
        errors = {name: fit[1] for name, fit in fits.items()}
        start = min((name for name in errors if name != "smallest kept"), key=errors.__getitem__)
        heuristic = errors[start]
        mask, frontier, nodes, ended = self.search(w, masks[start], heuristic)
        v, error = self.fitted(w, mask)
        if error > heuristic:
            v, error = fits[start]
        if not ended and error < heuristic:
            errors["stopped search"] = heuristic = error
        solution[self.live] = v
        bound = min(error, self.root_bound(w))
        return Range(
            bound=bound,
            optimum=error if ended else None,
            heuristic=heuristic,
            solution=solution,
            energy=energy,
            errors=errors,
            lower=error if ended else max(bound, min(frontier, error)),
            nodes=nodes,
            details=details,
        )

    def fitted(self, w: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights and error for a set that is cut, from G alone."""
        from sims.kernels.layer_bounds_fits import fit_in_box

        if not self.refit:
            v = np.where(cut, 0.0, w)
        elif not cut.any() and self.low <= w.min() and w.max() <= self.high:
            v = w.copy()
        else:
            v = np.empty(len(w))
            fit_in_box(self.gram, w, cut, self.low, self.high, v)
        e = v - w
        return v, max(0.0, float(e @ (self.gram @ e)))

    def heuristics(self, w: np.ndarray) -> dict[str, np.ndarray]:
        """Sets of columns to cut, by name."""
        from sims.kernels.layer_bounds_fits import greedy_cut, swap_cuts

        magnitude, smallest = (self.smallest(key) for key in (np.abs(w), -np.abs(w)))
        frozen = not self.refit
        obs = np.zeros(len(w), np.bool_)
        greedy_cut(self.gram, self.inverse, w, self.group, self.quota, frozen, obs)
        ends = []
        for start in (magnitude, obs):
            end = start.copy()
            ends.append((swap_cuts(self.gram, self.inverse, w, self.group, frozen, end), end))
        swapped = min(ends, key=lambda pair: pair[0])[1]
        return {"magnitude": magnitude, "OBS": obs, "swaps": swapped, "smallest kept": smallest}

    def smallest(self, key: np.ndarray) -> np.ndarray:
        """The columns with the least keys, as many of each group as its quota."""
        cut = np.zeros(len(key), np.bool_)
        left = self.quota.copy()
        for i in np.argsort(key, kind="stable"):
            if left[self.group[i]]:
                left[self.group[i]] -= 1
                cut[i] = True
        return cut

    def root_bound(self, w: np.ndarray) -> float:
        """Smallest s_i v_i^2 that fill the quotas, plus the error of v, the best fit that cuts nothing.

        v is w without a box; with one, other points of the box are worse by at least their squared
        G-distance to v.
        """
        v, base = self.fitted(w, np.zeros(len(w), np.bool_))
        own = self.below * v**2
        return max(0.0, base - self.slack(base)) + float(own[self.smallest(own)].sum()) * (1 - 1e-9)

    def slack(self, error: float) -> float:
        """More than the rounding of an inverse can change an error."""
        return error * (1e-10 + 4 * len(self.gram) * self.condition * 2.0**-53)

    def search(self, w: np.ndarray, start: np.ndarray, radius: float) -> tuple[np.ndarray, float, int, bool]:
        """Best set, lower bound, nodes, and whether the search ended; time limits as in quantization."""
        limits = self.limits if self.refit else self.limits._replace(nodes=10 * self.limits.nodes)
        run = self._refitted(w) if self.refit else self._frozen(w)
        mask = start.copy()

        def attempt(allowed: int) -> tuple[float, int, bool]:
            nonlocal radius
            slack = self.slack(radius)
            radius, frontier, nodes, ended = run(radius, slack, allowed, mask)
            return frontier - slack, nodes, ended

        return mask, *limits.spend(attempt, first=50_000)

    def _refitted(self, w: np.ndarray):
        from sims.kernels.layer_bounds_pruning import best_cut

        def run(radius: float, slack: float, allowed: int, mask: np.ndarray) -> tuple:
            return best_cut(
                self.gram, self.inverse, w, self.below, self.group, self.quota, self.low, self.high,
                radius, slack, allowed, mask,
            )  # fmt: skip

        return run

    def _frozen(self, w: np.ndarray):
        from sims.kernels.layer_bounds_pruning import best_frozen_cut

        s = 0.9 * self.below  # all of it would leave a matrix without large pivots
        rest = self.gram - np.diag(s)
        order = min_pivot_order(rest * np.outer(w, w))[::-1]
        squares, u, _ = factor(rest[np.ix_(order, order)])
        own, group, moved = (s * w**2)[order], self.group[order], w[order]
        tail = _tails(own, group, self.quota)

        def run(radius: float, slack: float, allowed: int, mask: np.ndarray) -> tuple:
            turned = mask[order]
            found = best_frozen_cut(
                squares, u, moved, own, tail, group, self.quota, radius, slack, allowed, turned
            )
            mask[order] = turned
            return found

        return run


def _tails(own: np.ndarray, group: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """(groups, n + 1, most + 1): least sum of r values of a group among the first k; inf if too few."""
    n, most = len(own), int(quota.max())
    tail = np.full((len(quota), n + 1, most + 1), np.inf)
    for g in range(len(quota)):
        for k in range(n + 1):
            sums = np.cumsum(np.sort(own[:k][group[:k] == g]))[:most]
            tail[g, k, 0] = 0.0
            tail[g, k, 1 : 1 + len(sums)] = sums
    return tail
