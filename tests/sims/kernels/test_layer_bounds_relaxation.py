"""Factors and products against NumPy, also past a block; the Schur complement against its traces; a step and
the optimum against the equations they solve."""

import numpy as np
import pytest
import scipy.optimize

from sims.kernels import layer_bounds_relaxation as kernels


def definite(rng, n):
    half = rng.standard_normal((n + 2, n))
    return half.T @ half


@pytest.mark.parametrize("n", [1, 5, kernels._BLOCK, 2 * kernels._BLOCK + 3])
def test_factor_inverse_and_solution(n):
    rng = np.random.default_rng(n)
    A, b = definite(rng, n), rng.standard_normal(n)
    U = A.copy()
    assert kernels.cholesky(U)
    assert np.allclose(np.triu(U), np.linalg.cholesky(A).T)
    assert np.allclose(kernels.inverse(U) @ A, np.eye(n), atol=1e-5)
    assert np.allclose(A @ kernels.solved(U, b.copy()), b)
    A[-1, -1] -= 1.001 / np.linalg.inv(A)[-1, -1]  # the last pivot becomes negative
    assert not kernels.cholesky(A)


def arrow(tau, d, c):
    """tau E_00 + Diag(d) + sum c_i H_i."""
    matrix = np.diag(np.concatenate([[tau], d]))
    matrix[0, 1:] = matrix[1:, 0] = 0.5 * c
    return matrix


def test_products_with_changes_of_the_dual():
    rng = np.random.default_rng(0)
    A, d, c = rng.standard_normal((6, 6)), rng.standard_normal(5), rng.standard_normal(5)
    out, dS = np.ones((6, 6)), np.zeros((6, 6))
    kernels.times_change(A, 0.7, d, c, out)
    kernels.change(0.7, d, c, dS)
    assert np.allclose(dS, -arrow(0.7, d, c)) and np.allclose(out, 1 + A @ dS)


def test_the_system_is_a_matrix_of_traces_in_every_basis_of_weights():
    rng = np.random.default_rng(1)
    n = 4
    Y, Z = definite(rng, n + 1), definite(rng, n + 1)
    alpha, p = rng.standard_normal((n, 3)), rng.standard_normal((n, 3))
    weight = rng.uniform(0.1, 3, (n, 3))
    turned = tuple(np.empty(n) for _ in range(4))
    system = np.empty((2 * n + 1, 2 * n + 1))
    kernels.bases(alpha, p, weight, turned)
    kernels.schur(Y, Z, turned, system)
    constraints, inverse_weight = [arrow(1.0, np.zeros(n), np.zeros(n))], [0.0]
    for of_d, other, size in ((turned[0], turned[1], turned[2]), (-turned[1], turned[0], turned[3])):
        for i, unit in enumerate(np.eye(n)):
            constraints.append(arrow(0.0, of_d[i] * unit, other[i] * unit))
            inverse_weight.append(1 / size[i])
            pair = np.stack([alpha[i], p[i]])
            direction = np.array([of_d[i], other[i]])
            assert np.allclose((pair * weight[i]) @ pair.T @ direction, size[i] * direction)
    expected = np.array([[np.trace(a @ Y @ b @ Z) for b in constraints] for a in constraints])
    expected = 0.5 * (expected + expected.T) + np.diag(inverse_weight)
    assert np.allclose(np.triu(system), np.triu(expected))


def cuts_around(a, low, high):
    """(alpha, p, r, valid): no integer strictly between neighbours next to x + 1/2 = 0, and the box."""
    n = len(a)
    j = np.array([-1.0, 0.0, 1.0])
    alpha = np.column_stack([np.ones((n, 3)), -np.ones(n)])
    p = np.column_stack([np.tile(-2 * j, (n, 1)), low + high])
    r = np.column_stack([np.tile(j**2 - 0.25, (n, 1)), -low * high])
    inner = (j - 0.5 >= low[:, None]) & (j + 0.5 <= high[:, None])
    return alpha, p, r, np.column_stack([inner, np.ones(n, bool)])


@pytest.fixture
def problem():
    """Three inputs, two of them at an end of their grids, where a cut is missing."""
    rng = np.random.default_rng(8)
    a = rng.uniform(-0.5, 0.5, 3)
    half = rng.standard_normal((3, 3)) @ np.array([[1, 0.8, 0.5], [0, 0.6, 0.4], [0, 0, 0.4]])
    low, high = np.array([-1.5, -0.5, -3.5]), np.array([1.5, 1.5, 0.5])
    return half.T @ half, a, cuts_around(a, low, high)


def test_a_step_solves_the_equations_of_newton(problem):
    """Y_00 = 1, the cuts and the multipliers' products to first order; what is linear stays satisfied."""
    *_, cuts = problem
    alpha, p, _, valid = cuts
    rng = np.random.default_rng(2)
    n = len(alpha)
    Y, Z = definite(rng, n + 1), definite(rng, n + 1)
    R = rng.standard_normal((n + 1, n + 1))
    R += R.T
    weight, centred, residual = (rng.uniform(0.2, 2, valid.shape) * valid for _ in range(3))
    turned = tuple(np.empty(n) for _ in range(4))
    kernels.bases(alpha, p, weight, turned)
    system = np.empty((2 * n + 1, 2 * n + 1))
    kernels.schur(Y, Z, turned, system)
    assert kernels.cholesky(system)
    d, c = np.empty(n), np.empty(n)
    ds, dmu = np.full(valid.shape, 7.0), np.full(valid.shape, 7.0)
    corner, row, diagonal = R[0, 0] - (1 - Y[0, 0]), R[0, 1:].copy(), np.diag(R)[1:].copy()
    tau = kernels.multipliers(
        system, corner, row, diagonal, centred, residual, cuts, weight, turned, d, c, ds, dmu
    )
    product = Y @ -arrow(tau, d, c) @ Z
    dY = R - 0.5 * (product + product.T)
    assert dY[0, 0] == pytest.approx(1 - Y[0, 0])
    moved = alpha * np.diag(dY)[1:, None] + p * dY[0, 1:, None] + residual
    assert np.allclose(ds, moved * valid) and np.allclose(dmu + weight * ds, centred)
    assert np.allclose((alpha * dmu).sum(1), d) and np.allclose((p * dmu).sum(1), c)
    assert not ds[~valid].any() and not dmu[~valid].any() and (~valid).sum() == 2


def test_a_step_ends_before_the_cone_does():
    """All of it where that is inside; else at the first slack's end, or a tenth before the matrix's."""
    n, trial = 3, np.empty((3, 3))
    slack, still = np.ones((2, 2)), np.zeros((2, 2))
    kernels.change(0.25, np.zeros(2), np.zeros(2), step := np.zeros((n, n)))
    assert kernels.reach(np.eye(n), step, slack, still, trial) == 1.0
    for i, e in np.ndindex(2, 2):
        move = still.copy()
        move[i, e], move[1 - i, e] = -4.0, -1.0
        assert kernels.reach(np.eye(n), step, slack, move, trial) == 0.25
        assert kernels.reach(np.eye(n), step, 4 * slack, move, trial) == 1.0
    for i in range(n):  # definite up to a third of the way: 1, 0.9, 0.81, ... until below
        step = np.zeros((n, n))
        step[i, i] = -3.0
        length = kernels.reach(np.eye(n), step, slack, still, trial)
        assert 0.9 / 3 <= length < 1 / 3 and np.log(length) / np.log(0.9) == pytest.approx(11)
    step = np.zeros((n, n))
    step[0, 2] = step[2, 0] = -2.0  # off the diagonal: definite up to a half
    assert 0.45 <= kernels.reach(np.eye(n), step, slack, still, trial) < 0.5
    assert kernels.reach(np.zeros((n, n)), -np.eye(n), slack, still, trial) <= 1e-8  # no way at all: it ends


@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_the_first_point_is_feasible_on_both_sides_and_near_the_path(problem, size):
    gram, a, cuts = problem
    gram = size * gram
    alpha, p, r, valid = cuts
    n, target = len(a), gram @ a
    Y, s, mu = np.zeros((n + 1, n + 1)), np.empty(valid.shape), np.empty(valid.shape)
    d, c = np.empty(n), np.empty(n)
    tau = kernels.start(gram, a, target, cuts, Y, s, mu, d, c)
    assert Y[0, 0] == 1 and np.array_equal(Y, np.diag(np.diag(Y)))
    middle = np.diag(Y)[1:]
    assert np.allclose(middle, (0.25 + r[:, -1]) / 2)  # between 1/4, the cut at the corner, and the box
    assert np.allclose(s[valid], (alpha * middle[:, None] + r)[valid]) and (s > 0).all()
    assert np.allclose((alpha * mu).sum(1), d) and np.allclose((p * mu).sum(1), c)
    assert (mu[valid] > 0).all() and not mu[~valid].any()
    # the multipliers of the cuts are equal, that of the box outweighs them
    inner = valid[:, :-1]
    level = np.max(middle * np.diag(gram))
    assert np.allclose((mu[:, :-1] * middle[:, None])[inner], level / 4)
    assert np.allclose(d, -level / 4 / middle)
    C = np.block([[np.atleast_2d(a @ target), -target[None]], [-target[:, None], gram]])
    S = C - arrow(tau, d, c)
    assert np.linalg.eigvalsh(S)[0] > 0
    assert S[0, 0] - S[0, 1:] @ np.linalg.solve(S[1:, 1:], S[1:, 0]) == pytest.approx(level)


def test_both_sides_are_feasible_and_equal_at_the_optimum(problem):
    gram, a, cuts = problem
    alpha, p, r, valid = cuts
    n = len(a)
    value, d, c, Y, iterations = kernels.interior_point(gram, a, cuts, 1e-7, 60)
    C = np.block([[np.atleast_2d(a @ gram @ a), -(gram @ a)[None]], [-(gram @ a)[:, None], gram]])
    assert 0 < np.sum(C * Y) / value - 1 < 1e-7 and Y[0, 0] == pytest.approx(1)
    assert np.linalg.eigvalsh(Y)[0] > 0 and np.linalg.eigvalsh(Y)[-2] > 0.1  # the relaxation is not exact
    slack = alpha * np.diag(Y)[1:, None] + p * Y[0, 1:, None] + r
    assert slack[valid].min() > 0
    # (d, c) alone prove it: least x'Sx over x_0 = 1, and the best multipliers for them by a linear program
    S = C - arrow(0.0, d, c)
    tau = S[0, 0] - S[0, 1:] @ np.linalg.solve(S[1:, 1:], S[1:, 0])
    for i in range(n):
        equations = np.stack([alpha[i], p[i]])[:, valid[i]]
        tau -= scipy.optimize.linprog(r[i, valid[i]], A_eq=equations, b_eq=[d[i], c[i]]).fun
    assert tau == pytest.approx(value, rel=1e-7)
    # the direction with its second-order part: another one is longer on its way
    half_way = kernels.interior_point(gram, a, cuts, 1e-7, 6)
    assert half_way[4] == 6 and 0.55 * value < half_way[0] < value and iterations <= 14
    loose = kernels.interior_point(gram, a, cuts, 0.5, 60)
    assert loose[4] == 6 and half_way[0] < loose[0] < value  # it ends where it looks, before a step


@pytest.mark.parametrize("power", [-40, 40])
def test_the_unit_of_the_data_changes_no_iteration(problem, power):
    gram, a, cuts = problem
    value, d, c, Y, iterations = kernels.interior_point(gram, a, cuts, 1e-7, 60)
    unit = 2.0**power
    again = kernels.interior_point(unit * gram, a, cuts, 1e-7, 60)
    assert again[4] == iterations and again[0] == pytest.approx(unit * value, rel=1e-9)
    np.testing.assert_allclose(np.hstack(again[1:3]), unit * np.hstack([d, c]), rtol=1e-5)
    np.testing.assert_allclose(again[3], Y, rtol=1e-5)
