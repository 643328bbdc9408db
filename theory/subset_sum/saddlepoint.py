r"""Conditional Poisson law: given the samples, the number of solutions is close to Poisson(lambda(X)).

lambda(X) is a density of the sum of n fair coins B_i X_i, times 2^n: Gaussian near the centre of that sum,
a saddlepoint approximation everywhere. `poisson_mean` is a pure function of given samples; averaging
exp(-lambda(X)) over random samples estimates P(miss) with little variance (`sims.subset_sum.rare`), and
`saddlepoint_miss_probability` does the same over a fixed, evenly spread set of points.
"""

import math
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import choice, plain, reals, whole
from theory.integer_sums import Law, check_arguments
from theory.subset_sum.bounds import critical_divisors, divides_every_sample, reach_probability

PoissonForm = Literal["saddlepoint", "gaussian"]
_POINTS = 512


def poisson_mean(
    values: ArrayLike, target: int, form: PoissonForm = "saddlepoint", delta: int = 0
) -> np.ndarray | float:
    r"""Approximate mean number of subsets of given samples that sum to the target.

    .. math:: \text{saddlepoint } \lambda = \frac{e^{K(h) - h t}}{\sqrt{2\pi K''(h)}},\quad
              K(h) = \sum_i \log(1 + e^{h X_i}),\; K'(h) = t; \qquad
              \text{Gaussian } \lambda = \frac{2^{n+1}}{\sqrt{2\pi Q}}\, e^{-(2t-\Lambda)^2/(2Q)},\;
              Q = \sum X_i^2,\; \Lambda = \sum X_i

    Parameters
    ----------
    values
        (..., n) integers; the last axis holds the samples of one instance. Zeros double the count.
    target
        t.
    form
        "saddlepoint" or "gaussian" (near the window only).
    delta
        Times 2 delta + 1.

    Returns
    -------
    lambda, shape (...). Exactly 0 where t lies outside [sum of negatives, sum of positives], and 2^zeros at
    the two ends, where one subset (up to zeros) solves ("gaussian": where every sample is 0). The sums are
    taken to fill a lattice of step 1.

    Examples
    --------
    >>> from itertools import combinations
    >>> x = [3, -7, 11, 19, -23, 31, 36, -41, 44, 52, -57, 63]
    >>> exact = sum(sum(c) == 40 for k in range(13) for c in combinations(x, k))
    >>> exact, round(poisson_mean(x, 40), 1), round(poisson_mean(x, 40, "gaussian"), 1)
    (21, 23.6, 23.3)
    """
    target, delta = whole("target", target, any_size=True), whole("delta", delta, 0, any_size=True)
    x, goal = reals("values", values), reals("target", target)
    if x.ndim == 0:
        raise ValueError(f"values must be the samples, or rows of them, got {values!r}")
    if choice("form", form, ("saddlepoint", "gaussian")) == "gaussian":
        square = (x * x).sum(axis=-1)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            mean = np.exp(
                (x.shape[-1] + 1) * math.log(2.0) - (2 * goal - x.sum(axis=-1)) ** 2 / (2.0 * square)
            ) / np.sqrt(2.0 * np.pi * square)
        mean = np.where(square > 0.0, mean, _doubled(x.shape[-1]) if target == 0 else 0.0)
    else:
        rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        mean = _saddlepoint(rows, float(goal)).reshape(x.shape[:-1])
    return plain(reals("delta", 2 * delta + 1) * mean)


def _saddlepoint(x: np.ndarray, t: float) -> np.ndarray:
    high = np.where(x > 0, x, 0.0).sum(axis=1)
    low = np.where(x < 0, x, 0.0).sum(axis=1)
    mean = np.zeros(len(x))
    ends = (t == high) | (t == low)
    mean[ends] = _doubled((x[ends] == 0).sum(axis=1))
    inside = (t > low) & (t < high)
    if inside.any():
        with np.errstate(over="ignore"):
            mean[inside] = np.exp(_log_saddlepoint(x[inside], t))
    return mean


def _doubled(times: ArrayLike) -> np.ndarray:
    """2^times, inf beyond every double."""
    with np.errstate(over="ignore"):
        return np.exp2(np.asarray(times, np.float64))


def _log_saddlepoint(x: np.ndarray, t: float) -> np.ndarray:
    """log of the saddlepoint density times 2^n, by Newton steps kept inside a shrinking bracket."""
    scale = np.abs(x).max(axis=1)
    y, goal = x / scale[:, None], t / scale  # samples in [-1, 1]: h of order one in the bulk
    h = (4.0 * goal - 2.0 * y.sum(axis=1)) / (y * y).sum(axis=1)  # the Gaussian solution
    open_rows = np.arange(len(x))  # most rows need five steps, a few near the ends of the range need forty
    below, above = -50.0 * scale, 50.0 * scale
    for _ in range(80):
        u, now = y[open_rows], h[open_rows]
        share = _logistic(now[:, None] * u)
        slope = (u * share).sum(axis=1) - goal[open_rows]
        curve = (u * u * share * (1.0 - share)).sum(axis=1)
        above, below = np.where(slope > 0, now, above), np.where(slope > 0, below, now)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = now - slope / curve
        # a slope of 0 leaves the step at an end of the bracket, which is the root
        inside = (step >= below) & (step <= above)
        step = np.where(inside, step, 0.5 * (below + above))
        h[open_rows] = step
        # the exponent is stationary in h: its error is of second order; beyond the bracket curve may be 0
        rest = ~inside | ((step - now) ** 2 * curve >= 1e-8)
        if not rest.any():
            break
        open_rows, below, above = open_rows[rest], below[rest], above[rest]
    share = _logistic(h[:, None] * y)
    curve = (x * x * share * (1.0 - share)).sum(axis=1)
    cumulant = np.logaddexp(0.0, h[:, None] * y).sum(axis=1) - h * goal
    return cumulant - 0.5 * np.log(2.0 * np.pi * np.maximum(curve, 1e-300))


def _logistic(v: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * v))


def _spread(count: int, dimensions: int) -> np.ndarray:
    """Evenly spread points of the unit cube: additive recurrence with the generalised golden ratio."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    steps = root ** -np.arange(1.0, dimensions + 1)
    return (0.5 + np.arange(1, count + 1)[:, None] * steps) % 1.0


@lru_cache(maxsize=4096)
def saddlepoint_miss_probability(
    n: int, max_value: int, target: int, law: Law = "nonzero", delta: int = 0
) -> float:
    r"""Conditional Poisson law of P(miss), averaged over a fixed set of samples, stratified by their signs.

    .. math:: P(\text{miss}) \approx P(\text{reach}) + \sum_k \binom nk 2^{-n}\,
              \operatorname{mean}_{X : k \text{ positive}} e^{-\lambda(X)}\, 1[\textstyle\sum X_i^+ \ge t],
              \qquad \text{with divisibility } 1 - (1 - P_g)(1 - \cdot)

    Failures come from samples with few positive values; the strata make that rare region visible to a few
    hundred points; the extreme ones, whose positive values stay below t, are counted exactly. Zeros of the
    uniform law are thinned exactly. With a tolerance lambda is summed over the window.

    Accuracy is measured by the claim `kn.saddlepoint`; beside splitting estimates it stayed within 0.85-1.75
    of P(miss) down to 1e-11 for M = 15, 127, 1023, where the Cox law was wrong by up to 25 times. On grids up
    to M = 10 its error was measured cell by cell (`theory.subset_sum.errors.miss_error`): 15.7 times too
    large at M = 1, n = 40, up to 3.2 times at M = 7. Tolerances near M cost a factor more.
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0, any_size=True)
    if abs(target) <= delta:
        return 0.0
    if n == 0:
        return 1.0
    if law == "uniform":
        miss = 0.0
        for zeros in range(n + 1):
            weight = _binomial(n, zeros, 1.0 / (2 * max_value + 1))
            miss += weight * saddlepoint_miss_probability(n - zeros, max_value, target, "nonzero", delta)
            # each further zero at most doubles the miss probability several times over
            if weight * 8.0 ** (zeros + 1) < 1e-4 * miss:
                break
        return miss
    factors = 2 if law == "product" else 1
    points = _spread(_POINTS, factors * n)
    size = np.floor(max_value * points) + 1.0
    size = size[:, :n] * size[:, n:] if law == "product" else size
    window = _window(abs(target), delta)
    miss = float(reach_probability(n, max_value, abs(target) - delta, law))
    for k in range(n + 1):
        x = size.copy()
        x[:, k:] *= -1.0
        # most strata are full of solutions and never miss, as the Gaussian form can tell near the centre
        square = (x * x).sum(axis=1)
        centred = (2 * abs(target) - x.sum(axis=1)) ** 2 < 6.0 * square
        reached = np.where(x > 0.0, x, 0.0).sum(axis=1) >= abs(target) - delta  # the others: exactly, below
        scarce = (~centred | (poisson_mean(x, abs(target), "gaussian", delta) < 300.0)) & reached
        if scarce.any():
            mean = sum(weight * poisson_mean(x[scarce], sum_) for sum_, weight in window)
            missed = np.exp(-mean).sum() / _POINTS
            miss += math.comb(n, k) / 2**n * float(missed)
    if delta == 0:
        for g in critical_divisors(max_value, target, law, count=2):
            miss += float(divides_every_sample(g, max_value, law) ** n) * (1.0 - miss)
    return miss


def _window(target: int, delta: int) -> list[tuple[int, float]]:
    """Sums within delta of the target with their weights: all, or the middles of nine equal parts.

    Some of them may be out of reach of the samples where others, and the target itself, are not.
    """
    width = 2 * delta + 1
    parts = min(width, 9)
    return [(target - delta + (2 * i + 1) * width // (2 * parts), width / parts) for i in range(parts)]


def _binomial(n: int, k: int, p: float) -> float:
    return float(math.comb(n, k) * Fraction(p) ** k * (1 - Fraction(p)) ** (n - k))
