"""Right values, slow and literal: every weight on its own, in long double, no function of the project."""

from types import SimpleNamespace

import numpy as np
import pytest

LONG = np.longdouble


def energy(values):
    total = LONG(0)
    for w in np.asarray(values, LONG).ravel():
        total += w * w
    return total


def rounding_error(values, bits):
    """Least squared error over the scales of an integer grid: many of them, then finer ones near the best."""
    w = np.asarray(values, LONG).ravel()
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    largest = np.abs(w).max()

    def error(scale):
        return ((w - scale * np.clip(np.rint(w / scale), low, high)) ** 2).sum()

    scales = largest * np.geomspace(LONG(0.9) / (high + 1) / 8, LONG(2), 600)
    for _ in range(6):
        errors = [error(scale) for scale in scales]
        best = int(np.argmin(errors))
        scales = np.linspace(scales[max(best - 2, 0)], scales[min(best + 2, len(scales) - 1)], 60)
    return min(errors)


def pruning_error(values, sparsity):
    """What the ceil(sparsity n) smallest squares sum to."""
    squares = sorted(LONG(w) * LONG(w) for w in np.asarray(values).ravel())
    total = LONG(0)
    for square in squares[: int(np.ceil(sparsity * len(squares)))]:
        total += square
    return total


def decibels(signal, error):
    return float(10 * np.log10(LONG(signal) / LONG(error))) if error else np.inf


@pytest.fixture(scope="session")
def reference():
    return SimpleNamespace(
        energy=energy, rounding_error=rounding_error, pruning_error=pruning_error, decibels=decibels
    )
