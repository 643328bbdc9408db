"""Random tensors of a law, rounded to a format and pruned to the same size: medians beside the laws."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np

from sims.montecarlo import growing_medians
from sims.montecarlo.quantiles import Quantile
from sims.support.row import Row
from sims.weights.formats import noise
from sims.weights.network import CUT, SNAP
from sims.weights.rotation import rotate
from sims.weights.scales import Values, pruning_snr
from theory import distributions, snr
from theory.arguments import choice, whole
from theory.distributions import Distribution
from theory.formats import Format, family
from theory.formats.laws import format_snr
from theory.snr.ratio import HIGH_PRECISION

LAWS = ("gaussian", "laplace", "uniform", "student-t")
COLUMNS = 256  # weights of a row; groups and rotations run along rows
BLOCK = 64  # tensors per stream


def named_law(weights: str, df: float = 2.0, bound: float = 30.0) -> Distribution:
    """The weight law of that name; `df` and `bound` are those of the truncated Student-t law.

    Examples
    --------
    >>> named_law("student-t", 2.0, 30.0)
    StudentT(df=2.0, bound=30.0)
    """
    match choice("weights", weights, LAWS):
        case "gaussian":
            return distributions.Gaussian()
        case "laplace":
            return distributions.Laplace(1.0)
        case "uniform":
            return distributions.Uniform(1.0)
    return distributions.StudentT(df, bound)


@dataclass(frozen=True)
class Setting:
    """A weight law, and what is done to it at any width.

    Attributes
    ----------
    law
        Of independent weights.
    codes, group, scale
        As in :func:`theory.formats.family`.
    rotated
        Whether rows are rotated before, which leaves their law nearly Gaussian.
    mask
        Whether pruning pays one bit per weight for saying which are kept.
    size
        Weights of a tensor, a multiple of 256.
    """

    law: Distribution
    codes: str = "twos-complement"
    group: int = 0
    scale: str = "float16"
    rotated: bool = False
    mask: bool = False
    size: int = 4096

    def __post_init__(self) -> None:
        if whole("size", self.size, COLUMNS) % COLUMNS:
            raise ValueError(f"size must be a multiple of {COLUMNS}, got {self.size}")

    def form(self, bits: int) -> Format:
        """The format at a width."""
        return family(self.codes, bits, self.group, self.scale)

    def sparsity(self, bits: int) -> float:
        """Sparsity at which pruned 16-bit weights take as much room as the format."""
        stored = self.form(bits).stored_bits - (1 if self.mask else 0)
        return max(0.0, 1 - stored / HIGH_PRECISION)

    @property
    def stored_law(self) -> Distribution:
        """The law of what is stored: after a long rotation a Gaussian of the same power."""
        if not self.rotated:
            return self.law
        return distributions.Gaussian(math.sqrt(self.law.second_moment))

    def ratios(self, bits: int) -> tuple[float, float]:
        """SNR in dB of rounding and of pruning by their laws."""
        return _ratios(self, bits)


@lru_cache(maxsize=512)  # every redrawing of a page asks for all widths
def _ratios(setting: Setting, bits: int) -> tuple[float, float]:
    law = setting.stored_law
    return (
        format_snr(law, setting.form(bits), setting.size),
        snr.pruning_snr(law, setting.sparsity(bits)),
    )


def growing_ratios(
    setting: Setting,
    widths: Sequence[int],
    *,
    seed: int,
    trials: int,
    level: float = 0.99,
    width: float | None = None,
) -> Iterator[tuple[int, list[tuple[Quantile, Quantile]]]]:
    """Median SNR of rounding and pruning over drawn tensors, after every 64: (tensors, pair by width).

    Stops when both intervals of the first of `widths` are narrow enough (`width`, in dB).
    """
    forms = [(setting.form(bits), setting.sparsity(bits)) for bits in widths]

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        found = np.empty((count, 2 * len(forms)))
        for tensor in found:
            rows = np.asarray(setting.law.ppf(rng.random(setting.size))).reshape(-1, COLUMNS)
            rows = rotate(rows) if setting.rotated else rows
            values = Values(rows)
            ratios = [(snr.noise_snr(noise(rows, form, values)), pruning_snr(values, c)) for form, c in forms]
            tensor[:] = np.ravel(ratios)
        return found

    growing = growing_medians(
        sample,
        trials,
        seed=seed,
        key=("snr", repr(setting.law), setting.size),
        block=BLOCK,
        level=level,
        width=width,
        watched=2,
    )
    for tensors, medians in growing:
        yield tensors, list(zip(medians[::2], medians[1::2], strict=True))


def rows(
    setting: Setting, bits: int, tensors: int = 0, medians: tuple[Quantile, Quantile] | None = None
) -> list[Row]:
    """Both ratios at a width, measured and by their laws, and what goes with them."""
    form, sparsity, law = setting.form(bits), setting.sparsity(bits), setting.stored_law
    quantized, pruned = setting.ratios(bits)
    names = (f"SNR of {form.name} (dB)", f"SNR of pruning {100 * sparsity:.4g} % (dB)")
    found = []
    for index, (name, ratio) in enumerate(zip(names, (quantized, pruned), strict=True)):
        if medians is None:
            found.append(Row.law(name, ratio, "law"))
            continue
        source = f"median of {tensors} tensors of {setting.size}"
        found.append(Row(name, *medians[index], theory=ratio, source=source, trials=tensors))
    found += [
        Row.law("rounding above pruning (dB)", quantized - pruned, SNAP if quantized > pruned else CUT),
        Row.law("stored bits per weight", form.stored_bits, form.name),
    ]
    if not setting.group and setting.codes in ("twos-complement", "symmetric"):
        grid = choice("grid", setting.codes, get_args(snr.Grid))
        zeros = snr.natural_zeros(law, bits, grid=grid)
        found.append(Row.law("weights that rounding sends to zero", zeros, "law"))
    kurtosis = "after the rotation" if setting.rotated else "3 for the Gaussian"
    return [*found, Row.law("kurtosis", law.kurtosis, kurtosis)]


def simulate(setting: Setting, bits: int, *, trials: int, seed: int, **options) -> list[Row]:
    """Rows of `snapcut simulate snr`: `trials` random tensors at most, options as in `growing_ratios`.

    Examples
    --------
    >>> setting = Setting(distributions.Gaussian(), "symmetric", group=32)
    >>> first, *_ = simulate(setting, 4, trials=64, seed=0)
    >>> first.quantity, round(first.theory, 2), abs(first.measured - first.theory) < 0.1
    ('SNR of INT4 symmetric g32 (dB)', 20.26, True)
    """
    *_, (tensors, ((rounded, pruned),)) = growing_ratios(
        setting, (bits,), seed=seed, trials=trials, **options
    )
    return rows(setting, bits, tensors, (rounded, pruned))
