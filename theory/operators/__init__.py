"""Operators T that send one weight to a compressed one: rounding, one bit, pruning, combinations."""

from theory.operators.unbiased import (
    HardPruning,
    NearestRounding,
    NearestSign,
    OneBit,
    Operator,
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
