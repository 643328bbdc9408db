"""Masks and tables of positions are known by their values, whatever they are called."""

import numpy as np
import pytest

from sims import weights
from sims.weights.no_weights import is_mask, is_table_of_positions

RNG = np.random.default_rng(37)


def angles(positions, count):
    return np.arange(positions)[:, None] * 10000.0 ** (-np.arange(count) / count)


def interleaved(positions=96, width=32):
    """The sinusoids of Vaswani et al. (2017): sin and cos by turns."""
    table = np.zeros((positions, width))
    for p in range(positions):
        for i in range(0, width, 2):
            table[p, i] = np.sin(p / 10000 ** (i / width))
            table[p, i + 1] = np.cos(p / 10000 ** (i / width))
    return table


def halves():
    """fairseq: all sines, then all cosines; the row of the padding is zero."""
    table = np.concatenate([np.sin(angles(96, 16)), np.cos(angles(96, 16))], axis=1)
    table[1] = 0
    return table


def quarters():
    """Masked autoencoders: sines and cosines of the row, then of the column; zeros for the class token."""
    one = angles(10, 8)
    s, c = np.sin(one), np.cos(one)
    grid = [np.concatenate([s[y], c[y], s[x], c[x]]) for y in range(10) for x in range(10)]
    return np.stack([np.zeros(32), *grid])[None]


PAIRS = np.stack([np.cos(angles(96, 16)), np.sin(angles(96, 16))], axis=2)  # of torchtune


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "table",
    [
        *(interleaved(), interleaved()[:16], interleaved()[:, None], halves(), quarters(), PAIRS),
        np.where(np.arange(96)[:, None] % 2, 0, interleaved()),  # half of it zeros
    ],
)
def test_tables_of_sines_are_no_weights(table, dtype):
    import ml_dtypes

    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    assert is_table_of_positions(table.astype(kind).astype(np.float32 if dtype == "bfloat16" else kind))


@pytest.mark.parametrize(
    "array",
    [
        RNG.normal(size=(96, 32)),
        interleaved() + 0.1 * RNG.normal(size=(96, 32)),  # trained on
        interleaved()[:, :3],
        interleaved()[:, :5],
        interleaved(width=2),  # of one angle
        interleaved()[:15],
        interleaved()[3],
        np.concatenate([interleaved()[:40], RNG.normal(size=(56, 32))]),
        np.tile(interleaved(width=64)[7], (96, 1)),  # every position has the same angles
        np.sqrt(0.5) * np.sign(RNG.normal(size=(96, 32))),  # signs of one size
        np.tile([1.0, 0.0], (96, 16)),
        np.zeros((96, 32)),
        np.where(np.arange(96)[:, None] < 60, 0, interleaved()),  # mostly zeros
        interleaved().reshape(8, 12, 32),
        interleaved().reshape(24, 4, 32),
        RNG.uniform(-1, 1, size=(96, 32)),
    ],
)
def test_weights_are_no_tables(array):
    assert not is_table_of_positions(array)


def test_a_table_of_positions_does_not_speak_for_the_network():
    """Most of the signal of a small transformer file stands in it: the verdict was that of the table."""
    table = interleaved(500, 64).astype(np.float32)
    small = 0.02 * RNG.standard_t(1.2, size=(64, 64))
    found = weights.analyse({"encoder.weight": small, "pos_encoder.pe": table[:, None]}, [4])
    assert [row.name for row in found.rows] == ["encoder.weight"]
    assert found.skipped == {"pos_encoder.pe": "a table of positions, which no training changes"}
    assert found.middle().winner == weights.analyse({"w": small}, [4]).middle().winner == "cut"
    assert weights.analyse({"table": table}, [4]).rows  # where there is nothing else


@pytest.mark.parametrize(("factor", "fixed"), [(1.0098, True), (1.0102, False)])
def test_a_table_may_lie_a_hundredth_off_the_circle(factor, fixed):
    """Rounding moves the squares of a sine and its cosine by some of two per cent, and no more."""
    table = factor * interleaved(500, 64)
    assert is_table_of_positions(table) == fixed
    found = weights.analyse({"a.weight": RNG.normal(size=(64, 64)), "a.pe": table.astype(np.float32)}, [4])
    assert ("a.pe" in found.skipped) == fixed and len(found.rows) == 2 - fixed


@pytest.mark.parametrize(("angles", "table"), [(15, False), (16, False), (17, True)])
def test_sixteen_different_sines_are_no_table_of_positions(angles, table):
    """Every row has one angle twice, and the angles come again and again."""
    turns = np.linspace(0.1, 1.4, angles)[np.arange(4 * angles) % angles]
    rows = np.stack([np.sin(turns), np.cos(turns), np.sin(turns), np.cos(turns)], axis=1)
    assert is_table_of_positions(rows) == table


@pytest.mark.parametrize(
    ("other", "mask"),
    [(1, True), (0.5, False), (2, False), (-1, False), (-99.5, False), (-100, True), (-1e4, True)],
)
def test_masks_multiply_by_one_or_add_a_hundred_below_zero(other, mask):
    assert is_mask(np.array([0, other, other, 0], dtype=np.float64)) == mask


@pytest.mark.parametrize(("count", "fixed"), [(16, False), (17, True)])
def test_sines_of_more_than_sixteen_sizes_make_a_table(count, fixed):
    sines = np.resize(np.linspace(0.1, 0.9, count), (8, 96)).T
    assert is_table_of_positions(np.stack([sines, np.sqrt(1 - sines**2)], axis=2)) == fixed


@pytest.mark.parametrize(("width", "fixed"), [(0.5, False), (0.51, True)])
def test_sines_of_a_table_range_over_more_than_a_half(width, fixed):
    sines = 0.25 + np.resize(np.linspace(0, width, 20), (8, 96)).T
    assert is_table_of_positions(np.stack([sines, np.sqrt(1 - sines**2)], axis=2)) == fixed


@pytest.mark.parametrize(("first", "fixed"), [(16, True), (17, False)])
def test_of_the_first_32_positions_half_are_filled(first, fixed):
    assert is_table_of_positions(np.where(np.arange(96)[:, None] < first, 0, interleaved())) == fixed
