"""Figures of path following: their tables obey the bounds, and they draw."""

import numpy as np
import pytest

from figures import (
    path_following_accuracy,
    path_following_bounds,
    path_following_layers,
    path_following_massive,
    path_following_one_bit,
    path_following_orders,
    path_following_saturation,
    path_following_tightness,
)


def check(table):
    assert len({len(column) for column in table.values()}) == 1


def test_measured_errors_stay_below_every_bound(monkeypatch, fits_a_page):
    monkeypatch.setattr(path_following_bounds, "TRIALS", {"quick": 100})
    table = path_following_bounds.data()
    check(table)
    assert np.all(table["measured"] < table["covariance"])
    assert np.all(table["covariance"] <= table["range"] * (1 + 1e-9))
    assert np.all(table["range"] < table["paper"])
    figure = path_following_bounds.draw(table)
    fits_a_page(path_following_bounds, table)
    assert [axis.get_xlabel() for axis in figure.axes] == list(path_following_bounds.PANELS.values())


def test_the_ladder_descends(monkeypatch, fits_a_page):
    monkeypatch.setattr(path_following_tightness, "TRIALS", {"quick": 600})
    table = path_following_tightness.data()
    check(table)
    for setting in set(table["setting"]):
        here = table["setting"] == setting
        assert np.all(np.diff(table["radius"][here]) < 0)
        assert table["radius"][here][-1] > table["measured"][here][-1]
    path_following_tightness.draw(table)
    fits_a_page(path_following_tightness, table)


def test_exit_frequencies_stay_below_both_bounds(monkeypatch, fits_a_page):
    monkeypatch.setattr(path_following_one_bit, "TRIALS", {"quick": 400})
    table = path_following_one_bit.data()
    check(table)
    measured = np.isfinite(table["low"])
    assert measured.sum() == 3 * 26
    assert np.all(table["low"][measured] <= table["covariance"][measured] + 1e-12)
    assert np.all(table["covariance"] <= table["closed"] + 1e-12)
    path_following_one_bit.draw(table)
    fits_a_page(path_following_one_bit, table)


def test_saturation_follows_its_laws(monkeypatch, fits_a_page):
    monkeypatch.setattr(path_following_saturation, "REPEATS", {"quick": 4})
    table = path_following_saturation.data()
    check(table)
    growth = table["panel"] == "growth"
    np.testing.assert_allclose(table["value"][growth], table["law"][growth], rtol=0.25)
    fooled = (table["panel"] == "fooled") & (table["method"] == "SPFQ, C = 1")
    assert fooled.sum() == 8
    assert np.all(table["value"][fooled] < table["law"][fooled])
    path_following_saturation.draw(table)
    fits_a_page(path_following_saturation, table)


def test_norm_order_helps_where_norms_differ(monkeypatch, fits_a_page):
    monkeypatch.setattr(path_following_orders, "REPEATS", {"quick": 2})
    table = path_following_orders.data()
    check(table)
    here = (table["setting"] == "unequal norms") & (table["order"] == "norm")
    assert np.all(table["ratio"][here] < 1)
    path_following_orders.draw(table)
    fits_a_page(path_following_orders, table)


def test_accuracy_returns_at_eight_bits(monkeypatch, fits_a_page):
    monkeypatch.setattr(path_following_accuracy, "SEEDS", {"quick": 1})
    table = path_following_accuracy.data(bits=(2, 8), sparsities=(0.5, 0.9))
    check(table)
    eight = (table["kind"] == "bits") & (table["x"] == 8)
    assert np.all(table["accuracy"][eight] > 0.96)
    path_following_accuracy.draw(table)
    fits_a_page(path_following_accuracy, table)


def test_layers_without_the_zoo(monkeypatch, fits_a_page):
    layers = path_following_layers.layers
    monkeypatch.setattr(path_following_layers, "layers", lambda: layers(zoo=False))
    table = path_following_layers.data()
    check(table)
    unclipped = table["task"] == "no ends"
    assert np.all(table["snr"][unclipped] > table["bound"][unclipped])
    path_following_layers.draw(table)
    fits_a_page(path_following_layers, table)


def test_layers_of_the_zoo_classify_a_palace():
    from sims import weights
    from sims.networks.efficientnet import photographs, pointwise_layers

    path = weights.zoo_checkpoint()
    if path is None:
        pytest.skip("the zoo extra is not installed")
    arrays = weights.load(path)
    *_, (name, matrix, features) = pointwise_layers(arrays, photographs(2, 224))
    assert name == "classifier"
    logits = features @ matrix.T + arrays["_fc.bias"]
    assert logits.shape == (2, 1000)
    assert logits[0].argmax() == 698  # "palace": the first photograph is of a temple in Beijing
    assert 985 in np.argsort(-logits[1])[:5]  # "daisy": the second is of a flower


def test_a_massive_channel_is_best_compressed_last(monkeypatch):
    monkeypatch.setattr(path_following_massive, "FACTORS", 10.0 ** np.array([0.0, 6.0]))
    monkeypatch.setattr(path_following_massive, "REPEATS", {"quick": 1})
    table = path_following_massive.data()
    check(table)
    far = table["factor"] > 1
    exits = dict(zip(table["method"][far], table["exits"][far], strict=True))
    others = dict(zip(table["method"][far], table["others"][far], strict=True))
    assert exits["GPFQ, largest first"] > exits["GPFQ"] > 0.5 > 0.1 > exits["GPFQ, largest last"]
    assert others["GPFQ"] < others["rounding"] < others["GPFQ, largest last"]
    path_following_massive.draw(table)
