r"""Quantized random subset sum: the face of the subject.

Which subsets of n random integers sum to a target t? The sampling laws are "nonzero" (uniform on
{+-1..+-M}), "uniform" ({-M..M}) and "product" (a b, both factors uniform on {+-1..+-M}). t = 0 is always
solved, by the empty set. Keep three questions apart: one fixed target, every target in {-M..M} on one draw
(`every_target_miss`), and many targets each on samples of its own (`fresh_targets_miss`).

    exact         expected_solutions, second_moment                      theory.subset_sum.moments
    rigorous      hit_probability_bounds, miss_probability_bounds        theory.subset_sum.bounds
    laws          miss_probability                                       theory.subset_sum.cox, .saddlepoint
    asymptotic    failure_exponent (theorem and proof)                   theory.subset_sum.exponent
    as published  lemma3_bounds, lemma4_failure                          theory.subset_sum.lemmas
"""

from theory.subset_sum.miss import (
    LAWS,
    Law,
    block_miss,
    continuous_miss,
    every_target_miss,
    expected_solutions,
    failure_exponent,
    fresh_targets_miss,
    hit_probability_bounds,
    lemma3_bounds,
    lemma4_failure,
    miss_form,
    miss_lower_bound,
    miss_probability,
    miss_probability_bounds,
    poisson_mean,
    reach_probability,
    samples_needed,
    second_moment,
    trivial_miss,
)

__all__ = [
    "LAWS",
    "Law",
    "block_miss",
    "continuous_miss",
    "every_target_miss",
    "expected_solutions",
    "failure_exponent",
    "fresh_targets_miss",
    "hit_probability_bounds",
    "lemma3_bounds",
    "lemma4_failure",
    "miss_form",
    "miss_lower_bound",
    "miss_probability",
    "miss_probability_bounds",
    "poisson_mean",
    "reach_probability",
    "samples_needed",
    "second_moment",
    "trivial_miss",
]
