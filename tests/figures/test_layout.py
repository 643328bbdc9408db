"""Nothing is cut off, no legend lies on what is drawn, and captions take their numbers from the table."""

import numpy as np
import pytest
from matplotlib.text import Text

from figures import (
    build,
    layer_bounds_heuristics,
    layer_bounds_layers,
    layer_bounds_tightness,
    path_following_layers,
    path_following_one_bit,
    style,
)
from figures.tables import by_column


def cut_off(figure):
    """Titles, names and legends that reach beyond the edge of the drawing by more than a pixel."""
    figure.draw_without_rendering()
    page = figure.bbox.padded(1)
    ticks = {label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}
    shown = [text for text in figure.findobj(Text) if text.get_visible() and text not in ticks]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text().strip()]
    return [name for name, box in boxes if not (page.contains(*box.min) and page.contains(*box.max))]


def covered(figure):
    """Legends of panels that have points of a line under them."""
    found = []
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is None:
            continue
        box = legend.get_window_extent()
        for line in axes.lines:
            points = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
            if any(box.contains(*point) for point in points):
                found.append(line.get_label())
    return found


def layers(count):
    """Bounds of so many layers, made up."""
    rows = [
        (
            f"network {i} layer",
            36,
            2,
            bits,
            method,
            6.0 * bits,
            6.0 * bits,
            6.5 * bits,
            6.2 * bits,
            7.0 * bits,
        )
        for i in range(count)
        for method in ("quantization", "pruning")
        for bits in range(2, 9)
    ]
    return by_column(layer_bounds_layers._NAMES, rows)


def heuristics():
    """Losses over all the range, made up."""
    rows = [
        (method, f"layer {i}", bits, name, loss, 1)
        for method, names in (("quantization", ("1-opt from all", "nearest")), ("pruning", ("swaps", "OBS")))
        for name in names
        for bits in (2, 4)
        for i, loss in enumerate((0.0, 0.14 if name in ("1-opt from all", "swaps") else 1.0, 18.0))
    ]
    return by_column(("method", "layer", "bits", "heuristic", "loss", "rows"), rows)


SHIPPED = ("fine_tuning_accuracy", "fine_tuning_paper", "layer_bounds_times")
MODELS = ("hardware_roofline", "storage_break_even")


@pytest.mark.parametrize("width", [None, 5.5])
@pytest.mark.parametrize("name", [*SHIPPED, *MODELS, "layer_bounds_layers", "layer_bounds_heuristics"])
def test_nothing_is_cut_off_or_covered(name, width):
    made_up = {"layer_bounds_layers": lambda: layers(9), "layer_bounds_heuristics": heuristics}
    table = made_up[name]() if name in made_up else build.module(name).data()
    figure = build.drawn(name, table, width)
    assert cut_off(figure) == []
    assert covered(figure) == []


@pytest.mark.parametrize("count", [1, 4, 9])
def test_every_layer_has_a_panel_at_any_width(count):
    for width in (None, 5.5):
        figure = build.drawn("layer_bounds_layers", layers(count), width)
        assert [axes.get_title("left") for axes in figure.axes if axes.get_title("left")] == [
            f"network {i} layer" for i in range(count)
        ]


def test_a_caption_states_what_the_median_layer_loses():
    assert layer_bounds_heuristics.facts(heuristics()) == {"closest": "0.2"}  # 0.14, rounded up


def test_a_caption_states_the_gains_of_its_own_table():
    names = ("panel", "inputs", "bits", "x", "gap", "published")
    rows = [
        ("correlation", "autoregressive", 2, 0.0, 0.11, 2.11),
        ("correlation", "autoregressive", 2, 0.9, 2.5, 5.5),
        ("correlation", "autoregressive", 4, 0.0, 0.21, 0.51),
        ("correlation", "autoregressive", 4, 0.9, 4.0, 4.7),
        ("size", "autoregressive", 2, 0.9, 9.0, 19.0),
    ]
    assert layer_bounds_tightness.facts(by_column(names, rows)) == {
        "gain2": "2.0 to 3.0",
        "gain4": "0.3 to 0.7",
        "independent": "0.3",
        "correlated": "2.5 to 4.0",
    }


def test_a_caption_states_the_methods_gains_on_its_own_layers():
    snr = {"RTN": (10.0, 20.0), "GPFQ": (15.0, 22.0), "OPTQ": (15.5, 26.0), "SPFQ": (12.0, 21.5)}
    rows = [("quantized", name, value, 0.0) for name, both in snr.items() for value in both]
    rows += [("no ends", "stochastic rounding", 9.0, 8.0), ("no ends", "SPFQ", 12.0, 9.5)]
    rows += [("no ends", "stochastic OPTQ", 13.0, 11.2)]
    assert path_following_layers.facts(by_column(("task", "method", "snr", "bound"), rows)) == {
        "below": "1.0 to 2.5",
        "feedback": "2.0 to 5.0",
        "refitting": "0.5 to 4.0",
        "price": "0.5 to 3.0",
    }


def test_a_caption_states_where_curves_fall_to_one_in_a_hundred():
    """Powers of C: all three curves are straight on logarithmic axes, so that they meet 1 % at known C."""
    scale = np.geomspace(1, 1000, 31)
    rows = []
    for largest, factors in ((0.3, (1.0, 2.0, 16.0)), (0.6, (1.0, 3.0, 40.0))):
        curves = [np.minimum(1.0, (scale / (3.1 * factor)) ** -4.0) for factor in factors]
        rows += [(largest, *values) for values in zip(scale, *curves, strict=True)]
    names = ("largest", "scale", "value", "covariance", "closed")
    table = by_column(names, rows)
    assert path_following_one_bit.facts(table) == {"covariance": "2 to 3", "closed": "16 to 40"}
    far = table | {"closed": np.where(table["largest"] == 0.6, 1.0, table["closed"])}
    assert path_following_one_bit.facts(far)["closed"] == "16 to more than is shown"
    assert path_following_one_bit.facts(table | {"closed": np.ones(62)})["closed"] == "more than is shown"


def test_panels_keep_their_two_axes_where_asked():
    for width in (None, 3.5):
        with style.page(width):
            assert style.panels(3, 1, width=3.0, squeeze=False)[1].shape == (1, 3)
            assert style.panels(3, 1, width=3.0)[1].shape == (3,)
            assert not np.ndim(style.panels(1, 1)[1])


def test_a_legend_below_has_rows_of_like_length():
    with style.page(5.5):
        figure, axes = style.panels(1)
        lines = [axes.plot([0, 1], [0, k], label=f"some method {k}")[0] for k in range(5)]
        style.legend_below(figure, lines, 7)
    assert figure.legends[0]._ncols == 3  # four have room: 3 + 2, not 4 + 1
