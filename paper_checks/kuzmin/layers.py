"""Claims on the outputs of layers: Kuzmin et al., Section 4, with optima where the paper had ranges."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from paper_checks.claim import (
    Claim,
    Constant,
    Measurement,
    Run,
    Skipped,
    Twin,
    at_least,
    at_most,
    within,
)
from sims.layer_bounds import Range, oracles, pruning_range, quantization_range, relaxation
from sims.layer_bounds.certificate import certify, proved
from sims.layer_bounds.layers import Slice, real_slices
from sims.layer_bounds.problems import KINDS, problem
from theory.snr import decibel, equal_sparsity, pruned_count

PAPER = "kuzmin"


SMALL = {2: 6, 3: 4}  # inputs of layers whose code vectors are all tried, by bits


def _codes(bits: int) -> np.ndarray:
    """Every code vector of a small layer."""
    return np.array(list(itertools.product(range(-(2 ** (bits - 1)), 2 ** (bits - 1)), repeat=SMALL[bits])))


@functools.cache
def _small(kind: str, bits: int, seed: int) -> tuple[np.ndarray, np.ndarray, Range, float]:
    """A layer with all its code vectors tried: inputs, weights, its range, the least error."""
    x, w = problem(kind, SMALL[bits], seed)
    step, codes = 1.0 / 2 ** (bits - 2), _codes(bits)
    least = float((((codes * step - w) @ x.T) ** 2).sum(axis=1).min())
    return x, w, quantization_range(w, inputs=x, bits=bits, step=step), least


def _own_errors(x: np.ndarray, w: np.ndarray, one: Range, step: float) -> Iterator[tuple[float, float]]:
    """(its own, the stated one) of a range's solution, and of rounding every weight to nearest."""
    most = 2 / step
    nearest = step * np.clip(np.rint(w / step), -most, most - 1)
    for chosen, stated in ((one.solution, one.best), (nearest, one.errors["nearest"])):
        yield float(((x @ (chosen - w)) ** 2).sum()), stated


def ranges(run: Run, factor: float = 1.0, nearest: bool = False) -> Iterator[Measurement]:
    """Bound <= least of all codes = optimum <= heuristic; or the bound raised, or rounding called optimal."""
    for bits in (2, 3):
        for kind in KINDS:
            found = [_small(kind, bits, seed) for seed in range(4)]
            name = f"{bits} bits, {kind}"
            bound = max(factor * one.bound / least for _, _, one, least in found)
            yield at_most(f"{name}: largest bound / least error", bound, 1.0)
            claimed = [one.errors["nearest"] if nearest else one.best for _, _, one, _ in found]
            off = max(abs(value / least - 1) for value, (_, _, _, least) in zip(claimed, found, strict=True))
            yield at_most(f"{name}: optimum against all codes, relative", off, 1e-9)
            off = max(abs(error / stated - 1) for x, w, one, _ in found
                      for error, stated in _own_errors(x, w, one, 2.0 ** (2 - bits)))  # fmt: skip
            yield at_most(f"{name}: solution's own error against the stated one, relative", off, 1e-9)
            over = min(one.heuristic / least for _, _, one, least in found)
            yield at_least(f"{name}: least heuristic / least error", over, 1 - 1e-9)


def certificates(run: Run, factor: float = 1.0, multipliers: float = 1.0) -> Iterator[Measurement]:
    """Bounds re-checked in exact rationals; or raised a little, or with larger multipliers."""
    for bits in (2, 4, 8):
        for kind in KINDS:
            x, w = problem(kind, 6, bits)
            low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
            gram, y = x.T @ x, w * 2 ** (bits - 2)
            one = certify(gram, y, relaxation.solve(gram, y, low, high), low, high)
            assert one.value > 0  # a bound of 0 would prove itself
            exact = run.once(
                f"{kind}, {bits}, {multipliers}",
                functools.partial(proved, replace(one, d=one.d * multipliers), gram, y),
            )
            title = f"{kind}, {bits} bits: the bound beside what its multipliers prove"
            yield at_most(title, Fraction(one.value) * Fraction(factor), exact)


# dB that the box and the integer cuts are worth, and what keeping the smallest weights loses at least
GAINS = {"independent": 2.286, "autoregressive": 3.820, "equicorrelated": 2.911, "relu": 2.364}
LOSSES = {"independent": 4.013, "autoregressive": 6.061, "equicorrelated": 4.563, "relu": 3.997}


def box(run: Run, bits: int = 2, factor: float = 1.0) -> Iterator[Measurement]:
    """What the box and the integer cuts add to the bound, in dB, over the published relaxation."""
    for kind in KINDS:
        gains = []
        for seed in range(4):
            found, published = _with_published(kind, 16, seed, bits)
            gains.append(10 * np.log10(found.bound / published))
        yield within(f"{kind}: mean gain (dB)", float(np.mean(gains)), factor * GAINS[kind], 0.02)


@functools.cache
def _with_published(kind: str, n: int, seed: int, bits: int, r: float = 0.9) -> tuple[Range, float]:
    x, w = problem(kind, n, seed, correlation=r)
    found = quantization_range(w, inputs=x, bits=bits)
    step, low, high = (found.details[name] for name in ("step", "low", "high"))
    return found, relaxation.solve(x.T @ x, w / step, low, high, published=True).value * step**2


# dB that a step chosen with the codes is worth over the weights' step of least squared error
JOINT = {"independent": 0.047, "autoregressive": 1.250, "equicorrelated": 0.721, "relu": 1.783}


def joint(run: Run, step: str | None = "joint", factor: float = 1.0) -> Iterator[Measurement]:
    """The optimum over step and codes against every code vector at its own best step, and what it gains."""

    def off(kind: str, bits: int) -> float:
        offs, codes = [], _codes(bits)
        for seed in range(4):
            x, w = problem(kind, SMALL[bits], seed)
            images, y = codes @ x.T, x @ w
            lengths = np.maximum((images**2).sum(axis=1), 1e-300)  # zero codes leave y as it is
            steps = np.maximum(images @ y / lengths, 0.0)
            least = float(((steps[:, None] * images - y) ** 2).sum(axis=1).min())
            found = quantization_range(w, inputs=x, bits=bits, step=step, relaxation=False)
            offs.append(abs(found.best / least - 1))
        return max(offs)

    def gain(kind: str) -> float:
        gains = []
        for seed in range(4):
            x, w = problem(kind, 16, seed)
            ruled, free = (
                quantization_range(w, inputs=x, bits=2, step=s, relaxation=False).best
                for s in (None, "joint")
            )
            gains.append(10 * np.log10(ruled / free))
        return float(np.mean(gains))

    for bits in SMALL:
        for kind in KINDS:
            name = f"{bits} bits, {kind}: optimum against all codes, relative"
            largest = run.once(f"{step}, {bits} bits, {kind}", functools.partial(off, kind, bits))
            yield at_most(name, largest, 1e-9)
    for kind in KINDS:
        mean = run.once(f"gain, {kind}", functools.partial(gain, kind))
        yield within(f"{kind}: mean gain (dB)", mean, factor * JOINT[kind], 0.002)


def correlation(run: Run, low: float = 0.0, high: float = 0.9, factor: float = 1.0) -> Iterator[Measurement]:
    """Optimum over bound: a fraction of a dB where inputs are independent, dB where they are correlated."""
    for bits in (2, 4):
        gaps = {}
        for r in (low, high):
            found = [_with_published("autoregressive", 16, seed, bits, r)[0] for seed in range(4)]
            gaps[r] = float(np.mean([10 * np.log10(one.best / one.bound) for one in found]))
        beside = factor * {2: 0.086, 4: 0.122}[bits]
        yield within(f"{bits} bits, r = {low:g}: mean gap (dB)", gaps[low], beside, 0.002)
        stated = factor * {2: 2.568, 4: 4.357}[bits]
        yield within(f"{bits} bits, r = {high:g}: mean gap (dB)", gaps[high], stated, 0.03)


@functools.cache
def _pruned(kind: str, seed: int) -> Range:
    x, w = problem(kind, 24, seed)
    return pruning_range(w, inputs=x, keep=6)


def pruning_gaps(
    run: Run, smallest: str = "smallest kept", obs: str = "OBS", factor: float = 1.0
) -> Iterator[Measurement]:
    """Error over the optimal mask, in dB: OBS, magnitude, and what keeping the smallest weights costs."""
    for kind in KINDS:
        losses: dict[str, list[float]] = {smallest: [], obs: [], "swaps": []}
        for seed in range(6):
            found = _pruned(kind, seed)
            for name in losses:
                losses[name].append(10 * np.log10(found.errors[name] / found.best))
        offs: list[float] = []
        for seed in range(6):
            (x, w), one = problem(kind, 24, seed), _pruned(kind, seed)
            own = float(((x @ (one.solution - w)) ** 2).sum())
            offs += [own / one.best - 1, one.lower / one.best - 1, float(np.count_nonzero(one.solution)) - 6]
        yield at_most(
            f"{kind}: own error of 6 weights against the stated one, relative", np.abs(offs).max(), 1e-9
        )
        yield at_most(f"{kind}: OBS, mean (dB)", float(np.mean(losses[obs])), 0.3)
        yield at_most(f"{kind}: exchanges, mean (dB)", float(np.mean(losses["swaps"])), 0.01)
        stated = factor * LOSSES[kind]
        yield within(f"{kind}: keeping the smallest, least (dB)", min(losses[smallest]), stated, 0.02)


@functools.cache
def _slices() -> tuple[Slice, ...]:
    return tuple(real_slices())


# dB by which codes that were found are ahead of the best pruning at 2, 4 and 8 bits, by slice
AHEAD = {
    "digits 1": (5.185, 13.307, 28.888),
    "digits 2": (3.850, 14.296, 30.267),
    "digits 3": (11.408, 16.685, 29.696),
    "Lite0 stem 3 x 3": (11.504, 14.406, 19.004),
    "Lite0 0 project": (2.502, 7.604, 24.317),
    "Lite0 1 expand": (3.668, 10.479, 29.036),
    "Lite0 1 project": (6.369, 12.490, 25.960),
    "Lite0 3 project": (4.658, 13.743, 31.893),
    "Lite0 5 expand": (6.339, 16.251, 33.540),
}


def real_layers(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """SNR of a quantization that was found, less that of the best pruning; or of one that keeps more."""
    for one in _slices():
        w = one.weights[:: max(1, len(one.weights) // 2)][:2]
        margins = []
        for bits in (2, 4, 8):
            found = run.once(
                f"{one.network} {one.layer} {bits}",
                lambda w=w, one=one, bits=bits: quantization_range(  # type: ignore[misc]
                    w, gram=one.gram, bits=bits, relaxation=False, node_limit=1
                ),
            )
            assert isinstance(found, Range)
            n = w.shape[1]
            keep = min(n - 1, round(factor * (n - pruned_count(n, equal_sparsity(bits)))))
            pruned = run.once(
                f"{one.network} {one.layer} pruned to {keep}",
                functools.partial(pruning_range, w, gram=one.gram, keep=keep, node_limit=100_000),
            )
            assert isinstance(pruned, Range)
            # where a search was stopped, the proved bound stands for the best mask: no pruning is better
            margins.append(found.snr().heuristic - decibel(pruned.energy, pruned.lower))
        detail = "2 rows; " + ", ".join(
            f"{m:+.1f} dB at {b} bits" for m, b in zip(margins, (2, 4, 8), strict=True)
        )
        name = f"{one.network} {one.layer}"
        yield at_least(f"{name}: least margin (dB)", min(margins), 0.0, detail=detail)
        for bits, margin, stated in zip((2, 4, 8), margins, AHEAD.get(name, ()), strict=False):
            yield within(f"{name}, {bits} bits: margin (dB)", margin, stated, 0.02)


def general_solvers(run: Run, cuts: bool = True, factor: float = 1.0) -> Iterator[Measurement]:
    """The relaxation beside Clarabel, optimal codes beside SCIP; or the relaxation without its cuts."""
    if not oracles.available():
        raise Skipped("needs the oracles extra")
    for kind in KINDS:
        x, w = problem(kind, 6, 0)
        gram = x.T @ x
        ours = relaxation.solve(gram, w, -2, 1, published=not cuts).value
        theirs = run.once(f"conic {kind}", functools.partial(oracles.conic, gram, w, -2.0, 1.0))
        assert isinstance(theirs, float)
        yield within(f"{kind}: relaxation over Clarabel's", factor * ours / theirs, 1.0, 1e-5)
        found = quantization_range(w, gram=gram, bits=2, step=1.0)
        codes = run.once(f"codes {kind}", functools.partial(oracles.scip_codes, gram, w, -2, 1))
        assert isinstance(codes, oracles.Solved) and found.optimum is not None
        yield within(f"{kind}: optimum over SCIP's", factor * found.optimum / codes.value, 1.0, 1e-5)


CLAIMS = (
    Claim(
        id="ku.layer_range",
        title="Bound, optimum and heuristics of a quantized layer stand in this order",
        paper=PAPER,
        place="Section 4, post-training quantization; exact here",
        statement=r"\beta \le \min_{z \in \{l..h\}^n} \|X(sz - w)\|^2 \le \|X(s\hat z - w)\|^2",
        hypotheses="one grid, step and box for all three; every code vector of 32 small layers is tried",
        mark="derived",
        check=ranges,
        constant=Constant("the bound", "lower"),
        twins=[
            Twin("the bound 2 % higher", {"factor": 1.02}),
            Twin("rounding to nearest is optimal", {"nearest": True}),
        ],
        figure="layer_bounds_layers",
    ),
    Claim(
        id="ku.layer_certificate",
        title="The lower bound is a proof: exact rationals confirm it",
        paper=PAPER,
        place="Section 4, the relaxation of Park & Boyd; certificate derived here",
        statement=r"(z-y)^\top G (z-y) - \beta = q(x) + \sum_i (d_i x_i^2 + c_i x_i - m_i),\quad "
        r"q \ge 0,\ m_i = \min_k (d_i k^2 + c_i k)",
        hypotheses=r"floats taken as the rationals they are; 6 inputs, 2, 4 and 8 bits; elimination decides "
        "semidefiniteness exactly",
        mark="derived",
        check=certificates,
        constant=Constant("the bound", "lower"),
        twins=[
            Twin("the bound one part in a million higher", {"factor": 1.000001}),
            Twin("multipliers 0.1 % larger", {"multipliers": 1.001}),
        ],
    ),
    Claim(
        id="ku.layer_box",
        title="Box and integer cuts tighten the published relaxation at 2 bits",
        paper=PAPER,
        place="Section 4; the released code has neither",
        statement=r"10 \log_{10} (\beta / \beta_{\mathrm{published}}) = 2.29, 3.82, 2.91, 2.36\ \mathrm{dB}",
        hypotheses="means of four layers of 16 inputs each, independent, autoregressive, equicorrelated and "
        "rectified, correlated by 0.9, to 0.02 dB; step of least squared error",
        mark="derived",
        check=box,
        constant=Constant("gain over the published relaxation in dB"),
        twins=[Twin("the same at 6 bits", {"bits": 6}), Twin("1 % more", {"factor": 1.01})],
        figure="layer_bounds_tightness",
    ),
    Claim(
        id="ku.layer_joint",
        title="A step chosen together with the codes gains most where inputs are correlated",
        paper=PAPER,
        place="Section 4 fixes the step before the codes; derived here",
        statement=r"\min_{s, z} |X (s z - w)|^2 = w^\top G w - \max_z "
        r"\frac{(w^\top G z)_+^2}{z^\top G z},\quad "
        r"\mathrm{gain} = 0.05, 1.25, 0.72, 1.78\ \mathrm{dB}",
        hypotheses="every code vector of 6 inputs at 2 bits and 4 inputs at 3 bits; gain over the step of "
        "least squared error of the weights at 2 bits: means of four layers of 16 inputs, independent, "
        "autoregressive, equicorrelated and rectified, correlated by 0.9, to 0.002 dB",
        mark="derived",
        check=joint,
        constant=Constant("gain in dB"),
        twins=[
            Twin("the weights' best step is the best for the outputs", {"step": None}),
            Twin("a gain 5 % larger", {"factor": 1.05}),
        ],
    ),
    Claim(
        id="ku.layer_correlation",
        title="The relaxation is tight for independent inputs and loose for correlated ones",
        paper=PAPER,
        place="Section 4; derived here",
        statement=r"10 \log_{10} (\mathrm{opt} / \beta) = 0.086, 0.122\ \mathrm{dB}\ (r = 0),\quad 2.57, "
        r"4.36\ \mathrm{dB}\ (r = 0.9)",
        hypotheses="autoregressive inputs, 16 of them, 2 and 4 bits, means of four layers; to 0.002 and "
        "0.03 dB",
        mark="derived",
        check=correlation,
        constant=Constant("both gaps in dB"),
        twins=[
            Twin("it is tight at r = 0.6", {"low": 0.6}),
            Twin("it is loose at r = 0.3", {"high": 0.3}),
            Twin("1 % more", {"factor": 1.01}),
        ],
        figure="layer_bounds_tightness",
    ),
    Claim(
        id="ku.layer_masks",
        title="Greedy cuts are near the optimal mask; keeping the smallest weights is not pruning",
        paper=PAPER,
        place="Section 4, post-training pruning; the released script keeps the smallest magnitudes",
        statement=r"\mathrm{OBS} \le 0.3\ \mathrm{dB},\ \mathrm{exchanges} \le 0.01\ \mathrm{dB},\ "
        r"\mathrm{smallest\ kept} = 4.01, 6.06, 4.56, 4.00\ \mathrm{dB}\ \text{over the optimum}",
        hypotheses="6 of 24 weights kept and refitted; inputs independent, autoregressive, equicorrelated "
        "and rectified, correlated by 0.9; means of six layers, the least of six for the last, to 0.02 dB",
        mark="derived",
        check=pruning_gaps,
        constant=Constant("loss of keeping the smallest in dB"),
        twins=[
            Twin("keeping the largest is 4 dB off, too", {"smallest": "magnitude"}),
            Twin("keeping the smallest is as good as OBS", {"obs": "smallest kept"}),
            Twin("1 % more", {"factor": 1.01}),
        ],
        figure="layer_bounds_heuristics",
    ),
    Claim(
        id="ku.layers_quantization_wins",
        title="On real layers the best pruning loses to a quantization that is found in milliseconds",
        paper=PAPER,
        place="Section 4, Figure 4",
        statement=r"\mathrm{SNR}(\hat q_b) > \max_{\|v\|_0 \le n b / 16} \mathrm{SNR}(v)",
        hypotheses="heuristic codes against the proved best mask with refitted weights, at 2, 4 and 8 "
        "bits; slices of the digits "
        "network, and with the extras of EfficientNet-Lite0 and a transformer; margins of the first two to "
        "0.02 dB",
        mark="paper",
        check=real_layers,
        constant=Constant("weights that pruning keeps, in whole ones"),
        twins=[
            Twin("against masks that keep twice as many weights", {"factor": 2.0}),
            Twin("5 % more weights", {"factor": 1.05}),
            Twin("5 % fewer weights", {"factor": 0.95}),
        ],
        figure="layer_bounds_layers",
    ),
    Claim(
        id="ku.layer_solvers",
        title="General solvers find the same bounds and the same optima",
        paper=PAPER,
        place="Section 4: the paper used CVXPY and an integer programming solver",
        statement=r"|\beta / \beta_{\mathrm{Clarabel}} - 1|,\ "
        r"|\mathrm{opt} / \mathrm{opt}_{\mathrm{SCIP}} - 1| \le 10^{-5}",
        hypotheses="6 inputs, 2 bits, four kinds of correlation; needs the oracles extra",
        mark="derived",
        check=general_solvers,
        constant=Constant("the bound and the optimum"),
        twins=[Twin("the relaxation without box and outer cuts", {"cuts": False})],
    ),
)
