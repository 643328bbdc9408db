"""Flatness of the optimal scale: finite differences, ladders enumerated, drawn weights."""

import numpy as np
import pytest

from sims.weights.scales import Values
from theory.codebooks import error_curvature, integer_codebook, optimal_scale, quantization_error
from theory.distributions import Empirical, Gaussian, Laplace, StudentT
from theory.snr import flatness

LAWS = [Gaussian(0.3), Laplace(), StudentT(2, 30)]


@pytest.mark.parametrize("law", LAWS, ids=repr)
@pytest.mark.parametrize("bits", [2, 4, 7])
def test_curvature_by_differences(law, bits):
    grid = integer_codebook(bits)
    s = optimal_scale(law, grid)
    h = 1e-3 * s
    low, middle, high = quantization_error(law, grid, s + h * np.array([-1, 0, 1]))
    assert error_curvature(law, grid, s) == pytest.approx((low - 2 * middle + high) / h**2, rel=1e-3)
    assert flatness.scale_condition(law, grid) == pytest.approx(
        s**2 * (low - 2 * middle + high) / h**2 / middle, rel=1e-3
    )


def test_a_ladder_offers_its_best_rung():
    grid = integer_codebook(4)
    rungs = 2.0 ** np.arange(-8, 4)
    lost = [
        10 * np.log10(quantization_error(Gaussian(std), grid, rungs).min() / std**2)
        - 10 * np.log10(float(quantization_error(Gaussian(), grid, optimal_scale(Gaussian(), grid))))
        for std in 2.0 ** ((np.arange(64) + 0.5) / 64)
    ]
    mean, worst = flatness.ladder_loss(Gaussian(), grid, 2.0)
    assert mean == pytest.approx(np.mean(lost), abs=2e-3)
    assert worst == pytest.approx(max(lost), abs=0.05)
    assert min(lost) >= 0


def test_the_grid_of_a_hundred_steps():
    """Kuzmin's grid search: 100 equal steps up to the largest magnitude, here 4 to 5 deviations."""
    grid, law = integer_codebook(8), Gaussian()
    best, lost = float(quantization_error(law, grid, optimal_scale(law, grid))), []
    for largest in np.linspace(4, 5, 50):
        errors = quantization_error(law, grid, largest / 127 * np.arange(1, 101) / 100)
        lost.append(10 * np.log10(errors.min() / best))
    mean, worst = flatness.ladder_loss(law, grid, flatness.grid_ratio(law, grid, 4.5))
    assert np.mean(lost) == pytest.approx(mean, rel=0.2)
    assert max(lost) < 1.3 * worst < 0.01


@pytest.mark.parametrize("law", LAWS[:2], ids=repr)
def test_percentiles_of_drawn_weights(law):
    w = law.ppf(np.random.default_rng(5).random(400_000))
    prepared, grid = Values(w), integer_codebook(4, "symmetric")
    s = np.quantile(np.abs(w), 0.999) / 7
    literal = np.mean((w - s * np.clip(np.rint(w / s), -7, 7)) ** 2) / np.mean(w**2)
    lost = 10 * np.log10(literal / prepared.optimal_scale(grid).noise)
    assert flatness.percentile_loss(law, grid, 99.9) == pytest.approx(lost, abs=0.1)


def test_the_best_scale_fluctuates_as_the_law_says():
    law, grid, size = Laplace(), integer_codebook(3, "symmetric"), 4096
    rng = np.random.default_rng(2)
    s = optimal_scale(law, grid)
    found = [Values(law.ppf(rng.random(size))).optimal_scale(grid).scale / s - 1 for _ in range(600)]
    spread = flatness.scale_spread(law, grid, size)
    assert np.std(found) == pytest.approx(spread, rel=0.12)  # 4 standard errors
    assert flatness.scale_spread(law, grid, 4 * size) == pytest.approx(spread / 2, rel=1e-12)


def test_bad_input():
    grid = integer_codebook(4)
    with pytest.raises(TypeError, match="law with a density"):
        flatness.scale_condition(Empirical([1.0, 2.0]), grid)
    with pytest.raises(ValueError, match="ratio must be a finite number above 1, got 1"):
        flatness.ladder_loss(Gaussian(), grid, 1.0)
    with pytest.raises(ValueError, match="factor must be positive"):
        flatness.scale_loss(Gaussian(), grid, -1.0)
    with pytest.raises(ValueError, match="last level must be positive"):
        flatness.grid_ratio(Gaussian(), np.array([-1.0, 0.0]), 4.0)


def test_the_percentile_rule_takes_99_9_unless_told():
    grid = integer_codebook(4)
    assert flatness.percentile_loss(Gaussian(), grid) == flatness.percentile_loss(Gaussian(), grid, 99.9)
