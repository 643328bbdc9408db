"""Panels fold into rows on a narrow page, in their order, and keep what they share."""

import itertools

import numpy as np
import pytest

from figures import style


def test_panels_stand_side_by_side_without_a_page():
    figure, axes = style.panels(3, width=3.0, height=2.0)
    assert figure.get_size_inches().tolist() == [9.0, 2.0]
    assert len({axis.get_subplotspec().rowspan.start for axis in axes}) == 1


@pytest.mark.parametrize(("columns", "rows", "shape"), [(3, 1, (2, 1)), (4, 1, (2, 2)), (3, 2, (2, 2, 2))])
def test_panels_fold_in_their_order_and_fill_the_last_row(columns, rows, shape):
    with style.page(5.5):
        figure, axes = style.panels(columns, rows, width=3.6, height=3.0, width_ratios=range(1, columns + 1))
    figure.draw_without_rendering()
    boxes = [axis.get_position() for axis in np.ravel(axes)]
    found = [sum(abs(box.y0 - first.y0) < 1e-6 for box in boxes) for first in boxes]
    assert sorted(found) == sorted(n for n in shape for _ in range(n))
    order = [(-box.y0, box.x0) for box in boxes]
    assert order == sorted(order)
    right = {round(max(b.x1 for b in boxes if abs(b.y0 - box.y0) < 1e-6), 2) for box in boxes}
    assert len(right) == 1  # every row reaches the same edge


def test_a_folded_row_keeps_what_it_shares():
    @style.styled
    def draw():
        figure, axes = style.panels(3, width=3.6, sharey=True)
        axes[0].set_ylabel("error")
        axes[2].plot([0, 1], [0, 70])
        return figure

    with style.page(5.5):
        figure = draw()
    first, second, third = figure.axes
    assert first.get_ylim() == third.get_ylim()
    assert (second.get_ylabel(), third.get_ylabel()) == ("", "error")
    letters = [panel.texts[-1].get_text() for panel in figure.axes]
    assert letters == ["a", "b", "c"]


def test_a_page_ends_with_its_block_and_refuses_what_no_figure_fits():
    with style.page(4.0):
        assert style.page_width(9.0) == 4.0
    assert style.page_width(9.0) == 9.0
    for width in (2.9, 21.0, float("nan")):
        with pytest.raises(ValueError, match="must be from 3 to 20 inches"), style.page(width):
            pass


def test_crowded_tick_labels_are_thinned_and_long_names_broken():
    @style.styled
    def draw():
        figure, axes = style.panels(2, width=3.6)
        axes[0].set_xticks(range(12), [str(10**5 + k) for k in range(12)])
        axes[0].set_xlabel("a name of an axis that is much too long for half of a narrow page")
        return figure

    with style.page(5.5):
        figure = draw()
    figure.draw_without_rendering()
    panel = figure.axes[0]
    boxes = [t.label1.get_window_extent() for t in panel.xaxis.get_major_ticks() if t.label1.get_visible()]
    assert 2 <= len(boxes) < 12
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))
    assert "\n" in panel.get_xlabel()
