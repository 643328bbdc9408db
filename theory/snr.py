r"""Signal-to-noise ratio of quantization and of magnitude pruning.

    SNR_dB = 10 log10( E W^2 / E (W - F(W))^2 )

Everything follows from two functions of the weights' law, T_0(x) = P(W > x) and T_1(x) = E[W; W > x]. A
quantizer that rounds to the nearest of the levels s l_i, with thresholds s e_i halfway between neighbours and
l = 0 among them, has

    MSE(s) = E W^2 - 2 s A(s) + s^2 B(s)
    A(s) = sum_i (l_{i+1} - l_i) T_1(s |e_i|),       B(s) = sum_i (l_{i+1} - l_i) 2 |e_i| T_0(s |e_i|)

summed over the thresholds on both sides (the negative side with the law of -W); that is E W^2 minus 2 s times
a sum of stop-losses E(|W| - s e)_+. Its derivative is -2 A + 2 s B and its second derivative
2 B - 2 s sum_i (l_{i+1} - l_i) e_i^2 f(s e_i): the codes do not move at first order. The derivations are in
:mod:`theory.derivations.snr`.

References
----------
.. [1] Kuzmin, Nagel, van Baalen, Behboodi & Blankevoort, "Pruning vs Quantization: Which is Better?",
   NeurIPS 2023, Sections 2-3.
"""

import math
from typing import Literal

import numpy as np

from theory.distributions import Distribution, Empirical

Grid = Literal["twos-complement", "symmetric"]
Rule = Literal["mse", "max-abs", "percentile", "scale"]
HIGH_PRECISION = 16  # bits of the uncompressed weights everything is compared with


def check_bits(bits: int) -> int:
    """`bits` as an int from 1 to 16, or a ValueError."""
    if isinstance(bits, (bool, np.bool_)) or int(bits) != bits or not 1 <= bits <= 16:
        raise ValueError(f"bits must be an integer from 1 to 16, got {bits!r}")
    return int(bits)


def check_sparsity(sparsity: float) -> float:
    """`sparsity` as a float in [0, 1), or a ValueError."""
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity must lie in [0, 1), the share of weights set to zero, got {sparsity!r}")
    return float(sparsity)


def decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise); inf where nothing was lost (also of a zero signal).

    Examples
    --------
    >>> decibel(100.0, 1.0), decibel(0.0, 0.0)
    (20.0, inf)
    """
    if noise <= 0:
        return math.inf
    return 10 * (math.log10(signal) - math.log10(noise)) if signal > 0 else -math.inf


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
    if grid == "twos-complement":
        return np.arange(-half, half, dtype=np.float64)
    if grid == "symmetric":
        if half == 1:
            raise ValueError("the symmetric grid of 1 bit is {0} alone; use at least 2 bits")
        return np.arange(1 - half, half, dtype=np.float64)
    raise ValueError(f'grid must be "twos-complement" or "symmetric", got {grid!r}')


class Codebook:
    """Thresholds of the levels l_1 < ... < l_k, prepared for :func:`error`.

    `anchor` is the level nearest to zero; thresholds above and below it are kept as magnitudes, with the
    spacing of their two levels.
    """

    def __init__(self, levels: np.ndarray) -> None:
        levels = np.unique(np.asarray(levels, dtype=np.float64))
        if levels.size == 0 or not np.all(np.isfinite(levels)):
            raise ValueError("levels must be finite numbers, at least one")
        self.levels = levels
        nearest = int(np.argmin(np.abs(levels)))
        self.anchor = float(levels[nearest])
        thresholds, gaps = (levels[1:] + levels[:-1]) / 2, np.diff(levels)
        self.above = (thresholds[nearest:], gaps[nearest:])
        self.below = (-thresholds[:nearest][::-1], gaps[:nearest][::-1])

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
        return [(law, *codebook.merged())]
    return [(law, *codebook.above), (law.reflected(), *codebook.below)]


def _sums(law: Distribution, codebook: Codebook, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A(s) and B(s) for every s of a 1-d array."""
    a = np.full(scale.shape, codebook.anchor * law.mean)
    b = np.full(scale.shape, codebook.anchor**2)
    for side, edges, gaps in _sides(law, codebook):
        if edges.size:
            probability, first = side.tail(scale[:, None] * edges)
            a += first @ gaps
            b += probability @ (2 * edges * gaps)
    return a, b


def quantization_error(
    law: Distribution, levels: "np.ndarray | Codebook", scale: float | np.ndarray
) -> np.ndarray:
    """E (W - Q(W))^2, Q the nearest of scale * levels.

    Parameters
    ----------
    law : distribution of a weight.
    levels : codebook before scaling, any finite numbers.
    scale : positive step s, any shape.

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
    flat = scale.reshape(-1)
    a, b = _sums(law, _codebook(levels), flat)
    return np.maximum(law.second_moment - 2 * flat * a + flat**2 * b, 0.0).reshape(scale.shape)


def optimal_scale(law: Distribution, levels: "np.ndarray | Codebook") -> float:
    """The scale s > 0 that minimises :func:`quantization_error`.

    Factor-two steps bracket the minimum, 48 logarithmic steps inside the bracket find the best valley (a
    truncated law has two: clip, or cover everything), Newton steps on the exact derivatives polish it.
    Tests hold the result against a branch-and-bound certificate. A law without signal gives 1.
    """
    codebook = _codebook(levels)
    if law.second_moment == 0:
        return 1.0
    largest = float(np.max(np.abs(codebook.levels)))
    if largest == 0:
        return 1.0
    spread = math.sqrt(law.second_moment)
    # by Minkowski's inequality, clipping at spread/64 leaves (63/64)^2 = 97 % of the signal as error
    reach = law.bound if math.isfinite(law.bound) else 64 * spread
    coarse = spread / 64 / largest * 2.0 ** np.arange(2 + math.ceil(math.log2(64 * reach / spread)))
    best = coarse[np.argmin(quantization_error(law, codebook, coarse))]
    fine = best * np.geomspace(0.5, 2.0, 49)
    errors = quantization_error(law, codebook, fine)
    index = int(np.argmin(errors))
    low, high = fine[max(index - 1, 0)], fine[min(index + 1, fine.size - 1)]
    scale = float(fine[index])
    lowest = float(errors[index])
    for _ in range(60):
        a, b = _sums(law, codebook, np.array([scale]))
        candidate = _newton(law, codebook, scale, float(a[0]), float(b[0]))
        if not low < candidate < high:
            # the best scale for these codes never increases the error
            candidate = float(a[0] / b[0]) if b[0] > 0 else scale
        if abs(candidate - scale) <= 1e-13 * scale:
            break
        error = float(quantization_error(law, codebook, candidate))
        if error > lowest:
            break
        scale, lowest = candidate, error
    return scale


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
    rule : "mse" (least error), "max-abs" (the largest positive level meets the largest magnitude; only for
        bounded laws), "percentile" (it meets that percentile of the magnitudes), "scale" (as given).
    """
    codebook = _codebook(levels)
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
    if rule == "percentile":
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile must lie in (0, 100], got {percentile!r}")
        return _magnitude_quantile(law, percentile / 100) / top
    raise ValueError(f'rule must be "mse", "max-abs", "percentile" or "scale", got {rule!r}')


def _magnitude_quantile(law: Distribution, share: float) -> float:
    """The least x with P(|W| <= x) >= share."""
    if isinstance(law, Empirical):
        return float(Empirical(np.abs(law.values)).ppf(share))
    if share == 1:
        return law.bound
    return float(law.ppf(0.5 + share / 2))


def quantization_snr(
    distribution: Distribution,
    bits: int,
    rule: Rule = "mse",
    *,
    grid: Grid = "twos-complement",
    scale: float | None = None,
    percentile: float = 99.9,
) -> float:
    """SNR in dB of rounding a weight to the nearest of s {-2^(b-1), ..., 2^(b-1) - 1}.

    Parameters
    ----------
    distribution : law of the weight.
    bits : b, 1-16.
    rule : how the step s is chosen, see :func:`scale_for`.
    grid : "twos-complement", or "symmetric" without the lowest level.
    scale, percentile : for the rules of that name.

    Returns
    -------
    float. inf where the grid holds every value (a constant, an all-zero tensor).

    Raises
    ------
    ValueError
        bits outside 1-16, an unknown rule or grid, "max-abs" for an unbounded law.

    References
    ----------
    Kuzmin et al. 2023, eq. 1-4; the optimal step is their choice "MSE".

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(quantization_snr(Gaussian(), 4), 4)
    19.2577
    """
    codebook = Codebook(integer_levels(bits, grid))
    step = scale_for(distribution, codebook, rule, scale=scale, percentile=percentile)
    return decibel(distribution.second_moment, float(quantization_error(distribution, codebook, step)))


def natural_zeros(
    distribution: Distribution,
    bits: int,
    rule: Rule = "mse",
    *,
    grid: Grid = "twos-complement",
    scale: float | None = None,
    percentile: float = 99.9,
) -> float:
    """Share of the weights that the quantizer of :func:`quantization_snr` rounds to zero.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(natural_zeros(Gaussian(), 4), 4)
    0.1344
    """
    codebook = Codebook(integer_levels(bits, grid))
    step = scale_for(distribution, codebook, rule, scale=scale, percentile=percentile)
    return float(distribution.cdf(0.5 * step) - distribution.cdf(-0.5 * step))


def pruning_error(distribution: Distribution, sparsity: float) -> float:
    """E W^2 over the smallest magnitudes, a share `sparsity` of all.

    An empirical law loses its ceil(sparsity n) smallest magnitudes: at least the share asked for.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(pruning_error(Uniform(1.0), 0.5) * 24, 12)
    1.0
    """
    sparsity = check_sparsity(sparsity)
    if isinstance(distribution, Empirical):
        count = pruned_count(distribution.values.size, sparsity)
        smallest = np.partition(np.abs(distribution.values), max(count - 1, 0))[:count]
        return math.fsum(smallest**2) / distribution.values.size
    threshold = distribution.ppf(0.5 + sparsity / 2)
    return float(distribution.partial_moment(2, -threshold, threshold))


def pruned_count(size: int, sparsity: float) -> int:
    """Least number of weights to remove from `size` so that at least the share `sparsity` is gone.

    Examples
    --------
    >>> pruned_count(16, 0.75), pruned_count(10, 0.75)
    (12, 8)
    """
    return math.ceil(sparsity * size - 1e-9 * max(size, 1) * (sparsity > 0))


def pruning_snr(distribution: Distribution, sparsity: float) -> float:
    """SNR in dB of setting the share `sparsity` of the weights, the smallest magnitudes, to zero.

    For a symmetric law the threshold is F^-1(1/2 + sparsity/2) and the error E[W^2; |W| <= threshold]; for
    N(0, 1) that is sparsity - 2 t phi(t).

    Parameters
    ----------
    distribution : law of the weight.
    sparsity : share set to zero, in [0, 1); b bits compare with 1 - b/16.

    References
    ----------
    Kuzmin et al. 2023, eq. 5-6.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(pruning_snr(Gaussian(), 0.75), 4)
    5.5847
    """
    return decibel(distribution.second_moment, pruning_error(distribution, sparsity))


def equal_sparsity(bits: int, *, mask: bool = False) -> float:
    """Sparsity at which pruned 16-bit weights take as much room as `bits`-bit ones: 1 - b/16.

    With `mask`, the one bit per weight that says which are kept counts: 1 - (b - 1)/16.

    Examples
    --------
    >>> equal_sparsity(4), equal_sparsity(4, mask=True)
    (0.75, 0.8125)
    """
    check_bits(bits)
    return 1 - (bits - 1) / HIGH_PRECISION if mask else 1 - bits / HIGH_PRECISION


def _newton(law: Distribution, codebook: Codebook, scale: float, a: float, b: float) -> float:
    if isinstance(law, Empirical):
        return a / b if b > 0 else scale  # no density
    curvature = b
    for side, edges, gaps in _sides(law, codebook):
        curvature -= scale * float(side.pdf(scale * edges) @ (gaps * edges**2))
    return scale - (scale * b - a) / curvature if curvature > 0 else math.nan
