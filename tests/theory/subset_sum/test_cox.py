"""The Cox law of every target against its integral, target by target."""

import math

import numpy as np
import pytest

from theory.subset_sum import every_target_miss


@pytest.mark.parametrize("law", ["nonzero", "uniform"])
@pytest.mark.parametrize(("n", "max_value"), [(10, 15), (14, 63), (16, 127)])
def test_every_target_of_both_signs_has_a_mean_of_its_own(n, max_value, law):
    """1 - E prod_t (1 - exp(-mu exp(-(G - d_t)^2 / 2))) over t = -M..M without 0, by a fine sum over G."""
    grid = [v for v in range(-max_value, max_value + 1) if v or law == "uniform"]
    square = sum(v * v for v in grid) / len(grid)
    mu = 2.0 ** (n + 1) / math.sqrt(2 * math.pi * n * square)
    nodes = np.linspace(-13, 13, 40_001)
    weights = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    inside = np.ones_like(nodes)
    for t in range(-max_value, max_value + 1):
        if t:
            inside *= -np.expm1(-mu * np.exp(-((nodes - 2 * t / math.sqrt(n * square)) ** 2) / 2))
    expected = (1 - inside) @ weights
    assert every_target_miss(n, max_value, law) == pytest.approx(expected, rel=1e-5)
