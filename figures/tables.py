"""Tables of figures: columns of equal length, as figures draw and save them."""

from collections.abc import Iterable, Sequence

import numpy as np

Table = dict[str, np.ndarray]


def by_column(names: Sequence[str], rows: Iterable[Sequence]) -> Table:
    """Rows of a table as its columns.

    Raises
    ------
    ValueError
        a row has another number of cells than there are names.

    Examples
    --------
    >>> by_column(("law", "n"), [("nonzero", 4), ("uniform", 5)])
    {'law': array(['nonzero', 'uniform'], dtype='<U7'), 'n': array([4, 5])}
    """
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: np.array(column) for name, column in zip(names, cells, strict=True)}


def span(values: np.ndarray) -> str:
    """The range of values for a caption, to one digit.

    Examples
    --------
    >>> span(np.array([4.62, 2.6]))
    '2.6 to 4.6'
    """
    return f"{values.min():.1f} to {values.max():.1f}"
