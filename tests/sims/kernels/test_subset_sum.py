"""The modular bitsets of the subset-sum search against Python's integers and sets."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import subset_sum as kernels

items = st.lists(st.one_of(st.integers(-5, 5), st.integers(-300, 300)), min_size=0, max_size=7)


def sums_by_mask(values):
    """Sum of every subset, at the place its bit mask names."""
    return [sum(x for i, x in enumerate(values) if mask >> i & 1) for mask in range(1 << len(values))]


def as_integer(words):
    return sum(int(word) << 64 * k for k, word in enumerate(words))


def as_words(bits, count):
    return np.array([bits >> 64 * k & 0xFFFFFFFFFFFFFFFF for k in range(count)], np.uint64)


@given(st.integers(1, 4), st.data())
def test_rotation_by_every_shift(words, data):
    m = 64 * words
    old = data.draw(st.integers(0, 2**m - 1))
    near = [64 * k + d for k in range(words) for d in (0, 1, 63)]
    shift = data.draw(st.one_of(st.sampled_from(near), st.integers(0, m - 1)))
    new = np.full(words, 0xDEAD, np.uint64)
    kernels.rotate_or(new, as_words(old, words), np.uint64(shift))
    assert as_integer(new) == old | (old << shift | old >> (m - shift)) % 2**m


@given(items)
def test_subset_sums_stand_at_their_masks(values):
    out = np.full((1 << len(values)) + 1, 99)
    assert kernels.subset_sums(np.array(values, np.int64), out) == 1 << len(values)
    assert out.tolist() == [*sums_by_mask(values), 99]


@given(items, st.integers(1, 500))
def test_residues_of_subset_sums_stand_at_their_masks(values, m):
    out = np.full((1 << len(values)) + 1, -99)
    assert kernels.subset_residues(np.array(values, np.int64), m, out) == 1 << len(values)
    assert out.tolist() == [*(s % m for s in sums_by_mask(values)), -99]


@given(st.integers(1, 9), st.data())
def test_differences_of_residues_are_residues(m, data):
    a, b = data.draw(st.integers(0, m - 1)), data.draw(st.integers(0, m - 1))
    assert kernels.modular_difference(a, b, m) == (a - b) % m


def layered(values, b, words, width):
    left = np.array(values, np.int64)
    layers = np.full((left.size - b + 3, words), 0xABCD, np.uint64)
    return left, layers, kernels.build_layers(left, np.zeros(1 << b, np.int64), b, layers, width)


@settings(max_examples=150)
@given(items, st.integers(1, 3), st.integers(0, 20), st.data())
def test_layers_hold_the_sums_of_ever_more_items(values, words, width, data):
    b = data.draw(st.integers(0, len(values)))
    _, layers, probe = layered(values, b, words, width)
    m = 64 * words
    for k in range(len(values) - b + 1):
        assert as_integer(layers[k]) == sum(1 << r for r in {s % m for s in sums_by_mask(values[: b + k])})
    covered = {(s - d) % m for s in sums_by_mask(values) for d in range(width + 1)}
    assert as_integer(layers[probe]) == sum(1 << r for r in covered)


@settings(max_examples=150)
@given(items, st.integers(0, 2), st.sampled_from([1, 3, 5]), st.integers(-400, 400), st.data())
def test_walking_back_finds_a_subset_exactly_when_there_is_one(values, log_words, others, need, data):
    """Sums far beyond the modulus collide in the layers: the walk has to tell them apart."""
    b = data.draw(st.integers(0, len(values)))
    left, layers, _ = layered(values, b, 1 << log_words, 0)
    second = layered(values, b, others, 0)[1]
    base = np.zeros(1 << b, np.int64)
    size = kernels.subset_sums(left[:b], base)
    sums = sums_by_mask(values)
    need = data.draw(st.sampled_from(sums)) if data.draw(st.booleans()) else need
    stack = np.full((left.size - b + 2, 4), 99)
    found = kernels.walk_back(layers, second, left, base, size, b, need, stack)
    assert sums[found] == need if found >= 0 else need not in sums


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.integers(-60, 60), min_size=8, max_size=8), min_size=1, max_size=3),
    st.integers(2, 8),
    st.integers(0, 5),
    st.data(),
)
def test_search_finds_a_subset_within_the_window_exactly_when_there_is_one(rows, n, width, data):
    rows = np.array(rows, np.int64)[:, :n]
    split = data.draw(st.integers(1, n - 1))
    b, c = data.draw(st.integers(0, split)), data.draw(st.integers(0, n - split))
    words, second = data.draw(st.sampled_from([1, 2, 4])), data.draw(st.sampled_from([1, 3, 5]))
    targets = np.array([data.draw(st.integers(-90, 90)) for _ in rows])
    out = np.zeros(len(rows), np.int64)
    kernels.search_rows(rows, targets, width, split, b, c, words, second, out)
    for row, target, found in zip(rows.tolist(), targets.tolist(), out.tolist(), strict=True):
        sums = sums_by_mask(row)
        if found >= 0:
            assert target <= sums[found] <= target + width
        else:
            assert not any(target <= s <= target + width for s in sums)


def test_two_moduli_end_a_walk_that_one_leads_astray():
    """Modulo 64 alone 5 + 64 is 5, modulo 192 it is not; the base sums would confirm what is wrong."""
    left = np.array([5, 7], np.int64)
    layers, second = (layered(left, 0, words, 0)[1] for words in (1, 3))
    stack = np.full((4, 4), 99)
    for need, found in ((5, 1), (12, 3), (5 + 64, -1), (7 + 64, -1), (12 + 64, -1)):
        base = np.array([need - sum(left[i] for i in range(2) if found >= 0 and found >> i & 1)])
        assert kernels.walk_back(layers, second, left, base, 1, 0, need, stack) == found


def test_a_walk_that_takes_nothing_needs_both_moduli_all_the_way():
    """64 is 0 modulo 64 alone, 192 modulo 192 alone: no item of 5 and 7 is taken on the way to either."""
    left, stack = np.array([5, 7], np.int64), np.full((4, 4), 99)
    for need, words in ((64, 1), (192, 2)):
        layers, second = (layered(left, 0, count, 0)[1] for count in (words, 3))
        assert kernels.walk_back(layers, second, left, np.array([need]), 1, 0, need, stack) == -1
