"""The command line as a user meets it: output, exit codes, one sentence for bad input."""

import ast
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import snapcut as command_line
from sims.fine_tuning import available

NETWORK = str(Path(__file__).parents[1] / "sims" / "data" / "digits_network.npz")
COMMAND = str(Path(sys.executable).with_name("snapcut"))


def snapcut(*arguments, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)


def snapcut_on_a_small_disk(*arguments, **options):
    """With files of at most 8 KiB, set by a shell: this process may hold threads that a fork cannot take."""
    command = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


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


def test_claims_are_listed_and_named_by_their_beginnings():
    listed = snapcut("check", "kn.thr", "ku.gaussian_t", "--list")
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["claim", "kn.threshold", "ku.gaussian_table"]
    assert "kumar-natale, " in lines[1] and (listed.returncode, listed.stderr) == (0, "")
    every = json.loads(snapcut("check", "kn", "--list", "--json", "-").stdout)["claims"]
    assert len(every) > 40 and all(row["claim"].startswith("kn.") for row in every)


def test_every_measurement_of_a_verdict_is_shown_on_demand():
    content = json.loads(snapcut("check", "ku.mask", "--power", "--json", "-").stdout)
    shown = snapcut("check", "ku.mask", "--power", "--verbose").stdout.splitlines()
    measured = [m["name"] for row in content["claims"] for m in row["measurements"]]
    assert len(shown) == len(measured) + 2  # the header, and the sum below
    assert all(line.endswith(name) for line, name in zip(shown[1:-1], measured, strict=True))
    assert " printed 6.25 " in shown[1]  # what is stated stands beside what was measured


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
    listed = snapcut("figures", "snr_g", "snr_st", "--list")
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
    (["layer", "--weights", NETWORK], "give either --inputs or --gram"),
    (["layer", "--weights", NETWORK, "--gram", NETWORK], "must hold one array of 2 or 4 dimensions"),
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
    assert done.stderr == "snapcut: standard output: No space left on device\n"


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
import snapcut
from typing import get_type_hints
snapcut._offer_simulations()
for app in (snapcut.app, snapcut.simulate):
    for name in app:
        if not name.startswith("-") and (function := app[name].default_command):
            for parameter, kind in get_type_hints(function).items():
                if "Path" in str(kind):
                    print(*app.name, name, parameter)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {tuple(line.removeprefix("snapcut ").rsplit(" ", 1)) for line in done.stdout.splitlines()}
    assert {target for target in found if target[1] not in read} == set(TARGETS)


def test_a_disk_that_fills_up_leaves_no_half_written_file(tmp_path):
    """A limit on file size stands in for the full disk: the write fails in the middle."""
    arguments = ["figures", "partition_threshold", "--out"]
    snapcut(*arguments, tmp_path / "before")  # kernels are compiled and cached before the disk is full
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


def test_a_signalling_nan_is_no_news(tmp_path):
    """Tensors that hold one are skipped with their reason; numpy's remark on the cast reaches nobody."""
    odd = np.random.default_rng(0).standard_normal((30, 30)).astype(np.float32)
    odd.view(np.uint32)[0, 0] = 0x7FA00001
    np.savez(tmp_path / "w.npz", odd=odd, even=np.random.default_rng(0).standard_normal((30, 30)))
    done = snapcut("weights", tmp_path / "w.npz")
    assert (done.returncode, done.stderr) == (0, "")
    assert "skipped 1 (NaN or infinity): odd" in done.stdout
    done = snapcut("ticket", "--network", tmp_path / "w.npz", "--layers")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


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


def test_interruption_at_any_time_is_one_line_and_exit_code_130():
    for moment in (0.4, 0.9, 1.5):
        process = subprocess.Popen(
            [COMMAND, "check"], stdout=-1, stderr=-1, text=True, start_new_session=True
        )
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        if process.returncode != -signal.SIGINT:  # before `main` began, with nothing to say
            assert process.returncode == 130
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


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
def test_fine_tuning_a_network_and_its_ticket(tmp_path):
    options = ("--seeds", 2, "--pretraining", 3, "--epochs", 2, "--grid", "symmetric", "--processes", 1)
    done = snapcut("tune", "--bits", "2", *options, "--out", tmp_path / "out", "--json", "-")
    assert done.returncode == 0, done.stderr
    (line,) = json.loads(done.stdout)["table"]
    assert {"bits", "sparsity", "original", "qat", "prune", "qat - prune", "p", "seeds won"} == set(line)
    network = tmp_path / "out" / "networks" / "dense-digits-qat-2.npz"
    ticket = snapcut("ticket", "--network", network, "--data", "digits", "--bits", "2", "--json", "-")
    (row,) = json.loads(ticket.stdout)["tickets"]
    assert row["ticket accuracy"] == row["quantized accuracy"] == row["float accuracy"] > 0.8
    again = snapcut("tune", "--bits", "2", *options, "--out", tmp_path / "out")
    assert again.returncode == 2 and "holds 2 finished cells" in again.stderr


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "1"), "seeds must be at least 2 for the paired test, got 1"),
        (("--data", "cifar"), "data must be one of digits, mnist or a .npz file, got 'cifar'"),
        (("--method", "qat,none"), "method must be one of qat, ste, prune"),
        (("--bits", "17"), "bits must be an integer from 1 to 15, got 17"),
        (("--resume",), "--resume needs --out"),
    ],
)
def test_fine_tuning_that_cannot_be_is_one_sentence(options, message):
    done = snapcut("tune", *options)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_the_shell_completes_commands_and_options(tmp_path):
    home = {**os.environ, "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    assert snapcut("--install-completion", env=home).returncode == 0
    (script,) = (path for path in tmp_path.rglob("snapcut") if path.is_file())
    words = "COMP_WORDS=(snapcut simulate pa) COMP_CWORD=2; _snapcut; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f". {script}; {words}"], capture_output=True, text=True)
    assert done.stdout.split() == ["partition", "path-following"]


def test_bits_by_tensor_and_rotation_of_a_file(tmp_path):
    out = tmp_path / "out.json"
    done = snapcut("weights", NETWORK, "--bits", "4", "--allocate", "4.5", "--rotate", "--json", out)
    assert done.returncode == 0 and "dB gained by a rotation" in done.stdout
    assert "Formats by tensor within 4.5 bits: " in done.stdout
    content = json.loads(out.read_text())
    allocation = content["allocation"]
    assert allocation["bits_per_weight"] <= 4.5 and allocation["gap"] == 0 and allocation["gain"] >= 0
    assert [one["name"] for one in allocation["tensors"]] == [one["name"] for one in content["tensors"]]
    assert all(2 < one["kurtosis_rotated"] < 4 for one in content["tensors"])
    assert content["rotated"]["network"]["verdict"] == "snap"
