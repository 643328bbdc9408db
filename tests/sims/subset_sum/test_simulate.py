"""Rows of a simulated subset sum against enumeration, and the edges of its samplers."""

import itertools

import numpy as np
import pytest

from sims import subset_sum
from sims.montecarlo import stream
from sims.subset_sum import rare
from sims.subset_sum.algorithms import _prime_from, missed_rows, search_rows
from sims.subset_sum.simulate import law_rows, stated_accuracy
from theory.subset_sum import exact_miss_probability, lemma4_failure, miss_probability

N, M, TARGET = 4, 2, 3


def samples(law):
    grid = [v for v in range(-M, M + 1) if v or law == "uniform"]
    return [a * b for a in grid for b in grid] if law == "product" else grid


def outcomes(law):
    """Sums of all subsets, for every list of samples: (lists, 2^N)."""
    x = np.array(list(itertools.product(samples(law), repeat=N)))
    return x, x @ ((np.arange(2**N) >> np.arange(N)[:, None]) & 1)


def test_every_interval_is_at_the_level_asked_for():
    from scipy.stats import binomtest

    for level, asked in ((0.5, {"level": 0.5}), (0.9, {"level": 0.9}), (0.99, {})):
        table = subset_sum.simulate(N, M, TARGET, 500, 2, every_target=True, **asked)
        rows = [row for row in table if row.measured is not None]
        assert [row.quantity for row in rows] == ["P(miss), measured", "P(some |t| <= M missed), measured"]
        for row in rows:
            exact = binomtest(round(500 * row.measured), 500).proportion_ci(level, "exact")
            assert (row.low, row.high) == pytest.approx((exact.low, exact.high), rel=1e-9)


@pytest.mark.parametrize("law", ["nonzero", "uniform", "product"])
@pytest.mark.parametrize("delta", [0, 1])
def test_every_row_is_what_its_name_says(law, delta):
    x, sums = outcomes(law)
    missed = (np.abs(sums - TARGET) > delta).all(axis=1).mean()
    table = subset_sum.simulate(N, M, TARGET, 3000, 2, law, delta=delta, every_target=not delta)
    rows = {row.quantity: row for row in table}
    measured = rows["P(miss), measured"]
    assert measured.low < missed < measured.high
    window = "window position n - log2 M" + ("^2" if law == "product" else "")
    assert rows[window].theory == N - np.log2(max(samples(law)))  # the largest of them
    for form in ("saddlepoint",) if law == "product" else ("cox", "saddlepoint"):
        expected = miss_probability(N, M, TARGET, law, form, delta)
        assert rows[f"P(miss), {form} law"].theory == expected
    if delta:
        assert rows["P(miss), best law"].theory == miss_probability(N, M, TARGET, law, delta=delta)
        return
    assert rows["P(miss), best law"].theory == pytest.approx(missed, rel=1e-12)
    assert rows["P(miss), best law"].source == "exact"
    lower, upper = rows["P(miss), lower bound"].theory, rows["P(miss), upper bound"].theory
    assert 0 < lower <= missed * (1 + 1e-12) and missed <= upper * (1 + 1e-12) < 1.01 and lower < upper
    assert rows["P(no sample equals the target)"].theory == pytest.approx((x != TARGET).all(axis=1).mean())
    assert rows["E solutions"].theory == pytest.approx((sums == TARGET).sum(axis=1).mean())
    # of two signs, of 5 values of which 3 are not on the wrong side, of even products
    rate = {"nonzero": 1 / 2, "uniform": 3 / 5, "product": 3 / 4}[law]
    assert rows["failure exponent, bits per sample"].theory == pytest.approx(-np.log2(rate))
    if law == "nonzero":
        assert rows["P(miss), Lemma 4"].theory == lemma4_failure(N, M, TARGET) != lemma4_failure(N, M, 1)
    some = [not set(range(-M, M + 1)) <= set(row) for row in sums.tolist()]
    every = rows["P(some |t| <= M missed), measured"]
    assert every.low < np.mean(some) < every.high
    if law != "product":
        other = "uniform" if law == "nonzero" else "nonzero"
        names = subset_sum.simulate(N, M, TARGET, 10, 2, other, every_target=True)[-1]
        assert rows["P(some |t| <= M missed), Cox law"].theory != names.theory


@pytest.mark.parametrize("law", ["nonzero", "uniform", "product"])
def test_no_sample_equals_a_target_that_one_may_equal(law):
    x, _ = outcomes(law)
    rows = {row.quantity: row for row in law_rows(N, M, 2, law)}
    assert rows["P(no sample equals the target)"].theory == pytest.approx((x != 2).all(axis=1).mean())


SETTINGS = {
    "n": (5, 6),
    "max_value": (4, 5),
    "target": (2, 3),
    "law": ("nonzero", "uniform"),
    "delta": (0, 1),
}


@pytest.mark.parametrize("runs", ["estimate", "estimate_rare", "estimate_poisson"])
def test_every_setting_draws_from_streams_of_its_own(runs, monkeypatch):
    """Cells of a sweep share a seed: a common stream would make their errors one error."""
    names = []

    def recorded(seed, key=(), block=0):
        names.append((seed, tuple(map(str, key)), block))
        return stream(seed, key, block)

    monkeypatch.setattr("sims.montecarlo.estimate.stream", recorded)
    monkeypatch.setattr("sims.subset_sum.rare.stream", recorded)
    run = subset_sum.estimate if runs == "estimate" else getattr(rare, runs)
    few = {"particles": 4, "replicates": 2} if runs == "estimate_rare" else {"trials": 3}
    first = {name: values[0] for name, values in SETTINGS.items()}
    for change in ({}, *({name: values[1]} for name, values in SETTINGS.items()), {"seed": 1}):
        run(**{**first, "seed": 0, **change}, **few)
    assert len(names) == len(set(names)) == 7 * few.get("replicates", 1)


def test_splitting_stands_in_the_row_with_all_its_trials():
    (first, *_) = subset_sum.simulate(8, 5, 4, 100, 3, "uniform", delta=1, rare=True, replicates=4)
    found = rare.estimate_rare(8, 5, 4, 3, "uniform", 1, particles=100, replicates=4)
    assert (first.measured, first.low, first.high) == (found.values[8], found.low[8], found.high[8])
    assert first.trials == 400


@pytest.mark.parametrize("delta", [0, 1, 4, 8, 9, 20])
def test_rows_are_missed_as_all_their_sums_say(delta):
    """Narrow windows by the modular search, wide ones by sorted halves."""
    rows = np.random.default_rng(delta).integers(-60, 61, (60, 5))
    masks = (np.arange(32) >> np.arange(5)[:, None]) & 1
    for target in (17, -40, 95):
        expected = (np.abs(rows @ masks - target) > delta).all(axis=1)
        assert missed_rows(rows, target, delta, 8.0).tolist() == expected.tolist()
        assert 0 < expected.sum() < 60 or delta == 20


@pytest.mark.parametrize("delta", [1, 8, 9, 20])
def test_both_ends_of_the_window_count(delta):
    """A row whose one sum beside 0 is an end of the window, and a row that is one short of it."""
    rows = np.array([[100 + d, 1000] for d in (delta, delta + 1, -delta, -delta - 1)])
    assert missed_rows(rows, 100, delta, 8.0).tolist() == [False, True, False, True]


def test_no_items_make_the_sum_zero():
    targets = np.array([-3, -2, -1, 0, 1])
    assert search_rows(np.empty((5, 0)), targets, 2).tolist() == [-1, 0, 0, 0, -1]


def test_the_edges_of_the_samplers():
    rng = np.random.default_rng(0)
    assert not subset_sum.sampler(4, 9, 3, delta=3)(rng, 50).any()
    assert subset_sum.sampler(1, 1, 1)(rng, 50).any()
    subset_sum.sampler(1, 2**61, 2**61 - 1)
    with pytest.raises(ValueError, match="64-bit"):
        subset_sum.sampler(1, 2**61, 2**61)
    with pytest.raises(ValueError, match="limit must be an integer >= 0"):
        subset_sum.every_target_sampler(5, 3, limit=-1)
    for limit in (None, 0, 1, 12):
        missed = subset_sum.every_target_sampler(5, 3, limit=limit)(stream(2, ("edge",)), 120)
        rows = subset_sum.draw(stream(2, ("edge",)), 120, 5, 3)
        sums = rows @ ((np.arange(32) >> np.arange(5)[:, None]) & 1)
        wanted = set(range(-(3 if limit is None else limit), (3 if limit is None else limit) + 1))
        assert missed.tolist() == [not wanted <= set(row) for row in sums.tolist()]


def test_primes():
    for least in range(2, 200):
        primes = [p for p in range(least, 2 * least + 1) if all(p % q for q in range(2, p))]
        assert _prime_from(least) == primes[0]


def test_what_is_said_of_an_accuracy():
    """The empty set reaches every target within delta: all forms are exact there."""
    assert stated_accuracy("cox", 20, 3, 2, delta=2) == stated_accuracy("exact", 20, 3, 1) == "exact"
    assert stated_accuracy("cox", 20, 3, 3, delta=2) != "exact"


@pytest.mark.parametrize(("n", "max_value", "target"), [(10, 3, 1), (12, 7, 1), (12, 7, 5), (20, 7, 3)])
def test_the_factor_that_is_stated_holds_the_exact_law(n, max_value, target):
    exact = exact_miss_probability(n, max_value, target)
    for form in ("cox", "saddlepoint"):
        words = stated_accuracy(form, n, max_value, target)
        factor = float(words.removeprefix("within a factor of ").removesuffix(", as measured"))
        assert factor > 1
        assert 1 / factor < miss_probability(n, max_value, target, "nonzero", form) / exact < factor


def test_the_lemma_stands_from_two_samples_on():
    for n in (1, 2, 3):
        names = [row.quantity for row in law_rows(n, 5, 2)]
        assert ("P(miss), Lemma 4" in names) == (n > 1)
    for law in ("product", "uniform"):  # it is about samples that are never zero
        assert "P(miss), Lemma 4" not in [row.quantity for row in law_rows(3, 5, 2, law)]


@pytest.mark.parametrize(("cell", "forms"), [
    ((12, 1023, 1), ["best", "cox"]), ((5, 3, 1), ["best", "cox"]), ((20, 127, 1), ["cox"]),
    ((12, 1023, 1, "product"), []),
])  # fmt: skip
def test_a_slider_waits_for_no_saddlepoint_and_no_bound(cell, forms):
    quick, rows = law_rows(*cell, quick=True), law_rows(*cell)
    laws, others = [f"P(miss), {form} law" for form in forms], rows[-2:]
    assert [row.quantity for row in quick] == [*laws, *(row.quantity for row in others)]
    assert all(row in rows for row in quick) and len(rows) > len(quick) + 5
    assert rows[0].quantity == "P(miss), best law"


def test_a_limit_below_zero_is_one_sentence_and_none_is_fine():
    from sims.subset_sum.search import coverage

    with pytest.raises(ValueError, match="limit must be an integer >= 0, got -1"):
        coverage([1, 2], -1)
    assert coverage([1, 2], 0).tolist() == [True]


def test_rows_of_no_items_reach_what_the_empty_set_does():
    """targets <= 0 <= targets + width."""
    targets = np.array([-3, -2, -1, 0, 1])
    assert search_rows(np.zeros((5, 0), int), targets, width=2).tolist() == [-1, 0, 0, 0, -1]


def test_the_largest_questions_to_draw():
    """44 samples, and sums below 2^62."""
    from sims.subset_sum.sampling import sampler

    assert callable(sampler(44, 7, 3)) and callable(sampler(2, 2**60, 2**61 - 2, delta=1))
    with pytest.raises(ValueError, match="n must be at most 44 for Monte Carlo"):
        sampler(45, 7, 3)
    for target, delta in ((2**61, 0), (2**61 - 2, 2)):
        with pytest.raises(ValueError, match="must stay below 2"):
            sampler(2, 2**60, target, delta=delta)
    assert sampler(2, 3, -2, delta=2)(stream(0, ("x",)), 5).tolist() == [False] * 5


def test_the_accuracy_of_a_window_is_that_of_its_width():
    """255 sums wide, a target on a grid of 1023 is one of four: tens of per cent, and the Cox law's range."""
    assert stated_accuracy("cox", 12, 1023, 500) == "about 1 % for M >= 1000, 5 % for M >= 100"
    assert stated_accuracy("cox", 5, 1023, 500, delta=127) == "tens of per cent"
    assert stated_accuracy("cox", 12, 1023, 500, delta=127) == "outside its range: use the saddlepoint law"
