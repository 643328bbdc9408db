"""Tensors as a format stores them: the rounded values themselves, where their errors are not enough."""

import numpy as np

from sims.weights.affine import optimal_affine
from sims.weights.axes import from_rows, rows_of
from sims.weights.ggml import encode_rows
from sims.weights.masks import pruned
from sims.weights.scales import Values, quantize
from theory.formats import Format, block_scale, codebook


def encode(array: np.ndarray, form: Format, prepared: Values | None = None) -> np.ndarray:
    """The values that a tensor has in a format; its squared error is :func:`sims.weights.formats.noise`.

    Parameters
    ----------
    array
        Finite weights of any shape; blocks and groups run along rows.
    prepared
        The same weights, prepared already.

    Returns
    -------
    float64 array of the same shape.

    Examples
    --------
    >>> from theory.formats import FORMATS
    >>> two_four = next(form for form in FORMATS if form.name == "2:4")
    >>> encode(np.array([[3.0, 1.0, -4.0, 2.0]]), two_four)
    array([[ 3.,  0., -4.,  0.]])
    """
    array = np.asarray(array)
    prepared = prepared or Values(array)
    rows = rows_of(array).astype(np.float64)
    if prepared.energy == 0:
        return from_rows(rows, array.shape)
    if form.rule != "max":
        raise ValueError(
            f"{form.name}: the values of a searched scale are not kept; take a format without search"
        )
    if form.prunes:
        found = pruned(rows, form)
        kept = found != 0
        if form.block:
            found = np.where(kept, encode_blocks(found, form), 0.0)
        elif form.codes and kept.any():
            book = codebook(form.codes)
            scale = Values(rows[kept]).optimal_scale(book).scale
            found[kept] = quantize(rows[kept], book.levels, scale)
    elif form.block:
        found = encode_blocks(rows, form)
    elif form.offset:
        grid = optimal_affine(rows, form.bits, zero_point=form.offset == "zero")
        codes = np.clip(np.rint((rows - grid.offset) / grid.scale), 0, 2**form.bits - 1)
        found = grid.offset + grid.scale * codes
    else:
        book = codebook(form.codes)
        found = quantize(rows, book.levels, prepared.optimal_scale(book).scale)
    return from_rows(found, array.shape)


def encode_blocks(rows: np.ndarray, form: Format) -> np.ndarray:
    """Rows in the blocks of a format, as :func:`encode` restores them; what is pruned is zero in `rows`.

    Without a level at zero, what is pruned comes back as something else: the mask says where.

    Examples
    --------
    >>> encode_blocks(np.array([[0.0, 3.0, 5.0, 7.0]]), Format("x", "uint1", 1, block=4, offset="zero"))
    array([[0., 0., 7., 7.]])
    """
    if form.scale == "half":
        return encode_rows(rows, f"Q{form.bits}_{int(form.offset == 'float')}").astype(np.float64)
    return _offsets(rows, form) if form.offset else _blocks(rows, form)


def _in_blocks(rows: np.ndarray, size: int) -> np.ndarray:
    """(rows, blocks, size), the last block of a row filled up with its last weight, which moves no end."""
    count = -(-rows.shape[1] // size)
    padded = np.pad(rows, ((0, 0), (0, count * size - rows.shape[1])), mode="edge")
    return padded.reshape(rows.shape[0], count, size)


def _offsets(rows: np.ndarray, form: Format) -> np.ndarray:
    """Blocks from the least weight in steps to the largest, or on a grid that holds zero."""
    blocks, steps = _in_blocks(rows, form.block), 2**form.bits - 1
    low, high = blocks.min(axis=2, keepdims=True), blocks.max(axis=2, keepdims=True)
    if form.offset == "zero" or form.prunes:
        low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    scale = (high - low) / steps
    with np.errstate(divide="ignore", invalid="ignore"):
        if form.offset == "zero":
            low = -np.rint(-low / scale) * scale
        codes = np.clip(np.rint((blocks - low) / scale), 0, steps)
        found = np.where(scale > 0, low + scale * codes, 0.0 if form.offset == "zero" else low)
    return found.reshape(rows.shape[0], -1)[:, : rows.shape[1]]


def _blocks(rows: np.ndarray, form: Format) -> np.ndarray:
    blocks = _in_blocks(rows, form.block)
    largest = np.abs(blocks).max(axis=2)
    scales = block_scale(form, largest, float(largest.max()))[:, :, None]
    if form.codes.startswith("flipped"):  # the largest magnitude is on the last code, whatever its sign
        scales = np.where(blocks.max(axis=2, keepdims=True) < largest[:, :, None], -scales, scales)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        units = np.where(scales != 0, blocks / scales, 0.0)
    found = scales * quantize(units, codebook(form.codes).levels, 1.0)
    return found.reshape(rows.shape[0], -1)[:, : rows.shape[1]]
