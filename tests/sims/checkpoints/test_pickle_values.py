"""Calls of a pickle that look like those of torch and are none: left by themselves, or refused by name."""

import io

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints.pickle_machine import interpret
from sims.checkpoints.pickle_values import Items, Name, Opaque, Storage, View, apply
from tests.sims.checkpoints.test_read import Call, Global, Reference, rebuilt, torch_zip

W = np.arange(12, dtype=np.float32).reshape(3, 4) / 8
CODES = np.arange(-6, 6, dtype=np.int8)
STORAGES = {
    "0": W.tobytes(),
    "1": CODES.tobytes(),
    "2": np.float64([1, 2, 4]).tobytes(),
    "3": np.arange(3, dtype="<i8").tobytes(),
}
FLOAT = Global("torch.FloatStorage")
HOOKS = Call(Global("collections.OrderedDict"))
META = Call(
    Global("torch._utils._rebuild_meta_tensor_no_storage"), Global("torch.float32"), (3,), (1,), False
)
BESIDE = rebuilt("FloatStorage", "0", 12, 0, (3, 4), (4, 1))
SCALES = rebuilt("DoubleStorage", "2", 3, 0, (3,), (1,))
ZEROS = rebuilt("LongStorage", "3", 3, 0, (3,), (1,))


def identity(*, kind=FLOAT, key="0", size=12, more=()):
    return Reference(("storage", kind, key, "cpu", size, *more))


def view(storage, offset=0, shape=(3, 4), strides=(4, 1)):
    return Call(Global("torch._utils._rebuild_tensor_v2"), storage, offset, shape, strides, False, HOOKS)


UNTYPED = Global("torch.storage.UntypedStorage")


def typed(element):
    """A tensor of 48 bytes, whose call names the type of its elements."""
    make = Global("torch._utils._rebuild_tensor_v3")
    return Call(make, identity(kind=UNTYPED, size=48), 0, (3, 4), (4, 1), False, HOOKS, element)


class List(Call):
    """Pickles as a call whose arguments are a list."""

    def __init__(self, function, *arguments):
        super().__init__(function)
        self.arguments = list(arguments)


SIZES = "a tensor's offset, shape or strides are not sizes"


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (view(Reference(["storage"])), "a persistent reference is not a storage"),
        (
            view(Reference(("storage", Global("torch.FloatStorage"), "0", "cpu"))),
            "reference is not a storage",
        ),
        (view(identity(more=(None, None))), "a persistent reference is not a storage"),
        (view(Reference(("module", Global("torch.FloatStorage"), "0", "cpu", 12))), "is not a storage"),
        (view(identity(more=(3,))), r"storage views of torch < 0\.4 are not read"),
        (view(identity(kind="torch.FloatStorage")), "a storage has an unknown type"),
        (view(identity(kind=Call(Global("torch.FloatStorage")))), "a storage has an unknown type"),
        (view(identity(key=0)), "a storage has no key or no size"),
        *((view(identity(size=size)), "no key or no size") for size in (True, 12.0, -12, 2**62, None)),
        *((view(identity(), offset), SIZES) for offset in (True, 0.0, 2**62, "0")),
        *((view(identity(), 0, shape), SIZES) for shape in ((True, 4), (2**62, 0), "", {3: 0, 4: 0})),
        *((view(identity(), 0, (1,) * rank, (1,) * rank), SIZES) for rank in (33, 40)),
        (view(identity(), 0, (3, 4), (4, True)), SIZES),
        (view(identity(kind=UNTYPED)), "on an untyped storage does not name its element type"),
        (typed("float32"), "a tensor has an unknown element type"),
        (typed(None), "a tensor has an unknown element type"),
        (Call(Global("torch._utils._rebuild_qtensor"), 3, 0, (3,), (1,), ()), "a tensor has no storage"),
        (view(3), "a tensor has no storage"),
        (view(Call(Global("my.storage"), b"")), "a tensor has no storage"),
        (List(Global("torch.Size"), (3, 4)), "the pickle calls something that is not a name"),
        (Call("torch.Size", (3, 4)), "the pickle calls something that is not a name"),
        (Call(Global("collections.OrderedDict"), {("w", "v"): BESIDE}), "something that is not pairs"),
        (Call(Global("collections.OrderedDict"), ""), "a mapping is made of something that is not pairs"),
        (Call(Global("collections.OrderedDict"), ["wv"]), "a mapping is made of something that is not pairs"),
        (Call(Global("collections.OrderedDict"), [("w",)]), "something that is not pairs"),
        (Call(Global("torch._utils._rebuild_parameter"), 3, True, HOOKS), "a parameter holds no tensor"),
        ({tuple(range(17)): 1}, "a mapping's key is neither text nor number"),
        ({(1, (2,)): 1}, "a mapping's key is neither text nor number"),
        ({(1, 2**60): 1}, "a mapping's key is a number too large"),
    ],
)
def test_what_is_not_as_torch_writes_it_is_refused(tmp_path, item, why):
    """Whatever else the file holds: no size, key or call is guessed."""
    path = torch_zip(tmp_path / "a.pt", {"w": BESIDE, "x": item}, STORAGES)
    with pytest.raises(ValueError, match=rf"^cannot read 'a\.pt': not a readable torch checkpoint: .*{why}"):
        checkpoints.open_checkpoint(path)


def test_a_list_is_no_persistent_reference():
    """Which is a tuple of five or six; and a call has a tuple of arguments, a class a name."""
    for program, why in (
        (
            b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x0clQ.",
            "a persistent reference is not a storage",
        ),
        (b"ccollections\nOrderedDict\nK\x01R.", "calls something that is not a name"),
        (b"ccollections\nOrderedDict\n]R.", "calls something that is not a name"),
        (b"cm\nC\n)\x81)\x81.", "makes an object of something that is no class"),
        (b"cm\nC\n]\x81.", "makes an object of something that is no class"),
        (b"K\x01)\x81.", "makes an object of something that is no class"),
        (b"(N.", "the pickle ends with a stack that is not one value"),
        (b"NN.", "the pickle ends with a stack that is not one value"),
        (b"K\x07)\x93.", "the pickle names something that is not text"),
        (b"U\x01aK\x07\x93.", "the pickle names something that is not text"),
        (b"K\x07U\x01a\x93.", "the pickle names something that is not text"),
        (b"}(K\x01u.", "sets items of something that is not a mapping"),
        (b"](K\x01K\x02u.", "sets items of something that is not a mapping"),
        (b"}](K\x01eNs.", "a mapping's key is neither text nor number"),
        (b"}]Ns.", "a mapping's key is neither text nor number"),
        (b"}}Ns.", "a mapping's key is neither text nor number"),
    ):
        with pytest.raises(ValueError, match=rf"^not a readable torch checkpoint: .*{why}"):
            interpret(io.BytesIO(program), len(program))


@pytest.mark.parametrize("offset", [0, 12, 100])
def test_a_tensor_without_elements_reaches_nowhere(tmp_path, offset):
    item = {"none": view(identity(), offset, (0, 4)), "w": BESIDE}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, STORAGES)).tensors
    assert found["none"].shape == (0, 4)
    np.testing.assert_array_equal(found["w"], W)


def test_sizes_and_keys_at_the_ends_of_their_ranges(tmp_path):
    """32 axes, a key of 16 parts."""
    item = {"many": view(identity(), 3, (1,) * 32, (1,) * 32), tuple(range(16)): BESIDE}
    found = checkpoints.read(torch_zip(tmp_path / "a.pt", item, STORAGES)).tensors
    assert list(found) == ["many", ",".join(map(str, range(16)))]
    assert found["many"].shape == (1,) * 32 and found["many"].item() == W.flat[3]


def quantized(scheme, *parts):
    plain = rebuilt("QInt8Storage", "1", 12, 0, (3, 4), (4, 1)).arguments
    scheme = scheme if isinstance(scheme, str) else Global(f"torch.{scheme[0]}")
    return Call(Global("torch._utils._rebuild_qtensor"), *plain[:4], (scheme, *parts), *plain[4:])


AFFINE, CHANNEL = ("per_tensor_affine",), ("per_channel_affine",)
SHORT = rebuilt("DoubleStorage", "2", 3, 0, (2,), (1,))
ONE = rebuilt("DoubleStorage", "2", 3, 0, (), ())


@pytest.mark.parametrize(
    ("item", "scheme"),
    [
        (quantized(("per_tensor_symmetric",), 0.5, 1), "torch.per_tensor_symmetric"),
        (quantized("torch.per_tensor_affine", 0.5, 1), "unnamed"),
        (quantized(AFFINE, SCALES, 1), "torch.per_tensor_affine"),
        (quantized(AFFINE, 0.5, ZEROS), "torch.per_tensor_affine"),
        (quantized(AFFINE, 0.5, 1.5), "torch.per_tensor_affine"),
        (quantized(("per_block_affine",), SCALES, ZEROS, 0), "torch.per_block_affine"),
        *((quantized(CHANNEL, *parts), "torch.per_channel_affine") for parts in (
            (0.5, ZEROS, 0), (SCALES, 1, 0), (SCALES, ZEROS), (SCALES, ZEROS, "0"), (SCALES, ZEROS, -1),
            (SCALES, ZEROS, 1), (SCALES, ZEROS, 2), (SHORT, ZEROS, 0), (SCALES, SHORT, 0), (SHORT, SHORT, 0),
            (ONE, ONE, 2),
        )),
    ],
)  # fmt: skip
def test_codes_of_a_scheme_that_is_not_read_take_no_other_away(tmp_path, item, scheme):
    path = torch_zip(tmp_path / "a.pt", {"q": item, "w": BESIDE}, STORAGES)
    found = checkpoints.open_checkpoint(path).tensors
    assert found["q"].skip == f"already quantized, by a scheme that is not read ({scheme})"
    assert found["q"].shape == (3, 4)
    np.testing.assert_array_equal(found["w"].load(), W)


def sparse(layout, parts):
    return Call(Global("torch._utils._rebuild_sparse_tensor"), layout, parts)


@pytest.mark.parametrize(
    "item",
    [
        sparse(Global("torch.sparse_coo"), (ZEROS, SCALES)),
        sparse(Global("torch.sparse_csr"), (ZEROS, ZEROS, SCALES)),
        sparse(Global("torch.sparse_new"), (ZEROS, ZEROS, SCALES, (3, 3))),
        sparse(Call(Global("my.layout"), ["torch.sparse_coo"]), (ZEROS, ZEROS, SCALES, (3, 3))),
        sparse(3, (ZEROS, ZEROS, SCALES, (3, 3))),
        Call(Global("torch._utils._rebuild_sparse_tensor"), 3, (ZEROS, SCALES), "one more"),
    ],
)
def test_a_sparse_tensor_of_another_layout_takes_no_other_away(tmp_path, item):
    path = torch_zip(tmp_path / "a.pt", {"s": item, "w": BESIDE}, STORAGES)
    found = checkpoints.open_checkpoint(path).tensors
    assert found["s"].skip == "a sparse tensor of a layout that is not read"
    np.testing.assert_array_equal(found["w"].load(), W)


WRAPPER = Global("torch._utils._rebuild_wrapper_subclass")


def of_a_class(arguments, state, function=WRAPPER):
    return Call(Global("torch._tensor._rebuild_from_type_v2"), function, Global("my.T"), arguments, state)


@pytest.mark.parametrize(
    ("item", "shape", "nbytes"),
    [
        (of_a_class((1, 2, (5, 6)), {}), (5, 6), 0),
        (of_a_class((1, 2, [5, 6]), {}), (5, 6), 0),
        (of_a_class((1, 2, 3), {}), (), 0),
        (of_a_class((1, 2), {}), (), 0),
        (of_a_class((1,), {}), (), 0),
        (of_a_class((1, 2, (5, 6)), {}, Global("my.function")), (), 0),
        (of_a_class((1, 2, (5, 6)), {"part": BESIDE}), (5, 6), 48),
        (of_a_class((1, 2, (5, 6)), [BESIDE, {"part": SCALES}]), (5, 6), 48),  # a list: no slots in it
        (of_a_class((1, 2, (5, 6)), (None, {"part": BESIDE})), (5, 6), 48),
        (of_a_class((1, 2, (5, 6)), ({"part": BESIDE}, {"other": SCALES})), (5, 6), 72),
        (of_a_class((1, 2, (5, 6)), (None, BESIDE)), (5, 6), 48),
        (of_a_class((1, 2, (5, 6)), (BESIDE,)), (5, 6), 48),
        (of_a_class((1, 2, (5, 6)), (BESIDE, {"part": BESIDE}, SCALES)), (5, 6), 72),
        (of_a_class((1, 2, (5, 6)), [BESIDE] * 17), (5, 6), 16 * 48),  # of more parts the others go uncounted
        (of_a_class((1, 2, (5, 6)), {"_local_tensor": 3, "qdata": 4, "scale": SCALES}), (5, 6), 24),
    ],
)
def test_what_is_known_of_a_tensor_that_only_its_class_puts_together(tmp_path, item, shape, nbytes):
    """Its shape where a wrapper tells it, and the bytes of its parts, in slots or attributes."""
    found = checkpoints.open_checkpoint(
        torch_zip(tmp_path / "a.pt", {"t": item, "w": BESIDE}, STORAGES)
    ).tensors
    assert found["t"].skip == "a tensor of the class my.T, which only that class can put together"
    assert (found["t"].shape, found["t"].nbytes) == (shape, nbytes)
    np.testing.assert_array_equal(found["w"].load(), W)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (Call(Global("my.encode"), "a", {"w": BESIDE}), "part of an object of unknown kind, 'my.encode'"),
        (
            Call(Global("torch._utils._rebuild_new"), BESIDE),
            "part of an object of unknown kind, 'torch._utils._rebuild_new'",
        ),
        (
            Call(Global("torch._utils._rebuild_xla_tensor"), {"w": BESIDE}),
            "part of an object of unknown kind, 'torch._utils._rebuild_xla_tensor'",
        ),
        (Call(Global("my.call"), META), "a tensor on the meta device: it has no values"),
        (Call(Global("_codecs.encode"), 3, BESIDE), "part of an object of unknown kind, '_codecs.encode'"),
    ],
)
def test_what_a_call_of_another_name_is_given_is_no_weight(tmp_path, call, reason):
    found = checkpoints.open_checkpoint(
        torch_zip(tmp_path / "a.pt", {"x": call, "w": BESIDE}, STORAGES)
    ).tensors
    assert [(tensor.skip, tensor.nbytes) for name, tensor in found.items() if name != "w"] == [(reason, 0)]
    np.testing.assert_array_equal(found["w"].load(), W)


def test_calls_by_what_they_are_given():
    """Text is encoded by the one function that does so; a mapping is made of pairs."""
    assert apply(Name("_codecs.encode"), ("é", "latin1")) == b"\xe9"
    assert apply(Name("_codecs.encode"), ("é",)) == b"\xe9"
    assert apply(Name("_codecs.encode"), (3, "latin1")).path == "_codecs.encode"
    assert apply(Name("my.encode"), ("é", "latin1")).path == "my.encode"
    given = (Name("my.function"), Name("my.T"), (), {}, "one more")
    assert "class my.T," in apply(Name("torch._tensor._rebuild_from_type_v2"), given).why
    made = apply(Name("collections.OrderedDict"), ([["a", 1], ("b", 2)],))
    assert isinstance(made, Items) and made.items == {"a": 1, "b": 2}
    assert apply(Name("collections.OrderedDict"), ()).items == {}
    assert isinstance(apply(Opaque("my.Class"), (1,)), Opaque)


@pytest.mark.parametrize(
    ("shape", "strides", "last"),
    [((0, 4), (4, 1), 5), ((3, 0), (0, 0), 5), ((), (), 6), ((2, 3), (3, 1), 11), ((2, 3), (0, 2), 10)],
)
def test_a_view_ends_after_the_last_element_that_it_shows(shape, strides, last):
    """Where it begins, if it shows none."""
    assert View(Storage("float32", "0", 12), 5, shape, strides, "float32").last == last


def test_elements_of_a_type_that_is_not_known_are_named(tmp_path):
    path = torch_zip(tmp_path / "a.pt", {"w": typed(Global("torch.int3")), "b": BESIDE}, STORAGES)
    found = checkpoints.open_checkpoint(path).tensors
    assert {name: one.skip for name, one in found.items()} == {
        "w": "values of type 'torch.int3', not read",
        "b": "",
    }
    assert found["w"].shape == (3, 4)


@pytest.mark.parametrize("coalesced", [(), (True,)])
def test_coordinates_are_read_with_and_without_a_word_on_their_order(tmp_path, coalesced):
    """Older versions of torch write indices, values and size alone."""
    item = sparse(Global("torch.sparse_coo"), (ZEROS, SCALES, (3, 3), *coalesced))
    found = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", {"s": item}, STORAGES)).tensors["s"]
    assert (found.skip, found.shape) == ("", (3, 3))
