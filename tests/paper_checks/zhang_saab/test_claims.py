from paper_checks import zhang_saab
from tests.paper_checks import declared


@declared.by_group(zhang_saab.CLAIMS)
def test_claims_are_as_declared_and_their_twins_refuted(group):
    declared.hold(group)
