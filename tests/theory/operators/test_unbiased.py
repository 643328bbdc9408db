"""Operators: unbiased, bounded, on their grid."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from theory.operators import (
    HardPruning,
    NearestRounding,
    NearestSign,
    OneBit,
    PruneFraction,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
    expectation,
)

fractions = st.fractions(min_value=-5, max_value=5, max_denominator=60)
sizes = st.fractions(min_value=Fraction(1, 20), max_value=4, max_denominator=20)


@st.composite
def unbiased_operators(draw):
    a, b = draw(sizes), draw(sizes)
    return draw(
        st.sampled_from(
            [
                StochasticRounding(a),
                StochasticRounding(a, bits=4),
                OneBit(a),
                StochasticPruning(a),
                PruneThenRound(a, b),
            ]
        )
    )


@given(unbiased_operators(), fractions)
def test_unbiased_and_bounded_exactly(operator, value):
    low, high = operator.limits
    assume(low <= value <= high)
    law = operator.outcomes(value)
    assert sum(p for _, p in law) == 1
    assert all(p > 0 for _, p in law)
    assert expectation(law) == value
    errors = [x - value for x, _ in law]
    assert max(errors) - min(errors) <= operator.interval_length
    assert max(map(abs, errors)) <= operator.max_error
    assert operator.variance(value) <= Fraction(operator.interval_length) ** 2 / 4  # Popoviciu


@given(unbiased_operators(), st.floats(-6, 6), st.floats(0, 1, exclude_max=True))
def test_the_array_form_draws_from_the_stated_law(operator, value, uniform):
    result = float(operator(value, uniform))
    points = [float(x) for x, _ in operator.outcomes(value)]
    assert min(abs(result - x) for x in points) <= 1e-12


@pytest.mark.parametrize(
    "operator",
    [
        StochasticRounding(0.3),
        StochasticRounding(0.3, bits=3),
        OneBit(1.5),
        StochasticPruning(0.8),
        PruneThenRound(0.8, 0.3),
        PruneThenRound(0.6, 0.3),
        PruneThenRound(0.2, 0.3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("value", [-1.1, -0.5, -0.25, 0.0, 0.1, 0.75, 0.79, 1.3])
def test_frequencies_over_a_fine_grid_of_uniforms_are_the_probabilities(operator, value):
    count = 10_000
    results = operator(np.full(count, value), (np.arange(count) + 0.5) / count)
    for point, probability in operator.outcomes(value):
        frequency = np.mean(np.abs(results - float(point)) < 1e-9)
        assert frequency == pytest.approx(float(probability), abs=2 / count)


@pytest.mark.parametrize(
    "operator",
    [
        StochasticRounding(0.75),
        StochasticRounding(0.75, bits=2),
        OneBit(1.5),
        StochasticPruning(1.5),
        PruneThenRound(1.5, 0.75),
        PruneThenRound(1.5, 1.0),
        PruneThenRound(0.75, 1.5),
    ],
    ids=repr,
)
def test_every_uniform_of_a_grid_from_zero_on_has_one_outcome(operator):
    """Of the uniforms 0, 1/64, ..., 63/64: all probabilities here are whole numbers of 64ths."""
    for value in np.arange(-2.25, 2.25 + 1e-9, 0.1875):
        results = operator(np.full(64, value), np.arange(64) / 64)
        law = {float(x): float(64 * p) for x, p in operator.outcomes(Fraction(float(value))) if p}
        found, counts = np.unique(results, return_counts=True)
        assert dict(zip(found, counts, strict=True)) == law, value


@given(st.floats(1e-3, 10), st.integers(-(10**6), 10**6), st.floats(0, 1, exclude_max=True))
def test_grid_points_stay(step, k, uniform):
    point = k * step
    assert StochasticRounding(step)(point, uniform) == point
    assert NearestRounding(step)(point) == point


@given(st.floats(0.01, 3), st.floats(-10, 10), st.integers(2, 8))
def test_saturation_goes_to_the_nearer_end(step, value, bits):
    operator = StochasticRounding(step, bits=bits)
    low, high = operator.limits
    result = operator(value, 0.5)
    assert low <= result <= high
    if value >= high:
        assert result == high
    if value <= low:
        assert result == low


def test_nearest_errors_are_at_most_half_a_step_inside_the_limits():
    operator = NearestRounding(0.5, bits=3)
    low, high = operator.limits
    values = np.linspace(low, high, 1001)
    assert np.max(np.abs(operator(values) - values)) <= operator.max_error + 1e-12
    assert abs(operator(high + 0.1) - (high + 0.1)) > operator.max_error


def test_hard_pruning_is_magnitude_pruning():
    np.testing.assert_array_equal(HardPruning(0.5)([0.4, -0.5, 0.6, -3]), [0, 0, 0.6, -3])


@pytest.mark.parametrize("make", [StochasticPruning, lambda c: PruneThenRound(c, 0.5)])
def test_weights_that_a_tiny_threshold_divides_beyond_doubles_are_kept(make):
    values = np.array([-2.0, 0.0, 1.5])  # multiples of the step
    assert make(1e-308)(values, np.full(3, 0.999)).tolist() == values.tolist()


def test_deterministic_operators_by_their_definition():
    values = [-2.5, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 2.5]
    expected = {
        NearestSign(0.75): [-0.75] * 4 + [0.75] * 5,
        HardPruning(0.75): [-2.5, -1.0, 0, 0, 0, 0, 0, 1.0, 2.5],  # the threshold itself is cut
        NearestRounding(0.5): [-2.5, -1.0, -1.0, 0, 0, 0, 1.0, 1.0, 2.5],  # halves to even multiples
        NearestRounding(0.5, bits=3): [-2.0, -1.0, -1.0, 0, 0, 0, 1.0, 1.0, 1.5],
    }
    for operator, results in expected.items():
        np.testing.assert_array_equal(operator(values), results)
        assert [operator.outcomes(v) for v in values] == [[(r, 1.0)] for r in results]


def test_one_bit_at_and_beyond_its_limits_takes_the_sign():
    operator = OneBit(0.5)
    for value in (0.5, 0.75, 3.0):
        assert operator.outcomes(value) == [(0.5, 1.0)] and operator.outcomes(-value) == [(-0.5, 1.0)]
        for chance in (0.0, 0.999999):
            assert operator(value, chance) == 0.5 and operator(-value, chance) == -0.5


def test_a_threshold_that_is_a_multiple_of_the_step_has_no_extra_level():
    # exact rationals: c = k d in hundredths has L = c; as doubles c/d may be k and an ulp (1.11/0.37), or two
    # (2.03/0.07)
    for hundredths in range(1, 100):
        for k in (*range(1, 10), 29, 61):
            exact = PruneThenRound(Fraction(k * hundredths, 100), Fraction(hundredths, 100))
            assert exact.interval_length == Fraction(k * hundredths, 100)
            operator = PruneThenRound(k * hundredths / 100, hundredths / 100)
            assert operator.interval_length == pytest.approx(float(exact.interval_length), rel=1e-15)
            value = 0.3 * operator.threshold
            assert len(operator.outcomes(value)) == 2  # 0 and c
            assert float(expectation(operator.outcomes(value))) == pytest.approx(value, rel=1e-14)
            points = {float(point) for point, _ in operator.outcomes(-value)}
            assert set(operator(np.full(9, -value), np.arange(9) / 9)) <= points | {0.0}


def test_a_threshold_next_to_a_multiple_keeps_its_extra_level():
    assert PruneThenRound(1.0 + 1e-12, 0.25).interval_length == 1.25
    assert PruneThenRound(Fraction(111, 100) + Fraction(1, 10**18), Fraction(37, 100)).threshold_cell[0] == 3
    assert PruneThenRound(Fraction(111, 100) + Fraction(1, 10**18), Fraction(37, 100)).interval_length == (
        Fraction(148, 100)
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: StochasticRounding(0.0), ValueError, "step must be positive"),
        (lambda: StochasticRounding(math.nan), ValueError, "positive and finite"),
        (lambda: StochasticRounding("1"), TypeError, "real number"),
        (lambda: StochasticRounding(1.0, bits=1), ValueError, "use OneBit"),
        (lambda: StochasticRounding(1.0, bits=33), ValueError, "from 2 to 32"),
        (lambda: StochasticRounding(1.0, bits=2.5), TypeError, "integer"),
        (lambda: OneBit(-1.0), ValueError, "level must be positive"),
        (lambda: OneBit(1.0)([math.nan], [0.5]), ValueError, "values must be finite"),
        (lambda: OneBit(1.0)([0.0]), ValueError, "pass uniforms"),
        (lambda: OneBit(1.0)([0.0], [1.0]), ValueError, r"\[0, 1\)"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()


@given(
    st.one_of(
        unbiased_operators(),
        sizes.map(NearestRounding),
        sizes.map(lambda size: NearestRounding(size, bits=3)),
        sizes.map(NearestSign),
        sizes.map(HardPruning),
    ),
    fractions,
    sizes,
)
def test_errors_scale_with_the_unit(operator, value, factor):
    """T of s times the lengths, at s v, is s T(v): so are the unit and every promise."""
    lengths = {"step", "level", "threshold"} & {field.name for field in dataclasses.fields(operator)}
    scaled = dataclasses.replace(operator, **{name: factor * getattr(operator, name) for name in lengths})
    assert scaled.outcomes(factor * value) == [(factor * x, p) for x, p in operator.outcomes(value)]
    assert scaled.unit == factor * operator.unit
    assert scaled.interval_length == factor * operator.interval_length
    assert scaled.max_error == factor * operator.max_error
    assert scaled.limits == tuple(factor * limit for limit in operator.limits)


@given(st.one_of(unbiased_operators(), sizes.map(NearestRounding), sizes.map(NearestSign)), fractions)
def test_what_is_not_kept_is_a_multiple_of_the_unit(operator, value):
    for point, _ in operator.outcomes(value):
        kept = isinstance(operator, StochasticPruning) and point == value
        assert kept or Fraction(point) % operator.unit == 0


def test_a_fraction_leaves_some_weights():
    for sparsity in (1.0, 1.5, 0.0, -0.5):
        with pytest.raises(ValueError, match="PruneFraction: sparsity must be"):
            PruneFraction(sparsity)
    assert PruneFraction(1 - 2**-53).sparsity < 1
