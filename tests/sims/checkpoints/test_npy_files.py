"""Archives that only resemble those of sparse matrices, and matrices whose parts do not fit."""

import numpy as np
import pytest

from sims import checkpoints

PARTS = {  # of [[0, 5, 0], [7, 0, 9]]
    "shape": np.array([2, 3]),
    "data": np.array([5.0, 7.0, 9.0]),
    "indices": np.array([1, 0, 2]),
    "indptr": np.array([0, 1, 3]),
}


def test_a_matrix_of_these_parts_is_read(tmp_path):
    for name in (
        np.array("csr"),
        np.array(b"csr"),
        np.array(["csr"]),
        np.array("csr", "U8"),
        np.array(b"csr", "S32"),
    ):
        np.savez(tmp_path / "w.npz", format=name, **PARTS)
        found = checkpoints.read(tmp_path / "w.npz").tensors
        np.testing.assert_array_equal(found["w"], [[0, 5, 0], [7, 0, 9]])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kind", np.array("csr")),  # not the name of a format
        ("format", np.array("xyz")),
        ("format", np.array("")),
        ("format", np.array(["csr", "csr"])),
        ("format", np.array([], "S3")),
        ("format", np.array(["csr"] * 2, "S16")),
        ("format", np.array("csr", "U9")),  # longer than any name
        ("format", np.array(b"csr", "S33")),
        ("format", np.array(b"csr").view("V3")),
        ("format", np.array({}, object)),
        ("format", np.array(7)),
        ("format", np.array([b"csr"] * 0, "S0")),
    ],
)
def test_arrays_whose_format_is_no_name_keep_their_own(tmp_path, name, kind):
    np.savez(tmp_path / "w.npz", **{name: kind}, **PARTS)
    assert checkpoints.open_checkpoint(tmp_path / "w.npz").tensors.keys() == {name, *PARTS}


@pytest.mark.parametrize(
    "shape",
    [
        np.array([[2], [3]]),
        np.array([[2, 3]]),
        np.array(6),
        np.array([], np.int64),
        np.array([1, 1, 1, 2, 3]),
        np.array([2.0, 3.0]),
        np.array([True, True]),
        np.array(["2", "3"]),
    ],
)
def test_the_shape_of_a_sparse_matrix_is_one_to_four_sizes(tmp_path, shape):
    parts = {"shape": shape, "data": np.ones(1), "coords": np.zeros((shape.size, 1), np.int64)}
    np.savez(tmp_path / "w.npz", format=b"coo", **parts)
    with pytest.raises(
        ValueError, match=r"^cannot read 'w\.npz': the shape of a sparse matrix is no list of"
    ):
        checkpoints.open_checkpoint(tmp_path / "w.npz")


def test_a_sparse_matrix_has_no_negative_size(tmp_path):
    np.savez(tmp_path / "w.npz", format=b"csr", **PARTS | {"shape": np.array([2, -3])})
    with pytest.raises(ValueError, match=r"the shape \(2, -3\) of a sparse matrix does not consist of sizes"):
        checkpoints.open_checkpoint(tmp_path / "w.npz")
