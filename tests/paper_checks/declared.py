"""What every claim must show at the quick budget; a file per paper asks it of its claims."""

from collections.abc import Sequence

import pytest

from paper_checks import registry
from paper_checks.claim import Claim


def by_group(claims: Sequence[Claim]):
    """A test for each claim, or for those that share something costly."""
    return pytest.mark.parametrize("group", registry.together(claims), ids=lambda group: group[0].id)


def hold(group: Sequence[Claim], level: float = 1e-9) -> None:
    """Verdicts are the declared ones, false versions are refuted, and what is shown first says something."""
    outcomes = [one.outcome for one in registry.check(group, power=True, processes=1)]
    # a run of the whole registry shares its error among some thousand p-values: ask for that margin here
    judged = registry.judge(outcomes, level)
    wrong = [(one.outcome.claim.id, one.outcome.twin, one.verdict) for one in judged if not one.as_declared]
    assert not wrong, wrong
    for one in judged:
        shown = one.headline
        if not one.outcome.twin and shown is not None:
            bare = shown.measured in ("true", "1", "0") and shown.tightness in (None, 1)
            assert not bare, one.outcome.claim.id
            assert shown.cases or shown.tightness != 0, one.outcome.claim.id
