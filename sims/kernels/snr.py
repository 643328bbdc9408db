"""Optimal scales of a codebook, with a certificate: sums over sorted magnitudes and branch and bound.

Symbols: w sorted magnitudes of one sign, P1 and P2 prefix sums of w and w^2 at every BLOCK-th element, e
thresholds and g level spacings of the codebook (both for unit scale), s the scale. All sums are over weights
(not means): error(s) = M2 - 2 s A(s) + s^2 B(s). Magnitudes may be float32, which halves the memory of large
checkpoints; every product and sum is float64 (Numba's float() would keep float32).
"""

from typing import Any, NamedTuple

import numpy as np

from sims.kernels import kernel

# Arguments are borrowed: without this, kernels count references to every array of a call, atomically, which
# costs as much as ten look-ups. Only for kernels that make no array.
BORROW: dict[str, Any] = {"_nrt": False}
SCAN = 24  # elements of a bucket that are compared one by one rather than bisected
FOUR = 4  # elements that are compared at a time
BLOCK = 16  # elements per prefix sum: the rest of a block is summed directly, an eighth of the memory


class Side(NamedTuple):
    """Ascending magnitudes of one sign, and what `prepare` makes of them."""

    w: np.ndarray
    p1: np.ndarray
    p2: np.ndarray
    table: np.ndarray


class Levels(NamedTuple):
    """Levels of one sign: thresholds, spacings, the last level; `uniform` says that they are 0, 1, ..., m.

    places, open_places, sums: scratch memory of :func:`looked_up_sums`, a number per threshold; `sums` has
    FOUR + 1 more.
    """

    e: np.ndarray
    g: np.ndarray
    top: float
    uniform: bool
    places: np.ndarray
    open_places: np.ndarray
    sums: np.ndarray


@kernel
def prepare(w, buckets):
    """Prefix sums and bucket table of ascending magnitudes, in one pass.

    P1, P2: sums of w and w^2 before every BLOCK-th element and in total, compensated (Neumaier), so that no
    error grows with the length. Table (buckets + 2, 2): per bucket of equal width the number and the sum of
    the elements below it. The bucket of x is floor(x * buckets / largest), computed alike for elements and
    look-ups: rounding is monotone, so elements of lower buckets are <= x and those of higher ones > x.
    """
    n = w.size
    blocks = n // BLOCK + 1
    p1, p2 = np.empty(blocks + 1), np.empty(blocks + 1)
    table = np.zeros((buckets + 2, 2))
    rate = buckets / np.float64(w[n - 1]) if n and w[n - 1] > 0 else 0.0
    s1 = s2 = c1 = c2 = 0.0
    for block in range(blocks):
        p1[block], p2[block] = s1 + c1, s2 + c2
        for k in range(np.uint64(block * BLOCK), np.uint64(min((block + 1) * BLOCK, n))):
            x = np.float64(w[k])
            t = s1 + x
            c1 += (max(s1, x) - t) + min(s1, x)
            s1 = t
            y = x * x
            t = s2 + y
            c2 += (max(s2, y) - t) + min(s2, y)
            s2 = t
            # the last element of a bucket stays in the next one's row: no branch to mispredict
            after = np.uint64(np.int64(x * rate)) + np.uint64(1)
            table[after, 0], table[after, 1] = k + np.uint64(1), s1 + c1
    p1[blocks], p2[blocks] = s1 + c1, s2 + c2
    count = total = 0.0
    for i in range(buckets + 2):
        empty = table[i, 0] == 0.0
        count, total = count if empty else table[i, 0], total if empty else table[i, 1]
        table[i, 0], table[i, 1] = count, total
    return p1, p2, table


@kernel(**BORROW)
def position(w, table, x):
    """Number of elements of ascending w that are <= x, for x >= 0."""
    n = w.size
    if n == 0 or x >= w[n - 1]:
        return n
    i = int(x * ((table.shape[0] - 2) / np.float64(w[n - 1])))
    low, high = int(table[i, 0]), int(table[i + 1, 0])
    while low < high:
        middle = (low + high) >> 1
        if w[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(**BORROW)
def prefix1(w, p1, k):
    """Sum of the first k elements."""
    total = p1[k // BLOCK]
    for i in range(k // BLOCK * BLOCK, k):
        total += np.float64(w[i])
    return total


@kernel(**BORROW)
def prefix2(w, p2, k):
    """Sum of the squares of the first k elements."""
    total = p2[k // BLOCK]
    for i in range(k // BLOCK * BLOCK, k):
        total += np.float64(w[i]) * np.float64(w[i])
    return total


@kernel(**BORROW)
def rounded_sums(w, top, s):
    """A and B of few weights on the levels 0, 1, ..., top; four sums at a time hide the adder's latency."""
    rate = 1.0 / s
    n = w.size
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
    for i in range(n // 4):
        k = np.uint64(4 * i)  # unsigned indices need no wrap-around checks
        x0, x1 = np.float64(w[k]), np.float64(w[k + np.uint64(1)])
        x2, x3 = np.float64(w[k + np.uint64(2)]), np.float64(w[k + np.uint64(3)])
        q0, q1 = min(np.floor(x0 * rate + 0.5), top), min(np.floor(x1 * rate + 0.5), top)
        q2, q3 = min(np.floor(x2 * rate + 0.5), top), min(np.floor(x3 * rate + 0.5), top)
        a0 += q0 * x0
        a1 += q1 * x1
        a2 += q2 * x2
        a3 += q3 * x3
        b0 += q0 * q0
        b1 += q1 * q1
        b2 += q2 * q2
        b3 += q3 * q3
    for i in range(n // 4 * 4, n):
        x0 = np.float64(w[i])
        q0 = min(np.floor(x0 * rate + 0.5), top)
        a0 += q0 * x0
        b0 += q0 * q0
    return (a0 + a1) + (a2 + a3), (b0 + b1) + (b2 + b3)


@kernel(**BORROW)
def looked_up_sums(w, p1, table, e, g, places, open_places, sums, s):
    """A and B of one sign at scale s from sums over the sorted weights.

    Where in its bucket a threshold lies is a surprise, and the bucket is rarely in the cache: no branch
    depends on either, so that the look-ups of a scale do not wait for each other. A sum takes four elements
    at a time, added one by one; those above the threshold add zero, those of higher buckets among them.
    """
    n, m = w.size, e.size
    largest = np.float64(w[n - 1])
    rate = (table.shape[0] - 2) / largest if largest > 0.0 else 0.0
    while m and e[m - 1] * s >= largest:
        m -= 1
    count = np.uint64(0)
    for i in range(m):
        j = np.uint64(i)  # unsigned indices need no wrap-around checks
        x = e[j] * s
        bucket = np.uint64(np.int64(x * rate))
        first, last = np.int64(table[bucket, 0]), np.int64(table[bucket + np.uint64(1), 0])
        if last - first <= SCAN:
            places[j], sums[j] = first, table[bucket, 1]
            open_places[count] = i
            count += np.uint64(last > first)
        else:
            k = position(w, table, x)
            places[j], sums[j] = k, prefix1(w, p1, k)
    end, steps = np.uint64(n - 1), np.uint64(sums.size - FOUR - 1)
    while count:  # buckets that may hold more elements below the threshold
        kept = np.uint64(0)
        for i in range(count):
            j = np.uint64(open_places[np.uint64(i)])
            x, below, k = e[j] * s, sums[j], places[j]
            r, inside = np.uint64(k), False
            if r + np.uint64(FOUR) > end:  # near the largest: those that are not there are as large as it
                for ahead in range(np.uint64(FOUR)):
                    element = np.float64(w[min(r + ahead, end)])
                    inside = element <= x
                    below += element if inside else 0.0
                    k += np.int64(inside)
            else:  # all sums, then the one that is meant: a choice for each element would become a branch
                inner = np.uint64(0)
                sums[steps] = below
                for ahead in range(np.uint64(FOUR)):
                    element = np.float64(w[r + ahead])
                    inside = element <= x
                    inner += np.uint64(inside)
                    below += element
                    sums[steps + ahead + np.uint64(1)] = below
                below = sums[steps + inner]
                k += np.int64(inner)
            places[j], sums[j] = k, below
            open_places[kept] = np.int64(j)
            kept += np.uint64(inside)
        count = kept
    a = b = 0.0
    total = p1[p1.size - 1]
    for i in range(m):
        j = np.uint64(i)
        a += g[j] * (total - sums[j])
        b += 2.0 * e[j] * g[j] * (n - places[j])
    return a, b


@kernel(**BORROW)
def side_sums(side, levels, s):
    """A and B of one sign at scale s."""
    w, e, g, uniform = side.w, levels.e, levels.g, levels.uniform
    a = b = 0.0
    n, m = w.size, e.size
    if uniform and n <= 12 * m:
        return rounded_sums(w, float(m), s)
    if n <= 2 * m:  # few weights: find the level of each
        for i in range(n):
            low, high = 0, m
            while low < high:
                middle = (low + high) >> 1
                if e[middle] * s < w[i]:
                    low = middle + 1
                else:
                    high = middle
            # level l_low; l = sum of the spacings below it, l^2 = sum of 2 e g
            if low:
                level = e[low - 1] + 0.5 * g[low - 1]
                a += level * np.float64(w[i])
                b += level * level
        return a, b
    if n == 0:
        return a, b
    return looked_up_sums(w, side.p1, side.table, e, g, levels.places, levels.open_places, levels.sums, s)


@kernel(**BORROW)
def both_sums(positive, negative, above, below, s):
    """A and B of both signs at scale s."""
    a1, b1 = side_sums(positive, above, s)
    a2, b2 = side_sums(negative, below, s)
    return a1 + a2, b1 + b2


@kernel(**BORROW)
def clipping(side, top, s):
    """Error of the weights beyond the last level s * top: it can only grow as s shrinks."""
    w, p1, p2, table = side
    x = top * s
    k = position(w, table, x)
    t1 = p1[p1.size - 1] - prefix1(w, p1, k)
    t2 = p2[p2.size - 1] - prefix2(w, p2, k)
    return max(t2 - 2.0 * x * t1 + x * x * (w.size - k), 0.0)


@kernel(**BORROW)
def zeroing(side, e, s):
    """Error of the weights that round to zero: it can only grow with s."""
    w, _, p2, table = side
    if e.size == 0:
        return p2[p2.size - 1]
    return prefix2(w, p2, position(w, table, e[0] * s))


@kernel
def chord_bound(m2, sa, la, sb, lb):
    """Least value of m2 - 2 s (chord of L from (sa, la) to (sb, lb)) over [sa, sb]."""
    slope = (lb - la) / (sb - sa)
    level = la - slope * sa
    # m2 - 2 s (level + slope s) is a parabola that opens upwards: L decreases, so slope <= 0
    s = sb
    if slope < 0.0:
        s = min(max(-level / (2.0 * slope), sa), sb)
    return m2 - 2.0 * s * (level + slope * s)


@kernel
def optimal_scale(positive, negative, above, below, tolerance, limit):
    """Scale of least error, that error, a proved lower bound on it, and the number of evaluations.

    error(s) = M2 - 2 s L(s) with L(s) = sum_i g_i sum_w (w - s e_i)+ convex in s. On [sa, sb] the chord lies
    above L, so the error lies above the parabola M2 - 2 s chord(s): branch and bound with its minimum.
    """
    m2 = positive.p2[positive.p2.size - 1] + negative.p2[negative.p2.size - 1]
    largest = 0.0
    if positive.w.size:
        largest = np.float64(positive.w[positive.w.size - 1])
    if negative.w.size:
        largest = max(largest, np.float64(negative.w[negative.w.size - 1]))
    if m2 == 0.0 or above.e.size + below.e.size == 0:
        return 1.0, m2, m2, 0
    floor = 1e-13 * m2  # rounding of the sums; 130 dB

    # a first feasible value: factor-two steps over every useful scale
    best_s, best = largest, m2
    evaluations = 0
    s = largest / max(above.top, below.top) / 8.0
    first = (
        2.0 * largest / min(above.e[0] if above.e.size else np.inf, below.e[0] if below.e.size else np.inf)
    )
    while s <= first:
        a, b = both_sums(positive, negative, above, below, s)
        evaluations += 1
        if b > 0.0 and m2 - a * a / b < best:
            best, best_s = m2 - a * a / b, a / b  # these codes at their best scale: an upper bound there
        s *= 2.0
    best_s, best, evaluations = polish(positive, negative, above, below, m2, best_s, best, evaluations)

    # limits: below, clipping alone is worse than `best`; above, the weights rounded to zero alone are
    low, high = 0.0, best_s
    for _ in range(60):
        middle = 0.5 * (low + high) if low > 0.0 else 0.5 * high
        c = clipping(positive, above.top, middle) + clipping(negative, below.top, middle)
        if c >= best:
            low = middle
        else:
            high = middle
        if (low > 0.0 and high - low < 0.01 * low) or high < 1e-12 * best_s:
            break
    start = max(low, 1e-12 * best_s)
    low, high = best_s, max(first, 2.0 * best_s)
    for _ in range(60):
        middle = 0.5 * (low + high)
        if zeroing(positive, above.e, middle) + zeroing(negative, below.e, middle) >= best:
            high = middle
        else:
            low = middle
        if high - low < 0.01 * low:
            break
    end = high

    # branch and bound over [start, end]; s and L at both ends of every interval on the stack
    pieces = max(4, int(np.ceil(np.log(end / start) / 0.2)))
    ratio = (end / start) ** (1.0 / pieces)
    stack = np.empty((pieces + 128, 4))
    sa, la = start, 0.0
    for i in range(pieces + 1):
        sb = start * ratio**i
        a, b = both_sums(positive, negative, above, below, sb)
        lb = a - 0.5 * sb * b
        evaluations += 1
        if b > 0.0 and m2 - a * a / b < best:
            best, best_s = m2 - a * a / b, a / b
        if i:
            stack[i - 1, 0], stack[i - 1, 1], stack[i - 1, 2], stack[i - 1, 3] = sa, la, sb, lb
        sa, la = sb, lb
    best_s, best, evaluations = polish(positive, negative, above, below, m2, best_s, best, evaluations)
    count = pieces
    proved = best
    while count:
        count -= 1
        sa, la, sb, lb = stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3]
        bound = chord_bound(m2, sa, la, sb, lb)
        if bound >= best * (1.0 - tolerance) - floor or evaluations >= limit or sb <= sa * (1.0 + 1e-14):
            proved = min(proved, bound)
            continue
        sm = 0.5 * (sa + sb)
        a, b = both_sums(positive, negative, above, below, sm)
        lm = a - 0.5 * sm * b
        evaluations += 1
        if b > 0.0 and m2 - a * a / b < best:
            best_s, best, evaluations = polish(
                positive, negative, above, below, m2, a / b, m2 - a * a / b, evaluations
            )
        stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3] = sa, la, sm, lm
        stack[count + 1, 0], stack[count + 1, 1], stack[count + 1, 2], stack[count + 1, 3] = sm, lm, sb, lb
        count += 2
    return best_s, max(best, 0.0), max(min(proved, best), 0.0), evaluations


@kernel(**BORROW)
def polish(positive, negative, above, below, m2, s, error, evaluations):
    """Alternate the best codes and the best scale (each step can only improve) a few times."""
    for _ in range(8):
        a, b = both_sums(positive, negative, above, below, s)
        evaluations += 1
        f = m2 - 2.0 * s * a + s * s * b
        error = min(error, f)
        if b <= 0.0 or a * a / b - (m2 - f) <= 1e-9 * f:
            break
        s, error = a / b, min(error, m2 - a * a / b)
    return s, error, evaluations


@kernel
def smallest_squares(positive, negative, count):
    """Sum of the `count` smallest squares of two ascending lists of magnitudes."""
    wp, wn = positive.w, negative.w
    # how many come from wp: the least k with wp[k] >= wn[count - k - 1]
    low, high = max(0, count - wn.size), min(count, wp.size)
    while low < high:
        k = (low + high) >> 1
        if wp[k] < wn[count - k - 1]:
            low = k + 1
        else:
            high = k
    return prefix2(wp, positive.p2, low) + prefix2(wn, negative.p2, count - low)


@kernel
def fold(w, zero):
    """Turn ascending w into magnitudes in place: the first `zero` elements are the negative ones."""
    for i in range((zero + 1) // 2):
        j = zero - 1 - i
        x, y = w[i], w[j]
        w[i], w[j] = -y, -x
