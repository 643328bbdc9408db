"""The kernels of number partitioning against every signing of the items."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import partition as kernels


@st.composite
def matrices(draw, least=1, items=8):
    """Rows of positive integers with ties; a single row, a single item."""
    n, top = draw(st.integers(least, items)), draw(st.sampled_from([1, 2, 9, 40, 1000]))
    row = st.lists(st.integers(1, top), min_size=n, max_size=n)
    return np.array(draw(st.lists(row, min_size=1, max_size=4)))


def discrepancies(row):
    """|sum of s_i x_i| of every unordered partition: the first sign is +."""
    return [abs(sum(s * x for s, x in zip((1, *signs), row, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(row) - 1)]  # fmt: skip


def filled(kernel, rows, *arguments, kind=np.int64):
    out = np.full(len(rows), 77, kind)
    kernel(rows, *arguments, out)
    return out.tolist()


@given(matrices())
def test_smallest_discrepancies(rows):
    expected = [min(discrepancies(row)) for row in rows.tolist()]
    assert filled(kernels.smallest_rows, rows) == expected


@given(matrices(), st.one_of(st.integers(0, 12), st.integers(0, 3000)))
def test_partitions_within_a_limit_are_counted(rows, limit):
    expected = [sum(d <= limit for d in discrepancies(row)) for row in rows.tolist()]
    assert filled(kernels.within_rows, rows, limit) == expected


@settings(max_examples=80)
@given(matrices(least=3), st.data())
def test_a_perfect_partition_is_found_exactly_when_there_is_one(rows, data):
    """Whatever the cut into halves, base items and words."""
    n = rows.shape[1] - 1
    split = data.draw(st.integers(1, n - 1))
    b, c = data.draw(st.integers(0, split)), data.draw(st.integers(0, n - split))
    words, second = data.draw(st.sampled_from([1, 2, 8])), data.draw(st.sampled_from([1, 3, 5]))
    expected = [row.sum() % 2 in discrepancies(row.tolist()) for row in rows]
    assert filled(kernels.perfect_rows, rows, split, b, c, words, second, kind=np.bool_) == expected


@given(
    st.lists(st.lists(st.integers(-9, 9), min_size=5, max_size=5), min_size=1, max_size=3), st.integers(1, 5)
)
def test_differencing_replaces_the_two_largest_by_their_difference(rows, n):
    rows = np.array(rows)[:, :n]
    expected = []
    for row in rows.tolist():
        left = sorted(map(abs, row))
        while len(left) > 1:
            left = sorted([*left[:-2], left[-1] - left[-2]])
        expected += left
    assert filled(kernels.differencing_rows, rows) == expected
