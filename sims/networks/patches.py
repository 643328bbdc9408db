"""Images as samples: what a convolution multiplies its weights with."""

import numpy as np

from theory.arguments import whole


def patches(images: np.ndarray, kernel: int, stride: int = 1, padding: int = 0) -> np.ndarray:
    """Rows of inputs of a convolution: one per output pixel, values in the order of the weights (c, i, j).

    Parameters
    ----------
    images : (images, channels, height, width) array
    kernel, stride, padding : int
        Side of the square kernel; zeros around the image.

    Returns
    -------
    (images * out_height * out_width, channels * kernel^2) ndarray

    Raises
    ------
    ValueError
        If the kernel does not fit into the padded image.

    Examples
    --------
    >>> patches(np.arange(9.0).reshape(1, 1, 3, 3), 2)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    """
    x = np.asarray(images)
    if x.ndim != 4:
        raise ValueError(f"images must have the shape (images, channels, height, width), got {x.shape}")
    k, step, pad = whole("kernel", kernel, 1), whole("stride", stride, 1), whole("padding", padding, 0)
    if pad:
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    if min(x.shape[2:]) < k:
        raise ValueError(f"a kernel of {k} x {k} does not fit into images of {x.shape[2]} x {x.shape[3]}")
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::step, ::step]
    return np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(-1, x.shape[1] * k * k)
