"""Masks of a random network: which hidden unit keeps which input, which entries of the next matrix are kept.

A *slot* is an input of the layer and a side (+1: the unit's weight from it is positive, so the unit carries
the positive part of the input; -1: the negative part). A `Block` holds, for each slot, the hidden units that
keep this input and nothing else, and one mask word per (output row, slot): bit c says whether the entry from
the slot's unit c is kept.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sims.support.threads import default_threads, in_order

if TYPE_CHECKING:
    from sims.kernels import lottery as kernels

MAX_SAMPLES = 62  # a mask is one 64-bit word with its sign free
_SERIAL = 1 << 14  # weights below which threads cost more than they save


@dataclass(frozen=True)
class Draw:
    """The random matrix of one drawn layer: every entry is a function of (seed, layer, row, column).

    Entries are uniform on {±1..±limit*ratio}, then reduced to the grid {-limit..limit} when `ratio` is not 1:
    towards zero, or to the nearest.
    """

    seed: int
    layer: int
    limit: int
    ratio: int = 1
    nearest: bool = False

    @functools.cached_property
    def entries(self) -> "kernels.Entries":
        """What the kernels know this matrix and its law by."""
        from sims.kernels import lottery as kernels

        low, high = np.uint64(self.seed & 0xFFFFFFFF), np.uint64(self.seed >> 32)
        return kernels.Entries(low, high, self.layer, self.limit, self.ratio, self.nearest)

    def matrix(self, rows: int, columns: int) -> np.ndarray:
        """Rows 0..rows-1, columns 0..columns-1 of the matrix, int32 (rows, columns)."""
        from sims.kernels import lottery as kernels

        out = np.empty((rows, (columns + 3) // 4 * 4), np.int32)
        for i in range(rows):
            kernels.fill_row(out[i], i, self.entries)
        return out[:, :columns]


@dataclass
class Block:
    """Slots, their hidden units and one mask word per (row, slot)."""

    inputs: np.ndarray  # (slots,) int32
    sides: np.ndarray  # (slots,) int8, +1 or -1
    units: np.ndarray  # (slots, n) int32, -1 where a slot has fewer than n
    factors: np.ndarray  # (slots, n) int32, size of the unit's kept weight
    words: np.ndarray  # (rows, slots) uint32 or uint64
    counts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.counts = (self.units >= 0).sum(axis=1).astype(np.int32)

    @property
    def bits(self) -> np.ndarray:
        """Boolean mask (rows, slots, n)."""
        words = np.ascontiguousarray(self.words)
        octets = words.astype(words.dtype.newbyteorder("<"), copy=False).view(np.uint8)
        octets = octets.reshape(*words.shape, words.dtype.itemsize)
        return np.unpackbits(octets, axis=-1, count=self.units.shape[1], bitorder="little").astype(bool)

    def kept(self) -> int:
        """Number of kept entries of the second matrix."""
        return int(np.bitwise_count(self.words).sum(dtype=np.int64))

    def kept_units(self) -> int:
        """Number of hidden units with a kept outgoing entry: the kept entries of the first matrix."""
        return int(np.bitwise_count(np.bitwise_or.reduce(self.words, axis=0)).sum(dtype=np.int64))


def word_type(samples: int) -> type:
    """Smallest unsigned type that holds a mask of `samples` bits."""
    return np.uint32 if samples <= 32 else np.uint64


def words_from_bits(bits: np.ndarray) -> np.ndarray:
    """Inverse of `Block.bits`: boolean (rows, slots, n) -> one word per (row, slot)."""
    kind = word_type(bits.shape[-1])
    octets = np.zeros((*bits.shape[:2], np.dtype(kind).itemsize), np.uint8)
    packed = np.packbits(bits, axis=-1, bitorder="little")
    octets[..., : packed.shape[-1]] = packed
    return octets.view(np.dtype(kind).newbyteorder("<"))[..., 0].astype(kind)


def allot(
    draw: Draw,
    inputs: np.ndarray,
    sides: np.ndarray,
    samples: int,
    rows: int,
    first: int,
    allotment: str = "matched",
) -> tuple[Block, int]:
    """A block with empty masks, and the number of units drawn so far, `first` of them before.

    "matched": `samples` units per slot, wherever in the matrix their sign fits. "block": 2 samples
    consecutive units per input, those with the slot's sign usable: Binomial(2 samples, 1/2) many.
    """
    from sims.kernels import lottery as kernels

    width = 2 * samples if allotment == "block" else samples
    units = np.full((inputs.size, width), -1, np.int32)
    factors = np.ones_like(units)
    give = kernels.allot_blocks if allotment == "block" else kernels.allot_units
    drawn = give(inputs, sides, units, factors, first, draw.entries)
    return Block(inputs, sides, units, factors, np.zeros((rows, inputs.size), word_type(width))), int(drawn)


def kept_factors(draw: Draw, inputs: np.ndarray, sides: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Sizes of the kept weights of the first matrix, redrawn; 0 for a wrong sign, 1 where no unit is."""
    from sims.kernels import lottery as kernels

    factors = np.ones(units.shape, np.int32)
    kernels.kept_sizes(inputs, sides, units, factors, draw.entries)
    return factors


def _spread(rows: int, weights: int, threads: int | None, work: Callable[[int, int], None]) -> None:
    """Call work(start, stop) over blocks of rows, on threads when there is enough to do."""
    threads = threads or default_threads()
    if threads == 1 or weights < _SERIAL:
        work(0, rows)
        return
    step = max(1, -(-rows // (4 * threads)))
    for _ in in_order(lambda start: work(start, min(rows, start + step)), range(0, rows, step), threads):
        pass


def scratch(limit: int, samples: int) -> "kernels.Scratch":
    """Memory for the mask solver."""
    from sims.kernels import lottery as kernels

    # 2^left sums against a spread of sums that grows as `limit`: balance filling the table and probing it.
    left = max(1, min(round(np.log2(limit) / 2 + 2.5), samples, 10))
    size = 1 << min(15, int(2 * left * limit).bit_length())  # beyond 2^15 entries sums share places
    return kernels.Scratch(
        left, np.empty(1 << left, np.int64), np.zeros(size, np.int64), _ruler(kernels.PROBES)
    )


@functools.cache
def _ruler(length: int) -> np.ndarray:
    """Which bit the g-th step of a Gray code changes: the number of trailing zeros of g."""
    return np.array([0] + [(g & -g).bit_length() - 1 for g in range(1, length)])


def solve(
    block: Block, draw: Draw, targets: np.ndarray, wanted: np.ndarray, drawn: int, threads: int | None
) -> np.ndarray:
    """Fill `block.words`; return the boolean matrix (rows, slots) of weights without solution."""
    from sims.kernels import lottery as kernels

    failed = np.zeros(block.words.shape, bool)
    limit = draw.limit * int(block.factors.max(initial=1))

    candidates = kernels.Candidates(block.units, block.factors, block.counts)
    targets, wanted = np.ascontiguousarray(targets), np.ascontiguousarray(wanted)  # kernels are compiled once

    def work(start: int, stop: int) -> None:
        kernels.solve_rows(
            start, stop, targets, wanted, block.words, failed, candidates, drawn, draw.entries,
            scratch(limit, block.units.shape[1]),
        )  # fmt: skip

    _spread(block.words.shape[0], targets.size, threads, work)
    return failed


def effective(
    block: Block, draw: Draw, side: int, fan_in: int, drawn: int, threads: int | None = None
) -> np.ndarray:
    """Integer matrix (rows, fan_in) of the kept products on one side, B max(A, 0) or B max(-A, 0)."""
    from sims.kernels import lottery as kernels

    rows = block.words.shape[0]
    out = np.zeros((rows, fan_in), np.int64)
    chosen = block.sides == side
    words, inputs = np.ascontiguousarray(block.words[:, chosen]), block.inputs[chosen]
    candidates = kernels.Candidates(block.units[chosen], block.factors[chosen], block.counts[chosen])

    def work(start: int, stop: int) -> None:
        kernels.effective_rows(start, stop, out, words, candidates, inputs, drawn, draw.entries)

    _spread(rows, words.size, threads, work)
    return out


def kept_entries(
    block: Block, draw: Draw, columns: np.ndarray, width: int, drawn: int, tile: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Tiles (first row, matrix (tile, width)) of the second matrix, zero but for the kept entries."""
    from sims.kernels import lottery as kernels

    rows = block.words.shape[0]
    candidates = kernels.Candidates(block.units, block.factors, block.counts)
    for start in range(0, rows, tile):
        stop = min(rows, start + tile)
        out = np.zeros((stop - start, width), np.int64)
        kernels.masked_rows(start, stop, out, block.words, candidates, columns, drawn, draw.entries)
        yield start, out
