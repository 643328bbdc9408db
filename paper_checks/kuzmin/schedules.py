"""Claims on what fine-tuning rests on: the cubic schedule, and the gradient of a learned step."""

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, identity, within
from theory.codebooks import optimal_scale
from theory.distributions import Gaussian
from theory.fine_tuning import Codes, balanced_step, cubic_sparsity, lsq_gradients, quantized, tuning_codes

PAPER = "kuzmin"


def schedule(run, exponent=3, wanted=0.875, factor=1.0):
    """Ends, monotonicity and values of the schedule, beside s_f (1 - (1 - u)^exponent)."""
    from theory.derivations import fine_tuning as derivations

    wanted *= factor
    steps = np.arange(401)
    found = np.asarray(cubic_sparsity(steps, 0.875, 40, 340))
    yield within("sparsity from the end on", float(found[340:].min()), wanted, 0.0)
    yield at_least("least increase between steps", float(np.diff(found).min()), 0.0)
    inside = (steps >= 40) & (steps <= 340)
    formula = wanted * (1 - (1 - (steps[inside] - 40) / 300) ** exponent)
    yield within(
        "largest distance from the formula", float(np.abs(found[inside] - formula).max()), 0.0, 1e-12
    )
    yield identity("start, end and slope", all(rest == 0 for rest in derivations.schedule().values()))


def late_start(run, begun=1, terms=3, factor=1.0):
    """First sparsity of a schedule of n parts entered `begun` parts up, over s_f, for n = 5 to 50."""
    from theory.derivations import fine_tuning as derivations

    for n in (5, 10, 20, 50):
        first = float(cubic_sparsity(begun, 0.9, 0, n)) / 0.9
        series = (3 / n, -3 / n**2, 1 / n**3)
        yield within(f"{n} parts", first, factor * sum(series[:terms]), 1e-12)
    tenth = 100 * factor * float(cubic_sparsity(begun, 0.9, 0, 10)) / 0.9
    yield within("10 parts (%)", tenth, 27.1, 1e-9)
    yield identity("as a series in 1/n", derivations.late_start() == 0)


def _surrogate(w: np.ndarray, step: float, frozen: float, codes: Codes) -> np.ndarray:
    """The quantizer whose rounding residuals and clipping are frozen at the step `frozen`."""
    scaled = w / frozen
    inside = (scaled > codes.low) & (scaled < codes.high)
    clipped = np.where(scaled <= codes.low, codes.low, codes.high)
    return np.where(inside, w + step * (np.rint(scaled) - scaled), step * clipped)


def step_gradient(run, residual=1.0, outside=1.0, factor=1.0):
    """LSQ's slope of a layer's squared error in the step, beside a central difference of the surrogate.

    `residual` and `outside` multiply its two parts.
    """
    from theory.derivations import fine_tuning as derivations

    rng = np.random.default_rng(run.seed)
    inputs, w = rng.standard_normal((200, 40)), rng.standard_normal(40)
    target = inputs @ w + 0.1 * rng.standard_normal(200)
    for bits in (2, 3, 4, 8):
        codes = tuning_codes(bits)
        step = 1.6 / codes.high  # some weights are clipped
        inside, slope = lsq_gradients(w, step, codes)
        slope = np.where(inside > 0, residual, outside) * slope
        error = 2 * (inputs @ quantized(w, step, codes) - target)
        stated = factor * float(error @ (inputs @ slope))
        h = 1e-5 * step
        ends = [((inputs @ _surrogate(w, step + d, step, codes) - target) ** 2).sum() for d in (-h, h)]
        difference = float(ends[1] - ends[0]) / (2 * h)
        size = float(np.abs(error) @ np.abs(inputs @ slope))
        yield within(f"{bits} bits", stated / size, difference / size, 1e-6)
    yield identity("slopes of the surrogate", derivations.surrogate_slopes() == (0, 0))


OVER_BEST = {2: 1.065, 3: 1.018}


def settled_step(run, at="balance", factor=1.0):
    """Mean of LSQ's gradient of the weights' squared error, over the step: zero where it settles."""
    for bits in (2, 3):
        codes = tuning_codes(bits, "symmetric")
        levels = np.arange(codes.low, codes.high + 1.0)
        best = optimal_scale(Gaussian(), levels)
        over = factor * balanced_step(Gaussian(), bits) / best
        yield within(f"{bits} bits: the step over that of least error", over, OVER_BEST[bits], 5e-4)
        step = factor * (balanced_step(Gaussian(), bits) if at == "balance" else best)

        def gradient(
            rng: np.random.Generator, count: int, step: float = step, codes: Codes = codes
        ) -> np.ndarray:
            w = np.clip(rng.standard_normal(count), -6.0, 6.0)
            return (quantized(w, step, codes) - w) * lsq_gradients(w, step, codes)[1]

        bound = (6.0 - step * codes.high) * codes.high + step
        estimate = run.mean(f"{bits} bits, {at}", gradient, 1_000_000, (-bound, bound))
        yield within(f"mean gradient, {bits} bits", estimate, 0.0, 0.005)


CLAIMS = (
    Claim(
        id="ku.cubic_schedule",
        title="The cubic schedule reaches the wanted sparsity exactly and never falls",
        paper=PAPER,
        place="Section 5, pruning; Zhu & Gupta 2017, eq. 1",
        statement=r"s_t = s_f\left(1 - \left(1 - \tfrac{t - t_0}{t_1 - t_0}\right)^3\right),\quad"
        r" s_{t \ge t_1} = s_f,\ s_{t+1} \ge s_t",
        hypotheses="Evaluated at every step of one schedule to 87.5 %; ends and slope by sympy for all.",
        mark="paper",
        check=schedule,
        twins=(
            Twin("the exponent 2.9", {"exponent": 2.9}),
            Twin("half a percent more at the end", {"wanted": 0.88}),
        ),
        constant=Constant("the final sparsity"),
    ),
    Claim(
        id="ku.late_start",
        title="A schedule entered one part up begins with a jump of 3/n of the way",
        paper=PAPER,
        place="Section 5, pruning; the released script passes 0 to a flag that counts from 1",
        statement=r"\frac{s_1}{s_f} = 1 - \left(1 - \frac1n\right)^3 = \frac3n - \frac3{n^2} + \frac1{n^3}",
        hypotheses="n parts (epochs) from 0 to the final sparsity; 27.1 % of it at once for n = 10, where "
        "the published formula begins at 0.",
        mark="derived",
        check=late_start,
        twins=(
            Twin("the published start", {"begun": 0}),
            Twin("without its last term, 1/n^3", {"terms": 2}),
        ),
        constant=Constant("the jump"),
    ),
    Claim(
        id="ku.step_gradient",
        title="The gradient of a learned step is that of the straight-through surrogate",
        paper=PAPER,
        place="Section 5, quantization-aware training; Esser et al. 2020, eq. 3",
        statement=r"\frac{\partial \hat w}{\partial s} = \lfloor w/s \rceil - w/s \ \text{inside the range, "
        r"the end code outside}",
        hypotheses="Squared error of one drawn layer of 40 weights on 200 inputs, 2 to 8 bits, some weights "
        "clipped; central differences with the rounding residuals frozen.",
        mark="paper",
        check=step_gradient,
        twins=(
            Twin("no gradient inside the range", {"residual": 0.0}),
            Twin("the part inside 2 % larger", {"residual": 1.02}),
            Twin("no gradient from clipped weights", {"outside": 0.0}),
        ),
        constant=Constant("the gradient"),
    ),
    Claim(
        id="ku.settled_step",
        title="Learned steps settle above the steps of least error",
        paper=PAPER,
        place="Section 5, beyond the paper",
        statement=r"\mathbb{E}\left[(W - \hat W)^2; \text{inside}\right] = s\,h\,\mathbb{E}\left(|W| - s h"
        r"\right)_+ \text{ at } s = 1.065\,s^*\ (2\ \text{bits}),\ 1.018\,s^*\ (3\ \text{bits})",
        hypotheses="Gaussian weights, symmetric codes up to $h$, the loss being the weights' own squared "
        "error; where its gradient under the surrogate vanishes.",
        mark="derived",
        check=settled_step,
        twins=(Twin("the step of least error, 6.5 and 1.8 % lower", {"at": "best"}),),
        figure="fine_tuning_steps",
        constant=Constant("the step at which it settles"),
    ),
)
