"""Quantized random subset sum: solvers for given integers, and estimates over random ones."""

from sims.subset_sum.sampling import draw, estimate, every_target_sampler, sampler
from sims.subset_sum.search import checked_values, count_subsets, coverage, explain, find_subset
from sims.subset_sum.simulate import simulate

__all__ = [
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
