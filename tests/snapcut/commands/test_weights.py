"""`snapcut weights`: strangers' names and numbers, and everything shown beside the verdicts."""

import json
from pathlib import Path

import numpy as np

NETWORK = str(Path(__file__).parents[3] / "sims" / "data" / "digits_network.npz")


def test_a_signalling_nan_is_no_news(here, snapcut, tmp_path):
    """Tensors that hold one are skipped with their reason; numpy's remark on the cast reaches nobody."""
    odd = np.random.default_rng(0).standard_normal((30, 30)).astype(np.float32)
    odd.view(np.uint32)[0, 0] = 0x7FA00001
    np.savez(tmp_path / "w.npz", odd=odd, even=np.random.default_rng(0).standard_normal((30, 30)))
    done = here("weights", tmp_path / "w.npz")
    assert (done.returncode, done.stderr) == (0, "")
    assert "skipped 1 (NaN or infinity): odd" in done.stdout
    done = snapcut("ticket", "--network", tmp_path / "w.npz", "--layers")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_names_from_a_file_are_shown_as_they_are(here, tmp_path):
    np.savez(tmp_path / "w.npz", **{"a[/b]": np.random.default_rng(0).standard_normal((30, 30))})
    done = here("weights", tmp_path / "w.npz")
    assert done.returncode == 0
    assert "a[/b] " in done.stdout


def test_predictions_beside_the_verdicts(here, tmp_path):
    np.savez(tmp_path / "w.npz", w=np.random.default_rng(0).standard_normal((30, 30)))
    done = here("weights", tmp_path / "w.npz", "--bits", "2,4", "--predict", "--json", "-")
    assert json.loads(done.stdout)["prediction"] == [
        {"bits": bits, "always snap": 1.0, "kurtosis": 1.0, "student": 1.0} for bits in (2, 4)
    ]


def test_bits_by_tensor_and_rotation_of_a_file(here, tmp_path):
    out = tmp_path / "out.json"
    done = here("weights", NETWORK, "--bits", "4", "--allocate", "4.5", "--rotate", "--json", out)
    assert done.returncode == 0 and "dB gained by a rotation" in done.stdout
    assert "Formats by tensor within 4.5 bits: " in done.stdout
    content = json.loads(out.read_text())
    allocation = content["allocation"]
    assert allocation["bits_per_weight"] <= 4.5 and allocation["gap"] == 0 and allocation["gain"] >= 0
    assert [one["name"] for one in allocation["tensors"]] == [one["name"] for one in content["tensors"]]
    assert all(2 < one["kurtosis_rotated"] < 4 for one in content["tensors"])
    assert content["rotated"]["network"]["verdict"] == "snap"


def test_a_name_that_nearly_matches_is_guessed_unless_there_is_such_a_file(here, tmp_path):
    done = here("weights", "digist")
    assert done.returncode == 2
    assert "cannot read 'digist': no such file; did you mean digits?" in done.stderr
    done = here("weights", tmp_path / "other.npz")
    assert "did you mean" not in done.stderr and "No such file" in done.stderr
