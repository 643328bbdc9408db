"""What the names and calls of a torch pickle stand for: tensors, mappings, and opaque objects.

Nothing here is the thing itself. A name is a name, a call of a function that is not in the fixed table is an
object of unknown kind that remembers what was said about it, and no object of the file's choosing is ever
imported, called or constructed.
"""

import math
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sims.checkpoints.elements import NARROW, PAIRS, PLAIN, raw_dtype

_MAX_DIMENSIONS = 32  # of a NumPy array
_LARGEST_KEY = 2**60  # larger integers can be chosen to collide in a table

STORAGES = {  # storage class -> element type
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
    "UntypedStorage": "",  # counts bytes
}
_DTYPES = {*PLAIN, *NARROW, *PAIRS, "complex64", "complex128"}
# One name of these, and the pickle is a program: other readers would run it.
_PROGRAMS = {
    *("os", "posix", "nt", "sys", "subprocess", "shutil", "socket", "pty", "runpy", "importlib", "ctypes"),
    *("pickle", "_pickle", "cPickle", "marshal", "shelve", "code", "codeop", "timeit", "pdb", "bdb"),
    *("profile", "cProfile", "trace", "commands", "webbrowser", "multiprocessing", "asyncio", "pip"),
    *("ensurepip", "dill", "cloudpickle", "joblib", "operator", "_operator"),
}
_HARMLESS = {"complex", "bytearray", "bytes", "set", "frozenset", "slice", "range", "object", "int", "float"}
_HARMLESS |= {"str", "bool", "list", "dict", "tuple"}
_PROGRAM_NAMES = {"torch.load", "torch.jit.load", "torch.hub.load", "torch.serialization.load"}


@dataclass(frozen=True)
class Name:
    """A name standing for itself: never imported."""

    path: str


@dataclass(frozen=True)
class Storage:
    """A storage the pickle refers to: element type ("" for bytes), key of its record, number of elements."""

    element: str
    key: str
    numel: int

    @property
    def nbytes(self) -> int:
        """Bytes of the record."""
        return self.numel * raw_dtype(self.element or "uint8").itemsize


@dataclass(frozen=True, eq=False)
class View:
    """A strided view of a storage, in units of `element`."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    element: str

    @property
    def last(self) -> int:
        """One more than the last unit of the storage that it shows."""
        if not math.prod(self.shape):
            return self.offset
        steps = ((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        return self.offset + sum(steps) + 1


@dataclass(frozen=True, eq=False)
class Quantized:
    """Codes with a scale and a zero point each, or one of each along `axis`: value = (code - zero) scale."""

    codes: View
    scale: "float | View"
    zero: "int | View"
    axis: int = 0


@dataclass(frozen=True, eq=False)
class Sparse:
    """A sparse tensor: kind and parts as in :func:`sims.checkpoints.sparse.expand`."""

    kind: str
    shape: tuple[int, ...]
    parts: dict[str, View]


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A tensor whose values are not read, and why."""

    why: str
    shape: tuple[int, ...] = ()
    nbytes: int = 0


@dataclass(eq=False)
class Items:
    """An OrderedDict under construction: its items, whatever attributes a BUILD gives it are dropped."""

    items: dict


@dataclass(eq=False)
class Opaque:
    """An object of an unknown kind: its name, what it was called with, its state and contents."""

    path: str
    arguments: tuple = ()
    state: Any = None
    items: dict = field(default_factory=dict)
    members: list = field(default_factory=list)


_DEVICES = (  # tensors of a TPU and the like, saved as an array of numpy, or as a tensor of the CPU
    *("_rebuild_xla_tensor", "_rebuild_device_tensor_from_numpy", "_rebuild_device_tensor_from_cpu_tensor"),
)

TENSORS = (View, Quantized, Sparse, Unreadable)
CONTAINERS = (Items, Opaque, dict, list, tuple)


def fail(what: str) -> ValueError:
    """The error that says why a torch checkpoint cannot be read."""
    return ValueError(f"not a readable torch checkpoint: {what}")


def name(module: Any, attribute: Any) -> Name:
    """The name a pickle asks for, unless it is one of a program."""
    if not isinstance(module, str) or not isinstance(attribute, str):  # never format what is not text: a
        raise fail("the pickle names something that is not text")  # tuple of tuples can be endless
    path = f"{module}.{attribute}"
    top = module.partition(".")[0]
    builtin = top in ("builtins", "__builtin__") and attribute not in _HARMLESS
    if top in _PROGRAMS or builtin or path in _PROGRAM_NAMES:
        raise fail(f"the pickle names {path[:200]!r}, a program to run, which no tensor needs")
    return Name(path)


def set_items(target: Any, items: list) -> Any:
    """Set pairs of key and value, key by key."""
    mapping = target.items if isinstance(target, (Items, Opaque)) else target
    if not isinstance(mapping, dict) or len(items) % 2:
        raise fail("the pickle sets items of something that is not a mapping")
    for key, value in zip(items[::2], items[1::2], strict=True):
        mapping[_key(key)] = value
    return target


def _key(key: Any) -> Any:
    """A key that is safe to hash: hashing nested tuples could recurse, or never end."""
    if isinstance(key, (str, float, bytes, type(None))):
        return key
    if isinstance(key, int):
        if abs(key) >= _LARGEST_KEY:
            raise fail("a mapping's key is a number too large")
        return key
    if isinstance(key, tuple) and len(key) <= 16 and all(isinstance(k, (str, int, float)) for k in key):
        return tuple(_key(part) for part in key)
    if isinstance(key, Name):
        return key.path
    if isinstance(key, Opaque):
        return key  # by identity
    raise fail("a mapping's key is neither text nor number")


def storage(identity: Any) -> Storage:
    """The storage of a persistent reference."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise fail("a persistent reference is not a storage")
    _, kind, key, _, numel = identity[:5]
    if len(identity) == 6 and identity[5] is not None:
        raise fail("storage views of torch < 0.4 are not read")
    if not isinstance(kind, Name) or kind.path.rpartition(".")[2] not in STORAGES:
        raise fail("a storage has an unknown type")
    if not isinstance(key, str) or not _is_size(numel):
        raise fail("a storage has no key or no size")
    return Storage(STORAGES[kind.path.rpartition(".")[2]], key, numel)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or len(value) > _MAX_DIMENSIONS or not all(map(_is_size, value)):
        raise fail("a tensor's offset, shape or strides are not sizes")
    return tuple(value)


def apply(function: Any, arguments: Any) -> Any:
    """What a call stands for: a tensor, a mapping, or an object of unknown kind."""
    if not isinstance(function, (Name, Opaque)) or not isinstance(arguments, tuple):
        raise fail("the pickle calls something that is not a name")
    path = function.path
    short = path.rpartition(".")[2]
    if path == "collections.OrderedDict":
        return _ordered(arguments)
    if path == "torch.Size":
        return _sizes(arguments[0])
    if path == "_codecs.encode" and isinstance(arguments[0], str):
        return arguments[0].encode("latin1", "replace")
    if path.startswith(("torch._utils._rebuild", "torch._tensor._rebuild")):
        return _rebuilt(short, arguments)
    return Opaque(path, arguments)


def _ordered(arguments: tuple) -> Items:
    mapping = Items({})
    pairs, *_ = arguments or ((),)
    if not isinstance(pairs, (list, tuple)) or not all(isinstance(pair, (list, tuple)) for pair in pairs):
        raise fail("a mapping is made of something that is not pairs")
    if any(len(pair) != 2 for pair in pairs):
        raise fail("a mapping is made of something that is not pairs")
    for pair in pairs:
        set_items(mapping, list(pair))
    return mapping


def _rebuilt(short: str, arguments: tuple) -> Any:
    if short in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
        if not isinstance(arguments[0], (*TENSORS, Opaque)):
            raise fail("a parameter holds no tensor")
        return arguments[0]
    if short in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
        return _tensor(short, arguments)
    if short == "_rebuild_qtensor":
        return _quantized(arguments)
    if short == "_rebuild_sparse_tensor":
        return _sparse(arguments)
    if short == "_rebuild_from_type_v2":  # function, class, arguments, state of a subclass of Tensor
        return _subclass(*arguments[:4])
    if short in _DEVICES and isinstance(arguments[0], (*TENSORS, Opaque)):
        return arguments[0]
    if short == "_rebuild_meta_tensor_no_storage":
        return Unreadable("a tensor on the meta device: it has no values")
    return Opaque(f"torch._utils.{short}", arguments)


def _subclass(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A subclass of Tensor: its one tensor, codes and scales, or parts that only its class joins.

    A DTensor that is whole on its device is a tensor; torchao keeps a code for every weight (``qdata``) in
    most of its classes, and packed ones in others.
    """
    found = apply(function, arguments)
    if not isinstance(found, Opaque):
        return found
    path = kind.path if isinstance(kind, Name) else "an unknown class"
    wrapper = function.path.endswith("_rebuild_wrapper_subclass") and len(arguments) > 2
    shape = arguments[2] if wrapper and isinstance(arguments[2], (list, tuple)) else ()
    state = state.items if isinstance(state, Items) else state
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):  # attributes, and slots
        state = {**(state[0] if isinstance(state[0], dict) else {}), **state[1]}
    if isinstance(state, dict):
        local, codes = state.get("_local_tensor"), state.get("qdata")
        if isinstance(local, View) and local.shape == _sizes(shape):
            return local
        beside = {key: part for key in ("scale", "zero_point") if isinstance(part := state.get(key), View)}
        plain = isinstance(codes, View) and codes.shape == _sizes(shape) and "scale" in beside
        if plain and state.get("act_pre_scale") is None:  # which would have gone into the weights
            return Opaque(path, state={"qdata": codes, **beside})
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    nbytes = sum(_stored(part) for part in islice(parts, 16))  # one state may be handed to many calls
    return Unreadable(
        f"a tensor of the class {path[:100]}, which only that class can put together", _sizes(shape), nbytes
    )


def _stored(part: Any) -> int:
    """Bytes of a part of a tensor; those of parts deeper down are not looked for."""
    if isinstance(part, Unreadable):
        return part.nbytes
    return math.prod(part.shape) * raw_dtype(part.element).itemsize if isinstance(part, View) else 0


def _tensor(function: str, arguments: tuple) -> View | Unreadable:
    base, offset, shape, strides = arguments[:4]
    if isinstance(base, Opaque) and base.path == "torch.storage._load_from_bytes":
        raise fail("its tensors were written by pickle.dump: write them with torch.save")
    if not isinstance(base, Storage):
        raise fail("a tensor has no storage")
    shape, strides = _sizes(shape), _sizes(strides)
    if not _is_size(offset) or len(shape) != len(strides):
        raise fail("a tensor's offset, shape or strides are not sizes")
    element = base.element
    if function.endswith("v3"):
        kind = arguments[6]
        element = kind.path.removeprefix("torch.") if isinstance(kind, Name) else ""
        if element not in _DTYPES:
            if not isinstance(kind, Name):
                raise fail("a tensor has an unknown element type")
            return Unreadable(f"values of type {kind.path[:60]!r}, not read", shape)
    elif not element:
        raise fail("a tensor on an untyped storage does not name its element type")
    view = View(base, offset, shape, strides, element)
    numel = base.nbytes // raw_dtype(element).itemsize
    if math.prod(shape) and view.last > numel:
        raise fail(f"a tensor reaches element {view.last - 1} of a storage of {numel}")
    return view


def _quantized(arguments: tuple) -> Quantized | Unreadable:
    """(storage, offset, shape, strides, (scheme, scale, zero point[, axis]), ...)."""
    codes = _tensor("_rebuild_tensor_v2", arguments)
    assert isinstance(codes, View)  # of types that are not read there is no class of storages
    scheme, scale, zero, *rest = arguments[4]
    path = scheme.path if isinstance(scheme, Name) else ""
    if path == "torch.per_tensor_affine" and isinstance(scale, (int, float)) and isinstance(zero, int):
        return Quantized(codes, float(scale), zero)
    whole = isinstance(scale, View) and isinstance(zero, View) and rest and _is_size(rest[0])
    if path.startswith("torch.per_channel_affine") and whole:
        axis = rest[0]
        if axis < len(codes.shape) and scale.shape == zero.shape == codes.shape[axis : axis + 1]:
            return Quantized(codes, scale, zero, axis)
    return Unreadable(
        f"already quantized, by a scheme that is not read ({path[:60] or 'unnamed'})", codes.shape
    )


def _sparse(arguments: tuple) -> Sparse | Unreadable:
    """(layout, (parts of the layout, then its shape))."""
    layout, parts = arguments[:2]
    kind = (
        layout.path if isinstance(layout, Name) else layout.arguments[0] if isinstance(layout, Opaque) else ""
    )
    if kind == "torch.sparse_coo" and len(parts) >= 3 and all(isinstance(p, View) for p in parts[:2]):
        return Sparse("coo", _sizes(parts[2]), {"indices": parts[0], "data": parts[1]})
    kinds = {f"torch.sparse_{kind}": kind for kind in ("csr", "csc", "bsr", "bsc")}
    if (
        isinstance(kind, str)
        and kind in kinds
        and len(parts) >= 4
        and all(isinstance(p, View) for p in parts[:3])
    ):
        named = {"indptr": parts[0], "indices": parts[1], "data": parts[2]}
        return Sparse(kinds[kind], _sizes(parts[3]), named)
    return Unreadable("a sparse tensor of a layout that is not read")
