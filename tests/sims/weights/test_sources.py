"""Weights from files, from memory and at hand: which of them are read, and what is no weights at all."""

from pathlib import Path

import numpy as np
import pytest

from sims.weights import sources


def test_arrays_of_integers_and_of_what_no_one_reads_are_left_out(tmp_path):
    path = tmp_path / "w.npz"
    held = {
        "half": np.ones((2, 3), np.float16),
        "counts": np.ones((2, 3), np.int32),
        "flags": np.ones((2, 3), bool),
        "words": np.array(["a", "b"]),
    }
    np.savez(path, **held)
    found = sources.load(path)
    assert list(found) == ["half"] and found["half"].dtype == np.float64
    np.savez(path, counts=held["counts"], words=held["words"])
    with pytest.raises(ValueError, match=r"^'w\.npz' holds no floating-point tensor$"):
        sources.load(path)


def test_codes_of_a_known_convention_are_read_as_the_weights_they_stand_for(tmp_path):
    path = tmp_path / "w.npz"
    codes = np.array([[1, -2, 3], [4, 5, -6]], np.int8)
    scale = np.array([[0.5], [0.25]], np.float32)
    np.savez(path, **{"a.weight": codes, "a.weight_scale": scale})
    assert sources.load(path)["a.weight"].tolist() == (codes * scale).tolist()


@pytest.mark.parametrize("as_path", [False, True])
def test_a_file_goes_before_the_network_of_its_name(tmp_path, monkeypatch, as_path):
    monkeypatch.chdir(tmp_path)
    name = Path("digits") if as_path else "digits"
    assert list(sources.opened(name).tensors) == ["layer1", "layer2", "layer3"]
    np.save(tmp_path / "w.npy", np.ones((4, 8)))
    (tmp_path / "w.npy").rename(tmp_path / "digits")
    assert list(sources.opened(name).tensors) == ["digits"]


def test_a_name_nearly_at_hand_is_a_hint_unless_there_is_such_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^cannot read 'digit': no such file; did you mean digits\?$"):
        sources.opened("digit")
    with pytest.raises(ValueError, match=r"^cannot read 'else\.npz': [^;]*$"):
        sources.opened("else.npz")
    np.save(tmp_path / "w.npy", np.ones((4, 8)))
    (tmp_path / "w.npy").rename(tmp_path / "digit")
    assert [tensor.shape for tensor in sources.opened("digit").tensors.values()] == [(4, 8)]


@pytest.mark.parametrize("given", [np.float64(3.0), 3, ["a", "b"], np.array("text"), None, [[object()]]])
def test_what_is_no_array_of_numbers_is_one_sentence(given):
    with pytest.raises(TypeError, match=r"^weights must be a path, an array or a mapping of arrays, got "):
        sources.in_memory(given)


@pytest.mark.parametrize(("letters", "end"), [(96, "']"), (97, "'"), (98, ""), (200, "")])
def test_of_what_is_no_array_the_first_hundred_characters_are_shown(letters, end):
    with pytest.raises(TypeError) as caught:
        sources.in_memory(["a" * letters])
    assert str(caught.value).partition(", got ")[2] == "['" + "a" * min(letters, 98) + end


def test_numbers_of_every_kind_are_arrays():
    for kind in ("?", "i1", "u2", "f2", "f8", "c8"):
        (tensor,) = sources.in_memory(np.ones((2, 2), kind)).tensors.values()
        assert tensor.shape == (2, 2)


def test_the_networks_at_hand_are_missing_without_their_extras(monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    assert sources.zoo_checkpoint() is None
    with pytest.raises(ValueError, match=r"^efficientnet needs the extra zoo; "):
        sources.at_hand("efficientnet")
    single = type("Spec", (), {"submodule_search_locations": None})  # a module that is no package
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: single)
    assert sources.zoo_checkpoint() is None


def test_the_network_that_ships_with_snapcut_has_no_file():
    assert sources.at_hand("digits") is None
