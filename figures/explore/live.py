"""Simulations that report after every block, with intervals that hold at all times.

Blocks and streams are those of `sims.montecarlo`, so that a point which has reached its width shows the very
numbers that `sims.montecarlo.probability(..., width=...)` returns for the same seed and key.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
