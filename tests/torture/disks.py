"""Disks that fill up at any point: whole results or none, and one sentence that names the file."""

import contextlib
import json
import os
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.torture.parts import Part, leftovers, path_with
from tests.torture.sweeps import toy_sweep

_SIZE = 1024  # KiB of the disk


def run(part: Part) -> None:
    """Fill a small disk to a random point, and let every kind of result be written onto it."""
    toy_sweep(part.folder, 12)
    with _small_disk(part.folder / "disk") as (disk, limit):
        part.figures["kind of disk"] = "a limit on file sizes" if limit else f"a file system of {_SIZE} KiB"
        jobs: list[tuple[str, ...]] = [
            ("figures", "partition_counts", "--out", str(disk / "figures")),
            ("sweep", "toy.toml", "--resume", "--out", str(disk / "sweep")),
            ("simulate", "partition", "--n", "8", "--trials", "100", "--json", str(disk / "rows.json")),
        ]
        for number in part.rounds():
            job = jobs[number % len(jobs)]
            free = float(part.rng.choice([0, 2, 6, 12, 40, 120, 900]))
            bounded = _fill(disk, free, limit)
            done = part.snapcut(*job, env=path_with(part.folder), preexec_fn=bounded)
            _judge(part, disk, job, done)
            part.count("runs on a filling disk")
        for path in disk.glob("figures/*"):
            path.unlink()


def _judge(part: Part, disk: Path, job: tuple[str, ...], done: subprocess.CompletedProcess[str]) -> None:
    what = " ".join(job[:2])
    fine = done.returncode in (0, 2)
    part.hold(fine, f"{what}: exit {done.returncode}: {done.stderr}")
    if done.returncode == 2:
        last = done.stderr.splitlines()[-1]
        named = re.fullmatch(rf"snapcut: {re.escape(str(disk))}\S*: (No space left|File too).*", last)
        part.hold(named is not None, f"{what}: {done.stderr!r}")
        part.count("refused with the file's name")
    part.hold(not leftovers(disk), f"{what}: {leftovers(disk)}")
    kinds = sorted(path.suffix for path in disk.glob("figures/*"))
    part.hold(len(kinds) in (0, 4), f"a part of a figure: {kinds}")
    for path in (*disk.glob("figures/*.json"), *disk.glob("sweep/cells/*.json"), *disk.glob("*.json")):
        with contextlib.suppress(OSError):
            part.hold(isinstance(json.loads(path.read_text()), dict), f"{path} is not whole")
            part.count("files found whole")


def _fill(disk: Path, free: float, limit: bool) -> Callable[[], None] | None:
    """Leave `free` KiB, and what earlier rounds wrote; or let no file grow beyond it."""
    if limit:
        size = int(free * 1024)
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    (disk / "filling").unlink(missing_ok=True)
    for path in disk.glob("*.json"):
        path.unlink()
    state = os.statvfs(disk)
    size = max(0, state.f_bavail * state.f_frsize - int(free * 1024))
    (disk / "filling").write_bytes(bytes(size))
    return None


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """A mounted file system of its own where that is allowed; else any folder, and limits on file sizes."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}k", "tmpfs", str(folder)]
    with contextlib.suppress(OSError):
        if subprocess.run(mount, capture_output=True).returncode == 0:
            try:
                yield folder, False
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=False)
            return
    yield folder, True
