r"""Fine-tuning of quantized and of pruned weights: schedules and gradients that are formulas.

**Pruning** grows by the cubic schedule of Zhu & Gupta [1]_,

    s_t = s_f + (s_0 - s_f) (1 - (t - t_0)/(t_1 - t_0))^3,        t_0 <= t <= t_1.

**Quantization** rounds to v(w, s) = s clip(round(w/s), low, high) and learns w and s [2]_. Rounding has slope
zero almost everywhere; the straight-through surrogate freezes its residual r = round(w_0/s_0) - w_0/s_0,

    v(w, s) ~ s clip(w/s + r, low, high),

whose slopes at (w_0, s_0) are 1 in w and r in s inside the range, 0 in w and `low` or `high` in s outside.

Each is derived in :mod:`theory.derivations.fine_tuning`; :mod:`sims.fine_tuning` trains with them.

References
----------
.. [1] Zhu & Gupta, "To prune, or not to prune", 2017, arXiv 1710.01878, eq. 1.
.. [2] Esser et al., "Learned Step Size Quantization", ICLR 2020, arXiv 1902.08153, eq. 1-5 and Section 2.2.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import choice, plain, positive, share_of_zeros, whole
from theory.codebooks import Grid, check_bits, integer_levels
from theory.distributions import Distribution, takes_symmetric_law


class Codes(NamedTuple):
    """Integer range of a quantizer; `sign` where 1 bit leaves {-1, 1} without a zero."""

    low: int
    high: int
    sign: bool = False


def tuning_codes(bits: int, grid: Grid = "twos-complement") -> Codes:
    """Codes that fine-tuned weights of `bits` bits take: {-2^(b-1), ..., 2^(b-1) - 1}, or symmetric.

    One bit is {-1, 1}, the sign: {-1, 0} would make every weight negative. Two bits on the symmetric grid are
    ternary weights.

    Examples
    --------
    >>> tuning_codes(4), tuning_codes(2, "symmetric"), tuning_codes(1)
    (Codes(low=-8, high=7, sign=False), Codes(low=-1, high=1, sign=False), Codes(low=-1, high=1, sign=True))
    """
    if check_bits(bits) == 1:
        choice("grid", grid, ("twos-complement", "symmetric"))
        return Codes(-1, 1, True)
    levels = integer_levels(bits, grid)
    return Codes(int(levels[0]), int(levels[-1]))


def cubic_sparsity(
    step: ArrayLike, final: float, begin: int, end: int, *, initial: float = 0.0, frequency: int = 1
) -> np.ndarray | float:
    r"""Sparsity after optimiser step t: `initial` before `begin`, `final` from `end` on, cubic between.

    Masks are renewed at begin, begin + frequency, ... and at `end`; between renewals the sparsity stands.

    Parameters
    ----------
    step
        t, integers of any shape.
    final, initial
        Shares of zeros s_f >= s_0 in [0, 1).
    begin, end
        Steps t_0 < t_1.
    frequency
        Steps from one renewal of the masks to the next.

    Returns
    -------
    float, or float64 of the shape of `step`

    Raises
    ------
    ValueError
        A sparsity outside [0, 1), a final one below the initial one, an empty or reversed range of steps.

    Examples
    --------
    >>> cubic_sparsity([0, 10, 15, 20, 99], 0.8, begin=10, end=20).round(12).tolist()
    [0.0, 0.0, 0.7, 0.8, 0.8]
    """
    final, initial = share_of_zeros(final), share_of_zeros(initial)
    begin, frequency = whole("begin", begin, 0), whole("frequency", frequency, 1)
    end = whole("end", end, begin + 1)
    if final < initial:
        raise ValueError(f"the final sparsity {final} is below the initial one, {initial}: masks only grow")
    t = np.asarray(step) if np.size(step) else np.zeros(np.shape(step), np.int64)
    if t.dtype.kind not in "iu":
        raise TypeError(f"step must hold integers, got {step!r}")
    renewed = begin + (np.clip(t, begin, end) - begin) // frequency * frequency
    left = np.where(t >= end, 0.0, 1.0 - (renewed - begin) / (end - begin))
    # written so that the ends are exact: left is 1 and 0 there
    return plain(np.where(left == 1.0, initial, final - (final - initial) * left**3))


def lsq_gradients(weights: ArrayLike, step: ArrayLike, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
    r"""Slopes (dv/dw, dv/ds) of the quantized weights under the straight-through surrogate.

    Inside low < w/s < high: (1, round(w/s) - w/s). Outside: (0, low) or (0, high). With one bit v = s
    sign(w): (1 where |w| <= s else 0, sign(w)), zero counting as positive.

    Parameters
    ----------
    weights
        w, any shape.
    step
        s > 0, broadcast against it.
    codes
        Range of the codes, see :func:`tuning_codes`.

    Examples
    --------
    >>> inside, slope = lsq_gradients([0.3, -0.6, 5.0], 1.0, tuning_codes(2))
    >>> inside.tolist(), slope.round(3).tolist()
    ([1.0, 1.0, 0.0], [-0.3, -0.4, 1.0])
    """
    w, s = np.asarray(weights, np.float64), _steps(step)
    with np.errstate(over="ignore"):  # far outside the range
        scaled = w / s
    if codes.sign:
        return (np.abs(scaled) <= 1).astype(np.float64), np.where(w < 0, -1.0, 1.0)
    inside = (scaled > codes.low) & (scaled < codes.high)
    scaled = np.clip(scaled, codes.low, codes.high)
    slope = np.where(inside, np.rint(scaled) - scaled, np.where(scaled <= codes.low, codes.low, codes.high))
    return inside.astype(np.float64), slope


def quantized(weights: ArrayLike, step: ArrayLike, codes: Codes) -> np.ndarray:
    """s clip(round(w/s), low, high), halves to the even code; s sign(w) for one bit.

    Examples
    --------
    >>> quantized([0.3, -0.6, 5.0], 0.5, tuning_codes(2)).tolist()
    [0.5, -0.5, 0.5]
    """
    w, s = np.asarray(weights, np.float64), _steps(step)
    if codes.sign:
        return s * np.where(w < 0, -1.0, 1.0)
    with np.errstate(over="ignore"):
        return s * np.clip(np.rint(w / s), codes.low, codes.high)


def gradient_scale(count: int, codes: Codes) -> float:
    """LSQ's factor on the step's gradient, 1/sqrt(count high): relative updates of steps and weights become
    alike.

    `count` weights share the step. The slope in s sums over all of them, that in w does not, and s is about
    sqrt(high) times smaller than the weights.

    Examples
    --------
    >>> gradient_scale(1024, tuning_codes(4)) == 1 / (32 * 7**0.5)
    True
    """
    return 1.0 / math.sqrt(whole("count", count, 1) * int(codes.high))


def published_step(weights: ArrayLike, codes: Codes) -> float:
    """LSQ's own start, 2 mean|w| / sqrt(high). The step of least squared error is the other common one.

    Examples
    --------
    >>> published_step([-1.0, 1.0], tuning_codes(3, "symmetric")) * 3**0.5
    2.0
    """
    mean = float(np.abs(np.asarray(weights, np.float64)).mean())
    return 2.0 * positive("mean |w|", mean) / math.sqrt(codes.high)


@takes_symmetric_law
def balanced_step(law: Distribution, bits: int) -> float:
    r"""Step at which LSQ's gradient of the weights' own squared error vanishes; not the step of least error.

    Under the surrogate the slope of E(W - v)^2 in s is 2 E[(W - v)^2; inside]/s - 2 high E(|W| - s high)_+
    (the second over both sides of the grid {-high..high}): granular error over the step against clipping
    error times the largest code. The true slope is larger by 2 E[(v - W) W; inside]/s, so learned steps
    settle above the best ones: by 6.5, 1.8, 0.52 and 0.16 % at 2 to 5 bits for Gaussian weights.

    Parameters
    ----------
    law
        A symmetric law of the weights.
    bits
        2 to 16, on the symmetric grid.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> from theory.codebooks import optimal_scale
    >>> best = optimal_scale(Gaussian(), integer_levels(4, "symmetric"))
    >>> f"{balanced_step(Gaussian(), 4):.4f} {best:.4f}"
    '0.3552 0.3534'
    """
    from scipy.optimize import brentq

    high = int(integer_levels(whole("bits", bits, 2, 16), "symmetric")[-1])

    def balance(step: float) -> float:
        edges = step * np.concatenate([[0.0], np.arange(high) + 0.5, [high]])
        codes = step * np.arange(high + 1)
        zeroth, first, second = (law.partial_moment(k, edges[:-1], edges[1:]) for k in range(3))
        error = 2.0 * float(np.sum(second - 2.0 * codes * first + codes**2 * zeroth))
        probability, mean = (float(value) for value in law.tail(np.array(step * high)))
        return error / step - 2.0 * high * (mean - step * high * probability)

    std = math.sqrt(law.second_moment)
    most = 20.0 * std / high
    while balance(most) <= 0:  # a heavy tail is still clipped there
        most *= 2
    return float(brentq(balance, 1e-3 * std / high, most, xtol=1e-13 * std))


def _steps(step: ArrayLike) -> np.ndarray:
    s = np.asarray(step, np.float64)
    if not np.all((s > 0) & np.isfinite(s)):
        raise ValueError(f"step must be positive and finite, got {step}")
    return s
