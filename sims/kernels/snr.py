"""Optimal scales of a codebook, with a certificate: sums over sorted magnitudes and branch and bound.

Symbols: w sorted magnitudes of one sign, P1 and P2 prefix sums of w and w^2 at every BLOCK-th element, e
thresholds and g level spacings of the codebook (both for unit scale), s the scale. All sums are over weights
(not means): error(s) = M2 - 2 s A(s) + s^2 B(s). Magnitudes may be float32, which halves the memory of large
checkpoints; every product and sum is float64 (Numba's float() would keep float32).
"""

import numpy as np
from numba import njit

BLOCK = 16  # elements per prefix sum: the rest of a block is summed directly, an eighth of the memory


@njit(cache=True, nogil=True)
def prefix_sums(w):
    """P1, P2 of ascending magnitudes, compensated (Neumaier), so that no error grows with the length."""
    blocks = w.size // BLOCK + 1
    p1, p2 = np.empty(blocks + 1), np.empty(blocks + 1)
    s1 = s2 = c1 = c2 = 0.0
    for i in range(blocks):
        p1[i], p2[i] = s1 + c1, s2 + c2
        for k in range(i * BLOCK, min((i + 1) * BLOCK, w.size)):
            x = np.float64(w[k])
            t = s1 + x
            c1 += (s1 - t) + x if s1 >= x else (x - t) + s1
            s1 = t
            y = x * x
            t = s2 + y
            c2 += (s2 - t) + y if s2 >= y else (y - t) + s2
            s2 = t
    p1[blocks], p2[blocks] = s1 + c1, s2 + c2  # the totals
    return p1, p2


@njit(cache=True, nogil=True)
def bucket_table(w, buckets):
    """Positions of equally spaced values of ascending w: the first guess of `position`."""
    table = np.empty(buckets + 2, dtype=np.int64)
    width = np.float64(w[-1]) / buckets if w.size else 1.0
    k = 0
    for i in range(buckets + 2):
        while k < w.size and w[k] < i * width:
            k += 1
        table[i] = k
    return table


@njit(cache=True, nogil=True)
def position(w, table, x):
    """Number of elements of ascending w that are <= x, for x >= 0."""
    n = w.size
    if n == 0 or x >= w[n - 1]:
        return n
    i = int(x / np.float64(w[n - 1]) * (table.size - 2))
    low, high = table[max(i - 1, 0)], table[min(i + 2, table.size - 1)]  # one bucket of slack for rounding
    while low < high:
        middle = (low + high) >> 1
        if w[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def prefix1(w, p1, k):
    """Sum of the first k elements."""
    total = p1[k // BLOCK]
    for i in range(k // BLOCK * BLOCK, k):
        total += np.float64(w[i])
    return total


@njit(cache=True, nogil=True)
def prefix2(w, p2, k):
    """Sum of the squares of the first k elements."""
    total = p2[k // BLOCK]
    for i in range(k // BLOCK * BLOCK, k):
        total += np.float64(w[i]) * np.float64(w[i])
    return total


@njit(cache=True, nogil=True)
def side_sums(w, p1, table, e, g, s):
    """A and B of one sign at scale s."""
    a = b = 0.0
    n, m = w.size, e.size
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
    total = p1[p1.size - 1]
    for j in range(m):
        x = e[j] * s
        k = position(w, table, x)
        if k == n:
            break
        a += g[j] * (total - prefix1(w, p1, k))
        b += 2.0 * e[j] * g[j] * (n - k)
    return a, b


@njit(cache=True, nogil=True)
def clipping(w, p1, p2, table, top, s):
    """Error of the weights beyond the last level s * top: it can only grow as s shrinks."""
    x = top * s
    k = position(w, table, x)
    t1 = p1[p1.size - 1] - prefix1(w, p1, k)
    t2 = p2[p2.size - 1] - prefix2(w, p2, k)
    return max(t2 - 2.0 * x * t1 + x * x * (w.size - k), 0.0)


@njit(cache=True, nogil=True)
def zeroing(w, p2, table, e, s):
    """Error of the weights that round to zero: it can only grow with s."""
    if e.size == 0:
        return p2[p2.size - 1]
    return prefix2(w, p2, position(w, table, e[0] * s))


@njit(cache=True, nogil=True)
def lowest(a, b, m2, low, high):
    """Minimum of m2 - 2 t a + t^2 b over [low, high]."""
    t = low
    if b > 0.0:
        t = min(max(a / b, low), high)
    elif a > 0.0:
        t = high
    return m2 - 2.0 * t * a + t * t * b


@njit(cache=True, nogil=True)
def optimal_scale(wp, p1p, p2p, tp, wn, p1n, p2n, tn, ep, gp, en, gn, topp, topn, tolerance, limit):
    """Scale of least error, that error, a proved lower bound on it, and the number of evaluations.

    With the codes fixed at s1 the error is a parabola quad(s) that touches error at s1 and lies above it; for
    s > s1 the gap quad - error only grows (codes only shrink, and a code left behind loses more and more).
    So on [s1, s2]: error >= quad - (quad(s2) - error(s2)); the same from s2 downwards while s1 >= s2 / 2.
    """
    m2 = p2p[p2p.size - 1] + p2n[p2n.size - 1]
    largest = 0.0
    if wp.size:
        largest = np.float64(wp[wp.size - 1])
    if wn.size:
        largest = max(largest, np.float64(wn[wn.size - 1]))
    if m2 == 0.0 or ep.size + en.size == 0:
        return 1.0, m2, m2, 0
    top = max(topp, topn)
    floor = 1e-13 * m2  # rounding of the sums; 130 dB

    # a first feasible value: factor-two steps over every useful scale
    best_s, best = largest, m2
    evaluations = 0
    s = largest / top / 8.0
    first = 2.0 * largest / min(ep[0] if ep.size else np.inf, en[0] if en.size else np.inf)
    while s <= first:
        a1, b1 = side_sums(wp, p1p, tp, ep, gp, s)
        a2, b2 = side_sums(wn, p1n, tn, en, gn, s)
        a, b = a1 + a2, b1 + b2
        evaluations += 1
        if b > 0.0:
            f = m2 - a * a / b  # error with these codes at their best scale: an upper bound there
            if f < best:
                best, best_s = f, a / b
        s *= 2.0
    best_s, best, evaluations = polish(
        wp, p1p, tp, wn, p1n, tn, ep, gp, en, gn, m2, best_s, best, evaluations
    )

    # limits: below, clipping alone is worse than `best`; above, the weights rounded to zero alone are
    low, high = 0.0, best_s
    for _ in range(60):
        middle = 0.5 * (low + high) if low > 0.0 else 0.5 * high
        c = clipping(wp, p1p, p2p, tp, topp, middle) + clipping(wn, p1n, p2n, tn, topn, middle)
        if c >= best:
            low = middle
        else:
            high = middle
        if low > 0.0 and high - low < 0.01 * low:
            break
        if high < 1e-12 * best_s:
            break
    start = max(low, 1e-12 * best_s)
    low, high = best_s, max(first, 2.0 * best_s)
    for _ in range(60):
        middle = 0.5 * (low + high)
        if zeroing(wp, p2p, tp, ep, middle) + zeroing(wn, p2n, tn, en, middle) >= best:
            high = middle
        else:
            low = middle
        if high - low < 0.01 * low:
            break
    end = high

    # branch and bound over [start, end]; f, A, B at both ends of every interval on the stack
    pieces = max(8, int(np.ceil(np.log(end / start) / 0.1)))
    ratio = (end / start) ** (1.0 / pieces)
    stack = np.empty((pieces + 128, 8))
    a1, b1 = side_sums(wp, p1p, tp, ep, gp, start)
    a2, b2 = side_sums(wn, p1n, tn, en, gn, start)
    sa, aa, ba = start, a1 + a2, b1 + b2
    fa = m2 - 2.0 * sa * aa + sa * sa * ba
    for i in range(pieces):
        sb = start * ratio ** (i + 1)
        a1, b1 = side_sums(wp, p1p, tp, ep, gp, sb)
        a2, b2 = side_sums(wn, p1n, tn, en, gn, sb)
        ab, bb = a1 + a2, b1 + b2
        fb = m2 - 2.0 * sb * ab + sb * sb * bb
        evaluations += 1
        if fb < best:
            best, best_s = fb, sb
        stack[i, 0], stack[i, 1], stack[i, 2], stack[i, 3] = sa, fa, aa, ba
        stack[i, 4], stack[i, 5], stack[i, 6], stack[i, 7] = sb, fb, ab, bb
        sa, fa, aa, ba = sb, fb, ab, bb
    best_s, best, evaluations = polish(
        wp, p1p, tp, wn, p1n, tn, ep, gp, en, gn, m2, best_s, best, evaluations
    )
    count = pieces
    proved = best
    while count:
        count -= 1
        sa, fa, aa, ba = stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3]
        sb, fb, ab, bb = stack[count, 4], stack[count, 5], stack[count, 6], stack[count, 7]
        up = lowest(aa, ba, m2, sa, sb) - (m2 - 2.0 * sb * aa + sb * sb * ba - fb)
        down = lowest(ab, bb, m2, sa, sb) - (m2 - 2.0 * sa * ab + sa * sa * bb - fa)
        bound = max(up, down)
        if bound >= best * (1.0 - tolerance) - floor or evaluations >= limit or sb <= sa * (1.0 + 1e-14):
            proved = min(proved, bound)
            continue
        sm = 0.5 * (sa + sb)
        a1, b1 = side_sums(wp, p1p, tp, ep, gp, sm)
        a2, b2 = side_sums(wn, p1n, tn, en, gn, sm)
        am, bm = a1 + a2, b1 + b2
        fm = m2 - 2.0 * sm * am + sm * sm * bm
        evaluations += 1
        if bm > 0.0 and m2 - am * am / bm < best:
            best_s, best, evaluations = polish(
                wp, p1p, tp, wn, p1n, tn, ep, gp, en, gn, m2, am / bm, m2 - am * am / bm, evaluations
            )
        stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3] = sa, fa, aa, ba
        stack[count, 4], stack[count, 5], stack[count, 6], stack[count, 7] = sm, fm, am, bm
        count += 1
        stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3] = sm, fm, am, bm
        stack[count, 4], stack[count, 5], stack[count, 6], stack[count, 7] = sb, fb, ab, bb
        count += 1
    return best_s, max(best, 0.0), max(min(proved, best), 0.0), evaluations


@njit(cache=True, nogil=True)
def polish(wp, p1p, tp, wn, p1n, tn, ep, gp, en, gn, m2, s, error, evaluations):
    """Alternate the best codes and the best scale (each step can only improve) a few times."""
    for _ in range(8):
        a1, b1 = side_sums(wp, p1p, tp, ep, gp, s)
        a2, b2 = side_sums(wn, p1n, tn, en, gn, s)
        a, b = a1 + a2, b1 + b2
        evaluations += 1
        f = m2 - 2.0 * s * a + s * s * b
        error = min(error, f)
        if b <= 0.0 or a * a / b - (m2 - f) <= 1e-9 * f:
            break
        s, error = a / b, min(error, m2 - a * a / b)
    return s, error, evaluations


@njit(cache=True, nogil=True)
def smallest_squares(wp, p2p, wn, p2n, count):
    """Sum of the `count` smallest squares of two ascending lists of magnitudes."""
    # how many come from wp: the least k with wp[k] >= wn[count - k - 1]
    low, high = max(0, count - wn.size), min(count, wp.size)
    while low < high:
        k = (low + high) >> 1
        if wp[k] < wn[count - k - 1]:
            low = k + 1
        else:
            high = k
    return prefix2(wp, p2p, low) + prefix2(wn, p2n, count - low)


@njit(cache=True, nogil=True)
def fold(w, zero):
    """Turn ascending w into magnitudes in place: the first `zero` elements are the negative ones."""
    for i in range((zero + 1) // 2):
        j = zero - 1 - i
        x, y = w[i], w[j]
        w[i], w[j] = -y, -x


@njit(cache=True, nogil=True)
def centred_kurtosis(w):
    """Fourth central moment over the squared second; nan for a constant."""
    total = 0.0
    constant = True
    for x in w:
        total += np.float64(x)
        constant = constant and x == w[0]
    if constant:
        return np.nan
    mean = total / w.size
    second = fourth = 0.0
    for x in w:
        square = (np.float64(x) - mean) * (np.float64(x) - mean)
        second += square
        fourth += square * square
    return w.size * fourth / (second * second)
