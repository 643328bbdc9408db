"""Sparse matrices as dense ones: every index is checked before anything is written."""

import math
from collections.abc import Mapping

import numpy as np

from sims.checkpoints.limits import INFLATED

KINDS = ("csr", "csc", "coo", "bsr", "dia")  # of scipy.sparse.save_npz


def dense_size(shape: tuple[int, ...], itemsize: int, stored: int) -> int:
    """Number of elements of the dense array, within what `stored` bytes may lead to."""
    count = math.prod(shape)
    INFLATED.check(count * itemsize, stored)
    return count


def expand(kind: str, shape: tuple[int, ...], parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The dense array; elements named twice are summed, as scipy and torch do.

    Parameters
    ----------
    kind
        "csr", "csc", "bsr" or "bsc" with parts data, indices, indptr; "dia" with data, offsets; "coo" with
        data and indices of shape (dimensions, number of elements).

    Raises
    ------
    ValueError
        An index outside the shape, or parts that do not fit each other.

    Examples
    --------
    >>> data, place = np.array([5.0, 7.0]), np.array([2, 0])
    >>> expand("csr", (2, 3), {"data": data, "indices": place, "indptr": np.array([0, 1, 2])})
    array([[0., 0., 5.],
           [7., 0., 0.]])
    """
    data = parts["data"]
    if data.dtype.kind not in "fiub":
        raise ValueError(f"a sparse matrix of {data.dtype} values, not real numbers")
    dense_size(shape, data.itemsize, sum(part.nbytes for part in parts.values()))
    if kind == "coo":
        return _scatter(shape, list(parts["indices"]), data)
    if len(shape) != 2:
        raise ValueError(f"a sparse matrix of shape {shape} has no rows and columns")
    if kind == "dia":
        return _diagonals(shape, data, parts["offsets"])
    indices, indptr = parts["indices"], parts["indptr"]
    if kind == "csc":
        return expand("csr", shape[::-1], parts).T
    if kind == "bsc":
        turned = {"data": data.transpose(0, 2, 1)} if data.ndim == 3 else {}
        return expand("bsr", shape[::-1], {**parts, **turned}).T
    block = data.shape[1:] if kind == "bsr" else (1, 1)
    if data.ndim != (3 if kind == "bsr" else 1) or 0 in block or shape[0] % block[0] or shape[1] % block[1]:
        raise ValueError("the blocks of a sparse matrix do not tile it")
    rows = _rows(indptr, shape[0] // block[0], indices.size)
    if kind == "csr":
        return _scatter(shape, [rows, indices], data)
    tiles = _scatter((shape[0] // block[0], shape[1] // block[1], *block), [rows, indices], data)
    return tiles.transpose(0, 2, 1, 3).reshape(shape)


def _rows(indptr: np.ndarray, rows: int, count: int) -> np.ndarray:
    """Row of every element, of the places at which the rows begin."""
    ends = _integers(indptr).astype(np.int64)
    lengths = ends[1:] - ends[:-1]
    if indptr.size != rows + 1 or indptr[0] != 0 or indptr[-1] != count or (lengths < 0).any():
        raise ValueError("the row pointers of a sparse matrix do not fit its shape and elements")
    return np.repeat(np.arange(rows), lengths)


def _scatter(shape: tuple[int, ...], indices: list[np.ndarray], data: np.ndarray) -> np.ndarray:
    """Elements added into zeros of `shape` at `indices`, one array per leading dimension."""
    for size, place in zip(shape, indices, strict=False):
        _integers(place)
        if place.shape != (data.shape[0],):
            raise ValueError("a sparse matrix has another number of indices than of elements")
        if place.size and (place.min() < 0 or place.max() >= size):
            raise ValueError(f"an index of a sparse matrix lies outside its shape {shape}")
    if len(indices) + data.ndim - 1 != len(shape):
        raise ValueError(f"the elements of a sparse matrix do not fit its shape {shape}")
    dense = np.zeros(shape, data.dtype)
    np.add.at(dense, tuple(place.astype(np.int64) for place in indices), data)
    return dense


def _diagonals(shape: tuple[int, ...], data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    if data.ndim != 2 or _integers(offsets).shape != (data.shape[0],):
        raise ValueError("a sparse matrix has another number of offsets than of diagonals")
    dense = np.zeros(shape, data.dtype)
    for offset, diagonal in zip(offsets.tolist(), data, strict=True):
        first, last = max(0, offset), min(shape[1], shape[0] + offset, data.shape[1])
        columns = np.arange(first, last)
        dense[columns - offset, columns] += diagonal[first:last]
    return dense


def _integers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ValueError("the indices of a sparse matrix are no list of integers")
    return array
