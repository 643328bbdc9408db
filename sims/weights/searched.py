"""Measured laws of formats that have no closed one: searched scales, ends of what n:m keeps."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sims.weights.formats import noise
from theory.arguments import whole
from theory.distributions import Distribution
from theory.formats import Format
from theory.formats.laws import format_error
from theory.snr import decibel

ROWS, COLUMNS = 64, 256  # of a drawn tensor: blocks up to 256


@dataclass(frozen=True)
class MeasuredError:
    """Mean squared error of a format, drawn.

    Attributes
    ----------
    value, standard_error
        E (W - F(W))^2, and how far it may be off.
    signal
        E W^2 of the law.
    """

    value: float
    standard_error: float
    signal: float

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio in dB."""
        return decibel(self.signal, self.value)

    @property
    def snr_error(self) -> float:
        """Standard error of :attr:`snr`, in dB."""
        return 10 / math.log(10) * self.standard_error / self.value


def measured_error(law: Distribution, form: Format, *, tensors: int = 64, seed: int = 0) -> MeasuredError:
    """E (W - F(W))^2 of independent weights by drawing, with its standard error.

    Where the scale is searched, what is drawn is the difference to the rule of the largest magnitude, whose
    error is known exactly: most of the chance is common to both.

    Parameters
    ----------
    tensors
        Drawn tensors of 64 rows of 256 weights, at least 2.

    Examples
    --------
    >>> from theory.distributions import Gaussian
    >>> found = measured_error(Gaussian(), Format("Q4_0 mse", "flipped4", 4, block=32, rule="search"))
    >>> round(found.snr, 1), found.snr_error < 0.01
    (21.9, True)
    """
    rng, known = np.random.default_rng(seed), 0.0
    lost: Callable[[np.ndarray], float] = lambda w: noise(w, form)  # noqa: E731
    if form.rule == "search":
        rule = replace(form, rule="max", scale="free" if form.scale == "half" else form.scale)
        known = format_error(law, rule, ROWS * COLUMNS)
        lost = lambda w: noise(w, form) - noise(w, rule)  # noqa: E731
    drawn = []
    for _ in range(whole("tensors", tensors, 2)):
        w = np.asarray(law.ppf(rng.random((ROWS, COLUMNS))))
        drawn.append(lost(w) * np.mean(w**2))
    error = float(np.std(drawn, ddof=1)) / math.sqrt(tensors)
    return MeasuredError(known + float(np.mean(drawn)), error, law.second_moment)
