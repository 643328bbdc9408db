"""The relaxation against a general conic solver, and its certificate in exact rationals."""

import itertools
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import lapack

from sims.layer_bounds import certificate, relaxation
from sims.layer_bounds.certificate import Certificate, certify, proved, verify
from sims.layer_bounds.problems import KINDS
from sims.layer_bounds.problems import problem as layer


def problem(kind, n, seed, step):
    x, w = layer(kind, n, seed)
    return x.T @ x, w / step


def conic(gram, y, low, high, published=False):
    """The same program, stated for cvxpy: every cut that the project's solver knows."""
    cvxpy = pytest.importorskip("cvxpy")
    n = len(y)
    moment = cvxpy.Variable((n + 1, n + 1), symmetric=True)
    z, zz = moment[0, 1:], moment[1:, 1:]
    constraints = [moment >> 0, moment[0, 0] == 1]
    floor = np.clip(np.floor(y), low, high - 1)
    for i in range(n):
        for j in (0,) if published else (-1, 0, 1):
            k = floor[i] + j
            if published or low <= k <= high - 1:
                constraints.append(zz[i, i] - (2 * k + 1) * z[i] + k * (k + 1) >= 0)
        if not published:
            constraints.append((low + high) * z[i] - zz[i, i] - low * high >= 0)
    value = cvxpy.trace(gram @ zz) - 2 * (gram @ y) @ z + float(y @ gram @ y)
    program = cvxpy.Problem(cvxpy.Minimize(value), constraints)
    program.solve(solver="CLARABEL")
    return program.value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("published", [False, True])
def test_equal_to_a_general_solver(kind, published):
    for bits, seed in ((2, 0), (4, 1)):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        gram, y = problem(kind, 8, seed, 1.0 / 2 ** (bits - 2))
        expected = conic(gram, y, low, high, published)
        assert relaxation.solve(gram, y, low, high, published=published).value == pytest.approx(
            expected, rel=1e-5
        )


@pytest.mark.parametrize("kind", KINDS)
def test_predictor_and_corrector_take_sixteen_iterations_or_so_and_stop_where_they_are_told(
    kind, monkeypatch
):
    """Without the second-order terms of the corrector it is 21; a run that is cut short is still a bound."""
    programs = [
        (*problem(kind, 5, seed, 1.0 / 2 ** (bits - 2)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, published)
        for bits, seed in ((2, 0), (4, 1))
        for published in (False, True)
    ]
    found = [relaxation.solve(*program, published=published) for *program, published in programs]
    assert 4 * 10 < sum(one.iterations for one in found) < 4 * 17.5
    monkeypatch.setattr(relaxation, "_ITERATIONS", 6)
    for whole, (*program, published) in zip(found, programs, strict=True):
        short = relaxation.solve(*program, published=published)
        assert short.iterations == 6 and short.value < whole.value * (1 - 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_holds_in_exact_rationals_and_barely(kind):
    for bits, seed in ((2, 0), (3, 1), (8, 2)):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        gram, y = problem(kind, 6, seed, 1.0 / 2 ** (bits - 2))
        dual = relaxation.solve(gram, y, low, high)
        found = certify(gram, y, dual, low, high)
        assert found.value == pytest.approx(dual.value, rel=1e-6)
        assert verify(found, gram, y)
        assert not verify(replace(found, value=found.value * (1 + 1e-6)), gram, y)
        assert not verify(replace(found, d=found.d * (1 + 1e-5)), gram, y)
        assert proved(replace(found, d=found.d * (1 + 1e-5)), gram, y) < found.value
        assert proved(replace(found, d=found.d + 2 * np.trace(gram)), gram, y) == 0


def test_what_multipliers_prove_is_the_least_of_bracket_and_steps():
    """Minimised by its normal equations, beside every half-integer step."""
    rng = np.random.default_rng(5)
    for _ in range(5):
        x, y, low, high = rng.standard_normal((6, 3)), rng.uniform(-2, 1, 3), -2, 1
        gram, corner = x.T @ x, np.floor(y)
        d = 0.7 * np.linalg.eigvalsh(gram)[0] * rng.random(3)
        c = rng.normal(size=3)
        a = y - corner - 0.5
        least = np.linalg.solve(gram - np.diag(d), gram @ a + c / 2)
        bracket = least @ (gram - np.diag(d)) @ least - 2 * (gram @ a + c / 2) @ least + a @ gram @ a
        k = np.arange(low, high + 1)[:, None] - corner - 0.5
        stated = max(0.0, bracket + (d * k**2 + c * k).min(axis=0).sum())
        found = proved(Certificate(9.0, corner, d, c, low, high), gram, y)
        assert float(found) == pytest.approx(stated, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("c", "stated"), [(0.5, Fraction(1, 16)), (0.25, 0), (0.75, 0)])
def test_a_bracket_that_falls_without_end_proves_nothing(place, c, stated):
    """With d = G = 1 a column's bracket is a^2 - 2 b x, b = a + c/2: constant for c = -2 a, else a slope.

    At y = 1/4, f = 0 it is a^2 = 1/16 for c = 1/2, and the least step k^2 + k/2 is 0, at k = -1/2: 1/16 is
    the error of the code 0. For c = 1/4 the rest alone would claim 3/16. The other column has no error.
    """
    y, d, slope = np.array([0.5, 0.5]), np.zeros(2), np.zeros(2)
    y[place], d[place], slope[place] = 0.25, 1.0, c
    assert proved(Certificate(9.0, np.zeros(2), d, slope, -2, 1), np.eye(2), y) == stated


def test_a_certificate_from_any_multipliers_is_a_bound():
    """Multipliers that nobody solved for: whatever is claimed of them is true of every code vector."""
    rng = np.random.default_rng(3)
    x, w = layer("relu", 5, 4)
    gram, positive = x.T @ x, 0
    codes = np.array(list(itertools.product(range(-2, 2), repeat=5)))
    least = (((codes - w) @ x.T) ** 2).sum(axis=1).min()
    start = relaxation.solve(gram, w, -2, 1)
    for size in (0.0, 1e-3, 0.1, 1.0):
        for _ in range(10):
            factor = 1 + size * rng.standard_normal((2, 5))
            found = certify(gram, w, start._replace(d=start.d * factor[0], c=start.c * factor[1]), -2, 1)
            assert found.value <= least * (1 + 1e-12) and verify(found, gram, w)
            positive += found.value > 0
    assert positive > 20
    assert certify(gram, w, start._replace(d=start.d * np.nan), -2, 1).value == 0.0


@pytest.mark.parametrize("excess", [1e-13, 1e-11, 1e-9, 1e-8])
def test_multipliers_a_little_too_large_are_lowered_until_they_prove_something(excess):
    """What is asked for is beyond semidefinite by up to 10^5 roundings: the bound loses about as little."""
    x, w = layer("relu", 5, 4)
    gram = x.T @ x
    dual = relaxation.solve(gram, w, -2, 1)
    beyond = dual._replace(d=dual.d * (1 + excess) + excess * np.diagonal(gram))
    found, whole = certify(gram, w, beyond, -2, 1), certify(gram, w, dual, -2, 1)
    assert (1 - 1e4 * excess) * whole.value < found.value <= (1 + 1e-9) * whole.value
    assert verify(found, gram, w)


@pytest.mark.parametrize("strength", [0.0, 1e-3, 1.0, 1e3])
def test_multipliers_on_the_edge_of_what_is_semidefinite_are_proved(strength):
    """G = D + s v v' with d = D exactly, so that only s v v' is left: singular, and nothing for s = 0."""
    rng = np.random.default_rng(6)
    d, v, y = rng.uniform(0.5, 2, 4), rng.standard_normal(4), rng.uniform(-2.4, 1.4, 4)
    gram = np.diag(d) + strength * np.outer(v, v)
    corner = np.clip(np.floor(y), -2, 0)
    a = y - corner - 0.5
    dual = relaxation.solve(gram, y, -2, 1)._replace(corner=corner, d=d, c=-2 * d * a)
    found = certify(gram, y, dual, -2, 1)
    apart = float(d @ (np.clip(np.rint(y), -2, 1) - y) ** 2)  # codes of every weight on its own
    assert found.value == pytest.approx(apart, rel=1e-6) and verify(found, gram, y)


@pytest.mark.parametrize("share", [1.0, 0.999, 0.99])
def test_a_certificate_holds_where_its_minimum_was_found_badly(share, monkeypatch):
    """Every step towards the minimum of the bracket falls short: what is left of the gradient is charged."""
    gram, y = problem("relu", 5, 0, 1.0)
    dual = relaxation.solve(gram, y, -2, 1)

    def short(factor, right, lower):
        step, info = lapack.dpotrs(factor, right, lower=lower)
        return share * step, info

    monkeypatch.setattr(certificate, "lapack", SimpleNamespace(dpotrf=lapack.dpotrf, dpotrs=short))
    found = certify(gram, y, dual, -2, 1)
    assert verify(found, gram, y)
    assert (found.value > 0.9 * dual.value) == (share > 0.99)


def test_the_exact_check_knows_a_matrix_that_is_not_semidefinite():
    from sims.layer_bounds.certificate import _eliminates

    third = Fraction(1, 3)
    assert _eliminates([[third, third], [third, third]], 2)
    assert not _eliminates([[third, third], [third, third - Fraction(1, 10**30)]], 2)
    one, none = Fraction(1), Fraction(0)
    for beside, holds in ((none, True), (third, False), (one, False)):
        assert _eliminates([[none, beside], [beside, one]], 2) == holds
    assert not _eliminates([[-third]], 1)


def test_a_weight_beyond_the_box_belongs_to_its_last_cell():
    y = np.array([-9.0, -2.0, -1.5, 0.2, 1.0, 1.5, 2.0, 2.5, 9.0])
    assert relaxation.corner_of(y, -2, 2).tolist() == [-2, -2, -2, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("published", [False, True])
def test_cuts_are_of_the_cells_beside_a_weight_and_of_the_box_alone(published):
    """Codes -2 .. 2 have four cells; a cut is x^2 - 2 m x + m^2 - 1/4 for the middle m of its cell."""
    corner = np.arange(-2.0, 2.0)
    alpha, p, r, valid = relaxation._cuts(corner, -2, 2, published)
    for i, first in enumerate(corner):
        middles = first + 0.5 + (np.zeros(1) if published else np.arange(-1, 2))
        inside = [m for m in middles if published or -2 < m < 2]
        assert valid[i].tolist() == [m in inside for m in middles] + [True]
        x = np.arange(-2, 3) - first - 0.5
        cuts = alpha[i] * x[:, None] ** 2 + p[i] * x[:, None] + r[i]
        for at, m in enumerate(middles):
            np.testing.assert_allclose(cuts[:, at], (np.arange(-2, 3) - m) ** 2 - 0.25, atol=1e-12)
        box = cuts[:, -1] if not published else np.zeros(5)
        assert np.all(cuts[:, -1] >= 0) and np.allclose(box, (box > 0) * [0, 3, 4, 3, 0])


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_units_and_unequal_columns_do_not_matter(scale):
    gram, y = problem("equicorrelated", 8, 0, 1.0)
    plain = relaxation.solve(gram, y, -2, 1)
    assert relaxation.solve(gram * scale, y, -2, 1).value == pytest.approx(plain.value * scale, rel=1e-6)
    columns = np.geomspace(1, 1e6, 8)
    found = relaxation.solve(gram * columns[:, None] * columns, y, -2, 1)
    proved = certify(gram * columns[:, None] * columns, y, found, -2, 1)
    assert proved.value == pytest.approx(found.value, rel=1e-5) and proved.value > 0


def test_cuts_and_box_only_tighten():
    for kind in KINDS:
        gram, y = problem(kind, 12, 1, 0.8)
        assert relaxation.solve(gram, y, -2, 1, published=True).value <= relaxation.solve(
            gram, y, -2, 1
        ).value * (1 + 1e-6)


def test_a_certificate_pays_for_the_gradient_that_rounding_may_hide():
    """4 (z - 0.3)^2 over z in {0, 1}, with 3 k^2 + k of k = z - 1/2: x^2 + 0.6 x + 0.16 is 0.07 at -0.3.

    With the steps, 3/4 - 1/2, that is 0.32. Ten roundings of sizes 2, 0.9 and 1 may hide a slope, and what
    a slope is worth is its square over the least curvature.
    """
    one = np.ones(1)
    given = (4 * np.eye(1), 0.3 * one, -0.2 * one, 3 * one, one, 0 * one, 0.0, 1.0, np.eye(1), one)
    assert certificate._value(*given, 1.0) == pytest.approx(0.32, rel=1e-12)
    hidden = (10 * 2.0**-53 * 3.9) ** 2
    for curvature in (1e-27, 1e-28):
        lost = 0.32 - certificate._value(*given, curvature)
        assert lost == pytest.approx(hidden / curvature, rel=0.2)


@pytest.mark.parametrize(
    ("columns", "factor", "charged"),
    [
        (1, 1.0, 28.2 + 3.84 + 0.679),
        (3, 1.0, 3 * 14 * 2.82 + 11.52 + 2.036),
        (1, 2.0, 20.715 + 7.629 + 3.84 + 0.679),
    ],
)
def test_every_sum_of_a_certificate_is_charged_by_the_sizes_of_its_terms(
    columns, factor, charged, monkeypatch
):
    """The same bracket in coarser arithmetic: roundings of 2^-30 are seen one by one.

    Sums of n columns are charged 2 n + 8 roundings of their sizes: 4 * 0.5^2 + 3 * 0.3^2 + 0.3 of the
    bracket and 3/4 + 1/2 of the step k = -1/2, 2.82 together. Three factors 1 - 4 u cost 12 u of the whole,
    and 0.3 +- 0.3 u costs 0.6 u of the root. With factor 2, three steps towards -0.3 end at
    -0.3 + 0.3 (3/4)^3: sizes 2.0715, and the slope 0.1266 may be larger by 30.14 u, twice their product.
    """
    unit = 2.0**-30
    monkeypatch.setattr(certificate, "_UNIT", unit)
    one = np.ones(columns)
    found = certificate._value(
        *(4 * np.eye(columns), 0.3 * one, -0.2 * one, 3 * one, one, 0 * one, 0.0, 1.0),
        *(factor * np.eye(columns), one, 1.0),
    )
    assert (0.32 * columns - found) / unit == pytest.approx(charged, rel=2e-3)


def test_a_slope_is_charged_no_less_than_it_is():
    """4 (x + 1/4) - 3 x - 1/4 is 0 at -3/4, and ten roundings of 4 (3/4 + 1/4), 9/4 and 1/2 may hide more."""
    one = np.ones(1)
    given = (4 * np.eye(1), 0.25 * one, -0.25 * one, 3 * one, 0.5 * one, 0 * one, 0.0, 1.0, np.eye(1), one)
    u = Fraction(1, 2**53)
    slope = 10 * u / (1 - 10 * u) * (4 * (Fraction(3, 4) + Fraction(1, 4)) + Fraction(9, 4) + Fraction(1, 2))
    exact = certificate._value(*given, 1.0)
    for curvature in (2.0**-90, 2.0**-91):
        lost = Fraction(exact) - Fraction(certificate._value(*given, curvature))
        assert slope**2 / Fraction(curvature) < lost + Fraction(exact) * 20 * u


@pytest.mark.parametrize("seed", range(4))
def test_the_least_step_of_every_coordinate_is_found_in_a_wide_box(seed):
    """Against all codes of eight bits; d of both signs and zero, vertices far inside and outside."""
    rng = np.random.default_rng(seed)
    d, corner = rng.choice([-1.0, 0.0, 1.0, 1.0], 60) * rng.uniform(0.5, 2, 60), rng.integers(-128, 127, 60)
    c = 2 * d * rng.uniform(-200, 200, 60) + rng.normal(size=60)
    best, sizes = certificate._least_steps(d, c, corner.astype(float), -128.0, 127.0)
    for i in range(60):
        values, terms = [], []
        for z in range(-128, 128):
            k = z - corner[i] - 0.5
            values.append(d[i] * k * k + c[i] * k)
            terms.append(abs(d[i]) * k * k + abs(c[i] * k))
        at = int(np.argmin(values))
        assert best[i] == pytest.approx(values[at], rel=1e-12, abs=1e-9)
        assert sizes[i] == pytest.approx(terms[at], rel=1e-12)


def test_roundings_of_a_sum_are_counted_beyond_the_first_order():
    assert certificate._gamma(2**50) == pytest.approx(1 / 7, rel=1e-12)
    assert certificate._gamma(2**51) == pytest.approx(1 / 3, rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["d", "c"])
def test_one_multiplier_that_is_no_number_proves_nothing(which, bad):
    gram, y = problem("relu", 4, 0, 1.0)
    dual = relaxation.solve(gram, y, -2, 1)
    spoiled = getattr(dual, which).copy()
    spoiled[1] = bad
    assert certify(gram, y, dual._replace(**{which: spoiled}), -2, 1).value == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_primal_point_has_the_value_of_the_dual(kind):
    """Its error is <G, X> - 2 a'G x + a'G a of the mean x and the moment X, which is no less than x x'."""
    gram, y = problem(kind, 6, 1, 1.0)
    found = relaxation.solve(gram, y, -2, 1)
    a = y - found.corner - 0.5
    error = np.sum(gram * found.moment) - 2 * a @ gram @ found.mean + a @ gram @ a
    assert error == pytest.approx(found.value, rel=1e-5)
    assert np.linalg.eigvalsh(found.moment - np.outer(found.mean, found.mean))[0] > -1e-9


@pytest.mark.parametrize("strength", [0.0, 1e-3, 1.0])
def test_the_least_curvature_is_what_the_factorised_matrix_leaves_in_exact_rationals(strength, monkeypatch):
    """Rump, Theorem 2.3: F whose factorisation ran has F + gamma_{n+1} tr(F) >= 0; M - least lies above it.

    M is scaled by powers of two, so that beside the diagonal it is F itself.
    """
    rng = np.random.default_rng(8)
    n = 5
    own, v, y = rng.uniform(0.5, 2, n), rng.standard_normal(n), rng.uniform(-2.4, 1.4, n)
    units = np.array([1.0, 3.0, 50.0, 0.2, 1e-4])
    gram = (np.diag(own) + strength * np.outer(v, v)) * units[:, None] * units
    dual = relaxation.solve(gram, y, -2, 1)._replace(d=own * units**2, c=np.zeros(n))
    factorised, told = [], []

    def factor(matrix, **options):
        factorised.append(matrix.copy())
        return lapack.dpotrf(matrix, **options)

    def value(*given):
        told.append(given)
        return 1.0

    monkeypatch.setattr(certificate, "lapack", SimpleNamespace(dpotrf=factor))
    monkeypatch.setattr(certificate, "_value", value)
    certify(gram, y, dual, -2, 1)
    least = told[0][-1]
    assert least > 0
    assert_above(factorised[-1], gram, told[0][3], least)
    s = certificate.diagonal_below(gram + np.diag(units**2))
    assert np.all(s > 0)
    assert_above(factorised[-1], gram + np.diag(units**2), s, 0.0)


def assert_above(factorised, gram, d, least):
    """In units that are powers of two, by which rounding is exact: the scaled G - Diag(d) - least >= 0."""
    n, u = len(gram), Fraction(1, 2**53)
    exact = np.vectorize(lambda value: Fraction(float(value)), otypes=[object])
    scale = exact(2.0 ** -np.round(0.5 * np.log2(np.diagonal(gram))))
    scaled, last = exact(gram) * scale[:, None] * scale, exact(factorised)
    left = scaled - np.diag(exact(d) * scale**2)
    beside = ~np.eye(n, dtype=bool)
    assert np.all(left[beside] == last[beside])
    charge = (n + 1) * u / (1 - (n + 1) * u) * np.trace(last) + exact(least)[()]
    assert np.all(np.diagonal(left) >= np.diagonal(last) + charge)
