"""Number formats applied to real tensors: noise, stored bits, and the best format under a budget.

The laws of the same formats for independent weights are in :mod:`theory.formats`.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sims.support.output import plain
from sims.support.powers import times_power
from sims.weights.axes import rows_of
from sims.weights.masks import pruned
from sims.weights.scales import EVALUATIONS, Values
from theory import storage
from theory.codebooks import check_bits
from theory.formats import FORMATS, WITHOUT_LAW, Format, block_scale, codebook
from theory.snr import noise_snr, pruned_count

WIDTHS = tuple(range(2, 9))
_MOST_ZEROS = 1 - 2**-40  # a share of zeros is below 1
EVERY = (*FORMATS, *WITHOUT_LAW)
AFFINE_EVALUATIONS = 12_000
_CHUNK = 2**15
CERTIFIED_ROWS = (2, 3, 4)  # widths at which a search per row is cheap


@dataclass(frozen=True)
class Stored:
    """A tensor in a format: `bits` per weight as stored, metadata counted, and its SNR in dB."""

    name: str
    bits: float
    snr: float

    def as_dict(self) -> dict:
        """Plain values, ready for JSON; an infinite ratio becomes None."""
        return plain({"name": self.name, "stored_bits": self.bits, "snr": self.snr})


class Rows:
    """A tensor for many formats: its rows, normalised, and what the last mask left of them.

    Parameters
    ----------
    array
        Weights, the first axis that of the outputs.
    prepared
        The same weights, prepared already.
    """

    def __init__(self, array: np.ndarray, prepared: Values | None = None) -> None:
        self.array, self.prepared = array, prepared or Values(array)
        self._mask: tuple | None = None

    @functools.cached_property
    def values(self) -> np.ndarray:
        """Float64 (outputs, everything else), of the order of 1."""
        rows = rows_of(self.array).astype(np.float64, order="C")  # one layout: kernels are compiled once
        return times_power(rows, -self.prepared.exponent, out=rows)

    def pruned(self, form: Format) -> tuple[np.ndarray, float]:
        """What the pruning of a format leaves, zeros elsewhere, and the energy of what it cuts."""
        from sims.kernels import formats as kernels

        mask = form.keep, form.group, form.sparsity
        if self._mask != mask:
            self._mask, self._left = mask, pruned(self.values, form)
            self._rest: Values | None = None
            self._lost = float(kernels.squared_difference(self.values, self._left))
        return self._left, self._lost

    def rest(self) -> Values | None:
        """What the last mask left, prepared; None where it left nothing."""
        if self._rest is None:
            kept = self._left[self._left != 0]
            self._rest = Values(kept) if kept.size else None
        return self._rest


def channel_snr(
    array: np.ndarray, bits: Sequence[int] = range(2, 9), prepared: Values | None = None
) -> list[float]:
    """SNR in dB of integers with a scale of least error per row (output channel), one per width.

    Every scale is certified like those of :func:`sims.weights.scales.integer_scale`: error within 1e-6 of
    its proved lower bound, or of 1e-13 of the row's energy.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(8, 500)) * np.array([1, 1, 1, 1, 50, 50, 50, 50])[:, None]
    >>> from sims.weights.scales import quantization_snr
    >>> channel_snr(rows, [4])[0] > quantization_snr(rows, 4)
    True
    """
    from sims.kernels import snr_rows as kernels

    prepared = prepared or Values(array)
    widths = np.array([check_bits(width) for width in bits], dtype=np.int64)
    if prepared.energy == 0:
        return [math.inf] * widths.size
    errors, _ = kernels.row_errors(Rows(array, prepared).values, widths, 1e-6, EVALUATIONS, kernels.SHORT)
    return [noise_snr(ratio) for ratio in errors.sum(axis=0) / prepared.energy]


def noise(array: np.ndarray, form: Format, prepared: Values | None = None) -> float:
    """Error energy over signal energy of a tensor in a format; blocks and groups run along its rows.

    What remains of a row after the last whole n:m group is kept.

    Examples
    --------
    >>> two_four = next(form for form in FORMATS if form.name == "2:4")
    >>> noise(np.array([[3.0, 1.0, -4.0, 2.0]]), two_four) == 5 / 30
    True
    """
    return rows_noise(Rows(array, prepared), form)


def rows_noise(rows: Rows, form: Format) -> float:
    """:func:`noise` of a tensor that meets many formats; those of one mask best come one after the other."""
    prepared = rows.prepared
    if prepared.energy == 0:
        return 0.0
    if form.prunes:
        return _pruned_noise(rows, form)
    if form.block:
        return _block_errors(rows.values, form, prepared.exponent) / prepared.energy
    if form.offset:
        from sims.weights.affine import SplitValues

        return SplitValues(rows.array).optimal(form.bits, zero_point=form.offset == "zero").noise
    return prepared.optimal_scale(codebook(form.codes)).noise


def _pruned_noise(rows: Rows, form: Format) -> float:
    """What is cut, and the error of what is kept: they add, since they lie on different weights."""
    prepared = rows.prepared
    if not form.codes and form.sparsity:
        count = max(pruned_count(prepared.size, form.sparsity), prepared.zero_count)
        return prepared.pruning_noise(count)
    left, lost = rows.pruned(form)
    if form.block:
        lost += _block_errors(left, form, prepared.exponent)
    elif form.codes and (rest := rows.rest()) is not None:
        error = rest.optimal_scale(codebook(form.codes)).noise * rest.energy
        lost += math.ldexp(error, 2 * rest.exponent)
    return lost / prepared.energy


def _block_errors(rows: np.ndarray, form: Format, exponent: int) -> float:
    """Summed squared error of normalised rows in blocks, of what is kept where some are pruned."""
    from sims.kernels import formats as kernels

    if form.rule == "search":
        return _searched(rows, form)
    if form.offset == "zero":
        return float(kernels.zero_point_errors(rows, form.block, 2**form.bits - 1, np.ones(1)).sum())
    if form.scale == "half":
        return _half_errors(rows, form, exponent)
    if form.offset or form.codes.startswith("flipped"):
        from sims.weights.encoding import encode_blocks

        return _lost(rows, encode_blocks(rows, form), form)
    largest = kernels.block_maxima(rows, form.block)
    scales = block_scale(form, largest, float(largest.max()))
    return float(kernels.block_errors(rows, form.block, codebook(form.codes).levels, scales).sum())


def _half_errors(rows: np.ndarray, form: Format, exponent: int) -> float:
    """Float16 has smallest and largest numbers: these formats know the unit of the weights."""
    from sims.weights.encoding import encode_blocks

    step, total = max(1, _CHUNK // rows.shape[1]), 0.0
    for first in range(0, rows.shape[0], step):  # a part at a time stays in the cache
        part = rows[first : first + step]
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float16 there is nothing to restore
            restored = encode_blocks(times_power(part, exponent).astype(np.float32), form)
        if not np.isfinite(restored).all():
            return math.inf
        total += _lost(part, times_power(restored, -exponent), form)
    return total


def _lost(rows: np.ndarray, found: np.ndarray, form: Format) -> float:
    """Summed squared error; a mask restores zeros also where the block has no level there."""
    from sims.kernels.formats import squared_difference

    masked = form.prunes and form.offset == "float"
    return float(squared_difference(rows, np.where(rows == 0, 0.0, found) if masked else found))


SHRUNK = np.array(
    [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6]
)  # of a block's range or largest magnitude


def _searched(rows: np.ndarray, form: Format) -> float:
    """Every block at the best of a few scales; integers without an offset at the certified best one."""
    from sims.kernels import formats as kernels
    from sims.kernels import snr_rows

    if form.offset:
        return float(kernels.zero_point_errors(rows, form.block, 2**form.bits - 1, SHRUNK).sum())
    if form.codes.startswith("flipped"):
        width = -(-rows.shape[1] // form.block) * form.block
        blocks = np.zeros((rows.shape[0], width))
        blocks[:, : rows.shape[1]] = rows
        blocks = blocks.reshape(-1, form.block)
        both = [
            snr_rows.row_errors(sign * blocks, np.array([form.bits]), 1e-3, EVALUATIONS, snr_rows.SHORT)[0]
            for sign in (1.0, -1.0)
        ]
        return float(np.minimum(*both).sum())
    largest = kernels.block_maxima(rows, form.block)
    peak, levels = float(largest.max()), codebook(form.codes).levels
    factors = (0.5, 1.0, 2.0) if form.scale == "power" else SHRUNK
    best = np.full(largest.shape, np.inf)
    for factor in factors:
        scales = block_scale(form, factor * largest, peak)
        best = np.minimum(best, kernels.block_errors(rows, form.block, levels, scales))
    return float(best.sum())


def affine(array: np.ndarray) -> list[Stored]:
    """Integers with one step and one offset for the whole tensor, both of least error: "INT4 + offset".

    "asym" has an integer zero point, so that zero is a level; "min-max" is the rule of the ends. The searches
    end after `AFFINE_EVALUATIONS` grids, when 8 bits are proved to a few percent only.

    Examples
    --------
    >>> found = {one.name: one for one in affine(np.random.default_rng(0).uniform(0.5, 1.5, (50, 50)))}
    >>> [round(found[name].snr, 1) for name in ("INT4 + offset", "INT4 asym", "INT4 asym min-max")]
    [35.3, 31.4, 31.2]
    """
    from sims.weights.affine import SplitValues

    split, found = SplitValues(array), []
    for bits in WIDTHS:
        for name, zero in (("+ offset", False), ("asym", True)):
            one = split.optimal(bits, zero_point=zero, evaluations=AFFINE_EVALUATIONS)
            found.append(Stored(f"INT{bits} {name}", bits, one.snr))
        ends = split.ends_noise(bits, zero_point=True)
        found.append(Stored(f"INT{bits} asym min-max", bits, noise_snr(ends)))
    return found


def channel_affine(array: np.ndarray, prepared: Values | None = None) -> list[Stored]:
    """Integers with a step and an offset per row (output channel): "INT4 per channel asym".

    "asym" has an integer zero point, from the ends of the row and 0; "asym mse" (2 to 4 bits) and "+ offset"
    (4 bits, any offset) are of least error, each row by the certified search of
    :func:`sims.weights.affine.affine_rows`.

    Examples
    --------
    >>> w = np.random.default_rng(0).uniform(0.5, 1.5, (50, 64)) * np.geomspace(1, 9, 50)[:, None]
    >>> [f"{one.name} {one.snr:.1f}" for one in channel_affine(w, Values(w)) if one.name.startswith("INT4")]
    ['INT4 per channel asym 31.2', 'INT4 per channel asym mse 31.9', 'INT4 per channel + offset 36.0']
    """
    from sims.kernels import formats as kernels
    from sims.weights.affine import affine_rows

    prepared = prepared or Values(array)
    rows, found = Rows(array, prepared).values, []
    columns, energy = rows.shape[1], prepared.energy

    def add(name: str, bits: int, offset_bits: int, lost: float) -> None:
        stored = storage.bits_per_weight("block", bits=bits, block=columns, scale_bits=16 + offset_bits)
        found.append(Stored(name, stored, noise_snr(lost / energy if energy else 0.0)))

    for bits in WIDTHS:
        ends = kernels.zero_point_errors(rows, columns, 2**bits - 1, np.ones(1)).sum()
        add(f"INT{bits} per channel asym", bits, bits, float(ends))
        if bits in CERTIFIED_ROWS:
            best = affine_rows(rows, bits, zero_point=True)
            add(f"INT{bits} per channel asym mse", bits, bits, float(best.error.sum()))
    add("INT4 per channel + offset", 4, 16, float(affine_rows(rows, 4).error.sum()))
    return found


def compare(
    array: np.ndarray, formats: Sequence[Format] = EVERY, prepared: Values | None = None
) -> list[Stored]:
    """Every format, integers with a scale per channel, and (of `EVERY`) affine ones, whole or per channel.

    By stored bits.

    Examples
    --------
    >>> found = compare(np.random.default_rng(0).normal(size=(64, 256)))
    >>> max((f for f in found if f.bits <= 4.25), key=lambda f: f.snr).name
    'NF4 b64'
    """
    prepared = prepared or Values(array)
    columns, zeros = rows_of(array).shape[1], prepared.zero_count / prepared.size
    rows, ratios, found = Rows(array, prepared), {}, []
    for form in sorted(formats, key=lambda form: (form.keep, form.group, form.sparsity)):
        ratios[form.name] = noise_snr(rows_noise(rows, form))
    for form in formats:
        snr = ratios[form.name]
        bits = form.stored_bits_in_rows(columns)
        if form.sparsity and form.sparsity < zeros:  # what is zero already is pruned without loss
            bits = replace(form, sparsity=min(zeros, _MOST_ZEROS)).stored_bits_in_rows(columns)
        found.append(Stored(form.name, bits, snr))
    for bits, snr in zip(WIDTHS, channel_snr(array, WIDTHS, prepared), strict=True):
        stored = storage.bits_per_weight("block", bits=bits, block=columns, scale_bits=16)
        found.append(Stored(f"INT{bits} per channel", stored, snr))
    if formats is EVERY:
        found += [*affine(array), *channel_affine(array, prepared)]
    order = {one.name: i for i, one in enumerate(found)}  # of equals those come first that prune nothing
    return sorted(
        found + _own_zeros(prepared, zeros),
        key=lambda one: (one.bits, -one.snr, one.name.startswith("prune"), order.get(one.name, len(order))),
    )


def _own_zeros(prepared: Values, zeros: float) -> list[Stored]:
    """The zeros that are there behind a bitmask where that is smaller: what is kept as it is, or rounded.

    Zero is a level of every grid, so rounding what is kept loses what rounding everything does.
    """

    def bits(width: int) -> float:
        return min(width, storage.bits_per_weight("bitmask", min(zeros, _MOST_ZEROS), width))

    rounded = [
        Stored(f"own zeros + INT{width}", bits(width), noise_snr(_rounded(prepared, width)))
        for width in WIDTHS
    ]
    return [Stored("own zeros", bits(16), math.inf), *rounded]


def _rounded(prepared: Values, width: int) -> float:
    return prepared.optimal_scale(codebook(f"int{width}")).noise if prepared.energy else 0.0


def best(found: Sequence[Stored], budget: float) -> Stored | None:
    """The most SNR within `budget` bits per weight (the smaller one among equals), or None.

    Examples
    --------
    >>> best([Stored("a", 4, 20.0), Stored("b", 5, 26.0), Stored("c", 4, 19.0)], 4.5).name
    'a'
    """
    within = [one for one in found if one.bits <= budget + 1e-9]
    return max(within, key=lambda one: (one.snr, -one.bits), default=None)
