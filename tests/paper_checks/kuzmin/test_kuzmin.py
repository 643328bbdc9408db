import numpy as np
import pytest

from paper_checks import kuzmin, registry
from paper_checks.claim import Run, Twin, execute
from paper_checks.kuzmin import fine_tuning, representation
from sims.representation import linear_cka


@pytest.fixture(scope="module")
def judged():
    return registry.check(
        [claim for claim in kuzmin.CLAIMS if claim not in fine_tuning.CLAIMS],  # those train: `make claims`
        power=True,
        processes=1,
    )


def test_every_claim_has_its_declared_verdict_and_every_twin_is_refuted(judged):
    wrong = [(one.outcome.claim.id, one.outcome.twin, one.verdict) for one in judged if not one.as_declared]
    assert not wrong


def test_no_headline_is_a_bare_yes_or_a_ratio_of_one(judged):
    for one in judged:
        shown = one.headline
        if not one.outcome.twin and shown is not None:
            assert shown.measured not in ("true", "1", "0"), one.outcome.claim.id
            assert shown.cases or shown.tightness != 0, one.outcome.claim.id


def test_the_printed_ratio_would_be_reproduced_at_the_printed_precision():
    """Declared not reproduced: the check must be able to say otherwise."""
    (claim,) = (claim for claim in kuzmin.CLAIMS if claim.id == "ku.gaussian_quantization")
    right, wrong = registry.judge(
        [execute(claim, Run(claim.id), Twin("another text", {"text": text})) for text in ("19.3", "5.6")]
    )
    assert right.parts[0] == "holds"
    # and a twin of it that is not reproduced either, is no evidence of anything
    assert wrong.verdict == "not reproduced" and not wrong.as_declared


def test_the_mean_over_shifts_is_that_of_shifted_samples():
    x, y = (np.random.default_rng(width).normal(size=(2, 7, width)) for width in (3, 4))
    literal = [np.mean([linear_cka(x[i], np.roll(y[i], k, 0), False) for k in range(7)]) for i in (0, 1)]
    assert representation.over_shifts(x, y) == pytest.approx(literal, abs=1e-12)
