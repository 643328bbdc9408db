"""The ticket kernels against loops over units, slots and sums; their entries stand in test_masks.py."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import lottery as kernels
from sims.lottery.masks import Draw, _ruler, scratch

draws = st.builds(
    Draw,
    seed=st.one_of(st.integers(0, 2**62), st.just(2**32 + 5)),
    layer=st.integers(0, 5),
    limit=st.sampled_from([1, 2, 7]),
    ratio=st.sampled_from([1, 2, 3, 4]),
    nearest=st.booleans(),
)
slots = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([1, -1])), min_size=1, max_size=5, unique=True)


def slot_arrays(found):
    found = sorted(found)  # those of one input stand beside each other
    return np.array([i for i, _ in found], np.int32), np.array([s for _, s in found], np.int8)


def empty(count, n):
    return np.full((count, n), -1, np.int32), np.full((count, n), 55, np.int32)


@settings(max_examples=50)
@given(draws, st.integers(0, 3), st.integers(1, 9))
def test_rows_hold_the_entries(draw, row, quads):
    out = np.zeros(4 * quads, np.int32)
    kernels.fill_row(out, row, draw.entries)
    assert out.tolist() == [kernels.entry(row, column, draw.entries) for column in range(4 * quads)]


@given(draws.filter(lambda draw: draw.ratio == 1), slots, st.integers(1, 4), st.integers(0, 3))
def test_units_go_to_the_first_slot_in_the_queue_that_they_fit(draw, found, n, first):
    inputs, sides = slot_arrays(found)
    units, factors = empty(len(inputs), n)
    drawn = kernels.allot_units(inputs, sides, units, factors, first, draw.entries)
    h, given = first, [[] for _ in inputs]
    for c in range(n):
        queue = list(range(len(inputs)))
        while queue:
            for s in queue:
                a = int(kernels.entry(h, inputs[s], draw.entries))
                if a * sides[s] > 0:
                    given[s].append((h, abs(a)))
                    queue.remove(s)
                    break
            h += 1
        assert all(len(one) == c + 1 for one in given)
    assert drawn == h
    assert [
        list(zip(u, f, strict=True)) for u, f in zip(units.tolist(), factors.tolist(), strict=True)
    ] == given


@given(draws, slots, st.integers(1, 6), st.integers(0, 3))
def test_every_input_has_a_block_of_units_of_its_own(draw, found, n, first):
    inputs, sides = slot_arrays(found)
    units, factors = empty(len(inputs), n)
    drawn = kernels.allot_blocks(inputs, sides, units, factors, first, draw.entries)
    names = sorted(set(inputs.tolist()))
    assert drawn == first + n * len(names)
    for s, (i, side) in enumerate(zip(inputs.tolist(), sides.tolist(), strict=True)):
        block = range(first + n * names.index(i), first + n * (names.index(i) + 1))
        values = {h: int(kernels.entry(h, i, draw.entries)) * side for h in block}
        usable = [h for h in block if values[h] > 0]
        assert units[s].tolist() == usable + [-1] * (n - len(usable))
        assert factors[s, : len(usable)].tolist() == [values[h] for h in usable]
    again = np.full_like(factors, 55)
    kernels.kept_sizes(inputs, sides, units, again, draw.entries)
    assert again.tolist() == factors.tolist()
    kernels.kept_sizes(inputs, -sides, units, again, draw.entries)
    assert again.tolist() == np.where(units >= 0, 0, 55).tolist()  # the sign is not the slot's


def sums_by_mask(values):
    return [sum(x for i, x in enumerate(values) if mask >> i & 1) for mask in range(1 << len(values))]


@given(
    st.lists(st.one_of(st.integers(-9, 9), st.sampled_from([-64, 63, 64, 65, 128])), max_size=7), st.data()
)
def test_the_table_of_all_sums_decides(values, data):
    sums = sums_by_mask(values)
    near = st.sampled_from(sums).flatmap(lambda s: st.integers(s - 1, s + 1))
    t = data.draw(st.one_of(near, st.sampled_from([min(sums) - 1, max(sums) + 1])))
    found = kernels._all_sums(np.array(values, np.int64), len(values), t)
    assert sums[found] == t if found >= 0 else t not in sums


def test_nothing_is_kept_for_a_target_of_zero():
    x, masks, solved = np.array([[1, -1, 2]], np.int32), np.full(1, 77), np.zeros(1, bool)
    assert kernels.solve_many(x, np.zeros(1, np.int64), masks, solved, scratch(3, 3)) == 0
    assert solved[0] and masks[0] == 0  # 1 - 1 is zero too


WORDS = [[63], [-63], [70, 64], [64, 1, 100], [-64, -1, -100], [64, -64, 130]]


@pytest.mark.parametrize("values", WORDS)
def test_sums_at_the_ends_of_words_of_64_bits(values):
    """What is shifted by whole words, and targets a bit beyond either end of the table."""
    sums = sums_by_mask(values)
    for t in range(min(sums) - 70, max(sums) + 71):
        found = kernels._all_sums(np.array(values, np.int64), len(values), t)
        assert sums[found] == t if found >= 0 else t not in sums


@pytest.mark.parametrize("values", WORDS)
def test_missed_targets_at_the_ends_of_words_of_64_bits(values):
    n, limit = len(values), 270
    misses = np.zeros((n + 1, limit + 1), np.int64)
    kernels.count_misses(np.array([values], np.int64), limit, 1, True, misses)
    for k in range(1, n + 1):
        sums = set(sums_by_mask(values[:k]))
        assert misses[k, 0] == 0
        assert misses[k, 1:].tolist() == [(t not in sums) + (-t not in sums) for t in range(1, limit + 1)]


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(-30, 30), min_size=7, max_size=7), min_size=1, max_size=4),
    st.integers(1, 7),
    st.integers(1, 7),
    st.sampled_from([4, 16, 1024]),
    st.data(),
)
def test_masks_whatever_the_left_part_and_the_size_of_the_table(rows, n, left, places, data):
    """A table with fewer places than sums loses some of them: then the table of all sums has to step in."""
    x = np.array(rows, np.int32)[:, :n].copy()
    targets = np.array(
        [data.draw(st.one_of(st.integers(-60, 60), st.sampled_from(sums_by_mask(r)))) for r in x.tolist()]
    )
    memory = kernels.Scratch(
        left, np.empty(1 << left, np.int64), np.zeros(places, np.int64), _ruler(kernels.PROBES)
    )
    masks, solved = np.full(len(x), 77), np.zeros(len(x), bool)
    failures = kernels.solve_many(x, targets, masks, solved, memory)
    expected = [t in sums_by_mask(row) for row, t in zip(x.tolist(), targets.tolist(), strict=True)]
    assert solved.tolist() == expected
    assert failures == expected.count(False)
    for row, t, mask, hit in zip(x.tolist(), targets.tolist(), masks.tolist(), expected, strict=True):
        assert sums_by_mask(row)[mask] == t if hit else mask == 0


@settings(max_examples=40)
@given(draws, slots, st.integers(1, 6), st.integers(1, 3), st.data())
def test_solved_rows_and_what_they_keep(draw, found, n, rows, data):
    """Masks, the matrix they make and the kept entries; slots with fewer units, rows that are not wanted."""
    inputs, sides = slot_arrays(found)
    units, factors = empty(len(inputs), n)
    first = Draw(draw.seed, draw.layer + 1, 3)
    drawn = kernels.allot_blocks(inputs, sides, units, factors, 0, first.entries)
    counts = (units >= 0).sum(axis=1).astype(np.int32)
    candidates = kernels.Candidates(units, factors, counts)
    matrix = draw.matrix(rows + 1, drawn)
    shape = (rows + 1, len(inputs))
    targets = np.array(data.draw(st.lists(st.integers(-6, 6), min_size=rows + 1, max_size=rows + 1)))
    targets = np.repeat(targets[:, None], len(inputs), axis=1)
    wanted = np.arange(shape[0] * shape[1]).reshape(shape) % 3 != 1
    words, failed = np.zeros(shape, np.uint32), np.zeros(shape, bool)
    memory = scratch(21, n)
    kernels.solve_rows(1, rows + 1, targets, wanted, words, failed, candidates, drawn, draw.entries, memory)
    assert not words[0].any() and not failed[0].any()  # not among the rows asked for
    effective = np.zeros((rows + 1, 5), np.int64)
    kernels.effective_rows(1, rows + 1, effective, words, candidates, inputs, drawn, draw.entries)
    columns = np.arange(units.size).reshape(units.shape)
    kept = np.zeros((rows, units.size), np.int64)
    kernels.masked_rows(1, rows + 1, kept, words, candidates, columns, drawn, draw.entries)
    expected, entries = np.zeros_like(effective), np.zeros_like(kept)
    for i, s in itertools.product(range(1, rows + 1), range(len(inputs))):
        pairs = [(int(matrix[i, h]), int(f)) for h, f in zip(units[s], factors[s], strict=True) if h >= 0]
        sums = sums_by_mask([b * f for b, f in pairs])
        word, t = int(words[i, s]), int(targets[i, s])
        if wanted[i, s] and t in sums:
            assert sums[word] == t
            assert not failed[i, s]
        else:
            assert word == 0
            assert failed[i, s] == wanted[i, s]
        for c in range(counts[s]):
            if word >> c & 1:
                expected[i, inputs[s]] += pairs[c][0] * pairs[c][1]
                entries[i - 1, columns[s, c]] = pairs[c][0]
    np.testing.assert_array_equal(effective, expected)
    np.testing.assert_array_equal(kept, entries)


prefix_items = st.one_of(st.integers(-6, 6), st.sampled_from([-65, 64]))


@pytest.mark.parametrize("both", [False, True])
@settings(max_examples=50)
@given(
    rows=st.lists(st.lists(prefix_items, min_size=5, max_size=5), min_size=1, max_size=3),
    n=st.integers(1, 5),
    limit=st.sampled_from([1, 5, 30, 63, 64, 70]),
    least=st.integers(1, 6),
)
def test_missed_targets_of_every_prefix(both, rows, n, limit, least):
    x = np.array(rows, np.int64)[:, :n].copy()
    misses = np.zeros((n + 1, limit + 1), np.int64)
    kernels.count_misses(x, limit, least, both, misses)
    expected = np.zeros_like(misses)
    for row in x.tolist():
        within = min(limit, sum(v for v in row if v > 0))
        targets = range(-limit, limit + 1) if both else range(1, within + 1)
        for k in range(least, n + 1):
            sums = set(sums_by_mask(row[:k]))
            for t in targets:
                expected[k, abs(t)] += t not in sums
    assert misses.tolist() == expected.tolist()
