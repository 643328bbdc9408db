"""Gaussian domination: the range lemma, and tails that follow from it."""

import itertools
import math
from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from theory import convex_order
from theory.convex_order import exceedance_bound, gaussian_variance, stop_loss, tail_bound
from theory.derivations import convex_order as derivations


def test_derivations_vanish():
    assert all(residual == 0 for residual in derivations.range_lemma_derivatives().values())
    assert derivations.stop_loss_residual() == 0
    assert derivations.chi_tail_residual() == 0
    assert derivations.paper_tail_residual() == 0


def test_the_range_lemma_is_certified_and_its_constant_sharp():
    assert derivations.certify_range_lemma() is True
    assert derivations.certify_range_lemma(Fraction(995, 1000)) is False
    assert derivations.certify_range_lemma(Fraction(10**9 - 1, 10**9)) is False
    assert derivations.certify_range_lemma(Fraction(11, 10)) is True
    margins = derivations.range_lemma_margins(Fraction(121, 100))
    least = min(
        mpmath.npdf(z) - 4 * mpmath.npdf(0) * mpmath.ncdf(z) * mpmath.ncdf(-z)
        for z in mpmath.linspace(0.25, 2, 4001)
    )
    assert 0 < float(margins["1/4 <= z <= 2"].lower()) <= least < float(margins["1/4 <= z <= 2"].upper())
    second = 8 * mpmath.npdf(0) - 1 / mpmath.npdf(0.25)
    assert float(margins["0 <= z <= 1/4"].lower()) == pytest.approx(float(second), rel=1e-6)
    assert float(margins["p = 1/2"]) == pytest.approx(0.1 / math.sqrt(2 * math.pi))
    assert float(margins["z >= 2"]) == pytest.approx(1 - 2 / math.sqrt(2 * math.pi))


def test_the_pieces_of_the_range_lemma_leave_no_gap(monkeypatch):
    pieces, ball = [], flint.arb

    def kept(middle, radius=None):
        if radius is not None:
            pieces.append((middle - radius, middle + radius))
        return ball(middle) if radius is None else ball(middle, radius)

    kept.pi = ball.pi
    monkeypatch.setattr(flint, "arb", kept)
    derivations.range_lemma_margins()
    pieces.sort()
    assert pieces[0][0] == 0 and pieces[-1][1] == 2  # beyond 2 a bound of the tail takes over
    assert all(end >= start for (_, end), (start, _) in itertools.pairwise(pieces))


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0.01, 1)), min_size=2, max_size=6),
    st.floats(-4, 4),
)
def test_every_bounded_mean_zero_law_is_dominated(atoms, retention):
    points, weights = (np.array(column) for column in zip(*atoms, strict=True))
    weights = weights / weights.sum()
    points = points - weights @ points
    std = math.sqrt(gaussian_variance(np.ptp(points)))
    assert weights @ np.maximum(points - retention, 0) <= stop_loss(std, retention) + 1e-12


def test_the_fair_two_point_law_attains_it():
    assert stop_loss(math.sqrt(gaussian_variance(2.0)), 0.0) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize(("std", "k"), [(1.0, 0.3), (2.5, -1.0), (0.5, 2.0)])
def test_stop_loss_is_the_integral(std, k):
    value = integrate.quad(lambda x: (x - k) * stats.norm.pdf(x, scale=std), k, k + 40 * std)[0]
    assert stop_loss(std, k) == pytest.approx(value, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("z", [-40.0, -5.0, -0.3, 0.0, 0.3, 3.0, 10.0, 20.0, 30.0, 37.0])
@pytest.mark.parametrize("std", [1e-300, 1.0, 1e250])
def test_stop_loss_keeps_its_digits_far_out(std, z):
    with mpmath.workdps(400):
        exact = std * (mpmath.npdf(z) - z * mpmath.erfc(z / mpmath.sqrt(2)) / 2)
    assert float(stop_loss(std, std * z)) == pytest.approx(float(exact), rel=4e-16 * (2 + z * z), abs=5e-324)


def test_stop_loss_beyond_double_precision():
    np.testing.assert_array_equal(
        stop_loss([1.0, 1.0, 1e-320, 0.0], [1e200, -1e200, 1.0, 2.0]), [0, 1e200, 0, 0]
    )


def test_tail_forms_are_ordered_and_above_the_gaussian():
    for m in (1, 10, 1024, 10**6):
        for g in (0.3, 0.01, 1e-9):
            paper, chernoff, sharp = (
                tail_bound(1.0, g, m, f) for f in ("paper", "chernoff", "superquantile")
            )
            assert paper > chernoff > sharp > stats.norm.isf(g / (2 * m))
    for m in (1, 7, 500):
        paper, chernoff, sharp = (
            tail_bound(1.0, 0.01, m, f, norm="euclidean") for f in ("paper", "chernoff", "superquantile")
        )
        assert paper > sharp > stats.chi.isf(0.01, m)
        assert chernoff > sharp


def test_sheet_values_of_the_sup_norm():
    values = [tail_bound(1.0, 0.01, 1024, f) for f in ("paper", "chernoff", "superquantile")]
    assert [round(v, 3) for v in values] == [6.894, 4.946, 4.630]


@pytest.mark.parametrize("m", [1, 4, 100, 300, 342, 343, 500])  # Gamma((m + 1) / 2) is no double from 343 on
def test_euclidean_superquantile_is_the_conditional_mean_of_chi(m):
    q = stats.chi.isf(0.02, m)
    mean = integrate.quad(lambda x: x * stats.chi.pdf(x, m), q, q + 30)[0] / 0.02
    assert tail_bound(3.0, 0.02, m, norm="euclidean") == pytest.approx(3 * mean, rel=1e-8)


# E[chi_m | chi_m > q], P(chi_m > q) = g: mpmath at 40 digits, chi density (log-gamma) integrated beyond q
CHI = {
    (290, 1e-15): 22.996256581012473,
    (300, 1e-15): 23.28343069594337,
    (299, 0.5): 17.841144093372317,
    (301, 0.999): 17.33727793162164,
    (1000, 1e-12): 36.811535684151453,
    (10**6, 0.01): 1001.8848572408558,
    (10**12, 0.999): 1000000.0023830246,
    (10**12, 0.5): 1000000.5641893335,
    (10**12, 0.01): 1000001.8845913152,
    (10**15, 0.01): 31622778.48627485,
}


@pytest.mark.parametrize(("dimension", "level"), CHI)
def test_euclidean_superquantile_to_thirteen_digits(dimension, level):
    radius = tail_bound(1.0, level, dimension, norm="euclidean")
    assert radius == pytest.approx(CHI[dimension, level], rel=2e-15 if dimension > 1000 else 1e-13)


# E[max |Z_i| given that it exceeds its (1-g)-quantile q], m independent Gaussians: mpmath at 40 digits,
# q + (1/g) int_q^(q+12) (1 - (1 - erfc(x/sqrt 2))^m) dx
LARGEST = {
    (1, 0.5): 1.2711062907364277,
    (2, 0.999): 1.1294822229844957,
    (2, 0.5): 1.6068907268026917,
    (2, 0.01): 3.1039707842162172,
    (3, 0.5): 1.7908727552643454,
    (1024, 0.01): 4.6291471654693867,
    (10**6, 1e-12): 8.9455646238136477,
    (10**12, 0.999): 7.2079013030111636,
}


@pytest.mark.parametrize(("dimension", "level"), LARGEST)
def test_superquantile_of_the_largest_magnitude(dimension, level):
    radius = tail_bound(2.0, level, dimension, "superquantile-max")
    assert radius == pytest.approx(2 * LARGEST[dimension, level], rel=1e-13)
    union = tail_bound(2.0, level, dimension)
    assert radius == pytest.approx(union, rel=1e-13) if dimension == 1 else radius < union


def test_superquantile_of_the_largest_magnitude_is_attained():
    # E[Z | cell] is dominated by Z in the plane; the cells are the four wedges outside a square of mass g
    rng = np.random.default_rng(5)
    z = rng.standard_normal((400_000, 2))
    largest = np.abs(z).max(axis=1)
    for level in (0.5, 0.1):
        radius = tail_bound(1.0, level, 2, "superquantile-max")
        outside = largest > np.quantile(largest, 1 - level)
        side = np.abs(z).argmax(axis=1) * 2 + (
            np.take_along_axis(z, np.abs(z).argmax(1)[:, None], 1)[:, 0] > 0
        )
        means = [np.abs(z[outside & (side == k)].mean(axis=0)).max() for k in range(4)]
        np.testing.assert_allclose(means, radius, rtol=5e-3)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.5, 0.99])
def test_superquantile_of_the_largest_magnitude_covers_every_correlation(correlation):
    z = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    x, y = np.meshgrid(z, z)
    largest = np.sort(
        np.maximum(np.abs(x), np.abs(correlation * x + math.sqrt(1 - correlation**2) * y)), None
    )
    for level in (0.5, 0.1):
        conditional = largest[int((1 - level) * largest.size) :].mean()
        assert conditional <= tail_bound(1.0, level, 2, "superquantile-max") * (1 + 1e-4)


def test_the_superquantile_tail_is_attained():
    # X = E[Z | Z > z] on {Z > z}, E[Z | Z <= z] elsewhere: dominated by Z, and reaches r with probability a.
    a = 0.01
    z = stats.norm.isf(a)
    high, low = stats.norm.pdf(z) / a, -stats.norm.pdf(z) / (1 - a)
    for k in np.linspace(-4, 4, 41):
        assert a * max(high - k, 0) + (1 - a) * max(low - k, 0) <= stop_loss(1.0, k) + 1e-15
    assert tail_bound(1.0, 2 * a) == pytest.approx(high)


@given(st.floats(0.05, 30), st.floats(0.1, 5))
def test_exceedance_inverts_the_superquantile(ratio, std):
    a = exceedance_bound(std, ratio * std)
    if a > 1e-290:
        mills = math.exp(-0.5 * special.ndtri(a) ** 2 - math.log(a)) / math.sqrt(2 * math.pi)
        assert mills == pytest.approx(ratio, rel=1e-6)
    assert a <= min(1.0, math.exp(-(ratio**2) / 2)) * (1 + 1e-9)  # never worse than Chernoff


# P(Z > z) with phi(z)/P(Z > z) = r: root and tail by mpmath at 40 digits
@pytest.mark.parametrize(
    ("ratio", "tail"),
    [(0.1, 0.954602292614053), (10.0, 2.06143950448622e-23), (37.0, 1.55580535500647e-299),
     (37.5, 1.25142128509449e-307)],
)  # fmt: skip
def test_exceedance_far_out(ratio, tail):
    assert exceedance_bound(1.0, ratio) == pytest.approx(tail, rel=1e-12, abs=0.0)


def test_exceedance_where_double_precision_ends():
    assert exceedance_bound(1.0, 38.2) == pytest.approx(3.826e-319, rel=1e-3, abs=0.0)  # a denormal number
    np.testing.assert_array_equal(exceedance_bound(1.0, [1e3, 1e10, 1e300]), 0)


def test_sup_superquantile_of_tiny_levels():
    # phi(z)/a, P(Z > z) = a = g/(2m), by mpmath at 40 digits; the second a lies below every double
    assert tail_bound(1.0, 1e-300) == pytest.approx(37.092727805367584, rel=1e-14)
    assert tail_bound(1.0, 1e-323, 10**9) == pytest.approx(39.027660599494685, rel=1e-13)


def test_exceedance_at_the_edges():
    np.testing.assert_array_equal(
        exceedance_bound([0.0, 0.0, 1.0, 1.0], [1.0, -1.0, 0.0, -2.0]), [0, 1, 1, 1]
    )
    # a radius of no size beside s is reached, by a fair coin at +-s sqrt(pi/8) or larger: 1, never 0
    np.testing.assert_array_equal(
        exceedance_bound([np.inf, 1e300, 1e-320, 1.0], [1.0, 1e-300, 1.0, np.inf]), [1, 1, 0, 0]
    )


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e200, 1e300])
def test_euclidean_tails_of_any_unit(unit):
    values = np.array([3.0, 1.0, 0.25, 0.0])
    at_one = convex_order.euclidean_tail_bound(values, 0.02)
    assert convex_order.euclidean_tail_bound(values * unit, 0.02) == pytest.approx(at_one * math.sqrt(unit))
    x = -math.log(0.02)
    square = 4.25 + 2 * math.sqrt(x * (9 + 1 + 0.0625)) + 6 * x
    assert at_one == pytest.approx(math.sqrt(square), rel=1e-14)
    assert convex_order.euclidean_tail_bound(np.zeros((2, 2)), 0.02) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_variance(-1.0), "not negative"),
        (lambda: gaussian_variance(math.inf), "finite"),
        (lambda: tail_bound(1.0, 0.0), "between 0 and 1"),
        (lambda: tail_bound(1.0, 0.5, 0), "positive integer"),
        (lambda: tail_bound(-1.0, 0.5), "std"),
        (lambda: tail_bound(1.0, 0.5, form="bernstein"), "form must be one of"),
        (lambda: tail_bound(1.0, 0.5, norm="l1"), "norm must be one of"),
        (lambda: tail_bound(1.0, 0.5, 2, "superquantile-max", norm="euclidean"), "sup norm"),
        (lambda: stop_loss(-1.0, 0.0), "std"),
        (lambda: convex_order.euclidean_tail_bound(np.eye(2), 1.0), "between 0 and 1"),
        (lambda: convex_order.euclidean_tail_bound([1.0, math.nan], 0.1), "covariance must be a square"),
        *(
            (lambda s=s: convex_order.euclidean_tail_bound(np.ones(s), 0.1), "covariance must be a square")
            for s in ((2, 3), (2, 2, 2), ())
        ),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_tails_whose_level_over_the_dimension_is_no_double():
    """P(max |Z_i| > x) = m P(|Z| > x) there: q by the tail's logarithm, and the union's superquantile."""
    for level, m in ((1e-320, 10**6), (1e-300, 1e300)):
        logs = mpmath.log(2) + mpmath.log(m) - mpmath.log(level)
        assert tail_bound(1.0, level, m, "chernoff") == pytest.approx(float(mpmath.sqrt(2 * logs)), rel=1e-14)
        logs = mpmath.log(2) / 2 + mpmath.log(m) - mpmath.log(level)
        assert tail_bound(1.0, level, m, "paper") == pytest.approx(float(2 * mpmath.sqrt(logs)), rel=1e-14)
        union, largest = (tail_bound(1.0, level, m, form) for form in ("superquantile", "superquantile-max"))
        assert largest == pytest.approx(union, rel=1e-12)
    assert tail_bound(1.0, 0.5, 1e300, norm="euclidean") == pytest.approx(1e150, rel=1e-14)


@pytest.mark.parametrize("std", [0.0, math.inf, math.nan])
def test_a_slack_has_a_finite_deviation(std):
    with pytest.raises(ValueError, match="std must be positive and finite"):
        convex_order.stop_loss_slack([-1.0, 1.0], [0.5, 0.5], std)
    for points, shares in (([], []), ([1.0], [0.5, 0.5]), ([[0.0]], [[1.0]])):
        with pytest.raises(ValueError, match="points and probabilities must be lists"):
            convex_order.stop_loss_slack(points, shares, 1.0)
