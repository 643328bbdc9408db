"""The simulations of every subject in one shape: numbers and words in, rows out.

This is what `snapcut simulate`, sweeps and the browser share, and the only list of what can be simulated. A
simulation returns rows of type `sims.support.row.Row`; the first is the estimate that it is about.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Literal

from sims.support.row import Row

Rows = list[Row]


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

    return simulate(n, max_value, trials, seed)


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

    return simulate(
        n, max_value, target, trials, seed, law=law, delta=delta, rare=rare, every_target=every_target
    )


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
    from sims.lottery.simulate import simulate

    return simulate(tuple(sizes), bits, samples, trials, seed, construction)


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
    from sims.path_following.simulate import named_operator, simulate

    return simulate(
        named_operator(operator, step, threshold, bits),
        columns=columns,
        samples=samples,
        scale=scale,
        rank=rank,
        level=level,
        trials=trials,
        seed=seed,
    )


# The functions above import what they need when they are called: looking one up here loads nothing heavy.
SIMULATIONS: dict[str, Callable[..., Rows]] = {
    "partition": partition,
    "subset-sum": subset_sum,
    "lottery": lottery,
    "path-following": path_following,
}


def find(name: str) -> Callable[..., Rows]:
    """The simulation of that name, or the function at an address "module:function".

    Raises
    ------
    ValueError
        There is none; the message says which there are, or why the import failed.

    Examples
    --------
    >>> find("subset-sum") is find("sims.simulations:subset_sum") is subset_sum
    True
    """
    if name in SIMULATIONS:
        return SIMULATIONS[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(
            f"simulation must be one of {', '.join(SIMULATIONS)} or module:function, got {name!r}"
        )
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"simulation {name!r} cannot be found: {error}") from None
