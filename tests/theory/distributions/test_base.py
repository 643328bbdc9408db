"""Partial moments of every law over every kind of interval, beside quadrature of the density."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from theory.distributions import Gaussian, Laplace, StudentT, Uniform

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
