"""Mean numbers of solutions by every draw, on each of the roads to them."""

import itertools

import numpy as np
import pytest

from theory.subset_sum import moments

LAWS = {
    "nonzero": lambda m: [v for v in range(-m, m + 1) if v],
    "uniform": lambda m: list(range(-m, m + 1)),
    "product": lambda m: [a * b for a in range(-m, m + 1) for b in range(-m, m + 1) if a and b],
}


def mean_of_every_draw(n, max_value, law):
    """{t: mean number of subsets with that sum}, the empty one included."""
    draws = np.array(list(itertools.product(LAWS[law](max_value), repeat=n)))
    sums = draws @ ((np.arange(2**n) >> np.arange(n)[:, None]) & 1)
    values, counts = np.unique(sums, return_counts=True)
    return dict(zip(values.tolist(), (counts / len(draws)).tolist(), strict=True))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("exact_product", [0, moments.EXACT_PRODUCT])
def test_expected_solutions_are_the_mean_over_every_draw(monkeypatch, law, exact_product):
    """Products by exact integers and, where these would be too many, by a transform."""
    monkeypatch.setattr(moments, "EXACT_PRODUCT", exact_product)
    compute = getattr(moments.expected_solutions, "__wrapped__", moments.expected_solutions)
    for n, max_value in ((1, 3), (3, 2), (4, 2)):
        means = mean_of_every_draw(n, max_value, law)
        for target in range(0, 2 * max_value**2 + 2):
            expected = means.get(target, 0.0)
            assert compute(n, max_value, target, law) == pytest.approx(expected, rel=1e-12, abs=1e-13)
            assert compute(n, max_value, -target, law) == pytest.approx(expected, rel=1e-12, abs=1e-13)
