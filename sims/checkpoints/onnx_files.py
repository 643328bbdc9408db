"""Reader of .onnx, through the extra package of that name."""

import importlib
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sims.checkpoints import onnx_graph, sparse
from sims.checkpoints.elements import NARROW, raw_dtype
from sims.checkpoints.limits import EXTERNAL
from sims.checkpoints.onnx_graph import Scope, attribute
from sims.checkpoints.tensor import Tensor, Tensors, about, sentence, unreadable
from sims.support.extras import to_install

_ELEMENTS = {
    **{"FLOAT": "float32", "DOUBLE": "float64", "FLOAT16": "float16", "BFLOAT16": "bfloat16", "BOOL": "bool"},
    **{
        f"{kind.upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (2, 4, 8, 16, 32, 64)
    },
    **{"FLOAT8E4M3FN": "float8_e4m3fn", "FLOAT8E4M3FNUZ": "float8_e4m3fnuz", "FLOAT8E5M2": "float8_e5m2"},
    **{"FLOAT8E5M2FNUZ": "float8_e5m2fnuz", "FLOAT8E8M0": "float8_e8m0fnu", "FLOAT4E2M1": "float4_e2m1fn"},
}
_NARROW_BITS = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}
_NARROW_INTEGERS = {"int2": np.int8, "int4": np.int8, "uint2": np.uint8, "uint4": np.uint8}


class _Model:
    """A model, the package that reads it, and the files beside it."""

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("onnx") is None:
            raise ValueError(f"reading .onnx needs the onnx package; {to_install('onnx')}")
        self.onnx = importlib.import_module("onnx")
        self.external = importlib.import_module("onnx.external_data_helper")
        self.path = path
        try:
            self.model = self.onnx.load(str(path), load_external_data=False)
        except OSError:
            raise
        except Exception as error:  # protobuf and onnx raise their own kinds
            raise ValueError(f"not an ONNX model ({sentence(error)})") from None
        self.sizes, self.read = {path: path.stat().st_size}, 0

    def check_external(self, tensor: Any) -> None:
        """Refuse a file beside the model that is missing, or read over and over."""
        if not self.external.uses_external_data(tensor):
            return
        info = self.external.ExternalDataInfo(tensor)
        beside = self.path.parent / info.location
        if beside.parent.resolve() != self.path.parent.resolve() and ".." in Path(info.location).parts:
            return  # onnx refuses places outside the folder when they are read
        if not beside.exists():
            raise ValueError(
                f"its values are in the file {info.location[:100]!r}, which is missing beside the model"
            )
        self.sizes[beside] = beside.stat().st_size
        self.read += int(info.length or 0) or max(0, self.sizes[beside] - int(info.offset or 0))
        EXTERNAL.check(self.read, sum(self.sizes.values()))

    def array(self, tensor: Any) -> np.ndarray:
        """The values of a tensor, in a type that numpy has."""
        if self.external.uses_external_data(tensor):
            copy = self.onnx.TensorProto()
            copy.CopyFrom(tensor)  # so that what is read goes away again
            self.external.load_external_data_for_tensor(copy, str(self.path.parent))
            tensor = copy
        found = self.onnx.numpy_helper.to_array(tensor)
        if found.dtype.name in NARROW:
            return found.astype(np.float32)
        return found.astype(_NARROW_INTEGERS.get(found.dtype.name, found.dtype), copy=False)

    def element(self, tensor: Any) -> str:
        """Element type of a tensor by its usual name; "" of one that is not read."""
        types = self.onnx.TensorProto.DataType
        name = types.Name(tensor.data_type) if tensor.data_type in types.values() else ""
        return _ELEMENTS.get(name, "")


def read_onnx(path: Path) -> Tensors:
    """Every constant of an ONNX model: initializers, sparse ones, Constant nodes, in graphs and functions.

    Values that a node scales (DequantizeLinear and the QLinear operators) are dequantized as it says.
    """
    model = _Model(path)
    for scope in onnx_graph.scopes(model.model):
        aside = _scales(scope)
        for name, constant in scope.constants.items():
            if name in aside:
                continue
            readable = onnx_graph.readable_name(name, scope)
            with about(readable):
                yield _tensor(name, readable, constant, scope, model)


def _tensor(name: str, readable: str, constant: Any, scope: Scope, model: _Model) -> Tensor:
    if hasattr(constant, "values"):  # a SparseTensorProto
        return _sparse(readable, name, constant, scope, model)
    model.check_external(constant)
    shape = tuple(constant.dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"its shape {shape} does not consist of sizes")
    element = model.element(constant)
    if not element:
        return unreadable(readable, f"values of ONNX type {constant.data_type}, not read", shape=shape)
    nbytes = _nbytes(constant, model)
    axis = onnx_graph.output_axis(name, len(shape), scope)
    for use in scope.uses.get(name, ()):
        found = _quantized(use, element, shape, constant, model)
        if isinstance(found, str):
            return unreadable(readable, found, nbytes, shape, element)
        if found is not None:
            read, extra, whole, what = found
            note = f"dequantized from {what}"
            return Tensor(readable, whole, "float32", nbytes + extra, read, axis=axis, note=note)
    return Tensor(readable, shape, element, nbytes, lambda: model.array(constant), axis=axis)


def _sparse(readable: str, name: str, constant: Any, scope: Scope, model: _Model) -> Tensor:
    shape, count = tuple(constant.dims), math.prod(constant.values.dims)
    model.check_external(constant.values)
    model.check_external(constant.indices)
    element = model.element(constant.values)
    nbytes = count * (raw_dtype(element).itemsize if element and element not in _NARROW_INTEGERS else 1)
    nbytes += 8 * math.prod(constant.indices.dims)

    def read() -> np.ndarray:
        data, indices = model.array(constant.values), model.array(constant.indices)
        if indices.ndim == 1:  # places in the flattened tensor
            flat = sparse.expand("coo", (math.prod(shape),), {"data": data, "indices": indices[None]})
            return flat.reshape(shape)
        return sparse.expand("coo", shape, {"data": data, "indices": indices.T})

    axis = onnx_graph.output_axis(name, len(shape), scope)
    return Tensor(readable, shape, element or "?", nbytes, read, axis=axis, note="sparse (coo)")


# scale and zero point of an operator's quantized input, by the operator and the place of the input
_SCALED = {
    ("DequantizeLinear", 0): (1, 2),
    ("QLinearConv", 3): (4, 5),
    ("QLinearMatMul", 0): (1, 2),
    ("QLinearMatMul", 3): (4, 5),
    ("MatMulNBits", 1): (2, 3),
    ("DynamicQuantizeMatMul", 1): (2, 3),
    ("MatMulIntegerToFloat", 1): (3, 5),
    ("QAttention", 1): (4, 7),
}


def _scales(scope: Scope) -> set[str]:
    """Names of constants that are nothing but scales and zero points of constants."""
    found: set[str] = set()
    for name in scope.constants:
        for use in scope.uses.get(name, ()):
            for place in _SCALED.get((use.node.op_type, use.place), ()):
                if place < len(use.node.input):
                    found.add(use.node.input[place])
    return found


Found = tuple[Callable[[], np.ndarray], int, tuple[int, ...], str]


def _quantized(
    use: onnx_graph.Use, element: str, shape: tuple, constant: Any, model: _Model
) -> Found | str | None:
    """How a node dequantizes a constant: values, bytes of the scales, shape, and from what.

    None of a node that does not, and a reason where it does in a way that is not read.
    """
    node = use.node
    places = _SCALED.get((node.op_type, use.place))
    if places is None:
        return None
    parts = []
    for place in places:
        name = node.input[place] if place < len(node.input) else ""
        part = use.scope.constant(name) if name else None
        if name and part is None:
            return f"already quantized, by a {node.op_type} whose scale is no constant"
        if part is not None:
            model.check_external(part)
        parts.append(part)
    scale, zero = parts
    if scale is None:
        return f"already quantized, by a {node.op_type} without a scale"
    extra = sum(_nbytes(part, model) for part in parts if part is not None)
    if node.op_type == "MatMulNBits":
        columns, rows = attribute(node, "K", 0), attribute(node, "N", 0)
        bits, block = attribute(node, "bits", 4), attribute(node, "block_size", 32)

        def unpacked() -> np.ndarray:
            points = None if zero is None else model.array(zero)
            return _matmul_nbits(
                model.array(constant), model.array(scale), points, rows, columns, bits, block
            )

        return unpacked, extra, (rows, columns), f"{bits}-bit blocks of {block}"
    axis = {"DequantizeLinear": attribute(node, "axis", 1), "QLinearConv": 0}.get(
        node.op_type,
        len(shape) - (1 if use.place else 2),  # columns of a second factor, rows of a first
    )
    block = attribute(node, "block_size", 0) if node.op_type == "DequantizeLinear" else 0

    def read() -> np.ndarray:
        codes, steps = model.array(constant).astype(np.float64), model.array(scale).astype(np.float64)
        points = np.zeros(()) if zero is None else model.array(zero).astype(np.float64)
        return ((codes - _spread(points, codes, axis, block)) * _spread(steps, codes, axis, block)).astype(
            np.float32
        )

    return read, extra, shape, element


def _nbytes(tensor: Any, model: _Model) -> int:
    """Bytes of the values, wherever and however they are written; 0 of a type that is not read."""
    element = model.element(tensor)
    if not element:
        return 0
    bits = _NARROW_BITS.get(element) or 8 * raw_dtype(element).itemsize
    return -(-math.prod(tensor.dims) * bits // 8)


def _spread(part: np.ndarray, codes: np.ndarray, axis: int, block: int) -> np.ndarray:
    """Scales or zero points beside every code: one, one along `axis`, or one per block along it."""
    if part.size == 1:
        return part.reshape(())
    axis = axis % codes.ndim
    if block and part.ndim == codes.ndim:
        return np.take(part, np.arange(codes.shape[axis]) // block, axis=axis)
    if part.shape != (codes.shape[axis],):
        raise ValueError(
            f"scales of shape {part.shape} do not fit codes of shape {codes.shape} along axis {axis}"
        )
    return part.reshape([-1 if i == axis else 1 for i in range(codes.ndim)])


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
