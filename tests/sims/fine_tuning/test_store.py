from types import SimpleNamespace

import numpy as np
import pytest

from sims.fine_tuning import store as runs
from sims.fine_tuning.store import Store, _packed

STATE = [np.arange(6.0).reshape(2, 3), np.array([1, 2], np.int32)]


def kept(folder):
    store = Store(folder, {"bits": 4}, every=0)
    store.save(1, STATE, last=3)
    return store


def test_what_is_kept_comes_back(tmp_path):
    epochs, arrays = kept(tmp_path).load()
    assert epochs == 1
    for one, other in zip(arrays, STATE, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert Store(tmp_path, {"bits": 3}).load() is None  # another identity is another file


def test_an_unfinished_run_is_saved_every_few_seconds_and_a_finished_one_at_once(tmp_path, monkeypatch):
    clock = iter([100.0, 105, 109, 111, 111, 120, 122, 122, 123])  # a look before a save, and one after it
    monkeypatch.setattr(runs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    store, kept = Store(tmp_path, {"bits": 4}, every=10.0), []
    for epochs in (1, 2, 3, 4, 5, 9):
        store.save(epochs, STATE, last=9)
        kept.append(found[0] if (found := store.load()) else 0)
    assert kept == [0, 0, 3, 3, 5, 9]


def test_every_flipped_byte_and_every_truncation_is_noticed(tmp_path):
    store = kept(tmp_path)
    whole = store.path.read_bytes()
    for position in range(0, len(whole), 37):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        for content in (bytes(damaged), whole[:position]):
            store.path.write_bytes(content)
            with pytest.warns(UserWarning, match="cannot be resumed and is trained anew: its checksum"):
                assert store.load() is None
    store.path.write_bytes(whole)
    assert store.load()[0] == 1


def test_a_foreign_run_is_refused_and_left_alone(tmp_path):
    store = kept(tmp_path)
    foreign = _packed("another", 2, STATE)
    store.path.write_bytes(foreign)
    with pytest.raises(ValueError, match="holds another run under this name; choose another folder"):
        store.load()
    assert store.path.read_bytes() == foreign


def test_a_file_that_executes_code_is_not_opened(tmp_path):
    store = kept(tmp_path)
    np.savez(store.path.with_suffix(".npz"), array000=np.array([object()], dtype=object))
    store.path.write_bytes(store.path.with_suffix(".npz").read_bytes())
    with pytest.warns(UserWarning, match="checksum"):
        assert store.load() is None


def test_saves_are_rare_but_for_the_last(tmp_path):
    store = Store(tmp_path, {"bits": 4}, every=1e6)
    store.save(1, STATE, last=2)
    assert store.load() is None
    store.save(2, STATE, last=2)
    assert store.load()[0] == 2
