"""Weights rotated along their inputs by randomized Hadamard transforms; laws in :mod:`theory.rotations`."""

import numpy as np

from sims.weights.axes import from_rows, rows_of
from sims.weights.table import Table
from theory.arguments import whole
from theory.rotations import rotation_block


def _plan(size: int, seed: int, block: int | None) -> list[tuple]:
    """(first column, block, signs before, signs after) of every transform of rows of `size` weights."""
    length = rotation_block(size, block)
    rng = np.random.default_rng(np.random.SeedSequence(whole("seed", seed, 0), spawn_key=(size,)))
    signs = [2.0 * rng.integers(0, 2, size) - 1 for _ in range(4)]
    plan = [(0, length, signs[0], signs[1])]
    if block is None and length < size:
        plan = [(0, length, signs[0], signs[1]), (size - length, length, signs[2], signs[3])]
    return plan


def rotate(array: np.ndarray, seed: int = 0, block: int | None = None) -> np.ndarray:
    """Rows times a random orthogonal matrix, by fast Walsh-Hadamard transforms and random signs.

    Rows are taken as (fan_out, everything else). A row whose length is no power of two is transformed in two
    overlapping steps, the first k columns and then the last k, k the largest power of two in it: every
    entry mixes at least half of the row, nothing is padded, and the shape stays.

    Parameters
    ----------
    array
        Finite real weights, rows of at least 2.
    seed
        Of the signs, which depend on it and on the length of the rows only.
    block
        Transform consecutive blocks of that many columns instead: a power of two that divides the row.

    Returns
    -------
    float64 array of the same shape; energies of rows are kept. :func:`unrotate` goes back.

    Raises
    ------
    ValueError
        Rows of one weight, a block that does not fit, NaN or infinity.

    Examples
    --------
    >>> w = np.zeros((2, 8))
    >>> w[:, 3] = 8.0  # one outlier becomes eight equal magnitudes
    >>> np.abs(rotate(w))[0].round(3)
    array([2.828, 2.828, 2.828, 2.828, 2.828, 2.828, 2.828, 2.828])
    """
    return _transformed(array, seed, block, inverse=False)


def unrotate(array: np.ndarray, seed: int = 0, block: int | None = None) -> np.ndarray:
    """Inverse of :func:`rotate`, to rounding.

    Examples
    --------
    >>> w = np.random.default_rng(0).normal(size=(3, 4, 5))
    >>> bool(np.abs(unrotate(rotate(w)) - w).max() < 1e-14)
    True
    """
    return _transformed(array, seed, block, inverse=True)


def _transformed(array: np.ndarray, seed: int, block: int | None, inverse: bool) -> np.ndarray:
    from sims.kernels.hadamard import rotate_rows

    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"weights must be real numbers, got an array of {array.dtype}")
    if array.size == 0:
        raise ValueError("weights must hold at least one row, got an empty array")
    rows = np.array(rows_of(array), dtype=np.float64)  # a copy: the kernel works in place
    if not np.isfinite(rows).all():
        raise ValueError("weights must be finite, got NaN or infinity")
    plan = _plan(rows.shape[1], seed, block)
    for first, length, before, after in reversed(plan) if inverse else plan:
        # H is symmetric and its own inverse
        rotate_rows(rows, first, length, *((after, before) if inverse else (before, after)))
    return from_rows(rows, array.shape)


def gain_lines(before: Table, after: Table) -> list[dict]:
    """Printable cells per tensor: kurtosis before and after, dB gained "quantized / pruned" by width."""
    rotated, found = {row.name: row for row in after.rows}, []
    for row in before.rows:
        if (turned := rotated.get(row.name)) is None:
            continue
        line = {"tensor": row.name, "kurtosis": f"{row.kurtosis:.1f}", "rotated": f"{turned.kurtosis:.1f}"}
        for bits in before.bits:
            pairs = [
                (turned.quantization[bits], row.quantization[bits]),
                (turned.pruning[bits], row.pruning[bits]),
            ]
            gains = [0.0 if new == old else new - old for new, old in pairs]  # also of two infinite ones
            line[f"{bits} bits"] = f"{gains[0]:+.1f} / {gains[1]:+.1f}"
        found.append(line)
    return found


def expected_kurtosis(array: np.ndarray, block: int | None = None) -> float:
    """E y^4 / (E y^2)^2 over the entries and the signs, exactly: what rotation makes of these very weights.

    sum over blocks (3 e^2 - 2 f) / k, times the number of weights over the squared energy; e and f are the
    sums of squares and fourth powers of a block of k weights of a row. Beyond 3 lies what unequal energies of
    rows (or blocks) add.

    Raises
    ------
    ValueError
        Rows that need two overlapping transforms: there is no such formula; rotate them.

    Examples
    --------
    >>> expected_kurtosis(np.ones((4, 16)))
    2.875
    """
    rows = rows_of(np.asarray(array, dtype=np.float64))
    k = rotation_block(rows.shape[1], block)
    if rows.shape[1] % k:
        raise ValueError(f"rows of {rows.shape[1]} weights fill no whole blocks: rotate them instead")
    largest = float(np.abs(rows).max())
    if largest == 0:
        return float("nan")
    squares = (rows / largest).reshape(-1, k) ** 2
    energy = squares.sum(axis=1)
    fourth = (3 * energy**2 - 2 * (squares**2).sum(axis=1)).sum() / k
    return float(fourth * squares.size / energy.sum() ** 2)
