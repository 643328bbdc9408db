import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from theory import representation
from theory.derivations import representation as derivations
from theory.representation import chance_cka, effective_rank, expected_cka, samples_for_bias


def centred_gram(rng, n, width):
    x = rng.standard_normal((n, width)) * rng.uniform(0.2, 2.0, width)
    x -= x.mean(axis=0)
    return x @ x.T


def test_every_derivation_ends_in_zero():
    for found in (derivations.centred_mean(), derivations.unbiased_mean()):
        assert all(entry == 0 for entry in found)
    assert derivations.hsic_product() == 0
    assert derivations.gaussian_products() == (0, 0)
    assert derivations.isserlis() == 0
    assert derivations.expected_ratio() == 0


def test_chance_is_the_mean_over_every_matching():
    """All 720 orders of six samples, counted."""
    rng = np.random.default_rng(3)
    k, el = centred_gram(rng, 6, 2), centred_gram(rng, 6, 4)
    norm = math.sqrt((k**2).sum() * (el**2).sum())
    counted = [
        sum(k[i, j] * el[p[i], p[j]] for i in range(6) for j in range(6)) / norm
        for p in itertools.permutations(range(6))
    ]
    law = chance_cka(
        6, effective_rank(np.linalg.eigvalsh(k).clip(0)), effective_rank(np.linalg.eigvalsh(el).clip(0))
    )
    assert math.fsum(counted) / 720 == pytest.approx(law, rel=1e-12)


def test_a_rank_a_rounding_beyond_its_ends_is_the_end():
    """All n - 1 eigenvalues of the centring matrix are 1; as computed, their rank may lie above n - 1."""
    assert chance_cka(5, math.nextafter(1, 0), 4.0) == pytest.approx(1 / 2, rel=1e-12)
    assert expected_cka(8, math.nextafter(1, 0), 1.0) == pytest.approx(1 / 9, rel=1e-12)
    for n in range(3, 40):
        computed = effective_rank(np.linalg.eigvalsh(np.eye(n) - 1 / n).clip(0))
        for rank in (computed, math.nextafter(n - 1, n)):
            assert chance_cka(n, rank, rank) == pytest.approx(1, rel=1e-12)


def test_expected_products_of_gaussian_samples():
    """The three expectations by simulation, correlated features and a true CKA between 0 and 1 included."""
    rng = np.random.default_rng(0)
    n, trials = 7, 40_000
    mix = np.array([[1.0, 0.3, 0.0, 0.5], [0.0, 1.2, 0.4, 0.0], [0.2, 0.0, 0.7, 0.1], [0.6, 0.0, 0.0, 1.1]])
    z = rng.standard_normal((trials, n, 4)) @ mix
    z -= z.mean(axis=1, keepdims=True)
    x, y = z[..., :2], z[..., 2:]
    cross, own_x, own_y = (
        np.einsum("tij,tij->t", a.transpose(0, 2, 1) @ b, a.transpose(0, 2, 1) @ b).mean()
        for a, b in ((x, y), (x, x), (y, y))
    )
    cov = mix.T @ mix
    s_x, s_y, s_xy = cov[:2, :2], cov[2:, 2:], cov[:2, 2:]
    true = np.sum(s_xy**2) / math.sqrt(np.sum(s_x**2) * np.sum(s_y**2))
    law = expected_cka(
        n, effective_rank(np.linalg.eigvalsh(s_x)), effective_rank(np.linalg.eigvalsh(s_y)), true
    )
    assert cross / math.sqrt(own_x * own_y) == pytest.approx(law, rel=0.02)


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_the_effective_rank_has_no_unit(unit):
    assert effective_rank(np.array([6.0, 2.0, 0.0]) * unit) == pytest.approx(1.6)


def test_the_figures_of_a_public_report():
    """Width 8: 0.198 at 32 samples and 0.029 at 256 were reported where 0 is right."""
    assert expected_cka(32, 8, 8) == pytest.approx(0.198, abs=0.004)
    assert expected_cka(256, 8, 8) == pytest.approx(0.029, abs=0.002)


@pytest.mark.parametrize(("x", "y"), [(8, 8), (1, 300), (40.5, 3)])
@pytest.mark.parametrize("bias", [0.5, 0.05, 1e-3])
def test_the_least_number_of_samples_is_the_least(x, y, bias):
    n = samples_for_bias(bias, x, y)
    assert expected_cka(n, x, y) <= bias * (1 + 1e-9)
    assert n == 2 or expected_cka(n - 1, x, y) > bias


@pytest.mark.parametrize(("bias", "x", "y"), [(0.41, 1e17, 15.0), (0.76, 1e17, 40.0), (2.0**-30, 3.0, 2e15)])
def test_the_least_number_is_exact_between_ranks_far_apart(bias, x, y):
    """(n + x)(n + y) bias^2 >= x y, in rationals."""
    n = samples_for_bias(bias, x, y)
    x, y, square = Fraction(x), Fraction(y), Fraction(bias) ** 2
    slack = n // 10**12  # the tolerance for a bias a rounding off
    assert (n + slack + x) * (n + slack + y) * square >= x * y
    assert (n - 1 - slack + x) * (n - 1 - slack + y) * square < x * y
    assert samples_for_bias(1e-170, 4, 4) == pytest.approx(4e170)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chance_cka(1, 1, 1), "samples must be integers >= 2, got 1"),
        (lambda: chance_cka(5, 4.5, 1), "rank_x must be at most samples - 1"),
        (lambda: expected_cka(5, 0.5, 1), "rank_x must be finite and at least 1"),
        (lambda: expected_cka(5, 2, math.nan), "rank_y must be finite"),
        (lambda: expected_cka(5, 2, 2, 1.5), r"cka must lie in \[0, 1\], got 1.5"),
        (lambda: effective_rank([0.0, 0.0]), "not all of them zero"),
        *(
            (lambda bad=bad: effective_rank([1.0, bad]), "finite eigenvalues >= 0")
            for bad in (-1.0, math.nan, math.inf)
        ),
        (lambda: effective_rank([]), "finite eigenvalues >= 0"),
        *((lambda n=n: chance_cka(n, 1, 1), "samples must be integers >= 2") for n in (5.0, True, [5, 1])),
        (lambda: samples_for_bias(1.0, 2, 2), "bias must lie strictly between 0 and 1"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_effective_ranks_have_no_unit(unit):
    assert effective_rank([4 * unit, unit]) == pytest.approx(25 / 17, rel=1e-14)


def test_arrays_broadcast():
    assert expected_cka(np.array([10, 20]), 3, 3, np.array([[0.0], [0.5]])).shape == (2, 2)
    assert isinstance(representation.chance_cka(10, 3, 3), float)


@pytest.mark.parametrize("bias", [1e-3, 1e-9, 1e-13, 3e-14])
@pytest.mark.parametrize("ranks", [(1, 1), (64, 64), (1, 7)])
def test_the_least_number_of_many_samples_is_the_least(bias, ranks):
    """(n + x)(n + y) >= x y / bias^2 in exact rationals, of the decimal that the bias says."""
    x, y = ranks
    needed = Fraction(x * y) / Fraction(str(bias)) ** 2
    n = samples_for_bias(bias, x, y)
    slack = max(1, n // 10**14)  # samples that doubles cannot tell apart
    assert (n + slack - 1 + x) * (n + slack - 1 + y) >= needed > (n - slack + x) * (n - slack + y)
    with pytest.raises(ValueError, match="more samples than double precision counts"):
        samples_for_bias(1e-300, 1e300, 1e300)
