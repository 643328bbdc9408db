"""Compiled kernels, and where their machine code is cached.

Numba's disk cache checks only the file a kernel stands in: when a helper in *another* file changes, a
stale kernel is loaded. The cache folder is therefore named by a hash of every kernel source, so that any
change starts a fresh one. This must happen before the first kernel is decorated, hence here, in the
package that every kernel module is imported through.
"""

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path


def source_hash() -> str:
    """Sixteen hex digits that change whenever any kernel source changes."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Folder of all caches: $SNAPCUT_CACHE, else $XDG_CACHE_HOME/snapcut, else ~/.cache/snapcut."""
    if chosen := os.environ.get("SNAPCUT_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snapcut"


def _point_numba_at(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        # A read-only home must not stop a run. Cached code is loaded like a program, so the folder must be
        # nobody else's: a fresh one, which dies with this process's temporary files.
        folder = Path(tempfile.mkdtemp(prefix="snapcut-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # imported earlier by the caller: the environment was already read
        sys.modules["numba"].config.CACHE_DIR = str(folder)


_point_numba_at(cache_root() / f"kernels-{source_hash()}")
