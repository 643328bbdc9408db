"""The command as a user meets it: help, one sentence for bad input, what a terminal and a pipe get."""

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snapcut import __main__ as command_line

NETWORK = str(Path(__file__).parents[2] / "sims" / "data" / "digits_network.npz")
COMMAND = str(Path(sys.executable).with_name("snapcut"))


def test_help_names_every_command(here):
    done = here("--help")
    assert done.returncode == 0
    for command in ("check", "figures", "report", "simulate", "sweep", "weights"):
        assert command in done.stdout


def test_the_command_runs_again_in_the_same_process():
    """A program that calls `main` twice: a command must not be registered a second time."""
    code = """
import snapcut
for seed in "12":
    try:
        snapcut.main(["simulate", "partition", "--n", "8", "--trials", "100", "--seed", seed])
    except SystemExit as end:
        print("exit", end.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.count("exit 0") == 2, done.stdout + done.stderr
    assert done.stdout.count("P(perfect), measured") == 2
    assert done.stderr == ""


def test_help_imports_nothing_heavy():
    code = """
import sys, snapcut
for words in (["--help"], ["simulate", "--help"]):
    try:
        snapcut.main(words)
    except SystemExit:
        heavy = {"numpy", "scipy", "numba", "matplotlib", "sympy", "joblib"} & set(sys.modules)
        print(words, *heavy, "loaded")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "['--help'] loaded" in done.stdout and "['simulate', '--help'] loaded" in done.stdout


BAD = [
    (["chekc"], 'Unknown command "chekc"'),
    (["check", "nothing"], "no claim 'nothing'; there are kn."),
    (["check", "kn.treshold"], "no claim 'kn.treshold'; did you mean kn.threshold"),
    (["check", "--paper", "nobody"], "unknown paper 'nobody'"),
    (["check", "--budget", "huge"], "huge"),
    (["check", "--seed", "-1"], "seed"),
    (["check", "--seed", "soon"], '--seed must be a nonnegative integer or "random"'),
    (["figures", "nothing"], "no figure 'nothing'; there are"),
    (["figures", "snr_gaussian", "--set", "bits=9"], "bits must be an integer from 2 to 8, got 9"),
    (
        ["figures", "snr_gaussian", "--set", "df=2"],
        "figure snr_gaussian has no parameter 'df'; it takes bits=4",
    ),
    (["figures", "snr_gaussian", "--width", "50"], "the width must be from 3 to 20 inches, got 50"),
    (["figures", "partition_threshold", "--out", "/proc/nowhere"], "/proc/nowhere"),
    (["weights", "/nowhere/model.npz"], "/nowhere/model.npz"),
    (["weights", NETWORK, "--within", "0"], "--within must be a positive number"),
    (["weights", NETWORK, "--within", "nan"], "--within must be a positive number"),
    (
        ["weights", NETWORK, "--allocate", "17"],
        "--allocate must be a number of bits per weight above 0, at most 16",
    ),
    (["weights", NETWORK, "--bits", "4", "--allocate", "1"], "must be at least 2, what the cheapest formats"),
    (["weights", NETWORK, "--bits", "1-99999999999"], "bits must be an integer from 1 to 16"),
    (["weights", NETWORK, "--bits", "8-2"], "--bits must be a range"),
    (["simulate", "partition", "--n", "many"], "many"),
    (["simulate", "partition", "--n", "0", "--max-value", "10"], "n must"),
    (
        ["simulate", "partition", "--n", "200"],
        "n must be at most 44 for Monte Carlo",
    ),
    (["simulate", "partition", "--trials", "9" * 30], "trials must be an integer from 1 to 9007199254740992"),
    (["sweep", "/nowhere.toml"], "No such file"),
    (["layer", "--weights", NETWORK], "give either --inputs or --gram, or --data"),
    (["layer", "--weights", NETWORK, "--data", "digits", "--gram", NETWORK], "--data brings the inputs"),
    (["layer", "--weights", NETWORK, "--gram", NETWORK], "must hold one array of 2 or 4 dimensions"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD, ids=lambda x: " ".join(x) if isinstance(x, list) else ""
)
def test_bad_input_is_one_sentence_and_exit_code_two(here, arguments, message):
    done = here(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("snapcut: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_what_does_not_fit_in_memory_is_one_sentence(monkeypatch, capsys):
    def too_large(*_, **__):
        raise MemoryError("Unable to allocate 954. GiB")

    monkeypatch.setattr(command_line, "app", too_large)
    with pytest.raises(SystemExit) as end:
        command_line.main([])
    sentence = "what was asked for does not fit in memory: Unable to allocate 954. GiB"
    assert end.value.code == 2 and capsys.readouterr().err == f"snapcut: {sentence}\n"


@pytest.mark.parametrize("plain", [True, False])
def test_colours_only_where_they_are_wanted(plain):
    """On a terminal of its own, because a pipe never gets colours."""
    parent, child = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {
        "TERM": "xterm-256color"
    }
    if plain:
        environment["NO_COLOR"] = "1"
    process = subprocess.Popen(
        [COMMAND, "check", "ku.gaussian_pruning"], stdout=child, stderr=child, env=environment
    )
    os.close(child)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while part := os.read(parent, 4096):
            shown += part
    os.close(parent)
    assert process.wait() == 0
    assert b"holds" in shown
    assert (b"\x1b[32m" in shown) is not plain


def test_the_shell_completes_commands_and_options(snapcut, tmp_path):
    home = {**os.environ, "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    assert snapcut("--install-completion", env=home).returncode == 0
    (script,) = (path for path in tmp_path.rglob("snapcut") if path.is_file())
    words = "COMP_WORDS=(snapcut simulate pa) COMP_CWORD=2; _snapcut; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f". {script}; {words}"], capture_output=True, text=True)
    assert done.stdout.split() == ["partition", "path-following"]


def test_a_terminal_obeys_nothing_that_a_file_says(here, tmp_path):
    """Names of tensors judged and skipped, of the file itself, of options; in results and in errors."""
    evil = "a\x1b]0;owned\x07\x9b2J\u202e[red]"
    arrays = {f"{evil}{i}": np.random.default_rng(0).standard_normal((30, 30)) for i in range(2)}
    np.savez(tmp_path / f"{evil}.npz", **arrays, **{f"{evil}s": np.zeros(3)})
    (tmp_path / f"{evil}.npy").write_bytes(b"x")
    (tmp_path / f"{evil}.toml").write_text('simulation = "partition"\nmax_value = 9\n[grid]\nn = [4]\n')
    (tmp_path / evil / "cells").mkdir(parents=True)
    runs = [
        here("weights", tmp_path / f"{evil}.npz"),
        here("weights", tmp_path / f"{evil}.npy"),
        here("weights", tmp_path / f"{evil}.none"),
        here("weights", tmp_path / f"{evil}.npz", f"--{evil}"),
        here("sweep", tmp_path / f"{evil}.toml"),
        here("check", evil),
    ]
    assert [done.returncode for done in runs] == [0, 2, 2, 2, 0, 2]
    for done in runs:
        text = done.stdout + done.stderr
        assert not [c for c in text if not c.isprintable() and c != "\n"]
        assert r"a\x1b]0;owned\x07\x9b2J\u202e[red]" in text


def test_a_closed_pipe_is_no_verdict():
    process = subprocess.Popen([COMMAND, "check", "ku.gaussian_pruning"], stdout=-1, stderr=-1, text=True)
    process.stdout.close()
    assert process.wait(timeout=120) == 141
    assert process.stderr.read() == ""
    process.stderr.close()
