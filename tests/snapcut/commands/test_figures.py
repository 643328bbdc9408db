"""`snapcut figures`: files, lists, parameters."""

import json


def test_figures_are_listed_and_take_parameters(here, tmp_path):
    listed = here("figures", "snr_g", "snr_st", "--list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == [
        "snr_gaussian",
        "snr_stored_bits",
        "snr_student",
    ]
    assert "Kuzmin et al. 2023, Figure 1" in listed.stdout and "bits=4" in listed.stdout
    done = here("figures", "snr_gaussian", "--set", "bits=3", "--width", "5.5", "--out", tmp_path)
    assert done.returncode == 0
    manifest = json.loads((tmp_path / "snr_gaussian.json").read_text())
    assert manifest["parameters"] == {"budget": "quick", "seed": 0, "bits": 3} and manifest["width"] == 5.5
    assert "3-bit quantization" in manifest["title"]


def test_figures_writes_and_names_its_files(here, tmp_path):
    done = here("figures", "partition_threshold", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "partition_threshold.png")]
    assert len(list(tmp_path.iterdir())) == 4
