"""Bounds and laws of path following against brute force."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from theory.convex_order import gaussian_variance, stop_loss
from theory.derivations import path_following as derivations
from theory.operators import (
    NearestRounding,
    OneBit,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
)
from theory.path_following import (
    alignment_bound,
    error_covariance,
    error_map,
    error_stds,
    error_variance,
    gram_schmidt_reversed,
    noise_variance,
    optq_covariance,
)
from theory.path_following.exits import correction_stds, exit_bound, norm_ratio, sufficient_scale
from theory.path_following.laws import (
    break_even_ratio,
    direct_error,
    layer_error_bound,
    saturation_law,
    second_moment,
)


def exact_law(x, w, operator, scale):
    """Every outcome (probability, u_N, all v_t) of Phase II, by walking the tree of choices."""
    states = [(1.0, np.zeros(len(x)), ())]
    for t in range(x.shape[1]):
        column = x[:, t]
        grown = []
        for chance, u, vs in states:
            v = w[t] + column @ u / (scale * (column @ column))
            for point, probability in operator.outcomes(float(v)):
                grown.append((chance * probability, u + (w[t] - point) * column, (*vs, v)))
        states = grown
    return states


def test_derivations_vanish():
    import sympy as sp

    assert derivations.invariance_residual() == 0
    assert derivations.saturation_residual() == 0
    assert derivations.sufficient_scale_residual() == 0
    assert all(value == 0 for value in derivations.operator_means().values())
    d = sp.Symbol("d", positive=True)
    assert derivations.uniform_cell_variance() == (d**2 / 6, d**2 / 12)


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.6, 1.0, 2.0, 5.0]),
    st.sampled_from([StochasticRounding(0.7), OneBit(6.0), StochasticPruning(0.9), PruneThenRound(0.9, 0.7)]),
)
def test_domination_in_small_cases_exactly(seed, scale, operator):
    """Theorem 4.2 with the covariance recursion: stop-loss of projections and joint convex functions."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 4))
    w = rng.uniform(-0.5, 0.5, 4)
    law = exact_law(x, w, operator, scale)
    assume(not isinstance(operator, OneBit) or all(abs(v) <= 6 for _, _, vs in law for v in vs))
    chances = np.array([c for c, _, _ in law])
    ends = np.array([u for _, u, _ in law])
    np.testing.assert_allclose(chances @ ends, 0, atol=1e-12)
    covariance = error_covariance(x, scale, operator)
    for direction in ([1, 0], [0, 1], [1, 1], [1, -2]):
        std = math.sqrt(direction @ covariance @ np.array(direction))
        values = ends @ np.array(direction)
        for k in np.linspace(-2 * std, 3 * std, 11):
            assert chances @ np.maximum(values - k, 0) <= stop_loss(std, k) + 1e-12
    second = chances @ (ends**2).sum(axis=1)
    assert second <= second_moment(x, scale, operator.interval_length**2 / 4) + 1e-12
    assert second <= np.trace(covariance)


@given(st.integers(0, 10**6), st.sampled_from([0.55, 1.0, 3.0]))
def test_covariance_is_the_recursion_and_never_above_beta(seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 6)) * rng.uniform(0.2, 3, 6)
    operator = StochasticRounding(0.3)
    for form in ("range", "paper"):
        variance = noise_variance(operator, form)
        s = np.zeros((3, 3))
        for column in x.T:
            p = np.eye(3) - np.outer(column, column) / (scale * (column @ column))
            s = p @ s @ p + variance * np.outer(column, column)
        np.testing.assert_allclose(error_covariance(x, scale, operator, form), s, atol=1e-10)
        np.testing.assert_allclose(error_stds(x, scale, operator, form) ** 2, np.diag(s), atol=1e-10)
        beta = error_variance(scale, operator, np.linalg.norm(x, axis=0).max(), form)
        assert np.linalg.eigvalsh(s).max() <= beta * (1 + 1e-9)


def test_zero_columns_change_nothing():
    x = np.random.default_rng(0).standard_normal((3, 4))
    operator = StochasticRounding(1.0)
    with_zeros = np.insert(x, [0, 2, 4], 0.0, axis=1)
    np.testing.assert_allclose(
        error_covariance(with_zeros, 2.0, operator), error_covariance(x, 2.0, operator), atol=1e-12
    )


def test_range_form_is_a_quarter_of_the_paper_form_for_two_point_operators():
    for operator in (StochasticRounding(0.4), OneBit(1.0), StochasticPruning(0.3)):
        assert error_variance(1.5, operator, 2.0, "paper") == pytest.approx(
            4 * error_variance(1.5, operator, 2.0)
        )


def test_corrections_and_exits_against_the_exact_law():
    x = np.array([[1.0, 0.8, 1.2, 0.9], [0.1, 0.5, -0.3, 0.2]])
    w = np.array([0.2, -0.1, 0.3, 0.0])
    operator = OneBit(1.0)
    for scale in (1.5, 4.0, 20.0):
        law = exact_law(x, w, operator, scale)
        exits = sum(c for c, _, vs in law if any(abs(v) > 1 for v in vs))
        assert exits <= exit_bound(w, x, scale, operator)[0]
        stds = correction_stds(x, scale, operator)
        ratio = norm_ratio(x)
        uniform = math.sqrt(gaussian_variance(2.0) * ratio**2 / (2 * scale - 1))
        assert np.all(stds <= uniform * (1 + 1e-12))
    scale = sufficient_scale(0.3, 4, 0.05, operator, ratio)
    assert exit_bound(w, x, scale, operator)[0] <= 0.05
    assert exit_bound([[2.0, 0, 0, 0]], x, scale, operator)[0] == 1.0


def test_b_bit_exit_uses_the_nearer_end():
    low_side = sufficient_scale(0.0, 10, 0.01, StochasticRounding(1.0, bits=2))
    assert low_side == pytest.approx(0.5 * (1 + math.pi / 4 * math.log(2000)))


def test_saturation_law_is_the_mean_over_gaussian_inputs():
    rng = np.random.default_rng(0)
    for n, m, c in itertools.product((3, 40), (5, 20), (1.0, 3.0)):
        values = [second_moment(rng.standard_normal((m, n)), c, 1 / 6) for _ in range(300)]
        error = np.std(values) / math.sqrt(len(values))
        assert abs(np.mean(values) - saturation_law(n, m, c, 1 / 6)) < 5 * error


@pytest.mark.parametrize("scale", [0.5 + 2**-53, 0.5 + 1e-12, 0.5000001, 0.75, 3.0, 1e9])
def test_bounds_next_to_the_least_scale_keep_their_digits(scale):
    # C^2/(2C - 1) in exact rationals: 2C - 1 may be an ulp
    growth = float(Fraction(scale) ** 2 / (2 * Fraction(scale) - 1))
    assert error_variance(scale, OneBit(1.0), 1.0) == pytest.approx(math.pi / 2 * growth, rel=1e-15)
    assert break_even_ratio(scale) == pytest.approx(break_even_ratio(1.0) * growth, rel=1e-15)
    assert saturation_law(10**300, 3, scale, 1.0) == pytest.approx(9 * growth, rel=1e-15)


@pytest.mark.parametrize("scale", [1.0, 3.0, 1e8, 1e153, 1e200, 1e307])
@pytest.mark.parametrize(("columns", "samples"), [(3, 3), (5, 1), (10**6, 2), (10**10, 3 * 10**10)])
def test_saturation_law_at_any_scale(columns, samples, scale):
    # the geometric sum in exact rationals: one factor 1 - (2C-1)/(C^2 m) per column; N var m for huge C
    c = Fraction(scale)
    contraction = (2 * c - 1) / (c * c * samples)
    if columns < 10:
        expected = float(samples * sum((1 - contraction) ** j for j in range(columns)))
    else:
        with mpmath.workdps(400):
            q = mpmath.mpf(contraction.numerator) / contraction.denominator
            expected = float(samples * (1 - (1 - q) ** columns) / q)
    assert saturation_law(columns, samples, scale, 1.0) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("method", ["path-following", "optq", "direct"])
def test_layer_bounds_have_the_unit_of_the_gram_matrix(method):
    gram = np.array([[2.0, 1.0, -0.5], [1.0, 4.0, 0.25], [-0.5, 0.25, 1.0]])
    for operator in (NearestRounding(0.5), StochasticRounding(0.5)):
        for exponent in (-400, -40, 400):
            found = layer_error_bound(np.ldexp(gram, exponent), operator, method, 1.5)
            expected = math.ldexp(layer_error_bound(gram, operator, method, 1.5), exponent)
            assert found == pytest.approx(expected, rel=1e-14, abs=0.0)


def test_a_dead_column_keeps_the_damping_of_the_others():
    # of a diagonal matrix the pivots are its entries: 1 + 0.2 (1 + 0)/2 and 0.2 (1 + 0)/2
    found = layer_error_bound(np.diag([1.0, 0.0]), StochasticRounding(0.5), "optq", damping=0.2)
    assert found == pytest.approx(0.5**2 / 4 * (1.1 + 0.1), rel=1e-14)


def test_huge_scales_have_finite_bounds():
    assert error_variance(1e200, StochasticRounding(1.0), 1.0) == pytest.approx(
        math.pi / 8 * 5e199, rel=1e-14
    )
    assert break_even_ratio(1e200) == pytest.approx(1.5936242600400400923 * 5e199, rel=1e-13)


def test_bounds_of_zero_inputs_are_zero():
    for method in ("path-following", "optq", "direct"):
        for operator in (NearestRounding(0.5), StochasticRounding(0.5)):
            assert layer_error_bound(np.zeros((3, 3)), operator, method, damping=0.01) == 0.0
    with pytest.raises(ValueError, match="singular: OPTQ needs damping"):
        layer_error_bound(np.ones((3, 3)), NearestRounding(0.5), "optq")
    np.testing.assert_array_equal(error_variance(1.0, OneBit(1.0), [0.0, 1e-200]), 0.0)
    assert second_moment(np.eye(2), 1.0, 0.0) == 0.0  # weights on the grid


def test_saturation_limits():
    assert saturation_law(0, 5, 1.0, 1.0) == saturation_law(0, 1, 1.0, 1.0) == 0
    assert saturation_law(10**7, 50, 2.0, 1.0) == pytest.approx(50**2 * 4 / 3)
    assert saturation_law(7, 1, 1.0, 1.0) == pytest.approx(
        1.0
    )  # one sample, C = 1: only the last error is left
    ratio = break_even_ratio(2.0)
    m = 10**6
    assert saturation_law(round(ratio * m), m, 2.0, 1 / 6) == pytest.approx(
        direct_error(round(ratio * m), m, 1.0), rel=1e-4
    )


def test_optq_error_is_the_sum_along_gram_schmidt_vectors():
    x = np.random.default_rng(1).standard_normal((6, 4))
    g = gram_schmidt_reversed(x)
    np.testing.assert_allclose(g[:, 3], x[:, 3])
    for t in range(3):
        np.testing.assert_allclose(g[:, t] @ x[:, t + 1 :], 0, atol=1e-12)
        assert g[:, t] @ x[:, t] == pytest.approx(g[:, t] @ g[:, t])
    assert np.trace(optq_covariance(x, StochasticRounding(1.0))) == pytest.approx(math.pi / 8 * np.sum(g**2))


@pytest.mark.parametrize("exponent", [10, 24, 38])
def test_columns_close_to_each_other_are_not_dependent(exponent):
    # g_1 = X_1 - X_2 <X_1, X_2>/|X_2|^2 with X_1 = (1, 0), X_2 = (1, h), in exact rationals
    h = Fraction(1, 2**exponent)
    share = 1 / (1 + h * h)
    found = gram_schmidt_reversed([[1.0, 1.0], [0.0, float(h)]])[:, 0]
    # an angle of h is known to the rounding of an entry
    tolerance = 2.0**-50 / float(h)
    assert found == pytest.approx([float(1 - share), float(-share * h)], rel=tolerance, abs=0.0)


def test_columns_that_differ_by_rounding_are_dependent():
    with pytest.raises(ValueError, match="linearly dependent"):
        gram_schmidt_reversed([[1.0, 1.0], [0.0, 2.0**-44]])


@given(st.integers(0, 10**6), st.floats(0, 2))
def test_alignment_bound_holds_for_one_projection_sweep(seed, noise):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((5, 4))
    y = x + noise * rng.standard_normal(x.shape)
    w = rng.standard_normal(4)
    residual = np.zeros(5)
    for t in range(4):
        residual = residual + w[t] * x[:, t]
        residual -= y[:, t] * (y[:, t] @ residual) / (y[:, t] @ y[:, t])
    assert np.linalg.norm(residual) <= alignment_bound(w, y, x)[0] + 1e-12


def test_error_map_columns_are_products_of_projections():
    x = np.random.default_rng(2).standard_normal((3, 5))
    a = error_map(x, 1.5)
    column = x[:, 1]
    for t in range(2, 5):
        column = column - x[:, t] * (x[:, t] @ column) / (1.5 * (x[:, t] @ x[:, t]))
    np.testing.assert_allclose(a[:, 1], column, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: error_variance(0.5, OneBit(1.0), 1.0), "greater than 1/2"),
        (lambda: error_variance(1.0, NearestRounding(1.0), 1.0), "biased"),
        (lambda: error_variance(1.0, OneBit(1.0), -1.0), "max_norm"),
        (lambda: error_variance(1.0, OneBit(1.0), 1.0, "tight"), "form must be one of"),
        (lambda: sufficient_scale(1.0, 5, 0.1, OneBit(1.0)), "inside the limits"),
        (lambda: sufficient_scale(0.1, 5, 0.1, StochasticRounding(1.0)), "no limits"),
        (lambda: sufficient_scale(0.1, 5, 1.0, OneBit(1.0)), "failure"),
        (lambda: sufficient_scale(0.1, 5, 0.1, OneBit(1.0), 0.5), "norm_ratio"),
        (lambda: exit_bound([[0.0]], np.eye(2), 1.0, OneBit(1.0)), "fan_in 1"),
        *(
            (
                lambda shape=shape: error_map(np.ones(shape), 1.0),
                "non-empty .samples, fan_in. matrix, got shape",
            )
            for shape in ((2, 0), (0, 2), (0, 0), (3,), (2, 2, 2), ())
        ),
        (lambda: alignment_bound([1.0], np.eye(2), np.eye(2)), "fan_in 1"),
        (lambda: alignment_bound([1.0, 1.0], np.eye(2), np.eye(3)), "shape of inputs"),
        (lambda: alignment_bound([1.0], [[1.0]], [[np.inf]]), "^target_inputs must be finite"),
        (lambda: alignment_bound([1.0], [[np.nan]], [[1.0]]), "^inputs must be finite"),
        (lambda: gram_schmidt_reversed(np.ones((3, 2))), "dependent"),
        (lambda: saturation_law(-1, 5, 1.0, 1.0), "columns must be"),
        *(
            (lambda v=v: second_moment(np.eye(2), 1.0, v), "variance must be finite and not negative")
            for v in (-1.0, math.inf, math.nan)
        ),
        *(
            (lambda g=g: layer_error_bound(g, NearestRounding(1.0), "gptq"), "method must be")
            for g in (np.eye(2), np.zeros((2, 2)))
        ),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_more_columns_than_samples_are_dependent():
    for columns in ([[1.0, 2.0]], [[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]]):
        with pytest.raises(ValueError, match="linearly dependent"):
            gram_schmidt_reversed(columns)


def test_bounds_where_a_square_leaves_double_precision_but_their_product_does_not():
    beta = error_variance(2.0, OneBit(1.0), 1.0)
    assert error_variance(2.0, OneBit(1e-200), 1e250) == pytest.approx(beta * 1e100, rel=1e-13)
    assert error_variance(2.0, OneBit(1e200), 1e-250) == pytest.approx(beta * 1e-100, rel=1e-13)
    gram = np.diag([1e-300, 4e-300])
    for method in ("path-following", "optq", "direct"):
        bound = layer_error_bound(gram, StochasticRounding(1e200), method)
        assert bound == pytest.approx(1.25e100, rel=1e-13)
    assert layer_error_bound(gram, NearestRounding(1e200), "direct") == pytest.approx(2e100, rel=1e-13)
    assert direct_error(1e200, 3.0, 1e-170) == pytest.approx(2.5e-141, rel=1e-13)


@pytest.mark.parametrize("gram", [np.ones((2, 3)), np.zeros((0, 0)), [[math.nan]], np.ones(3)])
@pytest.mark.parametrize("method", ["path-following", "optq", "direct"])
def test_a_gram_matrix_is_square_and_finite(gram, method):
    with pytest.raises(ValueError, match="gram must be a square matrix of finite numbers"):
        layer_error_bound(gram, OneBit(1.0), method)


@pytest.mark.parametrize("variance", [-1.0, math.nan, math.inf])
def test_a_saturation_law_has_a_variance(variance):
    with pytest.raises(ValueError, match="variance must be finite and not negative"):
        saturation_law(3, 2, 1.0, variance)
