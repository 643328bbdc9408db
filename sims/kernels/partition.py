"""Kernels of number partitioning: perfect partitions, Karmarkar-Karp differencing, smallest discrepancies."""

import numpy as np

from sims.kernels import kernel
from sims.kernels.subset_sum import search, search_memory
from sims.kernels.subset_sum_count import count_pairs, sorted_sums


@kernel
def perfect_rows(rows, split, b, c, words, words2, out):
    """out[i] = does row i of `rows` (positive integers) have a partition of discrepancy sum(row) mod 2?

    A part and its complement are the same partition, so the first item is left out of the part; what
    remains is a subset of the others with sum floor(total/2) or, for odd totals, one more.
    """
    memory = search_memory(split, b, c, words, words2)
    for i in range(rows.shape[0]):
        total = np.int64(0)
        for j in range(rows.shape[1]):
            total += rows[i, j]
        found = search(rows[i, 1:], total >> 1, total & 1, split, b, c, *memory)
        out[i] = found >= 0


@kernel
def half_sums(row, left, right):
    """Total of a row; left[0] and right[0] get the sorted sums of either half of its items but the first."""
    half = (row.size - 1) // 2
    sorted_sums(row[1 : 1 + half], left[1], left[0])
    sorted_sums(row[1 + half :], right[1], right[0])
    total = np.int64(0)
    for j in range(row.size):
        total += row[j]
    return total


@kernel
def smallest_rows(rows, out):
    """out[i] = smallest discrepancy of row i: |total - 2 s| over the parts without the first item."""
    n = rows.shape[1] - 1
    half = n // 2
    left = np.empty((2, 1 << half), np.int64)
    right = np.empty((2, 1 << (n - half)), np.int64)
    for i in range(rows.shape[0]):
        total = half_sums(rows[i], left, right)
        best = np.int64(9223372036854775807)
        at = np.int64(right.shape[1] - 1)
        for k in range(left.shape[1]):
            rest = total - 2 * left[0, k]
            while at > 0 and rest - 2 * right[0, at] < 0:
                at -= 1
            best = min(best, abs(rest - 2 * right[0, at]))
            if at + 1 < right.shape[1]:
                best = min(best, abs(rest - 2 * right[0, at + 1]))
        out[i] = best


@kernel
def differencing_rows(rows, out):
    """out[i] = discrepancy left by Karmarkar-Karp differencing: the two largest become their difference."""
    n = rows.shape[1]
    values = np.empty(n, rows.dtype)
    for i in range(rows.shape[0]):
        for k in range(n):  # by insertion, like the differences: numba's sort takes a second to compile
            magnitude, j = abs(rows[i, k]), k
            while j > 0 and values[j - 1] > magnitude:
                values[j] = values[j - 1]
                j -= 1
            values[j] = magnitude
        for size in range(n, 1, -1):
            gap = values[size - 1] - values[size - 2]
            j = size - 2
            while j > 0 and values[j - 1] > gap:
                values[j] = values[j - 1]
                j -= 1
            values[j] = gap
        out[i] = values[0]


@kernel
def within_rows(rows, limit, out):
    """out[i] = number of unordered partitions of row i with discrepancy at most `limit`."""
    n = rows.shape[1] - 1
    half = n // 2
    left = np.empty((2, 1 << half), np.int64)
    right = np.empty((2, 1 << (n - half)), np.int64)
    for i in range(rows.shape[0]):
        total = half_sums(rows[i], left, right)
        # |total - 2 s| <= limit  <=>  ceil((total - limit)/2) <= s <= floor((total + limit)/2)
        out[i] = count_pairs(left[0], right[0], -((limit - total) >> 1), (total + limit) >> 1)
