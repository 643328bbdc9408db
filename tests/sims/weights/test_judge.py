import json
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sims import weights
from sims.networks import digits
from sims.support.threads import in_order
from sims.weights import judge, no_weights
from sims.weights.scales import (
    Values,
    integer_codes,
    integer_scale,
    optimal_scale,
    pruning_snr,
    quantization_snr,
    quantize,
)
from sims.weights.select import select
from sims.weights.sources import in_memory
from theory.distributions import Empirical, Gaussian
from theory.snr import Codebook, integer_levels
from theory.snr import pruning_snr as pruning_law
from theory.snr import quantization_snr as quantization_law


def brute_force_noise(values, levels):
    """Least error energy over all scales, exactly: between code changes the error is a parabola in s."""
    values, levels = np.asarray(values, float), np.asarray(levels, float)
    thresholds = (levels[1:] + levels[:-1]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        breaks = (values[:, None] / thresholds).ravel()
    breaks = np.unique(breaks[np.isfinite(breaks) & (breaks > 0)])
    inner = np.concatenate([breaks * (1 - 1e-9), breaks * (1 + 1e-9)])
    best = np.inf
    for s in inner:
        q = quantize(values, levels, s) / s
        step = (values @ q) / (q @ q) if q @ q else 1.0
        if step > 0:
            best = min(best, float(((values - quantize(values, levels, step)) ** 2).sum()))
    return min(best, float((values**2).sum()))


@settings(max_examples=60)
@given(
    hnp.arrays(np.float64, st.integers(1, 12), elements=st.floats(-4, 4).map(lambda x: round(x, 3))),
    st.sampled_from(
        [integer_levels(1), integer_levels(2), integer_levels(3), np.array([-6.0, -1, 0, 0.5, 2])]
    ),
)
def test_scale_is_the_global_optimum_of_small_cases(values, levels):
    found = optimal_scale(values, levels)
    energy = float((values**2).sum())
    if energy == 0:
        assert found.snr == math.inf
        return
    best = brute_force_noise(values, levels) / energy
    assert found.noise <= best * (1 + 1e-6) + 1e-12
    assert found.bound <= best + 1e-12
    reached = float(((values - quantize(values, levels, found.scale)) ** 2).sum()) / energy
    assert found.noise == pytest.approx(reached, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_lie_on_the_symmetric_grid_at_the_certified_best_scale(bits):
    w = np.random.default_rng(0).normal(size=(20, 30))
    codes, scale = integer_codes(w, bits, "symmetric")
    top = 2 ** (bits - 1) - 1
    assert np.abs(codes).max() <= top
    error = ((codes * scale.scale - w) ** 2).sum()
    steps = (
        np.abs(w).max() / top * np.linspace(0.01, 1.5, 3000)
    )  # a literal search, finer than a certificate needs
    tried = [((np.clip(np.rint(w / s), -top, top) * s - w) ** 2).sum() for s in steps]
    assert error <= min(tried) * (1 + 1e-6)
    assert (integer_codes(-w, bits, "symmetric")[0] == -codes).all()


@pytest.mark.parametrize("exponent", [-1074, -1060, 1000])
def test_codes_do_not_depend_on_the_unit(exponent):
    w = np.array([[7.0, -3.0, 2.0], [1.0, 0.0, -7.0]])
    codes, scale = integer_codes(np.ldexp(w, exponent), 4, "symmetric")
    assert (codes == w).all() and scale.scale == pytest.approx(2.0**exponent) and scale.noise < 1e-15
    w = np.random.default_rng(3).integers(-190, 191, size=(20, 20)).astype(float)  # steps of about 1.5
    usual, found = integer_codes(w, 8, "symmetric"), integer_codes(np.ldexp(w, exponent), 8, "symmetric")
    assert (found[0] == usual[0]).all() and found[1].noise == usual[1].noise > 0


def test_codes_of_zeros_are_zero_and_of_infinity_refused():
    assert (integer_codes(np.zeros((2, 2)), 4)[0] == 0).all()
    with pytest.raises(ValueError, match="finite"):
        integer_codes(np.array([[np.inf]]), 4)


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "laplace"])
@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_certificate_is_complete_and_no_grid_search_beats_it(draw, bits):
    values = getattr(np.random.default_rng(5), draw)(size=(30, 40))
    found = integer_scale(values, bits)
    assert found.bound >= found.noise * (1 - 1e-6) - 1e-13
    levels = integer_levels(bits)
    grid = np.geomspace(0.02, 1.2, 300) * np.abs(values).max() / levels[-1]
    errors = [float(((values - quantize(values, levels, s)) ** 2).sum()) for s in grid]
    assert found.noise * float((values**2).sum()) <= min(errors) * (1 + 1e-9)


def test_large_and_small_paths_of_the_kernel_agree_with_the_literal_sums():
    rng = np.random.default_rng(2)
    for size in (5, 300, 5000):
        values = rng.standard_t(3, size=size)
        for bits in (2, 8):
            found = integer_scale(values, bits)
            literal = float(np.mean((values - quantize(values, integer_levels(bits), found.scale)) ** 2))
            assert found.noise * float(np.mean(values**2)) == pytest.approx(literal, rel=1e-9)


def test_prefix_sums_and_positions_are_literal():
    from sims.kernels import snr as kernels

    w = np.sort(np.abs(np.random.default_rng(1).standard_cauchy(1000)))
    p1, p2, table = kernels.prepare(w, 100)
    for x in (0.0, w[0], 0.3, w[500], 7.7, w[-1], 1e9):
        k = int(np.searchsorted(w, x, side="right"))
        assert kernels.position(w, table, x) == k
        assert kernels.prefix1(w, p1, k) == pytest.approx(math.fsum(w[:k]), rel=1e-15)
        assert kernels.prefix2(w, p2, k) == pytest.approx(math.fsum(w[:k] ** 2), rel=1e-15)


def test_many_draws_approach_the_laws():
    values = Gaussian(0.02).ppf((np.arange(300_000) + 0.5) / 300_000)  # no weight beyond 4.6 deviations
    for bits in (2, 4, 6):
        assert quantization_snr(values, bits) == pytest.approx(quantization_law(Gaussian(), bits), abs=0.01)
    assert pruning_snr(values, 0.75) == pytest.approx(pruning_law(Gaussian(), 0.75), abs=0.01)


@settings(max_examples=40)
@given(
    hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-9, 9)),
    st.floats(0, 0.99),
    st.integers(-200, 200),
)
def test_pruning_matches_the_empirical_law_at_any_power_of_two(values, sparsity, exponent):
    law = pruning_law(Empirical(values), sparsity)
    assert (
        pruning_snr(np.ldexp(values, exponent), sparsity) == pytest.approx(law, rel=1e-9)
        or np.abs(values).max() < 1e-100
    )


@given(st.integers(-300, 280))
def test_ratios_survive_huge_and_tiny_units(exponent):
    values = np.random.default_rng(0).normal(size=500)
    assert quantization_snr(values * 10.0**exponent, 4) == pytest.approx(
        quantization_snr(values, 4), abs=1e-6
    )


@pytest.mark.parametrize("unit", [1e200, 1e-200])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_rows_that_a_rotation_leaves_on_one_side_of_zero(signs, unit):
    """Two of one magnitude become one and none: half the numbers are zero, the others of one sign."""
    array = np.tile(unit * np.array(signs), (200, 1))
    row, _ = judge.judge_tensor(weights.opened({"w": array}).tensors["w"], [4], rotated=True)
    assert row.kurtosis == pytest.approx(1.0, rel=1e-12) and row.peak == pytest.approx(2**0.5, rel=1e-12)


@pytest.mark.parametrize("exponent", [*range(-1010, 1011, 101), -1, 1])
@pytest.mark.parametrize("rotated", [False, True])
def test_no_number_of_a_row_but_its_signal_has_a_unit(exponent, rotated):
    """Powers of two change no digit of kurtosis, peak and ratios, however small or large the weights are."""
    values = np.random.default_rng(3).standard_t(4, size=(12, 64))
    plain, moved = (
        judge.judge_tensor(weights.opened({"w": array}).tensors["w"], [3, 4], rotated=rotated)[0]
        for array in (values, np.ldexp(values, exponent))
    )
    for name in ("kurtosis", "peak", "quantization", "pruning", "zeros"):
        assert getattr(moved, name) == getattr(plain, name), name


def test_subnormal_values_are_numbers_too():
    values = np.array([5e-324, -1e-323, 2e-323, 0.0] * 100)
    assert quantization_snr(values, 4) == math.inf  # multiples of the smallest number
    assert pruning_snr(values, 0.5) == pytest.approx(pruning_snr(np.array([1.0, -2, 4, 0] * 100), 0.5))


def test_the_row_of_multiples_of_the_smallest_number_is_that_of_the_factors():
    """Whole multiples of 2^-1074, none of them a normal number: a unit common to all changes no ratio."""
    factors = np.random.default_rng(5).integers(-9, 10, size=(16, 64)).astype(float)
    plain, tiny = (
        judge.judge_tensor(weights.opened({"w": array}).tensors["w"], [3, 4])[0]
        for array in (factors, factors * 5e-324)
    )
    assert tiny.kurtosis == pytest.approx(plain.kurtosis, rel=1e-12)
    for name in ("peak", "quantization", "pruning", "zeros"):
        assert getattr(tiny, name) == getattr(plain, name), name


def test_weights_that_are_already_quantized_are_recognised():
    codes = np.random.default_rng(0).integers(-8, 8, size=4000)
    found = integer_scale(codes * np.float32(0.0371), 4)
    assert found.snr > 130 and found.scale == pytest.approx(0.0371, rel=1e-6)


def test_float16_is_computed_in_float64():
    values = (np.random.default_rng(0).normal(size=2000) * 1e-4).astype(np.float16)
    assert quantization_snr(values, 4) == pytest.approx(quantization_snr(values.astype(float), 4), abs=1e-9)
    row = weights.analyse({"w": values.reshape(40, 50)}, bits=[4]).rows[0]
    assert row.kurtosis == pytest.approx(Empirical(values.astype(float)).kurtosis, rel=1e-9)


def test_narrow_and_wide_floats_give_the_same_ratios():
    """float32 values are sorted as such; all sums are float64: not a bit differs."""
    values = np.random.default_rng(4).standard_t(4, size=(60, 70)).astype(np.float32)
    for bits in (3, 8):
        assert quantization_snr(values, bits) == quantization_snr(values.astype(float), bits)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-9, 9)), st.permutations(range(30)))
def test_order_and_shape_do_not_matter(values, order):
    order = [i for i in order if i < values.size]
    assert quantization_snr(values[order].reshape(1, -1), 3) == quantization_snr(values, 3)


def test_prepared_values_reject_what_has_no_ratio():
    for bad in ([], [math.nan], [math.inf, 1], [1, -math.inf], np.array([], object)):
        with pytest.raises(ValueError, match="values must"):
            Values(np.array(bad))
    with pytest.raises(TypeError, match="real numbers"):
        Values(np.array([1j]))
    with pytest.raises(ValueError, match="levels must hold 0"):
        Values(np.array([1.0])).optimal_scale(Codebook(np.array([-1.0, 1.0])))
    with pytest.raises(ValueError, match="count must be 0 to 1"):
        Values(np.array([1.0])).pruning_noise(2)


# --- tables ----------------------------------------------------------------------------------------------


def test_digits_network_is_judged(tmp_path):
    table = weights.analyse({f"layer{i}": w for i, w in enumerate(digits.weights())})
    assert [row.size for row in table.rows] == [3072, 1536, 320]
    assert {row.verdict for row in table.rows} == {"snap"}
    total = table.totals()[2]
    assert total.bits == 4 and total.wins == 3 and total.snapped == 1
    mean = sum(row.size * row.pruning[4] for row in table.rows) / 4928
    assert total.pruning_spread.mean == pytest.approx(mean)
    said = (
        "Snap: at 4 bits quantization keeps 18.8 dB of the network and pruning 75 % 5.8 dB, and wins 3 of 3"
    )
    assert table.recommendation() == f"{said} tensors."
    json.dumps(table.as_dict(), allow_nan=False)


def test_skipped_tensors_carry_their_reason():
    rng = np.random.default_rng(0)
    nan, inf = rng.normal(size=(20, 20)), rng.normal(size=(20, 20))
    nan[3, 4], inf[0, 0] = np.nan, -np.inf
    table = weights.analyse(
        {
            "good": rng.normal(size=(20, 20)),
            "integers": np.ones((20, 20), int),
            "scalar": np.float64(3),
            "objects": np.empty((20, 20), object),
            "nan": nan,
            "inf": inf,
            "empty": np.empty((0, 30)),
            "tiny": np.ones((3, 3)),
            "vector": np.ones(1000),
            "zeros": np.zeros((20, 20)),
            "complex": np.ones((20, 20), complex),
        },
        bits=[4],
    )
    assert [row.name for row in table.rows] == ["good"]
    assert {name: reason.split()[0] for name, reason in table.skipped.items()} == {
        "integers": "int64", "scalar": "a", "objects": "object", "nan": "NaN", "inf": "NaN", "empty": "empty",
        "tiny": "fewer", "vector": "a", "zeros": "all", "complex": "complex128",
    }  # fmt: skip
    reasons = {name: "empty" for name in "abcd"} | {name: "zeros" for name in "xyz"}
    lines = weights.Table((4,), skipped=reasons).skipped_lines()
    assert lines == ["skipped 4 (empty): a, b, c, ...", "skipped 3 (zeros): x, y, z"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_found_beside_numbers_of_one_sign(wrong, sign):
    array = sign * np.abs(np.random.default_rng(0).normal(size=(20, 20)))
    array[7, 3] = wrong
    table = weights.analyse({"w": array, "other": np.eye(20)[::-1] + 1}, [4])
    assert table.skipped == {"w": "NaN or infinity"} and len(table.rows) == 1


def test_a_lone_vector_is_judged():
    table = weights.analyse({"v": np.random.default_rng(0).normal(size=500)}, bits=[2])
    assert table.rows[0].verdict == "snap"


def test_constant_tensors_are_exact_on_a_grid():
    table = weights.analyse({"c": np.full((20, 20), -0.3)})
    row = table.rows[0]
    assert all(value == math.inf for value in row.quantization.values()) and row.verdict == "snap"
    assert math.isnan(row.kurtosis) and row.pruning[4] == pytest.approx(10 * math.log10(4 / 3))
    assert "null" in json.dumps(table.as_dict(), allow_nan=False)


def test_heavy_tails_are_cut_at_few_bits():
    heavy = np.random.default_rng(0).standard_t(1.0, size=(300, 300))
    row = weights.analyse({"heavy": heavy}).rows[0]
    assert row.winner(2) == "cut" and row.verdict.startswith("cut")
    assert weights.analyse({"heavy": heavy}).recommendation().startswith("Cut: at 4 bits")


def test_reports_of_files(tmp_path):
    np.savez(
        tmp_path / "a.npz", w=np.random.default_rng(0).normal(size=(30, 30)), n=np.arange(3), o=np.array([{}])
    )
    table = weights.report(tmp_path / "a.npz", bits=[2, 4])
    assert [row.name for row in table.rows] == ["w"] and set(table.skipped) == {"n", "o"}
    assert list(weights.load(tmp_path / "a.npz")) == ["w"]
    np.savez(tmp_path / "b.npz", n=np.arange(300).reshape(10, 30))
    with pytest.raises(ValueError, match=r"holds no weights to judge .*already integers"):
        weights.report(tmp_path / "b.npz")
    with pytest.raises(ValueError, match="holds no floating-point tensor"):
        weights.load(tmp_path / "b.npz")
    with pytest.raises(ValueError, match="bits must be an integer from 1 to 16"):
        weights.analyse({}, bits=[0])
    with pytest.raises(ValueError, match="at least one width"):
        weights.analyse({}, bits=[])
    for bad in (None, 4.0):
        with pytest.raises(TypeError, match="bits must be a width or several"):
            weights.analyse({}, bits=bad)
    assert weights.analyse({}).recommendation().startswith("Nothing to judge")


def test_zoo_network_where_it_is_installed():
    path = weights.zoo_checkpoint()
    if path is None:
        pytest.skip("the [zoo] extra is not installed")
    table = weights.report(path, bits=[4])
    assert len(table.rows) == 50 and table.size == 4_608_992
    assert table.totals()[0].wins == 48


def test_the_recommendation_never_contradicts_itself():
    rng = np.random.default_rng(0)
    grid = rng.integers(-8, 8, size=(60, 64)).astype(float)
    grid[0, 0] = -8
    normal = rng.normal(size=(60, 64))
    heavy = np.sign(normal) * np.abs(normal) ** 9
    cases = {
        "lossless": ({"a": grid}, "Snap: at 4 bits quantization keeps everything of the network and pruning"),
        "tied": ({"a": np.eye(64)}, "Either: at 4 bits quantization and pruning 75 % lose the same."),
        "constant": ({"a": np.full((20, 20), 0.3)}, "Snap: at 4 bits quantization keeps everything"),
        "heavy": ({"a": heavy}, "Cut: at 4 bits pruning 75 % keeps "),
        "mixed": (
            {"a": normal, "b": heavy[:50] / 100, "c": heavy[50:] / 100},
            "Cut: at 4 bits pruning 75 % keeps",
        ),
        "one against many": (
            {"a": 1e4 * heavy, "b": normal[:30], "c": normal[30:]},
            "although it wins only 1 of 3 tensors",
        ),
        "one against one": ({"a": 1e4 * heavy, "b": normal}, ", and wins 1 of 2 tensors"),
    }
    for arrays, expected in cases.values():
        sentence = weights.analyse(arrays).recommendation()
        assert expected in sentence, sentence
        assert "nan" not in sentence and "-" not in sentence and "inf" not in sentence


def test_what_is_lossless_adds_no_error():
    rng = np.random.default_rng(0)
    grid = rng.integers(-8, 8, size=(64, 64)).astype(float)
    table = weights.analyse({"a": grid}, [4], every_format=True)
    assert table.best_format(4).startswith(
        "Within 4 bits per weight INT4 keeps the most signal: everything of"
    )
    both = weights.analyse({"a": grid, "b": rng.normal(size=(64, 64))}, [4], every_format=True)
    found = {one.name: one for one in both.format_means()}
    single = both.rows[1].quantization[4]
    share = (both.rows[1].signal.mantissa * 4.0 ** both.rows[1].signal.exponent) / (
        float((grid**2).sum()) + both.rows[1].signal.mantissa * 4.0 ** both.rows[1].signal.exponent
    )
    assert found["INT4"].snr == pytest.approx(single - 10 * math.log10(share), abs=1e-9)
    assert both.totals()[0].quantization == found["INT4"].snr
    assert weights.analyse({"e": np.eye(64)}, every_format=True).best_format(4).startswith("Within 4 bits")


def test_the_largest_doubles_are_judged():
    values = np.random.default_rng(0).uniform(-1, 1, size=(30, 30)) * 1.7e308
    table = weights.analyse({"w": values}, every_format=True)
    small = weights.analyse({"w": values * 2.0**-1000}, every_format=True)
    for one, other in zip(table.rows[0].stored, small.rows[0].stored, strict=True):
        assert one.name == other.name and one.snr == pytest.approx(other.snr, abs=1e-6)


def test_natural_zeros_of_one_bit_have_no_upper_end():
    values = np.array([[-4.0, -1.0, 0.0, 2.0, 9.0, -3.0, 0.5, 0.25]])
    row = weights.analyse({"w": values}, bits=[1], min_size=1).rows[0]
    # brute force: the nearer of 0 and -s at the best step on a fine grid
    steps = np.linspace(0.01, 10, 20000)
    errors = np.minimum(values[0] ** 2, (values[0] + steps[:, None]) ** 2).sum(axis=1)
    step = steps[errors.argmin()]
    assert row.zeros[1] == np.mean(values[0] > -step / 2) == 6 / 8


# --- memory, masks, sentences ------------------------------------------------------------------------------


def test_tensors_wait_until_there_is_room_but_the_first_never_does():
    gate, entered = judge._Gate(10), []

    def enter(need):
        with gate.room(need):
            entered.append(need)

    with gate.room(25):  # alone it may be larger than everything
        assert gate.used == 25
        waiting = threading.Thread(target=enter, args=(4,), daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert entered == []
    waiting.join(30)
    assert entered == [4] and gate.used == 0
    with gate.room(4), gate.room(6):  # exactly full
        assert gate.used == 10
        waiting = threading.Thread(target=enter, args=(1,), daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert entered == [4]
    waiting.join(30)
    assert entered == [4, 1] and gate.used == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_small_tensors_go_together_and_an_error_hides_none_before_it(monkeypatch, threads):
    sizes = [300] * 7 + [70_000, 60_000, 300]
    arrays = {f"t{i}": np.arange(size).reshape(2, -1) % 7 + i + 1.0 for i, size in enumerate(sizes)}
    selection, calls = select(in_memory(arrays)), []

    def work(function, bundles, threads, sizes):
        calls.append((list(map(len, bundles)), sizes, threads))
        return in_order(function, bundles, threads, sizes)

    def judge_tensor(tensor, *args, **options):
        if tensor.name == "t5":
            raise ValueError("broken")
        return original(tensor, *args, **options)

    original = judge.judge_tensor
    monkeypatch.setattr(judge, "in_order", work)
    monkeypatch.setattr(judge, "_BUNDLE", 2**16)
    names = [[row.name for row in table.rows] for table in judge.judged(selection, [4], threads=threads)]
    assert names[-1] == list(arrays) and len(names) == len(arrays) + 1
    assert calls == [([7, 1, 2], [2100, 70_000, 60_300], threads)]
    monkeypatch.setattr(judge, "judge_tensor", judge_tensor)
    seen = []
    with pytest.raises(ValueError, match="broken"):
        seen.extend(len(table.rows) for table in judge.judged(selection, [4], threads=threads))
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("low", "high", "other", "is_mask"),
    [
        (0, 1, 1, True),
        (-100, 0, -100, True),
        (-99, 0, -99, False),
        (0, 2, 2, False),
        (-1, 1, 1, False),
        (0, 1, 0.5, False),
    ],
)
def test_a_mask_holds_zero_and_one_other_value(monkeypatch, low, high, other, is_mask):
    monkeypatch.setattr(no_weights, "_CHUNK", 3)
    values = np.array([low, high, 0, high, low, 0, 0, other], float)
    assert no_weights.is_mask(values) == is_mask
    assert not no_weights.is_mask(np.array([0.0, 0.0]))
    assert not no_weights.is_mask(np.array([other - 200.0, other - 200.0]))  # nothing of it is zero


def test_a_file_of_nothing_names_three_of_its_reasons(tmp_path):
    np.savez(tmp_path / "n.npz", **{f"n{i}": np.arange(9) for i in range(5)})
    with pytest.raises(ValueError, match=r"holds no weights to judge \(n0: [^;]*; n1: [^;]*; n2: [^;]*\)$"):
        weights.report(tmp_path / "n.npz")


@pytest.mark.parametrize(
    ("name", "shape", "rows"),
    [
        ("mlp.Experts.up", (3, 8, 40), (24, 40)),
        ("conv", (3, 8, 40), (3, 320)),
        ("expert", (3, 8, 2, 2), (3, 32)),
    ],
)
def test_experts_are_stacked_matrices_and_other_stacks_are_convolutions(monkeypatch, name, shape, rows):
    seen = []
    monkeypatch.setattr(judge.formats, "compare", lambda array: seen.append(array.shape) or [])
    weights.analyse({name: np.random.default_rng(3).normal(size=shape)}, [4], 1, every_format=True)
    assert seen == [rows]


def test_a_table_grows_by_what_is_judged_alone():
    """A copy and zeros, which only their values show, add no row and no table."""
    w, v = np.random.default_rng(8).normal(size=(2, 20, 30))
    arrays = {"zeros": np.zeros((20, 30)), "w": w, "copy": w.copy(), "none": np.zeros((30, 20)), "v": v}
    tables = list(weights.growing_table(arrays, [4]))
    assert [[row.name for row in table.rows] for table in tables] == [["w"], ["w", "v"], ["w", "v"]]
    assert [table.seen for table in tables] == [2, 5, 5] and len(tables[-1].skipped) == 3


def test_a_copy_is_one_of_equal_shape_and_values():
    w = np.random.default_rng(4).normal(size=(20, 30))
    turned = np.asfortranarray(w)
    arrays = {"w": w, "copy": turned, "reshaped": w.reshape(30, 20), "narrow": w.astype(np.float32)}
    table = weights.analyse(arrays, [4])
    assert table.skipped == {"copy": "equal to 'w'"} and [row.name for row in table.rows] == [
        "w",
        "reshaped",
        "narrow",
    ]


@pytest.mark.parametrize("shapes", [[(9,), (3, 3)], [(9,), (3, 3), (9,)], [(9,), (9,)], [(3, 3)]])
def test_long_vectors_are_spoken_of_beside_matrices(shapes):
    rows = [
        weights.TensorRow(f"t{i}", shape, 9, 3.0, 2.0, {4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
        for i, shape in enumerate(shapes)
    ]
    said = [one for one in weights.Table((4,), rows).sentences() if one.startswith("Vectors too long")]
    count = shapes.count((9,))
    if 0 < count < len(shapes):
        assert [one.endswith(f"matrices: {count}, such as t0.") for one in said] == [True]
    else:
        assert not said


@pytest.mark.parametrize(
    ("cut_at", "words"),
    [
        ((2, 3, 4), "cut at 2-4, snap at 5-8"),
        ((2,), "cut at 2, snap at 3-8"),
        ((6, 7, 8), "snap at 2-5, cut at 6-8"),
        ((2, 4, 5, 6, 7), "cut at 2, snap at 3, cut at 4-7, snap at 8"),
    ],
)
def test_widths_of_one_winner_are_named_from_the_first_to_the_last(cut_at, words):
    pruning = {bits: 9.0 if bits in cut_at else 1.0 for bits in range(2, 9)}
    every = dict.fromkeys(pruning, 5.0)
    row = weights.TensorRow("t", (3, 3), 9, 3.0, 2.0, every, pruning, every, weights.Signal(1.0))
    assert row.verdict == weights.Table(tuple(pruning), [row]).verdict == words


@pytest.mark.parametrize(
    ("pruning", "words"),
    [
        ({2: 1.0, 4: 5.0, 8: 9.0}, ""),
        ({2: 3.0, 4: 5.0, 8: 9.0}, "; pruning is better at 2 bits"),
        ({2: 2.0, 4: 5.0, 8: 9.0}, ""),  # neither is better where they are equal
        ({2: 3.0, 4: 5.0, 8: 50.0}, "; pruning is better at 2, 8 bits"),
    ],
)
def test_widths_at_which_the_other_is_better_are_named(pruning, words):
    quantization = {2: 2.0, 4: 9.0, 8: 40.0}
    zeros = dict.fromkeys(pruning, 0.0)
    row = weights.TensorRow("t", (3, 3), 9, 3.0, 2.0, quantization, pruning, zeros, weights.Signal(1.0))
    said = weights.Table((2, 4, 8), [row]).recommendation()
    assert said.endswith(f"and wins 1 of 1 tensors{words}.")


@pytest.mark.parametrize(
    ("quantization", "pruning", "words"),
    [
        (9.04, 5.26, "Snap: at 4 bits quantization keeps 9.0 dB of the network and pruning 75 % 5.3 dB"),
        (-0.26, 0.24, "Cut: at 4 bits pruning 75 % keeps 0.2 dB of the network and quantization -0.3 dB"),
        (99.96, 12.5, "Snap: at 4 bits quantization keeps 100.0 dB of the network and pruning 75 % 12.5 dB"),
        (
            math.inf,
            12.04,
            "quantization keeps everything of the network and pruning 75 % 12.0 dB",
        ),
    ],
)
def test_ratios_of_the_recommendation_have_one_digit_behind_the_point(quantization, pruning, words):
    ratios = {4: quantization}, {4: pruning}
    row = weights.TensorRow("t", (3, 3), 9, 3.0, 2.0, *ratios, {4: 0.0}, weights.Signal(1.0))
    assert words in weights.Table((4,), [row]).recommendation()


@pytest.mark.parametrize("shared", [False, True])
def test_the_same_bytes_in_another_order_are_other_values(shared):
    """Every weight and its bytes backwards are numbers of about one; neither array is a copy of the other."""
    parts = np.random.default_rng(0).integers(0, 256, size=(16, 32, 4), dtype=np.uint8)
    parts[:, :, [0, 3]] = 0x3F
    little = parts.view("<f4")[:, :, 0]
    big = little.view(">f4") if shared else little.view(">f4").copy()
    found = weights.analyse({"a": little, "b": big}, [4])
    assert [row.name for row in found.rows] == ["a", "b"] and not found.skipped
    for row, array in zip(found.rows, (little, big), strict=True):
        alone = weights.analyse({"w": array.astype(np.float64)}, [4]).rows[0]
        assert row.kurtosis == pytest.approx(alone.kurtosis, rel=1e-9)
        assert row.quantization[4] == pytest.approx(alone.quantization[4], rel=1e-9)
