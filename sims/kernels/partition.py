"""Kernels of number partitioning: perfect partitions, Karmarkar-Karp differencing, smallest discrepancies."""

import numpy as np
from numba import njit

from sims.kernels.subset_sum import search


@njit(cache=True, nogil=True)
def perfect_rows(rows, split, b, c, words, words2, out):
    """out[i] = does row i of `rows` (positive integers) have a partition of discrepancy sum(row) mod 2?

    A part and its complement are the same partition, so the first item is left out of the part; what
    remains is a subset of the others with sum floor(total/2) or, for odd totals, one more.
    """
    layers = np.zeros((split - b + 3, words), np.uint64)
    second = np.zeros((split - b + 3, words2), np.uint64)
    base = np.zeros(1 << b, np.int64)
    inner = np.zeros(1 << c, np.int64)
    hits = np.zeros((1 << c) + 1, np.int64)
    stack = np.zeros((split - b + 2, 3), np.int64)
    for i in range(rows.shape[0]):
        total = np.int64(0)
        for j in range(rows.shape[1]):
            total += rows[i, j]
        found = search(
            rows[i, 1:], total >> 1, total & 1, split, b, c, layers, second, base, inner, hits, stack
        )
        out[i] = found >= 0
