"""General solvers beside enumeration; with the [oracles] extra."""

import itertools

import numpy as np
import pytest

from sims.layer_bounds import oracles
from sims.layer_bounds.problems import problem
from sims.layer_bounds.relaxation import solve

pytestmark = pytest.mark.skipif(not oracles.available(), reason="the oracles extra is not installed")


def test_codes_masks_and_the_relaxation_below_them():
    x, w = problem("relu", 4, 0)
    gram, y = x.T @ x, 2.0 * w
    every = [np.array(z) - y for z in itertools.product(range(-2, 2), repeat=4)]
    least = min(e @ gram @ e for e in every)
    found = oracles.scip_codes(gram, y, -2, 1)
    assert found.status == "optimal" and found.value == pytest.approx(least, rel=1e-5)
    narrow, wide = (oracles.conic(gram, y, *ends) for ends in ((-2, 1), (-8, 7)))
    assert narrow == pytest.approx(solve(gram, y, -2, 1).value, rel=1e-5)
    assert wide == pytest.approx(solve(gram, y, -8, 7).value, rel=1e-5)
    assert wide * (1 - 1e-6) < narrow <= least * (1 + 1e-6)  # a box binds
    masks = []
    for kept in itertools.combinations(range(4), 2):
        cut = [i for i in range(4) if i not in kept]
        masks.append(w[cut] @ np.linalg.solve(np.linalg.inv(gram)[np.ix_(cut, cut)], w[cut]))
    assert oracles.scip_mask(gram, w, 2).value == pytest.approx(min(masks), rel=1e-5)


@pytest.mark.parametrize(("kind", "seed"), [("relu", 0), ("relu", 4), ("equicorrelated", 3)])
def test_the_cuts_on_both_sides_of_a_weight_are_those_of_the_relaxation(kind, seed):
    """Without the cell below, the second is 6% lower; without the cell above, the third 0.9%."""
    x, w = problem(kind, 5, seed)
    gram, y = x.T @ x, 2.0 * w
    assert oracles.conic(gram, y, -8, 7) == pytest.approx(solve(gram, y, -8, 7).value, rel=1e-5)
