r"""Number formats of compressed weights in one frame: SNR against *stored* bits per weight.

    per tensor      s l_i, s of least mean squared error            bits of a code
    per block       s l_i, s from the block's largest magnitude     bits + scale bits / block
    n:m             the n largest of every m magnitudes kept        (n/m) bits + n ceil(log2 m)/m
    prune, round    zero below the c-quantile, then s l_i           1 + (1 - c) bits (bitmask)

For iid weights each has an exact law. In a block of B weights the largest magnitude m has distribution
function G(m)^B with G(x) = P(|W| <= x), the others are the law truncated to [-m, m], so

    MSE = E_m [ ((B - 1) MSE(W | |W| <= m; s(m)) + (m - Q(m))^2) / B ].

A weight of magnitude quantile u is among the m - n smallest of its group with probability
P(Bin(m - 1, u) <= m - n - 1), so n:m pruning loses int_0^1 G^{-1}(u)^2 P(Bin(m - 1, u) <= m - n - 1) du.

References
----------
.. [1] Rouhani et al., "OCP Microscaling Formats (MX) Specification v1.0", 2023: blocks of 32, E8M0 scale.
.. [2] Dettmers et al., "QLoRA", NeurIPS 2023: NF4, quantiles of the normal law, blocks of 64.
.. [3] Micikevicius et al., "FP8 Formats for Deep Learning", 2022: E4M3 and E5M2.
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
    return np.unique(np.concatenate([-values, values]))


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
    scale : "free" (any real, stored in 16 bits) or "power" (a power of two, 8 bits), for blocks.
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
            scale_bits = 8 if self.scale == "power" else 16
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
    Format("MXFP4", "e2m1", 4, block=32, scale="power"),
    Format("MXFP6 E2M3", "e2m3", 6, block=32, scale="power"),
    Format("MXINT8", "symmetric8", 8, block=32, scale="power"),
    Format("MXFP8 E4M3", "e4m3", 8, block=32, scale="power"),
    Format("FP8 E4M3", "e4m3", 8),
    Format("FP8 E5M2", "e5m2", 8),
    *(Format(f"{n}:{m}", "", 16, keep=n, group=m) for n, m in ((2, 4), (1, 4), (4, 8), (2, 8))),
    *(Format(f"prune {100 * c:g} %", "", 16, sparsity=c) for c in (0.5, 0.75, 0.875)),
    *(Format(f"prune 50 % + INT{b}", f"int{b}", b, sparsity=0.5) for b in (4, 6, 8)),
)


def block_scale(form: Format, largest: np.ndarray) -> np.ndarray:
    """Scale of a block from its largest magnitude.

    "free" puts the largest level on it. "power" is 2^(floor(log2 largest) - e), e the exponent of the largest
    level: the rule of the MX specification, under which the largest value may be clipped.

    Examples
    --------
    >>> mxfp4 = next(f for f in FORMATS if f.name == "MXFP4")
    >>> float(block_scale(mxfp4, np.array(7.0)))
    1.0
    """
    top = form.levels[-1]
    if form.scale == "free":
        return np.asarray(largest) / top
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log2(largest)) - math.floor(math.log2(top))
    return np.exp2(exponent)


def format_error(law: Distribution, form: Format) -> float:
    """E (W - F(W))^2 of a format for iid weights of a continuous symmetric law.

    Raises
    ------
    TypeError
        An empirical law: tensors have an order, see :func:`sims.formats.noise`.
    """
    if not law.symmetric:
        raise TypeError("laws of formats need a continuous symmetric law; use sims.formats.noise for tensors")
    if form.group:
        if form.codes:
            raise ValueError(f"{form.name}: no closed law for n:m pruning followed by rounding")
        return group_pruning_error(law, form.keep, form.group)
    if form.sparsity:
        pruned = pruning_error(law, form.sparsity)
        return pruned if not form.codes else pruned + _kept_error(law, form)
    if form.block:
        return _block_error(law, form)
    return float(quantization_error(law, codebook(form.codes), optimal_scale(law, codebook(form.codes))))


def format_snr(law: Distribution, form: Format) -> float:
    """SNR in dB of a format; compare formats at equal :attr:`Format.stored_bits`.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> [round(format_snr(Gaussian(), f), 2) for f in FORMATS if f.name in ("INT4", "NF4 b64", "MXFP4")]
    [19.26, 20.73, 18.79]
    """
    return decibel(law.second_moment, format_error(law, form))


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


def _block_error(law: Distribution, form: Format) -> float:
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
    u, weight = _unit_nodes(breaks)
    share = u ** (1 / size)
    largest = law.ppf(0.5 + share / 2)
    chosen = (weight > 1e-9) & np.isfinite(largest) & (largest > 0)  # 1e-9 of the mean is not worth its time
    total = 0.0
    for mass, m in zip(weight[chosen], largest[chosen], strict=True):
        scale = float(block_scale(form, m))
        inner = float(quantization_error(Truncated(law, float(m)), levels, scale))
        nearest = scale * levels.levels[np.argmin(np.abs(m - scale * levels.levels))]
        total += mass * ((size - 1) * inner + (m - nearest) ** 2) / size
    return total / float(weight[chosen].sum())


def _kept_error(law: Distribution, form: Format) -> float:
    """Least error over the scales of rounding the weights beyond the pruning threshold."""
    check_sparsity(form.sparsity)
    levels = codebook(form.codes)
    threshold = float(law.ppf(0.5 + form.sparsity / 2))
    inner = Truncated(law, threshold)

    def error(scale: np.ndarray) -> np.ndarray:
        return quantization_error(law, levels, scale) - form.sparsity * quantization_error(
            inner, levels, scale
        )

    scale = optimal_scale(law, levels)
    for span in (0.5, 0.05, 0.005, 0.0005):
        grid = scale * np.exp(np.linspace(-span, span, 33))
        scale = float(grid[np.argmin(error(grid))])
    return float(error(np.array([scale]))[0])
