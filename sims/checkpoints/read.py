"""Readers of weight files: .npz, .npy, .safetensors, .pt/.pth (no torch needed), .onnx (extra).

None of them can run code: ``allow_pickle`` stays off, safetensors and npy are plain data, torch pickles are
interpreted symbolically (:mod:`sims.checkpoints.pickle_machine`). Every defect of a whole file is one
ValueError; a single array that is not numeric is left out with its reason.
"""

import importlib
import importlib.util
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from sims.checkpoints import pickle_machine as pickles

_SAFETENSORS = {
    **{
        f"{letter}{bits}": f"{kind}{bits // 8}"
        for letter, kind in (("I", "i"), ("U", "u"))
        for bits in (8, 16, 32, 64)
    },
    **{"F16": "f2", "F32": "f4", "F64": "f8", "BOOL": "?"},
    **{"BF16": "u2", "F8_E4M3": "u1", "F8_E5M2": "u1"},
}
_BITS = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


@dataclass
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    tensors : numeric arrays by name, in the file's order and in their own precision (bfloat16 and float8
        widened to float32, which holds them exactly).
    skipped : names of arrays that are not numbers, each with its reason.
    """

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, array: np.ndarray, kind: str = "") -> None:
        """Keep `array`, or the reason it is not numeric; `kind` names a type numpy does not have."""
        while name in self.tensors or name in self.skipped:
            name += "'"
        if kind in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            self.tensors[name] = widen(array, kind)
        elif array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
            self.tensors[name] = array
        elif array.dtype.kind == "O":
            self.skipped[name] = "object array: it holds Python objects, not numbers"
        else:
            self.skipped[name] = f"{array.dtype} values, not real numbers"


def widen(bits: np.ndarray, kind: str) -> np.ndarray:
    """float32 values of bfloat16 or float8 bit patterns, exactly.

    Examples
    --------
    >>> widen(np.array([0x3F80, 0xC000], np.uint16), "bfloat16")
    array([ 1., -2.], dtype=float32)
    >>> widen(np.array([0x38, 0x7E], np.uint8), "float8_e4m3fn")
    array([  1., 448.], dtype=float32)
    """
    if kind == "bfloat16":
        return (bits.astype(np.uint32) << 16).view(np.float32)
    exponent_bits, mantissa_bits = (4, 3) if kind == "float8_e4m3fn" else (5, 2)
    code = np.arange(256)
    exponent = (code >> mantissa_bits) & (2**exponent_bits - 1)
    mantissa = (code & (2**mantissa_bits - 1)) / 2**mantissa_bits
    bias = 2 ** (exponent_bits - 1) - 1
    value = np.where(exponent == 0, mantissa * 2.0 ** (1 - bias), (1 + mantissa) * 2.0 ** (exponent - bias))
    if kind == "float8_e4m3fn":
        value[(code & 0x7F) == 0x7F] = np.nan
    else:
        value[exponent == 31] = np.where(mantissa[exponent == 31] == 0, np.inf, np.nan)
    return np.where(code < 128, value, -value).astype(np.float32)[bits]


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


_Arrays = Iterable[tuple[str, np.ndarray, str]]


def _array(stream: IO[bytes], available: int) -> np.ndarray:
    """One .npy array from a stream that holds `available` bytes; an empty object array stands for objects."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"npy version {version} is not plain numbers")
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(stream)
    except (ValueError, SyntaxError, TypeError, tokenize.TokenError, RecursionError) as error:
        raise ValueError(f"not a npy array ({str(error).splitlines()[0]})") from None
    if dtype.hasobject:
        return np.empty(0, dtype=object)  # its bytes are a pickle, which stays unread
    if any(size < 0 for size in shape):
        raise ValueError("a npy array claims a negative size")
    count = math.prod(shape)
    if count * dtype.itemsize > available:
        raise ValueError(f"truncated: an array of {count * dtype.itemsize} bytes in {available}")
    data = stream.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"truncated: {len(data)} of {count * dtype.itemsize} bytes")
    if dtype.itemsize == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _npy(path: Path) -> _Arrays:
    with path.open("rb") as stream:
        yield path.stem, _array(stream, path.stat().st_size), ""


def _npz(path: Path) -> _Arrays:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                with archive.open(info) as stream:
                    yield info.filename.removesuffix(".npy"), _array(stream, info.file_size), ""
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"not a npz archive ({error})") from None


def _safetensors(path: Path) -> _Arrays:
    import safetensors

    try:
        found = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a safetensors file ({error})") from None
    for name, entry in sorted(found):
        raw = _SAFETENSORS.get(entry["dtype"])
        if raw is None:
            yield name, np.empty(0, dtype=f"V{max(1, len(entry['data']))}"), ""
            continue
        array = np.frombuffer(entry["data"], np.dtype(raw).newbyteorder("<")).reshape(entry["shape"])
        yield name, array, _BITS.get(entry["dtype"], "")


def _onnx(path: Path) -> _Arrays:
    if importlib.util.find_spec("onnx") is None:
        raise ValueError("reading .onnx needs the onnx package: pip install 'snapcut[onnx]'")
    onnx = importlib.import_module("onnx")
    decode = importlib.import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load(str(path))
        arrays = [(tensor.name, onnx.numpy_helper.to_array(tensor)) for tensor in model.graph.initializer]
    except (decode, onnx.checker.ValidationError, TypeError, KeyError) as error:
        raise ValueError(
            f"not an ONNX model ({str(error).splitlines()[0] if str(error) else 'damaged'})"
        ) from None
    for name, array in arrays:
        if array.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            array = array.astype(np.float32)
        yield name, array, ""


_READERS: dict[str, Callable[[Path], _Arrays]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt"), pickles.read),
    ".onnx": _onnx,
}
