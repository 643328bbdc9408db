"""Claims of Zhang & Saab 2025: every step, several layers, column order, and the trap of quantiles."""

import itertools
import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, within
from paper_checks.zhang_saab.domination import exact_error_law
from sims.path_following import compress
from theory.convex_order import stop_loss_slack, tail_bound
from theory.operators import NearestRounding, StochasticRounding
from theory.path_following import error_covariance, error_variance, gram_schmidt_reversed

PAPER = "zhang-saab"


def every_step(run: Run, factor: float = 1.0, own_norm: bool = False) -> Iterator[Measurement]:
    """Exact laws of u_1..u_N on columns of falling norms: the largest norm so far rules every step."""
    operator = StochasticRounding(1.0)
    rng = np.random.default_rng(31)
    turned = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    # a long column in mid-cell, shorter ones after it that leave its error alone, then general ones
    columns = [2.0 * turned[:, 0], turned[:, 1], 0.5 * turned[:, 1], *rng.uniform(0.2, 1, (4, 2))]
    inputs = np.column_stack(columns)
    weights = np.array([0.5, 0.5, 0.0, *rng.uniform(-0.6, 0.6, 4)])
    directions = [turned[:, 0], turned[:, 1], np.array([0.6, 0.8])]
    for t in range(1, len(weights) + 1):
        law = partial(exact_error_law, inputs[:, :t], weights[:t], operator, 1.0)
        ends, chances = run.once(f"{t} steps", law)
        norms = np.linalg.norm(inputs[:, :t], axis=0)
        beta = factor * error_variance(1.0, operator, norms[-1] if own_norm else norms.max())
        covariance = factor * error_covariance(inputs[:, :t], 1.0, operator)
        for name, variances in (
            ("beta_t", [beta] * 3),
            ("the covariance S_t", [float(a @ covariance @ a) for a in directions]),
        ):
            if own_norm and name != "beta_t":
                continue
            slack = min(
                stop_loss_slack(ends @ a, chances, math.sqrt(max(v, 1e-30)))
                for a, v in zip(directions, variances, strict=True)
            )
            title = f"t = {t}: room under {name}, three directions"
            yield at_least(title, slack, -1e-14, cases=len(chances))


def several_layers(run: Run, factor: float = 1.0, first_inputs: bool = False) -> Iterator[Measurement]:
    """X w - X~ q = (X w - X~ w~) + u: the first part is fixed, the second is dominated by X~'s covariance."""
    rng = np.random.default_rng(33)
    operator = StochasticRounding(1.0)
    # earlier layers changed the inputs: X~ is longer here than X
    before, after = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    weights = rng.uniform(-0.6, 0.6, 5)
    fine = NearestRounding(2.0**-44)
    aligned = compress(weights[None], after, target_inputs=before, operator=fine, alignment=1).aligned[0]
    ends, chances = run.once("general", partial(exact_error_law, after, aligned, operator, 1.0))
    residual = before @ weights - after @ aligned
    mean = chances @ ends
    yield at_most("mean of u over every choice", float(np.abs(mean).max()), 1e-12, cases=len(chances))
    total = float(chances @ ((residual + ends) ** 2).sum(axis=1))
    split = float(residual @ residual) + float(chances @ (ends**2).sum(axis=1))
    title = "E|X w - X~ q|^2 over the sum of both parts"
    yield within(title, total / split, factor, 1e-12, cases=len(chances))
    # attained: one column doubled by the layers before; w~ = w/2 = 1/2 stands in mid-cell
    x, y = np.array([[1.0], [0.0]]), np.array([[2.0], [0.0]])
    half = compress(np.ones((1, 1)), y, target_inputs=x, operator=fine, alignment=1).aligned[0]
    ends, chances = run.once("doubled", partial(exact_error_law, y, half, operator, 1.0))
    covariance = factor * error_covariance(x if first_inputs else y, 1.0, operator)
    slack = stop_loss_slack(ends[:, 0], chances, math.sqrt(covariance[0, 0]))
    yield at_least("one doubled column: room under its covariance", slack, -1e-12, cases=len(chances))


def column_order(run: Run, factor: float = 1.0, sums_equal: bool = False) -> Iterator[Measurement]:
    """All 720 orders of six columns: the pivots |g_t|^2 of OPTQ keep their product, their sum does not."""
    inputs = np.random.default_rng(34).standard_normal((8, 6)) * np.geomspace(1, 3, 6)
    determinant = float(np.linalg.det(inputs.T @ inputs))

    def pivots() -> np.ndarray:
        orders = itertools.permutations(range(6))
        return np.array([(gram_schmidt_reversed(inputs[:, list(o)]) ** 2).sum(axis=0) for o in orders])

    found = run.once("pivots", pivots)
    products, sums = found.prod(axis=1) / determinant, found.sum(axis=1)
    for name, value in (("least", products.min()), ("largest", products.max())):
        title = f"{name} product of pivots over det G"
        yield within(title, float(value), factor, 1e-9, cases=len(found))
    spread = float(sums.max() / sums.min())
    stated = 1.0 if sums_equal else factor * 1.2656
    yield within("largest sum of pivots over the least", spread, stated, 1e-4, cases=len(found))
    # greedy: of the columns left, the smallest pivot is taken last
    left: list[int] = list(range(6))
    order: list[int] = []
    while left:
        behind = inputs[:, np.array(order, int)]
        basis = np.linalg.qr(behind)[0] if order else np.zeros((8, 0))
        ahead = inputs[:, np.array(left)]
        residual = ahead - basis @ (basis.T @ ahead)
        order.insert(0, left.pop(int(np.argmin((residual**2).sum(axis=0)))))
    greedy = float((gram_schmidt_reversed(inputs[:, np.array(order)]) ** 2).sum() / sums.min())
    yield within("sum of the greedy order over the least", greedy, factor, 1e-9, cases=len(found))


def quantile_trap(run: Run, factor: float = 1.0, quantiles: bool = False) -> Iterator[Measurement]:
    """A fair coin on +-1/2 is dominated by N(0, pi/8), and yet lies beyond its quantiles."""
    from scipy.special import ndtr, ndtri

    std = math.sqrt(math.pi / 8)
    slack = stop_loss_slack([-0.5, 0.5], [0.5, 0.5], std)
    yield at_least("room under the stop-loss curve", slack, -1e-15, cases=2)
    gaussian = float(ndtr(-0.5 / std))
    yield within("P(Z >= 1/2)", gaussian, factor * 0.21247, 1e-5)
    yield at_least("P(X >= 1/2) / P(Z >= 1/2)", 0.5 / gaussian, 2.35)
    for level in (0.9, 0.6, 0.45):
        # the two-sided level: |X| = 1/2 surely
        radius = -std * float(ndtri(level / 2))
        radius = radius if quantiles else tail_bound(std, level)
        reached = 1.0 if radius <= 0.5 else 0.0
        name = f"P(|X| >= r), g = {level:g}, r = {radius:.4f}"
        yield at_most(name, reached, level, cases=2)


CLAIMS = (
    Claim(
        id="zs.every_step",
        title="Domination holds at every step, with the largest norm so far",
        paper=PAPER,
        place="Theorem 4.2, intermediate steps",
        statement=r"u_t \preceq_{cx} N(0, \beta_t I)\ \forall t,\quad "
        r"\beta_t = \tfrac{\pi L^2}{8}\,\tfrac{C^2}{2C-1}\max_{j \le t}\|X_j\|^2",
        hypotheses=r"$C = 1$, seven columns in two dimensions, the first the longest and its weight in"
        r" mid-cell; every outcome of every step. The covariance recursion likewise.",
        mark="derived",
        constant=Constant("the variance", "upper"),
        check=every_step,
        twins=[
            Twin("the norm of the step's own column", {"own_norm": True}),
            Twin("the variance lowered by 0.5 %", {"factor": 0.995}),
        ],
    ),
    Claim(
        id="zs.several_layers",
        title="Behind other layers: a fixed part from alignment, and the error of the inputs at hand",
        paper=PAPER,
        place="Section 4, both phases",
        statement=r"X w - \tilde X q = (X w - \tilde X \tilde w) + u_N,\quad"
        r" \mathbb{E}\|X w - \tilde X q\|^2 = \|X w - \tilde X \tilde w\|^2 + \mathbb{E}\|u_N\|^2,\quad"
        r" u_N \preceq_{cx} N(0, S_N(\tilde X))",
        hypotheses=r"$\tilde X$ the inputs after the layers before, $\tilde w$ one sweep of Phase I; every"
        r" outcome. Attained by one column that those layers doubled.",
        mark="derived",
        constant=Constant("both parts"),
        check=several_layers,
        twins=[
            Twin("the covariance of the inputs before", {"first_inputs": True}),
            Twin("0.5 % less", {"factor": 0.995}),
        ],
    ),
    Claim(
        id="zs.column_order",
        title="The order of the columns changes the sum of OPTQ's pivots, never their product",
        paper=PAPER,
        place="asked of the papers in review; arXiv 2507.18553 on pivots",
        statement=r"\prod_t \|g_t\|^2 = \det X^\top X,\quad"
        r" \max_\pi \sum_t \|g_t\|^2 = 1.2656\, \min_\pi \sum_t \|g_t\|^2",
        hypotheses="All 720 orders of six Gaussian columns in eight dimensions, scaled from 1 to 3. Taking"
        " the smallest pivot last, again and again, finds the best order here.",
        mark="derived",
        constant=Constant("ratios of products and sums"),
        check=column_order,
        twins=[
            Twin("every order has the same sum", {"sums_equal": True}),
            Twin("0.1 % more", {"factor": 1.001}),
        ],
        figure="path_following_orders",
    ),
    Claim(
        id="zs.quantile_trap",
        title="Domination is not an order of quantiles",
        paper=PAPER,
        place="definition of the convex order",
        statement=r"X = \pm\tfrac12 \preceq_{cx} Z \sim N(0, \pi/8),\quad \mathbb{P}(X \ge \tfrac12)"
        r" = 0.5 > 0.2125 = \mathbb{P}(Z \ge \tfrac12)",
        hypotheses="A radius at the Gaussian's own quantile is passed surely by this error at every level"
        " above 0.425; the superquantile radius never is.",
        mark="derived",
        constant=Constant("0.2125"),
        check=quantile_trap,
        twins=[
            Twin("the Gaussian's quantile is a radius", {"quantiles": True}),
            Twin("0.1 % more", {"factor": 1.001}),
        ],
    ),
)
