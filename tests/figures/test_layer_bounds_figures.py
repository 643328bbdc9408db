"""Figures of layer bounds: their tables keep the order of the range, and they draw."""

import numpy as np

from figures import layer_bounds_heuristics, layer_bounds_layers, layer_bounds_tightness, layer_bounds_times


def check(table):
    assert len({len(column) for column in table.values()}) == 1


def test_every_layer_keeps_the_order_and_quantization_wins(monkeypatch):
    monkeypatch.setattr(layer_bounds_layers, "NETWORKS", ("digits",))
    monkeypatch.setattr(layer_bounds_layers, "ROWS", {"quick": 1})
    table = layer_bounds_layers.data()
    check(table)
    proved = np.isfinite(table["optimum"])
    assert proved.mean() > 0.8
    best = np.where(proved, table["optimum"], table["bound"])
    assert np.all(table["heuristic"] <= best + 1e-9) and np.all(best <= table["relaxation"] + 1e-9)
    snap = table["method"] == "quantization"
    assert np.all(table["relaxation"][snap] <= table["published"][snap] + 1e-3)
    assert np.all(table["heuristic"][snap] > table["bound"][~snap])
    assert len(layer_bounds_layers.draw(table).axes) == 4


def test_the_bound_is_tight_without_correlation(monkeypatch):
    monkeypatch.setattr(layer_bounds_tightness, "SEEDS", {"quick": 2})
    monkeypatch.setattr(layer_bounds_tightness, "SIZES", {"quick": (4, 8)})
    monkeypatch.setattr(layer_bounds_tightness, "CORRELATIONS", (0.0, 0.9))
    table = layer_bounds_tightness.data()
    check(table)
    assert np.all(table["gap"] >= 0) and np.all(table["gap"] <= table["published"] + 1e-6)
    layer_bounds_tightness.draw(table)


def test_heuristics_lose_what_the_optimum_does_not(monkeypatch):
    monkeypatch.setattr(layer_bounds_heuristics, "NETWORKS", ("digits",))
    monkeypatch.setattr(layer_bounds_heuristics, "ROWS", {"quick": 1})
    table = layer_bounds_heuristics.data()
    check(table)
    assert np.all(table["loss"] >= -1e-9)
    layer_bounds_heuristics.draw(table)


def test_the_times_that_ship_are_far_below_those_of_general_solvers():
    table = layer_bounds_times.data()
    check(table)
    assert np.all((table["least"] <= table["median"]) & (table["median"] <= table["largest"]))
    ours = table["solver"] == "snapcut"
    assert np.all(table["solved"][ours] == table["instances"][ours])
    for question in ("bound", "codes", "masks"):
        asked = table["question"] == question
        shared = set(table["n"][asked & ours]) & set(table["n"][asked & ~ours])
        times = [table["median"][asked & side & (table["n"] == max(shared))] for side in (ours, ~ours)]
        assert times[1] > 50 * times[0]
    assert len(layer_bounds_times.draw(table).axes) == 3
