"""An ONNX model may keep its weights in files beside it, and in no other place."""

import errno
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints.onnx_graph import Scope, scopes

onnx = pytest.importorskip("onnx")


def model_with_weights_in(path, location):
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(location))
    path.write_bytes(
        onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [tensor])).SerializeToString()
    )


@pytest.fixture
def folder(tmp_path):
    """A folder for a model, with weights in it and a file outside that the model must not read."""
    (tmp_path / "models").mkdir()
    np.arange(4, dtype="<f4").tofile(tmp_path / "models" / "weights.bin")
    np.arange(4, dtype="<f4").tofile(tmp_path / "outside.bin")
    (tmp_path / "models" / "link.bin").symlink_to(tmp_path / "outside.bin")
    return tmp_path / "models"


def test_external_data_beside_the_model_are_read(folder):
    model_with_weights_in(folder / "m.onnx", "weights.bin")
    np.testing.assert_array_equal(checkpoints.read(folder / "m.onnx").tensors["w"], [0, 1, 2, 3])


def test_a_file_beside_the_model_is_not_read_over_and_over(folder):
    (folder / "weights.bin").write_bytes(bytes(2**20))
    tensors = []
    for i in range(40):
        tensor = onnx.TensorProto(name=f"w{i}", data_type=onnx.TensorProto.FLOAT, dims=[2**18])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
        tensors.append(tensor)
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="bytes read from files beside it"):
        checkpoints.read(folder / "m.onnx")


@pytest.mark.parametrize("location", ["../outside.bin", "link.bin", "absolute"])
def test_external_data_stay_inside_the_folder(folder, location):
    model_with_weights_in(
        folder / "m.onnx", folder.parent / "outside.bin" if location == "absolute" else location
    )
    with pytest.raises(ValueError, match=r"cannot read 'm\.onnx': tensor 'w': ") as caught:
        checkpoints.read(folder / "m.onnx")
    assert "\n" not in str(caught.value)


def test_what_is_read_of_a_file_begins_at_the_offset(folder):
    """40 tensors of a few last bytes each lead to little, however long the file is."""
    (folder / "weights.bin").write_bytes(bytes(2**20 - 16) + np.arange(4, dtype="<f4").tobytes())
    tensors = []
    for i in range(40):
        tensor = onnx.TensorProto(name=f"w{i}", data_type=onnx.TensorProto.FLOAT, dims=[4])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
        tensor.external_data.add(key="offset", value=str(2**20 - 16))
        tensors.append(tensor)
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    for array in checkpoints.read(folder / "m.onnx").tensors.values():
        np.testing.assert_array_equal(array, [0, 1, 2, 3])


@pytest.mark.parametrize(("length", "refused"), [(16, False), (2**20, True)])
def test_what_is_read_of_a_file_ends_with_its_length(folder, length, refused):
    """40 tensors of a few first bytes each lead to little, of a megabyte each to more than the file."""
    (folder / "weights.bin").write_bytes(bytes(2**20))
    tensors = []
    for i in range(40):
        dims = [length // 4]
        tensor = onnx.TensorProto(name=f"w{i}", data_type=onnx.TensorProto.FLOAT, dims=dims)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        tensors.append(tensor)
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    if refused:
        with pytest.raises(ValueError, match="bytes read from files beside it"):
            checkpoints.open_checkpoint(folder / "m.onnx")
    else:
        assert len(checkpoints.read(folder / "m.onnx").tensors) == 40


@pytest.mark.parametrize(
    ("location", "missing"),
    [
        ("none.bin", True),
        ("inner/none.bin", True),
        ("inner/../none.bin", True),
        ("../models/none.bin", True),
        ("../none.bin", False),  # of other places nothing is said, not even that nothing is there
        ("inner/../../none.bin", False),
        ("../outside.bin", False),
        ("inner/weights.bin", None),
        ("inner/../weights.bin", None),
    ],
)
def test_files_of_the_folder_are_missed_when_the_model_is_opened(folder, location, missing):
    (folder / "inner").mkdir()
    np.arange(4, dtype="<f4").tofile(folder / "inner" / "weights.bin")
    model_with_weights_in(folder / "m.onnx", location)
    why = f"tensor 'w': its values are in the file '{location}', which is missing beside the model"
    if missing:
        with pytest.raises(ValueError, match=re.escape(why)):
            checkpoints.open_checkpoint(folder / "m.onnx")
        return
    tensor = checkpoints.open_checkpoint(folder / "m.onnx").tensors["w"]
    if missing is None:
        np.testing.assert_array_equal(tensor.load(), [0, 1, 2, 3])
    else:
        with pytest.raises(ValueError, match=r"cannot read 'm\.onnx': tensor 'w': .* points outside"):
            tensor.load()


def sparse_model(path, values, places, dims):
    """A product of a sparse matrix, and a dense one beside it."""
    part = onnx.helper.make_sparse_tensor(values, places, dims)
    dense = onnx.numpy_helper.from_array(np.ones((2, 2), np.float32), "dense")
    path.write_bytes(
        onnx.helper.make_model(
            onnx.helper.make_graph([], "g", [], [], [dense], sparse_initializer=[part])
        ).SerializeToString()
    )
    return checkpoints.open_checkpoint(path).tensors


PLACES = onnx.numpy_helper.from_array(np.array([1, 2, 3]))


@pytest.mark.parametrize(
    ("kind", "values", "element", "nbytes"),
    [
        ("FLOAT", [5, -7, 2], "float32", 12),
        ("FLOAT16", [5, -7, 2], "float16", 6),
        ("INT8", [5, -7, 2], "int8", 3),
        ("INT4", [5, -7, 2], "int4", 2),  # two of them a byte
        ("UINT4", [5, 7, 2], "uint4", 2),
        ("FLOAT4E2M1", [6, -3, 2], "float4_e2m1fn", 2),
        ("BFLOAT16", [5, -7, 2], "bfloat16", 6),
    ],
)
def test_sparse_values_of_every_width_take_the_bytes_of_their_bits(tmp_path, kind, values, element, nbytes):
    tensor = onnx.helper.make_tensor("w", getattr(onnx.TensorProto, kind), [3], values)
    found = sparse_model(tmp_path / "m.onnx", tensor, PLACES, [2, 3])["w"]
    np.testing.assert_array_equal(found.load(), [[0, *values[:2]], [values[2], 0, 0]])
    assert (found.dtype, found.nbytes) == (element, nbytes + 3 * 8)


@pytest.mark.parametrize(("kind", "values"), [("STRING", [b"a", b"b", b"c"]), ("COMPLEX64", [1, 2j, 3])])
def test_sparse_values_that_are_no_real_numbers_take_no_other_away(tmp_path, kind, values):
    tensor = onnx.helper.make_tensor("w", getattr(onnx.TensorProto, kind), [3], values)
    found = sparse_model(tmp_path / "m.onnx", tensor, PLACES, [2, 3])
    number = getattr(onnx.TensorProto, kind)
    assert found["w"].skip == f"values of ONNX type {number}, not read" and found["w"].shape == (2, 3)
    assert found["w"].nbytes == 3 * 8  # of the places
    read = checkpoints.read(tmp_path / "m.onnx")
    assert list(read.tensors) == ["dense"] and list(read.skipped) == ["w"]


@pytest.mark.parametrize("part", ["values", "indices", "shape"])
def test_a_sparse_tensor_of_negative_sizes_is_refused(tmp_path, part):
    dims = {"values": [3], "indices": [3], "shape": [2, 3]}
    dims[part] = [-size for size in dims[part]]
    values = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [3], [5, -7, 2])
    places = onnx.helper.make_tensor("p", onnx.TensorProto.INT64, [3], [1, 2, 3])
    values.dims[:], places.dims[:] = dims["values"], dims["indices"]
    with pytest.raises(ValueError, match=r"tensor 'w': its shape \(-[23]\b.*\) does not consist of sizes"):
        sparse_model(tmp_path / "m.onnx", values, places, dims["shape"])


@pytest.mark.parametrize(("kind", "values"), [("STRING", [b"a", b"b"]), ("COMPLEX64", [1, 2j])])
def test_values_that_are_no_real_numbers_are_named(tmp_path, kind, values):
    tensor = onnx.helper.make_tensor("w", getattr(onnx.TensorProto, kind), [2], values)
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    (tmp_path / "m.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    found = checkpoints.open_checkpoint(tmp_path / "m.onnx").tensors["w"]
    assert found.skip == f"values of ONNX type {getattr(onnx.TensorProto, kind)}, not read"
    assert (found.shape, found.nbytes) == ((2,), 0)


@pytest.mark.parametrize("part", ["values", "indices"])
def test_sparse_tensors_too_may_miss_a_file_beside_the_model(tmp_path, part):
    values = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [3], [5, -7, 2])
    places = onnx.helper.make_tensor("p", onnx.TensorProto.INT64, [3], [1, 2, 3])
    tensor = {"values": values, "indices": places}[part]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="none.bin")
    with pytest.raises(ValueError, match=r"'w': its values are in the file 'none\.bin', which is missing"):
        sparse_model(tmp_path / "m.onnx", values, places, [2, 3])


def test_values_inside_the_model_are_none_of_a_file_beside_it(tmp_path, monkeypatch):
    """With next to nothing allowed of such files the model is read all the same."""
    monkeypatch.setenv("SNAPCUT_READ_LIMIT", "1e-6")  # 17 bytes
    tensors = [onnx.numpy_helper.from_array(np.ones((2, 2), np.float32), f"w{i}") for i in range(3)]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    (tmp_path / "m.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    assert len(checkpoints.read(tmp_path / "m.onnx").tensors) == 3


def test_what_the_system_says_of_a_model_is_said(tmp_path, monkeypatch):
    def load(path, **_):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    model_with_weights_in(tmp_path / "m.onnx", "weights.bin")
    monkeypatch.setattr(onnx, "load", load)
    why = f"cannot read {str(tmp_path / 'm.onnx')!r}: {os.strerror(errno.EIO)}"
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        checkpoints.open_checkpoint(tmp_path / "m.onnx")


@pytest.mark.parametrize("own", ["defined", "constants", None])
def test_a_graph_sees_names_around_it_that_it_does_not_define_itself(own):
    outer = Scope("", constants={"s": "outer"}, producers={"s": "before"}, defined={"s"})
    inner = Scope("body", Scope("between", outer), producers={"s": "inside"})
    if own == "defined":
        inner.defined.add("s")
    elif own == "constants":
        inner.constants["s"] = "inner"
    assert inner.constant("s") == {"defined": None, "constants": "inner", None: "outer"}[own]
    assert inner.producer("s") == ("inside" if own == "defined" else "before")


def graph_of(*nodes):
    return SimpleNamespace(input=[], initializer=[], sparse_initializer=[], node=nodes)


def test_graphs_stand_at_most_forty_deep_inside_one_another():
    """A file of more the package refuses, too: protobuf has a limit of its own."""
    graph = graph_of()
    for depth in range(1, 42):
        inside = SimpleNamespace(name="then_branch", g=graph, graphs=[], HasField="g".__eq__)
        node = SimpleNamespace(op_type="If", name="n", input=["c"], output=["y"], attribute=[inside])
        graph = graph_of(node)
        if depth <= 40:
            assert len(scopes(SimpleNamespace(graph=graph, functions=[]))) == depth + 1
    with pytest.raises(ValueError, match="its graphs are nested too deeply"):
        scopes(SimpleNamespace(graph=graph, functions=[]))


def test_two_constants_of_one_name_are_two_tensors(tmp_path):
    tensors = [onnx.numpy_helper.from_array(np.full((2, 2), value, np.float32), "w") for value in (3, 5, 7)]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    (tmp_path / "m.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    found = checkpoints.read(tmp_path / "m.onnx").tensors
    assert {name: array[0, 0] for name, array in found.items()} == {"w": 3, "w'": 5, "w''": 7}
