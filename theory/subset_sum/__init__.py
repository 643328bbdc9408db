r"""Quantized random subset sum: the face of the subject.

Which subsets of n random integers sum to a target t? The sampling laws are "nonzero" (uniform on
{+-1..+-M}), "uniform" ({-M..M}) and "product" (a b, both factors uniform on {+-1..+-M}). t = 0 is always
solved, by the empty set. Keep three questions apart: one fixed target, every target in {-M..M} on one draw
(`every_target_miss`), and many targets each on samples of its own (`fresh_targets_miss`)::

    exact         exact_miss_probability, miss_law, failure_prefactor    theory.subset_sum.exact, .prefactor
                  expected_solutions, second_moment                      theory.subset_sum.moments
    rigorous      hit_probability_bounds, miss_probability_bounds        theory.subset_sum.bounds
    laws          miss_probability                                       theory.subset_sum.cox, .saddlepoint
    asymptotic    failure_exponent (theorem and proof)                   theory.subset_sum.exponent
    as published  lemma3_bounds, lemma4_failure                          theory.subset_sum.lemmas
"""

from theory.integer_sums import LAWS, Law
from theory.subset_sum.automaton import ChainLimits
from theory.subset_sum.bounds import (
    block_miss,
    hit_probability_bounds,
    miss_lower_bound,
    miss_probability_bounds,
    reach_probability,
    trivial_miss,
)
from theory.subset_sum.closed_form import MissLaw
from theory.subset_sum.cox import continuous_miss, every_target_miss, fresh_targets_miss
from theory.subset_sum.errors import miss_error
from theory.subset_sum.exact import (
    CertifiedInterval,
    certified_interval,
    exact_every_target_miss,
    exact_fresh_targets_miss,
    exact_is_cheap,
    exact_miss_probability,
    miss_law,
)
from theory.subset_sum.exponent import failure_exponent
from theory.subset_sum.lemmas import lemma3_bounds, lemma4_failure
from theory.subset_sum.miss import miss_form, miss_probability, samples_needed
from theory.subset_sum.moments import expected_solutions, second_moment
from theory.subset_sum.prefactor import failure_prefactor
from theory.subset_sum.saddlepoint import poisson_mean

__all__ = [
    "LAWS",
    "CertifiedInterval",
    "ChainLimits",
    "Law",
    "MissLaw",
    "block_miss",
    "certified_interval",
    "continuous_miss",
    "every_target_miss",
    "exact_every_target_miss",
    "exact_fresh_targets_miss",
    "exact_is_cheap",
    "exact_miss_probability",
    "expected_solutions",
    "failure_exponent",
    "failure_prefactor",
    "fresh_targets_miss",
    "hit_probability_bounds",
    "lemma3_bounds",
    "lemma4_failure",
    "miss_error",
    "miss_form",
    "miss_law",
    "miss_lower_bound",
    "miss_probability",
    "miss_probability_bounds",
    "poisson_mean",
    "reach_probability",
    "samples_needed",
    "second_moment",
    "trivial_miss",
]
