"""Operators T that send one weight to a compressed one: rounding, one bit, pruning, combinations."""

from theory.operators.base import Operator
from theory.operators.biased import HardPruning, NearestRounding, NearestSign
from theory.operators.unbiased import (
    OneBit,
    PruneFraction,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
    expectation,
)

__all__ = [
    "HardPruning",
    "NearestRounding",
    "NearestSign",
    "OneBit",
    "Operator",
    "PruneFraction",
    "PruneThenRound",
    "StochasticPruning",
    "StochasticRounding",
    "expectation",
]
