"""Exact search over the codes of one neuron: Schnorr-Euchner sphere decoding in a box, and 1-opt descent.

Symbols: G = R'R with R upper triangular, y = w/s the weights in units of the step, z the integer codes in
{low .. high}, e = z - y. The error is |R e|^2 = sum_k r_kk^2 (z_k - c_k)^2, where the centre
c_k = y_k - sum_{j > k} u_kj e_j, u_kj = r_kj / r_kk, is known once z_{k+1}, .., z_{n-1} are.
"""

import numpy as np

from sims.kernels import kernel


@kernel
def descend(G, y, low, high, z):
    """1-opt: move one code at a time to its best value given the others, until none moves. Returns the error.

    z (n,) float64 integers in the box, replaced by the end point.
    """
    n = len(y)
    gradient = np.zeros(n)
    for i in range(n):
        for j in range(n):
            gradient[i] += G[i, j] * (z[j] - y[j])
    moved = True
    while moved:
        moved = False
        for i in range(n):
            if G[i, i] <= 0.0:
                continue
            best = min(max(np.rint(z[i] - gradient[i] / G[i, i]), low), high)
            step = best - z[i]
            # a move that gains less than rounding would go back and forth between equals
            if step != 0.0 and -step * (2.0 * gradient[i] + step * G[i, i]) > 1e-12 * G[i, i]:
                z[i] = best
                for j in range(n):
                    gradient[j] += step * G[j, i]
                moved = True
    error = 0.0
    for i in range(n):
        for j in range(n):
            error += (z[i] - y[i]) * G[i, j] * (z[j] - y[j])
    return error


@kernel
def refresh(k, u, values, sums, stale):
    """Bring row k of `sums`, sum_{i >= j} u_ki values_i, up to date with the levels above that changed.

    stale[k]: the largest level that changed since the row was filled; level k + 1 always has.
    """
    top = max(stale[k], k + 1)
    for j in range(top, k, -1):
        sums[k, j] = sums[k, j + 1] + u[k, j] * values[j]
    if k > 0 and stale[k - 1] < top:
        stale[k - 1] = top
    stale[k] = k + 1


@kernel
def nearest_codes(squares, u, y, low, high, radius, slack, node_limit, best):
    """Codes in the box with the least error below `radius`; depth first, nearest values first.

    Parameters
    ----------
    squares
        (n,) r_kk^2
    u
        (n, n) r_kj / r_kk above the diagonal (rows with r_kk = 0 are zero)
    radius
        Error of the codes in `best`, or infinity
    slack
        Nodes are cut only above the best error plus this: more than rounding can be wrong
    node_limit
        Nodes visited at most
    best
        (n,) float64, replaced by the best codes if better ones are found

    Returns
    -------
    error of `best`; lower bound on the error of every code vector (the same if the search ended); nodes;
    whether it ended
    """
    n = len(y)
    c = np.empty(n)
    z = np.empty(n)
    e = np.empty(n)
    below, above = np.empty(n), np.empty(n)  # next values to try on either side
    cost = np.zeros(n + 1)  # cost[k]: of levels k .. n - 1 as chosen
    sums = np.zeros((n, n + 1))  # sums[k, j] = sum_{i >= j} u_ki e_i
    stale = np.full(n, n - 1)  # largest level that changed since row k of `sums` was filled
    nodes = 0
    k = n - 1
    c[k] = y[k]
    z[k] = min(max(np.rint(c[k]), low), high)
    below[k], above[k] = z[k] - 1.0, z[k] + 1.0
    while True:
        here = cost[k + 1] + squares[k] * (z[k] - c[k]) ** 2
        if nodes == node_limit:
            break
        nodes += 1
        if here <= radius + slack:
            cost[k] = here
            e[k] = z[k] - y[k]
            if k > 0:
                k -= 1
                refresh(k, u, e, sums, stale)
                c[k] = y[k] - sums[k, k + 1]
                z[k] = min(max(np.rint(c[k]), low), high)
                below[k], above[k] = z[k] - 1.0, z[k] + 1.0
                continue
            if here < radius:
                radius = here
                for j in range(n):
                    best[j] = z[j]
        else:
            # the values of a level come in the order of their cost: this one ends the level
            k += 1
            if k == n:
                return radius, radius, nodes, True
        # next value of level k, or up
        while True:
            left, right = below[k] >= low, above[k] <= high
            if left and (not right or c[k] - below[k] <= above[k] - c[k]):
                z[k] = below[k]
                below[k] -= 1.0
                break
            if right:
                z[k] = above[k]
                above[k] += 1.0
                break
            k += 1
            if k == n:
                return radius, radius, nodes, True
    # stopped: what is left lies under the value at hand or under the next value of a level above it
    lower = min(radius, here)
    for j in range(k, n):
        if below[j] >= low:
            lower = min(lower, cost[j + 1] + squares[j] * (below[j] - c[j]) ** 2)
        if above[j] <= high:
            lower = min(lower, cost[j + 1] + squares[j] * (above[j] - c[j]) ** 2)
    return radius, lower, nodes, False
