"""Bitsets and counting tables over all sums, against sets of sums."""

import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sims.kernels import subset_sum_table as kernels

items = st.lists(st.integers(-12, 12), max_size=6).map(lambda found: np.array(found, np.int64))
rows = st.lists(st.lists(st.integers(-12, 12), min_size=6, max_size=6), min_size=1, max_size=3)


def all_sums(values):
    values = [int(v) for v in values]
    return Counter(sum(part) for k in range(len(values) + 1) for part in itertools.combinations(values, k))


def bits_of(sums, words):
    whole = sum(1 << r for r in {s % (64 * words) for s in sums})
    return np.array([whole >> 64 * k & 0xFFFFFFFFFFFFFFFF for k in range(words)], np.uint64)


@given(st.sets(st.integers(-200, 200), max_size=9), st.integers(1, 3))
def test_a_bit_is_found_at_its_place_modulo_the_length(sums, words):
    bits = bits_of(sums, words)
    for position in range(-210, 211):
        assert kernels.has_bit(bits, position) == any((s - position) % (64 * words) == 0 for s in sums)


@given(items, st.integers(-80, 80))
def test_a_subset_is_found_exactly_when_there_is_one(values, target):
    layers = np.full((values.size + 1, 3), 0xABCD, np.uint64)  # 192 bits: more than the sums can differ by
    chosen = np.zeros(values.size, np.bool_)
    if kernels.table_find(values, target, layers, chosen):
        assert values[chosen].sum() == target
    else:
        assert target not in all_sums(values)


@given(items, st.integers(1, 3))
def test_the_sums_of_all_subsets(values, words):
    row, spare = np.full((2, words), 0xABCD, np.uint64)
    kernels.reachable(values, row, spare)
    assert row.tolist() == bits_of(all_sums(values), words).tolist()


@given(rows, st.integers(0, 6), st.integers(0, 40))
def test_missed_targets_are_counted(found, n, limit):
    found = np.array(found, np.int64)[:, :n].copy()
    out = np.zeros(len(found), np.int64)
    kernels.missed_targets(found, limit, 3, out)
    expected = [sum(t not in all_sums(row) for t in range(-limit, limit + 1)) for row in found]
    assert out.tolist() == expected


@given(items)
def test_subsets_are_counted_by_their_sum(values):
    low, high = int(values[values < 0].sum()), int(values[values > 0].sum())
    counts = np.full(high - low + 1, 7)
    kernels.count_table(values, low, counts)
    expected = all_sums(values)
    assert counts.tolist() == [expected[s] for s in range(low, high + 1)]


@given(rows, st.integers(1, 6), st.integers(-50, 50), st.integers(0, 5))
def test_samples_are_added_one_by_one(found, n, target, delta):
    found = np.array(found, np.int64)[:, :n]
    bits = np.zeros((len(found), 3), np.uint64)
    bits[:, 0] = 1
    spare, missed = np.zeros(3, np.uint64), np.zeros(len(found), np.bool_)
    for k in range(n):
        kernels.add_samples(bits, found[:, k].copy(), target, delta, spare, missed)
        for i, row in enumerate(found[:, : k + 1]):
            sums = all_sums(row)
            assert bits[i].tolist() == bits_of(sums, 3).tolist()
            assert missed[i] == (not any(abs(s - target) <= delta for s in sums))
