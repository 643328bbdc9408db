r"""Laws of grids with an offset, c + s {0, ..., N - 1}: blocks whose ends set it, tensors at their best.

**Blocks.** a and b are the least and the largest of B independent weights. R = F(b) - F(a) ~ Beta(B - 1, 2)
and, given R, F(a) is uniform on [0, 1 - R]; the other B - 2 weights follow the law given a < W < b. With
thresholds t_j of the grid that (a, b) set,

    E[(W - Q)^2; a < W < b] = E[(W - c)^2; a < W < b] - 2 s sum_j E[(W - t_j)+; W < b].

Where only magnitudes beyond tau are kept, the ends are those of what is kept and zero. With p = P(W > tau)
the shares u = F(a) and v = 1 - F(b) beyond them have the density B (B - 1) (1 - u - v)^{B-2} on (0, p)^2;
where nothing below zero is kept, a = 0 and v has B (1 - p - v)^{B-1}, and likewise above it. Of what lies
between, weights beyond tau count.

"float": c = a, s = (b - a)/(N - 1), the ends are levels. "zero": s = (b' - a')/(N - 1) from a' = min(a, 0),
b' = max(b, 0), c = -s round(-a'/s): zero is a level, the ends are not. Scales rounded to 16 bits are taken
as exact.

**Tensors.** Step and offset of least error are searched: for Gaussian and uniform weights zero lies halfway
between two levels, for Laplace weights it does not (which is worth 0.04 dB at 2 bits); with an integer for
zero its place is searched, too: that of two's complement was best for every law tried at 2 to 5 bits.
"""

import functools
import math

import numpy as np

from theory.arguments import whole
from theory.codebooks import Codebook, check_bits, optimal_scale, quantization_error
from theory.distributions import Distribution, takes_symmetric_law
from theory.distributions.base import panel_nodes
from theory.formats.formats import Format
from theory.snr.ratio import decibel

_FINEST = 16  # halvings towards 0, where a block's end lies far out; more for heavy tails


@functools.cache
def _towards_zero(halvings: int, count: int = 5, equal: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """`count` nodes a panel and weights on [0, 1], panels finer towards 0 and at most 1 / `equal`."""
    ends = np.concatenate([0.5 ** np.arange(halvings - 1.0, 0, -1), np.linspace(0, 1, equal + 1)])
    return panel_nodes(np.unique(ends), count)


def _halvings(law: Distribution) -> int:
    """A heavy tail holds much of its power in a few weights."""
    reach = law.bound**2 / law.second_moment if math.isfinite(law.bound) else 1.0
    return min(_FINEST + math.ceil(math.log2(reach)), 60)


def _tails(law: Distribution, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(W > x) and E[W; W > x] of a symmetric law for any x."""
    probability, first = law.tail(np.abs(x))
    return np.where(x < 0, 1 - probability, probability), first


@takes_symmetric_law
def block_offset_error(law: Distribution, form: Format) -> float:
    """E (W - F(W))^2 of blocks with an offset from their ends, for independent weights of a symmetric law.

    To 1e-6 of itself, 1e-5 for heavy tails and after pruning. A zero point is a whole number, so that its
    integrand jumps between the nodes: it is worth 2e-4 in blocks of 32, 2 % in those of two or three.

    Examples
    --------
    >>> import math
    >>> from theory.distributions import Gaussian
    >>> from theory.formats import FORMATS
    >>> by_name = {form.name: form for form in FORMATS}
    >>> [round(-10 * math.log10(block_offset_error(Gaussian(), by_name[n])), 2) for n in ("Q4_1", "Q5_1")]
    [22.14, 28.44]
    """
    size = form.block
    if size < 2:
        return 0.0  # the weight is its own offset, or an end beside zero
    if form.sparsity:
        return _pruned_block_error(law, form)
    nodes, weights = _towards_zero(_halvings(law), 10)
    reach = min(1.0, 45 / size)  # e^-45 of the ends of long blocks lie further inside
    below = reach * nodes  # 1 - R
    mass = reach * weights * size * (size - 1) * below * np.exp((size - 2) * np.log1p(-below))
    # a zero point jumps between the nodes
    nodes, weights = _towards_zero(_halvings(law), equal=16 if form.offset == "zero" else 1)
    position = nodes / 2  # of the lower end; the other half is its mirror image
    low = law.ppf(below[:, None] * position)
    high = -law.ppf(below[:, None] * (1 - position))
    share = np.repeat(1 - below, position.size)
    weight = (mass[:, None] * weights).ravel()
    return float(weight @ _with_ends(law, form, low.ravel(), high.ravel(), share, size - 2)) / size


def _pruned_block_error(law: Distribution, form: Format) -> float:
    size, kept = form.block, (1 - form.sparsity) / 2
    reach = min(kept, 45 / size)  # e^-45 of the ends of long blocks lie further inside
    nodes, weights = _towards_zero(_halvings(law))
    x, weight = reach * nodes, reach * weights
    low, high = law.ppf(x), -law.ppf(x)
    one = _with_ends(law, form, np.zeros(x.size), high, 1 - kept - x, size - 1)  # or, mirrored, zero and low
    total = 2 * size * (weight * (1 - kept - x) ** (size - 1)) @ one
    u, v = (side.ravel() for side in np.meshgrid(x, x))
    a, b = (side.ravel() for side in np.meshgrid(low, high))
    both = _with_ends(law, form, a, b, 1 - u - v, size - 2)
    total += size * (size - 1) * (np.outer(weight, weight).ravel() * (1 - u - v) ** (size - 2)) @ both
    return float(total) / size


def _with_ends(
    law: Distribution, form: Format, a: np.ndarray, b: np.ndarray, share: np.ndarray, others: int
) -> np.ndarray:
    """Summed error of blocks of these ends, and `others` between them, where a weight lies with `share`."""
    steps, cut = 2**form.bits - 1, law.magnitude_quantile(form.sparsity) if form.sparsity else 0.0
    if form.offset == "zero":
        least, most = np.minimum(a, 0.0), np.maximum(b, 0.0)
        s = (most - least) / steps
        c = -s * np.rint(-least / s)
    else:
        c, s = a, (b - a) / steps
    inner = _between(law, a, b, c, s, steps)
    if cut:
        inner = inner - _between(law, np.maximum(a, -cut), np.minimum(b, cut), c, s, steps)
    ends = sum((end - c - s * np.clip(np.rint((end - c) / s), 0, steps)) ** 2 for end in (a, b))
    return others * inner / share + ends


def _between(
    law: Distribution, a: np.ndarray, b: np.ndarray, c: np.ndarray, s: np.ndarray, steps: int
) -> np.ndarray:
    """E[(W - nearest of c + s {0..steps})^2; a < W < b]."""
    mass, first, second = (law.partial_moment(order, a, b) for order in range(3))
    total = second - 2 * c * first + c**2 * mass
    beyond, moment = _tails(law, b)
    for j in range(steps):
        t = c + s * (j + 0.5)
        probability, partial = _tails(
            law, np.clip(t, a, b)
        )  # a threshold below a counts all, one above b none
        total -= 2 * s * ((partial - moment) - t * (probability - beyond))
    return np.maximum(total, 0.0)


@takes_symmetric_law
def affine_error(law: Distribution, bits: int, *, zero_point: bool = False) -> float:
    """Least error over step and offset of c + s {0, ..., 2^b - 1} for a symmetric law.

    By symmetry zero lies in the upper half of the codes. Positions in steps of 1/8, then between the best
    one's neighbours; every scale is the best of its position.

    Parameters
    ----------
    zero_point
        Zero has to be a level.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(affine_error(Uniform(1.0), 4) * 3 * 256, 9)
    1.0
    """
    from scipy.optimize import minimize_scalar

    levels = np.arange(2.0 ** check_bits(bits))

    def error(zero: float) -> float:
        grid = Codebook(levels - zero)
        return float(quantization_error(law, grid, optimal_scale(law, grid)))

    middle, last = levels[-1] / 2, min(levels[-1], levels[-1] / 2 + 4)  # further out the grid is lopsided
    if zero_point:
        return min(error(zero) for zero in levels if middle <= zero <= last)
    positions = np.arange(middle, last + 1e-9, 0.125)
    errors = [error(zero) for zero in positions]
    k = int(np.argmin(errors))
    low, high = max(positions[k] - 0.125, middle), min(positions[k] + 0.125, levels[-1])
    return min(errors[k], float(minimize_scalar(error, bounds=(low, high), method="bounded").fun))


@takes_symmetric_law
def affine_snr(law: Distribution, bits: int, *, zero_point: bool = False) -> float:
    """SNR in dB of :func:`affine_error`: 0.1 dB above two's complement at 4 bits of Gaussian weights.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> [round(affine_snr(Gaussian(), 4, zero_point=zero), 3) for zero in (False, True)]
    [19.377, 19.258]
    """
    return decibel(law.second_moment, affine_error(law, whole("bits", bits, 1, 16), zero_point=zero_point))
