"""Laws of SciPy as laws of weights: against our own closed forms, and refused where they are none."""

import numpy as np
import pytest
from scipy import integrate, stats

from theory.codebooks import optimal_scale
from theory.distributions import Empirical, Frozen, Gaussian, Laplace, Uniform, as_law
from theory.snr import pruning_snr, quantization_snr

PAIRS = [
    (stats.norm(scale=3.0), Gaussian(3.0)),
    (stats.laplace(scale=0.2), Laplace(0.2)),
    (stats.uniform(-2.0, 4.0), Uniform(2.0)),
]


@pytest.mark.parametrize(("frozen", "ours"), PAIRS, ids=["norm", "laplace", "uniform"])
def test_moments_are_those_of_our_own_closed_forms(frozen, ours):
    law, rng = Frozen(frozen), np.random.default_rng(0)
    low, high = np.sort(ours.ppf(rng.random((2, 50))), axis=0)
    for order in range(5):
        for ends in ((), (low, high), (low, np.inf), (0.3 * low, 0.3 * low + 1e-6)):
            wanted = ours.partial_moment(order, *ends)
            scale = ours.partial_moment(order if order % 2 == 0 else order + 1 if order < 4 else 4)
            assert np.allclose(law.partial_moment(order, *ends), wanted, rtol=1e-9, atol=1e-12 * scale)
    assert law.kurtosis == pytest.approx(ours.kurtosis, rel=1e-10)
    for bits in (2, 4, 8):
        assert quantization_snr(frozen, bits) == pytest.approx(quantization_snr(ours, bits), abs=1e-8)
    assert pruning_snr(frozen, 0.75) == pytest.approx(pruning_snr(ours, 0.75), abs=1e-9)


def test_a_heavy_tail_is_followed_to_its_end():
    """Student's t with 4.5 degrees of freedom: E W^4 lives far out; the moments are rational in nu."""
    law = Frozen(stats.t(4.5))
    assert law.second_moment == pytest.approx(4.5 / 2.5, rel=1e-9)
    assert law.kurtosis == pytest.approx(3 + 6 / 0.5, rel=1e-4)
    assert Frozen(stats.t(3)).kurtosis == np.inf
    beyond, _ = integrate.quad(lambda w: w * stats.t(4.5).pdf(w), 30, np.inf, epsrel=1e-11)
    assert law.tail(np.array(30.0))[1] == pytest.approx(beyond, rel=1e-9)


def test_weights_themselves_are_a_law():
    weights = np.random.default_rng(1).standard_normal(200)
    assert quantization_snr(weights, 4) == quantization_snr(Empirical(weights), 4)
    grid = np.arange(-2, 2)
    assert optimal_scale(list(weights), grid) == optimal_scale(Empirical(weights), grid)
    law = Gaussian()
    assert as_law(law) is law


@pytest.mark.parametrize(
    ("law", "kind", "message"),
    [
        (stats.norm(loc=1.0), ValueError, "law norm must be symmetric about zero"),
        (stats.expon(), ValueError, "law expon must be symmetric about zero"),
        (stats.t(1.5), ValueError, "law t has no finite second moment"),
        (stats.poisson(3), TypeError, "law must be a continuous law frozen by scipy.stats"),
        ("normal", TypeError, "a law must be one of theory.distributions, .* got 'normal'"),
        (3.0, TypeError, "a law must be one of theory.distributions"),
    ],
    ids=["mean 1", "one-sided", "no variance", "discrete", "a word", "a number"],
)
def test_what_is_no_such_law_is_one_sentence(law, kind, message):
    with pytest.raises(kind, match=message):
        quantization_snr(law, 4)
