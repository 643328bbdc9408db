"""Monte Carlo whose results are the same bits on any number of threads, whole, stopped early or resumed.

A run is cut into blocks of a fixed number of trials. Block i draws from its own stream, spawned from
(seed, key, i), and its moments are merged in block order, so neither the number of threads nor an
interruption can change a digit. `key` names the run ("kn.threshold", "n=16"): runs of one seed and one key
share their streams, runs of different keys do not. Trials must be independent and identically distributed:
the intervals rest on it.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from sims.montecarlo.intervals import (
    BernoulliSequence,
    BoundedSequence,
    bernstein_p_values,
    binomial_p_values,
    clopper_pearson,
    empirical_bernstein,
)
from sims.montecarlo.store import Moments, Store
from sims.support import progress
from sims.support.threads import in_order
from theory.arguments import inside, whole

Sample = Callable[[np.random.Generator, int], np.ndarray]
BLOCK = 4096
LEAST_RANGE = 1e-140  # of one trial: the square of its billionth is a double, too


@dataclass(frozen=True)
class Estimate:
    """A mean or probability with an interval that holds without a normal approximation.

    Attributes
    ----------
    value
        The sample mean.
    low, high
        Interval at `level`: Clopper-Pearson for probabilities, empirical Bernstein for bounded
        means; a confidence sequence where the run was allowed to stop early (`sequential`).
    trials, seed
        How it was made.
    variance
        Sample variance (divisor trials - 1).
    bounds
        Range every single trial lies in; (0, 1) and `binary` for a probability.
    """

    value: float
    low: float
    high: float
    level: float
    trials: int
    seed: int
    variance: float
    bounds: tuple[float, float] = (0.0, 1.0)
    binary: bool = True
    sequential: bool = False

    @property
    def successes(self) -> int:
        """Number of trials in which the event happened (probabilities only)."""
        return round(self.value * self.trials)

    @property
    def standard_error(self) -> float:
        """Standard deviation of `value`."""
        return math.sqrt(self.variance / self.trials) if self.trials else math.inf

    def p_values(self, bound: float) -> tuple[float, float]:
        """p-values of the hypotheses "truth <= bound" and "truth >= bound"."""
        if self.sequential and not self.binary:
            raise ValueError("p-values of a mean need a run of fixed length; run it without `width`")
        if self.sequential:
            state = BernoulliSequence(self.level, self.successes, self.trials - self.successes)
            return state.p_values(bound)
        if self.binary:
            return binomial_p_values(self.successes, self.trials, bound)
        width = self.bounds[1] - self.bounds[0]
        return bernstein_p_values(self.value, self.variance, self.trials, width, bound)

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.6g} [{self.low:.6g}, {self.high:.6g}] at {self.level:.4g}, {self.trials} trials"


def stream(seed: int, key: Sequence[str | int | float] = (), block: int = 0) -> np.random.Generator:
    """Generator of block `block` of the run named `key` under `seed`.

    Examples
    --------
    >>> a, b = stream(1, ("kn", 16)), stream(1, ("kn", 16))
    >>> bool(a.integers(2**62) == b.integers(2**62))
    True
    >>> bool(stream(1, ("kn", 16), block=1).integers(2**62) == stream(1, ("kn", 16)).integers(2**62))
    False
    """
    digest = hashlib.sha256(json.dumps([str(part) for part in key]).encode()).digest()[:16]
    words = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=(*words, block))))


def probability(
    sample: Sample,
    trials: int,
    *,
    seed: int,
    key: Sequence[str | int | float] = (),
    level: float = 0.99,
    width: float | None = None,
    block: int = BLOCK,
    threads: int | None = None,
    store: str | Path | None = None,
) -> Estimate:
    r"""Estimate the probability of an event.

    .. math:: \hat p = \frac1n \sum_{i=1}^{n} 1[\text{event in trial } i]

    Parameters
    ----------
    sample
        `sample(rng, count)` returns `count` booleans, one per trial.
    trials
        Number of trials, at most, if `width` is given.
    seed, key
        Name the streams.
    level
        Confidence of the interval.
    width
        Stop as soon as the anytime-valid interval is at most this wide.
    block
        Trials per stream; part of the identity of a result.
    threads
        Blocks computed at once (`sims.support.threads.default_threads()`); never changes the result.
    store
        File that keeps finished blocks; an interrupted run resumes from it.

    Raises
    ------
    ValueError
        `trials` < 1, `level` outside (0, 1), or samples that are not booleans of shape (count,).

    Examples
    --------
    >>> estimate = probability(lambda rng, count: rng.random(count) < 0.25, 20_000, seed=1)
    >>> estimate.low < 0.25 < estimate.high
    True
    """
    trials, block, seed = _check(trials, level, block, seed)
    sequence = BernoulliSequence(level)

    def decided(rng: np.random.Generator, count: int) -> np.ndarray:
        values = np.asarray(sample(rng, count))
        if values.dtype != np.bool_ or values.shape != (count,):
            shape = f"{values.dtype} {values.shape}"
            raise ValueError(f"a probability needs booleans of shape ({count},), the sample returned {shape}")
        return values

    kept = None if store is None else Store(store, seed, key, block, [(0.0, 1.0)], "probability")
    moments = _run(decided, trials, seed, key, block, threads, kept, _stop([sequence], width))
    successes = round(moments.mean[0] * moments.count)
    fixed = clopper_pearson(successes, moments.count, level)
    low, high = fixed if width is None else sequence.interval()
    return Estimate(
        value=successes / moments.count,
        low=low,
        high=high,
        level=level,
        trials=moments.count,
        seed=seed,
        variance=_variance(moments, 0),
        sequential=width is not None,
    )


def mean(
    sample: Sample,
    trials: int,
    *,
    bounds: tuple[float, float],
    seed: int,
    key: Sequence[str | int | float] = (),
    level: float = 0.99,
    width: float | None = None,
    block: int = BLOCK,
    threads: int | None = None,
    store: str | Path | None = None,
) -> Estimate:
    """Estimate the mean of a bounded quantity; parameters as in `probability`.

    Parameters
    ----------
    sample
        `sample(rng, count)` returns `count` floats.
    bounds
        (low, high) that every trial is known to lie in; a trial outside raises.

    Examples
    --------
    >>> estimate = mean(lambda rng, count: rng.random(count), 20_000, bounds=(0, 1), seed=1)
    >>> estimate.low < 0.5 < estimate.high
    True
    """
    return means(
        sample,
        trials,
        bounds=[bounds],
        seed=seed,
        key=key,
        level=level,
        width=width,
        block=block,
        threads=threads,
        store=store,
    )[0]


def means(
    sample: Sample,
    trials: int,
    *,
    bounds: Sequence[tuple[float, float]],
    seed: int,
    key: Sequence[str | int | float] = (),
    level: float = 0.99,
    width: float | None = None,
    block: int = BLOCK,
    threads: int | None = None,
    store: str | Path | None = None,
) -> list[Estimate]:
    """Means of several bounded quantities measured on the same trials: `sample` returns (count, k) floats.

    Each interval holds at `level` on its own. With `width`, the run stops when all are narrow enough.
    """
    trials, block, seed = _check(trials, level, block, seed)
    limits = [(float(a), float(b)) for a, b in bounds]
    if any(not (math.isfinite(a) and math.isfinite(b) and a < b) for a, b in limits):
        raise ValueError(f"bounds must be finite pairs low < high, got {bounds}")
    if any(not LEAST_RANGE < b - a < 1.0 / LEAST_RANGE for a, b in limits):
        raise ValueError(
            f"bounds must lie between 1e-140 and 1e140 apart, so that squares are doubles, got {bounds}; "
            "measure in another unit"
        )
    sequences = [BoundedSequence(level, a, b) for a, b in limits]

    def bounded(rng: np.random.Generator, count: int) -> np.ndarray:
        values = np.asarray(sample(rng, count))
        shapes = [(count, len(limits))] + ([(count,)] if len(limits) == 1 else [])
        if values.dtype.kind not in "biuf" or values.shape not in shapes:
            wanted = " or ".join(map(str, shapes))
            raise ValueError(f"the sample must be real of shape {wanted}, got {values.dtype} {values.shape}")
        values = values.astype(np.float64).reshape(count, len(limits))
        for column, (a, b) in zip(values.T, limits, strict=True):
            if not (column.min() >= a and column.max() <= b):
                low, high = float(column.min()), float(column.max())
                raise ValueError(f"a trial lies outside its stated bounds [{a}, {b}]: saw {low} to {high}")
        return values

    stop = _stop(sequences, width)
    kept = None if store is None else Store(store, seed, key, block, limits, "means")
    moments = _run(bounded, trials, seed, key, block, threads, kept, stop)
    results = []
    for column, (sequence, (a, b)) in enumerate(zip(sequences, limits, strict=True)):
        value, variance = moments.mean[column], _variance(moments, column)
        fixed = empirical_bernstein(value, variance, moments.count, b - a, level)
        low, high = fixed if width is None else sequence.interval()
        results.append(
            Estimate(
                value=value,
                low=max(low, a),
                high=min(high, b),
                level=level,
                trials=moments.count,
                seed=seed,
                variance=variance,
                bounds=(a, b),
                binary=False,
                sequential=width is not None,
            )
        )
    return results


def probabilities(
    sample: Sample,
    trials: int,
    *,
    events: int,
    seed: int,
    key: Sequence[str | int | float] = (),
    level: float = 0.99,
    block: int = BLOCK,
    threads: int | None = None,
) -> list[Estimate]:
    """Probabilities of several events of the same trials: `sample` returns (count, events) booleans.

    Each interval is exact and holds at `level` on its own, as in `probability`.

    Examples
    --------
    >>> found = probabilities(lambda rng, n: rng.random((n, 2)) < 0.25, 20_000, events=2, seed=1)
    >>> all(one.low < 0.25 < one.high for one in found)
    True
    """

    def decided(rng: np.random.Generator, count: int) -> np.ndarray:
        values = np.asarray(sample(rng, count))
        if values.dtype != np.bool_ or values.shape != (count, events):
            shape = f"{values.dtype} {values.shape}"
            raise ValueError(f"probabilities need booleans ({count}, {events}), the sample returned {shape}")
        return values

    limits = [(0.0, 1.0)] * whole("events", events, 1)
    found = means(
        decided, trials, bounds=limits, seed=seed, key=key, level=level, block=block, threads=threads
    )
    exact = []
    for one in found:
        low, high = clopper_pearson(one.successes, one.trials, level)
        exact.append(replace(one, value=one.successes / one.trials, low=low, high=high, binary=True))
    return exact


def _check(trials: int, level: float, block: int, seed: int) -> tuple[int, int, int]:
    inside("level", level)
    return whole("trials", trials, 1, 2**53), whole("block", block, 1), whole("seed", seed, 0)


def _variance(moments: Moments, column: int) -> float:
    return moments.deviations[column] / max(moments.count - 1, 1)


def _stop(sequences: Sequence, width: float | None) -> Callable[[Moments], bool] | None:
    if width is None:
        return None
    if not width > 0.0:
        raise ValueError(f"width must be positive, got {width}")

    def enough(moments: Moments) -> bool:
        widest = 0.0
        for column, sequence in enumerate(sequences):
            sequence.update(moments.count, moments.mean[column] * moments.count, moments.deviations[column])
            low, high = sequence.interval()
            widest = max(widest, high - low)
        return widest <= width

    return enough


def _run(
    sample: Sample,
    trials: int,
    seed: int,
    key: Sequence[str | int | float],
    block: int,
    threads: int | None,
    store: Store | None,
    enough: Callable[[Moments], bool] | None,
) -> Moments:
    """Merge the moments of the blocks, in block order, until all are done or `enough` says so."""

    def compute(index: int) -> Moments:
        count = min(block, trials - index * block)
        if store is not None and (found := store.blocks.get(index)) is not None and found.count == count:
            return found
        return Moments.of(sample(stream(seed, key, index), count))

    total = Moments(0, (), ())
    finished = False
    with progress.bar(trials, "trials") as advance:
        try:
            for index, moments in enumerate(in_order(compute, range(-(-trials // block)), threads)):
                total = total.merge(moments)
                if store is not None:
                    store.add(index, moments)
                advance(moments.count)
                if enough is not None and enough(moments):
                    break
            finished = True
        finally:
            if store is not None:
                # an error under way is the news; a second one from saving must not hide it
                with contextlib.nullcontext() if finished else contextlib.suppress(OSError):
                    store.save()
    return total
