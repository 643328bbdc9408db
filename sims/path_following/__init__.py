"""Path-following compression of layers: the recursion, its rivals, and simulations of its error."""

from sims.path_following.compression import (
    METHODS,
    Compressed,
    as_weights,
    check_one_bit,
    compress,
    output_error,
)

__all__ = ["METHODS", "Compressed", "as_weights", "check_one_bit", "compress", "output_error"]
