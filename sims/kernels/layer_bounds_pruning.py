"""Exact choice of the weights to cut, by branch and bound: refitted, boxed, or frozen weights.

Symbols as in `sims.kernels.layer_bounds_fits`; Diag(s) <= G, so that the error of cutting a set R further
is at least sum_{i in R} s_i u_i^2.
"""

import numpy as np

from sims.kernels import kernel
from sims.kernels.layer_bounds_fits import cut, fit_in_box


@kernel
def _sort(values, size):
    """Sort the first `size` values, ascending, in place; they are few."""
    for i in range(1, size):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value


@kernel
def _ascending(values, first, count, order, group, g, scratch):
    """Put the values of group g among order[first:count] into `scratch`, ascending; returns how many."""
    size = 0
    for j in range(first, count):
        if group[order[j]] == g:
            scratch[size] = values[order[j]]
            size += 1
    _sort(scratch, size)
    return size


@kernel
def _rest(values, first, count, order, group, quota, scratch):
    """Sum, over groups, of the `quota` smallest values among order[first:count]; inf if they are too few."""
    total = 0.0
    for g in range(len(quota)):
        need = quota[g]
        if need == 0:
            continue
        if _ascending(values, first, count, order, group, g, scratch) < need:
            return np.inf
        for j in range(need):
            total += scratch[j]
    return total


@kernel
def _largest_rest(values, first, count, order, group, quota, scratch):
    """Largest, over groups, of the quota-th smallest value: whatever is cut, one costs at least that."""
    most = 0.0
    for g in range(len(quota)):
        need = quota[g]
        if need == 0:
            continue
        if _ascending(values, first, count, order, group, g, scratch) < need:
            return np.inf
        most = max(most, scratch[need - 1])
    return most


@kernel
def best_cut(G, P, w, s, group, quota, low, high, radius, slack, node_limit, best):
    """The set of columns whose cutting costs least, quota[g] of every group g; depth first.

    A node cuts one more column than its parent; columns that its elder siblings cut are kept below it.
    Siblings come in the order of falling cost, so that the largest subtrees, of few kept columns, hang on
    the dearest cuts.

    With a box, u is the best fit v* in it instead: any other v in the box has an error larger by at least
    |v - v*|_G^2, which gives the same two bounds on what cutting costs.

    Parameters
    ----------
    P
        (n, n) inverse of G
    s
        (n,) with Diag(s) <= G
    group
        (n,) int64, -1: never cut
    quota
        (groups,) int64, at least one of them positive
    low, high
        Box of the kept weights, infinite for none
    radius
        Error of the set in `best`, or infinity
    slack
        Nodes are cut only above the best error plus this; sets within it are fitted anew from G
    node_limit
        Nodes visited at most
    best
        (n,) bool, replaced by the best set if a better one is found

    Returns
    -------
    error of `best`; lower bound on the error of every set; nodes; whether the search ended
    """
    n = len(w)
    depth_max = 0
    for g in range(len(quota)):
        depth_max += quota[g]
    boxed = low > -np.inf or high < np.inf
    inverses = np.empty((depth_max + 1, n, n))
    weights = np.empty((depth_max + 1, n))
    costs = np.zeros(depth_max + 1)
    orders = np.empty((depth_max + 1, n), np.int64)
    counts = np.zeros(depth_max + 1, np.int64)
    places = np.zeros(depth_max + 1, np.int64)
    quotas = np.zeros((depth_max + 1, len(quota)), np.int64)
    chosen = np.zeros(n, np.bool_)
    path = np.empty(depth_max + 1, np.int64)
    delta, least = np.empty(n), np.empty(n)
    scratch = np.empty(n)
    fitted = np.empty(n)
    for i in range(n):
        weights[0, i] = w[i]
        for j in range(n):
            inverses[0, i, j] = P[i, j]
    if boxed:
        costs[0] = fit_in_box(G, w, chosen, low, high, weights[0])
    for g in range(len(quota)):
        quotas[0, g] = quota[g]
    size = 0
    for i in range(n):
        if group[i] >= 0 and quota[group[i]] > 0:
            orders[0, size] = i
            size += 1
    counts[0] = size
    nodes, k, fresh = 0, 0, True
    ended = True
    while k >= 0:
        order, count = orders[k], counts[k]
        for j in range(places[k], count):
            i = order[j]
            delta[i] = weights[k, i] ** 2 / inverses[k, i, i] if inverses[k, i, i] > 0.0 else 0.0
            least[i] = s[i] * weights[k, i] ** 2
        if fresh:
            if nodes == node_limit:
                ended = False
                break
            nodes += 1
            fresh = False
            for a in range(1, count):  # the dearest first
                i = order[a]
                j = a - 1
                while j >= 0 and delta[order[j]] < delta[i]:
                    order[j + 1] = order[j]
                    j -= 1
                order[j + 1] = i
        # what is left at this node: the columns from `places` on
        bound = costs[k] + max(
            _rest(least, places[k], count, order, group, quotas[k], scratch),
            _largest_rest(delta, places[k], count, order, group, quotas[k], scratch),
        )
        if bound > radius + slack:
            k -= 1
            if k >= 0:
                chosen[path[k]] = False
            continue
        i = order[places[k]]
        places[k] += 1
        g = group[i]
        if quotas[k, g] == 0 or costs[k] + delta[i] > radius + slack:
            continue
        left = 0
        for h in range(len(quota)):
            left += quotas[k, h]
        if left == 1:  # P has the rounding of an inverse; G decides
            chosen[i] = True
            error = fit_in_box(G, w, chosen, low, high, fitted)
            if error < radius:
                radius = error
                for a in range(n):
                    best[a] = chosen[a]
            chosen[i] = False
            continue
        cut(inverses[k], weights[k], i, inverses[k + 1], weights[k + 1])
        chosen[i] = True
        path[k] = i
        costs[k + 1] = costs[k] + delta[i]
        if boxed:
            costs[k + 1] = fit_in_box(G, w, chosen, low, high, weights[k + 1])
        for h in range(len(quota)):
            quotas[k + 1, h] = quotas[k, h]
        quotas[k + 1, g] -= 1
        size = 0
        for j in range(places[k], count):
            if quotas[k + 1, group[order[j]]] > 0:
                orders[k + 1, size] = order[j]
                size += 1
        counts[k + 1], places[k + 1] = size, 0
        k += 1
        fresh = True
    if ended:
        return radius, radius, nodes, True
    lower = radius
    for d in range(k + 1):  # unexplored siblings at every depth, and the node at hand
        for j in range(places[d], counts[d]):
            i = orders[d, j]
            delta[i] = weights[d, i] ** 2 / inverses[d, i, i] if inverses[d, i, i] > 0.0 else 0.0
            least[i] = s[i] * weights[d, i] ** 2
        bound = costs[d] + max(
            _rest(least, places[d], counts[d], orders[d], group, quotas[d], scratch),
            _largest_rest(delta, places[d], counts[d], orders[d], group, quotas[d], scratch),
        )
        lower = min(lower, bound)
    return radius, lower, nodes, False


@kernel
def best_frozen_cut(squares, u, w, own, tail, group, quota, radius, slack, node_limit, best):
    """Frozen weights: least w_R'G w_R over sets R with quota[g] columns of every group, as in a lattice.

    With G = M + Diag(s), M = V'V, and e the errors (-w_i where i is cut, else 0), the error is |V e|^2 plus
    s_i w_i^2 for every cut. Levels n - 1, .., 0 are decided one by one; those undecided are free in the
    first part, and in the second cost at least the smallest own[i] that fill the quotas. A column of no
    group (-1) is never cut.

    Parameters
    ----------
    squares, u
        (n,) v_kk^2, and (n, n) v_kj / v_kk above the diagonal
    own
        (n,) s_i w_i^2
    tail
        (groups, n + 1, most + 1): least sum of r values own[i] of a group among i < k; inf where there are
        too few
    group, quota, radius, slack, node_limit, best
        As in `best_cut`
    """
    n = len(w)
    cost = np.zeros(n + 1)
    e = np.zeros(n)
    gone = np.zeros(n, np.bool_)
    centre = np.zeros(n)
    tried = np.zeros(n, np.int64)  # values tried at a level
    first_cuts = np.zeros(n, np.bool_)  # whether cutting is tried first
    left = quota.copy()
    need = 0.0
    nodes = 0
    k = n - 1
    fresh = True
    while k < n:
        if fresh:
            if nodes == node_limit:
                break
            nodes += 1
            value = 0.0
            for j in range(k + 1, n):
                value -= u[k, j] * e[j]
            centre[k] = value
            tried[k] = 0
            keeping = squares[k] * value**2
            cutting = squares[k] * (w[k] + value) ** 2 + own[k]
            first_cuts[k] = cutting < keeping
            fresh = False
        g = group[k]
        if gone[k]:
            left[g] += 1
            gone[k] = False
            e[k] = 0.0
        if tried[k] == 2:
            k += 1
            continue
        cuts = first_cuts[k] == (tried[k] == 0)
        tried[k] += 1
        if cuts and (g < 0 or left[g] == 0):
            continue
        # the cost counts what is decided, and what the quotas still ask for
        here = cost[k + 1] + squares[k] * ((-w[k] if cuts else 0.0) - centre[k]) ** 2
        if cuts:
            here += own[k]
            left[g] -= 1
            gone[k] = True
            e[k] = -w[k]
        need = 0.0
        for h in range(len(quota)):
            need += tail[h, k, left[h]]
        if need == np.inf or here + need > radius + slack:  # too few left for the quotas, or too dear
            continue
        if k > 0:
            cost[k] = here
            k -= 1
            fresh = True
            continue
        if here < radius:
            radius = here
            for j in range(n):
                best[j] = gone[j]
    if k == n:
        return radius, radius, nodes, True
    # stopped at a fresh node: what is left lies below it, or below the untried value of a level above
    lower = radius
    need = 0.0
    for h in range(len(quota)):
        need += tail[h, k + 1, left[h]]
    lower = min(lower, cost[k + 1] + need)
    for j in range(k + 1, n):
        g = group[j]
        if gone[j]:
            left[g] += 1
        if tried[j] < 2:
            cuts = not first_cuts[j]
            if cuts and (g < 0 or left[g] == 0):
                continue
            here = cost[j + 1] + squares[j] * ((-w[j] if cuts else 0.0) - centre[j]) ** 2
            if cuts:
                here += own[j]
                left[g] -= 1
            need = 0.0
            for h in range(len(quota)):
                need += tail[h, j, left[h]]
            if cuts:
                left[g] += 1
            lower = min(lower, here + need)
    return radius, lower, nodes, False
