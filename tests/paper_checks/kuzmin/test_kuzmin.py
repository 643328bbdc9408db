import pytest

from paper_checks import kuzmin, registry
from paper_checks.claim import Run, execute
from paper_checks.kuzmin import prediction as kuzmin_prediction
from paper_checks.kuzmin import weights as kuzmin_weights
from sims import weights


@pytest.fixture(scope="module")
def judged():
    return registry.check(
        [*kuzmin.CLAIMS, *kuzmin_weights.CLAIMS, *kuzmin_prediction.CLAIMS], power=True, processes=1
    )


def test_every_claim_has_its_declared_verdict_and_every_twin_is_refuted(judged):
    wrong = [(one.outcome.claim.id, one.outcome.twin, one.verdict) for one in judged if not one.as_declared]
    assert not wrong


def test_printed_zeros_would_be_reproduced_if_they_were_there(monkeypatch):
    """Declared not reproduced: the check must be able to say otherwise."""
    zeros = {4: 0.3531, 8: 0.1274}
    snr = dict.fromkeys(zeros, 9.0)
    row = weights.TensorRow("w", (10, 10), 100, 3.0, 3.0, snr, snr, zeros, weights.Signal(100.0))
    monkeypatch.setattr(kuzmin_weights, "real_tables", lambda: {"net": weights.Table((4, 8), [row])})
    (claim,) = (claim for claim in kuzmin_weights.CLAIMS if claim.id == "ku.natural_zeros")
    (outcome,) = registry.judge([execute(claim, Run(claim.id))])
    assert outcome.verdict == "holds"
