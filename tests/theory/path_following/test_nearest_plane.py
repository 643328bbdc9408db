"""OPTQ as Babai's nearest plane: pivots by regression, codes by either road, the bound and its mean."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from sims.path_following import compress
from theory.operators import NearestRounding
from theory.path_following import (
    gram_schmidt_reversed,
    min_pivot_order,
    nearest_plane,
    nearest_plane_bound,
    optq_pivots,
)


def inputs(seed, m=20, n=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, n)) + rng.standard_normal((m, 1))


def test_pivots_are_residuals_of_regressions_on_the_later_columns():
    x = inputs(0)
    left = [
        np.sum((x[:, t] - x[:, t + 1 :] @ np.linalg.lstsq(x[:, t + 1 :], x[:, t], rcond=None)[0]) ** 2)
        for t in range(5)
    ] + [np.sum(x[:, 5] ** 2)]
    np.testing.assert_allclose(optq_pivots(x.T @ x), left)
    np.testing.assert_allclose(np.sum(gram_schmidt_reversed(x) ** 2, axis=0), left)


def test_optq_makes_the_choices_of_babai():
    for seed in range(20):
        x = inputs(seed)
        w = 3 * np.random.default_rng(seed).standard_normal(6)
        q = compress(w, x, operator=NearestRounding(1.0), method="optq", damping=0.0).weights[0]
        np.testing.assert_array_equal(nearest_plane(x[:, ::-1], x @ w)[::-1], q)


def test_babai_in_the_other_order_is_another_algorithm():
    w, changed = np.full(6, 0.4), 0
    for seed in range(20):
        x = inputs(seed)
        q = compress(w, x, operator=NearestRounding(1.0), method="optq", damping=0.0).weights[0]
        changed += not np.array_equal(nearest_plane(x, x @ w), q)
    assert changed > 10


def test_the_bound_holds_is_attained_and_a_third_is_the_mean():
    x = inputs(1, n=3)
    gram = x.T @ x
    rng = np.random.default_rng(0)
    w = rng.uniform(-3, 3, (20_000, 3))
    errors = compress(w, gram=gram, operator=NearestRounding(1.0), method="optq", damping=0.0).error
    bound = nearest_plane_bound(gram)
    assert errors.max() <= bound
    assert errors.mean() == pytest.approx(nearest_plane_bound(gram, mean=True), rel=0.02)
    assert nearest_plane_bound(gram, 0.5) == pytest.approx(bound / 4)
    assert nearest_plane_bound(gram, [1.0, 2.0, 3.0]) == pytest.approx(optq_pivots(gram) @ [1, 4, 9] / 4)


def test_min_pivots_are_chosen_from_the_last_column_on():
    x = inputs(2)
    order = min_pivot_order(x.T @ x)
    pivots = optq_pivots((x.T @ x)[np.ix_(order, order)])
    for last in range(6, 0, -1):  # literally: which of the columns left is nearest to the span of those taken
        taken = x[:, order[last:]]
        left = {
            i: np.sum((x[:, i] - taken @ np.linalg.lstsq(taken, x[:, i], rcond=None)[0]) ** 2)
            for i in order[:last]
        }
        assert min(left, key=left.__getitem__) == order[last - 1]
        assert pivots[last - 1] == pytest.approx(min(left.values()))
    sums = [optq_pivots((x.T @ x)[np.ix_(p, p)]).sum() for p in itertools.permutations(range(6))]
    assert pivots.sum() < np.median(sums)


@pytest.mark.parametrize("exponent", [4, 12, 20])
def test_a_column_close_to_another_still_counts_for_what_lies_across(exponent):
    # taken is what lies nearest, (1, h, 0) after (1, 0, 0); across the two (0, 2, 1) is nearer than (0, 0, 2)
    h = Fraction(1, 2**exponent)
    x = [[1, 0, 0], [1, h, 0], [0, 2, 1], [0, 0, 2]]  # four in three dimensions: the last pivot is 0
    gram = [[sum((Fraction(a) * b for a, b in zip(p, q, strict=True))) for q in x] for p in x]
    order, left = [], [row[:] for row in gram]
    while len(order) < len(x):  # in exact rationals
        p = min((i for i in range(len(x)) if i not in order), key=lambda i: left[i][i])
        order.insert(0, p)
        left = [
            [left[i][j] - left[i][p] * left[p][j] / (left[p][p] or 1) for j in range(len(x))]
            for i in range(len(x))
        ]
    assert order == [3, 2, 1, 0]
    assert min_pivot_order(np.array(gram, float)).tolist() == order


def test_a_target_halfway_goes_to_the_even_plane():
    assert nearest_plane(np.eye(4), [0.5, 1.5, -0.5, -1.5]).tolist() == [0.0, 2.0, 0.0, -2.0]
    assert nearest_plane([[2.0]], [5.0]).tolist() == [2.0]


def test_dead_and_dependent_columns_have_an_order():
    x = np.column_stack([np.zeros(4), np.ones(4), np.ones(4), np.arange(4.0)])
    order = min_pivot_order(x.T @ x)
    assert sorted(order) == [0, 1, 2, 3] and order[-1] == 0


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="singular: OPTQ needs damping"):
        optq_pivots(np.ones((2, 2)))
    with pytest.raises(ValueError, match="step must be positive"):
        nearest_plane_bound(np.eye(2), 0.0)


def test_a_column_nearly_in_the_span_counts_by_what_is_left_of_it():
    """Pivots 1 and 2^-36; then what the last but one has beside both, 1/4 of 5/4, is less than 1.21."""
    x = np.array(
        [[1.0, 1.0, 0.0, 0.0], [0.0, 2.0**-18, 1.0, 0.0], [0.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.1]]
    )
    assert min_pivot_order(x.T @ x).tolist() == [3, 2, 1, 0]
    # a column in the span has nothing left, and takes nothing from the 5/4
    x[1, 1] = 0.0
    assert min_pivot_order(x.T @ x).tolist() == [2, 3, 1, 0]


def test_of_equal_pivots_the_first_is_taken():
    assert min_pivot_order(np.eye(3)).tolist() == [2, 1, 0]
    assert min_pivot_order(np.diag([2.0, 1.0, 2.0, 1.0])).tolist() == [2, 0, 3, 1]


def test_half_way_to_the_even_level():
    np.testing.assert_array_equal(nearest_plane(np.eye(4), [0.5, 1.5, -0.5, 2.5]), [0.0, 2.0, 0.0, 2.0])


@pytest.mark.parametrize("exponent", [-900, -600, 0, 600, 900])
def test_the_nearest_plane_has_no_unit(exponent):
    basis, target = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([7.3, -4.1])
    z = nearest_plane(np.ldexp(basis, exponent), np.ldexp(target, exponent))
    np.testing.assert_array_equal(z, nearest_plane(basis, target))
    assert np.abs(basis @ z - target).max() < 2
    step = 2.0**exponent
    assert nearest_plane_bound(np.eye(2) / step, step) == pytest.approx(step / 2)


@pytest.mark.parametrize("basis", [[[1.0, 1.0], [1.0, 1.0]], [[0.0], [0.0]], [[1.0, 0.0], [0.0, 0.0]]])
def test_a_basis_is_independent(basis):
    with pytest.raises(ValueError, match="the columns of basis are linearly dependent"):
        nearest_plane(basis, [1.0, 1.0])


def test_steps_are_one_or_as_many_as_columns():
    with pytest.raises(ValueError, match="step must be one number or 2, one for every column, got 3"):
        nearest_plane_bound(np.eye(2), [1.0, 2.0, 3.0])


@pytest.mark.parametrize("exponent", [-400, -60, 60, 400])
def test_the_order_of_pivots_has_no_unit(exponent):
    """Correlated columns, two of them sums of others: their pivots are 0 to rounding, in any unit."""
    x = inputs(3, m=12, n=6)
    x = np.column_stack([x, x[:, 0] + x[:, 1], x[:, 2] - 3 * x[:, 4]])
    gram = x.T @ x
    order = min_pivot_order(gram)
    assert order.tolist() != np.argsort(-np.diagonal(gram)).tolist()
    np.testing.assert_array_equal(min_pivot_order(np.ldexp(gram, exponent)), order)
