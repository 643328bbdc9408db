"""Multiple testing: one error budget for a whole run.

Holm's procedure is five lines; statsmodels, which has it too, would bring pandas along.
"""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float] | np.ndarray, level: float) -> np.ndarray:
    r"""Reject hypotheses while keeping the probability of any false rejection at most `level`.

    With :math:`p_{(1)} \le \dots \le p_{(m)}`, reject in this order while

    .. math:: p_{(i)} \le \frac{level}{m - i + 1}

    valid under every dependence between the tests.

    Parameters
    ----------
    p_values
        (m,) p-values.
    level
        family-wise error, in (0, 1).

    Returns
    -------
    (m,) booleans, True where rejected.

    References
    ----------
    Holm, Scand. J. Statist. 6 (1979) 65.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03], 0.05).tolist()
    [True, False, False]
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p_values must lie in [0, 1], got {values[~((values >= 0) & (values <= 1))][0]}")
    rejected = np.zeros(len(values), dtype=bool)
    order = np.argsort(values, kind="stable")
    for rank, index in enumerate(order):
        if values[index] > level / (len(values) - rank):
            break
        rejected[index] = True
    return rejected
