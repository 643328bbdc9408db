"""Sifting against the sums themselves."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sims.kernels import subset_sum_sift as kernels

items = st.lists(st.integers(-40, 40), min_size=1, max_size=7)
ODD = np.uint64(0x9E3779B97F4A7C15)


def sums(x):
    return [sum(chosen) for size in range(len(x) + 1) for chosen in itertools.combinations(x, size)]


def places(bits):
    return {64 * word + bit for word in range(bits.size) for bit in range(64) if int(bits[word]) >> bit & 1}


def place(value, multiplier, log2_bits):
    """Upper bits of the product, in Python integers."""
    return (value * int(multiplier)) % 2**64 >> (64 - log2_bits)


@given(items, st.sampled_from([1, 2, 8, 16]), st.sampled_from([64, 128]))
def test_left_bits_are_the_sums_modulo_the_length(x, room, length):
    bits, spare = np.full((2, length // 64), 2**64 - 1, np.uint64)
    shift = np.uint64({64: 58, 128: 57}[length])
    found = kernels.left_bits(np.array(x), np.empty(room, np.int64), bits, spare, shift)
    assert places(found) == {s % length for s in sums(x)}


def test_gray_order_visits_every_subset_once_and_moves_by_one_item():
    x, mask, total, seen = np.array([5, -3, 11, 2]), np.int64(0), 0, [0]
    for turn in range(1, 16):
        mask, step = kernels.next_subset(x, mask, turn)
        total += step
        assert total == x[(mask >> np.arange(4)) & 1 == 1].sum()
        seen.append(int(mask))
    assert sorted(seen) == list(range(16))


@given(items, st.integers(-99, 99), st.sampled_from([1, 4, 16]), st.sets(st.integers(0, 127)))
def test_kept_sums_are_those_whose_place_is_marked(x, start, inner, marked):
    bits = np.zeros(2, np.uint64)
    for at in marked:
        bits[at // 64] |= np.uint64(1 << (at % 64))
    room = np.empty(2 ** len(x), np.int64)
    arguments = start, np.array(x), np.empty(inner, np.int64), bits, ODD, np.uint64(57)
    count = kernels.keep_sums(*arguments, room)
    expected = sorted(v for s in sums(x) if place(v := start + s, ODD, 7) in marked)
    assert sorted(room[:count].tolist()) == expected
    assert kernels.keep_sums(*arguments, room[: len(room) - 1]) in (-1, count)
    assert kernels.keep_sums(*arguments, room[:0]) == -1


@given(st.lists(st.integers(-(2**40), 2**40), max_size=9), st.lists(st.integers(-(2**40), 2**40), max_size=9))
def test_values_stay_where_a_marked_one_has_their_place(marked, values):
    bits = np.full(2, 2**64 - 1, np.uint64)
    kernels.mark(np.array(marked, np.int64), bits, ODD, np.uint64(57))
    taken = {place(v, ODD, 7) for v in marked}
    assert places(bits) == taken
    array = np.array(values, np.int64)
    count = kernels.keep_values(array, bits, ODD, np.uint64(57))
    assert array[:count].tolist() == [v for v in values if place(v, ODD, 7) in taken]


@given(items, items, st.integers(-90, 90))
def test_the_count_is_of_all_pairs(left, right, target):
    lefts, needs = np.empty((2, 128), np.int64)
    expected = sum(a + b == target for a in sums(left) for b in sums(right))
    assert kernels.sift(np.array(left), np.array(right), target, 6, 6, lefts, needs) == expected


def test_sums_beyond_a_few_are_sifted_again():
    """4,096 solutions among 2^13 and 2^13 sums: more than are sorted at once, so every turn runs."""
    left, right = 5 * 3 ** np.arange(13), -5 * 3 ** np.arange(13)
    right[-1] += 1
    lefts, needs = np.empty((2, 2**13), np.int64)
    assert kernels.sift(left, right, 0, 16, 15, lefts, needs) == 2**12
    assert kernels.sift(left, right, 0, 16, 15, lefts, needs[: 2**12]) == -1  # no room for what passes
    assert kernels.sift(left, right, 0, 16, 15, lefts[: 2**11], needs) == -1
