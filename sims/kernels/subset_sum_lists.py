"""Subset sum in little memory: four lists and a running modulus (after Schroeppel & Shamir).

The items are cut into quarters with sum lists A, B, C, D of about 2^(n/4) entries. For every residue c modulo
a prime m near 2^(n/4) the left sums a + b = c and the right sums c' + d = t - c (mod m) are formed, some ten
thousand at a time, and matched exactly through a small hash table. Time 2^(n/2), memory 2^(n/4), and every
residue is independent of the others. Schroeppel and Shamir walk through the sums in order with heaps instead;
the modular order does without them and stays in the cache.
"""

import numpy as np

from sims.kernels import kernel

_1 = np.int64(1)


@kernel
def by_residue(values, m, order, start):
    """Counting sort of positions by value mod m: order, and where each residue starts (m + 1 entries)."""
    start[:] = 0
    for i in range(values.size):
        start[values[i] % m + 1] += 1
    for r in range(m):
        start[r + 1] += start[r]
    fill = start[:m].copy()
    for i in range(values.size):
        r = values[i] % m
        order[fill[r]] = i
        fill[r] += 1


@kernel
def pair_sums(first, first_mod, second, order, start, residue, m, sums, pairs):
    """Every first[i] + second[j] = residue (mod m), with i and j packed into `pairs`; return their number."""
    count = np.int64(0)
    for i in range(first.size):
        r = residue - first_mod[i]
        if r < 0:
            r += m
        for p in range(start[r], start[r + 1]):
            j = order[p]
            if count < sums.size:
                sums[count] = first[i] + second[j]
                pairs[count] = (np.int64(i) << 32) | np.int64(j)
            count += 1
    return count


@kernel
def match_residues(a, b, c, d, target, m, low, high, counting, room, found):
    """Count solutions whose left sum lies in residues low..high-1 mod m; stop at the first unless counting.

    found receives the positions in a, b, c, d of one solution. Returns the number of solutions, or
    -(needed room) when a residue holds more than `room` left or right sums.
    """
    order_b = np.empty(b.size, np.int64)
    start_b = np.empty(m + 1, np.int64)
    by_residue(b, m, order_b, start_b)
    order_d = np.empty(d.size, np.int64)
    start_d = np.empty(m + 1, np.int64)
    by_residue(d, m, order_d, start_d)
    a_mod = a % m
    c_mod = c % m
    left = np.empty(room, np.int64)
    left_pairs = np.empty(room, np.int64)
    right = np.empty(room, np.int64)
    right_pairs = np.empty(room, np.int64)
    bucket_bits = np.int64(1)
    while (_1 << bucket_bits) < 2 * room:
        bucket_bits += 1
    buckets = _1 << bucket_bits
    bucket_mask = buckets - 1
    head = np.zeros(buckets, np.int32)  # 1 + position of the newest left sum in the bucket, 0: none
    chain = np.empty(room, np.int32)
    total = np.int64(0)
    for residue in range(low, high):
        lefts = pair_sums(a, a_mod, b, order_b, start_b, residue, m, left, left_pairs)
        if lefts > room:
            return -lefts
        if lefts == 0:
            continue
        rights = pair_sums(c, c_mod, d, order_d, start_d, (target - residue) % m, m, right, right_pairs)
        if rights > room:
            return -rights
        head[:] = 0
        for p in range(lefts):
            slot = (left[p] ^ (left[p] >> 17)) & bucket_mask  # multiples of an odd m: low bits spread
            chain[p] = head[slot]
            head[slot] = p + 1
        for q in range(rights):
            need = target - right[q]
            at = np.int64(head[(need ^ (need >> 17)) & bucket_mask])
            while at > 0:
                if left[at - 1] == need:
                    if total == 0:
                        found[0] = left_pairs[at - 1] >> 32
                        found[1] = left_pairs[at - 1] & 0xFFFFFFFF
                        found[2] = right_pairs[q] >> 32
                        found[3] = right_pairs[q] & 0xFFFFFFFF
                    total += 1
                    if not counting:
                        return total
                at = np.int64(chain[at - 1])
    return total
