"""Phase II of path following, one block of columns for many neurons at once.

Arrays are transposed, (columns, neurons), so that neighbouring neurons are neighbours in memory and every
inner loop runs over neurons without a reduction: it vectorises without changing the order of any sum.
"""

import numpy as np

from sims.kernels import kernel

# How many neurons share a pass over the block: 32 rows of 64 doubles are 16 KiB, half of a small L1 cache.
TILE = 64

# Codes of the operators; sims.path_following translates the classes of theory.operators.
ROUND_STOCHASTIC, ROUND_NEAREST, ONE_BIT, PRUNE_STOCHASTIC, PRUNE_THEN_ROUND, PRUNE_HARD, NEAREST_SIGN = (
    range(7)
)


@kernel
def transpose(w, out):
    """Copy w (n, N) to out (N, n) in pieces of 8 x 64: twice as fast as a strided copy.

    Rows that are a power of two long meet in one set of the cache, which holds eight lines.
    """
    n, columns = w.shape
    for i0 in range(0, n, 8):
        i1 = min(i0 + 8, n)
        for t0 in range(0, columns, 64):
            for t in range(t0, min(t0 + 64, columns)):
                row = out[t]
                for i in range(i0, i1):
                    row[i] = w[i, t]


@kernel
def _round_stochastic(v, u, step, low, high):
    ratio = v / step
    if np.rint(ratio) * step == v:  # a grid point as computed stays itself, whatever v / step rounds to
        q = v
    else:
        below = np.floor(ratio)
        q = (below + 1.0 if u < ratio - below else below) * step
    return min(max(q, low), high)


@kernel
def _prune_then_round(v, u, step, threshold, below, fraction):
    keep = abs(v) / threshold
    if keep > 1.0:
        return _round_stochastic(v, u, step, -np.inf, np.inf)
    if u < keep * fraction:
        return np.copysign((below + 1.0) * step, v)
    if u < keep:
        return np.copysign(below * step, v)
    return 0.0


@kernel
def compress_block(start, stop, w, g, inverse, correction, u, e, exits, first, kind, p):
    """Compress the columns start .. stop - 1 of every neuron.

    v_t = w_t + inverse_t (correction_t + sum_{start <= j < t} g_tj e_j),  q_t = T(v_t),  e_t = w_t - q_t.

    Parameters
    ----------
    w
        (N, n) weights; rows start .. stop - 1 are replaced by q
    g
        (N, N), of which the strict lower triangle of the diagonal block is read
    inverse
        (N,)
    correction, u
        (stop - start, n) sums over the columns before the block; uniforms
    e
        (N, n) errors w - q, rows start .. stop - 1 written
    exits, first
        (n,) int64, updated: count of v outside the limits, position of the first one (-1: none)
    kind
        Operator code
    p
        (7,) step, threshold, grid low, grid high, limit low, limit high, level;
        for PRUNE_THEN_ROUND the grid ends hold floor and fraction of threshold/step.
    """
    n = w.shape[1]
    b = stop - start
    step, threshold, low, high, limit_low, limit_high, level = p
    limited = limit_low > -np.inf or limit_high < np.inf
    v = np.empty(TILE)
    for i0 in range(0, n, TILE):
        size = min(TILE, n - i0)
        for t in range(b):
            sums = correction[t, i0 : i0 + size]
            for i in range(size):
                v[i] = sums[i]
            gt = g[start + t, start:stop]
            j = 0
            while j + 4 <= t:  # four rows per pass: one load and store of v for eight flops
                g0, g1, g2, g3 = gt[j], gt[j + 1], gt[j + 2], gt[j + 3]
                e0 = e[start + j, i0 : i0 + size]
                e1 = e[start + j + 1, i0 : i0 + size]
                e2 = e[start + j + 2, i0 : i0 + size]
                e3 = e[start + j + 3, i0 : i0 + size]
                for i in range(size):
                    v[i] += (g0 * e0[i] + g1 * e1[i]) + (g2 * e2[i] + g3 * e3[i])
                j += 4
            while j < t:
                g0 = gt[j]
                e0 = e[start + j, i0 : i0 + size]
                for i in range(size):
                    v[i] += g0 * e0[i]
                j += 1
            wt = w[start + t, i0 : i0 + size]
            ut = u[t, i0 : i0 + size]
            et = e[start + t, i0 : i0 + size]
            scale = inverse[start + t]
            for i in range(size):
                v[i] = wt[i] + scale * v[i]
            if limited:
                for i in range(size):
                    if v[i] < limit_low or v[i] > limit_high:
                        exits[i0 + i] += 1
                        if first[i0 + i] < 0:
                            first[i0 + i] = start + t
            if kind == ROUND_STOCHASTIC:
                for i in range(size):
                    v[i] = _round_stochastic(v[i], ut[i], step, low, high)
            elif kind == ROUND_NEAREST:
                for i in range(size):
                    v[i] = min(max(np.rint(v[i] / step) * step, low), high)
            elif kind == ONE_BIT:
                for i in range(size):
                    v[i] = level if ut[i] < (level + v[i]) / (2.0 * level) else -level
            elif kind == PRUNE_STOCHASTIC:
                for i in range(size):
                    kept = np.copysign(threshold, v[i]) if ut[i] < abs(v[i]) / threshold else 0.0
                    v[i] = v[i] if abs(v[i]) > threshold else kept
            elif kind == PRUNE_THEN_ROUND:
                for i in range(size):
                    v[i] = _prune_then_round(v[i], ut[i], step, threshold, low, high)
            elif kind == PRUNE_HARD:
                for i in range(size):
                    v[i] = v[i] if abs(v[i]) > threshold else 0.0
            else:
                for i in range(size):
                    v[i] = level if v[i] >= 0.0 else -level
            for i in range(size):
                et[i] = wt[i] - v[i]
                wt[i] = v[i]


@kernel
def prune_by_loss(w, inverse, count):
    """Remove `count` weights one by one, each time the one whose removal costs least after refitting.

    Optimal brain surgeon: removing p costs w_p^2 / [G^-1]_pp (twice the loss) and moves the others by
    -w_p / [G^-1]_pp [G^-1]_.p; the inverse is then reduced to the columns that are left.

    Parameters
    ----------
    w
        (N,) weights, replaced by the result
    inverse
        (N, N) inverse Gram matrix, destroyed
    """
    size = len(w)
    alive = np.ones(size, np.bool_)
    for _ in range(count):
        best, p = np.inf, -1
        for i in range(size):
            if alive[i]:
                cost = w[i] * w[i] / inverse[i, i]
                if cost < best:
                    best, p = cost, i
        row = inverse[p].copy()
        pivot = row[p]
        share = w[p] / pivot
        for i in range(size):
            if alive[i]:
                w[i] -= share * row[i]
        alive[p] = False
        w[p] = 0.0
        for i in range(size):
            if alive[i]:
                ratio = row[i] / pivot
                line = inverse[i]
                for j in range(size):
                    line[j] -= ratio * row[j]
