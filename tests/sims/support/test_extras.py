import sys
from pathlib import Path

from sims.support import extras


def test_the_command_installs_into_this_environment_from_this_checkout(monkeypatch, tmp_path):
    checkout = Path(__file__).parents[3]
    assert (checkout / "pyproject.toml").is_file()
    here = f"install it with {sys.executable} -m pip install --editable '{checkout}[onnx]'"
    assert extras.to_install("onnx").replace('"', "'") == here
    monkeypatch.setattr(extras, "_ROOT", tmp_path)  # installed from a wheel
    elsewhere = f"install it with {sys.executable} -m pip install --editable '.[onnx]' in a clone of snapcut"
    assert extras.to_install("onnx") == elsewhere
