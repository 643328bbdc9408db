"""Datasets whose attributes only resemble those that Keras writes."""

import re
import zipfile

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints import hdf5_files

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("f4", "bfloat16"),  # numbers of a type of their own, whatever the attribute says
        ("u4", "bfloat16"),
        ("u1", "bfloat16"),
        ("u2", "uint16"),
        ("u2", "float16"),
        ("u2", 16),
        ("u2", np.array([16, 16])),
        ("u2", np.array([b"bfloat16", b"bfloat16"])),
        ("u2", None),
    ],
)
def test_two_bytes_are_half_a_float_where_keras_says_so_alone(tmp_path, stored, said):
    """By the one word, of a type of two bytes; other datasets are the numbers they are stored as."""
    values = np.arange(12).reshape(3, 4).astype(stored)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["w"] = values
        if said is not None:
            file["w"].attrs["dtype"] = said
    found = checkpoints.read(tmp_path / "m.h5").tensors["w"]
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype


@pytest.mark.parametrize("elsewhere", ["in a file", "in datasets"])
def test_a_dataset_of_nothing_that_is_kept_elsewhere_has_no_axes(tmp_path, elsewhere):
    """It has no shape at all in the file."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if elsewhere == "in a file":
            how.set_external(b"raw.bin", 0, 32)
        else:
            how.set_layout(h5py.h5d.VIRTUAL)
        h5py.h5d.create(file.id, b"none", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create(h5py.h5s.NULL), how)
        file["here"] = np.ones((2, 3))
    found = checkpoints.open_checkpoint(tmp_path / "m.h5").tensors
    assert found["none"].skip == "its values are in another file, which is not read"
    assert (found["none"].shape, found["none"].nbytes, found["none"].size) == ((), 0, 1)
    np.testing.assert_array_equal(found["here"].load(), np.ones((2, 3)))


def test_what_is_no_array_is_passed_over_or_named(tmp_path):
    """A type that has a name of its own, and a dataset of nothing."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a type"] = np.dtype("f4")
        file["none"] = h5py.Empty("f4")
        file["group/w"] = np.ones((2, 3))
    found = checkpoints.open_checkpoint(tmp_path / "m.h5").tensors
    assert {name: tensor.skip for name, tensor in found.items()} == {"none": "empty", "group/w": ""}


def test_more_objects_than_a_network_has_are_refused(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name in "abc":
            file[f"group/{name}"] = np.ones(2)
    monkeypatch.setattr(hdf5_files, "_MOST", 4)
    assert len(checkpoints.open_checkpoint(tmp_path / "m.h5").tensors) == 3
    monkeypatch.setattr(hdf5_files, "_MOST", 3)
    with pytest.raises(ValueError, match=r"'m\.h5': more than 3 objects$"):
        checkpoints.open_checkpoint(tmp_path / "m.h5")


def test_arrays_together_and_the_file_inside_an_archive_are_no_longer_than_allowed(tmp_path, monkeypatch):
    """A file of some kilobytes may lead to 2^24 bytes and 100 times its own; here to a part of that."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"], file["b"] = np.ones(10), np.ones(11)  # 168 bytes
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.write(tmp_path / "m.h5", "model.weights.h5")
    for name, factor, fits in (
        ("m.h5", 2e-5, True), ("m.h5", 9e-6, False), ("m.h5", 5.5e-6, False),  # of 335, 151 and 92 bytes
        ("m.keras", 1.0, True), ("m.keras", 2e-5, False),
    ):  # fmt: skip
        monkeypatch.setenv("SNAPCUT_READ_LIMIT", str(factor))
        if fits:
            assert len(checkpoints.open_checkpoint(tmp_path / name).tensors) == 2
        else:
            message = f"'{re.escape(name)}': it leads to more than [0-9]+ bytes when unpacked"
            with pytest.raises(ValueError, match=message):
                checkpoints.open_checkpoint(tmp_path / name)
