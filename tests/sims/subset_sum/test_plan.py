"""A plan for any size: an algorithm with its cost, or one sentence on why there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.subset_sum.plan import MOST_BYTES, Geometry, plan, price

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
    """13 layers of bitsets, 2^10 sums one by one, 2^6 of the table with their shifts; costs as measured."""
    shape = Geometry(split=20, base=10, inner=6, words=512, second=1)
    assert shape.bytes == 8 * 13 * 513 + 8 * 1024 + 8 * 2 * 64
    wide = Geometry(split=20, base=10, inner=6, words=512, second=64)
    assert wide.bytes - shape.bytes == 8 * 13 * 63
    more = [shape.seconds(items, 60.0) for items in (30, 31, 32)]
    assert more[2] - more[1] == pytest.approx(2 * (more[1] - more[0]), rel=1e-9)  # twice the probes each
    assert shape.seconds(40, 25.0) == shape.seconds(60, 25.0) < shape.seconds(40, 26.0)  # it ends at a hit
    assert wide.seconds(30, 60.0) > shape.seconds(30, 60.0)
