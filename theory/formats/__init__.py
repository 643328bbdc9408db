"""Number formats of compressed weights, and the laws of their errors."""

from theory.formats.formats import FORMATS, Format, block_scale, codebook, float_levels, normal_float_levels

__all__ = ["FORMATS", "Format", "block_scale", "codebook", "float_levels", "normal_float_levels"]
