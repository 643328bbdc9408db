"""Gaussian domination: the range lemma, and tails that follow from it."""

import math
from fractions import Fraction

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


@pytest.mark.parametrize("m", [1, 4, 100])
def test_euclidean_superquantile_is_the_conditional_mean_of_chi(m):
    q = stats.chi.isf(0.02, m)
    mean = integrate.quad(lambda x: x * stats.chi.pdf(x, m), q, q + 30)[0] / 0.02
    assert tail_bound(3.0, 0.02, m, norm="euclidean") == pytest.approx(3 * mean, rel=1e-8)


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


def test_exceedance_at_the_edges():
    np.testing.assert_array_equal(
        exceedance_bound([0.0, 0.0, 1.0, 1.0], [1.0, -1.0, 0.0, -2.0]), [0, 1, 1, 1]
    )


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
        (lambda: stop_loss(-1.0, 0.0), "std"),
        (lambda: convex_order.euclidean_tail_bound(np.eye(2), 1.0), "between 0 and 1"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
