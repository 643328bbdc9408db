"""Tensors of torch checkpoints, without torch.

Formats: the zip archive of torch >= 1.6 (``data.pkl`` and one record per storage; TorchScript archives are
the same with code beside it, which is not looked at) and the legacy sequence of five pickles followed by raw
storages. Pickles are interpreted by :mod:`sims.checkpoints.pickle_machine`, not run.
"""

import io
import math
import weakref
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from sims.checkpoints import sparse
from sims.checkpoints.elements import PAIRS, raw_dtype, read_values
from sims.checkpoints.limits import ALIASES, NAMES, TENSORS
from sims.checkpoints.pickle_machine import interpret
from sims.checkpoints.pickle_values import (
    CONTAINERS,
    Items,
    Opaque,
    Quantized,
    Sparse,
    Storage,
    Unreadable,
    View,
    fail,
)
from sims.checkpoints.pickle_values import (
    TENSORS as KINDS,
)
from sims.checkpoints.tensor import Tensor, Tensors, unreadable

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_ATTRIBUTES = ("_parameters", "_buffers", "_modules")  # of a whole module: no part of a tensor's name


@dataclass
class _Storages:
    """Where the records of a file stand, and those that are in use."""

    path: Path
    order: Literal["<", ">"]
    places: dict[str, tuple[int, int]]  # offset and bytes by key
    alone: set[str] = field(default_factory=set)  # keys that one tensor shows, all of it
    used: Any = field(default_factory=weakref.WeakValueDictionary)  # read once while in use

    def numbers(self, view: View) -> np.ndarray:
        """The tensor as a strided view: of the whole storage, or of the part it shows where that is less."""
        if not math.prod(view.shape):
            return np.empty(view.shape, np.float32)
        key, whole = view.storage.key, view.storage.nbytes // raw_dtype(view.element).itemsize
        if key in self.alone:
            offset, _ = self.places[key]
            return read_values(self.path, offset, whole, view.element, self.order).reshape(view.shape)
        first, count = 0, whole
        if view.last - view.offset < whole // 2:
            first, count = view.offset, view.last - view.offset
        flat = self.used.get((key, first, count, view.element))
        if flat is None:
            offset, _ = self.places[key]
            offset += first * raw_dtype(view.element).itemsize
            flat = read_values(self.path, offset, count, view.element, self.order)
            self.used[key, first, count, view.element] = flat
        strides = [stride * flat.itemsize for stride in view.strides]
        shown = flat[view.offset - first :]
        return np.lib.stride_tricks.as_strided(shown, view.shape, strides, writeable=False)


def named(value: Any, size: int) -> Iterator[tuple[str, Any]]:
    """Every tensor inside the mappings, lists and objects of a pickle of `size` bytes, in the file's order.

    The name is dotted: keys and indices on the way to the tensor. What an unknown object was called with is
    no tensor of the network: it comes as :class:`Unreadable`, with that reason.
    """
    pending: list[tuple[str, Any, int, str]] = [("", value, 0, "")]
    seen: set[tuple[int, bool]] = set()  # a pickle can build cycles
    count = used = 0
    while pending:
        name, item, depth, inside = pending.pop()
        if depth > 100:
            raise fail("its contents are nested too deeply")
        if isinstance(item, Opaque) and (array := _ndarray(item)) is not None:
            item = array
        if isinstance(item, (*KINDS, Tensor)):
            count += 1
            TENSORS.check(count, size)
            if inside and not isinstance(item, Unreadable):
                shape = item.codes.shape if isinstance(item, Quantized) else item.shape
                item = Unreadable(f"part of an object of unknown kind, {inside[:80]!r}", shape)
            yield name or "tensor", item
            continue
        if (id(item), bool(inside)) in seen:
            continue
        seen.add((id(item), bool(inside)))
        children = []
        for key, child, within in _children(item, inside):
            if isinstance(child, (*KINDS, *CONTAINERS)):
                own = key in _ATTRIBUTES
                children.append((name if own else f"{name}.{key}" if name else key, child, depth + 1, within))
                used += len(children[-1][0])
                NAMES.check(used, size)
        pending.extend(reversed(children))


def _children(item: Any, inside: str) -> Iterator[tuple[str, Any, str]]:
    """(key, child, unknown object that was called with it) of a container."""
    if isinstance(item, Opaque):
        yield from ((_text(key), child, inside) for key, child in item.items.items())
        yield from ((str(i), child, inside) for i, child in enumerate(item.members))
        if isinstance(item.state, CONTAINERS):
            yield from _children(item.state, inside)
        yield from ((str(i), child, item.path) for i, child in enumerate(item.arguments))
    elif isinstance(item, Items):
        yield from _children(item.items, inside)
    elif isinstance(item, dict):
        yield from ((_text(key), child, inside) for key, child in item.items())
    else:
        yield from ((str(i), child, inside) for i, child in enumerate(item))


def _text(key: Any) -> str:
    """A key as part of a name."""
    if isinstance(key, Opaque):
        return f"<{key.path[:50]}>"
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _ndarray(item: Opaque) -> Tensor | None:
    """An array of numpy that stands in the pickle itself."""
    state = item.state
    if not item.path.endswith("multiarray._reconstruct") or not isinstance(state, tuple) or len(state) != 5:
        return None
    _, shape, kind, fortran, data = state
    code = (
        kind.arguments[0]
        if isinstance(kind, Opaque) and kind.path == "numpy.dtype" and kind.arguments
        else ""
    )
    if not isinstance(code, str) or code[:1] not in set("fiub") or code[1:] not in set("1248"):
        return unreadable("", "a numpy array of a type that is not read")
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "<"
    dtype = np.dtype(code).newbyteorder(">" if order == ">" else "<")
    sizes = isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
    if not sizes or not isinstance(data, bytes) or math.prod(shape) * dtype.itemsize != len(data):
        raise fail("a numpy array does not fit its bytes")

    def read() -> np.ndarray:
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)

    return Tensor("", shape, dtype.name, len(data), read, storage=id(data), fresh=False)


def _views(item: Any) -> list[View]:
    """The views a tensor consists of."""
    if isinstance(item, View):
        return [item]
    if isinstance(item, Quantized):
        return [part for part in (item.codes, item.scale, item.zero) if isinstance(part, View)]
    return list(item.parts.values()) if isinstance(item, Sparse) else []


def _found(value: Any, size: int) -> list[tuple[str, Any]]:
    """All tensors; those of one storage agree about it and do not show it over and over.

    A tensor was checked against the storage *it* claims; two claims on one key must therefore agree, or a
    small honest tensor could vouch for one that reaches beyond the record.
    """
    if not isinstance(value, (*KINDS, *CONTAINERS)):
        raise fail("it holds neither a tensor nor a mapping nor a list")
    found = list(named(value, size))
    storages: dict[str, Storage] = {}
    shown: Counter[str] = Counter()
    for _, tensor in found:
        if isinstance(tensor, Tensor):  # bytes of the pickle itself, which may be named more than once
            shown[str(tensor.storage)] += tensor.nbytes
            ALIASES.check(shown[str(tensor.storage)], tensor.nbytes)
        for view in _views(tensor):
            key = view.storage.key
            if storages.setdefault(key, view.storage) != view.storage:
                raise fail(f"claims of different size or type on storage {key[:50]!r}")
            shown[key] += math.prod(view.shape)
            # an untyped storage counts bytes, which are never fewer than its elements
            ALIASES.check(shown[key], view.storage.numel)
    return found


def _tensors(found: list[tuple[str, Any]], storages: _Storages) -> Iterator[Tensor]:
    shown = Counter(view.storage.key for _, item in found for view in _views(item))
    storages.alone |= {
        item.storage.key
        for _, item in found
        if isinstance(item, View) and shown[item.storage.key] == 1 and _is_whole(item)
    }
    for name, item in found:
        if isinstance(item, Tensor):
            yield item.renamed(name=name)
            continue
        for view in _views(item):
            _, there = storages.places.get(view.storage.key, (0, -1))
            if there < view.storage.nbytes:
                what = f"storage {view.storage.key[:50]!r} of {view.storage.nbytes} bytes"
                raise fail(f"{what} is missing or truncated")
        yield _tensor(name, item, storages)


def _is_whole(view: View) -> bool:
    """Whether the view is its storage from the first to the last element, rows together."""
    step, size = 1, math.prod(view.shape)
    for length, stride in zip(view.shape[::-1], view.strides[::-1], strict=True):
        if length != 1 and stride != step:
            return False
        step *= length
    return size > 0 and size * raw_dtype(view.element).itemsize == view.storage.nbytes


def _tensor(name: str, item: Any, storages: _Storages) -> Tensor:
    if isinstance(item, Unreadable):
        return unreadable(name, item.why, shape=item.shape)
    nbytes = sum(math.prod(view.shape) * raw_dtype(view.element).itemsize for view in _views(item))
    if isinstance(item, Sparse):
        dtype = item.parts["data"].element

        def expand() -> np.ndarray:
            parts = {key: storages.numbers(view) for key, view in item.parts.items()}
            return sparse.expand(item.kind, item.shape, parts)

        return Tensor(name, item.shape, dtype, nbytes, expand, note=f"sparse ({item.kind})")
    if isinstance(item, Quantized):
        note = f"dequantized from {item.codes.element}"
        return Tensor(
            name, item.codes.shape, "float32", nbytes, lambda: _dequantized(item, storages), note=note
        )
    skip = f"{item.element} values, not real numbers" if item.element.startswith("complex") else ""
    if item.element in PAIRS:
        skip = f"{item.element} values: two a byte, and no scale beside them is known"
    # the same elements of one storage in another order are the same weights
    place = (item.storage.key, item.offset, *sorted(zip(item.strides, item.shape, strict=True)))
    return Tensor(
        name, item.shape, item.element, nbytes, lambda: storages.numbers(item), storage=place, skip=skip
    )


def _dequantized(item: Quantized, storages: _Storages) -> np.ndarray:
    codes = storages.numbers(item.codes)
    scale, zero = (
        storages.numbers(part).reshape(-1, *[1] * (codes.ndim - 1 - item.axis))
        if isinstance(part, View)
        else part
        for part in (item.scale, item.zero)
    )
    return ((codes.astype(np.float64) - zero) * scale).astype(np.float32)


def read_torch(path: Path) -> Tensors:
    """Every tensor of a .pt/.pth file.

    Raises
    ------
    ValueError
        The file is neither format, is truncated, or its pickle names a program to run.
    """
    if zipfile.is_zipfile(path):
        yield from _read_zip(path)
    else:
        yield from _read_legacy(path)


def _read_zip(path: Path) -> Iterator[Tensor]:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = {info.filename: info for info in archive.infolist()}
            programs = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
            if len(programs) != 1:
                raise fail(f"the archive holds {len(programs)} data.pkl, a torch checkpoint one")
            root = programs[0].removesuffix("data.pkl")
            records = [members[name] for name in members if name.startswith((f"{root}data/", programs[0]))]
            if any(info.compress_type != zipfile.ZIP_STORED for info in records):
                raise fail("the archive is compressed, torch never compresses")
            if any(info.compress_size != info.file_size for info in records):
                raise fail("a record of the archive has two sizes")
            if sum(info.compress_size for info in members.values()) > path.stat().st_size:
                raise fail("the records of the archive are truncated, or overlap")

            def small(name: str, most: int) -> bytes:
                info = members[name]
                if info.file_size > most:
                    raise fail(f"record {name[-50:]!r} has {info.file_size} bytes")
                file.seek(_place(file, info))
                return file.read(info.file_size)

            order = small(root + "byteorder", 100) if root + "byteorder" in members else b"little"
            program = small(programs[0], path.stat().st_size)
            found = _found(interpret(io.BytesIO(program), len(program)), len(program))
            keys = {view.storage.key for _, item in found for view in _views(item)}
            places = {
                key: (_place(file, info), info.file_size)
                for key in keys
                if (info := members.get(f"{root}data/{key}")) is not None
            }
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise fail(f"damaged archive ({error})") from None
    yield from _tensors(found, _Storages(path, ">" if order.strip() == b"big" else "<", places))


def _place(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin: after its own header, whose length only itself tells."""
    file.seek(info.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise fail(f"record {info.filename[-50:]!r} is not where the archive says")
    return (
        info.header_offset
        + 30
        + int.from_bytes(head[26:28], "little")
        + int.from_bytes(head[28:30], "little")
    )


def _read_legacy(path: Path) -> Iterator[Tensor]:
    end = path.stat().st_size
    with path.open("rb") as stream:
        first = interpret(stream, end)
        if first != _MAGIC:
            if isinstance(first, CONTAINERS):  # a plain pickle: arrays of numpy, perhaps
                yield from _tensors(_found(first, end), _Storages(path, "<", {}))
                return
            raise fail("it does not start with torch's magic number")
        if interpret(stream, end) != _PROTOCOL:
            raise fail("unknown protocol version")
        system = interpret(stream, end)
        little = system.get("little_endian", True) if isinstance(system, dict) else True
        referred: list[Storage] = []
        value = interpret(stream, end, referred)
        keys = interpret(stream, end)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise fail("the list of storages is not a list of keys")
        found = _found(value, end)
        used = {one.key: one for one in referred}  # those of tensors agree; the others are passed over
        used |= {view.storage.key: view.storage for _, item in found for view in _views(item)}
        places: dict[str, tuple[int, int]] = {}
        for key in keys:
            if key not in used:
                raise fail(f"storage {key[:50]!r} belongs to no tensor")
            header = stream.read(8)
            numel, start = int.from_bytes(header, "little" if little else "big"), stream.tell()
            if len(header) < 8 or numel != used[key].numel or start + used[key].nbytes > end:
                raise fail(f"storage {key[:50]!r} is truncated or has another size than its tensor says")
            places[key] = (start, used[key].nbytes)
            stream.seek(start + used[key].nbytes)
    yield from _tensors(found, _Storages(path, "<" if little else ">", places))
