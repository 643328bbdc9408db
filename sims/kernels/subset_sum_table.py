"""Subset sums over their whole range: reachability bitsets, counting tables, coverage, splitting steps.

A bitset of 64 w bits holds sums modulo 64 w; it is exact as soon as 64 w exceeds the distance between any two
sums in question, and adding an item of any sign is one rotation (`sims.kernels.subset_sum.rotate_or`).
"""

import numpy as np

from sims.kernels import kernel
from sims.kernels.subset_sum import is_set, rotate_or

_1 = np.uint64(1)


@kernel
def has_bit(bits, position):
    """Is bit `position` mod 64 w set?"""
    return is_set(bits, position % (np.int64(bits.size) * 64))


@kernel
def table_find(items, target, layers, chosen):
    """Fill layers[k] with the sums of the first k items; walk back from the target. True when reachable."""
    m = np.int64(layers.shape[1]) * 64
    layers[0, :] = 0
    layers[0, 0] = _1
    for k in range(items.size):
        rotate_or(layers[k + 1], layers[k], np.uint64(items[k] % m))
    if not has_bit(layers[items.size], target):
        return False
    need = target
    for k in range(items.size - 1, -1, -1):
        chosen[k] = not has_bit(layers[k], need)
        if chosen[k]:
            need -= items[k]
    return True


@kernel
def reachable(items, row, spare):
    """Bitset of all subset sums of the items, in `row`."""
    m = np.int64(row.size) * 64
    row[:] = 0
    row[0] = _1
    for k in range(items.size):
        rotate_or(spare, row, np.uint64(items[k] % m))
        for i in range(row.size):
            row[i] = spare[i]


@kernel
def missed_targets(rows, limit, words, out):
    """out[i] = number of targets in {-limit..limit} that no subset of row i reaches."""
    row = np.zeros(words, np.uint64)
    spare = np.zeros(words, np.uint64)
    for i in range(rows.shape[0]):
        reachable(rows[i], row, spare)
        missed = np.int64(0)
        for t in range(-limit, limit + 1):
            missed += not has_bit(row, t)
        out[i] = missed


@kernel
def count_table(items, low, counts):
    """counts[s - low] = number of subsets with sum s; `low` = sum of the negative items, len = range + 1."""
    counts[:] = 0
    counts[-low] = 1
    top = counts.size - 1
    for k in range(items.size):
        x = items[k]
        if x > 0:
            for s in range(top, x - 1, -1):
                counts[s] += counts[s - x]
        else:
            for s in range(top + x + 1):
                counts[s] += counts[s - x]


@kernel
def add_samples(bits, samples, target, delta, spare, missed):
    """Add samples[i] to the reachable set bits[i]; missed[i] = still no sum within delta of the target."""
    m = np.int64(bits.shape[1]) * 64
    for i in range(bits.shape[0]):
        rotate_or(spare, bits[i], np.uint64(samples[i] % m))
        for k in range(spare.size):
            bits[i, k] = spare[k]
        hit = False
        for s in range(target - delta, target + delta + 1):
            hit |= has_bit(spare, s)
        missed[i] = not hit
