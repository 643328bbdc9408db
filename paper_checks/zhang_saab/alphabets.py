"""Claims of Zhang & Saab 2025: finite alphabets stay in range with a scale C that is large enough."""

import math
from collections.abc import Iterator

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_most, identity, within
from theory.operators import OneBit, Operator, StochasticRounding
from theory.path_following.exits import correction_stds, exit_bound, norm_ratio, sufficient_scale

PAPER = "zhang-saab"
FAILURE = 0.05
COLUMNS = 64


def exact_exit(weight: float, columns: int, operator: Operator, scale: float) -> float:
    """P(v leaves the limits) for equal columns and weights, exactly: one level of u per sum of the codes."""
    low, high = (float(limit) for limit in operator.limits)
    levels, left = {0.0: 1.0}, 0.0
    for t in range(columns):
        grown: dict[float, float] = {}
        for total, chance in levels.items():  # total: the sum of the codes so far
            v = weight + (t * weight - total) / scale
            if not low <= v <= high:
                left += chance
                continue
            for point, probability in operator.outcomes(v):
                key = round(total + float(point), 9)
                grown[key] = grown.get(key, 0.0) + chance * float(probability)
        levels = grown
    return left


def _scale(operator: Operator, largest: float, factor: float, room: bool, ratio: float = 1.0) -> float:
    """C as the code states it, with 2C - 1 times a factor."""
    scale = sufficient_scale(largest if room else 0.0, COLUMNS, FAILURE, operator, ratio)
    return (1 + factor * (2 * scale - 1)) / 2


def _stays_inside(
    operator: Operator, largest_weights: tuple[float, ...], factor: float, room: bool
) -> Iterator[Measurement]:
    end = min(-float(operator.limits[0]), float(operator.limits[1]))
    variance = math.pi / 8 * float(operator.interval_length) ** 2
    inputs = np.random.default_rng(11).standard_normal((8, COLUMNS))
    ratio = norm_ratio(inputs)
    rising = inputs * np.geomspace(1.0, 9.0, COLUMNS)  # the largest norm of all is no norm before the least
    norms = [float(norm) for norm in np.linalg.norm(rising, axis=0)]
    literal = max(max(norms[: t + 1]) / norm for t, norm in enumerate(norms))
    yield within("k of 64 rising columns over the stated one", norm_ratio(rising) / literal, 1.0, 1e-12)
    for largest in largest_weights:
        for k in (1.0, ratio):
            scale = _scale(operator, largest, factor, room, k)
            tail = math.exp(-((end - largest) ** 2) / (2 * variance * k**2 / (2 * scale - 1)))
            name = f"|w|_inf = {largest:g}, k = {k:.3g}, C = {scale:.2f}: 2 N exp(-room^2/(2 sigma^2)) / e"
            yield within(name, 2 * COLUMNS * tail / FAILURE, 1.0, 1e-12)
        # The variance in that tail: never exceeded, and attained by equal columns.
        stds = correction_stds(inputs, scale, operator)
        share = float((stds**2).max()) * (2 * scale - 1) / (variance * ratio**2)
        yield at_most(
            f"|w|_inf = {largest:g}: largest variance of a correction / sigma^2", share, 1.0 + 1e-12
        )
        scale = _scale(operator, largest, factor, room)
        exact = exact_exit(largest, COLUMNS, operator, scale)
        name = f"|w|_inf = {largest:g}, {COLUMNS} equal columns, C = {scale:.2f}"
        yield at_most(f"{name}: exact P(exit)", exact, FAILURE)
        weights, line = np.full(COLUMNS, largest), np.ones((1, COLUMNS))
        bound = float(exit_bound(weights, line, scale, operator)[0])
        yield at_most(f"{name}: bound by the covariance", bound, FAILURE, evidence="bound")
        # The covariance of each correction gives the same for a smaller C.
        low, high = 0.51, scale
        for _ in range(30):
            middle = (low + high) / 2
            bound = exit_bound(weights, line, middle, operator)[0]
            low, high = (low, middle) if bound <= FAILURE else (middle, high)
        exact = exact_exit(largest, COLUMNS, operator, high if room else 1.0)
        yield at_most(f"|w|_inf = {largest:g}, C = {high:.2f} (covariance): exact P(exit)", exact, FAILURE)
    limit = correction_stds(np.ones((1, 400)), 8.0, operator)[-1] ** 2 * (2 * 8.0 - 1) / variance
    yield within("400 equal columns, C = 8: variance of the last correction / sigma^2", limit, 1.0, 1e-9)


def one_bit(run: Run, factor: float = 1.0, room: bool = True) -> Iterator[Measurement]:
    """One bit: the tail at the code's own C is the level; exact exits of equal columns."""
    from theory.derivations.path_following import sufficient_scale_residual

    residual = run.once("constant", sufficient_scale_residual)
    yield identity("2N exp(-(A-w)^2/(2 sigma^2)) = e at the stated C", residual == 0)
    yield from _stays_inside(OneBit(1.0), (0.3, 0.9), factor, room)


def any_alphabet(run: Run, factor: float = 1.0, room: bool = True) -> Iterator[Measurement]:
    """3-bit rounding on {-2, ..., 1.5}: the nearer end counts."""
    operator = StochasticRounding(0.5, bits=3)
    yield from _stays_inside(operator, (1.2, 1.4), factor, room)
    # Far from the ends nothing can exit, whatever C > 1/2: the bound must know it.
    bound = exit_bound(np.zeros(4), np.eye(4), 1.0, operator)[0]
    yield at_most("orthogonal inputs are never corrected: bound on P(exit)", bound, 0.0, evidence="bound")
    inputs = np.random.default_rng(11).standard_normal((8, COLUMNS))
    small = exit_bound(np.full(COLUMNS, 1.4), inputs, 0.6, operator)[0]
    yield identity("near the end with a small C the bound is trivial", bool(small >= 1.0), evidence="bound")


CLAIMS = (
    Claim(
        id="zs.one_bit",
        title="One bit: a scale C of order log N keeps every v in range",
        paper=PAPER,
        place="one-bit corollary of Theorem 4.2; range form derived here",
        statement=r"2C - 1 \ge \frac{\pi k^2 \log(2N/\epsilon)}{(1 - \|w\|_\infty/A)^2}"
        r"\ \Rightarrow\ \mathbb{P}(\exists t:\ |v_t| > A) \le \epsilon",
        hypotheses=r"alphabet $\{-A, A\}$, $k = \max_{j \le t}\|X_j\|/\|X_t\|$. The tail at the stated $C$ "
        r"is $\epsilon$ to $10^{-12}$; exact exits of 64 equal columns, all weights at the largest.",
        mark="derived",
        constant=Constant("2C - 1"),
        check=one_bit,
        twins=[
            Twin("95 % of 2C - 1", {"factor": 0.95}),
            Twin("105 % of 2C - 1 is what the argument gives", {"factor": 1.05}),
            Twin("the weights' distance to A plays no role", {"room": False}),
        ],
        figure="path_following_one_bit",
    ),
    Claim(
        id="zs.any_alphabet",
        title="Any alphabet: the same with the nearer end",
        paper=PAPER,
        place="extends the one-bit corollary; derived here",
        statement=r"2C - 1 \ge \frac{(\pi L^2/4)\, k^2 \log(2N/\epsilon)}{(A - \|w\|_\infty)^2}"
        r"\ \Rightarrow\ \mathbb{P}(\mathrm{exit}) \le \epsilon",
        hypotheses=r"stochastic rounding, 3 bits on $\{-2, \dots, 1.5\}$, $A = 1.5$; as for one bit",
        mark="derived",
        constant=Constant("2C - 1"),
        check=any_alphabet,
        twins=[
            Twin("95 % of 2C - 1", {"factor": 0.95}),
            Twin("105 % of 2C - 1 is what the argument gives", {"factor": 1.05}),
            Twin("the weights' distance to the end plays no role", {"room": False}),
        ],
        figure="path_following_one_bit",
    ),
)
