"""Measured laws against the closed ones where both exist, and against the certified search of every block."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sims.weights.formats import noise
from sims.weights.scales import optimal_scale
from sims.weights.searched import measured_error
from theory.distributions import Gaussian, Laplace
from theory.formats import FORMATS, WITHOUT_LAW, Format
from theory.formats.laws import format_error


def test_where_there_is_a_law_it_is_measured():
    for name in ("Q4_1", "2:4 + NVFP4"):
        form = next(one for one in FORMATS if one.name == name)
        found = measured_error(Laplace(), form, tensors=24)
        assert found.value == pytest.approx(format_error(Laplace(), form), abs=4.5 * found.standard_error)
        assert found.snr_error == pytest.approx(found.standard_error / found.value * 10 / math.log(10))


def test_the_standard_error_is_that_of_the_drawn_tensors():
    form = Format("x", "int4", 4, block=32)
    rng = np.random.default_rng(2)
    tensors = [Gaussian().ppf(rng.random((64, 256))) for _ in range(2)]
    first, second = (noise(w, form) * np.mean(w**2) for w in tensors)
    found = measured_error(Gaussian(), form, tensors=2, seed=2)
    assert found.value == pytest.approx((first + second) / 2)
    assert found.standard_error == pytest.approx(abs(first - second) / 2)


def test_searched_scales_are_those_of_every_block():
    """Other draws, and the certified search for either sign of the scale."""
    form = Format("x", "flipped3", 3, block=16, rule="search")
    w = np.random.default_rng(8).normal(size=(600, 16))
    errors = [
        min(optimal_scale(sign * row, np.arange(-4.0, 4)).noise for sign in (1, -1)) * np.mean(row**2)
        for row in w
    ]
    found = measured_error(Gaussian(), form, tensors=24, seed=1)
    spread = np.std(errors) / math.sqrt(600)
    assert found.value == pytest.approx(np.mean(errors), abs=4.5 * math.hypot(spread, found.standard_error))
    assert found.standard_error < spread / 3


def test_what_a_search_gains_is_measured_on_tensors_as_large_as_those_of_the_law():
    """A scale of scales depends on the largest of all weights, and so on how many there are."""
    form = next(one for one in WITHOUT_LAW if one.name == "NVFP4 mse")
    rule, rng = replace(form, rule="max"), np.random.default_rng(2)
    tensors = [Gaussian().ppf(rng.random((64, 256))) for _ in range(2)]
    gains = [(noise(w, rule) - noise(w, form)) * np.mean(w**2) for w in tensors]
    found = measured_error(Gaussian(), form, tensors=2, seed=2)
    known = format_error(Gaussian(), rule, tensors[0].size)
    assert found.value == pytest.approx(known - np.mean(gains), rel=1e-9)


def test_every_format_without_a_law_can_be_measured():
    for form in WITHOUT_LAW:
        found = measured_error(Gaussian(), form, tensors=2)
        assert 8 < found.snr < 47 and found.snr_error < 0.3
    with pytest.raises(ValueError, match="tensors must be an integer >= 2"):
        measured_error(Gaussian(), WITHOUT_LAW[0], tensors=1)


@pytest.mark.parametrize("name", [one.name for one in WITHOUT_LAW if one.rule == "search"])
@pytest.mark.parametrize("exponent", [-20, 20])
def test_the_best_scales_of_blocks_have_no_unit(name, exponent):
    """Whatever the scale is kept in: where numbers are half precision's smallest, too."""
    form = next(one for one in WITHOUT_LAW if one.name == name)
    found, other = (measured_error(Gaussian(std), form, tensors=2) for std in (1.0, 2.0**exponent))
    assert other.snr == pytest.approx(found.snr, abs=1e-6)
    assert other.value == pytest.approx(4.0**exponent * found.value, rel=1e-6)
