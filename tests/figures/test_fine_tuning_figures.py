"""Figures of fine-tuning and representation: their tables say what the captions say, and they draw."""

import numpy as np

from figures import representation_bias


def test_the_plain_estimator_follows_its_law_and_the_unbiased_one_the_truth(monkeypatch):
    monkeypatch.setattr(representation_bias, "TRIALS", {"quick": 25})
    monkeypatch.setattr(representation_bias, "SAMPLES", (16, 32))
    table = representation_bias.data()
    law, plain, unbiased = (table["estimator"] == name for name in ("law", "plain", "unbiased"))
    np.testing.assert_allclose(table["value"][plain], table["value"][law], atol=0.04)
    np.testing.assert_allclose(table["value"][unbiased], table["true"][unbiased], atol=0.06)
    assert len(representation_bias.draw(table).axes) == 2
