"""Quantiles watched while they are measured: coverage at all times, streams by block, when to stop."""

import math

import numpy as np
import pytest

from sims.montecarlo import QuantileSequence, growing_medians, stream
from sims.montecarlo.intervals import BernoulliSequence


@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_quantile_intervals_cover_at_all_times(probability):
    rng = np.random.default_rng(0)
    runs, missed = 300, 0
    for _ in range(runs):
        sequence = QuantileSequence(0.9, probability)
        inside = True
        for _ in range(12):
            sequence.update(rng.random(40))
            low, high = sequence.interval()
            inside &= low <= probability < high
        missed += not inside
    assert np.isfinite([low, high]).all() and high - low < 0.2
    assert missed <= 0.1 * runs + 3 * np.sqrt(
        0.09 * runs
    )  # a fixed-sample interval misses here 25 % of the time


@pytest.mark.parametrize(
    ("level", "probability"), [(0.9, 0.5), (0.6, 0.3), (0.9, 0.8), (0.99, 1e-4), (0.99, 0.9999)]
)
def test_the_interval_holds_every_value_whose_count_is_not_rejected(level, probability):
    """q lies in it where as many values as are at most q are credible; between two values, and beyond all."""
    for n in range(1, 40):
        sequence = QuantileSequence(level, probability)
        sequence.update(np.arange(1.0, n + 1))
        kept = [
            k
            for k in range(n + 1)
            if BernoulliSequence(level, k, n - k).log_e(probability) < -math.log(1 - level)
        ]
        inside = [k + 0.5 for k in kept]  # k values lie below k + 1/2
        low, high = sequence.interval()
        assert [q for q in np.arange(0.5, n + 1) if low <= q < high] == inside
        assert (low == -math.inf) == (0 in kept) and (high == math.inf) == (n in kept)


def test_few_values_give_an_open_interval():
    sequence = QuantileSequence(0.99)
    sequence.update(np.arange(3.0))
    assert sequence.interval() == (-np.inf, np.inf)


def test_medians_grow_block_by_block_and_stop_where_the_watched_ones_are_known():
    def sample(rng, count):
        return np.stack([rng.random(count), 100 * rng.random(count)], axis=1)

    options = {"seed": 3, "key": ("a", 1), "block": 50, "level": 0.9}
    assert [trials for trials, _ in growing_medians(sample, 1, **options)] == [1]
    found = list(growing_medians(sample, 420, **options))
    assert [trials for trials, _ in found] == [50, 100, 150, 200, 250, 300, 350, 400, 420]
    first = np.concatenate([sample(stream(3, ("a", 1), i), 50) for i in range(2)])
    assert [median[0] for median in found[1][1]] == np.median(first, axis=0).tolist()
    *_, (trials, medians) = growing_medians(sample, 10_000, width=0.3, watched=1, **options)
    assert trials < 1000 and medians[0][2] - medians[0][1] <= 0.3 < medians[1][2] - medians[1][1]
    *_, (_, before), (_, medians) = growing_medians(sample, 10_000, width=30.0, **options)
    assert before[1][2] - before[1][1] > 30 >= medians[1][2] - medians[1][1]  # all, where none is named
    assert len(list(growing_medians(sample, 3, **{**options, "block": 1}))) == 3
    for change, message in (
        ({"width": 0.0}, "width must be positive and finite"),
        ({"trials": 0}, "trials must be"),
        ({"block": 0}, "block must be"),
        ({"level": 1.0}, "level must "),
    ):
        with pytest.raises(ValueError, match=message):
            next(growing_medians(sample, **{"trials": 10, **options, **change}))


def test_an_interval_of_exactly_the_width_ends_the_run():
    """Medians of coins: as long as either side may be the median, the interval is from 0 to 1."""
    found = list(
        growing_medians(
            lambda rng, count: rng.integers(0, 2, (count, 1)), 3000, seed=1, key=(), block=30, width=1.0
        )
    )
    trials, ((_, low, high),) = found[-1]
    assert (low, high) == (0.0, 1.0) and trials < 3000
    assert all(math.isinf(high - low) for _, ((_, low, high),) in found[:-1])


def test_values_may_be_infinite():
    """Ratios of what was lost nothing of: the median of infinite values is one of them, and it is known."""
    lost_nothing = growing_medians(
        lambda rng, count: np.full((count, 1), np.inf), 300, seed=1, key=(), block=30, width=1.0
    )
    assert list(lost_nothing) == [(30, [(math.inf, math.inf, math.inf)])]
    sequence = QuantileSequence(0.99)
    sequence.update(np.array([-np.inf, 1.0, 2.0, np.inf]))
    assert sequence.value == 1.5
