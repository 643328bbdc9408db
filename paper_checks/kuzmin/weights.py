"""Claims on heavy tails, real tensors and storage: Kuzmin et al., Sections 2-3 and the hardware section."""

import functools
import math

import numpy as np

from paper_checks.claim import Claim, Twin, at_least, at_most, identity, printed, within
from sims import weights
from sims.networks import digits
from theory import snr, storage
from theory.distributions import Gaussian, StudentT
from theory.snr import limits as snr_limits

PAPER = "kuzmin"
BITS = tuple(range(2, 9))
# kurtosis at which pruning overtakes, df = 2
CROSSOVERS = {2: 8.873, 3: 15.985, 4: 28.350, 5: 51.771, 6: 97.710, 7: 189.144, 8: 370.978}


def _law_of(kurtosis: float, df: float) -> StudentT:
    """The law of that many degrees of freedom whose truncation gives it the kurtosis."""
    from scipy.optimize import brentq

    return StudentT(df, brentq(lambda bound: StudentT(df, bound).kurtosis - kurtosis, 0.5, 1e6))


def crossovers(run, df=2.0):
    """Quantization minus pruning (dB) at kurtosis 0.1-0.98 times the crossover, and 1.02-10 times."""
    for bits, kurtosis in CROSSOVERS.items():
        factors = np.array([*np.geomspace(max(0.1, 1.9 / kurtosis), 0.98, 9), *np.geomspace(1.02, 10, 9)])
        laws = [_law_of(factor * kurtosis, df) for factor in factors]
        sparsity = snr.equal_sparsity(bits)
        margin = np.array([snr.quantization_snr(law, bits) - snr.pruning_snr(law, sparsity) for law in laws])
        yield at_least(f"least margin below, {bits} bits (dB)", margin[factors < 1].min(), 0.0)
        yield at_most(f"largest margin above, {bits} bits (dB)", margin[factors > 1].max(), 0.0)


def no_crossover(run, df=3.0):
    """Pruning minus quantization at 4 bits over truncations from 0.5 to 10^7."""
    laws = [StudentT(df, float(bound)) for bound in np.geomspace(0.5, 1e7, 60)]
    margins = [snr.pruning_snr(law, 0.75) - snr.quantization_snr(law, 4) for law in laws]
    yield at_most("largest margin of pruning (dB)", max(margins), 0.0)


def kurtosis_decides(run, df=1.0):
    """Two laws of kurtosis 20 at 4 bits: df = 2, and another df; do they agree?"""
    margins = []
    for degrees in (2.0, df):
        law = _law_of(20, degrees)
        margins.append(snr.quantization_snr(law, 4) - snr.pruning_snr(law, 0.75))
    detail = f"quantization minus pruning: {margins[0]:.2f} dB at df = 2, {margins[1]:.2f} dB at df = {df:g}"
    yield identity("equal kurtosis, other winner", margins[0] * margins[1] < 0, detail, evidence="evaluated")


def pruning_error_settles(run, relative=False):
    """Error of 75 % pruning between truncations 10 and 1,000: itself, or relative to the signal."""
    errors = []
    for bound in (10.0, 1000.0):
        law = StudentT(2, bound)
        errors.append(snr.pruning_error(law, 0.75) / (law.second_moment if relative else 1.0))
    yield within("error at 1,000 over error at 10", errors[1] / errors[0], 1.0, 0.05)


def pruning_snr_rises(run, quantized=False):
    """SNR of 75 % pruning grows with the truncation; or that of 4 bits instead."""
    laws = [StudentT(2, float(bound)) for bound in np.geomspace(1, 1000, 25)]
    values = [snr.quantization_snr(law, 4) if quantized else snr.pruning_snr(law, 0.75) for law in laws]
    yield at_least("least increase between neighbours (dB)", min(np.diff(values)), 0.0)


@functools.cache
def real_tables() -> dict[str, weights.Table]:
    """The digits network and, where it is installed, EfficientNet-Lite0, at every width."""
    found = {"digits": weights.analyse({f"digits {i}": w for i, w in enumerate(digits.weights())})}
    if (path := weights.zoo_checkpoint()) is not None:
        found["EfficientNet-Lite0"] = weights.analyse(weights.load(path))
    return found


def natural_zeros(run, other=False):
    """Share of weights that rounding sends to zero, beside the printed averages (13 % and 35 %)."""
    for name, table in real_tables().items():
        for total in table.totals():
            text = {4: "35", 8: "13"}.get(total.bits)
            if text is not None:
                share = 0.0 if other else 100 * total.zeros
                yield printed(f"{name}, {total.bits} bits (%)", share, text, evidence="exhaustive")


def real_tensors(run, power=1):
    """Share of tensors on which quantization wins at 4 and 8 bits; `power` raises the weights to a power."""
    if power == 1:
        tables = real_tables()
    else:
        arrays = {str(i): np.abs(w) ** power * np.sign(w) for i, w in enumerate(digits.weights())}
        tables = {"digits, cubed" if power == 3 else "digits": weights.analyse(arrays, (2, 4, 8))}
    for name, table in tables.items():
        for total in table.totals():
            if total.bits in (4, 8):
                yield at_least(
                    f"{name}, {total.bits} bits", total.wins / total.tensors, 0.9, evidence="exhaustive"
                )


def decibels_per_bit(run, slope=5.46, tolerance=0.2):
    """Gain per bit of the best uniform quantizer of Gaussian weights, 2 to 8 bits."""
    values = [snr.quantization_snr(Gaussian(), bits) for bits in BITS]
    for bits, gain in zip(BITS, np.diff(values), strict=False):
        yield within(f"{bits} to {bits + 1} bits", float(gain), slope, tolerance)


def rate_distortion(run, factor=1.0):
    """No quantizer here exceeds the rate-distortion line; entropy coding comes within 1.53 dB of it."""
    for bits in BITS:
        limit = factor * snr_limits.rate_distortion_snr(bits)
        yield at_most(f"best uniform, {bits} bits", snr.quantization_snr(Gaussian(), bits), limit)
        yield at_most(f"Lloyd-Max, {bits} bits", snr_limits.lloyd_max_snr(Gaussian(), bits), limit)
    entropy, ratio = snr_limits.entropy_coded(Gaussian(), 0.02)
    loss = factor * snr_limits.rate_distortion_snr(entropy) - ratio
    yield within("loss of entropy coding at high rate (dB)", loss, snr_limits.ENTROPY_CODED_LOSS, 1e-3)


def _packed(sparsity: float, size: int = 2**14) -> tuple[int, int]:
    """Bytes of a packed mask, and of the 16-bit values it keeps, of weights pruned to `sparsity`."""
    weights_ = np.linspace(-1, 1, size, dtype=np.float16)
    kept = np.argsort(np.abs(weights_), kind="stable") >= round(sparsity * size)
    return np.packbits(kept).nbytes, weights_[kept].nbytes


def mask_overhead(run, bits=16):
    """Bytes of a packed mask beside those of the dense weights, of `bits` bits."""
    size = 2**14
    yield printed("overhead (%)", 100 * _packed(0.75, size)[0] / (size * bits / 8), "6.25")
    yield within("as the formula says", storage.mask_overhead(16), _packed(0.75, size)[0] / (2 * size), 1e-15)


def break_even(run, mask=1.0):
    """Sparsity at which a bitmask makes pruning as small as b-bit weights; `mask` bits per weight."""
    for bits in BITS:
        found = storage.break_even_sparsity("bitmask", bits)
        mask_bytes, value_bytes = _packed(found)
        stored = 8 * (mask * mask_bytes + value_bytes) / 2**14
        yield within(f"packed weights at the break-even of {bits} bits", stored, bits, 1e-3)
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
        check=crossovers,
        twins=(Twin("the same for 1 degree of freedom", {"df": 1.0}),),
        figure="snr_student",
    ),
    Claim(
        id="ku.no_crossover",
        title="Three degrees of freedom: quantization wins at 4 bits whatever the truncation",
        paper=PAPER,
        place="Figure 2, beyond the paper",
        statement=r"\sup_r \left(\mathrm{SNR}_{\mathrm{prune}} - \mathrm{SNR}_{\mathrm{quant}}\right) < 0",
        hypotheses=r"$\nu = 3$, 4 bits against 75 %, $r$ from 0.5 to $10^7$; 0.15 dB at the closest.",
        mark="derived",
        check=no_crossover,
        twins=(Twin("two degrees of freedom", {"df": 2.0}),),
        figure="snr_student",
    ),
    Claim(
        id="ku.kurtosis_not_sufficient",
        title="Kurtosis alone does not decide",
        paper=PAPER,
        place="Section 2.3, beyond the paper",
        statement=r"\exists\ \text{two laws with } \kappa = 20 \text{ and different winners at 4 bits}",
        hypotheses="Truncated Student-t laws with 1 and 2 degrees of freedom.",
        mark="derived",
        check=kurtosis_decides,
        twins=(Twin("1.5 degrees of freedom decide otherwise already", {"df": 1.5}),),
        figure="snr_student",
    ),
    Claim(
        id="ku.pruning_error_settles",
        title="The error of pruning hardly changes with the tails",
        paper=PAPER,
        place="Figure 2, left, caption",
        statement=r"\mathbb{E}\left[W^2; |W| \le \tau\right] \text{ changes by less than 5 percent,}"
        r"\ 10 \le r \le 1000",
        hypotheses="Student-t with 2 degrees of freedom, 75 % pruned, in the units of the law.",
        mark="paper",
        check=pruning_error_settles,
        twins=(Twin("the error relative to the signal", {"relative": True}),),
        figure="snr_student",
    ),
    Claim(
        id="ku.pruning_snr_rises",
        title="The signal-to-noise ratio of pruning rises with the tails",
        paper=PAPER,
        place="Figure 2, left",
        statement=r"r \mapsto \mathrm{SNR}_{\mathrm{prune}}(r) \text{ increases}",
        hypotheses="Student-t with 2 degrees of freedom, 75 % pruned: the error settles, the signal grows.",
        mark="derived",
        check=pruning_snr_rises,
        twins=(Twin("that of 4-bit quantization rises too", {"quantized": True}),),
        figure="snr_student",
    ),
    Claim(
        id="ku.natural_zeros",
        title="Rounding alone makes 13 % zeros at 8 bits and 35 % at 4 bits",
        paper=PAPER,
        place="hardware section",
        statement=r"P\left(\lfloor W/s^* \rceil = 0\right) = 13\,\%\ (b = 8),\ 35\,\%\ (b = 4)",
        hypotheses="Printed as averages over the paper's models, which are not at hand; here the digits "
        "network and, where installed, EfficientNet-Lite0, per-tensor steps of least error.",
        mark="paper",
        check=natural_zeros,
        twins=(Twin("no zero at all", {"other": True}),),
        expected="not reproduced",
        figure="weights_scatter",
    ),
    Claim(
        id="ku.real_tensors",
        title="On real tensors quantization wins almost always from 4 bits on",
        paper=PAPER,
        place="Figure 3",
        statement=r"\mathrm{SNR}_{\mathrm{quant}} > \mathrm{SNR}_{\mathrm{prune}}"
        r"\ \text{on at least 90 percent of the tensors}",
        hypotheses="Digits network and, where installed, EfficientNet-Lite0; 4 and 8 bits, mask not counted.",
        mark="paper",
        check=real_tensors,
        twins=(Twin("the weights cubed: tails too heavy", {"power": 3}),),
        figure="weights_scatter",
    ),
    Claim(
        id="ku.decibels_per_bit",
        title="A fixed-rate uniform quantizer gains 5.27-5.66 dB per bit, not 6.02",
        paper=PAPER,
        place="Section 2.1, beyond the paper",
        statement=r"\mathrm{SNR}(b + 1) - \mathrm{SNR}(b) \in [5.26, 5.66]\ \mathrm{dB}",
        hypotheses="Standard normal weights, optimal step, 2-8 bits: the range grows with the levels.",
        mark="derived",
        check=decibels_per_bit,
        twins=(Twin("6.02 dB within 0.3", {"slope": 6.02, "tolerance": 0.3}),),
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
        check=rate_distortion,
        twins=(Twin("5.4 dB per bit as the limit", {"factor": 0.9}),),
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
        check=mask_overhead,
        twins=(Twin("values of 8 bits", {"bits": 8}),),
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
        check=break_even,
        twins=(Twin("the mask not counted", {"mask": 0.0}),),
        figure="storage_break_even",
    ),
)
