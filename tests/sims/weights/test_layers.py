"""Layers of the networks at hand: how much of its inputs a named layer sees."""

from pathlib import Path

import numpy as np

from sims.weights import layers


def test_how_many_photographs_and_tokens_the_layers_see(monkeypatch):
    asked = {}

    def photographs(crops, size):
        asked["photographs"] = (crops, size)

    def linear_layers(path, sequences, length):
        asked["tokens"] = (sequences, length)
        yield "0 query", np.eye(2), np.eye(2)

    monkeypatch.setattr(layers, "at_hand", Path)
    monkeypatch.setattr(layers, "load", lambda path: {})
    monkeypatch.setattr(layers.efficientnet, "photographs", photographs)
    monkeypatch.setattr(layers.efficientnet, "stem_layer", lambda arrays, images: (np.eye(2), np.eye(2)))
    monkeypatch.setattr(layers.efficientnet, "pointwise_layers", lambda arrays, images: iter(()))
    monkeypatch.setattr(layers.transformer, "linear_layers", linear_layers)
    assert [name for network in ("efficientnet", "minilm") for name, *_ in layers.layers_of(network)] == [
        "stem",
        "0 query",
    ]
    assert asked == {"photographs": (2, 96), "tokens": (6, 32)}
