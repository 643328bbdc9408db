"""Laws where their parameters are extreme: every number here is integrated by mpmath."""

import functools
import math

import mpmath as mp
import numpy as np
import pytest

from theory.distributions import Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform

# df, bound: heavy tails far out, bounds far below the scale, df so large that the law is Gaussian
STUDENT = [
    (0.001, 1e10),
    (0.1, 1e9),
    (0.5, 1e25),
    (1, 1e-40),
    (2, 1e-12),
    (2, 1e30),
    (3, 1e-12),
    (3, 0.5),
    (12.5, 1e-3),
    (1e4, 1e3),
    (1e10, 4.0),
    (1e14, 10.0),
    (1e16, 1e-5),
    (1e40, 6.0),
]


@pytest.mark.parametrize("law", [Gaussian, Laplace, Uniform, lambda size: Empirical([size, -size])])
def test_sizes_between_the_seventy_fifth_powers_of_ten_have_moments(law):
    """The fourth moment in units of its own size; at either end the size is refused."""
    one = float(law(1.0).partial_moment(4))
    for size in (1.01e-75, 0.99e75):
        assert float(law(size).partial_moment(4)) == pytest.approx(one * size**4, rel=1e-12, abs=0)
    for size in (1e-75, 1e75):
        with pytest.raises(ValueError, match=r"1e-75 and 1e75|no moment of order 4"):
            law(size).partial_moment(4)


@pytest.mark.parametrize("df", [298, 300, 301, 305, 320, 345, 400])
def test_the_peak_of_many_degrees_of_freedom_is_right_to_the_last_digit(df):
    """Gamma(df/2 + 1/2) / Gamma(df/2) by a quotient below df = 300, by its series from there on."""
    with mp.workdps(40):
        peak = mp.gammaprod([mp.mpf(df + 1) / 2], [mp.mpf(df) / 2]) / mp.sqrt(mp.pi * df)
    assert float(StudentT(df, 1e6).pdf(0.0)) == pytest.approx(float(peak), rel=8e-16, abs=0)


@pytest.mark.parametrize("law", [Gaussian(2.0), Laplace(2.0)], ids=repr)
@pytest.mark.parametrize("low", [0.01, 0.5, 1.0, 3.0, 8.0])
def test_intervals_where_closed_forms_begin_to_cancel(law, low):
    # a difference of two values 1e4 and 1e2 times as large as it is loses that many digits
    for width in (1e-5, 1e-4, 1e-3, 1e-2, 0.1):
        for order in range(5):
            with mp.workdps(30):
                rate = (lambda u: u * u / 8) if isinstance(law, Gaussian) else (lambda u: u / 2)
                peak = 1 / mp.sqrt(8 * mp.pi) if isinstance(law, Gaussian) else mp.mpf(1) / 4
                ends = [mp.mpf(low), mp.mpf(low + width)]
                expected = float(peak * mp.quad(lambda u: u**order * mp.exp(-rate(u)), ends))  # noqa: B023
            found = float(law.partial_moment(order, low, low + width))
            assert found == pytest.approx(expected, rel=3e-13, abs=0.0)


@functools.cache
def student_integrals(df, bound, cut):
    """Mass, second moment of |T| <= bound; mass and first moment of cut < T <= bound; t = sqrt(df) sinh u."""
    with mp.workdps(40):
        df, bound, cut = mp.mpf(df), mp.mpf(bound), mp.mpf(cut)
        if df > 1e20:  # the Gaussian law, cut at the bound
            mass = mp.erf(bound / mp.sqrt(2))
            above = (mass - mp.erf(cut / mp.sqrt(2))) / 2
            return 1 - 2 * bound * mp.npdf(bound) / mass, above / mass, (mp.npdf(cut) - mp.npdf(bound)) / mass

        def moment(order, low, high):
            start, end = mp.asinh(low / mp.sqrt(df)), mp.asinh(high / mp.sqrt(df))
            end = min(end, start + 60 / mp.sqrt(df)) if df > 100 else end

            def density(u):
                return mp.sinh(u) ** order * mp.exp(-df / 2 * mp.log1p(mp.sinh(u) ** 2))

            return mp.sqrt(df) ** (order + 1) * mp.quad(density, mp.linspace(start, end, 11))

        mass = 2 * moment(0, 0, bound)
        return 2 * moment(2, 0, bound) / mass, moment(0, cut, bound) / mass, moment(1, cut, bound) / mass


@pytest.mark.parametrize(("df", "bound"), STUDENT)
@pytest.mark.parametrize("share", [0.0, 0.999])
def test_student_tails_and_moments_at_the_edges(df, bound, share):
    law = StudentT(df, bound)
    cut = share * min(bound, 4.0)
    second, probability, first = map(float, student_integrals(df, bound, cut))
    assert float(law.partial_moment(0)) == pytest.approx(1, rel=1e-13)
    assert law.second_moment == pytest.approx(second, rel=1e-13)
    found = [float(v) for v in law.tail(np.array(cut))]
    assert found == pytest.approx([probability, first], rel=1e-12, abs=0.0)
    # the quantile of that very tail; relative to the density's own scale
    if share and probability > 1e-12:
        assert float(law.ppf(probability)) == pytest.approx(
            -cut, rel=1e-11 / min(probability, 1 - probability)
        )


@pytest.mark.parametrize("cut", [0.5, 2.0, 1e3, 1e5, 1e8])
def test_student_tails_far_out_in_closed_form(cut):
    """P(|T| > x) is 2/pi arctan(1/x) for df = 1, 2/pi (arctan(sqrt 3/x) - sqrt 3 x/(3 + x^2)) for df = 3."""
    with mp.workdps(60):
        root, end = mp.sqrt(3), mp.mpf(10**12)
        outside = {
            1: lambda x: 2 / mp.pi * mp.atan(1 / x),
            3: lambda x: 2 / mp.pi * (mp.atan(root / x) - root * x / (3 + x * x)),
        }
        expected = [(f(mp.mpf(cut)) - f(end)) / 2 / (1 - f(end)) for f in outside.values()]
    found = [float(StudentT(df, 1e12).tail(np.array(cut))[0]) for df in outside]
    assert found == pytest.approx([float(value) for value in expected], rel=1e-13, abs=0.0)


@pytest.mark.parametrize(("df", "bound"), STUDENT)
def test_student_quantiles_invert_at_the_edges(df, bound):
    law = StudentT(df, bound)
    for p in (0.5 + 1e-9, 0.6, 0.9, 0.999):
        # P(0 < W <= x) by the positive quadrature of the density, not through `tail`
        inside = float(law.partial_moment(0, 0.0, law.ppf(p)))
        assert inside == pytest.approx(p - 0.5, rel=1e-12 + 2e-16 / (p - 0.5))


@pytest.mark.parametrize("bound", [1e-70, 1e-12, 1e-5, 0.3, 6.0])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9999])
def test_truncated_gaussian_at_the_edges(bound, share):
    law = Truncated(Gaussian(), bound)
    with mp.workdps(200):
        b, x = mp.mpf(bound), mp.mpf(share * bound)
        mass = mp.erf(b / mp.sqrt(2))
        probability = (mass - mp.erf(x / mp.sqrt(2))) / 2 / mass
        first = (mp.npdf(x) - mp.npdf(b)) / mass
        second = 1 - 2 * b * mp.npdf(b) / mass
    found = [float(v) for v in law.tail(np.array(share * bound))]
    assert found == pytest.approx([float(probability), float(first)], rel=1e-12, abs=0.0)
    assert law.second_moment == pytest.approx(float(second), rel=1e-12)
    for p in (0.5 + 1e-9, 0.75, 0.999, 0.2):
        assert float(law.partial_moment(0, 0.0, abs(float(law.ppf(p))))) == pytest.approx(
            abs(p - 0.5), rel=1e-12 + 2e-16 / abs(p - 0.5)
        )


def test_truncation_beyond_a_law_changes_nothing():
    law = Truncated(Uniform(1.0), 5.0)
    assert law.bound == 1.0
    assert law.second_moment == pytest.approx(1 / 3, rel=1e-14)


@pytest.mark.parametrize(
    "law", [Gaussian(), Laplace(), Uniform(2.0), StudentT(3, 5), StudentT(2, 40)], ids=repr
)
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("gap", [1e-3, 1e-8, -1e-6])
def test_odd_moments_across_zero_keep_their_digits(law, order, gap):
    low, high = -0.7, 0.7 + gap  # what (-0.7, 0.7) adds is 0
    with mp.workdps(25):
        ends = sorted((mp.mpf(-low), mp.mpf(high)))
        # one Taylor-exact panel of the density in double arithmetic would do; mpmath integrates w^k f(w)
        shape = {
            Gaussian: lambda w: mp.npdf(w),
            Laplace: lambda w: mp.exp(-abs(w)) / 2,
            Uniform: lambda w: mp.mpf(1) / 4,
        }.get(type(law))
        if shape is None:
            df = law.df
            kernel = lambda w: (1 + w * w / mp.mpf(df)) ** (-mp.mpf(df + 1) / 2)  # noqa: E731
            mass = 2 * mp.quad(kernel, [0, 1, 5, law.bound])
            shape = lambda w: kernel(w) / mass  # noqa: E731
        value = mp.quad(lambda w: w**order * shape(w), ends) * (1 if gap > 0 else -1)
    assert float(law.partial_moment(order, low, high)) == pytest.approx(float(value), rel=1e-13, abs=0.0)
    assert float(law.partial_moment(order, -high, -low)) == pytest.approx(-float(value), rel=1e-13, abs=0.0)
    assert float(law.partial_moment(order, -math.inf, math.inf)) == 0.0


def test_empirical_sums_start_at_zero():
    # a sum from the left end would swallow the small values beside 1e18
    law = Empirical([-1e9, -2.0, 1e-6, 2e-6, 3.0])
    assert float(law.partial_moment(2, 0.0, 1.0)) * 5 == pytest.approx(5e-12, rel=1e-14)
    assert float(law.partial_moment(2, -3.0, 1.0)) * 5 == pytest.approx(4 + 5e-12, rel=1e-15)


@pytest.mark.parametrize(
    ("share", "rank"), [(99.9 / 100, 999), (0.001, 1), (0.1, 100), (0.7, 700), (0.9991, 1000)]
)
def test_ranks_of_decimal_shares(share, rank):
    assert float(Empirical(np.arange(1.0, 1001.0)).ppf(share)) == rank


@pytest.mark.parametrize("unit", [1e-320, 1e-170, 1e-80, 1e80, 1e160, 1e306])
def test_values_of_extreme_magnitude_have_one_clear_sentence(unit):
    law = Empirical(np.array([1.0, -3.0, 2.0]) * unit)
    assert law.kurtosis == pytest.approx(1.5, rel=1e-4)  # any three points
    with pytest.raises(ValueError, match="divide them by it"):
        law.partial_moment(2)
    assert float(law.partial_moment(0)) == 1.0


@pytest.mark.parametrize(
    "values", [[-math.inf, 1.0], [1.0, math.inf], [math.nan, 1.0], [-math.inf, math.inf], [math.nan]], ids=str
)
def test_values_of_a_law_are_finite(values):
    with pytest.raises(ValueError, match="values must be finite, got NaN or infinity"):
        Empirical(values)


@pytest.mark.parametrize("df", [1e-14, 1e-17, 1e-20, 1e-40, 1e-70])
@pytest.mark.parametrize("bound", [1e-3, 1.0, 1e10])
def test_quantiles_of_next_to_no_degrees_of_freedom(df, bound):
    """In the limit |W| = sqrt(df) sinh(t), t uniform: 1 / sqrt(df + x^2) is the density."""
    share = np.array([0.02, 0.25, 0.5, 0.98])
    end = mp.asinh(mp.mpf(bound) / mp.sqrt(df))
    expected = [float(mp.sqrt(df) * mp.sinh(mp.mpf(s) * end)) for s in share]
    law = StudentT(df, bound)
    np.testing.assert_allclose(law.ppf(0.5 + share / 2), expected, rtol=1e-10 if df == 1e-14 else 2e-13)
    np.testing.assert_allclose(-law.ppf(0.5 - share / 2), expected, rtol=1e-10 if df == 1e-14 else 2e-13)
    assert law.ppf([0.0, 0.5, 1.0]).tolist() == [-bound, 0.0, bound]


@pytest.mark.parametrize("df", [0.5, 2.0, 3.0, 1e12])
def test_fourth_moments_of_the_narrowest_laws(df):
    """Below its scale the law is uniform: E W^4 = bound^4 / 5."""
    law = StudentT(df, 1.1e-75)
    assert float(law.partial_moment(4)) == pytest.approx(1.1e-75**4 / 5, rel=1e-12, abs=0)
    assert law.kurtosis == pytest.approx(1.8, rel=1e-12)


@pytest.mark.parametrize(
    "law", [Gaussian(), Laplace(), Uniform(200.0), StudentT(3, 200), StudentT(2, 200)], ids=repr
)
def test_numpy_numbers_are_their_value_and_nothing_lies_beyond_infinity(law):
    """|-128| wraps around in int8, and digits of float16 are three."""
    for function in (law.pdf, law.cdf):
        assert float(function(np.int8(-128))) == float(function(-128.0))
        assert float(function(np.float16(0.3))) == float(function(float(np.float16(0.3))))
    assert float(law.ppf(np.float32(0.9))) == float(law.ppf(float(np.float32(0.9))))
    assert math.isnan(law.cdf(math.nan))
    with np.errstate(all="raise"):
        assert [float(tail) for tail in law.tail(np.array(math.inf))] == [0.0, 0.0]
        assert math.copysign(1.0, law.magnitude_quantile(0.0)) == 1.0


@pytest.mark.parametrize("law", [Gaussian(), StudentT(2, 3), Empirical([1.0, -2.0])], ids=repr)
@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_shares_of_magnitudes_outside_the_unit_interval_are_refused(law, share):
    with pytest.raises(ValueError, match=r"share must lie in \[0, 1\], got (-0.1|1.1|nan)$"):
        law.magnitude_quantile(share)
