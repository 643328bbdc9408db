"""Reader of .onnx, through the extra package of that name."""

import importlib
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np

from sims.checkpoints import onnx_graph, onnx_roles, sparse
from sims.checkpoints.elements import NARROW, raw_dtype
from sims.checkpoints.limits import EXTERNAL
from sims.checkpoints.onnx_graph import Scope
from sims.checkpoints.onnx_scaled import Scaling
from sims.checkpoints.tensor import Grouped, Tensor, Tensors, about, sentence, unreadable
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

    def nbytes(self, tensor: Any) -> int:
        """Bytes of the values, wherever and however they are written; 0 of a type that is not read."""
        element = self.element(tensor)
        if not element:
            return 0
        bits = _NARROW_BITS.get(element) or 8 * raw_dtype(element).itemsize
        return -(-math.prod(tensor.dims) * bits // 8)

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
    scopes = onnx_graph.scopes(model.model)
    scaling = Scaling(scopes, model)
    for scope in scopes:
        for name, constant in scope.constants.items():
            if id(constant) in scaling.aside:
                continue
            readable = onnx_graph.readable_name(name, scope)
            with about(readable):
                yield _tensor(name, readable, constant, scope, model, scaling)


def _tensor(name: str, readable: str, constant: Any, scope: Scope, model: _Model, scaling: Scaling) -> Tensor:
    if hasattr(constant, "values"):  # a SparseTensorProto
        return _sparse(readable, name, constant, scope, model)
    model.check_external(constant)
    shape = _shape(constant)
    element = model.element(constant)
    if not element:
        return unreadable(readable, f"values of ONNX type {constant.data_type}, not read", shape=shape)
    nbytes = model.nbytes(constant)
    if any(use.node.domain == "com.microsoft.nchwc" and use.place == 1 for use in scope.uses.get(name, ())):
        why = "its elements are in an order for one processor (NCHWc): save the model before it is optimized"
        return unreadable(readable, why, nbytes, shape, element)
    found = scaling.of(name, constant, scope)
    if found is None:
        name, shape, scope = scaling.formed(name, shape, scope)
    axis = onnx_graph.output_axis(name, len(shape), scope)
    if isinstance(axis, Grouped) and not axis.fits(shape):
        axis = None
    if isinstance(found, str):
        return unreadable(readable, found, nbytes, shape, element)
    if found is not None:
        note = f"dequantized from {found.what}"
        return Tensor(
            readable, found.shape, "float32", nbytes + found.extra, found.read, axis=axis, note=note
        )
    apart = onnx_roles.apart(name, shape, scope)
    return Tensor(readable, shape, element, nbytes, lambda: model.array(constant), axis=axis, apart=apart)


def _shape(tensor: Any) -> tuple[int, ...]:
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"its shape {shape} does not consist of sizes")
    return shape


def _sparse(readable: str, name: str, constant: Any, scope: Scope, model: _Model) -> Tensor:
    shape, nbytes = _shape(constant), 0
    for part in (constant.values, constant.indices):
        model.check_external(part)
        _shape(part)
        nbytes += model.nbytes(part)
    element = model.element(constant.values)
    if not element:
        why = f"values of ONNX type {constant.values.data_type}, not read"
        return unreadable(readable, why, nbytes, shape)

    def read() -> np.ndarray:
        data, indices = model.array(constant.values), model.array(constant.indices)
        if indices.ndim == 1:  # places in the flattened tensor
            flat = sparse.expand("coo", (math.prod(shape),), {"data": data, "indices": indices[None]})
            return flat.reshape(shape)
        return sparse.expand("coo", shape, {"data": data, "indices": indices.T})

    axis = onnx_graph.output_axis(name, len(shape), scope)
    return Tensor(readable, shape, element, nbytes, read, axis=axis, note="sparse (coo)")
