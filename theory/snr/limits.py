r"""Limits of quantization: rate-distortion, high-rate laws, Lloyd-Max, entropy coding.

    rate-distortion, N(0, s^2)        SNR(R) = 20 log10(2) R = 6.0206 R dB
    Shannon lower bound               D(R) >= 2^{2h} 2^{-2R} / (2 pi e),  h the differential entropy in bits
    Panter & Dite (Lloyd-Max)         MSE ~ (int f^{1/3})^3 / (12 N^2)
    Hui & Neuhoff (uniform, Gaussian) MSE ~ (4/3) ln N / N^2
    entropy-coded uniform scalar      SNR(H) -> rate-distortion - 10 log10(pi e / 6) = 1.5329 dB, high rate

N = 2^R levels. The optimal uniform quantizer of fixed rate loses against 6.02 dB per bit without end, since
its range must grow with N.

References
----------
.. [1] Cover & Thomas, "Elements of Information Theory", 2nd ed., Th. 10.3.2.
.. [2] Panter & Dite, Proc. IRE 39:44, 1951.
.. [3] Hui & Neuhoff, "Asymptotic analysis of optimal fixed-rate uniform scalar quantization", IEEE Trans.
   Inf. Theory 47:957, 2001.
.. [4] Gish & Pierce, "Asymptotically efficient quantizing", IEEE Trans. Inf. Theory 14:676, 1968.
"""

import math

import numpy as np
from scipy.linalg import solve_banded
from scipy.special import entr

from theory.arguments import shown, whole
from theory.codebooks import check_bits
from theory.distributions import Distribution, takes_symmetric_law
from theory.distributions.base import panel_nodes
from theory.snr.ratio import decibel

DECIBEL_PER_BIT = 20 * math.log10(2)
ENTROPY_CODED_LOSS = 10 * math.log10(math.pi * math.e / 6)
_MOST_CELLS = 2**24  # of an entropy-coded quantizer: a gigabyte


def rate_distortion_snr(bits: float) -> float:
    """Largest SNR in dB of any code of `bits` bits per Gaussian weight: 6.0206 dB per bit.

    Examples
    --------
    >>> round(rate_distortion_snr(4), 4)
    24.0824
    """
    return DECIBEL_PER_BIT * _rate(bits)


def _rate(bits: float) -> float:
    """Bits per weight as a float; they need not be whole."""
    if not 0 <= bits < 2.0**53:
        raise ValueError(f"bits must be at least 0 and finite, got {shown(bits)}")
    return float(bits)


@takes_symmetric_law
def differential_entropy(law: Distribution) -> float:
    """H(W) = -int f log2 f in bits: to 1e-12 for a density that is smooth away from 0 and the ends.

    Examples
    --------
    >>> from theory.distributions import Uniform
    >>> round(differential_entropy(Uniform(2.0)), 10)
    2.0
    """
    x, weight = _magnitude_nodes(law)
    return float(2 * weight @ entr(law.pdf(x))) / math.log(2)


@takes_symmetric_law
def shannon_bound_snr(law: Distribution, bits: float) -> float:
    """No code of `bits` bits per weight exceeds this SNR (Shannon lower bound on the distortion); dB.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(shannon_bound_snr(Gaussian(), 4) - rate_distortion_snr(4), 6)
    0.0
    """
    # in dB: 4^-bits and the entropy power may leave double precision
    entropy_power = DECIBEL_PER_BIT * differential_entropy(law) - 10 * math.log10(2 * math.pi * math.e)
    return decibel(law.second_moment, 1.0) - entropy_power + rate_distortion_snr(bits)


@takes_symmetric_law
def panter_dite_snr(law: Distribution, bits: float) -> float:
    """High-rate SNR in dB of the best quantizer of 2^bits levels: 12 N^2 E W^2 / (int f^(1/3))^3.

    A limit, N -> infinity at a fixed law: it asks for a density that hardly changes within a cell. Cells of
    heavy tails are wide, and int f^(1/3) gathers as much from far out as from the centre: `lloyd_max_snr` is
    the value at a finite number of levels, and the difference the error of the limit (at 4 and 8 bits:
    Gaussian 0.49, 0.03 dB; Student-t of df = 2 cut at 10^6 1.18, 0.005 dB; df = 3 at 10^9 2.1, 0.14 dB).

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(panter_dite_snr(Gaussian(), 8) - 8 * DECIBEL_PER_BIT, 3)
    -4.347
    """
    x, weight = _magnitude_nodes(law)
    third = float(2 * weight @ np.cbrt(law.pdf(x)))
    return decibel(12 * law.second_moment, 1.0) - 30 * math.log10(third) + rate_distortion_snr(bits)


def uniform_gaussian_snr(bits: float) -> float:
    """Hui & Neuhoff's asymptotic SNR (dB), best uniform quantizer of a Gaussian; 1.1 dB low at 8 bits.

    Examples
    --------
    >>> round(uniform_gaussian_snr(8), 2)
    39.48
    """
    rate = _rate(bits)
    if rate < 1:
        raise ValueError(f"bits must be at least 1, two levels, got {shown(bits)}")
    return rate_distortion_snr(rate) - 10 * math.log10(4 / 3 * rate * math.log(2))


def _magnitude_nodes(law: Distribution) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an integral over x in (0, bound), or to where the density is 1e-200 of its peak.

    In x = u sinh t, u the size of the peak, far below the quartile for few degrees of freedom: quantiles
    near 1 run out of doubles long before f^(1/3) of a heavy tail runs out. Panels shrink towards 0, where
    densities have cusps and poles, and towards the end, where they may vanish like a root.
    """
    unit = reach = float(law.ppf(0.75))
    peak = float(law.pdf(0.0))
    if not 0 < peak < math.inf:
        peak = float(law.pdf(unit))
    while float(law.pdf(unit)) < 0.5 * peak:
        unit /= 2
    while reach < law.bound and float(law.pdf(2 * reach)) > 1e-200 * peak:
        reach *= 2
    end = math.asinh(min(2 * reach, law.bound) / unit)
    ends = np.linspace(0.0, end, 2 + math.ceil(end / 0.2))
    near, far = (ends[1] * 0.5 ** np.arange(1.0, count) for count in (100, 45))
    t, weight = panel_nodes(np.unique(np.concatenate([ends, near, end - far])), 16)
    return np.minimum(unit * np.sinh(t), law.bound), weight * unit * np.cosh(t)


@takes_symmetric_law
def lloyd_max(law: Distribution, count: int) -> np.ndarray:
    """Levels of the best quantizer with `count` (even) levels for a continuous symmetric law, ascending.

    Solves l_i = E[W | cell i] by damped Newton steps (the Jacobian is tridiagonal) from the levels of
    high-rate theory, whose density is f^(1/3). For log-concave laws (Gaussian, Laplace, uniform) it is the
    optimum; for others a stationary point.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> np.round(lloyd_max(Gaussian(), 4), 4)
    array([-1.5104, -0.4528,  0.4528,  1.5104])
    """
    count = whole("count", count, 2, 2**20)
    if count % 2:
        raise ValueError(f"count must be an even integer of at least 2, got {count!r}")
    half = count // 2
    # companding: equal steps of int_0^x f^(1/3)
    x = law.ppf(1 - 0.5 * 0.5 ** np.linspace(0, 40, 4001))
    mass = np.concatenate([[0.0], np.cumsum(np.diff(x) * law.pdf((x[1:] + x[:-1]) / 2) ** (1 / 3))])
    levels = np.interp((np.arange(half) + 0.5) / half * mass[-1], mass, x)
    residual, bands, mass, gain = _centroid_system(law, levels)
    damping = 1.0
    for _ in range(400):
        shifted = bands.copy()
        shifted[1] += damping * mass  # a large damping turns the step into a share of Lloyd's own
        trial = levels - solve_banded((1, 1), shifted, residual)
        if trial[0] > 0 and np.all(np.diff(trial) > 0):
            after = _centroid_system(law, trial)
            if after[3] >= gain - 1e-15 * abs(gain):
                moved = float(np.max(np.abs(trial - levels) / trial))
                levels, (residual, bands, mass, gain) = trial, after
                damping = damping / 8 if damping > 1e-12 else 0.0
                if moved < 1e-12:
                    break
                continue
        damping = max(8 * damping, 1e-3)
    return np.concatenate([-levels[::-1], levels])


def _centroid_system(
    law: Distribution, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """l_i P(cell i) - E[W; cell i] of the positive levels, its Jacobian's bands, P(cell i), and the gain.

    The gain sum_i (2 l_i E[W; i] - l_i^2 P(i)) is half of E W^2 minus the error: it is to be maximised.
    """
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2])
    t0, t1 = law.tail(edges)
    zero, first = t0 - np.append(t0[1:], 0.0), t1 - np.append(t1[1:], 0.0)
    # moving the threshold between i and i + 1 by d/2 trades f(e) (l_{i+1} - l_i)/2 each way
    density = law.pdf(edges[1:]) * np.diff(levels) / 4
    diagonal = zero.copy()
    diagonal[:-1] -= density
    diagonal[1:] -= density
    bands = np.array([np.append(0.0, -density), diagonal, np.append(-density, 0.0)])
    return levels * zero - first, bands, zero, float(2 * levels @ first - levels**2 @ zero)


@takes_symmetric_law
def lloyd_max_snr(law: Distribution, bits: int) -> float:
    """SNR in dB of :func:`lloyd_max` with 2^bits levels: the error is E W^2 minus the levels' own power.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> round(lloyd_max_snr(Gaussian(), 2), 4)
    9.3003
    """
    levels = lloyd_max(law, 2 ** check_bits(bits))
    positive = levels[levels.size // 2 :]
    t0, _ = law.tail(np.concatenate([[0.0], (positive[1:] + positive[:-1]) / 2]))
    power = 2 * float(positive**2 @ (t0 - np.append(t0[1:], 0.0)))
    return decibel(law.second_moment, law.second_moment - power)


@takes_symmetric_law
def entropy_coded(law: Distribution, step: float) -> tuple[float, float]:
    """(entropy in bits, SNR in dB) of uniform cells of width `step`, one around 0; centroids as levels.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> bits, snr = entropy_coded(Gaussian(), 0.05)
    >>> round(rate_distortion_snr(bits) - snr, 3)
    1.533
    """
    if not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step must be positive and finite, got {step!r}")
    reach = law.bound if math.isfinite(law.bound) else float(law.ppf(1 - 1e-16))
    if reach / step > _MOST_CELLS:
        raise ValueError(f"step must be at least {reach / _MOST_CELLS:g} for this law, got {step!r}")
    edges = step * (np.arange(math.ceil(reach / step) + 1) + 0.5)
    t0, t1 = law.tail(edges)
    mass = np.concatenate([[1 - 2 * t0[0]], t0[:-1] - t0[1:], t0[-1:]])
    first = np.concatenate([[0.0], t1[:-1] - t1[1:], t1[-1:]])
    used = mass > 0
    counted = np.where(np.arange(mass.size) == 0, 1, 2)[used]
    entropy = float(-(counted * mass[used]) @ np.log2(mass[used]))
    power = float(counted @ (first[used] ** 2 / mass[used]))
    return entropy, decibel(law.second_moment, law.second_moment - power)
