"""Partial moments of every law over every kind of interval, beside quadrature of the density."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform
from theory.distributions.base import legendre, tail_inside

LAWS = [
    Gaussian(0.7),
    Laplace(0.6),
    Uniform(1.3),
    StudentT(2.0, 5.0),
    StudentT(0.8, 3.0),
    StudentT(30.0, 9.0),
]
INTERVALS = [
    (-2.0, -0.5),
    (-1.1, 0.4),
    (-0.4, 1.1),
    (0.2, 0.9),
    (-math.inf, -0.3),
    (-0.2, math.inf),
    (0.5, 0.5),
]


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("order", range(5))
def test_partial_moments_are_integrals_of_the_density(law, order):
    found = law.partial_moment(order, *np.array(INTERVALS).T)
    for (low, high), value in zip(INTERVALS, found, strict=True):
        edge = min(getattr(law, "bound", 40.0), 40.0)
        a, b = max(low, -edge), min(high, edge)
        middle = [0.0] if a < 0 < b else []
        expected = quad(lambda x: x**order * float(law.pdf(x)), a, b, points=middle, limit=400, epsabs=1e-13)[
            0
        ]
        assert value == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_moments_beyond_the_fourth_are_refused():
    for order in (-1, 5):
        with pytest.raises(ValueError, match="order must be an integer from 0 to 4"):
            Gaussian().partial_moment(order)
    with pytest.raises(ValueError, match="low must not exceed high"):
        Gaussian().partial_moment(2, 1.0, 0.5)


def test_the_quadrature_is_exact_for_polynomials_of_degree_39():
    """Twenty Gauss nodes, on intervals that are not symmetric, an empty one among them."""
    low, high = np.array([-1.0, 0.2, 0.5, 0.7]), np.array([0.4, 0.9, 0.5, 1.3])
    found = legendre(lambda x: 40 * x**39 + 3 * x**2, low, high)
    np.testing.assert_allclose(found, high**40 - low**40 + high**3 - low**3, rtol=1e-12, atol=1e-14)


def test_means_and_kurtosis_are_those_of_the_values():
    values = np.array([-3.0, 0.5, 1.0, 7.0, 7.0])
    law = Empirical(values)
    assert law.mean == pytest.approx(2.5, rel=1e-15) and law.reflected().mean == pytest.approx(-2.5)
    assert law.second_moment == pytest.approx(np.mean(values**2))
    centred = values - 2.5
    assert law.kurtosis == pytest.approx(np.mean(centred**4) / np.mean(centred**2) ** 2, rel=1e-12)
    for symmetric in LAWS:
        assert symmetric.mean == 0.0 and symmetric.reflected() is symmetric
        second, fourth = (float(symmetric.partial_moment(order)) for order in (2, 4))
        assert symmetric.kurtosis == pytest.approx(fourth / second**2, rel=1e-12)
    assert Gaussian(0.3).kurtosis == pytest.approx(3.0) and Uniform(2.0).kurtosis == pytest.approx(1.8)
    assert Laplace(5.0).kurtosis == pytest.approx(6.0)


@pytest.mark.parametrize("law", [*LAWS, Truncated(Gaussian(0.7), 1.1), Truncated(Laplace(), 0.2)], ids=repr)
def test_ends_belong_to_the_law_and_nothing_lies_beyond(law):
    bound = law.bound
    if not math.isfinite(bound):
        assert float(law.ppf(0.0)) == -math.inf and float(law.ppf(1.0)) == math.inf
        assert float(law.pdf(40.0 * law.second_moment)) < 1e-9
        return
    assert [float(law.ppf(p)) for p in (0.0, 0.5, 1.0)] == [-bound, 0.0, bound]
    inner = float(law.pdf(bound * (1 - 1e-12)))
    assert inner > 0 and law.pdf(np.array([-bound, bound])) == pytest.approx([inner, inner], rel=1e-9)
    assert law.pdf(np.array([-1.001, 1.001]) * bound).tolist() == [0.0, 0.0]
    assert law.cdf(np.array([-2.0, -1.0, 1.0, 2.0]) * bound).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert float(law.cdf(0.0)) == pytest.approx(0.5, rel=1e-14)
    for share in (0.1, 0.7):
        expected = 0.5 + float(law.partial_moment(0, 0.0, share * bound))
        assert float(law.cdf(share * bound)) == pytest.approx(expected, rel=1e-12)
        assert float(law.cdf(-share * bound)) == pytest.approx(1 - expected, rel=1e-9)


def test_values_and_their_ranks():
    law = Empirical([3.0, 1.0, 2.0, 2.0])
    assert [float(law.ppf(p)) for p in (0.0, 0.25, 0.26, 0.75, 0.76, 1.0)] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert law.cdf([0.9, 1.0, 2.0, 3.0]).tolist() == [0.0, 0.25, 0.75, 1.0]
    assert Empirical([0.0]).ppf(0.5) == 0.0


@pytest.mark.parametrize("law", [Gaussian(), Laplace(), StudentT(3.0, 40.0)])
def test_tails_between_neighbours_keep_their_digits(law):
    """P(x < W <= x + h) = f(x) h + f'(x) h^2 / 2 and E[W; ...] = x f(x) h + ..., where differences cancel."""
    x, h = 1.0, 2.0**-30
    mass, first = tail_inside(law, np.array([x]), x + h)
    middle = float(law.pdf(x + h / 2))  # the midpoint rule: exact to h^3
    assert float(mass[0]) == pytest.approx(middle * h, rel=1e-12)
    assert float(first[0]) == pytest.approx((x + h / 2) * middle * h, rel=1e-12)
