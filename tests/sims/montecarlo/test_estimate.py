"""Results are the same bits however they are computed, and stop honestly."""

import json
import math
import statistics
import threading

import numpy as np
import pytest

from sims import montecarlo
from sims.montecarlo.intervals import BernoulliSequence, BoundedSequence
from sims.montecarlo.store import Moments
from sims.support.files import sealed, unsealed


def uniforms(rng, count):
    return rng.random(count)


def transposed(rng, count):
    return rng.random((2, count))


def rare(rng, count):
    return rng.random(count) < 0.01


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(threads):
    one = montecarlo.mean(uniforms, 50_001, bounds=(0, 1), seed=3, key=("t",), block=1000, threads=1)
    many = montecarlo.mean(uniforms, 50_001, bounds=(0, 1), seed=3, key=("t",), block=1000, threads=threads)
    assert one == many
    stopped = [
        montecarlo.mean(uniforms, 50_001, bounds=(0, 1), seed=3, width=0.05, block=500, threads=t)
        for t in (1, threads)
    ]
    assert stopped[0] == stopped[1]
    assert stopped[0].trials < 50_001


def test_streams_differ_by_seed_key_and_block():
    draws = {
        montecarlo.stream(seed, key, block).integers(2**62)
        for seed in (0, 1)
        for key in ((), ("a",), ("a", "b"), ("ab",), ("a", 1))
        for block in (0, 1)
    }
    assert len(draws) == 20


def test_known_answer():
    # Pins the stream layout: changing it silently would change every published number.
    assert montecarlo.stream(0, ("known",)).integers(10**6, size=3).tolist() == KNOWN


KNOWN = [980502, 248276, 734817]


class Interrupted(Exception):
    pass


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path):
    store = tmp_path / "run.json"
    calls = []

    def fragile(rng, count):
        calls.append(count)
        if len(calls) == 6:
            raise Interrupted
        return uniforms(rng, count)

    options = {"bounds": (0, 1), "seed": 5, "key": ("r",), "block": 100, "threads": 1}
    with pytest.raises(Interrupted):
        montecarlo.mean(fragile, 1050, **options, store=store)
    resumed = montecarlo.mean(fragile, 1050, **options, store=store)
    assert len(calls) == 6 + 6  # the five finished blocks were not drawn again
    assert resumed == montecarlo.mean(uniforms, 1050, **options)
    longer = montecarlo.mean(uniforms, 2000, **options, store=store)
    assert longer == montecarlo.mean(uniforms, 2000, **options)
    shorter = montecarlo.mean(
        uniforms, 1950, **options, store=store
    )  # the last block is a part of what is kept
    assert shorter == montecarlo.mean(uniforms, 1950, **options) and shorter.trials == 1950


@pytest.mark.parametrize("value", [False, True])
def test_blocks_in_which_always_the_same_happened_are_resumed(tmp_path, value):
    options = {"seed": 1, "key": ("c",), "block": 100, "store": tmp_path / "run.json"}
    seen = []
    for _ in range(2):
        found = montecarlo.probability(lambda _, n: seen.append(n) or np.full(n, value), 300, **options)
        assert found.value == value
    assert seen == [100] * 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"identity": {}, "blocks": {}}', "\x00\x01"])
def test_a_corrupt_or_foreign_store_is_reported_and_recomputed(tmp_path, content):
    store = tmp_path / "run.json"
    store.write_text(content)
    with pytest.warns(UserWarning, match="cannot be resumed"):
        again = montecarlo.probability(rare, 3000, seed=1, key=("c",), block=1000, store=store)
    assert again == montecarlo.probability(rare, 3000, seed=1, key=("c",), block=1000)
    assert json.loads(store.read_text())["identity"]["seed"] == 1


def test_every_flipped_bit_of_a_stored_run_is_noticed(tmp_path):
    """A mean that was damaged on the disk is still a mean: only a checksum tells."""
    store = tmp_path / "run.json"
    options = {"seed": 1, "key": ("c",), "block": 1000, "store": store}
    first = montecarlo.probability(rare, 2000, **options)
    whole = store.read_bytes()
    for i in range(0, 8 * len(whole), 3):
        data = bytearray(whole)
        data[i // 8] ^= 1 << i % 8
        store.write_bytes(data)
        with pytest.warns(UserWarning, match="cannot be resumed and is computed anew"):
            assert montecarlo.probability(rare, 2000, **options) == first
    assert store.read_bytes() == whole


FOREIGN = {
    "another estimator": lambda store: montecarlo.probability(rare, 3000, seed=1, key=("f",), store=store),
    "other bounds": lambda store: montecarlo.mean(
        uniforms, 3000, bounds=(0, 2), seed=1, key=("f",), store=store
    ),
    **{
        f"another {name}": lambda store, change={name: value}: montecarlo.mean(
            uniforms, 3000, **{"bounds": (0, 1), "seed": 1, "key": ("f",), **change}, store=store
        )
        for name, value in {"block": 1000, "seed": 2, "key": ("g",)}.items()
    },
    "more columns": lambda store: montecarlo.means(
        lambda r, n: r.random((n, 2)), 3000, bounds=[(0, 1)] * 2, seed=1, key=("f",), store=store
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_store_of_another_run_is_never_taken_over(tmp_path, case):
    store = tmp_path / "run.json"
    montecarlo.mean(uniforms, 3000, bounds=(0, 1), seed=1, key=("f",), store=store)
    with pytest.warns(UserWarning, match="another run"):
        found = FOREIGN[case](store)
    assert found == FOREIGN[case](None)


@pytest.mark.parametrize(("place", "moments"), [
    (1, [math.nan]), (1, [7.0]), (1, [-0.5]), (1, [0.5, 0.5]),
    (2, [math.nan]), (2, [math.inf]), (2, [-1.0]), (2, []),
])  # fmt: skip
def test_impossible_moments_in_a_store_are_computed_anew(tmp_path, place, moments):
    store = tmp_path / "run.json"
    whole = montecarlo.mean(uniforms, 3000, bounds=(0, 1), seed=1, key=("f",), store=store)
    stored = unsealed(store.read_text())
    stored["blocks"]["0"][place] = moments  # means, then sums of squared deviations
    store.write_text(sealed(stored))
    with pytest.warns(UserWarning, match="impossible moments"):
        assert montecarlo.mean(uniforms, 3000, bounds=(0, 1), seed=1, key=("f",), store=store) == whole


def test_a_last_block_that_has_grown_is_kept_as_it_is(tmp_path):
    drawn = []

    def sample(rng, count):
        drawn.append(count)
        return uniforms(rng, count)

    options = {"bounds": (0, 1), "seed": 1, "key": ("f",), "block": 100, "store": tmp_path / "run.json"}
    runs = [montecarlo.mean(sample, trials, threads=1, **options) for trials in (150, 200, 200)]
    assert drawn == [100, 50, 100] and runs[1] == runs[2]


def test_a_store_that_cannot_be_written_is_noticed_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")

    def never(rng, count):
        raise AssertionError("sampled before the store was tried")

    with pytest.raises(OSError, match="file"):
        montecarlo.mean(never, 10, bounds=(0, 1), seed=1, key=("f",), store=tmp_path / "file" / "run.json")


def test_an_enormous_run_that_stops_early_costs_only_what_it_runs():
    estimate = montecarlo.probability(rare, 10**15, seed=2, width=0.5)
    assert estimate.trials == montecarlo.BLOCK


@pytest.mark.parametrize("kind", ["probability", "mean"])
def test_the_interval_after_an_early_stop_is_the_confidence_sequence(kind):
    """Not the fixed-sample interval: that one is not valid at a time the data chose."""
    if kind == "probability":
        estimate = montecarlo.probability(rare, 10**6, seed=2, width=0.02, block=100)
        sequence, sample = BernoulliSequence(0.99), rare
    else:
        estimate = montecarlo.mean(uniforms, 10**6, bounds=(-1, 3), seed=2, width=0.5, block=100)
        sequence, sample = BoundedSequence(0.99, -1.0, 3.0), uniforms
    for index in range(estimate.trials // 100):
        values = sample(montecarlo.stream(2, (), index), 100).astype(float)
        sequence.update(100, float(values.sum()), float(((values - values.mean()) ** 2).sum()))
    assert (estimate.low, estimate.high) == pytest.approx(sequence.interval(), rel=1e-12)


def test_early_stopping_is_anytime_valid_and_says_so():
    estimate = montecarlo.probability(rare, 10**6, seed=2, width=0.01)
    assert estimate.sequential
    assert estimate.trials < 10**6
    assert estimate.high - estimate.low <= 0.01
    assert estimate.low < 0.01 < estimate.high
    sequence = BernoulliSequence(0.99, estimate.successes, estimate.trials - estimate.successes)
    assert estimate.p_values(0.02) == sequence.p_values(0.02) != (1.0, 1.0)


@pytest.mark.parametrize("width", [None, 0.5])
def test_a_mean_that_could_stop_has_no_p_values_of_a_fixed_length(width):
    """Whether it did stop or not: the number of trials was the data's to choose."""
    for trials in (300, 10**6 if width else 400):
        both = montecarlo.means(
            lambda rng, count: rng.random((count, 2)),
            trials,
            bounds=[(0, 1)] * 2,
            seed=2,
            width=width,
            block=100,
        )
        for estimate in both:
            assert estimate.sequential is estimate.as_dict()["sequential"] is (width is not None)
            if width is None:
                assert estimate.p_values(0.1)[0] < 0.01
            else:
                with pytest.raises(ValueError, match="need a run of fixed length"):
                    estimate.p_values(0.1)


@pytest.mark.parametrize("level", [0.8, 0.99])
def test_events_of_the_same_trials_have_exact_intervals(level):
    def sample(rng, count):
        u = rng.random(count)
        return np.stack([u < 0.3, u < 0.7], axis=1)

    options = {"seed": 4, "key": ("k",), "level": level}
    both = montecarlo.probabilities(sample, 9000, events=2, **options)
    alone = [
        montecarlo.probability(lambda rng, n, p=p: rng.random(n) < p, 9000, **options) for p in (0.3, 0.7)
    ]
    for found, one in zip(both, alone, strict=True):
        assert (found.value, found.low, found.high, found.successes) == (
            one.value,
            one.low,
            one.high,
            one.successes,
        )
        assert found.p_values(0.5) == one.p_values(0.5)
    with pytest.raises(ValueError, match=r"booleans \(9, 3\), the sample returned bool \(9, 2\)"):
        montecarlo.probabilities(sample, 9, events=3, seed=0)


def test_means_of_one_run_share_their_trials():
    def both(rng, count):
        x = rng.random(count)
        return np.stack([x, 1 - x], axis=1)

    first, second = montecarlo.means(both, 10_000, bounds=[(0, 1), (0, 1)], seed=1)
    assert first.value + second.value == pytest.approx(1.0, abs=1e-12)
    assert first.value == pytest.approx(montecarlo.mean(uniforms, 10_000, bounds=(0, 1), seed=1).value)


@pytest.mark.parametrize("trials", [2, 7])
def test_the_standard_error_is_that_of_the_sample_mean(trials):
    found = montecarlo.mean(uniforms, trials, bounds=(0, 1), seed=1)
    values = uniforms(montecarlo.stream(1), trials).tolist()
    assert found.standard_error == pytest.approx(statistics.stdev(values) / trials**0.5, rel=1e-12)


def test_a_width_that_is_met_exactly_is_met():
    """One trial excludes nothing: the interval is the range, and no more was asked for."""
    assert montecarlo.mean(uniforms, 50, bounds=(0, 1), seed=1, block=1, width=1.0).trials == 1


def test_interval_and_p_values_of_a_mean_do_not_depend_on_where_its_range_begins():
    near, far = (
        montecarlo.mean(lambda r, n, a=a: 4 * r.random(n) + a, 500, bounds=(a, a + 4), seed=1)
        for a in (0, -3)
    )
    for bound in (1.0, 1.9, 2.5):
        assert far.p_values(bound - 3) == pytest.approx(near.p_values(bound))
    assert min(near.p_values(1.0)) < 1e-3
    assert (far.low + 3, far.high + 3) == pytest.approx(
        (near.low, near.high)
    ) and 0 < near.low < near.high < 4


@pytest.mark.parametrize("trials", [1, 12])
def test_an_interval_of_few_trials_ends_at_the_bounds(trials):
    found = montecarlo.mean(lambda r, n: 3 * r.random(n) - 1, trials, bounds=(-1, 2), seed=1)
    assert (found.low, found.high) == (-1.0, 2.0)


def test_merging_moments_is_exact_enough():
    values = np.random.default_rng(0).normal(1e6, 1.0, size=(10_000, 2))
    merged = Moments(0, (), ())
    for part in np.array_split(values, 7):
        merged = merged.merge(Moments.of(part))
    assert merged.mean == pytest.approx(tuple(values.mean(axis=0)), rel=1e-14)
    assert np.array(merged.deviations) / 9_999 == pytest.approx(values.var(axis=0, ddof=1), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: montecarlo.probability(rare, 0, seed=1),
            "trials must be an integer from 1 to 9007199254740992, got 0",
        ),
        (
            lambda: montecarlo.probability(rare, 2.5, seed=1),
            "trials must be an integer from 1 to 9007199254740992, got 2.5",
        ),
        (lambda: montecarlo.probability(rare, 10, seed=1, level=1.0), "level must lie strictly between"),
        (lambda: montecarlo.probability(rare, 10, seed=1, width=0.0), "width must be positive"),
        (lambda: montecarlo.probability(rare, 10, seed=1.5), "seed must be an integer >= 0, got 1.5"),
        (
            lambda: montecarlo.probability(rare, 10, seed=1, block=0),
            "block must be an integer >= 1, got 0",
        ),
        (
            lambda: montecarlo.means(transposed, 10, bounds=[(0, 1)] * 2, seed=1),
            r"must be real of shape \(10, 2\)",
        ),
        (lambda: montecarlo.mean(uniforms, 10, bounds=(0, 1), seed=1, store="x"), "needs a key that names"),
        (lambda: montecarlo.probability(uniforms, 10, seed=1), "needs booleans"),
        (lambda: montecarlo.mean(uniforms, 10, bounds=(0, 0.1), seed=1), "outside its stated bounds"),
        (
            lambda: montecarlo.means(
                lambda rng, n: np.tile([[-3.0, 0], [2, 0]], (n // 2, 1)),
                10,
                bounds=[(-3, 1.5), (0, 1)],
                seed=1,
            ),
            r"bounds \[-3\.0, 1\.5\]: saw -3\.0 to 2\.0$",
        ),
        (
            lambda: montecarlo.means(uniforms, 10, bounds=[(0, 1), (1, 1)], seed=1),
            r"bounds must be finite pairs low < high, got \[\(0, 1\), \(1, 1\)\]",
        ),
        *(
            (lambda bounds=bounds: montecarlo.mean(uniforms, 10, bounds=bounds, seed=1), "low < high")
            for bounds in ((1, 0), (1, 1), (-math.inf, 1), (0, math.inf))
        ),
        *(
            (lambda b=b: montecarlo.mean(uniforms, 10, bounds=b, seed=1), "must lie between 1e-140 and 1e140")
            for b in ((0, 1e-200), (0, 1e200), (-1e308, 1e308))
        ),
        (
            lambda: montecarlo.mean(lambda r, n: np.full(n, 0.5j), 10, bounds=(0, 1), seed=1),
            r"must be real of shape \(10, 1\) or \(10,\), got complex128",
        ),
        (
            lambda: montecarlo.probabilities(lambda r, n: r.random((n, 2)), 10, events=2, seed=1),
            "probabilities need booleans",
        ),
        (
            lambda: montecarlo.means(uniforms, 10, bounds=[(0, 1)] * 2, seed=1),
            r"must be real of shape \(10, 2\), got float64 \(10,\)",
        ),
        (
            lambda: montecarlo.probability(lambda r, n: rare(r, n + 1), 10, seed=1),
            r"booleans of shape \(10,\), the sample returned bool \(11,\)",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_concurrent_runs_do_not_disturb_each_other():
    expected = montecarlo.mean(uniforms, 20_000, bounds=(0, 1), seed=9)
    found = []
    workers = [
        threading.Thread(
            target=lambda: found.append(montecarlo.mean(uniforms, 20_000, bounds=(0, 1), seed=9))
        )
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 4


RUN = """
import hashlib
import numpy as np
from sims import lottery, partition, path_following, subset_sum, weights
from theory.operators import StochasticRounding

rng = np.random.default_rng(0)
print(repr(partition.estimate(12, 2**10, 300, seed=4)))
print(repr(subset_sum.estimate(9, 127, 5, 200, seed=4)))
found = path_following.compress(
    rng.standard_normal((3, 20)), rng.standard_normal((8, 20)), operator=StochasticRounding(0.5), seed=1
)
print(hashlib.sha256(np.asarray(found.weights).tobytes()).hexdigest())
print([row.quantization for row in weights.analyse({"w": rng.standard_normal((20, 20))}, bits=[2, 4]).rows])
ticket = lottery.embed([rng.integers(-7, 8, (3, 4)), rng.integers(-7, 8, (2, 3))], 7, 12, seed=2)
print(ticket.kept_parameters, len(ticket.failures), ticket.verify())
"""


def test_plain_python_gives_the_same_bits_as_compiled_code(outputs):
    """NUMBA_DISABLE_JIT=1 runs the very kernels as Python: same integers, same floats."""
    plain, compiled = outputs(RUN)
    assert plain == compiled
    assert plain.count("\n") == 5


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("width", [None, 0.9])
def test_every_estimate_says_for_which_level_its_interval_is(level, width):
    """Wider for a higher level, and named with it."""
    options = {"seed": 4, "width": width, "block": 50}
    lengths = []
    for asked in (level, 0.9999):
        found = [
            montecarlo.probability(rare, 200, level=asked, **options),
            montecarlo.mean(uniforms, 200, bounds=(-1, 3), level=asked, **options),
        ]
        assert [one.level for one in found] == [asked, asked]
        lengths.append([one.high - one.low for one in found])
    if width is None:  # else the longer run is the one of the higher level
        assert lengths[0][0] < lengths[1][0] and lengths[0][1] < lengths[1][1]


@pytest.mark.parametrize("level", [0.5, 0.9, 0.999])
def test_an_interval_of_a_mean_holds_at_the_level_asked_for(level):
    """Half as many trials are 1: the variance is n / (4 (n - 1)), and Maurer and Pontil give the rest."""
    found = montecarlo.mean(
        lambda _, count: np.arange(count) % 2, 4000, bounds=(0.0, 1.0), seed=3, level=level, block=500
    )
    log = math.log(4 / (1 - level))
    half = math.sqrt(log / (2 * 3999)) + 7 * log / (3 * 3999)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))


def test_several_events_are_drawn_in_the_blocks_and_on_the_threads_asked_for():
    seen: list[tuple[int, bool]] = []

    def sample(rng, count):
        seen.append((count, threading.current_thread() is threading.main_thread()))
        return rng.random((count, 2)) < 0.25

    montecarlo.probabilities(sample, 300, events=2, seed=0, block=100, threads=1)
    assert seen == [(100, True)] * 3


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf"), -1e-9, 1 + 1e-9])
def test_one_trial_that_is_no_number_within_the_bounds_ends_the_run(columns, wrong):
    """Wherever it stands, in the last column of the last block too."""

    def sample(rng, count):
        values = rng.random((count, columns))
        if count == 7:
            values[-1, -1] = wrong
        return values

    with pytest.raises(ValueError, match=r"a trial lies outside its stated bounds \[0\.0, 1\.0\]"):
        montecarlo.means(sample, 27, bounds=[(0, 1)] * columns, seed=1, block=10)
    assert len(montecarlo.means(sample, 30, bounds=[(0, 1)] * columns, seed=1, block=10)) == columns


@pytest.mark.parametrize(
    ("level", "trials", "text"),
    [
        (0.9999, 12345678, "0.123457 [0.1, 0.2] at 0.9999, 12345678 trials"),
        (0.99, 7, "0.123457 [0.1, 0.2] at 0.99, 7 trials"),
    ],
)
def test_an_estimate_in_one_line(level, trials, text):
    assert str(montecarlo.Estimate(0.123456789, 0.1, 0.2, level, trials, 0, 1.0)) == text
