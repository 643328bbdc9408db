"""Finished rows are kept, one file each, and not judged again: a run that was killed goes on from there."""

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from sims.checkpoints import Tensor
from sims.montecarlo.store import source_digest
from sims.support.files import atomic_write, sealed, unsealed
from sims.weights.formats import Stored
from sims.weights.network import Signal
from sims.weights.table import TensorRow

Judged = tuple[TensorRow | str, bytes]  # a row, or why there is none; the digest of the values


class Kept:
    """Finished rows of one network in a folder.

    A row's file is named by a hash of the network's files (names, sizes, times), the tensor, what was asked
    of it, and the sources it was computed by: anything else is another row.

    Parameters
    ----------
    folder
        Made where it is missing.
    identity
        Of the network's files.
    options
        What every tensor was asked: widths, formats.
    """

    def __init__(self, folder: Path, identity: str, options: Sequence) -> None:
        self.folder = folder
        self.common = [identity, list(options), source_digest()]

    def _path(self, tensor: Tensor) -> Path:
        own = [
            tensor.file,
            tensor.name,
            list(tensor.shape),
            tensor.dtype,
            tensor.nbytes,
            str(tensor.axis),
            tensor.note,
        ]
        digest = hashlib.sha256(json.dumps([self.common, own]).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"

    def get(self, tensor: Tensor) -> Judged | None:
        """What was found, or None; a damaged file is reported, and counts as none."""
        path = self._path(tensor)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            found = unsealed(text)
            row = found["row"]
            return (row if isinstance(row, str) else _row(row)), bytes.fromhex(found["digest"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.warn(f"{path} is damaged and its tensor is judged again: {error}", stacklevel=2)
            return None

    def put(self, tensor: Tensor, judged: Judged) -> None:
        """Keep what was found."""
        row, digest = judged
        content = row if isinstance(row, str) else dataclasses.asdict(row)
        with atomic_write(self._path(tensor)) as file:
            file.write(sealed(json.loads(json.dumps({"row": content, "digest": digest.hex()}))))


def _row(content: dict) -> TensorRow:
    by_width = {
        name: {int(bits): value for bits, value in content[name].items()}
        for name in ("quantization", "pruning", "zeros")
    }
    return TensorRow(
        name=content["name"],
        shape=tuple(content["shape"]),
        size=content["size"],
        kurtosis=content["kurtosis"],
        peak=content["peak"],
        **by_width,
        signal=Signal(**content["signal"]),
        nbytes=content["nbytes"],
        note=content["note"],
        stored=tuple(Stored(**one) for one in content["stored"]),
    )
