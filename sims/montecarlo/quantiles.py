"""Quantiles of an unknown law, watched while they are measured."""

import bisect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sims.montecarlo.estimate import stream
from sims.montecarlo.intervals import BernoulliSequence
from theory.arguments import inside, positive, whole

Quantile = tuple[float, float, float]  # value, low, high


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
        lower, higher = (np.quantile(self.values, self.probability, method=m) for m in ("lower", "higher"))
        if lower == higher:  # also where both are infinite, and no number lies between them
            return float(lower)
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


def growing_medians(
    sample: Callable[[np.random.Generator, int], np.ndarray],
    trials: int,
    *,
    seed: int,
    key: Sequence[str | int | float],
    block: int,
    level: float = 0.99,
    width: float | None = None,
    watched: int | None = None,
) -> Iterator[tuple[int, list[Quantile]]]:
    """Medians of several quantities of the same trials after every block: (trials so far, medians).

    Each interval holds at all times at `level`. Ends after `trials`, or as soon as every interval, or each of
    the first `watched`, is at most `width` wide.

    Parameters
    ----------
    sample
        `sample(rng, count)` returns (count, k) floats.
    seed, key, block
        Name the streams, one per block of trials.

    Examples
    --------
    >>> draw = lambda rng, count: rng.random((count, 2))
    >>> *_, (trials, (first, second)) = growing_medians(draw, 2000, seed=0, key=("a",), block=500)
    >>> trials, first[1] < 0.5 < first[2]
    (2000, True)
    """
    trials, block = whole("trials", trials, 1, 2**53), whole("block", block, 1)
    inside("level", level)
    if width is not None:
        positive("width", width, "the unit of the values")
    sequences: list[QuantileSequence] = []
    for index, start in enumerate(range(0, trials, block)):
        values = np.asarray(sample(stream(seed, key, index), min(block, trials - start)))
        sequences = sequences or [QuantileSequence(level) for _ in values.T]
        for sequence, column in zip(sequences, values.T, strict=True):
            sequence.update(column)
        found = [(one.value, *one.interval()) for one in sequences]
        yield min(start + block, trials), found
        if width is not None and all(low == high or high - low <= width for _, low, high in found[:watched]):
            return
