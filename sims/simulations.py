"""The simulations of every subject in one shape: numbers and words in, rows out.

This is what `snapcut simulate`, sweeps and the browser share. A row is

    quantity, measured, low, high (99 % interval), theory, source

with None where there is nothing to say; the first row is the estimate that the simulation is about.
"""

from collections.abc import Sequence
from typing import Literal

Rows = list[dict]
COLUMNS = ("quantity", "measured", "low", "high", "theory", "source")


def partition(n: int = 20, max_value: int = 100_000, trials: int = 20_000, seed: int = 0) -> Rows:
    """P(perfect partition) of n integers uniform on {1..M}, beside its laws and bounds.

    Parameters
    ----------
    n
        Number of integers.
    max_value
        M, the largest integer.
    trials
        Random instances, each decided exactly.
    seed
        Seed of the random streams.
    """
    from sims.partition import simulate

    return _laws_below(simulate(n, max_value, trials, seed))


def subset_sum(
    n: int = 12,
    max_value: int = 127,
    target: int = 1,
    law: Literal["nonzero", "uniform", "product"] = "nonzero",
    delta: int = 0,
    rare: bool = False,
    every_target: bool = False,
    trials: int = 20_000,
    seed: int = 0,
) -> Rows:
    """P(no subset sums to the target) of n random samples, beside every law and bound.

    Parameters
    ----------
    n
        Number of samples.
    max_value
        M: samples are integers of magnitude at most M (products of two such for "product").
    target
        The sum to reach.
    law
        Sampling law: nonzero {±1..±M}, uniform {-M..M}, product of two nonzero factors.
    delta
        Sums within delta of the target count as hits.
    rare
        Measure by splitting, which reaches far into the tail; trials is then the population size.
    every_target
        Also measure the probability that some target of {-M..M} is missed.
    trials
        Random instances, each decided exactly.
    seed
        Seed of the random streams.
    """
    from sims.subset_sum import simulate

    found = simulate(
        n, max_value, target, trials, seed, law=law, delta=delta, rare=rare, every_target=every_target
    )
    return _laws_below(found)


def lottery(
    sizes: Sequence[int] = (16, 8, 4),
    bits: int = 4,
    samples: int = 12,
    construction: Literal["two_layer", "depth_plus_one"] = "two_layer",
    trials: int = 2_000,
    seed: int = 0,
) -> Rows:
    """P(a random network has no exact ticket of a random target), and the parameters it takes.

    Parameters
    ----------
    sizes
        Layer widths of the target network, inputs first.
    bits
        Precision of the target: weights in {-M..M}, M = 2^(bits-1) - 1.
    samples
        Usable candidates per weight and side.
    construction
        Two layers per target layer, or depth plus one with copies.
    trials
        Random networks.
    seed
        Seed of the random streams.
    """
    from sims.lottery.simulate import simulate_rows

    found = simulate_rows(tuple(sizes), bits, samples, trials, seed, construction)
    return [_row(r["quantity"], r["estimate"], r["low"], r["high"], r["theory"], "") for r in found]


def path_following(
    operator: Literal["rounding", "one-bit", "pruning", "prune-then-round"] = "rounding",
    step: float = 0.5,
    threshold: float = 0.5,
    bits: int | None = None,
    columns: int = 128,
    samples: int = 128,
    scale: float = 1.0,
    rank: int | None = None,
    level: float = 0.05,
    trials: int = 10_000,
    seed: int = 0,
) -> Rows:
    """Output error of one neuron compressed column by column, beside every bound.

    Parameters
    ----------
    operator
        Stochastic rounding, one bit, stochastic pruning, or pruning then rounding.
    step
        Grid step of rounding; the level A of one bit.
    threshold
        Pruning threshold c.
    bits
        Width of the rounding alphabet; infinite by default.
    columns
        N, inputs of the neuron.
    samples
        m, rows of the data.
    scale
        C > 1/2.
    rank
        Rank of the Gaussian data; full by default.
    level
        Failure level of the sup-norm bounds.
    trials
        Independent runs on the same data.
    seed
        Seed of the data and of the random streams.
    """
    from sims.path_following.simulate import simulate
    from theory import operators

    makers = {
        "rounding": lambda: operators.StochasticRounding(step, bits),
        "one-bit": lambda: operators.OneBit(step),
        "pruning": lambda: operators.StochasticPruning(threshold),
        "prune-then-round": lambda: operators.PruneThenRound(threshold, step),
    }
    if operator not in makers:
        raise ValueError(f"operator must be one of {', '.join(makers)}, got {operator!r}")
    found = simulate(
        makers[operator](),
        columns=columns,
        samples=samples,
        scale=scale,
        rank=rank,
        level=level,
        trials=trials,
        seed=seed,
    )
    return [_row(r["quantity"], r["estimate"], r["low"], r["high"], r["theory"], r["form"]) for r in found]


def _row(quantity: str, measured, low, high, theory, source: str) -> dict:
    return dict(zip(COLUMNS, (quantity, measured, low, high, theory, source), strict=True))


def _laws_below(rows: Rows) -> Rows:
    """A measured first row, then one row per law, bound or further estimate."""
    first, *laws = rows
    measured = _row(first["quantity"], first["value"], first["low"], first["high"], None, first["source"])
    below = []
    for r in laws:
        if r["low"] is None:
            below.append(_row(r["quantity"], None, None, None, r["value"], r["source"]))
        else:  # a further estimate, with an interval of its own
            below.append(_row(r["quantity"], r["value"], r["low"], r["high"], None, r["source"]))
    return [measured, *below]
