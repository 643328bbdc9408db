"""Medians, settings, and rows of a cell by hand."""

import inspect

import numpy as np
import pytest

from sims.fine_tuning import Setting, cells
from sims.fine_tuning.training import Recipe, Trained


def test_the_interval_of_a_median_is_two_of_the_values():
    """Ten values: all but the least and the largest one hold the median 978.5 times in 1000."""
    values = np.array([5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0, 10.0])
    assert cells.median(values) == (5.5, 2.0, 9.0)
    assert cells.median([3.0]) == (3.0, 3.0, 3.0) and cells.CONFIDENCE == 0.95


def test_a_setting_makes_both_recipes():
    network, data, first, second = Setting(seeds=2, pretraining=7, epochs=3, batch=16, rate=0.2).made()
    assert (network.kind, network.hidden, data.name) == ("dense", (48, 32), "digits")
    assert first == Recipe(7, 16, 0.2) and second == Recipe(3, 16, 0.05)
    assert Setting(hidden=(5,)).made()[0].hidden == (5,)
    assert Setting(tuning_rate=0.3).made()[3].rate == 0.3
    with pytest.raises(ValueError, match="grid must be one of"):
        Setting(grid="odd")
    with pytest.raises(ValueError, match="seeds must be an integer >= 1, got 0"):
        Setting(seeds=0)


def test_what_a_sweep_leaves_out_is_what_a_setting_has():
    """Two lists of the same defaults: of the cell of a sweep, and of a setting."""
    theirs = {name: p.default for name, p in inspect.signature(cells.simulate).parameters.items()}
    mine = {name: p.default for name, p in inspect.signature(Setting).parameters.items() if name != "hidden"}
    assert {name: theirs[name] for name in mine} == mine
    assert {name: value for name, value in theirs.items() if name not in mine} == {
        "method": "qat", "bits": 4, "store": None, "seed": 0,
    }  # fmt: skip


def test_rows_hold_the_medians(monkeypatch):
    weights = [np.zeros((3, 1, 1))]
    trained = Trained(weights, weights, weights)
    by_layer = {"layer1": np.array([1.0, 3.0, 9.0]), "layer2": np.array([np.nan, np.inf, np.inf])}
    cell = cells.Cell(
        "qat", 4, 0.0, trained, trained, np.array([0.9, 0.7, 0.8]), np.array([0.95, 0.99, 0.97]), 450,
        by_layer, {"layer1": np.array([5.0, np.inf, 4.0])}, {"layer1": np.array([0.5, 0.6, 0.9])}, {},
    )  # fmt: skip
    seen = []
    monkeypatch.setattr(cells, "compare", lambda *arguments: seen.append(arguments) or cell)
    options = {"grid": "symmetric", "per_channel": True}
    given = ("dense", "digits", "qat", 4, 3, 7, 5, 32, 0.3, 0.06)
    first, *rest = cells.simulate(*given, seed=9, store="here", **options)
    assert seen == [(Setting("dense", "digits", 3, 7, 5, 32, 0.3, 0.06, **options), "qat", 4, 9, "here")]
    assert (first.measured, first.theory, first.trials) == (0.8, 0.97, 3)
    assert first.low == 0.7 and first.high == 0.9
    found = {row.quantity: row.measured for row in rest}
    assert found == {
        "accuracy of seed 0": 0.9, "accuracy of seed 1": 0.7, "accuracy of seed 2": 0.8,
        "accuracy before, seed 0": 0.95, "accuracy before, seed 1": 0.99, "accuracy before, seed 2": 0.97,
        "SNR of the weights, dB, layer1": 3.0, "SNR of the weights, dB, layer2": None,
        "SNR of the outputs, dB, layer1": 5.0, "CKA of the outputs, layer1": pytest.approx(0.6),
    }  # fmt: skip
    ends = {row.quantity: (row.low, row.high) for row in rest if row.low is not None}
    assert ends == {  # of three seeds the extremes; an infinite ratio is no number of a table
        "SNR of the weights, dB, layer1": (1.0, 9.0), "SNR of the outputs, dB, layer1": (4.0, None),
        "CKA of the outputs, layer1": (0.5, 0.9),
    }  # fmt: skip


def test_what_is_lost_is_measured_against_the_network_before(monkeypatch):
    """Layers times f make the output of layer i that of the network before times f^i, in every seed."""
    factors = np.float32([0.5, 0.25, 2.0])
    setting = Setting(seeds=3, hidden=(6, 5))
    rng = np.random.default_rng(1)
    before = [rng.normal(size=(3, *shape)).astype(np.float32) for shape in setting.made()[0].matrices]
    after = [layer * factors[:, None, None] for layer in before]
    monkeypatch.setattr(cells, "originals", lambda *_: Trained(before, before, before))
    monkeypatch.setattr(cells, "post_training", lambda *_, **__: Trained(after, after, after))
    found = cells.compare(setting, "magnitude", 4)
    for i, layer in enumerate(("layer1", "layer2", "layer3"), start=1):
        lost = np.abs(1 - np.float64(factors) ** i)
        np.testing.assert_allclose(10 ** (-found.outputs_snr[layer] / 20), lost, rtol=1e-9)
        np.testing.assert_allclose(10 ** (-found.weights_snr[layer] / 20), np.abs(1 - factors), rtol=1e-9)
        np.testing.assert_allclose(found.cka[layer], 1, rtol=1e-9)
