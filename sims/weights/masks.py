"""Which weights a pruning keeps: n:m along rows, or the largest magnitudes of the tensor."""

import numpy as np

from theory.formats import Format
from theory.snr import pruned_count


def kept_by(rows: np.ndarray, form: Format) -> np.ndarray:
    """Mask of what the pruning of a format keeps of a matrix.

    The rest of a row after its last whole n:m group is kept.

    Examples
    --------
    >>> two_four = Format("2:4", "", 16, keep=2, group=4)
    >>> kept_by(np.array([[3.0, 1.0, -4.0, 2.0, 0.1]]), two_four)
    array([[ True, False,  True, False,  True]])
    """
    if form.group:
        from sims.kernels.formats import largest_of_groups

        return largest_of_groups(rows, form.keep, form.group)
    flat, count = np.abs(rows).ravel(), pruned_count(rows.size, form.sparsity)
    kept = np.ones(flat.size, dtype=bool)
    kept[np.argpartition(flat, max(count - 1, 0))[:count]] = False
    return kept.reshape(rows.shape)
