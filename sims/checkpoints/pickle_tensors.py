"""Every tensor inside of what a pickle holds: its name, checked against all that share its storage."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from sims.checkpoints.limits import ALIASES, NAMES, TENSORS
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
from sims.checkpoints.tensor import Axis, Grouped, Tensor, unreadable

_ATTRIBUTES = ("_parameters", "_buffers", "_modules")  # of a whole module: no part of a tensor's name


def named(value: Any, size: int, axes: dict[str, Axis]) -> Iterator[tuple[str, Any]]:
    """Every tensor inside the mappings, lists and objects of a pickle of `size` bytes, in the file's order.

    The name is dotted: keys and indices on the way to the tensor. What an unknown object was called with is
    no tensor of the network: it comes as :class:`Unreadable`, with that reason. `axes` takes the output axes
    of weights whose module says that it transposes a convolution.
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
        if isinstance(item, Opaque) and isinstance(item.state, dict):
            groups = item.state.get("groups")
            if item.state.get("transposed") is True and type(groups) is int and groups > 0:
                axes[f"{name}.weight" if name else "weight"] = Grouped(groups) if groups > 1 else 1
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
    state, given = item.state, item.arguments
    if item.path.endswith("multiarray._reconstruct") and isinstance(state, tuple) and len(state) == 5:
        _, shape, kind, fortran, data = state
    elif item.path.endswith("numeric._frombuffer") and len(given) == 4:  # protocol 5
        data, kind, shape, order = given
        fortran = order == "F"
    else:
        return None
    code = (
        kind.arguments[0]
        if isinstance(kind, Opaque) and kind.path == "numpy.dtype" and kind.arguments
        else ""
    )
    if not isinstance(code, str) or code[:1] not in set("fiub") or code[1:] not in set("1248"):
        return unreadable("", "a numpy array of a type that is not read")
    byteorder = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "<"
    dtype = np.dtype(code).newbyteorder(">" if byteorder == ">" else "<")
    sizes = isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
    whole = isinstance(data, (bytes, bytearray)) and sizes and math.prod(shape) * dtype.itemsize == len(data)
    if not whole:
        raise fail("a numpy array does not fit its bytes")

    def read() -> np.ndarray:
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
        return array.astype(dtype.newbyteorder("="), copy=False)

    return Tensor("", shape, dtype.name, len(data), read, storage=id(data), fresh=False)


def views_of(item: Any) -> list[View]:
    """The views a tensor consists of."""
    if isinstance(item, View):
        return [item]
    if isinstance(item, Quantized):
        return [part for part in (item.codes, item.scale, item.zero) if isinstance(part, View)]
    return list(item.parts.values()) if isinstance(item, Sparse) else []


def found_in(value: Any, size: int, axes: dict[str, Axis]) -> list[tuple[str, Any]]:
    """All tensors; those of one storage agree about it and do not show it over and over.

    A tensor was checked against the storage *it* claims; two claims on one key must therefore agree, or a
    small honest tensor could vouch for one that reaches beyond the record.
    """
    if not isinstance(value, (*KINDS, *CONTAINERS)):
        raise fail("it holds neither a tensor nor a mapping nor a list")
    found = list(named(value, size, axes))
    storages: dict[str, Storage] = {}
    shown: Counter[str] = Counter()
    for _, tensor in found:
        if isinstance(tensor, Tensor):  # bytes of the pickle itself, which may be named more than once
            shown[str(tensor.storage)] += tensor.nbytes
            ALIASES.check(shown[str(tensor.storage)], tensor.nbytes)
        for view in views_of(tensor):
            key = view.storage.key
            if storages.setdefault(key, view.storage) != view.storage:
                raise fail(f"claims of different size or type on storage {key[:50]!r}")
            shown[key] += math.prod(view.shape)
            # an untyped storage counts bytes, which are never fewer than its elements
            ALIASES.check(shown[key], view.storage.numel)
    return found
