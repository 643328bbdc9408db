import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.kernels import lottery as kernels
from sims.lottery.masks import Block, Draw, _spread, allot, scratch, words_from_bits


def u64(*values):
    return [np.uint64(v) for v in values]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known-answer vectors distributed by the generator's authors for philox4x32, 10 rounds
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_known_answers(counter, key, words):
    assert [int(w) for w in kernels.philox(*u64(*counter), *u64(*key))] == words


def philox_words(seed, layer, row, columns):
    """Literal twin of the entries, in Python integers."""
    words = []
    for q in range(-(-columns // 4)):
        c, k = [q, row, layer, 0], [seed & 0xFFFFFFFF, seed >> 32]
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        words += c
    return words[:columns]


@pytest.mark.parametrize(
    ("ratio", "nearest"), [(1, False), (2, False), (2, True), (4, False), (4, True), (3, True)]
)
def test_entries_are_functions_of_seed_layer_row_column(ratio, nearest):
    seed, limit = (5 << 32) + 77, 7
    draw = Draw(seed, layer=3, limit=limit, ratio=ratio, nearest=nearest)
    matrix = draw.matrix(4, 10)
    for row in range(4):
        for column, word in enumerate(philox_words(seed, 3, row, 10)):
            k = word * 2 * limit * ratio >> 32
            fine = [v for v in range(-limit * ratio, limit * ratio + 1) if v][k]
            size = int(np.floor(abs(fine) / ratio + (0.5 if nearest else 0)))
            assert matrix[row, column] == np.sign(fine) * size
            assert matrix[row, column] == kernels.entry(row, column, draw.entries)


def test_entries_are_uniform_and_nonzero():
    values = Draw(seed=1, layer=0, limit=5).matrix(200, 1000).ravel()
    counts = np.bincount(values + 5, minlength=11)
    assert counts[5] == 0
    expected = values.size / 10
    assert ((counts[counts > 0] - expected) ** 2 / expected).sum() < 40  # chi-square, 9 degrees: 1e-5


def solve(x, target):
    x = np.asarray([x], np.int64)
    mask, solved = np.empty(1, np.int64), np.empty(1, bool)
    work = scratch(max(1, int(np.abs(x).max(initial=1))), max(1, x.size))
    kernels.solve_many(x, np.array([target]), mask, solved, work)
    return int(mask[0]) if solved[0] else -1


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9), st.integers(-30, 30))
def test_masks_are_found_exactly_when_a_subset_exists(x, target):
    subsets = (np.arange(1 << len(x))[:, None] >> np.arange(len(x))) & 1
    mask = solve(x, target)
    assert (mask >= 0) == (target in subsets @ x)
    if mask >= 0:
        assert subsets[mask] @ x == target


@given(st.integers(0, 2**32), st.sampled_from([1, 7, 127, 16129, 10**6]), st.integers(1, 34), st.booleans())
def test_masks_agree_with_a_big_integer_bitset(seed, limit, n, even):
    rng = np.random.default_rng(seed)
    x = rng.integers(1, limit + 1, n) * rng.choice([-1, 1], n)
    if even:  # odd targets are then out of reach: the exact table must say so
        x *= 2
    target = int(rng.integers(-limit, limit + 1))
    low = int(x[x < 0].sum())
    reach = 1 << -low
    for v in x.tolist():
        reach |= reach << v if v > 0 else reach >> -v
    mask = solve(x, target)
    assert (mask >= 0) == (target >= low and reach >> (target - low) & 1 == 1)
    if mask >= 0:
        assert sum(int(v) for c, v in enumerate(x) if mask >> c & 1) == target


def test_solve_many_agrees_with_one_at_a_time():
    rng = np.random.default_rng(3)
    x = (rng.integers(1, 16, (300, 6)) * rng.choice([-1, 1], (300, 6))).astype(np.int32)
    targets = rng.integers(-15, 16, 300)
    masks, solved = np.empty(300, np.int64), np.empty(300, bool)
    failures = kernels.solve_many(x, targets, masks, solved, scratch(15, 6))
    single = [solve(row, int(t)) for row, t in zip(x, targets, strict=True)]
    assert failures == sum(m < 0 for m in single) > 0
    assert (solved == (np.array(single) >= 0)).all()
    sums = (x * ((masks[:, None] >> np.arange(6)) & 1)).sum(axis=1)
    assert (sums[solved] == targets[solved]).all()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("limit", [1, 4])
def test_allotted_units_keep_one_input_and_have_the_slots_sign(signed, limit):
    draw = Draw(seed=9, layer=0, limit=limit)
    inputs = np.repeat(np.arange(6, dtype=np.int32), 1 + signed)
    sides = np.tile(np.array([1, -1] if signed else [1], np.int8), 6)
    block, drawn = allot(draw, inputs, sides, samples=5, rows=2, first=0)
    units = block.units.ravel()
    assert np.unique(units).size == units.size == inputs.size * 5
    assert units.max() < drawn
    matrix = draw.matrix(drawn, 6)
    kept = matrix[block.units, inputs[:, None]] * sides[:, None]
    assert (kept == block.factors).all() and (kept > 0).all()
    assert drawn < units.size + 40  # matching wastes about 1.6 units per round of one per slot


def test_a_block_says_which_places_no_unit_fits():
    draw = Draw(seed=9, layer=0, limit=3)
    block, drawn = allot(draw, np.arange(4, dtype=np.int32), np.ones(4, np.int8), 5, 2, 0, "block")
    signs = draw.matrix(drawn, 4)
    for i, row in enumerate(block.units.tolist()):
        usable = [h for h in range(10 * i, 10 * i + 10) if signs[h, i] > 0]
        assert row == usable + [-1] * (10 - len(usable))


@pytest.mark.parametrize(("allotment", "most"), [("matched", 62), ("block", 31)])
def test_a_word_has_room_for_every_unit_of_a_slot(allotment, most):
    """Of a block it is given twice the samples, and every one of them may be kept."""
    for samples in (1, 16, 17, most):
        draw = Draw(seed=3, layer=0, limit=3)
        block, _ = allot(draw, np.arange(4, dtype=np.int32), np.ones(4, np.int8), samples, 2, 0, allotment)
        places = block.units.shape[1]
        assert places == (2 * samples if allotment == "block" else samples)
        block.words[...] = 2**places - 1
        assert block.bits.all() and block.kept() == 2 * 4 * places


@given(st.integers(1, 2**15), st.integers(1, 62))
def test_left_sums_have_places_of_their_own_up_to_a_limit_of_memory(limit, samples):
    work = scratch(limit, samples)
    size, sums = work.table.size, 2 * work.left * limit + 1  # -left * limit .. left * limit
    assert size == 2**15 if sums > 2**15 else sums <= size < 2 * sums
    assert work.left <= samples and work.sums.size == 2**work.left


@pytest.mark.parametrize(("threads", "weights", "step"), [
    (None, 1 << 14, 5), (3, 1 << 14, 9), (1, 1 << 14, 100), (3, (1 << 14) - 1, 100),
])  # fmt: skip
def test_rows_are_shared_by_the_threads_that_are_named_or_all(monkeypatch, threads, weights, step):
    """Four blocks for each of five threads, where none are named; one block where threads would not pay."""
    monkeypatch.setattr("sims.lottery.masks.default_threads", lambda: 5)
    blocks = []
    _spread(100, weights, threads, lambda start, stop: blocks.append((start, stop)))
    assert sorted(blocks) == [(start, min(100, start + step)) for start in range(0, 100, step)]


def test_words_and_bits_are_inverse():
    rng = np.random.default_rng(0)
    for n in (1, 8, 21, 32, 33, 62):
        bits = rng.random((3, 4, n)) < 0.5
        words = words_from_bits(bits)
        block = Block(
            np.zeros(4, np.int32), np.ones(4, np.int8), np.zeros((4, n), np.int32), np.ones((4, n)), words
        )
        assert (block.bits == bits).all()
        assert block.kept() == bits.sum()
        assert block.kept_units() == bits.any(axis=0).sum()
        assert int(words[1, 2]) == sum(1 << c for c in range(n) if bits[1, 2, c])


def test_plain_python_gives_the_same_bits(outputs):
    code = (
        "import numpy as np; from sims.lottery import embed;"
        "w = [np.array([[3, -2, 0], [1, 1, -3]]), np.array([[2, -1]])];"
        "t = embed(w, 3, 6, 11, law='product', signed_inputs=True, retries=2);"
        "print([b.words.tolist() for l in t.layers for b in l.blocks], t.failures, t.verify([[4, -5, 6]]))"
    )
    plain, compiled = outputs(code)
    assert plain == compiled
