"""What a layer's Gram matrix promises the search: more than rounding can change, and singular ones mended."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from sims.layer_bounds import pruning_range, quantization_range
from sims.layer_bounds.lattice import Lattice, check_range, factor, semidefinite

NEARLY = np.array([[1.0, 1.0], [1.0, 1.0 + 8 * 2.0**-52]])  # its second pivot is taken for zero


def exact_error(G, e):
    return sum(Fraction(a) * Fraction(float(g)) * Fraction(b) for a, row in zip(e, G, strict=True)
               for g, b in zip(row, e, strict=True))  # fmt: skip


@pytest.mark.parametrize(
    ("y", "low", "high"),
    [((0.5, 1e6), 0, 1), ((1e6, 0.5), 0, 1), ((-3.0, 2.0), 0, 1), ((0.5, 3.0), -2, 1), ((3.0, 0.5), -2, 1),
     ((0.5, -4.0), -2, 1), ((-4.0, 0.5), -2, 1)],
)  # fmt: skip
def test_slack_is_more_than_the_factor_is_wrong_by(y, low, high):
    lattice = Lattice(NEARLY)
    order, (first, second) = lattice.order.tolist(), lattice.u
    slack = lattice.slack(0.0, np.array(y), low, high)
    for codes in itertools.product((low, high), repeat=2):
        e = [Fraction(z) - Fraction(v) for z, v in zip(codes, y, strict=True)]
        turned = [e[i] for i in order]
        parts = [
            sum(Fraction(float(u)) * v for u, v in zip(row, turned, strict=True)) for row in (first, second)
        ]
        found = sum(Fraction(float(r)) * part**2 for r, part in zip(lattice.squares, parts, strict=True))
        assert abs(found - exact_error(NEARLY, e)) <= slack


@pytest.mark.parametrize("unit", [2.0**-40, 1.0, 2.0**40])
def test_slack_counts_what_radius_and_box_leave(unit):
    """Four inputs apart and radius 1: |e_j| <= 1.01^(1/2), |R| e is as long as 2.01, 1 + 2.01 + 4.04 = 7.05.

    One input twice and weights of -7 with codes -8 .. 7: the sum of two is up to 28, and the second pivot,
    taken for zero up to 2e-15, counts 14^2.
    """
    apart = Lattice(unit * np.eye(4))
    assert apart.definite
    for high in (100.0, 1e6):
        found = apart.slack(unit, np.zeros(4), -high, high)
        assert found == pytest.approx(16 * 7.05 * 2.0**-53 * unit, rel=2e-3)
    twice = Lattice(unit * np.ones((2, 2)))
    expected = (8 * 2.0**-53 * 28**2 + 2e-15 * 14**2) * unit
    assert twice.slack(0.0, np.full(2, -7.0), -8, 7) == pytest.approx(expected, rel=1e-9)
    assert twice.slack(0.0, np.full(2, 6.0), -8, 7) == pytest.approx(expected, rel=1e-9)


def test_no_code_is_farther_than_its_spread():
    x = np.random.default_rng(0).standard_normal((9, 6)) * np.geomspace(1, 30, 6)
    lattice = Lattice(x.T @ x)
    for j, e in enumerate(np.linalg.inv(lattice.gram)):  # the directions in which the ellipsoid ends
        reach = lattice.spread[j] * (e @ lattice.gram @ e)
        assert e[j] ** 2 <= reach < 1.05 * e[j] ** 2


def test_a_matrix_that_is_nearly_singular_gets_it_too():
    for small, added in ((1e-12, 0.0), (1.02e-13, 0.0), (0.98e-13, 0.005), (1e-14, 0.005)):
        gram = np.diag([1.0, small])
        np.testing.assert_allclose(Lattice(gram).regular, gram + added * np.eye(2), rtol=1e-12)


def test_a_singular_matrix_gets_a_hundredth_of_its_mean_diagonal():
    gram = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(Lattice(gram).regular, gram + 0.025 * np.eye(2), rtol=1e-15)
    np.testing.assert_array_equal(Lattice(np.diag([1.0, 4.0])).regular, np.diag([1.0, 4.0]))


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_what_is_no_rounding_does_not_depend_on_the_unit(unit):
    """Eigenvalues of [[1, 1 + d], [1 + d, 1]] are 2 + d and -d."""
    slight, plain = (unit * np.array([[1.0, 1.0 + d], [1.0 + d, 1.0]]) for d in (1e-9, 1e-8))
    np.testing.assert_array_equal(semidefinite(None, slight), slight)
    with pytest.raises(ValueError, match="must be positive semidefinite"):
        semidefinite(None, plain)


@pytest.mark.parametrize(
    ("method", "options"), [(quantization_range, {"bits": 2}), (pruning_range, {"keep": 2})]
)
def test_units_change_no_ratio_and_none_is_told_of_squares_that_are_no_doubles(method, options):
    """Squared errors of weights of 2^-565 were 0, and the ratio, "proved", infinite."""
    w, gram = np.array([1.0, -0.4, 0.7]), np.eye(3) + 0.3
    plain = method(w, gram=gram, **options).snr()
    for exponent in (-445, 445):
        np.testing.assert_allclose(
            method(np.ldexp(w, exponent), gram=gram, **options).snr(), plain, rtol=1e-6
        )
    for exponent in (-565, 565):
        with pytest.raises(ValueError, match="squared errors beyond double precision"):
            method(np.ldexp(w, exponent), gram=gram, **options)
    with pytest.raises(ValueError, match="squared errors beyond double precision"):
        method(w, gram=np.ldexp(gram, 1000), **options)
    assert method(np.zeros(3), gram=gram, **options).best == 0.0
    assert method(w, gram=np.zeros((3, 3)), **options).best == 0.0
    method(w, gram=np.ldexp(gram, -1000), **options)  # inputs next to nothing are as good as dead


@pytest.mark.parametrize(
    ("weight", "square", "refused"),
    [(-225, -450, False), (-226, -450, True), (-226, -448, True), (-224, -450, False), (-450, 0, True),
     (-225, -448, False), (1, -1000, False), (450, 0, True), (449, 0, False), (225, 449, False)],
)  # fmt: skip
def test_squared_errors_must_be_doubles_unless_inputs_alone_are_next_to_nothing(weight, square, refused):
    """Powers of two: weights up to 2^a with inputs of squared length 2^b have errors up to 2^(2 a + b)."""
    arguments = np.array([[2.0**weight, 0.0]]), 2.0**square * np.eye(2)
    if refused:
        with pytest.raises(ValueError, match="have squared errors beyond double precision"):
            check_range(*arguments)
    else:
        check_range(*arguments)


@pytest.mark.parametrize("unit", [1.0, 2.0**20, 2.0**-20])
def test_pivots_taken_for_zero_are_as_large_as_rounding_of_their_columns(unit):
    """A dead input, an input twice, and one beside them; R'R with the pivots is G again."""
    gram = unit * np.array([[0.0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 2]])
    squares, u, dropped = factor(gram)
    assert squares.tolist() == [0, unit, 0, unit] and np.array_equal((u.T * squares) @ u, gram)
    assert dropped[[0, 1, 3]].tolist() == [0, 0, 0] and 1e-15 * unit <= dropped[2] <= 1e-14 * unit
