"""Caches of compiled kernels, damaged in every way: the same numbers, and a line where it matters."""

import os
import shutil
from pathlib import Path

from tests.torture.parts import Part

WORDS = ("simulate", "partition", "--n", "8", "--trials", "100", "--json", "-")


def run(part: Part) -> None:
    """Damage one file of the cache, run, and compare; until the time is spent."""
    cache = part.folder / "cache"
    environment = {**os.environ, "SNAPCUT_CACHE": str(cache)}
    wanted = part.snapcut(*WORDS, env=environment)
    part.hold((wanted.returncode, wanted.stderr) == (0, ""), f"with a fresh cache: {wanted.stderr}")
    part.hold(any(cache.rglob("*.nbc")), "nothing is cached")
    for _ in part.rounds():
        paths = sorted(path for path in cache.rglob("*.nb?") if path.is_file())
        if not paths:
            break
        way = _damage(part, paths[int(part.rng.integers(len(paths)))])
        done = part.snapcut(*WORDS, env=environment)
        same = (done.returncode, done.stdout) == (0, wanted.stdout)
        part.hold(same, f"{way}: exit {done.returncode}, {done.stderr}")
        part.count("damaged files compiled again")


def _damage(part: Part, path: Path) -> str:
    content = bytearray(path.read_bytes())
    ways = ["emptied", "cut", "flipped", "noise", "deleted", "a folder", "another file"]
    way = ways[int(part.rng.integers(len(ways)))]
    if way == "emptied":
        path.write_bytes(b"")
    elif way == "cut":
        path.write_bytes(content[: int(part.rng.integers(len(content)))])
    elif way == "flipped":
        content[int(part.rng.integers(len(content)))] ^= 1 << int(part.rng.integers(8))
        path.write_bytes(content)
    elif way == "noise":
        path.write_bytes(part.rng.bytes(len(content)))
    elif way == "deleted":
        path.unlink()
    elif way == "a folder":
        path.unlink()
        path.mkdir()
        (path / "file").touch()
    else:
        others = [other for other in path.parent.glob(f"*{path.suffix}") if other.is_file()]
        shutil.copyfile(others[int(part.rng.integers(len(others)))], path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
    return f"{path.name} {way}"
