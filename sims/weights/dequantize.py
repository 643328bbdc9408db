"""Codes times scales, one for all, one per row or one per block along any axis; codes packed into words."""

import math

import numpy as np

from sims.checkpoints.tensor import Axis

ROWS = 2**22  # weights scaled at a time


class Unclear(ValueError):
    """Codes and scales are there, but no convention says what they mean."""


def block_size(size: int, blocks: int) -> int:
    """How many of `size` elements share one of `blocks` scales.

    The size divides, or a power of two does with a shorter block at the end (576 in 5 blocks: 128).

    Raises
    ------
    Unclear
        Neither, or both with different answers.

    Examples
    --------
    >>> block_size(256, 2), block_size(576, 5), block_size(300, 1)
    (128, 128, 300)
    """
    if blocks == 1:
        return size
    whole = {size // blocks} if blocks and size % blocks == 0 else set()
    powers = {2**k for k in range(3, 12) if -(-size // 2**k) == blocks}
    fits = whole if whole & powers else whole | powers
    if len(fits) != 1:
        raise Unclear(f"{blocks} scales for {size} weights leave the size of a block open")
    return fits.pop()


def spread_shape(shape: tuple[int, ...], scale: tuple[int, ...], axis: Axis | None = None) -> tuple[int, ...]:
    """Weights per scale along every axis of `shape`, for scales of shape `scale`.

    A list of scales belongs to the outputs: to `axis` where that is known, or to the first axis that it fits.

    Examples
    --------
    >>> spread_shape((512, 1024), (4, 8)), spread_shape((512, 1024), (512,)), spread_shape((8, 6), ())
    ((128, 128), (1, 1024), (8, 6))
    """
    if math.prod(scale) == 1:
        return shape
    if len(scale) == 1:
        axes = [i for i, size in enumerate(shape) if size == scale[0]]
        if not axes:
            raise Unclear(f"scales of shape {scale} fit no axis of codes of shape {shape}")
        along = axis if axis in axes else axes[0]  # outputs come first
        return tuple(1 if i == along else size for i, size in enumerate(shape))
    if len(scale) != len(shape):
        raise Unclear(f"scales of shape {scale} do not fit codes of shape {shape}")
    return tuple(block_size(size, blocks) for size, blocks in zip(shape, scale, strict=True))


def scaled(
    codes: np.ndarray,
    scale: np.ndarray,
    zero: np.ndarray | None = None,
    blocks: tuple[int, ...] = (),
) -> np.ndarray:
    """(codes - zero) scale as float32, a scale and a zero point per block; a block of rows at a time.

    Blocks of another size than :func:`spread_shape` finds are those of `blocks`.

    Examples
    --------
    >>> scaled(np.array([[1, 2, 3, 4]], np.int8), np.array([[0.5, 2.0]]))
    array([[0.5, 1. , 6. , 8. ]], dtype=float32)
    """
    blocks = blocks or spread_shape(codes.shape, scale.shape)
    scale = scale.astype(np.float32).reshape([-(-n // b) for n, b in zip(codes.shape, blocks, strict=True)])
    if zero is not None:
        if zero.size not in (1, scale.size):
            raise Unclear(f"{zero.size} zero points for {scale.size} scales")
        zero = np.broadcast_to(zero.astype(np.float32).reshape(-1), (scale.size,)).reshape(scale.shape)
    result = np.empty(codes.shape, np.float32)
    each = max(1, ROWS // max(1, math.prod(codes.shape[1:])))
    for first in range(0, len(codes), each):
        rows = np.arange(first, min(first + each, len(codes)))
        values = codes[rows[0] : rows[-1] + 1].astype(np.float32)
        for part, operation in ((zero, np.subtract), (scale, np.multiply)):
            if part is None:
                continue
            wide = part[rows // blocks[0]]
            for along in range(1, codes.ndim):
                if part.shape[along] > 1:
                    wide = np.repeat(wide, blocks[along], axis=along)
            operation(values, wide[tuple(slice(0, n) for n in values.shape)], out=values)
        result[rows[0] : rows[-1] + 1] = values
    return result


def words(packed: np.ndarray, bits: int, axis: int) -> np.ndarray:
    """Codes of `bits` bits packed into 32-bit words along `axis`, the first in the low bits.

    Examples
    --------
    >>> words(np.array([[0x76543210]], np.uint32), 4, axis=1)
    array([[0, 1, 2, 3, 4, 5, 6, 7]], dtype=uint8)
    """
    packed = np.moveaxis(packed.view(np.uint32), axis, -1)
    codes = np.empty((*packed.shape, 32 // bits), np.uint8)
    for i in range(32 // bits):
        codes[..., i] = (packed >> np.uint32(bits * i)) & np.uint32(2**bits - 1)
    return np.moveaxis(codes.reshape(*packed.shape[:-1], -1), -1, axis)
