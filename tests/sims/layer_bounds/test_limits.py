"""How a search spends its nodes, and what it knows in the end."""

import pytest

from sims.layer_bounds.limits import Limits


@pytest.mark.parametrize(
    ("limits", "ends", "allowed"),
    [
        (Limits(100, float("inf")), 9, [100]),  # no clock: once, with all of them
        (Limits(100, 1e9), 9, [5, 20, 80, 100]),
        (Limits(100, 1e9), 2, [5, 20]),
        (Limits(3, 1e9), 9, [3]),
        (Limits(100, -1.0), 9, [5]),
    ],
)
def test_a_search_starts_over_with_four_times_the_nodes_and_keeps_the_best_bound(limits, ends, allowed):
    asked, bounds = [], [3.0, 1.0, 2.0, 0.5]

    def attempt(nodes):
        asked.append(nodes)
        return bounds[len(asked) - 1], nodes - 1, len(asked) == ends

    found = limits.spend(attempt, first=5)
    assert asked == allowed
    assert found == (3.0, sum(allowed) - len(allowed), ends <= len(allowed))
