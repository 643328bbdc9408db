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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from sims.checkpoints import sparse
from sims.checkpoints.elements import PAIRS, raw_dtype, read_values
from sims.checkpoints.kinds import check_start
from sims.checkpoints.pickle_machine import interpret
from sims.checkpoints.pickle_tensors import found_in, views_of
from sims.checkpoints.pickle_values import CONTAINERS, Quantized, Sparse, Storage, Unreadable, View, fail
from sims.checkpoints.tensor import Axis, Grouped, Tensor, Tensors, unreadable

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


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


def _tensors(found: list[tuple[str, Any]], storages: _Storages, axes: Mapping[str, Axis]) -> Iterator[Tensor]:
    shown = Counter(view.storage.key for _, item in found for view in views_of(item))
    storages.alone |= {
        item.storage.key
        for _, item in found
        if isinstance(item, View) and shown[item.storage.key] == 1 and _is_whole(item)
    }
    doubled = _doubled(found)
    for name, item in found:
        if isinstance(item, Tensor):
            yield item.renamed(name=name)
            continue
        for view in views_of(item):
            _, there = storages.places.get(view.storage.key, (0, -1))
            if there < view.storage.nbytes:
                what = f"storage {view.storage.key[:50]!r} of {view.storage.nbytes} bytes"
                raise fail(f"{what} is missing or truncated")
        tensor = _tensor(name, item, storages)
        if id(item) in doubled:
            tensor = tensor.renamed(apart=doubled[id(item)], nbytes=0)
        axis, shape = axes.get(name), tensor.shape
        fits = len(shape) > 2 and shape[0] > 0 and (not isinstance(axis, Grouped) or axis.fits(shape))
        yield tensor.renamed(axis=axis if fits else None)


def _is_whole(view: View) -> bool:
    """Whether the view is its storage from the first to the last element, rows together."""
    size = math.prod(view.shape) * raw_dtype(view.element).itemsize
    return _is_contiguous(view) and size == view.storage.nbytes


def _is_contiguous(view: View) -> bool:
    step = 1
    for length, stride in zip(view.shape[::-1], view.strides[::-1], strict=True):
        if length != 1 and stride != step:
            return False
        step *= length
    return step > 0


def _doubled(found: list[tuple[str, Any]]) -> dict[int, str]:
    """Why a tensor, by its identity, would count a second time what others show.

    Slices of one that is there as a whole, and the whole of it in another shape; where that is a flat
    vector of matrices, the vector. Two of one shape are tied, which their places in the storage say.
    """
    places: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for number, (_, item) in enumerate(found):
        if isinstance(item, View) and _is_contiguous(item):
            place = (item.offset, -math.prod(item.shape), number)
            places.setdefault((item.storage.key, item.element), []).append(place)
    doubled: dict[int, str] = {}
    for group in places.values():
        end, size, whole = 0, 0, 0
        for offset, negative, number in sorted(group):
            if offset - negative > end:
                end, size, whole = offset - negative, -negative, number
            elif found[number][1].shape != found[whole][1].shape:
                left, other = (number, whole)
                if len(found[whole][1].shape) < 2 <= len(found[number][1].shape):
                    left, other = whole, number
                    if -negative == size:  # slices of the vector are slices of the matrix, too
                        whole = number
                doubled[id(found[left][1])] = f"the same memory as {found[other][0]!r}, which is judged"
    return doubled


def _tensor(name: str, item: Any, storages: _Storages) -> Tensor:
    if isinstance(item, Unreadable):
        return unreadable(name, item.why, item.nbytes, item.shape)
    nbytes = sum(math.prod(view.shape) * raw_dtype(view.element).itemsize for view in views_of(item))
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
    with path.open("rb") as file:
        start = file.read(4)
    if start[:1] != b"\x80" and zipfile.is_zipfile(path):  # a pickle may hold archives inside
        yield from _read_zip(path)
    elif start == b"PK\x03\x04":
        raise fail("the archive is cut short: its list of records, at the end, is missing")
    else:
        yield from _read_legacy(path)


def _read_zip(path: Path) -> Iterator[Tensor]:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = {info.filename: info for info in archive.infolist()}
            check_start(archive)
            programs = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
            if len(programs) != 1:
                raise fail(f"the archive holds {len(programs)} data.pkl, a torch checkpoint one")
            root = programs[0].removesuffix("data.pkl")
            folders = [("data", programs[0], "")]
            if f"{root}constants.pkl" in members:  # of TorchScript: all weights of a frozen module
                folders.append(("constants", f"{root}constants.pkl", "constants."))
            starts = tuple(f"{root}{folder}/" for folder, _, _ in folders)
            read = {f"{root}byteorder", *(member for _, member, _ in folders)}
            records = [info for name, info in members.items() if name.startswith(starts) or name in read]
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
            parts = []
            for folder, member, prefix in folders:
                program = small(member, path.stat().st_size)
                axes: dict[str, Axis] = {}
                value = interpret(io.BytesIO(program), len(program))
                found = [(prefix + name, item) for name, item in found_in(value, len(program), axes)]
                keys = {view.storage.key for _, item in found for view in views_of(item)}
                places = {
                    key: (_place(file, info), info.file_size)
                    for key in keys
                    if (info := members.get(f"{root}{folder}/{key}")) is not None
                }
                parts.append((found, places, axes))
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise fail(f"damaged archive ({error})") from None
    for number, (found, places, axes) in enumerate(parts):
        storages = _Storages(path, ">" if order.strip() == b"big" else "<", places)
        for tensor in _tensors(found, storages, axes):
            # keys are counted in each part anew
            yield tensor.renamed(storage=tensor.storage and (number, tensor.storage))


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
                axes: dict[str, Axis] = {}
                yield from _tensors(found_in(first, end, axes), _Storages(path, "<", {}), axes)
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
        turned: dict[str, Axis] = {}
        found = found_in(value, end, turned)
        used = {one.key: one for one in referred}  # those of tensors agree; the others are passed over
        used |= {view.storage.key: view.storage for _, item in found for view in views_of(item)}
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
    yield from _tensors(found, _Storages(path, "<" if little else ">", places), turned)
