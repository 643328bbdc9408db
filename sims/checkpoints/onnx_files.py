"""Reader of .onnx, through the extra package of that name."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np

from sims.checkpoints.tensor import NARROW, Arrays


def read_onnx(path: Path) -> Arrays:
    """Every initializer of an ONNX graph."""
    if importlib.util.find_spec("onnx") is None:
        raise ValueError("reading .onnx needs the onnx package: pip install 'snapcut[onnx]'")
    onnx = importlib.import_module("onnx")
    decode = importlib.import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load(str(path))
        arrays = [(tensor.name, onnx.numpy_helper.to_array(tensor)) for tensor in model.graph.initializer]
    except (decode, onnx.checker.ValidationError, TypeError, KeyError) as error:
        raise ValueError(
            f"not an ONNX model ({str(error).splitlines()[0] if str(error) else 'damaged'})"
        ) from None
    for name, array in arrays:
        if array.dtype.name in NARROW:
            array = array.astype(np.float32)
        yield name, array, ""
