"""What is left after weights are cut: fits in a box, single cuts, greedy cuts, and exchanges.

Symbols: G the Gram matrix, P its inverse over the columns not yet cut, u the weights refitted to what is cut,
delta_i = u_i^2 / P_ii what cutting i costs (twice the loss of the optimal brain surgeon). Groups have
quotas: so many of each are to be cut.
"""

import numpy as np

from sims.kernels import kernel


@kernel
def _solve(A, b):
    """b becomes A^-1 b, by Cholesky in place of A; written out because LAPACK costs 5 s of compiling."""
    n = len(b)
    for j in range(n):
        for k in range(j):
            for i in range(j, n):
                A[i, j] -= A[i, k] * A[j, k]
        root = np.sqrt(A[j, j])
        for i in range(j, n):
            A[i, j] /= root
    for i in range(n):
        for k in range(i):
            b[i] -= A[i, k] * b[k]
        b[i] /= A[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= A[k, i] * b[k]
        b[i] /= A[i, i]


@kernel
def _invert(A):
    """A becomes its inverse, A positive definite: one exchange for every column."""
    n = len(A)
    for k in range(n):
        pivot = A[k, k]
        A[k, k] = 1.0
        for j in range(n):
            A[k, j] /= pivot
        for i in range(n):
            if i != k:
                share = A[i, k]
                A[i, k] = 0.0
                for j in range(n):
                    A[i, j] -= share * A[k, j]


@kernel
def _form(G, e):
    """e'G e."""
    total = 0.0
    for i in range(len(e)):
        part = 0.0
        for j in range(len(e)):
            part += G[i, j] * e[j]
        total += e[i] * part
    return total


@kernel
def fit_in_box(G, w, gone, low, high, v):
    """Minimise (v - w)'G(v - w) with v = 0 where `gone`, low <= v <= high elsewhere. Returns the error.

    Active sets as in Stark & Parker's BVLS: one bound is freed at a time, and a step stops at the first
    bound it meets. G positive definite; v (n,) is written.
    """
    n = len(w)
    target = np.zeros(n)
    for i in range(n):
        for j in range(n):
            target[i] += G[i, j] * w[j]
    free = np.ones(n, np.bool_)
    for i in range(n):
        v[i] = 0.0
        free[i] = not gone[i]
    if low > 0.0 or high < 0.0:
        return np.inf
    for _ in range(10 * n + 10):
        while True:  # the minimum over the free ones, or as far as the box allows
            size = 0
            for i in range(n):
                size += free[i]
            if size == 0:
                break
            index = np.empty(size, np.int64)
            size = 0
            for i in range(n):
                if free[i]:
                    index[size] = i
                    size += 1
            A = np.empty((size, size))
            b = np.empty(size)
            for i in range(size):
                b[i] = target[index[i]]
                for j in range(n):
                    if not gone[j] and not free[j]:
                        b[i] -= G[index[i], j] * v[j]
                for j in range(size):
                    A[i, j] = G[index[i], index[j]]
            _solve(A, b)
            x = b
            share, stop = 1.0, -1
            for i in range(size):
                old, new = v[index[i]], x[i]
                if new > high and (high - old) < share * (new - old):
                    share, stop = (high - old) / (new - old), i
                elif new < low and (low - old) > share * (new - old):
                    share, stop = (low - old) / (new - old), i
            for i in range(size):
                v[index[i]] += share * (x[i] - v[index[i]])
            if stop < 0:
                break
            v[index[stop]] = high if x[stop] > high else low
            free[index[stop]] = False
        # free the bound whose multiplier is the most wrong
        worst, at = 0.0, -1
        for i in range(n):
            if not gone[i] and not free[i]:
                slope = -target[i]
                for j in range(n):
                    slope += G[i, j] * v[j]
                wrong = slope if v[i] >= high else -slope
                if wrong > worst and wrong > 1e-12 * (abs(target[i]) + G[i, i] * abs(v[i])):
                    worst, at = wrong, i
        if at < 0:
            break
        free[at] = True
    for i in range(n):
        target[i] = v[i] - w[i]
    return _form(G, target)


@kernel
def cut(P, u, i, P_out, u_out):
    """P and u after column i is cut: one elimination. Row and column i become zero."""
    n = len(u)
    pivot = P[i, i]
    share = u[i] / pivot
    for a in range(n):
        u_out[a] = u[a] - share * P[a, i]
        ratio = P[a, i] / pivot
        for b in range(n):
            P_out[a, b] = P[a, b] - ratio * P[i, b]
    u_out[i] = 0.0
    for a in range(n):
        P_out[i, a] = P_out[a, i] = 0.0


@kernel
def greedy_cut(G, P, w, group, quota, frozen, gone):
    """Cut one column after the other, each time the one that costs least: refitted (OBS) or frozen."""
    n = len(w)
    inverse, u = P.copy(), w.copy()
    inverse_next, u_next = np.empty((n, n)), np.empty(n)
    pull = np.zeros(n)
    left = quota.copy()
    total = 0
    for g in range(len(quota)):
        total += quota[g]
    for _ in range(total):
        least, p = np.inf, -1
        for i in range(n):
            if not gone[i] and left[group[i]] > 0:
                refitted = u[i] ** 2 / inverse[i, i]
                cost = 2.0 * w[i] * pull[i] + w[i] ** 2 * G[i, i] if frozen else refitted
                if cost < least:
                    least, p = cost, i
        gone[p] = True
        left[group[p]] -= 1
        for i in range(n):
            pull[i] += G[i, p] * w[p]
        if not frozen:
            cut(inverse, u, p, inverse_next, u_next)
            inverse, inverse_next = inverse_next, inverse
            u, u_next = u_next, u


@kernel
def swap_cuts(G, P, w, group, frozen, gone):
    """Exchange a column that is cut for one that is kept, the best exchange each time, until none gains.

    With A = (P_TT)^-1 over the set T that is cut, the error is w_T'A w_T; giving column j back saves (A
    w)_j^2 / A_jj, and cutting i then costs delta_i. Returns the error.
    """
    n = len(w)
    for _ in range(4 * n):
        inside = np.flatnonzero(gone)
        size = len(inside)
        if frozen:
            pull = np.zeros(n)
            for i in range(n):
                for j in inside:
                    pull[i] += G[i, j] * w[j]
            error = 0.0
            for j in inside:
                error += w[j] * pull[j]
        else:
            A, B = np.empty((size, size)), np.empty((size, size))
            for a in range(size):
                for b in range(size):
                    A[a, b] = P[inside[a], inside[b]]
            _invert(A)
            h, share = np.zeros(size), np.empty(size)
            error = 0.0
            for a in range(size):
                for b in range(size):
                    h[a] += A[a, b] * w[inside[b]]
                error += h[a] * w[inside[a]]
        gain, give, take = 1e-12 * error, -1, -1
        for a in range(size):
            j = inside[a]
            if not frozen:
                saved = h[a] ** 2 / A[a, a]
                # A and A w over the set without j, padded by zeros
                for b in range(size):
                    share[b] = h[b] - A[b, a] * (h[a] / A[a, a])
                for b in range(size):
                    for c in range(size):
                        B[b, c] = A[b, c] - A[b, a] * A[a, c] / A[a, a]
            for i in range(n):
                if gone[i] or group[i] != group[j]:
                    continue
                if frozen:
                    saved = 2.0 * w[j] * pull[j] - w[j] ** 2 * G[j, j]
                    cost = 2.0 * w[i] * (pull[i] - G[i, j] * w[j]) + w[i] ** 2 * G[i, i]
                else:
                    value, variance = w[i], P[i, i]
                    for b in range(size):
                        value -= P[i, inside[b]] * share[b]
                        inner = 0.0
                        for c in range(size):
                            inner += B[b, c] * P[inside[c], i]
                        variance -= P[i, inside[b]] * inner
                    cost = value * value / variance if variance > 0.0 else np.inf
                if saved - cost > gain:
                    gain, give, take = saved - cost, j, i
        if give < 0:
            break
        gone[give], gone[take] = False, True
    return error
