"""Sparse archives are the matrices they stand for, whatever the order of their entries."""

import numpy as np
import pytest
import scipy.sparse

from sims import checkpoints, weights
from sims.checkpoints.limits import LimitError
from sims.checkpoints.npy_files import read_npz
from sims.checkpoints.sparse import dense_size, expand

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("compressed", [True, False])
def test_archives_of_scipy(tmp_path, kind, compressed):
    dense = RNG.normal(size=(24, 36)) * (RNG.random((24, 36)) < 0.1)
    matrix = scipy.sparse.csr_array(dense).asformat(kind)
    scipy.sparse.save_npz(tmp_path / "layer.npz", matrix, compressed=compressed)
    found = checkpoints.open_checkpoint(tmp_path / "layer.npz").tensors
    assert list(found) == ["layer"] and found["layer"].shape == (24, 36)
    np.testing.assert_array_equal(found["layer"].load(), dense)
    assert found["layer"].note.startswith(f"sparse ({kind})")
    with np.load(tmp_path / "layer.npz") as archive:  # places count, too
        assert found["layer"].nbytes == sum(archive[name].nbytes for name in archive.files)


@pytest.mark.parametrize("shape", [(9,), (3, 4), (2, 3, 2, 2)])
def test_coordinates_of_any_number_of_axes(tmp_path, shape):
    dense = np.zeros(shape)
    dense[tuple(size - 1 for size in shape)], dense[(0,) * len(shape)] = 5.0, -2.0
    parts = {"coords": np.array(np.nonzero(dense)), "data": dense[dense != 0], "shape": np.array(shape)}
    np.savez(tmp_path / "w.npz", format=b"coo", **parts)
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "w.npz").tensors["w"], dense)


def test_a_sparse_matrix_has_its_true_sparsity(tmp_path, heavy=3):
    """Its stored values alone are a dense normal vector, which is snapped; the matrix is cut without loss."""
    dense = RNG.normal(size=(64, 64)) * (RNG.random((64, 64)) < 0.15)
    scipy.sparse.save_npz(tmp_path / "w.npz", scipy.sparse.csr_matrix(dense))
    (row,) = weights.report(tmp_path / "w.npz", [4]).rows
    assert row.pruning[4] == np.inf and row.winner(4) == "cut" and row.size == 4096
    assert weights.analyse({"data": dense[dense != 0]}, [4]).rows[0].winner(4) == "snap"


def test_blocks_need_not_be_square():
    dense = np.kron(np.eye(2), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])[:, :3]  # 4 x 3 of 2 x 3: 2 divides no 3
    parts = {"data": dense[None, :2], "indices": np.array([0]), "indptr": np.array([0, 1, 1])}
    np.testing.assert_array_equal(expand("bsr", (4, 3), parts), dense)
    for shape in ((4, 4), (3, 3), (5, 3)):  # 3 does not divide 4, nor 2 divide 3 or 5
        with pytest.raises(ValueError, match="do not tile"):
            expand("bsr", shape, parts)


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "bsc"])
@pytest.mark.parametrize(
    "shape", [(), (1,), (1, 1), (1, 1, 1), (1, 2, 0), (1, 0, 2), (1, 0, 0), (1, 1, 1, 1)]
)
def test_values_are_numbers_of_a_row_or_blocks_with_an_element(kind, shape):
    parts = {"data": np.ones(shape), "indices": np.array([0]), "indptr": np.array([0, 1])}
    if len(shape) == (3 if kind.startswith("b") else 1) and 0 not in shape:
        np.testing.assert_array_equal(expand(kind, (1, 1), parts), [[1]])
    else:
        with pytest.raises(ValueError, match="the blocks of a sparse matrix do not tile it"):
            expand(kind, (1, 1), parts)


def test_entries_named_twice_are_summed():
    parts = {"data": np.array([1.0, 2.0, 4.0]), "indices": np.array([[0, 0, 1], [1, 1, 0]])}
    np.testing.assert_array_equal(expand("coo", (2, 2), parts), [[0, 3], [4, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": np.array([0, 9])}, "lies outside its shape"),
        ({"indices": np.array([0, -1])}, "lies outside its shape"),
        ({"indptr": np.array([0, 1, 3])}, "row pointers"),
        ({"indptr": np.array([0, 2, 1, 2])}, "row pointers"),
        ({"indptr": np.array([1, 1, 2])}, "row pointers"),
        ({"indptr": np.array([-1, 1, 2])}, "row pointers"),
        ({"indptr": np.array([0, 3, 2])}, "row pointers"),
        ({"indptr": np.array([0, 1, 1])}, "row pointers"),
        ({"indptr": np.array([0.0, 1, 2])}, "no list of integers"),
        ({"indptr": np.array([[0, 1, 2]])}, "no list of integers"),
        ({"indices": np.array([[0, 2]])}, "no list of integers"),
        ({"indices": np.array([0.0, 2.0])}, "no list of integers"),
        ({"indices": np.array([True, False])}, "no list of integers"),
        ({"indices": np.array([0])}, "row pointers"),
        ({"data": np.array(["a", "b"])}, "not real numbers"),
    ],
)
def test_damaged_matrices_write_nothing_outside(change, message):
    parts = {"data": np.array([1.0, 2.0]), "indices": np.array([0, 2]), "indptr": np.array([0, 1, 2])}
    with pytest.raises(ValueError, match=message):
        expand("csr", (2, 3), parts | change)


def test_a_small_file_does_not_grow_without_bound(tmp_path):
    matrix = scipy.sparse.coo_matrix(([1.0], ([5], [7])), shape=(10**6, 10**6))
    scipy.sparse.save_npz(tmp_path / "w.npz", matrix)
    with pytest.raises(ValueError, match="bytes when unpacked"):
        checkpoints.read(tmp_path / "w.npz")


def test_arrays_that_only_have_the_names(tmp_path):
    np.savez(
        tmp_path / "w.npz", data=np.zeros((3, 3)), format=np.zeros(2), shape=np.zeros(2), indices=np.zeros(2)
    )
    assert len(checkpoints.read(tmp_path / "w.npz").tensors) == 4


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
@pytest.mark.parametrize("stored", [1, 3, 4, 7])
def test_diagonals_of_any_length(shape, stored):
    """scipy stores them as long as the longest, which is shorter than a row, or longer."""
    parts = {"data": np.arange(1.0, 3 * stored + 1).reshape(3, stored), "offsets": np.array([-1, 0, 2])}
    expected = scipy.sparse.dia_array((parts["data"], parts["offsets"]), shape=shape).toarray()
    np.testing.assert_array_equal(expand("dia", shape, parts), expected)


@pytest.mark.parametrize("offsets", [[0], [0, 1, -1]])
def test_every_diagonal_has_an_offset(offsets):
    with pytest.raises(ValueError, match="another number of offsets than of diagonals"):
        expand("dia", (3, 3), {"data": np.ones((2, 3)), "offsets": np.array(offsets)})


@pytest.mark.parametrize("shape", [(), (2,), (2, 3, 1)])
def test_diagonals_are_the_rows_of_a_matrix(shape):
    with pytest.raises(ValueError, match="another number of offsets than of diagonals"):
        expand("dia", (3, 3), {"data": np.ones(shape), "offsets": np.array([0, 1])})


ARCHIVES = {  # what scipy.sparse.save_npz writes beside "format"
    "csr": ("shape", "data", "indices", "indptr"),
    "csc": ("shape", "data", "indices", "indptr"),
    "bsr": ("shape", "data", "indices", "indptr"),
    "coo": ("shape", "data", "row", "col"),
    "dia": ("shape", "data", "offsets"),
}
CASES = [(kind, parts, part) for kind, parts in ARCHIVES.items() for part in parts]
CASES += [("coo", ("shape", "data", "coords"), part) for part in ("shape", "data", "coords")]


@pytest.mark.parametrize(("kind", "parts", "missing"), CASES)
def test_an_archive_without_one_of_its_parts_is_an_archive_of_arrays(tmp_path, kind, parts, missing):
    """It may be anything: its arrays keep their names."""
    arrays = {part: np.array([2, 2]) for part in parts if part != missing}
    np.savez(tmp_path / "w.npz", format=kind.encode(), **arrays)
    assert checkpoints.open_checkpoint(tmp_path / "w.npz").tensors.keys() == {"format", *arrays}


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.uint64])
def test_the_shape_of_a_sparse_matrix_may_have_any_type_of_integers(tmp_path, dtype):
    parts = {"coords": np.array([[0, 1], [2, 0]]), "data": np.array([5.0, -2.0])}
    np.savez(tmp_path / "w.npz", format=b"coo", shape=np.array([2, 3], dtype), **parts)
    found = checkpoints.read(tmp_path / "w.npz").tensors
    np.testing.assert_array_equal(found["w"], [[0, 0, 5], [-2, 0, 0]])


@pytest.mark.parametrize(
    ("place", "change", "why"),
    [
        (6, b"\xff\x00", "zip file version 25.5"),  # what unpacking it needs
        (8, b"\x00\x08", "codec can't decode"),  # a name in UTF-8, which it is not
    ],
)
def test_an_archive_that_zipfile_does_not_read_is_no_archive_of_numpy(tmp_path, place, change, why):
    path = tmp_path / "w.npz"
    np.savez(path, w=np.ones(3))
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + place : directory + place + 2] = change
    if "codec" in why:
        data[directory + 46] = 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"not a npz archive \(.*{why}"):
        list(read_npz(path))


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2), (4, 4, 4, 4)])
@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "bsc", "dia"])
def test_only_coordinates_have_another_number_of_axes_than_two(kind, shape):
    if kind == "dia":
        parts = {"data": np.ones((2, 4)), "offsets": np.array([0, 1])}
    else:
        blocks = (4, 1, 1) if kind.startswith("bs") else (4,)
        parts = {"data": np.ones(blocks), "indices": np.arange(4), "indptr": np.arange(5)}
    with pytest.raises(ValueError, match="has no rows and columns"):
        expand(kind, shape, parts)
    assert expand(kind, (4, 4), parts).shape == (4, 4)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("shape", [(4, 6), (0, 6), (4, 0)])
def test_matrices_without_an_element_are_zeros(kind, shape):
    places = np.zeros(0, np.int64)
    parts = {"data": np.zeros(0), "indices": places, "indptr": np.zeros(shape[kind == "csc"] + 1, np.int64)}
    if kind == "bsr":
        parts |= {"data": np.zeros((0, 2, 2)), "indptr": np.zeros(shape[0] // 2 + 1, np.int64)}
    if kind == "coo":
        parts["indices"] = np.zeros((2, 0), np.int64)
    if kind == "dia":
        parts = {"data": np.zeros((0, 6)), "offsets": places}
    np.testing.assert_array_equal(expand(kind, shape, parts), np.zeros(shape))


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr"])
@pytest.mark.parametrize(
    "places", [[0], [0, 2], [0, 1, 2], [0, 1, 2, 2], [0, 0, 1, 2, 2], [0, 1, 1, 1, 2, 2]]
)
def test_every_row_has_its_place_and_there_are_no_more(kind, places):
    """Three rows, of which the last are no zeros where their places are missing."""
    data = np.ones((2, 1, 1)) if kind == "bsr" else np.ones(2)
    parts = {"data": data, "indices": np.array([0, 1]), "indptr": np.array(places)}
    if len(places) == 4:
        assert expand(kind, (3, 3), parts).sum() == 2
    else:
        with pytest.raises(ValueError, match="row pointers of a sparse matrix do not fit"):
            expand(kind, (3, 3), parts)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_every_element_has_one_place(count):
    parts = {"data": np.ones(3), "indices": np.zeros((2, count), np.int64)}
    with pytest.raises(ValueError, match="another number of indices than of elements"):
        expand("coo", (3, 3), parts)


@pytest.mark.parametrize(("shape", "axes"), [((3, 3), 1), ((3,), 2), ((3, 3, 3), 2)])
def test_elements_are_numbers_with_a_place_on_all_axes(shape, axes):
    parts = {"data": np.ones(3), "indices": np.zeros((axes, 3), np.int64)}
    with pytest.raises(ValueError, match="the elements of a sparse matrix do not fit its shape"):
        expand("coo", shape, parts)


@pytest.mark.parametrize(("itemsize", "most"), [(1, 2**24 + 800), (4, 2**22 + 200), (8, 2**21 + 100)])
def test_a_dense_array_takes_sixteen_megabytes_and_a_hundred_bytes_for_each_that_is_stored(itemsize, most):
    assert dense_size((1, most), itemsize, 8) == most
    with pytest.raises(LimitError):
        dense_size((1, most + 1), itemsize, 8)


@pytest.mark.parametrize(("row", "column"), [(3, 0), (0, 4), (-1, 0), (0, -1)])
def test_the_last_place_is_one_before_the_size(row, column):
    parts = {"data": np.ones(2), "indices": np.array([[2, row], [3, column]])}
    with pytest.raises(ValueError, match=r"^an index of a sparse matrix lies outside its shape \(3, 4\)$"):
        expand("coo", (3, 4), parts)
