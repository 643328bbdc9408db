"""The path-following kernels against loops over one neuron and one column, in exact rational numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import path_following as kernels
from sims.path_following.recursion import specification
from theory.operators import StochasticRounding

TILE = kernels.TILE
STEP, THRESHOLD, LEVEL = Fraction(1, 4), Fraction(5, 8), Fraction(3, 4)
LOW, HIGH = Fraction(-1), Fraction(3, 4)
CELLS = math.floor(THRESHOLD / STEP), THRESHOLD / STEP % 1  # of the threshold, as the kernel is handed them


def rounded_up_or_down(v, u):
    below = math.floor(v / STEP)
    return STEP * (below + 1 if u < v / STEP - below else below)


def stochastic(v, u):
    return min(max(rounded_up_or_down(v, u), LOW), HIGH)


def nearest(v, u):
    return min(max(round(v / STEP) * STEP, LOW), HIGH)  # round: ties to the even multiple


def one_bit(v, u):
    return LEVEL if u < (LEVEL + v) / (2 * LEVEL) else -LEVEL


def prune(v, u):
    kept = THRESHOLD if u < abs(v) / THRESHOLD else 0
    return v if abs(v) > THRESHOLD else kept * (1 if v > 0 else -1)


def prune_then_round(v, u):
    if abs(v) > THRESHOLD:
        return rounded_up_or_down(v, u)
    keep, (below, fraction) = abs(v) / THRESHOLD, CELLS
    size = below + 1 if u < keep * fraction else below if u < keep else 0
    return STEP * size * (1 if v > 0 else -1)


def hard(v, u):
    return v if abs(v) > THRESHOLD else 0


def sign(v, u):
    return LEVEL if v >= 0 else -LEVEL


RULES = {
    kernels.ROUND_STOCHASTIC: stochastic,
    kernels.ROUND_NEAREST: nearest,
    kernels.ONE_BIT: one_bit,
    kernels.PRUNE_STOCHASTIC: prune,
    kernels.PRUNE_THEN_ROUND: prune_then_round,
    kernels.PRUNE_HARD: hard,
    kernels.NEAREST_SIGN: sign,
}


def by_definition(start, stop, w, g, inverse, correction, u, rule, limits):
    """q, e, exits, place of the first exit of one neuron: the recursion as printed, one product at a time."""
    e, q, outside = {}, {}, []
    for t in range(start, stop):
        total = correction[t - start] + sum((g[t][j] * e[j] for j in range(start, t)), Fraction(0))
        v = w[t] + inverse[t] * total
        if v < limits[0] or v > limits[1]:
            outside.append(t)
        q[t] = rule(v, u[t - start])
        e[t] = w[t] - q[t]
    return q, e, outside


def exact(array):
    return [Fraction(float(x)) for x in array]


@pytest.mark.parametrize("kind", RULES)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    start=st.integers(0, 3),
    width=st.integers(1, 10),
    n=st.sampled_from([1, 2, TILE - 1, TILE, TILE + 1, 2 * TILE + 3]),
    finite=st.sampled_from([(True, True), (True, False), (False, True), (False, False)]),
)
def test_a_block_is_the_recursion_of_every_neuron(kind, seed, start, width, n, finite):
    """All inputs are small multiples of 1/16: every sum is exact in any order, and ties are met often."""
    rng = np.random.default_rng(seed)
    columns, stop = start + width + 2, start + width
    w = rng.integers(-20, 21, (columns, n)) / 16
    g = np.full((columns, columns), np.nan)  # only the strict lower triangle of the block is read
    block = np.tril_indices(width, -1)
    g[start:stop, start:stop][block] = rng.integers(-1, 2, len(block[0]))
    inverse = rng.choice([0.0, 1.0, 0.5] if kind < 2 else [0.0, 1.0], columns)
    correction = rng.integers(-8, 9, (width, n)) / 16
    u = rng.integers(0, 16, (width, n)) / 16
    e = rng.random((columns, n))
    exits, first = rng.integers(0, 3, n), rng.integers(-1, 2, n)
    limits = (-1.0 if finite[0] else -np.inf, 0.875 if finite[1] else np.inf)
    low, high = CELLS if kind == kernels.PRUNE_THEN_ROUND else (LOW, HIGH)
    p = np.array([STEP, THRESHOLD, low, high, *limits, LEVEL], float)
    q, errors, counts, places = w.copy(), e.copy(), exits.copy(), first.copy()
    kernels.compress_block(start, stop, q, g, inverse, correction, u, errors, counts, places, kind, p)
    rows = [exact(row) for row in np.nan_to_num(g)]
    for i in range(n):
        found, lost, outside = by_definition(
            start, stop, exact(w[:, i]), rows, exact(inverse), exact(correction[:, i]), exact(u[:, i]),
            RULES[kind], limits,
        )  # fmt: skip
        assert q[start:stop, i].tolist() == [float(x) for x in found.values()]
        assert errors[start:stop, i].tolist() == [float(x) for x in lost.values()]
        assert counts[i] == exits[i] + len(outside)
        assert places[i] == (first[i] if first[i] >= 0 or not outside else outside[0])
    others = [t for t in range(columns) if not start <= t < stop]
    np.testing.assert_array_equal(q[others], w[others])
    np.testing.assert_array_equal(errors[others], e[others])


@pytest.mark.parametrize("step", [0.1, 0.3, 1 / 7, 1.1])
def test_grid_points_as_computed_stay_whatever_the_uniform(step):
    """k * step, rounded, may be an ulp beside what v / step rounds to: it must not move to a neighbour."""
    points = np.arange(-60, 61) * step
    assert (np.floor(points / step) < np.arange(-60, 61)).any()
    p = specification(StochasticRounding(step))[1]
    for uniform in (0.0, 0.5, 1 - 2.0**-53):
        q, e = points[None, :].copy(), np.zeros((1, points.size))
        nothing = np.zeros((1, points.size))
        exits, first = np.zeros(points.size, np.int64), np.full(points.size, -1)
        kernels.compress_block(
            0, 1, q, np.eye(1), np.ones(1), nothing, nothing + uniform, e, exits, first,
            kernels.ROUND_STOCHASTIC, p,
        )  # fmt: skip
        np.testing.assert_array_equal(q[0], points)
        assert not e.any()


@settings(max_examples=40)
@given(
    n=st.sampled_from([1, 2, 7, 8, 9, 16, 33]),
    columns=st.sampled_from([1, 3, 40, 63, 64, 65, 130]),
    strided=st.booleans(),
)
def test_transpose(n, columns, strided):
    w = np.random.default_rng(n).random((n, columns))
    out = np.full((columns, 2 * n), np.nan)
    out = out[:, ::2] if strided else np.ascontiguousarray(out[:, ::2])
    kernels.transpose(w, out)
    np.testing.assert_array_equal(out, w.T)


def surgeon(w, gram, count):
    """Try every removal, refit what is left to the same outputs, keep the cheapest; the first of equals."""
    kept = list(range(len(w)))
    v = w.copy()
    for _ in range(count):
        costs, fits = [], []
        for p in kept:
            rest = [i for i in kept if i != p]
            fit = np.zeros_like(w)
            fit[rest] = np.linalg.solve(gram[np.ix_(rest, rest)], (gram @ v)[rest])
            fits.append(fit)
            costs.append((v - fit) @ gram @ (v - fit))
        best = int(np.argmin(np.round(costs, 9)))
        v = fits[best]
        del kept[best]
    return v


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 7), st.data())
def test_pruning_by_loss_is_the_cheapest_removal_each_time(seed, size, data):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((12, size))
    gram = x.T @ x if data.draw(st.booleans()) else np.diag(rng.choice([1.0, 2.0], size))  # orthogonal: ties
    w = rng.integers(-3, 4, size).astype(float)  # zeros and equal weights among them
    count = data.draw(st.integers(0, size))
    found = w.copy()
    kernels.prune_by_loss(found, np.linalg.inv(gram), count)
    np.testing.assert_allclose(found, surgeon(w, gram, count), atol=1e-7)
    assert (found == 0).sum() >= count  # what is cut is no small number


def test_of_equal_losses_the_first_weight_is_cut():
    found = np.array([2.0, 1.0, -1.0, 1.0])
    kernels.prune_by_loss(found, np.eye(4), 2)
    assert found.tolist() == [2.0, 0.0, 0.0, 1.0]
