"""Runs kept on disk as they go: a file each, whole or absent, under an identity that covers every source."""

import hashlib
import io
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sims.montecarlo.store import source_digest
from sims.support.files import atomic_write

_SAVE_EVERY = 5.0  # seconds between saves of an unfinished run
_ENDING = ".run"


class Store:
    """The file of one run: its identity, the epochs done, the state after them, and a checksum over all.

    Parameters
    ----------
    folder
        Where runs are kept; the file is named by a hash of the identity.
    identity
        All that the run is made of, plain values; the sources of `theory` and `sims` are added.
    every
        Seconds from one save of an unfinished run to the next; 0 saves every epoch.

    Examples
    --------
    >>> import tempfile
    >>> store = Store(tempfile.mkdtemp(), {"bits": 4}, every=0)
    >>> store.load() is None
    True
    >>> store.save(1, [np.arange(3.0)], last=2)
    >>> store.load()
    (1, [array([0., 1., 2.])])
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], every: float = _SAVE_EVERY) -> None:
        self.identity = json.dumps({**identity, "sources": source_digest()}, sort_keys=True)
        name = hashlib.sha256(self.identity.encode()).hexdigest()[:24]
        self.path = Path(folder) / f"{name}{_ENDING}"
        self._every, self._next = every, time.monotonic() + every

    def load(self) -> tuple[int, list[np.ndarray]] | None:
        """(epochs done, state), or None where nothing is kept; a damaged file is reported and left out.

        Raises
        ------
        ValueError
            The file is whole and holds another run: it is not touched.
        """
        if not self.path.exists():
            return None
        try:
            identity, epochs, arrays = _unpacked(self.path.read_bytes())
        except (ValueError, OSError, KeyError) as error:
            warnings.warn(f"{self.path} cannot be resumed and is trained anew: {error}", stacklevel=2)
            return None
        if identity != self.identity:
            raise ValueError(f"{self.path} holds another run under this name; choose another folder")
        return epochs, arrays

    def save(self, epochs: int, state: Sequence[Any], last: int) -> None:
        """Keep the state after `epochs` epochs, if it is the last or the last save is long enough ago."""
        if epochs < last and time.monotonic() < self._next:
            return
        with atomic_write(self.path, "wb") as file:
            file.write(_packed(self.identity, epochs, [np.asarray(array) for array in state]))
        self._next = time.monotonic() + self._every


def _packed(identity: str, epochs: int, arrays: list[np.ndarray]) -> bytes:
    body = io.BytesIO()
    named = {f"array{i:03}": array for i, array in enumerate(arrays)}
    np.savez(body, identity=np.array(identity), epochs=np.array(epochs), **named)  # type: ignore[arg-type]
    return hashlib.sha256(body.getvalue()).digest() + body.getvalue()


def _unpacked(content: bytes) -> tuple[str, int, list[np.ndarray]]:
    """The parts of a packed file; nothing is read before its checksum fits."""
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise ValueError("its checksum does not fit its contents")
    with np.load(io.BytesIO(content[32:]), allow_pickle=False) as archive:
        arrays = [archive[name] for name in sorted(archive.files) if name.startswith("array")]
        return str(archive["identity"]), int(archive["epochs"]), arrays
