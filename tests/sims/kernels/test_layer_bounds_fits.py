"""Fits in a box, single cuts, greedy cuts and exchanges against all of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from sims.kernels import layer_bounds_fits as kernels

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32)


def positive(seed, n):
    x = np.random.default_rng(seed).standard_normal((n + 2, n)) @ (np.eye(n) + 0.4)
    return x.T @ x


@given(seeds, sizes)
def test_the_written_out_algebra(seed, n):
    A, b = positive(seed, n), np.random.default_rng(seed + 1).standard_normal(n)
    solved, inverse = b.copy(), A.copy()
    kernels._solve(A.copy(), solved)
    np.testing.assert_allclose(A @ solved, b, atol=1e-9)
    kernels._invert(inverse)
    np.testing.assert_allclose(A @ inverse, np.eye(n), atol=1e-8)
    np.testing.assert_allclose(kernels._form(A, b), b @ A @ b, rtol=1e-12)


def best_fit(G, w, gone, low, high):
    """Every way to put the kept ones on the lower end, on the upper end, or between."""
    kept = np.flatnonzero(~gone)
    best = (np.inf, None)
    for sides in itertools.product((None, low, high), repeat=len(kept)):
        v = np.zeros(len(w))
        fixed = [i for i, side in zip(kept, sides, strict=True) if side is not None]
        free = [i for i, side in zip(kept, sides, strict=True) if side is None]
        v[fixed] = [side for side in sides if side is not None]
        if not np.isfinite(v).all():
            continue
        if free:
            right = (G @ w)[free] - G[np.ix_(free, fixed)] @ v[fixed]
            v[free] = np.linalg.solve(G[np.ix_(free, free)], right)
        if (v[kept] >= low - 1e-12).all() and (v[kept] <= high + 1e-12).all():
            best = min(best, ((v - w) @ G @ (v - w), tuple(v)))
    return best


@settings(max_examples=60)
@given(
    seeds, st.integers(1, 4), st.sampled_from([(-1.0, 1.0), (0.0, 0.5), (-np.inf, 0.25), (-np.inf, np.inf)])
)
def test_the_fit_in_a_box_is_the_best_of_all_active_sets(seed, n, box):
    rng = np.random.default_rng(seed)
    G, w, gone = positive(seed, n), rng.uniform(-2, 2, n), rng.random(n) < 0.3
    v = np.full(n, 9.0)
    error = kernels.fit_in_box(G, w, gone, *box, v)
    expected, fit = best_fit(G, w, gone, *box)
    np.testing.assert_allclose(error, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(v, fit, atol=1e-6)
    assert (v[gone] == 0).all()
    assert kernels.fit_in_box(G, w, gone, 0.5, 1.0, v) == np.inf  # a box without 0 holds no cut weight
    assert kernels.fit_in_box(G, w, gone, -1.0, -0.5, v) == np.inf


def test_an_end_that_was_met_on_the_way_is_let_go_again():
    """Columns that share most of what they say push each other to an end and back: in one case of five."""
    box = -0.5, 0.5
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((6, 5)) + 2 * rng.standard_normal((6, 1))
        G, w, gone, v = x.T @ x, rng.uniform(-2, 2, 5), np.zeros(5, bool), np.empty(5)
        expected, fit = best_fit(G, w, gone, *box)
        np.testing.assert_allclose(kernels.fit_in_box(G, w, gone, *box, v), expected, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(v, fit, atol=1e-6)


def refitted(G, w, gone):
    """Least error and weights when `gone` are zero and the others follow."""
    kept = np.flatnonzero(~gone)
    v = np.zeros(len(w))
    if kept.size:
        v[kept] = np.linalg.solve(G[np.ix_(kept, kept)], (G @ w)[kept])
    return (v - w) @ G @ (v - w), v


@given(seeds, sizes, st.data())
def test_one_cut_refits_the_others_and_their_inverse(seed, n, data):
    G, w = positive(seed, n), np.random.default_rng(seed + 1).standard_normal(n)
    i = data.draw(st.integers(0, n - 1))
    P_out, u_out = np.full((n, n), 9.0), np.full(n, 9.0)
    kernels.cut(np.linalg.inv(G), w, i, P_out, u_out)
    gone = np.arange(n) == i
    kept = np.flatnonzero(~gone)
    np.testing.assert_allclose(u_out, refitted(G, w, gone)[1], atol=1e-8)
    expected = np.zeros((n, n))
    if kept.size:
        expected[np.ix_(kept, kept)] = np.linalg.inv(G[np.ix_(kept, kept)])
    np.testing.assert_allclose(P_out, expected, atol=1e-8)


@st.composite
def groups(draw, n):
    """A group for every column, and how many of each to cut; some cut already."""
    group = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    gone = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))) & (np.arange(n) % 3 == 0)
    quota = np.array([draw(st.integers(0, int(np.sum((group == g) & ~gone)))) for g in (0, 1)])
    return group, quota, gone


def loss(G, w, gone, frozen):
    return (w * gone) @ G @ (w * gone) if frozen else refitted(G, w, gone)[0]


@settings(max_examples=60)
@given(seeds, st.integers(1, 6), st.booleans(), st.data())
def test_greedy_cuts_cost_least_each_time(seed, n, frozen, data):
    G, w = positive(seed, n), np.random.default_rng(seed + 1).standard_normal(n)
    group, quota, gone = data.draw(groups(n))
    quota = np.minimum(quota, [np.sum(group == 0), np.sum(group == 1)])
    found = np.zeros_like(gone)
    kernels.greedy_cut(G, np.linalg.inv(G), w, group, quota, frozen, found)
    assert found.tolist() == one_by_one(G, w, group, quota, frozen)


def one_by_one(G, w, group, quota, frozen):
    """Every column that may still go is tried, and the cheapest goes."""
    gone, left = np.zeros(len(w), bool), quota.copy()
    for _ in range(int(quota.sum())):
        costs = {}
        for i in np.flatnonzero(~gone):
            if left[group[i]] > 0:
                tried = gone.copy()
                tried[i] = True
                costs[i] = loss(G, w, tried, frozen)
        p = min(costs, key=costs.__getitem__)
        gone[p] = True
        left[group[p]] -= 1
    return gone.tolist()


@pytest.mark.parametrize("frozen", [False, True])
def test_a_greedy_cut_counts_what_went_before_it_and_what_is_left_of_every_quota(frozen):
    """Three cuts or four of six columns that depend on each other, in two groups."""
    group = np.array([0, 0, 1, 1, 0, 1])
    for seed in range(30):
        G, w = positive(seed, 6), np.random.default_rng(seed + 1).standard_normal(6)
        for quota in (np.array([2, 1]), np.array([1, 3])):
            found = np.zeros(6, bool)
            kernels.greedy_cut(G, np.linalg.inv(G), w, group, quota, frozen, found)
            assert found.tolist() == one_by_one(G, w, group, quota, frozen)


@pytest.mark.parametrize("seed", [222, 307])
def test_a_weight_that_meets_the_end_of_its_box_lies_on_it(seed):
    """To the last bit: a rounding beside it, it would count as lying at the other end."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((7, 5)) @ (np.eye(5) + 0.4)
    w, kept, gone = 2 * rng.standard_normal(5), [0, 1, 3, 4], np.arange(5) == 2
    error = kernels.fit_in_box(x.T @ x, w, gone, -0.6, 0.5, np.empty(5))
    least = 2 * lsq_linear(x[:, kept], x @ w, (-0.6, 0.5), tol=1e-14).cost
    assert error == pytest.approx(least, rel=1e-8)


@pytest.mark.parametrize(("square", "second"), [(5.95, 2), (6.05, 1)])
def test_a_frozen_cut_counts_both_cross_terms(square, second):
    """After w_0 = 1 goes, cutting w_1 = 2 costs 2 w_1 w_0 / 2 + w_1^2 = 6."""
    G = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    w, gone = np.array([1.0, 2.0, np.sqrt(square)]), np.zeros(3, bool)
    kernels.greedy_cut(G, np.linalg.inv(G), w, np.zeros(3, np.int64), np.array([2]), True, gone)
    assert np.flatnonzero(gone).tolist() == [0, second]


@settings(max_examples=60)
@given(seeds, st.integers(2, 6), st.booleans(), st.data())
def test_exchanges_end_where_none_within_a_group_gains(seed, n, frozen, data):
    G, w = positive(seed, n), np.random.default_rng(seed + 1).standard_normal(n)
    group = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    before = gone.copy()
    error = kernels.swap_cuts(G, np.linalg.inv(G), w, group, frozen, gone)
    np.testing.assert_allclose(error, loss(G, w, gone, frozen), rtol=1e-8, atol=1e-10)
    assert error <= loss(G, w, before, frozen) + 1e-9
    for g in (0, 1):
        assert gone[group == g].sum() == before[group == g].sum()
    for give, take in itertools.product(np.flatnonzero(gone), np.flatnonzero(~gone)):
        if group[give] == group[take]:
            other = gone.copy()
            other[give], other[take] = False, True
            assert loss(G, w, other, frozen) >= error - 1e-8 * (1 + error)


@pytest.mark.parametrize("least", [1e-9, 1e-300, 0.0, -1e-18])
def test_an_input_that_costs_without_limit_is_never_taken(least):
    """Its place in the inverse of the Gram matrix is next to nothing, or what rounding leaves of nothing."""
    inverse, w = np.diag([1.0, least, 0.5]), np.array([3.0, 0.1, 2.0])
    gone = np.array([True, False, False])
    error = kernels.swap_cuts(np.eye(3), inverse, w, np.zeros(3, np.int64), False, gone)
    assert gone.tolist() == [False, False, True] and error == 8.0  # 2^2 / 0.5, less than 3^2


@pytest.mark.parametrize("frozen", [False, True])
def test_of_equal_costs_the_first_is_cut_and_any_gain_is_taken(frozen):
    G, group = np.eye(4), np.zeros(4, np.int64)
    gone = np.zeros(4, bool)
    kernels.greedy_cut(G, G, np.array([2.0, -1.0, 1.0, 1.0]), group, np.array([2]), frozen, gone)
    assert gone.tolist() == [False, True, True, False]
    w, gone = np.array([1.0, 1.0 + 1e-9, 2.0, 3.0]), np.array([False, True, False, False])
    assert kernels.swap_cuts(G, G, w, group, frozen, gone) == 1.0
    assert gone.tolist() == [True, False, False, False]


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_fits_that_meet_the_ends_of_an_uneven_box_on_the_way_are_the_best(shift):
    """Six columns, most of which end on an end of the box, against a general solver."""
    rng = np.random.default_rng(0)
    for _ in range(150):
        x = rng.standard_normal((8, 6)) + shift * rng.standard_normal((8, 1))
        w, low, high = 2 * rng.standard_normal(6), -rng.uniform(0.05, 1), rng.uniform(0.05, 1)
        v = np.empty(6)
        error = kernels.fit_in_box(x.T @ x, w, np.zeros(6, bool), low, high, v)
        best = lsq_linear(x, x @ w, (low, high), method="bvls", tol=1e-14)
        assert error == pytest.approx(2 * best.cost, rel=1e-7)
        assert low <= v.min() + 1e-12 and v.max() <= high + 1e-12
