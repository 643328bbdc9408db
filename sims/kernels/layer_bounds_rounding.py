"""Feasible codes of one neuron: feedback and greedy rounding, and a reduced basis for nearest planes."""

import numpy as np

from sims.kernels import kernel


@kernel
def feedback_codes(H, y, low, high, z):
    """z_t = nearest code to y_t + sum_{j < t} H_tj (y_j - z_j), in the box; H strictly lower triangular."""
    for t in range(len(y)):
        v = y[t]
        for j in range(t):
            v += H[t, j] * (y[j] - z[j])
        z[t] = min(max(np.rint(v), low), high)


@kernel
def greedy_codes(inverse, y, low, high, z):
    """Round the weight that costs least after refitting the others, then the next (optimal brain quantizer).

    inverse (n, n) of the Gram matrix, destroyed; y (n,) is moved; z gets the codes.
    """
    n = len(y)
    free = np.ones(n, np.bool_)
    for _ in range(n):
        least, p = np.inf, -1
        for i in range(n):
            if free[i]:
                gap = y[i] - min(max(np.rint(y[i]), low), high)
                cost = gap * gap / inverse[i, i]
                if cost < least:
                    least, p = cost, i
        z[p] = min(max(np.rint(y[p]), low), high)
        free[p] = False
        row = inverse[p].copy()
        share = (y[p] - z[p]) / row[p]
        for i in range(n):
            if free[i]:
                y[i] -= share * row[i]
                ratio = row[i] / row[p]
                for j in range(n):
                    inverse[i, j] -= ratio * row[j]


@kernel
def reduce_basis(R, delta, steps):
    """LLL: integer column operations that make R = Q' R U shorter; R (n, n) upper triangular is replaced.

    Returns the unimodular U (n, n) int64. `steps` bounds the work; a basis reduced part of the way is a
    basis.
    """
    n = len(R)
    U = np.zeros((n, n), np.int64)
    for i in range(n):
        U[i, i] = 1
    k = 1
    for _ in range(steps):
        if k >= n:
            break
        for j in range(k - 1, -1, -1):
            if R[j, j] != 0.0:
                q = np.rint(R[j, k] / R[j, j])
                if q != 0.0:
                    for i in range(j + 1):
                        R[i, k] -= q * R[i, j]
                    for i in range(n):
                        U[i, k] -= np.int64(q) * U[i, j]
        if delta * R[k - 1, k - 1] ** 2 <= R[k - 1, k] ** 2 + R[k, k] ** 2:
            k += 1
            continue
        for i in range(n):
            R[i, k - 1], R[i, k] = R[i, k], R[i, k - 1]
            U[i, k - 1], U[i, k] = U[i, k], U[i, k - 1]
        # columns k - 1 and k exchanged: one rotation makes R triangular again
        c, s = R[k - 1, k - 1], R[k, k - 1]
        length = np.hypot(c, s)
        c, s = c / length, s / length
        for j in range(k - 1, n):
            upper, lower = R[k - 1, j], R[k, j]
            R[k - 1, j] = c * upper + s * lower
            R[k, j] = c * lower - s * upper
        R[k, k - 1] = 0.0
        k = max(k - 1, 1)
    return U
