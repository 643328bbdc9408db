import itertools
from math import comb

import numpy as np
import pytest

from sims import montecarlo
from sims.kernels import lottery as kernels
from sims.lottery import embed
from sims.lottery.misses import best_miss_table, best_misses, miss_table, rare_misses, smallest_samples
from sims.lottery.simulate import misses, simulate
from sims.lottery.trials import (
    drawn_sizes,
    layer_failures,
    network_failures,
    network_weight_failures,
    random_network,
    weight_failures,
)
from theory.subset_sum import exact_miss_probability


def test_counted_misses_are_those_of_a_set_of_sums():
    rng = np.random.default_rng(1)
    x = rng.integers(-70, 71, (40, 6))
    for limit in (5, 80):
        counts = np.zeros((7, limit + 1), np.int64)
        kernels.count_misses(x, limit, 2, True, counts)
        literal = np.zeros_like(counts)
        for row in x:
            sums = {0}
            for k, v in enumerate(row.tolist(), 1):
                sums |= {s + v for s in sums}
                if k >= 2:
                    for t in range(-limit, limit + 1):
                        literal[k, abs(t)] += t not in sums
        assert (counts == literal).all()


def test_miss_table_matches_exact_ternary_law_and_its_own_prefixes():
    table = miss_table(8, 1, 50_000, seed=2)
    for n in range(1, 9):
        assert abs(table.p[n, 1] - 2.0**-n) < 5 * table.standard_error(n, 1)
    assert table.p[0].tolist() == [0.0, 1.0]
    late = miss_table(8, 1, 50_000, seed=2, least=5)
    assert np.isnan(late.p[4, 1]) and (late.p[5:] == table.p[5:]).all()


def test_tickets_fail_as_often_as_independent_candidate_sets_do():
    table = miss_table(10, 7, 200_000, seed=3)
    for target in (1, 7):
        found = montecarlo.probability(
            weight_failures(7, 10, target), 100_000, seed=4, key=(target,), level=0.9999
        )
        assert found.low < table.p[10, target] < found.high
    product = miss_table(8, 3, 200_000, seed=3, law="product")
    found = montecarlo.probability(weight_failures(3, 8, 5, law="product"), 60_000, seed=5)
    assert found.low < product.p[8, 5] < found.high


def test_layer_failures_are_those_of_one_ticket_per_trial():
    weights = np.array([[1, 0, -1], [1, 1, 1]])
    wide = montecarlo.probability(layer_failures(weights, 1, 4), 20_000, seed=0)
    assert wide.low < 1 - (1 - 2.0**-4) ** 5 < wide.high


def test_network_weight_failures_cover_every_layer():
    found = network_weight_failures([4, 3, 2], 1, 2)(np.random.default_rng(0), 18 * 200)
    shares = found.reshape(200, 18).mean(axis=0)
    assert np.abs(shares - 2 / 3 / 4).max() < 0.1  # two thirds of ternary weights, 2^-2 each


def test_network_failures_and_sizes_are_those_of_embed():
    weights = random_network([3, 4, 2], 1, seed=0)
    nonzero = sum(np.count_nonzero(w) for w in weights)
    found = montecarlo.probability(network_failures(weights, 1, 5), 3000, seed=1)
    assert found.low < 1 - (1 - 2.0**-5) ** nonzero < found.high
    rng = np.random.default_rng(0)
    assert (drawn_sizes(weights, 1, 5)(rng, 4) > 5).all()


def test_rare_misses_agree_with_plain_ones_where_both_can_see():
    plain = miss_table(12, 31, 200_000, seed=1, least=12)
    rare = rare_misses(12, 31, 100_000, seed=2)
    for v in (1, 8, 31):
        assert abs(rare[v] / plain.p[12, v] - 1) < 0.1


def test_rare_misses_by_enumeration():
    values = [v for v in range(-2, 3) if v]
    missed = np.zeros(3)
    for xs in itertools.product(values, repeat=5):
        sums = {0}
        for v in xs:
            sums |= {s + v for s in sums}
        missed += [v not in sums for v in range(3)]
    assert np.abs(rare_misses(5, 2, 200_000, seed=3) - missed / 4**5).max() < 2e-3


def test_rare_misses_try_every_number_of_positive_candidates_however_few_trials_are_asked():
    """At least 16 for each of 13: a number that is never tried would have no share of misses."""
    found = rare_misses(12, 31, 1, seed=0)
    assert np.isfinite(found).all() and (found == rare_misses(12, 31, 40, seed=0)).all()
    assert (found[2:] != rare_misses(12, 31, 400, seed=0)[2:]).any()


def test_rare_misses_approach_the_reach_law_far_in_the_tail():
    n, limit = 40, 15
    found = rare_misses(n, limit, 30_000, seed=0)
    for t in (1, 15):  # k positive candidates whose sum stays below t
        bound = sum(comb(n, k) * comb(t - 1, k) / limit**k for k in range(n + 1)) / 2**n
        assert bound * (1 - 1e-12) <= found[t] < 2 * bound


@pytest.mark.parametrize(("size", "law"), [(1, "nonzero"), (3, "nonzero"), (7, "nonzero"), (3, "product")])
def test_misses_are_exact_on_grids_of_two_to_four_bits(size, law):
    exact = best_miss_table(12, size, 1, seed=0, law=law)
    measured = miss_table(12, size, 60_000, seed=4, law=law)
    for n in (4, 8, 12):
        errors = [5 * measured.standard_error(n, v) + 1e-4 for v in range(exact.shape[1])]
        assert (np.abs(exact[n] - measured.p[n]) < errors).all()
    if law == "nonzero":
        assert (best_misses(8, size, 1, seed=0) == exact[8]).all()
        assert (best_misses(8, size, 1, seed=1) == exact[8]).all()  # no chance in it


def test_misses_of_larger_grids_are_the_measured_ones():
    assert (best_misses(10, 15, 4000, seed=2) == rare_misses(10, 15, 4000, seed=2)).all()
    for limit, law in ((15, "nonzero"), (4, "product"), (9, "product")):  # products are exact up to 3
        found = best_miss_table(6, limit, 2000, seed=2, law=law, least=3)
        np.testing.assert_array_equal(found, miss_table(6, limit, 2000, seed=2, law=law, least=3).p)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_smallest_samples_of_small_grids_are_exactly_the_fewest(size):
    weights = [np.array([[size, 1], [-size, size]])]

    def expected(n):
        small, large = (exact_miss_probability(n, size, v) for v in (1, size))
        return float(small + 3 * large)

    fewest = next(n for n in itertools.count(1) if expected(n) <= 0.005)
    assert smallest_samples(weights, size, 0.005) == (fewest, pytest.approx(expected(fewest), rel=1e-12))


def test_smallest_samples_says_when_a_mask_cannot_hold_them():
    assert smallest_samples([np.zeros((2, 2), int)], 7, 0.5) == (1, 0.0)
    assert smallest_samples([np.ones((2, 2), int)], 1, 4 / 2**7) == (7, 4 / 2**7)  # met is enough
    with pytest.raises(ValueError, match="more than 62 samples"):
        smallest_samples([np.ones((10, 10), int)], 1, 1e-18)
    with pytest.raises(ValueError, match="failure must lie strictly between 0 and 1, got 0"):
        smallest_samples([np.ones((1, 1), int)], 1, 0.0)


@pytest.mark.parametrize(
    ("law", "fewest"),
    [
        ([0.5, 0.2, 0.09, 0.04], 3),  # 0.5 / 0.1 is more than two halvings, and less than three
        ([0.8, 0.4, 0.2, 0.1, 0.05], 4),  # met is enough
        ([0.7, 0.3, 0.15, 0.11, 0.09], 5),  # less than a halving is one candidate more
        ([0.3, 0.09, 0.05], 2),  # 1.6 halvings are nearer to two, and no two candidates are skipped
        ([0.1], 1),
    ],
)
def test_the_search_among_measured_misses_skips_whole_halvings_alone(monkeypatch, law, fewest):
    def measured(samples, max_value, trials, seed):
        return np.append(np.zeros(1), np.full(max_value, law[samples - 1]))

    monkeypatch.setattr("sims.lottery.misses.best_misses", measured)
    assert smallest_samples([np.array([[15]])], 15, 0.1) == (fewest, law[fewest - 1])


@pytest.mark.parametrize("options", [{}, {"construction": "depth_plus_one"}, {"allotment": "block"}])
def test_simulated_rows_hold_the_theory_in_their_interval(options):
    rows = simulate(sizes=(6, 5, 3), bits=3, samples=10, trials=600, seed=1, **options)
    first = rows[0]
    assert [row.quantity for row in rows[:3]] == ["network fails", "weight 1 fails", "weight 3 fails"]
    assert first.low <= first.theory <= first.high
    assert all(row.measured is not None for row in rows)
    assert [row.trials for row in rows] == [600, 30_000, 30_000, None, None, None, None]
    exact = [exact_miss_probability(10, 3, value) for value in (1, 3)]  # of ten candidates, in any allotment
    assert [row.theory for row in rows[1:3]] == pytest.approx(exact, rel=1e-9)
    drawn = {row.quantity: row for row in rows}["drawn parameters"]
    if options.get("allotment") == "block":  # 20 units for every input, whatever was drawn
        assert drawn.measured == drawn.theory == 20 * (6 * (6 + 5) + 5 * (5 + 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bits": 1}, "bits must be an integer from 2 to 10, got 1"),
        ({"trials": 0}, "trials must be an integer from 1 to 1000000000, got 0"),
        ({"sizes": [3]}, "sizes"),
        ({"samples": 0}, "samples must be an integer from 1 to .*, got 0"),
    ],
)
def test_bad_simulation_arguments_get_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        simulate(**{"trials": 5} | arguments)


@pytest.mark.parametrize(("sizes", "options"), [
    ((1, 1), {"allotment": "block"}), ((1, 1, 1), {"construction": "depth_plus_one"}),
])  # fmt: skip
def test_where_fewer_candidates_happen_measured_misses_have_a_law_of_them(monkeypatch, sizes, options):
    """Beyond four bits: those of a block are binomial, and of copies the good ones alone are read."""
    monkeypatch.setattr("sims.lottery.simulate.MISS_TRIALS", 2000)
    first, *_ = simulate(sizes=sizes, bits=5, samples=6, trials=2000, seed=1, **options)
    assert 0.02 < first.theory < 0.98  # far from what is never in doubt
    assert first.low <= first.theory <= first.high


def test_simulated_rows_are_what_their_names_say():
    """Ternary, where a weight fails with probability 2^-n and zeros never do."""
    sizes, n, seed = [4, 3, 2], 6, 5
    rows = {row.quantity: row for row in simulate(sizes=sizes, bits=2, samples=n, trials=300, seed=seed)}
    weights = random_network(sizes, 1, seed)
    nonzero = sum(map(np.count_nonzero, weights))
    assert rows["network fails"].theory == pytest.approx(1 - (1 - 2.0**-n) ** nonzero, rel=1e-9)
    assert rows["weight 1 fails"].theory == pytest.approx(2.0**-n, rel=1e-12)
    ticket = embed(weights, 1, n, seed)
    assert rows["drawn parameters"].measured == ticket.drawn_parameters
    assert rows["kept parameters"].measured == ticket.kept_parameters
    assert rows["drawn per target weight"].measured == pytest.approx(ticket.drawn_parameters / 18)
    assert rows["drawn per target weight"].theory == pytest.approx(rows["drawn parameters"].theory / 18)
    drawn = drawn_sizes(weights, 1, n)(np.random.default_rng(1), 60)
    assert rows["drawn per target weight"].theory == pytest.approx(drawn.mean(), rel=0.1)
    # n units for each of 4 + 3 inputs, one entry each per output, beside log2(3) bits per weight
    candidates = n * (4 + 3) + n * (4 * 3 + 3 * 2)
    assert rows["candidates / counting bound"].measured == pytest.approx(candidates / (18 * np.log2(3)))


def test_simulated_sizes_are_those_of_the_construction():
    """Six copies of every hidden unit: 24 candidates with 1 + 3 x 6 entries each, then 6 x 3 x 2 weights."""
    options = {"construction": "depth_plus_one"}
    found = simulate(sizes=[4, 3, 2], bits=2, samples=6, trials=20, seed=5, **options)
    rows = {row.quantity: row for row in found}
    drawn = drawn_sizes(random_network([4, 3, 2], 1, 5), 1, 6, **options)(np.random.default_rng(1), 60)
    assert rows["drawn per target weight"].theory == pytest.approx(drawn.mean(), rel=0.05)
    assert rows["candidates / counting bound"].measured == pytest.approx((24 * 19 + 36) / (18 * np.log2(3)))


def test_every_ticket_of_a_sampler_has_a_seed_of_its_own(monkeypatch):
    seeds = []

    def recorded(weights, max_value, samples, seed, **options):
        seeds.append(seed)
        return embed(weights, max_value, samples, seed, **options)

    def noted(like, many):
        seeds.extend(many.tolist())
        return np.zeros(len(many), bool), np.zeros((len(many), 1))

    single = network_failures([np.ones((1, 1), int)], 1, 1)
    monkeypatch.setattr("sims.lottery.trials.embed", recorded)
    monkeypatch.setattr("sims.lottery.trials._tickets", noted)
    rng = np.random.default_rng(0)
    for sample in (weight_failures(1, 1, 1), network_weight_failures([1, 1], 1, 1)):
        for _ in range(80):
            sample(rng, 1)
    single(rng, 30), single(rng, 50)
    assert len(seeds) == len(set(seeds)) == 240 and max(seeds) > 2**61
    assert [w.shape for w in random_network([1, 1, 1], 3, seed=0)] == [(1, 1), (1, 1)]


def test_networks_to_draw_have_two_layers_of_one_unit_or_more():
    for sizes in ([3], [3, 0], [0, 3, 2]):
        with pytest.raises(ValueError, match="must name at least two layers of at least one unit"):
            random_network(sizes, 3, seed=0)
    drawn = np.concatenate([w.ravel() for w in random_network([40, 40, 10], 2, seed=1)])
    assert set(drawn.tolist()) == {-2, -1, 0, 1, 2} and abs(drawn.mean()) < 5 * np.sqrt(2 / drawn.size)


def test_one_trial_is_enough_for_a_table_and_so_is_one_sample():
    assert miss_table(1, 1, 1, seed=0).p.tolist() == [[0.0, 1.0], [0.0, 0.5]]  # of 1 and -1 one is missed
    table = miss_table(3, 2, 1, seed=0)
    assert table.trials == 1 and set(table.p[1:, 1:].ravel().tolist()) <= {0.0, 0.5, 1.0}


def test_every_table_of_misses_draws_from_streams_of_its_own(monkeypatch):
    names, stream = [], montecarlo.stream

    def recorded(seed, key=(), block=0):
        names.append((seed, tuple(key), block))
        return stream(seed, key, block)

    monkeypatch.setattr("sims.lottery.misses.montecarlo.stream", recorded)
    miss_table(3, 2, 9, 0, "product")
    for samples, max_value, seed in ((3, 2, 0), (4, 2, 0), (3, 3, 0), (3, 2, 1)):
        miss_table(samples, max_value, 9, seed)
        rare_misses(samples, max_value, 9, seed)  # a stream for every number of positive candidates
    assert len(names) == len(set(names)) == 1 + 4 + (4 + 5 + 4 + 4)


def test_a_measured_miss_is_a_probability(monkeypatch):
    """Few trials of an event that nearly always happens: the unbiased estimate exceeds one."""
    monkeypatch.setattr("sims.lottery.simulate.MISS_TRIALS", 40)
    raw = np.array([rare_misses(n, 100, 40, 3) for n in (1, 2)])
    assert raw.max() > 1
    np.testing.assert_array_equal(misses(2, 100, 3)[1:], np.minimum(raw, 1.0))
    best = np.array([best_misses(n, 100, 40, 3) for n in (1, 2)])
    np.testing.assert_array_equal(best, np.minimum(raw, 1.0))
    assert smallest_samples([np.full((20, 20), 100)], 100, 0.5, seed=3, trials=40)[0] > 10


def test_targets_of_every_setting_are_drawn_on_their_own():
    settings = [((60, 60), 7), ((60, 60), 15), ((60, 60, 60), 7)]
    drawn = [random_network(*setting, seed)[0].ravel() for setting in settings for seed in (0, 1)]
    assert np.abs(np.corrcoef(drawn) - np.eye(len(drawn))).max() < 5 / 60  # standard error 1/60


def test_every_row_of_a_simulation_draws_from_streams_of_its_own(monkeypatch):
    names, stream = [], montecarlo.stream

    def recorded(seed, key=(), block=0):
        names.append((seed, tuple(key), block))
        return stream(seed, key, block)

    monkeypatch.setattr("sims.montecarlo.estimate.stream", recorded)
    simulate(sizes=(2, 2), bits=3, samples=5, trials=300, seed=4)
    assert len(names) == len(set(names)) == 2 + 2 * 4  # 300 networks, 15,000 sets for either of two weights
