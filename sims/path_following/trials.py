"""Monte Carlo of path following: samplers of the error; one setting beside every bound and law."""

import math
from typing import Any

import numpy as np

from sims.montecarlo import Estimate, Sample, means, probability, stream
from sims.path_following.compression import Compressed, as_weights, check_one_bit, compress, output_error
from sims.path_following.gram import Gram
from theory.convex_order import tail_bound
from theory.operators import Operator
from theory.path_following import as_inputs, error_map, error_stds, error_variance
from theory.path_following.exits import exit_bound
from theory.path_following.laws import direct_error, saturation_law, second_moment


def error_sampler(
    weights: Any, inputs: Any, operator: Operator, scale: float = 1.0, method: str = "path-following"
) -> Sample:
    """Sampler of u_N for one neuron: `sample(rng, count)` returns (count, samples) independent errors.

    Trials are extra neurons, so they share one Gram matrix.

    Parameters
    ----------
    weights : (fan_in,) array_like
    inputs : (samples, fan_in) array_like
    operator, scale, method : as in `compress`

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        From the sampler, if v left the operator's limits in any trial: the theorems are silent there.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import StochasticRounding
    >>> sample = error_sampler([0.5], [[1.0]], StochasticRounding(1.0))
    >>> np.unique(sample(np.random.default_rng(0), 100)).tolist()
    [-0.5, 0.5]
    """
    x = as_inputs(inputs)
    gram = Gram()
    gram.update(x)
    w = as_weights(weights, x.shape[1])

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        result = _trials(w, gram, operator, scale, method, rng, count)
        if result.exits.any():
            raise ValueError(
                f"v left the limits of {operator} in {np.count_nonzero(result.exits)} of {count} trials, "
                "where no bound applies: raise C or the operator's range"
            )
        return output_error(result, x)

    return sample


def exit_sampler(
    weights: Any, inputs: Any, operator: Operator, scale: float = 1.0, method: str = "path-following"
) -> Sample:
    """Sampler of the event that v leaves the operator's limits: `sample(rng, count)`, (count,) booleans.

    Parameters are those of `error_sampler`.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import OneBit
    >>> sample = exit_sampler([0.9, 0.9], [[1.0, 1.0]], OneBit(1.0))
    >>> bool(sample(np.random.default_rng(0), 10).all())    # v_2 = 0.9 + (0.9 -+ 1) is 0.8 or 2.8
    False
    """
    x = as_inputs(inputs)
    gram = Gram()
    gram.update(x)
    w = as_weights(weights, x.shape[1])
    check_one_bit(w, operator)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        return _trials(w, gram, operator, scale, method, rng, count).exits > 0

    return sample


def _trials(
    weights: np.ndarray,
    gram: Gram,
    operator: Operator,
    scale: float,
    method: str,
    rng: np.random.Generator,
    count: int,
) -> Compressed:
    """The same neuron `count` times, with independent random choices."""
    rows = np.broadcast_to(weights, (count, weights.shape[1]))
    return compress(rows, gram=gram, operator=operator, scale=scale, method=method, damping=0.0, seed=rng)


def problem(
    columns: int, samples: int, seed: int = 0, rank: int | None = None, spread: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian inputs (samples, columns), of full or given rank, entries of variance 1, and uniform weights.

    Parameters
    ----------
    columns, samples : int
        N and m.
    seed : int
    rank : int, optional
        Inputs are a product of Gaussian factors of this rank.
    spread : float
        Weights are uniform on [-spread, spread].

    Returns
    -------
    inputs (m, N), weights (N,)

    Examples
    --------
    >>> import numpy as np
    >>> x, w = problem(5, 8, rank=2)
    >>> x.shape, w.shape, int(np.linalg.matrix_rank(x))
    ((8, 5), (5,), 2)
    """
    for name, value in (("columns", columns), ("samples", samples), ("rank", 1 if rank is None else rank)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")
    rng = stream(seed, ("path_following", columns, samples, rank or 0))
    inputs = rng.standard_normal((samples, columns))
    if rank is not None:
        inputs = rng.standard_normal((samples, rank)) @ rng.standard_normal((rank, columns)) / math.sqrt(rank)
    return inputs, rng.uniform(-spread, spread, columns)


def adversarial_columns(samples: int, columns: int, weight: float, rng: np.random.Generator) -> np.ndarray:
    """Unit columns, each orthogonal to the error that nearest rounding (step 1, C = 1) has made so far.

    No column then corrects anything: with every weight at w, |w| < 1/2, the error is |w| sqrt(N) long.

    Parameters
    ----------
    samples, columns : int
        m >= 2 and N.
    weight : float
        w, the value of every weight.
    rng : Generator

    Returns
    -------
    (samples, columns) ndarray

    Examples
    --------
    >>> import numpy as np
    >>> x = adversarial_columns(3, 100, 0.49, np.random.default_rng(0))
    >>> round(float(np.linalg.norm(0.49 * x.sum(axis=1))), 6)
    4.9
    """
    if samples < 2:
        raise ValueError(f"samples must be at least 2 for columns orthogonal to an error, got {samples}")
    x = np.empty((samples, columns))
    u = np.zeros(samples)
    for t in range(columns):
        g = rng.standard_normal(samples)
        if t:
            g -= u * (u @ g) / (u @ u)
        x[:, t] = g / np.linalg.norm(g)
        u = u + (weight - round(weight)) * x[:, t]
    return x


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


def quantile(values: np.ndarray, probability: float, confidence: float = 0.99) -> tuple[float, float, float]:
    """Quantile of sorted values with an exact interval from order statistics.

    The number of trials below the true quantile is binomial, whatever the law; where too few trials lie
    beyond it the interval is open and its end infinite.

    Parameters
    ----------
    values : (n,) sorted ndarray
    probability, confidence : float in (0, 1)

    Returns
    -------
    value, low, high

    Examples
    --------
    >>> import numpy as np
    >>> quantile(np.arange(1000.0), 0.95)
    (950.0, 930.0, 967.0)
    """
    from scipy.stats import binom

    n = len(values)
    tail = (1 - confidence) / 2
    low, high = binom.ppf(tail, n, probability), binom.isf(tail, n, probability)
    below = float(values[int(low) - 1]) if low >= 1 else -math.inf
    above = float(values[int(high)]) if high < n else math.inf
    return float(values[min(int(probability * n), n - 1)]), below, above


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
