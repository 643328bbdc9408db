"""Claims on the neighbours of Phase II: data alignment before it (Phase I), and OPTQ in the same frame."""

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.montecarlo import Estimate
from sims.path_following import compress
from theory.convex_order import stop_loss_slack
from theory.operators import NearestRounding, OneBit, Operator, StochasticRounding
from theory.path_following import alignment_bound, gram_schmidt_reversed, optq_covariance

PAPER = "zhang-saab"


def alignment(
    run: Run, factor: float = 1.0, simultaneous: bool = False, backward: bool = False, ahead: bool = False
) -> Iterator[Measurement]:
    """A sweep of Phase I is a triangular solve; sweeps never raise the residual and end at least squares."""
    rng = np.random.default_rng(25)
    common = rng.standard_normal((80, 1))
    x = rng.standard_normal((80, 16)) + 2 * common  # correlated columns, as real activations are
    y = x + 0.3 * rng.standard_normal(x.shape)
    w = rng.standard_normal((5, 16))
    gram, cross = y.T @ y, y.T @ x @ w.T
    best = np.sum((x @ w.T - y @ np.linalg.lstsq(y, x @ w.T, rcond=None)[0]) ** 2)
    fine = NearestRounding(2.0**-44)

    def aligned(sweeps: int) -> np.ndarray:
        """(16, 5) weights of the code, or of the false version: all at once, from the old values."""
        if not simultaneous:
            return run.once(
                f"{sweeps} sweeps",
                lambda: compress(w, y, target_inputs=x, operator=fine, alignment=sweeps).aligned.T,
            )
        a = w.T.copy()
        for _ in range(sweeps):
            with np.errstate(over="ignore", invalid="ignore"):
                a = np.clip(a + (cross - gram @ a) / np.diagonal(gram)[:, None], -1e100, 1e100)
        return a

    kept = np.triu(gram) if backward else np.tril(gram)  # a sweep from the last weight to the first
    # the first pass knows the columns up to its own alone: tril(X~'X) in place of X~'X
    literal = np.linalg.solve(kept, cross if ahead else np.tril(y.T @ x) @ w.T)
    for sweeps in (1, 2, 3):
        gap = float(np.abs(aligned(sweeps) - literal).max() / np.abs(literal).max())
        name = f"{sweeps} sweep{'s' if sweeps > 1 else ''} against the triangular solve, relative"
        yield at_most(name, gap, 1e-10, detail="(80, 16) inputs, 5 neurons")
        literal = np.linalg.solve(kept, cross - (gram - kept) @ literal)
    residuals = [float(np.sum((x @ w.T - y @ aligned(sweeps)) ** 2)) for sweeps in (1, 2, 4, 16, 64, 1024)]
    decreasing = all(b <= a * (1 + 1e-12) for a, b in pairwise(residuals))
    yield identity("the residual never rises", decreasing, evidence="evaluated")
    yield within("1024 sweeps: residual over least squares", residuals[-1] / best, 1.0, 1e-6)
    share = float((np.linalg.norm(x @ w.T - y @ aligned(1), axis=0) / alignment_bound(w, y, x)).max())
    yield at_most("1 sweep: residual / (sum |w_t| |X_t - Y_t|)", share, factor)
    # attained: one column, whose weight is far from what it was
    x1, y1 = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    code = compress(np.ones((1, 1)), y1, target_inputs=x1, operator=fine, alignment=1).aligned
    share = float(np.linalg.norm(x1 - y1 * code[0]) / np.linalg.norm(x1))
    yield within("one column, turned by 90 degrees: residual / |w| |X_1|", share, factor, 1e-12)


def optq(run: Run, factor: float = 1.0, forward: bool = False) -> Iterator[Measurement]:
    """Stochastic OPTQ: the error is sum eps_t g_t, dominated by N(0, (pi L^2/8) sum g_t g_t')."""
    rng = np.random.default_rng(26)
    # One weight in mid-cell, the others on the grid: its error alone, along its g_t, is a fair coin.
    skew = np.random.default_rng(9).standard_normal((3, 3))
    g = gram_schmidt_reversed(skew)
    rounding = StochasticRounding(1.0)
    covariance = factor * optq_covariance(skew, rounding)
    if forward:
        h = np.linalg.qr(skew)
        covariance = factor * math.pi / 8 * (h[0] * np.diagonal(h[1]) ** 2) @ h[0].T
    for t in range(3):
        weights = np.where(np.arange(3) == t, 0.5, 0.0)
        ends, chances = run.once(f"coin {t}", partial(exact_optq_law, skew, weights, rounding))
        a = g[:, t] / np.linalg.norm(g[:, t])
        # later weights are moved off the grid, but their errors are orthogonal to g_t: two points, rounded
        points, place = np.unique(np.round(ends @ a, 12), return_inverse=True)
        shares = np.bincount(place, chances)
        slack = stop_loss_slack(points, shares, math.sqrt(a @ covariance @ a))
        name = f"weight {t + 1} of 3 in mid-cell: room along g_{t + 1}"
        yield at_least(name, slack, -1e-11, cases=len(chances))
    for operator in (StochasticRounding(1.0), OneBit(8.0)):
        inputs, weights = rng.standard_normal((6, 6)), rng.uniform(-0.6, 0.6, 6)
        law = partial(exact_optq_law, inputs, weights, operator)
        ends, chances = run.once(f"law {operator}", law)
        covariance = factor * optq_covariance(inputs, operator)
        worst = math.inf
        for a in rng.standard_normal((24, 6)):
            std = math.sqrt(a @ covariance @ a)
            worst = min(worst, stop_loss_slack(ends @ a, chances, std) / std)
        detail = f"{len(chances)} outcomes, 24 projections, all k"
        name = f"{type(operator).__name__}: room under the stop-loss curves"
        yield at_least(name, worst, -1e-12, detail=detail)
    inputs = rng.standard_normal((24, 12))
    sampled = spread_optq(run, inputs)
    squares = float(np.trace(optq_covariance(inputs, StochasticRounding(1.0)))) / (math.pi / 8)
    expected = factor * squares / 6
    yield within("E |X(w-q)|^2 = (d^2/6) sum |g_t|^2 to 2 %", sampled, expected, 0.02 * expected)


def exact_optq_law(
    inputs: np.ndarray, weights: np.ndarray, operator: Operator
) -> tuple[np.ndarray, np.ndarray]:
    """Every end X (w - q) of stochastic OPTQ with its probability; later weights refitted each time."""
    ends = [(1.0, weights.copy(), np.zeros(0))]
    for t in range(len(weights)):
        grown = []
        for chance, w, done in ends:
            for point, probability in operator.outcomes(float(w[t])):
                moved = w.copy()
                if t + 1 < len(w):
                    share = inputs[:, t] * (w[t] - float(point))
                    moved[t + 1 :] += np.linalg.lstsq(inputs[:, t + 1 :], share, rcond=None)[0]
                grown.append((chance * float(probability), moved, np.append(done, float(point))))
        ends = grown
    return np.array([inputs @ (weights - q) for _, _, q in ends]), np.array([c for c, _, _ in ends])


def spread_optq(run: Run, inputs: np.ndarray) -> Estimate:
    """Mean squared error of stochastic OPTQ over weights that are uniform on whole cells."""
    gram, columns = inputs.T @ inputs, inputs.shape[1]

    def squares(rng: np.random.Generator, count: int) -> np.ndarray:
        weights = 3 + rng.uniform(-0.5, 0.5, (count, columns))
        options = {"gram": gram, "method": "optq", "damping": 0.0, "seed": rng}
        return compress(weights, operator=StochasticRounding(1.0), **options).error

    return run.means("optq", squares, 80_000, [(0.0, float((inputs**2).sum()))])[0]


CLAIMS = (
    Claim(
        id="zs.alignment",
        title="Data alignment is Gauss-Seidel after its first sweep, and converges to least squares",
        paper=PAPER,
        place="Section 4, Phase I",
        statement=r"L \tilde w^{(1)} = \mathrm{tril}(\tilde X^\top X)\,w,\quad "
        r"L \tilde w^{(k+1)} = \tilde X^\top X w - (G - L)\,\tilde w^{(k)},\ "
        r"G = \tilde X^\top \tilde X,\ L = \mathrm{tril}(G);\quad "
        r"\|X w - \tilde X \tilde w\| \le \textstyle\sum_t |w_t| \|X_t - \tilde X_t\|",
        hypotheses=r"no dead column; 16 correlated columns. The limit is least squares; the last bound is "
        "attained by one column turned by 90 degrees.",
        mark="derived",
        constant=Constant("bound on the residual of a sweep"),
        check=alignment,
        twins=[
            Twin("updating all weights at once converges too", {"simultaneous": True}),
            Twin("sweeps from the last weight to the first", {"backward": True}),
            Twin("the first sweep is Gauss-Seidel from 0: later columns seen at once", {"ahead": True}),
        ],
    ),
    Claim(
        id="zs.optq",
        title="OPTQ in the same frame",
        paper=PAPER,
        place="OPTQ (arXiv 2210.17323) seen through Theorem 4.2; derived here",
        statement=r"X(w - q) = \sum_t \epsilon_t g_t \preceq_{cx} "
        r"N\!\left(0, \tfrac{\pi L^2}{8}\sum_t g_t g_t^\top\right)",
        hypotheses=r"unbiased operator, independent columns; $g_t$: $X_t$ off the span of later columns",
        mark="derived",
        constant=Constant("the variance"),
        check=optq,
        twins=[
            Twin("the variance lowered by 0.5 %", {"factor": 0.995}),
            Twin("Gram-Schmidt from the first column on", {"forward": True}),
        ],
    ),
)
