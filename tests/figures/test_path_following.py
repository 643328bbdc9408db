"""Figures of path following: their tables obey the bounds, and they draw."""

import numpy as np

from figures import path_following_bounds


def test_measured_errors_stay_below_every_bound(monkeypatch):
    monkeypatch.setattr(path_following_bounds, "TRIALS", {"quick": 100})
    table = path_following_bounds.data()
    assert len({len(column) for column in table.values()}) == 1
    assert np.all(table["measured"] < table["covariance"])
    assert np.all(table["covariance"] <= table["range"] * (1 + 1e-9))
    assert np.all(table["range"] < table["paper"])
    figure = path_following_bounds.draw(table)
    assert [axis.get_xlabel() for axis in figure.axes] == list(path_following_bounds.PANELS.values())
