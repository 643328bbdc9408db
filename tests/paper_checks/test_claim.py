"""Measurements, verdicts and the error budget."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from paper_checks import registry
from paper_checks.claim import (
    Claim,
    Outcome,
    Run,
    Skipped,
    Twin,
    at_least,
    at_most,
    execute,
    identity,
    printed,
    within,
)
from paper_checks.registry import exit_code, judge
from paper_checks.statistics import holm
from sims import montecarlo


def coin(p):
    return lambda rng, count: rng.random(count) < p


def claim_of(check, **changes):
    basics = {
        "id": "kn.test",
        "title": "a test",
        "paper": "kumar-natale",
        "place": "nowhere",
        "statement": "x",
        "hypotheses": "",
        "mark": "derived",
        "check": check,
        "twins": [Twin("false", {"target": 0.9})],
    }
    return Claim(**{**basics, **changes})


def fair_coin(run, target=0.5):
    yield within("heads", run.probability("coin", coin(0.5), 200_000), target, 0.02)


def verdicts(claim, **options):
    run = Run(claim.id, **options)
    return [
        one.verdict for one in judge([execute(claim, run), *(execute(claim, run, t) for t in claim.twins)])
    ]


def test_a_true_claim_holds_and_its_twin_is_refuted():
    claim = claim_of(fair_coin)
    assert verdicts(claim) == ["holds", "refuted"]
    judged = judge([execute(claim, Run(claim.id)), execute(claim, Run(claim.id), claim.twins[0])])
    assert [one.as_declared for one in judged] == [True, True]
    assert exit_code(judged) == 0


def test_too_few_trials_are_inconclusive():
    def check(run, target=0.5):
        yield within("heads", run.probability("coin", coin(0.5), 100), target, 0.02)

    outcomes = [execute(claim_of(check), Run("kn.test"))]
    assert judge(outcomes)[0].verdict == "inconclusive"
    assert exit_code(judge(outcomes)) == 3


def test_a_violated_bound_is_refuted_and_a_vacuous_one_holds():
    estimate = montecarlo.probability(coin(0.3), 50_000, seed=1)
    assert judge_one(at_most("p", estimate, 0.28)) == "refuted"
    assert judge_one(at_most("p", estimate, 0.32)) == "holds"
    assert judge_one(at_most("p", estimate, 0.3)) == "inconclusive"
    assert judge_one(at_least("p", estimate, 0.32)) == "refuted"
    assert judge_one(at_most("p", estimate, 1.0)) == "holds"
    assert judge_one(at_least("p", estimate, 0.0)) == "holds"
    assert at_most("p", estimate, 0.6).tightness == pytest.approx(0.5, abs=0.01)


def judge_one(measurement):
    claim = claim_of(fair_coin)
    return judge([Outcome(claim, None, (measurement,), 0.0, 0)])[0].verdict


def test_exact_measurements_are_certain():
    assert judge_one(identity("proved", True)) == "holds"
    assert judge_one(identity("proved", False)) == "refuted"
    assert judge_one(at_most("x", 1.0, 1.0)) == "holds"
    assert judge_one(at_most("x", math.nan, 1.0)) == "refuted"


@pytest.mark.parametrize(
    ("value", "text", "verdict"),
    [
        (5.5847, "5.6", "holds"),
        (19.2577, "19.1", "not reproduced"),
        (19.1499, "19.1", "holds"),
        (6.0, "6", "holds"),
    ],
)
def test_printed_numbers_are_compared_at_the_printed_precision(value, text, verdict):
    assert judge_one(printed("number", value, text)) == verdict


def test_the_tests_of_a_two_sided_region_pay_for_both_sides():
    estimate = montecarlo.probability(coin(0.5), 1000, seed=1)
    one_sided = at_most("p", estimate, 0.4).p_inside
    assert within("p", estimate, 0.35, 0.05).p_inside == pytest.approx(2 * one_sided)


DRAWN = []


def counted(rng, count):
    DRAWN.append(count)
    return rng.random(count) < 0.5


def test_claims_and_twins_judge_the_same_trials():
    def check(run, target=0.5):
        yield within("heads", run.probability("coin", counted, 4096), target, 0.5)

    DRAWN.clear()
    verdicts(claim_of(check))
    assert DRAWN == [4096]


def test_a_twin_that_samples_otherwise_gets_trials_of_its_own():
    def check(run, p=0.5):
        yield within("heads", run.probability("coin", coin(p), 200_000), 0.5, 0.02)

    assert verdicts(claim_of(check, twins=[Twin("a biased coin", {"p": 0.9})])) == ["holds", "refuted"]


@pytest.mark.parametrize(
    "make", [at_most, at_least, lambda n, e, x: within(n, e, x, 0.1), lambda n, e, x: within(n, e, 0.1, x)]
)
def test_a_law_that_fails_to_answer_proves_nothing(make):
    estimate = montecarlo.probability(coin(0.3), 1000, seed=1)
    with pytest.raises(ValueError, match="the statement allows no value"):
        make("nan", estimate, math.nan)
    with pytest.raises(ValueError, match="allows no value"):
        within("negative tolerance", estimate, 0.3, -0.1)
    with pytest.raises(ValueError, match="p_values must lie in"):
        holm([math.nan], 0.05)


def test_a_monte_carlo_number_without_its_interval_is_no_evidence():
    with pytest.raises(ValueError, match="needs its interval"):
        at_most("ratio", 0.7, 1.0, evidence="monte carlo")


def test_a_failing_check_is_named():
    def check(run, target=0.5):
        raise ZeroDivisionError("in the check")

    with pytest.raises(RuntimeError, match=r"the check of kn\.test failed: ZeroDivisionError: in the check"):
        execute(claim_of(check), Run("kn.test"))


def test_budgets_scale_trials():
    assert [Run("x", budget).trials(7) for budget in ("quick", "standard", "deep")] == [7, 70, 700]
    with pytest.raises(ValueError, match="budget must be one of quick, standard, deep"):
        Run("x", "huge")


def test_a_skipped_claim_says_why_and_is_no_failure():
    def check(run, target=0.5):
        raise Skipped("the zoo extra is not installed")

    judged = judge([execute(claim_of(check), Run("kn.test"))])
    assert judged[0].verdict == "skipped"
    assert judged[0].as_dict()["reason"] == "the zoo extra is not installed"
    assert exit_code(judged) == 0


def test_a_claim_of_the_house_without_a_twin_or_any_without_measurements_is_an_error(monkeypatch):
    package = SimpleNamespace(CLAIMS=[claim_of(fair_coin, twins=())])
    monkeypatch.setattr(registry, "_PACKAGES", [package])
    with pytest.raises(ValueError, match="power twin"):
        registry.claims()
    with pytest.raises(ValueError, match="measured nothing"):
        execute(claim_of(lambda run, target=0: ()), Run("kn.test"))
    with pytest.raises(ValueError, match="mark must be one of"):
        claim_of(fair_coin, mark="rumour")


def test_an_unrefuted_twin_fails_the_run():
    claim = claim_of(fair_coin, twins=[Twin("not false at all", {"target": 0.5})])
    judged = judge([execute(claim, Run(claim.id), claim.twins[0])])
    assert exit_code(judged) == 1


def test_holm_against_the_definition():
    rng = np.random.default_rng(2)
    for _ in range(200):
        p_values = rng.random(6) ** 4
        rejected = holm(p_values, 0.05)
        # closed testing with Bonferroni: reject i iff every set containing i is rejected
        sets = [[i for i in range(6) if bits >> i & 1] for bits in range(1, 64)]
        closed = [all(min(p_values[s]) <= 0.05 / len(s) for s in sets if i in s) for i in range(6)]
        assert rejected.tolist() == closed


def test_the_family_wise_error_is_kept():
    """Judging true and false statements alike: a wrong verdict is as rare as promised (here at 10 %)."""
    wrong = 0
    for seed in range(200):
        estimates = [montecarlo.probability(coin(p), 400, seed=seed, key=(p,)) for p in (0.2, 0.5)]
        parts = [at_most("true, sharp", estimates[0], 0.2), at_most("false, barely", estimates[1], 0.4999)]
        outcomes = [Outcome(claim_of(fair_coin), None, (part,), 0.0, seed) for part in parts]
        found = [one.verdict for one in judge(outcomes, level=0.1)]
        wrong += found[0] == "refuted" or found[1] == "holds"
    assert wrong <= 34  # binomial(200, 0.1) exceeds 34 with probability 1e-3


def test_every_registered_claim_is_well_formed():
    found = registry.claims()
    assert len({claim.id for claim in found}) == len(found)
    from figures.build import names

    for claim in found:
        assert claim.paper in registry.PAPERS
        assert claim.figure is None or claim.figure in names(), claim.id


def test_unknown_names_list_what_exists():
    with pytest.raises(ValueError, match=r"no claim 'nothing'; there are .*kn\."):
        registry.claims(["nothing"])
    with pytest.raises(ValueError, match=r"no claim 'kn\.treshold'; did you mean kn\.threshold"):
        registry.claims(["kn.treshold"])
    assert [claim.id for claim in registry.claims(["kn.cox"])] == ["kn.cox"]  # and not kn.cox_range
    assert {claim.id[:3] for claim in registry.claims(["kn", "ku."])} == {"kn.", "ku."}
    with pytest.raises(ValueError, match="unknown paper 'x'; there are kumar-natale, zhang-saab, kuzmin"):
        registry.claims(paper="x")


def measurement_of(p_inside, p_outside=1.0):
    """A drawn number with these p-values."""
    estimate = montecarlo.probability(coin(0.5), 100, seed=1)
    return replace(at_most("p", estimate, 0.5), p_inside=p_inside, p_outside=p_outside)


@pytest.mark.parametrize(("share", "verdict"), [(0.99, "refuted"), (1.01, "inconclusive")])
def test_a_run_errs_with_probability_one_in_a_million(share, verdict):
    """Two hypotheses: Holm asks the smaller p-value to be at most half of 1e-6."""
    assert judge_one(measurement_of(share * 0.5e-6)) == verdict


def test_what_is_false_goes_before_what_is_not_reproduced_and_that_before_what_is_open():
    false, unprinted, open_ = at_most("x", 2.0, 1.0), printed("x", 2.0, "1.0"), measurement_of(0.5)

    def verdict(*parts):
        return judge([Outcome(claim_of(fair_coin), None, parts, 0.0, 0)])[0].verdict

    assert verdict(open_, unprinted) == "not reproduced"
    assert verdict(open_, unprinted, false) == "refuted"
    assert verdict(open_, at_most("x", 1.0, 1.0)) == "inconclusive"


def test_the_exit_code_forgives_open_claims_alone():
    """An open twin is a check without power; an open claim beside a refuted one hides nothing."""
    claim, open_ = claim_of(fair_coin), measurement_of(0.5)
    inconclusive = Outcome(claim, None, (open_,), 0.0, 0)
    assert exit_code(judge([inconclusive])) == 3
    assert exit_code(judge([Outcome(claim, claim.twins[0], (open_,), 0.0, 0)])) == 1
    assert exit_code(judge([inconclusive, Outcome(claim, None, (at_most("x", 2.0, 1.0),), 0.0, 0)])) == 1


def test_a_family_has_two_hypotheses_for_every_drawn_number():
    judged = judge([Outcome(claim_of(fair_coin), None, (measurement_of(0.5), identity("x", True)), 0.0, 0)])
    told = registry.family([*judged, *judged])
    assert (told["hypotheses"], told["family_wise_error"], told["procedure"]) == (4, 1e-6, "Holm")


def test_a_twin_of_what_is_not_reproduced_must_be_refuted_otherwise():
    unprinted = (printed("x", 2.0, "1.0"),)
    for expected, refuted in (("holds", True), ("not reproduced", False)):
        claim = claim_of(fair_coin, expected=expected)
        (twin,) = judge([Outcome(claim, claim.twins[0], unprinted, 0.0, 0)])
        assert (twin.is_refuted, twin.as_declared) == (refuted, refuted)


def test_an_end_of_the_region_that_is_certain_costs_nothing():
    """A region from 0 has one side: p-values are those of the other."""
    estimate = montecarlo.probability(coin(0.5), 1000, seed=1)
    lower, upper = at_most("p", estimate, 0.46), at_least("p", estimate, 0.54)
    assert within("p", estimate, 0.23, 0.23).p_inside == lower.p_inside < 0.1
    assert within("p", estimate, 0.77, 0.23).p_inside == pytest.approx(upper.p_inside)
    assert upper.p_inside < 0.1


def test_holm_rejects_what_meets_its_level():
    assert holm([0.05], 0.05).tolist() == [True]
    assert holm([0.025, 0.05], 0.05).tolist() == [True, True]
    assert holm([0.0, 1.0], 0.05).tolist() == [True, False]


def test_a_run_hands_budget_and_seed_to_every_claim():
    def check(run, target=0.5):
        yield within("heads", run.probability("coin", coin(0.5), 2000), target, 0.5)

    claim = claim_of(check)
    first, other = (registry.check([claim], seed=seed)[0] for seed in (7, 8))
    assert (first.outcome.seed, other.as_dict()["seed"]) == (7, 8)
    assert first.outcome.measurements[0].value != other.outcome.measurements[0].value
    assert first.outcome.measurements[0].value == registry.check([claim], seed=7)[0].as_dict()["value"]
    trials = [
        registry.check([claim], budget=b)[0].outcome.measurements[0].trials for b in ("quick", "standard")
    ]
    assert trials == [2000, 20_000]


def test_a_fresh_seed_is_one_of_many():
    assert registry.seeded(5) == 5
    assert len({registry.seeded(None) for _ in range(40)}) > 30
