"""Tensors of torch checkpoints, without torch.

Formats: the zip archive of torch >= 1.6 (``data.pkl`` and one record per storage) and the legacy sequence of
five pickles followed by raw storages. Pickles are interpreted by :mod:`sims.checkpoints.pickle_machine`, not
run.
"""

import io
import math
import mmap
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from sims.checkpoints.limits import ALIASES, NAMES, TENSORS
from sims.checkpoints.pickle_machine import STORAGES, Items, Storage, Tensor, fail, interpret
from sims.checkpoints.tensor import NARROW, about, widen

_MAGIC = 0x1950A86A20F9469CFC6C


_PROTOCOL = 1001


def tensors(value: Any, size: int) -> Iterator[tuple[str, Tensor]]:
    """Every tensor inside nested mappings and lists of a pickle of `size` bytes, in the file's order.

    The name is dotted: keys and indices on the way to the tensor.
    """
    pending: list[tuple[str, Any, int]] = [("", value, 0)]
    seen: set[int] = set()  # a pickle can build cycles
    count = named = 0
    while pending:
        name, item, depth = pending.pop()
        if depth > 100:
            raise fail("its contents are nested too deeply")
        if isinstance(item, Tensor):
            count += 1
            TENSORS.check(count, size)
            yield name or "tensor", item
            continue
        if isinstance(item, Items):
            item = item.items
        if id(item) in seen:
            continue
        seen.add(id(item))
        children = []
        for key, child in item.items() if isinstance(item, dict) else enumerate(item):
            if isinstance(child, (Tensor, Items, dict, list, tuple)):
                children.append((f"{name}.{key}" if name else str(key), child, depth + 1))
                named += len(children[-1][0])
                NAMES.check(named, size)
        pending.extend(reversed(children))


def _found(value: Any, size: int) -> list[tuple[str, Tensor]]:
    """All tensors; those of one storage agree about it and do not show it over and over.

    A tensor was checked against the storage *it* claims; two claims on one key must therefore agree, or a
    small honest tensor could vouch for one that reaches beyond the record.
    """
    if not isinstance(value, (Tensor, Items, dict, list, tuple)):
        raise fail("it holds neither a tensor nor a mapping nor a list")
    found = list(tensors(value, size))
    storages: dict[str, Storage] = {}
    shown: Counter[str] = Counter()
    for _, tensor in found:
        key = tensor.storage.key
        if storages.setdefault(key, tensor.storage) != tensor.storage:
            raise fail(f"claims of different size or type on storage {key[:50]!r}")
        shown[key] += math.prod(tensor.shape)
        # an untyped storage counts bytes, which are never fewer than its elements
        ALIASES.check(shown[key], tensor.storage.numel)
    return found


def view(tensor: Tensor, flat: np.ndarray) -> np.ndarray:
    """The tensor as a read-only strided view of the elements of its storage."""
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, flat.dtype)
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False)


def _arrays(
    found: list[tuple[str, Tensor]], load: Callable[[Storage], np.ndarray]
) -> Iterator[tuple[str, np.ndarray, str]]:
    """(name, array, "") of every tensor, in the file's order.

    Storage by storage: each is loaded once and widened once, however many tensors show it.
    """
    arrays: dict[int, np.ndarray] = {}  # by identity of the tensor
    together: dict[str, dict[int, Tensor]] = {}
    for _, tensor in found:
        together.setdefault(tensor.storage.key, {})[id(tensor)] = tensor
    names = {id(tensor): name for name, tensor in found}
    for sharing in together.values():
        first = next(iter(sharing))
        with about(names[first]):
            raw = load(sharing[first].storage)
        read: dict[str, np.ndarray] = {}  # by element type
        for identity, tensor in sharing.items():
            with about(names[identity]):
                if tensor.dtype not in read:
                    dtype = np.dtype(tensor.raw).newbyteorder(raw.dtype.byteorder)
                    flat = raw[: raw.nbytes // dtype.itemsize * dtype.itemsize // raw.itemsize].view(dtype)
                    read[tensor.dtype] = widen(flat, tensor.dtype) if tensor.dtype in NARROW else flat
                arrays[identity] = view(tensor, read[tensor.dtype])
    for name, tensor in found:
        yield name, arrays[id(tensor)], ""


def read_torch(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    """(name, array, "") of every tensor of a .pt/.pth file.

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
            if sum(info.file_size for info in members.values()) > path.stat().st_size:
                raise fail("the records of the archive are truncated, or overlap")
            order = archive.read(root + "byteorder") if root + "byteorder" in members else b"little"
            endian = ">" if order.strip() == b"big" else "<"
            program = archive.read(programs[0])

            def load(storage: Storage) -> np.ndarray:
                record = members.get(f"{root}data/{storage.key}")
                dtype = np.dtype(endian + STORAGES[storage.kind][0])
                wanted = storage.numel * dtype.itemsize
                if record is None or record.file_size < wanted:
                    raise fail(f"storage {storage.key[:50]!r} of {wanted} bytes is missing or truncated")
                return np.frombuffer(archive.read(record), dtype, storage.numel)

            found = _found(interpret(io.BytesIO(program), len(program)), len(program))
            yield from _arrays(found, load)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise fail(f"damaged archive ({error})") from None


def _read_legacy(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    with path.open("rb") as file:  # the map outlives the file: the arrays are views of it
        contents = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    end, stream = len(contents), cast(IO[bytes], contents)  # it reads and tells as a file does
    if interpret(stream, end) != _MAGIC:
        raise fail("it does not start with torch's magic number")
    if interpret(stream, end) != _PROTOCOL:
        raise fail("unknown protocol version")
    system = interpret(stream, end)
    little = system.get("little_endian", True) if isinstance(system, dict) else True
    value = interpret(stream, end)
    keys = interpret(stream, end)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise fail("the list of storages is not a list of keys")
    found = _found(value, end)
    kinds = {tensor.storage.key: tensor.storage for _, tensor in found}
    storages: dict[str, np.ndarray] = {}
    for key in keys:
        if key not in kinds:
            raise fail(f"storage {key[:50]!r} belongs to no tensor")
        header = stream.read(8)
        dtype = np.dtype(("<" if little else ">") + STORAGES[kinds[key].kind][0])
        numel = int.from_bytes(header, "little" if little else "big")
        start = stream.tell()
        if len(header) < 8 or numel != kinds[key].numel or start + numel * dtype.itemsize > end:
            raise fail(f"storage {key[:50]!r} is truncated or has another size than its tensor says")
        storages[key] = np.ndarray(numel, dtype, contents, start) if numel else np.empty(0, dtype)
        stream.seek(start + numel * dtype.itemsize)

    def load(storage: Storage) -> np.ndarray:
        if storage.key not in storages:
            raise fail(f"storage {storage.key[:50]!r} is missing")
        return storages[storage.key]

    yield from _arrays(found, load)
