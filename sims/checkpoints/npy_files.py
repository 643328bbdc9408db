"""Readers of .npy and .npz: ``allow_pickle`` stays off."""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from sims.checkpoints.limits import INFLATED
from sims.checkpoints.tensor import Arrays, about, sentence

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that numpy writes


def _read_array(stream: IO[bytes], available: int) -> np.ndarray:
    """One .npy array from a stream that holds `available` bytes; an empty object array stands for objects."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"npy version {version} is not plain numbers")
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(stream)
    except Exception as error:  # NumPy's second look at a header fails in ways of its own
        raise ValueError(f"not a npy array ({sentence(error)})") from None
    if dtype.hasobject:
        return np.empty(0, dtype=object)  # its bytes are a pickle, which stays unread
    if not all(type(size) is int and size >= 0 for size in shape):  # True is an int too, and no size
        raise ValueError(f"the shape {str(shape)[:100]} of a npy array does not consist of sizes")
    count = math.prod(shape)
    if count * dtype.itemsize > available:
        raise ValueError(f"truncated: an array of {count * dtype.itemsize} bytes in {available}")
    data = stream.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"truncated: {len(data)} of {count * dtype.itemsize} bytes")
    if dtype.itemsize == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def read_npy(path: Path) -> Arrays:
    """The one array of a .npy file, under the name of the file."""
    with path.open("rb") as stream:
        yield path.stem, _read_array(stream, path.stat().st_size), ""


def read_npz(path: Path) -> Arrays:
    """Every array of a .npz archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            stored, inflated = path.stat().st_size, 0
            if sum(info.compress_size for info in archive.infolist()) > stored:
                raise ValueError("not a npz archive (its members overlap)")
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                if info.compress_type not in _METHODS:
                    raise ValueError(
                        f"array {info.filename!r} is compressed in a way that numpy does not use"
                    )
                inflated += info.file_size  # no more than that is ever unpacked, whatever the data say
                INFLATED.check(inflated, stored)
                name = info.filename.removesuffix(".npy")
                with about(name), archive.open(info) as stream:
                    array = _read_array(stream, info.file_size)
                yield name, array, ""
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, UnicodeError) as error:
        raise ValueError(f"not a npz archive ({sentence(error)})") from None
