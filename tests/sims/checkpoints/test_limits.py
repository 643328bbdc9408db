"""Opening a file takes time and memory in proportion to its size: what asks for more is refused."""

import contextlib
import copy
import io
import pickle
import signal
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints import limits

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)


class LateError(BaseException):
    """No Exception: the readers turn those into sentences about the file."""


@contextlib.contextmanager
def within(seconds):
    """Fail after so much processor time, also inside a repr that never ends; a busy machine takes longer."""

    def stop(*_):
        raise LateError(f"still at work after {seconds} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def text(word):
    return b"X" + struct.pack("<I", len(word)) + word


def name(path):
    return b"c" + path.rsplit(".", 1)[0].encode() + b"\n" + path.rsplit(".", 1)[1].encode() + b"\n"


def number(value):
    return b"J" + struct.pack("<i", value)


def tensor(kind, key, numel, shape, offset=0):
    """Opcodes of a contiguous tensor."""
    identity = (
        b"(" + text(b"storage") + name(f"torch.{kind}") + text(key) + text(b"cpu") + number(numel) + b"tQ"
    )
    strides = np.cumprod([1, *shape[:0:-1]])[::-1]
    sizes = b"(" + b"".join(map(number, shape)) + b"t(" + b"".join(number(int(s)) for s in strides) + b"t"
    hooks = name("collections.OrderedDict") + b")R"
    return (
        name("torch._utils._rebuild_tensor_v2")
        + b"("
        + identity
        + number(offset)
        + sizes
        + b"\x89"
        + hooks
        + b"tR"
    )


def torch_zip(path, program, **records):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + program + b".")
        for key, data in records.items():
            archive.writestr(f"archive/data/{key}", data)
    return path


def refused(path, message, seconds=5):
    with within(seconds), pytest.raises(ValueError, match=message) as caught:
        checkpoints.read(path)
    assert str(caught.value).startswith("cannot read") and len(str(caught.value)) < 500


# --- no message holds what is not text --------------------------------------------------------------------

ENDLESS = (
    b"()q\x00" + b"h\x00h\x00\x86q\x00" * 40 + b"1"
)  # kept, and off the stack: 2^40 pairs of parentheses
TEXT = "the pickle names something that is not text"
CALLED = "the pickle calls something that is not a name"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (b"h\x00" + text(b"a") + b"\x93", TEXT),
        (text(b"a") + b"h\x00\x93", TEXT),
        (b"h\x00)R", CALLED),
        (b"h\x00h\x00R", CALLED),
        (name("collections.OrderedDict") + b"h\x00R", "a mapping's key is neither text nor number"),
        (name("torch.Size") + b"h\x00R", "a tensor's offset, shape or strides are not sizes"),
        (name("torch._utils._rebuild_tensor_v2") + b"h\x00R", "malformed pickle"),
        (name("torch._utils._rebuild_parameter") + b"h\x00R", "a parameter holds no tensor"),
        (b"h\x00Q", "a persistent reference is not a storage"),
        (b"(" + b"h\x00" * 5 + b"tQ", "a persistent reference is not a storage"),
        (b"(" + text(b"storage") + b"h\x00" * 4 + b"tQ", "a storage has an unknown type"),
        (
            b"(" + text(b"storage") + name("torch.FloatStorage") + b"h\x00" * 3 + b"tQ",
            "a storage has no key or no size",
        ),
        (b"}h\x00Ns", "a mapping's key is neither text nor number"),
        (b"h\x00Na", "the pickle appends to something that is not a list"),
        (b"h\x00NNs", "sets items of something that is not a mapping"),
        (b"h\x00Nb", "the pickle sets the state of something that has none"),
        (b"h\x00)\x81", "makes an object of something that is no class"),
        (b"h\x00", "it holds no array"),
        (b"]h\x00a", "it holds no array"),
        (name("my.C") + b"h\x00R", "it holds no array"),
        (name("my.C") + b")Rh\x00b", "it holds no array"),
    ],
)
def test_shared_tuples_in_any_place_end(tmp_path, program, why):
    refused(torch_zip(tmp_path / "a.pt", ENDLESS + program), f"cannot read 'a.pt': .*{why}")
    (tmp_path / "b.pth").write_bytes(ENDLESS + program + b".")
    refused(tmp_path / "b.pth", "cannot read 'b.pth'")
    (tmp_path / "b.pth").write_bytes(MAGIC + ENDLESS + program + b".")
    refused(tmp_path / "b.pth", "cannot read 'b.pth'")


# --- names ------------------------------------------------------------------------------------------------


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_thousands_of_equal_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for i in range(4000):
            archive.writestr("w.npy", npy(np.array([float(i)])))
    with within(8):
        found = checkpoints.read(tmp_path / "a.npz").tensors
    assert [float(value[0]) for value in found.values()] == list(range(4000))
    assert max(map(len, found)) < 10


def test_thousands_of_tensors_without_a_name_in_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    tensors = [onnx.numpy_helper.from_array(np.zeros(1, np.float32), "") for _ in range(4000)]
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], tensors))
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with within(8):
        assert sum(map(len, checkpoints.read(tmp_path / "a.onnx").tensors)) < 40_000


def test_names_that_look_like_repeats_are_no_trap():
    names = [
        *("w" + "'" * i for i in range(3)),
        *(f"w'{i}" for i in range(3, 3000)),
        *["w"] * 3000,
        *["w'"] * 9,
    ]
    contents = checkpoints.Contents()
    with within(5):
        for one in names:
            contents.add(checkpoints.of_array(one, np.zeros(1)))
    assert len(contents.tensors) == len(names)


def test_a_long_name_above_many_tensors(tmp_path):
    one = tensor("FloatStorage", b"0", 1, (1,)) + b"q\x05"
    program = b"}" + text(b"n" * 2**20) + b"](" + one + b"h\x05" * 900 + b"es"
    refused(torch_zip(tmp_path / "a.pt", program, **{"0": bytes(4)}), "characters of names")


# --- instructions -----------------------------------------------------------------------------------------


def test_a_program_that_is_no_data(tmp_path):
    refused(torch_zip(tmp_path / "a.pt", b"N0" * 1_500_000 + b"N"), "instructions", 10)


@pytest.mark.parametrize("value", [b"N", b"K\x07", b"\x88", text(b"weights"), b"G" + struct.pack(">d", 0.5)])
def test_a_value_that_can_hold_no_tensor_is_refused(tmp_path, value):
    refused(torch_zip(tmp_path / "a.pt", value), "it holds neither a tensor nor a mapping nor a list")


@pytest.mark.parametrize(
    ("key", "part"),
    [
        (name("here.Kind") + b"(" + text(b"what it was called with") + b"tR", "<here.Kind>"),
        (name("torch.float32"), "torch.float32"),
    ],
    ids=["object", "name"],
)
def test_a_key_of_another_kind_is_a_part_of_the_name(tmp_path, key, part):
    program = b"}" + key + tensor("FloatStorage", b"0", 4, (4,)) + b"s"
    path = torch_zip(tmp_path / "a.pt", program, **{"0": np.arange(4, dtype="<f4").tobytes()})
    found = checkpoints.read(path).tensors
    assert {one: array.tolist() for one, array in found.items()} == {part: [0, 1, 2, 3]}


def test_a_long_list_handed_to_many_calls(tmp_path):
    pair = text(b"k") + b"N\x86q\x00"
    pairs = pair + b"0](" + b"h\x00" * 50_000 + b"e\x85q\x010" + name("collections.OrderedDict") + b"q\x020"
    refused(torch_zip(tmp_path / "a.pt", b"(" + pairs + b"h\x02h\x01R0" * 20_000 + b"t"), "instructions", 10)


def test_keys_that_collide_are_refused(tmp_path):
    keys = b"".join(pickle.dumps(i * (2**61 - 1), 2)[2:-1] + b"N" for i in range(1, 30_000))
    refused(torch_zip(tmp_path / "a.pt", b"}(" + keys + b"u"), "a number too large")
    puts = b"".join(b"Np%d\n0" % (i * (2**61 - 1)) for i in range(1, 30_000))
    refused(torch_zip(tmp_path / "a.pt", puts + b"N"), "no pickler uses")


@pytest.mark.parametrize("sign", [1, -1])
def test_keys_are_numbers_below_2_to_the_60(tmp_path, sign):
    """Well below 2^61 - 1, whose multiples all have the hash 0."""
    assert hash(2**61 - 1) == hash(0) and hash(2**60) != hash(0)
    for size, why in ((2**60 - 1, "it holds no array"), (2**60, "a number too large")):
        refused(torch_zip(tmp_path / "a.pt", b"}" + pickle.dumps(sign * size, 2)[2:-1] + b"Ns"), why)


# --- tensors that share a storage -------------------------------------------------------------------------


def test_a_storage_is_widened_once(tmp_path):
    program = (
        b"](" + b"".join(tensor("BFloat16Storage", b"0", 2**20, (2**20 - i,), i) for i in range(30)) + b"e"
    )
    bits = (np.arange(2**20) % 1000).astype(np.uint16)
    path = torch_zip(tmp_path / "a.pt", program, **{"0": bits.tobytes()})
    tracemalloc.start()
    found = checkpoints.read(path).tensors
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for i in (0, 29):
        np.testing.assert_array_equal(found[str(i)].view(np.uint32) >> 16, bits[i:])
    assert peak < 5 * path.stat().st_size  # the bits, and the numbers of twice their size


def test_a_storage_shown_over_and_over_is_refused(tmp_path):
    program = b"](" + b"".join(tensor("BFloat16Storage", b"0", 2**20, (2**20,)) for _ in range(2000)) + b"e"
    refused(torch_zip(tmp_path / "a.pt", program, **{"0": bytes(2**21)}), "tensors that share a storage")


def test_alternating_references_read_each_storage_once(tmp_path, monkeypatch):
    parts = [tensor("FloatStorage", b"01"[i % 2 :][:1], 1000, (10, 100)) for i in range(60)]
    path = torch_zip(
        tmp_path / "a.pt", b"](" + b"".join(parts) + b"e", **{"0": bytes(4000), "1": bytes(4000)}
    )
    read, whole = [], zipfile.ZipFile.read
    monkeypatch.setattr(
        zipfile.ZipFile, "read", lambda self, item, *rest: read.append(item) or whole(self, item, *rest)
    )
    assert len(checkpoints.read(path).tensors) == 60
    assert len(read) <= 3  # the program and two storages


def test_a_tensor_named_over_and_over_is_refused(tmp_path):
    program = b"](" + tensor("FloatStorage", b"0", 1, (1,)) + b"q\x05" + b"h\x05" * 20_000 + b"e"
    refused(torch_zip(tmp_path / "a.pt", program, **{"0": bytes(4)}), "more than [0-9]+ tensors")


# --- archives ---------------------------------------------------------------------------------------------


def test_an_archive_is_unpacked_up_to_a_stated_limit(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", *(np.zeros(10**6) for _ in range(6)))
    tracemalloc.start()
    refused(tmp_path / "a.npz", "bytes when unpacked.*SNAPCUT_READ_LIMIT=10")
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()
    monkeypatch.setenv("SNAPCUT_READ_LIMIT", "10")
    assert len(checkpoints.read(tmp_path / "a.npz").tensors) == 6


def test_a_pruned_network_is_within_the_limit(tmp_path):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((2000, 2000)).astype(np.float32) * (rng.random((2000, 2000)) < 0.02)
    np.savez_compressed(tmp_path / "a.npz", weights)
    assert checkpoints.read(tmp_path / "a.npz").tensors["arr_0"].size == 4_000_000


@pytest.mark.parametrize("ending", ["npz", "pt"])
def test_members_that_overlap_are_refused(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02].")
        archive.writestr("w.npy", npy(np.zeros(10_000)))
        for i in range(100):
            again = copy.copy(archive.getinfo("w.npy"))
            again.filename = "w.npy" if ending == "npz" else f"archive/data/{i}"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    refused(path, "overlap")


@pytest.mark.parametrize(("factor", "allowed"), [("", 175), ("1", 175), ("10", 1750), ("0.5", 87)])
def test_ten_times_the_limit_is_ten_times_all_of_it(monkeypatch, factor, allowed):
    monkeypatch.setenv("SNAPCUT_READ_LIMIT", factor)
    assert limits.Budget("things", 1.5, 100).allowed(50) == allowed


@pytest.mark.parametrize("value", ["0", "-1", "much", "nan", "inf"])
def test_a_bad_limit_is_one_sentence(monkeypatch, value):
    monkeypatch.setenv("SNAPCUT_READ_LIMIT", value)
    with pytest.raises(ValueError, match=f"SNAPCUT_READ_LIMIT must be a positive number, got '{value}'"):
        limits.NAMES.check(1, 1)


# --- bytes named more than once ---------------------------------------------------------------------------


def test_an_array_of_the_pickle_named_over_and_over_is_refused(tmp_path):
    """Each costs a few bytes of the pickle and shows a megabyte."""
    shared = b"B" + struct.pack("<I", 2**20) + bytes(2**20) + b"q\x010"
    dtype = (
        name("numpy.dtype")
        + text(b"f4")
        + b"\x89\x88\x87R(K\x03"
        + text(b"<")
        + b"NNNK\x00K\x00K\x00tbq\x020"
    )
    make = name("numpy._core.multiarray._reconstruct")[:-1] + b"\n" + b"q\x030"
    each = b"h\x03)R(K\x01K\x04M\x00\x01M\x00\x01\x87h\x02\x89h\x01tb"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + shared + dtype + make + b"](" + each * 4000 + b"e.")
    refused(tmp_path / "a.pkl", "tensors that share a storage")


def test_a_gguf_file_whose_tensors_share_bytes_is_refused(tmp_path):
    entries = b"".join(
        struct.pack("<Q", 1) + b"w" + struct.pack("<IQQIQ", 2, 256, 256, 0, 0) for _ in range(2000)
    )
    data = b"GGUF" + struct.pack("<IQQ", 3, 2000, 0) + entries
    (tmp_path / "a.gguf").write_bytes(data.ljust(-(-len(data) // 32) * 32, b"\0") + bytes(4 * 65536))
    refused(tmp_path / "a.gguf", "its tensors share bytes")


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("OPCODES", 10_000 + 200), ("NAMES", 2**20 + 4800), ("TENSORS", 1018), ("ALIASES", 2**16 + 19_200),
        ("INFLATED", 2**24 + 30_000), ("EXTERNAL", 2**24 + 1200),
    ],
)  # fmt: skip
def test_what_three_hundred_bytes_may_lead_to(name, allowed):
    budget = getattr(limits, name)
    budget.check(allowed, 300)
    with pytest.raises(limits.LimitError, match=f"more than {allowed} "):
        budget.check(allowed + 1, 300)
