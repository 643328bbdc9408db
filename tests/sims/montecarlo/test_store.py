"""What is stored goes stale with its sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sims
import theory
from sims.montecarlo.store import source_digest

CODE = "from sims.montecarlo.store import source_digest; print(source_digest())"


def digest(folder):
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("changed", ["sims/partition.py", "sims/kernels/snr.py", "theory/storage.py"])
def test_a_change_in_any_room_of_either_floor_is_another_source(tmp_path, changed):
    for floor in (theory, sims):
        whole = Path(floor.__file__).parent
        shutil.copytree(whole, tmp_path / whole.name, ignore=shutil.ignore_patterns("__pycache__", "data"))
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    with open(tmp_path / changed, "a") as file:
        file.write("# another line\n")
    assert digest(tmp_path) != before


def test_a_folder_of_the_same_name_where_one_works_changes_nothing(tmp_path):
    # a namespace package has no file: found by a sweep started beside a folder called sims
    (tmp_path / "sims").mkdir()
    (tmp_path / "theory").mkdir()
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == source_digest()
