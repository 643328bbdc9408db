r"""Number formats of compressed weights in one frame: SNR against *stored* bits per weight.

    per tensor      s l_i, s of least mean squared error            bits of a code
    per block       s l_i, s from the block's largest magnitude     bits + scale bits / block
    n:m             the n largest of every m magnitudes kept        (n/m) bits + n ceil(log2 m)/m
    prune           zero below the c-quantile of magnitudes         1 + (1 - c) bits (bitmask)
    then round      what is kept on s l_i, s of least error         the same with the bits of a code

For iid weights each has an exact law. In a block of B weights the largest magnitude m has distribution
function G(m)^B with G(x) = P(|W| <= x), the others are the law truncated to [-m, m], so

    MSE = E_m [ ((B - 1) MSE(W | |W| <= m; s(m)) + (m - Q(m))^2) / B ].

A weight of magnitude quantile u is kept among m where at least m - n of the others are smaller, with
probability P(Bin(m - 1, u) >= m - n) = P(C <= u), C ~ Beta(m - n, n): the others' (m - n)-th smallest. So

    n:m pruning is magnitude pruning at the random sparsity C ~ Beta(m - n, n), rounding afterwards included,

and loses E_C E[W^2; |W| < G^{-1}(C)] = int_0^1 G^{-1}(u)^2 P(Bin(m - 1, u) <= m - n - 1) du.

References
----------
.. [1] Rouhani et al., "OCP Microscaling Formats (MX) Specification v1.0", 2023: blocks of 32, E8M0 scale.
.. [2] Dettmers et al., "QLoRA", NeurIPS 2023: NF4, quantiles of the normal law, blocks of 64.
.. [3] Micikevicius et al., "FP8 Formats for Deep Learning", 2022: E4M3 and E5M2.
.. [4] Alvarez et al., "Introducing NVFP4 for Efficient and Accurate Low-Precision Inference", NVIDIA, 2025:
       blocks of 16, E4M3 scale relative to one float32 scale per tensor.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from theory import storage
from theory.codebooks import Codebook, integer_levels, optimal_scale, quantization_error
from theory.distributions import Distribution, Truncated
from theory.snr import check_sparsity, decibel, pruning_error


def float_levels(exponent_bits: int, mantissa_bits: int, largest: float | None = None) -> np.ndarray:
    """All values of a small floating-point format, subnormals included, ascending.

    Parameters
    ----------
    exponent_bits, mantissa_bits : bias is 2^(exponent_bits - 1) - 1.
    largest : values beyond it are codes for infinity and NaN.

    Examples
    --------
    >>> float_levels(2, 1)[7:]
    array([0. , 0.5, 1. , 1.5, 2. , 3. , 4. , 6. ])
    >>> len(float_levels(4, 3, 448)), len(float_levels(5, 2, 57344))
    (253, 247)
    """
    bias = 2 ** (exponent_bits - 1) - 1
    mantissa = np.arange(2**mantissa_bits) / 2**mantissa_bits
    positive = [mantissa * 2.0 ** (1 - bias)]
    positive += [(1 + mantissa) * 2.0 ** (e - bias) for e in range(1, 2**exponent_bits)]
    values = np.concatenate(positive)
    if largest is not None:
        values = values[values <= largest]
    return np.unique(np.concatenate([-values, values])) + 0.0  # no negative zero


def normal_float_levels() -> np.ndarray:
    """NF4: 16 quantiles of the normal law, 8 below zero, zero, 7 above, scaled to [-1, 1].

    The construction of [2]: quantiles at equal steps between 1/2 and 1 - (1/30 + 1/32)/2 on either side.

    Examples
    --------
    >>> np.round(normal_float_levels()[[1, 7, 8, 14]], 6)
    array([-0.696193,  0.      ,  0.07958 ,  0.722957])
    """
    end = 1 - (1 / 30 + 1 / 32) / 2
    above = special.ndtri(np.linspace(end, 0.5, 9)[:-1])
    below = -special.ndtri(np.linspace(end, 0.5, 8)[:-1])
    levels = np.concatenate([below, [0.0], above])
    return np.sort(levels / np.abs(levels).max())


@dataclass(frozen=True)
class Format:
    """A way to store weights.

    Attributes
    ----------
    name : as practitioners call it.
    codes : name of the codebook in `CODEBOOKS`; "" keeps values as they are.
    bits : of one stored value.
    block : weights that share a scale; 0 means the whole tensor (or row), with the scale of least error.
    scale : of blocks, see :func:`block_scale`: "free" (16 bits), "power" or "e4m3" (8 bits).
    keep, group : `keep` of every `group` weights are kept; 0 keeps all.
    sparsity : share pruned before rounding, stored with a bitmask.
    """

    name: str
    codes: str
    bits: int
    block: int = 0
    scale: str = "free"
    keep: int = 0
    group: int = 0
    sparsity: float = 0.0

    @property
    def levels(self) -> np.ndarray:
        """Codebook before scaling."""
        return codebook(self.codes).levels

    @property
    def stored_bits(self) -> float:
        """Bits per weight, metadata counted; one scale per tensor weighs nothing."""
        if self.group:
            return storage.bits_per_weight("n:m", 1 - self.keep / self.group, self.bits, group=self.group)
        if self.sparsity:
            return storage.bits_per_weight("bitmask", self.sparsity, self.bits)
        if self.block:
            scale_bits = 16 if self.scale == "free" else 8
            return storage.bits_per_weight("block", bits=self.bits, block=self.block, scale_bits=scale_bits)
        return float(self.bits)


@functools.cache
def codebook(name: str) -> Codebook:
    """Prepared codebook of a name: "int4", "symmetric4", "e2m1", "e4m3", "e5m2", "nf4" and the like."""
    makers: dict[str, Callable[[], np.ndarray]] = {
        "e2m1": lambda: float_levels(2, 1),
        "e2m3": lambda: float_levels(2, 3),
        "e3m2": lambda: float_levels(3, 2),
        "e4m3": lambda: float_levels(4, 3, 448),
        "e5m2": lambda: float_levels(5, 2, 57344),
        "nf4": normal_float_levels,
    }
    if name in makers:
        return Codebook(makers[name]())
    for prefix, grid in (("int", "twos-complement"), ("symmetric", "symmetric")):
        if name.startswith(prefix) and name.removeprefix(prefix).isdigit():
            return Codebook(integer_levels(int(name.removeprefix(prefix)), grid))  # type: ignore[arg-type]
    raise ValueError(
        f"no codebook {name!r}; there are int1-int16, symmetric2-symmetric16, {', '.join(makers)}"
    )


FORMATS: tuple[Format, ...] = (
    *(Format(f"INT{b}", f"int{b}", b) for b in range(2, 9)),
    *(Format(f"INT{b} g128", f"symmetric{b}", b, block=128) for b in (2, 3, 4, 6, 8)),
    Format("FP4 E2M1", "e2m1", 4),
    Format("NF4 b64", "nf4", 4, block=64),
    Format("NVFP4", "e2m1", 4, block=16, scale="e4m3"),
    Format("MXFP4", "e2m1", 4, block=32, scale="power"),
    Format("MXFP6 E2M3", "e2m3", 6, block=32, scale="power"),
    Format("MXFP6 E3M2", "e3m2", 6, block=32, scale="power"),
    Format("MXINT8", "symmetric8", 8, block=32, scale="power"),
    Format("MXFP8 E4M3", "e4m3", 8, block=32, scale="power"),
    Format("MXFP8 E5M2", "e5m2", 8, block=32, scale="power"),
    Format("FP8 E4M3", "e4m3", 8),
    Format("FP8 E5M2", "e5m2", 8),
    *(Format(f"{n}:{m}", "", 16, keep=n, group=m) for n, m in ((2, 4), (1, 4), (4, 8), (2, 8))),
    *(Format(f"2:4 + INT{b}", f"int{b}", b, keep=2, group=4) for b in (4, 8)),
    Format("2:4 + FP8 E4M3", "e4m3", 8, keep=2, group=4),
    *(Format(f"prune {100 * c:g} %", "", 16, sparsity=c) for c in (0.5, 0.75, 0.875)),
    *(Format(f"prune 50 % + INT{b}", f"int{b}", b, sparsity=0.5) for b in (4, 6, 8)),
)


def block_scale(form: Format, largest: np.ndarray, peak: float) -> np.ndarray:
    """Scale of a block from its largest magnitude and, for "e4m3", from that of the whole tensor.

    "free" puts the largest level on it. "power" is 2^(floor(log2 largest) - e), e the exponent of the largest
    level: the rule of the MX specification, under which the largest value may be clipped. "e4m3" is the free
    scale rounded to the nearest E4M3 number times the tensor's scale, peak / (largest level * 448), which
    puts the scale of the block that holds the peak on 448 (ties go down); a scale that rounds to 0 stores a
    block of zeros.

    Examples
    --------
    >>> by_name = {form.name: form for form in FORMATS}
    >>> float(block_scale(by_name["MXFP4"], np.array(7.0), 7.0))
    1.0
    >>> [float(v) for v in block_scale(by_name["NVFP4"], np.array([6.0, 0.375, 0.38]), 6.0) * 448]
    [448.0, 28.0, 28.0]
    """
    top = form.levels[-1]
    largest = np.asarray(largest, dtype=np.float64)
    if form.scale == "free":
        return largest / top
    if form.scale == "e4m3":
        scales = codebook("e4m3").levels
        scales = scales[scales >= 0]
        unit = peak / (top * scales[-1])
        if unit == 0:
            return np.zeros_like(largest)
        return unit * scales[np.searchsorted((scales[1:] + scales[:-1]) / 2, largest / (top * unit))]
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(largest)) - math.floor(math.log2(top))
    return np.exp2(exponent)


def format_error(law: Distribution, form: Format, size: int = 2**20) -> float:
    """E (W - F(W))^2 of a format for iid weights of a continuous symmetric law.

    Parameters
    ----------
    size : weights of the tensor, which only "e4m3" scales ask for: its peak is put at its median,
        G^{-1}(2^(-1/size)).

    Raises
    ------
    TypeError
        An empirical law: tensors have an order, see :func:`sims.formats.noise`.
    """
    if not law.symmetric:
        raise TypeError("laws of formats need a continuous symmetric law; use sims.formats.noise for tensors")
    if form.block:
        return _block_error(law, form, float(law.ppf(0.5 + 2.0 ** (-1 / size) / 2)))
    if form.codes and form.keep == form.group and not form.sparsity:
        return float(quantization_error(law, codebook(form.codes), optimal_scale(law, codebook(form.codes))))
    if form.group:
        pruned = group_pruning_error(law, form.keep, form.group)
        sparsity, mass = _group_sparsity(form.keep, form.group)
    else:
        pruned = pruning_error(law, check_sparsity(form.sparsity))
        sparsity, mass = np.array([form.sparsity]), np.ones(1)
    return pruned + _kept_error(law, codebook(form.codes), sparsity, mass) if form.codes else pruned


def format_snr(law: Distribution, form: Format, size: int = 2**20) -> float:
    """SNR in dB of a format; compare formats at equal :attr:`Format.stored_bits`.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> [round(format_snr(Gaussian(), f), 2) for f in FORMATS if f.name in ("INT4", "NF4 b64", "MXFP4")]
    [19.26, 20.73, 18.79]
    """
    return decibel(law.second_moment, format_error(law, form, size))


def group_pruning_error(law: Distribution, keep: int, group: int) -> float:
    r"""int_0^1 G^{-1}(u)^2 P(Bin(m - 1, u) <= m - n - 1) du: the error of keeping n of every m weights.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(group_pruning_error(Uniform(1.0), 1, 2), 12) == round(1 / 12, 12)
    True
    """
    if not (int(keep) == keep and int(group) == group and 1 <= keep <= group):
        raise ValueError(f"keep must be an integer from 1 to group, got {keep!r} of {group!r}")
    if keep == group:
        return 0.0
    u, weight = _unit_nodes(())
    pruned = special.bdtr(group - keep - 1, group - 1, u)
    magnitude = law.ppf(0.5 + u / 2)
    inside = np.isfinite(magnitude)  # 1 - u below 1e-16: pruned with probability (1 - u)^keep at most
    return float(weight[inside] @ (magnitude[inside] ** 2 * pruned[inside]))


def _unit_nodes(breaks: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1], panels refined towards both ends and split at `breaks`."""
    fine = 2.0 ** -np.arange(1.0, 30)
    ends = np.concatenate([fine, 1 - fine, breaks, [0, 1]])
    ends = np.unique(ends[(ends >= 0) & (ends <= 1)])
    nodes, weights = np.polynomial.legendre.leggauss(6)
    half, centre = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    return (centre[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def _block_error(law: Distribution, form: Format, peak: float) -> float:
    """Average over the largest magnitude of a block; u = G(m)^B is uniform."""
    size, levels = form.block, codebook(form.codes)
    breaks: tuple[float, ...] = ()
    if form.scale == "power":  # the scale jumps where the largest magnitude passes a power of two
        # ... and where it starts to be clipped; eight pieces per octave follow its own rounding
        middle = math.floor(math.log2(math.sqrt(law.second_moment)))
        octaves = 2.0 ** (np.arange(-32, 120) / 8)
        top = form.levels[-1] / 2.0 ** math.floor(math.log2(form.levels[-1]))
        points = 2.0**middle * np.concatenate([octaves, top * 2.0 ** np.arange(-4, 15)])
        breaks = tuple((2 * law.cdf(points) - 1) ** size)
    elif form.scale == "e4m3":  # ... and where it passes halfway between two E4M3 numbers
        scales = codebook("e4m3").levels
        points = peak * ((scales[1:] + scales[:-1]) / 2 / scales[-1])[scales[1:] > 0]
        breaks = tuple((2 * law.cdf(points) - 1) ** size)
    u, weight = _unit_nodes(breaks)
    share = u ** (1 / size)
    largest = law.ppf(0.5 + share / 2)
    chosen = (weight > 1e-9) & np.isfinite(largest) & (largest > 0)  # 1e-9 of the mean is not worth its time
    total = 0.0
    for mass, m in zip(weight[chosen], largest[chosen], strict=True):
        scale = float(block_scale(form, m, peak))
        inner = Truncated(law, float(m))
        others = float(quantization_error(inner, levels, scale)) if scale else inner.second_moment
        nearest = scale * levels.levels[np.argmin(np.abs(m - scale * levels.levels))]
        total += mass * ((size - 1) * others + (m - nearest) ** 2) / size
    return total / float(weight[chosen].sum())


def _group_sparsity(keep: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and masses of the random sparsity Beta(group - keep, keep) by Gauss-Jacobi quadrature."""
    x, mass = special.roots_jacobi(96, keep - 1, group - keep - 1)
    return (1 + x) / 2, mass / mass.sum()


def _kept_error(law: Distribution, levels: Codebook, sparsity: np.ndarray, mass: np.ndarray) -> float:
    """Least error over the scales of rounding what is beyond the pruning threshold, mean over sparsities."""
    pruned = [Truncated(law, float(law.ppf(0.5 + c / 2))) for c in sparsity]

    def error(scale: np.ndarray) -> np.ndarray:
        inner = [quantization_error(cut, levels, scale) for cut in pruned]
        return quantization_error(law, levels, scale) - (mass * sparsity) @ inner

    scale = optimal_scale(law, levels)
    for span in (1.0, 0.1, 0.01, 0.001):
        grid = scale * np.exp(np.linspace(-span, span, 41))
        scale = float(grid[np.argmin(error(grid))])
    return float(error(np.array([scale]))[0])
