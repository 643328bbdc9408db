"""The proof of the Gaussian optimum: it holds the value by another road, and closes for no worse step."""

import json
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import pytest

from theory.codebooks import integer_levels, optimal_scale
from theory.distributions import Gaussian
from theory.snr import certified

REFERENCE = json.loads((Path(__file__).parents[1] / "reference_moments.json").read_text())["gaussian_snr"]


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_the_limits_hold_the_optimum_and_little_else(bits):
    low, high = certified.gaussian_optimum(bits)
    value = Fraction(REFERENCE[str(bits)][1])  # twenty digits; limits are rounded outwards
    assert Fraction(low) < value < Fraction(high)
    assert value - Fraction(low) < 1e-14 and 4.3e-7 < high - low < 4.4e-7  # 10 log10(1 + 1e-7)


@pytest.mark.parametrize("share", [0.3, 0.97, 0.999, 1.001, 1.03, 4.0])
@pytest.mark.parametrize("bits", [2, 4])
def test_no_worse_step_can_be_proved_best(monkeypatch, bits, share):
    best = certified.optimal_scale(certified.Gaussian(), certified.integer_codebook(bits))
    monkeypatch.setattr(certified, "optimal_scale", lambda *_: share * best)
    with pytest.raises(ArithmeticError, match="the proof did not close"):
        certified.gaussian_optimum.__wrapped__(bits)


def test_bad_widths_are_one_sentence():
    for bits in (1, 9):
        with pytest.raises(ValueError, match="bits must be an integer from 2 to 8"):
            certified.gaussian_optimum(bits)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, -1e-7, float("nan")])
def test_a_tolerance_is_a_share(tolerance):
    with pytest.raises(ValueError, match="tolerance must lie strictly between 0 and 1"):
        certified.gaussian_optimum(2, tolerance)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_limits_lie_outside_what_was_proved(bits):
    """Of the error of the best step, cell by cell at 40 digits: the nearest double may lie on either side."""
    with mp.workdps(40):
        step = mp.mpf(optimal_scale(Gaussian(), integer_levels(bits)))
        codes = [int(k) for k in integer_levels(bits)]
        ends = [-mp.inf, *(step * (k + mp.mpf(1) / 2) for k in codes[:-1]), mp.inf]
        error = mp.mpf(0)
        for k, a, b in zip(codes, ends, ends[1:], strict=False):
            # int (w - c)^2 phi = [-(w - 2 c) phi(w)] + (1 + c^2) P(cell)
            edge = [0 if mp.isinf(w) else (w - 2 * k * step) * mp.npdf(w) for w in (a, b)]
            error += edge[0] - edge[1] + (1 + (k * step) ** 2) * (mp.ncdf(b) - mp.ncdf(a))
        for tolerance in (1e-7, 2e-7, 1e-6, 3e-6, 1e-5, 1e-4):
            low, high = certified.gaussian_optimum(bits, tolerance)
            assert low < -10 * mp.log10(error)
            assert -10 * mp.log10(error * (1 - mp.mpf(tolerance))) < high
