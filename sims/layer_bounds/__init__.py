"""The best any quantizer and any pruning can do on a layer, exactly or with a certificate."""

from sims.layer_bounds.pruning import pruning_range
from sims.layer_bounds.quantization import quantization_range
from sims.layer_bounds.ranges import Range, SnrRange

__all__ = ["Range", "SnrRange", "pruning_range", "quantization_range"]
