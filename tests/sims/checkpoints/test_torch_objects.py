"""What torch files hold beside plain tensors, and what stands in them twice: read, or named."""

import collections
import io
import pickle
import pickletools
import struct
import zipfile

import numpy as np
import pytest

from sims import checkpoints, weights
from sims.checkpoints import reasons
from sims.checkpoints.pickle_machine import interpret
from sims.checkpoints.tensor import Grouped
from sims.weights.axes import rows_of
from tests.sims.checkpoints.test_read import Call, Global, Writer, pickled, rebuilt, torch_zip

RNG = np.random.default_rng(31)
W = RNG.normal(size=(24, 20)).astype(np.float32)


class Made(Call):
    """Pickles as an object of a class with a state."""


class Objects(Writer):
    def save(self, item, save_persistent_id=True):
        if isinstance(item, Made):
            self.save(item.function)
            self.save(())
            self.write(pickle.NEWOBJ)
            self.save(item.arguments[0])
            self.write(pickle.BUILD)
        else:
            super().save(item, save_persistent_id)


def written(item):
    stream = io.BytesIO()
    Objects(stream, 2).dump(item)
    return stream.getvalue()


def tensor(key, shape, kind="FloatStorage"):
    strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    return rebuilt(kind, key, int(np.prod(shape)), 0, shape, strides)


def subclass(path, state, shape=(64, 32)):
    arguments = (Global(path), Global("torch.float32"), shape, (shape[-1], 1), 0, None, None, False)
    wrapper = Global("torch._utils._rebuild_wrapper_subclass")
    return Call(Global("torch._tensor._rebuild_from_type_v2"), wrapper, Global(path), arguments, state)


def test_tensors_that_only_their_class_puts_together_are_named_and_counted(tmp_path):
    """Of torchao, or shards of a DTensor: they used to vanish, and the rest was "100 % of the bytes"."""
    inner = {"qdata": tensor("1", (128, 16), "CharStorage"), "scale": tensor("2", (64, 1)), "block": 32}
    nested = subclass("torchao.Outer", {"inner": subclass("torchao.Inner", inner)})
    item = {"plain.weight": tensor("0", W.shape), "fc.weight": subclass("torchao.Int8Tensor", inner)}
    storages = {"0": W.tobytes(), "1": bytes(2048), "2": bytes(256)}
    path = torch_zip(tmp_path / "a.pt", item | {"x.weight": nested}, storages)
    found = checkpoints.open_checkpoint(path).tensors
    why = "a tensor of the class torchao.Int8Tensor, which only that class can put together"
    assert found["fc.weight"].skip == why and found["fc.weight"].shape == (64, 32)
    assert found["fc.weight"].nbytes == found["x.weight"].nbytes == 2048 + 256
    table = weights.report(path, [4])
    assert table.share_of_bytes == pytest.approx(W.nbytes / (W.nbytes + 2 * 2304))
    assert table.skipped["x.weight"].startswith("a tensor of the class torchao.Outer")
    odd = Call(Global("torch._tensor._rebuild_from_type_v2"), Global("my.function"), 3, (1,), None)
    (other,) = checkpoints.open_checkpoint(torch_zip(tmp_path / "b.pt", [odd], {})).tensors.values()
    assert other.skip.startswith("a tensor of the class an unknown class")


@pytest.mark.parametrize("parameter", [False, True])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("columns", [1, 4])
def test_codes_of_torchao_with_their_scales(tmp_path, zero, columns, parameter):
    """A code for every weight, a scale and a zero point for every row, or for 8 of its weights."""
    codes = RNG.integers(-128, 128, (64, 32)).astype(np.int8)
    scales = RNG.uniform(0.5, 2.0, (64, columns)).astype(np.float32)
    points = RNG.integers(-9, 9, (64, columns)).astype(np.int8)
    state = {
        "qdata": tensor("1", (64, 32), "CharStorage"),
        "scale": tensor("2", scales.shape),
        "block_size": [1, 8],
    }
    state |= {"zero_point": tensor("3", points.shape, "CharStorage") if zero else None, "act_pre_scale": None}
    item = subclass("torchao.quantization.Int8Tensor", state)
    if parameter:
        item = Call(Global("torch._utils._rebuild_parameter"), item, True, collections.OrderedDict())
    storages = {"1": codes.tobytes(), "2": scales.tobytes(), "3": points.tobytes()}
    chosen = weights.select(
        checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", {"fc.weight": item}, storages))
    )
    assert list(chosen.tensors) == ["fc.weight"] and not chosen.skipped
    found = chosen.tensors["fc.weight"].load()
    for i, j in np.ndindex(64, 32):
        place = (i, j * columns // 32)
        right = (int(codes[i, j]) - (int(points[place]) if zero else 0)) * float(scales[place])
        assert found[i, j] == pytest.approx(right, rel=1e-6, abs=1e-6)


def test_the_state_of_a_class_may_be_ordered(tmp_path):
    state = {"qdata": tensor("1", (64, 32), "CharStorage"), "scale": tensor("2", (64, 1))}
    storages = {"1": bytes([3]) * 2048, "2": np.full(64, 0.5, "<f4").tobytes()}
    item = subclass("torchao.Int8Tensor", collections.OrderedDict(state))
    contents = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", {"fc.weight": item}, storages))
    assert (weights.select(contents).tensors["fc.weight"].load() == 1.5).all()


@pytest.mark.parametrize("change", ["packed", "smoothed", "no scale"])
def test_codes_that_are_not_the_weights_alone_stay_with_their_class(tmp_path, change):
    shape = (64, 16) if change == "packed" else (64, 32)
    state = {"qdata": tensor("1", shape, "CharStorage"), "scale": tensor("2", (64, 1))}
    if change == "smoothed":  # activations are multiplied by it, and the weights were divided
        state["act_pre_scale"] = tensor("2", (64, 1))
    if change == "no scale":
        del state["scale"]
    storages = {"1": bytes(2048), "2": bytes(256)}
    path = torch_zip(tmp_path / "a.pt", {"fc.weight": subclass("torchao.Int8Tensor", state)}, storages)
    (found,) = checkpoints.open_checkpoint(path).tensors.values()
    assert found.skip.startswith("a tensor of the class torchao.Int8Tensor")


@pytest.mark.parametrize("slots", [False, True])
def test_a_tensor_of_one_device_is_whole_and_a_shard_is_not(tmp_path, slots):
    """A DTensor keeps its own part; whole on the device, it is the tensor."""
    for rows, whole in ((64, True), (32, False)):
        state = {"_local_tensor": tensor("1", (rows, 32)), "_spec": None}
        item = subclass("torch.distributed.tensor.DTensor", (None, state) if slots else state)
        array = RNG.normal(size=(rows, 32)).astype(np.float32)
        path = torch_zip(tmp_path / f"{rows}.pt", {"fc.weight": item}, {"1": array.tobytes()})
        (found,) = checkpoints.open_checkpoint(path).tensors.values()
        if whole:
            np.testing.assert_array_equal(found.load(), array)
        else:
            assert found.skip.startswith("a tensor of the class torch.distributed.tensor.DTensor")


def test_a_subclass_of_one_tensor_is_that_tensor(tmp_path):
    arguments = (*tensor("0", W.shape).arguments,)
    function = Global("torch._utils._rebuild_tensor_v2")
    item = Call(Global("torch._tensor._rebuild_from_type_v2"), function, Global("my.Tensor"), arguments, {})
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", {"w": item}, {"0": W.tobytes()}))
    np.testing.assert_array_equal(found.tensors["w"], W)


@pytest.mark.parametrize("kind", ["device_tensor_from_numpy", "xla_tensor"])
def test_tensors_of_other_devices_are_arrays_of_numpy(tmp_path, kind):
    """torch.save turns a tensor of a TPU into one; torch.load reads it."""
    device = (Global("torch.float32"), "xla:0", False)
    item = {"fc.weight": Call(Global(f"torch._utils._rebuild_{kind}"), W, *device)}
    item["bad.weight"] = Call(Global(f"torch._utils._rebuild_{kind}"), 3, *device)
    on_cpu = Global("torch._utils._rebuild_device_tensor_from_cpu_tensor")
    item["up.weight"] = Call(on_cpu, tensor("0", W.shape), *device)
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, {"0": (W + 1).tobytes()})).tensors
    np.testing.assert_array_equal(found.pop("fc.weight"), W)
    np.testing.assert_array_equal(found.pop("up.weight"), W + 1)
    assert not found


def test_slices_of_a_tensor_that_is_there_count_once(tmp_path):
    """A fused projection with its three parts; a flat vector whose matrices are there; two shapes of one."""
    whole, wide = np.arange(98304, dtype=np.float32), (1024, 1)

    def slice_of(first, *shape, strides=wide):
        return rebuilt("FloatStorage", "0", whole.size, first, shape, strides)

    part = {name: slice_of(32768 * i, 32, 1024) for i, name in enumerate("qkv")}
    fused = slice_of(0, 96, 1024)
    columns = slice_of(0, 96, 8)  # no slice of memory
    flat, other = slice_of(0, 98304, strides=(1,)), slice_of(0, 192, 512, strides=(512, 1))  # all of it
    for name, item, judged, left in (
        ("a", {**part, "fused": fused}, ["fused"], "the same memory as 'fused', which is judged"),
        ("b", {"flat": flat, **part}, ["q", "k", "v"], reasons.VECTOR),
        ("c", part, ["q", "k", "v"], ""),
        ("d", {"fused": fused, "columns": columns}, ["fused", "columns"], ""),
        ("e", {"flat": flat, "fused": fused}, ["fused"], reasons.VECTOR),
        ("f", {"fused": fused, "flat": flat}, ["fused"], reasons.VECTOR),
        ("g", {"fused": fused, "v": other}, ["fused"], "the same memory as 'fused', which is judged"),
        ("h", {"fused": fused, "v": fused}, ["fused"], "the same memory as 'fused' (tied)"),
    ):
        path = torch_zip(tmp_path / f"{name}.pt", item, {"0": whole.tobytes()})
        chosen = weights.select(checkpoints.open_checkpoint(path))
        assert list(chosen.tensors) == judged and len(chosen.skipped) == len(item) - len(judged)
        assert {*chosen.skipped.values()} == ({left} if left else set())
        if name != "d":
            assert sum(one.nbytes for one in chosen.tensors.values()) == chosen.total_bytes == whole.nbytes
    tied = checkpoints.open_checkpoint(path).tensors["v"]  # known by its place in the storage
    assert tied.apart == "" and tied.nbytes == whole.nbytes
    path = torch_zip(tmp_path / "i.pt", {"flat": flat, "fused": fused, **part}, {"0": whole.tobytes()})
    apart = {name: one.apart for name, one in checkpoints.open_checkpoint(path).tensors.items()}
    fused_is, of = "the same memory as 'fused', which is judged", ("flat", *part)
    assert apart == {"fused": "", **dict.fromkeys(of, fused_is)}


@pytest.mark.parametrize("cut", [100, 700])
def test_an_archive_that_is_cut_short_says_so(tmp_path, cut):
    """Its first bytes were taken for a pickle."""
    path = torch_zip(tmp_path / "a.pt", tensor("0", W.shape), {"0": W.tobytes()})
    path.write_bytes(path.read_bytes()[:cut])
    why = "the archive is cut short: its list of records, at the end, is missing"
    with pytest.raises(ValueError, match=why):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize("ending", ["distcp", "pt", "npz"])
def test_archives_behind_each_other_are_refused(tmp_path, ending):
    """A shard of a distributed checkpoint: of all of its tensors zip shows the last archive's alone."""
    one = tmp_path / f"one.{ending}"
    if ending == "npz":
        np.savez(one, w=W)
    else:
        torch_zip(one, tensor("0", W.shape), {"0": W.tobytes()})
    checkpoints.open_checkpoint(one)
    two = tmp_path / f"two.{ending}"
    two.write_bytes(2 * one.read_bytes())
    with pytest.raises(ValueError, match=f"{one.stat().st_size} bytes stand before this zip archive"):
        checkpoints.open_checkpoint(two)
    two.write_bytes(b"x" + one.read_bytes())
    with pytest.raises(ValueError, match=r"1 bytes stand before|it is of no kind that is read"):
        checkpoints.open_checkpoint(two)


def scripted(path, item, storages, constants, of_constants):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", written(item))
        archive.writestr("m/constants.pkl", pickled(constants))
        for folder, records in (("data", storages), ("constants", of_constants)):
            for key, data in records.items():
                archive.writestr(f"m/{folder}/{key}", data)
    return path


def test_constants_of_a_script_are_weights_too(tmp_path):
    """torch.jit.freeze moves all of them there; keys of storages are counted in each part anew."""
    item = Made(Global("__torch__.M"), {"training": False})
    frozen = scripted(tmp_path / "a.pt", item, {}, (tensor("0", W.shape), 3), {"0": W.tobytes()})
    found = checkpoints.read(frozen)
    assert list(found.tensors) == ["constants.0"]
    np.testing.assert_array_equal(found.tensors["constants.0"], W)
    item = Made(Global("__torch__.M"), {"w": tensor("0", W.shape)})
    half = scripted(
        tmp_path / "b.pt", item, {"0": W.tobytes()}, (tensor("0", W.shape),), {"0": (-W).tobytes()}
    )
    found = weights.select(checkpoints.open_checkpoint(half)).tensors  # no two of one memory
    np.testing.assert_array_equal(found["w"].load(), W)
    np.testing.assert_array_equal(found["constants.0"].load(), -W)
    missing = scripted(tmp_path / "c.pt", item, {"0": W.tobytes()}, (tensor("0", W.shape),), {})
    with pytest.raises(ValueError, match="storage '0' of 1920 bytes is missing or truncated"):
        checkpoints.read(missing)


@pytest.mark.parametrize(("groups", "axis"), [(1, 1), (2, Grouped(2)), (3, None), (0, None), ("2", None)])
def test_a_module_says_how_it_convolves(tmp_path, groups, axis):
    """Of a whole module attributes are there, too; without a bias nothing else tells inputs from outputs."""
    kernel = RNG.normal(size=(8, 6, 3, 3)).astype(np.float32)
    parameters = Call(Global("collections.OrderedDict"), [["weight", tensor("0", kernel.shape)]])
    state = {"_parameters": parameters, "transposed": True, "groups": groups}
    inner = Made(Global("torch.nn.modules.conv.ConvTranspose2d"), state)
    modules = Call(Global("collections.OrderedDict"), [["up", inner]])
    whole = Made(Global("torch.nn.modules.container.Sequential"), {"_modules": modules})
    path = torch_zip(tmp_path / "a.pt", written(whole), {"0": kernel.tobytes()})
    (found,) = weights.select(checkpoints.open_checkpoint(path)).tensors.values()
    assert found.name == "up.weight" and found.axis == axis
    alone = torch_zip(tmp_path / "b.pt", written(inner), {"0": kernel.tobytes()})
    assert checkpoints.open_checkpoint(alone).tensors["weight"].axis == axis
    plain = Made(Global("torch.nn.modules.conv.Conv2d"), state | {"transposed": False})
    path = torch_zip(tmp_path / "c.pt", written(plain), {"0": kernel.tobytes()})
    assert checkpoints.open_checkpoint(path).tensors["weight"].axis is None
    if groups == 2:
        rows = rows_of(kernel, found.axis)
        for row, (group, output) in zip(rows, np.ndindex(2, 6), strict=True):
            inputs = range(4 * group, 4 * group + 4)
            expected = [kernel[i, output, y, x] for y in range(3) for x in range(3) for i in inputs]
            np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize(("inputs", "axis"), [(0, None), (1, 1), (2, 1)])
def test_a_transposed_convolution_of_one_input_has_outputs(tmp_path, inputs, axis):
    kernel = RNG.normal(size=(inputs, 6, 3, 3)).astype(np.float32)
    parameters = Call(Global("collections.OrderedDict"), [["weight", tensor("0", kernel.shape)]])
    state = {"_parameters": parameters, "transposed": True, "groups": 1}
    module = Made(Global("torch.nn.modules.conv.ConvTranspose2d"), state)
    path = torch_zip(tmp_path / "a.pt", written(module), {"0": kernel.tobytes()})
    assert checkpoints.open_checkpoint(path).tensors["weight"].axis == axis


def test_programs_of_torch_export_are_named(tmp_path):
    for member in ("net/archive_format", "serialized_exported_program.json"):
        for ending in ("pt2", "pt"):
            with zipfile.ZipFile(tmp_path / f"a.{ending}", "w") as archive:
                archive.writestr(member, b"pt2")
            with pytest.raises(ValueError, match=r"a program of torch\.export: save the state_dict"):
                checkpoints.open_checkpoint(tmp_path / f"a.{ending}")


def test_tensors_of_plain_pickles_say_what_to_do(tmp_path):
    """Python's pickle puts an archive of torch inside of itself, at whose end the file looks like a zip."""
    stream = io.BytesIO()
    torch_zip(stream, tensor("0", W.shape), {"0": W.tobytes()})
    storage = Call(Global("torch.storage._load_from_bytes"), stream.getvalue())
    item = Call(Global("torch._utils._rebuild_tensor_v2"), storage, 0, W.shape, (20, 1), False, None)
    (tmp_path / "a.pkl").write_bytes(pickled({"w": item}))
    with pytest.raises(ValueError, match=r"written by pickle\.dump: write them with torch\.save"):
        checkpoints.read(tmp_path / "a.pkl")


def test_arrays_of_protocol_five_that_do_not_fit_are_refused(tmp_path):
    data = pickle.dumps(W, 5)
    (tmp_path / "a.pkl").write_bytes(data)
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.pkl").tensors["tensor"], W)
    (tmp_path / "b.pkl").write_bytes(data.replace(b"K\x18K\x14\x86", b"K\x18K\x15\x86"))  # 24 by 21
    with pytest.raises(ValueError, match="a numpy array does not fit its bytes"):
        checkpoints.read(tmp_path / "b.pkl")


SEVEN = b"K\x07"
EIGHT = struct.pack("<Q", 2)  # a length of eight bytes
OPCODES = {  # a pickle of every opcode that builds data, without its STOP
    "PROTO": b"\x80\x04" + SEVEN,
    "FRAME": b"\x80\x04\x95" + EIGHT + SEVEN,
    "INT": b"I7\n",
    "BININT": b"J\xf9\xff\xff\xff",
    "BININT1": SEVEN,
    "BININT2": b"M\x07\x01",
    "LONG": b"L7L\n",
    "LONG1": b"\x8a\x01\xf9",
    "LONG4": b"\x8b\x01\x00\x00\x00\xf9",
    "FLOAT": b"F1.5\n",
    "BINFLOAT": b"G" + struct.pack(">d", 1.5),
    "STRING": b"S'ab'\n",
    "BINSTRING": b"T\x02\x00\x00\x00ab",
    "SHORT_BINSTRING": b"U\x02ab",
    "UNICODE": b"Vab\n",
    "BINUNICODE": b"X\x02\x00\x00\x00ab",
    "SHORT_BINUNICODE": b"\x8c\x02ab",
    "BINUNICODE8": b"\x8d" + EIGHT + b"ab",
    "BINBYTES": b"B\x02\x00\x00\x00ab",
    "SHORT_BINBYTES": b"C\x02ab",
    "BINBYTES8": b"\x8e" + EIGHT + b"ab",
    "BYTEARRAY8": b"\x96" + EIGHT + b"ab",
    "NONE": b"N",
    "NEWTRUE": b"\x88",
    "NEWFALSE": b"\x89",
    "EMPTY_LIST": b"]",
    "EMPTY_DICT": b"}",
    "EMPTY_TUPLE": b")",
    "TUPLE": b"(" + 4 * SEVEN + b"t",
    "TUPLE1": SEVEN + b"\x85",
    "TUPLE2": 2 * SEVEN + b"\x86",
    "TUPLE3": 3 * SEVEN + b"\x87",
    "LIST": b"(" + 2 * SEVEN + b"l",
    "DICT": b"(" + 2 * SEVEN + b"d",
    "APPEND": b"]" + SEVEN + b"a",
    "APPENDS": b"](" + 2 * SEVEN + b"e",
    "SETITEM": b"}" + 2 * SEVEN + b"s",
    "SETITEMS": b"}(" + 2 * SEVEN + b"u",
    "POP": SEVEN + b"N0",
    "POP_MARK": SEVEN + b"(NN1",
    "PUT and GET": b"(" + SEVEN + b"p3\n0g3\nt",
    "BINPUT and BINGET": b"(" + SEVEN + b"q\x030h\x03t",
    "LONG_BINPUT and LONG_BINGET": b"(" + SEVEN + b"r\x03\x00\x00\x000j\x03\x00\x00\x00t",
    "MEMOIZE": b"(" + SEVEN + b"\x94N\x940h\x00t",
}


@pytest.mark.parametrize("opcode", OPCODES)
def test_every_opcode_of_data_gives_what_it_gives_in_python(opcode):
    data = OPCODES[opcode] + b"."
    assert {each.name for each, _, _ in pickletools.genops(data)} >= set(opcode.split(" and "))
    expected = pickle.loads(data)
    found = interpret(io.BytesIO(data), len(data))
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    "data",
    [b"\x8f(" + 2 * SEVEN + b"\x90", b"(" + 2 * SEVEN + b"\x91", b"\x8f\x94(" + 2 * SEVEN + b"\x90h\x00\x86"],
)
def test_sets_keep_their_members(data):
    found = interpret(io.BytesIO(data + b"."), 20)
    one = found[0] if isinstance(found, tuple) else found
    assert one.path in ("builtins.set", "builtins.frozenset") and one.members == [7, 7]


@pytest.mark.parametrize(
    "data",
    [
        *(b"cm\nC\n)\x81", b"cm\nC\n)}\x92", b"(cm\nC\no", b"(im\nC\n"),  # NEWOBJ, NEWOBJ_EX, OBJ, INST
        *(b"\x8c\x01m\x8c\x01C\x93)\x81", b"cm\nC\n)\x81K\x01b"),
    ],
)
def test_objects_of_any_class_are_opaque_whatever_makes_them(data):
    found = interpret(io.BytesIO(data + b"."), 20)
    assert found.path == "m.C" and found.state == (1 if data.endswith(b"b") else None)
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(data + b".")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"h\x05", "it recalls a value it never kept"),
        (b"0", "it takes a value where there is none"),
        (b"K\x07K\x07s", "it takes a value where there is none"),
        (b"]K\x07K\x07s", "sets items of something that is not a mapping"),
        (b"}](K\x07e\x85K\x07s", "a mapping's key is neither text nor number"),
        (b"K\x07K\x07\x93", "the pickle names something that is not text"),
    ],
)
def test_a_pickle_that_does_not_fit_itself_is_one_sentence(data, why):
    with pytest.raises(ValueError, match=f"^not a readable torch checkpoint: .*{why}"):
        interpret(io.BytesIO(data + b"."), 20)


@pytest.mark.parametrize(
    ("instead", "fits"), [("bytes", True), ("text", False), ("list", False), ("number", False)]
)
def test_the_numbers_of_an_array_are_bytes_and_no_text_of_that_length(tmp_path, instead, fits):
    letters = np.arange(65, 89, dtype=np.int8).reshape(4, 6)
    data, stored = pickle.dumps(letters, 4), b"C\x18" + letters.tobytes()
    assert data.count(stored) == 1
    other = {
        "bytes": stored,
        "text": b"\x8c\x18" + letters.tobytes(),
        "list": b"(" + b"".join(b"K" + bytes([code]) for code in range(65, 89)) + b"l",
        "number": b"K\x18",
    }
    (tmp_path / "a.pkl").write_bytes(
        data[:2] + b"\x95" + bytes(8) + data[11:].replace(stored, other[instead])
    )
    if fits:
        np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.pkl").tensors["tensor"], letters)
    else:
        with pytest.raises(ValueError, match="a numpy array does not fit its bytes"):
            checkpoints.open_checkpoint(tmp_path / "a.pkl")
