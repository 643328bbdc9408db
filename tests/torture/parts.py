"""What the parts of the torture share: time to spend, promises to hold, and commands to run."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

COMMAND = str(Path(sys.executable).with_name("snapcut"))
PATIENCE = 300  # seconds; a loaded machine is slow, but nothing hangs


class Part:
    """One kind of torture: its own seed and time, the figures it found, the promises that were broken."""

    def __init__(self, name: str, seed: int, seconds: float, folder: Path):
        self.name, self.folder, self.seconds = name, folder, seconds
        self.rng = np.random.default_rng([seed, *name.encode()])
        self.figures: dict[str, float | str] = {}
        self.broken: list[str] = []
        folder.mkdir(parents=True)

    def rounds(self) -> Iterator[int]:
        """Count rounds until the time is spent; at least one."""
        end = time.monotonic() + self.seconds
        for number in range(2**31):
            if number and time.monotonic() > end:
                return
            yield number

    def count(self, what: str, number: float = 1) -> None:
        """Add to a figure."""
        self.figures[what] = float(self.figures.get(what, 0)) + number

    def largest(self, what: str, number: float) -> None:
        """Raise a figure that is a maximum."""
        self.figures[what] = max(float(self.figures.get(what, 0)), number)

    def hold(self, promise: bool, sentence: str) -> bool:
        """Note a broken promise."""
        if not promise:
            self.broken.append(f"{self.name}: {sentence}")
        return promise

    def snapcut(self, *words: object, **options) -> subprocess.CompletedProcess[str]:
        """Run a command; whatever happens it says sentences, and never a traceback."""
        done = subprocess.run(
            [COMMAND, *map(str, words)],
            **{"capture_output": True, "text": True, "timeout": PATIENCE, "cwd": self.folder, **options},
        )
        self.sentences(done.stderr, " ".join(map(str, words)))
        self.count("commands run")
        return done

    def sentences(self, errors: str, where: str) -> None:
        """Hold that a program's standard error is lines of its own."""
        lines = [line for line in errors.splitlines() if not line.startswith("snapcut: ")]
        self.hold(not lines, f"{where}: {lines[:3]}")


def leftovers(folder: Path) -> list[str]:
    """Files that were being written and are neither whole nor gone."""
    return [path.name for path in folder.rglob(".snapcut-*")]


def resident(pid: int) -> float:
    """Memory of a process in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def path_with(folder: Path) -> dict[str, str]:
    """An environment in which modules are also found in `folder`."""
    return {**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}"}
