"""One option per item within a budget, least total error: Lagrangian bound, then an exact search on the rest.

Minimise sum_i e_i(j_i) subject to sum_i c_i(j_i) <= B. For every price p >= 0

    sum_i min_j (e_ij + p c_ij) - p B

is a lower bound; it is greatest at the price of the convex hull's edge where the budget ends. There an
option's reduced error r_ij = e_ij + p c_ij - min_j (...) says what it adds to the bound at least, so that
options (and partial choices) whose r exceeds the gap to the best choice known cannot be better. What is
left is searched by dynamic programming over lists of (cost, error) that no other state beats in both.

References
----------
.. [1] Sinha & Zoltners, "The multiple-choice knapsack problem", Operations Research 27:503, 1979.
.. [2] Pisinger, "A minimal algorithm for the multiple-choice knapsack problem", EJOR 83:394, 1995.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STATES = 4_000  # partial choices kept per item; where there are more, the bound says what that may cost


@dataclass(frozen=True)
class Choice:
    """What :func:`choose` found.

    Attributes
    ----------
    picked
        Index of the option of every item.
    cost, error
        Their sums.
    bound
        Proved lower limit of the error of every choice within the budget; equal to `error` where the search
        was complete.
    price
        Error that one more unit of the budget would save: the slope of the hull where the budget ends.
    """

    picked: tuple[int, ...]
    cost: int
    error: float
    bound: float
    price: float

    @property
    def gap(self) -> float:
        """(error - bound) / error, 0 where the choice is proved best."""
        return (self.error - self.bound) / self.error if self.error > self.bound else 0.0


def _undominated(costs: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Options in ascending cost and strictly descending error."""
    order = np.lexsort((errors, costs))
    before = np.minimum.accumulate(np.concatenate([[np.inf], errors[order][:-1]]))
    return order[errors[order] < before]


def _hull(costs: np.ndarray, errors: np.ndarray) -> list[int]:
    """Of undominated options, those on the lower convex hull."""
    hull: list[int] = []
    for k in range(costs.size):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (errors[b] - errors[a]) * (costs[k] - costs[a]) < (errors[k] - errors[a]) * (
                costs[b] - costs[a]
            ):
                break
            hull.pop()
        hull.append(k)
    return hull


def choose(costs: Sequence, errors: Sequence, budget: int, states: int = STATES) -> Choice:
    """The option of every item with the least total error within a budget.

    Parameters
    ----------
    costs, errors
        For every item an array over its options: whole numbers, and errors of at least 0.
    budget
        Most that the costs may add up to.
    states
        Partial choices kept per item.

    Raises
    ------
    ValueError
        No choice fits the budget.

    Examples
    --------
    >>> found = choose([[2, 4], [3, 5, 9]], [[8.0, 1.0], [9.0, 4.0, 0.0]], 9)
    >>> found.picked, found.cost, found.error, found.gap
    ((1, 1), 9, 5.0, 0.0)
    """
    cost = [np.asarray(each, dtype=np.int64) for each in costs]
    error = [np.asarray(each, dtype=np.float64) for each in errors]
    least = sum(int(each.min()) for each in cost)
    if least > budget:
        raise ValueError(f"the cheapest options cost {least}, more than the budget of {budget}")
    useful = [_undominated(c, e) for c, e in zip(cost, error, strict=True)]
    cost = [c[u] for c, u in zip(cost, useful, strict=True)]
    error = [e[u] for e, u in zip(error, useful, strict=True)]
    picked, price = _greedy(cost, error, budget)
    found = _Search(cost, error, budget, price, picked)
    found.run(min(500, states))
    if found.proved < found.best:
        found.run(states)
    return Choice(
        tuple(int(u[k]) for u, k in zip(useful, found.picked, strict=True)),
        sum(int(c[k]) for c, k in zip(cost, found.picked, strict=True)),
        found.best,
        min(found.proved, found.best),
        price,
    )


def _greedy(cost: list[np.ndarray], error: list[np.ndarray], budget: int) -> tuple[list[int], float]:
    """Steepest steps along the hulls while they fit, then any that still do; and the price where they end."""
    steps = []
    for i, (c, e) in enumerate(zip(cost, error, strict=True)):
        hull = _hull(c, e)
        steps += [
            (-(e[a] - e[b]) / (c[b] - c[a]), i, b, int(c[b] - c[a])) for a, b in itertools.pairwise(hull)
        ]
    steps.sort()
    picked, spare = [0] * len(cost), budget - sum(int(c[0]) for c in cost)
    price, stopped = 0.0, set()
    for slope, i, to, extra in steps:
        if extra > spare or i in stopped:
            price = price or -slope
            stopped.add(i)
            continue
        picked[i], spare = to, spare - extra
    return picked, price


class _Search:
    """Dynamic programming over the options whose reduced error is below the gap."""

    def __init__(self, cost: list, error: list, budget: int, price: float, picked: list[int]) -> None:
        self.cost, self.error, self.budget, self.price = cost, error, budget, price
        self.picked = picked
        self.best = float(sum(e[k] for e, k in zip(error, picked, strict=True)))
        reduced = [e + price * c for c, e in zip(cost, error, strict=True)]
        self.floor = float(sum(each.min() for each in reduced)) - price * budget
        self.reduced = [each - each.min() for each in reduced]
        self.proved = min(self.floor, self.best)

    def run(self, states: int) -> None:
        """Search with at most so many states; updates `picked`, `best` and `proved`."""
        slack = 1e-12 * max(self.best, 1e-300)  # rounding of the sums
        gap = self.best - self.floor + slack
        left = [np.flatnonzero(each <= gap) for each in self.reduced]
        # items with a choice left, largest steps first; the others are settled
        spread = [int(np.ptp(c[k])) if k.size else 0 for c, k in zip(self.cost, left, strict=True)]
        order = np.argsort([-one for one in spread], kind="stable")
        low = np.cumsum([int(self.cost[i][left[i]].min()) for i in order[::-1]])[::-1]
        low, high = (
            np.append(low, 0),
            np.cumsum([int(self.cost[i][left[i]].max()) for i in order[::-1]])[::-1],
        )
        high = np.append(high, 0)
        total, wrong, reduced = np.zeros(1, np.int64), np.zeros(1), np.zeros(1)
        trail: list[tuple[np.ndarray, np.ndarray]] = []
        dropped = np.inf
        for place, i in enumerate(order):
            options = left[i]
            c, e, r = self.cost[i][options], self.error[i][options], self.reduced[i][options]
            total = (total[:, None] + c).ravel()
            wrong, reduced = (wrong[:, None] + e).ravel(), (reduced[:, None] + r).ravel()
            parent, option = np.divmod(np.arange(total.size), options.size)
            unused = np.maximum(self.budget - total - high[place + 1], 0)
            floor = reduced + self.price * unused
            kept = np.flatnonzero((total + low[place + 1] <= self.budget) & (floor <= gap))
            kept = kept[np.lexsort((wrong[kept], total[kept]))]
            before = np.minimum.accumulate(np.concatenate([[np.inf], wrong[kept]]))[:-1]
            kept = kept[wrong[kept] < before]
            if kept.size > states:
                ranked = np.argpartition(floor[kept], states)
                dropped = min(dropped, float(floor[kept][ranked[states:]].min()))
                kept = kept[np.sort(ranked[:states])]
            total, wrong, reduced = total[kept], wrong[kept], reduced[kept]
            trail.append((parent[kept], options[option[kept]]))
            if kept.size == 0:
                break
        self.proved = max(self.proved, min(self.floor + dropped, self.best))
        if total.size == 0 or wrong.min() > self.best:
            return
        state = int(np.argmin(wrong))
        chosen = list(self.picked)
        for place in range(len(order) - 1, -1, -1):
            parent, option = trail[place]
            chosen[order[place]] = int(option[state])
            state = int(parent[state])
        self.picked = chosen
        self.best = float(sum(e[k] for e, k in zip(self.error, chosen, strict=True)))
        self.proved = min(self.proved, self.best) if np.isfinite(dropped) else self.best
