"""Sorted halves and merging passes against sorting and counting everything."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sims.kernels import subset_sum_count as kernels

few = st.lists(st.integers(-9, 9), max_size=7)
ascending = st.lists(st.integers(-9, 9), min_size=1, max_size=9).map(sorted).map(np.array)
window = st.tuples(st.integers(-20, 20), st.integers(-20, 20))


def all_sums(values):
    return [sum(part) for k in range(len(values) + 1) for part in itertools.combinations(values, k)]


@given(few)
def test_sorted_sums(values):
    out, buffer = np.zeros((2, 1 << len(values)), np.int64)
    assert kernels.sorted_sums(np.array(values, np.int64), buffer, out) == out.size
    assert out.tolist() == sorted(all_sums(values))


@given(ascending, ascending, window)
def test_pairs_in_a_window_are_counted(left, right, ends):
    low, high = ends
    expected = sum(low <= a + b <= high for a in left.tolist() for b in right.tolist())
    assert kernels.count_pairs(left, right, low, max(low - 1, high)) == expected


@given(ascending, ascending, window)
def test_a_pair_in_a_window_is_found_exactly_when_there_is_one(left, right, ends):
    low, high = ends
    i, j = kernels.sum_between(left, right, low, high)
    if i >= 0:
        assert low <= left[i] + right[j] <= high
    else:
        assert (i, j) == (-1, -1)
        assert not any(low <= a + b <= high for a in left.tolist() for b in right.tolist())


@given(
    st.lists(st.lists(st.integers(-9, 9), min_size=7, max_size=7), min_size=1, max_size=3),
    st.integers(1, 7),
    window,
)
def test_rows_with_a_subset_in_the_window(rows, n, ends):
    low, high = ends
    rows = np.array(rows)[:, :n].copy()
    out = np.zeros(len(rows), np.bool_)
    kernels.between_rows(rows, low, high, out)
    assert out.tolist() == [any(low <= s <= high for s in all_sums(row)) for row in rows.tolist()]
