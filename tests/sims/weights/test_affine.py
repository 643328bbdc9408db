"""Affine grids: the searches against dense grids and every zero point, their bounds, rules, bad input."""

import itertools
import math

import numpy as np
import pytest

from sims.weights import formats
from sims.weights.affine import SplitValues, affine_rows, optimal_affine
from sims.weights.encoding import encode
from sims.weights.scales import optimal_scale, quantize
from theory.formats import SEARCHED, family

RNG = np.random.default_rng(0)
TENSORS = {
    "normal": RNG.normal(size=3000),
    "shifted": RNG.uniform(0.5, 1.5, 2000),
    "heavy": RNG.standard_t(2, size=3000) * 1e-8,
    "skewed": np.exp(RNG.normal(size=2000)) * 1e8,
    "few": np.array([-3.0, 0.1, 0.2, 5.0, 5.5]),
    "negative": -np.abs(RNG.normal(size=500)) - 2,
}


def literal(w, c, s, steps):
    return np.mean((w - c - s * np.clip(np.rint((w - c) / s), 0, steps)) ** 2) / np.mean(w**2)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_free_offsets_against_a_dense_grid(name, bits):
    w, steps = TENSORS[name], 2**bits - 1
    found = optimal_affine(w, bits)
    assert literal(w, found.offset, found.scale, steps) == pytest.approx(found.noise, rel=1e-6, abs=1e-15)
    assert found.bound <= found.noise < 1.002 * found.bound + 1e-8  # splitting costs a node's width squared
    width = np.ptp(w)
    for s in np.geomspace(0.05, 1.1, 25) * width / steps:
        for c in np.linspace(w.min() - s, w.max(), 40):
            assert literal(w, c, s, steps) >= found.bound * (1 - 1e-9)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_zero_points_against_every_integer(name, bits):
    """For a given zero point the grid is a codebook, whose best scale has a certificate of its own."""
    w, steps = TENSORS[name], 2**bits - 1
    found = optimal_affine(w, bits, zero_point=True)
    every = [optimal_scale(w, np.arange(steps + 1.0) - z).noise for z in range(steps + 1)]
    assert found.noise == pytest.approx(min(every), rel=2e-4, abs=1e-15)
    assert found.bound <= min(every) * (1 + 1e-6)
    assert found.offset == pytest.approx(-found.zero_point * found.scale, rel=1e-12)
    levels = found.scale * (np.arange(steps + 1.0) - found.zero_point)
    error = np.mean((w - quantize(w, levels, 1.0)) ** 2) / np.mean(w**2)
    assert error == pytest.approx(found.noise, rel=1e-6, abs=1e-15)


def least_error_of_two_levels(w, zero_point):
    """Every split of the sorted weights in two, each part at its mean; with a zero point one part is at 0."""

    def around(part, level):
        return ((part - level) ** 2).sum()

    parts = [(np.sort(w)[:k], np.sort(w)[k:]) for k in range(1, len(w))]
    if zero_point:
        parts = [pair for low, high in parts for pair in ((low, high), (high, low))]
        return min(around(part, part.mean()) + around(rest, 0) for part, rest in parts)
    return min(around(low, low.mean()) + around(high, high.mean()) for low, high in parts)


@pytest.mark.parametrize("zero_point", [False, True])
def test_what_splitting_the_weights_adds_is_no_part_of_the_bound(zero_point, monkeypatch):
    """Between five nodes it adds much, and some grids found are not the best: their bounds know."""
    monkeypatch.setattr("sims.weights.affine.CELLS", 4)
    rng, missed = np.random.default_rng(0), 0
    for _ in range(60):
        w = rng.normal(size=7)
        found, least = optimal_affine(w, 1, zero_point=zero_point), least_error_of_two_levels(w, zero_point)
        assert found.bound * (w**2).sum() <= least * (1 + 1e-12)
        missed += found.noise * (w**2).sum() > least * (1 + 1e-9)
    assert missed


def test_an_offset_is_worth_ten_decibels_where_weights_are_shifted():
    w = TENSORS["shifted"]
    stored = {one.name: one.snr for one in formats.compare(w.reshape(20, 100))}
    assert stored["INT4 + offset"] - stored["INT4"] > 10
    assert stored["INT4 + offset"] - stored["INT4 asym"] > 3.5


@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("name", TENSORS)
def test_the_rule_of_the_ends(name, zero_point):
    w = TENSORS[name]
    low, high = (min(w.min(), 0), max(w.max(), 0)) if zero_point else (w.min(), w.max())
    s = (high - low) / 15
    c = -s * np.rint(-low / s) if zero_point else low
    found = SplitValues(w).ends_noise(4, zero_point=zero_point)
    assert found == pytest.approx(literal(w, c, s, 15), rel=1e-9)
    assert found >= optimal_affine(w, 4, zero_point=zero_point).bound


def test_constants_and_grids_are_lossless():
    for value in (0.0, 2.5, -0.1):
        for zero_point in (False, True):
            found = optimal_affine(np.full(10, value), 3, zero_point=zero_point)
            assert found.scale == (abs(value) or 1.0) and found.noise == found.bound == 0
            assert found.evaluations == 0 and found.gap == 0.0
            assert SplitValues(np.full(10, value)).ends_noise(3, zero_point=zero_point) == 0
            levels = found.offset + found.scale * np.arange(8)
            assert found.snr == math.inf and np.abs(levels - value).min() < 1e-15
            assert found.zero_point is None if not zero_point else levels[found.zero_point] == 0.0
            rows = affine_rows(np.full((1, 9), value), 3, zero_point=zero_point)
            levels = rows.offset[0] + rows.scale[0] * np.arange(8)
            assert np.abs(levels - value).min() < 1e-15 and rows.error[0] == rows.bound[0] == 0.0
            assert not zero_point or np.abs(levels).min() == 0.0


@pytest.mark.parametrize("unit", [0.7, 1 / 3, 1e-200])
def test_weights_that_a_grid_holds_lose_nothing(unit):
    """Sums that cancel leave 1e-15 of the energy, which is 150 dB and no answer."""
    for seed in range(20):
        codes = np.random.default_rng(seed).integers(0, 8, 500)
        assert optimal_affine((codes + 0.4) * unit, 3).snr == math.inf
        assert optimal_affine((codes - 2) * unit, 3, zero_point=True).snr == math.inf
        assert SplitValues((codes + 0.4) * unit).ends_noise(3) < 1e-28
        assert SplitValues((codes - 2) * unit).ends_noise(3, zero_point=True) < 1e-28
        for w, zero_point in (((codes + 0.4) * 0.7, False), ((codes - 2) * 0.7, True)):
            for turned in (w, -w):
                found = affine_rows(turned.reshape(5, 100), 3, zero_point=zero_point)
                assert np.all(found.error < 1e-26) and np.all(found.bound <= found.error)


def test_searched_blocks_lose_no_more_than_the_rule():
    w = RNG.standard_t(4, size=(20, 200))
    by_name = {one.name: one.snr for one in formats.compare(w)}
    for form in SEARCHED:
        assert by_name[form.name] >= by_name[form.name.removesuffix(" mse")] - 1e-3
    # and Q4_0 and Q5_0 at their best are close to every block's own certified optimum, either sign
    blocks = w[:, :192].reshape(-1, 32)
    for form, largest in ((one, 2 ** (one.bits - 1)) for one in SEARCHED if one.codes.startswith("flipped")):
        error = 0.0
        for block in blocks:
            best = min(optimal_scale(s * block, np.arange(-largest, largest)).noise for s in (1.0, -1.0))
            error += best * np.sum(block**2)
        assert formats.noise(blocks, form) == pytest.approx(error / np.sum(blocks**2), rel=2e-3)


def test_bad_input():
    with pytest.raises(ValueError, match="at least one weight"):
        SplitValues(np.array([]))
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="must be finite"):
            optimal_affine(np.array([1.0, wrong]), 4)
        for rows in ([[1.0, wrong], [1.0, 2.0]], [[1.0, 2.0], [wrong, 1.0]]):
            with pytest.raises(ValueError, match="rows must be finite"):
                affine_rows(np.array(rows), 4)
    with pytest.raises(TypeError, match="real numbers"):
        SplitValues(np.array([1j]))
    with pytest.raises(ValueError, match="bits must be an integer from 1 to 16, got 0"):
        optimal_affine(np.ones(3), 0)


def every_code(w, levels, zero_point):
    """Least squared error over all codes that rise with the weights, each with its own best grid."""
    best = w @ w if zero_point else np.inf
    for codes in itertools.combinations_with_replacement(range(levels), w.size):
        for z in range(levels) if zero_point else (np.mean(codes),):
            k, x = np.array(codes) - z, w if zero_point else w - w.mean()
            if (k @ k) > 0 and (k @ x > 0 or not zero_point):
                best = min(best, x @ x - (k @ x) ** 2 / (k @ k))
    return best


@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize(("bits", "columns"), [(1, 6), (2, 6), (3, 4)])
def test_rows_have_the_best_of_all_codes_and_grids(bits, columns, zero_point):
    rng = np.random.default_rng(5)
    rows = [
        rng.standard_t(2, size=(5, columns)),
        rng.uniform(0.5, 1.5, (5, columns)),
        np.full((1, columns), 7),
    ]
    rows = np.concatenate([*rows, -(rng.random((3, columns)) ** 3), np.zeros((1, columns))])
    rows *= np.geomspace(1e-150, 1e150, len(rows))[:, None]
    found = affine_rows(rows, bits, zero_point=zero_point)
    for row, scale, offset, error, bound in zip(
        rows, found.scale, found.offset, found.error, found.bound, strict=True
    ):
        unit = np.abs(row).max() or 1.0
        best = every_code(np.sort(row) / unit, 2**bits, zero_point)
        assert error / unit**2 == pytest.approx(best, rel=1e-9, abs=1e-15)
        assert bound <= error <= bound * (1 + 2e-3) + 1e-12 * unit**2
        levels = offset + scale * np.arange(2**bits)
        literal_error = np.sum(np.abs(row[:, None] - levels).min(axis=1) ** 2)
        assert literal_error / unit**2 == pytest.approx(error / unit**2, rel=1e-6, abs=1e-15)
        assert not zero_point or np.abs(levels).min() <= 1e-12 * unit


def test_rows_are_searched_like_tensors():
    rows = np.random.default_rng(6).laplace(size=(3, 800)) + np.array([[0.0], [3.0], [-1.0]])
    for bits, zero_point in ((4, False), (4, True), (6, False)):
        found = affine_rows(rows, bits, zero_point=zero_point)
        one = [optimal_affine(row, bits, zero_point=zero_point).noise * np.sum(row**2) for row in rows]
        assert found.error == pytest.approx(one, rel=1e-3)
    for wrong in (np.ones(3), np.ones((2, 0)), np.array([["a"]])):
        with pytest.raises(ValueError, match="rows must be a matrix of real numbers"):
            affine_rows(wrong, 4)
    with pytest.raises(ValueError, match="rows must be finite"):
        affine_rows(np.array([[1.0, np.nan]]), 4)


def test_a_search_cut_short_is_near_the_optimum():
    """Skewed weights at 7 bits: best ends well inside the range, neither centred nor at an end of it."""
    w = np.random.default_rng(7).gamma(4.0, size=4000) - 4
    w = np.concatenate([w, [-9.0, 24.0]])
    for zero_point in (False, True):
        short, whole = (
            SplitValues(w).optimal(7, zero_point=zero_point, evaluations=count) for count in (2, 200_000)
        )
        assert whole.gap < 1e-3 and short.noise < 1.01 * whole.noise


@pytest.mark.parametrize("bits", [14, 16])
def test_a_search_cut_short_loses_no_more_than_the_ends_do(bits):
    """Codes of the grid from the least to the largest weight, and the line of least squares through them."""
    rng = np.random.default_rng(0)
    for w in (np.linspace(0.5, 1.5, 3001), rng.normal(size=5000), rng.uniform(size=5000)):
        codes = np.rint((w - w.min()) / (w.max() - w.min()) * (2**bits - 1))
        columns = np.column_stack([codes / 2**bits, np.ones(w.size)])
        solution, *_ = np.linalg.lstsq(columns, w, rcond=None)
        ends = float(np.sum((w - columns @ solution) ** 2) / np.sum(w**2))
        found = SplitValues(w).optimal(bits, evaluations=10)
        assert found.bound <= found.noise <= ends * (1 + 1e-6)


@pytest.mark.parametrize(("low", "zero"), [(-0.57, 6), (-0.53, 5)])
def test_the_rule_of_the_ends_takes_the_nearest_zero_point(low, zero):
    w = np.array([low, 0.03, 0.41, 1.5 + low])  # fifteen steps of 0.1
    codes = np.clip(np.rint(w / 0.1) + zero, 0, 15) - zero
    expected = np.sum((w - 0.1 * codes) ** 2) / np.sum(w**2)
    assert SplitValues(w).ends_noise(4, zero_point=True) == pytest.approx(expected, rel=1e-9)


def test_ends_that_are_more_than_one_apart_are_the_levels_of_one_bit():
    """-0.5 goes to -0.9 and 0.3 to 0.9: 0.4^2 + 0.6^2 of 0.81 + 0.25 + 0.09 + 0.81."""
    assert SplitValues([-0.9, -0.5, 0.3, 0.9]).ends_noise(1) == pytest.approx(13 / 49, rel=1e-12)


@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("unit", [1e200, 1e-200])
def test_weights_of_one_sign_and_zero_have_the_unit_of_the_largest(unit, sign, zero_point):
    """On either side: squares neither overflow nor vanish."""
    w = sign * np.append(np.abs(np.random.default_rng(5).normal(size=300)), 0.0)
    usual = optimal_affine(w, 3, zero_point=zero_point)
    found = optimal_affine(w * unit, 3, zero_point=zero_point)
    assert found.noise == pytest.approx(usual.noise, rel=1e-6) and 0 < usual.noise < 0.1


def test_a_search_stops_at_the_gap_that_it_is_given():
    """Three tolerances: a proof is the shorter the less is asked for."""
    found = [optimal_affine(TENSORS["shifted"], 4, tolerance=gap) for gap in (1e-4, 0.02, 0.3)]
    assert found[0].gap <= 1e-4 < found[1].gap <= 0.02 < found[2].gap <= 0.3
    assert found[0].evaluations > found[1].evaluations > found[2].evaluations


def test_a_format_with_one_zero_point_for_the_tensor_has_zero_among_its_levels():
    """Weights from 0.5 to 1.5: from 0 on the best step is about 1.5 / 15, free about 1 / 15."""
    w = np.linspace(0.5, 1.5, 1001).reshape(7, 143)
    for codes, least in (("zero-point", 0.0), ("offset", 0.5)):
        form = family(codes, 4)
        stored = encode(w, form)
        levels = np.unique(stored)
        steps = levels / np.diff(levels).min()
        assert np.allclose(steps, np.rint(steps), atol=1e-9) == (codes == "zero-point")
        assert np.diff(levels).min() == pytest.approx((1.5 - least) / 15, rel=0.07)
        assert formats.noise(w, form) == pytest.approx(np.sum((w - stored) ** 2) / np.sum(w**2), rel=1e-9)


def test_searches_of_the_comparison_end_after_so_many_grids(monkeypatch):
    limits = []
    original = SplitValues.optimal

    def optimal(self, bits, **options):
        limits.append(options["evaluations"])
        return original(self, bits, **options | {"evaluations": 400})

    monkeypatch.setattr(SplitValues, "optimal", optimal)
    formats.affine(TENSORS["few"])
    assert set(limits) == {12_000}


def test_values_and_rows_may_be_lists():
    """They have no more values than levels, so nothing is lost."""
    assert optimal_affine([[0, 1], [2, 3]], 2).noise == pytest.approx(0, abs=1e-25)
    found = affine_rows([[0, 1, 2, 3], [5, 5, 9, 9]], 2)
    assert found.error == pytest.approx([0, 0], abs=1e-25)


def test_errors_of_a_hundred_millionth_of_a_step_are_those_of_single_weights():
    """Sums lose them in rounding: ten codes of every kind, the inner ones beside their levels by 1e-7."""
    w = np.repeat(np.arange(8.0), 10) + 1e-7 * np.tile([1, -1], 40) * np.repeat([0, 1, 1, 1, 1, 1, 1, 0], 10)
    error, near = 60e-14, {"rel": 1e-6, "abs": 0}
    assert SplitValues(w).ends_noise(3) == pytest.approx(error / np.sum(w**2), **near)
    assert optimal_affine(w, 3).noise == pytest.approx(error / np.sum(w**2), **near)
    assert affine_rows(np.stack([w, -w]), 3).error == pytest.approx([error, error], **near)


@pytest.mark.parametrize("zeros", [0, 20_000])
def test_one_outlier_sends_every_other_weight_to_the_first_code(zeros):
    """Steps of 1/15: 6,000 weights of 0.025 lose all they have, 3.75, and the outlier nothing of its 1."""
    w = np.concatenate([np.zeros(zeros + 1), np.full(6000, 0.025), [1.0]])
    assert SplitValues(w).ends_noise(4) == pytest.approx(3.75 / 4.75, rel=1e-9)
    assert SplitValues(w).ends_noise(4, zero_point=True) == pytest.approx(3.75 / 4.75, rel=1e-9)
