"""The exact law against draws enumerated one by one, by sets of subset sums and nothing else."""

import itertools
import math
import time
from fractions import Fraction

import numpy as np
import pytest

from theory.subset_sum import LAWS, miss_probability_bounds, samples_needed
from theory.subset_sum import automaton as automaton
from theory.subset_sum import exact as exact
from theory.subset_sum.automaton import ChainLimits


def values_of(max_value, law):
    """Every equally likely outcome of one sample."""
    grid = range(-max_value, max_value + 1)
    if law == "uniform":
        return list(grid)
    nonzero = [x for x in grid if x]
    return [a * b for a in nonzero for b in nonzero] if law == "product" else nonzero


def all_sums(draws):
    """Subset sums of every draw, shape (draws, 2^n)."""
    n = draws.shape[1]
    return draws @ ((np.arange(2**n) >> np.arange(n)[:, None]) & 1)


def literal_misses(n, max_value, law, targets, delta=0):
    """Per target the share of all draws that miss it, a Fraction, and the share that misses any."""
    draws = np.array(list(itertools.product(values_of(max_value, law), repeat=n)), dtype=np.int64)
    missed = np.zeros((len(targets), len(draws)), bool)
    for start in range(0, len(draws), 20_000):
        sums = all_sums(draws[start : start + 20_000])
        for row, target in enumerate(targets):
            missed[row, start : start + 20_000] = ~(np.abs(sums - target) <= delta).any(axis=1)
    shares = [Fraction(int(row.sum()), len(draws)) for row in missed]
    return shares, Fraction(int(missed.any(axis=0).sum()), len(draws))


SMALL = [
    ("nonzero", 1, 8),
    ("nonzero", 2, 6),
    ("nonzero", 3, 6),
    ("nonzero", 4, 5),
    ("nonzero", 5, 4),
    ("nonzero", 7, 4),
    ("uniform", 1, 7),
    ("uniform", 2, 6),
    ("uniform", 4, 5),
    ("product", 1, 7),
    ("product", 2, 3),
    ("product", 3, 3),
]


@pytest.mark.parametrize("delta", [0, 1, 2])
@pytest.mark.parametrize(("law", "max_value", "most"), SMALL)
def test_equals_every_draw_enumerated(law, max_value, most, delta):
    targets = [-max_value, *range(delta + 1, 3 * max_value + 2)]
    for n in range(most + 1):
        shares, _ = literal_misses(n, max_value, law, targets, delta)
        for target, share in zip(targets, shares, strict=True):
            found = exact.exact_miss_probability(n, max_value, target, law, delta)
            if abs(target) <= delta:
                assert found == 0
            else:
                assert isinstance(found, Fraction) and found == share, (n, target)


@pytest.mark.parametrize(
    ("law", "max_value", "limit", "delta", "most"),
    [
        ("nonzero", 1, 1, 0, 7),
        ("nonzero", 1, 3, 0, 9),
        ("nonzero", 2, 1, 1, 2),
        ("nonzero", 2, 2, 0, 6),
        ("nonzero", 3, 3, 0, 6),
        ("nonzero", 3, 3, 1, 5),
        ("nonzero", 4, 2, 0, 5),
        ("uniform", 3, 3, 0, 5),
        ("product", 2, 2, 0, 3),
        ("product", 2, 4, 1, 3),
    ],
)
def test_every_target_on_one_draw_equals_enumeration(law, max_value, limit, delta, most):
    targets = [t for t in range(-limit, limit + 1) if abs(t) > delta]
    for n in range(most + 1):
        _, any_missed = literal_misses(n, max_value, law, targets, delta)
        assert exact.exact_every_target_miss(n, max_value, law, delta, limit) == any_missed


def unreduced_chain(n, max_value, target, law):
    """P(miss with 0..n): sets of reachable sums as bit strings, sample after sample, nothing cut."""
    values = values_of(max_value, law)
    middle = n * max(values)
    states, result = {1 << middle: 1}, [Fraction(1)]
    for m in range(1, n + 1):
        following = {}
        for bits, ways in states.items():
            for x in values:
                grown = bits | (bits << x if x > 0 else bits >> -x)
                if not grown >> (middle + target) & 1:
                    following[grown] = following.get(grown, 0) + ways
        states = following
        result.append(Fraction(sum(states.values()), len(values) ** m))
    return result


@pytest.mark.parametrize(
    ("law", "max_value", "target", "n"),
    [("nonzero", 2, 1, 24), ("nonzero", 3, 2, 14), ("nonzero", 5, 3, 8), ("nonzero", 6, 12, 6),
     ("uniform", 3, 3, 10), ("product", 2, 3, 10), ("product", 3, 7, 5)],
)  # fmt: skip
def test_equals_the_chain_without_any_reduction(law, max_value, target, n):
    found = [exact.exact_miss_probability(m, max_value, target, law) for m in range(n + 1)]
    assert found == unreduced_chain(n, max_value, target, law)


def test_zero_thinning_holds_exactly():
    for n, max_value, target in ((9, 3, 2), (40, 5, 5)):
        zero = Fraction(1, 2 * max_value + 1)
        nonzero = exact.miss_law(max_value, target)
        mixed = sum(
            math.comb(n, k) * zero**k * (1 - zero) ** (n - k) * nonzero.probability(n - k)
            for k in range(n + 1)
        )
        assert exact.exact_miss_probability(n, max_value, target, "uniform") == mixed


def test_signs_nesting_and_known_values():
    for n in (1, 10, 200):
        assert exact.exact_miss_probability(n, 1, 1) == Fraction(1, 2**n)
        assert exact.exact_miss_probability(n, 4, -3) == exact.exact_miss_probability(n, 4, 3)
    assert f"{float(exact.exact_miss_probability(20, 3, 1)):.2e}" == "9.63e-07"
    assert f"{float(exact.exact_miss_probability(12, 7, 2)):.2e}" == "8.72e-04"
    law = exact.miss_law(6, 5)
    values = [law.probability(n) for n in range(60)]
    assert all(b < a for a, b in itertools.pairwise(values[1:]))
    assert law.probability(4) == Fraction(literal_misses(4, 6, "nonzero", [5])[0][0])


def test_the_letter_order_does_not_matter():
    for order in (1, -1):
        letters = sorted(automaton.letter_order(4, "nonzero"), key=lambda letter: order * letter[0])
        diagram = automaton.build(letters, [[3]], limits=ChainLimits())
        assert exact.solve(diagram, 4, "nonzero").terms == exact.miss_law(4, 3).terms


def test_the_polynomials_in_n_add_up_to_the_probability():
    law = exact.miss_law(4, 3)
    for n in (30, 77):  # beyond the finite part, whose rate is 0
        total = sum(
            sum(c * n**k for k, c in enumerate(law.polynomial(j))) * Fraction(j, law.total) ** n
            for j, _ in law.terms
            if j
        )
        assert total == law.probability(n)
    assert law.polynomial(0) == ()


@pytest.mark.parametrize(
    ("law", "max_value", "target", "delta"),
    [("nonzero", 6, 1, 0), ("nonzero", 7, 7, 0), ("uniform", 6, 4, 0), ("nonzero", 6, 5, 1),
     ("product", 3, 5, 0)],
)  # fmt: skip
def test_coarse_chains_bracket_the_truth_at_every_radius(monkeypatch, law, max_value, target, delta):
    law_of_all = exact.miss_law(max_value, target, law, delta)
    widths = []
    for radius in (0.5, 1.0, 1.5, 2.0, 3.0):
        monkeypatch.setattr(exact, "_RADII", (radius,))
        found = {
            n: exact.certified_interval(n, max_value, target, law, delta, tolerance=0.0)
            for n in (1, 2, 3, 5, 8, 13, 21, 40)
        }
        for n, interval in found.items():
            assert interval.lower <= law_of_all.probability(n) <= interval.upper
        widths.append(max(interval.relative_width for interval in found.values()))
    assert widths[-1] <= widths[0] / 10  # fine is sharp ...
    assert delta or widths[0] > 1e-3  # ... and coarse is visible; three sums in a row reach too far for that
    assert found[40].relative_width < 1e-6


def test_coarse_chains_are_smaller():
    for beyond in ("forget", "fill"):
        letters = automaton.letter_order(9, "nonzero", 4)
        coarse = automaton.build(letters, [[4]], radius=9, beyond=beyond, limits=ChainLimits())
        assert coarse.states < exact.miss_law(9, 4).states / 2


def test_a_chain_may_take_as_many_states_as_it_is_given():
    states = exact.miss_law(4, 3).states
    assert exact.miss_law(4, 3, limits=ChainLimits(states=states)).states == states
    with pytest.raises(automaton.ChainLimitError, match=f"outgrew {states - 1} states"):
        exact.miss_law(4, 3, limits=ChainLimits(states=states - 1))


def test_past_its_limits_the_chain_gives_an_interval():
    for limits in (ChainLimits(states=1000), ChainLimits(bytes=2**18), ChainLimits(seconds=0.0)):
        interval = exact.exact_miss_probability(30, 9, 4, limits=limits)
        assert isinstance(interval, exact.CertifiedInterval)
        assert exact.exact_miss_probability(30, 9, 4) in interval
    with pytest.raises(automaton.ChainLimitError, match="outgrew 50 states"):
        exact.miss_law(9, 4, limits=ChainLimits(states=50))
    with pytest.raises(automaton.ChainLimitError, match=r"outgrew 50 states"):
        exact.exact_every_target_miss(5, 5, limits=ChainLimits(states=50))


def test_the_goals_of_speed():
    # CPU time with a wide margin: measured 1 ms, 25 ms and 20 ms
    for arguments, seconds in (((200, 3, 2), 0.1), ((200, 7, 6), 2.0), ((60, 3, 4, "product"), 2.0)):
        exact._miss_law.cache_clear()
        start = time.process_time()
        exact.exact_miss_probability(*arguments)
        assert time.process_time() - start < 5 * seconds


def test_a_tolerance_costs_as_much_as_a_target_further_out():
    for law, max_value, most in (("nonzero", 7, 12), ("uniform", 4, 32), ("product", 3, 9)):
        for delta in (0, 1, 5):
            near, far = (exact.exact_is_cheap(9, max_value, most + k - delta, law, delta) for k in (0, 1))
            assert near and not far
    sizes = {"nonzero": (200, 80, 45, 32, 25, 16, 12), "product": (100, 40, 9)}
    for law, most in {**sizes, "uniform": sizes["nonzero"]}.items():
        for max_value, last in enumerate(most, 1):
            for target in (last, -last):
                assert exact.exact_is_cheap(9, max_value, target, law)
                assert not exact.exact_is_cheap(9, max_value, target + (1 if target > 0 else -1), law)
        assert not exact.exact_is_cheap(9, len(most) + 1, 1, law)
    assert exact.exact_is_cheap(10_000, 1, 1) and not exact.exact_is_cheap(10_001, 1, 1)


def test_fresh_targets_are_independent():
    each = [exact.exact_miss_probability(6, 3, t) for t in (1, 2, 3)]
    product = (1 - each[0]) ** 2 * (1 - each[1]) * (1 - each[2])
    assert exact.exact_fresh_targets_miss(6, 3, [1, -1, 2, 3, 0]) == 1 - product
    near = [exact.exact_miss_probability(6, 3, t, delta=1) for t in (2, 3)]
    found = exact.exact_fresh_targets_miss(6, 3, [1, 2, -3, 0], delta=1)  # 1 and 0 are hit by the empty set
    assert found == 1 - (1 - near[0]) * (1 - near[1]) > 0


def test_a_chain_without_room_leaves_the_interval_of_its_tolerance_and_limits():
    """P(miss) of sums within 1 of the target is a quarter of that of the target alone: 5.7e-6, 2.3e-5."""
    whole, alone = exact.exact_miss_probability(20, 4, 3, delta=1), exact.exact_miss_probability(20, 4, 3)
    assert 3.9 < alone / whole < 4.1
    interval = exact.exact_miss_probability(20, 4, 3, delta=1, limits=ChainLimits(states=2))
    assert interval.lower <= whole <= interval.upper and interval.lower < alone / 2
    assert interval.relative_width > 1  # two states hold nothing, at any radius


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("target", "delta"), [(1, 0), (2, 0), (3, 0), (4, 0), (6, 0), (4, 1)])
def test_the_union_below_a_miss_is_that_of_every_draw(law, target, delta):
    """Positive samples that sum to too little, or the likeliest number that divides all but the target."""
    grid = [v for v in range(-3, 4) if v or law == "uniform"]
    values = [a * b for a in grid for b in grid] if law == "product" else grid
    shares = {g: sum(v % g == 0 for v in values) for g in range(2, 20) if target % g and delta == 0}
    likeliest = max(shares, key=lambda g: (shares[g], -g), default=0)
    for n in (1, 2) if law == "product" else (1, 2, 3):
        hits = 0
        for x in itertools.product(values, repeat=n):
            short = sum(v for v in x if v > 0) < target - delta
            hits += short or (likeliest > 0 and all(v % likeliest == 0 for v in x))
        assert exact._union(n, 3, target, law, delta) == Fraction(hits, len(values) ** n)


def test_interval_of_one_point_and_around_zero():
    assert exact.CertifiedInterval(Fraction(0), Fraction(0)).relative_width == 0.0
    assert exact.CertifiedInterval(Fraction(0), Fraction(1)).relative_width == math.inf
    assert exact.certified_interval(5, 3, 1, delta=1) == exact.CertifiedInterval(Fraction(0), Fraction(0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: exact.exact_miss_probability(-1, 3, 1), ValueError, "n must be"),
        (lambda: exact.exact_miss_probability(5, 0, 1), ValueError, "max_value must be"),
        (lambda: exact.exact_miss_probability(5, 3, 0.5), TypeError, "target must be"),
        (lambda: exact.exact_miss_probability(5, 3, 1, law="normal"), ValueError, "law must be"),
        (lambda: exact.exact_miss_probability(5, 3, 1, delta=-1), ValueError, "delta must be"),
        (lambda: exact.exact_miss_probability(5, 3, 1, delta=1.5), TypeError, "delta must be"),
        (lambda: exact.exact_miss_probability(5, 5000, 1), ValueError, 'up to 256.*form="saddlepoint"'),
        (lambda: exact.exact_miss_probability(3000, 3, 5000), ValueError, "up to 4096"),
        (lambda: exact.miss_law(257, 1), ValueError, "up to 65536, got 257 and 1;"),
        (lambda: exact.miss_law(17, 1, "product"), ValueError, "up to 65536, got 289 and 1;"),
        (lambda: exact.miss_law(1, 4097), ValueError, "up to 65536, got 1 and 4097;"),
        (lambda: exact.miss_law(1, 4000, delta=97), ValueError, "got 1 and 4097;"),
        (lambda: exact.miss_law(256, 257), ValueError, "got 256 and 257;"),
        (lambda: exact.certified_interval(5, 256, 257), ValueError, "got 256 and 257;"),
        (lambda: exact.exact_every_target_miss(5, 256, limit=200, delta=57), ValueError, "got 256 and 257;"),
        (lambda: exact.exact_every_target_miss(5, 3, limit=-1), ValueError, "limit must be"),
        (lambda: exact.exact_every_target_miss(5, 3, limit=1.5), TypeError, "limit must be"),
        (lambda: exact.exact_fresh_targets_miss(5, 3, [1.5]), TypeError, "target must be"),
    ],
)
def test_bad_input_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(("max_value", "target"), [(1, 1), (3, 3), (7, 1), (7, 7)])
@pytest.mark.parametrize("miss", [0.1, 0.01, 1e-6])
def test_samples_needed_is_the_first_number_that_suffices(max_value, target, miss):
    law = exact.miss_law(max_value, target)
    first = next(n for n in range(1, 100) if law.probability(n) <= miss)
    assert samples_needed(max_value, target, miss) == first


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("max_value", "target", "miss"), [(2, 1, 1e-2), (2, 4, 3e-3), (3, 2, 1e-3)])
def test_samples_of_every_law_suffice_and_one_fewer_does_not(law, max_value, target, miss):
    exactly = exact.miss_law(max_value, target, law)
    first = next(n for n in range(1, 100) if exactly.probability(n) <= miss)
    assert samples_needed(max_value, target, miss, law) == first
    safe = samples_needed(max_value, target, miss, law, rigorous=True)
    assert exactly.probability(safe) <= miss
    bounds = [miss_probability_bounds(n, max_value, target, law)[1] for n in range(1, safe + 1)]
    assert bounds[-1] <= miss < min(bounds[:-1])


@pytest.mark.parametrize("delta", [0, 1, 2, 9])
def test_one_sample_misses_with_the_mass_outside_the_window(delta):
    """{-5..5} without 0, target 4: of ten values those within delta hit."""
    near = sum(abs(v - 4) <= delta for v in range(-5, 6) if v)
    interval = exact.certified_interval(1, 5, 4, delta=delta)
    missed = Fraction(10 - near, 10) if delta < 4 else Fraction(0)
    assert interval.lower <= missed == interval.upper
    with pytest.raises(ValueError, match="delta must be an integer >= 0, got -1"):
        exact.certified_interval(3, 5, 4, delta=-1)


def test_the_largest_samples_and_targets_are_taken():
    """One sample hits where it is the target; the interval past the limit of states is as sharp above."""
    few = ChainLimits(states=2)
    for max_value, target in ((256, 256), (256, 1), (16, 4096)):
        interval = exact.certified_interval(1, max_value, target, limits=few)
        missed = 1 - Fraction(int(target <= max_value), 2 * max_value)
        assert interval.lower <= missed == interval.upper


def test_a_chain_too_large_in_full_may_fit_when_coarse():
    """28,449 states in full: the growth rules that out below 7,229, and the coarse chains not."""
    limits = ChainLimits(states=7000)
    assert exact.certified_interval(40, 10, 1, limits=limits).relative_width < 1e-6
    assert exact.exact_miss_probability(40, 10, 1, limits=limits).relative_width < 1e-6


def test_what_cannot_be_reached_is_missed_without_a_chain():
    """Two samples of at most 3 sum to at most 6; no sample reaches nothing, however large the grid."""
    for target, delta in ((7, 0), (5000, 0), (5000, 4993), (-5000, 0)):
        assert exact.exact_miss_probability(2, 3, target, delta=delta) == 1
    assert exact.exact_every_target_miss(0, 10**6) == 1
    assert exact.exact_every_target_miss(0, 10**6, delta=10**6) == 0


def test_a_wide_tolerance_is_exact_on_a_large_grid():
    """{-30..30} without 0: any positive sample lies within 30 of 31, and negative ones alone do not."""
    for n in (1, 5, 40):
        assert exact.exact_miss_probability(n, 30, 31, delta=30) == Fraction(1, 2**n)
