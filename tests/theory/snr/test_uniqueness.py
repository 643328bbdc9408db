"""Uniqueness of the best scale: signs by mpmath and by dense grids, minima by brute force."""

import math

import flint
import mpmath
import numpy as np
import pytest

from theory.codebooks import integer_codebook, integer_levels, optimal_scale, quantization_error
from theory.distributions import Gaussian, Laplace
from theory.formats import codebook
from theory.snr import uniqueness
from theory.snr.uniqueness import LAWS, OUTLIERS, prove_unique, sum_slopes, ternary_optimum


def density(law, w):
    if law == "laplace":
        return mpmath.exp(-abs(w)) / 2
    parts = OUTLIERS if law == "outliers" else ((1.0, 1.0),)
    return sum(p * mpmath.npdf(w, 0, std) for p, std in parts)


@pytest.mark.parametrize("law", LAWS)
def test_the_sum_is_half_the_falling_slope_of_the_integrated_error(law):
    levels = [-2, -1, 0, 1, 2]

    def error(s):
        ends = [0, s / 2, 3 * s / 2, 3 * s / 2 + 12, 1500]
        cells = list(zip((0, 1, 2, 2), ends[:-1], ends[1:], strict=True))
        return 2 * sum(
            mpmath.quad(lambda w, k=k: (w - s * k) ** 2 * density(law, w), [a, b]) for k, a, b in cells
        )

    for s in (0.4, 2.9):
        found, slope = (float(ball.mid()) for ball in sum_slopes(np.array(levels), law, s))
        assert found == pytest.approx(float(-mpmath.diff(error, s) / 2), rel=1e-6, abs=1e-8)
        assert slope == pytest.approx(float(-mpmath.diff(error, s, 2) / 2), rel=1e-3, abs=1e-5)


def test_balls_narrow_with_the_precision_asked_for():
    grid = integer_codebook(3, "symmetric")
    for precision in (40, 200, 90):  # what is kept of one precision does not serve another
        with flint.ctx.workprec(precision):
            for ball in sum_slopes(grid, "outliers", flint.arb("0.7")):
                assert -precision + 1 < float(ball.rad().log()) / math.log(2) < -precision + 20


@pytest.mark.parametrize("name", ["symmetric2", "symmetric5", "int3", "int6", "e2m1", "nf4"])
@pytest.mark.parametrize(("law", "drawn"), [("gaussian", Gaussian()), ("laplace", Laplace())])
def test_one_valley_on_a_dense_grid_where_proved(name, law, drawn):
    proof, grid = prove_unique(codebook(name), law), codebook(name)
    assert proof.unique and proof.minima == () and proof.margin > 0
    s = optimal_scale(drawn, grid)
    slack = 1e-8 * s
    assert proof.scale[0] - slack <= s <= proof.scale[1] + slack
    errors = quantization_error(drawn, grid, s * np.geomspace(0.02, 40, 4000))
    steps = np.diff(errors)
    steps = steps[np.abs(steps) > 1e-13]
    assert np.count_nonzero(np.diff(np.sign(steps))) == 1


@pytest.mark.parametrize("name", ["e3m2", "e4m3"])
def test_two_minima_are_shown_where_there_are(name):
    proof = prove_unique(codebook(name))
    assert not proof.unique and proof.margin < 0
    a, b, c, d = proof.minima
    for low, high in ((a, b), (c, d)):
        errors = quantization_error(Gaussian(), codebook(name), np.linspace(low, 1.02 * high, 2000))
        assert errors.min() < min(errors[0], errors[-1]) - 1e-9


@pytest.mark.parametrize("positive", [[1.0, 4.0], [1.0, 2.0, 3.0, 6.4]], ids=str)
def test_two_minima_close_to_each_other_are_shown(positive):
    """In between the error rises over a sixth of a scale, or a fifth: valleys of a dense grid."""
    levels = np.concatenate([-np.array(positive), [0.0], positive])
    scales = np.geomspace(0.1, 2.0, 5000)
    errors = quantization_error(Gaussian(), levels, scales)
    valleys = scales[1:-1][(errors[1:-1] < errors[:-2]) & (errors[1:-1] < errors[2:])]
    a, b, c, d = prove_unique(levels).minima
    assert valleys.size == 2 and a < valleys[0] < b < c < valleys[1] < d


PARTS = {
    "gaussian": [(1.0, Gaussian())],
    "laplace": [(1.0, Laplace())],
    "outliers": [(share, Gaussian(std)) for share, std in OUTLIERS],
}


def terms(law, most, scales):
    """h = E[W; W > x] - 2 x P(W > x) and its slope in s, at every x = (j + 1/2) s, j < `most`."""
    edges = np.arange(most) + 0.5
    x = np.reshape(scales, (-1, 1)) * edges
    tails = [(share, *part.tail(x), part.pdf(x)) for share, part in PARTS[law]]
    heights = sum(share * (first - 2 * x * beyond) for share, beyond, first, _ in tails)
    return heights, edges * sum(share * (x * density - 2 * beyond) for share, beyond, _, density in tails)


def test_the_margin_of_two_minima_is_the_sign_nearest_to_zero():
    proof = prove_unique(integer_levels(2, "symmetric"), "outliers")
    heights = 2 * terms("outliers", 1, proof.minima)[0].ravel()
    assert np.sign(heights).tolist() == [1, -1, 1, -1]
    assert float(proof.margin) == pytest.approx(-np.abs(heights).min(), rel=1e-9)


@pytest.mark.parametrize("law", ["gaussian", "laplace"])
def test_the_margin_of_a_proof_stands_under_every_scale(law):
    """Wherever between the ends the sum is that far from 0, or falls at least that steeply."""
    margin = prove_unique(integer_levels(3, "symmetric"), law).margin
    height, slope = (2 * found.sum(axis=1) for found in terms(law, 3, np.geomspace(0.25, 2, 2000)))
    assert 0 < float(margin.lower()) <= np.min(np.maximum(np.abs(height), -slope))


@pytest.mark.parametrize("law", LAWS)
def test_beyond_the_ends_of_the_search_all_terms_have_one_sign(monkeypatch, law):
    monkeypatch.setattr(uniqueness, "_decide", lambda codebook, law, low, high: (low, high))
    for most, bits in ((1, 2), (3, 3)):
        low, high = prove_unique(integer_levels(bits, "symmetric"), law)
        assert np.all(terms(law, most, low * np.linspace(0.01, 1, 200))[0] > 0)
        assert np.all(terms(law, most, high * np.linspace(1, 3, 200))[0] < 0)


def test_outliers_pull_a_ternary_grid_two_ways():
    proof = prove_unique(integer_levels(2, "symmetric"), "outliers")
    assert not proof.unique
    assert prove_unique(integer_levels(4, "symmetric"), "outliers").unique  # enough levels for both


def test_the_ternary_grid_by_brute_force():
    scale, error = ternary_optimum()
    grid = integer_codebook(2, "symmetric")
    fine = np.linspace(1.2, 1.25, 50_001)
    errors = quantization_error(Gaussian(), grid, fine)
    assert scale == pytest.approx(fine[np.argmin(errors)], abs=2e-5)
    assert error == pytest.approx(errors.min(), abs=1e-9)


@pytest.mark.parametrize("levels", [[0.0, 1.0], [-1.0, 0.0]], ids=str)
def test_one_level_beside_zero_is_enough(levels):
    """E min((W - s)^2, W^2) has its one minimum where that of the ternary grid is: one threshold, s/2."""
    proof = prove_unique(np.array(levels))
    w = np.linspace(-12, 12, 240_001)
    density = np.exp(-w * w / 2) * (w[1] - w[0]) / math.sqrt(2 * math.pi)
    scales = np.linspace(1.2, 1.25, 51)
    errors = [density @ np.minimum((w - s) ** 2, w * w) for s in scales]
    assert proof.unique
    assert proof.scale[0] - 1e-3 < scales[np.argmin(errors)] < proof.scale[1] + 1e-3


def test_bad_codebooks_are_refused():
    with pytest.raises(ValueError, match="hold 0"):
        prove_unique(np.array([-1.0, 1.0]))
    with pytest.raises(ValueError, match="law must be one of"):
        prove_unique(integer_levels(2), "cauchy")


@pytest.mark.parametrize("levels", [[0.0], [1.0, 2.0], [-3.0, -1.0, 2.0]], ids=str)
def test_levels_hold_zero_and_another(levels):
    with pytest.raises(ValueError, match="levels must hold 0 and at least one other level"):
        prove_unique(np.array(levels))


def test_signs_that_no_precision_decides_prove_nothing(monkeypatch):
    flint = pytest.importorskip("flint")
    monkeypatch.setattr(uniqueness, "sum_slopes", lambda *_: (flint.arb(0), flint.arb(0)))
    with pytest.raises(ArithmeticError, match="the slope's sign was not decided"):
        prove_unique(integer_levels(2, "symmetric"))
