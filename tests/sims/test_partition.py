import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims import partition
from sims.montecarlo import stream
from theory.partition import perfect_partition_probability, window_max_value

items = st.lists(st.integers(-40, 40), min_size=1, max_size=11)


def brute_force(values):
    """Unordered perfect partitions by all signings."""
    n = len(values)
    signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    return int((np.abs(signs @ np.asarray(values)) == sum(values) % 2).sum()) // 2


def test_golden_case():
    values = [2, 10, 3, 8, 5, 7, 9, 5, 3, 2]
    assert partition.count_perfect_partitions(values) == 23 == brute_force(values)


@given(items)
def test_count_equals_brute_force(values):
    assert partition.count_perfect_partitions(values) == brute_force(values)


@given(items, st.randoms(use_true_random=False))
def test_count_is_symmetric_under_signs_and_order(values, random):
    changed = [v * random.choice((-1, 1)) for v in values]
    random.shuffle(changed)
    assert partition.count_perfect_partitions(changed) == partition.count_perfect_partitions(values)


@given(items)
def test_a_partition_is_found_exactly_when_there_is_one(values):
    mask = partition.find_perfect_partition(values)
    x = np.asarray(values)
    if mask is None:
        assert brute_force(values) == 0
    else:
        assert abs(x[mask].sum() - x[~mask].sum()) == x.sum() % 2


@pytest.mark.parametrize(("n", "max_value"), [(1, 3), (2, 9), (9, 200), (12, 2000)])
def test_rows_are_decided_as_brute_force_decides_them(n, max_value):
    rows = np.random.default_rng(n).integers(1, max_value + 1, size=(150, n))
    assert np.array_equal(partition.perfect_rows(rows), [brute_force(row) > 0 for row in rows])


def big_integer_verdict(row):
    reachable = 1
    for value in row.tolist():
        reachable |= reachable << value
    return bool(reachable >> (int(row.sum()) // 2) & 1)


@pytest.mark.parametrize("n", [18, 20])
def test_rows_at_the_threshold_agree_with_a_big_integer_bitset(n):
    rows = np.random.default_rng(7).integers(1, round(2 ** (n - np.log2(n) / 2)) + 1, size=(40, n))
    verdicts = partition.perfect_rows(rows)
    assert np.array_equal(verdicts, [big_integer_verdict(row) for row in rows])
    assert 0 < verdicts.sum() < 40


@pytest.mark.parametrize("n", [25, 28, 31])
def test_long_rows_are_decided_as_their_solutions_are_counted(n):
    """By sorted halves, which share nothing with the search; longer halves lie on the right there."""
    rows = np.random.default_rng(n).integers(1, window_max_value(n, 0.0) + 1, size=(40, n))
    verdicts = partition.perfect_rows(rows)
    assert np.array_equal(verdicts, partition.count_rows(rows) > 0)
    assert 5 < verdicts.sum() < 35


def test_estimate_covers_the_corrected_law_and_repeats():
    result = partition.estimate(14, 2**12, trials=20_000, seed=3, threads=1)
    assert result.low < perfect_partition_probability(14, 2**12, form="corrected") < result.high
    assert result == partition.estimate(14, 2**12, trials=20_000, seed=3, threads=2)


def test_plain_python_gives_the_same_verdicts(outputs):
    code = (
        "import numpy as np; from sims.partition import perfect_rows\n"
        "rows = np.random.default_rng(0).integers(1, 700, size=(60, 12))\n"
        "print(''.join(str(int(v)) for v in perfect_rows(rows)))"
    )
    plain, compiled = outputs(code)
    assert plain == compiled and "0" in plain and "1" in plain


def test_discrepancies_equal_brute_force():
    rng = np.random.default_rng(4)
    for n in (1, 2, 3, 9):
        rows = rng.integers(1, 300, size=(80, n))
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        discrepancies = np.abs(rows @ signs.T)
        assert np.array_equal(partition.smallest_discrepancy_rows(rows), discrepancies.min(axis=1))
        perfect = (discrepancies == rows.sum(axis=1, keepdims=True) % 2).sum(axis=1) // 2
        assert np.array_equal(partition.count_rows(rows), perfect)
        for limit in (0, 1, 17, 40):
            within = (discrepancies <= limit).sum(axis=1) // 2
            assert np.array_equal(partition.count_within_rows(rows, limit), within)
        assert (partition.differencing_rows(rows) >= discrepancies.min(axis=1)).all()
    assert partition.smallest_discrepancy([-8, 7, 6, -5, 4]) == 0
    with pytest.raises(ValueError, match="at least one"):
        partition.smallest_discrepancy([])
    with pytest.raises(ValueError, match="at most 48"):
        partition.count_rows(np.ones((1, 60), np.int64))


def test_48_items_are_the_most_of_sorted_halves():
    """The sums of such halves take seconds: what stands here for the kernel only counts the items."""

    def counted(rows, out):
        out[:] = rows.shape[1]

    assert partition._by_halves(counted, np.ones((2, 48), np.int64)).tolist() == [48, 48]
    with pytest.raises(ValueError, match="at most 48 items, got 49"):
        partition._by_halves(counted, np.ones((2, 49), np.int64))


def test_rows_are_lists_or_numbers_of_any_type():
    """100 + 27 = 90 + 37, and 100 + 3 = 100 + 1 + 2: sums beyond what eight bits hold."""
    rows = np.array([[100, 27, 90, 37], [100, 100, 3, 1]], np.int8)
    for some in (rows, rows.tolist(), np.asfortranarray(rows)):
        assert partition.perfect_rows(some).tolist() == [True, False]
        assert partition.count_rows(some).tolist() == [1, 0]
        assert partition.smallest_discrepancy_rows(some).tolist() == [0, 2]
        assert partition.differencing_rows(some).tolist() == [0, 2]


def test_differencing_follows_the_textbook():
    """8, 7, 6, 5, 4 -> 6, 5, 4, 1 -> 4, 1, 1 -> 3, 1 -> 2."""
    assert partition.differencing_rows(np.array([[8, 7, 6, 5, 4], [1, 1, 1, 1, 1]])).tolist() == [2, 1]


def test_verdicts_agree_with_cp_sat_around_the_threshold():
    """200 random instances; a general MIP solver would err by its tolerance and is no oracle."""
    cp_model = pytest.importorskip("ortools.sat.python.cp_model", reason="needs the extra [oracles]")
    rng = np.random.default_rng(11)
    for n, size, count in ((10, 400, 100), (12, 1500, 100)):
        rows = rng.integers(1, size + 1, size=(count, n))
        verdicts = partition.perfect_rows(rows)
        assert 0 < verdicts.sum() < count
        for row, verdict in zip(rows.tolist(), verdicts, strict=True):
            model = cp_model.CpModel()
            inside = [model.new_bool_var(str(i)) for i in range(n)]
            model.add(sum(v * x for v, x in zip(row, inside, strict=True)) == sum(row) // 2)
            solver = cp_model.CpSolver()
            solver.parameters.num_workers = 1
            assert (solver.solve(model) == cp_model.OPTIMAL) == verdict


def test_rows_for_the_command_line():
    table = partition.simulate(12, 700, trials=500, seed=1)
    assert table[0].low < table[0].measured < table[0].high
    assert table[0].trials == 500
    assert all(row.theory is not None and row.source and row.measured is None for row in table[1:])


def test_44_items_are_the_most_of_a_simulation():
    """So many ones fall into halves that differ by nothing, or by one; one item more is refused below."""
    for n in (43, 44):
        measured, *laws = partition.simulate(n, 1, 5, 1)
        assert partition.estimate(n, 1, 5, 1).value == measured.measured == 1.0
        (mean,) = [row.theory for row in laws if row.quantity == "E perfect | even, exact"]
        assert mean == math.comb(44, 22) // 2 if n == 44 else math.isnan(mean)  # no total is even


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: partition.count_perfect_partitions([]), ValueError, "at least one"),
        (lambda: partition.count_perfect_partitions([1.5]), TypeError, "must be integers"),
        (lambda: partition.count_perfect_partitions([[1]]), ValueError, "one-dimensional"),
        (lambda: partition.count_perfect_partitions([2**62, 1]), ValueError, "64-bit"),
        (lambda: partition.count_perfect_partitions([True, False]), TypeError, "must be integers"),
        (lambda: partition.estimate(45, 10, 1, 1), ValueError, "at most 44"),
        (lambda: partition.estimate(0, 10, 1, 1), ValueError, "n must be"),
        (lambda: partition.estimate(10, 0, 1, 1), ValueError, "max_value must be"),
        (lambda: partition.estimate(10, 1.5, 1, 1), TypeError, "max_value must be"),
        (lambda: partition.estimate(10, 2**61, 1, 1), ValueError, "64-bit"),
        (lambda: partition.estimate(10, 10, -1, 1), ValueError, "trials must be"),
    ],
)
def test_bad_input_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_sampler_draws_one_to_the_largest_value_and_decides_as_brute_force():
    for n, top in ((5, 3), (4, 1), (6, 9)):
        rows = np.random.default_rng(n).integers(1, top + 1, size=(200, n))
        verdicts = partition.sampler(n, top)(np.random.default_rng(n), 200)
        assert verdicts.tolist() == [brute_force(row) > 0 for row in rows]


def test_sums_that_would_leave_64_bits_are_refused_from_the_first_on():
    partition.sampler(4, 2**60 - 1)
    with pytest.raises(ValueError, match="64-bit"):
        partition.sampler(4, 2**60)


def test_the_price_of_one_item_too_many():
    """45 items: the first stays, 22 of 44 are on the left, 2^25 bits for every layer of their sums but 7."""
    mebibytes = 8 * (22 - 7 + 3) * (2 * 2**19 - 1) / 2**20
    with pytest.raises(ValueError, match=f"got 45: about .* and {mebibytes:.0f} MiB a decision"):
        partition.sampler(45, 1000)


def test_every_law_stands_under_its_name():
    n, top = 6, 3
    draws = list(itertools.product(range(1, top + 1), repeat=n))
    counts = [brute_force(x) for x in draws]
    balanced = [c if sum(x) % 2 == 0 else 0 for x, c in zip(draws, counts, strict=True)]
    square = sum(v * v for v in range(1, top + 1)) / top
    mu = 2**n / math.sqrt(2 * math.pi * n * square)
    rows = {row.quantity: row.theory for row in partition.law_rows(n, top)}
    even = [c for x, c in zip(draws, counts, strict=True) if sum(x) % 2 == 0]
    assert rows["E perfect | even, exact"] == pytest.approx(np.mean(even), rel=1e-12)
    assert rows["E perfect | even, limit"] == pytest.approx(mu, rel=1e-12)
    limit = 1 - (math.exp(-mu) + math.exp(-2 * mu)) / 2
    assert rows["P(perfect), limit law"] == pytest.approx(limit, rel=1e-9)
    balance = np.mean([c > 0 for c in balanced])
    lower, upper = rows["P(discrepancy 0), Cauchy-Schwarz"], rows["P(discrepancy 0), Markov"]
    assert lower < balance < upper
    assert rows["critical bits"] == pytest.approx(n - math.log2(n) / 2, rel=1e-12)
    assert rows["window position lambda"] == pytest.approx(math.log2(top) - n + math.log2(n) / 2, rel=1e-9)
    assert rows["mean smallest discrepancy, above the threshold"] == pytest.approx(1 / mu, rel=1e-9)
    corrected = rows["P(perfect), corrected law"]
    large = {row.quantity: row.theory for row in partition.law_rows(14, 2**12)}
    measured = partition.estimate(14, 2**12, trials=4000, seed=1)
    assert measured.low < large["P(perfect), corrected law"] < measured.high
    assert corrected != rows["P(perfect), limit law"]


def test_every_setting_draws_from_streams_of_its_own(monkeypatch):
    names = []

    def recorded(seed, key=(), block=0):
        names.append((seed, tuple(key), block))
        return stream(seed, key, block)

    monkeypatch.setattr("sims.montecarlo.estimate.stream", recorded)
    for n, max_value, seed in ((5, 9, 0), (6, 9, 0), (5, 8, 0), (5, 9, 1)):
        partition.estimate(n, max_value, trials=3, seed=seed)
    assert len(set(names)) == 4
