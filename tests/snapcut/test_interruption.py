"""Ctrl-C at any time: one line, exit code 130, whole files."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("snapcut"))


def test_interruption_leaves_no_half_written_file(tmp_path):
    """Interrupted as soon as the first files stand: all that is there is whole, and there is no more."""
    names = ("partition_threshold", "path_following_bounds", "weights_scatter")
    process = subprocess.Popen(
        [COMMAND, "figures", *names, "--out", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    give_up = time.monotonic() + 120
    while not list(tmp_path.glob("out/*.json")):
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, 0)  # 0: everything had been written before the signal came
    kept = len(list(tmp_path.glob("out/*.json")))
    rest = " ".join([*names[kept:], "--out", str(tmp_path / "out"), "--budget", "quick", "--seed", "0"])
    line = f"snapcut: interrupted; {kept} figure{'s' * (kept > 1)} in {tmp_path}/out kept; the rest: snapcut"
    assert errors == (f"{line} figures {rest}\n" if process.returncode else "")
    files = list((tmp_path / "out").iterdir())
    assert not [path for path in files if path.name.startswith(".")]
    assert len(files) == 4 * kept
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content.endswith(b"IEND\xaeB`\x82")
        elif path.suffix == ".json":
            assert json.loads(content)["figure"] == path.stem


def test_a_figure_written_when_the_signal_came_is_counted(capfd, tmp_path, monkeypatch):
    """Between its last file's place and the next line of the command."""
    from figures import build
    from snapcut import main

    save = build.save

    def interrupted(*given):
        save(*given)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(build, "save", interrupted)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # `main` sets its own
    with pytest.raises(SystemExit) as end:
        main(["figures", "storage_break_even", "hardware_roofline", "--out", str(tmp_path)])
    said = capfd.readouterr().err
    assert end.value.code == 130 and said.startswith(f"snapcut: interrupted; 1 figure in {tmp_path} kept; ")
    (name,) = (path.stem for path in tmp_path.glob("*.json"))
    assert name not in said.partition("the rest:")[2]
    assert len(list(tmp_path.iterdir())) == 4


def test_interruption_at_any_time_is_one_line_and_exit_code_130():
    for moment in (0.4, 0.9, 1.5):
        process = subprocess.Popen(
            [COMMAND, "check"], stdout=-1, stderr=-1, text=True, start_new_session=True
        )
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if process.returncode != -signal.SIGINT:  # before `main` began, with nothing to say
            assert process.returncode == 130, errors
            assert errors == "snapcut: interrupted; nothing was kept; again: snapcut check\n"


# The entry point of the command, interrupted when it looks for a module, or after everything at exit.
ENTRY = """
import atexit, os, signal, sys

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            interrupt()

if sys.argv[1] == "exit":
    atexit.register(interrupt)
sys.meta_path.insert(0, Finder())
command = sys.argv[2:]
sys.argv[0] = command[0]
from snapcut import main
main(command[1:])
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("cyclopts", -signal.SIGINT),
        ("sims.support", -signal.SIGINT),
        ("numpy", 130),
        ("numba", 130),
        ("exit", 0),
    ],
)
def test_interruption_while_modules_load_or_at_exit_is_never_a_traceback(module, code):
    words = [COMMAND, "simulate", "partition", "--n", "8", "--trials", "100"]
    done = subprocess.run([sys.executable, "-c", ENTRY, module, *words], capture_output=True, text=True)
    said = f"snapcut: interrupted; nothing was kept; again: {' '.join(['snapcut', *words[1:]])}\n"
    assert (done.returncode, done.stderr) == (code, said if code == 130 else "")


# A simulation whose threads are deaf for ten minutes; the first of them interrupts the command.
DEAF = """
import os, signal, sys, time
from sims.lottery import trials

def tickets(like, seeds):
    if not interrupted:
        interrupted.append(True)
        os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(600)

interrupted = []
trials._tickets = tickets
sys.argv[0] = sys.argv[2]
from snapcut import main
main(sys.argv[3:])
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "ended")]
)
def test_threads_that_hear_nothing_keep_no_interrupted_command_alive(number, code, word):
    words = [COMMAND, "simulate", "lottery", "--bits", "2", "--samples", "4", "--trials", "2000"]
    program = [sys.executable, "-c", DEAF, str(int(getattr(signal, number))), *words]
    environment = {**os.environ, "SNAPCUT_THREADS": "2"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120)
    said = f"snapcut: {word}; nothing was kept; again: {' '.join(['snapcut', *words[1:]])}\n"
    assert (done.returncode, done.stderr) == (code, said)
