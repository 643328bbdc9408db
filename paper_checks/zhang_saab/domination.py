"""Claims of Zhang & Saab 2025: unbiased operators, convex domination of the error."""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import product

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity
from sims.path_following.trials import error_sampler
from theory.convex_order import stop_loss, stop_loss_slack
from theory.operators import (
    NearestRounding,
    OneBit,
    Operator,
    PruneThenRound,
    StochasticPruning,
    StochasticRounding,
    expectation,
)
from theory.path_following import error_covariance, error_map, error_variance

PAPER = "zhang-saab"
UNBIASED = ("stochastic rounding", "4-bit rounding", "one bit", "pruning", "prune then round")


def rational_operator(name: str, a: Fraction, b: Fraction) -> Operator:
    """The operator of that name with exact rational parameters."""
    makers = {
        "stochastic rounding": lambda: StochasticRounding(a),
        "4-bit rounding": lambda: StochasticRounding(a, bits=4),
        "one bit": lambda: OneBit(a),
        "pruning": lambda: StochasticPruning(a),
        "prune then round": lambda: PruneThenRound(a, b),
        "nearest rounding": lambda: NearestRounding(a),
    }
    return makers[name]()


def _errors(name: str) -> tuple[bool, Fraction, Fraction, int]:
    """Unbiased?, the widest pair of errors over L, the largest over M, and how many values were tried."""
    sizes = [Fraction(1, 3), Fraction(1), Fraction(7, 5)]
    unbiased, checked = True, 0
    widest = largest = Fraction(0)
    for a, b, k in product(sizes, sizes, range(-66, 67)):
        operator, value = rational_operator(name, a, b), Fraction(k, 13)
        low, high = operator.limits
        if not low <= value <= high:
            continue
        law = operator.outcomes(value)
        errors = [point - value for point, _ in law]
        unbiased &= expectation(law) == value and sum(p for _, p in law) == 1
        widest = max(widest, (max(errors) - min(errors)) / operator.interval_length)
        largest = max(largest, max(map(abs, errors)) / operator.max_error)
        checked += 1
    return unbiased, widest, largest, checked


def unbiased_and_bounded(
    run: Run, factor: float = 1.0, operators: tuple[str, ...] = UNBIASED
) -> Iterator[Measurement]:
    """Exact rational enumeration, beside the symbolic means written from the definitions alone."""
    from theory.derivations.path_following import operator_means

    means = run.once("means", operator_means)
    zero = all(value == 0 for value in means.values())
    yield identity("E T(v) - v = 0 for a symbolic v", zero, cases=len(means))
    for name in operators:
        unbiased, widest, largest, checked = run.once(name, partial(_errors, name))
        bounded = widest <= Fraction(factor) and largest <= Fraction(factor)
        detail = f"{checked} values in exact rational arithmetic"
        of = f"{name}: errors in an interval of length L, at most M"
        yield identity(f"{name}: E T(v) = v", unbiased, detail, evidence="evaluated", cases=checked)
        yield identity(of, bounded, detail, evidence="evaluated", cases=checked)
        # neither is larger than it need be: two points L apart, and values up to 1/91 of a step from an end
        yield at_least(f"{name}: widest pair of errors over L", widest, 1.0, cases=checked)
        yield at_least(f"{name}: largest error over M", largest, 0.98, cases=checked)


def gaussian_domination(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """The lemma for all laws at once (ball arithmetic), and its equality case."""
    from theory.derivations.convex_order import range_lemma_derivatives, range_lemma_margins

    facts = run.once("facts", range_lemma_derivatives)
    yield identity("I'' = -1/I, F(1/2) = F'(1/2) = F(1) = 0", all(v == 0 for v in facts.values()))
    for part, margin in range_lemma_margins(Fraction(factor)).items():  # together every p
        yield identity(f"I(p) >= 4 I(1/2) p (1-p), {part}", margin, f"margin {margin.str(3)}")
    std = math.sqrt(factor * math.pi / 8)
    slack = stop_loss_slack([-0.5, 0.5], [0.5, 0.5], std)
    yield at_least("fair coin: least room under the stop-loss curve", slack, -1e-15, cases=2)


def exact_error_law(
    inputs: np.ndarray, weights: np.ndarray, operator: Operator, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Every end u_N (rows) of Phase II with its probability, by walking the tree of choices literally."""
    ends = [(1.0, np.zeros(len(inputs)))]
    for column, weight in zip(inputs.T, weights, strict=True):
        square = float(column @ column)
        ends = [
            (chance * float(probability), u + (weight - float(point)) * column)
            for chance, u in ends
            for point, probability in operator.outcomes(float(weight + column @ u / (scale * square)))
        ]
    return np.array([u for _, u in ends]), np.array([chance for chance, _ in ends])


SMALL_OPERATORS: tuple[Operator, ...] = (
    StochasticRounding(1.0),
    OneBit(8.0),
    StochasticPruning(1.0),
    PruneThenRound(1.5, 1.0),
)


def equal_columns_law(columns: int, weight: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Every end of Phase II with its probability: N equal unit columns, equal weights in (0, 1), step 1.

    u_t = t w - K with K the sum of the codes: one number per K, which takes two values a step.
    """
    chance = np.array([1.0])  # of K = low, low + 1, ...
    low = 0
    for t in range(columns):
        v = weight + (t * weight - low - np.arange(len(chance))) / scale
        floor = np.floor(v)
        share = v - floor
        codes = floor.astype(int)
        first = low + int((np.arange(len(chance)) + codes).min())
        grown = np.zeros(len(chance) + int(codes.max() - codes.min()) + 2)
        at = low + np.arange(len(chance)) + codes - first
        np.add.at(grown, at, chance * (1 - share))
        np.add.at(grown, at + 1, chance * share)
        kept = np.flatnonzero(grown > 1e-30)
        chance, low = grown[kept[0] : kept[-1] + 1], first + int(kept[0])
    return columns * weight - low - np.arange(len(chance)), chance


def _sharp_cases(run: Run, factor: float, power: float, largest: bool) -> Iterator[Measurement]:
    """Weights in mid-cell: orthogonal columns, an odd number of equal ones, and a large C."""
    operator = StochasticRounding(1.0)
    norms = np.array([1.0, 0.5, 2.0])
    turned = np.linalg.qr(np.random.default_rng(8).standard_normal((3, 3)))[0]
    law = partial(exact_error_law, turned * norms, np.full(3, 0.5), operator, 1.5)
    ends, chances = run.once("orthogonal", law)
    norm = float(norms.max() if largest else np.sqrt(np.mean(norms**2)))
    std = math.sqrt(factor * error_variance(1.0, operator, norm))
    slack = stop_loss_slack(ends @ turned[:, 2], chances, std)  # C = 1 has the least beta of all C
    name = "3 orthogonal columns in mid-cell, along the longest"
    yield at_least(f"{name}: room under beta at C = 1", slack, -1e-14, cases=len(chances))
    for columns in (1, 3, 9):
        ends, chances = equal_columns_law(columns, 0.5, 1.0)
        std = math.sqrt(factor * error_variance(1.0, operator, 1.0))
        slack = stop_loss_slack(ends, chances, std)
        name = f"{columns} equal columns in mid-cell, C = 1: room"
        yield at_least(name, slack, -1e-14, cases=2**columns)
    for scale, columns in ((8.0, 65), (1000.0, 4001)):
        ends, chances = run.once(f"line {scale}", partial(equal_columns_law, columns, 0.5, scale))
        std = math.sqrt(factor * error_variance(scale, operator, 1.0) * scale ** (power - 2))
        for share in (0.0, 1.0):
            loss = float(np.maximum(ends - share * std, 0.0) @ chances)
            name = f"{columns} equal columns, C = {scale:g}: exact E(u - {share:g} s)_+"
            yield at_most(name, loss, float(stop_loss(std, share * std)), cases=len(chances))


def domination(
    run: Run, factor: float = 1.0, power: float = 2.0, largest: bool = True
) -> Iterator[Measurement]:
    """Stop-loss functions of many projections: exact laws of short sequences, Monte Carlo of long ones."""
    yield from _sharp_cases(run, factor, power, largest)
    rng = np.random.default_rng(1)
    inputs, weights = rng.standard_normal((2, 7)), rng.uniform(-0.6, 0.6, 7)
    angles = np.linspace(0, math.pi, 12, endpoint=False)
    for operator in SMALL_OPERATORS:
        name = type(operator).__name__
        for scale in (0.6, 1.0, 3.0):
            law = partial(exact_error_law, inputs, weights, operator, scale)
            ends, chances = run.once(f"{name} {scale}", law)
            covariance = error_covariance(inputs, scale, operator)
            beta = factor * error_variance(scale, operator, np.linalg.norm(inputs, axis=0).max())
            worst = math.inf
            for angle in angles:
                a = np.array([math.cos(angle), math.sin(angle)])
                for variance in (beta, factor * float(a @ covariance @ a)):
                    std = math.sqrt(variance)
                    worst = min(worst, stop_loss_slack(ends @ a, chances, std) / std)
            yield at_least(
                f"{name}, C = {scale:g}: 12 projections, all k",
                worst,
                -1e-12,
                detail=f"{len(chances)} outcomes; beta and the covariance recursion",
            )
    rng = np.random.default_rng(2)
    inputs, weights = rng.standard_normal((8, 64)), rng.uniform(-0.3, 0.3, 64)
    norm = np.linalg.norm(inputs, axis=0).max()
    for operator, scale in (
        (StochasticRounding(0.25), 2.0),
        (OneBit(1.0), 150.0),
        (StochasticPruning(0.3), 1.0),
        (PruneThenRound(0.3, 0.125), 1.0),
    ):
        covariance = error_covariance(inputs, scale, operator)
        direction = np.linalg.eigh(covariance)[1][:, -1]
        std = math.sqrt(error_variance(scale, operator, norm))
        name = f"{type(operator).__name__}, C = {scale:g}, m = 8, N = 64"
        yield from _stop_losses(run, name, inputs, weights, operator, scale, std, direction)


def _stop_losses(
    run: Run,
    name: str,
    inputs: np.ndarray,
    weights: np.ndarray,
    operator: Operator,
    scale: float,
    std: float,
    direction: np.ndarray,
) -> Iterator[Measurement]:
    sample = error_sampler(weights, inputs, operator, scale)
    reach = float(operator.interval_length * np.abs(direction @ error_map(inputs, scale)).sum())
    true_std = math.sqrt(error_variance(scale, operator, np.linalg.norm(inputs, axis=0).max()))
    retentions = np.array([0.0, 0.5]) * true_std

    def losses(rng: np.random.Generator, count: int) -> np.ndarray:
        return np.maximum((sample(rng, count) @ direction)[:, None] - retentions, 0.0)

    bounds = [(0.0, max(reach - k, 1e-9)) for k in retentions]
    for k, estimate in zip(retentions, run.means(name, losses, 20_000, bounds), strict=True):
        yield at_most(f"{name}: E(<a,u> - {k / true_std:g} s)_+", estimate, stop_loss(std, k))


CLAIMS = (
    Claim(
        id="zs.operators",
        title="The operators are unbiased, and their errors lie in an interval of length L",
        paper=PAPER,
        place="Section 4, the operators of the framework",
        statement=r"\mathbb{E}\,T(v) = v, \quad |T(v) - v| \le M, \quad T(v) - v \in [a_v, a_v + L]",
        hypotheses=r"$v$ inside the operator's limits; rounding, one bit, pruning, pruning then rounding; "
        r"$L$ is attained, $M$ to 2 % among the values tried",
        mark="paper",
        constant=Constant("L and M", "upper"),
        check=unbiased_and_bounded,
        twins=[
            Twin("nearest rounding is unbiased too", {"operators": ("nearest rounding",)}),
            Twin("the errors lie in an interval of 0.99 L", {"factor": 0.99}),
        ],
    ),
    Claim(
        id="zs.range_lemma",
        title="Mean zero on an interval of length L is dominated by N(0, pi L^2/8), sharply",
        paper=PAPER,
        place="lemma before Theorem 4.2; range form derived here",
        statement=r"\mathbb{E}X = 0,\ X \in [a, a+L] \ \Rightarrow\ X \preceq_{cx} N(0, \pi L^2/8)",
        hypotheses=r"any law; $L = 2M$ gives the paper's $\pi M^2/2$ for $|X| \le M$",
        mark="derived",
        constant=Constant("the variance", "upper"),
        check=gaussian_domination,
        twins=[Twin("the variance lowered by 0.5 %", {"factor": 0.995})],
    ),
    Claim(
        id="zs.domination",
        title="The path-following error is dominated by an isotropic Gaussian",
        paper=PAPER,
        place="Theorem 4.2, with the range form of the variance",
        statement=r"u_t \preceq_{cx} N(0, \beta_t I),\quad "
        r"\beta_t = \frac{\pi L^2}{8}\,\frac{C^2}{2C-1}\max_{j \le t}\|X_j\|^2",
        hypotheses=r"unbiased operator, $C > 1/2$; the paper has $C \ge 1$ and $L = 2M$",
        mark="derived",
        constant=Constant("the variance", "upper"),
        check=domination,
        twins=[
            Twin("the variance lowered by 0.5 %", {"factor": 0.995}),
            Twin("C^1.9 in place of C^2", {"power": 1.9}),
            Twin("the mean squared norm in place of the largest", {"largest": False}),
        ],
        figure="path_following_bounds",
    ),
)
