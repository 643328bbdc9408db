"""Laws of SciPy as laws of weights: against our own closed forms, and refused where they are none."""

import inspect
import itertools

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from theory.codebooks import optimal_scale, quantization_error
from theory.distributions import Empirical, Frozen, Gaussian, Laplace, Truncated, Uniform, as_law
from theory.fine_tuning import balanced_step
from theory.formats import FORMATS
from theory.formats.affine import affine_snr
from theory.formats.laws import format_snr, group_pruning_error
from theory.rotations import rotation_gain
from theory.snr import natural_zeros, pruning_error, pruning_snr, quantization_snr
from theory.snr.flatness import scale_condition
from theory.snr.limits import differential_entropy, entropy_coded

PAIRS = [
    (stats.norm(scale=3.0), Gaussian(3.0)),
    (stats.laplace(scale=0.2), Laplace(0.2)),
    (stats.uniform(-2.0, 4.0), Uniform(2.0)),
]


def test_moments_of_narrow_intervals_anywhere():
    # exp(-|x|^(3/2)): incomplete gamma functions; across cells of the quadrature and inside of one
    law, rng = Frozen(stats.gennorm(1.5)), np.random.default_rng(0)
    ends = [(0.0, 1e-9), (0.0, 3.0), *((a, a * (1 + w)) for a, w in 10.0 ** rng.uniform(-8, 1, (15, 2)))]
    for order in range(5):
        for low, high in ends:
            with mpmath.workdps(50):
                power = mpmath.mpf(3) / 2
                ratio = mpmath.gammainc(
                    (order + 1) / power, mpmath.mpf(low) ** power, mpmath.mpf(high) ** power
                )
                expected = float(ratio / (2 * mpmath.gamma(1 / power)))
            assert float(law.partial_moment(order, low, high)) == pytest.approx(expected, rel=1e-13, abs=0.0)


def test_a_law_almost_symmetric_is_taken_as_it_is():
    """A mean of 1e-6, or a hint of skewness, is kept: only what agrees to 1e-9 counts as symmetric."""
    skew = 1e-3 / np.sqrt(1 + 1e-6) * np.sqrt(2 / np.pi)
    for law, mean in ((stats.norm(loc=1e-6), 1e-6), (stats.skewnorm(1e-3), skew)):
        found = Frozen(law)
        assert not found.symmetric and found.mean == pytest.approx(mean, rel=1e-6)
        positive = float(found.partial_moment(0, 0.0))
        assert positive == pytest.approx(law.sf(0.0), rel=1e-12)
        assert float(found.partial_moment(0, high=0.0)) == pytest.approx(law.cdf(0.0), rel=1e-12)


@pytest.mark.parametrize("bound", [1e-12, 1e-6, 1e-3])
def test_a_piece_around_zero_has_the_quantiles_of_its_own_mass(bound):
    law = Truncated(Frozen(stats.logistic()), bound)
    for p in (1e-6, 0.1, 0.499, 0.7, 0.99):
        with mpmath.workdps(50):  # F - 1/2 of the logistic law is tanh(x/2)/2
            expected = float(2 * mpmath.atanh((2 * mpmath.mpf(p) - 1) * mpmath.tanh(mpmath.mpf(bound) / 2)))
        assert float(law.ppf(p)) == pytest.approx(expected, rel=1e-13)


def test_quantiles_of_a_piece_around_a_cusp():
    # the density falls within the piece: one Newton step from the middle is 7e-6 off
    law = Truncated(Frozen(stats.gennorm(0.3)), 1e-14)
    for p in (0.1, 0.499, 0.99):
        with mpmath.workdps(50):
            power, x = mpmath.mpf(0.3), abs(mpmath.mpf(float(law.ppf(p))))
            inside = mpmath.gammainc(1 / power, 0, x**power)
            inside /= mpmath.gammainc(1 / power, 0, mpmath.mpf(1e-14) ** power)
        assert float(inside) == pytest.approx(abs(2 * p - 1), rel=1e-7)


class Skewed:
    """The normal law with a density, or a second moment, that is off by a share of itself."""

    def __init__(self, density=0.0, second=0.0):
        self.law, self.density, self.second = stats.norm(), density, second

    def __getattr__(self, name):
        return getattr(self.law, name)

    def pdf(self, x):
        return self.law.pdf(x) * (1 + self.density)

    def moment(self, order):
        return self.law.moment(order) * (1 + self.second * (order == 2))


def test_how_far_a_density_may_be_from_its_own_distribution_function_and_moment():
    # cells hold up to 0.06 of the mass, which is compared to 1e-9; the second moment to 1e-6 of itself
    for law in (Skewed(density=1e-9), Skewed(second=5e-7), Skewed(second=-5e-7)):
        assert Frozen(law).second_moment == pytest.approx(1, abs=1e-8)
    for law in (Skewed(density=1e-7), Skewed(density=-1e-7)):
        with pytest.raises(ValueError, match="jumps or peaks too sharply"):
            Frozen(law)
    for law in (Skewed(second=2e-6), Skewed(second=-2e-6)):
        with pytest.raises(ValueError, match="second moment of law norm is 1 by quadrature"):
            Frozen(law)


@pytest.mark.parametrize(("frozen", "ours"), PAIRS, ids=["norm", "laplace", "uniform"])
def test_moments_are_those_of_our_own_closed_forms(frozen, ours):
    law, rng = Frozen(frozen), np.random.default_rng(0)
    low, high = np.sort(ours.ppf(rng.random((2, 50))), axis=0)
    for order in range(5):
        for ends in ((), (low, high), (low, np.inf), (0.3 * low, 0.3 * low + 1e-6)):
            wanted = ours.partial_moment(order, *ends)
            scale = ours.partial_moment(order if order % 2 == 0 else order + 1 if order < 4 else 4)
            assert np.allclose(law.partial_moment(order, *ends), wanted, rtol=1e-9, atol=1e-12 * scale)
    assert law.kurtosis == pytest.approx(ours.kurtosis, rel=1e-10)
    for bits in (2, 4, 8):
        assert quantization_snr(frozen, bits) == pytest.approx(quantization_snr(ours, bits), abs=1e-8)
    assert pruning_snr(frozen, 0.75) == pytest.approx(pruning_snr(ours, 0.75), abs=1e-9)


def test_a_heavy_tail_is_followed_to_its_end():
    """Student's t with 4.5 degrees of freedom: E W^4 lives far out; the moments are rational in nu."""
    law = Frozen(stats.t(4.5))
    assert law.second_moment == pytest.approx(4.5 / 2.5, rel=1e-9)
    assert law.kurtosis == pytest.approx(3 + 6 / 0.5, rel=1e-4)
    assert Frozen(stats.t(3)).kurtosis == np.inf
    beyond, _ = integrate.quad(lambda w: w * stats.t(4.5).pdf(w), 30, np.inf, epsrel=1e-11)
    assert law.tail(np.array(30.0))[1] == pytest.approx(beyond, rel=1e-9)


@pytest.mark.parametrize("x", [1.0, 1e3, 1e20, 1e40])
def test_the_moments_of_a_power_law_beyond_any_magnitude(x):
    """2.2 w^-3.2 from 1 on: half of the second moment lies beyond 32, a ten-thousandth beyond 1e20."""
    law = Frozen(stats.pareto(2.2))
    for order, rel in ((0, 1e-12), (1, 1e-12), (2, 1e-6)):  # what lies beyond 1e75 is left out
        expected = 2.2 / (2.2 - order) * x ** (order - 2.2)
        assert float(law.partial_moment(order, x)) == pytest.approx(expected, rel=rel)


def test_weights_themselves_are_a_law():
    weights = np.random.default_rng(1).standard_normal(200)
    assert quantization_snr(weights, 4) == quantization_snr(Empirical(weights), 4)
    grid = np.arange(-2, 2)
    assert optimal_scale(list(weights), grid) == optimal_scale(Empirical(weights), grid)
    law = Gaussian()
    assert as_law(law) is law


@pytest.mark.parametrize(
    ("function", "law", "others"),
    [
        (quantization_snr, [0.3, -1.2, 2.0], [3]),
        (natural_zeros, [0.3, -1.2, 2.0], [3]),
        (pruning_error, [0.3, -1.2, 2.0], [0.5]),
        (pruning_snr, [0.3, -1.2, 2.0], [0.5]),
        (quantization_error, [0.3, -1.2, 2.0], [np.arange(-2, 2), 0.7]),
        (optimal_scale, [0.3, -1.2, 2.0], [np.arange(-2, 2)]),
        (scale_condition, stats.norm(), [np.arange(-2, 2)]),
        (entropy_coded, stats.norm(), [0.5]),
        (group_pruning_error, stats.norm(), [2, 4]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_law_is_taken_by_its_name_as_in_its_place(function, law, others):
    named = dict(zip(inspect.signature(function).parameters, [law, *others], strict=False))
    assert function(**named) == function(as_law(law), *others)


ASYMMETRIC = {
    "normal with a mean": stats.norm(loc=0.7),
    "exponential": stats.expon(scale=0.3),
    "centred gamma": stats.gamma(0.7, loc=-0.7),
    "skew": stats.gumbel_r(loc=-0.5),
    "away from zero": stats.uniform(0.5, 1.0),
    "all negative": stats.uniform(-3.0, 2.5),
    "Laplace with a mean": stats.laplace(loc=-0.4),
}


def integral(law, function, ends):
    """By SciPy's adaptive quadrature, cell by cell, a cell cut where the law may have a kink."""
    low, high = law.support()
    cuts = np.unique(np.clip([low, high, law.median(), 0.0, *ends], low, high))
    with np.errstate(over="ignore"):  # SciPy's Gumbel density far out
        return sum(
            integrate.quad(lambda w: function(w) * law.pdf(w), a, b, epsabs=1e-12, epsrel=1e-10)[0]
            for a, b in itertools.pairwise(cuts)
        )


@pytest.mark.parametrize("law", ASYMMETRIC.values(), ids=ASYMMETRIC.keys())
def test_a_law_that_is_not_symmetric_is_taken_as_it_is(law):
    ours, signal = Frozen(law), law.moment(2)
    for order in range(5):
        low, high = ((-0.3, 0.9), (0.6, np.inf), (-np.inf, -0.1), (-0.7, 0.1), (0.2, 0.3))[order]
        wanted = integral(law, lambda w, k=order, a=low, b=high: w**k * (a < w <= b), (low, high))
        assert ours.partial_moment(order, low, high) == pytest.approx(wanted, rel=1e-8, abs=1e-10)
        assert ours.partial_moment(order) == pytest.approx(law.moment(order), rel=1e-8, abs=1e-10)
    mean, _, _, excess = law.stats("mvsk")
    assert ours.mean == pytest.approx(float(mean), abs=1e-10)
    assert ours.kurtosis == pytest.approx(float(excess) + 3, rel=1e-7)
    for bits in (1, 3):
        levels = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
        scales = np.geomspace(0.02, 4.0, 60)
        step = optimal_scale(law, levels)
        errors = [quantization_error(law, levels, each) for each in (step, *scales)]
        assert errors[0] <= min(errors) * (1 + 1e-9)

        def squared(w, levels=levels, step=step):
            return np.min(np.square(w - step * levels))

        cells = step * (levels[1:] + levels[:-1]) / 2
        assert errors[0] == pytest.approx(integral(law, squared, cells), rel=1e-7)
        assert quantization_snr(law, bits) == pytest.approx(10 * np.log10(signal / errors[0]), abs=1e-7)
    for sparsity in (0.25, 0.9):
        t = ours.magnitude_quantile(sparsity)
        assert law.cdf(t) - law.cdf(-t) == pytest.approx(sparsity, abs=1e-12)
        lost = integral(law, lambda w, t=t: w * w * (abs(w) <= t), (-t, t))
        assert pruning_snr(law, sparsity) == pytest.approx(10 * np.log10(signal / lost), abs=1e-7)


def test_the_law_of_minus_w_is_seen_from_the_other_side():
    law = stats.gamma(2.0, loc=-0.5)
    mirrored = Frozen(law).reflected()
    assert mirrored.partial_moment(3, -2.0, -0.1) == pytest.approx(-Frozen(law).partial_moment(3, 0.1, 2.0))
    levels = np.array([-1.0, 0.0, 2.0])
    assert quantization_error(mirrored, -levels, 0.7) == pytest.approx(quantization_error(law, levels, 0.7))
    assert quantization_error(law, levels, 0.7) != pytest.approx(
        quantization_error(law, -levels, 0.7), rel=0.1
    )
    assert mirrored.reflected().ppf(0.3) == pytest.approx(law.ppf(0.3))
    assert (mirrored.mean, mirrored.cdf(-1.0)) == pytest.approx((-1.5, law.sf(1.0)))


@pytest.mark.parametrize(
    "function",
    [differential_entropy, lambda law: entropy_coded(law, 0.1), lambda law: affine_snr(law, 4),
     lambda law: group_pruning_error(law, 2, 4), lambda law: format_snr(law=law, form=FORMATS[0]),
     lambda law: balanced_step(law, 4), lambda law: rotation_gain(law, FORMATS[0])],
    ids=["entropy", "entropy coded", "affine", "groups", "format", "LSQ", "rotation"],
)  # fmt: skip
def test_what_holds_for_symmetric_laws_only_says_so(function):
    assert np.all(np.isfinite(function(stats.logistic())))
    for law in (stats.expon(), [1.0, -2.0, 4.0]):
        with pytest.raises(TypeError, match=r"needs a continuous law symmetric about zero, got (Froz|Emp)"):
            function(law)


@pytest.mark.parametrize(
    ("law", "kind", "message"),
    [
        (stats.t(1.5), ValueError, "law t has no finite second moment"),
        (stats.poisson(3), TypeError, "law must be a continuous law frozen by scipy.stats"),
        ("normal", TypeError, "a law must be one of theory.distributions, .* got 'normal'"),
        (3.0, TypeError, "a law must be one of theory.distributions"),
    ],
    ids=["no variance", "discrete", "a word", "a number"],
)
def test_what_is_no_such_law_is_one_sentence(law, kind, message):
    with pytest.raises(kind, match=message):
        quantization_snr(law, 4)


def test_all_magnitudes_of_a_law_of_one_side_lie_below_its_end():
    assert Frozen(stats.expon()).magnitude_quantile(1.0) == np.inf
    assert Frozen(stats.expon()).magnitude_quantile(0.0) == 0.0
    assert Frozen(stats.uniform(0.5, 1.0)).magnitude_quantile(1.0) == 1.5


@pytest.mark.parametrize("values", [["a", "b"], [True, False], [1j], [None], 3.0, np.float64(1.0), "normal"])
def test_an_array_that_holds_no_real_numbers_is_no_law(values):
    with pytest.raises(TypeError, match=r"a law must be one of theory\.distributions"):
        as_law(values)
