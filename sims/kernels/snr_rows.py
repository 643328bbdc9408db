"""Optimal scales of the integer grids for every row of a matrix: two searches, one certificate.

Long rows are sorted once for all widths, and a scale then costs a look-up per level
(:func:`sims.kernels.snr.optimal_scale`). For short ones the sorting, the tables and the calls cost more than
the sums, so :func:`integer_scale` rounds every weight at every scale, in vector instructions.
"""

import numpy as np

from sims.kernels import kernel
from sims.kernels.snr import (
    FOUR,
    Levels,
    Side,
    chord_bound,
    fold,
    optimal_scale,
    position,
    prepare,
    smallest_squares,
)

SHORT = 2048  # weights per row up to which rounding all of them is faster than sorting: benchmarks/snr.py
_SORTED = 2**18  # weights of long rows that are copied and sorted at a time


@kernel(forceinline=True, fastmath={"reassoc", "contract"})
def add_square(b, q):
    """b + q^2 of integers, which is exact in any order: the loop around it may be vectorised."""
    return b + q * q


@kernel(forceinline=True)
def integer_sums(x, products, bottom, top, s):
    """A and B of signed weights on the levels -bottom, ..., top; len(x) is a multiple of 4.

    The first loop has no sum that rounds, so it is vectorised although additions stay in order: B is a sum of
    integers. The second hides the adder's latency behind four sums.
    """
    rate = 1.0 / s
    b = 0.0
    for k in range(x.size):
        q = np.floor(x[k] * rate + 0.5)
        q = q if q < top else top
        q = q if q > -bottom else -bottom
        products[k] = q * x[k]
        b = add_square(b, q)
    a0 = a1 = a2 = a3 = 0.0
    for i in range(x.size // 4):
        first = np.uint64(4 * i)  # unsigned indices need no wrap-around checks
        a0 += products[first]
        a1 += products[first + np.uint64(1)]
        a2 += products[first + np.uint64(2)]
        a3 += products[first + np.uint64(3)]
    return (a0 + a1) + (a2 + a3), b


@kernel(error_model="numpy")
def integer_scale(x, products, stack, bottom, top, tolerance, limit):
    """:func:`optimal_scale` of few signed weights on integers: unsorted, every weight rounded at every scale.

    The first intervals of the search double. Above 2 max |x| everything rounds to zero, below the first
    interval the weights beyond the last level alone cost more than the error reached.
    """
    m2 = largest = 0.0
    for k in range(x.size):
        m2 += x[k] * x[k]
        largest = max(largest, abs(x[k]))
    if m2 == 0.0:
        return 1.0, 0.0, 0.0, 0
    floor = 1e-13 * m2  # rounding of the sums; 130 dB
    best_s, best, proved = largest, m2, m2
    count = evaluations = 0
    sb, lb = 2.0 * largest, 0.0
    lowest = largest / (4.0 * max(top, bottom))
    while True:  # doubling intervals, downwards
        sa = 0.5 * sb
        a, b = integer_sums(x, products, bottom, top, sa)
        la = a - 0.5 * sa * b
        evaluations += 1
        stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3] = sa, la, sb, lb
        count += 1
        if b > 0.0 and m2 - a * a / b < best:
            best, best_s = m2 - a * a / b, a / b  # these codes at their best scale: an upper bound there
        sb, lb = sa, la
        if sa <= lowest:
            clipped = 0.0
            for k in range(x.size):
                beyond = max(x[k] - top * sa, -x[k] - bottom * sa)
                clipped += beyond * beyond if beyond > 0.0 else 0.0
            if clipped >= best or sa < 1e-12 * best_s:
                break
    improved = True
    while count or improved:
        if improved:  # alternate the best codes and the best scale: each step can only improve
            for _ in range(8):
                a, b = integer_sums(x, products, bottom, top, best_s)
                evaluations += 1
                if b <= 0.0 or m2 - a * a / b >= best - 1e-9 * best:
                    break
                best, best_s = m2 - a * a / b, a / b
            improved = False
        enough = best * (1.0 - tolerance) - floor
        if not count:
            break
        count -= 1
        sa, la, sb, lb = stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3]
        bound = chord_bound(m2, sa, la, sb, lb)
        if bound >= enough or evaluations >= limit or sb <= sa * (1.0 + 1e-14):
            proved = min(proved, bound)
            continue
        sm = 0.5 * (sa + sb)
        a, b = integer_sums(x, products, bottom, top, sm)
        lm = a - 0.5 * sm * b
        evaluations += 1
        if b > 0.0 and m2 - a * a / b < best:
            best, best_s = m2 - a * a / b, a / b
            improved = True
        stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3] = sa, la, sm, lm
        stack[count + 1, 0], stack[count + 1, 1], stack[count + 1, 2], stack[count + 1, 3] = sm, lm, sb, lb
        count += 2
    return best_s, max(best, 0.0), max(min(proved, best), 0.0), evaluations


@kernel
def short_row_errors(rows, widths, tolerance, limit):
    """Least error of every row, a scale each, on the integer grids of `widths` bits, and its lower bound.

    Both (rows, widths). Rows are searched as they are, in scratch memory padded with zeros (they add nothing
    to any sum).
    """
    count, columns = rows.shape
    errors, bounds = np.empty((count, widths.size)), np.empty((count, widths.size))
    x = np.zeros(-(-columns // 16) * 16)
    products, stack = np.empty(x.size), np.empty((256, 4))
    for r in range(count):
        for k in range(columns):
            x[k] = rows[r, k]
        for j in range(widths.size):
            n = 2.0 ** (widths[j] - 1)
            _, errors[r, j], bounds[r, j], _ = integer_scale(x, products, stack, n, n - 1.0, tolerance, limit)
    return errors, bounds


@kernel
def long_row_errors(rows, widths, tolerance, limits):
    """The same of ascending rows, which are overwritten: a look-up per level; `limits` for every width."""
    count, columns = rows.shape
    errors, bounds = np.empty((count, widths.size)), np.empty((count, widths.size))
    for r in range(count):
        w = rows[r]
        zero = 0
        while zero < columns and w[zero] < 0.0:
            zero += 1
        fold(w, zero)
        wp, wn = w[zero:], w[:zero]
        p1, p2, table = prepare(wp, max(1, wp.size // 2))
        positive = Side(wp, p1, p2, table)
        p1, p2, table = prepare(wn, max(1, wn.size // 2))
        negative = Side(wn, p1, p2, table)
        found = width_scales(positive, negative, widths, tolerance, limits)
        for j in range(widths.size):
            errors[r, j], bounds[r, j] = found[j, 1], found[j, 2]
    return errors, bounds


def row_errors(rows, widths, tolerance, limit, short):
    """:func:`short_row_errors` for rows of at most `short` weights, :func:`long_row_errors` for longer ones.

    No kernel: each is compiled only where it is needed, and NumPy sorts faster than numba.
    """
    if rows.shape[1] <= short:
        return short_row_errors(rows, widths, tolerance, limit)
    step, limits = max(1, _SORTED // rows.shape[1]), np.full(widths.size, limit)
    parts = [
        long_row_errors(np.sort(rows[first : first + step], axis=1), widths, tolerance, limits)
        for first in range(0, max(1, len(rows)), step)
    ]
    return np.concatenate([errors for errors, _ in parts]), np.concatenate([bounds for _, bounds in parts])


@kernel
def width_scales(positive, negative, widths, tolerance, limits):
    """:func:`optimal_scale` of the integer grid of every width, evaluations within its limit: a row each."""
    found = np.empty((widths.size, 4))
    widest = 1
    for width in widths:
        widest = max(widest, width)
    edges, gaps = np.empty(2 ** (widest - 1)), np.empty(2 ** (widest - 1))
    for i in range(edges.size):
        edges[i], gaps[i] = i + 0.5, 1.0
    places, open_places = np.empty(edges.size, np.int64), np.empty(edges.size, np.int64)
    scratch = places, open_places, np.empty(edges.size + FOUR + 1)
    for j in range(widths.size):
        n = 2 ** (widths[j] - 1)
        above = Levels(edges[: n - 1], gaps[: n - 1], n - 1.0, n > 1, *scratch)
        below = Levels(edges[:n], gaps[:n], float(n), True, *scratch)
        s, error, bound, evaluations = optimal_scale(positive, negative, above, below, tolerance, limits[j])
        found[j, 0], found[j, 1], found[j, 2], found[j, 3] = s, error, bound, evaluations
    return found


@kernel
def judge_widths(positive, negative, widths, pruned, tolerance, limits):
    """What a tensor is judged by, a row per width, in one call: the interpreter's lock is let go once.

    Columns: those of :func:`width_scales`, the number of weights that round to zero there (halves included,
    and a whole side where zero is its last level), and the energy of the `pruned[j]` smallest magnitudes.
    """
    found = np.empty((widths.size, 6))
    scales = width_scales(positive, negative, widths, tolerance, limits)
    for j in range(widths.size):
        for i in range(4):
            found[j, i] = scales[j, i]
        half = 0.5 * found[j, 0]
        above = position(positive.w, positive.table, half) if widths[j] > 1 else positive.w.size
        found[j, 4] = above + position(negative.w, negative.table, half)
        found[j, 5] = smallest_squares(positive, negative, pruned[j])
    return found
