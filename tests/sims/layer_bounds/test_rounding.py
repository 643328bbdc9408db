"""Heuristics of rounding: a reduced basis and its nearest plane, draws of the relaxation, local optima."""

import itertools

import numpy as np
import pytest

from sims.layer_bounds.lattice import Lattice
from sims.layer_bounds.problems import KINDS, problem
from sims.layer_bounds.relaxation import Dual, solve
from sims.layer_bounds.rounding import DRAWS, Rounding, _draws
from theory.path_following import nearest_plane


@pytest.mark.parametrize("kind", KINDS)
def test_babai_lands_in_the_cell_of_a_reduced_basis(kind):
    x, w = problem(kind, 9, 2)
    lattice, y = Lattice(x.T @ x), 3.3 * w
    rounding = Rounding(lattice)
    codes = rounding.codes(y, -99, 99, None, np.random.default_rng(0))["Babai after LLL"]
    transform, triangle = rounding.basis
    assert round(abs(np.linalg.det(transform.astype(float)))) == 1
    order = lattice.order
    before = np.linalg.cholesky(lattice.gram[np.ix_(order, order)]).T
    gram = transform.T @ before.T @ before @ transform  # of the reduced basis
    np.testing.assert_allclose(triangle.T @ triangle, gram, rtol=1e-9, atol=1e-9)
    size = np.abs(np.diagonal(triangle))
    assert np.all(np.abs(np.triu(triangle, 1)) <= (0.5 + 1e-9) * size[:, None])
    assert np.all(size[1:] ** 2 >= 0.75 * size[:-1] ** 2 - np.diagonal(triangle, 1) ** 2 - 1e-9)
    left = triangle @ np.linalg.solve(transform.astype(float), (codes - y)[order])
    assert np.all(np.abs(left) <= (0.5 + 1e-9) * size)  # the half-open box of the nearest plane


def test_draws_have_the_mean_and_the_covariance_of_the_relaxation():
    rng = np.random.default_rng(1)
    root = 1e4 * rng.normal(size=(3, 3))  # so large that rounding to integers does not matter
    mean = np.array([500.25, -300.0, 20.0])
    dual = Dual(np.array([1.0, -2.0, 0.0]), mean, mean, 0.0, mean, root @ root.T + np.outer(mean, mean), 1)

    class Units:
        def standard_normal(self, shape):
            assert shape == (DRAWS, 3)
            return np.vstack([np.eye(3), np.zeros((DRAWS - 3, 3))])

    first, *drawn = _draws(dual, Units())
    assert first.tolist() == np.rint(dual.corner + 0.5 + mean).tolist() and len(drawn) == DRAWS == 12
    moves = np.stack(drawn[:3]) - first
    np.testing.assert_allclose(moves.T @ moves, root @ root.T, rtol=1e-3, atol=1e4)
    assert all(np.array_equal(one, first) for one in drawn[3:])


def test_local_optima_are_local_and_the_best_of_the_draws_is_taken():
    x, w = problem("equicorrelated", 8, 4)
    lattice, y = Lattice(x.T @ x), 2.2 * w
    dual = solve(lattice.gram, y, -4, 3)
    found = Rounding(lattice).codes(y, -4, 3, dual, np.random.default_rng(3))

    def error(z):
        return float(np.sum((x @ (z - y)) ** 2))

    drawn = [np.clip(z, -4, 3) for z in _draws(dual, np.random.default_rng(3))]
    assert error(found["relaxation, rounded"]) == min(map(error, drawn))
    starts = [error(z) for name, z in found.items() if not name.startswith("1-opt")]
    assert error(found["1-opt from all"]) <= min(starts)
    for name in ("1-opt from nearest", "1-opt from all"):
        for i, move in itertools.product(range(8), (-1, 1)):
            other = found[name].copy()
            other[i] = np.clip(other[i] + move, -4, 3)
            assert error(other) >= error(found[name]) * (1 - 1e-12), name
    assert error(found["1-opt from nearest"]) <= error(found["nearest"])
    assert np.array_equal(found["nearest"], np.clip(np.rint(y), -4, 3))


def test_neurons_at_once_are_reduced_one_by_one_and_by_nearest_planes():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((9, 6)) @ (np.eye(6) + 0.8)
    one, y = Rounding(Lattice(x.T @ x)), rng.uniform(-5, 5, (6, 20))
    codes = one.reduced(y)
    columns = x[:, one.lattice.order] @ one.basis[0]
    for neuron in range(20):
        assert np.array_equal(one.reduced(y[:, neuron]), codes[:, neuron])
        planes = one.basis[0] @ nearest_plane(columns, x @ y[:, neuron])
        assert np.array_equal(codes[one.lattice.order, neuron], planes)
