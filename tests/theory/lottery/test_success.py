import itertools
from fractions import Fraction

import numpy as np
import pytest

from sims.lottery.masks import Draw, allot
from theory.derivations import lottery as derivations
from theory.lottery import (
    ERDOS_BORWEIN,
    block_success_probability,
    copies_success_probability,
    counting_bound,
    drawn_units,
    expected_failures,
    failure_probability,
    miss_probabilities,
    miss_probability_table,
    parameter_counts,
    predicted_failures,
    samples_needed,
    success_probability,
)
from theory.lottery.products import candidate_price, missing_products, reduced_shares, shared_divisor_bound
from theory.subset_sum import exact_miss_probability


def reachable(candidates):
    sums = {0}
    for c in candidates:
        sums |= {s + c for s in sums}
    return sums


def miss_by_enumeration(n, limit):
    """p[n, v] over all (2M)^n candidate sets of the law "nonzero"."""
    values = [v for v in range(-limit, limit + 1) if v]
    table = np.zeros((n + 1, limit + 1))
    for k in range(n + 1):
        for xs in itertools.product(values, repeat=k):
            sums = reachable(xs)
            table[k] += [v not in sums for v in range(limit + 1)]
        table[k] /= len(values) ** k
    return table


def test_no_network_below_the_counting_bound_represents_everything():
    # Every pruning of a network with a nonzero parameters is one of 2^a: exhaustive for one weight, M = 1, 2.
    for limit, most in ((1, 5), (2, 3)):
        values = [v for v in range(-limit, limit + 1) if v]
        for n in range(1, most + 1):
            for xs in itertools.product(values, repeat=n):
                found = reachable(xs) & set(range(-limit, limit + 1))
                p = len(found) / (2 * limit + 1)  # for a target drawn uniformly
                assert n >= counting_bound(1, 1, 2 * limit + 1, p)


def test_counting_bound_scales_and_clips():
    assert counting_bound(3, 4, 8) == 36
    assert counting_bound(3, 4, 8, 0.25) == 34
    assert counting_bound(1, 1, 2, 0.1) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 1, 2), "fan_in must be an integer >= 1, got 0"),
        ((1, 1, 1), "values must be an integer >= 2, got 1"),
        ((1, 1, 2, 0.0), "probability=0.0"),
        ((1, 1, 2, 1.5), "probability"),
    ],
)
def test_counting_bound_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        counting_bound(*arguments)


@pytest.mark.parametrize(
    ("fan_in", "signed", "entries"),
    [(1, False, (1, 1)), (1, True, (1, 1)), (3, True, (1, 1)), (8, False, (1, 1)), (4, False, (3, 4))],
)
def test_drawn_units_are_those_the_simulation_draws(fan_in, signed, entries):
    limit, ratio = entries
    usable = 0.5 if ratio == 1 else 9 / 24  # truncation of {±1..±12} to a quarter: 6 of 24 become 0
    inputs = np.repeat(np.arange(fan_in, dtype=np.int32), 1 + signed)
    sides = np.tile(np.array([1, -1] if signed else [1], np.int8), fan_in)
    drawn = [allot(Draw(s, 0, limit, ratio), inputs, sides, 3, 1, 0)[1] for s in range(3000)]
    mean, deviation = drawn_units(fan_in, 3, signed, usable)
    assert abs(np.mean(drawn) - mean) < 4.5 * deviation / np.sqrt(len(drawn))
    assert abs(np.std(drawn) / deviation - 1) < 0.08


def test_matching_wastes_the_erdos_borwein_constant_per_round():
    assert drawn_units(500, 1)[0] == pytest.approx(500 + ERDOS_BORWEIN, abs=1e-12)
    assert pytest.approx(sum(1 / (2**k - 1) for k in range(1, 60)), abs=1e-15) == ERDOS_BORWEIN
    assert 2 * 50 < drawn_units(50, 1, signed=True)[0] < 2 * 50 + ERDOS_BORWEIN


def test_success_is_the_product_over_independent_weights():
    table = miss_by_enumeration(3, 2)
    weights = [np.array([[2, -1], [0, 1]]), np.array([[1, 1]])]
    p1, p2 = table[3, 1], table[3, 2]
    assert success_probability(weights, table[3]) == pytest.approx((1 - p1) ** 4 * (1 - p2))
    signed = success_probability(weights, table[3], signed_inputs=True)
    assert signed == pytest.approx((1 - p1) ** 6 * (1 - p2) ** 2)
    assert expected_failures(weights, table[3]) == pytest.approx(4 * p1 + p2)
    assert expected_failures(weights, table[3], signed_inputs=True) == pytest.approx(6 * p1 + 2 * p2)
    assert 1 - expected_failures(weights, table[3]) <= success_probability(weights, table[3])


def test_ternary_miss_probability_is_two_to_the_minus_n():
    assert miss_by_enumeration(6, 1)[:, 1] == pytest.approx(2.0 ** -np.arange(7))


@pytest.mark.parametrize("signed", [False, True])
def test_block_success_by_enumerating_every_sign(signed):
    n, outputs = 1, 2
    wins = total = 0
    for a in itertools.product((-1, 1), repeat=2 * n):
        for b in itertools.product((-1, 1), repeat=2 * n * outputs):
            rows = np.array(b).reshape(outputs, 2 * n)
            fine = all((rows[i][np.array(a) > 0] == 1).any() for i in range(outputs))
            if signed:  # -W on the units with a < 0
                fine &= all((rows[i][np.array(a) < 0] == -1).any() for i in range(outputs))
            wins += fine
            total += 1
    table = miss_by_enumeration(2 * n, 1)
    law = block_success_probability([np.ones((outputs, 1), int)], table, n, signed_inputs=signed)
    assert law == pytest.approx(wins / total)


def test_block_outputs_are_dependent_so_the_product_of_averages_is_too_small():
    table = np.array([[0.0, 2.0**-k] for k in range(13)])
    column = [np.ones((20, 1), int)]
    single = block_success_probability([np.ones((1, 1), int)], table, 6)
    assert block_success_probability(column, table, 6) > 1.2 * single**20


def test_copies_success_by_enumeration():
    # d = 1, 1, 2 with 2 copies and n = 2 ternary candidates per weight: enumerate all entries.
    n, copies = 2, 2
    wins = total = 0
    for first in itertools.product((-1, 1), repeat=n * copies):
        good = [any(v == 1 for v in first[n * c : n * c + n]) for c in range(copies)]
        for second in itertools.product((-1, 1), repeat=2 * copies):
            rows = np.array(second).reshape(2, copies)
            wins += all((row[np.array(good, bool)] == 1).any() for row in rows)
            total += 1
    table = np.array([[0.0, 2.0**-k] for k in range(3)])
    law = copies_success_probability([np.array([[1]]), np.array([[1], [1]])], table, n, copies)
    assert law == pytest.approx(wins / total)


def test_a_copy_must_succeed_on_both_sides_of_inputs_of_either_sign():
    """One input, hidden unit and output, n = 2 ternary candidates on each side, 2 copies: all entries."""
    n, copies = 2, 2
    wins = total = 0
    for first in itertools.product((-1, 1), repeat=2 * n * copies):
        sides = np.array(first).reshape(copies, 2, n)
        good = (sides == 1).any(axis=2).all(axis=1)
        for second in itertools.product((-1, 1), repeat=copies):
            wins += bool((np.array(second)[good] == 1).any())
            total += 1
    table = np.array([[0.0, 2.0**-k] for k in range(3)])
    w = [np.array([[1]]), np.array([[1]])]
    assert copies_success_probability(w, table, n, copies, signed_inputs=True) == pytest.approx(wins / total)
    assert copies_success_probability(w[:1], table, n, copies, signed_inputs=True) == pytest.approx(9 / 16)


def test_the_failure_probability_keeps_its_digits():
    """Two weights of one layer on both sides, one of the next: five tries in all."""
    weights = [np.array([[1, 0, -1]]), np.array([[1]])]
    for p in (Fraction(1, 2), Fraction(1, 2**20), Fraction(1, 2**60)):
        lost = failure_probability(weights, np.array([0.0, float(p)]), signed_inputs=True)
        assert lost == pytest.approx(float(1 - (1 - p) ** 5), rel=1e-14)
    assert failure_probability(weights, np.array([0.0, 1.0])) == 1.0
    assert failure_probability([np.zeros((2, 2), int)], np.array([0.0])) == 0.0


def test_redraws_multiply_the_chance_of_a_miss():
    weights = [np.array([[1, -1, 0]]), np.array([[1]])]
    for retries in range(4):
        assert predicted_failures(weights, 1, 5, retries=retries) == 3 / 2 ** (5 * (1 + retries))
    one = predicted_failures([np.array([[3]])], 3, 6), predicted_failures([np.array([[2]])], 3, 6)
    both = predicted_failures([np.array([[3, 2]])], 3, 6, retries=1)
    assert both == pytest.approx(one[0] ** 2 + one[1] ** 2)
    with pytest.raises(ValueError, match="retries"):
        predicted_failures(weights, 1, 5, retries=-1)


def test_copies_success_of_a_single_layer_and_of_deep_networks():
    table = np.array([[0.0, 2.0**-k] for k in range(9)])
    w = np.array([[1, -1], [0, 1]])
    assert copies_success_probability([], table, 4, 4) == 1.0  # nothing can fail
    assert copies_success_probability([w], table, 4, 4) == pytest.approx((1 - 2**-4) ** 3)
    deep = [copies_success_probability([w] * depth, table, 8, 8) for depth in (1, 2, 3, 4)]
    assert all(a > b for a, b in itertools.pairwise(deep))


def test_parameter_counts_of_both_constructions():
    two = parameter_counts([10, 8, 4], 9, 7)
    units = [drawn_units(d, 9)[0] for d in (10, 8)]
    assert two.drawn == pytest.approx(units[0] * 18 + units[1] * 12)
    assert two.candidates == 9 * 10 * 9 + 9 * 8 * 5
    assert two.bound == pytest.approx(112 * np.log2(15))
    deep = parameter_counts([10, 8, 4], 9, 7, "depth_plus_one", copies=11)
    assert deep.drawn == pytest.approx(units[0] * (10 + 88) + 11 * 8 * 4)
    block = parameter_counts([10, 8], 9, 7, allotment="block", signed_inputs=True)
    assert block.drawn == 2 * 9 * 10 * 18
    assert block.candidates == 2 * 9 * 10 * 9


def test_miss_probabilities_come_from_the_law_of_subset_sums():
    table = miss_probabilities(14, 15)
    assert table.shape == (16,) and table[0] == 0
    assert (np.diff(table[1:]) >= 0).all()  # a larger weight is harder


def test_miss_probabilities_of_products_reach_the_largest_product_unless_told_otherwise():
    products = [a * b for a in (-2, -1, 1, 2) for b in (-2, -1, 1, 2)]
    for n in (1, 2, 3):
        draws = list(itertools.product(products, repeat=n))
        sums = [{sum(v for v, taken in zip(x, mask, strict=True) if taken)
                 for mask in itertools.product((0, 1), repeat=n)} for x in draws]  # fmt: skip
        misses = [sum(v not in reached for reached in sums) / len(draws) for v in range(7)]
        assert miss_probabilities(n, 2, "product") == pytest.approx(misses[:5], rel=1e-12)
        assert miss_probabilities(n, 2, "product", limit=6) == pytest.approx(misses, rel=1e-12)
        assert miss_probability_table(n, 2, "product")[n] == pytest.approx(misses[:5], rel=1e-12)


def test_missing_products_are_exactly_the_values_without_a_factor_pair():
    for limit in (1, 2, 7, 12):
        present = {a * b for a in range(1, limit + 1) for b in range(1, limit + 1)}
        assert set(missing_products(limit).tolist()) == set(range(1, limit**2 + 1)) - present


def test_price_of_products_is_one_where_no_divisor_binds():
    assert candidate_price(1, 1) == 1.0
    assert candidate_price(8, 12) == 1.0
    assert candidate_price(8, 5) == pytest.approx(1 / np.log2(4 / 3))


@pytest.mark.parametrize("rigorous", [False, True])
def test_samples_needed_keep_the_expected_failures_below_the_level(rigorous):
    weights = [np.array([[3, 1], [0, -2]]), np.array([[1, 1]])]
    n = samples_needed(weights, 3, 0.01, rigorous=rigorous)
    exact = miss_by_enumeration(6, 3)
    assert expected_failures(weights, exact[6]) > 0.01 and n > 6
    assert samples_needed(weights, 3, 0.0001, rigorous=rigorous) > n
    for k in (n + 5, n + 11):  # a level that is just met is met
        met = predicted_failures(weights, 3, k, rigorous)
        least = samples_needed(weights, 3, met, rigorous)
        assert least <= k and predicted_failures(weights, 3, least, rigorous) == met
    assert samples_needed([np.zeros((2, 2), int)], 3, 0.5, rigorous=rigorous) == 0
    with pytest.raises(ValueError, match="failure must lie strictly between 0 and 1, got 1"):
        samples_needed(weights, 3, 1.0)


def test_rigorous_samples_are_exact_for_ternary_weights():
    weights = [np.ones((3, 5), int)]  # 15 / 2^n <= 0.01
    assert samples_needed(weights, 1, 0.01, rigorous=True) == 11


def test_rigorous_failures_below_the_resolution_of_a_hit():
    weights = [np.ones((3, 5), int)]
    assert predicted_failures(weights, 1, 80, rigorous=True) == pytest.approx(15 * 2.0**-80, rel=1e-12)
    assert samples_needed(weights, 1, 1e-20, rigorous=True) == 71  # 15 / 2^70 is above 1e-20


def test_nine_sizes_of_weights_need_no_interpolation():
    alone = miss_probabilities(11, 9)
    weights = np.array([[1, -2, 3], [4, 5, 6], [7, 8, -9]])
    assert predicted_failures([weights, weights[:1]], 9, 11) == pytest.approx(
        sum(alone) + sum(alone[1:4]), rel=1e-12
    )
    between = predicted_failures([np.arange(1, 32)[:, None]], 31, 14)  # nine of 31 sizes: within a third
    assert between == pytest.approx(sum(miss_probabilities(14, 31)), rel=0.05)


def test_shared_divisor_bound_by_enumeration():
    # M = 2, two outputs with odd weights, n = 2: an odd candidate needs both factors odd.
    n, outputs = 2, 2
    wins = total = 0
    for a in itertools.product((1, 2), repeat=n):
        for b in itertools.product((1, 2), repeat=n * outputs):
            rows = np.array(b).reshape(outputs, n) * np.array(a)
            wins += (rows % 2 == 1).any(axis=1).all()
            total += 1
    w = [np.array([[1], [3]])]
    assert shared_divisor_bound(w, n, 2) == pytest.approx(wins / total)
    assert shared_divisor_bound(w, n, 2, independent=True) < wins / total
    with pytest.raises(ValueError, match="prime=4"):
        shared_divisor_bound(w, n, 2, prime=4)


def test_reduced_shares_are_not_uniform():
    truncated = reduced_shares(4, 8, zero=True)
    assert truncated[4] / truncated[3] == 15 / 8 and truncated[0] / truncated[3] == 1 / 8
    rounded = reduced_shares(4, 8, "nearest", zero=True)
    assert rounded[0] / rounded[2] == 5 / 8
    drawn = Draw(0, 0, 3, 4, nearest=True).matrix(300, 1000).ravel()
    shares = np.bincount(drawn + 3, minlength=7) / drawn.size
    assert np.abs(shares - reduced_shares(3, 4, "nearest")).max() < 0.005


def test_derivations_agree_with_the_fast_forms():
    mean, variance = derivations.geometric_moments()
    s = derivations.s
    assert mean == 1 / s and (variance - (1 - s) / s**2).simplify() == 0
    for slots in (1, 2, 7):
        mean, variance = derivations.round_moments(slots)
        found, deviation = drawn_units(slots, 1)
        assert found == pytest.approx(float(mean), rel=1e-14)
        assert deviation**2 == pytest.approx(float(variance), rel=1e-12)
    assert float(sum(derivations.waste().subs(derivations.k, j) for j in range(1, 60))) == pytest.approx(
        ERDOS_BORWEIN, abs=1e-14
    )
    assert derivations.counting_residual() == 0
    assert derivations.even_share() == Fraction(3, 4)
    table = np.array([[0.0, 2.0**-j] for j in range(9)])
    for outputs in (2, 5):
        gain = derivations.shared_units_gain(outputs, 4)
        alone = block_success_probability([np.ones((1, 1), int)], table, 4)
        together = block_success_probability([np.ones((outputs, 1), int)], table, 4)
        assert float(gain) == pytest.approx(together - alone**outputs, abs=1e-14) and gain > 0
        assert alone == pytest.approx(1 - 0.75**8)
    assert derivations.block_miss() == 1


def test_misses_below_double_precision_are_no_error():
    assert 0.0 <= predicted_failures([np.array([[1, -1]])], 1, 1100) < 1e-300  # 2 * 2^-1100


HALF, TABLE = [np.array([[0.5]])], np.array([[0.0, 1.0], [0.0, 0.5], [0.0, 0.25]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: success_probability(HALF, TABLE[1]), "weights must hold integers.*, got 0.5"),
        (lambda: predicted_failures(HALF, 3, 5), "weights must hold integers"),
        (lambda: shared_divisor_bound(HALF, 2, 3), "weights must hold integers"),
        (lambda: expected_failures([np.array([[-2]])], TABLE[1]), "reach the largest weight, 2, got 2"),
        (lambda: success_probability([np.eye(2)], np.array([0.0, 1.5])), "miss must hold probabilities"),
        (lambda: block_success_probability([np.eye(2)], TABLE, 2), "candidates up to 4, got 3"),
        (lambda: copies_success_probability([np.eye(2)] * 2, TABLE, 1, 3), "candidates up to 3, got 3"),
    ],
)
def test_tables_and_weights_that_do_not_fit_are_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.filterwarnings("error")
def test_no_weights_and_certain_misses():
    assert predicted_failures([], 3, 5) == 0.0 and samples_needed([np.zeros((0, 2), int)], 3, 0.1) == 0
    assert block_success_probability([np.eye(2)], np.ones((3, 2)), 1) == 0.0
    assert shared_divisor_bound([np.array([[2], [4]])], 0, 3, independent=True) == 1.0


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (lambda v: miss_probabilities(v, 3), "samples", 0),
        (lambda v: miss_probabilities(2, v), "max_value", 1),
        (lambda v: miss_probabilities(2, 3, limit=v), "limit", 0),
        (lambda v: miss_probability_table(v, 3), "samples", 0),
        (lambda v: predicted_failures([np.eye(2)], 3, v), "samples", 0),
        (lambda v: predicted_failures([np.eye(2)], v, 3), "max_value", 1),
        (lambda v: samples_needed([np.eye(2)], v, 0.1), "max_value", 1),
        (lambda v: block_success_probability([np.eye(2)], TABLE, v), "samples", 1),
        (lambda v: copies_success_probability([np.eye(2)] * 2, TABLE, v, 1), "samples", 0),
        (lambda v: copies_success_probability([np.eye(2)] * 2, TABLE, 1, v), "copies", 0),
    ],
)
def test_the_least_that_is_taken(call, name, least):
    call(least)
    with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}, got {least - 1}"):
        call(least - 1)


def test_both_sides_in_blocks_are_for_the_first_layer_alone():
    table = miss_by_enumeration(4, 2)
    first, second = np.array([[2, -1], [0, 1]]), np.array([[1, 2]])
    together = block_success_probability([first, second], table, 2, signed_inputs=True)
    alone = block_success_probability([first], table, 2, signed_inputs=True)
    assert together == pytest.approx(alone * block_success_probability([second], table, 2), rel=1e-12)
    assert together < 0.9 * block_success_probability([first, second], table, 2)


def test_failures_rarer_than_any_common_double_are_told_apart():
    """Size 3 lies between two of the nine that are computed; all are near the smallest double."""
    exactly = [float(exact_miss_probability(1070, 7, v)) for v in (1, 3, 12)]
    found = predicted_failures([np.array([[1, 3, 12]])], 7, 1070)
    assert 1e-310 < found == pytest.approx(sum(exactly), rel=1 / 3) and found < 1e-300


def test_what_cannot_fail_fails_with_probability_0_and_no_sign():
    for weights in ([], [np.zeros((2, 2), int)], [np.array([[1]])]):
        assert str(failure_probability(weights, np.zeros(2))) == "0.0"


def test_no_success_is_more_than_certain():
    """Weights of 0 are always represented, whatever binomial weights add up to."""
    zeros, one = np.zeros((3, 4), int), np.array([[1, 1], [1, 1], [1, 1]])
    for n in range(1, 40):
        table = np.stack([np.zeros(2 * n + 1), 0.9 ** np.arange(2 * n + 1)], axis=1)
        for found in (
            block_success_probability([zeros], table, n),
            copies_success_probability([one, zeros[:, :3]], table, n, n),
            shared_divisor_bound([2 * zeros + 2], n, 7),
        ):
            assert 1 - 1e-12 < found <= 1.0
