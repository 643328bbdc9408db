"""A file is what its contents say; a network is what all its files say."""

import gzip
import importlib
import json
import pickle
import shutil
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from sims import checkpoints, weights
from sims.checkpoints import elements, folders, gguf_files
from sims.checkpoints.kinds import kind_of

FILES = Path(__file__).parent / "files"
RNG = np.random.default_rng(4)
W = RNG.normal(size=(20, 30)).astype(np.float32)


def makers():
    def npy(path):
        with path.open("wb") as file:
            np.save(file, W)

    def npz(path):
        with path.open("wb") as file:
            np.savez(file, w=W)

    def hdf5(path):
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["w"] = W

    def gguf(path):
        writer = pytest.importorskip("gguf").GGUFWriter(str(path), "llama")
        writer.add_tensor("w", W)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def onnx(path):
        onnx = pytest.importorskip("onnx")
        graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(W, "w")])
        path.write_bytes(onnx.helper.make_model(graph, producer_name="onnx").SerializeToString())

    def safetensors(path):
        save_file({"w": W}, path)

    def torch(path):
        shutil.copy(FILES / "state.pt", path)

    return [npy, npz, hdf5, gguf, onnx, safetensors, torch]


@pytest.mark.parametrize("make", makers(), ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "name", ["weights", "weights.bin", "weights.pt", "weights.safetensors", "weights.dat"]
)
def test_the_ending_says_nothing(tmp_path, make, name):
    path = tmp_path / name
    make(path)
    (array,) = [a for a in checkpoints.read(path).tensors.values() if a.size in (600, 320)]
    if make.__name__ != "torch":
        np.testing.assert_array_equal(array, W)


@pytest.mark.parametrize("make", makers()[:-1], ids=lambda make: make.__name__)
def test_an_array_of_no_elements_has_its_shape(tmp_path, monkeypatch, make):
    monkeypatch.setitem(globals(), "W", np.zeros((0, 3), np.float32))
    make(tmp_path / "weights")
    (array,) = checkpoints.read(tmp_path / "weights").tensors.values()
    assert array.shape == (0, 3)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *((f".{kind}", kind) for kind in ("npz", "npy", "safetensors", "onnx", "gguf")),
        *((ending, "torch") for ending in (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".pth.tar")),
        *((ending, "hdf5") for ending in (".h5", ".hdf5", ".keras")),
    ],
)
def test_an_ending_decides_where_the_first_bytes_do_not(tmp_path, ending, kind):
    """A pickle of protocol 0 is text; a damaged file is read, and its reader says what is wrong."""
    for name in (f"a{ending}", f"A{ending.upper()}"):
        (tmp_path / name).write_bytes(b"(dp0\n.")
        assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize(
    "field",
    [
        *({"producer_name": "a"}, {"producer_version": "1"}, {"domain": "a"}, {"model_version": 3}),
        *({"doc_string": "a"}, {"graph": {"name": "a"}}, {"opset_import": [{"version": 20}]}),
    ],
)
def test_a_model_of_onnx_may_leave_out_any_field(tmp_path, field):
    """The first field is its version; any of the seven others may stand next."""
    onnx = pytest.importorskip("onnx")
    (tmp_path / "a").write_bytes(onnx.ModelProto(ir_version=9, **field).SerializeToString())
    assert kind_of(tmp_path / "a") == "onnx"


@pytest.mark.parametrize("member", ["m/archive_format", "m/serialized_exported_program.json"])
def test_exported_programs_are_named_as_such(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as archive:
        archive.writestr("m/version", "1")  # other members say nothing
        archive.writestr(member, "x")
    with pytest.raises(ValueError, match=r"this is a program of torch\.export: save the state_dict"):
        kind_of(tmp_path / "a.pt2")


@pytest.mark.parametrize("header", [{}, {"w": {"dtype": "F32", "shape": [0, 3], "data_offsets": [0, 0]}}])
def test_a_header_that_fills_a_safetensors_file_needs_no_ending(tmp_path, header):
    text = json.dumps(header).encode()
    (tmp_path / "weights").write_bytes(len(text).to_bytes(8, "little") + text)
    assert kind_of(tmp_path / "weights") == "safetensors"
    (tmp_path / "weights").write_bytes((len(text) + 1).to_bytes(8, "little") + text)  # a byte is missing
    with pytest.raises(ValueError, match="of no kind that is read"):
        kind_of(tmp_path / "weights")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_any_protocol_needs_no_ending(tmp_path, protocol):
    (tmp_path / "weights").write_bytes(pickle.dumps({}, protocol))
    assert kind_of(tmp_path / "weights") == "torch"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
            "a Git LFS pointer, not the file",
        ),
        (b"<!DOCTYPE html><html><body>Sign in", "an HTML page, not weights"),
        (b"\n  <html>", "an HTML page, not weights"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "an XML document, not weights"),
        (b"Rar!\x1a\x07\x00", "a RAR archive: unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x28\xb5\x2f\xfd0000", "compressed with zstd"),
        (b"\xfd7zXZ\x00", "compressed with xz"),
        (b"lmgg\x00\x00", "a GGML file, older than GGUF"),
        (b"ggml\x00\x00", "a GGML file, older than GGUF"),
        (b"ggjt\x00\x00", "a GGML file, older than GGUF"),
        (b"tjgg\x00\x00", "a GGML file, older than GGUF"),
        (b"# xet version 0\n", "a Xet pointer, not the file itself"),
        (b"%PDF-1.7\n", "a PDF document, not weights"),
        (b"BZh91AY&SY", "compressed with bzip2: unpack it first"),
        (b"\x00" * 257 + b"ustar" + b"\x00" * 300, "a tar archive"),
        (b"PK\x05\x06" + b"\x00" * 18, "holds no array|no kind"),
        (b'{"hidden_size": 64}', r"this is JSON \(an index, a configuration\), not weights"),
        (b"hello", "of no kind that is read"),
    ],
)
@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".bin", ""])
def test_what_is_no_weights_is_named(tmp_path, content, message, ending):
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    if content == b"hello" and ending:
        message = r"not a safetensors|malformed pickle \(it recalls a value it never kept\)"
    with pytest.raises(ValueError, match=message) as caught:
        checkpoints.read(path)
    assert str(caught.value).startswith(f"cannot read 'model{ending}': ") and "\n" not in str(caught.value)


def test_gzip(tmp_path):
    with gzip.open(tmp_path / "w.npy.gz", "wb") as file:
        np.save(file, W)
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "w.npy.gz").tensors["w"], W)
    contents = checkpoints.open_checkpoint(tmp_path / "w.npy.gz")
    np.testing.assert_array_equal(contents.tensors["w"].load(), W)  # unpacked as long as it is in use
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(30_000_000)))
    with pytest.raises(ValueError, match="bytes when unpacked"):
        checkpoints.read(tmp_path / "bomb.gz")
    (tmp_path / "cut.gz").write_bytes((tmp_path / "w.npy.gz").read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"^cannot read 'cut\.gz': "):
        checkpoints.read(tmp_path / "cut.gz")
    (tmp_path / "twice.gz").write_bytes(gzip.compress((tmp_path / "w.npy.gz").read_bytes()))
    with pytest.raises(ValueError, match="not unpacked twice"):
        checkpoints.read(tmp_path / "twice.gz")


# --- networks in several files ----------------------------------------------------------------------------


@pytest.fixture
def shards(tmp_path):
    arrays = {f"layer.{i}.weight": RNG.normal(size=(20, 20)).astype(np.float32) for i in range(6)}
    table = {}
    for k in range(3):
        name = f"model-{k + 1:05}-of-00003.safetensors"
        part = {key: arrays[key] for key in list(arrays)[2 * k : 2 * k + 2]}
        save_file(part, tmp_path / name)
        table |= dict.fromkeys(part, name)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (tmp_path / "config.json").write_text('{"model_type": "x"}')
    (tmp_path / "optimizer.bin").write_bytes(b"x")
    return tmp_path, arrays


def test_a_folder_an_index_and_bare_shards_are_one_network(shards):
    folder, arrays = shards
    whole = weights.analyse(arrays, [4])
    for path in (folder, folder / "model.safetensors.index.json"):
        table = weights.report(path, [4])
        assert {row.name: row.quantization for row in table.rows} == {
            row.name: row.quantization for row in whole.rows
        }
        assert table.middle().quantization == whole.middle().quantization
    (folder / "model.safetensors.index.json").unlink()
    assert len(weights.report(folder, [4]).rows) == 6
    assert checkpoints.open_checkpoint(folder).config == {"model_type": "x"}


@pytest.mark.parametrize("place", [".", "./"])
def test_a_folder_by_a_path_without_a_name_has_one(shards, monkeypatch, place):
    folder, arrays = shards
    monkeypatch.chdir(folder)
    found = checkpoints.open_checkpoint(place)
    assert set(found.tensors) == set(arrays) and Path(found.path) == folder.resolve()
    assert Path(found.file).resolve() == folder.resolve() and found.file
    for shard in folder.glob("*.safetensors"):
        save_file({}, shard)
    with pytest.raises(
        ValueError, match=r"^cannot read '.+': tensor 'layer\.0\.weight' and 5 more of the index"
    ):
        checkpoints.open_checkpoint(place)


def test_a_missing_shard_is_no_smaller_network(shards):
    folder, _ = shards
    (folder / "model-00002-of-00003.safetensors").unlink()
    message = r"of 3 shards 'model-00002-of-00003\.safetensors' is missing"
    with pytest.raises(ValueError, match=message):
        weights.report(folder)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(ValueError, match=message):
        weights.report(folder)


@pytest.mark.parametrize(
    "beside", ["adapter", "zoo", "model-00001-of-00002", "model-00004-of-00004", "other-00001-of-00003"]
)
def test_shards_beside_another_weight_file_are_several_networks(shards, beside):
    """Whether its name comes before theirs or after, and whether it is a shard of something else."""
    folder, _ = shards
    (folder / "model.safetensors.index.json").unlink()
    save_file({"w": W}, folder / f"{beside}.safetensors")
    with pytest.raises(ValueError, match=r"the folder holds 4 weight files \(.*\): name one, or the index"):
        checkpoints.open_checkpoint(folder)


def test_one_shard_is_said_to_be_a_part(shards):
    folder, _ = shards
    table = weights.report(folder / "model-00002-of-00003.safetensors", [4])
    assert len(table.rows) == 2 and table.share_of_bytes == 1
    assert "This is shard 2 of 3, a part of a network" in table.sentences()[-1]
    assert weights.report(folder, [4]).part == ""
    assert folders.part_of(Path("m-00001-of-00002.bin")).startswith("This is shard 1 of 2")
    assert folders.part_of(Path("m-00001-of-00001.bin")) == folders.part_of(Path("m.bin")) == ""


def test_an_index_that_promises_more_or_leads_outside(shards):
    folder, _ = shards
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["more"] = "model-00001-of-00003.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="tensor 'more' of the index is in no shard"):
        checkpoints.open_checkpoint(folder)
    content["weight_map"]["more"] = "../outside.safetensors"
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="names a file outside its folder"):
        checkpoints.open_checkpoint(folder)
    for text, message in (("[]", "no object"), ("{", "not JSON"), ("{}", "no index of shards")):
        index.write_text(text)
        with pytest.raises(ValueError, match=message):
            checkpoints.open_checkpoint(index)


def test_a_tensor_is_where_the_index_says_and_nowhere_else(shards):
    """An old copy in the file before it is no part of the network."""
    folder, arrays = shards
    moved = next(name for name in arrays if name.startswith("layer.5"))
    first = {name: arrays[name] for name in list(arrays)[:2]} | {moved: arrays[moved] + 1}
    save_file(first, folder / "model-00001-of-00003.safetensors")
    table = weights.report(folder, [4])
    whole = weights.analyse(arrays, [4])
    assert {row.name: row.quantization for row in table.rows} == {
        row.name: row.quantization for row in whole.rows
    }
    why = "left in model-00001-of-00003.safetensors: the index names another file for it"
    assert table.skipped == {f"{moved}'": why}
    np.testing.assert_array_equal(checkpoints.open_checkpoint(folder).tensors[moved].load(), arrays[moved])


def test_a_folder_without_weights_or_with_several_networks(tmp_path):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(ValueError, match="a SavedModel of TensorFlow is not read"):
        checkpoints.open_checkpoint(tmp_path / "snapshots")
    with pytest.raises(ValueError, match="holds no weight file; there are folders in it: snapshots"):
        checkpoints.open_checkpoint(tmp_path)
    for name in ("a.safetensors", "b.safetensors"):
        save_file({"w": W}, tmp_path / name)
    with pytest.raises(
        ValueError, match=r"holds 2 weight files \(a\.safetensors, b\.safetensors, \.\.\.\): name one"
    ):
        checkpoints.open_checkpoint(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.safetensors").unlink()
        np.save(tmp_path / f"{name}.npy", W)
    assert set(checkpoints.open_checkpoint(tmp_path).tensors) == {"a", "b"}


def test_of_two_indexes_that_of_the_safer_files_is_read(shards):
    folder, arrays = shards
    (folder / "another.bin.index.json").write_text('{"weight_map": {"w": "nowhere.bin"}}')
    assert set(checkpoints.open_checkpoint(folder).tensors) == set(arrays)
    (folder / "model-b.safetensors.index.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"several networks \(model-b\.safetensors\.index\.json, model\.safe"
    ):
        checkpoints.open_checkpoint(folder)


def test_of_a_network_stored_twice_the_safer_file_is_read(tmp_path):
    """The others would not even open."""
    save_file({"w": W}, tmp_path / "model.safetensors")
    np.savez(tmp_path / "model.npz", other=W)
    for ending in ("gguf", "bin", "pth", "pt", "ckpt", "onnx", "keras", "h5", "npy"):
        (tmp_path / f"model.{ending}").write_bytes(b"nothing")
    assert list(checkpoints.open_checkpoint(tmp_path).tensors) == ["w"]
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.gguf"):
        checkpoints.open_checkpoint(tmp_path)
    (tmp_path / "model.gguf").unlink()
    assert list(checkpoints.open_checkpoint(tmp_path).tensors) == ["other"]


def test_of_a_network_stored_in_every_form_the_first_of_eleven_is_read(tmp_path):
    """Whatever the ending, the contents are an archive here: its one array says which file was read."""
    order = ["safetensors", "gguf", "npz", "bin", "pth", "pt", "ckpt", "onnx", "keras", "h5", "npy"]
    for ending in order:
        with (tmp_path / f"model.{ending}").open("wb") as file:
            np.savez(file, **{ending: W})
    for ending in order:
        assert list(checkpoints.open_checkpoint(tmp_path).tensors) == [ending]
        (tmp_path / f"model.{ending}").unlink()
    with pytest.raises(ValueError, match="the folder holds no weight file"):
        checkpoints.open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("optimizer", "OPTIMIZER_2", "scheduler", "training_args", "rng_state", "rng_state_0", "scaler"),
        *("random_states", "random_states_0"),
    ],
)
def test_what_training_leaves_beside_a_network_is_no_part_of_it(tmp_path, name):
    for stem in ("model", name):
        with (tmp_path / f"{stem}.bin").open("wb") as file:
            np.savez(file, **{stem: W})
    assert list(checkpoints.open_checkpoint(tmp_path).tensors) == ["model"]
    (tmp_path / f"{name}.bin").rename(tmp_path / f"my_{name}.bin")
    with pytest.raises(ValueError, match="the folder holds 2 weight files"):
        checkpoints.open_checkpoint(tmp_path)


def test_an_index_nested_too_deep_is_no_json(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"not JSON \("):
        checkpoints.open_checkpoint(tmp_path)


# --- element types ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("element", sorted(elements.NARROW))
def test_narrow_floats_are_those_of_at_most_eight_bits(element):
    assert elements.is_narrow_float(element) == (ml_dtypes.finfo(getattr(ml_dtypes, element)).bits <= 8)


@pytest.mark.parametrize("kind", ["bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e8m0fnu", "int4"])
def test_types_of_ml_dtypes_in_npy(tmp_path, kind):
    """Of two bytes there is one such type, of one byte that is a float one; others lose their name."""
    values = np.array([[0.5, 2.0], [1.0, 4.0]]).astype(getattr(ml_dtypes, kind))
    np.save(tmp_path / "w.npy", values)
    np.savez(tmp_path / "w.npz", w=values)
    for path in (tmp_path / "w.npy", tmp_path / "w.npz"):
        found = checkpoints.read(path)
        if kind in ("bfloat16", "float8_e5m2"):
            np.testing.assert_array_equal(found.tensors["w"], values.astype(np.float32))
            assert checkpoints.open_checkpoint(path).tensors["w"].nbytes == values.nbytes
        else:
            assert "a type of ml_dtypes whose name a npy file does not keep" in found.skipped["w"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("F8_E8M0", "float8_e8m0fnu"), ("F8_E4M3", "float8_e4m3fn"), ("F8_E5M2", "float8_e5m2"),
        ("F8_E4M3FNUZ", "float8_e4m3fnuz"), ("F8_E5M2FNUZ", "float8_e5m2fnuz"), ("BF16", "bfloat16"),
    ],
)  # fmt: skip
def test_narrow_types_of_safetensors(tmp_path, code, kind):
    values = np.array([0.5, 2.0, 1.0, 4.0]).astype(getattr(ml_dtypes, kind))
    header = json.dumps({"w": {"dtype": code, "shape": [4], "data_offsets": [0, values.nbytes]}}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a").tensors["w"], [0.5, 2, 1, 4])
    assert checkpoints.open_checkpoint(tmp_path / "a").tensors["w"].nbytes == values.nbytes


@pytest.mark.parametrize(
    ("code", "stored", "values"),
    [
        ("BOOL", "?", [True, False, True, True]),
        ("U8", "<u1", [0, 1, 200, 255]),
        ("U16", "<u2", [0, 1, 2**15, 2**16 - 1]),
        ("U32", "<u4", [0, 1, 2**31, 2**32 - 1]),
        ("U64", "<u8", [0, 1, 2**63, 2**64 - 1]),
        ("I8", "<i1", [-128, -1, 0, 127]),
        ("I16", "<i2", [-(2**15), -1, 0, 2**15 - 1]),
        ("I32", "<i4", [-(2**31), -1, 0, 2**31 - 1]),
        ("I64", "<i8", [-(2**63), -1, 0, 2**63 - 1]),
        ("F16", "<f2", [-0.5, 2.0, 0.0, 2.0**-24]),
        ("F32", "<f4", [-0.5, 2.0, 0.0, 2.0**-149]),
        ("F64", "<f8", [-0.1, 2.0**200, 0.0, 5e-324]),
    ],
)
def test_plain_types_of_safetensors(tmp_path, code, stored, values):
    data = np.array(values, stored).tobytes()
    header = json.dumps({"w": {"dtype": code, "shape": [2, 2], "data_offsets": [0, len(data)]}}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + data)
    found = checkpoints.read(tmp_path / "a").tensors["w"]
    assert found.dtype == np.dtype(stored) and found.ravel().tolist() == values


@pytest.mark.parametrize("size", [2, 4])
def test_a_shape_of_safetensors_takes_all_of_its_bytes(tmp_path, size):
    header = json.dumps({"w": {"dtype": "F32", "shape": [size], "data_offsets": [0, 12]}}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(ValueError, match=rf"tensor 'w': F32 of shape \[{size}\] does not take 12 bytes"):
        checkpoints.open_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("together", [2, 3, elements.CHUNK])
def test_halves_of_bytes_and_types_that_are_named(tmp_path, monkeypatch, together):
    monkeypatch.setattr(elements, "CHUNK", together)  # bytes, of which there are four
    header = {
        "four": {"dtype": "F4", "shape": [2, 4], "data_offsets": [0, 4]},
        "six": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [4, 7]},
        "new": {"dtype": "F1", "shape": [9], "data_offsets": [7, 9]},
        "also six": {"dtype": "F6_E3M2", "shape": [4], "data_offsets": [9, 12]},
        "complex": {"dtype": "C64", "shape": [1], "data_offsets": [12, 20]},
    }
    text = json.dumps(header).encode()
    (tmp_path / "a").write_bytes(
        len(text).to_bytes(8, "little") + text + bytes([0x21, 0x43, 0x65, 0xF7, *range(16)])
    )
    found = checkpoints.read(tmp_path / "a")
    np.testing.assert_array_equal(found.tensors["four"], [[0.5, 1, 1.5, 2], [3, 4, 6, -6]])
    late = checkpoints.open_checkpoint(tmp_path / "a").tensors["four"]
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-17])  # three bytes of the four are left
    with pytest.raises(ValueError, match="tensor 'four': truncated: 3 of 4 values"):
        late.load()
    assert found.skipped == {
        "six": "values of type 'F6_E2M3', not read",
        "new": "values of type 'F1', not read",
        "also six": "values of type 'F6_E3M2', not read",
        "complex": "values of type 'C64', not read",
    }


# --- GGUF and Keras ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "version"), [("<", 2), ("<", 3), (">", 3)])
def test_gguf_metadata_of_every_kind_are_passed(tmp_path, order, version):
    """Numbers by the code of their type, texts, and lists of both; then the tensor is still in its place."""
    numbers = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    values = [(kind, struct.pack(order + code, 1)) for kind, code in numbers.items()]
    values += [(8, struct.pack(order + "Q2s", 2, b"ab"))]
    values += [(9, struct.pack(order + "IQ", kind, 3) + 3 * value) for kind, value in values]
    values += [(9, struct.pack(order + "IQ", 9, 2) + 2 * values[-1][1])]
    head = b"GGUF" + struct.pack(order + "IQQ", version, 1, len(values))
    for kind, value in values:
        head += struct.pack(order + "Q1sI", 1, b"k", kind) + value
    head += struct.pack(order + "Q1sI4QIQ", 1, b"w", 4, *(1, 2, 1, 2), 0, 0)  # the last axis first
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + W[:4, 0].astype(order + "f4").tobytes())
    found = checkpoints.read(tmp_path / "m.gguf").tensors["w"]
    np.testing.assert_array_equal(found, W[:4, 0].reshape(2, 1, 2, 1))


def test_gguf_values_begin_at_the_next_multiple_of_the_alignment(tmp_path):
    """Which is the end of the header itself for one of these names."""
    for length in range(1, 33):
        head = b"GGUF" + struct.pack(f"<IQQQ{length}sIQIQ", 3, 1, 0, length, b"w" * length, 1, 4, 0, 0)
        (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + W[:4, 0].tobytes())
        (found,) = checkpoints.read(tmp_path / "m.gguf").tensors.values()
        np.testing.assert_array_equal(found, W[:4, 0])


def test_a_gguf_header_may_end_with_its_file(tmp_path):
    """That of a tensor without elements, or of metadata alone; any part of it is a header cut short."""
    file = tmp_path / "m.gguf"
    empty = b"GGUF" + struct.pack("<IQQQ8sIQIQ", 3, 1, 0, 8, b"no value", 1, 0, 0, 0)
    assert len(empty) == 64
    file.write_bytes(empty)
    found = checkpoints.read(file).tensors["no value"]
    assert (found.shape, found.dtype) == ((0,), np.float32)
    headers = [empty]
    for code, value in ("<If", (6, 1)), ("<IQ2s", (8, 2, b"ab")), ("<IIQ3H", (9, 2, 3, 1, 1, 1)):
        headers.append(b"GGUF" + struct.pack("<IQQQ1s", 3, 0, 1, 1, b"k") + struct.pack(code, *value))
        file.write_bytes(headers[-1])
        with pytest.raises(ValueError, match=r"^cannot read 'm\.gguf': it holds no array$"):
            checkpoints.open_checkpoint(file)
    for header in headers:
        for length in range(4, len(header)):
            file.write_bytes(header[:length])
            with pytest.raises(ValueError, match=r"'m\.gguf': truncated: its header ends early$"):
                checkpoints.open_checkpoint(file)


@pytest.mark.parametrize("rank", range(1, 11))
def test_gguf_tensors_have_at_most_eight_axes(tmp_path, rank):
    shape = (2, *(1,) * (rank - 2), 3)[-rank:]
    head = b"GGUF" + struct.pack(f"<IQQQ1sI{rank}QIQ", 3, 1, 0, 1, b"w", rank, *shape[::-1], 0, 0)
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + W[0, :6].tobytes())
    if rank > 8:
        with pytest.raises(ValueError, match=f"tensor 'w' of {rank} dimensions"):
            checkpoints.open_checkpoint(tmp_path / "m.gguf")
    else:
        found = checkpoints.read(tmp_path / "m.gguf").tensors["w"]
        np.testing.assert_array_equal(found, W[0, : 3 * (rank > 1) + 3].reshape(shape))


@pytest.mark.parametrize(
    ("offsets", "alignment", "why"),
    [
        ([0, 96], 32, ""),
        ([96, 0], 32, ""),  # in another order
        ([0, 64], 64, "tensor 'b': .*truncated|its tensors share bytes"),  # of 80 bytes each
        ([0, 40], 32, "tensor 'b': it begins at 40, which is no multiple of 32"),
        ([0, 64], 32, "its tensors share bytes"),
        ([64, 0], 32, "its tensors share bytes"),
        ([0, 96], 3, "its tensors are aligned to 3 bytes, which is no multiple of 8"),
        ([0, 96], 12, "its tensors are aligned to 12 bytes, which is no multiple of 8"),
        ([0, 96], 0, "its tensors are aligned to 0 bytes, which is no multiple of 8"),
    ],
)
def test_gguf_places_that_contradict_each_other(tmp_path, offsets, alignment, why):
    """The format wants a multiple of 8 and tensors apart: other numbers were judged as weights."""
    values = np.arange(40, dtype=np.float32).reshape(2, 20)
    head = b"GGUF" + struct.pack("<IQQQ17sII", 3, 2, 1, 17, b"general.alignment", 4, alignment)
    for name, offset in zip((b"a", b"b"), offsets, strict=True):
        head += struct.pack("<Q1sIQIQ", 1, name, 1, 20, 0, offset)
    data = bytearray(head + bytes(-len(head) % 32) + bytes(192))
    for row, offset in zip(values, offsets, strict=True):
        start = len(data) - 192 + offset
        data[start : start + 80] = row.tobytes()
    (tmp_path / "m.gguf").write_bytes(data)
    if why:
        with pytest.raises(ValueError, match=why):
            checkpoints.open_checkpoint(tmp_path / "m.gguf")
    else:
        found = checkpoints.read(tmp_path / "m.gguf").tensors
        np.testing.assert_array_equal([found["a"], found["b"]], values)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(0, "f4"), (1, "f2"), (24, "i1"), (25, "i2"), (26, "i4"), (27, "i8"), (28, "f8")],
)
def test_gguf_plain_types_by_their_codes(tmp_path, kind, dtype):
    values = np.arange(-3, 5).astype(dtype)
    head = b"GGUF" + struct.pack("<IQQQ1sIQIQ", 3, 1, 0, 1, b"w", 1, 8, kind, 0)
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + values.tobytes())
    found = checkpoints.open_checkpoint(tmp_path / "m.gguf").tensors["w"]
    np.testing.assert_array_equal(found.load(), values)
    assert found.load().dtype == found.dtype == values.dtype and found.nbytes == values.nbytes


@pytest.mark.parametrize(("order", "version"), [("<", 2), ("<", 3), (">", 2), (">", 3)])
def test_gguf_halves_of_a_float_are_read_in_either_order_of_bytes(tmp_path, order, version):
    """bfloat16, the upper half of a float32, is a plain type: nothing was quantized."""
    values = np.float32([1.5, -2.0, 0.0, 3.0])
    halves = (values.view(np.uint32) >> 16).astype(order + "u2")
    head = b"GGUF" + struct.pack(order + "IQQQ1sIQIQ", version, 1, 0, 1, b"w", 1, 4, 30, 0)
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + halves.tobytes())
    found = checkpoints.open_checkpoint(tmp_path / "m.gguf").tensors["w"]
    np.testing.assert_array_equal(found.load(), values)
    assert found.dtype == "bfloat16" and found.nbytes == 8 and not found.note


@pytest.mark.parametrize("version", [1, 4])
def test_gguf_of_another_version_is_named(tmp_path, version):
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, 0) + bytes(64))
    with pytest.raises(ValueError, match=f"GGUF of version {version}, not 2 or 3"):
        checkpoints.open_checkpoint(tmp_path / "m.gguf")


@pytest.mark.parametrize("kind", [13, 99])
def test_gguf_metadata_of_an_unknown_kind_end_in_a_sentence(tmp_path, kind):
    """Alone, and in a list."""
    for value in (struct.pack("<IQ", kind, 0), struct.pack("<IIQQ", 9, kind, 1, 0)):
        head = b"GGUF" + struct.pack("<IQQQ1s", 3, 0, 1, 1, b"k") + value
        (tmp_path / "m.gguf").write_bytes(head + bytes(64))
        with pytest.raises(ValueError, match=f"metadata of unknown type {kind}"):
            checkpoints.open_checkpoint(tmp_path / "m.gguf")


def test_gguf_blocks_are_dequantized(tmp_path, monkeypatch):
    gguf = pytest.importorskip("gguf")
    monkeypatch.setattr(gguf_files, "_BLOCKS", 3)  # at a time, of sixteen
    # of this module alone: Numba looks NumPy's functions up when it compiles first
    filled = {**vars(np), "empty": lambda shape, dtype=float: np.full(shape, 99, dtype)}
    monkeypatch.setattr(gguf_files, "np", SimpleNamespace(**filled))
    quants = pytest.importorskip("gguf.quants")
    kinds = ["Q8_0", "Q4_0", "Q5_1", "BF16"]
    values = RNG.normal(size=(8, 64)).astype(np.float32)
    writer = gguf.GGUFWriter(str(tmp_path / "m.gguf"), "llama")
    writer.add_array("tokens", ["a", "bc"])
    writer.add_uint32("n", 3)
    writer.add_tensor("plain", values)
    writer.add_tensor("half", values.astype(np.float16))
    data = {}
    for kind in kinds:
        data[kind] = quants.quantize(values, gguf.GGMLQuantizationType[kind])
        writer.add_tensor(kind, data[kind], raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = checkpoints.open_checkpoint(tmp_path / "m.gguf").tensors
    np.testing.assert_array_equal(found["plain"].load(), values)
    np.testing.assert_array_equal(found["half"].load(), values.astype(np.float16))
    for kind in kinds:
        expected = quants.dequantize(data[kind], gguf.GGMLQuantizationType[kind])
        np.testing.assert_array_equal(found[kind].load(), expected, err_msg=kind)
    assert found["Q4_0"].note == "dequantized from Q4_0"
    stored = {"plain": values.nbytes, "half": values.nbytes // 2} | {k: data[k].nbytes for k in kinds}
    assert {name: tensor.nbytes for name, tensor in found.items()} == stored
    table = weights.report(tmp_path / "m.gguf", [4])
    assert {row.name: row.note for row in table.rows}["Q8_0"] == "dequantized from Q8_0"
    whole = (tmp_path / "m.gguf").read_bytes()
    for length in range(8, len(whole), 151):
        (tmp_path / "m.gguf").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"^cannot read 'm\.gguf': "):
            checkpoints.read(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 16), "rows of 16 do not consist of Q4_0 blocks of 32"),  # together they would
        ((3, 48), "rows of 48 do not consist of Q4_0 blocks of 32"),
        ((32, 1), "rows of 1 do not consist of Q4_0 blocks of 32"),
        ((), "rows of 0 do not consist of Q4_0 blocks of 32"),
        ((2, 32), ""),
        ((1, 3, 64), ""),
    ],
)
def test_every_row_of_a_gguf_tensor_is_whole_blocks(tmp_path, shape, words):
    pytest.importorskip("gguf")
    head = b"GGUF" + struct.pack("<IQQQ1sI", 3, 1, 0, 1, b"w", len(shape))
    head += struct.pack(f"<{len(shape)}QIQ", *shape[::-1], 2, 0)  # 2 is Q4_0: 32 codes and a scale, 18 bytes
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + bytes(18 * 8))
    if words:
        with pytest.raises(ValueError, match=f"^cannot read 'm.gguf': tensor 'w': {words}$"):
            checkpoints.open_checkpoint(tmp_path / "m.gguf")
    else:
        np.testing.assert_array_equal(
            checkpoints.read(tmp_path / "m.gguf").tensors["w"], np.zeros(shape, np.float32)
        )


def test_values_in_another_file_are_left_there(tmp_path):
    h5py = pytest.importorskip("h5py")
    np.arange(4.0).tofile(tmp_path / "raw.bin")
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "w", (4,))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("outside", (4,), "f8", external=[(str(tmp_path / "raw.bin"), 0, 32)])
        file.create_virtual_dataset("virtual", layout)
        file["here"] = np.ones(4)
    found = checkpoints.read(tmp_path / "m.h5")
    assert list(found.tensors) == ["here"]
    assert found.skipped == dict.fromkeys(
        ("outside", "virtual"), "its values are in another file, which is not read"
    )


def test_keras_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    import zipfile

    kernel, embeddings = RNG.normal(size=(20, 30)), RNG.normal(size=(50, 8))
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = kernel
        file["layers/dense/kernel"] = kernel + 1
        file["layers/embedding/embeddings:0"] = embeddings
        file["layers/conv/kernel"] = np.zeros((3, 3, 4, 8))
        file["layers/z_again"] = file["layers/dense"]  # the same group under two names
        file["layers/link"] = h5py.ExternalLink("/etc/passwd", "/")
        file["text"] = "words"
        file["layers"]["self"] = file["layers"]
    found = checkpoints.open_checkpoint(tmp_path / "model.weights.h5").tensors
    np.testing.assert_array_equal(found["layers/dense/kernel"].load(), kernel + 1)
    assert found["layers/dense/kernel"].nbytes == kernel.nbytes
    assert found["layers/dense/kernel"].axis == 1 and found["layers/embedding/embeddings:0"].axis == 0
    assert found["layers/conv/kernel"].axis == 3
    assert found["layers/link"].skip == "a link to another place, not followed"
    assert sum(not tensor.skip for tensor in found.values()) == 4
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    again = checkpoints.open_checkpoint(tmp_path / "net.keras").tensors
    np.testing.assert_array_equal(again["layers/dense/kernel"].load(), kernel + 1)


def test_keras_says_of_two_bytes_that_they_are_a_float(tmp_path):
    """bfloat16 has no type in HDF5: an attribute names it; other pairs of bytes stay what they are."""
    h5py = pytest.importorskip("h5py")
    kernel = RNG.normal(size=(20, 30)).astype(ml_dtypes.bfloat16)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name, array in (
            ("opaque", kernel.view("V2")),
            ("whole", kernel.view("u2")),
            ("other", kernel.view("V2")),
        ):
            file.create_dataset(f"layers/{name}/vars/0", data=array)
            if name != "other":
                file[f"layers/{name}/vars/0"].attrs["dtype"] = "bfloat16"
    found = checkpoints.open_checkpoint(tmp_path / "m.h5").tensors
    for name in ("opaque", "whole"):
        tensor = found[f"layers/{name}/vars/0"]
        np.testing.assert_array_equal(tensor.load(), kernel.astype(np.float32))
        assert (tensor.dtype, tensor.nbytes, tensor.axis) == ("bfloat16", 1200, 1)
    assert found["layers/other/vars/0"].skip == "|V2 values, not real numbers"


def test_a_gguf_file_of_statistics_is_refused(tmp_path):
    def text(value):
        return struct.pack("<Q", len(value)) + value

    for kind, readable in ((b"imatrix", False), (b"model", True)):
        head = (
            b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text(b"general.type") + struct.pack("<I", 8) + text(kind)
        )
        head += text(b"w.in_sum2") + struct.pack("<IQIQ", 1, 4, 0, 0)
        (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + bytes(16))
        if readable:
            assert list(checkpoints.read(tmp_path / "m.gguf").tensors) == ["w.in_sum2"]
        else:
            with pytest.raises(ValueError, match=r"an importance matrix of llama\.cpp, statistics of inputs"):
                checkpoints.read(tmp_path / "m.gguf")


@pytest.mark.parametrize(("module", "ending"), [("gguf", "gguf"), ("h5py", "h5")])
def test_extras_that_are_not_installed_are_named(tmp_path, monkeypatch, module, ending):
    make = {one.__name__: one for one in makers()}["gguf" if module == "gguf" else "hdf5"]
    make(tmp_path / f"a.{ending}")
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == module else find(name, *rest)
    )
    if module == "gguf":  # plain numbers need no package
        assert list(checkpoints.read(tmp_path / "a.gguf").tensors) == ["w"]
        return
    with pytest.raises(ValueError, match=r"pip install .*\[keras\]"):
        checkpoints.read(tmp_path / "a.h5")


# --- what is not read ---------------------------------------------------------------------------------------


@pytest.fixture(
    params=["block of no type", "big-endian blocks", "blocks the package does not read", "no package"]
)
def unread_gguf(request, tmp_path, monkeypatch):
    """Four rows of 64 as GGUF names them, the last axis first; and the bytes that are known to be theirs."""
    order, kind, nbytes = "<", 8, 8 * 34  # eight blocks of 32: a half for the scale and 32 codes each
    if request.param == "no package":
        nbytes = 0
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        pytest.importorskip("gguf")
        quants = importlib.import_module("gguf.quants")
    if request.param == "block of no type":
        kind, nbytes = 999, 0
    elif request.param == "big-endian blocks":
        order = ">"
    elif request.param == "blocks the package does not read":

        def unknown(data, quantized):
            raise NotImplementedError

        monkeypatch.setattr(quants, "dequantize", unknown)
    head = b"GGUF" + struct.pack(order + "IQQ", 3, 1, 0)
    head += struct.pack(order + "Q1sIQQIQ", 1, b"w", 2, 64, 4, kind, 0)
    (tmp_path / "m.gguf").write_bytes(head + bytes(-len(head) % 32) + bytes(8 * 34))
    return tmp_path / "m.gguf", nbytes


def test_blocks_that_are_not_read_keep_their_shape(unread_gguf):
    """By which a matrix that nobody reads is known: the vectors beside it are no network."""
    path, nbytes = unread_gguf
    tensor = checkpoints.open_checkpoint(path).tensors["w"]
    assert tensor.skip and (tensor.shape, tensor.nbytes) == ((4, 64), nbytes)


def test_arrays_that_are_no_real_numbers_keep_what_the_file_says_of_them(tmp_path):
    """Shape, type and bytes; of Python objects only the bytes, as their pickle is not read."""
    np.savez(tmp_path / "a.npz", z=np.ones((2, 3), np.complex64), objects=np.array([{}, 1], object))
    found = checkpoints.open_checkpoint(tmp_path / "a.npz").tensors
    assert (found["z"].shape, found["z"].dtype, found["z"].nbytes) == ((2, 3), "complex64", 48)
    assert (found["objects"].shape, found["objects"].dtype) == ((), "") and found["objects"].nbytes > 0
    header = json.dumps({"w": {"dtype": "F6_E2M3", "shape": [2, 2], "data_offsets": [0, 3]}}).encode()
    (tmp_path / "b").write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    six = checkpoints.open_checkpoint(tmp_path / "b").tensors["w"]
    assert (six.shape, six.dtype, six.nbytes) == ((2, 2), "F6_E2M3", 3)


def test_datasets_that_are_not_read_keep_what_the_file_says_of_them(tmp_path):
    h5py = pytest.importorskip("h5py")
    np.arange(6.0).tofile(tmp_path / "raw.bin")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("outside", (2, 3), "f8", external=[(str(tmp_path / "raw.bin"), 0, 48)])
        file["z"] = np.ones((2, 3), np.complex64)
    found = checkpoints.open_checkpoint(tmp_path / "m.h5").tensors
    assert (found["outside"].shape, found["outside"].nbytes) == ((2, 3), 0)
    assert (found["z"].shape, found["z"].dtype, found["z"].nbytes) == ((2, 3), "complex64", 48)


def test_a_tensor_left_in_another_shard_keeps_its_type(tmp_path):
    """The index names the second file for "w"; the first has one, too."""
    save_file({"w": W[:2], "a": W}, tmp_path / "a.safetensors")
    save_file({"w": W}, tmp_path / "b.safetensors")
    index = {"weight_map": {"a": "a.safetensors", "w": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    left = [t for t in checkpoints.open_checkpoint(tmp_path).tensors.values() if t.skip]
    assert [(t.shape, t.dtype, t.nbytes) for t in left] == [(W[:2].shape, W.dtype.name, W[:2].nbytes)]
