"""Rounding operators fitted to a layer: one step for all its weights, or one for every neuron."""

from typing import Any

import numpy as np

from theory.arguments import choice
from theory.codebooks import check_bits
from theory.operators import (
    NearestRounding,
    NearestSign,
    OneBit,
    Operator,
    StochasticRounding,
)

STEP_RULES = ("mse", "max")


def quantizer(weights: Any, bits: int, stochastic: bool, rule: str = "mse") -> Operator:
    """Rounding operator for a layer, one step for all its weights.

    Parameters
    ----------
    weights : array_like
    bits : int
        1 to 16. One bit: {-A, A}; more: step {-2^(b-1), ..., 2^(b-1) - 1}.
    stochastic : bool
    rule : {"mse", "max"}
        "mse": the step (or A) that minimises the squared error of nearest rounding; "max": the smallest step
        with which no weight is clipped, |w|_inf/(2^(b-1) - 1). Stochastic one bit always uses A = |w|_inf,
        the least level at which it is defined.

    Returns
    -------
    Operator

    Examples
    --------
    >>> quantizer([[0.5, -1.0, 0.75]], 3, stochastic=False, rule="max")
    NearestRounding(step=0.3333333333333333, bits=3)
    """
    from sims.weights.scales import Values
    from theory.snr import integer_levels

    choice("rule", rule, STEP_RULES)
    bits = check_bits(bits)
    w = np.asarray(weights, np.float64)
    largest = float(np.abs(w).max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        raise ValueError("weights must be finite and not all zero to choose a step")
    if bits == 1:
        return OneBit(largest) if stochastic else NearestSign(float(np.abs(w).mean()))
    if rule == "mse":
        step = Values(w).optimal_scale(integer_levels(bits)).scale
    else:
        step = _covering_step(largest, 2 ** (bits - 1) - 1)
    return StochasticRounding(step, bits=bits) if stochastic else NearestRounding(step, bits=bits)


def _covering_step(largest: float, top: int) -> float:
    """The least step whose `top`-th multiple, as computed, is not below `largest`, nor the ratio above `top`.

    (x / 7) * 7 may fall an ulp short of x: a weight would lie outside the grid that was made for it.
    """
    step = largest / top
    while step * top < largest or largest / step > top:
        step = float(np.nextafter(step, np.inf))
    return step


def neuron_quantizer(
    weights: Any, bits: int, stochastic: bool, rule: str = "mse"
) -> tuple[Operator, np.ndarray]:
    """One operator in units of each neuron's own step, and these steps: see `quantizer` and `compress`.

    A neuron whose weights are all zero gets the unit 1.

    Examples
    --------
    >>> operator, units = neuron_quantizer([[0.5, -1.0], [0.1, 0.3]], 3, stochastic=False, rule="max")
    >>> operator, units.round(4).tolist()
    (NearestRounding(step=1.0, bits=3), [0.3333, 0.1])
    """
    w = np.atleast_2d(np.asarray(weights, np.float64))
    if not np.all(np.isfinite(w)):
        raise ValueError("weights must be finite, got NaN or infinity")
    units = np.ones(len(w))
    for index, row in enumerate(w):
        if row.any():
            units[index] = float(quantizer(row, bits, stochastic, rule).unit)
    if bits == 1:
        return (OneBit(1.0) if stochastic else NearestSign(1.0)), units
    made = StochasticRounding if stochastic else NearestRounding
    return made(1.0, bits=bits), units
