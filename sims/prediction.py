"""Predict the winner of a tensor without quantizing it, and count how often that is right.

Three predictors of "snap or cut at b bits", from little to everything:

    kurtosis   snap below the kurtosis at which a Student-t law with 2 degrees of freedom crosses over
    student    the winner for the truncated Student-t law that matches kurtosis and largest magnitude / rms
    empirical  the winner for the tensor's own values: exact, what :func:`sims.weights.analyse` computes
"""

import functools
import math
from collections.abc import Mapping

import numpy as np

from sims.weights import CUT, SNAP, Table
from theory.distributions import StudentT
from theory.snr import crossover_kurtosis, equal_sparsity, pruning_snr, quantization_snr

PREDICTORS = ("kurtosis", "student", "empirical")


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
    kurtosis, peak : of the tensor; the law's scale is its own, which no SNR depends on.

    Examples
    --------
    >>> law = fitted_law(3.0, 4.5)
    >>> law.df > 20, 2.7 < law.kurtosis < 3.3
    (True, True)
    """
    if not (kurtosis > 1 and peak > 1):
        raise ValueError(f"kurtosis and peak must exceed 1, got {kurtosis!r} and {peak!r}")
    laws, log_kurtosis, log_peak = _laws()
    distance = (log_kurtosis - math.log(kurtosis)) ** 2 + 0.25 * (log_peak - math.log(peak)) ** 2
    return laws[int(np.argmin(distance))]


def predict(kurtosis: float, peak: float, bits: int, predictor: str) -> str:
    """ "snap" or "cut" at a width, by the predictor "kurtosis" or "student".

    Examples
    --------
    >>> predict(3.0, 4.5, 4, "kurtosis"), predict(60.0, 40.0, 4, "kurtosis")
    ('snap', 'cut')
    """
    if predictor == "kurtosis":
        return SNAP if kurtosis < _threshold(bits) else CUT
    if predictor == "student":
        law = fitted_law(kurtosis, peak)
        return SNAP if quantization_snr(law, bits) > pruning_snr(law, equal_sparsity(bits)) else CUT
    raise ValueError(f'predictor must be "kurtosis" or "student", got {predictor!r}')


def accuracy(arrays: Mapping[str, np.ndarray], table: Table) -> dict[tuple[str, int], float]:
    """Share of the table's tensors whose winner each predictor names, by (predictor, bits)."""
    found: dict[tuple[str, int], float] = {}
    peaks = {
        row.name: float(np.abs(arrays[row.name]).max() / np.sqrt(np.mean(np.square(arrays[row.name]))))
        for row in table.rows
    }
    for bits in table.bits:
        for predictor in ("kurtosis", "student"):
            right = [
                predict(row.kurtosis, peaks[row.name], bits, predictor) == row.winner(bits)
                for row in table.rows
            ]
            found[predictor, bits] = float(np.mean(right)) if right else math.nan
        found["empirical", bits] = 1.0  # the definition of the winner
    return found
