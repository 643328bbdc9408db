"""Archives that only resemble those of sparse matrices, and matrices whose parts do not fit."""

import io
import struct
import zipfile

import numpy as np
import pytest
import scipy.sparse

from sims import checkpoints
from sims.checkpoints import npy_files

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


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_a_sparse_matrix_may_have_no_rows_or_no_columns(tmp_path, shape):
    scipy.sparse.save_npz(tmp_path / "w.npz", scipy.sparse.csr_matrix(shape))
    assert checkpoints.read(tmp_path / "w.npz").tensors["w"].shape == shape


def array_of(version, beyond=0):
    """Bytes of an array as version 1.0 to 3.0 have them, or would, with spaces after its header."""
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" + b" " * beyond + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + np.arange(6, dtype="<f4").tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (4, 0), (0, 0)])
def test_versions_that_are_known_are_read(tmp_path, version):
    (tmp_path / "w.npy").write_bytes(array_of(version))
    if version in [(1, 0), (2, 0), (3, 0)]:
        found = checkpoints.read(tmp_path / "w.npy").tensors["w"]
        np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])
    else:
        with pytest.raises(ValueError, match=rf"npy version \({version[0]}, {version[1]}\) is not plain"):
            checkpoints.open_checkpoint(tmp_path / "w.npy")


def test_a_header_is_no_longer_than_one_of_an_array(tmp_path, monkeypatch):
    content = array_of((2, 0), 100)
    (tmp_path / "w.npy").write_bytes(content)
    size = len(content) - 24 - 12
    for longest in (size, size - 1):
        monkeypatch.setattr(npy_files, "_LONGEST_HEADER", longest)
        if longest == size:
            assert checkpoints.open_checkpoint(tmp_path / "w.npy").tensors["w"].shape == (2, 3)
        else:
            with pytest.raises(ValueError, match=rf"not a npy array \(a header of {size} bytes\)"):
                checkpoints.open_checkpoint(tmp_path / "w.npy")


def test_a_member_that_ends_before_its_size_is_cut_short(tmp_path, monkeypatch):
    """An archive that says 24 bytes more of a member than are in it."""
    np.savez(tmp_path / "w.npz", w=np.ones((2, 3)))
    tensor = checkpoints.open_checkpoint(tmp_path / "w.npz").tensors["w"]
    member = zipfile.ZipFile.open

    def shorter(self, *options):
        with member(self, *options) as stream:
            return io.BytesIO(stream.read()[:-24])

    monkeypatch.setattr(zipfile.ZipFile, "open", shorter)
    with pytest.raises(ValueError, match=r"'w\.npz': tensor 'w': truncated: 24 of 48 bytes$"):
        tensor.load()
