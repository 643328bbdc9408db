"""Entries of a safetensors header that are no tensor: refused by name."""

import json
import re

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints import safetensors_files

W = np.arange(6, dtype="<f4")
GOOD = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def written(path, header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


NO_PLACE, NO_SIZES, NO_TYPE = (
    "it has no shape or no place",
    "its shape or place does not consist of sizes",
    "its type or place is none",
)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ([], "its entry is no object"),
        ("F32", "its entry is no object"),
        *(({"shape": shape}, NO_PLACE) for shape in (None, "", "23", {}, {"2": 3}, 6)),
        *(({"data_offsets": place}, NO_PLACE) for place in (None, "", "ab", {}, {"a": 0, "b": 24}, 24)),
        *(({"data_offsets": place}, NO_SIZES) for place in ([], [24], [0, 24, 24], [0, 24, 0])),
        *(({"data_offsets": place}, NO_SIZES) for place in ([-24, 0], [0, 2**62], [0, 24.0], [False, 24])),
        *(
            ({"shape": shape}, NO_SIZES)
            for shape in ([-2, -3], [2.0, 3], [True, 6], ["6"], [2**62, 0], [None])
        ),
        *(({"dtype": kind}, NO_TYPE) for kind in (None, 32, ["F32"], {})),
        ({"shape": [1] * 63 + [2, 3]}, NO_TYPE),
        ({"dtype": "new", "data_offsets": [24, 0]}, NO_TYPE),
        ({"shape": [2, 4]}, "F32 of shape [2, 4] does not take 24 bytes"),
        ({"dtype": "F6_E2M3"}, "F6_E2M3 of shape [2, 3] does not take 24 bytes"),
    ],
)
def test_an_entry_that_is_no_tensor_is_refused(tmp_path, change, why):
    entry = {**GOOD, **change} if isinstance(change, dict) else change
    path = written(tmp_path / "a.safetensors", {"w": entry}, W.tobytes())
    with pytest.raises(ValueError, match=rf"tensor 'w': {re.escape(why)}\)?$"):
        checkpoints.open_checkpoint(path)


def test_a_tensor_has_up_to_64_dimensions(tmp_path):
    shape = [1] * 62 + [2, 3]
    path = written(tmp_path / "a.safetensors", {"w": GOOD | {"shape": shape}}, W.tobytes())
    assert checkpoints.open_checkpoint(path).tensors["w"].shape == tuple(shape)


def test_no_more_than_a_hundred_million_bytes_are_a_header(tmp_path):
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.write((100_000_001).to_bytes(8, "little"))
        file.truncate(8 + 100_000_001)
    with pytest.raises(ValueError, match=r"not a safetensors file \(a header of 100000001 bytes\)$"):
        checkpoints.open_checkpoint(tmp_path / "a.safetensors")


def test_a_type_that_nobody_knows_takes_any_bytes(tmp_path):
    path = written(tmp_path / "a.safetensors", {"w": GOOD | {"dtype": "new", "shape": [7]}}, W.tobytes())
    assert checkpoints.open_checkpoint(path).tensors["w"].skip == "values of type 'new', not read"


@pytest.mark.parametrize("length", [0, 1])
def test_a_header_has_at_least_two_bytes(tmp_path, length):
    path = written(tmp_path / "a.safetensors", b"", b"{}", length)
    with pytest.raises(ValueError, match=rf"not a safetensors file \(a header of {length} bytes\)$"):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize("beyond", [1, 100])
def test_a_header_lies_in_its_file(tmp_path, beyond):
    path = written(tmp_path / "a.safetensors", b"{}", b"", 2 + beyond)
    with pytest.raises(ValueError, match=rf"not a safetensors file \(a header of {2 + beyond} bytes\)$"):
        checkpoints.open_checkpoint(path)


def test_a_header_is_no_longer_than_the_package_allows(tmp_path, monkeypatch):
    path = written(tmp_path / "a.safetensors", {"w": GOOD}, W.tobytes())
    length = int.from_bytes(path.read_bytes()[:8], "little")
    monkeypatch.setattr(safetensors_files, "_LONGEST", length)
    np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], W.reshape(2, 3))
    monkeypatch.setattr(safetensors_files, "_LONGEST", length - 1)
    with pytest.raises(ValueError, match=rf"not a safetensors file \(a header of {length} bytes\)$"):
        checkpoints.open_checkpoint(path)


def test_what_a_header_says_of_the_file_is_no_tensor(tmp_path):
    """As most have it."""
    header = {"__metadata__": {"format": "pt"}, "w": GOOD}
    found = checkpoints.read(written(tmp_path / "a.safetensors", header, W.tobytes())).tensors
    assert list(found) == ["w"] and found["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("header", [b"[]", b"[[1, 2]]", b'"w"', b"3.25", b"null"])
def test_a_header_that_is_no_object_is_refused(tmp_path, header):
    path = written(tmp_path / "a.safetensors", header, W.tobytes())
    with pytest.raises(ValueError, match=r"not a safetensors file \(the header is no object\)$"):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize(
    ("places", "at"),
    [
        ([[0, 8], [8, 24]], None),
        ([[16, 24], [0, 16]], None),  # in any order
        ([[0, 8], [4, 20]], 4),
        ([[0, 8], [0, 24]], 0),
        ([[0, 8], [12, 24]], 8),
        ([[8, 16], [16, 24]], 0),
    ],
)
def test_tensors_stand_one_after_another(tmp_path, places, at):
    header = {
        name: {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]}
        for name, (begin, end) in zip("ab", places, strict=True)
    }
    path = written(tmp_path / "a.safetensors", header, W.tobytes())
    if at is None:
        found = checkpoints.read(path).tensors
        for name, (begin, end) in zip("ab", places, strict=True):
            assert found[name].tolist() == list(range(begin // 4, end // 4))
    else:
        with pytest.raises(ValueError, match=rf"its tensors leave or share bytes at {at}\)$"):
            checkpoints.open_checkpoint(path)


def test_a_tensor_of_no_elements_takes_no_bytes(tmp_path):
    empty = {"dtype": "F32", "shape": [0, 3], "data_offsets": [24, 24]}
    path = written(tmp_path / "a.safetensors", {"none": empty, "w": GOOD}, W.tobytes())
    found = checkpoints.read(path).tensors
    assert found["none"].shape == (0, 3)
    np.testing.assert_array_equal(found["w"], W.reshape(2, 3))


@pytest.mark.parametrize(
    ("kind", "shape", "nbytes"), [("C64", [3], 24), ("F6_E2M3", [4], 3), ("F6_E3M2", [8], 6)]
)
def test_types_that_are_named_and_left_take_their_own_bytes(tmp_path, kind, shape, nbytes):
    for there in (nbytes, nbytes + 1):
        entry = {"dtype": kind, "shape": shape, "data_offsets": [0, there]}
        head = json.dumps({"w": entry}).encode()
        path = tmp_path / f"{there}.safetensors"
        path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(there))
        if there == nbytes:
            assert checkpoints.open_checkpoint(path).tensors["w"].skip == f"values of type '{kind}', not read"
        else:
            with pytest.raises(ValueError, match=f"{kind} of shape .* does not take {there} bytes"):
                checkpoints.open_checkpoint(path)
