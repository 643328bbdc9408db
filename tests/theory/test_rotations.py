"""Laws of rotations against matrices written out, drawn weights and the definition."""

import numpy as np
import pytest
from scipy.linalg import block_diag, hadamard

from theory import rotations
from theory.distributions import Empirical, Gaussian, Laplace, StudentT
from theory.formats import FORMATS
from theory.formats.laws import format_snr


def matrix(size, rng):
    """D' H D on the first k columns, then on the last k, as a matrix acting on rows from the right."""
    k = 1 << (size.bit_length() - 1)
    total = np.eye(size)
    for first in dict.fromkeys([0, size - k]):
        h = hadamard(k) / np.sqrt(k) * rng.choice([-1, 1], k)[:, None] * rng.choice([-1, 1], k)
        total = total @ block_diag(np.eye(first), h, np.eye(size - k - first))
    return total


@pytest.mark.parametrize("size", [2, 3, 5, 8, 12, 27, 48, 63, 64])
def test_fourth_powers_of_matrices_written_out(size):
    rng = np.random.default_rng(0)
    draws = [np.sum(matrix(size, rng) ** 4) / size for _ in range(400)]
    spread = np.std(draws) / 20
    assert rotations.fourth_powers(size) == pytest.approx(np.mean(draws), abs=5 * spread + 1e-12)
    r = matrix(size, rng)
    np.testing.assert_allclose(r @ r.T, np.eye(size), atol=1e-12)


def test_kurtosis_of_drawn_weights():
    rng, law = np.random.default_rng(1), Laplace()
    w = law.ppf(rng.random((200_000, 12)))
    y = w @ matrix(12, np.random.default_rng(5))
    exact = 3 + (law.kurtosis - 3) * np.sum(matrix(12, np.random.default_rng(5)) ** 4) / 12
    assert np.mean(y**4) / np.mean(y**2) ** 2 == pytest.approx(exact, rel=0.01)
    assert rotations.rotated_kurtosis(law.kurtosis, 16, 8) == 3 + 3 / 8


@pytest.mark.parametrize("size", [2, 4, 8])
def test_kurtosis_of_signs_by_counting(size):
    # weights +-1 have kurtosis 1, the least there is; a rotated entry is a walk of `size` steps
    walks = np.array([bin(signs).count("1") * 2 - size for signs in range(2**size)])
    counted = np.mean(walks**4) / np.mean(walks**2) ** 2
    assert rotations.rotated_kurtosis(1.0, size) == pytest.approx(counted, rel=1e-14)


def test_gains_are_those_of_the_gaussian_law():
    law = StudentT(3, 50)
    form = next(one for one in FORMATS if one.name == "MXFP4")
    std = np.sqrt(law.second_moment)
    expected = format_snr(Gaussian(std), form) - format_snr(law, form)
    assert rotations.rotation_gain(law, form) == pytest.approx(expected, abs=1e-12)
    assert rotations.rotation_gain(Gaussian(0.1), form) == pytest.approx(0, abs=1e-9)
    assert rotations.rotation_gain_pruning(law, 0.75) < -1


def test_bad_input():
    with pytest.raises(ValueError, match="rows of at least 2 weights, got rows of 1"):
        rotations.rotation_block(1)
    for block in (3, 6, 64):
        with pytest.raises(ValueError, match=f"divides rows of 96 weights, got {block}"):
            rotations.rotation_block(96, block)
    with pytest.raises(ValueError, match="kurtosis must be a finite number of at least 1"):
        rotations.rotated_kurtosis(0.5, 8)
    with pytest.raises(TypeError, match="symmetric about zero"):
        rotations.rotation_gain(Empirical([1.0, 2.0]), FORMATS[0])


def test_a_rotation_needs_two_weights():
    assert rotations.rotation_block(6, 2) == 2
    for block in (0, 1):
        with pytest.raises(ValueError, match="block must be an integer >= 2"):
            rotations.rotation_block(6, block)


def test_kurtoses_of_narrow_floats_are_their_value():
    assert float(rotations.rotated_kurtosis(np.float16(29), 1000)) == rotations.rotated_kurtosis(29.0, 1000)
