"""Limits of searched scales against blocks searched on dense grids."""

import math

import mpmath as mp
import numpy as np
import pytest

from theory.distributions import Gaussian, Laplace, StudentT
from theory.formats import FORMATS, Format, ray_error, searched_error_bounds
from theory.formats.laws import format_error, shrunk_error


@pytest.mark.parametrize("law", [Gaussian(0.2), Laplace(), StudentT(2, 30)], ids=repr)
@pytest.mark.parametrize(("codes", "block"), [("flipped3", 8), ("symmetric2", 16), ("nf4", 12)])
def test_blocks_on_a_dense_grid_of_scales_lie_between(law, codes, block):
    form = Format("x", codes, 4, block=block, rule="search")
    w = law.ppf(np.random.default_rng(3).random((300, block)))
    largest = np.abs(w).max(axis=1)[:, None]
    best = np.full(300, np.inf)
    levels = form.levels
    edges = (levels[1:] + levels[:-1]) / 2
    for factor in np.linspace(0.3, 1.7, 141):
        for sign in (1, -1):
            x = sign * w / (factor * largest / levels[-1])
            error = (x - levels[np.searchsorted(edges, x)]) * factor * largest / levels[-1]
            best = np.minimum(best, np.mean(error**2, axis=1))
    low, high = searched_error_bounds(law, form)
    spread = 4 * np.std(best) / math.sqrt(300)
    assert low - spread < best.mean() < high + spread
    assert high <= format_error(law, Format("x", codes, 4, block=block)) * (1 + 1e-12)
    assert (low > 0) == isinstance(law, Gaussian)


def test_multiples_of_the_largest_magnitude_against_drawn_blocks():
    w = np.random.default_rng(4).laplace(size=(20_000, 16))
    form = Format("x", "symmetric3", 3, block=16)
    for factor in (0.6, 0.9, 1.2):
        s = factor * np.abs(w).max(axis=1, keepdims=True) / 3
        errors = np.mean((w - s * np.clip(np.rint(w / s), -3, 3)) ** 2, axis=1)
        found = shrunk_error(Laplace(), form, factor)
        assert found == pytest.approx(errors.mean(), abs=4.5 * errors.std() / math.sqrt(20_000))
    assert shrunk_error(Laplace(), form, 1.0) == format_error(Laplace(), form)


def test_many_rays_and_long_blocks_tend_to_the_rate_of_the_sphere():
    """4 bits a weight over B - 1 dimensions: 16^(-2 B/(B - 1)) in the limit, from above."""
    share = [
        ray_error(block, block * math.log(16)) * 16 ** (2 * block / (block - 1)) for block in (8, 64, 4096)
    ]
    assert share[0] > share[1] > share[2] > 1 and share[2] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("block", [2, 3, 32, 300, 601, 1024, 4096, 10**6, 10**9])
def test_two_opposite_rays_keep_their_own_direction_alone(block):
    assert ray_error(block, math.log(2)) == pytest.approx(1 - 1 / block, rel=1e-13)


@pytest.mark.parametrize("log_rays", [0.7, 1.0, 5.0, 100.0, 500.0])
def test_rays_in_the_plane_and_in_space_in_closed_form(log_rays):
    """Angles up to pi/N are even in the plane; in space heights are, down to 1 - 2/N (Archimedes)."""
    with mp.workdps(500):
        angle, height = mp.pi / mp.exp(log_rays), 1 - 2 / mp.exp(log_rays)
        plane = 0.5 - mp.sin(2 * angle) / (4 * angle)
        space = 1 - (1 + height + height**2) / 3
    assert ray_error(2, log_rays) == pytest.approx(float(plane), rel=1e-12, abs=0)
    assert ray_error(3, log_rays) == pytest.approx(float(space), rel=1e-12, abs=0)


@pytest.mark.parametrize(("block", "log_rays"), [(602, 0.9), (4096, 5.0), (4096, 550.0), (4096, 3e3)])
def test_few_rays_in_long_blocks_by_integration(block, log_rays):
    """In y = log(1/sin^2), where a share falls like e^(-(B - 1) y / 2): the end, then the mean."""
    a = mp.mpf(block - 1) / 2

    def cap(power, start):
        y = [start + mp.mpf(k) ** 2 / a for k in (0, 0.1, 1, 2, 4, 6, 9)]
        return mp.quad(lambda y: mp.exp(-power * y) / mp.sqrt(-mp.expm1(-y)), y)

    def excess(y):
        return mp.log(cap(a, y) / mp.beta(a, 0.5) / 2) + log_rays

    y = mp.findroot(excess, (0, log_rays / a), solver="illinois", tol=1e-20)
    assert ray_error(block, log_rays) == pytest.approx(float(cap(a + 1, y) / cap(a, y)), rel=1e-10)


def test_what_has_no_limits_is_one_sentence():
    by_name = {form.name: form for form in FORMATS}
    for name in ("INT4", "NVFP4", "Q4_1", "2:4 + Q4_0"):
        with pytest.raises(
            ValueError, match=f"^{name.replace('+', '.')}: bounds are those of blocks with a free"
        ):
            searched_error_bounds(Gaussian(), by_name[name])
    with pytest.raises(ValueError, match="log_rays must be at least log 2"):
        ray_error(4, 0.1)
