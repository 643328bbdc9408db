"""One setting of path following: the output error measured, every bound and law beside it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sims.montecarlo import Sample, means, probability, quantile, stream
from sims.path_following.problems import problem
from sims.path_following.trials import error_sampler, exit_sampler
from sims.support.row import Row
from theory.arguments import choice
from theory.convex_order import tail_bound
from theory.operators import OneBit, Operator, PruneThenRound, StochasticPruning, StochasticRounding
from theory.path_following import error_map, error_stds, error_variance
from theory.path_following.exits import exit_bound
from theory.path_following.laws import direct_error, saturation_law, second_moment

OPERATORS: dict[str, Callable[[float, float, int | None], Operator]] = {  # of step, threshold, bits
    "rounding": lambda step, threshold, bits: StochasticRounding(step, bits),
    "one-bit": lambda step, threshold, bits: OneBit(step),
    "pruning": lambda step, threshold, bits: StochasticPruning(threshold),
    "prune-then-round": lambda step, threshold, bits: PruneThenRound(threshold, step),
}
SQUARE_KEY = ("path_following", "square")  # streams of the mean squared error


def named_operator(name: str, step: float, threshold: float, bits: int | None = None) -> Operator:
    """The operator of that name in `OPERATORS`.

    Parameters
    ----------
    step
        Grid step of rounding, or the level of one bit.
    threshold
        Of pruning.
    bits
        Width of the alphabet of rounding.

    Examples
    --------
    >>> named_operator("prune-then-round", step=0.5, threshold=1.0)
    PruneThenRound(threshold=1.0, step=0.5)
    """
    return OPERATORS[choice("operator", name, OPERATORS)](step, threshold, bits)


def _spread(operator: Operator) -> float:
    """Largest weight of a problem: 1, or half of the operator's nearer limit if less."""
    end = min(abs(float(limit)) for limit in operator.limits)
    return min(1.0, end / 2)


def setting(
    operator: Operator, columns: int, samples: int, seed: int = 0, rank: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and weights of `problem`; weights reach 1, or half of the operator's nearer limit if less."""
    return problem(columns, samples, seed, rank, spread=_spread(operator))


def square_limit(inputs: np.ndarray, scale: float, operator: Operator) -> float:
    r"""A limit of |u_N|^2 that holds in every trial, which the interval of a mean needs.

    .. math:: |A\varepsilon|^2 \le N L^2 \|A\|_{op}^2
    """
    length = float(operator.interval_length)
    return inputs.shape[1] * length**2 * float(np.linalg.norm(error_map(inputs, scale), 2)) ** 2


def block_size(columns: int, samples: int) -> int:
    """Trials per stream: the more, the smaller the problem, so that a block keeps its size in memory."""
    return max(64, min(4096, 2**21 // max(columns, samples)))


def simulate(
    operator: Operator,
    *,
    columns: int = 128,
    samples: int = 128,
    scale: float = 1.0,
    rank: int | None = None,
    level: float = 0.05,
    trials: int = 10_000,
    seed: int = 0,
    threads: int | None = None,
) -> list[Row]:
    """Measure the output error u_N of one neuron, and put every bound and law beside it.

    Parameters
    ----------
    operator : Operator
        Unbiased, from theory.operators.
    columns, samples, rank
        See `setting`
    scale : float
        C > 1/2.
    level : float
        Failure level of the sup-norm bounds.
    trials, seed, threads
        As in `sims.montecarlo`

    Returns
    -------
    list of Row
        One per bound or law, with the measured number beside it; `source` begins with "bound" or "law" ("no
        law" where the weights' range is no whole number of cells). An operator with limits adds the
        probability of leaving them; if that happened in any trial it is the only row, as the other bounds are
        silent then.

    Raises
    ------
    ValueError
        If the operator is biased.

    Examples
    --------
    >>> rows = simulate(StochasticRounding(0.5), columns=16, samples=8, trials=500)
    >>> all(row.low <= row.theory for row in rows if row.source.startswith("bound"))
    True
    """
    if not operator.unbiased:
        raise ValueError(f"{type(operator).__name__} is biased: no bound of this framework covers it")
    inputs, weights = setting(operator, columns, samples, seed, rank)
    sample = error_sampler(weights, inputs, operator, scale)

    def squares(rng: np.random.Generator, count: int) -> np.ndarray:
        return (sample(rng, count) ** 2).sum(axis=1)

    block = block_size(columns, samples)
    settings: dict[str, Any] = {"seed": seed, "threads": threads, "block": block}
    rows = []
    if any(math.isfinite(limit) for limit in operator.limits):
        left = exit_sampler(weights, inputs, operator, scale)
        exits = probability(left, trials, key=("path_following", "exit"), **settings)
        bound = exit_bound(weights, inputs, scale, operator)[0]
        rows.append(Row.of("P(v leaves the limits)", exits, "bound, covariance", bound))
        if exits.successes:  # the bounds below are silent about such trials
            return rows
    limits = [(0.0, square_limit(inputs, scale, operator))]
    square = means(squares, trials, bounds=limits, key=SQUARE_KEY, **settings)[0]
    norm = float(np.linalg.norm(inputs, axis=0).max())
    beta = {form: error_variance(scale, operator, norm, form) for form in ("paper", "range")}
    stds = error_stds(inputs, scale, operator)
    laws = {
        "bound, paper form": samples * beta["paper"],
        "bound, range form": samples * beta["range"],
        "bound, Popoviciu": second_moment(inputs, scale, float(operator.interval_length) ** 2 / 4),
    }
    if isinstance(operator, StochasticRounding):
        # d^2/6 is its mean variance over weights that fill whole cells; else the errors have another one
        variance, cells = float(operator.unit) ** 2 / 6, 2 * _spread(operator) / float(operator.unit)
        mark = "law" if abs(cells - round(cells)) < 1e-9 * cells else "no law (cells not filled)"
        laws[f"{mark}, these inputs"] = second_moment(inputs, scale, variance)
        if rank is None:
            laws[f"{mark}, Gaussian inputs"] = saturation_law(columns, samples, scale, variance)
        laws["round to nearest"] = direct_error(columns, samples, float(operator.unit))
    rows += [Row.of("mean squared error", square, source, law) for source, law in laws.items()]
    largest = quantile(largest_errors(sample, trials, seed, ("path_following", "largest"), block), 1 - level)
    radii = {
        "bound, paper form and tail": tail_bound(math.sqrt(beta["paper"]), level, samples, "paper"),
        "bound, range form, sharp tail": tail_bound(math.sqrt(beta["range"]), level, samples),
        "bound, covariance, sharp tail": tail_bound(float(stds.max()), level, samples),
    }
    name = f"{100 * (1 - level):g} % quantile of the largest error"
    return rows + [Row(name, *largest, radius, source, trials) for source, radius in radii.items()]


def largest_errors(
    sample: Sample, trials: int, seed: int, key: tuple[str | int | float, ...], block: int = 4096
) -> np.ndarray:
    """Sorted |u_N|_inf of `trials` trials, block i drawn from stream i as in `sims.montecarlo`."""
    parts = []
    for index, start in enumerate(range(0, trials, block)):
        errors = sample(stream(seed, key, index), min(block, trials - start))
        parts.append(np.abs(errors).max(axis=1))
    return np.sort(np.concatenate(parts))
