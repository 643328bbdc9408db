"""A plan for any size: an algorithm with its cost, or one sentence on why there is none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.subset_sum.plan import MOST_BYTES, Geometry, Plan, plan, price
from sims.subset_sum.sampling import sampler

sizes = st.one_of(st.integers(0, 80), st.integers(81, 10**6))


@given(sizes, st.integers(1, 2**63), st.floats(0.0, 80.0), st.sampled_from(["find", "count"]))
def test_every_question_gets_a_plan_or_a_reason(items, most, log2_spread, question):
    found = plan(items, items * most, log2_spread, question)
    assert found.algorithm == "none" or found.bytes <= MOST_BYTES
    assert str(found).endswith(".") and len(str(found)) < 500


@given(st.integers(1, 10**9), st.floats(0.0, 80.0))
def test_every_decision_has_a_price_in_words(items, log2_spread):
    """Sizes far beyond any table of costs, as in the refusal of `simulate partition --n 200`."""
    words = price(items, log2_spread)
    assert words.startswith("about ") and words.endswith(" a decision") and len(words) < 60


def test_memory_and_time_of_a_shape_by_hand():
    """13 layers of bitsets, 2^10 sums one by one, 2^6 of the table with their hits, residues of either."""
    shape = Geometry(split=20, base=10, inner=6, words=512, second=1)
    assert shape.bytes == 8 * 13 * 513 + 8 * 1024 + 8 * 2 * 64 + 8 * 1024
    wide = Geometry(split=20, base=10, inner=6, words=512, second=64)
    assert wide.bytes - shape.bytes == 8 * 13 * 63
    more = [shape.seconds(items, 60.0) for items in (30, 31, 32)]
    assert more[2] - more[1] == pytest.approx(2 * (more[1] - more[0]), rel=1e-9)  # twice the probes each
    assert shape.seconds(40, 25.0) == shape.seconds(60, 25.0) < shape.seconds(40, 26.0)  # it ends at a hit
    assert shape.seconds(60, 25.0) == shape.seconds(29, 60.0)  # after as many as four bits more are missed
    assert wide.seconds(30, 60.0) > shape.seconds(30, 60.0)


@pytest.mark.parametrize("log2_spread", [18.0, 22.5, 27.0])
def test_a_collection_is_the_smallest_with_sixteen_solutions(log2_spread):
    """Of 2^n sums with a normal density at its centre, whose spread is that of n of the items."""
    n = plan(100, 2**60, log2_spread, "find").collection
    solutions = [
        2.0**k / math.sqrt(2 * math.pi) / (2**log2_spread / 2 * math.sqrt(k / 100)) for k in (n - 1, n)
    ]
    assert solutions[0] < 16 * 1.02 and solutions[1] > 16 * 0.98


def test_the_largest_collection_is_tried_where_it_has_one_solution():
    """Of 44 items; where fewer than one is expected none is tried."""
    edge = math.log2(2.0**44 / math.sqrt(2 * math.pi) / (math.sqrt(44 / 100) / 2))
    for log2_spread, size in ((edge - 0.6, 44), (edge - 0.1, 44), (edge + 0.1, 0)):
        assert plan(100, 2**60, log2_spread, "find").collection == size


def test_costs_of_counting_by_hand():
    """Nanoseconds per entry, sum or word, as the module's head lists them, 20 us a call; bytes kept."""
    found = plan(40, 2**50, 60.0, "count")  # halves of 2^20 sums, a bitset of 2^23 bits
    costs = {name: (seconds, size) for name, seconds, size in found.others}
    costs[found.algorithm] = (found.seconds, found.bytes)
    assert costs["sorted"] == (pytest.approx(2 * 2**20 * 20e-9 + 2e-5, rel=1e-12), 32 * 2**20)
    assert costs["lists"] == (pytest.approx(2 * 2**20 * 18e-9 + 4e-5, rel=1e-12), 2**10 * 200 + 2**23)
    assert costs["table"] == (pytest.approx(40 * 2**50 * 0.6e-9 + 2e-5, rel=1e-12), 8 * (2**50 + 1))
    sifted = pytest.approx(2 * 2**20 * 3.5e-9 + 2e-5, rel=1e-12)
    assert costs["sifted"] == (sifted, 3 * 2**23 // 8 + 16 * (2**18 + 1024))
    for items, most in ((41, 11), (42, 11), (43, 11), (44, 11), (45, 12)):  # of the largest quarter
        sizes = {one.algorithm: one.bytes for one in [plan(items, 2**50, 60.0, "count")]}
        sizes |= {name: size for name, _, size in plan(items, 2**50, 60.0, "count").others}
        assert sizes["lists"] == 2**most * 200 + 2**23
    odd = {name: seconds for name, seconds, _ in plan(41, 2**50, 60.0, "count").others}
    assert odd["sorted"] == pytest.approx(2 * 2**21 * 20e-9 + 2e-5, rel=1e-12)  # the larger half
    many = plan(70, 10**6, 20.0, "count")
    assert many.algorithm == "polynomial" and many.bytes == 70 * 10**6 // 2
    assert many.seconds == pytest.approx(70e6 * 0.5e-9 * 6.129283, rel=1e-6)  # log2 70


def test_costs_of_a_search_by_hand():
    found = plan(20, 1000, 12.0, "find")
    costs = {name: (seconds, size) for name, seconds, size in found.others}
    costs[found.algorithm] = (found.seconds, found.bytes)
    words = (1000 + 65) // 64
    assert costs["table"] == (pytest.approx(20 * words * 0.4e-9 + 2e-5, rel=1e-12), 8 * 21 * words)
    assert costs["lists"] == (pytest.approx(2 * 2**10 * 18e-9 + 4e-5, rel=1e-12), 2**5 * 200 + 2**23)
    # 32 left and 2^7 right sums wanted at a spread of 12 bits: split 7, of which 6 one by one
    assert costs["search"][1] == 8 * 4 * (32 + 1) + 8 * (2**6 + 2 * 2**7 + 2**7)


def test_where_nothing_fits_the_reason_is_all_that_is_said():
    assert str(Plan("none", math.inf, 0, "why.", (("table", 1.0, 2**20),))) == "why."


@pytest.mark.parametrize(("items", "there"), [(44, False), (45, True)])
def test_up_to_44_items_are_searched_all_at_once(items, there):
    found = plan(items, 2**60, 20.0, "find")
    assert ("collections" in (found.algorithm, *(name for name, _, _ in found.others))) == there


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2e-5, "20.0 us"), (0.99e-3, "990.0 us"), (1e-3, "1.0 ms"), (0.099, "99.0 ms"), (0.1, "0.1 s"),
        (599.0, "599.0 s"), (600.0, "10.0 min"), (35e4, "5833.3 min"), (36e4, "100.0 h"), (1e9, "277777.8 h"),
        (3.2e9, "1e+02 years"),
    ],
)  # fmt: skip
def test_times_in_words(seconds, words):
    assert str(Plan("lists", seconds, 2**20, "why.")) == f"lists: why. Predicted {words}, 1 MiB."


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 MiB"),
        (2**30 - 2**20, "1023 MiB"),
        (2**30, "1.0 GiB"),
        (3 * 2**29, "1.5 GiB"),
        (10**9 * 2**30 - 2**40, "999998976.0 GiB"),
        (10**9 * 2**30, "1e+09 GiB"),
    ],
)
def test_sizes_in_words(size, words):
    assert str(Plan("lists", 1.0, size, "why.")) == f"lists: why. Predicted 1.0 s, {words}."
    beside = Plan("lists", 1.0, size, "why.", (("table", 1.0, size), ("search", 0.1, 2**20)))
    assert str(beside).endswith(f" Instead of: table 1.0 s, {words}; search 0.1 s, 1 MiB.")


@pytest.mark.parametrize("bits", [16, 32, 40])
def test_the_price_of_one_sample_too_many(bits):
    """A search for sums of that spread: the root of the sum of squares, each a third of the largest."""
    spread = math.log2(math.sqrt(45 * 4.0**bits / 3))
    with pytest.raises(ValueError) as raised:
        sampler(45, 2**bits, 3)
    assert f"got 45: {price(45, spread)}; " in str(raised.value)
    assert price(45, spread) != price(45, 2 * spread) or bits != 32


@pytest.mark.parametrize(("items", "there"), [(72, True), (73, False)])
def test_four_lists_are_weighed_up_to_72_items(items, there):
    found = plan(items, 2**61, 60.0, "find")
    assert ("lists" in (found.algorithm, *(name for name, _, _ in found.others))) == there
    wider = plan(items, 2**61, 60.0, "find", width=3)  # they look for one sum
    assert "lists" not in (wider.algorithm, *(name for name, _, _ in wider.others))


def algorithms(found):
    return {found.algorithm, *(name for name, _, _ in found.others)}


def test_one_search_up_to_44_items_and_counts_of_64_bits_up_to_64():
    """Beyond, some of the items are searched at a time, and counts are coefficients of a polynomial."""
    assert algorithms(plan(44, 2**46, 42.0, "find")) == {"search", "lists", "table"}
    assert algorithms(plan(45, 2**46, 42.0, "find")) == {"collections", "lists", "table"}
    assert algorithms(plan(64, 2**26, 22.0, "count")) == {"table", "lists", "sorted"}
    assert algorithms(plan(65, 2**26, 22.0, "count")) == {"polynomial"}


@pytest.mark.parametrize(("items", "there"), [(1, False), (2, True)])
def test_two_halves_are_sifted_where_there_are_two(items, there):
    found = plan(items, 2**61, 61.0, "count")
    assert ("sifted" in (found.algorithm, *(name for name, _, _ in found.others))) == there


@pytest.mark.parametrize(("items", "log2_spread"), [(60, 20.0), (100, 24.0), (200, 30.0)])
def test_sub_collections_are_priced_as_four_searches_of_so_many_items(items, log2_spread):
    """Some of the tries may find nothing."""
    found = plan(items, 2**40, log2_spread, "find")
    shorter = log2_spread + 0.5 * math.log2(found.collection / items)
    one = plan(found.collection, 2**40, shorter, "find")
    assert (found.algorithm, one.algorithm) == ("collections", "search")
    assert found.seconds == pytest.approx(4 * one.seconds, rel=1e-12) and found.bytes == one.bytes
