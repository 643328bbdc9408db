"""Claims on the scale of a quantizer: one best scale, how flat it is, how it fluctuates."""

import functools
import math

import numpy as np
from scipy.integrate import quad

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, identity, proved, within
from sims.weights.scales import Values, quantize
from theory.codebooks import error_curvature, integer_codebook, optimal_scale, quantization_error
from theory.distributions import Gaussian, Laplace
from theory.formats import codebook
from theory.snr.flatness import scale_condition, scale_loss, scale_spread
from theory.snr.uniqueness import ScaleProof, prove_unique, ternary_optimum

PAPER = "kuzmin"
GRIDS = (*(f"symmetric{b}" for b in range(2, 9)), *(f"int{b}" for b in range(2, 9)), "e2m1", "nf4")


@functools.cache
def _proof(name: str, law: str) -> ScaleProof:
    return prove_unique(codebook(name), law)


def one_scale(run, laws=("gaussian", "laplace"), grids=GRIDS):
    """Stationary points of the error over all scales, by ball arithmetic; another law, another codebook."""
    for law in laws:
        for name in grids:
            proof = _proof(name, law)
            detail = (
                f"{proof.pieces} pieces; scale in [{proof.scale[0]:.9g}, {proof.scale[1]:.9g}]"
                if proof.unique
                else f"slope + - + - at {', '.join(f'{s:.4g}' for s in proof.minima)}"
            )
            yield identity(f"{name}, {law}", proof.margin, detail)


def _errors(max_value: int, scale) -> tuple:
    """Balls of E_M(s) and of 4 s g((M + 1/2) s), N(0, 1), by the stop-loss sum of the statement."""
    from flint import arb

    def stop_loss(x):
        density = (-x * x / 2).exp() / (2 * arb.pi()).sqrt()
        return density - x * (x / arb(2).sqrt()).erfc() / 2

    terms = [stop_loss((2 * j + 1) * scale / 2) for j in range(max_value + 1)]
    return 1 - 4 * scale * sum(terms[:-1], arb(0)), 4 * scale * terms[-1]


# what one more pair of levels lowers the least error by, in units of its saving at the old scale
OVER_SAVING = {2: 1.6926, 3: 1.5890, 4: 1.4119, 5: 1.2651, 6: 1.1633, 7: 1.0978, 8: 1.0574}


def more_levels(run, factor=1.0):
    """Least errors of the grids {-M..M} and {-M-1..M+1}: the gain beside that of the level."""
    import flint
    from flint import arb

    with flint.ctx.workprec(128):
        for bits in range(2, 9):
            most = 2 ** (bits - 1) - 1
            low, high = _proof(f"symmetric{bits}", "gaussian").scale
            best, gain = _errors(most, arb(low).union(arb(high)))
            grid = np.arange(-most - 1, most + 2)
            more = _errors(most + 1, arb(optimal_scale(Gaussian(), grid)))[0]  # an upper limit of the optimum
            decrease = (best - more) / gain
            yield at_least(f"M = {most}", decrease, 1.0)
            stated = factor * OVER_SAVING[bits]
            yield within(f"M = {most}: times the saving", decrease, stated, 0.001)


def ternary(run, factor=1.0):
    """Error at the proved scale of the grid {-1, 0, 1} beside 1 - 4 `factor` x phi(x)."""
    import flint
    from flint import arb

    scale, error = ternary_optimum()
    x = scale / 2
    with flint.ctx.workprec(128):
        low, high = _proof("symmetric2", "gaussian").scale
        found = _errors(1, arb(low).union(arb(high)))[0]
        target = 1 - 4 * factor * x * float((-(arb(x) ** 2) / 2).exp() / (2 * arb.pi()).sqrt())
    yield within("least error", found, target, 1e-9)
    yield within("scale", proved(low, high), scale, 1e-9)
    yield within("the code's least error", found, error, 1e-9)
    yield within("scale, as stated", proved(low, high), 1.2240, 5e-5)
    yield within("least error, as stated", found, 0.19017, 5e-6)
    yield within("that error (dB)", -10 * math.log10(target), 7.21, 5e-3)


def flat_optimum(run, moving=True, factor=1.0):
    """dB lost 0.5 % beside the best scale, over the parabola's; or that of codes that do not move."""
    for law, ends in ((Gaussian(), (5.33, 32.54)), (Laplace(), (2.78, 18.10))):
        for bits, stated in zip((2, 8), ends, strict=True):
            condition = factor * scale_condition(law, integer_codebook(bits, "symmetric"))
            yield within(f"{type(law).__name__}, {bits} bits: c", condition, stated, 0.005)
        for bits in (2, 4, 6, 8):
            grid = integer_codebook(bits, "symmetric")
            best = optimal_scale(law, grid)
            error = float(quantization_error(law, grid, best))
            condition = factor * scale_condition(law, grid)
            if not moving:  # curvature 2 B, and s^2 B = E W^2 - E* at the best scale
                condition = 2 * (law.second_moment - error) / error
            lost = (scale_loss(law, grid, 0.995) + scale_loss(law, grid, 1.005)) / 2
            name = f"{type(law).__name__}, {bits} bits"
            yield within(name, lost / (10 * np.log10(1 + condition * 0.005**2 / 2)), 1.0, 0.001)


class _Expansion:
    """The best ternary scale of n drawn weights beside its expansion, relative to s*, for a law of density f.

    With a = 2 (|W| - s*) / (s* E'') where |W| > c = s*/2, and 0 elsewhere, the first Newton step is the mean
    of a over the weights, whose mean square is E a^2 / n exactly. The second step takes the share of weights
    beyond c and their density at c from the drawn ones; it changes the square by 2 a_1 a_2, whose mean is
    exact, too: products of three means of centred variables. By quadrature and differences of the error, not
    by the code that is under test.
    """

    def __init__(self, law, best, size, reach=5.5, redraws=8):
        self.law, self.best, self.size, self.redraws = law, best, size, redraws
        grid, step, c = integer_codebook(2, "symmetric"), 1e-3 * best, best / 2
        left, here, right = (float(quantization_error(law, grid, best + k * step)) for k in (-1, 0, 1))
        self.slope = (left - 2 * here + right) / step**2

        def moment(power, low, high=np.inf):
            share = quad(
                lambda w: (w - best) ** power * 2 * float(law.pdf(w)), low, high, epsabs=1e-13, limit=200
            )[0]
            return share * (2 / self.slope / best) ** power

        self.square = moment(2, c)  # n times the mean square of the first step
        width = reach * np.sqrt(self.square / size)
        self.ends = c * (1 - width), c * (1 + width)
        inner, beyond, self.above = (moment(0, end) for end in (self.ends[0], c, self.ends[1]))
        self.window = inner - self.above
        # the second step: shares of drawn weights in the window and beyond c, and the slope's own change
        density, change = 2 * float(law.pdf(c)), (float(law.pdf(c + step)) - float(law.pdf(c - step))) / step
        curve = best * (1.5 * density + best / 4 * change) / self.slope
        self.shares = best * density / self.slope, -4 * beyond / self.slope, curve
        self.beyond = beyond
        inside = moment(2, c, self.ends[1]) / self.square / self.window - 1
        self.mean = 1 + float(
            np.dot(self.shares, (inside, (1 - beyond) / beyond, moment(3, c) / self.square)) / size
        )

    def excess(self, rng) -> float:
        """How much the square of the deviation exceeds that of both steps, over E a^2 / n.

        What lies near c is drawn `redraws` times beside the same other weights: whether its codes are 0 or 1
        moves the deviation by n^(-3/4), most of what the steps leave. It reaches 5.5 deviations to either
        side; a best scale beyond them, once in 10^7, counts as one at the end.
        """
        best, c = self.best, self.best / 2
        near, far = rng.multinomial(self.size, (self.window, self.above, 1 - self.window - self.above))[:2]
        total = self.law.ppf(1 - rng.random(far) * self.above / 2).sum()
        place = np.sort(rng.random((self.redraws, near)), axis=1)  # the largest first
        drawn = self.law.ppf(1 - (self.above + place * self.window) / 2)
        # the best k codes +-1 are the k largest magnitudes: their scale T_k/k, the gain T_k^2/k
        sums, counts = total + drawn.cumsum(axis=1), far + 1 + np.arange(near)
        at = np.argmax(sums**2 / counts, axis=1)
        deviation = sums[np.arange(self.redraws), at] / counts[at] / best - 1
        over = drawn > c
        first = 2 * (total - best * far + ((drawn - best) * over).sum(axis=1)) / self.size / self.slope / best
        beyond = (far + over.sum(axis=1)) / self.size
        both = self.shares[0] * (near / self.size / self.window - 1)
        both = both + self.shares[1] * (beyond / self.beyond - 1) + self.shares[2] * first
        left = deviation**2 - first**2 * (1 + both)
        return float(left.mean()) * self.size / self.square


def scale_fluctuates(run, moving=True, factor=1.0):
    """Mean square deviation of the best ternary scale of 4,096 drawn weights, over the law's, to 2 %."""
    size, grid = 4096, integer_codebook(2, "symmetric")
    for law in (Gaussian(), Laplace()):
        best, name = optimal_scale(law, grid), type(law).__name__
        expansion = run.once(name, functools.partial(_Expansion, law, best, size))
        exact = expansion.square / size
        spread = scale_spread(law, grid, size) ** 2
        title = f"{name}: the code's variance over quadrature and differences"
        yield within(title, spread / exact, 1.0, 1e-6)
        off = run.once(f"{name}, code", functools.partial(_off_literal, law, size, run.seed))
        title = f"{name}: the code's least error of 20 draws over the literal one, less 1"
        yield at_most(title, off, 1.001e-6, cases=20)
        variance = factor * spread
        if not moving:
            fixed = 2 * (law.second_moment - float(quantization_error(law, grid, best))) / best**2
            variance *= (error_curvature(law, grid, best) / fixed) ** 2

        def squares(rng, count, expansion=expansion):
            drawn = np.array([expansion.excess(rng) for _ in range(count)])
            return expansion.mean + np.clip(drawn, -0.6, 0.6)

        bounds = (expansion.mean - 0.6, expansion.mean + 0.6)
        target = variance / exact
        yield within(name, run.mean(name, squares, 10_000, bounds), target, 0.02 * target)


def _off_literal(law, size: int, seed: int) -> float:
    """Largest |E/E' - 1| of the code's least ternary error E beside E' = (sum w^2 - max_k T_k^2/k)/n."""
    rng, grid, offs = np.random.default_rng(seed), integer_codebook(2, "symmetric"), []
    for _ in range(20):
        w = law.ppf(rng.random(size))
        sums = np.cumsum(-np.sort(-np.abs(w)))
        literal = np.mean(w**2) - np.max(sums**2 / np.arange(1, size + 1)) / size
        own = np.mean((w - quantize(w, grid.levels, Values(w).optimal_scale(grid).scale)) ** 2)
        offs.append(abs(own / literal - 1))
    return float(max(offs))


CLAIMS = (
    Claim(
        id="ku.one_scale",
        title="Integer grids, FP4 and NF4 have one best scale and no other stationary one",
        paper=PAPER,
        place="Section 2; von Berg et al., preprint on scale sensitivity",
        statement=r"E(s) = 1 - 4s\sum_{j<M} g\!\left((j + \tfrac12)s\right),\quad g(x) = \varphi(x) - x\,Q(x)"
        r":\quad E'(s) = 0 \text{ once, and } E'' > 0 \text{ there}",
        hypotheses="Every $s > 0$; normal and Laplace laws; symmetric and two's-complement grids of 2-8 "
        "bits, E2M1, NF4. False for E3M2, E4M3, E5M2 under the normal law, and with outliers.",
        mark="derived",
        check=one_scale,
        twins=(
            Twin(
                "one weight in 1,000 a hundred times as wide",
                {"laws": ("outliers",), "grids": ("symmetric2",)},
            ),
            Twin("FP6 E3M2 too", {"grids": ("e3m2",)}),
        ),
        figure="snr_scale",
        constant="one stationary point, or several",
    ),
    Claim(
        id="ku.more_levels",
        title="One more pair of levels lowers the least error, by what it saves at the old scale at least",
        paper=PAPER,
        place="Section 2; von Berg et al., preprint on scale sensitivity",
        statement=r"\min_s E_M - \min_s E_{M+1} \ge 4\,s_M\,g\!\left((M + \tfrac12)s_M\right) > 0",
        hypotheses="$N(0, 1)$, grids $s\\{-M..M\\}$ of 2-8 bits; equality would need $s_{M+1} = s_M$: the "
        "left side is 1.693, 1.589, 1.412, 1.265, 1.163, 1.098, 1.057 times the right one.",
        mark="derived",
        check=more_levels,
        twins=(Twin("1 % more", {"factor": 1.01}),),
        figure="snr_scale",
        constant=Constant("multiples of the saving at the old scale"),
    ),
    Claim(
        id="ku.ternary_optimum",
        title="The best ternary grid of normal weights in closed form",
        paper=PAPER,
        place="Section 2, one level on either side",
        statement=r"\min_s E_1(s) = 1 - 4x\,\varphi(x) \text{ at } s = 2x,\quad \varphi(x) = 2x\,Q(x)",
        hypotheses="$N(0, 1)$, $s\\{-1, 0, 1\\}$: $s = 1.2240$, error 0.19017 (7.21 dB).",
        mark="derived",
        check=ternary,
        twins=(Twin("a constant of 4.05", {"factor": 1.0125}),),
        figure="snr_scale",
        constant=Constant("the 4 of 4 x phi(x)"),
    ),
    Claim(
        id="ku.flat_optimum",
        title="How much a scale beside the best one loses",
        paper=PAPER,
        place="Section 2, the choice of the scale",
        statement=r"\mathrm{loss} = 10\log_{10}\left(1 + \tfrac12\, c\,\delta^2\right)\ \mathrm{dB},\quad"
        r" c = s_*^2 E''(s_*)/E(s_*)",
        hypotheses=r"Normal and Laplace laws, 2-8 bits, $\delta = \pm 0.5\,\%$ averaged, to 0.1 %; $c$ grows "
        "from 5.33 to 32.54 (normal) and from 2.78 to 18.10.",
        mark="derived",
        check=flat_optimum,
        twins=(
            Twin("codes that do not move with the scale", {"moving": False}),
            Twin("1 % more", {"factor": 1.01}),
        ),
        figure="snr_scale",
        constant=Constant("the condition c"),
    ),
    Claim(
        id="ku.scale_fluctuates",
        title="The best scale of n drawn weights fluctuates like n^(-1/2), with this constant",
        paper=PAPER,
        place="Section 2; von Berg et al., preprint on scale sensitivity",
        statement=r"\sqrt n\,(S_n - s_*) \to N\!\left(0,\ \frac{4\,\mathbb{E}\left[k^2 (W - s_* k)^2\right]}"
        r"{E''(s_*)^2}\right)",
        hypotheses=r"Normal and Laplace laws, $s\{-1, 0, 1\}$, $n = 4096$, variance within 2 %. A limit: "
        "the codes must not move much within the spread. Drawn is what the first two Newton steps leave of "
        "the square; the mean of theirs is exact.",
        mark="derived",
        check=scale_fluctuates,
        twins=(
            Twin("codes that do not move with the scale", {"moving": False}),
            Twin("4 % more", {"factor": 1.04}),
            Twin("4 % less", {"factor": 0.96}),
        ),
        figure="snr_scale",
        constant=Constant("the variance"),
    ),
)
