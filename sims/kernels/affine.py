"""Best step and offset of equally spaced levels c + s {0, ..., N - 1}, with a certificate.

For centred weights, means instead of sums, thresholds t_j = c + s (j + 1/2) and k the code of w

    error(s, c) = V + c^2 - 2 s L(s, c),   L = sum_j E(w - t_j)+ = A - c K1 - s K2 / 2,

A = sum_j E[w; w > t_j] = E k w, K1 = sum_j P(w > t_j) = E k, K2 = sum_j (2 j + 1) P(w > t_j) = E k^2. L is
convex in (s, c): on a triangle it lies below the plane through its corners, so the error lies above a
quadratic. With the codes of (s, c) the best step is A / (K2 - K1^2), the offset -s K1, the error V - A^2 /
(K2 - K1^2).

Weights are split between the two nearest of many equally spaced nodes, so that their mean stays: then a
threshold costs one look-up whatever their number. Splitting can only raise E(w - t)+, so the error of the
split weights is at most their added variance above that of the weights, whatever (s, c): a bound for them
gives one for the weights.
"""

import numpy as np

from sims.kernels import kernel


@kernel(error_model="numpy")
def split_weights(w, first, last, cells):
    """P(node >= i), E[node; node >= i] and the second moment of weights split between cells + 1 nodes.

    Nodes run from `first` to `last`, which enclose all weights. The tails have two entries more than there
    are nodes: no threshold needs a check.
    """
    width = (last - first) / cells
    rate = 1.0 / width
    mass = np.zeros(cells + 1)
    for x in w:
        place = (np.float64(x) - first) * rate
        i = min(np.int64(place), cells - 1)
        share = place - i
        mass[i] += 1.0 - share
        mass[i + 1] += share
    tail0, tail1 = np.zeros(cells + 3), np.zeros(cells + 3)
    moment = 0.0
    for i in range(cells, -1, -1):
        node = first + i * width
        part = mass[i] / w.size
        tail0[i] = tail0[i + 1] + part
        tail1[i] = tail1[i + 1] + part * node
        moment += part * node * node
    return tail0, tail1, moment


@kernel(error_model="numpy")
def split_sums(tail0, tail1, first, last, steps, s, c):
    """A, K1 and K2 of the split weights on levels c + s {0, ..., steps}."""
    cells = tail0.size - 3
    rate = cells / (last - first)
    at, stride = (c + 0.5 * s - first) * rate + 1.0, s * rate
    most = float(cells + 1)
    a = k1 = k2 = 0.0
    for j in range(steps):
        place = at + j * stride  # nodes up to t_j lie below the threshold
        place = place if place > 0.0 else 0.0
        i = np.uint64(np.int64(place if place < most else most))
        beyond = tail0[i]
        a += tail1[i]
        k1 += beyond
        k2 += (2 * j + 1) * beyond
    return a, k1, k2


@kernel(error_model="numpy")
def weight_sums(w, steps, s, c):
    """A, K1 and K2 of the weights themselves, every one rounded; the first two loops are vectorised."""
    rate, top = 1.0 / s, float(steps)
    a = 0.0
    k1 = k2 = np.int64(0)
    codes, products = np.empty(256), np.empty(256)
    for start in range(0, w.size, 256):
        part = w[start : start + 256]
        n = part.size
        for k in range(n):
            q = np.floor((part[k] - c) * rate + 0.5)
            q = q if q > 0.0 else 0.0
            codes[k] = q if q < top else top
        for k in range(n):
            products[k] = codes[k] * part[k]
            i = np.int64(np.int32(codes[k]))
            k1 += i
            k2 += i * i
        for k in range(n):
            a += products[k]
    return a / w.size, k1 / w.size, k2 / w.size


@kernel(error_model="numpy")
def polish(w, steps, v, s, c, rounds):
    """Alternate the codes of all weights and the best step and offset: error, step, offset."""
    best, best_s, best_c = np.inf, s, c
    for _ in range(rounds):
        a, k1, k2 = weight_sums(w, steps, s, c)
        spread = k2 - k1 * k1
        if spread <= 0.0:
            break
        s = a / spread
        c = -s * k1
        error = v - a * a / spread
        if error >= best - 1e-7 * best:
            break
        best, best_s, best_c = error, s, c
    return best, best_s, best_c


@kernel(error_model="numpy")
def plane_bound(v, s0, c0, l0, s1, c1, l1, s2, c2, l2):
    """Least value of v + c^2 - 2 s (plane through the corners) over a triangle."""
    d = (s1 - s0) * (c2 - c0) - (s2 - s0) * (c1 - c0)
    beta = ((l1 - l0) * (c2 - c0) - (l2 - l0) * (c1 - c0)) / d
    gamma = ((s1 - s0) * (l2 - l0) - (s2 - s0) * (l1 - l0)) / d
    alpha = l0 - beta * s0 - gamma * c0
    bend = -2.0 * beta - gamma * gamma
    if bend > 0.0:
        s = alpha / bend
        c = gamma * s
        p = ((s - s0) * (c2 - c0) - (s2 - s0) * (c - c0)) / d
        q = ((s1 - s0) * (c - c0) - (s - s0) * (c1 - c0)) / d
        if p >= 0.0 and q >= 0.0 and p + q <= 1.0:
            return v + c * c - 2.0 * s * (alpha + beta * s + gamma * c)
    best = np.inf
    for edge in range(3):
        if edge == 0:
            sa, ca, sb, cb = s0, c0, s1, c1
        elif edge == 1:
            sa, ca, sb, cb = s1, c1, s2, c2
        else:
            sa, ca, sb, cb = s2, c2, s0, c0
        ds, dc = sb - sa, cb - ca
        # along the edge: value + slope t + curve t^2
        la, dl = alpha + beta * sa + gamma * ca, beta * ds + gamma * dc
        curve = dc * dc - 2.0 * ds * dl
        slope = 2.0 * ca * dc - 2.0 * (sa * dl + ds * la)
        value = v + ca * ca - 2.0 * sa * la
        best = min(best, value, value + slope + curve)
        if curve > 0.0:
            t = -slope / (2.0 * curve)
            if 0.0 < t < 1.0:
                best = min(best, value + slope * t + curve * t * t)
    return best


@kernel(error_model="numpy")
def search(tail0, tail1, first, last, moment, steps, tolerance, limit):
    """Step and offset of least error of the split weights, that error, a lower bound, evaluations.

    Two triangles (s, c) hold a best grid, r the range of the weights. If the levels span no more than the
    range and half a step on either side, c <= last + s/2 - steps s. If they span more, unused levels can be
    moved to the upper end, where first - s/2 <= c <= first + s/2; and no step beyond r is of use. The best
    codes of a corner, at their own best step and offset, are an upper bound.
    """
    span = last - first
    top = span / steps
    stack = np.empty((256, 9))
    best, best_s, best_c, floor = moment, top, first, 1e-13 * moment
    s = top
    while s > 1e-6 * span:  # centred levels of falling reach, their codes and steps alternated
        step, offset = s, -0.5 * s * steps
        for _ in range(30):
            a, k1, k2 = split_sums(tail0, tail1, first, last, steps, step, offset)
            spread = k2 - k1 * k1
            if spread <= 0.0 or moment - a * a / spread >= best:
                break
            step = a / spread
            offset = -step * k1
            best, best_s, best_c = moment - a * a / spread, step, offset
        s *= 0.7
    move = 0.25 * best_s * steps
    while 16.0 * move > best_s:  # then either end of the levels, or both, moved by less and less
        found = False
        for turn in range(8):
            low = (0.0, 0.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0)[turn] * move
            high = (1.0, -1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 1.0)[turn] * move
            step, offset = best_s + (high - low) / steps, best_c + low
            if step <= 0.0:
                continue
            a, k1, k2 = split_sums(tail0, tail1, first, last, steps, step, offset)
            spread = k2 - k1 * k1
            if spread > 0.0 and moment - a * a / spread < best:
                best, best_s = moment - a * a / spread, a / spread
                best_c, found = -best_s * k1, True
        if not found:
            move *= 0.5
    for row in range(2):
        stack[row, 0], stack[row, 1] = 0.0, first
    stack[1, 3], stack[1, 4] = 0.0, last
    stack[1, 6], stack[1, 7] = top, first + 0.5 * top
    stack[0, 3], stack[0, 4] = span, first - 0.5 * span
    stack[0, 6], stack[0, 7] = span, first + 0.5 * span
    for row in range(2):
        for i in range(0, 9, 3):
            s, c = stack[row, i], stack[row, i + 1]
            a, k1, k2 = split_sums(tail0, tail1, first, last, steps, s, c)
            stack[row, i + 2] = a - c * k1 - 0.5 * s * k2
    count, evaluations, proved, t = 2, 0, best, np.empty(9)
    while count:
        count -= 1
        for i in range(9):
            t[i] = stack[count, i]
        bound = plane_bound(moment, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8])
        enough = bound >= best * (1.0 - tolerance) - floor
        if enough or evaluations >= limit or count + 2 > stack.shape[0]:
            proved = min(proved, bound)
            continue
        longest, at = -1.0, 0  # the edge along which the first and the last level move most is halved
        for i in range(3):
            j = (i + 1) % 3
            dc = t[3 * i + 1] - t[3 * j + 1]
            end = dc + (t[3 * i] - t[3 * j]) * steps
            if dc * dc + end * end > longest:
                longest, at = dc * dc + end * end, i
        j, k = (at + 1) % 3, (at + 2) % 3
        s, c = 0.5 * (t[3 * at] + t[3 * j]), 0.5 * (t[3 * at + 1] + t[3 * j + 1])
        a, k1, k2 = split_sums(tail0, tail1, first, last, steps, s, c)
        value = a - c * k1 - 0.5 * s * k2
        evaluations += 1
        spread = k2 - k1 * k1
        if spread > 0.0 and moment - a * a / spread < best:
            best, best_s = moment - a * a / spread, a / spread
            best_c = -best_s * k1
        for other in (at, j):
            half = stack[count]
            half[0], half[1], half[2] = s, c, value
            half[3], half[4], half[5] = t[3 * other], t[3 * other + 1], t[3 * other + 2]
            half[6], half[7], half[8] = t[3 * k], t[3 * k + 1], t[3 * k + 2]
            count += 1
    return best_s, best_c, max(best, 0.0), min(proved, best), evaluations


@kernel(error_model="numpy")
def search_zero(tail0, tail1, first, last, moment, mean, steps, tolerance, limit):
    """The same where a level is zero: levels s {-z, ..., steps - z} with an integer z from 0 to `steps`.

    Returns step, z, error, lower bound and evaluations. For every z the error along s is bounded by the chord
    of the convex L; weights are node + mean.
    """
    best, best_s, best_z, floor = moment + mean * mean, 1.0, 0, 1e-13 * (moment + mean * mean)
    largest = max(abs(first + mean), abs(last + mean))
    proved, evaluations = best, 0
    stack = np.empty((256, 4))
    for turn in range(2 * steps + 2):
        coarse = turn <= steps  # first a few steps for every z, then the proof
        z = turn if coarse else turn - steps - 1
        if coarse:
            s = 2.0 * largest / max(1, max(z, steps - z))
            for _ in range(10):
                a, k1, k2 = split_sums(tail0, tail1, first, last, steps, s, -z * s - mean)
                above, below = a + mean * k1 - z * mean, k2 - 2.0 * z * k1 + z * z
                if below > 0.0 and above > 0.0 and moment + mean * mean - above * above / below < best:
                    best, best_s, best_z = moment + mean * mean - above * above / below, above / below, z
                s *= 0.75
            if (
                turn == steps
            ):  # then zero and the step moved by less and less, the codes' best step after each
                move = 0.25 * steps
                while 16.0 * move > 1.0:
                    found = False
                    for way in range(8):
                        z = best_z + (0, 0, 1, -1, 1, -1, 1, -1)[way] * int(max(move, 1.0))
                        s = best_s * (1.0 + (1, -1, 0, 0, 1, -1, -1, 1)[way] * move / steps)
                        if z < 0 or z > steps or s <= 0.0:
                            continue
                        a, k1, k2 = split_sums(tail0, tail1, first, last, steps, s, -z * s - mean)
                        above, below = a + mean * k1 - z * mean, k2 - 2.0 * z * k1 + z * z
                        error = moment + mean * mean - above * above / below if below > 0.0 else best
                        if above > 0.0 and error < best:
                            best, best_s, best_z, found = error, above / below, z, True
                    if not found:
                        move *= 0.5
            continue
        sb = 2.0 * largest
        a, k1, k2 = split_sums(tail0, tail1, first, last, steps, 0.0, -mean)
        la = a + mean * k1
        a, k1, k2 = split_sums(tail0, tail1, first, last, steps, sb, -z * sb - mean)
        lb = a + (z * sb + mean) * k1 - 0.5 * sb * k2
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0.0, la, sb, lb
        count = 1
        while count:
            count -= 1
            sa, la, sb, lb = stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3]
            beta = (lb - la) / (sb - sa)
            alpha = la - beta * sa
            # moment + (z s + mean)^2 - 2 s (alpha + beta s)
            curve, slope = z * z - 2.0 * beta, z * mean - alpha
            bound = min(curve * sa * sa + 2.0 * slope * sa, curve * sb * sb + 2.0 * slope * sb)
            if curve > 0.0 and sa * curve < -slope < sb * curve:
                bound = -slope * slope / curve
            bound += moment + mean * mean
            enough = bound >= best * (1.0 - tolerance) - floor or sb <= sa * (1.0 + 1e-14)
            if enough or evaluations >= limit or count + 2 > stack.shape[0]:
                proved = min(proved, bound)
                continue
            s = 0.5 * (sa + sb)
            a, k1, k2 = split_sums(tail0, tail1, first, last, steps, s, -z * s - mean)
            evaluations += 1
            value = a + (z * s + mean) * k1 - 0.5 * s * k2
            above, below = a + mean * k1 - z * mean, k2 - 2.0 * z * k1 + z * z
            if below > 0.0 and above > 0.0 and moment + mean * mean - above * above / below < best:
                best, best_s, best_z = moment + mean * mean - above * above / below, above / below, z
            stack[count, 0], stack[count, 1], stack[count, 2], stack[count, 3] = sa, la, s, value
            stack[count + 1, 0], stack[count + 1, 1] = s, value
            stack[count + 1, 2], stack[count + 1, 3] = sb, lb
            count += 2
    return best_s, best_z, max(best, 0.0), min(proved, best), evaluations


@kernel(error_model="numpy")
def polish_zero(w, steps, v, mean, s, z, rounds):
    """Alternate codes and step for a fixed z; w centred, `mean` its mean: error and step."""
    best, best_s = np.inf, s
    for _ in range(rounds):
        a, k1, k2 = weight_sums(w, steps, s, -z * s - mean)
        above, below = a + mean * k1 - z * mean, k2 - 2.0 * z * k1 + z * z
        if below <= 0.0 or above <= 0.0:
            break
        s = above / below
        error = v + mean * mean - above * s
        if error >= best - 1e-7 * best:
            break
        best, best_s = error, s
    return best, best_s


@kernel(error_model="numpy")
def row_grids(rows, steps, zero_point, cells, tolerance, limit, rounds):
    """Best grid of every row: step, offset, summed squared error and its lower bound, (4, rows).

    With `zero_point`, zero is a level. Weights should be of the order of 1.
    """
    found = np.empty((4, rows.shape[0]))
    v = np.empty(rows.shape[1])
    for r in range(rows.shape[0]):
        mean = 0.0
        for x in rows[r]:
            mean += x
        mean /= v.size
        first, last, variance = np.inf, -np.inf, 0.0
        for k in range(v.size):
            v[k] = rows[r, k] - mean
            variance += v[k] * v[k]
            first, last = min(first, v[k]), max(last, v[k])
        variance /= v.size
        if not first < last:  # one level is enough, on or beside zero; the mean may miss it by a rounding
            x = rows[r, 0]
            found[0, r], found[1, r] = abs(x), min(x, 0.0) if zero_point else x
            found[2, r] = found[3, r] = 0.0
            continue
        tail0, tail1, moment = split_weights(v, first, last, cells)
        if zero_point:
            s, z, _, bound, _ = search_zero(tail0, tail1, first, last, moment, mean, steps, tolerance, limit)
            error, s = polish_zero(v, steps, variance, mean, s, z, rounds)
            c = -z * s
        else:
            s, c, _, bound, _ = search(tail0, tail1, first, last, moment, steps, tolerance, limit)
            error, s, c = polish(v, steps, variance, s, c, rounds)
            c += mean
        found[0, r], found[1, r] = s, c
        found[2, r] = max(error, 0.0) * v.size
        found[3, r] = min(max(bound - moment + variance, 0.0) * v.size, found[2, r])
    return found
