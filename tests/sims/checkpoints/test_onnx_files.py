"""An ONNX model may keep its weights in files beside it, and in no other place."""

import numpy as np
import pytest

from sims import checkpoints

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
