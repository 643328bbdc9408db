"""Comparing two methods over paired seeds, exactly."""

from collections.abc import Sequence

import numpy as np


def sign_flip_p_value(differences: Sequence[int] | np.ndarray) -> float:
    r"""One-sided p-value of "the first method is not better": the share of sign changes that reach the sum.

        p = 2^{-n} #{signs e : sum_i e_i d_i >= sum_i d_i}

    Under the hypothesis that the two methods of a pair could as well be exchanged every choice of signs is
    equally likely, whatever the law of a difference. Sums of integers are counted, so p is exact for any
    number of pairs.

    Parameters
    ----------
    differences
        d, one integer a pair: how many more test images the first method gets right.

    Returns
    -------
    float, at least 2^-n; at most 1

    Raises
    ------
    ValueError
        Fewer than two pairs, or numbers that are not whole.

    Examples
    --------
    >>> sign_flip_p_value([3, 1, 4, 1, 5]), sign_flip_p_value([1, -1])
    (0.03125, 0.75)
    """
    d = np.asarray(differences)
    if d.ndim != 1 or len(d) < 2:
        raise ValueError(f"a paired test needs at least 2 seeds, got {d.size}")
    if d.dtype.kind not in "iu":
        raise ValueError("differences must be integers: how many more images are right")
    reach = int(np.abs(d).sum())
    ways = np.zeros(2 * reach + 1)  # index: sum of signed differences + reach
    ways[reach] = 1.0
    for value in np.abs(d).tolist():
        ways = 0.5 * (
            np.roll(ways, value) + np.roll(ways, -value)
        )  # never wraps: the ends stay empty till the end
    return float(min(1.0, ways[int(d.sum()) + reach :].sum()))
