"""Whatever a file, or the library that reads it, comes up with ends in one sentence that names the file."""

import gc
import gzip
import importlib
import io
import json
import lzma
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints import elements, npy_files
from sims.checkpoints import tensor as tensors

read_module = importlib.import_module("sims.checkpoints.read")
WEIGHTS = np.arange(24, dtype=np.float32).reshape(4, 6)
MUTATIONS = 300  # of each container


def torch_program(legacy):
    """Opcodes of {"w": float32 (4, 6), "b": bfloat16 (24)}."""

    def text(word):
        return b"X" + struct.pack("<I", len(word)) + word

    def entry(key, kind, shape, strides):
        storage = text(b"storage") + b"ctorch\n" + kind + b"\n" + text(key) + text(b"cpu") + b"K\x18"
        return (
            b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage + (b"N" if legacy else b"") + b"tQK\x00"
            + shape + strides + b"\x89ccollections\nOrderedDict\n)RtR"
        )  # fmt: skip

    w = text(b"w") + entry(b"0", b"FloatStorage", b"K\x04K\x06\x86", b"K\x06K\x01\x86")
    b = text(b"b") + entry(b"1", b"BFloat16Storage", b"K\x18\x85", b"K\x01\x85")
    return b"\x80\x02}(" + w + b + b"u."


def valid(kind):
    """Bytes of a good file: two tensors where the container holds more than one."""
    stream, bits = io.BytesIO(), np.arange(24, dtype=np.uint16)
    if kind == ".npy":
        np.save(stream, WEIGHTS)
    elif kind == ".npz":
        np.savez(stream, w=WEIGHTS, b=bits)
    elif kind == ".NPZ":
        np.savez_compressed(stream, w=WEIGHTS, b=bits)
    elif kind == ".safetensors":
        header = json.dumps(
            {
                "w": {"dtype": "F32", "shape": [4, 6], "data_offsets": [0, 96]},
                "b": {"dtype": "BF16", "shape": [24], "data_offsets": [96, 144]},
            }
        ).encode()
        stream.write(struct.pack("<Q", len(header)) + header + WEIGHTS.tobytes() + bits.tobytes())
    elif kind == ".pt":
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a/data.pkl", torch_program(legacy=False))
            archive.writestr("a/data/0", WEIGHTS.tobytes())
            archive.writestr("a/data/1", bits.tobytes())
    elif kind == ".pth":
        system = {"little_endian": True}
        for head in (0x1950A86A20F9469CFC6C, 1001, system):
            stream.write(pickle.dumps(head, 2))
        stream.write(torch_program(legacy=True) + pickle.dumps(["0", "1"], 2))
        for data in (WEIGHTS.tobytes(), bits.tobytes()):
            stream.write(struct.pack("<q", 24) + data)
    elif kind == ".sparse.npz":
        sparse = pytest.importorskip("scipy.sparse")
        sparse.save_npz(stream, sparse.csr_matrix(WEIGHTS * (WEIGHTS % 3 == 0)), compressed=False)
    elif kind == ".gz":
        stream.write(gzip.compress(valid(".safetensors")))
    elif kind == ".gguf":
        stream.write(gguf_file())
    elif kind in TORCH:
        return (FILES / TORCH[kind]).read_bytes()
    else:
        onnx = pytest.importorskip("onnx")
        arrays = [onnx.numpy_helper.from_array(WEIGHTS, "w"), onnx.numpy_helper.from_array(bits, "b")]
        nodes = []
        if kind == ".nodes.onnx":  # constants in a node and in a subgraph, a sparse one, one dequantized
            inner = onnx.helper.make_node("Constant", [], ["c"], value=arrays.pop())
            branch = onnx.helper.make_graph([inner], "branch", [], [])
            nodes = [onnx.helper.make_node("If", ["b"], ["y"], then_branch=branch, else_branch=branch)]
            arrays += [onnx.numpy_helper.from_array(WEIGHTS.astype(np.int8), "q")]
            arrays += [onnx.numpy_helper.from_array(WEIGHTS[0, :1], "s")]
            nodes += [onnx.helper.make_node("DequantizeLinear", ["q", "s"], ["d"])]
        graph = onnx.helper.make_graph(nodes, "g", [], [], arrays)
        stream.write(onnx.helper.make_model(graph).SerializeToString())
    return stream.getvalue()


FILES = Path(__file__).parent / "files"
TORCH = {
    ".script.pt": "script.pt",
    ".module.pt": "module.pt",
    ".odd.pt": "odd.pt",
    ".legacy.pth": "legacy.pth",
}
TENSORS = {
    **{".npy": 1, ".sparse.npz": 1, ".npz": 2, ".NPZ": 2, ".safetensors": 2, ".gz": 2, ".gguf": 2},
    **{".pt": 2, ".pth": 2, ".script.pt": 4, ".module.pt": 5, ".odd.pt": 21, ".legacy.pth": 4},
    **{".onnx": 2, ".nodes.onnx": 4},
}
KINDS = list(TENSORS)


def gguf_file():
    """Version 3: two pairs of metadata, one tensor of float32 and one of quantized blocks (Q8_0)."""

    def text(word):
        return struct.pack("<Q", len(word)) + word

    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 2)
    head += text(b"general.alignment") + struct.pack("<II", 4, 32)
    head += text(b"tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"bc")
    head += text(b"w") + struct.pack("<IQQIQ", 2, 6, 4, 0, 0)
    head += text(b"q") + struct.pack("<IQQIQ", 2, 32, 1, 8, 96)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + WEIGHTS.tobytes() + bytes(range(34))


def mutated(data, rng):
    """Some damages: bytes set, bits flipped, parts dropped, repeated, moved, cut off, made into lengths."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, other = (int(i) for i in rng.integers(0, max(1, len(data)), 2))
        size = int(rng.integers(1, 17))
        match rng.integers(0, 8):
            case 0:
                data[at : at + 1] = rng.bytes(1)
            case 1:
                data[at : at + 1] = bytes(byte ^ (1 << int(rng.integers(8))) for byte in data[at : at + 1])
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[other : other + size]
            case 4:
                data[at : at + size] = data[other : other + size]
            case 5:
                del data[at:]
            case 6:
                data[at : at + 4] = struct.pack("<I", int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1])))
            case 7:
                data[at : at + size] = bytes(rng.choice([0x00, 0x28, 0x80, 0xFF], 1).astype(np.uint8)) * size
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_gives_arrays_or_one_sentence(tmp_path, kind):
    whole, rng = valid(kind), np.random.default_rng(sum(kind.encode()))
    path = tmp_path / f"a{kind}"
    path.write_bytes(whole)
    if kind == ".gguf":
        pytest.importorskip("gguf")
    assert len(checkpoints.read(path).tensors) == TENSORS[kind]
    refused = 0
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(whole, rng))
        try:
            found = checkpoints.read(path)
        except ValueError as error:
            message, refused = str(error), refused + 1
            assert message.startswith(("cannot read 'a.", f"cannot read '{tmp_path}"))
            assert "\n" not in message and len(message) < 600
            continue
        assert sum(array.nbytes for array in found.tensors.values()) < 100_000
        assert all(array.copy().size == array.size for array in found.tensors.values())
    assert 0 < refused < MUTATIONS + (kind == ".gz")  # both happen; gzip has a checksum of its own


OTHERS = [
    lzma.LZMAError("Corrupt input data"),
    TypeError("an integer is required"),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    AssertionError(),
    KeyError("x" * 10_000),
    OverflowError("too\nlarge"),
    SystemError("null argument"),
    RecursionError("maximum recursion depth exceeded"),
    type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})("range end index 9"),
]


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: type(error).__name__)
def test_any_error_of_a_library_is_one_sentence(tmp_path, monkeypatch, error):
    def reader(path):
        yield tensors.of_array("w", WEIGHTS)
        raise error

    np.savez(tmp_path / "a.npz", w=WEIGHTS)
    monkeypatch.setitem(read_module._READERS, "npz", reader)
    with pytest.raises(ValueError, match=r"^cannot read 'a\.npz': ") as caught:
        checkpoints.read(tmp_path / "a.npz")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError("no words of its own"), "cannot read 'a.npz': OSError: no words of its own"),
        (OSError(5, "Input/output error"), "cannot read 'a.npz': Input/output error"),
        (OSError(5, "Input/output error", "/other"), "cannot read '/other': Input/output error"),
        (OSError(), "cannot read 'a.npz': OSError"),
    ],
)
def test_an_error_of_the_system_names_the_file_it_is_about(error, sentence):
    with pytest.raises(ValueError) as caught, tensors.boundary("a.npz"):
        raise error
    assert str(caught.value) == sentence


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interrupt_is_no_defect_of_a_file(tmp_path, monkeypatch, error):
    def reader(path):
        raise error

    np.savez(tmp_path / "a.npz", w=WEIGHTS)
    monkeypatch.setitem(read_module._READERS, "npz", reader)
    with pytest.raises(type(error)):
        checkpoints.read(tmp_path / "a.npz")


@pytest.mark.parametrize("error", OTHERS[:-1], ids=lambda error: type(error).__name__)
def test_an_error_in_one_array_names_it(tmp_path, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(npy_files, "_Header", broken)
    np.savez(tmp_path / "a.npz", layer=WEIGHTS)
    with pytest.raises(ValueError, match=r"^cannot read 'a\.npz': tensor 'layer': "):
        checkpoints.read(tmp_path / "a.npz")


def test_memory_that_ends_while_widening_names_the_tensor(tmp_path, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr(elements, "widen", full)
    (tmp_path / "a.safetensors").write_bytes(valid(".safetensors"))
    with pytest.raises(ValueError, match=r"^cannot read 'a\.safetensors': tensor 'b': it does not fit"):
        checkpoints.read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("shape", ["(True, 2)", "(2, True)", "(-1, 2)", "(False,)"])
def test_shapes_of_something_else_than_sizes(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(32)
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot read 'a\.npy': the shape \(.*\) of a npy array"):
        checkpoints.read(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("w.npy", data)
    with pytest.raises(ValueError, match=r"cannot read 'a\.npz': tensor 'w': the shape"):
        checkpoints.read(tmp_path / "a.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_compressed_in_another_way(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("w.npy", valid(".npy"))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[60:64] = b"\xff" * 4
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"cannot read 'a\.npz': array 'w\.npy' is compressed in a way"):
        checkpoints.read(tmp_path / "a.npz")


def test_one_strange_name_does_not_cost_the_file(tmp_path):
    """A lone surrogate is no character of any encoding; the tensors beside it are read."""
    program = torch_program(legacy=False).replace(b"X\x01\x00\x00\x00b", b"X\x03\x00\x00\x00\xed\xa0\x80")
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", program)
        archive.writestr("a/data/0", WEIGHTS.tobytes())
        archive.writestr("a/data/1", bytes(48))
    assert list(checkpoints.read(tmp_path / "a.pt").tensors) == ["w", "\ud800"]


def test_a_signalling_nan_is_a_nan(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(valid(".safetensors")[:-48] + b"\x81\x7f" * 24)
    assert np.isnan(checkpoints.read(tmp_path / "a.safetensors").tensors["b"]).all()


def test_halves_of_a_byte_are_numbers_of_their_type_the_low_half_first():
    """Of an array of any shape, whatever the sign of its bytes."""
    packed = np.array([[0x2F, 0x81]], np.uint8)
    for bytes_ in (packed, packed.view(np.int8)):
        found = {kind: elements.unpack(bytes_, kind) for kind in ("uint4", "int4", "float4_e2m1fn")}
        assert {kind: array.tolist() for kind, array in found.items()} == {
            "uint4": [15, 2, 1, 8],
            "int4": [-1, 2, 1, -8],
            "float4_e2m1fn": [-6.0, 1.0, 0.5, -0.0],
        }
        assert [array.dtype for array in found.values()] == [np.uint8, np.int8, np.float32]


@pytest.mark.parametrize("element", ["float32", "float8_e5m2", "int4_x2"])
def test_fewer_values_than_were_asked_for_are_an_error(tmp_path, element):
    size = elements.raw_dtype(element).itemsize
    (tmp_path / "a").write_bytes(bytes(5 * size + size // 2))
    assert not elements.read_values(tmp_path / "a", 2 * size, 3, element).any()
    with pytest.raises(ValueError, match="truncated: 3 of 4 values"):
        elements.read_values(tmp_path / "a", 2 * size, 4, element)


def test_what_was_unpacked_goes_with_its_contents(tmp_path, monkeypatch):
    (tmp_path / "unpacked").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "unpacked"))
    (tmp_path / "w.npy.gz").write_bytes(gzip.compress(valid(".npy")))
    contents = checkpoints.open_checkpoint(tmp_path / "w.npy.gz")
    assert [path.name for path in (tmp_path / "unpacked").rglob("*.npy")] == ["w.npy"]
    assert list(contents.tensors) == ["w"]
    del contents
    gc.collect()
    assert not list((tmp_path / "unpacked").iterdir())


def test_a_tensor_that_holds_no_numbers_says_why():
    tensor = tensors.unreadable("w", "a link to another place, not followed").renamed(file="m.h5")
    with pytest.raises(ValueError, match=r"^cannot read 'm\.h5': tensor 'w': a link to another place, not"):
        tensor.load()
    with pytest.raises(ValueError, match=r"^it holds no numbers$"):
        tensor.read()


def test_a_list_is_an_array():
    tensor = tensors.of_array("w", [[1, 2, 3], [4, 5, 6]])
    assert (tensor.shape, tensor.nbytes, tensor.skip) == ((2, 3), 48, "")
    np.testing.assert_array_equal(tensor.load(), [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(("element", "size"), [("bfloat16", 2), ("int4_x2", 1)])
def test_what_is_there_of_a_file_that_ends_in_a_later_chunk_is_counted_whole(
    element, size, tmp_path, monkeypatch
):
    monkeypatch.setattr(elements, "CHUNK", 4)
    (tmp_path / "a").write_bytes(bytes(6 * size))
    assert elements.read_values(tmp_path / "a", 0, 6, element).size == (12 if size == 1 else 6)
    with pytest.raises(ValueError, match="truncated: 6 of 10 values"):
        elements.read_values(tmp_path / "a", 0, 10, element)


@pytest.mark.parametrize("element", ["float32", "bfloat16", "float8_e4m3fn", "int4_x2"])
def test_no_values_are_none(tmp_path, element):
    (tmp_path / "a").write_bytes(bytes(8))
    assert elements.read_values(tmp_path / "a", 4, 0, element).shape == (0,)


@pytest.mark.parametrize(("length", "ending"), [(299, "x"), (300, "x"), (301, " ...")])
def test_three_hundred_characters_of_a_message_are_kept(length, ending):
    found = tensors.sentence(ValueError("x" * length))
    assert found.rstrip(" .") == "x" * min(length, 300) and found.endswith(ending)
