"""One layer by every method: errors beside their bounds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sims.path_following.compression import Compressed, compress
from sims.path_following.gram import as_gram
from sims.path_following.quantizers import neuron_quantizer, quantizer
from sims.support import progress
from theory.convex_order import tail_bound
from theory.operators import (
    Operator,
    PruneFraction,
)
from theory.path_following import as_inputs, error_stds
from theory.path_following.laws import layer_error_bound

# name: (method, stochastic)
QUANTIZERS = {
    "RTN": ("direct", False),
    "stochastic rounding": ("direct", True),
    "GPFQ": ("path-following", False),
    "SPFQ": ("path-following", True),
    "OPTQ": ("optq", False),
    "stochastic OPTQ": ("optq", True),
}


PRUNERS = {
    "magnitude": ("direct", False),
    "path following": ("path-following", False),
    "stochastic path following": ("path-following", True),
    "OPTQ pruning": ("optq", False),
    "OBS": ("obs", False),
}


@dataclass(frozen=True)
class LayerRow:
    """One method on one layer.

    Attributes
    ----------
    name : str
    error : float
        |X W' - X~ Q'|^2 over all neurons relative to |X W'|^2; if that is 0, then 0 or inf.
    bound : float
        Bound on the same number (on average for stochastic methods); nan where no theorem applies: v left the
        limits, a weight was clipped, or the method is not one of operators on single weights.
    largest, largest_bound : float
        Largest output error of Phase II and the radius that holds all of them with probability 0.99; nan as
        above, without inputs, or for a biased operator.
    exits : int
        How many v left the operator's limits.
    sparsity : float
    result : Compressed
        In units in which squares are no larger than doubles: `weights` are those of the layer.
    exponent : int
        Weights of the layer are those of `result` times 2^exponent.
    """

    name: str
    error: float
    bound: float
    largest: float
    largest_bound: float
    exits: int
    sparsity: float
    result: Compressed
    exponent: int = 0

    @property
    def weights(self) -> np.ndarray:
        """The compressed weights, in the units of those given."""
        return np.ldexp(self.result.weights, self.exponent) if self.exponent else self.result.weights

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of the output in dB."""
        return float(-10 * np.log10(self.error)) if self.error > 0 else float("inf")

    def as_dict(self) -> dict:
        """Plain values for a table or JSON; what does not exist is None."""

        def plain(value: float) -> float | None:
            return value if np.isfinite(value) else None

        return {
            "method": self.name,
            "error": plain(self.error),
            "bound": plain(self.bound),
            "snr_db": plain(self.snr),
            "largest_error": plain(self.largest),
            "largest_error_bound": plain(self.largest_bound),
            "exits": self.exits,
            "sparsity": self.sparsity,
        }


LEVEL = 0.01
_FAR = 200  # binary exponent beyond which the square of a product may leave double precision


def compare(
    weights: Any,
    inputs: Any = None,
    *,
    gram: Any = None,
    bits: int | None = None,
    sparsity: float | None = None,
    methods: Iterable[str] | None = None,
    rule: str = "mse",
    scale: float = 1.0,
    order: Any = "given",
    seed: int = 0,
    target_inputs: Any = None,
    alignment: int | str = 1,
    damping: float = 0.01,
    per_neuron: bool = False,
) -> list[LayerRow]:
    """Compress one layer by every method at the same bits or the same sparsity.

    Parameters
    ----------
    weights : (fan_out, fan_in) array_like
    inputs, gram, target_inputs, scale, order, seed, alignment, damping
        As in `sims.path_following.compress`
    bits, sparsity
        One of the two
    methods
        Names from QUANTIZERS (with bits) or PRUNERS (with sparsity); all by default
    rule
        How the step is chosen, see `quantizer`; the same step for every method
    per_neuron : bool
        With bits: a step for every neuron (output channel) instead of one for the layer.

    Returns
    -------
    list of LayerRow

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> rows = compare(rng.standard_normal((8, 64)), rng.standard_normal((16, 64)), bits=4)
    >>> [row.name for row in rows if row.error < 0.5 * rows[0].error]      # rows[0] is RTN
    ['GPFQ', 'OPTQ', 'stochastic OPTQ']
    """
    if (bits is None) == (sparsity is None):
        raise ValueError("give either bits (to quantize) or sparsity (to prune)")
    table = QUANTIZERS if bits is not None else PRUNERS
    names = list(table) if methods is None else list(methods)
    if unknown := [name for name in names if name not in table]:
        raise ValueError(f"unknown method {unknown[0]!r}; there are {', '.join(table)}")
    (weights,), exponent = _in_range(weights)
    (inputs, target_inputs), scale_of_inputs = _in_range(inputs, target_inputs)
    grams = as_gram(inputs, gram, target_inputs)
    rows = []
    operator: Operator | PruneFraction
    for name in progress.steps(names, "methods"):
        method, stochastic = table[name]
        units = None
        if bits is not None and per_neuron:
            operator, units = neuron_quantizer(weights, bits, stochastic, rule)
        elif bits is not None:
            operator = quantizer(weights, bits, stochastic, rule)
        else:
            assert sparsity is not None
            operator = PruneFraction(sparsity, stochastic)
        result = compress(
            weights,
            gram=grams,
            operator=operator,
            method=method,
            scale=scale,
            order=order,
            seed=seed,
            alignment=alignment,
            damping=damping,
            row_scales=units,
        )
        row = _row(name, method, result, inputs, scale, damping)
        unit = exponent + scale_of_inputs
        largest, bound = _in_units(row.largest, unit), _in_units(row.largest_bound, unit)
        rows.append(replace(row, largest=largest, largest_bound=bound, exponent=exponent))
    return rows


def _in_range(*values: Any) -> tuple[list[Any], int]:
    """Values times 2^-e, and e, so that products of their squares are doubles; e = 0 for most values."""
    arrays = [np.asarray(each) for each in values]
    numbers = [array.astype(np.float64) for array in arrays if array.dtype.kind in "fiub"]
    largest = max((float(np.abs(array).max(initial=0.0)) for array in numbers), default=0.0)
    exponent = math.frexp(largest)[1] if 0 < largest < math.inf else 0
    if abs(exponent) < _FAR:
        return list(values), 0
    return [
        np.ldexp(array.astype(np.float64), -exponent) if array.dtype.kind in "fiub" else each
        for array, each in zip(arrays, values, strict=True)
    ], exponent


def _in_units(value: float, exponent: int) -> float:
    """value 2^exponent; infinite where that is no double."""
    with np.errstate(over="ignore"):
        return float(np.ldexp(value, exponent))


def _relative(value: float, energy: float) -> float:
    """`value` over `energy`; of an output that is 0 throughout: 0 if nothing was lost, else inf."""
    if energy > 0:
        return value / energy
    return 0.0 if value == 0 else float("inf")


def _row(name: str, method: str, result: Compressed, inputs: Any, scale: float, damping: float) -> LayerRow:
    energy = float(result.output_energy.sum())
    exits = int(result.exits.sum())
    bound = largest = largest_bound = float("nan")
    operator = result.operator
    if inputs is not None:
        x = as_inputs(inputs)
        largest = float(np.abs((result.aligned - result.weights) @ x.T).max())
    # Phase I adds an error of its own, which these bounds do not hold.
    if operator is not None and exits == 0 and result.gram.cross is None:
        own = result.gram.own
        ordered = own[np.ix_(result.order, result.order)]
        units = float((result.row_scales**2).sum())
        bound = units * layer_error_bound(ordered, operator, method, scale, damping)
        bound = _relative(bound, energy)
        if inputs is not None and operator.unbiased and method == "path-following":
            std = float(error_stds(x[:, result.order], scale, operator).max() * result.row_scales.max())
            largest_bound = tail_bound(std, LEVEL, x.shape[0] * len(result.weights))
    error = _relative(float(result.error.sum()), energy)
    return LayerRow(name, error, bound, largest, largest_bound, exits, result.sparsity, result)


def remarks(rows: Sequence[LayerRow]) -> list[str]:
    """What a table of methods should not leave unsaid: weights off the grid, and bounds that do not hold.

    Examples
    --------
    >>> inputs = np.eye(32) + 1.0
    >>> inputs[:, 0] *= 1e6                           # one input dominates
    >>> rows = compare(np.linspace(-1, 1, 32)[None], inputs, bits=3, methods=["GPFQ"])
    >>> for line in remarks(rows):
    ...     print(line.partition(":")[0])
    weights left the grid, GPFQ at 97 % of 32
    no bound is shown for GPFQ
    """
    notes = []
    shares = {row.name: row.exits / row.result.weights.size for row in rows}
    many = [f"{name} at {100 * share:.0f} %" for name, share in shares.items() if share > _MANY_EXITS]
    if many:
        notes.append(
            f"weights left the grid, {', '.join(many)} of {rows[0].result.weights.size}: they are clipped, "
            "and with feedback their errors reach all later ones; where one input dominates, OPTQ, or "
            "compressing it last, keeps the others (largest norm first is worse); else the rule max, which "
            "clips fewer, or a larger scale"
        )
    clipped = [row.name for row in rows if row.exits and not np.isfinite(row.bound)]
    if clipped:
        notes.append(
            f"no bound is shown for {', '.join(clipped)}: weights were clipped, and the theorems hold up to "
            "the first; the certified limit of any method is what bounds are for (--bounds, bounds=True)"
        )
    return notes


_MANY_EXITS = 0.03
