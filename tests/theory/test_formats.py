import itertools

import numpy as np
import pytest

from sims import snr as sims_snr
from theory import formats, snr_limits
from theory.codebooks import Codebook
from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform
from theory.snr import decibel, pruning_error, quantization_snr

BY_NAME = {form.name: form for form in formats.FORMATS}
# the 16 levels as published with the QLoRA paper
NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023,
    1.0,
]  # fmt: skip


def literal_groups(form, size=60_000 * 32):
    """Magnitude quantiles of drawn weights, and which of them n:m pruning keeps."""
    u = np.random.default_rng(3).random((size // form.group, form.group)) * 2 - 1
    return u, np.argsort(np.argsort(np.abs(u), axis=1), axis=1) >= form.group - form.keep


def literal_snr(law, form, blocks=60_000):
    """The format applied to drawn weights, block by block; the tensor's peak is that of the law."""
    if form.group:
        u, kept = literal_groups(form)
        w = law.ppf(0.5 + u / 2)
        q = np.where(kept, w, 0.0)
        if form.codes:
            scale = sims_snr.optimal_scale(w[kept], form.levels).scale
            q[kept] = sims_snr.quantize(w[kept], form.levels, scale)
    else:
        size = form.block
        w = law.ppf(np.random.default_rng(3).random((blocks * 32 // size, size)))
        largest = np.abs(w).max(axis=1, keepdims=True)
        peak = float(law.ppf(0.5 + 2.0 ** -(2.0**-20) / 2))
        scale = formats.block_scale(form, largest, peak)
        thresholds = (form.levels[1:] + form.levels[:-1]) / 2
        q = scale * form.levels[np.searchsorted(thresholds, w / scale)]
    return decibel(np.mean(w**2), np.mean((w - q) ** 2))


@pytest.mark.parametrize("law", [Gaussian(0.3), Laplace(), StudentT(2, 30)], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "INT4 g128",
        "NF4 b64",
        "NVFP4",
        "MXFP4",
        "MXINT8",
        "MXFP8 E4M3",
        "2:4",
        "2:8",
        "2:4 + INT4",
        "2:4 + FP8 E4M3",
    ],
)
def test_laws_of_blocks_and_groups_agree_with_drawn_weights(law, name):
    tolerance = 0.12 if isinstance(law, StudentT) else 0.04
    assert formats.format_snr(law, BY_NAME[name]) == pytest.approx(
        literal_snr(law, BY_NAME[name]), abs=tolerance
    )


@pytest.mark.parametrize(("keep", "group"), [(1, 2), (2, 4), (1, 8), (7, 8)])
def test_groups_are_pruned_at_a_random_sparsity(keep, group):
    """What n:m pruning keeps of every magnitude quantile is the distribution function of Beta(m - n, n)."""
    from scipy import stats

    u, kept = literal_groups(formats.Format("x", "", 16, keep=keep, group=group))
    counts, edges = np.histogram(np.abs(u[kept]), bins=20, range=(0, 1))
    beta = stats.beta(group - keep, keep)
    expected = [beta.expect(lambda c, a=a, b=b: max(0, b - max(a, c))) for a, b in itertools.pairwise(edges)]
    assert counts / u.size == pytest.approx(expected, abs=5 / np.sqrt(u.size))
    law = Gaussian()
    random = beta.expect(lambda c: pruning_error(law, c))
    assert formats.group_pruning_error(law, keep, group) == pytest.approx(random, rel=1e-7)


def test_rounding_after_group_pruning_has_its_limits():
    """Fine values leave the pruning error alone; groups of one, all kept, are plain rounding."""
    for law in (Gaussian(), StudentT(2, 30)):
        fine = formats.Format("x", "int12", 12, keep=1, group=4)
        assert formats.format_error(law, fine) == pytest.approx(
            formats.group_pruning_error(law, 1, 4), rel=1e-3
        )
        whole = formats.Format("x", "int4", 4, keep=4, group=4)
        assert formats.format_error(law, whole) == formats.format_error(law, BY_NAME["INT4"])
        # large groups know their law: cutting half of each tends to cutting below the median
        limit = formats.format_error(law, BY_NAME["prune 50 % + INT8"])
        gaps = [
            formats.format_error(law, formats.Format("x", "int8", 8, keep=m // 2, group=m)) / limit - 1
            for m in (16, 64, 256)
        ]
        assert gaps == pytest.approx([gaps[2] * 16, gaps[2] * 4, gaps[2]], rel=0.15) and 0 < gaps[2] < 0.02


def test_scales_in_e4m3_are_within_a_sixteenth_and_reach_down_to_subnormals():
    form, peak = BY_NAME["NVFP4"], 3.0
    largest = peak * np.geomspace(2.0**-20, 1, 4001)
    exact, scale = largest / form.levels[-1], formats.block_scale(form, largest, peak)
    codes = scale * form.levels[-1] * 448 / peak
    levels = formats.codebook("e4m3").levels
    assert np.abs(codes[:, None] - levels).min(axis=1).max() < 1e-12 and codes.max() == 448
    normal = exact * form.levels[-1] * 448 / peak >= 2.0**-6
    assert np.all(np.abs(scale / exact - 1)[normal] <= 2.0**-4 + 1e-12)
    assert scale[0] == 0 and np.all(np.diff(scale) >= 0)
    assert np.all(formats.block_scale(form, np.zeros(2), 0.0) == 0)
    # a far outlier sends the blocks of a light law to zero
    assert formats._block_error(Gaussian(), form, 1e8) == pytest.approx(1.0)


def test_published_tables():
    np.testing.assert_allclose(formats.normal_float_levels(), NF4, atol=1e-6)
    assert formats.float_levels(2, 1).tolist()[7:] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    e4m3 = formats.float_levels(4, 3, 448)
    assert e4m3[-1] == 448 and np.min(e4m3[e4m3 > 0]) == 2.0**-9
    e5m2 = formats.float_levels(5, 2, 57344)
    assert e5m2[-1] == 57344 and np.min(e5m2[e5m2 > 0]) == 2.0**-16
    assert formats.float_levels(2, 3)[-1] == 7.5 and formats.float_levels(3, 2)[-1] == 28


def test_stored_bits_count_the_metadata():
    expected = {
        "INT4": 4,
        "INT4 g128": 4.125,
        "NF4 b64": 4.25,
        "MXFP4": 4.25,
        "MXINT8": 8.25,
        "NVFP4": 4.5,
        "2:4": 9,
        "2:4 + INT8": 5,
        "prune 75 %": 5,
    }
    assert {name: BY_NAME[name].stored_bits for name in expected} == expected


def test_pruning_then_rounding_tends_to_pruning_with_fine_values():
    law = Gaussian()
    coarse, fine = BY_NAME["prune 50 % + INT4"], formats.Format("x", "int12", 12, sparsity=0.5)
    pruned = formats.format_error(law, BY_NAME["prune 50 %"])
    assert formats.format_error(law, fine) == pytest.approx(pruned, rel=1e-5)
    assert formats.format_error(law, coarse) > pruned


def test_per_tensor_integers_are_the_quantizer_of_the_paper():
    assert formats.format_snr(Gaussian(), BY_NAME["INT5"]) == pytest.approx(quantization_snr(Gaussian(), 5))


def test_truncated_law_is_the_conditional_law():
    law, inside = Gaussian(2), Truncated(Gaussian(2), 3.0)
    mass = float(law.partial_moment(0, -3, 3))
    for order, low, high in ((0, -1, 2), (2, 0.5, 9), (4, -9, 9)):
        expected = float(law.partial_moment(order, max(low, -3), min(high, 3))) / mass
        assert float(inside.partial_moment(order, low, high)) == pytest.approx(expected, rel=1e-12)
    probability, first = inside.tail(np.array([0.0, 1.0, 3.5]))
    assert probability[0] == pytest.approx(0.5) and probability[2] == first[2] == 0
    assert float(inside.cdf(inside.ppf(0.9))) == pytest.approx(0.9) and inside.ppf(1.0) == 3
    with pytest.raises(TypeError, match="symmetric"):
        Truncated(Empirical([1.0]), 1.0)


def test_formats_refuse_what_has_no_law():
    with pytest.raises(TypeError, match=r"use sims.formats.noise"):
        formats.format_error(Empirical([1.0, 2.0]), BY_NAME["INT4"])
    with pytest.raises(ValueError, match="keep must be an integer from 1 to group"):
        formats.format_error(Gaussian(), formats.Format("x", "int4", 4, keep=5, group=4))
    with pytest.raises(ValueError, match="no codebook 'int99x'"):
        formats.codebook("int99x")
    with pytest.raises(ValueError, match="keep must be an integer from 1 to group"):
        formats.group_pruning_error(Gaussian(), 5, 4)


# --- limits ----------------------------------------------------------------------------------------------


def test_lloyd_max_reaches_the_published_gaussian_table():
    # Max 1960, Table I: 4.40, 9.30, 14.62, 20.22 dB at 1-4 bits
    for bits, value in ((1, 4.40), (2, 9.30), (3, 14.62), (4, 20.22)):
        assert snr_limits.lloyd_max_snr(Gaussian(), bits) == pytest.approx(value, abs=0.005)


@pytest.mark.parametrize("law", [Gaussian(1.5), Laplace(), StudentT(2, 30)], ids=repr)
def test_lloyd_max_is_stationary_and_beats_uniform_levels(law):
    for bits in (2, 5, 8):
        levels = snr_limits.lloyd_max(law, 2**bits)
        edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
        means = law.partial_moment(1, edges[:-1], edges[1:]) / law.partial_moment(0, edges[:-1], edges[1:])
        np.testing.assert_allclose(means, levels, rtol=1e-6, atol=1e-9)
        assert snr_limits.lloyd_max_snr(law, bits) >= quantization_snr(law, bits)


def test_high_rate_laws_approach_their_quantizers():
    gaps = [
        abs(snr_limits.lloyd_max_snr(Gaussian(), b) - snr_limits.panter_dite_snr(Gaussian(), b))
        for b in (4, 6, 8)
    ]
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2] and gaps[2] < 0.04
    # the loss of the uniform quantizer grows without end, as its asymptotic law says
    gaps = [abs(quantization_snr(Gaussian(), b) - snr_limits.uniform_gaussian_snr(b)) for b in (8, 12, 16)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert snr_limits.panter_dite_snr(Gaussian(), 3) - 3 * snr_limits.DECIBEL_PER_BIT == pytest.approx(
        -10 * np.log10(np.sqrt(3) * np.pi / 2), abs=1e-3
    )


def test_entropy_coding_loses_less_at_low_rate():
    losses = []
    for step in (0.05, 3.5, 5.0):
        bits, snr = snr_limits.entropy_coded(Gaussian(), step)
        losses.append(snr_limits.rate_distortion_snr(bits) - snr)
    assert losses == pytest.approx([snr_limits.ENTROPY_CODED_LOSS, 0.888, 0.203], abs=1e-3)


def test_nothing_beats_the_shannon_bound():
    for law in (Gaussian(), Laplace(), Uniform()):
        for step in (0.1, 0.5, 1.5):
            bits, snr = snr_limits.entropy_coded(law, step)
            assert snr <= snr_limits.shannon_bound_snr(law, bits) + 1e-9
    assert snr_limits.differential_entropy(Gaussian()) == pytest.approx(
        0.5 * np.log2(2 * np.pi * np.e), rel=1e-9
    )
    assert snr_limits.differential_entropy(Laplace()) == pytest.approx(np.log2(2 * np.e), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snr_limits.rate_distortion_snr(-1), "bits must be at least 0"),
        (lambda: snr_limits.lloyd_max(Gaussian(), 3), "count must be an even integer"),
        (lambda: snr_limits.entropy_coded(Gaussian(), 0), "step must be positive"),
        (lambda: Codebook(np.array([np.nan])), "levels must be finite"),
    ],
)
def test_bad_limits_are_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
