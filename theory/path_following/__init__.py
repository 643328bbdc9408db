"""Path-following compression: the recursion in matrix form, bounds on its error, laws of its size."""

from theory.path_following.bounds import (
    alignment_bound,
    as_inputs,
    check_scale,
    error_covariance,
    error_map,
    error_stds,
    error_variance,
    feedback,
    gram_schmidt_reversed,
    noise_variance,
    optq_covariance,
)
from theory.path_following.nearest_plane import (
    min_pivot_order,
    nearest_plane,
    nearest_plane_bound,
    optq_pivots,
)

__all__ = [
    "alignment_bound",
    "as_inputs",
    "check_scale",
    "error_covariance",
    "error_map",
    "error_stds",
    "error_variance",
    "feedback",
    "gram_schmidt_reversed",
    "min_pivot_order",
    "nearest_plane",
    "nearest_plane_bound",
    "noise_variance",
    "optq_covariance",
    "optq_pivots",
]
