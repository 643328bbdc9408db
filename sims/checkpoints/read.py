"""Readers of weight files: .npz, .npy, .safetensors, .pt/.pth (no torch needed), .onnx (extra).

None of them can run code: ``allow_pickle`` stays off, safetensors and npy are plain data, torch pickles are
interpreted symbolically (:mod:`sims.checkpoints.pickle_machine`). Whatever a reader or the library behind it
raises becomes one ValueError here that names the file, and the tensor where there is one; a single array
that is not numeric is left out with its reason.
"""

from collections.abc import Callable
from pathlib import Path

from sims.checkpoints.npy_files import read_npy, read_npz
from sims.checkpoints.onnx_files import read_onnx
from sims.checkpoints.safetensors_files import read_safetensors
from sims.checkpoints.tensor import Arrays, Checkpoint, about, sentence
from sims.checkpoints.torch_files import read_torch


def read(path: str | Path) -> Checkpoint:
    """Every array of a weight file.

    Parameters
    ----------
    path
        a .npz, .npy, .safetensors, .pt, .pth, .bin, .ckpt or .onnx file.

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
            with about(name):
                checkpoint.add(name, array, kind)
    except OSError as error:
        raise ValueError(f"cannot read {str(path)!r}: {error.strerror or sentence(error)}") from None
    except Exception as error:  # the one boundary: libraries raise what they like
        raise ValueError(f"cannot read {path.name!r}: {sentence(error)}") from None
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":  # a panic of a Rust library, such as safetensors
            raise
        raise ValueError(f"cannot read {path.name!r}: {sentence(error)}") from None
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
