"""A plan for any size: an algorithm with its cost, or one sentence on why there is none."""

from hypothesis import given
from hypothesis import strategies as st

from sims.subset_sum.plan import MOST_BYTES, plan, price

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
