"""What commands write to: found before the work, whole or absent, whatever the disk and the streams do."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NETWORK = str(Path(__file__).parents[2] / "sims" / "data" / "digits_network.npz")
COMMAND = str(Path(sys.executable).with_name("snapcut"))


def snapcut_on_a_small_disk(*arguments, **options):
    """With files of at most 8 KiB, set by a shell: this process may hold threads that a fork cannot take."""
    command = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


TOY = """
from sims.support.row import Row

def simulate(x, seed):
    return [Row("x" * (1 if x < 20 else 9000), measured=0.5, low=0.0, high=1.0)]
"""


def toy_sweep(folder, cells):
    """Options of `subprocess.run` under which toy.toml is a sweep that computes nothing."""
    (folder / "toy_simulation.py").write_text(TOY)
    grid = f"[grid]\nx = {list(range(cells))}\n"
    (folder / "toy.toml").write_text(f'simulation = "toy_simulation:simulate"\n{grid}')
    return {
        "cwd": folder,
        "env": {**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"},
    }


def test_a_full_disk_is_one_sentence():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "check", "ku.gaussian_pruning", "--json", "-"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "snapcut: standard output: No space left on device\n"


@pytest.mark.parametrize("options", [{"stderr": None}, {"stderr": "/dev/full"}, {"all": None}], ids=str)
def test_streams_that_lead_nowhere(tmp_path, options):
    """Closed or full streams: no message goes to another stream, no file takes the place of one."""
    code = f"""
import os, sys
for name in {list(options)}:
    for number in (0, 1, 2) if name == "all" else (2,):
        os.close(number)
    if path := {options!r}[name]:
        os.open(path, os.O_WRONLY)
os.execv({COMMAND!r}, ["snapcut", *sys.argv[1:]])
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run([*run, "check", "kn.nothing"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    words = ["sweep", "toy.toml", "--processes", "2", "--json", "rows.json"]
    done = subprocess.run([*run, *words], capture_output=True, text=True, **toy_sweep(tmp_path, 2))
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["x"] for row in json.loads((tmp_path / "rows.json").read_text())["cells"]] == [0, 1]


# Every command with every file or folder that it writes, and what else it must be told.
LAYER = ("--weights", "W.npy", "--inputs", "X.npy", "--method", "OPTQ")


TARGETS = {
    ("check", "json"): (),
    ("figures", "json"): (),
    ("figures", "out"): (),
    ("weights", "json"): (NETWORK,),
    ("weights", "csv"): (NETWORK,),
    ("weights", "figure"): (NETWORK,),
    ("weights", "store"): (NETWORK,),
    ("tune", "json"): (),
    ("tune", "out"): (),
    ("ticket", "json"): (),
    ("ticket", "out"): (),
    ("layer", "json"): LAYER,
    ("layer", "out"): LAYER,
    ("sweep", "json"): ("grid.toml",),
    ("sweep", "out"): ("grid.toml",),
    ("report", "json"): (),
    ("report", "out"): (),
    ("warm", "json"): (),
    ("simulate partition", "json"): (),
    ("simulate subset-sum", "json"): (),
    ("simulate lottery", "json"): (),
    ("simulate path-following", "json"): (),
    ("simulate snr", "json"): (),
    ("simulate layer-bounds", "json"): (),
}


def test_a_target_that_cannot_be_written_is_found_before_the_work():
    """One sentence that names it, and nothing that computes has been imported by then."""
    runs = [[*name.split(), *more, f"--{out}", "/proc/none"] for (name, out), more in TARGETS.items()]
    code = f"""
import contextlib, io, sys, snapcut
for words in {runs!r}:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            snapcut.main(words)
        except SystemExit as end:
            heavy = {{"scipy", "numba", "sympy", "joblib"}} & set(sys.modules)
            print([end.code, errors.getvalue(), heavy or ""])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ends = [ast.literal_eval(line) for line in done.stdout.splitlines()]
    for words, (code, errors, heavy) in zip(runs, ends, strict=True):
        assert code == 2 and not heavy, words
        assert re.fullmatch(r"snapcut: /proc/none\S*: No such file or directory\n", errors), (words, errors)


def test_every_target_of_every_command_is_checked():
    """A parameter that is a path is either read by its command, or written and listed above."""
    read = {"file", "weights", "inputs", "gram"}
    code = """
from typing import get_type_hints
from snapcut.app import app as every
from snapcut.commands.simulate import offer_simulations, simulate
offer_simulations()
for app in (every, simulate):
    for name in app:
        if not name.startswith("-") and (function := app[name].default_command):
            for parameter, kind in get_type_hints(function).items():
                if "Path" in str(kind):
                    print(*app.name, name, parameter)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {tuple(line.removeprefix("snapcut ").rsplit(" ", 1)) for line in done.stdout.splitlines()}
    assert {target for target in found if target[1] not in read} == set(TARGETS)


def test_a_disk_that_fills_up_leaves_no_half_written_file(here, tmp_path):
    """A limit on file size stands in for the full disk: the write fails in the middle."""
    arguments = ["figures", "partition_threshold", "--out"]
    here(*arguments, tmp_path / "before")  # kernels are compiled and cached before the disk is full
    done = snapcut_on_a_small_disk(*arguments, tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == f"snapcut: {tmp_path}/out/partition_threshold.png: File too large\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_fills_up_ends_a_sweep_in_one_sentence(tmp_path):
    """Two workers at work, two hundred cells waiting: no remark of the pool, no traceback of its thread."""
    done = snapcut_on_a_small_disk(
        *("sweep", "toy.toml", "--out", "out", "--processes", "2"),
        **toy_sweep(tmp_path, 200),
    )
    assert done.returncode == 2
    assert re.fullmatch(r"snapcut: out/cells/\w+\.json: File too large\n", done.stderr), done.stderr
    assert not [path.name for path in (tmp_path / "out" / "cells").iterdir() if path.suffix != ".json"]
