"""Arrays that their values show to be no weights: masks, and tables of sines and cosines."""

import numpy as np

_HUGE = -100.0  # no weight, and what a mask of attention adds (Swin: -100, BERT: -10,000)
_CHUNK = 2**20
_POSITIONS = 16  # the fewest of a table
_ROUNDED = 0.02  # of a sum of two squares of bfloat16


def is_mask(values: np.ndarray) -> bool:
    """Zeros and ones only, or zeros and one huge negative number: what attention adds or multiplies with.

    Examples
    --------
    >>> is_mask(np.array([0.0, -100.0, 0.0])), is_mask(np.array([0.0, 1.0, 0.5]))
    (True, False)
    """
    low, high = float(values.min()), float(values.max())
    if not ((low == 0 and high == 1) or (low <= _HUGE and high == 0)):
        return False
    other = low or high
    chunks = (values[first : first + _CHUNK] for first in range(0, values.size, _CHUNK))
    return all(bool(((part == 0) | (part == other)).all()) for part in chunks)


def is_table_of_positions(array: np.ndarray) -> bool:
    """Whether every position has sines and cosines of the same angles, or zeros.

    They alternate, stand in pairs, or fill a half each, or (of two coordinates) a quarter.

    Examples
    --------
    >>> angles = np.arange(64)[:, None] * 0.5 ** np.arange(8)
    >>> table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    >>> is_table_of_positions(table), is_table_of_positions(table + 0.1), is_table_of_positions(np.eye(64))
    (True, False, False)
    """
    rows = array.reshape([size for size in array.shape if size != 1])
    if rows.ndim == 3 and rows.shape[2] == 2:  # pairs
        rows = rows.reshape(len(rows), -1)
    if rows.ndim != 2 or rows.shape[0] < _POSITIONS or rows.shape[1] < 4 or rows.shape[1] % 2:
        return False
    return _pairs(rows[: 2 * _POSITIONS]) and _pairs(rows)


def _pairs(rows: np.ndarray) -> bool:
    half = rows.shape[1] // 2
    splits = [(rows[:, ::2], rows[:, 1::2]), (rows[:, :half], rows[:, half:])]
    if half % 2 == 0:
        quarters = rows.reshape(len(rows), 2, 2, half // 2)
        splits.append((quarters[:, :, 0].reshape(len(rows), -1), quarters[:, :, 1].reshape(len(rows), -1)))
    for sines, cosines in splits:
        sums = sines.astype(np.float32) ** 2 + cosines.astype(np.float32) ** 2
        filled = sums.any(axis=1)
        on_circle = np.abs(sums[filled] - 1) < _ROUNDED
        # rows of one angle alone, or of signs, are no positions
        if filled.sum() >= len(rows) / 2 and on_circle.all() and np.ptp(sines[filled], axis=0).max() > 0.5:
            return bool(np.unique(np.abs(sines[filled])).size > _POSITIONS)
    return False
