"""Read tensors out of torch checkpoints without torch and without running anything a pickle asks for.

A pickle is a program. Python's own unpickler runs it; this module interprets it symbolically instead: a small
stack machine over ``pickletools.genops`` knows the opcodes that data needs, a fixed table of names that stand
for tensors, and nothing else. The first name outside the table ends the reading with one sentence. No object
of the file's choosing is ever imported, called or constructed.

Formats: the zip archive of torch >= 1.6 (``data.pkl`` and one record per storage) and the legacy sequence of
five pickles followed by raw storages.
"""

import math
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAX_OPCODES = 20_000_000

# storage class -> (dtype of the raw bytes, element type as the field names it)
STORAGES = {
    "FloatStorage": ("f4", "float32"),
    "DoubleStorage": ("f8", "float64"),
    "HalfStorage": ("f2", "float16"),
    "BFloat16Storage": ("u2", "bfloat16"),
    "CharStorage": ("i1", "int8"),
    "ByteStorage": ("u1", "uint8"),
    "ShortStorage": ("i2", "int16"),
    "IntStorage": ("i4", "int32"),
    "LongStorage": ("i8", "int64"),
    "BoolStorage": ("?", "bool"),
    "ComplexFloatStorage": ("c8", "complex64"),
    "ComplexDoubleStorage": ("c16", "complex128"),
    "UntypedStorage": ("u1", "bytes"),
}
DTYPES = {
    "float8_e4m3fn": ("u1", "float8_e4m3fn"),
    "float8_e5m2": ("u1", "float8_e5m2"),
    **{f"{kind}": (raw, kind) for raw, kind in STORAGES.values() if kind != "bytes"},
}
_NAMES = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    *(f"{module}.{name}" for name in STORAGES for module in ("torch", "torch.storage")),
    *(f"torch.{name}" for name in DTYPES),
}


@dataclass(frozen=True)
class Name:
    """A name of the table, standing for itself: never imported."""

    path: str


@dataclass(frozen=True)
class Storage:
    """A storage the pickle refers to: class name, key of its record, number of elements."""

    kind: str
    key: str
    numel: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A strided view of a storage; `raw` and `dtype` say how its bytes are read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    raw: str
    dtype: str


@dataclass(eq=False)
class _Mapping:
    """An OrderedDict under construction: its items, whatever attributes a BUILD gives it are dropped."""

    items: dict


def _fail(what: str) -> ValueError:
    return ValueError(f"not a readable torch checkpoint: {what}")


def interpret(stream: IO[bytes]) -> Any:
    """The value of one pickle, read from `stream` up to and including its STOP.

    Returns plain Python data in which tensors are :class:`Tensor` and mappings are dicts.

    Raises
    ------
    ValueError
        A name outside the table, an opcode data does not need, or a malformed stream.
    """
    try:
        return _interpret(stream)
    except ValueError as error:
        if str(error).startswith("not a readable"):
            raise
        raise _fail(f"malformed pickle ({error})") from None
    except (
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as error:
        raise _fail(f"malformed pickle ({type(error).__name__})") from None


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}


def _interpret(stream: IO[bytes]) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        if count > _MAX_OPCODES:
            raise _fail("the pickle is longer than any checkpoint needs")
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            if len(stack) != 1 or marks:
                raise _fail("the pickle ends with a stack that is not one value")
            return stack[0]
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "GLOBAL":
            stack.append(_name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_name(module, attribute))
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            items = stack[-size:]
            if len(items) < size:
                raise _fail("the pickle takes more than it put")
            del stack[-size:]
            stack.append(tuple(items))
        elif name == "LIST":
            stack.append(since_mark())
        elif name == "DICT":
            stack.append(_set_items({}, since_mark()))
        elif name == "APPEND":
            value = stack.pop()
            _list(stack[-1]).append(value)
        elif name == "APPENDS":
            values = since_mark()
            _list(stack[-1]).extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _set_items(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = since_mark()
            _set_items(stack[-1], items)
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            since_mark()
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_apply(function, arguments))
        elif name == "BUILD":
            stack.pop()  # attributes such as a state dict's _metadata carry no weights
            if not isinstance(stack[-1], _Mapping):
                raise _fail("the pickle sets the state of something that is not a mapping")
        else:
            raise _fail(f"the pickle uses {name}, which tensors do not need")
    raise _fail("the pickle ends early")


def _name(module: Any, attribute: Any) -> Name:
    path = f"{module}.{attribute}"
    if path not in _NAMES:
        raise _fail(f"the pickle names {path[:200]!r}, only tensors are read (save the state dict alone)")
    return Name(path)


def _list(value: Any) -> list:
    if not isinstance(value, list):
        raise _fail("the pickle appends to something that is not a list")
    return value


def _set_items(target: Any, items: list) -> Any:
    mapping = target.items if isinstance(target, _Mapping) else target
    if not isinstance(mapping, dict) or len(items) % 2:
        raise _fail("the pickle sets items of something that is not a mapping")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, int, float, bytes, type(None))):  # hashing nested tuples could recurse
            raise _fail("a mapping's key is neither text nor number")
        mapping[key] = value
    return target


def _storage(identity: Any) -> Storage:
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise _fail("a persistent reference is not a storage")
    _, kind, key, _, numel = identity[:5]
    if len(identity) == 6 and identity[5] is not None:
        raise _fail("storage views of torch < 0.4 are not read")
    if not isinstance(kind, Name) or kind.path.rpartition(".")[2] not in STORAGES:
        raise _fail("a storage has an unknown type")
    if not isinstance(key, str) or not _is_size(numel):
        raise _fail("a storage has no key or no size")
    return Storage(kind.path.rpartition(".")[2], key, numel)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _apply(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise _fail("the pickle calls something that is not a tensor")
    short = function.path.rpartition(".")[2]
    if short == "OrderedDict":
        mapping = _Mapping({})
        for pair in arguments[0] if arguments else ():
            _set_items(mapping, list(pair))
        return mapping
    if short == "Size":
        return tuple(arguments[0])
    if short == "_rebuild_parameter":
        if not isinstance(arguments[0], Tensor):
            raise _fail("a parameter holds no tensor")
        return arguments[0]
    if short.startswith("_rebuild_tensor"):
        return _tensor(short, arguments)
    raise _fail(f"the pickle calls {function.path!r}, which is not a tensor")


def _tensor(function: str, arguments: tuple) -> Tensor:
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage):
        raise _fail("a tensor has no storage")
    raw, dtype = STORAGES[storage.kind]
    numel = storage.numel
    if function.endswith("v3"):
        kind = arguments[6]
        short = kind.path.removeprefix("torch.") if isinstance(kind, Name) else ""
        if short not in DTYPES:
            raise _fail("a tensor has an unknown element type")
        raw, dtype = DTYPES[short]
        numel = numel * np.dtype(STORAGES[storage.kind][0]).itemsize // np.dtype(raw).itemsize
    elif dtype == "bytes":
        raise _fail("a tensor on an untyped storage does not name its element type")
    shape, strides = tuple(shape), tuple(strides)
    if not all(map(_is_size, (offset, *shape, *strides))) or len(shape) != len(strides) or len(shape) > 32:
        raise _fail("a tensor's offset, shape or strides are not sizes")
    count = math.prod(shape)
    if count > numel:
        raise _fail(f"a tensor of {count} elements claims a storage of {numel}")
    last = (
        offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if count else 0
    )
    if count and last >= numel:
        raise _fail(f"a tensor reaches element {last} of a storage of {numel}")
    return Tensor(storage, offset, shape, strides, raw, dtype)


def tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor inside nested mappings and lists, with its dotted name, in the file's order."""
    pending: list[tuple[str, Any, int]] = [("", value, 0)]
    seen: set[int] = set()  # a pickle can build cycles
    while pending:
        name, item, depth = pending.pop()
        if depth > 100:
            raise _fail("its contents are nested too deeply")
        if isinstance(item, Tensor):
            yield name or "tensor", item
            continue
        if isinstance(item, _Mapping):
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
            raise _fail(f"claims of different size or type on storage {tensor.storage.key[:50]!r}")
    return found, storages


def view(tensor: Tensor, storage: np.ndarray) -> np.ndarray:
    """The tensor's elements as a read-only strided view of its storage's raw elements."""
    flat = storage.view(np.dtype(tensor.raw).newbyteorder(storage.dtype.byteorder))
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, flat.dtype)
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides, writeable=False)


def read(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
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
                raise _fail(f"the archive holds {len(programs)} data.pkl, a torch checkpoint one")
            root = programs[0].removesuffix("data.pkl")
            if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
                raise _fail("the archive is compressed, torch never compresses")
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
                        raise _fail(f"storage {key[:50]!r} of {wanted} bytes is missing or truncated")
                    kept[key] = np.frombuffer(archive.read(record), dtype, tensor.storage.numel)
                yield name, view(tensor, kept[key]), tensor.dtype
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise _fail(f"damaged archive ({error})") from None


def _read_legacy(path: Path) -> Iterator[tuple[str, np.ndarray, str]]:
    with path.open("rb") as stream:
        if interpret(stream) != _MAGIC:
            raise _fail("it does not start with torch's magic number")
        if interpret(stream) != _PROTOCOL:
            raise _fail("unknown protocol version")
        system = interpret(stream)
        little = system.get("little_endian", True) if isinstance(system, dict) else True
        value = interpret(stream)
        keys = interpret(stream)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise _fail("the list of storages is not a list of keys")
        found, kinds = _found(value)
        storages: dict[str, np.ndarray] = {}
        end = path.stat().st_size
        for key in keys:
            if key not in kinds:
                raise _fail(f"storage {key[:50]!r} belongs to no tensor")
            header = stream.read(8)
            dtype = np.dtype(("<" if little else ">") + STORAGES[kinds[key].kind][0])
            numel = int.from_bytes(header, "little" if little else "big")
            if len(header) < 8 or numel != kinds[key].numel or stream.tell() + numel * dtype.itemsize > end:
                raise _fail(f"storage {key[:50]!r} is truncated or has another size than its tensor says")
            start = stream.tell()
            storages[key] = (
                np.memmap(path, dtype, "r", offset=start, shape=(numel,)) if numel else np.empty(0, dtype)
            )
            stream.seek(start + numel * dtype.itemsize)
        for name, tensor in found:
            if tensor.storage.key not in storages:
                raise _fail(f"storage {tensor.storage.key[:50]!r} is missing")
            yield name, view(tensor, storages[tensor.storage.key]), tensor.dtype
