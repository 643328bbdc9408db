import pytest

from paper_checks import kuzmin, kuzmin_prediction, kuzmin_weights, registry


@pytest.fixture(scope="module")
def judged():
    return registry.check(
        [*kuzmin.CLAIMS, *kuzmin_weights.CLAIMS, *kuzmin_prediction.CLAIMS], power=True, processes=1
    )


def test_every_claim_has_its_declared_verdict_and_every_twin_is_refuted(judged):
    wrong = [(one.outcome.claim.id, one.outcome.twin, one.verdict) for one in judged if not one.as_declared]
    assert not wrong
