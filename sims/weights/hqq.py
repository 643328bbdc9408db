"""Half-quadratic quantization (HQQ): groups of codes, packed by rows, with a scale and a zero point each."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sims.checkpoints import Tensor, is_float
from sims.weights.dequantize import Unclear
from sims.weights.packed import Parts, whole

BESIDE = (".nbits", ".axis", ".shape", ".view_as_float", ".quant_scale", ".quant_zero")
# What a module keeps of its settings; none of it changes the numbers.
SETTINGS = (
    *(".group_size", ".packing", ".unpack_view_dtype", ".compute_dtype", ".offload_meta", ".channel_wise"),
    *(".encoded_state_dict", ".stores_quant_config", ".optimize", ".round_zero"),
)
_SIZES = {".nbits": 1, ".axis": 1, ".shape": 2}
_PACKED = {("uint8", 8): 1, ("uint8", 4): 2, ("uint8", 2): 4, ("uint8", 1): 8, ("int32", 3): 10}  # a word


def hqq(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """Weights (code - zero) scale of a state dict that holds its settings as tensors.

    Codes are a matrix of groups, one to a row (axis 1) or one to a column (axis 0), whose numbers follow
    those of the weights; a word packs rows a fixed step apart, the first of them in its highest bits.
    """
    codes, scale, zero = parts[".W_q"], parts[".scale"], parts[".zero"]
    if not all(part in parts and parts[part].size == n for part, n in _SIZES.items()):
        raise Unclear("HQQ without its settings")
    if any(
        parts[part].load().any()
        for part in (".view_as_float", ".quant_scale", ".quant_zero")
        if part in parts
    ):
        raise Unclear("HQQ whose scales are quantized themselves, or whose codes are kept as floats")
    bits, axis = (int(parts[part].load().reshape(())) for part in (".nbits", ".axis"))
    shape = tuple(int(size) for size in parts[".shape"].load().reshape(-1))
    each = _PACKED.get((codes.dtype, bits))
    count = math.prod(shape)
    if each is None or min(shape, default=0) < 1 or len(codes.shape) != 2 or axis not in (0, 1):
        raise Unclear(f"HQQ of {bits} bits in {codes.dtype}, which is not read")
    rows = count // codes.shape[1]
    groups = rows if axis == 1 else codes.shape[1]
    fits = rows * codes.shape[1] == count and -(-rows // each) == codes.shape[0]
    if not fits or not (scale.size == zero.size == groups and is_float(scale.dtype)):
        raise Unclear(
            f"HQQ: codes of shape {codes.shape} and {scale.size} scales for weights of shape {shape}"
        )

    def read() -> np.ndarray:
        found = codes.load()
        mask, top = 2**bits - 1, (each - 1) * bits
        values = np.concatenate([(found >> (top - bits * i)) & mask for i in range(each)])[:rows]
        along = (-1, 1) if axis == 1 else (1, -1)
        points, steps = (part.load().astype(np.float32).reshape(along) for part in (zero, scale))
        return ((values.astype(np.float32) - points) * steps).reshape(shape)

    return whole(
        name.removesuffix("W_q") + "weight",
        shape,
        parts,
        f"HQQ, {bits} bits, groups of {count // groups}",
        read,
    )
