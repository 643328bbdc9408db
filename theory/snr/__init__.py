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

__all__ = [
    "Codebook",
    "Grid",
    "Rule",
    "check_bits",
    "crossover_bound",
    "crossover_kurtosis",
    "decibel",
    "equal_sparsity",
    "integer_levels",
    "natural_zeros",
    "noise_snr",
    "optimal_scale",
    "pruned_count",
    "pruning_error",
    "pruning_snr",
    "quantization_error",
    "quantization_snr",
    "scale_for",
]
