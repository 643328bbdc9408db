"""Figures of path following: their tables obey the bounds, and they draw."""

import numpy as np
import pytest

from figures import (
    path_following_accuracy,
    path_following_bounds,
    path_following_layers,
    path_following_one_bit,
    path_following_orders,
    path_following_saturation,
    path_following_tightness,
)


def check(table):
    assert len({len(column) for column in table.values()}) == 1


def test_measured_errors_stay_below_every_bound(monkeypatch):
    monkeypatch.setattr(path_following_bounds, "TRIALS", {"quick": 100})
    table = path_following_bounds.data()
    check(table)
    assert np.all(table["measured"] < table["covariance"])
    assert np.all(table["covariance"] <= table["range"] * (1 + 1e-9))
    assert np.all(table["range"] < table["paper"])
    figure = path_following_bounds.draw(table)
    assert [axis.get_xlabel() for axis in figure.axes] == list(path_following_bounds.PANELS.values())


def test_the_ladder_descends(monkeypatch):
    monkeypatch.setattr(path_following_tightness, "TRIALS", {"quick": 600})
    table = path_following_tightness.data()
    check(table)
    for setting in set(table["setting"]):
        here = table["setting"] == setting
        assert np.all(np.diff(table["radius"][here]) < 0)
        assert table["radius"][here][-1] > table["measured"][here][-1]
    path_following_tightness.draw(table)


def test_exit_frequencies_stay_below_both_bounds(monkeypatch):
    monkeypatch.setattr(path_following_one_bit, "TRIALS", {"quick": 400})
    table = path_following_one_bit.data()
    check(table)
    assert np.all(table["low"] <= table["covariance"] + 1e-12)
    assert np.all(table["covariance"] <= table["closed"] + 1e-12)
    path_following_one_bit.draw(table)


def test_saturation_follows_its_laws(monkeypatch):
    monkeypatch.setattr(path_following_saturation, "REPEATS", {"quick": 4})
    table = path_following_saturation.data()
    check(table)
    growth = table["panel"] == "growth"
    np.testing.assert_allclose(table["value"][growth], table["law"][growth], rtol=0.25)
    fooled = (table["panel"] == "fooled") & (table["method"] == "stochastic, C = 1")
    assert np.all(table["value"][fooled] < table["law"][fooled])
    path_following_saturation.draw(table)


def test_norm_order_helps_where_norms_differ(monkeypatch):
    monkeypatch.setattr(path_following_orders, "REPEATS", {"quick": 2})
    table = path_following_orders.data()
    check(table)
    here = (table["setting"] == "unequal norms") & (table["order"] == "norm")
    assert np.all(table["ratio"][here] < 1)
    path_following_orders.draw(table)


def test_accuracy_returns_at_eight_bits(monkeypatch):
    monkeypatch.setattr(path_following_accuracy, "SEEDS", {"quick": 1})
    monkeypatch.setattr(path_following_accuracy, "BITS", (2, 8))
    monkeypatch.setattr(path_following_accuracy, "SPARSITIES", (0.5, 0.9))
    table = path_following_accuracy.data()
    check(table)
    eight = (table["kind"] == "bits") & (table["x"] == 8)
    assert np.all(table["accuracy"][eight] > 0.96)
    path_following_accuracy.draw(table)


def test_layers_without_the_zoo(monkeypatch):
    layers = path_following_layers.layers
    monkeypatch.setattr(path_following_layers, "layers", lambda: layers(zoo=False))
    table = path_following_layers.data()
    check(table)
    unclipped = table["task"] == "no ends"
    assert np.all(table["snr"][unclipped] > table["bound"][unclipped])
    path_following_layers.draw(table)


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
