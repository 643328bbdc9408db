"""Strong lottery tickets: how wide a random network must be, and how likely it holds the target."""

from theory.lottery.counting import (
    ERDOS_BORWEIN,
    ParameterCounts,
    counting_bound,
    drawn_units,
    parameter_counts,
)
from theory.lottery.success import (
    block_success_probability,
    copies_success_probability,
    expected_failures,
    failure_probability,
    miss_probabilities,
    miss_probability_table,
    predicted_failures,
    samples_needed,
    success_probability,
)

__all__ = [
    "ERDOS_BORWEIN",
    "ParameterCounts",
    "block_success_probability",
    "copies_success_probability",
    "counting_bound",
    "drawn_units",
    "expected_failures",
    "failure_probability",
    "miss_probabilities",
    "miss_probability_table",
    "parameter_counts",
    "predicted_failures",
    "samples_needed",
    "success_probability",
]
