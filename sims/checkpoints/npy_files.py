"""Readers of .npy and .npz, scipy's sparse archives included: ``allow_pickle`` stays off."""

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

import numpy as np

from sims.checkpoints import sparse
from sims.checkpoints.elements import NARROW, read_values, values
from sims.checkpoints.kinds import check_start
from sims.checkpoints.limits import INFLATED
from sims.checkpoints.tensor import Tensor, Tensors, about, sentence, unreadable, unreal

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that numpy writes
_PARTS = [  # of the archives of scipy.sparse.save_npz, beside "format"
    *((kind, {"shape", "data", "indices", "indptr"}) for kind in ("csr", "csc", "bsr")),
    ("coo", {"shape", "data", "row", "col"}),
    ("coo", {"shape", "data", "coords"}),
    ("dia", {"shape", "data", "offsets"}),
]
_LONGEST_HEADER = 2**16
# numpy forgets the names of types that are not its own: of two bytes there is one, of one byte that is a
# float there is one, the others cannot be told apart
_FORGOTTEN = {"V2": "bfloat16", "f1": "float8_e5m2"}


class _Header:
    """What stands before the numbers of a .npy array: shape, order of memory, type, and its own length."""

    def __init__(self, stream: IO[bytes]) -> None:
        try:
            magic = stream.read(8)
            version = np.lib.format.read_magic(io.BytesIO(magic))
            if version not in ((1, 0), (2, 0), (3, 0)):  # the last has names of fields in UTF-8
                raise ValueError(f"npy version {version} is not plain numbers")
            width = 2 if version == (1, 0) else 4
            length = stream.read(width)
            size = int.from_bytes(length, "little")
            if size > _LONGEST_HEADER:
                raise ValueError(f"a header of {size} bytes")
            text = stream.read(size)
            self.length = 8 + width + size
            self.element = ""
            for name, element in _FORGOTTEN.items():
                if f"'<{name}'".encode() in text:
                    text = text.replace(
                        f"'<{name}'".encode(), f"'<{np.dtype(NARROW[element]).str[1:]}'".encode()
                    )
                    self.element = element
            parse = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
            shape, self.fortran, self.dtype = parse(io.BytesIO(len(text).to_bytes(width, "little") + text))
        except Exception as error:  # NumPy's second look at a header fails in ways of its own
            raise ValueError(f"not a npy array ({sentence(error)})") from None
        if not all(type(size) is int and size >= 0 for size in shape):  # True is an int too, and no size
            raise ValueError(f"the shape {str(shape)[:100]} of a npy array does not consist of sizes")
        self.shape: tuple[int, ...] = shape
        self.count = math.prod(shape)
        self.nbytes = self.count * self.dtype.itemsize
        self.element = self.element or (self.dtype.name if not unreal(self.dtype) else "")

    def tensor(self, name: str, available: int, read: Callable[[], np.ndarray]) -> Tensor:
        """The tensor of `available` bytes after the header; `read` gives its elements in order of memory."""
        if self.dtype.hasobject:
            return unreadable(name, unreal(np.dtype(object)), available)  # its bytes are a pickle: unread
        if self.nbytes > available:
            raise ValueError(f"truncated: an array of {self.nbytes} bytes in {available}")
        if not self.element:
            why = unreal(self.dtype)
            if self.dtype.str == "|V1":
                why = "one-byte values of a type of ml_dtypes whose name a npy file does not keep"
            return unreadable(name, why, self.nbytes, self.shape, str(self.dtype))
        order: Literal["F", "C"] = "F" if self.fortran else "C"
        return Tensor(
            name, self.shape, self.element, self.nbytes, lambda: read().reshape(self.shape, order=order)
        )


def read_npy(path: Path) -> Tensors:
    """The one array of a .npy file, under the name of the file."""
    with path.open("rb") as stream:
        header = _Header(stream)
    available = path.stat().st_size - header.length
    order: Literal["<", ">"] = ">" if header.dtype.str[:1] == ">" else "<"

    def read() -> np.ndarray:
        return read_values(path, header.length, header.count, header.element, order)

    yield header.tensor(path.stem, available, read)


def read_npz(path: Path) -> Tensors:
    """Every array of a .npz archive, or the one matrix of a sparse archive."""
    try:
        archive = zipfile.ZipFile(path)  # open until the last of its tensors is gone
        stored, inflated = path.stat().st_size, 0
        check_start(archive)
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        if sum(info.compress_size for info in archive.infolist()) > stored:
            raise ValueError("not a npz archive (its members overlap)")
        found, kind = [], ""
        for info in members:
            if info.compress_type not in _METHODS:
                raise ValueError(f"array {info.filename!r} is compressed in a way that numpy does not use")
            inflated += info.file_size  # no more than that is ever unpacked, whatever the data say
            INFLATED.check(inflated, stored)
            name = info.filename.removesuffix(".npy")
            with about(name), archive.open(info) as stream:
                header = _Header(stream)
                found.append(
                    header.tensor(name, info.file_size - header.length, _reader(archive, info, header))
                )
                if (
                    name == "format"
                    and header.dtype.kind in "SU"
                    and header.count == 1
                    and header.nbytes <= 32
                ):
                    text = np.frombuffer(stream.read(header.nbytes).ljust(header.nbytes), header.dtype)[0]
                    kind = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
        yield from _sparse(path.stem, kind, found) or found
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, UnicodeError) as error:
        raise ValueError(f"not a npz archive ({sentence(error)})") from None


def _reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: _Header) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        with archive.open(info) as stream:
            stream.seek(header.length)
            data = stream.read(header.nbytes)
        if len(data) < header.nbytes:
            raise ValueError(f"truncated: {len(data)} of {header.nbytes} bytes")
        return values(np.frombuffer(data, header.dtype), header.element)

    return read


def _sparse(name: str, kind: str, found: list[Tensor]) -> list[Tensor]:
    """The matrix of an archive of scipy.sparse.save_npz; [] where the arrays are no such archive."""
    parts = {tensor.name: tensor for tensor in found}
    if not any(kind == known and needed <= parts.keys() for known, needed in _PARTS):
        return []
    shape, data = parts["shape"], parts["data"]
    if len(shape.shape) != 1 or not 1 <= shape.size <= 4 or not shape.dtype.startswith(("int", "uint")):
        raise ValueError("the shape of a sparse matrix is no list of sizes")
    sizes = tuple(int(size) for size in shape.load())
    if min(sizes) < 0:
        raise ValueError(f"the shape {sizes} of a sparse matrix does not consist of sizes")

    def read() -> np.ndarray:
        arrays = {part: tensor.load() for part, tensor in parts.items() if part not in ("format", "shape")}
        if "coords" in arrays:
            arrays["indices"] = arrays["coords"]
        elif kind == "coo":
            arrays["indices"] = np.stack([arrays["row"], arrays["col"]])
        return sparse.expand(kind, sizes, arrays)

    nbytes = sum(tensor.nbytes for tensor in found)
    note = f"sparse ({kind}), {data.size:,} elements stored"
    return [Tensor(name, sizes, data.dtype, nbytes, read, note=note, skip=data.skip)]
