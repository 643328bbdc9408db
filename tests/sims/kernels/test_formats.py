"""Blocks that share a scale and n:m groups, against loops over rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import formats as kernels
from theory.codebooks import integer_levels
from theory.formats import FORMATS, codebook

LEVELS = {
    "one": np.array([0.0, 1.0]),
    "integers": integer_levels(4),
    "uneven": np.array([-3.0, -1.0, 0.0, 0.25, 0.375, 8.0]),
    **{form.name: codebook(form.codes).levels for form in FORMATS if form.codes in ("nf4", "e2m1", "e4m3")},
}


@st.composite
def matrices(draw, strided=True):
    """Quarters with zeros and ties among them; every other one a view with strides."""
    shape = draw(st.integers(1, 3)), draw(st.integers(1, 20))
    values = (
        np.random.default_rng(draw(st.integers(0, 2**32))).integers(-12, 13, (shape[0], 2 * shape[1])) / 4
    )
    return values[:, ::2] if strided and draw(st.booleans()) else np.ascontiguousarray(values[:, : shape[1]])


def blocks_of(row, size):
    return [row[k : k + size] for k in range(0, len(row), size)]


@given(matrices(), st.integers(1, 21))
def test_block_maxima(rows, size):
    expected = [[max(abs(w) for w in block) for block in blocks_of(row, size)] for row in rows.tolist()]
    assert kernels.block_maxima(rows, size).tolist() == expected


@settings(max_examples=40)
@given(matrices(strided=False), st.integers(1, 21), st.sampled_from(sorted(LEVELS)), st.data())
def test_the_error_of_a_block_is_that_of_its_nearest_levels(rows, size, name, data):
    levels = LEVELS[name]
    count = -(-rows.shape[1] // size)
    choices = [0.0, 1e-200, 0.25, 0.3, 1.0, 2.0, 50.0]  # unequal from row to row and from block to block
    scales = np.array(
        [data.draw(st.lists(st.sampled_from(choices), min_size=count, max_size=count)) for _ in rows]
    )
    found = kernels.block_errors(rows, size, levels, scales)
    assert found.shape == scales.shape
    for r, (row, line) in enumerate(zip(rows.tolist(), scales.tolist(), strict=True)):
        for k, (block, s) in enumerate(zip(blocks_of(row, size), line, strict=True)):
            points = [0.0] if s < 1e-150 else [s * level for level in levels.tolist()]
            expected = sum(min((w - q) ** 2 for q in points) for w in block)
            assert found[r, k] == pytest.approx(expected, rel=1e-9, abs=1e-18)


def test_a_block_whose_step_has_no_square_counts_as_lost():
    """The step is 1e-162: its square is below every double, that of the largest weight is not."""
    rows = np.array([[6e-160, 1e-160, 0.0, 2.0]])
    found = kernels.zero_point_errors(rows, 3, 600, np.ones(1))
    assert found[0, 0] == 6e-160**2 + 1e-160**2 > 0 and found[0, 1] == 0


@settings(max_examples=40)
@given(
    matrices(strided=False),
    st.integers(1, 21),
    st.sampled_from([1, 3, 15]),
    st.lists(st.sampled_from([1.0, 0.9, 0.77, 0.5]), min_size=1, max_size=3),
)
def test_zero_points_by_the_rule_of_the_ends(rows, size, steps, ratios):
    """The best of the ratios: z is the integer nearest to -low/s, and the codes run from 0 to `steps`."""
    rows = rows * np.pi  # no halves, which go either way
    found = kernels.zero_point_errors(rows, size, steps, np.array(ratios))
    for r, row in enumerate(rows.tolist()):
        for k, block in enumerate(blocks_of(row, size)):
            low, high = min(0.0, *block), max(0.0, *block)
            errors = []
            for ratio in ratios:
                s = (high - low) * ratio / steps
                z = round(-low * ratio / s) if s else 0
                points = [s * (q - z) for q in range(steps + 1)]
                errors.append(sum(min((w - p) ** 2 for p in points) for w in block))
            assert found[r, k] == pytest.approx(min(errors), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", LEVELS)
def test_every_threshold_parts_its_two_levels(name):
    """Around each threshold, and beyond both ends, where a cell of the table begins too late or too early."""
    levels = LEVELS[name]
    middles = (levels[1:] + levels[:-1]) / 2
    span = levels[-1] - levels[0]
    points = np.concatenate([middles + d * span for d in (-1e-3, -1e-7, 0.0, 1e-7, 1e-3)])
    points = np.concatenate([points, levels, [levels[0] - span, levels[-1] + span]])
    for x in points:
        expected = min((x - level) ** 2 for level in levels)
        found = kernels.block_errors(np.array([[x]]), 1, levels, np.ones((1, 1)))[0, 0]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-30)


@given(matrices(), st.integers(1, 6), st.data())
def test_the_largest_of_every_group_are_kept(rows, group, data):
    keep = data.draw(st.integers(0, group))
    expected = []
    for row in rows.tolist():
        left = list(row)
        for first in range(0, len(row) // group * group, group):
            places = range(first, first + group)
            for k in sorted(places, key=lambda k: abs(row[k]))[: group - keep]:
                left[k] = 0.0  # of equal magnitudes the later ones are kept
        expected.append(left)
    assert kernels.keep_largest(rows, keep, group).tolist() == expected


def test_squared_differences_are_summed_over_all_rows():
    x, y = np.array([[3.0, -1.0, 0.0], [1.0, 5.0, 2.0]]), np.array([[1.0, 1.0, 0.0], [1.0, 2.0, -2.0]])
    assert kernels.squared_difference(x, y) == 4 + 4 + 9 + 16
