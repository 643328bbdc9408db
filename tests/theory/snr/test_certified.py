"""The proof of the Gaussian optimum: it holds the value by another road, and closes for no worse step."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

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
