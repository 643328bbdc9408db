"""Claims on formats as people ship them: blocks, offsets, scales by rule, pruning before rounding."""

import math
from functools import partial

import numpy as np
from scipy import special

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, within
from sims.weights.affine import SplitValues
from sims.weights.formats import noise
from sims.weights.scales import integer_scale, optimal_scale, quantize
from sims.weights.searched import MeasuredError, measured_error
from theory.distributions import Gaussian, Laplace, StudentT
from theory.formats import FORMATS, SEARCHED, Format, searched_error_bounds
from theory.formats.laws import format_snr
from theory.snr import decibel, noise_snr

PAPER = "kuzmin"
BY_NAME = {form.name: form for form in (*FORMATS, *SEARCHED)}


# dB by which NF4 is ahead of 4 bits with a zero point, by the size of the blocks, Gaussian weights
NF4_AHEAD = {16: -1.3136, 32: -0.6784, 64: -0.0898, 128: 0.4368, 256: 0.8939}


def nf4_against_affine(run, law="gaussian", factor=1.0):
    """SNR of NF4 minus that of 4 bits with a zero point, by the size of the blocks; closed laws."""
    weights = {"gaussian": Gaussian(), "laplace": Laplace()}[law]
    for size, ahead in NF4_AHEAD.items():
        forms = (
            Format("NF4", "nf4", 4, block=size),
            Format("INT4 asym", "uint4", 4, block=size, offset="zero"),
        )
        normal, affine = (run.once(f"{law} {form}", partial(format_snr, weights, form)) for form in forms)
        title = f"NF4 minus affine INT4, blocks of {size} (dB)"
        yield within(title, normal - affine, factor * ahead, 0.002)


def offset_worth(run, low=0.5, factor=1.0):
    """Least gain of an offset on weights uniform on [low, low + 1] at 4 bits, by the certificates."""
    w = low + np.random.default_rng(run.seed).random(40_000)
    split = SplitValues(w)
    free, zero = split.optimal(4), split.optimal(4, zero_point=True)
    plain = integer_scale(w, 4)
    yield at_least(
        "free offset over none (dB)", decibel(plain.bound, free.noise), 10.0 * factor, evidence="bound"
    )
    yield at_least(
        "free offset over a zero point (dB)", decibel(zero.bound, free.noise), 3.0 * factor, evidence="bound"
    )
    for name, one, centre, first in (
        ("free offset", free, free.offset, 0),
        ("zero point", zero, zero.offset, 0),
        ("no offset", plain, 0.0, -8),
    ):
        codes = np.clip(np.rint((w - centre) / one.scale), first, first + 15)
        own = np.mean((w - centre - one.scale * codes) ** 2) / np.mean(w**2)
        yield within(f"{name}: stated error over the grid's own", one.noise / own, 1.0, 1e-6)
        yield within(f"{name}: proved bound over it", one.bound / own, 1 - 1.5e-4, 1.5e-4, evidence="bound")


def absmax_in_blocks(run, size=32, factor=1.0):
    """dB that the largest magnitude as scale loses beside the best one of every block, normal weights."""

    def lost():
        w = np.random.default_rng(run.seed).normal(size=(1024, 1024)).reshape(-1, size)
        shipped = noise_snr(noise(w, Format("Q4_0", "flipped4", 4, block=size, scale="free")))
        return noise_snr(noise(w, Format("mse", "flipped4", 4, block=size, rule="search"))) - shipped

    found = run.once(f"blocks of {size}", lost)
    yield within("best scale minus absmax (dB)", found, 0.53 * factor, 0.01, evidence="simulated")


# dB kept by 16 levels with the best scale of every block of 32, by law
SEARCHED_SNR = {"Gaussian": 21.860, "Laplace": 19.826, "StudentT": 17.265}


def ray_limit(size):
    """N int_0^{x_0} x dF(x), N = 2 16^size rays, by the incomplete beta function and its inverse."""
    half, log_rays = (size - 1) / 2, math.log(2) + size * math.log(16)
    end = special.betaincinv(half, 0.5, 2 * math.exp(-log_rays))
    return math.exp(log_rays) / 2 * half / (half + 0.5) * special.betainc(half + 1, 0.5, end)


def one_multiple(law, seed):
    """Least error of blocks of 32 whose largest magnitude m lies on -8 / f, one f for all; over energy."""
    w = law.ppf(np.random.default_rng(seed).random((2**15, 32)))
    largest = np.take_along_axis(w, np.abs(w).argmax(axis=1)[:, None], axis=1)
    scales = (-f / 8 * largest for f in (0.96, 0.97, 0.98, 0.99))
    return min(np.mean((w - s * np.clip(np.rint(w / s), -8, 7)) ** 2) for s in scales) / np.mean(w**2)


def searched_scales(run, reach=1.0, limits=1.0, factor=1.0):
    """Drawn errors of searched scales between their limits, growing with the block; or rays further out."""

    def drawn(law, size: int) -> tuple[MeasuredError, tuple[float, float]]:
        form = Format("searched", "flipped4", 4, block=size, rule="search")
        tensors = 48 if size == 32 else 12
        return measured_error(law, form, tensors=tensors, seed=run.seed), searched_error_bounds(law, form)

    for law in (Gaussian(), Laplace(), StudentT(2, 30)):
        name = type(law).__name__
        found = {size: run.once(f"{name} {size}", lambda law=law, size=size: drawn(law, size))
                 for size in (16, 32, 128)}  # fmt: skip
        errors = [one.value for one, _ in found.values()]
        for (size, (one, (least, most))), longer in zip(found.items(), [*errors[1:], np.inf], strict=True):
            title = f"{name}, blocks of {size}: error over its"
            spread = 5 * one.standard_error / one.value
            yield at_most(
                f"{title} limit by one multiple", one.value / most, 1.0 - spread, evidence="simulated"
            )
            if least:
                lower = reach * least
                yield at_least(f"{title} limit by rays", one.value / lower, 1.0, evidence="simulated")
                which = f"blocks of {size}: limit by rays over that by beta functions"
                yield within(which, least / ray_limit(size), limits, 1e-9)
            if size == 32 and name != "StudentT":
                blocks = run.once(f"one multiple, {name}", partial(one_multiple, law, run.seed))
                ratio = most / law.second_moment / blocks
                which = f"{name}: limit by one multiple over that of drawn blocks"
                yield within(which, ratio, limits, 0.01, evidence="simulated")
            if longer < np.inf:
                title = f"{name}, blocks of {size}: error over that of longer ones"
                yield at_most(title, one.value / longer, 1.0, evidence="simulated")
        stated = SEARCHED_SNR[name] + decibel(1.0, factor)
        yield within(f"{name}, blocks of 32 (dB)", found[32][0].snr, stated, 0.03, evidence="simulated")


def pruned_then_rounded(run, zero=True, factor=1.0):
    """Error of pruning 2:4 and rounding, over the sum of both; without a level zero they do not add."""
    w = np.random.default_rng(run.seed).normal(size=(256, 256))
    groups = np.abs(w).reshape(256, -1, 4)
    kept = (np.argsort(np.argsort(groups, axis=2), axis=2) >= 2).reshape(w.shape)
    pruned = np.where(kept, w, 0.0)
    for bits in (2, 4, 8):
        levels = np.arange(2.0**bits) - 2 ** (bits - 1) + (0 if zero else 0.5)
        grid = levels if zero else np.append(levels, 0.0)  # the scale is found with a zero, and used without
        found = optimal_scale(w[kept], grid)
        own = np.mean((w[kept] - quantize(w[kept], grid, found.scale)) ** 2) / np.mean(w[kept] ** 2)
        yield within(f"{bits} bits: the best scale's stated error over its own", found.noise / own, 1.0, 1e-9)
        yield within(f"{bits} bits: the best scale's bound over its error", found.bound / own, 1.0, 1e-6)
        rounded = quantize(pruned, levels, found.scale)
        total = np.sum((w - rounded) ** 2)
        both = np.sum((w - pruned) ** 2) + np.sum((pruned - rounded)[kept] ** 2)
        yield within(f"{bits} bits", total / both, factor, 1e-12, evidence="simulated")


def sparse_and_float8(run, name="2:4 + FP8 E4M3", factor=1.0):
    """dB that rounding what 2:4 keeps loses beyond the pruning itself; closed laws."""
    for law, stated, ratios in ((Gaussian(), 0.0198, (8.78, 8.76)), (Laplace(), 0.0350, (10.98, 10.94))):
        both = [run.once(f"{law} {form}", partial(format_snr, law, BY_NAME[form])) for form in ("2:4", name)]
        yield within(f"{name}, {type(law).__name__} (dB)", both[0] - both[1], stated * factor, 0.0003)
        for form, found, printed_ in zip(("2:4", name), both, ratios, strict=True):
            yield within(f"{form}, {type(law).__name__}: SNR (dB)", found, printed_, 0.005)


CLAIMS = (
    Claim(
        id="ku.nf4_blocks",
        title="In blocks of 64 and shorter, four bits with a zero point beat NF4 on Gaussian weights",
        paper=PAPER,
        place="beyond the paper; bitsandbytes issue 2086",
        statement=r"\mathrm{SNR}_{\mathrm{NF4}}(B) \le \mathrm{SNR}_{\mathrm{INT4\ asym}}(B)"
        r"\iff B \le 64,\quad B = 16, 32, 64, 128, 256",
        hypotheses="Independent normal weights, one scale per block from its ends. The shorter a block, "
        "the flatter its weights within their own range: NF4 is ahead by -1.314, -0.678, -0.090, 0.437 and "
        "0.894 dB; for Laplace weights that changes between 16 and 32.",
        mark="derived",
        check=nf4_against_affine,
        twins=(Twin("Laplace weights too", {"law": "laplace"}), Twin("4 % more", {"factor": 1.04})),
        figure="formats_blocks",
        constant=Constant("differences in dB"),
    ),
    Claim(
        id="ku.offset_worth",
        title="Where weights lie on one side of zero, an offset is worth 10 dB at 4 bits",
        paper=PAPER,
        place="Section 2, asymmetric grids",
        statement=r"\min_{s} E(s, 0) \ge 10 \min_{s,c} E(s, c),\quad W \sim U(\tfrac12, \tfrac32)",
        hypotheses="40,000 drawn weights; both minima are global, each with the proof of its search.",
        mark="derived",
        check=offset_worth,
        twins=(Twin("weights around zero", {"low": -0.5}), Twin("2 % more", {"factor": 1.02})),
        figure="formats_blocks",
        constant=Constant("10 dB and 3 dB", "lower"),
    ),
    Claim(
        id="ku.absmax_in_blocks",
        title="Q4_0's largest magnitude as scale loses 0.5 dB beside the best scale of every block",
        paper=PAPER,
        place="Section 2, the choice of the scale; llama.cpp issue 397",
        statement=r"10\log_{10}\frac{\mathbb{E}\,e^2_{\mathrm{absmax}}}{\mathbb{E}\min_s e^2(s)} = 0.53"
        r"\ \mathrm{dB}",
        hypotheses="Normal weights, blocks of 32 on 16 levels, either sign of the scale.",
        mark="heuristic",
        check=absmax_in_blocks,
        twins=(Twin("blocks of 64", {"size": 64}), Twin("3 % more", {"factor": 1.03})),
        figure="formats_blocks",
        constant=Constant("0.53 dB"),
    ),
    Claim(
        id="ku.searched_scales",
        title="The best scale of every block beats any multiple of its largest magnitude",
        paper=PAPER,
        place="Section 2, the choice of the scale; llama.cpp issue 397",
        statement=r"N\int_0^{x_0} x\,dF(x) \le \frac{\mathbb{E}\min_s e^2(s)}{\mathbb{E}\,W^2} \le \min_f"
        r" \frac{\mathbb{E}\,e^2(f\,m/8)}{\mathbb{E}\,W^2};\quad 21.860, 19.826, 17.265\ \mathrm{dB}",
        hypotheses="16 levels, scales of either sign, blocks of 16, 32 and 128; Gaussian, Laplace and "
        "Student-t weights (kurtosis 29); the lower limit Gaussian only. Limits and the growth with the "
        "block are theorems; what lies between is drawn: the ratios are at blocks of 32, to 0.03 dB. The "
        "limits again: by incomplete beta functions, and by drawn blocks that share one multiple, to 1 %.",
        mark="derived",
        check=searched_scales,
        twins=(
            Twin("5 % less error", {"factor": 0.95}),
            Twin("rays that reach twice the error", {"reach": 2.5}),
            Twin("limits 2 % larger", {"limits": 1.02}),
        ),
        figure="formats_blocks",
        constant=Constant("ratios in dB"),
    ),
    Claim(
        id="ku.errors_add",
        title="Squared errors of pruning and of rounding what is kept add, if zero is a level",
        paper=PAPER,
        place="Section 4.2, both methods together",
        statement=r"\left\lVert W - Q(PW)\right\rVert^2 = \left\lVert W - PW\right\rVert^2 +"
        r" \left\lVert PW - Q(PW)\right\rVert^2",
        hypotheses="The two errors live on disjoint sets of weights; a grid without zero moves pruned ones.",
        mark="derived",
        check=pruned_then_rounded,
        twins=(Twin("a grid without zero", {"zero": False}),),
        figure="formats_blocks",
        constant=Constant("the sum of both errors"),
    ),
    Claim(
        id="ku.sparse_float8",
        title="2:4 with FP8 loses what 2:4 loses: 0.02 dB more",
        paper=PAPER,
        place="Section 4.2, both methods together; llm-compressor issue 1800",
        statement=r"\mathrm{SNR}(2{:}4) - \mathrm{SNR}(2{:}4 + \mathrm{FP8}) = 0.0198,\ 0.0350\ \mathrm{dB}",
        hypotheses="Normal weights: 8.78 and 8.76 dB; Laplace weights: 10.98 and 10.94 dB; E4M3, best scale; "
        "to 0.0003 dB.",
        mark="derived",
        check=sparse_and_float8,
        twins=(Twin("with INT4", {"name": "2:4 + INT4"}), Twin("2 % more", {"factor": 1.02})),
        figure="formats_blocks",
        constant=Constant("both losses"),
    ),
)
