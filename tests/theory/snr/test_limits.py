"""Entropies and high-rate laws of densities with cusps, poles and ends where they vanish, in closed form."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import beta, psi

from theory.distributions import Frozen, Gaussian, Laplace, StudentT, Truncated, Uniform
from theory.snr.limits import (
    differential_entropy,
    lloyd_max,
    panter_dite_snr,
    rate_distortion_snr,
    shannon_bound_snr,
    uniform_gaussian_snr,
)


def generalised_normal(b):
    """exp(-|x|^b) b / (2 Gamma(1/b)), pointed at 0 up to b = 1: h, int f^(1/3) and E W^2."""
    entropy = 1 / b - math.log(b / (2 * math.gamma(1 / b)))
    third = (b / (2 * math.gamma(1 / b))) ** (1 / 3) * 2 * math.gamma(1 + 1 / b) * 3 ** (1 / b)
    return stats.gennorm(b), entropy, third, math.gamma(3 / b) / math.gamma(1 / b)


def double_gamma(a):
    """|x|^(a-1) e^-|x| / (2 Gamma(a)): infinite at 0 below a = 1, zero there above."""
    entropy = math.log(2) + a + math.lgamma(a) + (1 - a) * float(psi(a))
    shape = (a + 2) / 3
    third = 2 * (2 * math.gamma(a)) ** (-1 / 3) * 3**shape * math.gamma(shape)
    return stats.dgamma(a), entropy, third, a * (a + 1)


def semicircle():
    """2/pi sqrt(1 - x^2): f^(1/3) vanishes like a sixth root."""
    third = (2 / math.pi) ** (1 / 3) * float(beta(0.5, 7 / 6))
    return stats.semicircular(), math.log(math.pi) - 0.5, third, 0.25


def triangle():
    """1 - |x|."""
    return stats.triang(0.5, loc=-1, scale=2), 0.5, 1.5, 1 / 6


LAWS = {
    **{f"generalised normal, {b}": generalised_normal(b) for b in (0.3, 0.7, 1.0, 1.5, 2.5)},
    **{f"double gamma, {a}": double_gamma(a) for a in (0.6, 1.5, 3.0)},
    "semicircle": semicircle(),
    "triangle": triangle(),
}


@pytest.mark.parametrize("name", LAWS)
def test_entropy_and_high_rate_law_of_densities_that_are_not_smooth(name):
    law, entropy, third, power = LAWS[name]
    assert differential_entropy(Frozen(law)) == pytest.approx(entropy / math.log(2), abs=1e-11)
    expected = 10 * math.log10(12 * power * 4.0**5 / third**3)
    assert panter_dite_snr(Frozen(law), 5) == pytest.approx(expected, abs=1e-10)
    # a normal law of this entropy has the variance e^(2h) / (2 pi e), and 2^(-2R) of it is lost at least
    shannon = 10 * math.log10(power * 2 * math.pi * math.e * 4.0**5) - 20 * entropy / math.log(10)
    assert shannon_bound_snr(Frozen(law), 5) == pytest.approx(shannon, abs=1e-10)


def test_without_bits_the_signal_itself_is_lost():
    assert rate_distortion_snr(0) == 0.0
    # E W^2 = 2 and entropy 1 + ln 2, that of a normal law of variance (2 e)^2 / (2 pi e) = 2 e/pi
    assert shannon_bound_snr(Laplace(), 0) == pytest.approx(10 * math.log10(math.pi / math.e), abs=1e-10)
    assert panter_dite_snr(Uniform(1.0), 0) == pytest.approx(0.0, abs=1e-10)  # one cell
    for law in (rate_distortion_snr, lambda bits: panter_dite_snr(Uniform(1.0), bits)):
        with pytest.raises(ValueError, match=r"bits must be at least 0 and finite, got -0\.5"):
            law(-0.5)


def test_a_uniform_quantizer_has_two_levels_at_least():
    """N^2 / (4/3 ln N) is 3 / ln 2 at two levels and twice that at four."""
    assert uniform_gaussian_snr(1) == pytest.approx(10 * math.log10(3 / math.log(2)), abs=1e-12)
    assert uniform_gaussian_snr(2) == pytest.approx(10 * math.log10(6 / math.log(2)), abs=1e-12)
    with pytest.raises(ValueError, match=r"bits must be at least 1, two levels, got 0\.99"):
        uniform_gaussian_snr(0.99)


@pytest.mark.parametrize(
    ("law", "lost"),  # at 4 and at 8 bits, in dB
    [
        (Gaussian(), (0.49, 0.03)),
        (StudentT(2, 1e6), (1.18, 0.005)),
        (StudentT(3, 1e9), (2.1, 0.14)),
    ],
)
def test_the_error_of_the_high_rate_limit_is_the_one_stated(law, lost):
    """Beside the error of the best levels, integrated cell by cell."""
    for bits, stated in zip((4, 8), lost, strict=True):
        levels = lloyd_max(law, 2**bits)[2 ** (bits - 1) :]
        ends = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [law.bound]])
        mass, first, second = (law.partial_moment(k, ends[:-1], ends[1:]) for k in range(3))
        error = 2 * np.sum(second - 2 * levels * first + levels**2 * mass)
        found = 10 * math.log10(law.second_moment / error) - panter_dite_snr(law, bits)
        assert f"{found:.{len(f'{stated}') - 2}f}" == f"{stated}"


def test_a_law_cut_far_beyond_its_density_is_the_law():
    # beyond 40 standard deviations the density is 0 in double precision
    cut = Truncated(Frozen(stats.norm()), 1e3)
    assert differential_entropy(cut) == pytest.approx(0.5 * math.log2(2 * math.pi * math.e), abs=1e-12)
    assert differential_entropy(Uniform(2.0**-240)) == pytest.approx(-239.0, abs=1e-12)
