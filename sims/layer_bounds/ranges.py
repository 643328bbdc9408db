"""What is known of the best possible error: a proved bound, the optimum if proved, and what was reached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from theory.snr import decibel


class SnrRange(NamedTuple):
    """A range as signal-to-noise ratios in dB, ascending: what was reached, the best possible, the limit."""

    heuristic: float
    optimum: float | None
    bound: float


@dataclass(frozen=True, eq=False)
class Range:
    """Squared errors |X w^ - X w|^2 of one neuron, or summed over several: bound <= optimum <= heuristic.

    Attributes
    ----------
    bound
        No feasible w^ has a smaller error: the certificate of the relaxation (0 where none was asked for).
    optimum
        The least error, None where a search was stopped before it was proved.
    heuristic
        The least error of the heuristics, recomputed from the feasible point.
    solution : ndarray
        The best feasible w^ found, of the shape of the weights.
    energy
        |X w|^2.
    errors
        Error of each heuristic by name; after a stopped search that found something better, of "stopped
        search".
    lower
        The largest proved lower bound: the optimum, else the better of `bound` and the search's frontier.
    nodes
        Nodes that the exact search visited.
    rows
        The ranges of the single neurons, empty for one.
    details
        What else belongs to the problem: step, low, high, or kept entries.
    """

    bound: float
    optimum: float | None
    heuristic: float
    solution: np.ndarray = field(repr=False)
    energy: float
    errors: dict[str, float] = field(repr=False)
    lower: float
    nodes: int = 0
    rows: tuple["Range", ...] = field(default=(), repr=False)
    details: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def stopped(self) -> int:
        """Neurons whose optimum is not proved; their ranges are valid all the same."""
        return sum(one.optimum is None for one in self.rows or (self,))

    @property
    def best(self) -> float:
        """Error of `solution`: of every row the optimum, or the least error found."""
        if self.rows:
            return float(sum(row.best for row in self.rows))
        return self.heuristic if self.optimum is None else self.optimum

    def snr(self) -> SnrRange:
        """The range in dB; in these units the order reverses, heuristic <= optimum <= bound."""
        values = [None if e is None else decibel(self.energy, e) for e in (self.heuristic, self.optimum)]
        assert values[0] is not None
        return SnrRange(values[0], values[1], decibel(self.energy, self.bound))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for tables and JSON, without the solution."""
        snr = self.snr()
        return {
            "bound": self.bound,
            "optimum": self.optimum,
            "heuristic": self.heuristic,
            "lower": self.lower,
            "energy": self.energy,
            "snr_heuristic": snr.heuristic,
            "snr_optimum": snr.optimum,
            "snr_bound": snr.bound,
            "stopped": self.stopped,
            "nodes": self.nodes,
            "errors": dict(self.errors),
        }


def joined(rows: Sequence[Range], one_row: bool) -> Range:
    """The range of a layer from those of its neurons, everything a sum; a row given alone stays alone."""
    if one_row:
        return rows[0]
    optima = [row.optimum for row in rows]
    names = [name for name in rows[0].errors if all(name in row.errors for row in rows)]
    return Range(
        bound=float(sum(row.bound for row in rows)),
        optimum=None if None in optima else float(sum(o for o in optima if o is not None)),
        heuristic=float(sum(row.heuristic for row in rows)),
        solution=np.stack([row.solution for row in rows]),
        energy=float(sum(row.energy for row in rows)),
        errors={name: float(sum(row.errors[name] for row in rows)) for name in names},
        lower=float(sum(row.lower for row in rows)),
        nodes=sum(row.nodes for row in rows),
        rows=tuple(rows),
        details=dict(rows[0].details),
    )
