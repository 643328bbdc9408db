"""Files that are either whole or absent, and contents that tell when they were damaged."""

import contextlib
import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

_UMASK = os.umask(0)  # the mask can only be read by setting it, which is not thread-safe: once, here
os.umask(_UMASK)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a temporary file beside `path` and rename it onto `path` only when the block ends without error.

    A full disk, an exception or Ctrl-C inside the block leaves `path` as it was and no temporary file
    behind. A link is followed and an existing file keeps its permissions; what is no ordinary file (a device,
    a pipe) is written to directly, because a rename would destroy it.

    Parameters
    ----------
    path
        Path of the file to write; its folder is created.
    mode
        "w" (UTF-8 text) or "wb".

    Raises
    ------
    OSError
        It cannot be written; the error names `path`, also where the system names no file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "a.txt") as file:
    ...     _ = file.write("whole")
    >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
    ('whole', 1)
    """
    with naming(path):
        if not _is_ordinary(path):
            with open(path, mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
            return
        waiting = _Waiting(path, mode)
        try:
            yield waiting.file
            waiting.finish()
            waiting.place()
        finally:
            waiting.drop()


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files so that all appear or none; each is whole in any case.

    All are on the disk under other names before the first takes its place, and an interruption in between
    waits until the last has. Only the death of the process (or of the machine) in the instant of the renames
    can leave a part of them.

    Parameters
    ----------
    contents
        What to write into each path; their folders are created.

    Raises
    ------
    OSError
        One of them cannot be written; it is named, and none has appeared.
    """
    waiting: list[_Waiting] = []
    try:
        for path, content in contents.items():
            with naming(path):
                if os.path.isdir(path):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
                waiting.append(_Waiting(path, "wb"))
                waiting[-1].file.write(content)
                waiting[-1].finish()
        try:
            for one in waiting:
                with naming(one.target):
                    one.place()
        except (KeyboardInterrupt, SystemExit):
            for one in waiting:
                with contextlib.suppress(FileNotFoundError):  # in its place already
                    one.place()
            raise
    finally:
        for one in waiting:
            one.drop()


def check_target(path: str | Path | None) -> None:
    """Notice now, not after the work, that `path` cannot be written; nothing is left behind.

    The folder (or the nearest one above it that is there) must take a small file.

    Raises
    ------
    OSError
        The folder is missing and cannot be made, read-only or full, or `path` is a folder; `path` is named.
    """
    if path is None:
        return
    with naming(path):
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not _is_ordinary(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return
        folder = Path(os.path.realpath(path)).parent
        while not os.path.lexists(folder):
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder, prefix=_TEMPORARY) as file:
            file.write(bytes(_PROBE))


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An error of the system inside that names no file ("no space left"), or a temporary one, names it."""
    try:
        yield
    except OSError as error:
        text = str(error.filename or "")
        if error.errno is None or (text and not Path(text).name.startswith(_TEMPORARY)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None


def discard_unfinished() -> None:
    """Delete what is being written in this process: it is about to end without unwinding."""
    for name in list(_unfinished):
        with contextlib.suppress(OSError):
            os.unlink(name)


def discard_abandoned(folder: Path) -> None:
    """Delete what killed processes left unfinished in `folder`, where nobody else may be writing."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            path.unlink()


_TEMPORARY = ".snapcut-"  # how the names of unfinished files begin
_PROBE = 4096  # bytes: a disk that takes no block more is full
_unfinished: set[str] = set()


class _Waiting:
    """A file written under another name in the folder of `path`, until it takes its place."""

    def __init__(self, path: str | Path, mode: str):
        self.target = Path(os.path.realpath(path))
        self.target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, self.name = tempfile.mkstemp(dir=self.target.parent, prefix=_TEMPORARY)
        _unfinished.add(self.name)
        self.file: IO = os.fdopen(descriptor, mode, encoding=None if "b" in mode else "utf-8")

    def finish(self) -> None:
        """Everything is on the disk, with the permissions of an ordinary new file, or of the old one."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        with contextlib.suppress(FileNotFoundError):
            os.chmod(self.name, stat.S_IMODE(os.stat(self.target).st_mode))
            return
        os.chmod(self.name, 0o666 & ~_UMASK)  # mkstemp makes 0600

    def place(self) -> None:
        """Rename it onto its target."""
        os.replace(self.name, self.target)

    def drop(self) -> None:
        """Leave nothing behind that is not in its place."""
        with contextlib.suppress(OSError):  # closing flushes once more, onto a disk that may be full
            self.file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name)
        _unfinished.discard(self.name)


def _is_ordinary(path: str | Path) -> bool:
    """A file, or nothing yet."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def sealed(content: dict[str, Any]) -> str:
    """JSON of `content` with a checksum of its text, for :func:`unsealed`.

    Examples
    --------
    >>> unsealed(sealed({"x": [0.1, None]}))
    {'x': [0.1, None]}
    >>> unsealed(sealed({"x": 1}).replace("1", "2", 1))
    Traceback (most recent call last):
    ...
    ValueError: its checksum does not fit its contents
    """
    body = json.dumps(content)
    return f'{body[:-1]}, "checksum": "{hashlib.sha256(body.encode()).hexdigest()}"}}'


def unsealed(text: str) -> dict[str, Any]:
    """The content of a sealed text; any change to it is a ValueError, and so is what was never sealed."""
    try:
        content = json.loads(text)
        del content["checksum"]  # of anything but an object: a TypeError
        whole = sealed(content) == text
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError("its checksum does not fit its contents")
    return content
