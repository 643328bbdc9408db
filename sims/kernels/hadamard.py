"""Walsh-Hadamard transforms of blocks of a matrix's rows, in place."""

import numpy as np

from sims.kernels import kernel


@kernel
def transform(x, h):
    """Butterflies of one block whose parts of length `h` are transformed already: log2(len / h) passes.

    Two passes at a time halve the loads and stores. Unsigned indices need no wrap-around checks, so that the
    inner loop is vectorised.
    """
    n = np.uint64(x.size)
    h = np.uint64(h)
    two, three = np.uint64(2), np.uint64(3)
    while h < n:
        if two * h < n:
            start = np.uint64(0)
            while start < n:
                for k in range(start, start + h):
                    a, b = x[k], x[k + h]
                    c, d = x[k + two * h], x[k + three * h]
                    s, t, u, v = a + b, a - b, c + d, c - d
                    x[k], x[k + h] = s + u, t + v
                    x[k + two * h], x[k + three * h] = s - u, t - v
                start += two * two * h
            h = two * two * h
        else:
            for k in range(np.uint64(0), h):
                a, b = x[k], x[k + h]
                x[k], x[k + h] = a + b, a - b
            h = two * h


@kernel
def rotate_rows(rows, first, block, before, after):
    """Rows become diag(after) H diag(before) w on every block of `block` columns from `first` on.

    H is the orthonormal Walsh-Hadamard matrix of Sylvester's order, block a power of two; columns that fill
    no block stay. `before` and `after` hold a sign for every column.
    """
    count, columns = rows.shape
    unit = 1.0 / np.sqrt(float(block))
    for r in range(count):
        row = rows[r]
        for start in range(first, columns - block + 1, block):
            x = row[start : start + block]
            signs, scales = before[start : start + block], after[start : start + block]
            if block >= 8:
                for k in range(np.uint64(block // 8)):  # the first three passes, eight numbers at a time
                    i = np.uint64(8) * k
                    y = x[i : i + np.uint64(8)]
                    z = signs[i : i + np.uint64(8)]
                    a0, a1, a2, a3 = y[0] * z[0], y[1] * z[1], y[2] * z[2], y[3] * z[3]
                    a4, a5, a6, a7 = y[4] * z[4], y[5] * z[5], y[6] * z[6], y[7] * z[7]
                    b0, b1, b2, b3 = a0 + a1, a0 - a1, a2 + a3, a2 - a3
                    b4, b5, b6, b7 = a4 + a5, a4 - a5, a6 + a7, a6 - a7
                    a0, a1, a2, a3 = b0 + b2, b1 + b3, b0 - b2, b1 - b3
                    a4, a5, a6, a7 = b4 + b6, b5 + b7, b4 - b6, b5 - b7
                    y[0], y[1], y[2], y[3] = a0 + a4, a1 + a5, a2 + a6, a3 + a7
                    y[4], y[5], y[6], y[7] = a0 - a4, a1 - a5, a2 - a6, a3 - a7
                transform(x, 8)
            else:
                for k in range(block):
                    x[k] *= signs[k]
                transform(x, 1)
            for k in range(block):
                x[k] *= scales[k] * unit
