r"""Signal-to-noise ratio of quantization and of magnitude pruning.

    SNR_dB = 10 log10( E W^2 / E (W - F(W))^2 )

F is the nearest of a scaled codebook (:mod:`theory.codebooks`), or zero for the smallest magnitudes.

References
----------
.. [1] Kuzmin, Nagel, van Baalen, Behboodi & Blankevoort, "Pruning vs Quantization: Which is Better?",
   NeurIPS 2023, Sections 2-3.
"""

import itertools
import math

import numpy as np

from theory.arguments import share_count, share_of_zeros, whole
from theory.codebooks import (
    Grid,
    Rule,
    check_bits,
    integer_codebook,
    quantization_error,
    scale_for,
)
from theory.distributions import Distribution, Empirical, StudentT, takes_law

RESOLUTION = 1e-15  # share of the signal below which double precision cannot tell an error from none
HIGH_PRECISION = 16  # bits of the uncompressed weights everything is compared with


def decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise); inf where nothing was lost (also of a zero signal).

    Examples
    --------
    >>> decibel(100.0, 1.0), decibel(0.0, 0.0)
    (20.0, inf)
    """
    if noise <= 0:
        return math.inf
    return -math.inf if signal <= 0 else 10 * (math.log10(signal) - math.log10(noise))


def noise_snr(noise: float) -> float:
    """SNR in dB of an error given as a share of the signal's energy; inf below `RESOLUTION`.

    Examples
    --------
    >>> noise_snr(0.01), noise_snr(1e-16)
    (20.0, inf)
    """
    return decibel(1.0, 0.0 if noise <= RESOLUTION else float(noise))


@takes_law
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
    distribution
        Law of the weight.
    bits
        b, 1-16.
    rule
        How the step s is chosen, see :func:`scale_for`.
    grid
        "twos-complement", or "symmetric" without the lowest level.
    scale, percentile
        For the rules of that name.

    Returns
    -------
    float. inf where the grid holds every value (a constant, an all-zero tensor): beyond 150 dB, which
    double precision cannot tell from it.

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
    codebook = integer_codebook(check_bits(bits), grid)
    distribution, scale = _in_range(distribution, scale)
    step = scale_for(distribution, codebook, rule, scale=scale, percentile=percentile)
    error = float(quantization_error(distribution, codebook, step))
    return noise_snr(error / distribution.second_moment if distribution.second_moment else 0.0)


@takes_law
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

    The mass of the cell of level 0, halves included (they go to the even code). On one bit, {-s, 0}, that
    cell has no upper end.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(natural_zeros(Gaussian(), 4), 4)
    0.1344
    """
    codebook = integer_codebook(check_bits(bits), grid)
    distribution, scale = _in_range(distribution, scale)
    step = scale_for(distribution, codebook, rule, scale=scale, percentile=percentile)
    low = -0.5 * step if codebook.levels[0] < 0 else -math.inf
    high = 0.5 * step if codebook.levels[-1] > 0 else math.inf
    return float(distribution.cdf(high) - distribution.cdf(np.nextafter(low, -math.inf)))


def _in_range(law: Distribution, scale: float | None = None) -> tuple[Distribution, float | None]:
    """A law whose squares stay in double precision, and the scale that goes with it: ratios have no unit."""
    if not isinstance(law, Empirical) or law.bound == 0 or 1e-75 < law.bound < 1e75:
        return law, scale
    law, exponent = law.normalised()
    if scale is not None and scale > 0 and math.isfinite(scale):  # else `scale_for` says what is wrong
        mantissa, own = math.frexp(scale)
        if not -1000 < own - exponent < 1000:
            raise ValueError(
                f"scale={scale} is too far from weights of a largest magnitude near 2**{exponent}"
            )
        scale = math.ldexp(mantissa, own - exponent)
    return law, scale


@takes_law
def pruning_error(distribution: Distribution, sparsity: float) -> float:
    """E W^2 over the smallest magnitudes, a share `sparsity` of all.

    An empirical law loses its ceil(sparsity n) smallest magnitudes: at least the share asked for.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(pruning_error(Uniform(1.0), 0.5) * 24, 12)
    1.0
    """
    sparsity = share_of_zeros(sparsity)
    if isinstance(distribution, Empirical):
        distribution.partial_moment(2)  # refuses magnitudes whose squares leave double precision
        count = pruned_count(distribution.values.size, sparsity)
        smallest = np.partition(np.abs(distribution.values), max(count - 1, 0))[:count]
        return math.fsum(smallest**2) / distribution.values.size
    threshold = distribution.magnitude_quantile(sparsity)
    return float(distribution.partial_moment(2, -threshold, threshold))


def pruned_count(size: int, sparsity: float) -> int:
    """Least number of weights to remove from `size` so that at least the share `sparsity` is gone.

    Examples
    --------
    >>> pruned_count(16, 0.75), pruned_count(10, 0.75)
    (12, 8)
    >>> pruned_count(10, 0.1), pruned_count(10**10, 0.5)
    (1, 5000000000)
    """
    return int(share_count(sparsity, whole("size", size, 0)))


@takes_law
def pruning_snr(distribution: Distribution, sparsity: float) -> float:
    """SNR in dB of setting the share `sparsity` of the weights, the smallest magnitudes, to zero.

    The threshold t has P(|W| <= t) = sparsity, for a symmetric law F^-1(1/2 + sparsity/2), and the error is
    E[W^2; |W| <= t]; for N(0, 1) that is sparsity - 2 t phi(t).

    Parameters
    ----------
    distribution
        Law of the weight.
    sparsity
        Share set to zero, in [0, 1); b bits compare with 1 - b/16.

    References
    ----------
    Kuzmin et al. 2023, eq. 5-6.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(pruning_snr(Gaussian(), 0.75), 4)
    5.5847
    """
    distribution, _ = _in_range(distribution)
    return decibel(distribution.second_moment, pruning_error(distribution, sparsity))


def equal_sparsity(bits: int, *, mask: bool = False) -> float:
    """Sparsity at which pruned 16-bit weights take as much room as `bits`-bit ones: 1 - b/16.

    With `mask`, the one bit per weight that says which are kept counts: 1 - (b - 1)/16.

    Examples
    --------
    >>> equal_sparsity(4), equal_sparsity(4, mask=True)
    (0.75, 0.8125)
    """
    bits = check_bits(bits)
    return 1 - (bits - 1) / HIGH_PRECISION if mask else 1 - bits / HIGH_PRECISION


def crossover_bound(bits: int, df: float, *, mask: bool = False) -> float:
    """Least truncation r at which pruning overtakes quantization for a Student-t law; nan if it never does.

    Pruning at sparsity :func:`equal_sparsity` wins beyond r, where outliers stretch the grid. For df > 2 the
    variance stays finite as r grows, and at enough bits quantization keeps its lead for every r: no crossing
    is a result, not an error. Searched over r from 0.5 to 10^7, then bisected to 1e-12.

    Parameters
    ----------
    bits
        1-15 (16 bits are no compression).
    df
        Degrees of freedom, any positive number.
    mask
        Whether pruning pays one bit per weight for saying which are kept.

    Examples
    --------
    >>> round(crossover_bound(4, 2), 3)
    29.366
    """
    from scipy.optimize import brentq

    if check_bits(bits) == HIGH_PRECISION:
        raise ValueError("bits must be below 16: at 16 bits nothing is compressed")
    sparsity = equal_sparsity(bits, mask=mask)
    if sparsity == 1:
        raise ValueError("bits must be at least 2 with a mask, which takes the first")

    def margin(log_bound: float) -> float:
        law = StudentT(df, math.exp(log_bound))
        return pruning_snr(law, sparsity) - quantization_snr(law, bits)

    grid = np.linspace(math.log(0.5), math.log(1e7), 57)
    before = margin(grid[0])
    for left, right in itertools.pairwise(grid):
        after = margin(right)
        if before < 0 <= after:
            return math.exp(brentq(margin, left, right, xtol=1e-13, rtol=1e-13))
        before = after
    return math.nan


def crossover_kurtosis(bits: int, df: float, *, mask: bool = False) -> float:
    """Kurtosis of the truncated Student-t law at :func:`crossover_bound`; nan where there is no crossing.

    It depends on df: kurtosis alone does not decide between the methods.

    Examples
    --------
    >>> round(crossover_kurtosis(4, 2), 3), crossover_kurtosis(4, 3)
    (28.35, nan)
    """
    bound = crossover_bound(bits, df, mask=mask)
    return StudentT(df, bound).kurtosis if math.isfinite(bound) else math.nan
