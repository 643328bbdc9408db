"""Signal-to-noise ratio of quantization and of magnitude pruning, and its limits."""

from theory.codebooks import (
    Codebook,
    Grid,
    Rule,
    check_bits,
    integer_levels,
    optimal_scale,
    quantization_error,
    scale_for,
)
from theory.snr.flatness import (
    grid_ratio,
    ladder_loss,
    percentile_loss,
    scale_condition,
    scale_loss,
    scale_spread,
)
from theory.snr.ratio import (
    crossover_bound,
    crossover_kurtosis,
    decibel,
    equal_sparsity,
    natural_zeros,
    noise_snr,
    pruned_count,
    pruning_error,
    pruning_snr,
    quantization_snr,
)
from theory.snr.uniqueness import prove_unique, ternary_optimum

__all__ = [
    "Codebook",
    "Grid",
    "Rule",
    "check_bits",
    "crossover_bound",
    "crossover_kurtosis",
    "decibel",
    "equal_sparsity",
    "grid_ratio",
    "integer_levels",
    "ladder_loss",
    "natural_zeros",
    "noise_snr",
    "optimal_scale",
    "percentile_loss",
    "prove_unique",
    "pruned_count",
    "pruning_error",
    "pruning_snr",
    "quantization_error",
    "quantization_snr",
    "scale_condition",
    "scale_for",
    "scale_loss",
    "scale_spread",
    "ternary_optimum",
]
