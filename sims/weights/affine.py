"""Best step and offset of c + s {0, ..., 2^b - 1} for given weights, with a certificate.

Two kinds: any offset, or an integer code that stands for zero. Both searches (:mod:`sims.kernels.affine`)
cover every useful grid by branch and bound on weights split between 65,537 nodes, and say how far from the
optimum they may be; the last rounds are made on the weights themselves. Rows with a grid each take fewer
nodes, 64 for every level, and cost 10 to 150 microseconds at 2 to 4 bits.
"""

import math
from dataclasses import dataclass

import numpy as np

from sims.support.powers import times_power
from theory.codebooks import check_bits
from theory.snr import noise_snr

CELLS = 2**16  # two tables of 0.5 MB, which stay in the cache; at 8 bits they cost 3e-5 of the error
EVALUATIONS = 3_000_000
_ROUNDS = 6
_CANCELLED = 1e-12  # of the energy: sums leave 1e-15 of it where nothing is lost
_ROW_CELLS = 64  # for every level of a row's grid: splitting adds at most 5e-4 of the error of a filled grid
_ROW_EVALUATIONS = 100_000


@dataclass(frozen=True)
class Affine:
    """The best grid c + s {0, ..., 2^b - 1} found.

    Attributes
    ----------
    scale, offset
        s and c.
    zero_point
        Code that stands for zero, c = -s zero_point; None where the offset is free.
    noise
        Error energy over signal energy.
    bound
        Proved lower limit of `noise` over all steps and offsets.
    evaluations
        Grids tried.
    """

    scale: float
    offset: float
    zero_point: int | None
    noise: float
    bound: float
    evaluations: int

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio in dB; inf where the grid holds every value (to 150 dB)."""
        return noise_snr(self.noise)

    @property
    def gap(self) -> float:
        """(noise - bound) / noise, 0 where nothing is lost."""
        return (self.noise - self.bound) / self.noise if self.noise > self.bound else 0.0


class SplitValues:
    """Weights prepared once for any number of widths: centred, normalised, split between nodes.

    Parameters
    ----------
    values
        Real numbers of any shape, finite, at least one.
    """

    def __init__(self, values: np.ndarray) -> None:
        from sims.kernels import affine as kernels

        values = np.asarray(values)
        if values.dtype.kind not in "fiu":
            raise TypeError(f"values must be real numbers, got an array of {values.dtype}")
        if values.size == 0:
            raise ValueError("values must hold at least one weight, got an empty array")
        flat = values.reshape(-1).astype(np.float64)
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("values must be finite, got NaN or infinity")
        self.exponent = math.frexp(max(-low, high))[1]
        times_power(flat, -self.exponent, out=flat)
        self.mean = float(flat.mean())
        flat -= self.mean
        self.values = flat
        self.variance = float(np.mean(flat * flat))
        self.energy = self.variance + self.mean**2  # mean square, normalised
        self.first, self.last = float(flat.min()), float(flat.max())
        self.constant = not self.last - self.first > 0
        if not self.constant:
            self._tails = kernels.split_weights(flat, self.first, self.last, CELLS)

    def optimal(
        self, bits: int, *, zero_point: bool = False, tolerance: float = 1e-4, evaluations: int = EVALUATIONS
    ) -> Affine:
        """Best grid of a width; see :func:`optimal_affine`."""
        from sims.kernels import affine as kernels

        steps = 2 ** check_bits(bits) - 1
        if self.constant:  # one level is enough, on or beside zero
            value = math.ldexp(self.mean, self.exponent)
            if not zero_point:
                return Affine(abs(value) or 1.0, value, None, 0.0, 0.0, 0)
            return Affine(abs(value) or 1.0, min(value, 0.0), int(value < 0), 0.0, 0.0, 0)
        tail0, tail1, moment = self._tails
        added = moment - self.variance  # of splitting
        settings = (tail0, tail1, self.first, self.last, moment)
        if zero_point:
            s, z, _, bound, count = kernels.search_zero(*settings, self.mean, steps, tolerance, evaluations)
            error, s = kernels.polish_zero(self.values, steps, self.variance, self.mean, s, z, _ROUNDS)
            offset, code = -z * s, int(z)
        else:
            s, c, _, bound, count = kernels.search(*settings, steps, tolerance, evaluations)
            starts = ((s, c), ((self.last - self.first) / steps, self.first))  # the ends, if it was cut short
            error, s, c = min(
                kernels.polish(self.values, steps, self.variance, step, offset, _ROUNDS)
                for step, offset in starts
            )
            offset, code = c + self.mean, None
        error = min(self._sure(error, s, offset - self.mean, steps), self.energy)
        noise, least = error / self.energy, max(bound - added, 0.0) / self.energy
        with np.errstate(over="ignore"):  # beyond double precision it is infinite
            scale, offset = (float(np.ldexp(x, self.exponent)) for x in (s, offset))
        return Affine(scale, offset, code, noise, min(least, noise), int(count))

    def ends_noise(self, bits: int, *, zero_point: bool = False) -> float:
        """Share of the energy lost where the first and the last code lie on the least and the largest weight.

        With a zero point the range is that of the weights and 0, as frameworks set it by default.
        """
        from sims.kernels import affine as kernels

        steps = 2 ** check_bits(bits) - 1
        if self.constant:
            return 0.0
        low, high = self.first + self.mean, self.last + self.mean
        if zero_point:
            low, high = min(low, 0.0), max(high, 0.0)
        s = (high - low) / steps
        c = -s * round(-low / s) if zero_point else low
        a, k1, k2 = kernels.weight_sums(self.values, steps, s, c - self.mean)
        offset = c - self.mean
        error = self.variance + offset**2 - 2 * s * (a - offset * k1) + s * s * k2
        return self._sure(error, s, offset, steps) / self.energy

    def _sure(self, error: float, step: float, offset: float, steps: int) -> float:
        """Mean squared error of a grid of the centred weights: one by one where sums of them cancel."""
        if error > _CANCELLED * self.energy:
            return error
        return float(np.mean(_squares(self.values, step, offset, steps)))


def _squares(
    values: np.ndarray, step: float | np.ndarray, offset: float | np.ndarray, steps: int
) -> np.ndarray:
    return (values - offset - step * np.clip(np.rint((values - offset) / step), 0, steps)) ** 2


def optimal_affine(
    values: np.ndarray, bits: int, *, zero_point: bool = False, tolerance: float = 1e-4
) -> Affine:
    """Step s and offset c whose grid c + s {0, ..., 2^b - 1} is nearest to `values` in mean square.

    Parameters
    ----------
    values
        Weights of any shape.
    bits
        b, 1-16; a certificate within `tolerance` needs few levels (up to 8 bits).
    zero_point
        Zero must be a level, c = -s z with an integer z from 0 to 2^b - 1.
    tolerance
        Relative gap between the error reached and its proved lower bound at which the search stops; splitting
        adds 3e-5 of the error at 8 bits.

    Examples
    --------
    >>> w = np.linspace(0.5, 1.5, 1001)
    >>> free, zero = optimal_affine(w, 4), optimal_affine(w, 4, zero_point=True)
    >>> round(free.snr, 1), round(zero.snr, 1), zero.zero_point, free.gap < 2e-4
    (35.2, 31.4, 0, True)
    """
    return SplitValues(values).optimal(bits, zero_point=zero_point, tolerance=tolerance)


@dataclass(frozen=True)
class AffineRows:
    """The best grid of every row, c + s {0, ..., 2^b - 1}.

    Attributes
    ----------
    scale, offset
        s and c of every row.
    error, bound
        Summed squared error of every row, and its proved lower limit over all steps and offsets.
    """

    scale: np.ndarray
    offset: np.ndarray
    error: np.ndarray
    bound: np.ndarray


def affine_rows(
    rows: np.ndarray, bits: int, *, zero_point: bool = False, tolerance: float = 1e-3
) -> AffineRows:
    """:func:`optimal_affine` for every row (output channel) of a matrix, a step and an offset each.

    Parameters
    ----------
    rows
        Weights (fan_out, fan_in), finite.
    bits
        b, 1-16; the search is for few levels: a row takes 0.1 ms at 4 bits and 10 ms at 8.
    zero_point
        Zero must be a level.
    tolerance
        Relative gap at which a row's search stops; splitting adds up to 5e-4 of the error of a filled grid.

    Examples
    --------
    >>> w = np.random.default_rng(0).normal(size=(4, 200)) * np.array([[1], [10], [100], [1000]]) + 2
    >>> found = affine_rows(w, 4)
    >>> bool(np.all(found.error < 1.002 * found.bound)), (found.scale / found.scale[0]).round().astype(int)
    (True, array([   1,   15,  139, 1167]))
    """
    from sims.kernels import affine as kernels

    rows = np.asarray(rows)
    if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"rows must be a matrix of real numbers, got shape {rows.shape} of {rows.dtype}")
    largest = np.abs(rows).max(axis=1).astype(np.float64)
    if not np.isfinite(largest).all():
        raise ValueError("rows must be finite, got NaN or infinity")
    exponent = np.frexp(largest)[1][:, None]
    unit = np.ldexp(rows.astype(np.float64), -exponent)
    levels = 2 ** check_bits(bits)
    found = kernels.row_grids(
        unit, levels - 1, zero_point, _ROW_CELLS * levels, tolerance, _ROW_EVALUATIONS, _ROUNDS
    )
    exact = np.flatnonzero((found[2] <= _CANCELLED * np.sum(unit**2, axis=1)) & (found[2] != 0))
    lost = _squares(unit[exact], found[0, exact, None], found[1, exact, None], levels - 1)
    found[2, exact] = np.sum(lost, axis=1)
    found[3] = np.minimum(found[3], found[2])
    with np.errstate(over="ignore"):  # beyond double precision it is infinite
        return AffineRows(*np.ldexp(found[:2], exponent[:, 0]), *np.ldexp(found[2:], 2 * exponent[:, 0]))
