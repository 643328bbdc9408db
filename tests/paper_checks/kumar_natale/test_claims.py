from paper_checks import kumar_natale
from tests.paper_checks import declared


@declared.by_group(kumar_natale.CLAIMS)
def test_claims_are_as_declared_and_their_twins_refuted(group):
    declared.hold(group)
