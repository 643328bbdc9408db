"""Claims on lottery tickets: cheap ones run here with their twins; all of them run in `snapcut check`."""

import pytest

from paper_checks import registry
from paper_checks.kumar_natale.lottery import CLAIMS as SUCCESS
from paper_checks.kumar_natale.lottery import enumerated_miss
from paper_checks.kumar_natale.lottery_size import CLAIMS as SIZE
from paper_checks.kumar_natale.lottery_size import candidates_for

QUICK = (
    "kn.exact_two_layer",
    "kn.exact_copies",
    "kn.shared_products",
    "kn.union_bound",
    "kn.growth",
    "kn.counting",
    "kn.product_gap",
    "kn.reduction",
)


@pytest.mark.parametrize("claim", [c for c in SUCCESS + SIZE if c.id in QUICK], ids=lambda c: c.id)
def test_claims_hold_and_their_twins_are_refuted(claim):
    for judged in registry.check([claim], power=True, seed=7, processes=1):
        assert judged.as_declared, judged.as_dict()


def test_enumerated_miss_by_hand():
    assert enumerated_miss([-1, 1], 3, 1) == 1 / 8
    assert enumerated_miss([-2, -1, 1, 2], 1, 2) == 3 / 4


def test_candidates_for_a_ternary_weight():
    # misses 2/3 of 2^-n; 10 % of them at n = log2(20/3)
    assert candidates_for(2, 0.1, seed=0, trials=200_000) == pytest.approx(2.737, abs=0.02)
