import functools

import numpy as np
import pytest
from matplotlib.contour import QuadContourSet

from figures import build, parameters

OURS = [name for name in build.names() if name.startswith(("partition_", "subset_sum_"))]


@functools.cache
def tabled(name):
    source = build.module(name)
    return source.data(**parameters.defaults(source))


@pytest.mark.parametrize("name", OURS)
def test_figures_are_drawn_from_tables_of_equal_columns(name, fits_a_page):
    source, table = build.module(name), tabled(name)
    assert source.TITLE and len(source.CAPTION) > 100
    (rows,) = {len(column) for column in table.values()}
    assert rows
    fits_a_page(source, table)


def test_measured_sizes_lie_within_one_sample_of_the_law():
    table = tabled("subset_sum_precision")
    for bits, miss, n in zip(
        *(table[k][table["kind"] == "measured"] for k in ("bits", "miss", "n")), strict=True
    ):
        rows = (table["kind"] == "law") & (table["bits"] == bits) & (table["miss"] == miss)
        assert abs(int(n) - int(table["n"][rows][0])) <= 1


def test_the_bounds_in_the_figure_hold():
    table = tabled("subset_sum_bounds")
    assert (table["lower"] <= table["high"]).all() and (table["low"] <= table["upper"]).all()
    assert (table["lower"] <= table["upper"]).all() and np.isfinite(table["saddlepoint"]).all()


def test_ratios_of_the_laws_lie_within_the_errors_stated_for_them():
    table = tabled("subset_sum_errors")
    ratio, stated = table["ratio"], table["stated"]
    assert (np.maximum(ratio, 1 / ratio) <= stated).all()
    i = np.flatnonzero((table["max_value"] == 3) & (table["target"] == 1) & (table["n"] == 4))
    assert table["exact"][i] == pytest.approx(0.158179, abs=1e-6)  # 205 of 1296 draws: enumerated
    forms = dict(zip(table["form"][i], table["ratio"][i].round(2), strict=True))
    assert forms == {"cox": 1.34, "saddlepoint": 1.28}


def test_the_error_figure_frames_the_cells_where_a_law_is_the_default():
    table = tabled("subset_sum_errors")
    small = table["max_value"] <= 7
    assert (table["default"][small] == "exact").all()
    others = table["default"][~small]
    assert set(others.tolist()) == {"cox", "saddlepoint"}
    assert (others == np.where(table["n"][~small] <= 6, "cox", "saddlepoint")).all()
    figure = build.module("subset_sum_errors").draw(table)
    assert sum(text.get_text() == "default" for panel in figure.axes for text in panel.texts) == 4


def test_exact_slopes_meet_those_of_the_prefactor():
    table = tabled("subset_sum_exponent")
    cases = set(zip(*(table[k].tolist() for k in ("panel", "law", "target")), strict=True))
    for panel, law, target in cases - {case for case in cases if case[0] == "split"}:
        rows = (table["panel"] == panel) & (table["law"] == law) & (table["target"] == target)
        exact, theorem = (table["slope"][rows & (table["source"] == kind)] for kind in ("exact", "prefactor"))
        gap = np.abs(exact - theorem)
        assert len(gap) == 78 and gap[-1] < 1e-4 and gap[0] > 0.05
        assert gap[30] < (0.02 if panel == "middle" else 1e-4)  # n = 32


def test_every_contour_of_the_cost_has_its_time_beside_it():
    """The shortest, of the algorithm that sorts and of lists below the threshold, too."""
    panel = build.module("subset_sum_cost").draw(build.module("subset_sum_cost").data()).axes[1]
    contours = [child for child in panel.get_children() if isinstance(child, QuadContourSet)]
    drawn = sum(len(parts) > 0 for lines in contours for parts in lines.allsegs)
    assert drawn == sum(text.get_text().endswith("s") for text in panel.texts) == 10
