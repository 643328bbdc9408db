"""Files that are either whole or absent, and contents that tell when they were damaged."""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
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

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "a.txt") as file:
    ...     _ = file.write("whole")
    >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
    ('whole', 1)
    """
    encoding = None if "b" in mode else "utf-8"
    try:
        before = os.stat(path)
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        with open(path, mode, encoding=encoding) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes 0600; a new result is an ordinary file, an old one keeps its mode
        os.chmod(name, stat.S_IMODE(before.st_mode) if before else 0o666 & ~_UMASK)
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


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
        del content["checksum"]
        whole = isinstance(content, dict) and sealed(content) == text
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError("its checksum does not fit its contents")
    return content
