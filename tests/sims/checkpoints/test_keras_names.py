"""Files of Keras 3 name the classes of layers and count variables: outputs by the definition of the class."""

import io
import json
import zipfile

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints.keras_names import output_axis
from sims.weights.axes import rows_of

RNG = np.random.default_rng(6)


def applied(layer, kernel, x):
    """The layer as a literal loop: inputs x, without bias, at one position of a kernel of that size."""
    if layer.startswith(("dense", "gru", "lstm")):
        return np.array([sum(x[i] * kernel[i, o] for i in range(len(x))) for o in range(kernel.shape[1])])
    if layer.startswith("conv2d_transpose"):  # one input position spreads: (place, output) from inputs
        return np.einsum("i,hwoi->ohw", x, kernel)
    if layer.startswith("query_dense"):
        return np.einsum("d,dhk->hk", x, kernel)
    raise AssertionError(layer)


@pytest.mark.parametrize(
    ("layer", "shape", "rows"),
    [
        ("dense_3", (6, 8), 8),
        ("gru/cell", (6, 24), 24),
        ("lstm_1/cell", (6, 32), 32),
        ("multi_head_attention/query_dense", (6, 2, 4), 8),
        ("conv2d_transpose_2", (2, 2, 5, 6), 5),
    ],
)
def test_what_a_row_gives_is_one_output(layer, shape, rows):
    """A change of one row of weights changes one output, and the other outputs not at all."""
    kernel, x = RNG.normal(size=shape), RNG.normal(size=6)
    name = f"layers/{layer}/vars/0"
    axis = output_axis(name, len(shape))
    kind = layer.split("/")[-1] if "query" in layer else layer
    before = applied(kind, kernel, x).reshape(rows, -1)
    numbered = rows_of(np.arange(kernel.size).reshape(shape), axis)
    assert len(numbered) == rows
    for row in range(rows):
        changed = kernel.copy()
        changed.reshape(-1)[numbered[row]] += 1.0
        after = applied(kind, changed, x).reshape(rows, -1)
        assert np.flatnonzero(np.abs(after - before).max(axis=1) > 1e-9).tolist() == [row]


@pytest.mark.parametrize(
    ("name", "rank", "axis"),
    [
        ("layers/embedding/vars/0", 2, 0),
        ("layers/embedding_7/vars/0", 2, 0),
        ("layers/token_embedding/vars/0", 2, 0),
        ("layers/embedding_projection/vars/0", 2, 1),
        *((f"tf_gpt2/transformer/{layer}/weight:0", 2, 0) for layer in ("wte", "wpe")),
        *((f"tf_t5/{layer}/weight:0", 2, 0) for layer in ("shared", "embed_tokens")),
        *((f"tf_t5/{layer}/weight:0", 2, 1) for layer in ("shared_net", "embed_tokens_in", "wte2")),
        *(
            (f"a/{layer}/kernel", 3, (1, 2))
            for layer in ("query", "key", "value", "key_dense", "value_dense")
        ),
        *((f"a/{layer}/kernel", 3, 2) for layer in ("keys", "out", "key_out")),
        ("bert/tf_bert/embeddings/word_embeddings/weight:0", 2, 0),  # of Hugging Face's TensorFlow
        ("tfgpt2/transformer/wte/weight:0", 2, 0),
        ("tfgpt2/transformer/h_._0/attn/c_attn/weight:0", 2, 1),
        ("layers/conv2_d_transpose/vars/0", 4, 2),
        ("dense/kernel/.ATTRIBUTES/VARIABLE_VALUE", 2, 1),
        ("model/emb/embeddings:0", 2, 0),
        ("Embed_0/embedding", 2, 0),
        ("layers/depthwise_conv2d/vars/0", 4, (2, 3)),
        ("layers/depthwise_conv1d_1/vars/0", 3, (1, 2)),
        ("layers/separable_conv2d/vars/0", 4, (2, 3)),
        ("layers/separable_conv2d/vars/1", 4, 3),
        ("layers/conv2d/vars/0", 4, 3),
        ("layers/conv1d_transpose/vars/0", 3, 1),
        ("layers/embedding/vars/1", 2, 1),  # not the table
        ("layers/token_embedding/kernel", 2, 1),
        ("conv/depthwise_kernel", 4, (2, 3)),
        ("conv/depthwise_kernel:0", 3, (1, 2)),
        *((f"layers/{layer}/vars/0", 2, 1) for layer in ("depthwise_conv2d", "conv2d_transpose", "query")),
        ("conv/depthwise_kernel", 2, 1),
        *((f"layers/{layer}/vars/1", 4, 3) for layer in ("depthwise_conv2d", "conv2d_transpose")),
        *((f"layers/{layer}/recurrent_kernel", 3, 2) for layer in ("conv1d_transpose", "query", "key_dense")),
        ("attention/query/vars/1", 3, 2),
        ("attention/query/kernel", 4, 3),
        ("ConvTranspose_0/kernel", 4, 3),  # Flax keeps outputs last
        ("attention/query/kernel", 2, 1),
        ("attention/key/bias", 2, 1),
        ("Value/Kernel:0", 3, (1, 2)),
        ("dense/bias", 1, None),
    ],
)
def test_where_a_layer_keeps_its_outputs(name, rank, axis):
    assert output_axis(name, rank) == axis


def test_an_archive_of_keras_has_the_axes_of_its_layers(tmp_path):
    h5py = pytest.importorskip("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/embedding/vars/0"] = RNG.normal(size=(50, 8))
        file["layers/depthwise_conv2d/vars/0"] = RNG.normal(size=(3, 3, 16, 1))
        file["layers/dense/vars/0"] = RNG.normal(size=(8, 16))
        file["layers/dense/vars/1"] = RNG.normal(size=16)
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("model.weights.h5", stream.getvalue())
    found = checkpoints.open_checkpoint(tmp_path / "net.keras").tensors
    axes = {name.split("/")[1]: tensor.axis for name, tensor in found.items() if name.endswith("0")}
    assert axes == {"embedding": 0, "depthwise_conv2d": (2, 3), "dense": 1}


def test_a_whole_model_says_of_what_class_a_layer_is_whatever_its_name(tmp_path):
    """.h5 of Keras 3: every kernel is called `kernel`, and layers are called as their users like."""
    h5py = pytest.importorskip("h5py")
    layers = [
        {"class_name": "DepthwiseConv2D", "config": {"name": "block_dw"}},
        {"class_name": "Conv2DTranspose", "config": {"name": "up"}},
        {"class_name": "Conv2D", "config": {"name": "conv2d_transpose"}},
        {"class_name": "Conv2D", "config": {"name": "both"}},
        {
            "class_name": "Functional",
            "config": {
                "name": "inner",
                "layers": [{"class_name": "Conv2DTranspose", "config": {"name": "both"}}],
            },
        },
        {
            "class_name": "TimeDistributed",
            "config": {"name": "td", "layer": {"class_name": "Conv1DTranspose", "config": {"name": "deep"}}},
        },
    ]
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["model_config"] = (
            '{"class_name": "Sequential", "config": {"name": "s", "layers": ' + json.dumps(layers) + "}}"
        )
        for name in ("block_dw", "depthwise_conv2d", "up", "conv2d_transpose", "both"):
            file[f"model_weights/{name}/{name}/kernel"] = RNG.normal(size=(3, 3, 8, 8))
        file["model_weights/td/deep/kernel"] = RNG.normal(size=(3, 8, 8))
    found = checkpoints.open_checkpoint(tmp_path / "net.h5").tensors
    assert {name.split("/")[-2]: tensor.axis for name, tensor in found.items()} == {
        **{"block_dw": (2, 3), "depthwise_conv2d": (2, 3), "up": 2, "conv2d_transpose": 3, "both": 3},
        "deep": 1,
    }


@pytest.mark.parametrize("beside", [None, "Conv2D", "keras.layers>Conv2D", "Mine>Dense", 3])
def test_the_class_alone_says_what_a_layer_is(tmp_path, beside):
    """Keras writes down the name, module and key of registration of a class beside it, as users chose."""
    h5py = pytest.importorskip("h5py")
    other = dict.fromkeys(("registered_name", "module", "name", "class", "build_config"), beside)
    layer = other | {"class_name": "Conv2DTranspose", "config": {"name": "mine", "class_name": beside}}
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": {"layers": [layer]}})
        file["model_weights/mine/mine/kernel"] = RNG.normal(size=(3, 3, 8, 8))
    assert (
        checkpoints.open_checkpoint(tmp_path / "net.h5").tensors["model_weights/mine/mine/kernel"].axis == 2
    )


@pytest.mark.parametrize(
    "config",
    [
        *("{", "[" * 100_000, "[1, null]", '{"class_name": 3, "config": {"name": 4}}'),
        *('{"class_name": 3, "config": {"name": "up"}}', '{"class_name": "D", "config": {"name": ["up"]}}'),
    ],
)
def test_a_damaged_description_of_the_model_costs_no_weight(tmp_path, config):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["model_config"] = config[:60_000]
        file["model_weights/up/up/kernel"] = RNG.normal(size=(3, 3, 8, 8))
    assert checkpoints.open_checkpoint(tmp_path / "net.h5").tensors["model_weights/up/up/kernel"].axis == 3


def test_shards_of_keras(tmp_path):
    """Its index names the files of layers, not of tensors, and keeps a list of them."""
    h5py = pytest.importorskip("h5py")
    arrays = [RNG.normal(size=(16, 20)), RNG.normal(size=(20, 24))]
    for i, array in enumerate(arrays):
        with h5py.File(tmp_path / f"m_0000{i}.weights.h5", "w") as file:
            file[f"layers/dense_{i}/vars/0"] = array
    index = tmp_path / "m.weights.json"
    table = {"/layers/dense_0/vars": ["m_00000.weights.h5"], "/layers/dense_1/vars": ["m_00001.weights.h5"]}
    index.write_text(json.dumps({"metadata": {"total_size": 1.0}, "weight_map": table}))
    found = checkpoints.open_checkpoint(index).tensors
    assert list(found) == ["layers/dense_0/vars/0", "layers/dense_1/vars/0"]
    for tensor, array in zip(found.values(), arrays, strict=True):
        np.testing.assert_array_equal(tensor.load(), array)
        assert tensor.axis == 1
    index.write_text(json.dumps({"weight_map": table | {"/layers/dense_2/vars": ["m_00002.weights.h5"]}}))
    with pytest.raises(ValueError, match=r"of 3 shards 'm_00002\.weights\.h5' is missing"):
        checkpoints.open_checkpoint(index)
    index.write_text(json.dumps({"weight_map": {"/layers/dense_0/vars": [3]}}))
    with pytest.raises(ValueError, match="no index of shards"):
        checkpoints.open_checkpoint(index)
