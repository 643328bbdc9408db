"""How long a search may run: nodes, which repeat, and seconds, which depend on the machine."""

import time
from collections.abc import Callable
from typing import NamedTuple

from theory.arguments import positive, whole


class Limits(NamedTuple):
    """Nodes and seconds of one search.

    Examples
    --------
    >>> Limits.checked(100, None)
    Limits(nodes=100, seconds=inf)
    """

    nodes: int
    seconds: float

    @classmethod
    def checked(cls, nodes: int, seconds: float | None) -> "Limits":
        """From the arguments `node_limit` and `time_limit` of a public function."""
        count = whole("node_limit", nodes, 1)
        return cls(
            count, float("inf") if seconds is None else float(positive("time_limit", seconds, "seconds"))
        )

    def spend(
        self, attempt: Callable[[int], tuple[float, int, bool]], first: int = 100_000
    ) -> tuple[float, int, bool]:
        """Call `attempt` with a number of nodes until it ends or the limits are reached.

        With a time limit the search starts over with four times the nodes, each time from the best that it
        knows: a search cannot look at a clock.

        Parameters
        ----------
        attempt
            Takes the nodes it may visit; returns a lower bound, the nodes it visited, and whether it ended.
        first
            Nodes of the first attempt where there is a time limit.

        Returns
        -------
        the best lower bound; nodes of all attempts; whether the last one ended
        """
        allowed = self.nodes if self.seconds == float("inf") else min(self.nodes, first)
        end = time.perf_counter() + self.seconds
        total, lower = 0, 0.0
        while True:
            proved, nodes, ended = attempt(allowed)
            total += nodes
            lower = max(lower, proved)
            if ended or allowed >= self.nodes or time.perf_counter() >= end:
                return lower, total, ended
            allowed = min(4 * allowed, self.nodes)
