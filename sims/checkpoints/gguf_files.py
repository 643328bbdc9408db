"""Reader of .gguf: the header is read here, quantized blocks are dequantized by the extra package `gguf`."""

import importlib
import importlib.util
import itertools
import math
from pathlib import Path
from typing import IO, Literal

import numpy as np

from sims.checkpoints.elements import read_values
from sims.checkpoints.tensor import Tensor, Tensors, about, unreadable
from sims.support.extras import to_install

_PLAIN = {0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64", 28: "float64"}
_PLAIN[30] = "bfloat16"
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of the types of metadata
_STRING, _ARRAY = 8, 9
_BLOCKS = 2**14  # dequantized at a time


class _Header:
    """A stream of little- or big-endian numbers that never reads beyond its end."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size
        if file.read(4) != b"GGUF":
            raise ValueError("not a GGUF file")
        self.order = "little"
        version = self.number(4)
        if version & 0xFFFF == 0:  # a big-endian file counts from the other end
            self.order, version = "big", int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in (2, 3):
            raise ValueError(f"GGUF of version {version}, not 2 or 3")

    def take(self, count: int) -> bytes:
        if count > self.size - self.file.tell():
            raise ValueError("truncated: its header ends early")
        return self.file.read(count)

    def skip(self, count: int) -> None:
        if count > self.size - self.file.tell():
            raise ValueError("truncated: its header ends early")
        self.file.seek(count, 1)

    def number(self, width: int = 8) -> int:
        return int.from_bytes(self.take(width), self.order)  # type: ignore[arg-type]

    def pass_value(self, kind: int, depth: int = 0) -> None:
        """Go past a value of the metadata."""
        if kind == _STRING:
            self.skip(self.number())
        elif kind == _ARRAY:
            inner, count = self.number(4), self.number()
            if inner in _SIZES:
                self.skip(count * _SIZES[inner])
            elif inner in (_STRING, _ARRAY) and depth < 4:
                for _ in range(count):  # each takes at least 8 bytes of the file
                    self.pass_value(inner, depth + 1)
            else:
                raise ValueError(f"metadata of unknown type {inner}")
        elif kind in _SIZES:
            self.skip(_SIZES[kind])
        else:
            raise ValueError(f"metadata of unknown type {kind}")


def read_gguf(path: Path) -> Tensors:
    """Every tensor of a .gguf file; F32, F16 and BF16 as they are, quantized blocks dequantized.

    Shapes are turned round: GGUF names the fastest axis first.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _Header(file, size)
        count, pairs = header.number(), header.number()
        alignment = 32
        for _ in range(pairs):
            key, kind = header.take(header.number()), header.number(4)
            if key == b"general.alignment" and kind == 4:
                alignment = header.number(4)
            elif key == b"general.type" and kind == _STRING:
                if header.take(header.number()) == b"imatrix":
                    raise ValueError(
                        "this is an importance matrix of llama.cpp, statistics of inputs: no weights"
                    )
            else:
                header.pass_value(kind)
        entries = []
        for _ in range(count):
            name = header.take(header.number()).decode("utf-8", "replace")
            rank = header.number(4)
            if rank > 8:
                raise ValueError(f"tensor {name[:100]!r} of {rank} dimensions")
            shape = tuple(header.number() for _ in range(rank))[::-1]
            entries.append((name, shape, header.number(4), header.number()))
        if alignment < 1 or alignment % 8:
            raise ValueError(f"its tensors are aligned to {alignment} bytes, which is no multiple of 8")
        start = -(-file.tell() // alignment) * alignment
    order: Literal["<", ">"] = "<" if header.order == "little" else ">"
    tensors, places = [], []
    for name, shape, kind, offset in entries:
        with about(name):
            if offset % alignment:
                raise ValueError(f"it begins at {offset}, which is no multiple of {alignment}")
            tensors.append(_tensor(path, name, shape, kind, start + offset, size, order))
        places.append((offset, tensors[-1].nbytes))
    places.sort()  # those of unknown types have no size
    if any(offset + nbytes > after for (offset, nbytes), (after, _) in itertools.pairwise(places)):
        raise ValueError("its tensors share bytes")
    yield from tensors


def _tensor(
    path: Path, name: str, shape: tuple[int, ...], kind: int, offset: int, size: int, order: Literal["<", ">"]
) -> Tensor:
    count = math.prod(shape)
    if kind in _PLAIN:
        element = _PLAIN[kind]
        nbytes = count * (2 if element == "bfloat16" else np.dtype(element).itemsize)
        _check(offset, nbytes, size)
        return Tensor(name, shape, element, nbytes, lambda: read_values(path, offset, count, element, order))
    if importlib.util.find_spec("gguf") is None:
        return unreadable(
            name, f"quantized blocks of GGUF need the gguf package; {to_install('gguf')}", 0, shape
        )
    gguf = importlib.import_module("gguf")
    try:
        quantized = gguf.GGMLQuantizationType(kind)
        block, each = gguf.GGML_QUANT_SIZES[quantized]
    except (ValueError, KeyError):
        return unreadable(name, f"blocks of unknown GGUF type {kind}", 0, shape)
    if not shape or shape[-1] % block:
        raise ValueError(
            f"rows of {shape[-1] if shape else 0} do not consist of {quantized.name} blocks of {block}"
        )
    nbytes = count // block * each
    _check(offset, nbytes, size)
    if order == ">":
        return unreadable(name, f"{quantized.name} blocks of a big-endian machine", nbytes, shape)

    def read() -> np.ndarray:
        quants = importlib.import_module("gguf.quants")
        whole = np.empty(count, np.float32)
        with path.open("rb") as file:
            file.seek(offset)
            for first in range(0, count // block, _BLOCKS):
                number = min(_BLOCKS, count // block - first)
                data = np.fromfile(file, np.uint8, number * each)
                if data.size < number * each:
                    raise ValueError("truncated while it was read")
                part = quants.dequantize(data.reshape(1, -1), quantized)
                whole[first * block : (first + number) * block] = part.reshape(-1)
        return whole

    try:  # an empty block tells whether the package knows the type
        importlib.import_module("gguf.quants").dequantize(np.zeros((1, each), np.uint8), quantized)
    except NotImplementedError:
        return unreadable(
            name, f"{quantized.name} blocks, which the gguf package does not read", nbytes, shape
        )
    return Tensor(name, shape, quantized.name, nbytes, read, note=f"dequantized from {quantized.name}")


def _check(offset: int, nbytes: int, size: int) -> None:
    if offset + nbytes > size:
        raise ValueError(f"truncated: {nbytes} bytes at {offset} of a file of {size}")
