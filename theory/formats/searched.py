r"""Between what the error of a block lies whose scale is searched: E min_s e(s) has no closed form.

**Above.** Whatever one scale does for all blocks, or one multiple f of a block's largest magnitude m, the
best scale of every block does as well:

    E min_s e(s) <= min( min_s E e(s), min_f E e(f m / top) ).

The first is the limit of long blocks, and the error grows towards it: leaving out each weight of a block in
turn, (B - 1) min_s sum_i e_i(s) >= sum_i min_s sum_{j != i} e_j(s), so that e_{B-1} <= e_B.

**Below, normal weights.** With a free scale a block is stored on one of N rays. Its direction is uniform on
the sphere, and a share F(x) of it lies within sin^2 <= x of a ray: whatever the codes,

    E e / E W^2 >= N int_0^{x_0} x dF(x),   N F(x_0) = 1,   F(x) = I_x((B - 1)/2, 1/2) / 2.
"""

import math

import numpy as np
from scipy import special

from theory.arguments import whole
from theory.codebooks import optimal_scale, quantization_error
from theory.distributions import Distribution, Gaussian
from theory.formats.formats import Format, codebook
from theory.formats.laws import shrunk_error

_SMALL = 600  # e^-600 is the least x^(a + 1) that is left to incomplete beta functions


def searched_error_bounds(law: Distribution, form: Format) -> tuple[float, float]:
    """Proved limits of E (W - F(W))^2 in blocks with the best scale each, for independent weights.

    Parameters
    ----------
    law
        Continuous and symmetric. The lower limit is 0 where it is not Gaussian.
    form
        Blocks with a free scale of either sign and no offset.

    Raises
    ------
    ValueError
        Another kind of format.

    Examples
    --------
    >>> form = Format("Q4_0 mse", "flipped4", 4, block=32, rule="search")
    >>> [round(-10 * math.log10(limit), 2) for limit in searched_error_bounds(Gaussian(), form)]
    [24.58, 21.38]
    """
    if not form.block or form.offset or form.prunes or form.scale in ("power", "e4m3", "double"):
        raise ValueError(f"{form.name}: bounds are those of blocks with a free scale, no offset, no mask")
    levels = codebook(form.codes)
    whole_tensor = float(quantization_error(law, levels, optimal_scale(law, levels)))
    best, width = 1.0, 0.25
    error = shrunk_error(law, form, best)
    for _ in range(8):  # the factor, to a thousandth; any factor's error is a limit
        near = [best - width, best + width]
        errors = [shrunk_error(law, form, factor) for factor in near]
        k = int(np.argmin(errors))
        if errors[k] < error:
            best, error = near[k], errors[k]
        else:
            width /= 2
    least = 0.0
    if isinstance(law, Gaussian):
        least = law.second_moment * ray_error(
            form.block, math.log(2) + form.block * math.log(levels.levels.size)
        )
    return least, min(whole_tensor, error)


def ray_error(block: int, log_rays: float) -> float:
    """Least share of a normal block's energy that any N rays lose, log N given.

    Parameters
    ----------
    block
        Weights of a block, at least 2.
    log_rays
        Natural logarithm of the number of rays; positive.

    Examples
    --------
    Two opposite rays in the plane leave |angles| up to pi/2, of which sin^2 is 1/2 in the mean:

    >>> round(ray_error(2, math.log(2)), 12)
    0.5
    """
    from scipy.optimize import brentq

    a = (whole("block", block, 2) - 1) / 2
    if not math.log(2) * (1 - 1e-12) <= log_rays < math.inf:
        raise ValueError(f"log_rays must be at least log 2, that of two rays, and finite, got {log_rays!r}")

    def excess(log_x: float) -> float:
        if (a + 1) * log_x > -_SMALL:
            return math.log(special.betainc(a, 0.5, math.exp(log_x)) / 2) + log_rays
        log_beta = float(special.betaln(a, 0.5)) + math.log(2 * a)
        return a * log_x + math.log(_small_share(a, math.exp(log_x))) - log_beta + log_rays

    log_x = 0.0 if excess(0.0) <= 0 else float(brentq(excess, -(log_rays + 50) / a - 1, 0.0, xtol=1e-14))
    x = math.exp(log_x)
    if (a + 1) * log_x > -_SMALL:
        return a / (a + 0.5) * float(special.betainc(a + 1, 0.5, x) / special.betainc(a, 0.5, x))
    return x * a / (a + 1) * _small_share(a + 1, x) / _small_share(a, x)


def _small_share(a: float, x: float) -> float:
    """a x^-a times the integral of t^(a-1) (1 - t)^(-1/2) up to x: 2F1(1/2, a; a + 1; x), for tiny x^a.

    Pfaff's (1 - x)^(-1/2) 2F1(1/2, 1; a + 1; -x/(1 - x)): x/(1 - x) is at most (a + 1)/600, and the terms
    fall like n/600. SciPy's own 2F1 is NaN near x = 1 from a = 300 on.
    """
    term = total = 1.0
    for n in range(10):
        term *= -(n + 0.5) / (a + 1 + n) * (x / (1 - x))
        total += term
    return total / math.sqrt(1 - x)
