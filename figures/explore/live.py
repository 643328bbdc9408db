"""Simulations that report after every block, with intervals that hold at all times.

Blocks and streams are those of `sims.montecarlo`, so that a point which has reached its width shows the very
numbers that `sims.montecarlo.probability(..., width=...)` returns for the same seed and key.
"""

import bisect
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from figures.explore.page import Series
from sims.montecarlo import BLOCK, stream
from sims.montecarlo.intervals import BernoulliSequence
from sims.support.threads import default_threads

MAX_TRIALS = 2**20  # per point; sims.montecarlo calls this `trials`
# Every session computes its blocks in a thread of its own. More of them at once than there are cores would
# only slow the laws of the others down.
BUSY = threading.BoundedSemaphore(default_threads())


@dataclass(frozen=True)
class Event:
    """A probability to estimate at position `x` of the picture: `sample(rng, count)` gives booleans."""

    x: float
    sample: Callable[[np.random.Generator, int], np.ndarray]
    key: tuple


def probabilities(
    events: Sequence[Event],
    *,
    seed: int,
    level: float,
    width: float,
    trials: int = MAX_TRIALS,
    block: int = BLOCK,
    name: str = "simulation",
) -> Iterator[list[Series]]:
    """Estimate several probabilities side by side, one block of each in turn; yields after every block.

    Each event stops by itself, as soon as its anytime-valid interval is at most `width` wide or `trials` are
    spent: the rule, the streams and so the numbers of `sims.montecarlo.probability`.
    """
    sequences = [BernoulliSequence(level) for _ in events]
    intervals = [(0.0, 1.0)] * len(events)
    open_ = list(range(len(events)))
    index = 0
    while open_:
        count = min(block, trials - index * block)
        for i in list(open_):
            with BUSY:
                hits = np.asarray(events[i].sample(stream(seed, events[i].key, index), count))
            sequences[i].update(count, float(hits.sum()), 0.0)
            intervals[i] = sequences[i].interval()
            if intervals[i][1] - intervals[i][0] <= width or (index + 1) * block >= trials:
                open_.remove(i)
            yield [_series(name, events, sequences, intervals)]
        index += 1


@dataclass
class QuantileSequence:
    r"""Confidence sequence for a quantile, without assumptions on the law of the values.

    .. math:: \{q : k_0 \le \#\{i : X_i \le q\} \le k_1\} = [X_{(k_0)},\; X_{(k_1+1)})

    At the true quantile the counted events have probability p; k_0 and k_1 are the least and the greatest
    count that `BernoulliSequence` does not reject, which it then does at no time with probability `level`.

    Examples
    --------
    >>> median = QuantileSequence(0.99)
    >>> median.update(np.arange(1001.0))
    >>> median.value, median.interval()
    (500.0, (436.0, 564.0))
    """

    level: float
    probability: float = 0.5
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def update(self, values: np.ndarray) -> None:
        """Add values."""
        self.values = np.sort(np.concatenate([self.values, values]))

    @property
    def value(self) -> float:
        """The sample quantile."""
        return float(np.quantile(self.values, self.probability))

    def interval(self) -> tuple[float, float]:
        """The values not rejected so far; infinite ends while the values are too few."""
        n, threshold = len(self.values), -math.log(1.0 - self.level)

        def kept(k: int) -> bool:
            return BernoulliSequence(self.level, k, n - k).log_e(self.probability) < threshold

        # The e-process falls towards the expected count and rises after it: bisect on either side.
        middle = min(max(round(n * self.probability), 0), n)
        if not kept(middle):
            return -math.inf, math.inf
        low = bisect.bisect_left(range(middle + 1), True, key=kept)
        high = middle + bisect.bisect_left(range(middle, n + 1), True, key=lambda k: not kept(k)) - 1
        return (
            float(self.values[low - 1]) if low >= 1 else -math.inf,
            float(self.values[high]) if high < n else math.inf,
        )


def _series(
    name: str,
    events: Sequence[Event],
    sequences: Sequence[BernoulliSequence],
    intervals: Sequence[tuple[float, float]],
) -> Series:
    """The events looked at so far."""
    seen = [i for i, s in enumerate(sequences) if s.successes + s.failures]
    counts = np.array([sequences[i].successes + sequences[i].failures for i in seen])
    return Series(
        name,
        np.array([events[i].x for i in seen], dtype=float),
        np.array([sequences[i].successes for i in seen]) / counts,
        np.array([intervals[i][0] for i in seen]),
        np.array([intervals[i][1] for i in seen]),
        counts,
    )
