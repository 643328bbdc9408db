"""Blocks that share a scale, and n:m groups, along the rows of a matrix."""

import numpy as np

from sims.kernels import kernel

CELLS = 1024  # of the table that finds the nearest level


@kernel
def block_maxima(rows, size):
    """Largest magnitude of every block of `size` weights along each row, (rows, blocks per row)."""
    found = np.empty((rows.shape[0], -(-rows.shape[1] // size)))
    for r in range(rows.shape[0]):
        for block in range(found.shape[1]):
            largest = 0.0
            for k in range(block * size, min((block + 1) * size, rows.shape[1])):
                magnitude = abs(np.float64(rows[r, k]))
                largest = magnitude if magnitude > largest else largest
            found[r, block] = largest
    return found


@kernel
def block_errors(rows, size, levels, scales):
    """Squared error of every block on the nearest scaled level; all three of :func:`block_maxima`'s shape.

    A block of scale 0 is stored as zeros. The nearest level of x is looked up: a table over equal cells says
    how many thresholds lie below each cell, and the few inside it are passed one by one, which costs a tenth
    of the mispredicted branches of a binary search.
    """
    count = levels.size
    thresholds = np.full(count, np.inf)  # the last one stops every search
    for i in range(count - 1):
        thresholds[i] = (levels[i + 1] + levels[i]) / 2
    first, width = levels[0], (levels[count - 1] - levels[0]) / CELLS
    start = np.empty(CELLS, dtype=np.int64)
    low = 0
    for cell in range(CELLS):  # a hair early, where rounding may put x into the next cell
        while thresholds[low] < first + (cell - 1e-6) * width:
            low += 1
        start[cell] = low
    errors = np.empty(scales.shape)
    for r in range(rows.shape[0]):
        for block in range(scales.shape[1]):
            s = scales[r, block]
            part = 0.0
            if s * s == 0.0:  # stored as zeros, or so small that its squares vanish
                for k in range(block * size, min((block + 1) * size, rows.shape[1])):
                    part += np.float64(rows[r, k]) ** 2
                errors[r, block] = part
                continue
            rate = 1.0 / s
            for k in range(block * size, min((block + 1) * size, rows.shape[1])):
                x = rows[r, k] * rate
                place = (x - first) / width
                place = place if place > 0.0 else 0.0
                place = place if place < CELLS - 1.0 else CELLS - 1.0
                low = start[np.int64(place)]
                while thresholds[low] < x:
                    low += 1
                part += (x - levels[low]) ** 2
            errors[r, block] = part * s * s
    return errors


@kernel
def zero_point_errors(rows, size, steps, ratios):
    """Least squared error of every block over the ratios, on s {-z, ..., steps - z} with an integer z.

    The range of a block and 0 is shrunk by each ratio; 1 is the rule of the ends. Returns (rows, blocks).
    """
    blocks = -(-rows.shape[1] // size)
    errors = np.empty((rows.shape[0], blocks))
    top = float(steps)
    for r in range(rows.shape[0]):
        for block in range(blocks):
            w = rows[r, block * size : (block + 1) * size]
            low = high = 0.0
            for x in w:
                low, high = min(low, x), max(high, x)
            best = np.inf
            for ratio in ratios:
                s = (high - low) * ratio / top
                if not s * s > 0.0:
                    part = 0.0
                    for x in w:
                        part += x * x
                    best = min(best, part)
                    continue
                z, rate, part = np.rint(-low * ratio / s), 1.0 / s, 0.0
                for k in range(w.size):
                    q = np.floor(w[k] * rate + 0.5) + z
                    q = q if q > 0.0 else 0.0
                    q = q if q < top else top
                    error = w[k] - s * (q - z)
                    part += error * error
                best = min(best, part)
            errors[r, block] = best
    return errors


@kernel
def keep_largest(rows, keep, group):
    """Rows with zeros beside the `keep` largest magnitudes of every group; of equal ones the later are kept.

    Insertion into a sorted scratch of a group: groups are small. What remains of a row after the last whole
    group is kept.
    """
    count, columns = rows.shape
    left = rows.copy()
    order = np.empty(group, dtype=np.int64)
    for r in range(count):
        row = rows[r]
        for first in range(0, columns - group + 1, group):
            for k in range(first, first + group):
                magnitude, place = abs(row[k]), k - first
                while place > 0 and abs(row[order[place - 1]]) > magnitude:
                    order[place] = order[place - 1]
                    place -= 1
                order[place] = k
            for j in range(group - keep):
                left[r, order[j]] = 0
    return left


@kernel
def squared_difference(x, y):
    """Sum of (x - y)^2 over two matrices."""
    total = 0.0
    for r in range(x.shape[0]):
        part = 0.0
        for k in range(x.shape[1]):
            part += (x[r, k] - y[r, k]) ** 2
        total += part
    return total
