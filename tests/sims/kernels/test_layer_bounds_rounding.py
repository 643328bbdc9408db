"""Feasible codes and reduced bases against what they are by definition."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import layer_bounds_rounding as kernels

seeds = st.integers(0, 2**32)


def positive(seed, n):
    x = np.random.default_rng(seed).standard_normal((n + 2, n)) @ (np.eye(n) + 0.4)
    return x.T @ x


@given(seeds, st.integers(1, 8))
def test_feedback_rounds_to_the_nearest_code_in_the_box(seed, n):
    """Quarters: sums are exact and ties are met, which go to the even code."""
    rng = np.random.default_rng(seed)
    H = np.tril(rng.integers(-2, 3, (n, n)) / 2, -1)
    y = rng.integers(-20, 21, n) / 4
    z, expected = np.full(n, 99.0), []
    kernels.feedback_codes(H, y, -3.0, 2.0, z)
    for t in range(n):
        v = y[t] + sum(H[t, j] * (y[j] - expected[j]) for j in range(t))
        expected.append(min(max(round(v), -3), 2))
    assert z.tolist() == expected


@settings(max_examples=60)
@given(seeds, st.integers(1, 6))
def test_greedy_rounding_takes_the_cheapest_weight_each_time(seed, n):
    G = positive(seed, n)
    y = np.random.default_rng(seed + 1).uniform(-4, 4, n)
    z, fit = np.full(n, 99.0), y.copy()
    expected = np.zeros(n)
    free = list(range(n))
    while free:
        costs = []
        for p in free:  # round p and let the other free ones follow: the loss above the fit so far
            rest = [i for i in free if i != p]
            moved = fit.copy()
            moved[p] = min(max(round(fit[p]), -2), 1)
            if rest:
                change = G[np.ix_(rest, [p])] @ (fit[[p]] - moved[[p]])
                moved[rest] = fit[rest] + np.linalg.solve(G[np.ix_(rest, rest)], change)
            costs.append(((moved - fit) @ G @ (moved - fit), p, moved))
        _, p, fit = min(costs, key=lambda cost: cost[0])
        expected[p] = fit[p]
        free.remove(p)
    kernels.greedy_codes(np.linalg.inv(G), y.copy(), -2.0, 1.0, z)
    assert z.tolist() == expected.tolist()


@settings(max_examples=60)
@given(seeds, st.integers(1, 6), st.sampled_from([0, 1, 3, 1000]), st.sampled_from([1e-3, 1.0]))
def test_a_reduced_basis_spans_the_same_lattice(seed, n, steps, unit):
    """However few steps; after enough of them it meets Lovasz' and the size condition."""
    G = positive(seed, n)
    G = G * np.outer(np.geomspace(1, 30, n), np.geomspace(1, 30, n))
    R = unit * np.linalg.cholesky(G).T
    start = R.copy()
    U = kernels.reduce_basis(R, 0.99, steps)
    R, start = R / unit, start / unit  # no step of it knows the unit
    assert abs(round(float(np.linalg.det(U)))) == 1
    np.testing.assert_allclose(R.T @ R, (start @ U).T @ (start @ U), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(np.tril(R, -1), 0.0, atol=1e-9)
    if steps == 1000:
        for k in range(1, n):
            assert 0.99 * R[k - 1, k - 1] ** 2 <= R[k - 1, k] ** 2 + R[k, k] ** 2 + 1e-9
            assert (np.abs(R[:k, k]) <= 0.5 * np.abs(np.diag(R)[:k]) + 1e-9).all()


def test_ties_of_greedy_rounding_and_of_the_reduction():
    """Of equal costs the first is rounded first, the second sees what it left; Lovasz' sum may be met."""
    inverse = np.linalg.inv(np.array([[1.0, 0.75], [0.75, 1.0]]))
    z = np.zeros(2)
    kernels.greedy_codes(inverse, np.array([0.4, 0.4]), -1.0, 1.0, z)
    assert z.tolist() == [0.0, 1.0]
    R = np.array([[2.0, 1.0], [0.0, 1.0]])
    assert kernels.reduce_basis(R, 0.5, 10).tolist() == [[1, 0], [0, 1]]
