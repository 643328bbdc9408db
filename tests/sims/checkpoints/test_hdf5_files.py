"""Datasets whose attributes only resemble those that Keras writes."""

import numpy as np
import pytest

from sims import checkpoints

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
