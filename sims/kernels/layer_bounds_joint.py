"""Exact search over codes and step together: sphere decoding in which the step stays a variable.

Symbols as in `layer_bounds`, w the weights themselves. With t_k = z_k + sum_{j > k} u_kj z_j and
v_k = w_k + sum_{j > k} u_kj w_j the error is sum_k r_kk^2 (s t_k - v_k)^2: what codes k .. n - 1 cost is a
quadratic A s^2 - 2 B s + C in the step s.
"""

import numpy as np

from sims.kernels import kernel
from sims.kernels.layer_bounds import refresh


@kernel
def _least(a, b, c, first, last):
    """Least a s^2 - 2 b s + c over first <= s <= last, and its place; between the two where s has no say."""
    s = min(max(b / a, first), last) if a > 0.0 else np.sqrt(first * last)
    return a * s * s - 2.0 * b * s + c, s


@kernel
def joint_codes(squares, u, w, low, high, first, last, radius, slack, node_limit, best):
    """Codes in the box that have, each with its best step, the least error below `radius`.

    The least cost over the steps is quasi-convex in the code of a level (the sublevel set of a convex
    function of s and s z_k, read as the ratio of the two), so each side of its minimum ends with the first
    code that is too dear.

    Parameters
    ----------
    squares, u, low, high, slack, node_limit
        As in `nearest_codes`, every r_kk^2 positive.
    w
        (n,) the weights
    first, last
        0 < first <= last: steps of the search
    radius
        Error of the codes in `best` at their best step, or the error of no code, w'Gw
    best
        (n,) float64, replaced by the best codes if better ones are found

    Returns
    -------
    error of `best`; lower bound on the error of every code vector at a step between the two; nodes; whether
    it ended
    """
    n = len(w)
    v = w.copy()
    C = np.zeros(n + 1)
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            v[k] += u[k, j] * w[j]
        C[k] = C[k + 1] + squares[k] * v[k] ** 2
    A, B = np.zeros(n + 1), np.zeros(n + 1)
    z, centre = np.empty(n), np.empty(n)
    below, above = np.empty(n), np.empty(n)  # next values to try on either side
    side = np.zeros(n, np.int8)  # of the centre that z_k was tried on
    sums = np.zeros((n, n + 1))  # sums[k, j] = sum_{i >= j} u_ki z_i
    stale = np.full(n, n - 1)
    nodes = 0
    k = n - 1
    centre[k] = v[k] / np.sqrt(first * last)
    z[k] = min(max(np.rint(centre[k]), low), high)
    below[k], above[k] = z[k] - 1.0, z[k] + 1.0
    while True:
        t = z[k] + sums[k, k + 1]
        a, b = A[k + 1] + squares[k] * t * t, B[k + 1] + squares[k] * t * v[k]
        here, s = _least(a, b, C[k], first, last)
        if nodes == node_limit:
            break
        nodes += 1
        if here <= radius + slack:
            A[k], B[k] = a, b
            if k > 0:
                k -= 1
                refresh(k, u, z, sums, stale)
                centre[k] = v[k] / s - sums[k, k + 1]
                z[k] = min(max(np.rint(centre[k]), low), high)
                below[k], above[k] = z[k] - 1.0, z[k] + 1.0
                side[k] = 0
                continue
            if b > 0.0 and C[0] - b * b / a < radius:
                radius = C[0] - b * b / a
                for j in range(n):
                    best[j] = z[j]
        elif side[k] < 0:
            below[k] = low - 1.0
        elif side[k] > 0:
            above[k] = high + 1.0
        # next value of level k, or up
        while True:
            left, right = below[k] >= low, above[k] <= high
            if left and (not right or centre[k] - below[k] <= above[k] - centre[k]):
                z[k] = below[k]
                below[k] -= 1.0
                side[k] = -1
                break
            if right:
                z[k] = above[k]
                above[k] += 1.0
                side[k] = 1
                break
            k += 1
            if k == n:
                return radius, radius, nodes, True
    # stopped: what is left lies under the value at hand or under the next values of a level above it
    lower = min(radius, here)
    for j in range(k, n):
        for value in (below[j], above[j]):
            if low <= value <= high:
                t = value + sums[j, j + 1]
                a, b = A[j + 1] + squares[j] * t * t, B[j + 1] + squares[j] * t * v[j]
                lower = min(lower, _least(a, b, C[j], first, last)[0])
    return radius, lower, nodes, False


@kernel
def clipped_error(G, w, least, most, passes):
    """Lower bound on e'Ge, e = v - w, over real v in the box least .. most: descent, then its duality gap.

    The error is convex, so that it is at least its tangent at any point; the least of the tangent over the
    box is a sum over coordinates.
    """
    n = len(w)
    e = np.empty(n)
    for i in range(n):
        e[i] = min(max(w[i], least), most) - w[i]
    gradient = G @ e
    for _ in range(passes):
        for i in range(n):
            move = min(max(e[i] - gradient[i] / G[i, i], least - w[i]), most - w[i]) - e[i]
            if move != 0.0:
                e[i] += move
                for j in range(n):
                    gradient[j] += move * G[j, i]
    gradient = G @ e
    value = 0.0
    for i in range(n):
        v = e[i] + w[i]
        value += e[i] * gradient[i] + 2.0 * min(gradient[i] * (least - v), gradient[i] * (most - v))
    return value
