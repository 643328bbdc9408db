"""Rotations of tensors: orthogonal, invertible, and what every sign pattern of a small row averages to."""

import itertools
import math

import numpy as np
import pytest
from scipy.linalg import hadamard

from sims.checkpoints import Contents, of_array
from sims.kernels.hadamard import rotate_rows
from sims.weights.judge import judged
from sims.weights.network import Signal
from sims.weights.rotation import _plan, expected_kurtosis, gain_lines, rotate, unrotate
from sims.weights.scales import quantization_snr
from sims.weights.select import select
from sims.weights.table import Table, TensorRow
from theory.distributions import StudentT
from theory.rotations import rotated_kurtosis


@pytest.mark.parametrize("block", [1, 2, 4, 8, 16, 64, 128, 512])
def test_the_kernel_is_the_matrix(block):
    rng = np.random.default_rng(block)
    w = rng.normal(size=(3, 2 * block + 5))
    before, after = rng.choice([-1.0, 1.0], (2, w.shape[1]))
    expected = w.copy()
    for start in (5, 5 + block):
        part = slice(start, start + block)
        expected[:, part] = (w[:, part] * before[part]) @ hadamard(block) / np.sqrt(block) * after[part]
    rotate_rows(w, 5, block, before, after)
    np.testing.assert_allclose(w, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 64), (3, 100), (5, 3, 3, 3), (7,), (2, 2), (6, 9)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_rotation_keeps_products_and_goes_back(shape, dtype):
    w = (100 * np.random.default_rng(3).normal(size=shape)).astype(dtype)
    y = rotate(w, seed=4)
    assert y.shape == w.shape and y.dtype == np.float64
    flat = w.reshape(1, -1) if w.ndim == 1 else w.reshape(shape[0], -1)
    rows = y.reshape(flat.shape)
    np.testing.assert_allclose(rows @ rows.T, flat.astype(float) @ flat.T.astype(float), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(unrotate(y, seed=4), w, atol=1e-10)
    assert not np.allclose(rotate(w, seed=5), y)
    np.testing.assert_array_equal(rotate(w, seed=4), y)


def test_blocks_stay_apart():
    w = np.zeros((1, 12))
    w[0, 5] = 2.0
    assert np.flatnonzero(rotate(w, block=4)).tolist() == [4, 5, 6, 7]
    np.testing.assert_allclose(unrotate(rotate(w, 1, 4), 1, 4), w, atol=1e-15)


def test_expected_kurtosis_by_every_sign_pattern():
    w = np.array([[3.0, -1.0, 0.0, 2.0], [1.0, 1.0, -5.0, 0.5]])
    h = hadamard(4) / 2
    fourth = [((w * np.array(signs)) @ h) ** 4 for signs in itertools.product([-1, 1], repeat=4)]
    assert expected_kurtosis(w) == pytest.approx(np.mean(fourth) / np.mean(w**2) ** 2, rel=1e-12)


def test_kurtosis_of_a_heavy_tensor_falls_as_the_law_says():
    law = StudentT(2, 30)
    w = law.ppf(np.random.default_rng(6).random((512, 256)))
    y = rotate(w)
    found = np.mean(y**4) / np.mean(y**2) ** 2
    assert found == pytest.approx(expected_kurtosis(w), rel=0.02)
    assert found == pytest.approx(rotated_kurtosis(law.kurtosis, 256), rel=0.02)
    assert expected_kurtosis(w, 16) > 4


def test_bad_input_is_one_sentence():
    for bad, message in (
        (np.ones((4, 1)), "rows of at least 2 weights, got rows of 1"),
        (np.array([[1.0, np.nan]]), "must be finite"),
        (np.empty((0, 4)), "empty array"),
    ):
        with pytest.raises(ValueError, match=message):
            rotate(bad)
    with pytest.raises(ValueError, match="divides rows of 9 weights, got 2"):
        rotate(np.ones((2, 9)), block=2)
    with pytest.raises(TypeError, match="real numbers"):
        rotate(np.array(["a", "b"]))
    with pytest.raises(ValueError, match="rotate them instead"):
        expected_kurtosis(np.ones((2, 9)))
    assert np.isnan(expected_kurtosis(np.zeros((2, 8))))


def test_a_file_is_judged_before_and_after():
    rng = np.random.default_rng(0)
    heavy, light = StudentT(2, 30).ppf(rng.random((64, 128))), rng.normal(size=(32, 27))
    arrays = {"heavy": heavy, "light": light, "thin": rng.normal(size=(300, 1))}
    contents = Contents(tensors={name: of_array(name, w) for name, w in arrays.items()})
    before, after = (
        list(judged(select(contents), [4], rotated=rotated, every_format=rotated))[-1]
        for rotated in (False, True)
    )
    assert after.skipped == {"thin": "a rotation needs rows of at least 2 weights, got rows of 1"}
    by_name = {row.name: row for row in after.rows}
    assert by_name["heavy"].kurtosis == pytest.approx(
        np.mean(rotate(heavy) ** 4) / np.mean(heavy**2) ** 2, rel=0.01
    )
    assert by_name["heavy"].quantization[4] == pytest.approx(quantization_snr(rotate(heavy), 4))
    stored = {one.name: one.snr for one in by_name["heavy"].stored}
    assert stored["INT4"] == pytest.approx(by_name["heavy"].quantization[4])
    lines = gain_lines(before, after)
    assert [line["tensor"] for line in lines] == ["heavy", "light"]
    gained, lost = lines[0]["4 bits"].split(" / ")
    assert float(gained) > 5 and float(lost) < -3


def test_a_tensor_without_loss_before_and_after_gains_nothing():
    """Two infinite ratios are equal; one of them is an infinite gain, or loss."""
    ratios = {"none": (math.inf, math.inf), "won": (20.0, math.inf), "lost": (math.inf, -3.0)}
    tables = (
        Table(
            (4,),
            [
                TensorRow(name, (2, 2), 4, 3.0, 1.0, {4: pair[k]}, {4: 7.25}, {4: 0.0}, Signal(1.0))
                for name, pair in ratios.items()
            ],
        )
        for k in range(2)
    )
    gains = {line["tensor"]: line["4 bits"] for line in gain_lines(*tables)}
    assert gains == {"none": "+0.0 / +0.0", "won": "+inf / +0.0", "lost": "-inf / +0.0"}


def test_rows_of_six_are_rotated_by_the_matrix_of_both_steps_in_their_order():
    """The first four columns, then the last four; by Hadamard's matrix and the signs that the plan drew."""
    steps = _plan(6, 5, None)
    assert [(first, length) for first, length, *_ in steps] == [(0, 4), (2, 4)]
    rows = np.random.default_rng(0).normal(size=(3, 6))
    expected = rows.copy()
    for first, length, before, after in steps:
        part = slice(first, first + length)
        expected[:, part] = (expected[:, part] * before[part]) @ hadamard(4) / 2 * after[part]
    np.testing.assert_allclose(rotate(rows, 5), expected, atol=1e-12)


def test_signs_depend_on_the_seed_and_the_length_of_rows_alone():
    """e_i becomes the i-th row b_i H_ij a_j of the matrix, and H's first row and column are ones."""

    def signs(size, seed=0, rows=None):
        turned = rotate(np.eye(size)[:rows] if rows else np.eye(size), seed) * np.sqrt(size)
        return np.rint(turned[:, 0] * turned[0, 0]), np.rint(turned[0] * turned[0, 0])

    before, after = signs(64)
    np.testing.assert_array_equal(signs(64, rows=9)[0], before[:9])
    others = [
        before,
        after,
        *(one[:64] for one in signs(128)),
        *(one[:64] for one in signs(256)),
        *signs(64, 1),
    ]
    apart = [int((one != other).sum()) for one, other in itertools.combinations(others, 2)]
    assert min(apart) > 10 and max(apart) < 54  # of 64, 32 in the mean; a standard deviation is 4


@pytest.mark.parametrize("size", [33, 100])
def test_the_two_overlapping_transforms_have_signs_of_their_own(size):
    (_, _, *first), (start, length, *second) = _plan(size, 0, None)
    assert start + length == size
    rows = [tuple(signs) for signs in (*first, *second)]
    assert len(set(rows)) == 4 and set(np.abs(rows).ravel()) == {1.0}


@pytest.mark.parametrize("columns", [16, 24, 40])
def test_a_block_is_transformed_once(columns):
    """One weight becomes eight equal magnitudes of its own block, in the last block as in the first."""
    for place in range(columns):
        w = np.zeros((1, columns))
        w[0, place] = 8.0
        found = np.abs(rotate(w, block=8))
        expected = np.where(np.arange(columns) // 8 == place // 8, 8**0.5, 0.0)
        np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-12)


def test_rows_may_be_lists():
    for function in (rotate, unrotate):
        np.testing.assert_array_equal(
            function([[3, 4], [0, 1]]), function(np.array([[3.0, 4.0], [0.0, 1.0]]))
        )
