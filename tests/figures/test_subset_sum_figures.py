import functools

import numpy as np
import pytest

from figures import build

OURS = [name for name in build.names() if name.startswith(("partition_", "subset_sum_"))]
built = functools.cache(build.build)


@pytest.mark.parametrize("name", OURS)
def test_figures_are_built_from_tables_of_equal_columns(name):
    figure = built(name)
    assert len(figure.png) > 10_000
    assert figure.title and len(figure.caption) > 100
    assert all(len(column) for column in figure.table.values())


def test_measured_sizes_lie_within_one_sample_of_the_law():
    table = built("subset_sum_precision").table
    for bits, miss, n in zip(
        *(table[k][table["kind"] == "measured"] for k in ("bits", "miss", "n")), strict=True
    ):
        rows = (table["kind"] == "law") & (table["bits"] == bits) & (table["miss"] == miss)
        assert abs(int(n) - int(table["n"][rows][0])) <= 1


def test_the_bounds_in_the_figure_hold():
    table = built("subset_sum_bounds").table
    assert (table["lower"] <= table["high"]).all() and (table["low"] <= table["upper"]).all()
    assert (table["lower"] <= table["upper"]).all() and np.isfinite(table["saddlepoint"]).all()
