"""Factors and products against NumPy, also past a block; the Schur complement against its traces."""

import numpy as np
import pytest

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
