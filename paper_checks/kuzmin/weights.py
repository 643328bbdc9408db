"""Claims on heavy tails, real tensors and storage: Kuzmin et al., Sections 2-3 and the hardware section."""

import functools
import math

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, identity, printed, within
from sims import weights
from sims.networks import digits
from sims.weights import released
from sims.weights.scales import integer_scale
from theory import snr, storage
from theory.distributions import Gaussian, StudentT
from theory.snr import limits as snr_limits

PAPER = "kuzmin"
BITS = tuple(range(2, 9))
# kurtosis at which pruning overtakes, df = 2
CROSSOVERS = {2: 8.873, 3: 15.985, 4: 28.350, 5: 51.771, 6: 97.710, 7: 189.144, 8: 370.978}


def law_of(kurtosis: float, df: float) -> StudentT:
    """The law of that many degrees of freedom whose truncation gives it the kurtosis."""
    from scipy.optimize import brentq

    return StudentT(df, brentq(lambda bound: StudentT(df, bound).kurtosis - kurtosis, 0.5, 1e6))


def crossovers(run, factor=1.0, df=2.0):
    """Quantization minus pruning (dB) at kurtosis 0.1-0.999 times the crossover, and 1.001-10 times."""
    for bits, kurtosis in CROSSOVERS.items():
        kurtosis *= factor
        least = max(0.1, 1.9 / kurtosis)
        factors = np.array([*np.geomspace(least, 0.9, 7), 0.999, 1.001, *np.geomspace(1.1, 10, 7)])
        laws = [law_of(share * kurtosis, df) for share in factors]
        sparsity = snr.equal_sparsity(bits)
        margin = np.array([snr.quantization_snr(law, bits) - snr.pruning_snr(law, sparsity) for law in laws])
        yield at_least(f"least margin below, {bits} bits (dB)", margin[factors < 1].min(), 0.0)
        yield at_most(f"largest margin above, {bits} bits (dB)", margin[factors > 1].max(), 0.0)


def no_crossover(run, factor=1.0, df=3.0):
    """Pruning minus quantization at 4 bits over truncations from 0.5 to 10^7: closest at 0.1498 dB."""

    def closest():
        laws = [StudentT(df, float(bound)) for bound in np.geomspace(0.5, 1e7, 241)]
        return max(snr.pruning_snr(law, 0.75) - snr.quantization_snr(law, 4) for law in laws)

    yield within("largest margin of pruning (dB)", run.once(f"{df}", closest), -0.1498 * factor, 2e-4)


def kurtosis_decides(run, factor=1.0, df=1.0):
    """Two laws of kurtosis 20 at 4 bits, 2 degrees of freedom and another: margins of quantization (dB)."""
    for degrees, stated in ((2.0, 1.4868), (df, -1.369)):
        law = law_of(20, degrees)
        margin = snr.quantization_snr(law, 4) - snr.pruning_snr(law, 0.75)
        yield within(f"df = {degrees:g}: quantization minus pruning (dB)", margin, factor * stated, 2e-3)


def pruning_error_settles(run, factor=1.0, relative=False):
    """Error of 75 % pruning between truncations 10 and 1,000: itself, or relative to the signal."""
    errors = []
    for bound, stated in ((10.0, 0.4315806), (1000.0, 0.4459087)):  # by mpmath's quadrature
        law = StudentT(2, bound)
        errors.append(snr.pruning_error(law, 0.75) / (law.second_moment if relative else 1.0))
        yield within(f"error at {bound:,.0f}", errors[-1], stated * factor, 1e-7)
    yield within("error at 1,000 over error at 10", errors[1] / errors[0], 1.0332 * factor, 1e-4)


def pruning_snr_rises(run, quantized=False, factor=1.0):
    """SNR of 75 % pruning grows with the truncation; or that of 4 bits instead."""
    laws = [StudentT(2, float(bound)) for bound in np.geomspace(1, 1000, 25)]
    values = [snr.quantization_snr(law, 4) if quantized else snr.pruning_snr(law, 0.75) for law in laws]
    yield at_least("least increase between neighbours (dB)", min(np.diff(values)), 0.0)
    for bound, value, stated in ((1, values[0], 4.2365), (1000, values[-1], 14.4797)):
        yield within(f"r = {bound:,} (dB)", value, factor * stated, 1e-4)


@functools.cache
def real_tables() -> dict[str, weights.Table]:
    """The digits network and, where it is installed, EfficientNet-Lite0, at every width."""
    found = {"digits": weights.analyse({f"digits {i}": w for i, w in enumerate(digits.weights())})}
    if (path := weights.zoo_checkpoint()) is not None:
        found["EfficientNet-Lite0"] = weights.analyse(weights.load(path))
    return found


def natural_zeros(run, factor=1.0, mean=np.mean):
    """Share of weights that rounding sends to zero: the authors' 2,704 tensors, averaged tensor by tensor.

    And the code's: of a Gaussian law at its best step (0.338608 by mpmath), of the digits network counted.
    """
    law = math.erf(0.33860793572 / math.sqrt(8))
    yield within("Gaussian weights, 4 bits (%)", 100 * law, factor * 13.44, 0.005)
    yield within("Gaussian weights, 4 bits", snr.natural_zeros(Gaussian(), 4), law, 1e-9)
    arrays = digits.weights()
    table = run.once("digits", lambda: weights.analyse({str(i): w for i, w in enumerate(arrays)}, (4, 8)))
    for w, row in zip(arrays, table.rows, strict=True):
        for bits in (4, 8):
            counted = float(np.mean(np.rint(w / integer_scale(w, bits).scale) == 0))
            title = f"digits, {w.shape[1]} inputs, {bits} bits: share of zeros"
            yield within(title, row.zeros[bits], counted, 1e-12, cases=w.size)
    zeros = released.load().natural_zeros
    for bits, text, digits_of in ((8, "13", (12.6, 5.9)), (4, "35", (35.2, 30.3))):
        share = 100 * float(mean(zeros[:, bits - 2])) / factor
        yield printed(f"{len(zeros):,} tensors, {bits} bits (%)", share, text, cases=len(zeros))
        for name, found, stated in zip(("mean", "median"), (mean, np.median), digits_of, strict=True):
            value = 100 * float(found(zeros[:, bits - 2]))
            yield within(f"{bits} bits: {name} (%)", value, factor * stated, 0.05, cases=len(zeros))


# tensors at which quantization wins at 4 and 8 bits, and the pooled ratios (dB) of both methods
REAL = {
    "digits": {4: (3, 18.818, 5.787), 8: (3, 40.862, 11.935)},
    "EfficientNet-Lite0": {4: (48, 17.212, 6.310), 8: (50, 36.797, 12.341)},
}


def real_tensors(run, factor=1.0, power=1):
    """Tensors on which quantization wins at 4 and 8 bits, by name; `power` raises the weights to a power."""
    if power == 1:
        tables = real_tables()
    else:
        arrays = {str(i): np.abs(w) ** power * np.sign(w) for i, w in enumerate(digits.weights())}
        tables = {"digits": weights.analyse(arrays, (4, 8))}
    for name, table in tables.items():
        for total in table.totals():
            if total.bits not in (4, 8):
                continue
            wins, *stated = REAL[name][total.bits]
            title = f"{name}, {total.bits} bits"
            yield within(f"{title}: won of {total.tensors}", total.wins, wins, 0, cases=total.tensors)
            for method, found, ratio in zip(
                ("quantization", "pruning"), (total.quantization, total.pruning), stated, strict=True
            ):
                yield within(f"{title}: {method} (dB)", found, factor * ratio, 5e-3)


# of the best uniform quantizer of Gaussian weights, from 2 to 3 bits .. from 7 to 8
GAINS = (5.6551, 5.3470, 5.2695, 5.2905, 5.3452, 5.4067)


def decibels_per_bit(run, factor=1.0, same=None):
    """Gain per bit (dB) of the best uniform quantizer of Gaussian weights, 2 to 8 bits."""
    values = [snr.quantization_snr(Gaussian(), bits) for bits in BITS]
    for bits, gain, stated in zip(BITS, np.diff(values), GAINS, strict=False):
        yield within(f"{bits} to {bits + 1} bits", float(gain), factor * (same or stated), 2e-4)


def literal_error(levels):
    """E (Z - Q(Z))^2 of a standard Gaussian on its nearest level, by Gauss-Legendre quadrature."""
    nodes, shares = np.polynomial.legendre.leggauss(60)
    edges = np.concatenate([[-12.0], (levels[1:] + levels[:-1]) / 2, [12.0]])
    half = np.diff(edges)[:, None] / 2
    w = (edges[1:] + edges[:-1])[:, None] / 2 + half * nodes
    density = np.exp(-(w**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.sum(half * shares * (w - levels[:, None]) ** 2 * density))


def rate_distortion(run, factor=1.0):
    """No quantizer here exceeds the rate-distortion line; entropy coding comes within 1.53 dB of it."""
    for bits in BITS:
        limit = factor * snr_limits.rate_distortion_snr(bits)
        yield at_most(f"best uniform, {bits} bits", snr.quantization_snr(Gaussian(), bits), limit)
        best = snr_limits.lloyd_max_snr(Gaussian(), bits)
        yield at_most(f"Lloyd-Max, {bits} bits", best, limit)
        literal = snr.decibel(1.0, literal_error(snr_limits.lloyd_max(Gaussian(), 2**bits)))
        yield within(f"Lloyd-Max, {bits} bits: the code beside quadrature (dB)", best, literal, 1e-6)
    entropy, ratio = snr_limits.entropy_coded(Gaussian(), 0.02)
    loss = factor * snr_limits.rate_distortion_snr(entropy) - ratio
    stated = 10 * math.log10(math.pi * math.e / 6)
    yield within("10 log10(pi e/6)", stated, 1.53, 5e-3)
    yield within("loss of entropy coding at high rate (dB)", loss, stated, 1e-3)
    yield within("the code's loss over it", snr_limits.ENTROPY_CODED_LOSS / stated, 1.0, 1e-12)


def _packed(sparsity: float, size: int = 2**14) -> tuple[int, int]:
    """Bytes of a packed mask, and of the 16-bit values it keeps, of weights pruned to `sparsity`."""
    weights_ = np.linspace(-1, 1, size, dtype=np.float16)
    kept = np.argsort(np.abs(weights_), kind="stable") >= round(sparsity * size)
    return np.packbits(kept).nbytes, weights_[kept].nbytes


def mask_overhead(run, factor=1.0, bits=16):
    """Bytes of a packed mask beside those of the dense weights, of `bits` bits."""
    size = 2**14
    yield printed("overhead (%)", 100 * _packed(0.75, size)[0] / (size * bits / 8) / factor, "6.25")
    packed = factor * _packed(0.75, size)[0] / (2 * size)
    yield within("as the formula says", storage.mask_overhead(16), packed, 1e-15)


def break_even(run, factor=1.0, mask=1.0):
    """Sparsity at which a bitmask makes pruning as small as b-bit weights; `mask` bits per weight."""
    for bits in BITS:
        stated = factor * (1 - (bits - 1) / 16)
        mask_bytes, value_bytes = _packed(min(stated, 1.0))
        stored = 8 * (mask * mask_bytes + value_bytes) / 2**14
        yield within(f"packed weights at the break-even of {bits} bits", stored, bits, 1e-3)
        found = storage.break_even_sparsity("bitmask", bits)
        yield within(f"{bits} bits: the code's break-even", found, 1 - (bits - 1) / 16, 1e-12)
        bound = storage.break_even_sparsity("entropy", bits)
        yield identity(
            f"{bits} bits: no mask of independent zeros does better",
            bound <= found and math.isfinite(bound),
            f"{bound:.4f}",
            evidence="evaluated",
        )


CLAIMS = (
    Claim(
        id="ku.crossovers",
        title="Kurtosis beyond which pruning wins, Student-t with 2 degrees of freedom",
        paper=PAPER,
        place="Figure 2, right",
        statement=r"\mathrm{SNR}_{\mathrm{prune}}(1 - b/16) \ge \mathrm{SNR}_{\mathrm{quant}}(b)"
        r"\iff \kappa \ge \kappa_b",
        hypotheses=r"Truncated to $[-r, r]$; $\kappa_b$ = 8.87, 15.99, 28.35, 51.77, 97.71, 189.1, 371.0 for"
        " 2 to 8 bits.",
        mark="derived",
        constant=Constant(r"$\kappa_b$"),
        check=crossovers,
        twins=(
            Twin("the same for 1 degree of freedom", {"df": 1.0}),
            Twin("crossovers at 1 % more kurtosis", {"factor": 1.01}),
            Twin("crossovers at 1 % less kurtosis", {"factor": 0.99}),
        ),
        figure="snr_student",
    ),
    Claim(
        id="ku.no_crossover",
        title="Three degrees of freedom: quantization wins at 4 bits whatever the truncation",
        paper=PAPER,
        place="Figure 2, beyond the paper",
        statement=r"\sup_r \left(\mathrm{SNR}_{\mathrm{prune}} - \mathrm{SNR}_{\mathrm{quant}}\right) < 0",
        hypotheses=r"$\nu = 3$, 4 bits against 75 %, $r$ from 0.5 to $10^7$; 0.1498 dB at the closest.",
        mark="derived",
        constant=Constant("the closest margin"),
        check=no_crossover,
        twins=(Twin("two degrees of freedom", {"df": 2.0}), Twin("1 % closer", {"factor": 0.99})),
        figure="snr_student",
    ),
    Claim(
        id="ku.kurtosis_not_sufficient",
        title="Kurtosis alone does not decide",
        paper=PAPER,
        place="Section 2.3, beyond the paper",
        statement=r"\exists\ \text{two laws with } \kappa = 20 \text{ and different winners at 4 bits}",
        hypotheses="Truncated Student-t laws with 2 and 1 degrees of freedom: quantization leads by 1.487 dB,"
        " and trails by 1.369 dB.",
        mark="derived",
        constant=Constant("margins in dB"),
        check=kurtosis_decides,
        twins=(
            Twin("1.5 degrees of freedom decide otherwise already", {"df": 1.5}),
            Twin("0.2 % more", {"factor": 1.002}),
        ),
        figure="snr_student",
    ),
    Claim(
        id="ku.pruning_error_settles",
        title="The error of pruning hardly changes with the tails",
        paper=PAPER,
        place="Figure 2, left, caption",
        statement=r"\mathbb{E}\left[W^2; |W| \le \tau\right] \text{ grows by 3.32 percent from } r = 10"
        r" \text{ to } 1000",
        hypotheses="Student-t with 2 degrees of freedom, 75 % pruned, in the units of the law: 0.4315806 and "
        "0.4459087.",
        mark="paper",
        constant=Constant("1.0332, and both errors"),
        check=pruning_error_settles,
        twins=(
            Twin("the error relative to the signal", {"relative": True}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
        figure="snr_student",
    ),
    Claim(
        id="ku.pruning_snr_rises",
        title="The signal-to-noise ratio of pruning rises with the tails",
        paper=PAPER,
        place="Figure 2, left",
        statement=r"r \mapsto \mathrm{SNR}_{\mathrm{prune}}(r) \text{ increases}",
        hypotheses="Student-t with 2 degrees of freedom, 75 % pruned: the error settles, the signal grows. "
        "From 4.2365 dB at $r = 1$ to 14.4797 dB at 1,000.",
        mark="derived",
        constant=Constant("ratios in dB"),
        check=pruning_snr_rises,
        twins=(
            Twin("that of 4-bit quantization rises too", {"quantized": True}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
        figure="snr_student",
    ),
    Claim(
        id="ku.natural_zeros",
        title="Rounding alone makes 13 % zeros at 8 bits and 35 % at 4 bits, averaged over tensors",
        paper=PAPER,
        place="hardware section",
        statement=r"P\left(\lfloor W/s^* \rceil = 0\right) = 13\,\%\ (b = 8),\ 35\,\%\ (b = 4)",
        hypotheses="The plain mean over the 2,704 tensors of the authors' released results: 12.6 % and"
        " 35.2 %. The median tensor has 5.9 % and 30.3 %; of EfficientNet-Lite0's weights it is 2.3 % and"
        " 16.6 %. A Gaussian law at 4 bits: 13.44 %; the digits network: counted.",
        mark="paper",
        constant=Constant("both shares"),
        check=natural_zeros,
        twins=(
            Twin("the median tensor's share", {"mean": np.median}),
            Twin("4 % more zeros", {"factor": 1.04}),
        ),
        figure="weights_scatter",
    ),
    Claim(
        id="ku.real_tensors",
        title="On real tensors quantization wins almost always from 4 bits on",
        paper=PAPER,
        place="Figure 3",
        statement=r"\mathrm{SNR}_{\mathrm{quant}} > \mathrm{SNR}_{\mathrm{prune}}"
        r"\ \text{on 51 of 53 tensors at 4 bits, on all at 8}",
        hypotheses="Digits network (3 tensors) and, where installed, EfficientNet-Lite0 (50; 48 at 4 bits),"
        " mask not counted; the pooled ratios of both, to 0.005 dB.",
        mark="paper",
        constant=Constant("ratios in dB"),
        check=real_tensors,
        twins=(
            Twin("the weights cubed: tails too heavy", {"power": 3}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
        figure="weights_scatter",
    ),
    Claim(
        id="ku.decibels_per_bit",
        title="A fixed-rate uniform quantizer gains 5.27-5.66 dB per bit, not 6.02",
        paper=PAPER,
        place="Section 2.1, beyond the paper",
        statement=r"\mathrm{SNR}(b + 1) - \mathrm{SNR}(b) = 5.6551, 5.3470, 5.2695, 5.2905, 5.3452, 5.4067"
        r"\ \mathrm{dB}",
        hypotheses="Standard normal weights, optimal step, 2-8 bits: the range grows with the levels.",
        mark="derived",
        constant=Constant("gains in dB"),
        check=decibels_per_bit,
        twins=(Twin("6.02 dB per bit", {"same": 6.02}), Twin("0.1 % more per bit", {"factor": 1.001})),
        figure="snr_stored_bits",
    ),
    Claim(
        id="ku.rate_distortion",
        title="The rate-distortion line bounds every quantizer; entropy coding stays 1.53 dB below",
        paper=PAPER,
        place="beyond the paper; Cover & Thomas Th. 10.3.2",
        statement=r"\mathrm{SNR} \le 20\log_{10}(2)\,R,\quad \mathrm{loss} \to 10\log_{10}(\pi e/6)",
        hypotheses="Independent standard normal weights.",
        mark="derived",
        constant=Constant("6.02 dB per bit"),
        check=rate_distortion,
        twins=(Twin("5.96 dB per bit as the limit", {"factor": 0.99}),),
        figure="snr_stored_bits",
    ),
    Claim(
        id="ku.mask_overhead",
        title="A mask costs 6.25 % of 16-bit weights",
        paper=PAPER,
        place="hardware section",
        statement=r"1/16 = 6.25\,\%",
        hypotheses="One bit per weight, values of 16 bits.",
        mark="paper",
        constant=Constant("6.25 %"),
        check=mask_overhead,
        twins=(Twin("values of 8 bits", {"bits": 8}), Twin("0.1 % more", {"factor": 1.001})),
        figure="storage_break_even",
    ),
    Claim(
        id="ku.break_even",
        title="Sparsity from which masked pruning is smaller than b-bit weights",
        paper=PAPER,
        place="hardware section",
        statement=r"1 + 16(1 - c) \le b \iff c \ge 1 - \frac{b - 1}{16}",
        hypotheses="One mask bit per weight, 16-bit values.",
        mark="derived",
        constant=Constant("sparsity at the break-even"),
        check=break_even,
        twins=(Twin("the mask not counted", {"mask": 0.0}), Twin("0.1 % more zeros", {"factor": 1.001})),
        figure="storage_break_even",
    ),
)
