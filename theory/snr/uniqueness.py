r"""Is there one best scale only? Ball arithmetic over every s > 0.

The error of a codebook under a symmetric law, E(s) = E W^2 - 2 s sum_i g_i E(|W| - s e_i)_+ (all thresholds
e_i > 0, spacings g_i), has the slope

    E'(s) = -2 H(s),   H(s) = sum_i g_i h(s e_i),   h(x) = T_1(x) - 2 x T_0(x),

T_0(x) = P(W > x), T_1(x) = E[W; W > x]. For the symmetric grid s {-M..M} and N(0, 1) that is
E(s) = 1 - 4 s sum_{j<M} g((j + 1/2) s) with g(x) = phi(x) - x Q(x), and h(x) = phi(x) - 2 x Q(x).

**Every scale is covered.** Let h be positive up to x_0 and negative from x_1 on. Where s e_max <= x_0 all
terms of H are positive, and where s e_min >= x_1 all are negative: zeros of H lie in [x_0 / e_max,
x_1 / e_min]. There balls decide piece by piece that H > 0, that H < 0, or that H' < 0. If its sign, where
known, changes once, and H falls everywhere else, the error has exactly one stationary point, a nondegenerate
minimum. Signs + - + - at four scales show two minima.

**More levels, less error.** E_{M+1}(s) = E_M(s) - 4 s g((M + 1/2) s) < E_M(s) for every s, so the minimum
strictly decreases with M, for every symmetric law that reaches beyond (M + 1/2) s*.

**Ternary grid.** For M = 1, H(s) = 2 h(s / 2): the best scale is 2 x_0, the least error of N(0, 1)
1 - 8 x_0^2 Q(x_0) = 1 - 4 x_0 phi(x_0), where phi(x_0) = 2 x_0 Q(x_0).

References
----------
.. [1] von Berg et al., preprint on the scale sensitivity of quantization: uniqueness for symmetric grids.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import choice
from theory.codebooks import Codebook

_BITS = 64  # of a ball's middle: terms of H cancel by about the number of levels
LAWS = ("gaussian", "laplace", "outliers")
OUTLIERS = (0.999, 1.0), (0.001, 100.0)  # share and standard deviation of either part


@dataclass(frozen=True)
class ScaleProof:
    """What balls found out about the stationary points of the error over all scales.

    Attributes
    ----------
    unique
        Exactly one, a nondegenerate minimum: proved. False: `minima` shows at least two.
    scale
        (low, high) around the minimum where `unique`; H falls throughout.
    minima
        Four scales at which H is positive, negative, positive, negative: a minimum lies between the first
        two and another between the last two. Empty where unique.
    pieces
        Intervals that were decided.
    margin
        The ball nearest to 0 of those that decided (flint.arb): positive where they prove `unique`, of |H| or
        -H' on a piece; negative where they prove two minima, of -|H| at a scale of `minima`.
    """

    unique: bool
    scale: tuple[float, float]
    minima: tuple[float, ...]
    pieces: int
    margin: Any


@functools.cache
def _roots(precision: int) -> tuple[Any, Any]:
    """Balls of 1/sqrt(2 pi) and 1/sqrt(2), made once: they cost as much as an exponential."""
    import flint

    with flint.ctx.workprec(precision):
        return 1 / (2 * flint.arb.pi()).sqrt(), 1 / flint.arb(2).sqrt()


def _gaussian(x: Any) -> tuple[Any, Any]:
    """h(x) and h'(x) of N(0, 1): phi(x) - 2 x Q(x) and x phi(x) - 2 Q(x)."""
    import flint

    peak, half = _roots(flint.ctx.prec)
    density = (x * x / -2).exp() * peak
    both_tails = (x * half).erfc()
    return density - x * both_tails, x * density - both_tails


def _laplace(x: Any) -> tuple[Any, Any]:
    """(1 - x) e^-x / 2 and (x - 2) e^-x / 2 of the Laplace law of scale 1."""
    tail = (-x).exp() / 2
    return (1 - x) * tail, (x - 2) * tail


def _outliers(x: Any) -> tuple[Any, Any]:
    """A mixture of two normal laws, see `OUTLIERS`."""
    from flint import arb

    # h of N(0, std^2) is std h(x / std), so that its slope is h'(x / std)
    parts = [(arb(share), arb(std), _gaussian(x / arb(std))) for share, std in OUTLIERS]
    return sum(p * std * h for p, std, (h, _) in parts), sum(p * slope for p, _, (_, slope) in parts)


_SLOPES: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "gaussian": _gaussian,
    "laplace": _laplace,
    "outliers": _outliers,
}
# x_0 and x_1: h of N(0, 1) has one zero, near 0.61200, since h is convex up to sqrt(3), where h < 0, and
# rises to 0 from there; that of a mixture is positive while all parts are, negative once all are
_ZEROS = {"gaussian": (0.612, 0.6121), "laplace": (0.9999, 1.0001), "outliers": (0.612, 61.21)}


def sum_slopes(levels: np.ndarray | Codebook, law: str, scale: Any) -> tuple[Any, Any]:
    """H(s) and H'(s) of a codebook as balls, for a ball or a number s."""
    from flint import arb

    codebook = levels if isinstance(levels, Codebook) else Codebook(levels)
    h, scale = _SLOPES[choice("law", law, LAWS)], arb(scale)
    value, slope = arb(0), arb(0)
    for edge, gap in _merged(codebook):
        first, second = h(scale * edge)
        value += gap * first
        slope += gap * edge * second
    return value, slope


@functools.lru_cache(maxsize=64)
def _merged(codebook: Codebook) -> list[tuple[Any, Any]]:
    """Edges and gaps of a codebook as balls without width."""
    from flint import arb

    return [(arb(float(edge)), arb(float(gap))) for edge, gap in zip(*codebook.merged, strict=True)]


def prove_unique(levels: np.ndarray | Codebook, law: str = "gaussian") -> ScaleProof:
    r"""Decide whether E(s), s > 0, has one minimum only.

    Parameters
    ----------
    levels
        Codebook that holds zero, with at least one other level.
    law
        "gaussian" N(0, 1), "laplace" of scale 1, "outliers" the mixture 0.999 N(0, 1) + 0.001 N(0, 100^2).

    Raises
    ------
    ArithmeticError
        Neither a proof nor two minima at the precision used.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> proof = prove_unique(integer_levels(2, "symmetric"))
    >>> proof.unique, round(proof.scale[0], 3), round(proof.scale[1], 3)
    (True, 1.224, 1.224)
    >>> prove_unique(integer_levels(2, "symmetric"), "outliers").unique
    False
    """
    import flint

    codebook = levels if isinstance(levels, Codebook) else Codebook(levels)
    if codebook.anchor != 0 or codebook.levels.size < 2:
        raise ValueError("levels must hold 0 and at least one other level")
    low, high = _ZEROS[choice("law", law, LAWS)]
    edges = codebook.merged[0]
    with flint.ctx.workprec(_BITS):
        return _decide(codebook, law, low / float(edges[-1]), high / float(edges[0]))


def _decide(codebook: Codebook, law: str, low: float, high: float) -> ScaleProof:
    """Signs of H from below to above: H > 0 below `low`, H < 0 above `high`, and on pieces in between.

    Where H falls it has no other zero than one between a positive and a negative piece.
    """
    from flint import arb

    signs, at = ["+"], [low]  # every change of sign, and where it was seen
    stack, margins = [(low, high)], []
    while stack and len(signs) < 4:
        a, b = stack.pop()
        middle = (a + b) / 2
        piece = arb(a).union(arb(b))
        slope = sum_slopes(codebook, law, piece)[1]
        value = slope * (piece - arb(middle)) + sum_slopes(codebook, law, middle)[0]
        if value > 0 or value < 0 or slope < 0:
            margins.append(value if value > 0 else -value if value < 0 else -slope)
            sign = "+" if value > 0 else "-" if value < 0 else signs[-1]
            if sign != signs[-1]:
                signs.append(sign)
                at.append(middle)
        elif b - a < 1e-9 * b:
            break  # H rises through zero, or touches it: only two minima can decide
        else:
            stack += [(middle, b), (a, middle)]
    if signs[-1] == "+" and not stack:
        signs.append("-")
        at.append(high)
    if not stack and len(signs) == 2:
        scale = _refine(codebook, law, low, at[1])
        return ScaleProof(True, scale, (), len(margins), min(margins, key=lambda ball: ball.lower()))
    # H rises through zero in between: step over it, as far as signs go
    step = max(at[-1], low)
    while len(signs) < 4 and step < high:
        step *= 1.01
        value = sum_slopes(codebook, law, step)[0]
        if (value > 0 and signs[-1] == "-") or (value < 0 and signs[-1] == "+"):
            signs.append("+" if value > 0 else "-")
            at.append(step)
    if len(signs) < 4:
        raise ArithmeticError("the slope's sign was not decided; more precision is needed")
    found = [(-1) ** k * sum_slopes(codebook, law, scale)[0] for k, scale in enumerate(at[:4])]
    least = min(found, key=lambda ball: ball.lower())
    return ScaleProof(False, (low, high), tuple(at[:4]), len(margins), -least)


def _refine(codebook: Codebook, law: str, low: float, high: float) -> tuple[float, float]:
    """Bisect the falling piece around the zero of H, by signs of balls."""
    for _ in range(60):
        middle = (low + high) / 2
        value = sum_slopes(codebook, law, middle)[0]
        if value > 0:
            low = middle
        elif value < 0:
            high = middle
        if not (value > 0 or value < 0) or high - low < 1e-12 * high:
            break
    return low, high


@functools.cache
def ternary_optimum() -> tuple[float, float]:
    """(scale, error) of the best grid s {-1, 0, 1} for N(0, 1): 2 x_0 and 1 - 4 x_0 phi(x_0).

    Examples
    --------
    >>> scale, error = ternary_optimum()
    >>> round(scale, 6), round(error, 6)
    (1.224006, 0.190174)
    """
    from scipy import special
    from scipy.optimize import brentq

    def density(x: float) -> float:
        return float(np.exp(-x * x / 2) / np.sqrt(2 * np.pi))

    root = brentq(lambda x: density(x) - 2 * x * special.ndtr(-x), 0.5, 0.7, xtol=1e-15)
    return 2 * root, 1 - 4 * root * density(root)
