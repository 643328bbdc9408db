"""The command line as a user meets it: output, exit codes, one sentence for bad input."""

import contextlib
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

NETWORK = str(Path(__file__).parents[1] / "sims" / "data" / "digits_network.npz")
COMMAND = str(Path(sys.executable).with_name("snapcut"))


def snapcut(*arguments, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)


def test_help_names_every_command():
    done = snapcut("--help")
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


@pytest.mark.parametrize("subject", ["partition", "subset-sum", "lottery", "path-following"])
def test_a_simulation_writes_its_rows(subject):
    content = json.loads(snapcut("simulate", subject, "--trials", "100", "--json", "-").stdout)
    assert content["simulation"] == subject.replace("-", "_") and content["parameters"] == {"trials": 100}
    keys = {"quantity", "measured", "low", "high", "theory", "source", "trials"}
    assert all(row.keys() == keys for row in content["rows"])
    first = content["rows"][0]
    assert first["low"] <= first["measured"] <= first["high"] and first["trials"] == 100


def test_check_one_claim_with_its_twins(tmp_path):
    done = snapcut("check", "kn.threshold", "--power", "--json", tmp_path / "verdicts.json")
    assert done.returncode == 0, done.stderr
    assert "holds" in done.stdout
    assert "refuted" in done.stdout
    assert done.stderr == ""
    rows = json.loads((tmp_path / "verdicts.json").read_text())["claims"]
    assert rows[0]["claim"] == "kn.threshold"
    assert rows[0]["verdict"] == "holds"
    assert rows[0]["twin"] is None
    assert all(row["verdict"] == "refuted" for row in rows if row["twin"])
    assert {"expected", "interval", "tightness", "seed", "seconds", "measurements"} <= rows[0].keys()


def test_json_to_stdout_is_json_alone():
    done = snapcut("check", "kn.threshold", "--json", "-")
    assert json.loads(done.stdout)["claims"][0]["claim"] == "kn.threshold"


def test_a_random_seed_is_logged():
    seeds = {
        json.loads(snapcut("check", "ku.", "--seed", "random", "--json", "-").stdout)["claims"][0]["seed"]
        for _ in "12"
    }
    assert len(seeds) == 2


def test_figures_are_listed_and_take_parameters(tmp_path):
    listed = snapcut("figures", "snr_", "--list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == [
        "snr_gaussian",
        "snr_stored_bits",
        "snr_student",
    ]
    assert "Kuzmin et al. 2023, Figure 1" in listed.stdout and "bits=4" in listed.stdout
    done = snapcut("figures", "snr_gaussian", "--set", "bits=3", "--width", "5.5", "--out", tmp_path)
    assert done.returncode == 0
    manifest = json.loads((tmp_path / "snr_gaussian.json").read_text())
    assert manifest["parameters"] == {"budget": "quick", "seed": 0, "bits": 3} and manifest["width"] == 5.5
    assert "3-bit quantization" in manifest["title"]


def test_figures_writes_and_names_its_files(tmp_path):
    done = snapcut("figures", "partition_threshold", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "partition_threshold.png")]
    assert len(list(tmp_path.iterdir())) == 4


BAD = [
    (["chekc"], 'Unknown command "chekc"'),
    (["check", "kn.nothing"], "no claim 'kn.nothing'; there are"),
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
    (["weights", NETWORK, "--bits", "1-99999999999"], "bits must be an integer from 1 to 16"),
    (["weights", NETWORK, "--bits", "8-2"], "--bits must be a range"),
    (["simulate", "partition", "--n", "many"], "many"),
    (["simulate", "partition", "--n", "0", "--max-value", "10"], "n must"),
    (["sweep", "/nowhere.toml"], "No such file"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD, ids=lambda x: " ".join(x) if isinstance(x, list) else ""
)
def test_bad_input_is_one_sentence_and_exit_code_two(arguments, message):
    done = snapcut(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("snapcut: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_full_disk_is_one_sentence():
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [COMMAND, "check", "ku.", "--json", "-"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "snapcut: No space left on device\n"


def test_a_disk_that_fills_up_leaves_no_half_written_file(tmp_path):
    """A limit on file size stands in for the full disk: the write fails in the middle."""

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    arguments = ["figures", "partition_threshold", "--out"]
    snapcut(*arguments, tmp_path / "before")  # kernels are compiled and cached before the disk is full
    done = snapcut(*arguments, tmp_path / "out", preexec_fn=small_disk)
    assert done.returncode == 2
    assert done.stderr.startswith("snapcut: ")
    assert "File too large" in done.stderr
    assert not [path for path in (tmp_path / "out").iterdir() if path.suffix == ".png" or path.name[0] == "."]


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
    assert "Traceback" not in errors
    files = list((tmp_path / "out").iterdir())
    assert not [path for path in files if path.name.startswith(".")]
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content.endswith(b"IEND\xaeB`\x82")
        elif path.suffix == ".json":
            assert json.loads(content)["figure"] == path.stem


def test_interruption_at_any_time_is_exit_code_130():
    for moment in (0.4, 0.9, 1.5):
        process = subprocess.Popen(
            [COMMAND, "check"], stdout=-1, stderr=-1, text=True, start_new_session=True
        )
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (130, -signal.SIGINT)  # the latter: before the first line of ours
        assert process.returncode != 130 or "Traceback" not in errors


def test_a_closed_pipe_is_no_verdict():
    process = subprocess.Popen([COMMAND, "check", "ku."], stdout=-1, stderr=-1, text=True)
    process.stdout.close()
    assert process.wait(timeout=120) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_names_from_a_file_are_shown_as_they_are(tmp_path):
    np.savez(tmp_path / "w.npz", **{"a[/b]": np.random.default_rng(0).standard_normal((30, 30))})
    done = snapcut("weights", tmp_path / "w.npz")
    assert done.returncode == 0
    assert "a[/b] " in done.stdout


def test_a_terminal_obeys_nothing_that_a_file_says(tmp_path):
    """Names of tensors judged and skipped, of the file itself, of options; in results and in errors."""
    evil = "a\x1b]0;owned\x07\x9b2J\u202e[red]"
    arrays = {f"{evil}{i}": np.random.default_rng(0).standard_normal((30, 30)) for i in range(2)}
    np.savez(tmp_path / f"{evil}.npz", **arrays, **{f"{evil}s": np.zeros(3)})
    (tmp_path / f"{evil}.npy").write_bytes(b"x")
    (tmp_path / f"{evil}.toml").write_text('simulation = "partition"\nmax_value = 9\n[grid]\nn = [4]\n')
    (tmp_path / evil / "cells").mkdir(parents=True)
    runs = [
        snapcut("weights", tmp_path / f"{evil}.npz"),
        snapcut("weights", tmp_path / f"{evil}.npy"),
        snapcut("weights", tmp_path / f"{evil}.none"),
        snapcut("weights", tmp_path / f"{evil}.npz", f"--{evil}"),
        snapcut("sweep", tmp_path / f"{evil}.toml"),
        snapcut("check", evil),
    ]
    assert [done.returncode for done in runs] == [0, 2, 2, 2, 0, 2]
    for done in runs:
        text = done.stdout + done.stderr
        assert not [c for c in text if not c.isprintable() and c != "\n"]
        assert r"a\x1b]0;owned\x07\x9b2J\u202e[red]" in text


def test_predictions_beside_the_verdicts(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.random.default_rng(0).standard_normal((30, 30)))
    done = snapcut("weights", tmp_path / "w.npz", "--bits", "2,4", "--predict", "--json", "-")
    assert json.loads(done.stdout)["prediction"] == [
        {"bits": bits, "always snap": 1.0, "kurtosis": 1.0, "student": 1.0} for bits in (2, 4)
    ]


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
        [COMMAND, "check", "ku.identities"], stdout=child, stderr=child, env=environment
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
