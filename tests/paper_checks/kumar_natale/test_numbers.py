"""Claims on number partitioning and subset sums: each holds, and its twins are refuted, with a margin."""

import pytest

from paper_checks.claim import REFUTED, Run, execute
from paper_checks.kumar_natale import partition as kumar_natale_partition
from paper_checks.kumar_natale import subset_sum as kumar_natale_subset_sum
from paper_checks.kumar_natale import subset_sum_laws as kumar_natale_subset_sum_laws
from paper_checks.registry import judge

CLAIMS = (
    *kumar_natale_partition.CLAIMS,
    *kumar_natale_subset_sum.CLAIMS,
    *kumar_natale_subset_sum_laws.CLAIMS,
)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_hold_and_every_twin_is_refuted(claim):
    run = Run(claim.id, "quick", 0)
    outcomes = [execute(claim, run, twin) for twin in (None, *claim.twins)]
    # a run of the whole registry shares its error among some thousand p-values: ask for that margin here
    first, *rest = judge(outcomes, 1e-9)
    assert first.verdict == claim.expected
    assert [twin.verdict for twin in rest] == [REFUTED] * len(claim.twins)


def test_ids_are_unique_and_name_figures_that_exist():
    from figures.build import names

    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert {claim.figure for claim in CLAIMS if claim.figure} <= set(names())
