r"""How flat is the optimum? What a scale off the best one costs, and how the best one fluctuates.

Near the scale s* of least error, E(s* (1 + d)) = E* (1 + c d^2 / 2) + O(d^3) with the condition number

    c = s*^2 E''(s*) / E*,      lost dB = 10 log10(1 + c d^2 / 2).

**Rules.** Scales that come as a ladder of ratio r (powers of two: r = 2; a grid of K equal steps up to the
largest magnitude m: r = 1 + m / (K top s*) near s*) leave the best of them within a factor sqrt(r) or so
of s*: the loss is taken over every position of the ladder. Absmax puts the last level on the largest of n
magnitudes, whose law is known (:mod:`theory.formats.laws`); a percentile puts it there.

**Draws.** The best scale S_n of n weights solves mean(psi(w_i, S_n)) = 0, psi(w, s) = -2 k (w - s k),
k the code of w. E psi(W, s*) = 0 and its slope is E''(s*): so sqrt(n) (S_n - s*) tends to a normal variable
of variance

    V = 4 E[k^2 (W - s* k)^2] / E''(s*)^2,

and the error that S_n makes on the law exceeds E* by E''(s*) V / (2 n) in the mean. That is a limit:
codes must not move much within the spread. Drawn Gaussian weights had a spread within 11 % of the law at 4
bits from 4,096 weights on and at 6 bits from 65,536 on; at 8 bits and 4,096 weights it was 0.09 and the law
says 0.16.
"""

import math

import numpy as np

from theory.arguments import positive, whole
from theory.codebooks import (
    Codebook,
    error_curvature,
    optimal_scale,
    quantization_error,
    scale_for,
)
from theory.distributions import Distribution, Empirical, takes_law
from theory.snr.ratio import decibel


def _prepared(law: Distribution, levels: np.ndarray | Codebook) -> tuple[Codebook, float]:
    """The codebook and its best scale; laws with a density only."""
    if isinstance(law, Empirical):
        raise TypeError("the flatness of an optimum is a property of a law with a density, not of values")
    codebook = levels if isinstance(levels, Codebook) else Codebook(levels)
    return codebook, optimal_scale(law, codebook)


@takes_law
def scale_condition(law: Distribution, levels: np.ndarray | Codebook) -> float:
    """c = s*^2 E''(s*) / E*: a scale off by a small share d loses 10 log10(1 + c d^2 / 2) dB.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> from theory.distributions import Gaussian
    >>> [round(scale_condition(Gaussian(), integer_levels(bits)), 2) for bits in (2, 4, 8)]
    [4.68, 14.03, 32.56]
    """
    codebook, scale = _prepared(law, levels)
    error = float(quantization_error(law, codebook, scale))
    return scale**2 * error_curvature(law, codebook, scale) / error


@takes_law
def scale_loss(law: Distribution, levels: np.ndarray | Codebook, factor: float) -> float:
    """dB lost by the scale factor * s* instead of s*, exactly.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> from theory.distributions import Gaussian
    >>> [round(scale_loss(Gaussian(), integer_levels(4), factor), 3) for factor in (0.9, 1.1, 2.0)]
    [0.364, 0.243, 5.08]
    """
    codebook, scale = _prepared(law, levels)
    scales = scale * np.array([1.0, float(positive("factor", factor))])
    best, found = quantization_error(law, codebook, scales)
    return decibel(float(found), float(best))


@takes_law
def ladder_loss(law: Distribution, levels: np.ndarray | Codebook, ratio: float) -> tuple[float, float]:
    """(mean, worst) dB lost where scales come as a ladder of that ratio, over the ladder's position.

    The mean is of a position uniform in the logarithm: the unit of the weights is arbitrary.

    Parameters
    ----------
    ratio
        2 for powers of two; see :func:`grid_ratio` for equal steps.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> from theory.distributions import Gaussian
    >>> [round(loss, 3) for loss in ladder_loss(Gaussian(), integer_levels(4), 2.0)]
    [0.969, 2.561]
    """
    codebook, scale = _prepared(law, levels)
    if not 1 < ratio < math.inf:
        raise ValueError(f"ratio must be a finite number above 1, got {ratio!r}")
    position = (np.arange(400) + 0.5) / 400
    errors = quantization_error(law, codebook, scale * ratio ** np.array([position, position - 1]))
    best = float(quantization_error(law, codebook, scale))
    lost = 10 * np.log10(np.maximum(errors.min(axis=0) / best, 1.0))
    return float(lost.mean()), float(lost.max())


@takes_law
def grid_ratio(law: Distribution, levels: np.ndarray | Codebook, largest: float, steps: int = 100) -> float:
    """Ratio of neighbouring scales near s* where `steps` equal steps lead up to largest / top.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> from theory.distributions import Gaussian
    >>> round(grid_ratio(Gaussian(), integer_levels(4), 4.0), 4)
    1.0169
    """
    codebook, scale = _prepared(law, levels)
    steps = whole("steps", steps, 2)
    top = float(codebook.levels[-1])
    if top <= 0:
        raise ValueError(f"the last level must be positive, it is {top:g}")
    return 1 + float(positive("largest", largest)) / (steps * top * scale)


@takes_law
def percentile_loss(law: Distribution, levels: np.ndarray | Codebook, percentile: float = 99.9) -> float:
    """dB lost where the last level meets that percentile of the magnitudes.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> from theory.distributions import Gaussian
    >>> [round(percentile_loss(Gaussian(), integer_levels(bits), 99.9), 2) for bits in (4, 8)]
    [1.92, 3.15]
    """
    codebook, scale = _prepared(law, levels)
    chosen = scale_for(law, codebook, "percentile", percentile=percentile)
    best, found = quantization_error(law, codebook, np.array([scale, chosen]))
    return decibel(float(found), float(best))


@takes_law
def scale_spread(law: Distribution, levels: np.ndarray | Codebook, size: int) -> float:
    """Standard deviation of the best scale of `size` drawn weights, relative to s*: sqrt(V / n) / s*.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> from theory.distributions import Gaussian
    >>> round(scale_spread(Gaussian(), integer_levels(4), 10_000), 4)
    0.0184
    """
    codebook, scale = _prepared(law, levels)
    size = whole("size", size, 1)
    levels = codebook.levels
    ends = np.concatenate([[-np.inf], scale * (levels[1:] + levels[:-1]) / 2, [np.inf]])
    mass, first, second = (law.partial_moment(order, ends[:-1], ends[1:]) for order in range(3))
    # E[k^2 (W - s k)^2], code by code
    power = float(levels**2 @ (second - 2 * scale * levels * first + (scale * levels) ** 2 * mass))
    slope = error_curvature(law, codebook, scale)
    return math.sqrt(4 * power / slope**2 / size) / scale
