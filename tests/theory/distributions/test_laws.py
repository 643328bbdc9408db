import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from theory import distributions
from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Uniform

REFERENCE = json.loads((Path(__file__).parents[1] / "reference_moments.json").read_text())
LAWS = [
    Gaussian(1.3),
    Laplace(0.7),
    Uniform(2.5),
    StudentT(2, 30),
    StudentT(0.4, 9),
    StudentT(1, 5),
    StudentT(12.5, 40),
]


@pytest.mark.parametrize("df", [0.5, 1, 1.5, 2, 2.5, *range(3, 13), 40])
@pytest.mark.parametrize("bound", [0.7, 6.0])
def test_every_degree_of_freedom_against_quadrature_of_its_density(df, bound):
    """One degree has no formula of another: 1 and 2 alone are elementary."""
    law = StudentT(df, bound)

    def integral(low, power):
        return quad(lambda x: x**power * (1 + x * x / df) ** (-(df + 1) / 2), low, bound, epsrel=1e-13)[0]

    whole = 2 * integral(0, 0)
    cuts = bound * np.array([0.0, 0.1, 0.4, 0.9])
    above, mean = law.tail(cuts)
    np.testing.assert_allclose(above, [integral(x, 0) / whole for x in cuts], rtol=1e-11)
    np.testing.assert_allclose(mean, [integral(x, 1) / whole for x in cuts], rtol=1e-11)
    np.testing.assert_allclose(law.cdf(cuts), 1 - above, rtol=1e-11)
    np.testing.assert_allclose(law.ppf(1 - above), cuts, rtol=1e-10, atol=1e-10)
    assert law.second_moment == pytest.approx(2 * integral(0, 2) / whole, rel=1e-11)


def name(law):
    return repr(law).split(", _")[0]


def test_partial_moments_agree_with_mpmath_to_1e12():
    for law, parameters, order, low, high, value in REFERENCE["moments"]:
        found = float(getattr(distributions, law)(*parameters).partial_moment(order, low, high))
        assert found == pytest.approx(float(value), rel=1e-12), (law, parameters, order, low, high)


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_magnitudes_begin_at_zero_and_end_at_the_bound(law):
    assert (law.magnitude_quantile(0.0), law.magnitude_quantile(1.0)) == (0.0, law.bound)
    assert 1 - 2 * law.tail(np.array(law.magnitude_quantile(0.3)))[0] == pytest.approx(0.3, abs=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_tail_is_the_partial_moments_above_x(law):
    x = np.array([0.0, 0.01, 0.5, 1.7, 2.4])
    probability, first = law.tail(x)
    np.testing.assert_allclose(probability, law.partial_moment(0, x, np.inf), rtol=1e-12)
    np.testing.assert_allclose(first, law.partial_moment(1, x, np.inf), rtol=1e-12)


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_law_has_mass_one_mean_zero_and_a_quantile_that_inverts(law):
    assert float(law.partial_moment(0)) == pytest.approx(1, rel=1e-13)
    assert law.mean == 0 and float(law.partial_moment(1)) == pytest.approx(0, abs=1e-13)
    p = np.array([1e-9, 1e-3, 0.2, 0.5, 0.77, 0.999])
    np.testing.assert_allclose(law.cdf(law.ppf(p)), p, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(law.ppf(1 - p[1:]), -law.ppf(p[1:]), rtol=1e-9, atol=1e-12)
    assert np.all(np.abs(law.ppf([0.0, 1.0])) == law.bound)


@pytest.mark.parametrize("law", LAWS, ids=name)
def test_density_is_the_slope_of_the_distribution_function(law):
    x = np.array([-1.2, -0.3, 0.2, 1.9])
    h = 1e-5
    np.testing.assert_allclose((law.cdf(x + h) - law.cdf(x - h)) / (2 * h), law.pdf(x), rtol=1e-6)


@given(
    st.sampled_from(LAWS),
    st.integers(0, 4),
    st.tuples(*[st.floats(-6, 6, allow_subnormal=False)] * 3),
)
def test_partial_moments_add_up_over_adjacent_intervals(law, order, ends):
    a, b, c = sorted(ends)
    whole = float(law.partial_moment(order, a, c))
    parts = float(law.partial_moment(order, a, b)) + float(law.partial_moment(order, b, c))
    scale = float(law.partial_moment(order - order % 2, -6, 6)) + abs(whole)
    assert whole == pytest.approx(parts, rel=1e-11, abs=1e-13 * scale)


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), st.integers(0, 4))
def test_empirical_moments_are_exact_sums(values, order):
    law = Empirical(np.array(values, dtype=float))
    inside = [v**order for v in values if -7 < v <= 20]
    assert float(law.partial_moment(order, -7, 20)) == pytest.approx(sum(inside) / len(values), rel=1e-15)
    probability, first = law.tail(np.array([3.0]))
    assert probability[0] == sum(v > 3 for v in values) / len(values)
    assert first[0] == pytest.approx(sum(v for v in values if v > 3) / len(values), rel=1e-15)


def test_empirical_law_of_many_draws_approaches_the_law():
    law = StudentT(3, 20)
    draws = law.ppf((np.arange(200_000) + 0.5) / 200_000)
    found = Empirical(draws)
    for order in (1, 2, 4):
        assert float(found.partial_moment(order, 0.3, 4)) == pytest.approx(
            float(law.partial_moment(order, 0.3, 4)), rel=1e-4
        )
    assert found.kurtosis == pytest.approx(law.kurtosis, rel=1e-3)


def test_known_kurtoses():
    assert Gaussian(5).kurtosis == pytest.approx(3, rel=1e-13)
    assert Laplace(5).kurtosis == pytest.approx(6, rel=1e-13)
    assert Uniform(5).kurtosis == pytest.approx(1.8, rel=1e-13)
    assert StudentT(10, 1e6).kurtosis == pytest.approx(3 + 6 / (10 - 4), rel=1e-6)
    assert math.isnan(Empirical([2.0, 2.0]).kurtosis)
    assert Empirical([1.0, 1.0, 1.0, 5.0]).kurtosis == pytest.approx(7 / 3, rel=1e-13)  # central


def test_student_law_tends_to_the_gaussian_with_its_degrees_of_freedom():
    for order in (0, 2, 4):
        gaussian = float(Gaussian().partial_moment(order, -1, 2))
        gaps = [
            abs(float(StudentT(df, 30).partial_moment(order, -1, 2)) / gaussian - 1) for df in (1e2, 1e4, 1e6)
        ]
        assert gaps[0] > 50 * gaps[1] > 2500 * gaps[2] and gaps[2] < 1e-5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Gaussian(0), "std must be positive and finite"),
        (lambda: Gaussian(1e200), "std must lie between 1e-75 and 1e75"),
        (lambda: Gaussian(math.nan), "std must be"),
        (lambda: StudentT(0, 1), "df must be positive and finite"),
        (lambda: StudentT(-2, 1), "df must be"),
        (lambda: StudentT(2, 0), "bound must be positive and finite"),
        (lambda: StudentT(2, math.inf), "bound must be"),
        (lambda: Laplace(-1), "scale must be"),
        (lambda: Uniform(-1), "bound must be"),
        (lambda: Empirical([]), "at least one weight"),
        (lambda: Empirical([1, math.nan]), "must be finite"),
        (lambda: Gaussian().partial_moment(5), "order must be an integer from 0 to 4"),
        (lambda: Gaussian().partial_moment(1, 2, 1), "low must not exceed high"),
        (lambda: Gaussian().partial_moment(1, math.nan, 1), "low must not exceed high"),
        (lambda: Empirical([1.0]).partial_moment(1, 2, 1), "low must not exceed high"),
    ],
)
def test_bad_input_is_one_sentence(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_an_empirical_law_refuses_a_density():
    with pytest.raises(TypeError, match="has atoms and no density"):
        Empirical([1.0]).pdf(0)
