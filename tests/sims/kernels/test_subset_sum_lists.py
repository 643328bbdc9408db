"""Four lists and a running modulus against all pairs and all quadruples."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import subset_sum_lists as kernels

values = st.lists(st.integers(-30, 30), min_size=1, max_size=8).map(lambda found: np.array(found, np.int64))
moduli = st.sampled_from([2, 3, 5, 7, 31])


@given(values, moduli)
def test_positions_sorted_by_residue(found, m):
    order, start = np.full(found.size, -1), np.full(m + 1, -1)
    kernels.by_residue(found, m, order, start)
    expected = [[i for i, v in enumerate(found.tolist()) if v % m == r] for r in range(m)]
    assert [order[start[r] : start[r + 1]].tolist() for r in range(m)] == expected  # in their old order


@given(values, values, moduli, st.integers(0, 30), st.integers(0, 64))
def test_pairs_of_one_residue(first, second, m, residue, room):
    """All are counted; as many as there is room for are written down."""
    residue %= m
    order, start = np.empty(second.size, np.int64), np.empty(m + 1, np.int64)
    kernels.by_residue(second, m, order, start)
    sums, pairs = np.full((2, room), 999)
    count = kernels.pair_sums(first, first % m, second, order, start, residue, m, sums, pairs)
    expected = {
        (i, j): a + b
        for (i, a), (j, b) in itertools.product(enumerate(first.tolist()), enumerate(second.tolist()))
        if (a + b) % m == residue
    }
    assert count == len(expected)
    written = [(int(p) >> 32, int(p) & 0xFFFFFFFF) for p in pairs[: min(count, room)]]
    assert len(set(written)) == len(written) == min(count, room)
    assert [expected[pair] for pair in written] == sums[: len(written)].tolist()


@settings(max_examples=150)
@given(
    st.lists(values, min_size=4, max_size=4),
    st.integers(-60, 60),
    st.sampled_from([1, 257, 2**16 + 1, 2**40 - 3]),
    moduli,
    st.booleans(),
    st.data(),
)
def test_solutions_are_matched(lists, target, unit, m, counting, data):
    """Over every residue, or over some: a solution belongs to the residue of its left sum."""
    lists, target = [found * unit for found in lists], target * unit
    low = data.draw(st.integers(0, m - 1))
    high = data.draw(st.integers(low + 1, m))
    a, b, c, d = (found.tolist() for found in lists)
    expected = [
        (i, j, k, l)
        for (i, p), (j, q), (k, r), (l, s) in itertools.product(*map(enumerate, (a, b, c, d)))
        if p + q + r + s == target and low <= (p + q) % m < high
    ]
    found = np.full(4, -1, np.int64)
    total = kernels.match_residues(*lists, target, m, low, high, counting, 64, found)
    assert total == (len(expected) if counting else min(len(expected), 1))
    assert tuple(found.tolist()) in expected if expected else (found == -1).all()


@pytest.mark.parametrize("place", range(4))
def test_a_place_beyond_sixteen_bits_is_found(place):
    lists, found = [np.zeros(1, np.int64)] * 4, np.full(4, -1, np.int64)
    lists[place] = np.arange(2**16 + 2)
    residue = (2**16 + 1) % 31 if place < 2 else 0  # of the left sum
    assert kernels.match_residues(*lists, 2**16 + 1, 31, residue, residue + 1, False, 2200, found) == 1
    assert found.tolist() == [2**16 + 1 if i == place else 0 for i in range(4)]


@pytest.mark.parametrize("side", ["left", "right"])
def test_too_little_room_is_said(side):
    """The first residue with more sums than room: nothing is lost, the caller comes back with more."""
    many, one = np.zeros(3, np.int64), np.zeros(1, np.int64)
    lists = (many, many, one, one) if side == "left" else (one, one, many, many)
    found = np.zeros(4, np.int64)
    assert kernels.match_residues(*lists, 0, 2, 0, 2, True, 8, found) == -9
    assert kernels.match_residues(*lists, 0, 2, 0, 2, True, 9, found) == 9
