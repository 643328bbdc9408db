"""The block formats of llama.cpp as its reference code writes them: codes, float16 scales and offsets.

Q4_0 and Q5_0 divide a block of 32 by its weight of largest magnitude over -8 or -16, so that it falls on
the lowest code whatever its sign; Q4_1 and Q5_1 lay the first and the last code on the ends of the block;
Q8_0 puts the largest magnitude on 127. Codes are found with the scale in float32, values restored with its
float16.
"""

from dataclasses import dataclass

import numpy as np

from theory.arguments import choice

BLOCK = 32
NAMES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


@dataclass(frozen=True)
class Blocks:
    """Encoded blocks: `codes` (blocks, 32), `scale` and `offset` (blocks, 1) in float16.

    A value is scale * code + offset.
    """

    codes: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """Restored weights, float32 (blocks, 32)."""
        return self.scale.astype(np.float32) * self.codes.astype(np.float32) + self.offset.astype(np.float32)


def encode_blocks(blocks: np.ndarray, name: str) -> Blocks:
    """Blocks of 32 weights in a format of llama.cpp, bit for bit as its reference quantizer has them.

    Parameters
    ----------
    blocks
        (blocks, 32), taken as float32.
    name
        "Q4_0", "Q4_1", "Q5_0", "Q5_1" or "Q8_0".

    Examples
    --------
    >>> found = encode_blocks(np.linspace(-1, 0.9, 32)[None], "Q4_0")
    >>> found.codes[0, [0, 31]].tolist(), float(found.scale[0, 0])
    ([-8, 7], 0.125)
    """
    bits = int(choice("name", name, NAMES)[1])
    blocks = np.asarray(blocks, dtype=np.float32)
    if blocks.ndim != 2 or blocks.shape[1] != BLOCK:
        raise ValueError(f"blocks must have the shape (any, {BLOCK}), got {blocks.shape}")
    zero = np.zeros((blocks.shape[0], 1), dtype=np.float16)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if name == "Q8_0":
            scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
            units = blocks * _inverse(scale)
            codes = np.sign(units) * np.floor(np.abs(units) + np.float32(0.5))
            return Blocks(codes.astype(np.int8), scale.astype(np.float16), zero)
        half = 2 ** (bits - 1)
        if name.endswith("_0"):
            largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1, keepdims=True), axis=1)
            scale = largest / -half
            units = np.trunc(blocks * _inverse(scale) + np.float32(half + 0.5))
            codes = np.clip(units, 0, 2 * half - 1).astype(np.int8) - np.int8(half)
            return Blocks(codes, scale.astype(np.float16), zero)
        low = blocks.min(axis=1, keepdims=True)
        scale = (blocks.max(axis=1, keepdims=True) - low) / (2 * half - 1)
        units = np.trunc((blocks - low) * _inverse(scale) + np.float32(0.5))
        return Blocks(
            np.clip(units, 0, 2 * half - 1).astype(np.int8), scale.astype(np.float16), low.astype(np.float16)
        )


def _inverse(scale: np.ndarray) -> np.ndarray:
    return np.where(scale == 0, np.float32(0), np.float32(1) / scale)


def encode_rows(rows: np.ndarray, name: str) -> np.ndarray:
    """Weights of rows as stored and restored; the end of a row that fills no block is filled up with zeros.

    Scales beyond float16's 65,504 are infinite in the file, as llama.cpp would write them.
    """
    count, columns = rows.shape
    width = -(-columns // BLOCK) * BLOCK
    if width != columns:
        padded = np.zeros((count, width), dtype=np.float32)
        padded[:, :columns] = rows
        rows = padded
    return encode_blocks(rows.reshape(-1, BLOCK), name).values.reshape(count, width)[:, :columns]
