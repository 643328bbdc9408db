"""Exact subset-sum search: meet in the middle on modular bitsets.

Symbols: items x_0..x_{n-1}, target t; left half x_0..x_{L-1}, right half the rest. Layer k is the bitset of
the subset sums of the first b + k left items modulo its length m, built from layer k - 1 by one rotation:

    layer_k = layer_{k-1} | rotate(layer_{k-1}, x_{b+k-1} mod m)

Every right sum r probes the last layer at t - r. A second family of layers with another modulus refutes most
of the accidental hits; the survivors are decided exactly by walking the layers back to the 2^b base sums.
A probe costs a load from a table that fits the first-level cache, a layer a streaming pass of m/64 words.
"""

import numpy as np

from sims.kernels import kernel

_1 = np.uint64(1)
_6 = np.uint64(6)
_63 = np.uint64(63)


@kernel
def rotate_or(new, old, shift):
    """new = old | old rotated up by `shift` bits; both are arrays of 64-bit words, 0 <= shift < bits."""
    words = old.size
    k = np.int64(shift >> _6)
    up = shift & _63
    down = _63 - up  # shifting down by 64 - up in two steps keeps every shift below 64
    high, low = old[1 : words - k], old[: words - k - 1]
    keep, out = old[k + 1 :], new[k + 1 :]
    for i in range(out.size):
        out[i] = keep[i] | (high[i] << up) | ((low[i] >> _1) >> down)
    new[k] = old[k] | (old[0] << up) | ((old[words - 1] >> _1) >> down)
    high, low = old[words - k :], old[words - k - 1 : words - 1]
    for i in range(k):
        new[i] = old[i] | (high[i] << up) | ((low[i] >> _1) >> down)


@kernel
def subset_sums(items, out):
    """Write the 2^len(items) subset sums to `out`; position = bit mask of the subset. Return their number."""
    out[0] = 0
    size = 1
    for i in range(items.size):
        x = items[i]
        for j in range(size):
            out[size + j] = out[j] + x
        size *= 2
    return size


@kernel
def subset_residues(items, m, out):
    """`subset_sums` modulo m, without a division for each. Return their number."""
    out[0] = 0
    size = 1
    for i in range(items.size):
        x = items[i] % m
        for j in range(size):
            r = out[j] + x - m
            out[size + j] = r + m if r < 0 else r
        size *= 2
    return size


@kernel
def next_subset(items, mask, turn):
    """The subset after `mask` in Gray order, and what that adds to its sum; turn = 1, 2, ..."""
    j = 0
    while turn & 1 == 0:
        turn >>= 1
        j += 1
    bit = np.int64(1) << np.int64(j)
    return mask ^ bit, -items[j] if mask & bit else items[j]


@kernel
def build_layers(items, residues, b, layers, width):
    """Fill `layers` (left items - b + 2 rows); return the row to probe, whose bit r covers r..r+width.

    residues: room for those of the 2^b base sums.
    """
    words = layers.shape[1]
    m = np.int64(words) * 64
    layers[0, :] = 0
    for j in range(subset_residues(items[:b], m, residues)):
        r = np.uint64(residues[j])
        layers[0, r >> _6] |= _1 << (r & _63)
    top = items.size - b
    for k in range(top):
        rotate_or(layers[k + 1], layers[k], np.uint64(items[b + k] % m))
    if width > 0:
        rotate_or(layers[top + 1], layers[top], np.uint64(m - 1))
        covered = 2
        while covered <= width:  # doubling: r..r+covered-1 becomes r..r+covered+step-1
            step = min(covered, width + 1 - covered)
            rotate_or(layers[top + 2], layers[top + 1], np.uint64(m - step))
            layers[top + 1, :] = layers[top + 2]
            covered += step
    return top if width == 0 else top + 1


@kernel
def is_set(bits, r):
    """Bit r of 64-bit words, 0 <= r < bits."""
    r = np.uint64(r)
    return (bits[r >> _6] >> (r & _63)) & _1 != 0


@kernel
def modular_difference(a, b, m):
    """a - b modulo m, for residues."""
    return a - b + m if a < b else a - b


@kernel
def walk_back(layers, second, left, base, size, b, need, stack):
    """Bit mask of a subset of the left items whose sum is exactly `need`, or -1.

    Every bit of a layer comes from one of the layer below, so that one family alone would lead an accidental
    hit all the way down. The accidents of another modulus are others: with both, few pass a layer or two.
    second: the other family, rows of one word where there is none. stack: (layers, 4).
    """
    mask = np.int64(layers.shape[1]) * 64 - 1
    m2 = np.int64(second.shape[1]) * 64
    both = second.shape[1] > 1
    stack[0, 0] = need
    stack[0, 1] = left.size - b
    stack[0, 2] = 0
    stack[0, 3] = need % m2
    top = 1
    while top > 0:
        top -= 1
        v, d, chosen, r = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        alive = True
        while d > 0:
            d -= 1
            x = left[b + d]
            without = is_set(layers[d], v & mask)
            having = is_set(layers[d], (v - x) & mask)
            r_having = r
            if both:
                without = without and is_set(second[d], r)
                if having:
                    r_having = modular_difference(r, x % m2, m2)
                    having = is_set(second[d], r_having)
            bit = np.int64(1) << np.int64(b + d)
            if without:
                if having:
                    stack[top, 0] = v - x
                    stack[top, 1] = d
                    stack[top, 2] = chosen | bit
                    stack[top, 3] = r_having
                    top += 1
            elif having:
                v -= x
                r = r_having
                chosen |= bit
            else:
                alive = False
                break
        if alive:
            hit = False
            for j in range(size):  # no early exit: the compiler turns this into vector comparisons
                hit |= base[j] == v
            if hit:
                for j in range(size):
                    if base[j] == v:
                        return chosen | j
    return np.int64(-1)


@kernel
def search_memory(split, b, c, words, words2):
    """Arrays that `search` writes to: layers, second, base, inner, residues, hits, stack."""
    layers = np.zeros((split - b + 3, words), np.uint64)
    second = np.zeros((split - b + 3, words2), np.uint64)
    base = np.zeros(1 << b, np.int64)
    inner, residues = np.zeros(1 << c, np.int64), np.zeros(1 << max(b, c), np.int64)
    hits = np.zeros((1 << c) + 1, np.int64)
    stack = np.zeros((split - b + 2, 4), np.int64)
    return layers, second, base, inner, residues, hits, stack


@kernel
def search(items, target, width, split, b, c, layers, second, base, inner, residues, hits, stack):
    """Bit mask of a subset with target <= sum <= target + width, or -1 when there is none.

    split = L; b, c = base items of the left and inner items of the right half; layers (power of two words)
    and second (any other number of words, one word: unused) have split - b + 3 rows.
    """
    m = np.int64(layers.shape[1]) * 64
    mask = m - 1
    left = items[:split]
    size = subset_sums(left[:b], base)
    probe = layers[build_layers(left, residues, b, layers, width)]
    filtered = second.shape[1] > 1
    m2 = np.int64(second.shape[1]) * 64
    probe2 = second[0]
    if filtered:
        probe2 = second[build_layers(left, residues, b, second, width)]
    exact, exact2 = layers[split - b], second[split - b]  # one target each
    count = subset_sums(items[split : split + c], inner)
    if filtered:
        subset_residues(items[split : split + c], m2, residues)
    outer = items[split + c :]
    blocks = np.int64(1) << np.int64(outer.size)
    gray = np.int64(0)
    need = target
    for g in range(1, blocks + 1):
        found = np.int64(0)
        for i in range(count):  # branch-free: an accidental hit must not cost a misprediction
            r = np.uint64((need - inner[i]) & mask)
            hits[found] = i
            found += np.int64((probe[r >> _6] >> (r & _63)) & _1)
        if filtered:
            kept = np.int64(0)
            need2 = need % m2
            for q in range(found):
                i = hits[q]
                r = np.uint64(modular_difference(need2, residues[i], m2))
                hits[kept] = i
                kept += np.int64((probe2[r >> _6] >> (r & _63)) & _1)
            found = kept
        for q in range(found):
            i = hits[q]
            for extra in range(width + 1):
                v = need - inner[i] + extra
                if not is_set(exact, v & mask) or (filtered and not is_set(exact2, v % m2)):
                    continue
                chosen = walk_back(layers, second, left, base, size, b, v, stack)
                if chosen >= 0:
                    return chosen | (i << np.int64(split)) | (gray << np.int64(split + c))
        if g < blocks:
            gray, step = next_subset(outer, gray, g)
            need -= step
    return np.int64(-1)


@kernel
def search_rows(rows, targets, width, split, b, c, words, words2, out):
    """`search` for every row of `rows`: out[i] = bit mask or -1."""
    memory = search_memory(split, b, c, words, words2)
    for i in range(rows.shape[0]):
        out[i] = search(rows[i], targets[i], width, split, b, c, *memory)
