"""Closed forms of the miss probability against enumeration."""

import itertools
from fractions import Fraction

import pytest

from theory.subset_sum import failure_prefactor, miss_law


def missed(n, max_value, target):
    """Share of all lists of n nonzero samples none of whose subsets sums to the target."""
    values = [v for v in range(-max_value, max_value + 1) if v]
    lost = 0
    for xs in itertools.product(values, repeat=n):
        sums = {0}
        for x in xs:
            sums |= {s + x for s in sums}
        lost += target not in sums
    return Fraction(lost, len(values) ** n)


@pytest.mark.parametrize(("max_value", "target"), [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)])
def test_the_polynomials_of_every_rate_make_the_probability(max_value, target):
    law, total = miss_law(max_value, target), 2 * max_value
    polynomials = {j: law.polynomial(j) for j in range(total + 1)}
    assert polynomials[0] == () == polynomials[total]  # no rate of its own, and certain hits in the end
    for n in range(2, 6):
        found = sum(
            sum(c * n**i for i, c in enumerate(coefficients)) * Fraction(j, total) ** n
            for j, coefficients in polynomials.items()
        )
        rest = law.probability(n) - found  # what dies out after a few samples has the rate 0
        assert rest == 0 or (n < 4 and any(j == 0 for j, _ in law.terms))
        assert law.probability(n) == missed(n, max_value, target)


@pytest.mark.parametrize("law", [miss_law(3, 1), failure_prefactor(3, 1)])
def test_a_law_is_one_of_whole_numbers_of_samples(law):
    for n in (-1, -5):
        with pytest.raises(ValueError, match="n must be an integer >= 0"):
            law.probability(n)
    with pytest.raises(TypeError, match="n must be an integer >= 0"):
        law.probability(2.5)
    assert law.probability(0) == 1


@pytest.mark.parametrize("k_max", [0, 1, 2, 3])
def test_the_limits_of_the_reach_law_are_the_terms_of_a_laguerre_sum(k_max):
    import sympy as sp

    from theory.derivations.subset_sum import reach_limit

    (t,) = {s for term in reach_limit(2) for s in term.free_symbols}
    assert reach_limit(k_max) == [t**k / sp.factorial(k) for k in range(k_max + 1)]
