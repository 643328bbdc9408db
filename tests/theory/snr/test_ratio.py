import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import snr
from theory.derivations import snr as derivations
from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform

REFERENCE = json.loads((Path(__file__).parents[1] / "reference_moments.json").read_text())["gaussian_snr"]
LAWS = [Gaussian(1.7), Laplace(0.4), Uniform(3), StudentT(2, 30), StudentT(2, 1e4), StudentT(5, 8)]


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_gaussian_table_agrees_with_mpmath(bits):
    step, quantized, pruned = map(float, REFERENCE[str(bits)])
    assert snr.optimal_scale(Gaussian(), snr.integer_levels(bits)) == pytest.approx(step, rel=1e-9)
    assert snr.quantization_snr(Gaussian(), bits) == pytest.approx(quantized, abs=1e-10)
    assert snr.pruning_snr(Gaussian(), snr.equal_sparsity(bits)) == pytest.approx(pruned, abs=1e-12)


def test_derivations_are_identities():
    assert derivations.telescoping() == 0
    assert derivations.slopes() == (0, 0)
    assert derivations.gap_slope() == 0
    assert derivations.gaussian_pruning_error() == 0
    assert derivations.student_first_tail() == 0
    assert derivations.student_two_gaps() == [0] * 6


def test_fast_forms_equal_the_derived_ones():
    x = np.array([0.1, 1.0, 2.5])
    for law, forms, symbols in (
        (Gaussian(), derivations.gaussian_tails(), {}),
        (Laplace(1.5), derivations.laplace_tails(), {derivations.c: 1.5}),
    ):
        for fast, form in zip(law.tail(x), forms, strict=True):
            derived = [float(form.subs({**symbols, derivations.x: value})) for value in x]
            np.testing.assert_allclose(fast, derived, rtol=1e-13)
    forms = derivations.student_two()
    law = StudentT(2, 9.0)
    at = {derivations.r: 9, derivations.c: derivations.sp.Rational(3, 4)}
    values = {key: float(form.subs(at)) for key, form in forms.items()}
    assert law.second_moment == pytest.approx(2 * values["second"] / values["mass"], rel=1e-13)
    assert law.kurtosis == pytest.approx(
        values["fourth"] * values["mass"] / (2 * values["second"] ** 2), rel=1e-13
    )
    assert float(law.ppf(0.875)) == pytest.approx(values["threshold"], rel=1e-13)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_telescoped_error_equals_the_error_summed_bin_by_bin(bits):
    derived = derivations.gaussian_quantization_error(bits)
    for step in (0.2, 0.7, 1.9):
        assert float(snr.quantization_error(Gaussian(), snr.integer_levels(bits), step)) == pytest.approx(
            float(derived.subs(derivations.s, step)), rel=1e-12
        )


@pytest.mark.parametrize("levels", [[-1, 1], [0.5, 2, 3], [-3, -1, 0.25, 2], [0], [-2.5]], ids=str)
@pytest.mark.parametrize("law", [Gaussian(1.2), StudentT(2, 7), Empirical([-3, -1, 0.2, 0.9, 4.0])], ids=repr)
def test_any_codebook_has_the_error_of_its_nearest_levels(law, levels):
    values = law.values if isinstance(law, Empirical) else law.ppf((np.arange(400_000) + 0.5) / 400_000)
    scale = 0.8
    nearest = np.abs(values[:, None] - scale * np.array(levels, float)).min(axis=1)
    found = float(snr.quantization_error(law, np.array(levels), scale))
    assert found == pytest.approx(float(np.mean(nearest**2)), rel=1e-4 if values.size > 5 else 1e-13)


def certified_least_error(law, levels, tolerance=1e-6):
    """Branch and bound: MSE = E W^2 - 2 s L(s), L convex, so a chord of L bounds the error from below."""
    unit = law.bound if math.isfinite(law.bound) else 40 * float(law.ppf(0.75))
    # below: clipping at 1/500 of the deviation; above: everything but a sliver rounds to zero
    start = math.sqrt(law.second_moment) / 500 / np.abs(levels).max()
    ends = np.geomspace(start, 2 * unit / min(1, np.diff(levels).min()), 60)
    power = law.second_moment

    def stop_loss(s):
        return (power - snr.quantization_error(law, levels, s)) / (2 * s)

    a, b = ends[:-1], ends[1:]
    la, lb = stop_loss(a), stop_loss(b)
    best = min((power - 2 * ends * stop_loss(ends)).min(), power)
    proved = best
    while a.size:
        slope = (lb - la) / (b - a)
        level = la - slope * a
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.where(slope < 0, np.clip(-level / (2 * slope), a, b), b)
        bound = power - 2 * s * (level + slope * s)
        keep = bound < best * (1 - tolerance) - 1e-13 * power
        if (~keep).any():
            proved = min(proved, bound[~keep].min())
        a, b, la, lb = a[keep], b[keep], la[keep], lb[keep]
        middle = (a + b) / 2
        lm = stop_loss(middle) if middle.size else middle
        best = min(best, (power - 2 * middle * lm).min(initial=np.inf))
        a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
        la, lb = np.concatenate([la, lm]), np.concatenate([lm, lb])
    return best, proved


@pytest.mark.parametrize(
    "law", [*LAWS, StudentT(0.3, 100), StudentT(2, 1.5), StudentT(2, 18.12), StudentT(2, 1e6)], ids=repr
)
def test_optimal_scale_is_within_1e6_of_the_certified_optimum(law):
    for levels in (*map(snr.integer_levels, (1, 2, 3, 5, 8)), np.array([-6.0, -3, -1, 0, 0.5, 1, 4])):
        least = float(snr.quantization_error(law, levels, snr.optimal_scale(law, levels)))
        best, proved = certified_least_error(law, levels)
        assert least <= proved * (1 + 2e-6) and least >= proved * (1 - 1e-9)
        assert least <= best * (1 + 1e-9)


@pytest.mark.parametrize("law", [Gaussian(), Laplace(), StudentT(2, 30), Uniform(1.0)], ids=repr)
def test_optimal_scale_of_irregular_levels_is_global(law):
    rng = np.random.default_rng(11)
    for _ in range(6):
        size = rng.exponential(size=6) ** 3 * rng.choice([0.1, 1, 10])
        levels = np.unique(np.append(size * rng.choice([-1, 1], 6), 0.0))
        found = float(snr.quantization_error(law, levels, snr.optimal_scale(law, levels)))
        scales = np.geomspace(1e-3, 1e3, 8001) / np.abs(levels).max()  # brute force
        assert found <= float(snr.quantization_error(law, levels, scales).min()) * (1 + 1e-6)


@pytest.mark.parametrize(("bits", "grid"), [(1, "twos-complement"), (2, "symmetric"), (3, "twos-complement")])
def test_optimal_scale_of_a_few_values_is_global(bits, grid):
    rng = np.random.default_rng(0)
    levels = snr.integer_levels(bits, grid)
    samples = [np.round(rng.standard_t(1.5, rng.integers(1, 9)), 1) for _ in range(25)]
    samples += [np.array([0.3, 0.1, -0.4, -0.7, 2.8, 0.9, 0.9, -0.9])]  # 5 % lost in a wrong valley
    for values in samples:
        if not values.any():
            continue
        scales = np.geomspace(1e-3, 4, 20_001) * np.abs(values).max()
        brute = min(
            np.mean((values - s * levels[np.abs(values[:, None] / s - levels).argmin(axis=1)]) ** 2)
            for s in scales[::20]
        )
        law = Empirical(values)
        found = float(snr.quantization_error(law, levels, snr.optimal_scale(law, levels)))
        assert found <= brute * (1 + 1e-6) + 1e-15 * law.second_moment
        assert found <= float(snr.quantization_error(law, levels, scales).min()) * (1 + 1e-6) + 1e-15


@given(st.floats(1e-3, 1e3), st.sampled_from([2, 4, 7]))
def test_ratios_do_not_depend_on_the_unit(unit, bits):
    assert snr.quantization_snr(Gaussian(unit), bits) == pytest.approx(
        snr.quantization_snr(Gaussian(), bits), abs=1e-9
    )
    assert snr.pruning_snr(Laplace(unit), 0.7) == pytest.approx(snr.pruning_snr(Laplace(), 0.7), abs=1e-9)


def test_rules_order_as_they_must():
    law = StudentT(2, 40)
    best = snr.quantization_snr(law, 4)
    for rule, options in (("max-abs", {}), ("percentile", {"percentile": 99.0}), ("scale", {"scale": 1.0})):
        assert snr.quantization_snr(law, 4, rule, **options) < best
    assert snr.quantization_snr(law, 4, "percentile", percentile=100) == pytest.approx(
        snr.quantization_snr(law, 4, "max-abs")
    )
    assert snr.quantization_snr(law, 4, grid="symmetric") < best


def test_natural_zeros_are_the_mass_of_the_middle_cell():
    step = snr.optimal_scale(Gaussian(), snr.integer_levels(4))
    assert snr.natural_zeros(Gaussian(), 4) == pytest.approx(math.erf(step / 2 / math.sqrt(2)), rel=1e-12)


@pytest.mark.parametrize(("mask", "sparsity"), [(False, 12 / 16), (True, 13 / 16)])
def test_both_methods_are_equal_at_the_crossing(mask, sparsity):
    """Of 16 bits a weight 4 are stored, one of them the mask's."""
    law = StudentT(2.0, snr.crossover_bound(4, 2.0, mask=mask))
    assert snr.pruning_snr(law, sparsity) == pytest.approx(snr.quantization_snr(law, 4), abs=1e-6)


def test_natural_zeros_of_the_symmetric_grid():
    """Max (1960), three levels: at 0 and +-1.2240 sigma. Without the fourth, more is sent to zero."""
    found = snr.natural_zeros(Gaussian(), 2, grid="symmetric")
    assert found == pytest.approx(math.erf(1.2240 / 2 / math.sqrt(2)), abs=1e-4)
    assert snr.natural_zeros(Gaussian(), 2) < found - 0.05


def test_natural_zeros_of_one_bit_have_no_upper_end():
    # {-s, 0}: everything above -s/2. MSE(s) = 1 - 2 s phi(s/2) + s^2 Q(s/2), the gain s L(s) by mpmath:
    # argmin 1.2240064, P(W > -s/2) = 0.72973217
    step = snr.optimal_scale(Gaussian(), snr.integer_levels(1))
    assert step == pytest.approx(1.2240064, rel=1e-6)
    assert snr.natural_zeros(Gaussian(), 1) == pytest.approx(0.7297321735, rel=1e-9)
    values = np.array([-4.0, -1.0, 0.0, 2.0, 9.0])
    assert snr.natural_zeros(Empirical(values), 1, "scale", scale=2.0) == pytest.approx(4 / 5)
    assert snr.natural_zeros(Empirical(values), 2, "scale", scale=2.0) == pytest.approx(
        2 / 5
    )  # both halves of [-1, 1]


def test_percentile_rule_takes_no_rank_too_many():
    law = Empirical(np.concatenate([np.linspace(-0.999, 0.998, 999), [100.0]]))
    step = snr.scale_for(law, snr.integer_levels(4), "percentile")  # 99.9 % of 1,000: without the outlier
    assert step == pytest.approx(0.999 / 7, rel=1e-14)
    for percentile, rank in ((99.9, 999), (0.1, 1), (10.0, 100), (70.0, 700), (99.99, 1000)):
        step = snr.scale_for(
            Empirical(np.arange(1.0, 1001)), [-1.0, 0.0, 1.0], "percentile", percentile=percentile
        )
        assert step == rank


# 2F1 moments and their root by mpmath at 30 digits
def test_pruning_of_very_heavy_tails():
    assert snr.pruning_snr(StudentT(0.1, 1e9), 0.75) == pytest.approx(94.124689382866795, rel=1e-12)


@pytest.mark.parametrize(
    "law", [StudentT(3, 1e-12), StudentT(2, 1e-30), Truncated(Gaussian(), 1e-12)], ids=repr
)
def test_a_law_cut_far_below_its_scale_is_uniform(law):
    # 16 levels on a uniform law, the error summed over its 16 cells and minimised by mpmath: s = 0.1321585903
    assert snr.quantization_snr(law, 4) == pytest.approx(23.52216232046357, rel=1e-12)
    assert snr.pruning_snr(law, 0.75) == pytest.approx(-10 * math.log10(0.75**3), rel=1e-12)


@pytest.mark.parametrize("df", [1e14, 1e17, 9e74])
def test_a_law_of_many_degrees_of_freedom_is_gaussian(df):
    law = StudentT(df, 10.0)
    assert snr.quantization_snr(law, 4) == pytest.approx(float(REFERENCE["4"][1]), rel=1e-11)
    assert snr.pruning_snr(law, 0.75) == pytest.approx(float(REFERENCE["4"][2]), rel=1e-11)


def test_a_crossing_is_found_as_far_out_as_it_is_looked_for():
    # just below the degrees of freedom from which on quantization wins for every truncation
    bound = snr.crossover_bound(4, 2.98061)
    assert 1e6 < bound < 1e7
    nearer, further = (StudentT(2.98061, bound * factor) for factor in (0.7, 1.4))
    assert snr.pruning_snr(nearer, 0.75) < snr.quantization_snr(nearer, 4)
    assert snr.pruning_snr(further, 0.75) > snr.quantization_snr(further, 4)
    assert math.isnan(snr.crossover_bound(4, 2.9807))


@pytest.mark.parametrize("mask", [False, True])
def test_the_kurtosis_of_a_crossing_is_that_of_its_truncation(mask):
    # integrals of u^2 and u^4 over (2 + u^2)^(3/2) up to r, and of 1 over it
    r = snr.crossover_bound(4, 2, mask=mask)
    root, angle = math.sqrt(2 + r * r), math.asinh(r / math.sqrt(2))
    second, fourth, mass = angle - r / root, (r**3 + 6 * r) / (2 * root) - 3 * angle, r / (2 * root)
    assert snr.crossover_kurtosis(4, 2, mask=mask) == pytest.approx(fourth * mass / second**2, rel=1e-10)


def test_natural_zeros_of_a_percentile():
    # half the magnitudes of a uniform law lie below 1/2: level 1 there, zeros up to 1/4; of 80 %, to 0.4
    for percentile, share in ((50, 0.25), (80, 0.4)):
        found = snr.natural_zeros(Uniform(1.0), 2, "percentile", percentile=percentile)
        assert found == pytest.approx(share, rel=1e-14)


def test_the_gaussian_limit_has_no_crossing():
    assert math.isnan(snr.crossover_bound(4, 1e16))


@pytest.mark.parametrize("unit", [1e-310, 1e-170, 1e160, 1e300])
def test_ratios_of_values_of_any_magnitude(unit):
    values = np.array([-3.1, 0.2, 0.7, 1.9, -0.4, 5.5])
    law, plain = Empirical(values * unit), Empirical(values)
    assert snr.quantization_snr(law, 3) == pytest.approx(snr.quantization_snr(plain, 3), rel=1e-9)
    assert snr.pruning_snr(law, 0.5) == pytest.approx(
        -10 * math.log10((0.2**2 + 0.7**2 + 0.4**2) / np.sum(values**2)), rel=1e-9
    )
    assert snr.natural_zeros(law, 3) == snr.natural_zeros(plain, 3)
    assert snr.quantization_snr(law, 3, "scale", scale=0.9 * unit) == pytest.approx(
        snr.quantization_snr(plain, 3, "scale", scale=0.9), rel=1e-9
    )


@pytest.mark.parametrize(("unit", "sign"), [(1e-300, 1), (1e300, -1)])
def test_a_step_far_from_values_of_any_magnitude(unit, sign):
    """2^900 times the values, or a share of 2^-900 of them, leaves all of the signal; 2^1100 is refused."""
    law = Empirical(np.array([-3.1, 0.2, 0.7, 1.9, -0.4, 5.5]) * unit)
    for power in (90, 110, 900):
        step = math.ldexp(unit, sign * power)
        assert snr.quantization_snr(law, 3, "scale", scale=step) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="too far from weights"):
        snr.quantization_snr(law, 3, "scale", scale=math.ldexp(unit, sign * 1100))


def test_a_share_counts_as_an_error_down_to_1e_15_of_the_signal():
    for noise in (1e-10, 1e-14, 1.1e-15):
        assert snr.noise_snr(noise) == pytest.approx(-10 * math.log10(noise), rel=1e-12)
    assert snr.noise_snr(1e-15) == snr.noise_snr(0.0) == math.inf


def test_degenerate_laws_have_defined_ratios():
    assert snr.quantization_snr(Empirical([3.0] * 5), 4) == math.inf
    assert snr.pruning_snr(Empirical([3.0] * 4), 0.5) == pytest.approx(10 * math.log10(2))
    assert snr.quantization_snr(Empirical([0.0] * 5), 4) == math.inf
    assert snr.pruning_snr(Empirical([0.0] * 5), 0.5) == math.inf
    assert snr.pruning_snr(Gaussian(), 0.0) == math.inf
    assert snr.pruning_snr(Empirical([1.0, 2.0]), 0.0) == math.inf


def test_sixteen_bits_are_still_accurate():
    # high-rate law: the error of a fine step inside the range is step^2/12
    law, levels = Uniform(1.0), snr.integer_levels(16)
    step = 2.0**-15
    assert float(snr.quantization_error(law, levels, step)) == pytest.approx(step**2 / 12, rel=2e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snr.quantization_snr(Gaussian(), 0), "bits must be an integer from 1 to 16"),
        (lambda: snr.quantization_snr(Gaussian(), 17), "bits must be"),
        (lambda: snr.quantization_snr(Gaussian(), 2.5), "bits must be"),
        (lambda: snr.quantization_snr(Gaussian(), 1, grid="symmetric"), "use at least 2 bits"),
        (lambda: snr.quantization_snr(Gaussian(), 4, grid="odd"), "grid must be"),
        (lambda: snr.quantization_snr(Gaussian(), 4, "best"), "rule must be"),
        (lambda: snr.quantization_snr(Gaussian(), 4, "max-abs"), "needs a bounded law"),
        (lambda: snr.quantization_snr(Gaussian(), 1, "percentile"), "needs a positive level"),
        (lambda: snr.quantization_snr(Gaussian(), 4, "percentile", percentile=0), "percentile must lie in"),
        (lambda: snr.quantization_snr(Gaussian(), 4, "scale"), "needs a positive finite scale"),
        (lambda: snr.quantization_error(Gaussian(), np.array([0.0]), -1), "scale must be positive"),
        (lambda: snr.quantization_error(Gaussian(), np.array([]), 1), "levels must be finite"),
        (lambda: snr.pruning_snr(Gaussian(), 1.0), r"sparsity must lie in \[0, 1\)"),
        (lambda: snr.pruning_snr(Gaussian(), -0.1), "sparsity must lie in"),
        (lambda: snr.pruning_snr(Gaussian(), math.nan), "sparsity must lie in"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_pruning_cuts_the_smallest_squares_of_any_number_of_values():
    values = np.random.default_rng(8).standard_t(2, size=41)
    squares = np.sort(values**2)
    for count in range(41):
        found = snr.pruning_error(Empirical(values), count / 41)
        assert found == pytest.approx(squares[:count].sum() / 41, rel=1e-12, abs=1e-300), count


def test_a_mask_leaves_nothing_of_one_bit():
    with pytest.raises(ValueError, match="bits must be at least 2 with a mask"):
        snr.crossover_bound(1, 2, mask=True)
    assert snr.crossover_bound(1, 2) > 1


def test_a_ratio_of_what_is_no_number_is_none():
    for found in (snr.noise_snr(math.nan), snr.decibel(math.nan, 1.0), snr.decibel(1.0, math.nan)):
        assert math.isnan(found)
    assert snr.decibel(0.0, 1.0) == -math.inf and snr.noise_snr(0.0) == math.inf
