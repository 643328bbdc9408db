"""Claims of Zhang & Saab 2025: finite alphabets stay in range with a scale C that is large enough."""

from collections.abc import Iterator

import numpy as np

from paper_checks.claim import Claim, Measurement, Run, Twin, at_least, at_most, identity
from sims.path_following.trials import exit_sampler
from theory.operators import OneBit, Operator, StochasticRounding
from theory.path_following.exits import exit_bound, norm_ratio, sufficient_scale

PAPER = "zhang-saab"
FAILURE = 0.05


def _setting(largest: float) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian inputs and weights of which half lie at +-largest, the hardest place."""
    rng = np.random.default_rng(11)
    weights = rng.uniform(-largest, largest, 64)
    weights[::2] = np.where(weights[::2] > 0, largest, -largest)
    return rng.standard_normal((8, 64)), weights


def _stays_inside(
    run: Run, operator: Operator, largest_weights: tuple[float, ...], room: bool
) -> Iterator[Measurement]:
    for largest in largest_weights:
        inputs, weights = _setting(largest)
        ratio = norm_ratio(inputs)
        scale = sufficient_scale(largest if room else 0.0, 64, FAILURE, operator, ratio)
        sample = exit_sampler(weights, inputs, operator, scale)
        estimate = run.probability(f"|w| = {largest:g}, {room}", sample, 4_000)
        name = f"|w|_inf = {largest:g}, k = {ratio:.3g}: P(exit) at C = {scale:.1f}"
        yield at_most(name, estimate, FAILURE)
        # The covariance of each correction gives the same for a smaller C.
        low, high = 0.51, scale
        for _ in range(20):
            middle = (low + high) / 2
            bound = exit_bound(weights, inputs, middle, operator)[0]
            low, high = (low, middle) if bound <= FAILURE else (middle, high)
        sharper = high if room else 0.51 + (high - 0.51) / 20
        sample = exit_sampler(weights, inputs, operator, sharper)
        estimate = run.probability(f"|w| = {largest:g}, {room}, covariance", sample, 4_000)
        yield at_most(f"|w|_inf = {largest:g}: P(exit) at C = {sharper:.1f} (covariance)", estimate, FAILURE)


def one_bit(run: Run, room: bool = True) -> Iterator[Measurement]:
    """One bit: the sufficient scale, and the smaller one from the covariance of the corrections."""
    from theory.derivations.path_following import sufficient_scale_residual

    residual = run.once("constant", sufficient_scale_residual)
    yield identity("2N exp(-(A-w)^2/(2 sigma^2)) = e at the stated C", residual == 0)
    yield from _stays_inside(run, OneBit(1.0), (0.3, 0.9), room)


def any_alphabet(run: Run, room: bool = True) -> Iterator[Measurement]:
    """3-bit rounding on {-2, ..., 1.5}: the nearer end counts."""
    operator = StochasticRounding(0.5, bits=3)
    yield from _stays_inside(run, operator, (1.0, 1.4), room)
    # Far from the ends nothing can exit, whatever C > 1/2: the bound must know it.
    inputs = np.eye(4)
    bound = exit_bound(np.zeros(4), inputs, 1.0, operator)[0]
    yield at_most("orthogonal inputs are never corrected: bound on P(exit)", bound, 0.0, evidence="bound")
    small = exit_bound(np.full(64, 1.4), _setting(1.4)[0], 0.6, operator)[0]
    yield at_least("near the end with a small C the bound is trivial", small, 1.0, evidence="bound")


CLAIMS = (
    Claim(
        id="zs.one_bit",
        title="One bit: a scale C of order log N keeps every v in range",
        paper=PAPER,
        place="one-bit corollary of Theorem 4.2; range form derived here",
        statement=r"2C - 1 \ge \frac{\pi k^2 \log(2N/\epsilon)}{(1 - \|w\|_\infty/A)^2}"
        r"\ \Rightarrow\ \mathbb{P}(\exists t:\ |v_t| > A) \le \epsilon",
        hypotheses=r"alphabet $\{-A, A\}$, $k = \max_{j \le t}\|X_j\|/\|X_t\|$; "
        "half of the weights at the largest",
        mark="derived",
        check=one_bit,
        twins=[Twin("the weights' distance to A plays no role", {"room": False})],
        figure="path_following_one_bit",
    ),
    Claim(
        id="zs.any_alphabet",
        title="Any alphabet: the same with the nearer end",
        paper=PAPER,
        place="extends the one-bit corollary; derived here",
        statement=r"2C - 1 \ge \frac{(\pi L^2/4)\, k^2 \log(2N/\epsilon)}{(A - \|w\|_\infty)^2}"
        r"\ \Rightarrow\ \mathbb{P}(\mathrm{exit}) \le \epsilon",
        hypotheses=r"stochastic rounding, 3 bits on $\{-2, \dots, 1.5\}$, $A = 1.5$",
        mark="derived",
        check=any_alphabet,
        twins=[Twin("the weights' distance to the end plays no role", {"room": False})],
        figure="path_following_one_bit",
    ),
)
