"""Exact counting of subsets: sorted halves and one merging pass, or a counting table over all sums."""

import numpy as np

from sims.kernels import kernel


@kernel
def sorted_sums(items, buffer, out):
    """Write the 2^len(items) subset sums in ascending order to `out`, by merging A and A + x for each x.

    Time and memory 2^len(items); `buffer` is as long as `out`. No comparison sort: each item costs one pass.
    """
    source, sink = out, buffer
    if items.size % 2:
        source, sink = buffer, out
    source[0] = 0
    size = 1
    for index in range(items.size):
        x = items[index]
        first, second = np.int64(0), x  # the offsets of the two copies; the lower one leads
        if x < 0:
            first, second = x, np.int64(0)
        gap = second - first
        i = 0
        j = 0
        for k in range(2 * size):
            # the copy with the smaller offset can never be overtaken, so j runs out last
            if i < size and source[i] <= source[j] + gap:
                sink[k] = source[i] + first
                i += 1
            else:
                sink[k] = source[j] + second
                j += 1
        size *= 2
        source, sink = sink, source
    return size


@kernel
def count_pairs(left, right, low, high):
    """Number of pairs (i, j) with low <= left[i] + right[j] <= high; both arrays ascending."""
    total = np.int64(0)
    below = right.size  # right[:below] gives sums < low
    upto = right.size  # right[:upto] gives sums <= high
    for i in range(left.size):
        while below > 0 and left[i] + right[below - 1] >= low:
            below -= 1
        while upto > 0 and left[i] + right[upto - 1] > high:
            upto -= 1
        total += upto - below
    return total


@kernel
def sum_between(left, right, low, high):
    """Positions of a left and a right sum that add up to between low and high, or (-1, -1)."""
    upto = np.int64(right.size)
    for i in range(left.size):
        while upto > 0 and left[i] + right[upto - 1] > high:
            upto -= 1
        if upto > 0 and left[i] + right[upto - 1] >= low:
            return np.int64(i), upto - 1
    return np.int64(-1), np.int64(-1)


@kernel
def between_rows(rows, low, high, out):
    """out[i] = has row i a subset with low <= sum <= high?"""
    n = rows.shape[1]
    half = n // 2
    left = np.empty((2, 1 << half), np.int64)
    right = np.empty((2, 1 << (n - half)), np.int64)
    for i in range(rows.shape[0]):
        sorted_sums(rows[i, :half], left[1], left[0])
        sorted_sums(rows[i, half:], right[1], right[0])
        out[i] = sum_between(left[0], right[0], low, high)[0] >= 0
