"""Evidence is what a number says of itself: it cannot be named too strongly."""

import math
from fractions import Fraction

import numpy as np
import pytest

from paper_checks.judge import judge
from paper_checks.measurement import at_least, at_most, identity, printed, proved, within

THIRD = Fraction(1, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: at_most("e", 1.0, 2.0, evidence="exhaustive"),
            "how many cases were looked at, got None",
        ),
        (lambda: within("e", 1, 1, 0, evidence="exhaustive", cases=1), "looked at, got 1"),
        (lambda: identity("e", True, evidence="exhaustive"), "looked at, got None"),
        (lambda: at_least("e", 1.0, 0.0, evidence="certified"), "is a ball or a fraction, got 1.0"),
        (lambda: printed("e", np.float64(19.2), "19.2", evidence="certified"), "is a ball or a fraction"),
        (lambda: within("e", 1.0, 1.0, 0.0, evidence="monte carlo"), "hand over the Estimate"),
        (lambda: within("e", THIRD, math.nan, 0.1), "the statement allows no value"),
    ],
)
def test_evidence_without_its_object_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_numbers_name_their_evidence():
    from flint import arb

    assert within("e", THIRD, THIRD, 0).evidence == "certified"
    assert at_most("e", arb("1 +/- 1e-9"), 2.0).evidence == "certified"
    assert printed("e", proved(19.24, 19.26), "19.2").evidence == "certified"
    assert at_least("e", 4.0, 1.0).evidence == "evaluated"
    counted = at_most("e", 4.0, 5.0, cases=120)
    assert (counted.evidence, counted.cases) == ("exhaustive", 120)
    # a count does not make a certified number weaker, nor an evaluated one stronger against its word
    assert within("e", THIRD, THIRD, 0, cases=9).evidence == "certified"
    assert identity("e", True, evidence="evaluated", cases=9).evidence == "evaluated"


def test_a_proposition_is_certified_by_the_ball_of_a_margin_alone():
    from flint import arb

    with pytest.raises(ValueError, match="is a ball or a fraction, got True"):
        identity("e", True, evidence="certified")
    for margin, inside, outside in ((arb("2 +/- 1"), 1.0, 0.0), (arb("-2 +/- 1"), 0.0, 1.0)):
        found = identity("e", margin)
        assert (found.evidence, found.p_inside, found.p_outside) == ("certified", inside, outside)
        assert found.is_proposition and found.value == inside
    for margin in (arb("1 +/- 2"), arb(0)):  # neither side is proved
        assert (identity("e", margin).p_inside, identity("e", margin).p_outside) == (1.0, 1.0)


def test_fractions_are_compared_exactly():
    tiny = Fraction(1, 10**40)
    assert at_most("e", 1 + tiny, 1).p_inside == 0.0 and at_most("e", 1 - tiny, 1).p_inside == 1.0
    assert within("e", THIRD, THIRD, 0).p_outside == 0.0
    assert at_least("e", THIRD, THIRD + tiny).p_inside == 0.0


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [((1.1, 1.9), 1.0, 0.0), ((2.5, 3.0), 0.0, 1.0), ((0.1, 0.9), 0.0, 1.0), ((1.5, 2.5), 1.0, 1.0)],
)
def test_a_ball_decides_where_all_of_it_lies_on_one_side(limits, inside, outside):
    """The region is 1..2; a ball across its edge proves neither."""
    found = within("e", proved(*limits), 1.5, 0.5)
    assert (found.p_inside, found.p_outside) == (inside, outside)
    assert found.low <= limits[0] and limits[1] <= found.high and found.region == (1.0, 2.0)


def test_a_claim_whose_ball_is_too_wide_is_inconclusive():
    from paper_checks.claim import Claim, Run, execute

    claim = Claim(
        id="x.ball", title="t", paper="kuzmin", place="p", statement="s", hypotheses="h", mark="derived",
        check=lambda run: [within("e", proved(0.5, 1.5), 1.0, 0.1)],
    )  # fmt: skip
    (verdict,) = judge([execute(claim, Run("x.ball", "quick", 0, 1), None)])
    assert verdict.verdict == "inconclusive"
