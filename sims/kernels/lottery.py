"""Kernels of the strong lottery tickets: counter-based entries, subset masks, effective matrices.

Every random weight is a function of (seed, layer, row, column): word `column % 4` of Philox4x32-10 with the
counter (column // 4, row, layer, 0) and the seed's two 32-bit halves as key. Nothing needs to be stored, and
any tile of any matrix can be drawn alone, in any order, on any thread.

References
----------
.. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
   SC'11, 2011. The constants below and the vectors of the known-answer test are theirs.
"""

from typing import NamedTuple

import numpy as np

from sims.kernels import kernel

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_ONE = np.uint64(1)

PROBES = 512  # Gray-code probes before the exact table of all sums takes over
_GENERATION = 16  # a table entry is generation << 16 | left subset; so at most 16 left items


class Entries(NamedTuple):
    """What names the random matrix of one layer, and the law of its entries (`sims.lottery.masks.Draw`)."""

    k0: np.uint64
    k1: np.uint64
    layer: int
    limit: int
    ratio: int
    nearest: bool


class Candidates(NamedTuple):
    """Hidden units of every slot, sizes of their kept weights, and how many of them are usable."""

    units: np.ndarray  # (slots, n) int32
    factors: np.ndarray  # (slots, n) int32
    counts: np.ndarray  # (slots,) int32


class Scratch(NamedTuple):
    """Memory of the mask solver: number of left items, their sums, the direct table, the ruler sequence."""

    left: int
    sums: np.ndarray
    table: np.ndarray
    ruler: np.ndarray


@kernel
def philox(c0, c1, c2, c3, k0, k1):
    """Four 32-bit words of Philox4x32-10 at counter (c0, c1, c2, c3), key (k0, k1); all of them uint64."""
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0 = (product_1 >> _32) ^ c1 ^ k0
        c1 = product_1 & _LOW
        c2 = (product_0 >> _32) ^ c3 ^ k1
        c3 = product_0 & _LOW
        k0 = (k0 + _WEYL_0) & _LOW
        k1 = (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@kernel
def _value(word, limit, ratio, nearest):
    """Word -> uniform on {±1..±limit*ratio} -> reduced to the grid {-limit..limit} (ratio 1: unchanged)."""
    fine = limit * ratio
    k = np.int64((word * np.uint64(2 * fine)) >> _32)  # bias at most 2 fine / 2^32
    v = k - fine if k < fine else k - fine + 1
    if ratio == 1:
        return v
    size = (abs(v) + (ratio // 2 if nearest else 0)) // ratio
    return size if v > 0 else -size


@kernel
def entry(row, column, draw):
    """One random weight: the entry (row, column) of the layer's matrix."""
    layer, zero = np.uint64(draw.layer), np.uint64(0)
    r0, r1, r2, r3 = philox(np.uint64(column >> 2), np.uint64(row), layer, zero, draw.k0, draw.k1)
    lane = column & 3
    word = r0 if lane == 0 else (r1 if lane == 1 else (r2 if lane == 2 else r3))
    return _value(word, draw.limit, draw.ratio, draw.nearest)


@kernel
def fill_row(out, row, draw):
    """Entries (row, 0..len(out)-1) of the layer's matrix into `out`; its length must be a multiple of 4."""
    zero = np.uint64(0)
    r = np.uint64(row)
    layer = np.uint64(draw.layer)
    limit, ratio, nearest = draw.limit, draw.ratio, draw.nearest
    for q in range(out.size // 4):
        r0, r1, r2, r3 = philox(np.uint64(q), r, layer, zero, draw.k0, draw.k1)
        out[4 * q] = _value(r0, limit, ratio, nearest)
        out[4 * q + 1] = _value(r1, limit, ratio, nearest)
        out[4 * q + 2] = _value(r2, limit, ratio, nearest)
        out[4 * q + 3] = _value(r3, limit, ratio, nearest)


@kernel
def allot_units(inputs, sides, units, factors, first, draw):
    """Give every slot (input, side) `n` hidden units whose weight from that input has the slot's sign.

    Units are looked at once each, in order from `first`; a unit goes to the first slot in the queue that it
    fits, and a slot that got one leaves the queue until every other slot has as many. The choice reads the
    first matrix alone, never the target. Fills `units` and `factors` (slots, n) with the unit's index and the
    size of its kept weight; returns the number of units drawn so far (`first` and the units that fitted
    nowhere included).
    """
    slots, n = units.shape
    follower = np.empty(slots + 1, np.int64)
    h = first
    for c in range(n):
        for s in range(slots):
            follower[s] = s + 1
        follower[slots] = 0  # the last place holds the head of the queue
        left = slots
        while left:
            before = slots
            slot = follower[slots]
            while slot < slots:
                a = entry(h, inputs[slot], draw)
                if a * sides[slot] > 0:
                    units[slot, c] = h
                    factors[slot, c] = abs(a)
                    follower[before] = follower[slot]
                    left -= 1
                    break
                before = slot
                slot = follower[slot]
            h += 1
    return h


@kernel
def allot_blocks(inputs, sides, units, factors, first, draw):
    """Give every input a block of units of its own, as many as `units` has columns, whatever their signs.

    Slots of one input stand beside each other and share its block. A slot gets those of its sign; the rest of
    its places stay -1. Returns the number of units drawn so far.
    """
    slots, n = units.shape
    h = first
    for s in range(slots):
        if s == 0 or inputs[s] != inputs[s - 1]:
            base = h
            h += n
        found = 0
        for c in range(n):
            a = entry(base + c, inputs[s], draw)
            if a * sides[s] > 0:
                units[s, found] = base + c
                factors[s, found] = abs(a)
                found += 1
    return h


@kernel
def kept_sizes(inputs, sides, units, factors, draw):
    """Sizes of the kept weights of the first matrix, drawn again; 0 where the sign is not the slot's."""
    for s in range(units.shape[0]):
        for c in range(units.shape[1]):
            if units[s, c] >= 0:
                a = entry(units[s, c], inputs[s], draw)
                factors[s, c] = abs(a) if a * sides[s] > 0 else 0


@kernel
def _all_sums(x, n, t):
    """Bit mask of a subset of x[:n] with sum t, or -1: one bit per reachable sum, item by item, then back."""
    low = 0
    high = 0
    for c in range(n):
        if x[c] < 0:
            low += x[c]
        else:
            high += x[c]
    if t < low or t > high:
        return np.int64(-1)
    size = (high - low) // 64 + 1
    reach = np.zeros((n + 1, size), np.uint64)
    reach[0, (-low) >> 6] = _ONE << np.uint64((-low) & 63)
    for c in range(n):
        words = abs(x[c]) >> 6
        bits = np.uint64(abs(x[c]) & 63)
        back = np.uint64(64) - bits
        for k in range(size):
            v = reach[c, k]
            if x[c] > 0 and k >= words:
                v |= reach[c, k - words] << bits
                if bits and k > words:
                    v |= reach[c, k - words - 1] >> back
            elif x[c] < 0 and k + words < size:
                v |= reach[c, k + words] >> bits
                if bits and k + words + 1 < size:
                    v |= reach[c, k + words + 1] << back
            reach[c + 1, k] = v
    at = t - low
    if not (reach[n, at >> 6] >> np.uint64(at & 63)) & _ONE:
        return np.int64(-1)
    mask = np.int64(0)
    for c in range(n - 1, -1, -1):
        if not (reach[c, at >> 6] >> np.uint64(at & 63)) & _ONE:
            mask |= np.int64(1) << np.int64(c)
            at -= x[c]
    return mask


@kernel(inline="always")
def find_mask(x, n, t, scratch, generation):
    """Bit mask of a subset of x[:n] with sum t, or -1 when there is none. Exact.

    The sums of the first `left` items stand in a direct table (index: sum modulo its size; an entry counts
    only if it bears this call's generation, so the table is never cleared); the subsets of the other items
    are tried in Gray-code order, one addition and one look-up each. Few of them are needed when there are
    many solutions. After PROBES of them the table of all sums decides.
    """
    left, sums, table, ruler = scratch
    mask = np.int64(0 if t == 0 else -1)
    if t != 0 and n > 0:
        size = min(left, n)
        wrap = table.size - 1
        stamp = generation << _GENERATION
        sums[0] = 0
        count = 1
        for b in range(size):
            v = x[b]
            for k in range(count):
                sums[count + k] = sums[k] + v
            count *= 2
        for k in range(count):
            table[sums[k] & wrap] = stamp | k
        last = min(PROBES, 1 << min(n - size, 20))
        wanted = t
        g = 0
        while True:
            k = table[wanted & wrap] ^ stamp  # a left subset if the entry is of this generation
            if 0 <= k < count and sums[k] == wanted:
                mask = np.int64(k) | (np.int64(g ^ (g >> 1)) << np.int64(size))
                break
            g += 1
            if g == last:
                mask = _all_sums(x, n, t)
                break
            b = ruler[g]
            if ((g ^ (g >> 1)) >> b) & 1:
                wanted -= x[size + b]
            else:
                wanted += x[size + b]
    return mask


@kernel
def solve_many(x, targets, masks, solved, scratch):
    """One mask per row of `x` (rows, n) for `targets` (rows,). Returns how many rows have no solution."""
    failures = 0
    n = x.shape[1]
    for i in range(x.shape[0]):
        mask = find_mask(x[i], n, np.int64(targets[i]), scratch, i + 1)
        solved[i] = mask >= 0
        if mask < 0:
            failures += 1
            mask = 0
        masks[i] = mask
    return failures


@kernel
def solve_rows(start, stop, targets, wanted, words, failed, candidates, drawn, draw, scratch):
    """Draw rows start..stop of the second matrix and write a mask word per (row, slot).

    `wanted` (rows, slots) says which to solve; `failed` (rows, slots) is set where there is no solution.
    """
    units, factors, counts = candidates
    row = np.empty((drawn + 3) // 4 * 4, np.int32)
    slots, n = units.shape
    x = np.empty(max(n, 1), np.int64)
    generation = 0
    for i in range(start, stop):
        fill_row(row, i, draw)
        for s in range(slots):
            if not wanted[i, s]:
                continue
            m = counts[s]
            for c in range(m):
                x[c] = row[units[s, c]] * np.int64(factors[s, c])
            generation += 1
            mask = find_mask(x, m, np.int64(targets[i, s]), scratch, generation)
            if mask < 0:
                failed[i, s] = True
                mask = 0
            words[i, s] = mask


@kernel
def effective_rows(start, stop, out, words, candidates, inputs, drawn, draw):
    """Add the kept products of rows start..stop to `out` (rows, fan_in): sum of B * |A| over the mask."""
    units, factors, counts = candidates
    row = np.empty((drawn + 3) // 4 * 4, np.int32)
    for i in range(start, stop):
        fill_row(row, i, draw)
        for s in range(units.shape[0]):
            word = np.uint64(words[i, s])
            total = np.int64(0)
            for c in range(counts[s]):
                if (word >> np.uint64(c)) & _ONE:
                    total += row[units[s, c]] * np.int64(factors[s, c])
            out[i, inputs[s]] += total


@kernel
def masked_rows(start, stop, out, words, candidates, columns, drawn, draw):
    """The kept entries of rows start..stop, zeros elsewhere: `out` (stop - start, columns.max() + 1).

    `columns` (slots, n) names the column of `out` for each (slot, candidate).
    """
    units, _, counts = candidates
    row = np.empty((drawn + 3) // 4 * 4, np.int32)
    for i in range(start, stop):
        fill_row(row, i, draw)
        for s in range(units.shape[0]):
            word = np.uint64(words[i, s])
            for c in range(counts[s]):
                if (word >> np.uint64(c)) & _ONE:
                    out[i - start, columns[s, c]] = row[units[s, c]]


@kernel
def count_misses(x, limit, least, both, misses):
    """For every prefix of every row of `x`, which targets -limit..limit no subset reaches; counted by size.

    misses[k, |t|] grows by one per row, prefix length k >= least and sign of t. Unless `both`, only targets
    0 < t <= (sum of the positive items) count: those missed although they are within reach. One bit per sum,
    updated item by item: reach |= reach shifted by the item.
    """
    rows, n = x.shape
    for i in range(rows):
        low = 0
        high = 0
        for c in range(n):
            if x[i, c] < 0:
                low -= x[i, c]
            else:
                high += x[i, c]
        first = -limit if both else 1
        last = limit if both else min(limit, high)
        low = max(low, limit)  # bit 0 stands for the sum -low
        size = (low + max(high, limit)) // 64 + 1
        reach = np.zeros(size, np.uint64)
        reach[low >> 6] = _ONE << np.uint64(low & 63)
        for c in range(n):
            v = x[i, c]
            words = abs(v) >> 6
            bits = np.uint64(abs(v) & 63)
            back = np.uint64(64) - bits
            if v > 0:  # from the top down, so that every word is read before it is written
                for k in range(size - 1, words - 1, -1):
                    moved = reach[k - words] << bits
                    if bits and k > words:
                        moved |= reach[k - words - 1] >> back
                    reach[k] |= moved
            elif v < 0:
                for k in range(size - words):
                    moved = reach[k + words] >> bits
                    if bits and k + words + 1 < size:
                        moved |= reach[k + words + 1] << back
                    reach[k] |= moved
            if c + 1 >= least:
                for k in range((low + first) >> 6, ((low + last) >> 6) + 1):
                    if reach[k] != np.uint64(0xFFFFFFFFFFFFFFFF):
                        for b in range(64):
                            t = 64 * k + b - low
                            if first <= t <= last and not (reach[k] >> np.uint64(b)) & _ONE:
                                misses[c + 1, abs(t)] += 1
