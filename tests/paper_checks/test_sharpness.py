"""Sharpness: the factors found are those at which the verdict turns, and the same in every run."""

import math

import pytest

from paper_checks import registry
from paper_checks.claim import (
    Claim,
    Constant,
    Run,
    Sharpness,
    Skipped,
    Twin,
    at_least,
    at_most,
    identity,
    within,
)
from paper_checks.sharpness import first, measure, summary


def claim_of(check, constant, **changes):
    basics = {
        "id": "kn.test",
        "title": "a test",
        "paper": "kumar-natale",
        "place": "nowhere",
        "statement": "x",
        "hypotheses": "",
        "mark": "derived",
        "check": check,
        "twins": [Twin("false", {"factor": 3.0})],
        "constant": constant,
    }
    return Claim(**{**basics, **changes})


def exact(run, factor=1.0):
    yield within("pi", math.pi, factor * 3.0, 0.3)  # from 2.8416/3 to 3.4416/3


def coin(run, factor=1.0):
    heads = run.probability("coin", lambda rng, count: rng.random(count) < 0.5, 40_000)
    yield within("heads", heads, factor * 0.5, 0.02)


def test_the_factors_are_where_the_verdict_turns():
    found = measure(claim_of(exact, Constant("pi")), Run("kn.test"))
    least, most = (math.pi - 0.3) / 3, (math.pi + 0.3) / 3
    # the grid has steps of 10 % in the distance from 1
    assert 1 - 1.11 * (1 / least - 1) < found.below < least
    assert most < found.above < 1 + 1.11 * (most - 1)
    assert found.distance == pytest.approx(found.above - 1)


def test_a_random_check_is_as_sharp_as_its_interval():
    found = measure(claim_of(coin, Constant("heads")), Run("kn.test"))
    deviation = 0.5 / math.sqrt(40_000)
    # refuted 0.02 and a few standard deviations away; never within the tolerance
    for side in (found.below, found.above):
        assert 0.02 < 0.5 * abs(side - 1) < 0.02 + 8 * deviation
    assert found == measure(claim_of(coin, Constant("heads")), Run("kn.test"))


def test_a_check_ends_with_what_refutes_it_by_itself():
    seen = []

    def long(run, factor=1.0):
        yield from coin(run, 1.0)
        yield from exact(run, factor)
        seen.append(factor)  # what is dear comes last
        yield at_most("one", 1.0, 1.0)

    assert measure(claim_of(long, Constant("pi")), Run("kn.test")) == measure(
        claim_of(exact, Constant("pi")), Run("kn.test")
    )
    assert seen and all((math.pi - 0.3) / 3 <= factor <= (math.pi + 0.3) / 3 for factor in seen)


def test_what_is_only_unlikely_ends_no_check():
    """A drawn number a little above its bound refutes nothing by itself: what follows is still measured."""
    seen = []

    def check(run, factor=1.0):
        estimate = run.probability("coin", lambda rng, count: rng.random(count) < 0.502, 40_000)
        one = at_most("heads", estimate, 0.5)
        seen.append(one.p_inside)
        yield one
        yield from exact(run, factor)

    assert measure(claim_of(check, Constant("pi")), Run("kn.test")) == measure(
        claim_of(exact, Constant("pi")), Run("kn.test")
    )
    assert all(1e-6 < p < 0.5 for p in seen)


@pytest.mark.parametrize("bound", ["upper", "lower"])
def test_a_bound_has_one_side(bound):
    def check(run, factor=1.0):
        yield (at_most if bound == "upper" else at_least)("one", 1.0, factor)

    found = measure(claim_of(check, Constant("one", bound)), Run("kn.test"))
    assert (found.above is None, found.below is None) == (bound == "upper", bound == "lower")
    assert found.distance == pytest.approx(1e-4)


def test_what_is_not_refuted_within_a_factor_of_two_has_no_distance():
    def check(run, factor=1.0):
        yield at_most("loose", 0.1, factor)

    found = measure(claim_of(check, Constant("one", "upper")), Run("kn.test"))
    assert (found.below, found.distance) == (None, None)
    assert str(found) == "within ×2: none"


def test_no_constant_needs_a_reason():
    def check(run, doubled=2):
        yield identity("true", doubled == 2)

    claim = claim_of(check, "an identity", twins=[Twin("false", {"doubled": 1})])
    assert measure(claim, Run("kn.test")) == Sharpness(reason="an identity")
    with pytest.raises(ValueError, match="its check has no parameter `factor` to multiply the 2"):
        claim_of(check, Constant("the 2"))
    with pytest.raises(ValueError, match=r"bound must be .*, got 'above'"):
        Constant("x", "above")


def test_a_loose_check_says_why():
    def check(run, factor=1.0):
        yield at_most("loose", 0.6, factor)

    found = measure(claim_of(check, Constant("one", "upper", "a share of ten seeds")), Run("kn.test"))
    assert found.distance == pytest.approx(1 / 0.6 - 1, rel=0.11)
    assert (
        str(found).endswith(" (a share of ten seeds)") and found.as_dict()["reason"] == "a share of ten seeds"
    )


def test_what_is_declared_not_reproduced_refutes_no_factor():
    """Its other measurements do: the printed number fails at every factor, 1 included."""
    (claim,) = registry.claims(["ku.gaussian_quantization"])
    assert measure(claim, Run(claim.id)).distance == pytest.approx(1e-4)


def test_bisection_finds_the_first_refuted_distance_in_few_steps():
    for threshold in (1e-5, 3e-4, 0.02, 0.7, 1.0):
        asked = []

        def refuted(distance, threshold=threshold, asked=asked):
            asked.append(distance)
            return distance >= threshold

        found = first(refuted)
        assert threshold <= max(found, 1e-4) <= 1.11 * max(threshold, 1e-4)
        assert len(asked) <= 8
    assert first(lambda distance: False) is None


def test_the_run_reports_it_with_the_claim_alone():
    (claim,) = registry.claims(["kn.golden"])
    judged = registry.check([claim], power=True, sharpness=True, processes=1)
    assert judged[0].as_dict()["sharpness"] == {
        "constant": "the count 23",
        "bound": None,
        "below": pytest.approx(1 / 1.0001),
        "above": pytest.approx(1.0001),
        "distance": pytest.approx(1e-4),
        "reason": "",
    }
    assert judged[1].as_dict()["sharpness"] is None
    assert registry.check([claim], processes=1)[0].as_dict()["sharpness"] is None


def test_a_skipped_claim_is_not_measured():
    def check(run, factor=1.0):
        raise Skipped("not here")

    (judged,) = registry.check([claim_of(check, Constant("one"))], sharpness=True)
    assert (judged.verdict, judged.outcome.sharpness) == ("skipped", None)


def test_summary_takes_the_median():
    found = [Sharpness("a", above=1 + distance, bound="lower") for distance in (0.01, 0.02, 0.9)]
    assert "at a distance of 2 % (median of 3, largest 90 %)" in summary(found)


def test_summary_counts_what_is_open():
    found = [
        Sharpness("a", 0.9, 1.01),
        Sharpness("b", 0.99, 1.02),
        Sharpness("c", None, 1.5),
        Sharpness(reason="x"),
    ]
    text = summary(found)
    assert "median of 2, largest 11.1 %" in text
    assert text.endswith("1 not within a factor of 2; 1 claim without a constant")
