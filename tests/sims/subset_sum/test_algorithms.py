import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sims import subset_sum
from sims.kernels import subset_sum_lists, subset_sum_table
from sims.subset_sum import algorithms as engine
from sims.subset_sum.plan import Plan, plan

nonzero = st.lists(st.integers(-40, 40).filter(bool), min_size=4, max_size=12)


def all_sums(values):
    n = len(values)
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) @ np.asarray(values, dtype=np.int64)


@given(nonzero, st.integers(-60, 60), st.integers(0, 4))
def test_every_finder_is_exact(values, target, width):
    items, sums = np.array(values), all_sums(values)
    good = ((sums >= target) & (sums <= target + width)).any()
    finders = [engine.find_by_search, engine.find_by_table]
    if width == 0:
        finders.append(lambda x, low, high: engine.lists(x, low, counting=False, threads=1)[1])
    for find in finders:
        low, high = max(target, int(sums.min())), min(target + width, int(sums.max()))
        if low > high:
            continue
        mask = find(items, low, high)
        assert (mask is not None) == good
        assert mask is None or low <= items[mask].sum() <= high


@pytest.mark.parametrize(
    ("low", "high", "sums"), [(120, 190, []), (90, 120, [100]), (-70, -20, []), (10, 305, [100, 200, 300])]
)
def test_a_wide_window_is_searched_exactly(low, high, sums):
    """Wider than 16 sums, which is where the sorted halves are asked first."""
    mask = engine.find_by_search(np.array([100, 200]), low, high)
    assert (mask is None) == (not sums)
    assert mask is None or np.array([100, 200])[mask].sum() in sums


@given(nonzero, st.integers(-60, 60))
def test_every_counter_is_exact(values, target):
    items, sums = np.array(values), all_sums(values)
    assume(sums.min() <= target <= sums.max())
    expected = int((sums == target).sum())
    assert engine.count_by_table(items, target) == expected
    assert engine.count_by_sorting(items, target) == expected
    assert engine.count_by_polynomial(items, target) == expected
    assert engine.count_by_sifting(items, target) == expected
    assert engine.lists(items, target, counting=True, threads=1)[0] == expected


@given(st.lists(st.integers(-40, 40), max_size=11), st.integers(0, 60))
def test_coverage_is_exact(values, limit):
    reached = np.isin(np.arange(-limit, limit + 1), all_sums(values))
    assert np.array_equal(subset_sum.coverage(values, limit), reached)
    out = np.zeros(1, np.int64)
    words = (2 * sum(map(abs, values)) + 2 * limit + 128) // 64
    subset_sum_table.missed_targets(np.array([values], dtype=np.int64).reshape(1, -1), limit, words, out)
    assert out[0] == (~reached).sum()


@settings(max_examples=25)
@given(st.lists(st.integers(-40, 40), max_size=11), st.integers(-90, 90), st.integers(0, 9))
def test_subsets_within_delta(values, target, delta):
    mask = subset_sum.find_subset(values, target, delta=delta)
    near = np.abs(all_sums(values) - target) <= delta
    assert (mask is not None) == near.any()
    assert mask is None or abs(np.asarray(values, dtype=np.int64)[mask].sum() - target) <= delta


def planted(n, max_value, seed, share=0.5):
    rng = np.random.default_rng(seed)
    x = rng.integers(1, max_value + 1, size=n) * rng.choice([-1, 1], size=n)
    return x, int(x[rng.random(n) < share].sum())


@pytest.mark.parametrize(
    ("n", "max_value", "algorithm"),
    [
        (64, 2**40, "collections"),
        (200, 127, "table"),
        (300, 2**40, "collections"),
        (1000, 127, "collections"),
    ],
)
def test_long_lists_are_solved_exactly(n, max_value, algorithm):
    for seed in range(3):
        x, target = planted(n, max_value, seed)
        assert subset_sum.explain(x, target).algorithm == algorithm
        assert x[subset_sum.find_subset(x, target)].sum() == target


def test_where_random_collections_find_nothing_the_next_algorithm_is_asked(monkeypatch):
    """A table where one is small enough; where all the others are out of reach, a sentence."""
    monkeypatch.setattr(engine, "find_by_collections", lambda *_: None)
    monkeypatch.setattr(engine, "lists", lambda *_, **__: pytest.fail("hundreds of items in four lists"))
    x, target = planted(1000, 127, 0)
    assert x[subset_sum.find_subset(x, target)].sum() == target
    x, target = planted(300, 2**40, 0)
    with pytest.raises(
        ValueError, match="random sub-collections of 300 values gave no answer, and exhausting"
    ):
        subset_sum.find_subset(x, target)


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7])
def test_what_is_left_to_a_collection_lies_in_the_middle_of_its_sums(part):
    """Of positive items, whose sums have their middle far from 0: there are 2^18 / 2^15 solutions a try."""
    x = np.random.default_rng(0).integers(1, 2**13, 60)
    target = int(part * x.sum())
    mask = engine.find_by_collections(x, target, target, 18)
    assert mask is not None and x[mask].sum() == target


def test_the_only_solution_among_44_items_is_found():
    x, target = planted(40, 2**52, 5)
    mask = subset_sum.find_subset(x, target)
    assert x[mask].sum() == target
    assert subset_sum.count_subsets(x, target) == 1


def test_more_solutions_than_sifting_has_room_for_are_counted_all_the_same():
    x = np.array([2**40 + 1, 3**25] * 11)
    target = 4 * (2**40 + 1) + 6 * 3**25
    assert subset_sum.explain(x, target, "count").algorithm == "sifted"
    assert engine.count_by_sifting(x, target) is None
    assert subset_sum.count_subsets(x, target) == math.comb(11, 4) * math.comb(11, 6)


def test_counts_of_40_items_agree_between_algorithms():
    x, target = planted(36, 2**30, 2)
    counted = subset_sum.count_subsets(x, target, threads=2)
    assert counted == engine.count_by_sorting(x, target) == engine.lists(x, target, True, threads=1)[0] > 1


def test_counts_beyond_64_bits():
    from math import comb

    assert subset_sum.count_subsets([1] * 100, 50) == comb(100, 50)
    assert subset_sum.count_subsets([2, -2] * 32, 0) == comb(64, 32)
    assert subset_sum.count_subsets([0] * 70 + [3], 3) == 2**70


def test_regular_values_lose_no_solution():
    x = np.array([257 * 3] * 12 + [1, -5, 7, 9])
    expected = int((all_sums(x.tolist()) == 257 * 9 + 3).sum())
    assert engine.lists(x, 257 * 9 + 3, counting=True, threads=1)[0] == expected > 0


def test_a_residue_that_holds_all_sums_gets_room_for_them():
    """4,096 sums of either half are multiples of the modulus 67, where room is for a few hundred."""
    x = np.full(24, 67)
    assert engine.lists(x, 67 * 12, counting=True, threads=1)[0] == math.comb(24, 12)
    found = engine.lists(x, 67 * 5, counting=False, threads=1)[1]
    assert found.sum() == 5


def test_so_much_room_is_not_given(monkeypatch):
    """A kernel that says what it needs: a quarter of a billion sums are kept, one more is refused."""
    rooms = []

    def kernel(*given):
        rooms.append(given[-2])
        return -need if rooms[-1] < need else 3

    monkeypatch.setattr(subset_sum_lists, "match_residues", kernel)
    need = 2**28
    assert engine.lists(np.arange(1, 5), 5, counting=True, threads=1)[0] == 3
    assert max(rooms) == need + 256
    need += 1
    with pytest.raises(ValueError, match=f"too regular .*: one residue holds {need} sums"):
        engine.lists(np.arange(1, 5), 5, counting=True, threads=1)


def test_room_too_small_is_reported():
    ones = np.zeros(4, np.int64)
    found = np.zeros(4, np.int64)
    assert subset_sum_lists.match_residues(ones, ones, ones, ones, 0, 3, 0, 3, True, 5, found) == -16


def test_plans_name_their_reasons():
    small = plan(24, 40_000_000, 22.0, "find")
    assert small.algorithm == "search" and "Instead of" in str(small)
    assert plan(0, 0, 1.0, "find") == Plan("nothing", 0.0, 0, "only the empty set is left.")
    assert plan(90, 2**60, 58.0, "find").algorithm == "none"
    assert plan(48, 2**44, 40.0, "count").algorithm == "sifted"
    assert plan(48, 2**44, 22.0, "count").algorithm == "lists"  # too many solutions to sift
    assert plan(56, 2**52, 48.0, "count").algorithm == "lists"  # the bitset would be far beyond the cache
    assert plan(100, 10_000, 9.0, "count").algorithm == "polynomial"
    with pytest.raises(ValueError, match="question must be"):
        plan(3, 3, 1.0, "decide")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: subset_sum.find_subset(planted(70, 2**54, 1)[0], 12345), "out of reach"),
        (lambda: subset_sum.count_subsets(planted(64, 2**50, 1)[0], 12345, max_seconds=1.0), "out of reach"),
        (lambda: subset_sum.count_subsets(planted(100, 2**50, 1)[0], 12345), "GiB"),
        (lambda: subset_sum.find_subset([1, 2], 1, delta=-1), "delta must be"),
        (lambda: subset_sum.coverage([1, 2], -1), "limit must be"),
        (lambda: subset_sum.coverage([2**50], 1), "one bit per sum"),
    ],
)
def test_questions_out_of_reach_are_refused_before_starting(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_plain_python_gives_the_same_answers(outputs):
    code = """
import numpy as np
from sims import subset_sum
from sims.subset_sum import algorithms as engine
from sims.subset_sum.rare import estimate_rare
x = np.random.default_rng(0).integers(-40, 40, size=12)
x[x == 0] = 1
print(subset_sum.find_subset(x, 31).astype(int), engine.find_by_search(x, 31, 31).astype(int))
print(engine.lists(x, 31, True, threads=1)[0], engine.count_by_table(x, 31), engine.count_by_sorting(x, 31))
print(engine.lists(x, 31, False, threads=1)[1].astype(int), subset_sum.coverage(x, 20).sum())
print(engine.find_by_search(x, 20, 60).astype(int), engine.find_by_table(x, 20, 22).astype(int))
print(estimate_rare(6, 3, 2, seed=1, particles=10, replicates=2, threads=1).values.tolist())
print(subset_sum.every_target_sampler(5, 4)(np.random.default_rng(1), 20).astype(int))
"""
    plain, compiled = outputs(code)
    assert plain == compiled and plain.count("\n") == 6


def test_nothing_chosen_is_a_subset_too():
    items = np.arange(3, 23)
    found = engine.find_by_search(items, -1, 1)
    assert found is not None and found.tolist() == [False] * 20
    assert engine.missed_rows(np.stack([items, items]), 0, 1, 5.0).tolist() == [False, False]
    assert engine.missed_rows(items[None, :], -2, 1, 5.0).tolist() == [True]
