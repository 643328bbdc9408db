"""Predict the winner of a tensor without quantizing it, and count how often that is right.

Four predictors of "snap or cut at b bits", from nothing to everything:

    always snap  no look at the tensor: what the others have to beat
    kurtosis     snap below the kurtosis at which a Student-t law with 2 degrees of freedom crosses over
    student      the winner for the truncated Student-t law that matches kurtosis and largest magnitude / rms
    empirical    the winner for the tensor's own values: exact, what :func:`sims.weights.analyse` computes

On trained networks nearly everything is snapped and the first is hard to beat; :func:`shapes` are tensors of
known laws, most of them no Student-t, on which pruning wins a third of the cells. Where a few outliers sit on
a Gaussian body kurtosis misleads: it follows the outliers, while pruning loses the body.
"""

import functools
import math

import numpy as np
from scipy import special

from sims.weights.network import CUT, EITHER, SNAP
from sims.weights.table import Table
from theory.distributions import StudentT
from theory.snr import crossover_kurtosis, equal_sparsity, pruning_snr, quantization_snr

PREDICTORS = ("always snap", "kurtosis", "student", "empirical")
_ROUNDING = 1e-9  # kurtosis and peak of two-valued tensors are 1 up to rounding


@functools.cache
def _threshold(bits: int) -> float:
    return crossover_kurtosis(bits, 2)


@functools.cache
def _laws() -> tuple[list[StudentT], np.ndarray, np.ndarray]:
    """A grid of truncated laws with log kurtosis and log (bound / rms) of each."""
    laws = [
        StudentT(float(df), float(bound))
        for df in np.geomspace(0.5, 100, 28)
        for bound in np.geomspace(0.3, 3000, 60)
    ]
    kurtosis = np.log([law.kurtosis for law in laws])
    peak = np.log([law.bound / math.sqrt(law.second_moment) for law in laws])
    return laws, kurtosis, peak


def fitted_law(kurtosis: float, peak: float) -> StudentT:
    """The truncated Student-t law nearest to a tensor's kurtosis and largest magnitude over rms.

    Parameters
    ----------
    kurtosis, peak
        Of the tensor; the law's scale is its own, which no SNR depends on.

    Examples
    --------
    >>> law = fitted_law(3.0, 4.5)
    >>> law.df > 20, 2.7 < law.kurtosis < 3.3
    (True, True)
    """
    if not (1 - _ROUNDING <= kurtosis < math.inf and 1 - _ROUNDING <= peak < math.inf):
        raise ValueError(f"kurtosis and peak must be finite and at least 1, got {kurtosis!r} and {peak!r}")
    laws, log_kurtosis, log_peak = _laws()
    distance = (log_kurtosis - math.log(kurtosis)) ** 2 + 0.25 * (log_peak - math.log(peak)) ** 2
    return laws[int(np.argmin(distance))]


@functools.lru_cache(maxsize=4096)
def _winner(law: StudentT, bits: int) -> str:
    """Tensors of a network share the laws of the grid that fit them."""
    return SNAP if quantization_snr(law, bits) > pruning_snr(law, equal_sparsity(bits)) else CUT


def predict(kurtosis: float, peak: float, bits: int, predictor: str) -> str:
    """ "snap" or "cut" at a width, by the predictor "always snap", "kurtosis" or "student".

    Examples
    --------
    >>> predict(3.0, 4.5, 4, "kurtosis"), predict(60.0, 40.0, 4, "kurtosis")
    ('snap', 'cut')
    """
    if predictor == "always snap":
        return SNAP
    if predictor == "kurtosis":
        return SNAP if kurtosis < _threshold(bits) else CUT
    if predictor == "student":
        return _winner(fitted_law(kurtosis, peak), bits)
    raise ValueError(f'predictor must be "always snap", "kurtosis" or "student", got {predictor!r}')


def accuracy(table: Table) -> dict[tuple[str, int], float]:
    """Share of the table's tensors whose winner each predictor names, by (predictor, bits).

    Left out are constant tensors, which have no kurtosis, and those of which neither method wins; nan where
    nothing is left, and at 16 bits, where pruning removes nothing.
    """
    found: dict[tuple[str, int], float] = {}
    for bits in table.bits:
        rows = [row for row in table.rows if math.isfinite(row.kurtosis) and row.winner(bits) != EITHER]
        rows = rows if equal_sparsity(bits) else []
        for predictor in PREDICTORS[:-1]:
            right = [predict(row.kurtosis, row.peak, bits, predictor) == row.winner(bits) for row in rows]
            found[predictor, bits] = float(np.mean(right)) if right else math.nan
        found["empirical", bits] = 1.0 if rows else math.nan  # the definition of the winner
    return found


def lines(table: Table) -> list[dict[str, float]]:
    """:func:`accuracy` as one dict per width, without the exact predictor."""
    found = accuracy(table)
    return [{"bits": bits} | {name: found[name, bits] for name in PREDICTORS[:-1]} for bits in table.bits]


def shapes(size: int = 20_000) -> dict[str, np.ndarray]:
    """Tensors of known laws, by name: quantiles of each at `size` equal steps, in rows of 100.

    Generalized normal (density exp(-|w|^p)), signed lognormal, Student-t, Gaussian with 0.1 or 1 % of its
    weights k times wider, and Gaussian rows whose scales are lognormal.
    """
    u = (np.arange(size) + 0.5) / size
    side = (np.arange(size // 2) + 0.5) / (size // 2)
    found = {}
    for power in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0, 4.0):
        found[f"generalized normal, power {power:g}"] = _both_signs(
            special.gammaincinv(1 / power, side) ** (1 / power)
        )
    for sigma in (0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5):
        found[f"lognormal, sigma {sigma:g}"] = _both_signs(np.exp(sigma * special.ndtri(side)))
    for df in (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0):
        found[f"Student-t, {df:g} df"] = special.stdtrit(df, u)
    for share in (0.001, 0.01):
        count = round(share * size)
        body, outliers = (special.ndtri((np.arange(n) + 0.5) / n) for n in (size - count, count))
        for width in (3, 5, 8, 12, 20, 40):
            found[f"Gaussian, {share:.1%} x {width}"] = np.concatenate([body, width * outliers])
    rows = special.ndtri((np.arange(100) + 0.5) / 100)
    scales = special.ndtri((np.arange(size // 100) + 0.5) / (size // 100))
    for sigma in (0.5, 1.0, 1.5, 2.0):
        found[f"Gaussian rows, sigma {sigma:g}"] = np.exp(sigma * scales)[:, None] * rows
    return {name: values.reshape(-1, 100) for name, values in found.items()}


def _both_signs(magnitudes: np.ndarray) -> np.ndarray:
    return np.concatenate([magnitudes, -magnitudes])
