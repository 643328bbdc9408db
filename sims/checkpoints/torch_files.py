"""Tensors of torch checkpoints, without torch.

Formats: the zip archive of torch >= 1.6 (``data.pkl`` and one record per storage) and the legacy sequence of
five pickles followed by raw storages. Pickles are interpreted by :mod:`sims.checkpoints.pickle_machine`, not
run.
"""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sims.checkpoints.pickle_machine import STORAGES, Items, Storage, Tensor, fail, interpret

_MAGIC = 0x1950A86A20F9469CFC6C


_PROTOCOL = 1001


def tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor inside nested mappings and lists, with its dotted name, in the file's order."""
    pending: list[tuple[str, Any, int]] = [("", value, 0)]
    seen: set[int] = set()  # a pickle can build cycles
    while pending:
        name, item, depth = pending.pop()
        if depth > 100:
            raise fail("its contents are nested too deeply")
        if isinstance(item, Tensor):
            yield name or "tensor", item
            continue
        if isinstance(item, Items):
            item = item.items
        if isinstance(item, (dict, list, tuple)):
            if id(item) in seen:
                continue
            seen.add(id(item))
            children = item.items() if isinstance(item, dict) else enumerate(item)
            named = [(f"{name}.{key}" if name else str(key), child, depth + 1) for key, child in children]
            pending.extend(reversed(named))


def _found(value: Any) -> tuple[list[tuple[str, Tensor]], dict[str, Storage]]:
    """All tensors, and the one storage behind each key.

    A tensor was checked against the storage *it* claims; two claims on one key must therefore agree, or a
    small honest tensor could vouch for one that reaches beyond the record.
    """
    found = list(tensors(value))
    storages: dict[str, Storage] = {}
    for _, tensor in found:
        if storages.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise fail(f"claims of different size or type on storage {tensor.storage.key[:50]!r}")
    return found, storages


def view(tensor: Tensor, storage: np.ndarray) -> np.ndarray:
    """The tensor's elements as a read-only strided view of its storage's raw elements."""
    flat = storage.view(np.dtype(tensor.raw).newbyteorder(storage.dtype.byteorder))
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, flat.dtype)
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False)


def read_torch(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    """(name, raw elements, element type) of every tensor of a .pt/.pth file; narrow floats as bits.

    Raises
    ------
    ValueError
        The file is neither format, is truncated, or its pickle names anything but tensors.
    """
    if zipfile.is_zipfile(path):
        yield from _read_zip(path)
    else:
        yield from _read_legacy(path)


def _read_zip(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            programs = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
            if len(programs) != 1:
                raise fail(f"the archive holds {len(programs)} data.pkl, a torch checkpoint one")
            root = programs[0].removesuffix("data.pkl")
            if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
                raise fail("the archive is compressed, torch never compresses")
            order = archive.read(root + "byteorder") if root + "byteorder" in members else b"little"
            endian = ">" if order.strip() == b"big" else "<"
            with archive.open(programs[0]) as stream:
                found, _ = _found(interpret(stream))
            kept: dict[str, np.ndarray] = {}
            for name, tensor in found:
                key = tensor.storage.key
                if key not in kept:
                    kept.clear()  # neighbours share a storage; holding all would double the memory
                    record = members.get(f"{root}data/{key}")
                    dtype = np.dtype(endian + STORAGES[tensor.storage.kind][0])
                    wanted = tensor.storage.numel * dtype.itemsize
                    if record is None or record.file_size < wanted:
                        raise fail(f"storage {key[:50]!r} of {wanted} bytes is missing or truncated")
                    kept[key] = np.frombuffer(archive.read(record), dtype, tensor.storage.numel)
                yield name, view(tensor, kept[key]), tensor.dtype
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise fail(f"damaged archive ({error})") from None


def _read_legacy(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    with path.open("rb") as stream:
        if interpret(stream) != _MAGIC:
            raise fail("it does not start with torch's magic number")
        if interpret(stream) != _PROTOCOL:
            raise fail("unknown protocol version")
        system = interpret(stream)
        little = system.get("little_endian", True) if isinstance(system, dict) else True
        value = interpret(stream)
        keys = interpret(stream)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise fail("the list of storages is not a list of keys")
        found, kinds = _found(value)
        storages: dict[str, np.ndarray] = {}
        end = path.stat().st_size
        for key in keys:
            if key not in kinds:
                raise fail(f"storage {key[:50]!r} belongs to no tensor")
            header = stream.read(8)
            dtype = np.dtype(("<" if little else ">") + STORAGES[kinds[key].kind][0])
            numel = int.from_bytes(header, "little" if little else "big")
            if len(header) < 8 or numel != kinds[key].numel or stream.tell() + numel * dtype.itemsize > end:
                raise fail(f"storage {key[:50]!r} is truncated or has another size than its tensor says")
            start = stream.tell()
            storages[key] = (
                np.memmap(path, dtype, "r", offset=start, shape=(numel,)) if numel else np.empty(0, dtype)
            )
            stream.seek(start + numel * dtype.itemsize)
        for name, tensor in found:
            if tensor.storage.key not in storages:
                raise fail(f"storage {tensor.storage.key[:50]!r} is missing")
            yield name, view(tensor, storages[tensor.storage.key]), tensor.dtype
