"""What a pruning leaves of a matrix: n:m along rows, or the largest magnitudes of all."""

import numpy as np

from theory.formats import Format
from theory.snr import pruned_count


def pruned(rows: np.ndarray, form: Format) -> np.ndarray:
    """Rows with zeros where the pruning of a format cuts.

    The rest of a row after its last whole n:m group is kept.

    Examples
    --------
    >>> two_four = Format("2:4", "", 16, keep=2, group=4)
    >>> pruned(np.array([[3.0, 1.0, -4.0, 2.0, 0.1]]), two_four)
    array([[ 3. ,  0. , -4. ,  0. ,  0.1]])
    """
    if form.group:
        from sims.kernels.formats import keep_largest

        return keep_largest(rows, form.keep, form.group)
    left, count = rows.copy(), pruned_count(rows.size, form.sparsity)
    if count:
        flat = left.reshape(-1)
        flat[np.argpartition(np.abs(flat), count - 1)[:count]] = 0
    return left
