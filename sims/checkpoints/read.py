"""Readers of weight files: .npz, .npy, .safetensors, .pt/.pth (no torch needed), .onnx (extra).

None of them can run code: ``allow_pickle`` stays off, safetensors and npy are plain data, torch pickles are
interpreted symbolically (:mod:`sims.checkpoints.pickle_machine`). Every defect of a whole file is one
ValueError; a single array that is not numeric is left out with its reason.
"""

from collections.abc import Callable
from pathlib import Path

from sims.checkpoints.npy_files import read_npy, read_npz
from sims.checkpoints.onnx_files import read_onnx
from sims.checkpoints.safetensors_files import read_safetensors
from sims.checkpoints.tensor import Arrays, Checkpoint
from sims.checkpoints.torch_files import read_torch


def read(path: str | Path) -> Checkpoint:
    """Every array of a weight file.

    Parameters
    ----------
    path : a .npz, .npy, .safetensors, .pt, .pth, .bin, .ckpt or .onnx file.

    Raises
    ------
    ValueError
        The file is missing, unreadable, truncated, of another kind, holds no array, or (torch) its pickle
        names anything but tensors. One sentence.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"cannot read {path.name!r}: the file name must end in {', '.join(_READERS)}")
    checkpoint = Checkpoint()
    try:
        if path.stat().st_size == 0:
            raise ValueError("the file is empty")
        for name, array, kind in reader(path):
            checkpoint.add(name, array, kind)
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    except MemoryError:
        raise ValueError(f"cannot read {path.name!r}: an array it claims does not fit in memory") from None
    except ValueError as error:
        raise ValueError(f"cannot read {path.name!r}: {error}") from None
    if not checkpoint.tensors and not checkpoint.skipped:
        raise ValueError(f"cannot read {path.name!r}: it holds no array")
    return checkpoint


_READERS: dict[str, Callable[[Path], Arrays]] = {
    ".npz": read_npz,
    ".npy": read_npy,
    ".safetensors": read_safetensors,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), read_torch),
    ".onnx": read_onnx,
}
ENDINGS = tuple(_READERS)  # of the files that `read` takes
