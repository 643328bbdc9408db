"""One setting of path following: the output error measured, every bound and law beside it."""

import math
from typing import Any

import numpy as np

from sims.montecarlo import Estimate, Sample, means, probability, quantile, stream
from sims.path_following.problems import problem
from sims.path_following.trials import error_sampler, exit_sampler
from theory.convex_order import tail_bound
from theory.operators import Operator
from theory.path_following import error_map, error_stds, error_variance
from theory.path_following.exits import exit_bound
from theory.path_following.laws import direct_error, saturation_law, second_moment


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
) -> list[dict]:
    """Measure the output error u_N of one neuron, and put every bound and law beside it.

    Parameters
    ----------
    operator : Operator
        Unbiased, from theory.operators.
    columns, samples, rank : see `problem`; weights reach 1, or half of the operator's nearer limit if less
    scale : float
        C > 1/2.
    level : float
        Failure level of the sup-norm bounds.
    trials, seed, threads : as in `sims.montecarlo`

    Returns
    -------
    list of dict
        Rows with keys quantity, estimate, low, high (99 % interval), theory, form ("bound", "law"), ratio
        (estimate/theory). An operator with limits adds the probability of leaving them; if that happened in
        any trial it is the only row, as the other bounds are silent then.

    Raises
    ------
    ValueError
        If the operator is biased.

    Examples
    --------
    >>> from theory.operators import StochasticRounding
    >>> rows = simulate(StochasticRounding(0.5), columns=16, samples=8, trials=500)
    >>> all(row["low"] <= row["theory"] for row in rows if row["form"].startswith("bound"))
    True
    """
    if not operator.unbiased:
        raise ValueError(f"{type(operator).__name__} is biased: no bound of this framework covers it")
    end = min(abs(float(limit)) for limit in operator.limits)
    inputs, weights = problem(columns, samples, seed, rank, spread=min(1.0, end / 2))
    sample = error_sampler(weights, inputs, operator, scale)
    length = float(operator.interval_length)
    # |A eps|^2 <= N L^2 |A|_op^2: a certain limit of every trial, which the interval of a mean needs
    square_limit = columns * length**2 * float(np.linalg.norm(error_map(inputs, scale), 2)) ** 2

    def squares(rng: np.random.Generator, count: int) -> np.ndarray:
        return (sample(rng, count) ** 2).sum(axis=1)

    block = max(64, min(4096, 2**21 // max(columns, samples)))
    settings: dict[str, Any] = {"seed": seed, "threads": threads, "block": block}
    rows = []
    if any(math.isfinite(limit) for limit in operator.limits):
        left = exit_sampler(weights, inputs, operator, scale)
        exits = probability(left, trials, key=("path_following", "exit"), **settings)
        bound = float(exit_bound(weights, inputs, scale, operator)[0])
        rows.append(_row("P(v leaves the limits)", exits, bound, "bound, covariance"))
        if exits.successes:  # the bounds below are silent about such trials
            return rows
    square = means(
        squares, trials, bounds=[(0.0, square_limit)], key=("path_following", "square"), **settings
    )[0]
    norm = float(np.linalg.norm(inputs, axis=0).max())
    beta = {form: error_variance(scale, operator, norm, form) for form in ("paper", "range")}
    stds = error_stds(inputs, scale, operator)
    rows += [
        _row("mean squared error", square, samples * beta["paper"], "bound, paper form"),
        _row("mean squared error", square, samples * beta["range"], "bound, range form"),
        _row("mean squared error", square, second_moment(inputs, scale, length**2 / 4), "bound, Popoviciu"),
    ]
    if hasattr(operator, "step") and not hasattr(operator, "threshold"):
        step = float(operator.step)
        rows.append(
            _row("mean squared error", square, second_moment(inputs, scale, step**2 / 6), "law, these inputs")
        )
        if rank is None:
            law = saturation_law(columns, samples, scale, step**2 / 6)
            rows.append(_row("mean squared error", square, law, "law, Gaussian inputs"))
        rows.append(
            _row("mean squared error", square, direct_error(columns, samples, step), "round to nearest")
        )
    largest = quantile(largest_errors(sample, trials, seed, ("path_following", "largest"), block), 1 - level)
    radii = {
        "bound, paper form and tail": tail_bound(math.sqrt(beta["paper"]), level, samples, "paper"),
        "bound, range form, sharp tail": tail_bound(math.sqrt(beta["range"]), level, samples),
        "bound, covariance, sharp tail": tail_bound(float(stds.max()), level, samples),
    }
    name = f"{100 * (1 - level):g} % quantile of the largest error"
    return rows + [_plain_row(name, *largest, radius, form) for form, radius in radii.items()]


def largest_errors(
    sample: Sample, trials: int, seed: int, key: tuple[str | int | float, ...], block: int = 4096
) -> np.ndarray:
    """Sorted |u_N|_inf of `trials` trials, block i drawn from stream i as in `sims.montecarlo`."""
    parts = []
    for index, start in enumerate(range(0, trials, block)):
        errors = sample(stream(seed, key, index), min(block, trials - start))
        parts.append(np.abs(errors).max(axis=1))
    return np.sort(np.concatenate(parts))


def _row(quantity: str, estimate: Estimate, theory: float, form: str) -> dict:
    return _plain_row(quantity, estimate.value, estimate.low, estimate.high, theory, form)


def _plain_row(quantity: str, value: float, low: float, high: float, theory: float, form: str) -> dict:
    return {
        "quantity": quantity,
        "estimate": value,
        "low": low,
        "high": high,
        "theory": theory,
        "form": form,
        "ratio": value / theory if theory > 0 else math.nan,
    }
