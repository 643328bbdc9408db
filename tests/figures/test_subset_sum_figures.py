import numpy as np
import pytest

from figures.build import build, module, names

OURS = [name for name in names() if name.startswith(("partition_", "subset_sum_"))]


@pytest.mark.parametrize(
    "name", [name for name in OURS if name != "subset_sum_precision"]
)  # the slow one: below
def test_figures_are_built_from_tables_of_equal_columns(name):
    first = build(name)
    assert len(first.png) > 10_000
    assert first.title and len(first.caption) > 100
    assert all(len(column) for column in first.table.values())


def test_measured_sizes_lie_within_one_sample_of_the_law():
    table = module("subset_sum_precision").data("quick", 0)
    for bits, miss, n in zip(
        *(table[k][table["kind"] == "measured"] for k in ("bits", "miss", "n")), strict=True
    ):
        rows = (table["kind"] == "law") & (table["bits"] == bits) & (table["miss"] == miss)
        assert abs(int(n) - int(table["n"][rows][0])) <= 1


def test_the_bounds_in_the_figure_hold():
    table = module("subset_sum_bounds").data("quick", 0)
    assert (table["lower"] <= table["high"]).all() and (table["low"] <= table["upper"]).all()
    assert (table["lower"] <= table["upper"]).all() and np.isfinite(table["saddlepoint"]).all()
