"""One setting of path following: the output error measured, every bound and law beside it."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sims.montecarlo import Estimate, Sample, means, probability, quantile, stream
from sims.montecarlo.estimate import LEAST_RANGE
from sims.path_following.problems import problem
from sims.path_following.trials import error_sampler, exit_sampler
from sims.support.row import Measured, Row
from theory.arguments import choice, inside
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
EXIT_TRIALS = 10_000
_FINEST = 2.0**-49  # interval per weight: below it, errors are those of double precision


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
    length = np.float64(operator.interval_length)
    with np.errstate(over="ignore", under="ignore"):
        square = float(inputs.shape[1] * length**2)
    limit = square * float(np.linalg.norm(error_map(inputs, scale), 2)) ** 2
    if not LEAST_RANGE < limit < 1 / LEAST_RANGE:  # or that of a squared error, for its variance
        raise ValueError(f"{operator} has intervals of {length:g}, whose square leaves double precision")
    spread = _spread(operator)
    if isinstance(operator, StochasticRounding | PruneThenRound) and length < _FINEST * spread:
        raise ValueError(f"{operator} has intervals finer than the digits of weights up to {spread:g}")
    return limit


def block_size(columns: int, samples: int) -> int:
    """Trials per stream: the more, the smaller the problem, so that a block keeps its size in memory."""
    return max(64, min(4096, 2**21 // max(columns, samples)))


@dataclass(frozen=True)
class Case:
    """One neuron on drawn data: its bounds and laws, computed once, and the rows that show them.

    Attributes
    ----------
    operator, columns, samples, scale, rank, level, seed
        As in :func:`simulate`.
    """

    operator: Operator
    columns: int = 128
    samples: int = 128
    scale: float = 1.0
    rank: int | None = None
    level: float = 0.05
    seed: int = 0

    @functools.cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and weights."""
        return setting(self.operator, self.columns, self.samples, self.seed, self.rank)

    @functools.cached_property
    def _bounds(self) -> dict[str, float]:
        """Per coordinate, by form."""
        norm = float(np.linalg.norm(self.data[0], axis=0).max())
        return {form: error_variance(self.scale, self.operator, norm, form) for form in ("paper", "range")}

    @functools.cached_property
    def square_laws(self) -> dict[str, float]:
        """Bounds and laws of the mean squared error, by source."""
        (inputs, _), op, beta = self.data, self.operator, self._bounds
        laws = {
            "bound, paper form": self.samples * beta["paper"],
            "bound, range form": self.samples * beta["range"],
            "bound, Popoviciu": second_moment(inputs, self.scale, float(op.interval_length) ** 2 / 4),
        }
        if isinstance(op, StochasticRounding):
            # d^2/6 is its mean variance over weights that fill whole cells; else the errors have another one
            variance, cells = float(op.unit) ** 2 / 6, 2 * _spread(op) / float(op.unit)
            mark = "law" if abs(cells - round(cells)) < 1e-9 * cells else "no law (cells not filled)"
            laws[f"{mark}, these inputs"] = second_moment(inputs, self.scale, variance)
            if self.rank is None:
                gaussian = saturation_law(self.columns, self.samples, self.scale, variance)
                laws[f"{mark}, Gaussian inputs"] = float(gaussian)
            laws["round to nearest"] = float(direct_error(self.columns, self.samples, float(op.unit)))
        return laws

    @functools.cached_property
    def largest_laws(self) -> dict[str, float]:
        """Bounds of the quantile of the largest error, by source."""
        beta, level, m = self._bounds, self.level, self.samples
        stds = error_stds(self.data[0], self.scale, self.operator)
        return {
            "bound, paper form and tail": tail_bound(math.sqrt(beta["paper"]), level, m, "paper"),
            "bound, range form, sharp tail": tail_bound(math.sqrt(beta["range"]), level, m),
            "bound, covariance, sharp tail": tail_bound(float(stds.max()), level, m),
        }

    def exits(self, trials: int, **options: Any) -> Estimate | None:
        """How often v leaves the operator's limits; None where it has none."""
        if not any(math.isfinite(limit) for limit in self.operator.limits):
            return None
        inputs, weights = self.data
        left = exit_sampler(weights, inputs, self.operator, self.scale)
        return probability(left, trials, seed=self.seed, key=("path_following", "exit"), **options)

    def largest(self, trials: int, confidence: float = 0.99) -> tuple[float, float, float]:
        """Quantile of the largest error over `trials` trials, and its interval."""
        inputs, weights = self.data
        sample = error_sampler(weights, inputs, self.operator, self.scale)
        key, block = ("path_following", "largest"), block_size(self.columns, self.samples)
        return quantile(largest_errors(sample, trials, self.seed, key, block), 1 - self.level, confidence)

    def rows(
        self,
        square: Measured | None = None,
        largest: tuple[float, float, float] | None = None,
        exits: Measured | None = None,
    ) -> list[Row]:
        """One row per bound or law, with what was measured."""
        found = []
        if exits is not None:
            inputs, weights = self.data
            bound = exit_bound(weights, inputs, self.scale, self.operator)[0]
            found.append(Row.of("P(v leaves the limits)", exits, "bound, covariance", bound))
            if square is None:  # every other bound is silent about trials that did
                return found
        for source, law in self.square_laws.items():
            name = "mean squared error"
            found.append(Row.law(name, law, source) if square is None else Row.of(name, square, source, law))
        name = f"{100 * (1 - self.level):.10g} % quantile of the largest error"
        for source, law in self.largest_laws.items():
            if square is None or largest is None:
                found.append(Row.law(name, law, source))
            else:
                value, low, high = largest
                found.append(Row(name, value, low, high, law, source, square.trials))
        return found


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
    width: float | None = None,
    confidence: float = 0.99,
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
    width
        Stop as soon as the interval of the mean squared error is narrower than this share of its
        second-moment bound ("Popoviciu"); it then holds at all times, and `trials` is the most.
    confidence
        Of the intervals.

    Returns
    -------
    list of Row
        One per bound or law, with the measured number beside it; `source` begins with "bound" or "law" ("no
        law" where the weights' range is no whole number of cells). An operator with limits adds the
        probability of leaving them (with `width`, from at most `EXIT_TRIALS` trials); if that happened in any
        trial it is the only row, as the other bounds are silent then.

    Raises
    ------
    ValueError
        If the operator is biased, its intervals have no finite square or are finer than the digits of the
        weights, or `level` is no probability.

    Examples
    --------
    >>> rows = simulate(StochasticRounding(0.5), columns=16, samples=8, trials=500)
    >>> all(row.low <= row.theory for row in rows if row.source.startswith("bound"))
    True
    """
    if not operator.unbiased:
        raise ValueError(f"{type(operator).__name__} is biased: no bound of this framework covers it")
    case = Case(operator, columns, samples, scale, rank, inside("level", level), seed)
    inputs, weights = case.data
    options: dict[str, Any] = {"threads": threads, "block": block_size(columns, samples), "level": confidence}
    limit = square_limit(inputs, scale, operator)
    exits = case.exits(trials if width is None else min(trials, EXIT_TRIALS), **options)
    if exits is not None and exits.successes:
        return case.rows(exits=exits)
    sample = error_sampler(weights, inputs, operator, scale)
    square = means(
        lambda rng, count: (sample(rng, count) ** 2).sum(axis=1),
        trials,
        bounds=[(0.0, limit)],
        seed=seed,
        key=SQUARE_KEY,
        width=None if width is None else width * case.square_laws["bound, Popoviciu"],
        **options,
    )[0]
    return case.rows(square, case.largest(square.trials, confidence), exits)


def largest_errors(
    sample: Sample, trials: int, seed: int, key: tuple[str | int | float, ...], block: int = 4096
) -> np.ndarray:
    """Sorted |u_N|_inf of `trials` trials, block i drawn from stream i as in `sims.montecarlo`."""
    parts = []
    for index, start in enumerate(range(0, trials, block)):
        errors = sample(stream(seed, key, index), min(block, trials - start))
        parts.append(np.abs(errors).max(axis=1))
    return np.sort(np.concatenate(parts))
