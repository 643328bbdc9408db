import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims import subset_sum
from sims.kernels import subset_sum as kernels
from sims.subset_sum import sampling
from sims.subset_sum.plan import Geometry, geometry
from theory import subset_sum as laws

items = st.lists(st.integers(-30, 30), max_size=11)


def all_sums(values):
    n = len(values)
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) @ np.asarray(values, dtype=np.int64)


@given(items, st.integers(-80, 80))
def test_counts_equal_brute_force(values, target):
    assert subset_sum.count_subsets(values, target) == (all_sums(values) == target).sum()


@given(items, st.integers(-80, 80))
def test_a_subset_is_found_exactly_when_there_is_one(values, target):
    mask = subset_sum.find_subset(values, target)
    if mask is None:
        assert target not in all_sums(values)
    else:
        assert mask.dtype == bool and mask.shape == (len(values),)
        assert np.asarray(values, dtype=np.int64)[mask].sum() == target


@given(items, st.integers(-80, 80), st.randoms(use_true_random=False))
def test_lemma_2_signings_and_subsets(values, target, random):
    """A subset sums to t iff a signing sums to |Lambda - 2t|; signs of the items can be moved into t."""
    signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    signed = np.abs(signs @ np.asarray(values, dtype=np.int64))
    total = sum(values)
    assert (subset_sum.count_subsets(values, target) > 0) == (abs(total - 2 * target) in signed)
    flip = [random.random() < 0.5 for _ in values]
    flipped = [-v if f else v for v, f in zip(values, flip, strict=True)]
    moved = target - sum(v for v, f in zip(values, flip, strict=True) if f)
    assert subset_sum.count_subsets(flipped, moved) == subset_sum.count_subsets(values, target)


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=10),
    st.integers(-100, 100),
    st.integers(0, 9),
    st.data(),
)
def test_every_geometry_of_the_modular_search_is_exact(values, target, width, data):
    n = len(values)
    split = data.draw(st.integers(1, n))
    base = data.draw(st.integers(0, split))
    inner = data.draw(st.integers(0, n - split))
    words = data.draw(st.sampled_from([1, 2, 8]))
    second = data.draw(st.sampled_from([1, 3, 7]))
    out = np.zeros(1, np.int64)
    rows, targets = np.array([values]), np.array([target])
    kernels.search_rows(rows, targets, width, split, base, inner, words, second, out)
    sums = all_sums(values)
    good = (sums >= target) & (sums <= target + width)
    assert (out[0] >= 0) == good.any()
    assert out[0] < 0 or good[out[0]]


@given(st.integers(1, 44), st.floats(0, 60))
def test_geometries_fit_their_items(n, spread):
    shape = geometry(n, spread)
    assert 1 <= shape.split <= n and shape.base <= shape.split and shape.inner <= n - shape.split
    assert shape.words & (shape.words - 1) == 0 and (shape.second == 1 or shape.second & (shape.second - 1))
    assert isinstance(shape, Geometry) and shape.bytes > 0


@pytest.mark.parametrize("law", laws.LAWS)
def test_draws_follow_their_law(law):
    from theory.integer_sums import largest, sample_counts

    x = subset_sum.draw(np.random.default_rng(5), 40_000, 1, 3, law)
    reach = largest(3, law)
    counts, total = sample_counts(3, law)
    expected = counts / total * 40_000
    seen = np.bincount(x[:, 0] + reach, minlength=2 * reach + 1)
    assert (seen[counts == 0] == 0).all()
    live = counts > 0
    statistic = ((seen - expected)[live] ** 2 / expected[live]).sum()
    assert statistic < 60  # chi-square with at most 11 degrees of freedom


def test_estimate_agrees_with_enumeration():
    import itertools

    missed = [5 not in all_sums(x) for x in itertools.product([v for v in range(-4, 5) if v], repeat=4)]
    result = subset_sum.estimate(4, 4, 5, trials=20_000, seed=2)
    assert result.low < np.mean(missed) < result.high
    assert result == subset_sum.estimate(4, 4, 5, trials=20_000, seed=2, threads=1)


def test_the_sampler_within_delta_decides_as_brute_force():
    from sims.montecarlo import stream

    missed = subset_sum.sampler(8, 300, 100, delta=5)(stream(1, ("d",)), 300)
    rows = subset_sum.draw(stream(1, ("d",)), 300, 8, 300)
    assert np.array_equal(missed, [not (np.abs(all_sums(row) - 100) <= 5).any() for row in rows])
    assert 0 < missed.sum() < 300
    assert subset_sum.estimate(10, 1000, 3, trials=100, seed=2, delta=5).value == 0.0


def test_large_values_and_zeros():
    values = [2**40, -(2**39), 0, 3, 2**41]
    assert subset_sum.count_subsets(values, 2**39 + 3) == 2
    assert subset_sum.find_subset(values, 2**39 + 3).tolist() == [True, True, False, True, False]
    assert subset_sum.find_subset([], 0).tolist() == [] and subset_sum.find_subset([], 1) is None
    assert subset_sum.count_subsets([0, 0], 0) == 4
    largest = [2**61, 1 - 2**61]  # together one less than what is refused
    assert subset_sum.count_subsets(largest, 1) == subset_sum.count_subsets(largest, 2**61) == 1
    assert subset_sum.find_subset(largest, 1 - 2**61).tolist() == [False, True]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: subset_sum.find_subset([1.0], 1), TypeError, "values must be integers"),
        (lambda: subset_sum.find_subset([1], 1.0), TypeError, "target must be an integer"),
        (lambda: subset_sum.find_subset([1], 1, delta=-1), ValueError, "delta must be"),
        (lambda: subset_sum.explain([1], 1.0), TypeError, "target must be an integer"),
        (lambda: subset_sum.coverage([1], -1), ValueError, "limit must be"),
        (lambda: subset_sum.find_subset([[1]], 1), ValueError, "one-dimensional"),
        (lambda: subset_sum.count_subsets([2**61, 2**61], 1), ValueError, "64-bit"),
        (lambda: subset_sum.count_subsets([10**30], 1), ValueError, "64-bit"),
        (lambda: subset_sum.count_subsets(["a"], 1), TypeError, "values must be integers"),
        *(
            (lambda v=v: subset_sum.count_subsets(np.array([1, v], object), 1), TypeError, "of another type")
            for v in (0.5, True, "1", None)
        ),
        (lambda: subset_sum.estimate(99, 7, 1, 10, 1), ValueError, "n must be at most"),
        (lambda: subset_sum.coverage([2**37], 2**36), ValueError, f"{3 * 2**36} sums, 24 GiB"),
        (lambda: subset_sum.coverage([2**36], 1), ValueError, f"{2**36 + 1} sums, 8 GiB"),
        (lambda: subset_sum.estimate(9, 7, 1, 0, 1), ValueError, "trials must be"),
        (lambda: subset_sum.estimate(9, 2**59, 1, 10, 1), ValueError, "64-bit sums"),
        (lambda: subset_sum.estimate(9, 7, 1, 10, 1, delta=-1), ValueError, "delta must be"),
        (lambda: sampling.every_target_sampler(9, 2**27), ValueError, "n \\* max_value below 2\\*\\*29"),
        (lambda: subset_sum.estimate(9, 7, 1, 10, 1, law="odd"), ValueError, "law must be"),
    ],
)
def test_bad_input_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_every_question_draws_from_a_stream_of_its_own(monkeypatch):
    keys = []
    monkeypatch.setattr(sampling.montecarlo, "probability", lambda *_, **options: keys.append(options["key"]))
    for change in ({}, {"n": 10}, {"max_value": 8}, {"target": 2}, {"law": "uniform"}, {"delta": 1}):
        subset_sum.estimate(**{"n": 9, "max_value": 7, "target": 1, "trials": 10, "seed": 1, **change})
    subset_sum.estimate(9, 7, 1, 10, 1, key=("mine",))
    assert len(set(keys)) == 7 and keys[-1] == ("mine",)


@pytest.mark.parametrize("law", laws.LAWS)
@pytest.mark.parametrize("rare", [False, True])
def test_rows_for_the_command_line(law, rare):
    options = {"replicates": 4} if rare else {}
    table = subset_sum.simulate(9, 5, 3, 400, 1, law, rare=rare, every_target=True, **options)
    rows = {row.quantity: row.theory if row.measured is None else row.measured for row in table}
    assert rows["P(miss), lower bound"] <= rows["P(miss), upper bound"]
    assert table[0].low <= table[0].measured <= table[0].high
    assert table[0].trials == (4 * 400 if rare else 400)
    assert 0.0 <= rows["P(some |t| <= M missed), measured"] <= 1.0
    assert len(subset_sum.simulate(9, 5, 3, 400, 1, law, delta=1)) == (5 if law == "product" else 6)


def test_every_target_sampler_decides_as_coverage_does():
    from sims.montecarlo import stream

    missed = subset_sum.every_target_sampler(7, 9)(stream(1, ("e",)), 200)
    rows = subset_sum.draw(stream(1, ("e",)), 200, 7, 9)
    assert np.array_equal(missed, [not subset_sum.coverage(row, 9).all() for row in rows])


def test_every_target_is_asked_up_to_a_bitset_of_128_mib():
    """2 n M + 128 bits in words of 64, of which there may be 2^24."""
    assert callable(sampling.every_target_sampler(1, 2**29 - 64, limit=0))
    with pytest.raises(ValueError, match=f"below 2\\*\\*29, got {2**29 - 32}$"):
        sampling.every_target_sampler(1, 2**29 - 32, limit=0)


def test_sums_far_apart_are_told_apart():
    found = subset_sum.coverage([1, 99_999], 100_000)
    assert (np.flatnonzero(found) - 100_000).tolist() == [0, 1, 99_999, 100_000]


@pytest.mark.parametrize("delta", [0, 1, 20])
def test_what_is_explained_is_what_is_done(monkeypatch, delta):
    """A plan for as many neighbouring targets as are accepted, for the items that count."""
    from sims.subset_sum import search

    plans, asked = search.plan, []

    def recorded(*arguments):
        asked.append(arguments)
        return plans(*arguments)

    monkeypatch.setattr(search, "plan", recorded)
    values = np.append(np.random.default_rng(1).integers(-(10**6), 10**6, 20), [0, 7])
    done = search.find_subset(values, 12_345, delta=delta)
    assert done is None or abs(values[done].sum() - 12_345) <= delta
    told = search.explain(values, 12_345, delta=delta)
    assert asked == [asked[0]] * 2 and asked[0][-1] == 2 * delta + 1
    assert told == plans(*asked[0])
    search.count_subsets(values, 12_345)
    search.explain(values, 12_345, "count")
    assert asked[2] == asked[3]
