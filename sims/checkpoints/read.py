"""Weight files of every kind that is read, opened by their contents.

None of the readers can run code: ``allow_pickle`` stays off, safetensors, npy and GGUF are plain data, torch
pickles are interpreted symbolically (:mod:`sims.checkpoints.pickle_machine`). Whatever a reader or the
library behind it raises becomes one ValueError that names the file, and the tensor where there is one
(:func:`sims.checkpoints.tensor.boundary`); a single array that is not numeric is left out with its reason.
"""

import gzip
import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from sims.checkpoints import folders
from sims.checkpoints.gguf_files import read_gguf
from sims.checkpoints.hdf5_files import read_hdf5, read_keras
from sims.checkpoints.kinds import kind_of
from sims.checkpoints.limits import INFLATED
from sims.checkpoints.npy_files import read_npy, read_npz
from sims.checkpoints.onnx_files import read_onnx
from sims.checkpoints.safetensors_files import read_safetensors
from sims.checkpoints.tensor import Checkpoint, Contents, Tensors, boundary, unreadable
from sims.checkpoints.torch_files import read_torch

_READERS: dict[str, Callable[[Path], Tensors]] = {
    "npz": read_npz,
    "npy": read_npy,
    "safetensors": read_safetensors,
    "torch": read_torch,
    "onnx": read_onnx,
    "gguf": read_gguf,
    "hdf5": read_hdf5,
    "keras": read_keras,
}
ENDINGS = (  # of the files that are usual; what a file is, its contents say
    *(".npz", ".npy", ".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".onnx", ".gguf"),
    *(".h5", ".keras", ".gz", ".tar"),
)


def open_checkpoint(path: str | Path) -> Contents:
    """What a weight file, a folder of them, or an index of shards holds; no values are read yet.

    Parameters
    ----------
    path
        A .npz, .npy, .safetensors, torch (.pt, .pth, .bin, .ckpt), .onnx, .gguf, .h5 or .keras file whatever
        its ending, one of them compressed with gzip, an index (``.index.json``), or a folder that holds such
        files.

    Raises
    ------
    ValueError
        It is missing, unreadable, truncated, of another kind, holds no array, or (torch) its pickle names a
        program. One sentence.
    """
    path = Path(path)
    with boundary(str(path)):
        files, places, config = folders.files_of(path)
    contents = Contents(path=str(path.resolve()), config=config, part=folders.part_of(path))
    seen, elsewhere = hashlib.sha256(json.dumps(config, sort_keys=True).encode() if config else b""), []
    for file in files:
        with boundary(str(file) if not file.is_file() else file.name):
            contents.file = file.name
            state = file.stat()
            seen.update(f"{file.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode(errors="replace"))
            for tensor in _tensors(file, contents):
                if places.get(tensor.name, file.name) == file.name:
                    contents.add(tensor)
                else:
                    why = f"left in {file.name}: the index names another file for it"
                    elsewhere.append(unreadable(tensor.name, why, tensor.nbytes, tensor.shape, tensor.dtype))
    contents.identity = seen.hexdigest()
    contents.file = path.name or str(path.resolve())
    if missing := sorted(places.keys() - contents.tensors.keys()):
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(
            f"cannot read {contents.file!r}: tensor {missing[0][:100]!r}{others} of the index is in no shard"
        )
    for tensor in elsewhere:
        contents.add(tensor)
    if not contents.tensors:
        raise ValueError(f"cannot read {contents.file!r}: it holds no array")
    return contents


def _tensors(path: Path, contents: Contents) -> Tensors:
    kind = kind_of(path)
    if kind == "gz":
        path = _unpacked(path, contents)
        kind = kind_of(path)
    if kind == "index":
        raise ValueError("this is JSON (an index, a configuration), not weights")
    if kind not in _READERS:
        raise ValueError(f"inside is another {kind} file, which is not unpacked twice")
    return _READERS[kind](path)


def _unpacked(path: Path, contents: Contents) -> Path:
    """The file inside a .gz, in a folder that goes when `contents` does."""
    folder = Path(tempfile.mkdtemp(prefix="snapcut-"))
    weakref.finalize(contents, shutil.rmtree, folder, ignore_errors=True)
    inside = folder / path.name.removesuffix(".gz").removesuffix(".GZ")
    stored, unpacked = path.stat().st_size, 0
    with gzip.open(path) as source, inside.open("wb") as target:
        while part := source.read(2**20):
            unpacked += len(part)
            INFLATED.check(unpacked, stored)
            target.write(part)
    return inside


def read(path: str | Path) -> Checkpoint:
    """Every array of a weight file, in memory; :func:`open_checkpoint` says what a path may be.

    Raises
    ------
    ValueError
        As there; one sentence.
    """
    contents = open_checkpoint(path)
    found = Checkpoint()
    for name, tensor in contents.tensors.items():
        if tensor.skip:
            found.skipped[name] = tensor.skip
        else:
            found.tensors[name] = tensor.load()
    return found
