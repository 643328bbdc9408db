"""What stands in the header of a GGUF file before its tensors: passed over, each by its own length."""

import struct

import numpy as np
import pytest

from sims import checkpoints

VALUES = np.arange(4, dtype="<f4")
UNKNOWN = "metadata of unknown type"


def text(word):
    return struct.pack("<Q", len(word)) + word


def gguf(path, *pairs, aligned=32):
    """A file of these pairs of key and value (with its type), and one tensor where `aligned` puts it."""
    head = (
        b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(text(key) + value for key, value in pairs)
    )
    head += text(b"w") + struct.pack("<IQIQ", 1, 4, 0, 0)
    path.write_bytes(head + bytes(-len(head) % aligned) + VALUES.tobytes() + bytes(64))
    return path


@pytest.mark.parametrize("rank", [0, 4, 8, 9])
def test_a_tensor_has_at_most_eight_dimensions(tmp_path, rank):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text(b"w") + struct.pack("<I", rank)
    head += struct.pack(f"<{rank}Q", *[1] * rank) + struct.pack("<IQ", 0, 0)
    path = tmp_path / "m.gguf"
    path.write_bytes(head + bytes(-len(head) % 32) + VALUES[1:2].tobytes() + bytes(28))
    if rank < 9:
        np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], VALUES[1].reshape((1,) * rank))
    else:
        with pytest.raises(ValueError, match="tensor 'w' of 9 dimensions"):
            checkpoints.open_checkpoint(path)


def nested(depth, inner=4):
    """A list of one list of ... of one number, or of none of another type."""
    value = struct.pack("<IQI", 4, 1, 7) if inner == 4 else struct.pack("<IQ", inner, 0)
    for _ in range(depth):
        value = struct.pack("<IQ", 9, 1) + value
    return struct.pack("<I", 9) + value


@pytest.mark.parametrize(
    ("pair", "aligned"),
    [
        ((b"general.alignment", struct.pack("<II", 4, 8)), 8),
        ((b"general.alignment", struct.pack("<II", 4, 64)), 64),
        (
            (b"general.alignment", struct.pack("<IQ", 10, 64)),
            32,
        ),  # of a type that the format does not give it
        ((b"general.alignment", struct.pack("<IB", 0, 64)), 32),
        ((b"general.alignment", struct.pack("<I", 8) + text(b"64")), 32),
        ((b"alignment", struct.pack("<II", 4, 64)), 32),
        ((b"general.type", struct.pack("<II", 4, 7)), 32),
        ((b"general.type", struct.pack("<IIQ", 9, 8, 1) + text(b"imatrix")), 32),
        ((b"general.name", struct.pack("<I", 8) + text(b"imatrix")), 32),
        ((b"lists", nested(0)), 32),
        ((b"lists", nested(4)), 32),
    ],
)
def test_metadata_leave_the_tensor_where_it_is(tmp_path, pair, aligned):
    """Only a number of four bytes is an alignment, only a text the type of the file."""
    path = gguf(tmp_path / "m.gguf", (b"first", struct.pack("<II", 4, 1)), pair, aligned=aligned)
    np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], VALUES)


@pytest.mark.parametrize(("kind", "code"), [*enumerate("BbHhIif?"), (10, "Q"), (11, "q"), (12, "d")])
def test_metadata_of_every_type_of_numbers_are_passed_over(tmp_path, kind, code):
    one = struct.pack(f"<I{code}", kind, 1)
    three = struct.pack(f"<IIQ3{code}", 9, kind, 3, 1, 0, 1)
    path = gguf(tmp_path / "m.gguf", (b"one", one), (b"three", three))
    np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], VALUES)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(0, "<f4"), (1, "<f2"), (24, "i1"), (25, "<i2"), (26, "<i4"), (27, "<i8"), (28, "<f8")],
)
def test_tensors_of_every_plain_type(tmp_path, kind, dtype):
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text(b"w") + struct.pack("<IQIQ", 1, 4, kind, 0)
    path = tmp_path / "m.gguf"
    path.write_bytes(head + bytes(-len(head) % 32) + np.array([1, 0, -3, 9], dtype).tobytes())
    found = checkpoints.read(path).tensors["w"]
    assert found.dtype == dtype and found.tolist() == [1, 0, -3, 9]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (struct.pack("<IIQ", 9, 13, 0), f"{UNKNOWN} 13"),  # a list of nothing, whose type nobody knows
        (nested(3, 99), f"{UNKNOWN} 99"),
        (nested(5), f"{UNKNOWN} 9"),
        (nested(400), f"{UNKNOWN} 9"),
        (nested(3000), f"{UNKNOWN} 9"),
    ],
)
def test_lists_of_unknown_things_or_nested_too_deep_are_refused(tmp_path, value, why):
    with pytest.raises(ValueError, match=rf"^cannot read 'm\.gguf': {why}$"):
        checkpoints.open_checkpoint(gguf(tmp_path / "m.gguf", (b"k", value)))


def test_a_file_of_this_ending_that_begins_otherwise_is_none(tmp_path):
    path = gguf(tmp_path / "m.gguf")
    path.write_bytes(b"GGUX" + path.read_bytes()[4:])
    with pytest.raises(ValueError, match=r"^cannot read 'm\.gguf': not a GGUF file$"):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize(("kind", "count", "nbytes"), [(0, 4, 16), (8, 32, 34)])
def test_a_tensor_ends_with_its_file_or_before(tmp_path, kind, count, nbytes):
    """Of floats, and of blocks of 32 bytes with a float16 each; what is cut off later, too, is missed."""
    if kind:
        pytest.importorskip("gguf")
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text(b"w") + struct.pack("<IQIQ", 1, count, kind, 0)
    head += bytes(-len(head) % 32)
    path = tmp_path / "m.gguf"
    path.write_bytes(head + bytes(nbytes - 1))
    why = f"{nbytes} bytes at {len(head)} of a file of {len(head) + nbytes - 1}"
    with pytest.raises(ValueError, match=f"tensor 'w': truncated: {why}"):
        checkpoints.open_checkpoint(path)
    path.write_bytes(head + bytes(nbytes))
    tensor = checkpoints.open_checkpoint(path).tensors["w"]
    assert not tensor.load().any()
    path.write_bytes(head + bytes(nbytes - 1))
    with pytest.raises(ValueError, match=r"truncated(: 3 of 4 values| while it was read)$"):
        tensor.load()
