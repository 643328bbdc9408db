r"""Quantizers given by a codebook: nearest of s l_1 < ... < s l_k, and the scale s of least error.

With thresholds e_i halfway between neighbouring levels and spacings g_i, and l = 0 among the levels,

    MSE(s) = E W^2 - 2 s A(s) + s^2 B(s) = E W^2 - 2 s L(s)
    A(s) = sum_i g_i T_1(s |e_i|),    B(s) = sum_i g_i 2 |e_i| T_0(s |e_i|),    L = A - s B / 2

summed over the thresholds on both sides (the negative side with the law of -W), T_0(x) = P(W > x) and
T_1(x) = E[W; W > x]. L(s) = sum_i g_i E(|W| - s e_i)_+ is a sum of stop-losses: convex and decreasing. The
derivative of MSE is -2 A + 2 s B and its second derivative 2 B - 2 s sum_i g_i e_i^2 f(s e_i): the codes do
not move at first order. :mod:`theory.derivations.snr` derives all of it.
"""

import functools
import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import choice, positive, whole
from theory.distributions import Distribution, Empirical, takes_law

Grid = Literal["twos-complement", "symmetric"]
Rule = Literal["mse", "max-abs", "percentile", "scale"]


def check_bits(bits: int) -> int:
    """`bits`, a width from 1 to 16."""
    return whole("bits", bits, 1, 16)


def integer_levels(bits: int, grid: Grid = "twos-complement") -> np.ndarray:
    """Integer grid of a `bits`-bit code, ascending float64.

    {-2^(b-1), ..., 2^(b-1) - 1} for "twos-complement", {-(2^(b-1) - 1), ..., 2^(b-1) - 1} for "symmetric".

    Examples
    --------
    >>> integer_levels(3)
    array([-4., -3., -2., -1.,  0.,  1.,  2.,  3.])
    >>> len(integer_levels(3, "symmetric"))
    7
    """
    half = 2 ** (check_bits(bits) - 1)
    if choice("grid", grid, get_args(Grid)) == "twos-complement":
        return np.arange(-half, half, dtype=np.float64)
    if half == 1:
        raise ValueError("the symmetric grid of 1 bit is {0} alone; use at least 2 bits")
    return np.arange(1 - half, half, dtype=np.float64)


@functools.cache
def integer_codebook(bits: int, grid: Grid = "twos-complement") -> "Codebook":
    """The prepared codebook of :func:`integer_levels`, one object per width and grid."""
    return Codebook(integer_levels(bits, grid))


_BRACKET = np.geomspace(0.5, 2.0, 25)
_COVER = np.linspace(-4.0, 4.0, 129)  # half levels


class Codebook:
    """Thresholds of the levels l_1 < ... < l_k, prepared for :func:`error`.

    `anchor` is the level nearest to zero; thresholds above and below it are kept as magnitudes, with the
    spacing of their two levels.
    """

    def __init__(self, levels: np.ndarray) -> None:
        levels = np.unique(np.asarray(levels, dtype=np.float64)) + 0.0  # no negative zero
        if levels.size == 0 or not np.all(np.isfinite(levels)):
            raise ValueError("levels must be finite numbers, at least one")
        largest = float(np.max(np.abs(levels)))
        if largest and not 1e-75 < largest < 1e75:  # their cubes must stay within double precision
            raise ValueError(
                f"the largest magnitude of levels must be 0 or between 1e-75 and 1e75, got {largest:g}"
            )
        self.levels = levels
        nearest = int(np.argmin(np.abs(levels)))
        self.anchor = float(levels[nearest])
        thresholds, gaps = (levels[1:] + levels[:-1]) / 2, np.diff(levels)
        self.above = (thresholds[nearest:], gaps[nearest:])
        self.below = (-thresholds[:nearest][::-1], gaps[:nearest][::-1])

    @functools.cached_property
    def merged(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct |thresholds| and summed spacings, for a law that is symmetric."""
        edges, inverse = np.unique(np.concatenate([self.above[0], self.below[0]]), return_inverse=True)
        return edges, np.bincount(
            inverse, np.concatenate([self.above[1], self.below[1]]), minlength=edges.size
        )


def _codebook(levels: "np.ndarray | Codebook") -> Codebook:
    return levels if isinstance(levels, Codebook) else Codebook(levels)


def _sides(law: Distribution, codebook: Codebook) -> list[tuple[Distribution, np.ndarray, np.ndarray]]:
    if law.symmetric:
        return [(law, *codebook.merged)]
    return [(law, *codebook.above), (law.reflected(), *codebook.below)]


def _sums(law: Distribution, codebook: Codebook, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A(s) and B(s) for every s of a 1-d array."""
    a = np.full(scale.shape, codebook.anchor * law.mean)
    b = np.full(scale.shape, codebook.anchor**2)
    for side, edges, gaps in _sides(law, codebook):
        if edges.size:
            with np.errstate(over="ignore"):  # nothing lies beyond an infinite threshold
                probability, first = side.tail(scale[:, None] * edges)
            a += first @ gaps
            b += probability @ (2 * edges * gaps)
    return a, b


@takes_law
def quantization_error(law: Distribution, levels: "np.ndarray | Codebook", scale: ArrayLike) -> np.ndarray:
    """E (W - Q(W))^2, Q the nearest of scale * levels.

    Parameters
    ----------
    law
        Distribution of a weight.
    levels
        Codebook before scaling, any finite numbers; the largest magnitude between 1e-75 and 1e75, or 0.
    scale
        Positive step s, any shape.

    Returns
    -------
    float64 of the shape of `scale`. The sum cancels against E W^2, so the relative error is about
    1e-16 times the signal-to-noise ratio: 1e-12 at 40 dB, 1e-7 at 90 dB.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(float(quantization_error(Uniform(1.0), np.array([-0.5, 0.5]), 1.0)) * 12, 12)
    1.0
    """
    scale = np.asarray(scale, dtype=np.float64)
    if not np.all((scale > 0) & np.isfinite(scale)):
        raise ValueError(f"scale must be positive and finite, got {scale}")
    return _errors(law, _codebook(levels), scale.reshape(-1)).reshape(scale.shape)


@takes_law
def error_curvature(law: Distribution, levels: "np.ndarray | Codebook", scale: float) -> float:
    """MSE''(s) = 2 B(s) - 2 s sum_i g_i e_i^2 f(s e_i), for a law with a density.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(error_curvature(Uniform(1.0), integer_levels(2, "symmetric"), 0.4), 12)
    1.4
    """
    codebook, scale = _codebook(levels), float(positive("scale", scale))
    return _curvature(law, codebook, scale, float(_sums(law, codebook, np.array([scale]))[1][0]))


def _curvature(law: Distribution, codebook: Codebook, scale: float, b: float) -> float:
    curvature = 2 * b
    for side, edges, gaps in _sides(law, codebook):
        curvature -= 2 * scale * float(side.pdf(scale * edges) @ (gaps * edges**2))
    return curvature


@takes_law
def optimal_scale(law: Distribution, levels: "np.ndarray | Codebook") -> float:
    """The scale s > 0 that minimises :func:`quantization_error`.

    Factor-two steps bracket the minimum, 24 logarithmic steps inside the bracket (and, for bounded laws,
    eight around covering everything) find the best valley, Newton steps on the exact derivative polish it.
    Tests hold the result against a branch-and-bound certificate (L is convex, so a chord bounds the error
    from below). Levels of unequal spacing or mostly on one side of zero, and laws that are not symmetric,
    values among them, may have valleys anywhere: they are searched by branch and bound on that very
    certificate, to 1e-6 of the error (codebooks of at most 12 bits). For large tensors
    :func:`sims.weights.scales.optimal_scale` does so faster. A law without signal gives 1.
    """
    codebook = _codebook(levels)
    largest = float(np.max(np.abs(codebook.levels)))
    if law.second_moment == 0 or largest == 0:
        return 1.0
    if codebook.levels.size == 1:  # one level away from zero: no threshold, a parabola
        sums = _sums(law, codebook, np.ones(1))
        return float(sums[0][0] / sums[1][0]) if sums[0][0] > 0 else 1.0
    spread = math.sqrt(law.second_moment)
    # by Minkowski's inequality, clipping at spread/64 leaves (63/64)^2 = 97 % of the signal as error
    reach = law.bound if math.isfinite(law.bound) else 64 * spread
    coarse = spread / 64 / largest * 2.0 ** np.arange(2 + math.ceil(math.log2(64 * reach / spread)))
    best = coarse[np.argmin(_errors(law, codebook, coarse))]
    fine = best * _BRACKET
    outermost = float(codebook.merged[0][-1])  # 0 of two opposite levels, whose error is a parabola
    cover = math.isfinite(law.bound) and law.symmetric and outermost > 0
    if cover:
        # covering everything is a valley of its own, one level wide: too narrow for the bracket's steps
        around = law.bound / outermost * np.exp(_COVER / codebook.levels.size)
        fine = np.unique(np.concatenate([fine, around[32:97:8]]))
    searched = not law.symmetric or _lopsided(codebook)
    if not _regular(codebook) or (searched and codebook.levels.size <= 4096):
        fine = np.unique(np.concatenate([fine, _branch_and_bound(law, codebook, reach)]))
        cover = False
    errors = _errors(law, codebook, fine)
    index = int(np.argmin(errors))
    if cover and around[0] <= fine[index] <= around[-1]:  # ... with ripples where the last levels enter
        fine = np.unique(np.concatenate([fine, around]))
        index = int(np.argmin(_errors(law, codebook, fine)))
        # two of them may lie between neighbours: of a uniform law at 6 bits, 5e-4 of the scale apart
        fine = np.linspace(fine[max(index - 1, 0)], fine[min(index + 1, fine.size - 1)], 65)
        index = int(np.argmin(_errors(law, codebook, fine)))
    low, high = float(fine[max(index - 1, 0)]), float(fine[min(index + 1, fine.size - 1)])
    scale = float(fine[index])
    for _ in range(60):  # Newton on the derivative 2 (s B - A), bisection where it leaves the bracket
        a, b = (float(x[0]) for x in _sums(law, codebook, np.array([scale])))
        candidate = _newton(law, codebook, scale, a, b)
        if abs(candidate - scale) <= 1e-10 * scale:  # the error differs by 1e-20 of itself
            break
        low, high = (low, scale) if scale * b > a else (scale, high)
        if not low < candidate < high:
            candidate = 0.5 * (low + high)
        scale = candidate
    return scale


def _regular(codebook: Codebook) -> bool:
    """Whether the levels are equally spaced, to rounding."""
    gaps = np.diff(codebook.levels)
    return bool(np.ptp(gaps) <= 1e-9 * gaps.max())


def _lopsided(codebook: Codebook) -> bool:
    """Whether one side of zero reaches more than thrice as far as the other: clipping that may pay."""
    low, high = float(codebook.levels[0]), float(codebook.levels[-1])
    return 2 * abs(low + high) > high - low


def _branch_and_bound(law: Distribution, codebook: Codebook, reach: float) -> np.ndarray:
    """Scales around the best one found: no other is better by more than 1e-6, by the chords of the convex L.

    With L = A - s B / 2 the error is P - 2 s L(s); on [a, b] L lies below its chord, so the error lies above
    P - 2 s chord(s), a parabola in s. Below `start` clipping leaves 97 % of the signal as error; beyond the
    last scale everything within reach rounds to the level nearest to zero.
    """
    power = law.second_moment
    largest, least = float(np.max(np.abs(codebook.levels))), float(np.diff(codebook.levels).min())
    start = math.sqrt(power) / 64 / largest
    ends = np.geomspace(start, max(4 * reach / least, 4 * start), 200)

    def convex(s: np.ndarray) -> np.ndarray:
        a, b = _sums(law, codebook, s)
        return a - s * b / 2

    value = convex(ends)
    energy = power - 2 * ends * value
    best, at = float(energy.min()), float(ends[np.argmin(energy)])
    a, b, la, lb = ends[:-1], ends[1:], value[:-1], value[1:]
    for _ in range(60):
        slope = (lb - la) / (b - a)
        level = la - slope * a
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.where(slope < 0, np.clip(-level / (2 * slope), a, b), b)
        floor = np.minimum(
            power - 2 * s * (level + slope * s), np.minimum(power - 2 * a * la, power - 2 * b * lb)
        )
        open_ = floor < best * (1 - 1e-6) - 1e-13 * power
        if not open_.any() or open_.sum() > 100_000:
            break
        a, b, la, lb = a[open_], b[open_], la[open_], lb[open_]
        middle = (a + b) / 2
        lm = convex(middle)
        energy = power - 2 * middle * lm
        if energy.min() < best:
            best, at = float(energy.min()), float(middle[np.argmin(energy)])
        a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
        la, lb = np.concatenate([la, lm]), np.concatenate([lm, lb])
    return at * np.array([1 - 1e-4, 1.0, 1 + 1e-4])


def _errors(law: Distribution, codebook: Codebook, scale: np.ndarray) -> np.ndarray:
    a, b = _sums(law, codebook, scale)
    # no square of the scale: beside 0 it may overflow
    return np.maximum(law.second_moment - 2 * scale * a + scale * (scale * b), 0.0)


def scale_for(
    law: Distribution,
    levels: "np.ndarray | Codebook",
    rule: Rule = "mse",
    *,
    scale: float | None = None,
    percentile: float = 99.9,
) -> float:
    """Scale of a codebook by a named rule.

    Parameters
    ----------
    rule
        "mse" (least error), "max-abs" (the largest positive level meets the largest magnitude; only for
        bounded laws), "percentile" (it meets that percentile of the magnitudes), "scale" (as given). Weights
        that are all zero have the scale 1.
    """
    codebook = _codebook(levels)
    choice("rule", rule, get_args(Rule))
    if rule == "mse":
        return optimal_scale(law, codebook)
    if rule == "scale":
        if scale is None or not (scale > 0 and math.isfinite(scale)):
            raise ValueError(f'rule="scale" needs a positive finite scale, got {scale!r}')
        return float(scale)
    top = float(codebook.levels[-1])
    if top <= 0:
        raise ValueError(f"rule={rule!r} needs a positive level; this codebook ends at {top:g}")
    if rule == "max-abs":
        if not math.isfinite(law.bound):
            raise ValueError('rule="max-abs" needs a bounded law: this one has no largest magnitude')
        return law.bound / top if law.bound > 0 else 1.0
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must lie in (0, 100], got {percentile!r}")
    magnitude = law.magnitude_quantile(percentile / 100)
    if not 0 < magnitude < math.inf and law.bound > 0:
        raise ValueError(
            f"rule='percentile' needs a positive finite magnitude: percentile {percentile:g} is {magnitude:g}"
        )
    return magnitude / top if magnitude > 0 else 1.0


def _newton(law: Distribution, codebook: Codebook, scale: float, a: float, b: float) -> float:
    if isinstance(law, Empirical):
        return a / b if b > 0 else scale  # no density
    curvature = _curvature(law, codebook, scale, b) / 2
    return scale - (scale * b - a) / curvature if curvature > 0 else math.nan
