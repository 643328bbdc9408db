"""Exact codes of one neuron against every code vector of the box."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import layer_bounds as kernels

boxes = st.sampled_from([(-1, 0), (-2, 1), (-4, 3), (0, 2)])


def instance(seed, n, rank):
    """Gram matrix, its factor, and weights in units of the step; a rank below n leaves free directions."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rank, n)) @ (np.eye(n) + 0.4)
    return x.T @ x, np.linalg.qr(np.vstack([x, np.zeros((n, n))]))[1], rng.uniform(-5, 4, n)


def every_code(G, y, low, high):
    codes = np.array(list(itertools.product(range(low, high + 1), repeat=len(y))), float)
    errors = np.einsum("ij,jk,ik->i", codes - y, G, codes - y)
    return codes, errors


def parts(R):
    squares = np.diag(R) ** 2
    squares[squares < 1e-20] = 0.0
    u = np.divide(R, np.diag(R)[:, None], out=np.zeros_like(R), where=squares[:, None] > 0)
    return squares, np.triu(u, 1)


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 5), boxes, st.booleans())
def test_the_nearest_codes_are_those_of_every_code(seed, n, rank, box, known):
    low, high = box
    G, R, y = instance(seed, n, rank)
    codes, errors = every_code(G, y, low, high)
    squares, u = parts(R)
    least = errors.min()
    best = codes[0].copy()
    radius = errors[0] if known else np.inf
    error, lower, nodes, ended = kernels.nearest_codes(squares, u, y, low, high, radius, 1e-9, 10**6, best)
    assert ended and lower == error
    assert error == np.float64(error) and abs(error - least) <= 1e-9 * (1 + least)
    assert abs((best - y) @ G @ (best - y) - least) <= 1e-9 * (1 + least)
    for limit in range(1, nodes, 1 + nodes // 12):  # stopped early: never a bound above the truth
        stopped = codes[0].copy()
        error, lower, spent, ended = kernels.nearest_codes(
            squares, u, y, low, high, radius, 1e-9, limit, stopped
        )
        assert spent == limit and not ended
        assert lower <= least + 2e-9 and (error >= least - 1e-9)
        if error < np.inf:
            assert abs((stopped - y) @ G @ (stopped - y) - error) <= 1e-9 * (1 + error)


def depth_first(R, y, box, limit):
    """(radius, least cost of what is left, nodes): the nearest values first, while they are no dearer."""
    radius, nodes, left = np.inf, 0, []

    def walk(tail):
        nonlocal radius, nodes
        first = len(y) - len(tail) - 1
        values = [np.append(v, tail) for v in range(box[0], box[1] + 1)]
        siblings = sorted((np.sum((R[first:, first:] @ (z - y[first:])) ** 2), list(z)) for z in values)
        for i, (cost, z) in enumerate(siblings):
            if nodes == limit:
                left.extend(cost for cost, _ in siblings[i:])
                return False
            nodes += 1
            if cost > radius:
                return True
            if first == 0:
                radius = cost
            elif not walk(z):
                left.extend(cost for cost, _ in siblings[i + 1 :])
                return False
        return True

    walk([])
    return radius, min([radius, *left]), nodes


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 4), boxes, st.integers(1, 40))
def test_a_stopped_search_knows_the_least_that_is_left(seed, n, box, limit):
    _, R, y = instance(seed, n, n)
    found = kernels.nearest_codes(*parts(R), y, *map(float, box), np.inf, 0.0, limit, np.zeros(n))
    radius, lower, nodes = depth_first(R, y, box, limit)
    np.testing.assert_allclose(found[:3], (radius, lower, nodes), rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_codes_within_the_slack_are_looked_at_and_not_kept(seed):
    _, R, y = instance(seed, 4, 4)
    least = depth_first(R, y, (-2, 1), 10**6)[0]
    best = np.zeros(4)
    error, lower, nodes, ended = kernels.nearest_codes(*parts(R), y, -2.0, 1.0, np.inf, 1e9, 10**6, best)
    assert ended and nodes == 4 + 4**2 + 4**3 + 4**4  # every code
    assert error == lower == pytest.approx(least, rel=1e-9)
    assert np.sum((R @ (best - y)) ** 2) == pytest.approx(least, rel=1e-9)


def test_a_move_that_gains_more_than_rounding_is_made():
    for beyond, code in ((1e-9, 1.0), (1e-14, 0.0)):
        z = np.zeros(1)
        kernels.descend(np.array([[2.0]]), np.array([0.5 + beyond]), -1.0, 1.0, z)
        assert z[0] == code


@settings(max_examples=80)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 6), boxes)
def test_descent_ends_where_no_single_code_gains(seed, n, rank, box):
    low, high = box
    G, _, y = instance(seed, n, rank)
    G[0] *= seed % 5 > 0  # a dead column moves nothing
    G[:, 0] *= seed % 5 > 0
    z = np.random.default_rng(seed + 1).integers(low, high + 1, n).astype(float)
    start = (z - y) @ G @ (z - y)
    error = kernels.descend(G, y, float(low), float(high), z)
    assert abs(error - (z - y) @ G @ (z - y)) <= 1e-9 * (1 + error)
    assert error <= start + 1e-9
    assert ((low <= z) & (z <= high) & (z == np.rint(z))).all()
    for i, value in itertools.product(range(n), range(low, high + 1)):
        other = z.copy()
        other[i] = value
        assert (other - y) @ G @ (other - y) >= error - 1e-9 * (1 + error)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_nearest_codes_within_the_slack_above_the_best_are_looked_at(n):
    """With slack for every code each beginning of a code is one node; without any, no more than the first."""
    rng = np.random.default_rng(n)
    R, y = np.linalg.qr(rng.standard_normal((n + 2, n)))[1], rng.standard_normal(n)
    squares, u = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1)
    nodes = [
        kernels.nearest_codes(squares, u, y, -2.0, 1.0, 0.0, slack, 10**6, np.zeros(n))[2]
        for slack in (0.0, 1e6)
    ]
    assert nodes == [1, sum(4**k for k in range(1, n + 1))]
