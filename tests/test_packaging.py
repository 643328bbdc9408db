"""What a user installs: the wheel holds everything, runs from any folder, and says one version."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = ("theory", "sims", "figures", "paper_checks", "snapcut")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A wheel built from a copy of the sources, without any network, unpacked in a folder of its own."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "target"))
    for root in ROOTS:
        shutil.copytree(ROOT / root, source / root, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(wheels)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def run(code: str, folder: Path) -> str:
    """What a program prints that finds the wheel's files before any checkout."""
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_of_the_packages_is_in_the_wheel(unpacked):
    files = {
        path.relative_to(ROOT).as_posix()
        for root in ROOTS
        for path in (ROOT / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"sims/data/digits_network.npz", "paper_checks/report.js", "figures/explore/head.html"} <= files
    assert {f"{root}/py.typed" for root in ROOTS} <= files
    packed = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert files - packed == set()
    assert {name.partition("/")[0] for name in packed if ".dist-info" not in name} == set(ROOTS)


def test_the_wheel_runs_from_another_folder(unpacked):
    names = ("theory.subset_sum", "sims.weights", "paper_checks.registry", "figures.build", "snapcut")
    for line in run(
        f"import {', '.join(names)}\nfor m in ({', '.join(names)}): print(m.__file__)", unpacked
    ).split():
        assert Path(line).is_relative_to(unpacked)


def test_the_wheel_finds_its_data(unpacked):
    """And runs a claim, one without compiled kernels: they would be compiled for this folder alone."""
    code = """
from snapcut import main
from paper_checks import registry
from sims.networks import digits
from sims.weights import released
print(len(registry.claims()), len(digits.load().weights), released.load().layer.size)
try:
    main(["check", "ku.gaussian_pruning"])
except SystemExit as end:
    print("exit", end.code)
"""
    first, *rest, last = run(code, unpacked).splitlines()
    assert all(int(count) > 0 for count in first.split()) and last == "exit 0"
    assert any(" holds " in line for line in rest)


def test_one_version():
    """pyproject.toml is the source; an installation that says otherwise is stale: install again."""
    source = PROJECT["version"]
    assert version("snapcut") == source
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [source]
    done = subprocess.run([sys.executable, "-m", "snapcut", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == source
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[?(\d\S*?)\]? - (\d{4}-\d\d-\d\d)$", changes, re.MULTILINE)
    assert released[0] == (source, re.findall(r"^date-released: (\S+)$", citation, re.MULTILINE)[0])
