"""Random tensors, rounded or pruned: medians against tensors drawn here, and the laws beside them."""

import math

import numpy as np
import pytest

from sims import simulations
from sims.montecarlo import stream
from sims.weights.rotation import rotate
from sims.weights.simulate import Setting, growing_ratios, named_law, rows, simulate
from theory.distributions import Gaussian, Laplace, StudentT, Uniform
from theory.formats.laws import format_snr


def test_rows_are_medians_of_the_tensors_of_their_streams():
    law = StudentT(3.0, 20.0)
    rows = simulate(Setting(law, "symmetric", 32, rotated=True, size=512), 3, trials=70, seed=5)
    ratios = []
    for block, count in ((0, 64), (1, 6)):
        rng = stream(5, ("snr", repr(law), 512), block)
        for _ in range(count):
            w = rotate(law.ppf(rng.random(512)).reshape(2, 256))
            blocks = w.reshape(-1, 32)
            scale = np.abs(blocks).max(axis=1, keepdims=True) / 3
            error = np.sum((blocks - scale * np.rint(blocks / scale)) ** 2)
            cut = np.sort(np.abs(w).ravel())[: int(np.ceil((1 - 3.5 / 16) * 512))]
            ratios.append(10 * np.log10(np.sum(w**2) / np.array([error, np.sum(cut**2)])))
    for row, wanted in zip(rows[:2], np.median(ratios, axis=0), strict=True):
        assert row.measured == pytest.approx(wanted, abs=1e-9)
        assert row.low <= row.measured <= row.high and row.trials == 70
    assert rows[0].quantity == "SNR of INT3 symmetric g32 (dB)" and "78.12 %" in rows[1].quantity
    by_name = {row.quantity: row.theory for row in rows}
    assert Setting(law, rotated=True).stored_law.second_moment == pytest.approx(law.second_moment)
    assert by_name["stored bits per weight"] == 3.5 and by_name["kurtosis"] == pytest.approx(3.0)


def test_laws_stand_in_the_row_and_the_width_stops():
    plain = simulations.snr(width=0.5, trials=6400)
    assert plain[0].theory == pytest.approx(19.2577, abs=1e-4)
    assert plain[1].theory == pytest.approx(5.5847, abs=1e-4)
    assert plain[0].high - plain[0].low <= 0.5 and plain[0].trials < 6400
    heavy = simulations.snr("student-t", df=1.0, bits=3, size=512, width=0.4, trials=2000)
    assert all(0.2 < row.high - row.low <= 0.4 and row.trials < 2000 for row in heavy[:2])
    for weights, verdict in (("gaussian", "snap"), ("student-t", "cut")):
        rows = {row.quantity: row for row in simulations.snr(weights, df=1.0, bits=3, size=512, trials=64)}
        gap = rows["rounding above pruning (dB)"]
        assert gap.source == verdict == ("snap" if gap.theory > 0 else "cut")
    assert simulations.snr(mask=True, trials=64)[1].quantity == "SNR of pruning 81.25 % (dB)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 300}, "size must be a multiple of 256, got 300"),
        ({"weights": "cauchy"}, "weights must be one of gaussian, laplace, uniform, student-t, got 'cauchy'"),
        ({"codes": "float", "bits": 5}, "float codes have 4, 6, 8 bits, got 5"),
        ({"trials": 0}, "trials must be"),
    ],
)
def test_bad_settings_are_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        simulations.snr(**options)


def test_names_of_laws():
    assert named_law("gaussian") == Gaussian() and named_law("student-t", 2.5, 9.0) == StudentT(2.5, 9.0)
    assert named_law("laplace", 2.5, 9.0) == Laplace(1.0)
    assert named_law("uniform", 2.5, 9.0) == Uniform(1.0)


def test_laws_stand_alone_where_nothing_was_drawn():
    """Of a uniform law without its smallest three quarters (3/4)^3 of the energy is lost."""
    quantized, pruned, difference, *_ = rows(Setting(Uniform(1.0), "symmetric"), 4)
    assert [one.quantity for one in (quantized, pruned)] == [
        "SNR of INT4 symmetric (dB)",
        "SNR of pruning 75 % (dB)",
    ]
    assert pruned.theory == pytest.approx(-30 * math.log10(3 / 4))
    assert difference.theory == quantized.theory - pruned.theory
    for one in (quantized, pruned):
        assert one.source == "law" and one.measured is None and one.trials is None


def test_the_first_width_alone_decides_when_enough_is_known():
    """At 8 bits the medians of heavy tails are known less well than at 2, at any number of tensors."""
    setting = Setting(StudentT(2.0, 30.0), size=256)
    spans = {
        tensors: [max(high - low for _, low, high in pair) for pair in medians]
        for tensors, medians in growing_ratios(setting, (2, 8), seed=0, trials=320)
    }
    assert all(first < second for first, second in spans.values())
    for width in (1.0, 0.8):
        *_, (tensors, _) = growing_ratios(setting, (2, 8), seed=0, trials=320, width=width)
        assert tensors == next(n for n, (first, _) in spans.items() if first <= width)


def test_what_a_setting_says_reaches_its_format():
    """Stored bits: 4 of a code, and 16 or 8 of a scale for every 32."""
    law = StudentT(3.0, 20.0)
    for scale, stored in (("float16", 4.5), ("power-of-two", 4.25), ("e4m3", 4.25)):
        found = simulate(Setting(law, "symmetric", 32, scale), 4, trials=1, seed=0)
        rows = {row.quantity: row.theory for row in found}
        assert rows["stored bits per weight"] == stored
    assert Setting(law, "symmetric", 32, "power-of-two").form(4).name == "INT4 symmetric g32, power-of-two"


def test_a_law_is_that_of_tensors_of_this_size():
    """Scales of 8 bits are fractions of the tensor's largest: the larger it is, the coarser they are."""
    settings = [Setting(StudentT(3.0, 20.0), "symmetric", 32, "e4m3", size=size) for size in (256, 2**17)]
    ratios = [setting.ratios(4)[0] for setting in settings]
    assert ratios[0] > ratios[1] + 0.01
    assert ratios == [
        format_snr(one.law, one.form(4), size) for one, size in zip(settings, (256, 2**17), strict=True)
    ]


def test_zeros_of_rounding_are_those_of_the_grid():
    """Max (1960): of three levels the best lie at 0 and +-1.2240 sigma; two's complement has a fourth."""
    zeros = [
        row.theory
        for codes in ("symmetric", "twos-complement")
        for row in simulate(Setting(Gaussian(), codes), 2, trials=1, seed=0)
        if row.quantity == "weights that rounding sends to zero"
    ]
    assert zeros[0] == pytest.approx(math.erf(0.6120 / math.sqrt(2)), abs=1e-4) and zeros[1] < zeros[0] - 0.05


def test_the_level_of_the_intervals_is_handed_on():
    spans = []
    for level in (0.5, 0.99):
        *_, (_, ((rounding, pruning),)) = growing_ratios(
            Setting(StudentT(3.0, 20.0), size=256), (4,), seed=3, trials=128, level=level
        )
        spans.append((rounding[2] - rounding[1], pruning[2] - pruning[1]))
    assert spans[0][0] < 0.8 * spans[1][0] and spans[0][1] < 0.8 * spans[1][1]  # of order statistics


@pytest.mark.parametrize(
    ("codes", "group", "known"),
    [
        *(("twos-complement", 0, True), ("symmetric", 0, True), ("symmetric", 32, False)),
        *(("float", 0, False), ("float", 32, False)),
    ],
)
def test_the_share_of_zeros_has_a_row_for_integers_with_one_scale(codes, group, known):
    found = simulate(Setting(Gaussian(), codes, group), 4, trials=1, seed=0)
    assert ("weights that rounding sends to zero" in {row.quantity for row in found}) == known


@pytest.mark.parametrize(
    ("group", "bits", "sparsity"), [(4, 8, 1 / 8), (2, 6, 0.0), (2, 8, 0.0), (1, 8, 0.0)]
)
def test_nothing_is_pruned_beside_a_format_of_sixteen_bits_and_more(group, bits, sparsity):
    """Codes, a float16 scale and a zero point as long as a code for every group: 14, 17, 20 and 32 bits."""
    setting = Setting(Gaussian(), "zero-point", group)
    assert setting.sparsity(bits) == sparsity
    assert (setting.ratios(bits)[1] == math.inf) == (sparsity == 0)
