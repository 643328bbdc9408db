"""What the quantization of one neuron is computed with, at a given step or at any."""

from typing import Any

import numpy as np

from sims.layer_bounds.lattice import Lattice
from sims.layer_bounds.limits import Limits
from sims.layer_bounds.ranges import Range
from sims.layer_bounds.rounding import Rounding


class Neuron:
    """A layer's inputs, prepared once in every process, and what a search may spend."""

    def __init__(self, gram: np.ndarray, limits: Limits, relaxation: bool, seed: int) -> None:
        self.lattice = Lattice(gram)
        self.rounding = Rounding(self.lattice) if len(self.lattice.gram) else None
        self.limits, self.relaxation, self.seed = limits, relaxation, seed

    @staticmethod
    def searched(
        error: float, errors: dict[str, float], *, bound: float, frontier: float, ended: bool, **found: Any
    ) -> Range:
        """The range after a search: `error` of the best codes known, `errors` of the heuristics.

        `bound` is the relaxation's lower bound, `frontier` that of the search. What a stopped search found
        counts as a heuristic.
        """
        heuristic = min(errors.values())
        error = min(error, heuristic)
        if not ended and error < heuristic:
            errors["stopped search"] = heuristic = error
        return Range(
            bound=bound,
            optimum=error if ended else None,
            heuristic=heuristic,
            errors=errors,
            lower=error if ended else max(bound, frontier),
            **found,
        )
