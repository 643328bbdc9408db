"""The number shown first tells most: the tightest setting, the narrowest law, or what was covered."""

import re

import numpy as np
import pytest

from paper_checks import registry
from paper_checks.claim import (
    Claim,
    Constant,
    Run,
    Twin,
    at_least,
    at_most,
    execute,
    identity,
    printed,
    within,
)
from paper_checks.headline import coverage, headline, measured, number, stated
from sims import montecarlo


def shown(*measurements, bound=None):
    return headline(measurements, holds=True, bound=bound)


def test_a_bound_shows_its_tightest_setting_whatever_its_place_and_evidence():
    loose = at_most("exact, loose", 0.0, 0.5, cases=4)
    found = shown(loose, at_most("near", 0.4, 0.5), at_most("far", 0.1, 0.5))
    assert (found.setting, found.measured, found.stated, found.tightness) == ("near", "0.4", "≤ 0.5", 0.8)
    lower = shown(at_least("half", 4.0, 2.0), at_least("attained", 3.0, 3.0), at_least("sign", 9.0, 0.0))
    assert (lower.setting, lower.measured, lower.tightness) == ("attained", "3, attained", 1.0)


def test_a_law_shows_where_the_least_deviation_is_allowed():
    found = shown(within("wide", 1.0, 1.0, 0.1), within("narrow", 20.1, 20.0, 0.4), identity("code", True))
    assert (found.setting, found.measured, found.stated) == ("narrow", "20.1", "20 ± 0.4")
    rounding = within("code over formula", 1.0 + 1e-15, 1.0, 1e-12)
    assert shown(rounding, within("wide", 0.97, 1.0, 0.1)).setting == "wide"


def test_the_kind_of_the_statement_goes_first_where_both_are_measured():
    law, limit = within("law", 0.5, 0.5, 0.01), at_most("bound", 0.9, 1.0)
    assert shown(law, limit, bound=True).setting == "bound"
    assert shown(law, limit, bound=False).setting == "law"


def test_equal_tolerances_show_the_largest_deviation():
    near, far = within("near", 1.001, 1.0, 0.1), within("far", 1.9, 2.0, 0.2)
    assert shown(near, far).setting == shown(far, near).setting == "far"


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_millionth_is_rounding_and_more_is_a_number(target):
    assert shown(within("x", target, target, 0.9e-6)).measurement is None
    assert shown(within("x", target, target, 2e-6)).measurement is not None


def test_coverage_shows_the_strongest_of_what_it_covers():
    symbolic, evaluated = identity("a", True), identity("b", True, evidence="evaluated")
    assert shown(evaluated, symbolic).evidence == shown(symbolic, evaluated).evidence == "symbolic"


def test_the_constant_of_a_claim_says_whether_it_is_a_bound():
    def check(run, factor=1.0):
        yield within("law", 0.5, factor * 0.5, 0.01)
        yield at_most("bound", 0.9, factor)

    settings = [
        registry.judge([execute(claim_of_constant(check, constant), Run("kn.x"))])[0].headline.setting
        for constant in (Constant("a law"), Constant("a bound", "upper"))
    ]
    assert settings == ["law", "bound"]


def claim_of_constant(check, constant):
    return Claim(
        id="kn.x", title="", paper="kumar-natale", place="", statement="x", hypotheses="", mark="derived",
        check=check, constant=constant,
    )  # fmt: skip


def test_tightness_is_measured_over_target_and_0_where_nothing_is_measured():
    assert within("law", 3.0, 2.0, 2.0).tightness == 1.5
    assert printed("number", 3.0, "2").tightness == 1.5
    assert at_most("nothing", 0.0, 2.0).tightness == 0.0


def test_what_is_true_or_equal_shows_what_was_covered():
    found = shown(
        *(identity(f"M = {m}: every draw", True, evidence="exhaustive", cases=m**4) for m in (2, 3, 5, 7))
    )
    assert (found.cases, found.setting, found.measurement) == (16 + 81 + 625 + 2401, "M = 2 to 7", None)
    assert (found.measured, found.stated) == ("3\u202f123 cases", "true")
    agree = shown(within("n = 4", 1.0, 1.0, 1e-12), at_most("n = 5: relative error", 1e-16, 1e-11))
    assert (agree.measured, agree.stated) == ("2 cases", "up to rounding")
    room = shown(at_least("room under the curve", 0.02, -1e-14, cases=4))
    assert room.measured == "4 cases"


def test_a_number_that_is_itself_the_statement_is_shown():
    found = shown(within("count", 23, 23, 0.0, cases=4), identity("symbolic", True))
    assert (found.measured, found.stated) == ("23", "23, exactly")


def test_signs_and_zeros_have_no_tightness():
    assert at_least("difference", 0.003, -0.005).tightness is None
    assert at_most("difference", -0.003, 0.005).tightness is None
    assert at_most("logarithm", -200.0, -0.1).tightness is None
    assert at_least("gain", 2.5, 0.0).tightness is None
    assert shown(at_least("far", 9.0, 0.0), at_least("near", 2.5, 0.0)).setting == "near"


def test_what_is_refuted_shows_what_decided_it():
    bad = [at_most("evaluated", 3.0, 1.0), identity("enumerated", False, evidence="exhaustive", cases=4)]
    found = headline(bad, holds=False)
    assert (found.setting, found.measured, found.stated) == ("enumerated", "false", "true")
    assert headline([], holds=True) is None


def test_numbers_for_reading():
    assert number(0.123456) == "0.1235"
    assert number(float("inf")) == "∞"
    assert number(-1.5e-9) == "−1.5e−09"
    assert number(None) == ""
    estimate = montecarlo.probability(lambda rng, n: rng.random(n) < 0.5, 10_000, seed=0)
    assert re.fullmatch(r"0\.\d+ \[0\.\d+, 0\.\d+\]", measured(within("coin", estimate, 0.5, 0.03)))
    assert stated(within("coin", 0.51, 0.5, 0.03)) == "0.5 ± 0.03"
    assert stated(printed("dB", 19.14, "19.1")) == "printed 19.1"
    # as many digits as the tolerance can tell apart, so that a ratio near 1 is not "1 in [1, 1]"
    close = within("ratio", 0.9998765, 1.0, 2e-4)
    assert (measured(close), stated(close)) == ("0.9998765", "1 ± 0.0002")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_coverage_names_every_setting_while_there_are_few(count):
    names = [f"{kind}, {bits} bits" for kind in ("relu", "linear") for bits in (2, 4)][:count]
    told = coverage(names)
    assert all(name in told for name in (names if count <= 3 else (names[0], names[-1])))


def test_report_and_command_and_json_take_the_same_headline():
    def check(run, factor=1.0):
        yield at_most("first and loose", 0.01, factor, cases=4)
        yield at_most("tight", 0.75, factor)

    claim = Claim(
        id="kn.bound", title="", paper="kumar-natale", place="", statement="x", hypotheses="", mark="derived",
        check=check, twins=[Twin("smaller", {"factor": 0.5})], constant=Constant("the bound", "upper"),
    )  # fmt: skip
    (judged,) = registry.judge([execute(claim, Run(claim.id))])
    row = judged.as_dict()
    assert judged.headline.setting == "tight"
    assert (row["value"], row["tightness"], row["leading_evidence"]) == (0.75, 0.75, "evaluated")
    assert row["headline"] == "tight: 0.75; stated: ≤ 1"
    assert row["cases"] == 0
    twin = registry.judge([execute(claim, Run(claim.id), claim.twins[0])])[0]
    assert twin.headline.setting == "tight"


@pytest.fixture(scope="module")
def exact():
    """Claims whose evidence is exact and cheap."""
    names = [
        "kn.golden",
        "kn.lemma2",
        "zs.sup_norm",
        "ku.identities",
        "ku.rotation_kurtosis",
    ]
    return {one.outcome.claim.id: one for one in registry.check(registry.claims(names), processes=1)}


def test_exact_claims_say_what_was_covered(exact):
    assert exact["kn.golden"].as_dict()["value"] == 23
    assert exact["kn.lemma2"].headline.cases == 7**4 * 25
    assert exact["ku.identities"].headline.measured == "3 cases"
    assert exact["ku.identities"].as_dict()["value"] is None
    assert exact["ku.rotation_kurtosis"].headline.cases == 2**4 + 2**4 + 2**8 + 8**4 + 4**8


def test_a_tail_bound_shows_how_far_the_error_stays_below_it(exact):
    """Not "no outcome of a short walk is as large": the quantile of the walk beside the radius."""
    found = exact["zs.sup_norm"].headline
    assert "quantile" in found.setting
    assert 0.1 < found.tightness < 1
    assert np.isfinite(found.measurement.value)
