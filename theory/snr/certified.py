r"""Ball arithmetic: the best SNR of a quantizer of Gaussian weights, proved over every step s > 0.

    MSE(s) = 1 - 2 s L(s),   L(s) = sum_i g_i (phi(x_i) - x_i Q(x_i)),  x_i = s e_i,   Q = 1 - Phi

L is convex, so on [a, b] its chord lies above it and MSE lies above the parabola 1 - 2 s chord(s). Small
steps clip: E(|W| - s l_max)_+^2 falls with s. Large steps round to zero: E[W^2; |W| <= s/2] grows. Every
number is a ball that contains the true value (python-flint's arb), so the result holds whatever was rounded.
"""

import functools
import math

from theory.arguments import whole
from theory.codebooks import integer_codebook, optimal_scale
from theory.distributions import Gaussian


@functools.cache
def gaussian_optimum(bits: int, tolerance: float = 1e-7) -> tuple[float, float]:
    """(lower, upper) limits in dB of max_s SNR(s) for N(0, 1) and `bits`-bit integers, 2-8 bits.

    Examples
    --------
    >>> low, high = gaussian_optimum(4)
    >>> round(low, 4), round(high, 4)
    (19.2577, 19.2577)
    """
    bits = whole("bits", bits, 2, 8)
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must lie strictly between 0 and 1, got {tolerance}")
    import flint

    with flint.ctx.workprec(128):  # the sum cancels against 1 by the signal-to-noise ratio
        return _prove(bits, tolerance)


def _prove(bits: int, tolerance: float) -> tuple[float, float]:
    from flint import arb

    edges, gaps = integer_codebook(bits).merged
    thresholds = [(arb(float(e)), arb(float(g))) for e, g in zip(edges, gaps, strict=True)]
    root = arb(2).sqrt()

    def density(x: arb) -> arb:
        return (-x * x / 2).exp() / (2 * arb.pi()).sqrt()

    def survival(x: arb) -> arb:
        return (x / root).erfc() / 2

    def stop_losses(s: arb) -> arb:
        total = arb(0)
        for e, g in thresholds:
            total += g * (density(s * e) - s * e * survival(s * e))
        return total

    def error(s: arb) -> arb:
        return 1 - 2 * s * stop_losses(s)

    best_step = optimal_scale(Gaussian(), integer_codebook(bits))
    best = error(arb(best_step))
    ceiling = best * (1 - tolerance)

    def clipped(s: arb) -> arb:  # the negative side reaches further: its top clips least
        x = s * 2 ** (bits - 1)
        return 2 * ((1 + x * x) * survival(x) - x * density(x))

    def zeroed(s: arb) -> arb:
        x = s / 2
        return 1 - 2 * survival(x) - 2 * x * density(x)

    low, high = arb(best_step), arb(best_step)
    while not clipped(low) > best:
        low *= arb("0.97")
    while not zeroed(high) > best:
        high *= arb("1.1")

    def parabola_floor(a: arb, la: arb, b: arb, lb: arb) -> arb:
        slope = (lb - la) / (b - a)
        level = la - slope * a
        vertex = -level / (2 * slope)
        if vertex < a or vertex > b:
            ends = (1 - 2 * a * la, 1 - 2 * b * lb)
            return ends[0] if ends[0] < ends[1] else ends[1]
        return 1 + level * level / (2 * slope)

    proved = ceiling
    pending = [(low, stop_losses(low), high, stop_losses(high))]
    while pending:
        a, la, b, lb = pending.pop()
        if b - a < arb(1e-12):
            raise ArithmeticError("the proof did not close; raise the tolerance")
        if parabola_floor(a, la, b, lb) > ceiling:
            continue
        middle = arb(float(((a + b) / 2).mid()))
        lm = stop_losses(middle)
        pending += [(a, la, middle, lm), (middle, lm, b, lb)]

    def decibel(noise: arb) -> arb:
        return -10 * noise.log() / arb(10).log()

    # a float is the nearest, on either side: one further out lies beyond what was proved
    least, most = float(decibel(best).lower()), float(decibel(proved).upper())
    return math.nextafter(least, -math.inf), math.nextafter(most, math.inf)
