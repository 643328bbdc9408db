"""Constants of an ONNX graph that a node scales: codes, their scales and zero points, as numbers.

Scales may pass through nodes that only change their form, or be scaled themselves (NVFP4), on their way.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sims.checkpoints.onnx_graph import Scope, Use, attribute

_DEPTH = 6  # of nodes between a constant and the node that uses it
_Key = tuple[int, str]  # a scope and a name in it
# Scale and zero point of an operator's quantized input, by the operator and the place of the input.
_SCALED = {
    ("DequantizeLinear", 0): (1, 2),
    ("QLinearConv", 3): (4, 5),
    ("QLinearMatMul", 0): (1, 2),
    ("QLinearMatMul", 3): (4, 5),
    ("QGemm", 3): (4, 5),
    ("MatMulNBits", 1): (2, 3),
    ("DynamicQuantizeMatMul", 1): (2, 3),
    ("MatMulIntegerToFloat", 1): (3, 5),
    ("QAttention", 1): (4, 7),
}
# Those whose codes are in an order of their own: named, and left.
UNREAD = {
    ("GatherBlockQuantized", 0): (2, 3),
    ("DynamicQuantizeLSTM", 1): (8, 9),
    ("DynamicQuantizeLSTM", 2): (10, 11),
    ("MatMulBnb4", 1): (2,),
    ("QMoE", 2): (3, 11),
    ("QMoE", 5): (6, 12),
    ("QMoE", 8): (9, 13),
}
_ONWARD = ("Identity", "Transpose", "Reshape")  # what codes may pass
_SHAPED = ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten")
_FORMS = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "DequantizeLinear")


@dataclass(frozen=True)
class Scaled:
    """Values of a constant as a node scales them, their shape, bytes of the scales, and from what."""

    read: Callable[[], np.ndarray]
    shape: tuple[int, ...]
    extra: int
    what: str


@dataclass(frozen=True)
class _Part:
    """A scale or a zero point: shape, bytes in the file, values."""

    shape: tuple[int, ...]
    nbytes: int
    read: Callable[[], np.ndarray]


class Scaling:
    """What nodes of a model do to constants: every name is looked at once, however many nodes use it.

    Attributes
    ----------
    aside
        Identities of the constants that are nothing but scales and zero points of constants.
    """

    def __init__(self, scopes: list[Scope], model: Any) -> None:
        self.model = model
        self._ways: dict[_Key, tuple[Use, list[Use]] | None] = {}
        self._leaves: dict[_Key, frozenset[int]] = {}
        self._parts: dict[_Key, _Part | None] = {}
        self.aside: set[int] = set()
        for scope in scopes:
            for name, uses in scope.uses.items():
                for use in uses:
                    places = _SCALED.get((use.node.op_type, use.place), ())
                    for place in places if _origin(name, use.scope) else ():
                        if place < len(use.node.input):
                            self.aside |= self._made_of(use.node.input[place], use.scope)

    def of(self, name: str, constant: Any, scope: Scope) -> Scaled | str | None:
        """What a node makes of a constant that it scales.

        None where none does, and a reason where one does in a way that is not read.
        """
        found = self._way(name, scope)
        if found is None:
            return None
        use, way = found
        if (use.node.op_type, use.place) in UNREAD:
            return f"already quantized, by a {use.node.op_type}, which is not read"
        return self._scaled(use, way, constant)

    def formed(self, name: str, shape: tuple[int, ...], scope: Scope) -> tuple[str, tuple[int, ...], Scope]:
        """The name, shape and scope in which a constant is used, where all that uses it reshapes it."""
        for _ in range(_DEPTH):
            uses = scope.uses.get(name, ())
            if len(uses) != 1 or uses[0].place or uses[0].node.op_type not in _SHAPED:
                break
            node, inner = uses[0].node, uses[0].scope
            if not node.output:
                break
            given = [self._folded(one, inner) for one in node.input[1:2] if one]
            if any(part is None or math.prod(part.shape) > 32 for part in given):
                break
            sizes = [int(size) for part in given if part is not None for size in part.read().reshape(-1)]
            further = _reshaped(node, shape, sizes if given else None)
            if node.op_type != "Identity" and sum(size > 1 for size in further) < 2:
                break  # of a vector it makes no matrix
            name, shape, scope = node.output[0], further, inner
        return name, shape, scope

    def _way(self, name: str, scope: Scope, depth: int = 0) -> tuple[Use, list[Use]] | None:
        """The first node that scales what has a name, past nodes that hand it on or turn it; and those."""
        key = (id(scope), name)
        if key in self._ways or depth > _DEPTH:
            return self._ways.get(key)
        self._ways[key] = None  # names may lead in a circle
        uses = scope.uses.get(name, ())
        for use in uses:
            if (use.node.op_type, use.place) in _SCALED or (use.node.op_type, use.place) in UNREAD:
                self._ways[key] = use, []
                return self._ways[key]
        for use in uses:
            if use.node.op_type in _ONWARD and not use.place and use.node.output:
                further = self._way(use.node.output[0], use.scope, depth + 1)
                if further is not None:
                    self._ways[key] = further[0], [use, *further[1]]
                    break
        return self._ways[key]

    def _made_of(self, name: str, scope: Scope, depth: int = 0) -> frozenset[int]:
        """Identities of the constants of which a scale is made."""
        constant = scope.constant(name)
        if constant is not None:
            return frozenset([id(constant)])
        key, node = (id(scope), name), scope.producer(name)
        if key in self._leaves or node is None or node.op_type not in _FORMS or depth > _DEPTH:
            return self._leaves.get(key, frozenset())
        self._leaves[key] = frozenset()
        inputs = node.input if node.op_type == "DequantizeLinear" else node.input[:1]
        self._leaves[key] = frozenset().union(*(self._made_of(one, scope, depth + 1) for one in inputs))
        return self._leaves[key]

    def _scaled(self, use: Use, way: list[Use], constant: Any) -> Scaled | str:
        model = self.model
        node, shape, element = use.node, tuple(constant.dims), model.element(constant)
        parts: list[_Part | None] = []
        for place in _SCALED[node.op_type, use.place]:
            name = node.input[place] if place < len(node.input) else ""
            part = self._folded(name, use.scope) if name else None
            if name and part is None:
                return f"already quantized, by a {node.op_type} whose scale is no constant"
            parts.append(part)
        scale, zero = parts
        if scale is None:
            return f"already quantized, by a {node.op_type} without a scale"
        if any(one.node.op_type == "Reshape" for one in way):
            return f"already quantized, by a {node.op_type} of codes in another shape"
        extra = sum(part.nbytes for part in parts if part is not None)
        if node.op_type == "MatMulNBits":
            columns, rows = attribute(node, "K", 0), attribute(node, "N", 0)
            bits, block = attribute(node, "bits", 4), attribute(node, "block_size", 32)
            if any(node.input[4:5]):
                return f"already quantized, by a {node.op_type} with groups in an order of their own"

            def unpacked() -> np.ndarray:
                points = None if zero is None else zero.read()
                return _matmul_nbits(model.array(constant), scale.read(), points, rows, columns, bits, block)

            return Scaled(unpacked, (rows, columns), extra, f"{bits}-bit blocks of {block}")
        perm = list(range(len(shape)))  # the axis of the constant that every axis of the codes was
        for one in way:
            turn = attribute(one.node, "perm", []) or list(range(len(shape)))[::-1]
            if one.node.op_type == "Transpose":
                if sorted(turn) != list(range(len(shape))):
                    return f"already quantized, by a {node.op_type} of codes turned in an unknown way"
                perm = [perm[axis] for axis in turn]
        turned = tuple(shape[axis] for axis in perm)
        axis, block = _axis(use, len(shape)), 0
        if node.op_type == "DequantizeLinear":
            block = attribute(node, "block_size", 0)
        for part in parts:
            if part is not None and (why := _misfit(part.shape, turned, axis, block)):
                return f"already quantized, by a {node.op_type}: {why}"

        def read() -> np.ndarray:
            codes = model.array(constant).transpose(perm).astype(np.float64)
            points = np.zeros(()) if zero is None else zero.read()
            values = _dequantized(codes, scale.read(), points, axis, block).astype(np.float32)
            return values.transpose(np.argsort(perm))

        return Scaled(read, shape, extra, element)

    def _folded(self, name: str, scope: Scope, depth: int = 0) -> _Part | None:
        """A constant, or what nodes that change its form make of one; None where it is computed otherwise."""
        constant, model = scope.constant(name), self.model
        if constant is not None:
            if hasattr(constant, "values"):  # a SparseTensorProto
                return None
            model.check_external(constant)
            return _Part(tuple(constant.dims), model.nbytes(constant), lambda: model.array(constant))
        key, node = (id(scope), name), scope.producer(name)
        if key in self._parts or node is None or node.op_type not in _FORMS or depth > _DEPTH:
            return self._parts.get(key)
        self._parts[key] = None
        inputs = [self._folded(one, scope, depth + 1) if one else None for one in node.input]
        missing = any(one and part is None for one, part in zip(node.input, inputs, strict=True))
        if missing or not inputs or inputs[0] is None:
            return None
        array = _formed(node, [None if part is None else part.read() for part in inputs], model)
        counted = inputs if node.op_type == "DequantizeLinear" else inputs[:1]
        nbytes = sum(part.nbytes for part in counted if part is not None)
        self._parts[key] = _Part(array.shape, nbytes, lambda: array)  # scales are small: they are kept
        return self._parts[key]


def _origin(name: str, scope: Scope) -> bool:
    """Whether codes are a constant, or what nodes that hand them on or turn them make of one."""
    for _ in range(_DEPTH):
        node = scope.producer(name)
        if scope.constant(name) is not None or node is None:
            break
        if node.op_type not in _ONWARD or not node.input:
            return False
        name = node.input[0]
    return scope.constant(name) is not None


def _axis(use: Use, rank: int) -> int:
    """The axis along which an operator has a scale each."""
    node = use.node
    if node.op_type == "DequantizeLinear":
        return attribute(node, "axis", 1)
    if node.op_type == "QLinearConv" or (node.op_type == "QGemm" and attribute(node, "transB", 0)):
        return 0
    return rank - 1 if use.place else rank - 2  # of the first factor of a QLinearMatMul


def _formed(node: Any, inputs: list[Any], model: Any) -> np.ndarray:
    """The result of one node of `_FORMS`."""
    kind, array = node.op_type, inputs[0]
    further = inputs[1] if len(inputs) > 1 else None
    if kind == "Cast":
        to = {model.onnx.TensorProto.FLOAT16: np.float16, model.onnx.TensorProto.DOUBLE: np.float64}
        return array.astype(to.get(attribute(node, "to", 0), array.dtype))
    if kind == "DequantizeLinear":
        axis, block = attribute(node, "axis", 1), attribute(node, "block_size", 0)
        points = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros(())
        if further is None:
            raise ValueError("a DequantizeLinear without a scale")
        for part in (further, points):
            if why := _misfit(part.shape, array.shape, axis, block):
                raise ValueError(why)
        return _dequantized(array.astype(np.float64), further, points, axis, block)
    if kind == "Reshape" and further is not None:
        sizes = [int(size) for size in further.reshape(-1)]
        kept = not attribute(node, "allowzero", 0)
        return array.reshape([array.shape[i] if size == 0 and kept else size for i, size in enumerate(sizes)])
    if kind in ("Squeeze", "Unsqueeze"):
        axes = further.reshape(-1).tolist() if further is not None else attribute(node, "axes", [])
        if kind == "Squeeze":
            return np.squeeze(array, tuple(axes) or None)
        return np.expand_dims(array, tuple(axes))
    if kind == "Flatten":
        axis = attribute(node, "axis", 1)
        return array.reshape(int(np.prod(array.shape[:axis])), -1)
    if kind == "Transpose":
        return array.transpose(attribute(node, "perm", []) or None)
    return array


def _reshaped(node: Any, shape: tuple[int, ...], sizes: list[int] | None) -> tuple[int, ...]:
    """The shape that a node of `_SHAPED` gives an array; () where it cannot. Its second input is `sizes`."""
    kind, rank = node.op_type, len(shape)
    if kind == "Identity":
        return shape
    if kind == "Flatten":
        axis = attribute(node, "axis", 1)
        return math.prod(shape[:axis]), math.prod(shape[axis:])
    if kind == "Reshape":
        found = list(sizes or attribute(node, "shape", []))
        kept = not attribute(node, "allowzero", 0)
        found = [shape[i] if size == 0 and kept and i < rank else size for i, size in enumerate(found)]
        known = math.prod(size for size in found if size != -1)
        if found.count(-1) == 1 and known:
            found[found.index(-1)] = math.prod(shape) // known
        return tuple(found) if min(found, default=-1) >= 0 and math.prod(found) == math.prod(shape) else ()
    axes = attribute(node, "axes", []) if sizes is None else sizes
    if kind == "Squeeze":
        gone = {axis % rank for axis in axes} or {i for i, size in enumerate(shape) if size == 1}
        whole = all(shape[axis] == 1 for axis in gone)
        return tuple(size for i, size in enumerate(shape) if i not in gone) if whole else ()
    new, old = {axis % (rank + len(axes)) for axis in axes}, iter(shape)
    whole = len(new) == len(axes) > 0
    return tuple(1 if i in new else next(old) for i in range(rank + len(axes))) if whole else ()


def _misfit(part: tuple[int, ...], codes: tuple[int, ...], axis: int, block: int) -> str:
    """Why scales or zero points of a shape do not belong to codes of another; "" where they do."""
    rank = len(codes)
    if np.prod(part, dtype=float) == 1:
        return ""
    if -rank <= axis < rank:
        expected = [-(-n // block) if i == axis % rank else n for i, n in enumerate(codes)] if block else []
        if block > 0 and list(part) == expected:
            return ""
        if part == (codes[axis],):
            return ""
    return f"scales of shape {part} do not fit codes of shape {codes} along axis {axis}"


def _dequantized(codes: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int, block: int) -> np.ndarray:
    """(codes - zero) scale in float64: one of each, one along `axis`, or one per block along it."""

    def spread(part: np.ndarray) -> np.ndarray:
        part = part.astype(np.float64)
        if part.size == 1:
            return part.reshape(())
        along = axis % codes.ndim
        if block and part.ndim == codes.ndim:
            return np.take(part, np.arange(codes.shape[along]) // block, axis=along)
        return part.reshape([-1 if i == along else 1 for i in range(codes.ndim)])

    return (codes - spread(zero)) * spread(scale)


def _matmul_nbits(
    packed: np.ndarray,
    scales: np.ndarray,
    zeros: np.ndarray | None,
    rows: int,
    columns: int,
    bits: int,
    block: int,
) -> np.ndarray:
    """(N, K) weights of com.microsoft.MatMulNBits: codes and zero points from the low end of each byte."""
    if bits not in (2, 4, 8) or block < 16 or rows < 1 or columns < 1:
        raise ValueError(f"already quantized: {bits}-bit blocks of {block} are not read")
    blocks, each = -(-columns // block), 8 // bits

    def codes(array: np.ndarray, count: int) -> np.ndarray:
        flat = array.reshape(rows, -1).view(np.uint8)
        parts = [(flat >> (bits * i)) & (2**bits - 1) for i in range(each)]
        return np.stack(parts, axis=-1).reshape(rows, -1)[:, :count].astype(np.float64)

    values = codes(packed, blocks * block).reshape(rows, blocks, block)
    points: np.ndarray | float = float(2 ** (bits - 1))
    if zeros is not None and zeros.dtype.kind == "f":
        points = zeros.astype(np.float64).reshape(rows, blocks, 1)
    elif zeros is not None:
        points = codes(zeros, blocks).reshape(rows, blocks, 1)
    weights = (values - points) * scales.astype(np.float64).reshape(rows, blocks, 1)
    return weights.reshape(rows, -1)[:, :columns].astype(np.float32)
