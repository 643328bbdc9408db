"""What every figure must do on the page of a paper."""

import pytest
from matplotlib.text import Text

from figures import style

SMALLEST = 7.0  # points


@pytest.fixture
def fits_a_page():
    """Draw a table for a text width of 5.5 inches: no smaller type, nothing beyond the paper's edge."""

    def check(source, table) -> None:
        with style.page(5.5):
            figure = source.draw(table)  # laid out: a page measures its texts
        assert figure.get_figwidth() == 5.5
        box = figure.bbox.padded(2.0)
        for text in figure.findobj(Text):
            if text.get_text().strip() and text.get_visible():
                assert text.get_fontsize() >= SMALLEST, text
        for panel in figure.axes:
            for text in (*panel.texts, panel.xaxis.label, panel.yaxis.label, panel.title):
                if text.get_text().strip() and text.get_visible() and panel.axison:
                    extent = text.get_window_extent()
                    assert box.x0 <= extent.x0 and extent.x1 <= box.x1, text
        assert all(panel.get_window_extent().width > 0.9 * figure.dpi for panel in figure.axes[:1])

    return check
