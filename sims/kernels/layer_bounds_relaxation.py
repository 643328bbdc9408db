"""The interior point of the semidefinite relaxation, compiled: at 32 columns calls cost more than sums.

Symbols: C the cost, (n + 1, n + 1), row 0 the homogeneous coordinate; Y > 0 the primal matrix, s > 0 the
slacks of the cuts alpha Y_ii + p Y_0i + r >= 0, (n, cuts); S = C - tau E_00 - Diag(d) - sum c_i H_i > 0 with
H_i = (E_0i + E_i0) / 2, and mu > 0 the multipliers of the cuts, d = sum alpha mu, c = sum p mu.
Changes of S have the form of an arrow: -(tau E_00 + Diag(d) + sum c_i H_i).
"""

import numpy as np

from sims.kernels import kernel

_BLOCK = 32  # columns eliminated before the rest is brought up to date by a matrix product
_SHORTEN = 0.95  # of the way to the boundary of the cone
_CENTRE = 0.01  # least centring: smaller values save an iteration and lose the central path
_TINY = 1e-300


@kernel
def cholesky(A):
    """U with U'U = A in the upper triangle, in place; only that is read. False where A is not definite."""
    n = len(A)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        for k in range(start, stop):
            if not A[k, k] > 0.0:
                return False
            A[k, k] = np.sqrt(A[k, k])
            scale = 1.0 / A[k, k]
            for j in range(k + 1, n):
                A[k, j] *= scale
            for i in range(k + 1, stop):
                share = A[k, i]
                for j in range(i, n):
                    A[i, j] -= share * A[k, j]
        if stop < n:
            above = np.ascontiguousarray(A[start:stop, stop:])
            change = np.dot(above.T, above)
            for i in range(stop, n):
                for j in range(i, n):
                    A[i, j] -= change[i - stop, j - stop]
    return True


@kernel
def inverse(U):
    """(U'U)^-1."""
    n = len(U)
    left = np.zeros((n, n))  # U'^-1, lower triangular
    for k in range(n):
        left[k, k] = 1.0
    for k in range(n):
        scale = 1.0 / U[k, k]
        for j in range(k + 1):
            left[k, j] *= scale
        for i in range(k + 1, n):
            share = U[k, i]
            for j in range(k + 1):
                left[i, j] -= share * left[k, j]
    return np.dot(left.T, left)


@kernel
def solved(U, b):
    """(U'U)^-1 b, in place."""
    n = len(b)
    for k in range(n):
        b[k] /= U[k, k]
        for j in range(k + 1, n):
            b[j] -= U[k, j] * b[k]
    for k in range(n - 1, -1, -1):
        total = b[k]
        for j in range(k + 1, n):
            total -= U[k, j] * b[j]
        b[k] = total / U[k, k]
    return b


@kernel
def change(tau, d, c, dS):
    """dS = -(tau E_00 + Diag(d) + sum c_i H_i); zero elsewhere already."""
    dS[0, 0] = -tau
    for i in range(len(d)):
        dS[i + 1, i + 1] = -d[i]
        dS[0, i + 1] = dS[i + 1, 0] = -0.5 * c[i]


@kernel
def times_change(A, tau, d, c, out):
    """A dS, added to `out`."""
    n = len(d)
    for i in range(n + 1):
        half, total = 0.5 * A[i, 0], 0.0
        for j in range(n):
            total += A[i, j + 1] * c[j]
            out[i, j + 1] -= A[i, j + 1] * d[j] + half * c[j]
        out[i, 0] -= A[i, 0] * tau + 0.5 * total


@kernel
def symmetric(A, scale, B, out):
    """out = scale B - (A + A') / 2; B symmetric."""
    n = len(A)
    for i in range(n):
        for j in range(i + 1):
            out[i, j] = scale * B[i, j] - 0.5 * (A[i, j] + A[j, i])
            out[j, i] = out[i, j]


@kernel
def bases(alpha, p, weight, turned):
    """Eigenvalues and basis of every coordinate's 2 x 2 weight sum w (alpha, p)(alpha, p)'.

    Multipliers are eliminated in that basis: otherwise an active cut, of weight mu/s = 1e8, drowns its
    neighbour, and the gap stalls at 1e-5.
    """
    cosine, sine, large, small = turned
    n, cuts = alpha.shape
    for i in range(n):
        first, mixed, second, determinant = 0.0, 0.0, 0.0, 0.0
        for e in range(cuts):
            first += weight[i, e] * alpha[i, e] ** 2
            mixed += weight[i, e] * alpha[i, e] * p[i, e]
            second += weight[i, e] * p[i, e] ** 2
            for f in range(e):  # Cauchy-Binet: a sum of squares, without cancellation
                minor = alpha[i, e] * p[i, f] - alpha[i, f] * p[i, e]
                determinant += weight[i, e] * weight[i, f] * minor**2
        angle = 0.5 * np.arctan2(2.0 * mixed, first - second)
        cosine[i], sine[i] = np.cos(angle), np.sin(angle)
        large[i] = 0.5 * (first + second + np.hypot(first - second, 2.0 * mixed))
        small[i] = max(determinant / large[i], _TINY)


@kernel
def schur(Y, Z, turned, A):
    """Upper triangle of the system for (tau, d, c), d and c in the bases: <H_a, Y H_b Z> plus 1 / weight.

    Constraints that touch Y_ii and Y_0i alone make it entrywise products of Y and Z = S^-1.
    """
    cosine, sine, large, small = turned
    n = len(cosine)
    A[0, 0] = Y[0, 0] * Z[0, 0]
    for i in range(n):
        row = Y[0, i + 1] * Z[0, i + 1]
        column = 0.5 * (Y[0, 0] * Z[0, i + 1] + Y[0, i + 1] * Z[0, 0])
        A[0, i + 1] = cosine[i] * row + sine[i] * column
        A[0, n + i + 1] = cosine[i] * column - sine[i] * row
    for i in range(n):
        co, si, y0, z0 = cosine[i], sine[i], Y[0, i + 1], Z[0, i + 1]
        for j in range(n):
            y, z = Y[i + 1, j + 1], Z[i + 1, j + 1]
            product = y * z
            cross = 0.5 * (y0 * z + z0 * y)
            other = 0.5 * (Y[0, j + 1] * z + Z[0, j + 1] * y)
            linear = 0.25 * (y0 * Z[0, j + 1] + z0 * Y[0, j + 1] + Z[0, 0] * y + Y[0, 0] * z)
            one, two = co * product + si * other, co * cross + si * linear
            A[i + 1, j + 1] = one * cosine[j] + two * sine[j]
            A[i + 1, n + j + 1] = two * cosine[j] - one * sine[j]
            A[n + i + 1, n + j + 1] = (co * linear - si * cross) * cosine[j] - (
                co * other - si * product
            ) * sine[j]
    for i in range(n):
        A[i + 1, i + 1] += 1.0 / large[i]
        A[n + i + 1, n + i + 1] += 1.0 / small[i]


@kernel
def multipliers(system, corner, row, diagonal, centred, residual, cuts, weight, turned, d, c, ds, dmu):
    """Changes of the multipliers where dY + sym(Y dS Z) = R and dmu + weight ds = centred; returns tau's.

    R enters by R_00 - (1 - Y_00) (`corner`), R_0i (`row`) and R_ii (`diagonal`). Both sides stay, or become,
    feasible: alpha dY_ii + p dY_0i + residual = ds.
    """
    alpha, p, _, valid = cuts
    cosine, sine, large, small = turned
    n = len(row)
    side, one, two = np.empty(2 * n + 1), np.empty(n), np.empty(n)
    side[0] = -corner
    for i in range(n):
        first, second = 0.0, 0.0
        for e in range(alpha.shape[1]):
            free = centred[i, e] - weight[i, e] * residual[i, e]
            first += alpha[i, e] * free
            second += p[i, e] * free
        one[i] = cosine[i] * first + sine[i] * second
        two[i] = cosine[i] * second - sine[i] * first
        side[i + 1] = one[i] / large[i] - cosine[i] * diagonal[i] - sine[i] * row[i]
        side[n + i + 1] = two[i] / small[i] - cosine[i] * row[i] + sine[i] * diagonal[i]
    solved(system, side)
    for i in range(n):
        first, second = side[i + 1], side[n + i + 1]
        d[i], c[i] = cosine[i] * first - sine[i] * second, sine[i] * first + cosine[i] * second
        # the change of (Y_ii, Y_0i) from the multipliers: what dY says is blurred by S^-1, and mu/s
        # multiplies it
        first, second = (one[i] - first) / large[i], (two[i] - second) / small[i]
        change, move = cosine[i] * first - sine[i] * second, sine[i] * first + cosine[i] * second
        for e in range(alpha.shape[1]):
            ds[i, e], dmu[i, e] = 0.0, 0.0
            if valid[i, e]:
                ds[i, e] = alpha[i, e] * change + p[i, e] * move + residual[i, e]
                dmu[i, e] = centred[i, e] - weight[i, e] * ds[i, e]
    return side[0]


@kernel
def reach(A, change, slack, move, trial):
    """How far A and the slacks may go, at most 1, to about a tenth below the boundary."""
    length = 1.0
    for i in range(slack.shape[0]):
        for e in range(slack.shape[1]):
            if -move[i, e] * length > slack[i, e]:
                length = -slack[i, e] / move[i, e]
    n = len(A)
    while length > 1e-8:
        for i in range(n):
            for j in range(i, n):
                trial[i, j] = A[i, j] + length * change[i, j]
        if cholesky(trial):
            break
        length *= 0.9
    return length


@kernel
def combined(cuts, mu, d, c):
    """d = sum alpha mu, c = sum p mu."""
    alpha, p, _, _ = cuts
    for i in range(len(d)):
        d[i], c[i] = 0.0, 0.0
        for e in range(alpha.shape[1]):
            d[i] += alpha[i, e] * mu[i, e]
            c[i] += p[i, e] * mu[i, e]


@kernel
def start(gram, a, target, cuts, Y, s, mu, d, c):
    """A point strictly feasible on both sides, near the central path: x = 0, Y_ii between cut and box.

    Fills all but G, a and the cuts; returns tau.
    """
    alpha, _, r, valid = cuts
    n, last = len(a), alpha.shape[1] - 1
    level = 0.0
    for i in range(n):
        Y[i + 1, i + 1] = 0.5 * (0.25 + r[i, last])
        level = max(level, Y[i + 1, i + 1] * gram[i, i])
    Y[0, 0] = 1.0
    for i in range(n):
        for e in range(last + 1):
            s[i, e] = alpha[i, e] * Y[i + 1, i + 1] + r[i, e] if valid[i, e] else 1.0
            mu[i, e] = 0.25 * level / Y[i + 1, i + 1] if valid[i, e] else 0.0
        for e in range(last):
            mu[i, last] += mu[i, e]
    combined(cuts, mu, d, c)
    factor, b = gram.copy(), target.copy()
    for i in range(n):
        factor[i, i] -= d[i]
        b[i] += 0.5 * c[i]
    cholesky(factor)  # d < 0
    return np.dot(a, target) - np.dot(b, solved(factor, b.copy())) - level


@kernel
def interior_point(gram, a, cuts, tolerance, most):
    """Predictor and corrector in the HKM direction until the gap is below `tolerance` of the value.

    Parameters
    ----------
    gram, a
        (n, n) and (n,): the error is (x - a)'G(x - a)
    cuts
        alpha, p, r, valid, (n, cuts) each; the last one is the box
    most
        iterations at most

    Returns
    -------
    value, d, c and Y of the best point; iterations
    """
    alpha, p, r, valid = cuts
    n = len(a)
    m = n + 1
    target = np.dot(gram, a)
    base = np.dot(a, target)
    Y, S, dY, dS = np.zeros((m, m)), np.empty((m, m)), np.empty((m, m)), np.zeros((m, m))
    left, work, trial = np.empty((m, m)), np.empty((m, m)), np.empty((m, m))
    system = np.empty((2 * n + 1, 2 * n + 1))
    s, mu, ds, dmu = (
        np.empty(alpha.shape),
        np.empty(alpha.shape),
        np.empty(alpha.shape),
        np.empty(alpha.shape),
    )
    weight, centred, residual = np.zeros(alpha.shape), np.zeros(alpha.shape), np.zeros(alpha.shape)
    turned = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    dd, dc, row, diagonal = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    d, c = np.empty(n), np.empty(n)
    tau = start(gram, a, target, cuts, Y, s, mu, d, c)
    cone = float(m)
    for i in range(n):
        for e in range(alpha.shape[1]):
            cone += valid[i, e]
    best, best_d, best_c, best_Y = -np.inf, d.copy(), c.copy(), Y.copy()
    iteration = 0
    while iteration < most:
        S[0, 0] = base - tau
        for i in range(n):
            S[0, i + 1] = S[i + 1, 0] = -target[i] - 0.5 * c[i]
            for j in range(n):
                S[i + 1, j + 1] = gram[i, j]
            S[i + 1, i + 1] -= d[i]
        factor = S.copy()
        if not cholesky(factor):
            break
        Z = inverse(factor)
        gap, value = np.dot(Y.ravel(), S.ravel()), tau
        for i in range(n):
            for e in range(alpha.shape[1]):
                if valid[i, e]:
                    gap += mu[i, e] * s[i, e]
                    value -= r[i, e] * mu[i, e]
                    weight[i, e] = mu[i, e] / s[i, e]
                    centred[i, e] = -mu[i, e]
                    residual[i, e] = alpha[i, e] * Y[i + 1, i + 1] + p[i, e] * Y[0, i + 1] + r[i, e] - s[i, e]
        if value > best:
            best = value
            best_d, best_c, best_Y = d.copy(), c.copy(), Y.copy()
        if gap <= tolerance * abs(value):
            break
        bases(alpha, p, weight, turned)
        schur(Y, Z, turned, system)
        if not cholesky(system):
            break
        for i in range(n):
            row[i], diagonal[i] = -Y[0, i + 1], -Y[i + 1, i + 1]
        dtau = multipliers(
            system, -1.0, row, diagonal, centred, residual, cuts, weight, turned, dd, dc, ds, dmu
        )
        left[:] = 0.0
        times_change(Y, dtau, dd, dc, left)
        np.dot(left, Z, work)
        symmetric(work, -1.0, Y, dY)
        change(dtau, dd, dc, dS)
        far, away = reach(Y, dY, s, ds, trial), reach(S, dS, mu, dmu, trial)
        after = 0.0
        for i in range(m):
            for j in range(m):
                after += (Y[i, j] + far * dY[i, j]) * (S[i, j] + away * dS[i, j])
        for i in range(n):
            for e in range(alpha.shape[1]):
                after += (mu[i, e] + away * dmu[i, e]) * (s[i, e] + far * ds[i, e])
        centre = max(_CENTRE, min(1.0, after / gap) ** 3) * gap / cone
        for i in range(n):
            for e in range(alpha.shape[1]):
                if valid[i, e]:
                    centred[i, e] = (centre - dmu[i, e] * ds[i, e]) / s[i, e] - mu[i, e]
        left[:] = 0.0
        times_change(dY, dtau, dd, dc, left)
        corner = centre * Z[0, 0] - 1.0 - np.dot(left[0], Z[0])
        for i in range(n):
            across = 0.5 * (np.dot(left[0], Z[i + 1]) + np.dot(left[i + 1], Z[0]))
            row[i] = centre * Z[0, i + 1] - Y[0, i + 1] - across
            diagonal[i] = centre * Z[i + 1, i + 1] - Y[i + 1, i + 1] - np.dot(left[i + 1], Z[i + 1])
        dtau = multipliers(
            system, corner, row, diagonal, centred, residual, cuts, weight, turned, dd, dc, ds, dmu
        )
        times_change(Y, dtau, dd, dc, left)
        np.dot(left, Z, work)
        symmetric(work, centre, Z, dY)
        for i in range(m):
            for j in range(m):
                dY[i, j] -= Y[i, j]
        change(dtau, dd, dc, dS)
        far, away = _SHORTEN * reach(Y, dY, s, ds, trial), _SHORTEN * reach(S, dS, mu, dmu, trial)
        if max(far, away) < 0.01:
            break
        for i in range(m):
            for j in range(m):
                Y[i, j] += far * dY[i, j]
        for i in range(n):
            for e in range(alpha.shape[1]):
                s[i, e] += far * ds[i, e]
                mu[i, e] += away * dmu[i, e]
        tau += away * dtau
        combined(cuts, mu, d, c)
        iteration += 1
    return best, best_d, best_c, best_Y, iteration
