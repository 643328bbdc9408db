"""What the papers leave open: saturation, when feedback pays, growth with m, the price of C, OPTQ."""

import math
from collections.abc import Iterator

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.montecarlo import Estimate, Sample
from sims.path_following import compress, output_error
from sims.path_following.problems import adversarial_columns
from theory.convex_order import tail_bound
from theory.operators import NearestRounding, Operator, StochasticRounding
from theory.path_following import (
    error_covariance,
    error_map,
    error_variance,
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
    cap: float = math.inf,
) -> Estimate:
    """E min(|u_N|^2, cap) over fresh weights, uniform on `cell` in units of the step (around 3 steps)."""
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
        return np.minimum(layer.error, cap)

    return run.means(f"{name} {cell}", squares, trials, [(0.0, min(limit, cap))])[0]


def gaussian_recursion(columns: int, samples: int, scale: float, cap: float) -> Sample:
    """min(|u_N|^2, cap) of the recursion itself, written out, on fresh Gaussian columns; errors +-1."""

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        u = np.zeros((count, samples))
        for _ in range(columns):
            x = rng.standard_normal((count, samples))
            correction = (x * u).sum(axis=1) / (scale * (x * x).sum(axis=1))
            u += (rng.choice((-1.0, 1.0), count) - correction)[:, None] * x
        return np.minimum((u * u).sum(axis=1), cap)

    return sample


def saturation(
    run: Run,
    cell: tuple[float, float] = (-0.5, 0.5),
    nearest: float = 1 / 12,
    saturates: bool = True,
    factor: float = 1.0,
) -> Iterator[Measurement]:
    """Exact for weights uniform over whole cells: given X, and on average over Gaussian X; to 2 %."""
    import sympy as sp

    from theory.derivations.path_following import saturation_residual, uniform_cell_variance

    yield identity("the law solves a_{N+1} = r a_N + var m", run.once("law", saturation_residual) == 0)
    square = sp.Symbol("d", positive=True) ** 2
    cells = [value / square for value in run.once("cell", uniform_cell_variance)]
    yield identity("cell averages d^2/6 and d^2/12", cells == [sp.Rational(1, 6), sp.Rational(1, 12)])
    # Caps at 8 times the law lower no mean here by more than 1e-4 of it.
    inputs = np.random.default_rng(21).standard_normal((12, 24))
    squares = float((inputs**2).sum())
    for scale in (1.0, 2.0):
        for name, operator, variance in (
            ("stochastic", StochasticRounding(1.0), 1 / 6),
            ("nearest", NearestRounding(1.0), nearest),
        ):
            cap = 8 * second_moment(inputs, scale, 1 / 6)
            title = f"{name} {scale}"
            found = spread_error(run, title, inputs, operator, scale, cell=cell, trials=100_000, cap=cap)
            expected = factor * second_moment(inputs, scale, variance)
            yield within(f"{name}, C = {scale:g}: E|u|^2 to 2 %", found, expected, 0.02 * expected)
    rounding = NearestRounding(1.0)
    direct = spread_error(run, "direct", inputs, rounding, 1.0, "direct", cell, 100_000, squares)
    expected = factor * squares / 12
    yield within("round to nearest: |X|_F^2 d^2/12 to 2 %", direct, expected, 0.02 * expected)
    for columns, samples, scale in ((8, 6, 1.0), (16, 6, 2.0)):
        exact = float(saturation_law(columns, samples, scale, 1.0))
        sample = gaussian_recursion(columns, samples, scale, 8 * exact)
        name = f"N = {columns}, m = {samples}, C = {scale:g}"
        (estimate,) = run.means(name, sample, 150_000, [(0.0, 8 * exact)])
        law = factor * (exact if saturates else float(columns * samples))
        yield within(f"{name}: mean over X to 2 %", estimate, law, 0.02 * law)


def _size_chain(columns: int, samples: int, scale: float, cap: float) -> Sample:
    """min(|u_N|^2, cap): given |u| the next one depends on <X, u>/|u| and |X| alone (X is isotropic)."""

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        square = np.zeros(count)
        for _ in range(columns):
            along = rng.standard_normal(count)
            norm = along**2 + rng.chisquare(samples - 1, count)
            moved = rng.choice((-1.0, 1.0), count) - np.sqrt(square) * along / (scale * norm)
            square = square + moved**2 * norm + 2 * moved * np.sqrt(square) * along
        return np.minimum(square, cap)

    return sample


def feedback_pays(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """Stochastic path following beats RTN beyond N/m = 1.59 C^2/(2C-1), nearest (GPFQ) always."""
    many = 20_000
    yield within("C = 1: stated break-even N/m", factor * break_even_ratio(1.0), 1.594, 5e-4)
    for scale in (1.0, 2.0, 4.0):
        # a_{N+1} = (1 - (2C-1)/(C^2 m)) a_N + m/6 step by step, until RTN's m N/12 is as large
        error, columns, keep = 0.0, 0, 1 - (2 * scale - 1) / (scale**2 * many)
        while columns == 0 or error > columns * many / 12:
            error, columns = keep * error + many / 6, columns + 1
        ratio = factor * break_even_ratio(scale) * many / columns
        yield within(f"C = {scale:g}, m = {many}: break-even N over the stated one", ratio, 1.0, 1e-3)
    samples = 16
    for scale in (1.0, 2.0, 4.0):
        for side, share in (("before", 0.9), ("beyond", 1.1)):
            columns = round(share * factor * break_even_ratio(scale) * samples)
            rounded = direct_error(columns, samples, 1.0)
            sample = _size_chain(columns, samples, scale, 6 * 6 * rounded)
            (found,) = run.means(f"C = {scale:g}, {columns}", sample, 60_000, [(0.0, 36 * rounded)])
            measure = at_least if side == "before" else at_most
            name = f"C = {scale:g}, N/m = {columns / samples:.2f}: stochastic error against RTN's"
            yield measure(name, found, 6 * rounded)
    for share in (0.25, 1.0, 4.0):
        columns = round(share * many)
        law = saturation_law(columns, many, 1.0, 1 / 12) / direct_error(columns, many, 1.0)
        yield at_most(f"GPFQ error / RTN error, N/m = {share:g}", law, 1.0)
        title = f"N/m = {share:g}, m = {many}: that ratio over (m/N)(1 - e^(-N/m))"
        yield within(title, law * share / -math.expm1(-share), 1.0, 1e-4)
    inputs = np.random.default_rng(22).standard_normal((16, 64))
    gpfq = spread_error(run, "GPFQ", inputs, NearestRounding(1.0), 1.0)
    yield at_most("GPFQ, m = 16, N = 64, against RTN", gpfq, float((inputs**2).sum()) / 12)


def repeated_batch(run: Run, factor: float = 1.0, exponent: float = 0.0) -> Iterator[Measurement]:
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
        yield identity(f"k = {k}: identical codes", same, evidence="evaluated")
        growth = np.abs(output_error(again, repeated)).max() / np.abs(output_error(once, inputs)).max()
        name = f"k = {k}: growth of the largest error"
        yield within(name, float(growth), k**exponent, 1e-9)
        beta = error_variance(1.0, operator, norm * math.sqrt(k)) / error_variance(1.0, operator, norm)
        yield within(f"k = {k}: growth of beta", beta, factor * k, 1e-9 * k, evidence="bound")
        diagonal = np.diagonal(error_covariance(repeated, 1.0, operator))[:16]
        exact = diagonal / np.diagonal(error_covariance(inputs, 1.0, operator))
        worst = float(np.abs(exact - 1).max())
        yield at_most(f"k = {k}: change of the covariance's diagonal", worst, 1e-9)


def price_of_scale(run: Run, factor: float = 1.0, price: bool = True) -> Iterator[Measurement]:
    """Equal columns, spread weights: error and correction variances are the stated functions of C."""
    columns = 64
    inputs = np.ones((1, columns))
    for scale in (1.0, 2.0, 4.0):
        # 8 times the law lowers no mean here by more than 1e-4 of it
        cap = 8 * scale**2 / (2 * scale - 1) / 6
        name = f"price {scale}"
        estimate = spread_error(run, name, inputs, StochasticRounding(1.0), scale, trials=60_000, cap=cap)
        target = factor * (scale**2 / (2 * scale - 1) / 6 if price else 1 / 6)
        yield within(f"C = {scale:g}: E u^2 is (d^2/6) C^2/(2C-1) to 5 %", estimate, target, 0.05 * target)
        before = error_map(np.ones((1, columns - 1)), scale)
        corrections = float((before**2).sum()) / scale**2
        yield within(
            f"C = {scale:g}: variance of the last correction is 1/(2C-1) of the operator's",
            corrections,
            factor / (2 * scale - 1),
            1e-6,
        )


def worst_case(
    run: Run, factor: float = 1.0, power: float = 0.5, nearest_too: bool = False
) -> Iterator[Measurement]:
    """Against inputs made for it nearest rounding fails like sqrt(N); stochastic rounding keeps its bound."""
    samples, level = 4, 0.01
    radius = tail_bound(math.sqrt(error_variance(1.0, StochasticRounding(1.0), 1.0)), level, samples)
    for columns in (128, 256, 512):
        inputs = adversarial_columns(samples, columns, 0.49, np.random.default_rng(24))
        compressed = compress(np.full(columns, 0.49), inputs, operator=NearestRounding(1.0))
        nearest = float(math.sqrt(compressed.error[0]))
        expected = factor * 0.49 * columns**power
        name = f"N = {columns}: |u|_2 of nearest rounding over 0.49 sqrt(N)"
        yield within(name, nearest / expected, 1.0, 1e-9)
        # one of m coordinates is at least |u|_2/sqrt(m)
        largest = float(np.abs(output_error(compressed, inputs)).max())
        name = f"N = {columns}: nearest, largest error, r = {radius:.3f}"
        yield (at_most if nearest_too else at_least)(name, largest, radius)
        if columns > 256:
            continue

        def outcomes(rng: np.random.Generator, count: int, x: np.ndarray = inputs) -> np.ndarray:
            rows = np.full((count, x.shape[1]), 0.49)
            layer = compress(rows, x, operator=StochasticRounding(1.0), seed=rng)
            beyond = np.abs(output_error(layer, x)).max(axis=1) >= radius
            return np.stack([beyond, np.minimum(layer.error, 8.0)], axis=1)

        bounds = [(0.0, 1.0), (0.0, 8.0)]
        found = run.means(f"stochastic {columns}", outcomes, 6_000, bounds, block=1_000)
        yield at_most(f"N = {columns}: P(stochastic >= r), g = {level:g}", found[0], level)
        square = second_moment(inputs, 1.0, 0.25)
        yield at_most(f"N = {columns}: stochastic, E min(|u|^2, 8) against |A|_F^2/4", found[1], square)


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
        constant=Constant("mean squared error"),
        check=saturation,
        twins=[
            Twin("weights concentrated in a tenth of the cell", {"cell": (-0.05, 0.05)}),
            Twin("nearest rounding has the stochastic variance", {"nearest": 1 / 6}),
            Twin("no saturation: linear in N", {"saturates": False}),
            Twin("5 % more", {"factor": 1.05}),
            Twin("5 % less", {"factor": 0.95}),
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
        hypotheses=r"Gaussian inputs, spread weights, $m$ large: the root to 0.1 %, the ratio to 0.01 % "
        r"at $m = 20{,}000$; at $m = 16$ sampled 10 % on either side",
        mark="derived",
        constant=Constant("break-even N/m"),
        check=feedback_pays,
        twins=[
            Twin("break-even 3 % earlier", {"factor": 0.97}),
            Twin("break-even 3 % later", {"factor": 1.03}),
        ],
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
        constant=Constant(r"growth of $\beta$"),
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
        constant=Constant("both variances"),
        check=price_of_scale,
        twins=[Twin("C costs nothing", {"price": False}), Twin("variances 1 % larger", {"factor": 1.01})],
    ),
    Claim(
        id="zs.worst_case",
        title="Why stochastic: nearest rounding has no such bound",
        paper=PAPER,
        place="asked of the papers in review; derived here",
        statement=r"\exists X:\ \|u_N^{\mathrm{nearest}}\|_2 = 0.49\,d\sqrt{N},\quad "
        r"\mathbb{P}(\|u_N^{\mathrm{stochastic}}\|_\infty \ge r) \le \gamma",
        hypotheses=r"unit columns, each orthogonal to the error made so far; $m = 4$, $\gamma = 0.01$, "
        r"$N = 128, 256, 512$, where $0.49\sqrt{N/m} > r$",
        mark="derived",
        constant=Constant("0.49"),
        check=worst_case,
        twins=[
            Twin("nearest rounding obeys the same radius", {"nearest_too": True}),
            Twin("0.485 sqrt(N)", {"factor": 0.99}),
            Twin("N^0.49 in place of the root", {"power": 0.49}),
        ],
        figure="path_following_saturation",
    ),
)
