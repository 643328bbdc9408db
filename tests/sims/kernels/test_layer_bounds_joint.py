"""Codes and step together against every code vector, each at its best step; boxes against a library."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from sims.kernels import layer_bounds_joint as kernels

boxes = st.sampled_from([(-1, 1), (-2, 1), (-4, 3), (0, 2)])


def instance(seed, n):
    """A triangular factor R of full rank, and weights."""
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.standard_normal((n + 2, n)) @ (np.eye(n) + 0.5))[1], rng.uniform(-2, 2, n)


def every_code(R, w, low, high):
    """Errors of all codes at their best steps, least squares on the line of each; and those steps."""
    errors, steps = [], []
    for z in itertools.product(range(low, high + 1), repeat=len(w)):
        step = np.linalg.lstsq((R @ z)[:, None], R @ w, rcond=None)[0][0]
        steps.append(max(step, 0.0))
        errors.append(np.sum((R @ (steps[-1] * np.array(z) - w)) ** 2))
    return np.array(errors), np.array(steps)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 4), boxes)
def test_joint_codes_are_the_best_of_every_code_at_its_best_step(seed, n, box):
    R, w = instance(seed, n)
    errors, steps = every_code(R, w, *box)
    squares, u = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1)
    energy, first, last = float(np.sum((R @ w) ** 2)), 1e-6, 2 * steps.max() + 1e-3

    def search(radius, limit, best, slack=1e-9):
        return kernels.joint_codes(
            squares, u, w, float(box[0]), float(box[1]), first, last, radius, slack, limit, best
        )

    best = np.zeros(n)
    error, lower, nodes, ended = search(energy, 10**6, best)
    assert ended and lower == error and abs(error - errors.min()) < 1e-9
    step = max(steps[np.argmin(errors)], 1e-9)
    assert np.sum((R @ (step * best - w)) ** 2) < error + 1e-8 or np.sum(errors < error + 1e-9) > 1
    # with room for dearer codes too, which are only looked at
    assert abs(search(energy, 10**6, best, energy)[0] - errors.min()) < 1e-9
    for limit in (1, nodes // 3 + 1, nodes - 1):
        if not 0 < limit < nodes:
            continue
        found, lower, spent, ended = search(energy, limit, np.zeros(n))
        assert not ended and spent == limit and lower <= errors.min() + 1e-9 <= found + 2e-9


# Here the best code of a level lies on the other side of its centre from one that is too dear.
OTHER_SIDE = [(345, 3), (660, 3), (320, 3), (471, 4), (416, 3), (632, 4)]


@pytest.mark.parametrize(("seed", "n"), OTHER_SIDE)
def test_a_code_that_is_too_dear_ends_its_own_side_alone(seed, n):
    R, w = instance(seed, n)
    errors, _ = every_code(R, w, -4, 3)
    squares, u, energy = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1), float(np.sum((R @ w) ** 2))
    found = kernels.joint_codes(squares, u, w, -4.0, 3.0, 1e-3, 6.0, energy, 1e-9, 10**6, np.zeros(n))
    assert found[3] and abs(found[0] - errors.min()) < 1e-9


@pytest.mark.parametrize(("seed", "n"), [(1, 2), (2, 3), (3, 4)])
def test_codes_within_the_slack_above_the_best_are_looked_at(seed, n):
    """With slack for every code each beginning of a code is one node; without, not all of them are."""
    R, w = instance(seed, n)
    squares, u, energy = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1), float(np.sum((R @ w) ** 2))

    def nodes(slack):
        arguments = (squares, u, w, -2.0, 1.0, 1e-3, 6.0, 0.0, slack, 10**6, np.zeros(n))
        found = kernels.joint_codes(*arguments)
        assert found[3]
        return found[2]

    assert nodes(1e6 * energy) == sum(4**k for k in range(1, n + 1))
    assert nodes(0.0) < sum(4**k for k in range(1, n + 1))


@pytest.mark.parametrize("share", [1e-6, 0.3])
@pytest.mark.parametrize("ends", [(0.99, 3.0), (0.33, 1.01), (0.05, 20.0)])
def test_a_nearest_code_that_is_too_dear_ends_neither_side(ends, share):
    """The best codes are hardly better than what is known, at a step near one end of those searched."""
    for seed in range(12):
        R, w = instance(seed, 3)
        errors, steps = every_code(R, w, -2, 1)
        squares, u = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1)
        first, last = (share_of * steps[errors.argmin()] for share_of in ends)
        radius, best = errors.min() * (1 + share), np.zeros(3)
        found = kernels.joint_codes(squares, u, w, -2.0, 1.0, first, last, radius, 0.0, 10**6, best)
        assert found[3] and found[0] == pytest.approx(errors.min(), rel=1e-9), seed


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 5), st.data())
def test_a_search_that_is_stopped_knows_the_least_of_what_is_left(seed, n, data):
    """On its first way down, at one step: what begins with another code at any level, by every code."""
    R, w = instance(seed, n)
    limit, step = data.draw(st.integers(1, n - 1)), 0.5

    def errors(begin):
        """Least errors of the levels from `begin` on, by the code there: those after it as on the way."""
        codes = np.array([[z, *way[begin + 1 :]] for z in range(-4, 4)])
        return np.sum(((step * codes - w[begin:]) @ R[begin:, begin:].T) ** 2, axis=1)

    way = np.zeros(n)
    for level in range(n - 1, n - 1 - limit, -1):
        way[level] = np.argmin(errors(level)) - 4
    left = [errors(n - 1 - limit).min()]
    left += [np.partition(errors(level), 1)[1] for level in range(n - limit, n)]
    squares, u = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1)
    found = kernels.joint_codes(squares, u, w, -4.0, 3.0, step, step, 1e6, 0.0, limit, np.zeros(n))
    assert found[2:] == (limit, False)
    assert abs(found[1] - min(left)) < 1e-9


def visited(R, w, step, low, high):
    """How many codes of a level are looked at, the nearest first, until one on each side is too dear."""
    radius, nodes = 1e6, 0

    def walk(tail):
        nonlocal radius, nodes
        k = len(w) - len(tail) - 1
        above = R[k, k + 1 :] @ (step * np.array(tail) - w[k + 1 :])
        centre = (w[k] - above / R[k, k]) / step
        order = sorted(range(low, high + 1), key=lambda z: abs(z - centre))
        ended = set()
        for i, z in enumerate(order):
            if (z > order[0]) in ended and i:
                continue
            nodes += 1
            cost = np.sum((R[k:, k:] @ (step * np.array([z, *tail]) - w[k:])) ** 2)
            if cost > radius:
                ended |= {z > order[0]} if i else set()
            elif k:
                walk([z, *tail])
            else:  # each code at the best of its own steps
                along = R @ np.array([z, *tail])
                share = max(along @ R @ w, 0.0) / np.linalg.norm(along)
                radius = min(radius, np.sum((R @ w) ** 2) - share**2)

    walk([])
    return nodes


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("step", [0.2, 0.45, 0.9])
def test_a_level_ends_with_the_first_code_on_each_side_that_is_too_dear(seed, step):
    """At one step, where nothing else is left to choose."""
    R, w = instance(seed, 4)
    squares, u = np.diag(R) ** 2, np.triu(R / np.diag(R)[:, None], 1)
    found = kernels.joint_codes(squares, u, w, -4.0, 3.0, step, step, 1e6, 0.0, 10**6, np.zeros(4))
    assert found[2:] == (visited(R, w, step, -4, 3), True)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0.1, 2.5))
def test_the_error_of_a_box_is_bounded_from_below_and_nearly_reached(seed, n, half):
    R, w = instance(seed, n)
    found = kernels.clipped_error(R.T @ R, w, -half, half, 2000)
    least = 2 * lsq_linear(R, R @ w, (-half, half), tol=1e-14).cost
    assert least - 1e-6 * (1 + least) <= found <= least + 1e-9
    assert kernels.clipped_error(R.T @ R, w, -half, half, 1) <= least + 1e-9


def test_a_bound_of_the_box_by_hand():
    """w = (3, 0) in the box [-1, 1]: e = (-2, 1) is the best, 4 - 2 + 1; the second moves by 1 exactly."""
    gram = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert abs(kernels.clipped_error(gram, np.array([3.0, 0.0]), -1.0, 1.0, 20) - 3.0) < 1e-12
    # before any move e = (-2, 0), of error 4: with gradient (-2, -1) a tangent falls by 2 within the box
    assert kernels.clipped_error(gram, np.array([3.0, 0.0]), -1.0, 1.0, 0) == 2.0
