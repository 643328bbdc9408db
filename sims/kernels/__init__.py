"""Compiled kernels, and where their machine code is cached.

Numba's disk cache checks only the file a kernel stands in: when a helper in *another* file changes, a
stale kernel is loaded. The cache folder is therefore named by a hash of every kernel source, so that any
change starts a fresh one. This must happen before the first kernel is decorated, hence here, in the
package that every kernel module is imported through. And numba trusts what it finds there: the files are
sealed with a checksum here, so that a damaged one is compiled again.
"""

import atexit
import contextlib
import functools
import gc
import hashlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: every process compiles what it needs
    fcntl = None  # type: ignore[assignment]


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

from numba import njit  # noqa: E402  (only now: numba reads the environment at its import)
from numba.core import caching, event  # noqa: E402  (only now: numba reads the environment at its import)


@functools.cache
def _report_once(line: str) -> None:
    """One line for each thing to say; paths stand in it as Python writes them, being anybody's names."""
    with contextlib.suppress(OSError, AttributeError):  # standard error may be full, or closed
        sys.stderr.write(f"snapcut: {line}\n")


@functools.cache
def _locks() -> int:
    """A file whose bytes are locked: such locks end with their process, and no child inherits them."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.open(Path(os.environ["NUMBA_CACHE_DIR"]) / "locks", flags, 0o666)


def _lock(what: str) -> int | None:
    """The byte that stands for something, once no other process has it; None where that can not be had."""
    place, end = int.from_bytes(hashlib.sha256(what.encode()).digest()[:4]), time.monotonic() + _PATIENCE
    try:
        file = _locks()
    except OSError:
        return None
    while fcntl is not None and time.monotonic() < end:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            return place
        except (BlockingIOError, PermissionError):  # another process has it: systems differ in the error
            time.sleep(0.02)
        except OSError:
            break
    return None


def _unlock(place: int | None) -> None:
    if place is not None:
        fcntl.lockf(_locks(), fcntl.LOCK_UN, 1, place)


_PATIENCE = 60.0  # seconds
_held: dict[tuple[str, Any], int | None] = {}  # locks of what is being compiled


class _SealedFile(caching.IndexDataCacheFile):
    """Numba's index and machine code on the disk, each followed by a checksum.

    Numba unpickles and runs what it finds: a truncated file ends the program, a flipped bit in machine code
    can do anything. Here a file is read only if it is what was written under its name; another is compiled
    anew. Numba itself stops reading before the checksum. A cache that cannot be written (a full disk) is
    done without.

    Processes that start together want the same kernels: one compiles, the others wait and find what it made.
    And one at a time writes an index: another's entries would be lost.

    Machine code is named by what it was compiled for and lies on the disk before the index speaks of it.
    (Numba numbers the files of an index and writes the index first: killed in between, beside files that an
    earlier index had numbered, it left integers' machine code to be run on floats.)
    """

    def load(self, key):
        found = super().load(key)
        if found is None:
            place = _lock(f"{self._index_path} {key!r}")
            found = super().load(key)
            if found is None:
                _held[self._index_path, key] = place
            else:
                _unlock(place)
        return found

    def _sound(self, path: str) -> bool:
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            return True  # nothing there is nothing damaged
        except OSError:
            content = b""
        if _seal(path, content[:-_SEAL]) == content[-_SEAL:]:
            return True
        _report_once(f"the compiled kernel {path!r} is damaged and is compiled again")
        return False

    def _load_index(self):
        return super()._load_index() if self._sound(self._index_path) else {}

    def _load_data(self, name):
        if not self._sound(self._data_path(name)):
            raise FileNotFoundError(name)  # to numba it is missing
        return super()._load_data(name)

    def save(self, key, data):
        writing = _lock(self._index_path)
        number = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6])
        try:
            overloads = self._load_index()
            name = overloads.setdefault(key, self._data_name(number))
            self._save_data(name, data)
            self._save_index(overloads)
        except OSError as error:
            _report_once(f"compiled kernels are not kept in {self._cache_path!r}: {error.strerror or error}")
        finally:
            _unlock(writing)
            _unlock(_held.pop((self._index_path, key), None))

    @contextlib.contextmanager
    def _open_for_write(self, filepath):
        with super()._open_for_write(filepath) as file:
            content = io.BytesIO()
            yield content
            file.write(content.getvalue() + _seal(filepath, content.getvalue()))


def _seal(path: str, content: bytes) -> bytes:
    """Checksum of a file and its name: the sound file of another kernel is none of this one."""
    return hashlib.sha256(Path(path).name.encode() + b"\0" + content).digest()


_SEAL = hashlib.sha256().digest_size
caching.IndexDataCacheFile = _SealedFile  # type: ignore[misc]


_OBJECTS = 50_000  # a compilation makes millions that live on: looking for garbage took a tenth of its time


class _Compiling(event.Listener):
    """Says on a terminal that kernels are being compiled, and in the end which, and for how long.

    Every process that is nobody's worker says so, and the worker that begins to fill an empty cache.
    """

    def __init__(self) -> None:
        self.depth, self.begun, self.seconds = 0, 0.0, dict[str, float]()
        self.collecting = gc.get_threshold()
        self.alone = multiprocessing.current_process().name == "MainProcess"

    def on_start(self, event: event.Event) -> None:
        self.depth += 1  # a kernel compiles those that it calls; meanwhile numba keeps other threads out
        if self.depth == 1:
            self.begun = time.perf_counter()
            self.collecting = gc.get_threshold()
            gc.set_threshold(_OBJECTS, *self.collecting[1:])
            if not self.seconds and (_first_here() or self.alone) and sys.stderr.isatty():
                _report_once(
                    f"compiling kernels at their first use; kept in {os.environ['NUMBA_CACHE_DIR']!r}"
                )

    def on_end(self, event: event.Event) -> None:
        self.depth -= 1
        if tuple(event.data["args"]) not in event.data["dispatcher"].overloads:  # failed, or interrupted
            while _held:
                _unlock(_held.popitem()[1])
        if self.depth == 0:
            gc.set_threshold(*self.collecting)
            module = event.data["dispatcher"].py_func.__module__  # None where a caller's own was made by exec
            name = (module or "").rpartition(".")[2]
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - self.begun

    def sum_up(self) -> None:
        """The line at the end."""
        if self.seconds and self.alone and sys.stderr.isatty():
            longest = sorted(self.seconds.items(), key=lambda pair: -pair[1])
            which = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in longest)
            _report_once(f"compiled {which}; the next run finds them")


def _first_here() -> bool:
    """Whether this is the first compilation that the cache folder sees."""
    try:
        os.close(os.open(Path(os.environ["NUMBA_CACHE_DIR"]) / "begun", os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True


compiling = _Compiling()
event.register("numba:compile", compiling)
atexit.register(compiling.sum_up)


def kernel(function: Callable | None = None, **options: Any) -> Any:
    """Decorator: numba's `njit` with what every kernel has, `options` besides.

    Its machine code is kept on the disk, other threads run beside it, and there is no second way in for C,
    which nobody uses and which took an eighth of the time of compiling.
    """
    chosen = {"cache": True, "nogil": True, "no_cfunc_wrapper": True, **options}
    return njit(**chosen) if function is None else njit(**chosen)(function)
