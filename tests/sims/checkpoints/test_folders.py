"""Folders that hold one network, and what stands in them beside its files."""

import json

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints import folders

W = np.arange(6, dtype=np.float32).reshape(2, 3)


def archive(path, **arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


def test_an_index_of_other_files_than_safetensors_is_read(tmp_path):
    """As older networks have it; it says which of the files are the network."""
    archive(tmp_path / "model-1.bin", a=W)
    archive(tmp_path / "model-2.bin", b=W + 1)
    archive(tmp_path / "another.bin", c=W)
    index = {"weight_map": {"a": "model-1.bin", "b": "model-2.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert list(checkpoints.open_checkpoint(tmp_path).tensors) == ["a", "b"]
    (tmp_path / "adapter.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(
        ValueError, match=r"holds several networks \(adapter\.bin\.index\.json, pytorch_model"
    ):
        checkpoints.open_checkpoint(tmp_path)


def test_a_folder_is_no_shard_whatever_its_name(tmp_path):
    folder = tmp_path / "model-00001-of-00003.bin"
    folder.mkdir()
    archive(folder / "w.npz", w=W)
    assert checkpoints.open_checkpoint(folder).part == ""
    archive(tmp_path / "model-00002-of-00003.bin", w=W)
    part = checkpoints.open_checkpoint(tmp_path / "model-00002-of-00003.bin").part
    assert part == "This is shard 2 of 3, a part of a network: name its folder for all."
    archive(tmp_path / "all-00001-of-00001.bin", w=W)
    assert checkpoints.open_checkpoint(tmp_path / "all-00001-of-00001.bin").part == ""


def test_folders_with_the_endings_of_files_are_no_files(tmp_path):
    """The folders of another one of its forms, or of a saved model."""
    for ending in ("safetensors", "npz", "keras"):
        (tmp_path / f"model.{ending}").mkdir()
    archive(tmp_path / "weights.npz", w=W)
    assert list(checkpoints.open_checkpoint(tmp_path).tensors) == ["w"]
    (tmp_path / "weights.npz").unlink()
    with pytest.raises(
        ValueError, match=r"no weight file; there are folders in it: model\.keras, model\.npz"
    ):
        checkpoints.open_checkpoint(tmp_path)


@pytest.mark.parametrize("count", [4, 5])
def test_the_first_four_folders_inside_are_named(tmp_path, count):
    for name in "edcba"[-count:]:
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"there are folders in it: a, b, c, d$"):
        checkpoints.open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["m-00001-of-00001"], ["m-00001-of-00001"]),
        (["m-00002-of-00002"], None),
        (["m-00001-of-00003", "m-00003-of-00003"], None),
        (["m-00001-of-00002", "m-00002-of-00002"], ["m-00001-of-00002", "m-00002-of-00002"]),
        (["m"], ["m"]),
    ],
)
def test_shards_without_an_index_are_complete_or_no_network(tmp_path, names, found):
    for name in names:
        archive(tmp_path / f"{name}.npz", **{name: W})
    if found is None:
        with pytest.raises(ValueError, match=r"of [23] shards 'm-0000[12]-of-0000[23]\.npz' is missing"):
            checkpoints.open_checkpoint(tmp_path)
    else:
        assert list(checkpoints.open_checkpoint(tmp_path).tensors) == found


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a-00001-of-00002"], ["a-00001-of-00002", "b"]])
def test_every_npy_file_of_a_folder_is_an_array_of_its_own(tmp_path, names):
    """Whatever their names say."""
    for name in names:
        np.save(tmp_path / f"{name}.npy", W)
    assert list(checkpoints.open_checkpoint(tmp_path).tensors) == names


@pytest.mark.parametrize("index", [{"weight_map": {}}, {"weight_map": {"layer": []}}])
def test_an_index_of_nothing_names_no_file(tmp_path, index):
    (tmp_path / "model.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="the index names no file"):
        checkpoints.open_checkpoint(tmp_path)


def test_an_index_is_no_longer_than_one_of_a_network(tmp_path, monkeypatch):
    archive(tmp_path / "a.npz", w=W)
    path = tmp_path / "model.index.json"
    path.write_text(json.dumps({"weight_map": {"w": "a.npz"}}))
    size = path.stat().st_size
    monkeypatch.setattr(folders, "_INDEX", size)
    assert list(checkpoints.open_checkpoint(path).tensors) == ["w"]
    monkeypatch.setattr(folders, "_INDEX", size - 1)
    with pytest.raises(ValueError, match=f"a JSON file of {size} bytes"):
        checkpoints.open_checkpoint(path)


def test_a_path_may_be_a_string(tmp_path):
    archive(tmp_path / "a.npz", w=W)
    for path in (str(tmp_path), str(tmp_path / "a.npz")):
        np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], W)


def test_a_folder_of_many_networks_names_the_first_four(tmp_path):
    for name in "edcba":
        (tmp_path / f"{name}.safetensors.index.json").write_text("{}")
    names = ", ".join(rf"{name}\.safetensors\.index\.json" for name in "abcd")
    with pytest.raises(ValueError, match=rf"it holds several networks \({names}\): name one"):
        checkpoints.open_checkpoint(tmp_path)


def test_an_index_names_files_for_every_layer_or_for_every_tensor(tmp_path):
    """Of lists beside names nobody knows which it is."""
    archive(tmp_path / "a.npz", w=W)
    path = tmp_path / "model.index.json"
    path.write_text(json.dumps({"weight_map": {"layer": ["a.npz"], "w": "a.npz"}}))
    with pytest.raises(ValueError, match="this JSON file is no index of shards: it has no weight_map"):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((1, 2, 4), "of 4 shards 'm-00003-of-00004.npz' is missing"),
        ((1, 4), "of 4 shards 'm-00002-of-00004.npz' and 1 more is missing"),
        ((2,), "of 4 shards 'm-00001-of-00004.npz' and 2 more is missing"),
    ],
)
def test_the_first_shard_that_is_missing_and_how_many_more(tmp_path, there, missing):
    for number in there:
        archive(tmp_path / f"m-{number:05}-of-00004.npz", **{f"w{number}": W})
    with pytest.raises(ValueError, match=f"{missing}$"):
        checkpoints.open_checkpoint(tmp_path)


@pytest.mark.parametrize("count", [2, 4, 6])
def test_the_first_four_files_of_a_folder_are_named(tmp_path, count):
    for name in "abcdef"[:count]:
        archive(tmp_path / f"{name}.npz", w=W)
    named = ", ".join(f"{name}.npz" for name in "abcd"[:count])
    with pytest.raises(ValueError, match=rf"holds {count} weight files \({named}, \.\.\.\): name one"):
        checkpoints.open_checkpoint(tmp_path)


@pytest.mark.parametrize(("count", "others"), [(1, ""), (2, " and 1 more"), (3, " and 2 more")])
def test_the_first_tensor_that_is_in_no_shard_and_how_many_more(tmp_path, count, others):
    archive(tmp_path / "a.npz", w=W)
    names = dict.fromkeys(["w", *"abc"[:count]], "a.npz")
    (tmp_path / "model.index.json").write_text(json.dumps({"weight_map": names}))
    with pytest.raises(ValueError, match=f"tensor 'a'{others} of the index is in no shard$"):
        checkpoints.open_checkpoint(tmp_path / "model.index.json")
