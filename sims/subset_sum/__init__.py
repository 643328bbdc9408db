"""Quantized random subset sum: solvers for given integers, and estimates over random ones."""

from sims.subset_sum.search import (
    checked_target,
    checked_values,
    count_subsets,
    coverage,
    draw,
    estimate,
    every_target_sampler,
    explain,
    find_subset,
    sampler,
    simulate,
)

__all__ = [
    "checked_target",
    "checked_values",
    "count_subsets",
    "coverage",
    "draw",
    "estimate",
    "every_target_sampler",
    "explain",
    "find_subset",
    "sampler",
    "simulate",
]
