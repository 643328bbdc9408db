"""What the papers leave open: saturation, when feedback pays, growth with m, the price of C, OPTQ."""

import math
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from paper_checks.claim import Claim, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.montecarlo import Estimate
from sims.path_following import compress, output_error
from sims.path_following.problems import adversarial_columns
from theory.convex_order import stop_loss_slack, tail_bound
from theory.operators import NearestRounding, OneBit, Operator, StochasticRounding
from theory.path_following import (
    alignment_bound,
    error_covariance,
    error_map,
    error_variance,
    optq_covariance,
)
from theory.path_following.laws import break_even_ratio, direct_error, saturation_law, second_moment

PAPER = "zhang-saab"


def spread_error(
    run: Run,
    name: str,
    inputs: np.ndarray,
    operator: Operator,
    scale: float,
    method: str = "path-following",
    cell: tuple[float, float] = (-0.5, 0.5),
    trials: int = 40_000,
) -> Estimate:
    """E |u_N|^2 over fresh weights, uniform on `cell` in units of the step (around 3 steps)."""
    step = float(operator.interval_length)
    gram = inputs.T @ inputs
    columns = inputs.shape[1]
    a = error_map(inputs, scale) if method == "path-following" else inputs
    # certain limits of a trial: N M^2 |A|_op^2 and sum_i (M sum_t |A_it|)^2
    limit = min(columns * float(np.linalg.norm(a, 2)) ** 2, float((np.abs(a).sum(axis=1) ** 2).sum()))
    limit *= float(operator.max_error) ** 2

    def squares(rng: np.random.Generator, count: int) -> np.ndarray:
        weights = step * (3 + rng.uniform(*cell, (count, columns)))
        layer = compress(weights, gram=gram, operator=operator, scale=scale, method=method, seed=rng)
        return layer.error

    return run.means(f"{name} {cell}", squares, trials, [(0.0, limit)])[0]


def saturation(
    run: Run, cell: tuple[float, float] = (-0.5, 0.5), nearest: float = 1 / 12, saturates: bool = True
) -> Iterator[Measurement]:
    """Exact for weights uniform over whole cells: given X, and on average over Gaussian X."""
    from theory.derivations.path_following import saturation_residual, uniform_cell_variance

    yield identity("the law solves a_{N+1} = r a_N + var m", run.once("law", saturation_residual) == 0)
    yield identity("cell averages d^2/6 and d^2/12", len(run.once("cell", uniform_cell_variance)) == 2)
    rng = np.random.default_rng(21)
    inputs = rng.standard_normal((12, 48))
    squares = float((inputs**2).sum())
    for scale in (1.0, 2.0):
        stochastic = spread_error(
            run, f"stochastic {scale}", inputs, StochasticRounding(1.0), scale, cell=cell
        )
        expected = second_moment(inputs, scale, 1 / 6)
        yield within(f"stochastic, C = {scale:g}: E|u|^2 to 8 %", stochastic, expected, 0.08 * expected)
        rounded = spread_error(run, f"nearest {scale}", inputs, NearestRounding(1.0), scale, cell=cell)
        expected = second_moment(inputs, scale, nearest)
        yield within(f"nearest, C = {scale:g}: E|u|^2 to 8 %", rounded, expected, 0.08 * expected)
    direct = spread_error(run, "direct", inputs, NearestRounding(1.0), 1.0, "direct", cell=cell)
    yield within("round to nearest: |X|_F^2 d^2/12 to 8 %", direct, squares / 12, 0.08 * squares / 12)
    for columns, samples, scale in ((32, 12, 1.0), (64, 12, 2.0)):
        exact = saturation_law(columns, samples, scale, 1.0)

        def moments(
            rng: np.random.Generator, count: int, n: int = columns, m: int = samples, c: float = scale
        ) -> np.ndarray:
            values = [second_moment(rng.standard_normal((m, n)), c, 1.0) for _ in range(count)]
            return np.minimum(values, 1.5 * exact)  # noqa: B023  (used at once)

        name = f"N = {columns}, m = {samples}, C = {scale:g}"
        estimate = run.mean(name, moments, 1_500, (0.0, 1.5 * exact), block=256)
        law = exact if saturates else float(columns * samples)
        yield within(f"{name}: mean over X (capped at 1.5 law) to 10 %", estimate, law, 0.1 * law)


def feedback_pays(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """Stochastic path following beats RTN beyond N/m = 1.59 C^2/(2C-1), nearest (GPFQ) always."""
    samples = 32
    for scale in (1.0, 2.0, 4.0):
        for side, share in (("before", 0.8), ("beyond", 1.25)):
            columns = round(share * factor * break_even_ratio(scale) * samples)
            ratio = saturation_law(columns, samples, scale, 1 / 6) / direct_error(columns, samples, 1.0)
            name = f"C = {scale:g}, N/m = {columns / samples:.2f}: stochastic error / RTN error"
            measure = at_least if side == "before" else at_most
            yield measure(name, ratio, 1.0, evidence="bound")
    for side, share in (("before", 0.6), ("beyond", 1.6)):
        columns = round(share * factor * break_even_ratio(1.0) * samples)

        def gain(rng: np.random.Generator, count: int, n: int = columns) -> np.ndarray:
            draws = [rng.standard_normal((samples, n)) for _ in range(count)]
            values = [second_moment(x, 1.0, 1 / 6) * 12 / (x**2).sum() for x in draws]
            return np.minimum(values, 2.0)

        estimate = run.mean(f"gain {columns}", gain, 800, (0.0, 2.0), block=100)
        measure = at_least if side == "before" else at_most
        yield measure(f"C = 1, N/m = {columns / samples:.2f}: the same, mean over X", estimate, 1.0)
    for columns in (8, 32, 128):
        law = saturation_law(columns, samples, 1.0, 1 / 12) / direct_error(columns, samples, 1.0)
        approximate = samples / columns * -math.expm1(-columns / samples)
        yield at_most(f"GPFQ error / RTN error, N/m = {columns / samples:g}", law, 1.0, evidence="bound")
        yield within("... is (m/N)(1 - e^(-N/m)) to 2 %", law, approximate, 0.02, evidence="bound")
    rng = np.random.default_rng(22)
    inputs = rng.standard_normal((16, 64))
    gpfq = spread_error(run, "GPFQ", inputs, NearestRounding(1.0), 1.0)
    yield at_most("GPFQ, m = 16, N = 64, against RTN", gpfq, float((inputs**2).sum()) / 12)


def repeated_batch(run: Run, exponent: float = 0.0) -> Iterator[Measurement]:
    """Feeding the same batch k times changes no code and no output error, yet beta grows k-fold."""
    rng = np.random.default_rng(23)
    inputs, weights = rng.standard_normal((16, 32)), rng.uniform(-1, 1, (64, 32))
    operator = StochasticRounding(0.25)
    once = compress(weights, inputs, operator=operator)
    norm = float(np.linalg.norm(inputs, axis=0).max())
    for k in (4, 16):
        repeated = np.tile(inputs, (k, 1))
        again = compress(weights, repeated, operator=operator)
        same = np.array_equal(once.weights, again.weights)
        yield identity(f"k = {k}: identical codes", same, evidence="exhaustive")
        growth = np.abs(output_error(again, repeated)).max() / np.abs(output_error(once, inputs)).max()
        name = f"k = {k}: growth of the largest error"
        yield within(name, float(growth), k**exponent, 1e-9, evidence="exhaustive")
        beta = error_variance(1.0, operator, norm * math.sqrt(k)) / error_variance(1.0, operator, norm)
        yield within(f"k = {k}: growth of beta", beta, float(k), 1e-9 * k, evidence="bound")
        diagonal = np.diagonal(error_covariance(repeated, 1.0, operator))[:16]
        exact = diagonal / np.diagonal(error_covariance(inputs, 1.0, operator))
        worst = float(np.abs(exact - 1).max())
        yield at_most(f"k = {k}: change of the covariance's diagonal", worst, 1e-9, evidence="exhaustive")


def price_of_scale(run: Run, price: bool = True) -> Iterator[Measurement]:
    """Equal columns, spread weights: error and correction variances are the stated functions of C."""
    columns = 64
    inputs = np.ones((1, columns))
    for scale in (1.0, 2.0, 4.0):
        estimate = spread_error(run, f"price {scale}", inputs, StochasticRounding(1.0), scale, trials=80_000)
        target = scale**2 / (2 * scale - 1) / 6 if price else 1 / 6
        yield within(f"C = {scale:g}: E u^2 is (d^2/6) C^2/(2C-1) to 10 %", estimate, target, 0.1 * target)
        before = error_map(np.ones((1, columns - 1)), scale)
        corrections = float((before**2).sum()) / scale**2
        yield within(
            f"C = {scale:g}: variance of the last correction is 1/(2C-1) of the operator's",
            corrections,
            1 / (2 * scale - 1),
            1e-6,
            evidence="exhaustive",
        )


def worst_case(run: Run, nearest_too: bool = False) -> Iterator[Measurement]:
    """Against inputs made for it nearest rounding fails like sqrt(N); stochastic rounding keeps its bound."""
    samples = 4
    for columns in (64, 256, 512):
        inputs = adversarial_columns(samples, columns, 0.49, np.random.default_rng(24))
        radius = tail_bound(math.sqrt(error_variance(1.0, StochasticRounding(1.0), 1.0)), 1e-3, samples)
        compressed = compress(np.full(columns, 0.49), inputs, operator=NearestRounding(1.0))
        nearest = float(math.sqrt(compressed.error[0]))
        expected = 0.49 * math.sqrt(columns)
        yield within(
            f"N = {columns}: |u|_2 of nearest rounding",
            nearest,
            expected,
            1e-6 * expected,
            evidence="exhaustive",
        )
        largest = float(np.abs(output_error(compressed, inputs)).max())
        if nearest_too:
            yield at_most(f"N = {columns}: nearest, largest error", largest, radius, evidence="exhaustive")
        else:
            yield at_least(f"N = {columns}: nearest, largest error", largest, radius if columns > 64 else 0.0)

        def outside(
            rng: np.random.Generator, count: int, x: np.ndarray = inputs, r: float = radius
        ) -> np.ndarray:
            rows = np.full((count, x.shape[1]), 0.49)
            layer = compress(rows, x, operator=StochasticRounding(1.0), seed=rng)
            return np.abs(output_error(layer, x)).max(axis=1) >= r

        estimate = run.probability(f"stochastic {columns}", outside, 4_000, block=1_000)
        yield at_most(f"N = {columns}: P(stochastic >= {radius:.3f})", estimate, 0.01)


def alignment(run: Run, simultaneous: bool = False) -> Iterator[Measurement]:
    """Sweeps of Phase I never raise the residual and end at least squares; total error = residual + u_N."""
    rng = np.random.default_rng(25)
    common = rng.standard_normal((80, 1))
    x = rng.standard_normal((80, 16)) + 2 * common  # correlated columns, as real activations are
    y = x + 0.3 * rng.standard_normal(x.shape)
    w = rng.standard_normal((5, 16))
    best = np.sum((x @ w.T - y @ np.linalg.lstsq(y, x @ w.T, rcond=None)[0]) ** 2)
    fine = NearestRounding(2.0**-44)
    residuals = []
    for sweeps in (1, 2, 4, 16, 64, 1024):
        if simultaneous:
            gram, cross = y.T @ y, y.T @ x
            a = w.T.copy()
            for _ in range(sweeps):
                with np.errstate(over="ignore", invalid="ignore"):
                    a = a + (cross @ w.T - gram @ a) / np.diagonal(gram)[:, None]
                    a = np.clip(a, -1e100, 1e100)
            aligned = a.T
        else:
            aligned = compress(w, y, target_inputs=x, operator=fine, alignment=sweeps).aligned
        residuals.append(float(np.sum((x @ w.T - y @ aligned.T) ** 2)))
        excess = residuals[-1] / best - 1
        if sweeps in (1, 16):
            yield at_least(
                f"{sweeps} sweeps: excess over least squares", excess, -1e-9, evidence="exhaustive"
            )
    limits = alignment_bound(w, y, x)
    first = compress(w, y, target_inputs=x, operator=fine, alignment=1).aligned
    share = float((np.linalg.norm(x @ w.T - y @ first.T, axis=0) / limits).max())
    yield at_most("1 sweep: residual / (sum |w_t| |X_t - Y_t|)", share, 1.0, evidence="exhaustive")
    decreasing = all(b <= a * (1 + 1e-12) for a, b in pairwise(residuals))
    yield identity("the residual never rises", decreasing, evidence="exhaustive")
    yield at_most("1024 sweeps: excess over least squares", excess, 1e-6, evidence="exhaustive")
    layer = compress(w, y, target_inputs=x, operator=StochasticRounding(0.25), alignment=2)
    parts = x @ w.T - y @ layer.aligned.T + y @ (layer.aligned - layer.weights).T
    gap = abs(float(np.sum(parts**2)) / float(layer.error.sum()) - 1)
    yield at_most("total error = residual + u_N", gap, 1e-9, evidence="exhaustive")


def optq(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """Stochastic OPTQ: the error is sum eps_t g_t, dominated by N(0, (pi L^2/8) sum g_t g_t')."""
    rng = np.random.default_rng(26)
    single = stop_loss_slack([-0.5, 0.5], [0.5, 0.5], math.sqrt(factor * math.pi / 8))
    yield at_least("one column, v in the middle of a cell", single, -1e-15, evidence="exhaustive")
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
        yield at_least(name, worst, -1e-12, evidence="exhaustive", detail=detail)
    inputs = rng.standard_normal((24, 12))
    sampled = spread_optq(run, inputs)
    g = float(np.trace(optq_covariance(inputs, StochasticRounding(1.0)))) / (math.pi / 8)
    yield within("E |X(w-q)|^2 = (d^2/6) sum |g_t|^2 to 8 %", sampled, g / 6, 0.08 * g / 6)


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

    return run.means("optq", squares, 20_000, [(0.0, float((inputs**2).sum()))])[0]


CLAIMS = (
    Claim(
        id="zs.saturation",
        title="The error saturates as columns are added",
        paper=PAPER,
        place="not in the papers; derived here",
        statement=r"\mathbb{E}\|u_N\|^2 = \sigma^2 \frac{m^2 C^2}{2C-1}"
        r"\left(1 - \left(1 - \tfrac{2C-1}{C^2 m}\right)^N\right),\quad \sigma^2 = d^2/6 \text{ or } d^2/12",
        hypotheses=r"weights uniform over whole cells (exact for every $X$: $\sigma^2\|A\|_F^2$); "
        r"$X$ Gaussian for the displayed form; weights concentrated in a cell break it",
        mark="derived",
        check=saturation,
        twins=[
            Twin("weights concentrated in a tenth of the cell", {"cell": (-0.05, 0.05)}),
            Twin("nearest rounding has the stochastic variance", {"nearest": 1 / 6}),
            Twin("no saturation: linear in N", {"saturates": False}),
        ],
        figure="path_following_saturation",
    ),
    Claim(
        id="zs.feedback_pays",
        title="When path following beats rounding each weight by itself",
        paper=PAPER,
        place="asked of the papers in review; derived here",
        statement=r"\text{stochastic beats RTN} \iff N/m > 1.594\,\frac{C^2}{2C-1};\quad "
        r"\frac{\mathrm{GPFQ}}{\mathrm{RTN}} = \frac{m}{N}(1 - e^{-N/m}) < 1",
        hypotheses=r"Gaussian inputs, spread weights, $m$ large ($m = 32$ here, 20 % on either side)",
        mark="derived",
        check=feedback_pays,
        twins=[Twin("break-even at half that ratio", {"factor": 0.5})],
        figure="path_following_saturation",
    ),
    Claim(
        id="zs.growth_with_m",
        title="Why the bound grows with the batch while the error does not",
        paper=PAPER,
        place="asked of the papers in review; derived here",
        statement=r"X \to (X; \dots; X)\ (k \text{ times}):\quad q,\ \|u_N\|_\infty,\ (S_N)_{ii} "
        r"\text{ unchanged},\ \beta \to k\beta",
        hypotheses=r"beta knows the columns' norms only, the covariance recursion their directions",
        mark="derived",
        check=repeated_batch,
        twins=[Twin("the largest error grows like the square root of k", {"exponent": 0.5})],
        figure="path_following_bounds",
    ),
    Claim(
        id="zs.price_of_scale",
        title="What C costs and what it buys",
        paper=PAPER,
        place="Theorem 4.2; equality cases derived here",
        statement=r"\mathbb{E}u_N^2 \to \sigma^2\frac{C^2}{2C-1}\|X\|^2,\quad "
        r"\mathrm{Var}(v_t - w_t) \to \frac{\sigma^2}{2C-1}",
        hypotheses=r"equal columns, spread weights",
        mark="derived",
        check=price_of_scale,
        twins=[Twin("C costs nothing", {"price": False})],
    ),
    Claim(
        id="zs.worst_case",
        title="Why stochastic: nearest rounding has no such bound",
        paper=PAPER,
        place="asked of the papers in review; derived here",
        statement=r"\exists X:\ \|u_N^{\mathrm{nearest}}\|_2 = 0.49\,d\sqrt{N},\quad "
        r"\mathbb{P}(\|u_N^{\mathrm{stochastic}}\|_\infty \ge r) \le \gamma",
        hypotheses=r"unit columns, each orthogonal to the error made so far; $m = 4$",
        mark="derived",
        check=worst_case,
        twins=[Twin("nearest rounding obeys the same radius", {"nearest_too": True})],
        figure="path_following_saturation",
    ),
    Claim(
        id="zs.alignment",
        title="Data alignment is Gauss-Seidel: it converges to least squares",
        paper=PAPER,
        place="Section 4, Phase I",
        statement=r"\tilde X^\top \tilde X\,\tilde w = \tilde X^\top X w;\quad "
        r"X w - \tilde X q = (X w - \tilde X \tilde w) + u_N;\quad "
        r"\|X w - \tilde X \tilde w\| \le \textstyle\sum_t |w_t| \|X_t - \tilde X_t\|",
        hypotheses=r"no dead column; 16 correlated columns",
        mark="derived",
        check=alignment,
        twins=[Twin("updating all weights at once converges too", {"simultaneous": True})],
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
        check=optq,
        twins=[Twin("the variance lowered by 0.5 %", {"factor": 0.995})],
    ),
)
