import importlib.util
import io
import json
import os
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims import checkpoints
from sims.checkpoints import pickle_machine as pickles
from sims.checkpoints import pickle_values

WEIGHTS = np.arange(12, dtype=np.float32).reshape(3, 4) / 8


# --- files a torch installation would write, made without torch -------------------------------------------


class Global:
    """Pickles as a bare global name."""

    def __init__(self, path):
        self.module, self.name = path.rsplit(".", 1)


class Call:
    """Pickles as function(*arguments)."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Reference(tuple):
    """Pickles as a persistent reference."""


class Writer(pickle._Pickler):
    def persistent_id(self, item):
        return tuple(item) if isinstance(item, Reference) else None

    def save(self, item, save_persistent_id=True):
        if isinstance(item, Global):
            self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())
        elif isinstance(item, Call):
            self.save(item.function)
            self.save(item.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(item, save_persistent_id)


def pickled(item):
    stream = io.BytesIO()
    Writer(stream, 2).dump(item)
    return stream.getvalue()


def rebuilt(kind, key, numel, offset, shape, strides, legacy=False):
    identity = ("storage", Global(f"torch.{kind}"), key, "cpu", numel) + ((None,) if legacy else ())
    return Call(
        Global("torch._utils._rebuild_tensor_v2"),
        Reference(identity),
        offset,
        shape,
        strides,
        False,
        Call(Global("collections.OrderedDict")),
    )


def torch_zip(path, item, storages, **extra):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", item if isinstance(item, bytes) else pickled(item))
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        for name, data in extra.items():
            archive.writestr(f"archive/{name}", data)
    return path


def torch_legacy(path, item, storages, itemsize=4):
    parts = [pickled(0x1950A86A20F9469CFC6C), pickled(1001), pickled({"little_endian": True}), pickled(item)]
    parts.append(pickled(list(storages)))
    for data in storages.values():
        parts += [struct.pack("<q", len(data) // itemsize), data]
    path.write_bytes(b"".join(parts))
    return path


def state(legacy=False):
    return {
        "fc.weight": rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1), legacy),
        "fc.transposed": rebuilt("FloatStorage", "0", 12, 1, (4, 2), (1, 4), legacy),
        "steps": rebuilt("LongStorage", "1", 1, 0, (), (), legacy),
        "epoch": 3,
    }


STORAGES = {"0": WEIGHTS.tobytes(), "1": np.array([7], "<i8").tobytes()}


# --- good files ------------------------------------------------------------------------------------------


def assert_state(checkpoint):
    assert list(checkpoint.tensors) == ["fc.weight", "fc.transposed", "steps"]
    np.testing.assert_array_equal(checkpoint.tensors["fc.weight"], WEIGHTS)
    np.testing.assert_array_equal(
        checkpoint.tensors["fc.transposed"], WEIGHTS.ravel()[1:].reshape(-1)[[[0, 4], [1, 5], [2, 6], [3, 7]]]
    )
    assert checkpoint.tensors["steps"].dtype == np.int64 and int(checkpoint.tensors["steps"]) == 7


def test_torch_zip(tmp_path):
    assert_state(checkpoints.read(torch_zip(tmp_path / "a.pt", state(), STORAGES, byteorder="little")))


def test_torch_zip_of_a_big_endian_machine(tmp_path):
    swapped = {"0": WEIGHTS.astype(">f4").tobytes(), "1": np.array([7], ">i8").tobytes()}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", state(), swapped, byteorder="big"))
    np.testing.assert_array_equal(found.tensors["fc.weight"], WEIGHTS)
    half = {"0": (WEIGHTS.view(np.uint32) >> 16).astype(">u2").tobytes()}  # these are bfloat16 to the bit
    item = {"w": rebuilt("BFloat16Storage", "0", 12, 0, (3, 4), (4, 1))}
    found = checkpoints.read(torch_zip(tmp_path / "b.pt", item, half, byteorder="big"))
    np.testing.assert_array_equal(found.tensors["w"], WEIGHTS)


STORED = [  # storage class of torch, a type that numpy reads its bytes by, values
    ("FloatStorage", "<f4", [-0.5, 2.0]),
    ("DoubleStorage", "<f8", [-0.1, 2.0**200]),
    ("HalfStorage", "<f2", [-0.5, 2.0]),
    ("CharStorage", "<i1", [-128, 127]),
    ("ByteStorage", "<u1", [200, 255]),
    ("ShortStorage", "<i2", [-(2**15), 2**15 - 1]),
    ("IntStorage", "<i4", [-(2**31), 2**31 - 1]),
    ("LongStorage", "<i8", [-(2**63), 2**63 - 1]),
    ("BoolStorage", "?", [True, False]),
    ("QInt8Storage", "<i1", [-128, 127]),
    ("QUInt8Storage", "<u1", [200, 255]),
    ("QInt32Storage", "<i4", [-(2**31), 2**31 - 1]),
]


@pytest.mark.parametrize(("kind", "code", "values"), STORED)
def test_every_class_of_storages(tmp_path, kind, code, values):
    item = {"w": rebuilt(kind, "0", 2, 0, (2,), (1,))}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, {"0": np.array(values, code).tobytes()}))
    assert found.tensors["w"].dtype == np.dtype(code) and found.tensors["w"].tolist() == values


@pytest.mark.parametrize(
    ("kind", "size", "element"),
    [("ComplexFloatStorage", 8, "complex64"), ("ComplexDoubleStorage", 16, "complex128")],
)
def test_complex_storages_are_named(tmp_path, kind, size, element):
    item = {"w": rebuilt(kind, "0", 3, 0, (3,), (1,))}
    found = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", item, {"0": bytes(3 * size)})).tensors
    assert found["w"].skip == f"{element} values, not real numbers" and found["w"].nbytes == 3 * size


@pytest.mark.parametrize(
    "element",
    [
        *("float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "bool"),
        *("uint8", "uint16", "uint32", "uint64", "complex64", "complex128"),
        *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
        "float4_e2m1fn_x2",
    ],
)
def test_every_type_of_elements_on_an_untyped_storage(tmp_path, element):
    """As torch.save writes types that have no class of storages: the call names the type."""
    identity = Reference(("storage", Global("torch.storage.UntypedStorage"), "0", "cpu", 64))
    rest = (0, (2,), (1,), False, Call(Global("collections.OrderedDict")), Global(f"torch.{element}"))
    item = {"w": Call(Global("torch._utils._rebuild_tensor_v3"), identity, *rest)}
    found = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", item, {"0": bytes(64)})).tensors["w"]
    why = {"complex": "not real numbers", "float4_": "two a byte, and no scale beside them is known"}
    if element[:7] in why:
        assert found.skip.startswith(f"{element} values") and found.skip.endswith(why[element[:7]])
    else:
        zero = 2.0**-127 if element == "float8_e8m0fnu" else 0  # of exponents alone
        assert set(found.load().ravel().tolist()) == {zero}


def test_torch_legacy(tmp_path):
    item = state(legacy=True)
    del item["steps"]
    found = checkpoints.read(torch_legacy(tmp_path / "a.pth", item, {"0": STORAGES["0"]}))
    np.testing.assert_array_equal(found.tensors["fc.weight"], WEIGHTS)


def test_a_storage_that_no_tensor_shows_is_passed_over(tmp_path):
    """A legacy file lists it among its storages, and its bytes stand before those of the next."""
    loose = Reference(("storage", Global("torch.DoubleStorage"), "9", "cpu", 2, None))
    item = {"loose": loose, "fc.weight": state(legacy=True)["fc.weight"]}
    parts = [pickled(each) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, item)]
    parts += [pickled(["9", "0"]), struct.pack("<q", 2), bytes(16), struct.pack("<q", 12), STORAGES["0"]]
    (tmp_path / "a.pth").write_bytes(b"".join(parts))
    found = checkpoints.read(tmp_path / "a.pth")
    assert list(found.tensors) == ["fc.weight"]
    np.testing.assert_array_equal(found.tensors["fc.weight"], WEIGHTS)


def test_parameters_ordered_mappings_and_nesting(tmp_path):
    parameter = Call(
        Global("torch._utils._rebuild_parameter"),
        state()["fc.weight"],
        True,
        Call(Global("collections.OrderedDict")),
    )
    ordered = Call(Global("collections.OrderedDict"), [["w", parameter]])
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", {"model": [ordered], "lr": 0.1}, STORAGES))
    assert list(found.tensors) == ["model.0.w"]


def test_a_part_that_is_named_twice_hides_nothing_behind_it(tmp_path):
    """Containers are walked once, in the order of the file; what follows a repetition is still found."""
    shared = {"w": state()["fc.weight"]}
    item = {"a": shared, "b": shared, "c": [{"w": state()["fc.weight"]}], "d": state()["fc.transposed"]}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, STORAGES))
    assert list(found.tensors) == ["a.w", "c.0.w", "d"]


def test_narrow_floats_are_widened_exactly(tmp_path):
    values = np.array([1.0, -2.5, 0.15625, 0.0], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    item = {"w": rebuilt("BFloat16Storage", "0", 4, 0, (2, 2), (2, 1))}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, {"0": bits.tobytes()}))
    np.testing.assert_array_equal(found.tensors["w"].ravel(), values)
    header = json.dumps({"w": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bits.tobytes())
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.safetensors").tensors["w"], values)


def test_float8_tables_follow_their_definition():
    wide = checkpoints.widen(np.arange(256, dtype=np.uint8), "float8_e4m3fn")
    assert wide[1] == 2.0**-9 and wide[0x7E] == 448 and np.isnan(wide[0x7F]) and wide[0x80 | 0x38] == -1
    wide = checkpoints.widen(np.arange(256, dtype=np.uint8), "float8_e5m2")
    assert wide[1] == 2.0**-16 and wide[0x7B] == 57344 and np.isinf(wide[0x7C]) and np.isnan(wide[0x7D])


@pytest.mark.parametrize(
    ("scheme", "kind", "zeros"),
    [
        ("per_channel_affine", "LongStorage", np.array([1, -2, 3])),
        ("per_channel_affine_float_qparams", "FloatStorage", np.float32([0.5, -1.5, 2])),
    ],
)
@pytest.mark.parametrize(("axis", "shape"), [(0, (3, 4)), (1, (2, 3, 2))])
def test_codes_with_a_scale_per_channel(tmp_path, scheme, kind, zeros, axis, shape):
    codes, scales = np.arange(-6, 6, dtype=np.int8), np.float64([0.5, 1, 2])
    strides = tuple(stride // 8 for stride in np.empty(shape).strides)
    along = [rebuilt(name, key, 3, 0, (3,), (1,)) for name, key in (("DoubleStorage", "1"), (kind, "2"))]
    plain = rebuilt("QInt8Storage", "0", 12, 0, shape, strides).arguments
    item = Call(
        Global("torch._utils._rebuild_qtensor"),
        *plain[:4],
        (Global(f"torch.{scheme}"), *along, axis),
        *plain[4:],
    )
    data = {"0": codes.tobytes(), "1": scales.tobytes(), "2": zeros.tobytes()}
    (found,) = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", {"w": item}, data)).tensors.values()
    assert found.nbytes == sum(map(len, data.values()))
    values = found.load()
    for place in np.ndindex(shape):
        channel, code = place[axis], int(codes.reshape(shape)[place])
        assert values[place] == (code - zeros[channel]) * scales[channel]


@pytest.mark.parametrize("flags", [(), (False,)])
@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "bsc"])
def test_sparse_tensors_with_and_without_what_later_versions_add(tmp_path, layout, flags):
    """[[0, 5, 0], [7, 0, 9]], whose rows and columns are no mirror of each other; a flag may follow."""
    *places, values = {
        "csr": ([0, 1, 3], [1, 0, 2], [5, 7, 9]),
        "csc": ([0, 1, 2, 3], [1, 0, 1], [7, 5, 9]),
        "coo": ([[0, 1, 1], [1, 0, 2]], [5, 7, 9]),
        "bsr": ([0, 3], [0, 1, 2], [[[0], [7]], [[5], [0]], [[0], [9]]]),  # blocks of 2 x 1
        "bsc": ([0, 2], [0, 1], [[[0, 5, 0]], [[7, 0, 9]]]),  # of 1 x 3
    }[layout]
    data = [*(np.array(one, "<i8") for one in places), np.array(values, "<f4")]
    parts = [
        rebuilt(
            "FloatStorage" if array.dtype == "<f4" else "LongStorage",
            *(str(key), array.size, 0, array.shape, tuple(step // array.itemsize for step in array.strides)),
        )
        for key, array in enumerate(data)
    ]
    item = Call(
        Global("torch._utils._rebuild_sparse_tensor"),
        Global(f"torch.sparse_{layout}"),
        (*parts, (2, 3), *flags),
    )
    storages = {str(key): array.tobytes() for key, array in enumerate(data)}
    (found,) = checkpoints.open_checkpoint(
        torch_zip(tmp_path / "a.pt", {"w": item}, storages)
    ).tensors.values()
    np.testing.assert_array_equal(found.load(), [[0, 5, 0], [7, 0, 9]])
    assert found.nbytes == sum(map(len, storages.values()))


@pytest.mark.parametrize(
    ("layout", "part"),
    [
        *(("coo", part) for part in range(2)),
        *((kind, part) for kind in ("csr", "csc", "bsr") for part in range(3)),
    ],
)
@pytest.mark.parametrize("instead", ["no values", "a number", "a list"])
def test_a_sparse_tensor_without_one_of_its_parts_takes_no_other_away(tmp_path, layout, part, instead):
    parts = [rebuilt("LongStorage", "1", 3, 0, (3,), (1,)) for _ in range(2 if layout == "coo" else 3)]
    meta = Call(
        Global("torch._utils._rebuild_meta_tensor_no_storage"), Global("torch.float32"), (3,), (1,), False
    )
    parts[part] = {"no values": meta, "a number": 3, "a list": [1, 2]}[instead]
    kind = Global(f"torch.sparse_{layout}")
    broken = Call(Global("torch._utils._rebuild_sparse_tensor"), kind, (*parts, (2, 3)))
    item = {"broken": broken, "w": rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1))}
    storages = STORAGES | {"1": np.arange(3, dtype="<i8").tobytes()}
    found = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", item, storages)).tensors
    np.testing.assert_array_equal(found["w"].load(), WEIGHTS)
    assert found["broken"].skip == "a sparse tensor of a layout that is not read"


def test_tensors_with_the_fewest_and_the_most_arguments_of_any_version(tmp_path):
    """Of old ones neither gradients nor hooks are told, of parameters with a state one thing more."""
    plain = rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1))
    hooks = Call(Global("collections.OrderedDict"))
    item = {
        "old": Call(Global("torch._utils._rebuild_tensor"), *plain.arguments[:4]),
        "state": Call(Global("torch._utils._rebuild_parameter_with_state"), plain, True, hooks, {"x": 1}),
    }
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, STORAGES))
    assert list(found.tensors) == ["old", "state"]
    for array in found.tensors.values():
        np.testing.assert_array_equal(array, WEIGHTS)


def test_a_tensor_of_a_class_of_its_own_is_the_tensor(tmp_path):
    plain = rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1))
    item = Call(
        Global("torch._tensor._rebuild_from_type_v2"),
        plain.function,
        Global("my.Tensor"),
        plain.arguments,
        {},
    )
    path = torch_zip(tmp_path / "a.pt", {"w": item}, STORAGES)
    np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], WEIGHTS)


@pytest.mark.parametrize("system", [{}, {"little_endian": True}, {"little_endian": False}, None])
def test_a_legacy_file_that_does_not_say_so_is_of_a_small_endian_machine(tmp_path, system):
    order = ">" if system == {"little_endian": False} else "<"
    item = {"w": rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1), legacy=True)}
    parts = [0x1950A86A20F9469CFC6C, 1001, system, item, ["0"]]
    data = (
        b"".join(map(pickled, parts)) + struct.pack(order + "q", 12) + WEIGHTS.astype(order + "f4").tobytes()
    )
    (tmp_path / "a.pth").write_bytes(data)
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.pth").tensors["w"], WEIGHTS)


def test_members_of_sets_are_found(tmp_path):
    """A frozen set, and a set that is filled after it was made."""
    tensor = pickled(rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1)))[2:-1]
    for program in (b"(" + tensor + b"\x91", b"\x8f(" + tensor + b"\x90"):
        path = torch_zip(tmp_path / "a.pt", b"\x80\x04" + program + b".", STORAGES)
        (found,) = checkpoints.read(path).tensors.values()
        np.testing.assert_array_equal(found, WEIGHTS)


def test_members_of_a_set_are_those_of_no_other(tmp_path):
    """Two that are filled, and one that stays empty before and after them."""
    tensors = {key: pickled(rebuilt("FloatStorage", key, 12, 0, (3, 4), (4, 1)))[2:-1] for key in "01"}
    filled = [b"\x8f(" + tensors[key] + b"\x90" for key in "01"]
    sets = {b"w": b"\x8f", b"x": filled[0], b"y": filled[1], b"z": b"\x8f"}
    program = b"(" + b"".join(b"U\x01" + key + one for key, one in sets.items()) + b"d"
    storages = {"0": WEIGHTS.tobytes(), "1": (-WEIGHTS).tobytes()}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", b"\x80\x04" + program + b".", storages)).tensors
    assert list(found) == ["x.0", "y.0"]
    np.testing.assert_array_equal([found["x.0"], found["y.0"]], [WEIGHTS, -WEIGHTS])


@pytest.mark.parametrize(("kind", "real"), [("f8", True), ("i8", True), ("c8", False), ("g", False)])
def test_numbers_of_more_than_eight_bytes_are_not_judged(tmp_path, kind, real):
    """A long double is rounded by the first step that computes with it."""
    np.savez(tmp_path / "a.npz", w=np.ones(4, kind))
    found = checkpoints.read(tmp_path / "a.npz")
    assert ("w" in found.tensors) == real
    if not real:
        assert found.skipped["w"] == f"{np.dtype(kind)} values, not real numbers"


def test_float8_of_recent_torch(tmp_path):
    identity = ("storage", Global("torch.storage.UntypedStorage"), "0", "cpu", 4)
    hooks = Call(Global("collections.OrderedDict"))
    item = Call(
        Global("torch._utils._rebuild_tensor_v3"),
        Reference(identity), 0, (2, 2), (2, 1), False, hooks, Global("torch.float8_e4m3fn"),
    )  # fmt: skip
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", {"w": item}, {"0": bytes([0x38, 0xB8, 0, 0x7E])}))
    np.testing.assert_array_equal(found.tensors["w"], [[1, -1], [0, 448]])


def test_npz_and_npy_keep_numbers_and_name_the_rest(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        w=np.asfortranarray(WEIGHTS), objects=np.array([{}, 1], object), words=np.array(["a"]),
        z=np.array([1j]),
    )  # fmt: skip
    found = checkpoints.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.tensors["w"], WEIGHTS)
    assert set(found.skipped) == {"objects", "words", "z"} and "Python objects" in found.skipped["objects"]
    np.save(tmp_path / "b.npy", WEIGHTS)
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "b.npy").tensors["b"], WEIGHTS)


def test_safetensors_written_by_its_library(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": WEIGHTS, "n": np.arange(3)}, tmp_path / "a.safetensors")
    found = checkpoints.read(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found.tensors["w"], WEIGHTS)
    whole = (tmp_path / "a.safetensors").read_bytes()
    for data in (whole + b"x", whole[:-1]):
        (tmp_path / "a.safetensors").write_bytes(data)
        with pytest.raises(ValueError, match=r"its tensors take 72 bytes, 7[13] are there"):
            checkpoints.read(tmp_path / "a.safetensors")
    assert found.tensors["n"].dtype == np.int64


def test_onnx_without_the_package_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(b"x")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the onnx package; .*pip install .*\[onnx\]"):
        checkpoints.read(tmp_path / "a.onnx")


def test_onnx_initializers(tmp_path):
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(WEIGHTS, "w")])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "a.onnx")
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.onnx").tensors["w"], WEIGHTS)
    exact = WEIGHTS.astype(np.float64) + 1e-12  # float64 stays what it is; bfloat16 is widened
    half = onnx.helper.make_tensor("h", onnx.TensorProto.BFLOAT16, [3], [1.0, -2.5, 0.15625])
    tensors = [onnx.numpy_helper.from_array(exact, "w"), half]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors)), tmp_path / "c.onnx")
    found = checkpoints.read(tmp_path / "c.onnx").tensors
    np.testing.assert_array_equal(found["w"], exact)
    assert found["h"].dtype == np.float32 and found["h"].tolist() == [1.0, -2.5, 0.15625]
    (tmp_path / "b.onnx").write_bytes(b"\xff" * 50)
    with pytest.raises(ValueError, match="not an ONNX model"):
        checkpoints.read(tmp_path / "b.onnx")


# --- hostile files ---------------------------------------------------------------------------------------


class Shell:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def hostile(marker):
    """Pickles that would create `marker`, or otherwise leave the fenced part of the language."""
    yield "os.system", pickle.dumps(Shell(marker)), "system"
    yield "os.system, protocol 0", pickle.dumps(Shell(marker), 0), "system"
    yield "builtins.eval", b'cbuiltins\neval\n(S\'open("x", "w")\'\ntR.', "builtins.eval"
    yield "nested attribute", b"\x80\x04\x8c\x06pickle\x8c\x05loads\x93.", "pickle.loads"
    yield "torch function", b"ctorch\nload\n(S'x'\ntR.", "torch.load"
    yield "extension registry", b"\x80\x02\x82\x01.", "EXT1"
    yield "instance", b"(S'x'\nios\nsystem\n.", "os.system"
    yield "object", b"(cos\nsystem\nS'x'\no.", "os.system"
    yield "new object", b"\x80\x02csubprocess\nPopen\n)\x81.", "subprocess.Popen"
    yield (
        "function of a subclass",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(cposix\nsystem\nN(tNtR.",
        "posix.system",
    )
    yield "attribute of a builtin", b"c__builtin__\ngetattr\n.", "getattr"
    yield "state of a program", b"ccode\nInteractiveConsole\n)\x81}b.", "code.InteractiveConsole"
    yield "state of a name", b"ccollections\nOrderedDict\n(N(S'__init__'\nS'x'\ndtb.", "state"
    yield "call of a call", b"ccollections\nOrderedDict\n)R)R.", "calls something"
    yield "underflow", b"\x80\x02\x85.", "takes more than it put"
    yield "memo of nothing", b"h\x05.", "malformed"
    yield "no stop", b"\x80\x02N", "malformed"
    yield "mark without values", b"\x80\x02t.", "malformed"
    yield "key that is a tuple", b"}()\x85Ns.", "neither text nor number"
    yield "bytes reduced", b"\x80\x02U\x02abq\x00)R.", "calls something"


CASES = [pytest.param(data, message, id=title) for title, data, message in hostile("MARKER")]


@pytest.mark.parametrize(("data", "message"), CASES)
@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_hostile_pickles_run_nothing(tmp_path, monkeypatch, data, message, container):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    if container == "zip":
        torch_zip(path, data, STORAGES)
    else:
        path.write_bytes(pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({}) + data)
    with pytest.raises(ValueError, match=message) as caught:
        checkpoints.read(path)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("cannot read 'evil.pt'")
    assert [p.name for p in tmp_path.iterdir()] == ["evil.pt"]


PROGRAMS = [
    *("os.x", "posix.x", "nt.x", "sys.x", "subprocess.x", "shutil.x", "socket.x", "pty.x", "runpy.x"),
    *("importlib.x", "ctypes.x", "pickle.x", "_pickle.x", "cPickle.x", "marshal.x", "shelve.x", "code.x"),
    *("codeop.x", "timeit.x", "pdb.x", "bdb.x", "profile.x", "cProfile.x", "trace.x", "commands.x"),
    *("webbrowser.x", "multiprocessing.x", "asyncio.x", "pip.x", "ensurepip.x", "dill.x", "cloudpickle.x"),
    *("joblib.x", "operator.x", "_operator.x", "os.path.x", "builtins.eval", "__builtin__.eval"),
    *("torch.load", "torch.jit.load", "torch.hub.load", "torch.serialization.load"),
]


@pytest.mark.parametrize("path", PROGRAMS)
def test_names_of_programs(path):
    module, _, name = path.rpartition(".")
    with pytest.raises(ValueError, match=f"the pickle names '{path}', a program to run"):
        pickle_values.name(module, name)


@pytest.mark.parametrize(
    "path",
    [
        *("ospath.x", "x.os", "x.subprocess.y", "torch.loads", "torch.jit.x", "__builtin__.set"),
        *(f"builtins.{name}" for name in ("complex", "bytearray", "bytes", "set", "frozenset", "slice")),
        *(f"builtins.{name}" for name in ("range", "object", "int", "float", "str", "bool", "list")),
        *(f"builtins.{name}" for name in ("dict", "tuple")),
    ],
)
def test_names_of_no_programs(path):
    module, _, name = path.rpartition(".")
    assert pickle_values.name(module, name) == pickle_values.Name(path)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (rebuilt("FloatStorage", "0", 12, 0, (3, 5), (4, 1)), "reaches element 12 of a storage of 12$"),
        (rebuilt("FloatStorage", "0", 12, 4, (3, 3), (4, 1)), "reaches element 14 of a storage of 12$"),
        (rebuilt("FloatStorage", "0", 12, -1, (3, 3), (4, 1)), "not sizes"),
        (rebuilt("FloatStorage", "0", 12, 0, (3, 3), (4, -1)), "not sizes"),
        (rebuilt("FloatStorage", "0", 12, 0, (3, 3), (4,)), "not sizes"),
        (rebuilt("FloatStorage", "0", 12, 0, (3.0, 3), (4, 1)), "not sizes"),
        (
            rebuilt("FloatStorage", "0", 12, 0, (10**9, 10**9), (0, 0)),
            "elements in tensors that share a storage",
        ),
        (rebuilt("FloatStorage", "0", 10**15, 0, (3, 3), (3, 1)), "missing or truncated"),
        (rebuilt("FloatStorage", "9", 12, 0, (3, 4), (4, 1)), "missing or truncated"),
        (rebuilt("StrangeStorage", "0", 12, 0, (3, 4), (4, 1)), "a storage has an unknown type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tensors_stay_inside_their_storage(tmp_path, tensor, message):
    with pytest.raises(ValueError, match=message):
        checkpoints.read(torch_zip(tmp_path / "a.pt", {"w": tensor}, STORAGES))


def test_two_claims_on_one_storage_are_both_checked(tmp_path):
    """A small honest tensor must not vouch for a large one that shares its key."""
    item = {
        "small": rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1)),
        "large": rebuilt("FloatStorage", "0", 10**6, 0, (1000, 1000), (1000, 1)),
        "last": rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1)),
    }
    with pytest.raises(ValueError, match="claims of different size or type on storage '0'"):
        checkpoints.read(torch_zip(tmp_path / "a.pt", item, STORAGES))
    legacy = {
        name: rebuilt("FloatStorage", "0", size, 0, (size // 4, 4), (4, 1), legacy=True)
        for name, size in (("small", 12), ("large", 10**6), ("last", 12))
    }
    with pytest.raises(ValueError, match="claims of different size or type on storage '0'"):
        checkpoints.read(torch_legacy(tmp_path / "b.pth", legacy, {"0": STORAGES["0"]}))


@pytest.mark.parametrize("place", [0, 255, 2**16, 2**32 - 1])
def test_a_pickle_may_remember_as_much_as_a_pickler_counts(place):
    number = struct.pack("<I", place)
    program = b"\x80\x02]r" + number + b"j" + number + b"\x86."  # (l, l) of a list l
    first, second = pickles.interpret(io.BytesIO(program), len(program))
    assert first == [] and first is second


def test_a_pickle_that_contains_itself_ends(tmp_path):
    data = b"\x80\x02]q\x00h\x00a."  # a list in itself
    with pytest.raises(ValueError, match="holds no array"):
        checkpoints.read(torch_zip(tmp_path / "a.pt", data, {}))


def test_deeply_nested_tuples_end_in_a_sentence(tmp_path):
    data = b"\x80\x02)" + b"\x85" * 9_000 + b"."
    with pytest.raises(ValueError, match="nested too deeply"):
        checkpoints.read(torch_zip(tmp_path / "a.pt", data, {}))


def test_a_hundred_levels_of_mappings_are_walked(tmp_path):
    item = {"w": rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1))}
    for _ in range(99):
        item = {"m": item}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, {"0": STORAGES["0"]})).tensors
    np.testing.assert_array_equal(found["m." * 99 + "w"], WEIGHTS)
    with pytest.raises(ValueError, match="its contents are nested too deeply"):
        checkpoints.read(torch_zip(tmp_path / "a.pt", {"m": item}, {"0": STORAGES["0"]}))


def test_parts_of_one_storage_are_not_the_same_weights(tmp_path):
    """Two halves of a fused matrix beside a view of one of them in another order."""
    views = {"q": (0, (2, 3), (3, 1)), "k": (6, (2, 3), (3, 1)), "again": (6, (3, 2), (1, 3))}
    item = {name: rebuilt("FloatStorage", "0", 12, *view) for name, view in views.items()}
    found = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", item, {"0": STORAGES["0"]})).tensors
    assert found["k"].storage == found["again"].storage != found["q"].storage
    np.testing.assert_array_equal(found["k"].load(), WEIGHTS.ravel()[6:].reshape(2, 3))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", ">f2", ">f8"])
def test_every_order_of_bytes_and_of_memory_in_npy(tmp_path, kind, order):
    np.save(tmp_path / "w.npy", np.asarray(WEIGHTS.astype(kind), order=order))
    np.savez(tmp_path / "w.npz", w=np.asarray(WEIGHTS.astype(kind), order=order))
    for path in (tmp_path / "w.npy", tmp_path / "w.npz"):
        np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], WEIGHTS)


@pytest.mark.parametrize("kind", ["i1", "<f2", ">f4", "f8"])
@pytest.mark.parametrize("missing", [-1, 0, 1, 2, 12])
def test_an_array_that_is_cut_short_is_refused_before_it_is_read(tmp_path, kind, missing):
    """By one byte or more, alone or in an archive; what stands behind an array is no part of it."""
    values = np.arange(12).astype(kind).reshape(3, 4)
    stream = io.BytesIO()
    np.save(stream, values)
    data = stream.getvalue()[: len(stream.getvalue()) - max(0, missing)] + bytes(max(0, -missing))
    (tmp_path / "w.npy").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("w.npy", data)
    message = f"truncated: an array of {values.nbytes} bytes in {values.nbytes - missing}$"
    for path in (tmp_path / "w.npy", tmp_path / "w.npz"):
        if missing > 0:
            with pytest.raises(ValueError, match=message):
                checkpoints.open_checkpoint(path)
        else:
            np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], values)


def test_object_arrays_are_never_unpickled(tmp_path):
    array = np.empty(1, object)
    array[0] = Shell(tmp_path / "ran")
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    found = checkpoints.read(tmp_path / "a.npy")
    assert "Python objects" in found.skipped["a"] and not (tmp_path / "ran").exists()


# --- damaged files ---------------------------------------------------------------------------------------


def good_files(folder):
    from safetensors.numpy import save_file

    np.savez(folder / "a.npz", w=WEIGHTS)
    np.save(folder / "a.npy", WEIGHTS)
    save_file({"w": WEIGHTS}, folder / "a.safetensors")
    torch_zip(folder / "a.pt", {"w": state()["fc.weight"]}, STORAGES)
    torch_legacy(folder / "a.pth", {"w": state(legacy=True)["fc.weight"]}, {"0": STORAGES["0"]})
    return sorted(folder.iterdir())


def test_every_truncation_is_one_sentence(tmp_path):
    for path in good_files(tmp_path):
        whole = path.read_bytes()
        assert list(checkpoints.read(path).tensors)
        for length in range(0, len(whole), max(1, len(whole) // 60)):
            path.write_bytes(whole[:length])
            with pytest.raises(ValueError) as caught:
                checkpoints.read(path)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0, ord("("), ord("'"), ord("#")])
def test_a_broken_npy_header_is_one_sentence(tmp_path, value):
    """Byte 10 opens the header's dictionary; NumPy's second look at it fails in its own ways."""
    np.save(tmp_path / "a.npy", WEIGHTS)
    data = bytearray((tmp_path / "a.npy").read_bytes())
    data[10] = value
    (tmp_path / "a.npy").write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"cannot read 'a\.npy': not a npy array"):
        checkpoints.read(tmp_path / "a.npy")


@given(
    st.integers(0, 4), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6)
)
def test_flipped_bytes_give_numbers_or_one_sentence(tmp_path_factory, which, changes):
    path = good_files(tmp_path_factory.mktemp("flip"))[which]
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position % len(data)] = value
    path.write_bytes(bytes(data))
    try:
        checkpoints.read(path)
    except ValueError as error:
        assert str(error).startswith("cannot read")


@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_crash(data):
    try:
        pickles.interpret(io.BytesIO(data), len(data))
    except ValueError as error:
        assert str(error).startswith("not a readable torch checkpoint")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"1 2 3", "of no kind that is read: .npz, .npy"),
        ("a.npz", b"", "the file is empty"),
        ("a.npz", b"\x08", "not a npz archive"),  # as an ONNX model begins, and no more
        ("a.npz", b"hello", "not a npz archive"),
        ("a.npy", b"hello", "not a npy array"),
        ("a.pt", b"hello", "malformed pickle|not a readable"),
        ("a.safetensors", b"hello", "not a safetensors file"),
    ],
)
def test_files_of_another_kind(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        checkpoints.read(tmp_path / name)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        checkpoints.read(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ValueError, match="the folder holds no weight file"):
        checkpoints.read(tmp_path / "folder.npz")


def test_a_header_that_claims_too_much_allocates_nothing(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(ValueError, match="truncated"):
        checkpoints.read(tmp_path / "a.npy")


def test_a_file_that_was_written_again_is_another(tmp_path):
    """Also with as many bytes; under its own name, and with the same time, it is the same."""

    def identity(array, time, name="w.npy"):
        np.save(tmp_path / name, array)
        os.utime(tmp_path / name, ns=(0, time))
        return checkpoints.open_checkpoint(tmp_path / name).identity

    same, again, later, longer, other = (
        identity(WEIGHTS, 10**9),
        identity(WEIGHTS, 10**9),
        identity(WEIGHTS, 10**9 + 1000),
        identity(WEIGHTS[:2], 10**9),
        identity(WEIGHTS, 10**9, "v.npy"),
    )
    assert same == again and len({same, later, longer, other}) == 4


def test_another_config_is_another_network(tmp_path):
    """It says how packed codes are read; the order of its words says nothing."""
    np.save(tmp_path / "w.npy", WEIGHTS)
    found = []
    for text in ("", "{}", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}', '{"a": 1, "b": 3}'):
        if text:
            (tmp_path / "config.json").write_text(text)
        found.append(checkpoints.open_checkpoint(tmp_path / "w.npy").identity)
    assert found[0] == found[1] and found[2] == found[3] and len(set(found)) == 3


def test_names_that_collide_are_all_kept():
    contents = checkpoints.Contents()
    for _ in range(5):
        contents.add(checkpoints.of_array("w", WEIGHTS))
    assert list(contents.tensors) == ["w", "w'", "w''", "w'3", "w'4"]


def test_memory_seen_in_another_order_is_another_tensor():
    square = WEIGHTS[:, :3]
    once, again, turned = (checkpoints.of_array("w", w).storage for w in (square, square[:], square.T))
    assert once == again != turned


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_of_every_version_of_npy(tmp_path, version):
    array = np.arange(12.0).reshape(3, 4)
    with open(tmp_path / "w.npy", "wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, on what other versions can read
        np.lib.format.write_array(file, array, version=version)
    (tensor,) = checkpoints.open_checkpoint(tmp_path / "w.npy").tensors.values()
    np.testing.assert_array_equal(tensor.load(), array)


def test_names_of_fields_in_another_script_take_no_archive_away(tmp_path):
    """NumPy writes version 3 for them; the matrix beside was refused, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.savez(tmp_path / "a.npz", w=np.ones((3, 4)), log=np.zeros(5, [("größe", "f4"), ("層", "i4")]))
    found = checkpoints.open_checkpoint(tmp_path / "a.npz").tensors
    assert found["w"].load().sum() == 12 and found["log"].skip.endswith("values, not real numbers")
