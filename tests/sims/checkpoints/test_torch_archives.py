"""Archives and legacy files of torch whose parts contradict each other, and tensors that share a storage."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from sims import checkpoints, weights
from sims.checkpoints.tensor import Grouped, sentence
from tests.sims.checkpoints.test_read import Call, Global, Reference, pickled, rebuilt, torch_zip
from tests.sims.checkpoints.test_torch_objects import Made, tensor, written

W = np.arange(12, dtype=np.float32).reshape(3, 4) / 8
PLAIN = rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1))


@pytest.mark.parametrize(
    "member", ["data.pkl", "data/0", "constants.pkl", "constants/0", "byteorder", "code/m.py", "version"]
)
def test_a_record_that_is_compressed_is_refused(tmp_path, member):
    """torch compresses none; of code and the like beside them nothing is read."""
    members = {"data.pkl": pickled({"w": PLAIN}), "data/0": W.tobytes(), "byteorder": b"little"}
    members |= {"code/m.py": b"x", "version": b"3"}
    if member.startswith("constants"):
        members |= {"constants.pkl": pickled((PLAIN,)), "constants/0": W.tobytes()}
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name, data in members.items():
            packed = zipfile.ZIP_DEFLATED if name == member else zipfile.ZIP_STORED
            archive.writestr(f"m/{name}", data, packed)
    if member in ("code/m.py", "version"):
        assert list(checkpoints.read(tmp_path / "a.pt").tensors) == ["w"]
    else:
        with pytest.raises(ValueError, match="the archive is compressed, torch never compresses"):
            checkpoints.open_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("place", ["in another", "in the comment", "at the end"])
def test_a_record_is_where_the_archive_says(tmp_path, place):
    """Its place in the list of records is a number like any other: it may lead anywhere."""
    path = torch_zip(tmp_path / "a.pt", {"w": PLAIN}, {"0": W.tobytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\x03\x04" + bytes(10)
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    wrong = {"in another": 5, "in the comment": len(data) - 14, "at the end": len(data)}[place]
    data[entry + 42 : entry + 46] = struct.pack("<I", wrong)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="record 'archive/data/0' is not where the archive says"):
        checkpoints.open_checkpoint(path)


def legacy(path, item, keys, records):
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    parts = [pickle.dumps(head, 2) for head in heads] + [pickled(item), pickled(keys)]
    path.write_bytes(b"".join([*parts, *records]))
    return path


def of_legacy(key="0", size=12, shape=(3, 4)):
    strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    return rebuilt("FloatStorage", key, size, 0, shape, strides, legacy=True)


NO_KEYS, SHORT = (
    "the list of storages is not a list of keys",
    "truncated or has another size than its tensor says",
)
RECORD = struct.pack("<q", 12) + W.tobytes()


@pytest.mark.parametrize(
    ("keys", "records", "why"),
    [
        (("0",), [RECORD], NO_KEYS),
        ({"0": 0}, [RECORD], NO_KEYS),
        ("0", [RECORD], NO_KEYS),
        (None, [RECORD], NO_KEYS),
        ([0], [RECORD], NO_KEYS),
        (["0", b"1"], [RECORD], NO_KEYS),
        (["0", "1"], [RECORD], "storage '1' belongs to no tensor"),
        (["0"], [struct.pack("<q", 11), W.tobytes()], f"storage '0' is {SHORT}"),
        (["0"], [struct.pack("<q", 13), W.tobytes(), bytes(4)], f"storage '0' is {SHORT}"),
        (["0"], [RECORD[:-1]], f"storage '0' is {SHORT}"),
        (["0"], [RECORD[:7]], f"storage '0' is {SHORT}"),
        ([], [RECORD], "storage '0' of 48 bytes is missing or truncated"),
    ],
)
def test_a_legacy_file_lists_its_storages(tmp_path, keys, records, why):
    path = legacy(tmp_path / "a.pth", {"w": of_legacy()}, keys, records)
    with pytest.raises(ValueError, match=rf"^cannot read 'a\.pth': not a readable torch checkpoint: {why}$"):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize("header", range(9))
def test_a_storage_without_elements_has_a_number_of_them(tmp_path, header):
    item = {"w": of_legacy(), "none": of_legacy("1", 0, (0, 4))}
    path = legacy(tmp_path / "a.pth", item, ["0", "1"], [RECORD, bytes(header)])
    if header >= 8:
        assert checkpoints.read(path).tensors["none"].shape == (0, 4)
    else:
        with pytest.raises(ValueError, match=f"storage '1' is {SHORT}"):
            checkpoints.open_checkpoint(path)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [
        ((3, 4), (4, 1)),
        ((3, 4), (1, 3)),
        ((4, 3), (1, 4)),
        ((2, 2, 3), (3, 6, 1)),
        ((12, 1), (1, 7)),
        ((12,), (1,)),
    ],
)
def test_a_whole_storage_is_shown_in_the_order_of_its_strides(tmp_path, shape, strides):
    """Alone, and beside another that shows it, too."""
    item = {"w": rebuilt("FloatStorage", "0", 12, 0, shape, strides)}
    for beside in ({}, {"v": rebuilt("FloatStorage", "0", 12, 0, (12,), (1,))}):
        found = checkpoints.read(torch_zip(tmp_path / "a.pt", item | beside, {"0": W.tobytes()})).tensors
        for place in np.ndindex(shape):
            flat = sum(i * stride for i, stride in zip(place, strides, strict=True))
            assert found["w"][place] == W.flat[flat]
        if beside:
            np.testing.assert_array_equal(found["v"], W.ravel())


@pytest.mark.parametrize("stride", [1, 4, 999])
def test_the_step_of_an_axis_of_one_place_says_nothing(tmp_path, stride):
    """A slice of one row is a slice of the tensor that is there as a whole."""
    row = rebuilt("FloatStorage", "0", 12, 4, (1, 4), (stride, 1))
    path = torch_zip(tmp_path / "a.pt", {"whole": PLAIN, "row": row}, {"0": W.tobytes()})
    found = checkpoints.open_checkpoint(path).tensors
    assert found["row"].apart == "the same memory as 'whole', which is judged"
    np.testing.assert_array_equal(found["row"].load(), W[1:2])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_single_number_of_a_tensor_is_a_slice_of_it(tmp_path, shape):
    one = rebuilt("FloatStorage", "0", 12, 5, shape, (1,) * len(shape))
    path = torch_zip(tmp_path / "a.pt", {"whole": PLAIN, "one": one}, {"0": W.tobytes()})
    found = checkpoints.open_checkpoint(path).tensors["one"]
    assert (found.apart, found.nbytes) == ("the same memory as 'whole', which is judged", 0)
    assert found.load() == W[1, 1]


@pytest.mark.parametrize("offset", [0, 5, 12])
def test_an_empty_tensor_is_no_slice_of_another(tmp_path, offset):
    empty = rebuilt("FloatStorage", "0", 12, offset, (0, 4), (4, 1))
    path = torch_zip(tmp_path / "a.pt", {"whole": PLAIN, "none": empty}, {"0": W.tobytes()})
    found = checkpoints.open_checkpoint(path).tensors
    assert [(tensor.apart, tensor.load().shape) for tensor in found.values()] == [("", (3, 4)), ("", (0, 4))]


def test_tensors_without_a_storage_of_their_own_are_not_one(tmp_path):
    """Codes with a scale, sparse ones, and those that are not read."""
    codes = RNG.integers(-99, 99, (2, 20, 20)).astype(np.int8)
    item = {
        name: Call(
            Global("torch._utils._rebuild_qtensor"),
            *rebuilt("QInt8Storage", str(i), 400, 0, (20, 20), (20, 1)).arguments[:4],
            (Global("torch.per_tensor_affine"), 0.5, 1),
            False,
            Call(Global("collections.OrderedDict")),
        )
        for i, name in enumerate(("a.weight", "b.weight"))
    }
    path = torch_zip(tmp_path / "a.pt", item, {str(i): part.tobytes() for i, part in enumerate(codes)})
    chosen = weights.select(checkpoints.open_checkpoint(path))
    assert list(chosen.tensors) == ["a.weight", "b.weight"] and not chosen.skipped
    for part, one in zip(codes, chosen.tensors.values(), strict=True):
        np.testing.assert_array_equal(one.load(), (part.astype(float) - 1) / 2)


RNG = np.random.default_rng(43)


@pytest.mark.parametrize(
    ("shape", "groups", "axis"),
    [
        ((8, 6, 3), 1, 1),
        ((8, 6, 3), 4, Grouped(4)),
        ((8, 6, 3), 3, None),
        ((8, 6), 1, None),  # a matrix is no kernel
        ((8, 6), 2, None),
        ((0, 6, 3), 2, None),
        ((0, 6, 3), 1, None),
    ],
)
def test_kernels_have_the_axis_that_their_module_says(tmp_path, shape, groups, axis):
    state = {"weight": tensor("0", shape), "transposed": True, "groups": groups}
    up = Made(Global("torch.nn.modules.conv.ConvTranspose1d"), state)
    data = np.zeros(shape, np.float32).tobytes()
    path = torch_zip(tmp_path / "a.pt", written(up), {"0": data})
    assert checkpoints.open_checkpoint(path).tensors["weight"].axis == axis


def test_a_pickle_of_protocol_0_needs_no_archive(tmp_path):
    """Text from its first byte on; and one that begins like a pickle is none of the archives inside of it."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"lr": 0.1}, 0))
    with pytest.raises(ValueError, match="it holds no array"):
        checkpoints.open_checkpoint(tmp_path / "a.pkl")
    stream = io.BytesIO()
    torch_zip(stream, {"w": PLAIN}, {"0": W.tobytes()})
    (tmp_path / "b.pkl").write_bytes(
        pickle.dumps({"inside": stream.getvalue()}, 2)[:-1] + b"." + stream.getvalue()
    )
    with pytest.raises(ValueError, match="it holds no array"):
        checkpoints.open_checkpoint(tmp_path / "b.pkl")


def test_errors_without_words_are_named_by_their_kind():
    assert sentence(ValueError()) == "ValueError" and sentence(KeyError()) == "KeyError"
    assert sentence(ValueError("  \n")) == "ValueError" and sentence(TypeError("a\nb")) == "TypeError: a b"


@pytest.mark.parametrize("names", [[], ["a/data.pkl", "b/data.pkl"]])
def test_an_archive_holds_one_program(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for name in (*names, "version"):
            archive.writestr(name, pickled({}))
    with pytest.raises(ValueError, match=f"the archive holds {len(names)} data.pkl, a torch checkpoint one$"):
        checkpoints.open_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("change", [4, -4])
def test_a_record_has_one_size(tmp_path, change):
    """Stored as it is, it takes as many bytes in the archive as it has."""
    path = torch_zip(tmp_path / "a.pt", {"w": PLAIN}, {"0": W.tobytes()})
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", W.nbytes + change)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a record of the archive has two sizes$"):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize(("length", "fits"), [(100, True), (101, False)])
def test_the_order_of_bytes_is_a_word(tmp_path, length, fits):
    word = b"big".ljust(length)
    path = torch_zip(tmp_path / "a.pt", {"w": PLAIN}, {"0": W.astype(">f4").tobytes()}, byteorder=word)
    if fits:
        np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], W)
    else:
        with pytest.raises(ValueError, match=r"record 'archive/byteorder' has 101 bytes$"):
            checkpoints.open_checkpoint(path)


def test_an_archive_whose_list_of_records_is_damaged_is_said_to_be(tmp_path):
    path = torch_zip(tmp_path / "a.pt", {"w": PLAIN}, {"0": W.tobytes()})
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x09", 1))
    with pytest.raises(
        ValueError, match=r"not a readable torch checkpoint: damaged archive \(Bad magic number"
    ):
        checkpoints.open_checkpoint(path)


@pytest.mark.parametrize(
    ("magic", "protocol", "why"),
    [
        (0x1950A86A20F9469CFC6C, 1001, ""),
        (0x1950A86A20F9469CFC6D, 1001, "it does not start with torch's magic number"),
        ("magic", 1001, "it does not start with torch's magic number"),
        (0x1950A86A20F9469CFC6C, 1002, "unknown protocol version"),
        (0x1950A86A20F9469CFC6C, [1001], "unknown protocol version"),
    ],
)
def test_a_legacy_file_begins_with_its_two_numbers(tmp_path, magic, protocol, why):
    path = legacy(tmp_path / "a.pth", {"w": of_legacy()}, ["0"], [struct.pack("<q", 12), W.tobytes()])
    heads = [pickle.dumps(head, 2) for head in (0x1950A86A20F9469CFC6C, 1001, magic, protocol)]
    data = path.read_bytes().replace(heads[0] + heads[1], heads[2] + heads[3])
    path.write_bytes(data)
    if why:
        with pytest.raises(ValueError, match=f"not a readable torch checkpoint: {why}$"):
            checkpoints.open_checkpoint(path)
    else:
        np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], W)


@pytest.mark.parametrize("first", [True, False])
def test_what_no_tensor_says_of_a_storage_does_not_count(tmp_path, first):
    """A reference to more of it, handed to an object of unknown kind."""
    loose = Call(
        Global("my.thing"), Reference(("storage", Global("torch.FloatStorage"), "0", "cpu", 99, None))
    )
    item = {"loose": loose, "w": of_legacy()} if first else {"w": of_legacy(), "loose": loose}
    path = legacy(tmp_path / "a.pth", item, ["0"], [struct.pack("<q", 12), W.tobytes()])
    np.testing.assert_array_equal(checkpoints.read(path).tensors["w"], W)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)])
@pytest.mark.parametrize(
    ("kind", "dtype"), [("LongStorage", "int64"), ("HalfStorage", "float16"), ("BFloat16Storage", "float32")]
)
def test_a_tensor_without_elements_has_their_type(tmp_path, shape, kind, dtype):
    """As every other one, alone on its storage or beside another tensor."""
    item = {"none": tensor("0", shape, kind), "all": rebuilt(kind, "1", 8, 0, (8,), (1,))}
    item["part"] = rebuilt(kind, "1", 8, 5, shape, (1,) * len(shape))
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, {"0": b"", "1": bytes(64)})).tensors
    for name in ("none", "part"):
        assert (found[name].shape, found[name].dtype) == (shape, np.dtype(dtype))
