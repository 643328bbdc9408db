"""What torch wrote (files/make_torch.py), read without torch and equal to what torch reads."""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from sims import checkpoints, weights
from tests.sims.checkpoints.test_read import rebuilt, torch_zip

FILES = Path(__file__).parent / "files"
NAMES = [line.split()[1] for line in (FILES / "SHA256SUMS").read_text().splitlines()]


@pytest.fixture(scope="module")
def expected():
    with np.load(FILES / "expected.npz") as found:
        arrays = dict(found)
    return {
        file: {name.partition("/")[2]: array for name, array in arrays.items() if name.startswith(f"{file}/")}
        for file in NAMES
    }


def test_the_files_are_those_that_torch_wrote():
    for line in (FILES / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((FILES / name).read_bytes()).hexdigest() == digest, name
    assert len(NAMES) == 7


@pytest.mark.parametrize("file", NAMES)
def test_every_tensor_that_torch_reads_is_read(file, expected):
    found = checkpoints.read(FILES / file)
    for name, array in expected[file].items():
        got = found.tensors[name]
        assert got.shape == array.shape, name
        if "quantized" in name:  # torch multiplies in float32
            np.testing.assert_allclose(got, array, rtol=2e-7)
        else:
            np.testing.assert_array_equal(got.astype(np.float64), array, err_msg=name)
    extra = {"strange.matrix"} if file == "module.pt" else set()
    assert set(found.tensors) == set(expected[file]) | extra


def test_what_is_no_real_number_is_named():
    skipped = checkpoints.read(FILES / "odd.pt").skipped
    assert set(skipped) == {"complex", "meta", "pairs"}
    assert (
        "no values" in skipped["meta"]
        and "complex64" in skipped["complex"]
        and "two a byte" in skipped["pairs"]
    )


def test_a_training_checkpoint_is_its_network():
    table = weights.report(FILES / "training.pth.tar", [4])
    assert [row.name for row in table.rows] == ["state_dict.fc.weight"]
    reasons = table.skipped
    assert reasons["optimizer.state.0.exp_avg"] == "state of an optimizer"
    assert reasons["ema.fc.weight"] == "an averaged copy of 'state_dict.fc.weight'"


def test_tied_tensors_count_once():
    table = weights.report(FILES / "tied.pt", [4])
    assert [row.name for row in table.rows] == ["embed"]
    assert table.skipped["head"] == table.skipped["turned"] == "the same memory as 'embed' (tied)"


def test_arrays_of_numpy_in_a_pickle(tmp_path):
    """Written by Python's own pickle; of other objects nothing is made."""
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(5, 4)), "f": np.asfortranarray(rng.normal(size=(5, 4)).astype("f4"))}
    arrays |= {"big": rng.normal(size=(3, 2)).astype(">f8"), "text": np.array(["a"])}
    kinds = ("i1", "u1", "b1", "i2", "u2", "f2", "i4", "u4", "i8", "u8")
    arrays |= {kind: np.arange(-3, 3).reshape(2, 3).astype(kind) for kind in kinds}
    for protocol in (2, 4, 5):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"arrays": arrays, "path": Path("x")}, protocol))
        found = checkpoints.read(tmp_path / "a.pkl")
        for name in ("w", "f", "big", *kinds):
            np.testing.assert_array_equal(found.tensors[f"arrays.{name}"], arrays[name])
        assert "arrays.text" in found.skipped


def test_parts_of_unknown_objects_are_no_weights(tmp_path):
    """A tensor handed to a function that is not known may be codes, or scales: it is named and left."""
    from sims.checkpoints import pickle_machine

    data = b"\x80\x02cmy.library\nQuantizedTensor\n(ctorch._utils\n_rebuild_tensor_v2\n(("
    data += b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    data += b"K\x00K\x02K\x02\x86K\x02K\x01\x86\x89ccollections\nOrderedDict\n)RtRtR."
    value = pickle_machine.interpret(io.BytesIO(data), len(data))
    from sims.checkpoints.pickle_tensors import named

    ((name, item),) = named(value, len(data), {})
    assert name == "0" and item.why == "part of an object of unknown kind, 'my.library.QuantizedTensor'"


def test_views_of_parts_of_a_storage_show_those_parts(tmp_path):
    """Whether a part is small, which is read alone, or not; whatever stands before it."""
    places = {
        "first": (0, 6),
        "near": (2, 10),
        "small": (10, 6),
        "later": (80, 12),
        "half": (30, 50),
        "most": (3, 90),
    }
    items = {
        name: rebuilt("FloatStorage", "0", 100, first, (count // 2, 2), (2, 1))
        for name, (first, count) in places.items()
    }
    items["turned"] = rebuilt("FloatStorage", "0", 100, 20, (2, 3), (1, 4))
    numbers = np.arange(100, dtype=np.float32)
    found = checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", items, {"0": numbers.tobytes()})).tensors
    for name, (first, count) in places.items():
        np.testing.assert_array_equal(found[name].load().ravel(), np.arange(first, first + count))
    assert found["turned"].load().tolist() == [[20, 24, 28], [21, 25, 29]]


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_storage_that_is_missing_is_missed_however_small_it_is(tmp_path, size):
    item = rebuilt("ByteStorage", "1", size, 0, (size,), (1,))
    with pytest.raises(ValueError, match=f"storage '1' of {size} bytes is missing or truncated"):
        checkpoints.open_checkpoint(torch_zip(tmp_path / "a.pt", {"w": item}, {"0": b"abc"}))
