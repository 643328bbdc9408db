"""Number formats of compressed weights, and the laws of their errors."""

from theory.formats.affine import affine_snr
from theory.formats.families import CODES, GROUPS, SCALES, family, widths
from theory.formats.formats import (
    FORMATS,
    SEARCHED,
    WITHOUT_LAW,
    Format,
    block_scale,
    codebook,
    float_levels,
    normal_float_levels,
)
from theory.formats.searched import ray_error, searched_error_bounds

__all__ = [
    "CODES",
    "FORMATS",
    "GROUPS",
    "SCALES",
    "SEARCHED",
    "WITHOUT_LAW",
    "Format",
    "affine_snr",
    "block_scale",
    "codebook",
    "family",
    "float_levels",
    "normal_float_levels",
    "ray_error",
    "searched_error_bounds",
    "widths",
]
