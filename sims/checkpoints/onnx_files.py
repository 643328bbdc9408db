"""Reader of .onnx, through the extra package of that name."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np

from sims.checkpoints.limits import EXTERNAL
from sims.checkpoints.tensor import NARROW, Arrays, about, sentence


def read_onnx(path: Path) -> Arrays:
    """Every initializer of an ONNX graph, those kept in files beside it included."""
    if importlib.util.find_spec("onnx") is None:
        raise ValueError("reading .onnx needs the onnx package: pip install 'snapcut[onnx]'")
    onnx = importlib.import_module("onnx")
    external = importlib.import_module("onnx.external_data_helper")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError:
        raise
    except Exception as error:  # protobuf and onnx raise their own kinds
        raise ValueError(f"not an ONNX model ({sentence(error)})") from None
    sizes, read = {path: path.stat().st_size}, 0
    for tensor in model.graph.initializer:
        with about(tensor.name):
            if external.uses_external_data(tensor):
                # onnx refuses places outside the folder here; many tensors may name one part of one file
                external.load_external_data_for_tensor(tensor, str(path.parent))
                beside = path.parent / external.ExternalDataInfo(tensor).location
                sizes[beside] = beside.stat().st_size
                read += len(tensor.raw_data)
                EXTERNAL.check(read, sum(sizes.values()))
            array = onnx.numpy_helper.to_array(tensor)
            array = array.astype(np.float32) if array.dtype.name in NARROW else array
        yield tensor.name, array, ""
