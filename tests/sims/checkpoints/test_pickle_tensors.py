"""Arrays of NumPy in a pickle: read as they are, named where they are of no real numbers, or refused."""

import io
import pickle

import numpy as np
import pytest

from sims import checkpoints
from sims.checkpoints.limits import LimitError
from sims.checkpoints.pickle_tensors import named
from sims.checkpoints.pickle_values import Storage, View
from tests.sims.checkpoints.test_read import Call, Global
from tests.sims.checkpoints.test_torch_objects import Made, Objects

W = np.arange(24, dtype=np.float32).reshape(4, 6)
BYTES = W.tobytes()
DTYPE, MAKE = Global("numpy.dtype"), Global("numpy._core.multiarray._reconstruct")
FROM = Global("numpy._core.numeric._frombuffer")


class Built(Call):
    """Pickles as a call whose result is given a state."""

    def __init__(self, function, arguments, state):
        super().__init__(function, *arguments)
        self.state = state


class States(Objects):
    def save(self, item, save_persistent_id=True):
        super().save(item, save_persistent_id)
        if isinstance(item, Built):
            super().save(item.state)
            self.write(pickle.BUILD)


def program(item):
    stream = io.BytesIO()
    States(stream, 3).dump(item)
    return stream.getvalue()


def dtype(code="f4", order="<", *, path=DTYPE):
    return Built(path, (code, False, True), (3, order, None, None, None, -1, -1, 0))


def array(*, shape=(4, 6), kind=None, data=BYTES, function=MAKE):
    return Built(function, (Global("numpy.ndarray"), (0,), b"b"), (1, shape, kind or dtype(), False, data))


def buffer(*rest, function=FROM):
    return Call(function, *(rest or (BYTES, dtype(), (4, 6), "C")))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (array(), W),
        (array(kind=dtype("f4", ">"), data=W.astype(">f4").tobytes()), W),
        (array(kind=Call(DTYPE, "f4", False, True)), W),  # of which no state is told: little-endian
        (array(kind=Built(DTYPE, ("f4",), (3,))), W),
        (array(kind=Built(DTYPE, ("f4",), [3, ">"])), W),
        (array(kind=Built(DTYPE, ("f4",), (3, ">")), data=W.astype(">f4").tobytes()), W),
        (array(shape=(1,) * 30 + (4, 6)), W.reshape((1,) * 30 + (4, 6))),
        (array(shape=(0, 6), data=b""), W[:0]),
        (buffer(), W),
        (buffer(BYTES, dtype(), (6, 4), "F"), W.T),
    ],
)
def test_arrays_of_a_pickle(tmp_path, item, expected):
    (tmp_path / "a.pkl").write_bytes(program({"a": item}))
    np.testing.assert_array_equal(checkpoints.read(tmp_path / "a.pkl").tensors["a"], expected)


NOT_READ = "a numpy array of a type that is not read"


@pytest.mark.parametrize(
    "kind",
    [
        *(dtype(code) for code in ("c8", "U1", "f", "f3", "f16", "V4", "M8", "O8", "ff4")),
        dtype(4),
        dtype(b"f4"),
        dtype(path=Global("my.dtype")),
        Built(DTYPE, (), (3, "<")),
        "f4",
        Global("numpy.float32"),
        None,
    ],
)
@pytest.mark.parametrize("make", ["array", "buffer"])
def test_arrays_of_other_types_are_named(tmp_path, kind, make):
    """And take no other array away."""
    item = array(kind=kind) if make == "array" and kind else buffer(BYTES, kind, (4, 6), "C")
    (tmp_path / "a.pkl").write_bytes(program({"a": item, "w": array()}))
    found = checkpoints.read(tmp_path / "a.pkl")
    assert found.skipped == {"a": NOT_READ}
    np.testing.assert_array_equal(found.tensors["w"], W)


@pytest.mark.parametrize(
    "shape",
    [
        [4, 6],
        24,
        "ab",
        (4, True, 6),
        (-4, -6),
        (4.0, 6),
        (4, 7),
        (4, 5),
        (),
        (1,) * 31 + (4, 6),
    ],
)
@pytest.mark.parametrize("make", ["array", "buffer"])
def test_an_array_whose_shape_is_not_that_of_its_bytes_is_refused(tmp_path, shape, make):
    item = array(shape=shape) if make == "array" else buffer(BYTES, dtype(), shape, "C")
    (tmp_path / "a.pkl").write_bytes(program({"a": item, "w": array()}))
    with pytest.raises(ValueError, match=r"^cannot read 'a\.pkl': .*a numpy array does not fit its bytes$"):
        checkpoints.open_checkpoint(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "item",
    [
        Made(Global("my.Object"), (1, (4, 6), 3, False, b"")),  # five things that are no array
        array(function=Global("my.multiarray.reconstruct")),
        buffer(function=Global("my.frombuffer")),
        Call(MAKE, Global("numpy.ndarray"), (0,), b"b"),
        Built(MAKE, (Global("numpy.ndarray"),), [1, (4, 6), dtype(), False, BYTES]),
        Built(MAKE, (Global("numpy.ndarray"),), (1, (4, 6), dtype(), False)),
        buffer(BYTES, dtype(), (4, 6)),
        buffer(BYTES, dtype(), (4, 6), "C", None),
    ],
)
def test_objects_that_resemble_an_array_are_none(tmp_path, item):
    """They hold no tensor, and take none away."""
    (tmp_path / "a.pkl").write_bytes(program({"a": item, "w": array()}))
    found = checkpoints.read(tmp_path / "a.pkl")
    assert list(found.tensors) == ["w"] and not found.skipped
    np.testing.assert_array_equal(found.tensors["w"], W)


def test_a_thousand_tensors_are_free_whatever_the_size_of_the_file():
    view = View(Storage("float32", "0", 12), 0, (3, 4), (4, 1), "float32")
    assert [name for name, _ in named([view] * 1000, 0, {})] == [str(i) for i in range(1000)]
    with pytest.raises(LimitError, match="it leads to more than 1000 tensors"):
        list(named([view] * 1001, 0, {}))
    assert len(list(named([view] * 1001, 16, {}))) == 1001
