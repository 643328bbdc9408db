"""Sweeps that are killed, ended, interrupted and damaged until they are done: the same bytes come out."""

import hashlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.torture.parts import COMMAND, Part, alive, leftovers, path_with

# A simulation that draws as ours do and takes a while; it notes where it runs.
TOY = """
import os, pathlib, time
from sims.montecarlo import stream
from sims.support.row import Row

def simulate(x, log, seed):
    (pathlib.Path(log) / str(os.getpid())).touch()
    time.sleep(0.05)
    value = float(stream(seed, ("toy", x), 0).random())
    return [Row("a draw", measured=value, low=value / 2, high=1.0, trials=1)]
"""
CELLS = 40
ENDS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}


def run(part: Part) -> None:
    """Until the time is spent: a sweep is ended again and again, damaged in between, and then finished."""
    toy_sweep(part.folder, CELLS)
    words = ["sweep", "toy.toml", "--processes", "2", "--out"]
    done = part.snapcut(*words, "whole", env=path_with(part.folder))
    part.hold(done.returncode == 0, f"an undisturbed sweep ends with {done.returncode}")
    wanted = (part.folder / "whole" / "sweep.csv").read_bytes()
    for number in part.rounds():
        name = f"broken{number}"
        _end_often(part, [*words, name, "--resume"], name)
        done = part.snapcut(*words, name, "--resume", env=path_with(part.folder))
        part.hold(done.returncode == 0, f"{name}: resumed, it ends with {done.returncode}: {done.stderr}")
        csv = part.folder / name / "sweep.csv"
        part.hold(csv.exists() and csv.read_bytes() == wanted, f"{name}: other bytes than undisturbed")
        part.hold(not leftovers(part.folder / name), f"{name}: {leftovers(part.folder / name)}")
        part.count("sweeps finished with the same bytes")


def toy_sweep(folder: Path, cells: int) -> None:
    """Write toy.toml, a sweep over so many cells."""
    (folder / "toy_simulation.py").write_text(TOY)
    (folder / "log").mkdir()
    fixed = f'simulation = "toy_simulation:simulate"\nlog = "{folder}/log"\n'
    (folder / "toy.toml").write_text(f"{fixed}[grid]\nx = {list(range(cells))}\n")


def _end_often(part: Part, words: list[str], name: str) -> None:
    cells = part.folder / name / "cells"
    damaged = ""
    for _ in range(4):
        before = _checksums(cells)
        before.pop(damaged, None)
        for log in (part.folder / "log").iterdir():
            log.unlink()
        process = subprocess.Popen(
            [COMMAND, *words],
            cwd=part.folder,
            env=path_with(part.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _wait(process, lambda: any((part.folder / "log").iterdir()), 120)
        time.sleep(float(part.rng.uniform(0, 0.8)))
        if part.rng.random() < 0.5:
            second = part.snapcut(*words, env=path_with(part.folder))
            refused = second.returncode == 2 and "another sweep is running" in second.stderr
            part.hold(refused or process.poll() is not None, f"{name}: two at once: {second.stderr}")
            part.count("second runs in one folder refused", refused)
        number = part.rng.choice(list(ENDS))
        over = process.poll() is not None
        process.send_signal(int(number))
        start = time.monotonic()
        _, errors = process.communicate(timeout=60)
        part.sentences(errors, f"{name}: {signal.Signals(number).name}")
        ends = (ENDS[number], -number, 0)  # the second: before the command heard of signals
        part.hold(over or process.returncode in ends, f"{name}: exit {process.returncode}")
        if not over and number != signal.SIGKILL:
            part.largest("longest end after a signal (s)", time.monotonic() - start)
            part.hold(not leftovers(cells), f"{name}: {leftovers(cells)}")
        workers = [int(log.name) for log in (part.folder / "log").iterdir()]
        ended = _wait(None, lambda workers=workers: not any(map(alive, workers)), 10)
        part.largest("workers outlive their parent by (s)", ended)
        part.hold(ended < 10, f"{name}: workers {[w for w in workers if alive(w)]} go on")
        after = _checksums(cells)
        lost = [cell for cell, checksum in before.items() if after.get(cell) != checksum]
        part.hold(not lost, f"{name}: finished cells {lost} changed")
        part.count(f"ended by {signal.Signals(number).name}")
        damaged = _damage(part, cells)


def _checksums(cells: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in cells.glob("*.json")}


def _damage(part: Part, cells: Path) -> str:
    """Flip one bit of a finished cell, and name it."""
    paths = sorted(cells.glob("*.json"))
    if not paths:
        return ""
    path = paths[int(part.rng.integers(len(paths)))]
    content = bytearray(path.read_bytes())
    content[int(part.rng.integers(len(content)))] ^= 1 << int(part.rng.integers(8))
    path.write_bytes(content)
    part.count("cells damaged by one bit")
    return path.name


def _wait(process: subprocess.Popen | None, until: Callable[[], bool], seconds: float) -> float:
    """Seconds until something is so, or the process has ended."""
    start = time.monotonic()
    while not until() and (process is None or process.poll() is None):
        if time.monotonic() - start > seconds:
            break
        time.sleep(0.01)
    return time.monotonic() - start
