import collections
import itertools
import math
from fractions import Fraction

import pytest

from theory.subset_sum import exact as exact
from theory.subset_sum import prefactor as prefactor
from theory.subset_sum.exponent import failure_rate

GRIDS = [*(("nonzero", m) for m in range(1, 8)), *(("uniform", m) for m in range(1, 6)),
         *(("product", m) for m in range(1, 4))]  # fmt: skip


@pytest.mark.parametrize(("law", "max_value"), GRIDS)
def test_the_theorem_equals_the_leading_term_of_the_exact_law(law, max_value):
    for target in (*range(1, max_value + 3), 2 * max_value, 2 * max_value + 1):
        found = prefactor.failure_prefactor(max_value, target, law)
        exact_law = exact.miss_law(max_value, target, law)
        leading = exact_law.terms[0][0]
        assert found.rate == Fraction(leading, exact_law.total) == failure_rate(max_value, target, law)
        assert found.coefficients == exact_law.polynomial(leading)


def test_degree_and_leading_coefficient_of_the_nonzero_law():
    for max_value in (1, 2, 3, 8, 127):
        for target in range(1, 7):
            found = prefactor.failure_prefactor(max_value, target)
            assert found.degree == target - 1
            top = Fraction(1, math.factorial(target - 1) * max_value ** (target - 1))
            constant = int(target == 1 and max_value % 2 == 0)
            assert found.coefficients[-1] == top + constant
            assert found.coefficients[0] == 1 + int(max_value % 2 == 0 and target % 2 == 1)
            assert found.probability(50) == found.rate**50 * sum(
                c * 50**k for k, c in enumerate(found.coefficients)
            )


def test_the_limit_is_reached_at_the_second_rate():
    for max_value, target in ((3, 1), (5, 3), (6, 2), (7, 7)):
        law = exact.miss_law(max_value, target)
        leading = prefactor.failure_prefactor(max_value, target)
        assert [j for j, _ in law.terms[:2]] == [max_value, max_value - 1]
        gaps = [
            float((law.probability(n) / leading.probability(n) - 1) / (1 - Fraction(1, max_value)) ** n)
            for n in (1000, 2000)
        ]
        # ratio n^D, D the difference of the degrees, with 1/n corrections
        power = len(law.terms[1][1]) - len(law.terms[0][1])
        assert gaps[1] / gaps[0] == pytest.approx(2.0**power, rel=0.1)


def test_ternary_is_the_reach_law_at_every_n():
    for n, target in ((5, 3), (12, 4), (150, 128)):  # 128 is the largest target there is
        below = sum(math.comb(n, k) for k in range(target))  # fewer than t of the n samples are +1
        assert exact.exact_miss_probability(n, 1, target) == Fraction(below, 2**n)
        assert prefactor.failure_prefactor(1, target).probability(n) == Fraction(below, 2**n)


def test_bad_input_is_one_sentence():
    assert prefactor.failure_prefactor(5, 0).degree == -1
    for max_value, target in ((4097, 1), (1, 129)):
        with pytest.raises(ValueError, match="up to 4096"):
            prefactor.failure_prefactor(max_value, target)
    with pytest.raises(TypeError, match="target must be"):
        prefactor.failure_prefactor(5, 1.0)


@pytest.mark.parametrize("law", ["nonzero", "uniform", "product"])
@pytest.mark.parametrize(("g", "target"), [(2, 1), (3, 1), (5, 1), (4, 2), (9, 3)])  # no factor of g blocks
def test_divisor_terms_are_counted_draw_by_draw(law, g, target):
    """Lists of k samples, none divisible by g, of which no subset has the target's remainder."""
    max_value = 3
    grid = range(-max_value, max_value + 1)
    samples = [v for v in grid if v or law == "uniform"]
    if law == "product":
        samples = [a * b for a in samples for b in samples]
    rate = Fraction(1, 3)
    found = prefactor._divisor_terms(max_value, target, law, rate, g)
    left = collections.Counter(x % g for x in samples if x % g)
    for k in range(min(g, 4)):
        ways = 0
        for draw in itertools.product(left, repeat=k):
            sums = {sum(chosen) % g for size in range(k + 1) for chosen in itertools.combinations(draw, size)}
            ways += (target not in sums) * math.prod(left[r] for r in draw)
        term = found[k] if k < len(found) else 0
        assert term == Fraction(ways, math.factorial(k)) / (len(samples) * rate) ** k


@pytest.mark.parametrize(
    ("g", "target", "law"), [(4, 1, "nonzero"), (9, 1, "uniform"), (12, 3, "nonzero"), (4, 3, "product")]
)
def test_a_divisor_of_which_a_factor_alone_blocks_the_target_is_refused(g, target, law):
    """Any number of twos, say, never sums to an odd target: the terms of g = 4 had no end."""
    with pytest.raises(ValueError, match=f"g must be critical for target={target}, got {g}: multiples of"):
        prefactor._divisor_terms(8, target, law, Fraction(1, 3), g)
