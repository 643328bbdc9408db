"""Activations as people hold them: tokens and pixels become samples, several files become one matrix."""

from collections.abc import Sequence

import numpy as np

from sims.networks.patches import patches


def as_samples(
    arrays: Sequence[np.ndarray], kernel: int | None = None, stride: int = 1, padding: int = 0
) -> np.ndarray:
    """Inputs of a layer as one float64 matrix (samples, fan_in).

    Parameters
    ----------
    arrays
        (samples, fan_in), (batch, tokens, fan_in), or with a kernel (batch, channels, height, width); float16
        and bfloat16 are widened exactly. One after the other.
    kernel, stride, padding
        Of the convolution that reads images; kernel 1 for a pointwise one.

    Raises
    ------
    ValueError
        No array, other shapes, images without a kernel, widths that differ.

    Examples
    --------
    >>> as_samples([np.ones((2, 3, 4)), np.zeros((5, 4))]).shape
    (11, 4)
    >>> as_samples([np.ones((2, 3, 4, 4))], kernel=1).shape
    (32, 3)
    """
    if not arrays:
        raise ValueError("inputs must name at least one array, got none")
    rows = []
    for array in map(np.asarray, arrays):
        if array.ndim == 4:
            if kernel is None:
                raise ValueError(
                    f"inputs of shape {array.shape} are images: name the side of the kernel that reads them "
                    "(1 for a pointwise convolution)"
                )
            rows.append(patches(array, kernel, stride, padding))
        elif array.ndim in (2, 3) and kernel is None:
            rows.append(array.reshape(-1, array.shape[-1]))
        else:
            asked = "" if kernel is None else f" and a kernel of {kernel}"
            raise ValueError(
                "inputs must have the shape (samples, fan_in), (batch, tokens, fan_in), or with a kernel "
                f"(batch, channels, height, width), got {array.shape}{asked}"
            )
    if len({one.shape[1] for one in rows}) > 1:
        raise ValueError(f"inputs differ in width: {[one.shape[1] for one in rows]}")
    return np.concatenate([one.astype(np.float64) for one in rows])
