"""Sums, ends and ties of prepared weights, tables and formats, by hand."""

import math

import numpy as np
import pytest

from sims import weights
from sims.weights.formats import Stored, best, compare
from sims.weights.prediction import predict
from sims.weights.scales import Values, integer_codes, integer_scale, pruning_snr, quantize
from theory.codebooks import integer_levels
from theory.snr import crossover_kurtosis


@pytest.mark.parametrize("unit", [1.0, 2.0**-40, 3e5])
def test_moments_peaks_and_widths_in_any_unit(unit):
    values = np.array([-4.0, -1.0, 0.0, 0.5, 0.5, 2.0, 6.0, -0.25]) * unit
    prepared = Values(values)
    assert prepared.second_moment == pytest.approx(np.mean(values**2), rel=1e-12)
    assert prepared.peak == pytest.approx(6 * unit / math.sqrt(np.mean(values**2)), rel=1e-12)
    for bits, one in zip((1, 2, 3), prepared.at_widths((1, 2, 3), (0.5, 0.25, 0.7)), strict=True):
        assert one.quantized == prepared.optimal_scale(integer_levels(bits))
        # a weight half a step from zero counts; 1 bit is {-1, 0}
        small = np.abs(values) if bits > 1 else -values
        assert one.zeros == np.mean(small <= one.quantized.scale / 2)
        kept = np.sort(values**2)[math.ceil((0.5, 0.25, 0.7)[bits - 1] * 8) :]
        assert one.pruned == pytest.approx(1 - kept.sum() / np.sum(values**2), rel=1e-12)


def test_halves_go_down_and_the_ends_hold_the_rest():
    assert quantize(np.array([-9.0, -0.5, 0.5, 1.5, 9.0]), [-1, 0, 1, 2], 1.0).tolist() == [-1, -1, 0, 1, 2]
    codes, scale = integer_codes(np.array([-8.0, -3.0, 2.0, 7.0]), 4)
    assert codes.tolist() == [-8, -3, 2, 7] and scale.scale == pytest.approx(1.0)
    codes, _ = integer_codes(np.array([-7.0, -3.0, 2.0, 7.0]), 4, "symmetric")
    assert codes.tolist() == [-7, -3, 2, 7]


def rows(sizes, quantization, pruning, zeros):
    return [
        weights.TensorRow(f"t{i}", (n,), n, 3.0, 2.0, dict(q), dict(p), z, weights.Signal(float(n)))
        for i, (n, q, p, z) in enumerate(zip(sizes, quantization, pruning, zeros, strict=True))
    ]


def test_totals_are_weighted_by_size_and_count_ties_for_nobody():
    found = weights.Table(
        (2, 3, 8),
        rows(
            [100, 300, 600],
            [{2: 5.0, 3: 9.0, 8: 40.0}, {2: 4.0, 3: 7.0, 8: math.inf}, {2: 3.0, 3: 8.0, 8: 30.0}],
            [{2: 6.0, 3: 9.0, 8: 20.0}, {2: 4.0, 3: 6.0, 8: 20.0}, {2: 2.0, 3: 9.0, 8: 20.0}],
            [{2: 0.5, 3: 0.1, 8: 0.0}, {2: 0.3, 3: 0.2, 8: 0.0}, {2: 0.1, 3: 0.3, 8: 0.0}],
        ),
    )
    two, three, eight = found.totals()
    assert two.quantization_spread.mean == pytest.approx(0.1 * 5 + 0.3 * 4 + 0.6 * 3)
    assert two.pruning_spread.mean == pytest.approx(0.1 * 6 + 0.3 * 4 + 0.6 * 2)
    error = 0.1 * 10**-0.5 + 0.3 * 10**-0.4 + 0.6 * 10**-0.3  # every weight has a mean square of 1
    assert two.quantization == pytest.approx(-10 * math.log10(error)) and two.winner == "snap"
    assert (two.snapped, two.cut, two.wins, two.tensors) == (0.6, 0.1, 1, 3)
    assert (three.snapped, three.cut, three.wins) == (0.3, 0.6, 1)
    assert two.zeros == pytest.approx(0.1 * 0.5 + 0.3 * 0.3 + 0.6 * 0.1)
    assert eight.quantization_spread.mean == pytest.approx(0.1 * 40 + 0.3 * weights.LOSSLESS + 0.6 * 30)
    assert eight.quantization == pytest.approx(-10 * math.log10(0.1 * 1e-4 + 0.6 * 1e-3))
    assert (eight.snapped, eight.wins) == (1.0, 3)
    sentence = found.recommendation()  # of the width nearest to 4
    assert sentence.startswith("Cut: at 3 bits") and "although it wins only 1 of 3 tensors" in sentence
    assert sentence.endswith("quantization is better at 2, 8 bits.")
    assert [row.verdict for row in found.rows] == [
        "cut at 2, either at 3, snap at 8",
        "either at 2, snap at 3-8",
        "snap at 2, cut at 3, snap at 8",
    ]


def test_the_least_size_is_large_enough():
    rng = np.random.default_rng(0)
    arrays = {
        "exact": rng.normal(size=(4, 5)),
        "short": rng.normal(size=(1, 19)),
        "vector": rng.normal(size=99),
    }
    table = weights.analyse(arrays, [4], min_size=20)
    assert [row.name for row in table.rows] == ["exact"]
    assert table.skipped["short"] == "fewer than 20 elements" and "vector" in table.skipped["vector"]
    alone = weights.analyse({"short": arrays["short"], "vector": arrays["vector"]}, [4], min_size=20)
    assert [row.name for row in alone.rows] == ["vector"]  # nothing else is large enough


@pytest.mark.parametrize("unit", [1e-160, 1.0, 1e150])
def test_kurtosis_has_no_unit(unit):
    values = np.random.default_rng(2).normal(size=(20, 20)) ** 3
    centred = values - values.mean()
    (row,) = weights.analyse({"w": values * unit}, [4]).rows
    assert row.kurtosis == pytest.approx(np.mean(centred**4) / np.mean(centred**2) ** 2, rel=1e-9)


def test_a_format_of_exactly_the_budget_fits_and_the_smaller_of_equals_wins():
    found = [Stored("a", 4.0, 20.0), Stored("b", 3.5, 20.0), Stored("c", 4.5, 30.0)]
    assert best(found, 4.0).name == "b"
    assert best(found, 4.5).name == "c"
    assert best(found[:1], 4.0).name == "a"
    assert best(found, 3.4) is None


def test_a_format_fits_a_budget_that_it_exceeds_by_rounding_alone():
    found = [Stored("a", 0.1 + 0.2, 20.0)]  # in doubles above 0.3
    assert best(found, 0.3) is found[0]
    assert best(found, 0.3 - 1e-8) is None


def test_eight_bits_are_searched_to_the_end_and_more_for_a_while():
    """Values that lie close together have hundreds of grids that are nearly the best."""
    w = np.array([0.91678629, 0.92297397, 0.91296648, 0.91109068, 0.908119, 0.91159127])
    values = Values(w)
    for bits, whole in ((8, True), (9, False)):
        for found in (integer_scale(w, bits), values.at_widths([bits], [0.5])[0].quantized):
            assert (found.evaluations > 500) == whole
            assert (found.bound >= found.noise * (1 - 1e-6)) == whole and found.bound <= found.noise


def test_a_channel_stores_a_scale_of_sixteen_bits():
    found = {one.name: one for one in compare(np.random.default_rng(0).normal(size=(8, 32)))}
    assert found["INT4 per channel"].bits == pytest.approx(4 + 16 / 32)
    assert found["INT8 per channel"].snr > found["INT4 per channel"].snr


@pytest.mark.parametrize("bits", [2, 4])
def test_kurtosis_parts_at_the_crossover(bits):
    edge = crossover_kurtosis(bits, 2)
    assert predict(edge * 0.999, 9.0, bits, "kurtosis") == "snap"
    assert predict(edge * 1.001, 9.0, bits, "kurtosis") == "cut"


@pytest.mark.parametrize("size", [1, 5000])
def test_counting_bfloat16_values_is_sorting_them(monkeypatch, size):
    """Zeros of both signs, subnormals, the largest numbers; and values with low bits, which are sorted."""
    from sims.weights import scales

    monkeypatch.setattr(scales, "COUNTED", 1)
    monkeypatch.setattr(scales, "CHUNK", 700)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**16, size=size).astype(np.uint32) << np.uint32(16)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    values = np.concatenate([values, np.array([0.0, -0.0, 2.0, -3.0], np.float32)])
    doubles = np.array([3.0, -2.0, 1.0, 0.5, 0.0, -8.0, 3.0])  # most of their bits are zero
    lone = values.view(np.uint32) & np.uint32(0xFFFE0000)
    lone[-1] += 1  # of all low bits one, in the last of the parts that are looked at
    for array in (values, values / np.float32(1.0001), doubles, lone.view(np.float32)):
        found = array.copy()
        scales._sort(found)
        np.testing.assert_array_equal(found, np.sort(array))
    normal = (rng.normal(size=4000).astype(np.float32).view(np.uint32) >> 16 << 16).view(np.float32)
    counted = scales.Values(normal).optimal_scale(integer_levels(4))
    monkeypatch.setattr(scales, "COUNTED", 10**9)
    assert counted.noise == pytest.approx(
        scales.Values(normal).optimal_scale(integer_levels(4)).noise, rel=1e-9
    )


@pytest.mark.parametrize("values", [
    np.random.default_rng(1).standard_t(3, 5000).astype(np.float32),
    np.array([0.0, -0.0, 1e-45, -2.0, 3.0] * 1000, np.float32),
], ids=["t", "ties"])  # fmt: skip
def test_either_way_to_sort_gives_the_same_bits(monkeypatch, values):
    from sims.weights import scales

    found = []
    for slowly in (False, True):
        monkeypatch.setattr(scales, "_numpy_sorts_slowly", lambda slowly=slowly: slowly)
        one = scales.Values(values)
        found.append([one.optimal_scale(integer_levels(bits)) for bits in (2, 4, 8)])
        array = values.copy()
        scales._sort(array)
        np.testing.assert_array_equal(array, np.sort(values))
        with pytest.raises(ValueError, match="values must be finite"):
            scales.Values(np.append(values, np.float32(-np.nan)))
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [1, 1000, 5 * 2**20])
def test_tables_take_sixteen_bytes_a_weight_and_32_megabytes_at_most(size):
    """Half of it for either sign."""
    for side in Values(np.ones(size, np.float32))._sides:
        assert side.table.nbytes <= 8 * min(size, 2**21) + 48


def test_arrays_of_the_caller_stay_as_they_are():
    from sims.weights import scales

    array = np.random.default_rng(1).normal(size=(40, 50)).astype(np.float32)
    before = array.copy()
    table = weights.analyse({"w": array, "flat": array.reshape(-1)[:1999]}, [4], every_format=True)
    np.testing.assert_array_equal(array, before)
    assert len(table.rows) == 1
    mine = array.copy()
    scales.Values(mine, overwrite=True)
    assert not np.array_equal(mine, before)  # what may be overwritten is sorted where it is
    mine = array.copy()
    mine.flags.writeable = False
    assert scales.Values(mine, overwrite=True).energy == scales.Values(array).energy
    np.testing.assert_array_equal(mine, before)


def test_zeros_lose_nothing_at_any_width():
    for one in Values(np.zeros(5)).at_widths((1, 2, 8), (0.5, 0.25, 0.75)):
        assert (one.quantized.noise, one.quantized.bound, one.pruned, one.zeros) == (0.0, 0.0, 0.0, 1.0)


def test_the_certificate_is_as_close_as_it_is_asked_to_be_down_to_130_decibels():
    w = np.random.default_rng(5).uniform(-1, 1, 3000)
    for bits in (4, 8):
        found = Values(w).optimal_scale(integer_levels(bits))
        assert found.noise * (1 - 1e-6) - 1.01e-13 <= found.bound <= found.noise < 0.01


def test_a_share_of_the_weights_is_cut_to_the_next_whole_one():
    for sparsity, lost in ((0.0, 0), (0.2, 1), (1 / 3, 1), (0.4, 5), (0.7, 14)):
        expected = math.inf if not lost else 10 * math.log10(14 / lost)
        assert pruning_snr(np.array([3.0, -1.0, 2.0]), sparsity) == pytest.approx(expected)


def test_values_of_float64_that_float32_holds_are_kept_so_with_the_same_answers():
    """Unless what float32 holds would vanish beside the largest: 3 * 2^-149 against 2^30."""
    from sims.weights import scales

    array = np.random.default_rng(2).standard_t(3, size=3000).astype(np.float32)
    answers = []
    for values in (array, array.astype(np.float64), array.astype(np.float64)[::-1]):  # the last is strided
        prepared = scales.Values(values)
        answers.append((prepared.positive.dtype, prepared.at_widths(range(1, 9), [0.5] * 8)))
    assert answers[0] == answers[1]
    assert answers[2] == (np.float64, answers[0][1])
    tiny = math.ldexp(3.0, -149)
    assert scales.Values(np.array([2.0**30, tiny])).pruning_noise(1) == (tiny / 2.0**30) ** 2


def test_a_grid_is_that_of_the_search_and_of_the_codes():
    """-4 is a code of two's complement alone: without it the best step of these weights is another."""
    values = np.array([-4.0, *[1.0, 2.0, 3.0] * 10])
    assert integer_scale(values, 3).scale == pytest.approx(1.0) and integer_scale(values, 3).noise < 1e-20
    steps = np.linspace(0.9, 1.5, 60_001)[:, None]
    error = np.sum((values - steps * np.clip(np.rint(values / steps), -3, 3)) ** 2, axis=1) / 156
    found = integer_scale(values, 3, "symmetric")
    assert found.noise == pytest.approx(error.min(), rel=1e-6)
    assert found.scale == pytest.approx(float(steps[np.argmin(error), 0]), rel=1e-4)
    codes, scale = integer_codes(values, 3, "symmetric")
    assert codes[0] == -3 > np.rint(values[0] / found.scale) and scale.scale == pytest.approx(found.scale)
    assert integer_codes(values, 3)[0].tolist() == [-4, *[1, 2, 3] * 10]


def test_values_may_be_a_list_or_zeros():
    assert pruning_snr([[3, -4]], 0.5) == pytest.approx(10 * math.log10(25 / 9))
    assert math.isnan(Values(np.zeros((2, 3))).peak) and Values([3, -4]).peak == pytest.approx(
        math.sqrt(32) / 5
    )


def test_codes_of_a_list_or_of_narrow_floats_are_those_of_their_numbers():
    """Whatever the type: 0.1 in 32 bits is another number, whose code is looked for in 64."""
    rng = np.random.default_rng(3)
    narrow = rng.normal(size=(200, 200)).astype(np.float32)
    for values in (narrow, [[3, -4], [1, 2]]):
        codes, scale = integer_codes(values, 12)
        wide = np.asarray(values, np.float64)
        assert scale.scale == integer_codes(wide, 12)[1].scale
        np.testing.assert_array_equal(codes, np.clip(np.rint(wide / scale.scale), -2048, 2047))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_value_that_is_no_number_is_found_among_any_others(wrong, dtype):
    for place in range(4):
        values = np.array([-3.0, 0.0, 1.0, 2.0], dtype)
        values[place] = wrong
        with pytest.raises(ValueError, match="values must be finite, got NaN or infinity"):
            Values(values)


@pytest.mark.parametrize("sign", [1, -1])
def test_sides_of_any_two_sizes_have_one_unit(sign):
    prepared = Values(np.array([-1e-300, 1e300]) * sign)
    assert prepared.peak == pytest.approx(math.sqrt(2), rel=1e-12)
    assert prepared.optimal_scale(integer_levels(4)).snr == math.inf


def test_zeros_have_a_step_of_one():
    found = Values(np.zeros(5)).optimal_scale(integer_levels(4))
    assert (found.scale, found.noise, found.bound, found.evaluations) == (1.0, 0.0, 0.0, 0)


def test_weights_whose_squares_add_up_to_one_are_weights():
    """No energy is that of zeros."""
    prepared = Values(np.array([0.5, -0.5, 0.5, 0.5]))
    assert prepared.peak == 1.0 and prepared.pruning_noise(1) == 0.25
    assert prepared.optimal_scale(integer_levels(4)).scale in [0.5 / k for k in range(1, 8)]


def test_halves_between_levels_have_the_unit_of_the_step():
    """Levels at -4, -2, 0, 2: what lies below 1 goes to 0."""
    assert quantize(np.array([-3.5, -0.9, 0.9, 1.6, 9.0]), integer_levels(2), 2.0).tolist() == [
        -4,
        0,
        0,
        2,
        2,
    ]


def test_own_zeros_are_a_format_where_they_take_less_than_sixteen_bits():
    for bits, named in ((15.9, ["own zeros"]), (16, [])):
        numbers = ({4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
        row = weights.TensorRow("w", (3, 3), 9, 3.0, 2.0, *numbers, stored=(Stored("own zeros", bits, 99.0),))
        assert [one.name for one in weights.Table((4,), [row]).format_means()] == named


def test_long_vectors_are_named_beside_matrices():
    numbers = ({4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
    rows = [weights.TensorRow(name, (9,) * n, 9, 3.0, 2.0, *numbers) for name, n in (("v", 1), ("w", 2))]
    said = "Vectors too long for biases, judged as flattened matrices: 1, such as v."
    assert said in weights.Table((4,), rows).sentences()
    assert not any("Vectors" in one for one in weights.Table((4,), rows[:1]).sentences())
