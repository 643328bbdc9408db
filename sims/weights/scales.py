"""Signal-to-noise ratio of given weights: optimal scales with a certificate, quantization and pruning.

    MSE(s) = (1/n) sum_i (w_i - s l(w_i))^2,    l(w) the codebook level nearest to w/s

The scale that minimises it is found by branch and bound (:func:`sims.kernels.snr.optimal_scale`): the values
are sorted once, a scale then costs one look-up per level, and a proved lower bound accompanies the result.
:mod:`theory.snr` holds the same quantities for distributions.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sims.support.powers import times_power
from theory.arguments import share_count, share_of_zeros
from theory.codebooks import Codebook, Grid, check_bits, integer_codebook
from theory.snr import decibel, noise_snr, pruned_count

if TYPE_CHECKING:
    from sims.kernels import snr as kernels

COUNTED = 2**22  # from this size on, values of bfloat16 are counted rather than sorted
CHUNK = 2**20  # values looked at together where all of them would need a copy
BESIDE = 2**12, 2**22  # fewest and most values for which a copy is made to sort them: 16 MB
EVALUATIONS = 200_000  # per codebook; thousands of times what 8 bits need


@dataclass(frozen=True)
class Scale:
    """The best scale of a codebook for given values.

    Attributes
    ----------
    scale
        The step s.
    noise
        Error energy over signal energy at `scale`, MSE / mean(w^2).
    bound
        Proved lower limit of `noise` over all scales s > 0; within `tolerance` of it, or of 1e-13
        (130 dB), unless the evaluations ran out.
    evaluations
        Scales tried.
    """

    scale: float
    noise: float
    bound: float
    evaluations: int

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio in dB; inf where the codebook holds every value (to 150 dB)."""
        return noise_snr(self.noise)


@dataclass(frozen=True)
class AtWidth:
    """A tensor at one width: on the integer grid, and pruned to the same size.

    Attributes
    ----------
    quantized
        The best scale of the two's complement grid.
    zeros
        Share of the weights it rounds to zero, halves included; where zero is the last level (1 bit is
        {-1, 0}), everything beyond counts, too.
    pruned
        Share of the energy in the smallest magnitudes.
    """

    quantized: Scale
    zeros: float
    pruned: float


class Values:
    """Weights prepared once for any number of codebooks and sparsities.

    Sorted magnitudes of both signs (one copy of the values, in float32 where that holds them), prefix sums at
    every 16th element and a bucket table of at most 32 MB. Values are normalised by a power of two, so that
    neither huge nor tiny ones overflow when squared.

    Parameters
    ----------
    values
        Real numbers of any shape, finite, at least one.
    overwrite
        Sort the values where they are; a copy takes their place otherwise.

    Raises
    ------
    ValueError
        Empty, NaN or infinity.
    TypeError
        Not real numbers.
    """

    def __init__(self, values: np.ndarray, *, overwrite: bool = False) -> None:
        from sims.kernels import snr as kernels

        values = np.asarray(values)
        if values.dtype.kind not in "fiu" and values.size:
            raise TypeError(f"values must be real numbers, got an array of {values.dtype}")
        if values.size == 0:
            raise ValueError("values must hold at least one weight, got an empty array")
        wanted = np.dtype(np.float32 if values.dtype in (np.float32, np.float16) else np.float64)
        mine = overwrite and values.flags.writeable and values.flags.c_contiguous
        magnitudes = None if mine else _narrowed(values.reshape(-1))
        if magnitudes is None:
            with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
                magnitudes = values.reshape(-1).astype(wanted, copy=not mine)
        _sort(magnitudes)
        # NaN sorts last
        if not (math.isfinite(magnitudes[0]) and math.isfinite(magnitudes[-1])):
            raise ValueError("values must be finite, got NaN or infinity")
        largest = max(-float(magnitudes[0]), float(magnitudes[-1]))
        self.exponent = math.frexp(largest)[1] if largest else 0
        times_power(magnitudes, -self.exponent, out=magnitudes)
        zero = int(np.searchsorted(magnitudes, magnitudes.dtype.type(0), side="left"))  # no cast, no copy
        kernels.fold(magnitudes, zero)
        self.size = values.size
        self.positive, self.negative = magnitudes[zero:], magnitudes[:zero]
        self._sides = tuple(
            kernels.Side(side, *kernels.prepare(side, max(1, min(side.size // 2, 2**20))))
            for side in (self.positive, self.negative)
        )
        self.energy = float(sum(side.p2[-1] for side in self._sides))  # normalised

    @property
    def zero_count(self) -> int:
        """How many of the values are zero."""
        return int(np.searchsorted(self.positive, self.positive.dtype.type(0), side="right"))

    @property
    def second_moment(self) -> float:
        """Mean square of the values."""
        with np.errstate(over="ignore"):  # beyond double precision it is infinite
            return float(np.ldexp(self.energy / self.size, 2 * self.exponent))

    @property
    def peak(self) -> float:
        """Largest magnitude over the root mean square; nan where all values are zero."""
        if self.energy == 0:
            return math.nan
        largest = max(float(side[-1]) for side in (self.positive, self.negative) if side.size)
        return largest / math.sqrt(self.energy / self.size)

    def optimal_scale(
        self, levels: np.ndarray | Codebook, tolerance: float = 1e-6, evaluations: int = EVALUATIONS
    ) -> Scale:
        """Best scale of a codebook that holds zero; see :func:`optimal_scale`."""
        from sims.kernels import snr as kernels

        codebook = levels if isinstance(levels, Codebook) else Codebook(levels)
        if codebook.anchor != 0:
            raise ValueError("levels must hold 0")
        if self.energy == 0:
            return Scale(1.0, 0.0, 0.0, 0)
        scale, error, bound, count = kernels.optimal_scale(
            self._sides[0],
            self._sides[1],
            _levels(*codebook.above, codebook.levels[-1]),
            _levels(*codebook.below, -codebook.levels[0]),
            tolerance,
            evaluations,
        )
        return Scale(self._own(scale), error / self.energy, bound / self.energy, count)

    def _own(self, scale: float) -> float:
        """A scale of the normalised values in their own unit; infinite beyond double precision."""
        with np.errstate(over="ignore"):
            return float(np.ldexp(scale, self.exponent))

    def at_widths(self, bits: Sequence[int], sparsities: Sequence[float]) -> list[AtWidth]:
        """What :func:`integer_scale` finds for every width, and the noise of pruning to its sparsity.

        One call for all widths: threads that judge tensors side by side rarely wait for each other.
        """
        from sims.kernels import snr_rows as kernels

        widths = np.array([check_bits(width) for width in bits], dtype=np.int64)
        counts = share_count(np.array([share_of_zeros(share) for share in sparsities]), self.size)
        positive, negative = self._sides
        found = kernels.judge_widths(positive, negative, widths, counts, 1e-6, _limits(widths))
        unit = self.energy or 1.0
        return [
            AtWidth(
                Scale(self._own(s), error / unit, bound / unit, int(tried)), zeros / self.size, lost / unit
            )
            for s, error, bound, tried, zeros, lost in found.tolist()
        ]

    def pruning_noise(self, count: int) -> float:
        """Share of the energy in the `count` smallest magnitudes."""
        from sims.kernels import snr as kernels

        if not 0 <= count <= self.size:
            raise ValueError(f"count must be 0 to {self.size}, the number of values, got {count}")
        if self.energy == 0:
            return 0.0
        return kernels.smallest_squares(self._sides[0], self._sides[1], count) / self.energy


def _narrowed(values: np.ndarray) -> np.ndarray | None:
    """A copy in float32 if that changes no value, as of a checkpoint read as float64: half the memory."""
    from sims.kernels.values import narrow

    if values.dtype != np.float64 or not values.flags.c_contiguous:
        return None
    out = np.empty(values.size, np.float32)
    return out if narrow(values, out) else None


@functools.cache
def _numpy_sorts_slowly() -> bool:
    """On AMD's Zen 4, whose stores of packed numbers NumPy's sort by AVX-512 waits for: docs/speed.md."""
    from llvmlite.binding import get_host_cpu_name

    return get_host_cpu_name() == "znver4"


def _sort(values: np.ndarray) -> None:
    """Sort in place; float32 values that came from bfloat16 are counted, which takes a fifth of the time.

    Their lower 16 bits are zero, so there are at most 65,536 of them. Smaller tensors are sorted by a kernel
    where NumPy is slow. NaN comes last.
    """
    if values.dtype == np.float32 and BESIDE[0] <= values.size < BESIDE[1] and _numpy_sorts_slowly():
        from sims.kernels.values import sort_floats

        sort_floats(values.view(np.uint32), np.empty(values.size, np.uint32))
        return
    if values.dtype != np.float32 or values.size < COUNTED:
        values.sort()
        return
    bits = values.view(np.uint32)
    chunks = [bits[first : first + CHUNK] for first in range(0, bits.size, CHUNK)]
    if any((chunk & np.uint32(0xFFFF)).any() for chunk in chunks):
        values.sort()
        return
    counts = np.zeros(2**16, dtype=np.int64)
    for chunk in chunks:
        counts += np.bincount(chunk >> np.uint32(16), minlength=2**16)
    present = np.flatnonzero(counts)
    numbers = (present.astype(np.uint32) << np.uint32(16)).view(np.float32)
    first = 0
    for k in np.argsort(numbers, kind="stable"):
        values[first : first + counts[present[k]]] = numbers[k]
        first += int(counts[present[k]])


def _levels(thresholds: np.ndarray, gaps: np.ndarray, top: float) -> "kernels.Levels":
    """One side of a codebook for the kernels; on the integers 0, 1, ... they round without a search."""
    from sims.kernels import snr as kernels

    uniform, m = bool((gaps == 1.0).all()), thresholds.size
    scratch = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m + kernels.FOUR + 1)
    # one layout: kernels are compiled once
    return kernels.Levels(thresholds, np.ascontiguousarray(gaps), float(top), uniform, *scratch)


def optimal_scale(values: np.ndarray, levels: np.ndarray | Sequence[float], tolerance: float = 1e-6) -> Scale:
    """The scale s > 0 whose codebook s * levels is nearest to `values` in mean square, with a certificate.

    Parameters
    ----------
    values
        Weights of any shape.
    levels
        Codebook before scaling, holding 0; ``theory.snr.integer_levels(bits)`` for integers.
    tolerance
        Relative gap between the error reached and the proved lower bound at which the search stops.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> found = optimal_scale(np.array([-2.0, 1.0, 2.0, 3.0]) * 0.7, integer_levels(3))
    >>> round(found.scale, 12), found.snr
    (0.7, inf)
    """
    return Values(values).optimal_scale(np.asarray(levels, dtype=np.float64), tolerance)


def quantize(values: np.ndarray, levels: np.ndarray, scale: float) -> np.ndarray:
    """Nearest of scale * levels to every value, in float64; ties go down.

    Examples
    --------
    >>> from theory.codebooks import integer_levels
    >>> quantize(np.array([-9.0, 0.2, 0.8]), integer_levels(2), 1.0)
    array([-2.,  0.,  1.])
    """
    levels = np.unique(np.asarray(levels, dtype=np.float64))
    thresholds = (levels[1:] + levels[:-1]) / 2 * scale
    return scale * levels[np.searchsorted(thresholds, np.asarray(values, dtype=np.float64), side="left")]


def integer_scale(values: "np.ndarray | Values", bits: int, grid: Grid = "twos-complement") -> Scale:
    """Certified best scale of the `bits`-bit integer grid.

    Up to 8 bits the certificate is complete. Above, errors change codes so often that a proof would try a
    scale per weight and level: 500 evaluations are spent, and `bound` says how far the proof got.
    """
    prepared = values if isinstance(values, Values) else Values(values)
    return prepared.optimal_scale(integer_codebook(bits, grid), evaluations=int(_limits(bits)))


def _limits(bits: ArrayLike) -> np.ndarray:
    return np.where(np.asarray(bits) <= 8, EVALUATIONS, 500)


def integer_codes(values: np.ndarray, bits: int, grid: Grid = "twos-complement") -> tuple[np.ndarray, Scale]:
    """Integers k with s k nearest to every value, halves to the even one, and the certified best scale s.

    Examples
    --------
    >>> codes, scale = integer_codes(np.array([[0.9, -0.1], [-1.1, 1.0]]), 2, "symmetric")
    >>> codes
    array([[ 1,  0],
           [-1,  1]])
    """
    values = np.asarray(values, dtype=np.float64)
    # In a unit near the largest: the step of the least numbers there are would be rounded to zero.
    exponent = math.frexp(float(np.abs(values).max(initial=0.0)))[1]
    values = times_power(values, -exponent)
    found = integer_scale(values, bits, grid)
    levels = integer_codebook(bits, grid).levels
    codes = np.clip(np.rint(values / found.scale), levels[0], levels[-1]).astype(np.int64)
    return codes, replace(found, scale=math.ldexp(found.scale, exponent))


def quantization_snr(values: "np.ndarray | Values", bits: int, grid: Grid = "twos-complement") -> float:
    """SNR in dB of `values` on the integer grid of `bits` bits at the certified best scale.

    Examples
    --------
    >>> round(quantization_snr(np.linspace(-1, 1, 1001), 4), 2)
    23.52
    """
    return integer_scale(values, bits, grid).snr


def pruning_snr(values: "np.ndarray | Values", sparsity: float) -> float:
    """SNR in dB of `values` without the ceil(sparsity n) smallest magnitudes.

    Examples
    --------
    >>> round(pruning_snr(np.array([3.0, -4.0]), 0.5), 4) == round(10 * math.log10(25 / 9), 4)
    True
    """
    prepared = values if isinstance(values, Values) else Values(values)
    return decibel(1.0, prepared.pruning_noise(pruned_count(prepared.size, share_of_zeros(sparsity))))
