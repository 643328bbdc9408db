from paper_checks import kuzmin
from tests.paper_checks import declared


@declared.by_group(kuzmin.CLAIMS)
def test_claims_are_as_declared_and_their_twins_refuted(group):
    declared.hold(group, 1e-8)
