r"""Errors of the formats of :mod:`theory.formats` for independent weights of a symmetric law.

**Blocks.** G(x) = P(|W| <= x). The largest magnitude m of a block of B weights has distribution function G^B,
and given m the others are the law truncated to [-m, m]. Where the scale is s on a < m <= b, a rule's step,

    E[err; a < m <= b] = G(b)^B E(err_s | |W| <= b) - G(a)^B E(err_s | |W| <= a):

w lies in a block with m <= x, x >= |w|, with probability G(x)^{B-1}. Powers of two are such steps, and E4M3
scales relative to a peak; a free scale m / top is integrated over m. The tensor's peak is m or the largest
magnitude R of the weights outside the block, which is independent of it: R is averaged over its law.

**Groups.** A weight of magnitude quantile u is kept among m where at least m - n of the others are smaller,
with probability P(Bin(m - 1, u) >= m - n) = P(C <= u), C ~ Beta(m - n, n), their (m - n)-th smallest. So

    n:m pruning is magnitude pruning at the random sparsity C ~ Beta(m - n, n), rounding afterwards included,

and loses E_C E[W^2; |W| < G^{-1}(C)] = int_0^1 G^{-1}(u)^2 P(Bin(m - 1, u) <= m - n - 1) du.

**Pruned blocks.** The largest magnitude of a block is kept, so that its scale is the one of before. Given m,
the others are the law truncated to [-m, m], of which the mask cuts what lies below a threshold: the law's, or
G^{-1}(C G(m)). In the formulas above E(err_s; |W| <= b) becomes

    E(err_s; |W| <= b) - E_C E(err_s; |W| <= G^{-1}(C G(b))).

Where m itself is fixed, m - 1 of the other B - 1 weights share its group, which keeps n - 1 of them:
C ~ Beta(m - n, n - 1) for those.
"""

import functools
import math

import numpy as np
from scipy import special

from theory.arguments import positive, whole
from theory.codebooks import Codebook, optimal_scale, quantization_error
from theory.distributions import Distribution, Truncated, takes_symmetric_law
from theory.distributions.base import beta_nodes, panel_nodes, tail_inside
from theory.formats.affine import affine_error, block_offset_error
from theory.formats.formats import Format, block_scale, codebook
from theory.snr import decibel, pruning_error


@functools.cache
def _outer_shares(halvings: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights of the outer share e in (0, 1), panels halved towards both ends."""
    ends = np.concatenate([0.5 ** np.arange(halvings, 0.0, -1), 1 - 0.5 ** np.arange(2.0, 40)])
    return panel_nodes(ends, 8)


def _halvings(law: Distribution) -> int:
    """Panels towards the outermost weights: what lies beyond has no square to speak of.

    A heavy tail may hold most of its power in a share of 1e-12 of the weights and less.
    """
    reach = law.bound**2 / law.second_moment if math.isfinite(law.bound) else 1.0
    return min(60 + math.ceil(math.log2(reach)), 1000)


_CUTS = 48  # nodes for C in a block
_PEAKS = np.polynomial.legendre.leggauss(5)  # for R, which matters little: see the test of these nodes


@takes_symmetric_law
def format_error(law: Distribution, form: Format, size: int = 2**20) -> float:
    """E (W - F(W))^2 of a format for iid weights of a continuous symmetric law.

    Parameters
    ----------
    size
        Weights of the tensor, which only "e4m3" scales ask for: its peak sets their unit.

    Returns
    -------
    float
        To 1e-8 of itself; to 1e-6 where n:m groups are rounded, to 1e-3 with "e4m3" scales (few nodes for
        the peak); of blocks with an offset see :func:`theory.formats.affine.block_offset_error`.

    Raises
    ------
    TypeError
        An empirical law: tensors have an order, see :func:`sims.weights.formats.noise`.
    ValueError
        A size below that of a block.
    """
    if form.block:
        return _pruning_error(law, form) + _block_error(law, form, size)
    if form.offset:
        return affine_error(law, form.bits, zero_point=form.offset == "zero")
    if form.codes and form.keep == form.group and not form.sparsity:
        return float(quantization_error(law, codebook(form.codes), optimal_scale(law, codebook(form.codes))))
    if form.group and form.keep == form.group:
        return 0.0  # all values as they are
    pruned = _pruning_error(law, form)
    if not form.codes:
        return pruned
    nodes = _group_sparsity(form.keep, form.group) if form.group else (np.array([form.sparsity]), np.ones(1))
    return pruned + _kept_error(law, codebook(form.codes), *nodes)


def _pruning_error(law: Distribution, form: Format) -> float:
    """Energy of what the format cuts."""
    if form.group:
        return group_pruning_error(law, form.keep, form.group)
    return pruning_error(law, form.sparsity) if form.sparsity else 0.0


@takes_symmetric_law
def format_snr(law: Distribution, form: Format, size: int = 2**20) -> float:
    """SNR in dB of a format; compare formats at equal :attr:`Format.stored_bits`.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> from theory.formats import FORMATS
    >>> [round(format_snr(Gaussian(), f), 2) for f in FORMATS if f.name in ("INT4", "NF4 b64", "MXFP4")]
    [19.26, 20.73, 18.79]
    """
    return decibel(law.second_moment, format_error(law, form, size))


@takes_symmetric_law
def group_pruning_error(law: Distribution, keep: int, group: int) -> float:
    r"""int_0^1 G^{-1}(u)^2 P(Bin(m - 1, u) <= m - n - 1) du: the error of keeping n of every m weights.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(group_pruning_error(Uniform(1.0), 1, 2), 12) == round(1 / 12, 12)
    True
    """
    group = whole("group", group, 1)
    keep = whole("keep", keep, 1, group)
    if keep == group:
        return 0.0
    outer, weight = _outer_shares(_halvings(law))
    pruned = special.betainc(keep, group - keep, outer)  # P(Bin(m - 1, 1 - e) <= m - n - 1)
    return float(weight @ (law.ppf(outer / 2) ** 2 * pruned))


def _inside(law: Distribution, x: float) -> float:
    """log P(|W| <= x), exact also where that is close to 0."""
    return float(np.log1p(-2 * law.tail(np.array(x))[0])) if x > 0 else -math.inf


def _magnitude(law: Distribution, log_inside: np.ndarray | float) -> np.ndarray:
    """The x of log P(|W| <= x), through the tail: exact for far outliers."""
    return np.asarray(-law.ppf(-np.expm1(log_inside) / 2))


def _block_error(law: Distribution, form: Format, size: int) -> float:
    if form.rule != "max":
        raise ValueError(f"{form.name}: there is no law of a searched scale; use sims.weights.formats.noise")
    if form.offset and form.group:
        raise ValueError(
            f"{form.name}: there is no law of the ends of what n:m keeps; use sims.weights.formats.noise"
        )
    if form.offset:
        return block_offset_error(law, form)
    if form.scale not in ("power", "e4m3"):  # 8 to 32 bits are taken as exact
        return _free_scales(law, form, 0.0)
    if form.scale == "power":
        # e^-45 of the blocks lie below, or of blocks of one e^-25 with no error to speak of
        low = math.floor(math.log2(_magnitude(law, max(-45 / form.block, -25.0))))
        high = math.ceil(math.log2(law.bound if math.isfinite(law.bound) else -float(law.ppf(1e-30))))
        low = min(low, high - 1)
        ends = 2.0 ** np.arange(low, high + 1)
        return _stepped_scales(law, form, ends, block_scale(form, ends[:-1], 0.0))
    size = whole("size", size, form.block)  # at least a block
    if size == form.block:
        return _free_scales(law, form, 0.0)
    x, weight = _PEAKS
    peaks = [float(_magnitude(law, math.log((1 + node) / 2) / (size - form.block))) for node in x]
    return sum(w / 2 * _peak_error(law, form, peak) for w, peak in zip(weight, peaks, strict=True))


def _peak_error(law: Distribution, form: Format, peak: float) -> float:
    """Error with E4M3 scales where `peak` is the largest magnitude outside the block."""
    scales = codebook("e4m3").levels
    scales = scales[scales >= 0] / scales[-1] * peak / form._top
    ends = np.concatenate([[0.0], (scales[1:] + scales[:-1]) / 2 * form._top, [peak]])
    return _stepped_scales(law, form, ends, scales) + _free_scales(law, form, peak)


def _truncated_errors(
    law: Distribution, levels: Codebook, ends: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """E[(W - nearest of scale * levels)^2; |W| <= end] for pairs of an end and a scale, levels around 0."""
    edges, gaps = levels.merged
    probability, first = tail_inside(law, scales[:, None] * edges, ends[:, None])
    second = law.partial_moment(2, -ends, ends)
    return second - 2 * scales * (first @ gaps) + scales**2 * (probability @ (2 * edges * gaps))


def _cuts(form: Format, beside_largest: bool) -> list[tuple[float, float]]:
    """Shares C of the magnitudes below a block's limit that n:m cuts, with their masses.

    Of any weight, or of one that is not the block's largest magnitude, which counts in its own group.
    """
    keep, group = form.keep, form.group
    if not group or keep == group:
        return []
    parts = [(1.0, keep)]
    if beside_largest:
        inside = (group - 1) / (form.block - 1)
        parts = [(1 - inside, keep), (inside, keep - 1)]
    found = []
    for part, kept in parts:
        if kept == 0:  # the largest is all that its group keeps
            found.append((1.0, part))
        elif part:
            share, mass = _group_sparsity(kept, group - keep + kept, _CUTS)
            found += list(zip(share.tolist(), (part * mass).tolist(), strict=True))
    return found


def _kept_errors(
    law: Distribution, form: Format, ends: np.ndarray, scales: np.ndarray, beside_largest: bool = False
) -> np.ndarray:
    """:func:`_truncated_errors` of what is kept."""
    levels = codebook(form.codes)
    found = _truncated_errors(law, levels, ends, scales)
    if form.sparsity:
        return found - _truncated_errors(law, levels, np.minimum(ends, _threshold(law, form)), scales)
    inside = np.array([_inside(law, end) for end in ends])
    for share, mass in _cuts(form, beside_largest):
        limit = ends if share == 1 else _magnitude(law, math.log(share) + inside)
        found = found - mass * _truncated_errors(law, levels, limit, scales)
    return found


def _threshold(law: Distribution, form: Format) -> float:
    """Magnitude below which a share of the weights is cut."""
    return law.magnitude_quantile(form.sparsity) if form.sparsity else 0.0


def _stepped_scales(law: Distribution, form: Format, ends: np.ndarray, scales: np.ndarray) -> float:
    """Error where the block's scale is scales[j] for a largest magnitude in (ends[j], ends[j + 1]]."""
    log_inside = np.array([_inside(law, end) for end in ends])
    here = np.flatnonzero(form.block * log_inside > math.log(1e-20))
    if here.size == 0:
        return 0.0
    # what ends at an end has the scale before it, what starts there the next one
    end = np.concatenate([here[here > 0], here[here < len(scales)]])
    step = np.concatenate([here[here > 0] - 1, here[here < len(scales)]])
    sign = np.concatenate([np.ones((here > 0).sum()), -np.ones((here < len(scales)).sum())])
    errors = _kept_errors(law, form, ends[end], scales[step])
    shares = np.exp((form.block - 1) * log_inside[end])  # all other weights of the block lie below the end
    return float((sign * shares) @ errors)


def shrunk_error(law: Distribution, form: Format, factor: float) -> float:
    """E (W - F(W))^2 where a block's scale is `factor` times that of its largest magnitude.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> form = Format("Q4_0", "flipped4", 4, block=32)
    >>> [round(decibel(1, shrunk_error(Gaussian(), form, f)), 2) for f in (1.0, 0.95, 0.9)]
    [21.32, 21.26, 20.5]
    """
    if not form.block or form.offset:
        raise ValueError(f"{form.name}: a factor is that of a block's scale, without an offset")
    return _free_scales(law, form, 0.0, positive("factor", factor))


def _free_scales(law: Distribution, form: Format, above: float, factor: float = 1.0) -> float:
    """Error with the scale factor m / top, over the blocks whose largest magnitude m exceeds `above`."""
    above = max(above, _threshold(law, form))  # nothing is kept of a block below
    missing = -math.expm1(form.block * _inside(law, above))  # share of those blocks
    outer, weights = _outer_shares(_halvings(law))
    if missing == 0:  # a far outlier elsewhere: no block reaches it
        return 0.0
    log_inside = np.log1p(-missing * outer) / form.block
    largest = _magnitude(law, log_inside)
    worth = (weights * missing * largest**2 > 1e-17 * law.second_moment) & (largest > 0)
    m = largest[worth]
    inner = _kept_errors(law, form, m, factor * m / form._top, True) / np.exp(log_inside[worth])
    own = 0.0  # m itself is a level
    if factor != 1:
        levels = factor * form.levels / form._top
        own = float(np.min((1 - levels) ** 2)) * m**2
    return float(weights[worth] @ ((form.block - 1) * inner + own)) * missing / form.block


@functools.cache
def _group_sparsity(keep: int, group: int, count: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and masses of the random sparsity Beta(group - keep, keep) by Gauss-Jacobi quadrature."""
    return beta_nodes(count, group - keep, keep)


def _kept_error(law: Distribution, levels: Codebook, sparsity: np.ndarray, mass: np.ndarray) -> float:
    """Least error over the scales of rounding what is beyond the pruning threshold, mean over sparsities."""
    pruned = [Truncated(law, law.magnitude_quantile(c)) for c in sparsity]

    def error(scale: np.ndarray) -> np.ndarray:
        inner = [quantization_error(cut, levels, scale) for cut in pruned]
        return quantization_error(law, levels, scale) - (mass * sparsity) @ inner

    # What is kept has a hole around zero: the best step may lie far from that of all weights, and the error
    # has several valleys. While the outermost level lies below all that is kept, a larger step is better;
    # once half the innermost one lies beyond the largest weight, all is lost. The best valleys of a grid from
    # there to there are followed down.
    sizes = np.abs(levels.levels[levels.levels != 0])
    reach = law.bound if math.isfinite(law.bound) else float(law.ppf(1 - 1e-16))
    start = max(min(cut.bound for cut in pruned) / sizes.max(), optimal_scale(law, levels) / 5)
    end = max(2 * reach / sizes.min(), 2 * start)
    grid = np.geomspace(start, end, 2 + int(math.log(end / start) / (0.03 if mass.size == 1 else 0.05)))
    height = error(grid)
    inner = np.flatnonzero((height[1:-1] <= height[:-2]) & (height[1:-1] <= height[2:])) + 1
    found = [float(height.min())]
    for start in grid[inner[np.argsort(height[inner])][:9]]:
        scale = float(start)
        for span in (0.03, 0.003, 0.0003):
            near = scale * np.exp(np.linspace(-span, span, 21))
            values = error(near)
            scale = float(near[np.argmin(values)])
            found.append(float(values.min()))
    return min(found)
