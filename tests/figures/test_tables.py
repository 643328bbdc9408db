"""Rows become columns, and nothing is lost on the way."""

import numpy as np
import pytest

from figures import build
from figures.tables import by_column


def test_columns_keep_their_kind():
    table = by_column(("name", "n", "x", "kept"), [("a", 1, 0.5, True), ("b", 2, np.nan, False)])
    assert [column.dtype.kind for column in table.values()] == ["U", "i", "f", "b"]
    assert table["name"].tolist() == ["a", "b"] and np.isnan(table["x"][1])


def test_no_rows_are_empty_columns():
    assert {name: len(column) for name, column in by_column(("a", "b"), []).items()} == {"a": 0, "b": 0}


@pytest.mark.parametrize("rows", [[(1, 2), (3,)], [(1,), (2,)], [(1, 2, 3)]])
def test_a_row_of_another_length_is_refused(rows):
    with pytest.raises(ValueError, match="zip"):
        by_column(("a", "b"), rows)


def test_the_helper_is_no_figure():
    assert "tables" not in build.names()
