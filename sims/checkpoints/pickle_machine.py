"""Read tensors out of torch checkpoints without torch and without running anything a pickle asks for.

A pickle is a program. Python's own unpickler runs it; this module interprets it symbolically instead: a small
stack machine over ``pickletools.genops`` knows the opcodes that data needs, a fixed table of names that stand
for tensors, and nothing else. The first name outside the table ends the reading with one sentence. No object
of the file's choosing is ever imported, called or constructed.
"""

import math
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from sims.checkpoints.limits import OPCODES, LimitError

_MAX_DIMENSIONS = 32  # of a NumPy array

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
class Items:
    """An OrderedDict under construction: its items, whatever attributes a BUILD gives it are dropped."""

    items: dict


def fail(what: str) -> ValueError:
    """The error that says why a torch checkpoint cannot be read."""
    return ValueError(f"not a readable torch checkpoint: {what}")


def interpret(stream: IO[bytes], size: int) -> Any:
    """The value of one pickle, read from `stream` up to and including its STOP.

    `size` is the number of bytes that the stream holds; in proportion to it stands what the pickle may cost.

    Returns plain Python data in which tensors are :class:`Tensor` and mappings are dicts.

    Raises
    ------
    ValueError
        A name outside the table, an opcode data does not need, or a malformed stream.
    """
    try:
        return _interpret(stream, OPCODES.allowed(size), size)
    except LimitError:
        raise
    except ValueError as error:
        if str(error).startswith("not a readable"):
            raise
        raise fail(f"malformed pickle ({error})") from None
    except (
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        struct.error,
    ) as error:
        raise fail(f"malformed pickle ({type(error).__name__})") from None


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


def _interpret(stream: IO[bytes], most: int, size: int) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    copied = 0

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        if count > most:
            OPCODES.check(count, size)
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            if len(stack) != 1 or marks:
                raise fail("the pickle ends with a stack that is not one value")
            return stack[0]
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            if not 0 <= argument < 2**32:  # larger ones can be chosen to collide in the table
                raise fail("the pickle counts its memories in numbers no pickler uses")
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
            width = int(name[-1])
            items = stack[-width:]
            if len(items) < width:
                raise fail("the pickle takes more than it put")
            del stack[-width:]
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
            if isinstance(arguments, tuple) and arguments and isinstance(arguments[0], (list, tuple)):
                copied += len(arguments[0])  # one long list can be handed to many calls
                if copied > most:
                    OPCODES.check(copied, size)
            stack.append(_apply(function, arguments))
        elif name == "BUILD":
            stack.pop()  # attributes such as a state dict's _metadata carry no weights
            if not isinstance(stack[-1], Items):
                raise fail("the pickle sets the state of something that is not a mapping")
        else:
            raise fail(f"the pickle uses {name}, which tensors do not need")
    raise fail("the pickle ends early")


def _name(module: Any, attribute: Any) -> Name:
    if not isinstance(module, str) or not isinstance(attribute, str):  # never format what is not text: a
        raise fail("the pickle names something that is not text")  # tuple of tuples can be endless
    path = f"{module}.{attribute}"
    if path not in _NAMES:
        raise fail(f"the pickle names {path[:200]!r}, only tensors are read (save the state dict alone)")
    return Name(path)


def _list(value: Any) -> list:
    if not isinstance(value, list):
        raise fail("the pickle appends to something that is not a list")
    return value


def _set_items(target: Any, items: list) -> Any:
    mapping = target.items if isinstance(target, Items) else target
    if not isinstance(mapping, dict) or len(items) % 2:
        raise fail("the pickle sets items of something that is not a mapping")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, int, float, bytes, type(None))):  # hashing nested tuples could recurse
            raise fail("a mapping's key is neither text nor number")
        if isinstance(key, int) and abs(key) >= 2**60:  # larger ones can be chosen to collide in the table
            raise fail("a mapping's key is a number too large")
        mapping[key] = value
    return target


def _storage(identity: Any) -> Storage:
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise fail("a persistent reference is not a storage")
    _, kind, key, _, numel = identity[:5]
    if len(identity) == 6 and identity[5] is not None:
        raise fail("storage views of torch < 0.4 are not read")
    if not isinstance(kind, Name) or kind.path.rpartition(".")[2] not in STORAGES:
        raise fail("a storage has an unknown type")
    if not isinstance(key, str) or not _is_size(numel):
        raise fail("a storage has no key or no size")
    return Storage(kind.path.rpartition(".")[2], key, numel)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or len(value) > _MAX_DIMENSIONS or not all(map(_is_size, value)):
        raise fail("a tensor's offset, shape or strides are not sizes")
    return tuple(value)


def _apply(function: Any, arguments: Any) -> Any:
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        raise fail("the pickle calls something that is not a tensor")
    short = function.path.rpartition(".")[2]
    if short == "OrderedDict":
        mapping = Items({})
        pairs, *_ = arguments or ((),)
        if not isinstance(pairs, (list, tuple)) or not all(isinstance(pair, (list, tuple)) for pair in pairs):
            raise fail("a mapping is made of something that is not pairs")
        if any(len(pair) != 2 for pair in pairs):
            raise fail("a mapping is made of something that is not pairs")
        for pair in pairs:
            _set_items(mapping, list(pair))
        return mapping
    if short == "Size":
        return _sizes(arguments[0])
    if short == "_rebuild_parameter":
        if not isinstance(arguments[0], Tensor):
            raise fail("a parameter holds no tensor")
        return arguments[0]
    if short.startswith("_rebuild_tensor"):
        return _tensor(short, arguments)
    raise fail(f"the pickle calls {function.path!r}, which is not a tensor")


def _tensor(function: str, arguments: tuple) -> Tensor:
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage):
        raise fail("a tensor has no storage")
    raw, dtype = STORAGES[storage.kind]
    numel = storage.numel
    if function.endswith("v3"):
        kind = arguments[6]
        short = kind.path.removeprefix("torch.") if isinstance(kind, Name) else ""
        if short not in DTYPES:
            raise fail("a tensor has an unknown element type")
        raw, dtype = DTYPES[short]
        numel = numel * np.dtype(STORAGES[storage.kind][0]).itemsize // np.dtype(raw).itemsize
    elif dtype == "bytes":
        raise fail("a tensor on an untyped storage does not name its element type")
    shape, strides = _sizes(shape), _sizes(strides)
    if not _is_size(offset) or len(shape) != len(strides):
        raise fail("a tensor's offset, shape or strides are not sizes")
    count = math.prod(shape)
    if count > numel:
        raise fail(f"a tensor of {count} elements claims a storage of {numel}")
    last = (
        offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if count else 0
    )
    if count and last >= numel:
        raise fail(f"a tensor reaches element {last} of a storage of {numel}")
    return Tensor(storage, offset, shape, strides, raw, dtype)
