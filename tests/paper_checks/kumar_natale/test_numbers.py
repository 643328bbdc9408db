"""Claims on number partitioning and subset sums: their names, and what they sample."""

import itertools

import numpy as np
import pytest

from paper_checks.kumar_natale import partition as kumar_natale_partition
from paper_checks.kumar_natale import subset_sum as kumar_natale_subset_sum
from paper_checks.kumar_natale import subset_sum_laws as kumar_natale_subset_sum_laws
from paper_checks.kumar_natale.partition_discrepancy import tie_sampler
from paper_checks.kumar_natale.subset_sum_limits import some_target_missed

CLAIMS = (
    *kumar_natale_partition.CLAIMS,
    *kumar_natale_subset_sum.CLAIMS,
    *kumar_natale_subset_sum_laws.CLAIMS,
)


def test_ids_are_unique_and_name_figures_that_exist():
    from figures.build import names

    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert {claim.figure for claim in CLAIMS if claim.figure} <= set(names())


def test_ties_of_every_last_item_by_literal_signings():
    found = tie_sampler(6, 12)(np.random.default_rng(3), 20)
    for others, share in zip(np.random.default_rng(3).integers(1, 13, size=(20, 5)), found, strict=True):
        tied = 0
        for last in range(1, 13):
            signed = [abs(np.dot(others, s) - last) for s in itertools.product((-1, 1), repeat=5)]
            tied += signed.count(min(signed)) > 1
        assert share == pytest.approx(tied / 12, abs=1e-12)


def test_missed_targets_of_every_signing_by_literal_subsets():
    n, size, reach = 5, 12, 2
    found = some_target_missed(n, size, reach)(np.random.default_rng(4), 20)
    assert len(set(found)) > 5
    for sizes, share in zip(np.random.default_rng(4).integers(1, size + 1, (20, n)), found, strict=True):
        missed = 0
        for signs in itertools.product((-1, 1), repeat=n):
            sums = [np.dot(sizes * signs, kept) for kept in itertools.product((0, 1), repeat=n)]
            missed += any(min(abs(t - s) for s in sums) > reach for t in range(-size, size + 1))
        assert share == pytest.approx(missed / 2**n, abs=1e-12)
