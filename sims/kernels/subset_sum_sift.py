"""Exact counting of subset sums by sifting: sums without a partner are dropped until few are left to sort.

A solution is a left sum l and a needed value v = t - r with l = v. Both are streamed, never stored. A bitset
of the left sums modulo 2^k drops most v that no left sum equals, a bitset of the v that are left drops most
l, and so on in turn, each time at another hash, until sorting what is left costs little. Every test drops
only what cannot be part of a solution, so the count is exact. Places in a bitset are
(v * multiplier) >> shift in 64-bit arithmetic; the multiplier 2^(64 - k) makes that v mod 2^k, whose bitset
grows by rotations.
"""

import numpy as np

from sims.kernels import kernel
from sims.kernels.subset_sum import next_subset, rotate_or, subset_sums
from sims.kernels.subset_sum_count import count_pairs

_1 = np.uint64(1)
_6 = np.uint64(6)
_63 = np.uint64(63)
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64
)  # odd, well mixed
_FEW = 1024  # sums on each side that are sorted without further sifting


@kernel
def first_sums(items, sums):
    """Subset sums of as many of the first items as have room in `sums`; how many items and sums that are."""
    b = 0
    while (1 << (b + 1)) <= sums.size and b < items.size:
        b += 1
    return b, subset_sums(items[:b], sums)


@kernel
def mark(values, bits, multiplier, shift):
    """Bitset of the places of `values`."""
    bits[:] = 0
    for i in range(values.size):
        place = (np.uint64(values[i]) * multiplier) >> shift
        bits[place >> _6] |= _1 << (place & _63)


@kernel
def marked(value, bits, multiplier, shift):
    """1 where the place of `value` is in the bitset, else 0."""
    place = (np.uint64(value) * multiplier) >> shift
    return np.int64((bits[place >> _6] >> (place & _63)) & _1)


@kernel
def left_bits(items, base, bits, spare, shift):
    """Bitset of the subset sums of `items` modulo its length 2^(64 - shift), in one of the two arrays.

    base: room for the sums that are marked one by one; every other item is a rotation.
    """
    m = np.int64(bits.size) * 64
    b, size = first_sums(items, base)
    mark(base[:size], bits, _1 << shift, shift)
    source, sink = bits, spare
    for i in range(b, items.size):
        rotate_or(sink, source, np.uint64(items[i] & (m - 1)))
        source, sink = sink, source
    return source


@kernel
def keep_sums(start, items, inner, bits, multiplier, shift, kept):
    """Write every start + s, s a subset sum, whose bit is set to `kept`; their number, or -1: no room."""
    c, count = first_sums(items, inner)
    outer = items[c:]
    blocks = np.int64(1) << np.int64(outer.size)
    gray = np.int64(0)
    found = np.int64(0)
    v = np.int64(start)
    for g in range(1, blocks + 1):
        if found + count > kept.size:
            return np.int64(-1)
        for i in range(count):  # branch-free: an accidental hit must not cost a misprediction
            value = v + inner[i]  # read before what is kept is written: the two could be one array
            hit = marked(value, bits, multiplier, shift)
            kept[found] = value
            found += hit
        if g < blocks:
            gray, step = next_subset(outer, gray, g)
            v += step
    return found


@kernel
def keep_values(values, bits, multiplier, shift):
    """Move the values whose bit is set to the front; their number."""
    found = np.int64(0)
    for i in range(values.size):
        v = values[i]
        values[found] = v
        found += marked(v, bits, multiplier, shift)
    return found


@kernel
def sift(left, right, target, log2_bits, log2_marks, lefts, needs):
    """Number of pairs of a left and a right subset sum that add up to `target`, or -1: more pass than fit.

    lefts, needs: room for sums that pass the first tests. log2_bits, log2_marks: sizes of the two bitsets.
    """
    inner = np.empty(256, np.int64)
    bits = np.empty(1 << (log2_bits - 6), np.uint64)
    shift = np.uint64(64 - log2_bits)
    first = left_bits(left, inner, bits, np.empty_like(bits), shift)
    passed_needs = keep_sums(target, -right, inner, first, _1 << shift, shift, needs)
    if passed_needs <= 0:
        return passed_needs
    marks = np.empty(1 << (log2_marks - 6), np.uint64)
    shift = np.uint64(64 - log2_marks)
    mark(needs[:passed_needs], marks, _MULTIPLIERS[0], shift)
    passed_lefts = keep_sums(0, left, inner, marks, _MULTIPLIERS[0], shift, lefts)
    if passed_lefts <= 0:
        return passed_lefts
    for turn in range(1, 4):
        if passed_lefts <= _FEW and passed_needs <= _FEW:
            break
        multiplier = _MULTIPLIERS[turn % 3]
        mark(lefts[:passed_lefts], marks, multiplier, shift)
        passed_needs = keep_values(needs[:passed_needs], marks, multiplier, shift)
        mark(needs[:passed_needs], marks, multiplier, shift)
        passed_lefts = keep_values(lefts[:passed_lefts], marks, multiplier, shift)
    return count_pairs(np.sort(lefts[:passed_lefts]), np.sort(-needs[:passed_needs]), 0, 0)
