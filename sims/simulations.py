"""The simulations of every subject in one shape: numbers and words in, rows out.

This is what `snapcut simulate`, sweeps and the browser share, and the only list of what can be simulated. A
simulation returns rows of type `sims.support.row.Row`; the first is the estimate that it is about.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import Literal

from sims.support.row import Row

Rows = list[Row]


def partition(
    n: int = 20,
    max_value: int = 100_000,
    trials: int = 20_000,
    seed: int = 0,
    width: float | None = None,
    confidence: float = 0.99,
) -> Rows:
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
    width
        Stop as soon as the interval is at most this wide; it then holds at all times, and `trials` is the
        most.
    confidence
        Of the intervals.
    """
    from sims.partition import simulate

    return simulate(n, max_value, trials, seed, width=width, level=confidence)


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
    width: float | None = None,
    confidence: float = 0.99,
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
    width
        Stop as soon as the interval is at most this wide; it then holds at all times, and `trials` is the
        most.
    confidence
        Of the intervals.
    """
    from sims.subset_sum import simulate

    if rare and width is not None:
        raise ValueError("width stops plain sampling; leave it out with rare")
    options = {"level": confidence} if rare else {"level": confidence, "width": width}
    return simulate(
        n,
        max_value,
        target,
        trials,
        seed,
        law=law,
        delta=delta,
        rare=rare,
        every_target=every_target,
        **options,
    )


def lottery(
    sizes: Sequence[int] = (16, 8, 4),
    bits: int = 4,
    samples: int = 12,
    construction: Literal["two_layer", "depth_plus_one"] = "two_layer",
    trials: int = 2_000,
    seed: int = 0,
    width: float | None = None,
    confidence: float = 0.99,
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
    width
        Stop as soon as the interval is at most this wide; it then holds at all times, and `trials` is the
        most.
    confidence
        Of the intervals.
    """
    from sims.lottery.simulate import simulate

    return simulate(
        tuple(sizes), bits, samples, trials, seed, construction, width=width, confidence=confidence
    )


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
    width: float | None = None,
    confidence: float = 0.99,
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
    width
        Stop as soon as the interval is at most this wide a share of
        the second-moment bound; it then holds at all times, and `trials` is the
        most.
    confidence
        Of the intervals.
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
        width=width,
        confidence=confidence,
    )


def snr(
    weights: Literal["gaussian", "laplace", "uniform", "student-t"] = "gaussian",
    df: float = 2.0,
    bound: float = 30.0,
    bits: int = 4,
    codes: Literal[
        "twos-complement", "symmetric", "zero-point", "offset", "float", "normal-float"
    ] = "twos-complement",
    group: int = 0,
    scale: Literal["float16", "power-of-two", "e4m3"] = "float16",
    rotate: bool = False,
    mask: bool = False,
    size: int = 4096,
    trials: int = 640,
    seed: int = 0,
    width: float | None = None,
    confidence: float = 0.99,
) -> Rows:
    """Signal-to-noise ratio of random tensors, rounded to a format or pruned to the same size.

    Parameters
    ----------
    weights
        Law of independent weights.
    df, bound
        Degrees of freedom of the Student-t law, and where it is truncated.
    bits
        Of a code.
    codes
        Integers of two's complement, symmetric ones, from an integer zero point or from any offset; floating
        point (E2M1, E2M3, E4M3), or NF4.
    group
        Weights of a row that share a scale; 0 is the whole tensor.
    scale
        How the scale of a group is stored.
    rotate
        Rotate the rows first, by a randomized Hadamard transform.
    mask
        Let pruning pay one bit per weight for saying which are kept.
    size
        Weights of a tensor, in rows of 256.
    trials
        Random tensors, each with the scales that are best for itself.
    seed
        Seed of the random streams.
    width
        Stop as soon as the intervals are at most this wide, in dB; they hold at all times, and `trials` is
        the most.
    confidence
        Of the intervals.
    """
    from sims.weights.simulate import Setting, named_law, simulate

    setting = Setting(named_law(weights, df, bound), codes, group, scale, rotate, mask, size)
    return simulate(setting, bits, trials=trials, seed=seed, width=width, level=confidence)


def layer_bounds(
    kind: Literal["independent", "autoregressive", "equicorrelated", "relu"] = "autoregressive",
    inputs: int = 10,
    correlation: float = 0.8,
    bits: int = 4,
    trials: int = 64,
    seed: int = 0,
    width: float | None = None,
    confidence: float = 0.99,
) -> Rows:
    """The best codes and the best mask of a small random layer, beside heuristics and the certified limit.

    Parameters
    ----------
    kind
        Correlation of the inputs.
    inputs
        Of the neuron, at most 24.
    correlation
        r, between neighbours or between all inputs.
    bits
        Of a code; the mask keeps as many 16-bit weights as take the same room.
    trials
        Random layers, from that of `seed` on; the methods are shown on that one, medians over all.
    seed
        Seed of the first layer.
    width
        Stop as soon as the intervals are at most this wide, in dB; they hold at all times, and `trials` is
        the most.
    confidence
        Of the intervals.
    """
    from sims.layer_bounds.simulate import simulate

    return simulate(kind, inputs, correlation, bits, trials=trials, seed=seed, width=width, level=confidence)


# The functions above import what they need when they are called: looking one up here loads nothing heavy.
SIMULATIONS: dict[str, Callable[..., Rows]] = {
    "partition": partition,
    "subset-sum": subset_sum,
    "lottery": lottery,
    "path-following": path_following,
    "snr": snr,
    "layer-bounds": layer_bounds,
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
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"simulation {name!r} cannot be found: {error}") from None
    if not callable(found):
        raise ValueError(f"simulation {name!r} cannot be found: it is no function")
    return found
