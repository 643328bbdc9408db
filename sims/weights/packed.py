"""How the usual conventions of quantized weights turn into numbers: one function for each.

Each takes the name of the codes, the parts by the ends of their names, and the network's config.json; it
gives the weights as a lazy tensor (outputs first), or raises :class:`Unclear` with what is missing.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sims.checkpoints import Tensor, is_float
from sims.checkpoints.elements import unpack
from sims.weights.dequantize import ROWS, Unclear, scaled, spread_shape, words

Parts = dict[str, Tensor]
_QDATA = re.compile(r"\._(\w+)_qdata$")  # of torchao


def whole(
    name: str,
    shape: tuple[int, ...],
    parts: Parts,
    what: str,
    read: Callable,
    *,
    of: str = "dequantized from ",
) -> Tensor:
    """The weights as one tensor that stands for all its parts."""
    tensors = list(parts.values())
    nbytes = sum(tensor.nbytes for tensor in tensors)
    return Tensor(name, shape, "float32", nbytes, read, note=f"{of}{what}", file=tensors[0].file)


def by_scale(scale: str, zero: str = "") -> Callable:
    """The join of codes with `scale`, and perhaps a zero point."""

    def join(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
        codes = next(iter(parts.values()))
        if codes.dtype in ("int32", "uint32"):
            raise Unclear("packed codes in a convention that is not read")
        exponents = _are_exponents(codes, parts[scale])
        if not is_float(parts[scale].dtype) and not exponents:
            raise Unclear(f"scales of type {parts[scale].dtype}")
        if codes.dtype.startswith("uint") and not (zero and zero in parts):  # several to a byte, perhaps
            raise Unclear(f"{codes.dtype} codes without a zero point")
        if zero and zero in parts and is_float(parts[zero].dtype):  # torchao's two codes a byte, perhaps
            raise Unclear(f"zero points of type {parts[zero].dtype}")
        blocks = _said(codes.shape, parts[scale].shape, config)
        blocks = blocks or spread_shape(codes.shape, parts[scale].shape, codes.axis)

        def read() -> np.ndarray:
            points = parts[zero].load() if zero and zero in parts else None
            factor = parts[scale].load()
            if exponents:
                factor = _powers(factor)
            return scaled(codes.load(), factor, points, blocks=blocks)

        spread = "one scale" if blocks == codes.shape else f"blocks of {' x '.join(map(str, blocks))}"
        target = _QDATA.sub(
            r".\1", name.removesuffix("_quantized").removesuffix("._data").removesuffix(".qdata")
        )
        found = whole(target, codes.shape, parts, f"{codes.dtype}, {spread}", read)
        return found.renamed(axis=codes.axis)

    return join


def _said(shape: tuple[int, ...], scale: tuple[int, ...], config: Mapping[str, Any]) -> tuple[int, ...]:
    """The size of a block that config.json gives where it fits codes and scales; () where none does."""
    settings = config.get("quantization_config")
    blocks = settings.get("weight_block_size") if isinstance(settings, dict) else None
    blocks = blocks or _structure(settings)
    if not isinstance(blocks, list) or not all(type(size) is int and size > 0 for size in blocks):
        return ()
    if len(blocks) != len(shape) or scale != tuple(-(-n // b) for n, b in zip(shape, blocks, strict=True)):
        return ()
    return tuple(blocks)


def _structure(settings: Any) -> Any:
    """The blocks that compressed-tensors names: config_groups, group_0, weights, block_structure."""
    for key in ("config_groups", "group_0", "weights", "block_structure"):
        settings = settings.get(key) if isinstance(settings, dict) else None
    return settings


def _are_exponents(codes: Tensor, scale: Tensor) -> bool:
    """Whether scales are the exponents of MXFP8: a byte for every 32 floats of 8 bits."""
    if scale.dtype != "uint8" or not codes.dtype.startswith("float8") or not scale.shape:
        return False
    return scale.shape[:-1] == codes.shape[:-1] and 32 * scale.shape[-1] == codes.shape[-1]


def _powers(exponents: np.ndarray) -> np.ndarray:
    """The scales 2^(e - 127) that bytes of E8M0 stand for."""
    return np.ldexp(np.float32(1), exponents.astype(np.int32) - 127)


def gptq(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """GPTQ, packed along inputs, and AWQ, along outputs and interleaved: groups of inputs share a scale."""
    codes, scales, zeros = parts[".qweight"], parts[".scales"], parts[".qzeros"]
    if not len(codes.shape) == len(scales.shape) == len(zeros.shape) == 2:
        raise Unclear(f"packed codes of shape {codes.shape}")
    (rows, columns), (groups, outputs) = codes.shape, scales.shape
    bits = 32 * zeros.shape[1] // max(outputs, 1)
    awq = 32 * columns == bits * outputs and bits == 4
    inputs = rows if awq else rows * 32 // bits if bits else 0
    fits = zeros.shape[0] == groups and 32 * zeros.shape[1] == bits * outputs and (awq or columns == outputs)
    if bits not in (2, 4, 8) or not fits or not groups or inputs % groups:
        raise Unclear(f"packed codes of shape {codes.shape} with scales of shape {scales.shape}")
    shift = 0 if awq else _gptq_shift(zeros, bits, config)
    order = np.argsort([0, 2, 4, 6, 1, 3, 5, 7])  # of AWQ

    def read() -> np.ndarray:
        if awq:
            values = words(codes.load(), 4, 1).reshape(inputs, -1, 8)[..., order].reshape(inputs, outputs)
            points = words(zeros.load(), 4, 1).reshape(groups, -1, 8)[..., order].reshape(groups, outputs)
        else:
            values, points = words(codes.load(), bits, 0), words(zeros.load(), bits, 1)
        group = np.arange(inputs) // (inputs // groups)
        if ".g_idx" in parts:
            group = parts[".g_idx"].load().astype(np.int64)
            if group.shape != (inputs,) or group.min() < 0 or group.max() >= groups:
                raise ValueError("the groups of its inputs are none of its scales")
        steps, points = scales.load().astype(np.float32), points.astype(np.float32) + shift
        result = np.empty((outputs, inputs), np.float32)
        for first in range(0, inputs, each := max(1, ROWS // outputs)):
            part = slice(first, first + each)
            result[:, part] = ((values[part] - points[group[part]]) * steps[group[part]]).T
        return result

    kind = "AWQ" if awq else "GPTQ"
    what = f"{kind}, {bits} bits, groups of {inputs // groups}"
    return whole(f"{name.removesuffix('.qweight')}.weight", (outputs, inputs), parts, what, read)


def _gptq_shift(zeros: Tensor, bits: int, config: Mapping[str, Any]) -> int:
    """What is added to a stored zero point: 1 in the first version of the format, 0 in the second."""
    settings = config.get("quantization_config")
    settings = settings if isinstance(settings, dict) else {}
    version = settings.get("checkpoint_format")
    if version in ("gptq", "gptq_v2"):
        return int(version == "gptq")
    middle = 2 ** (bits - 1)
    found = np.unique(words(zeros.load(), bits, 1))
    if found.size == 1 and found[0] in (middle, middle - 1):  # symmetric: the zero point is the middle
        return middle - int(found[0])
    if settings.get("quant_method") == "gptq":  # and no version: the first
        return 1
    raise Unclear("GPTQ with zero points of which only config.json says how they are counted")


def compressed(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """compressed-tensors: integers packed into words along the inputs, or two 4-bit floats a byte."""
    codes, scales, target = parts[".weight_packed"], parts[".weight_scale"], name.removesuffix("_packed")
    shape = (codes.shape[0], 2 * codes.shape[1]) if len(codes.shape) == 2 else ()
    powers = scales.dtype == "uint8" and (*scales.shape[:-1], 32 * scales.shape[-1]) == shape
    if codes.dtype == "uint8" and shape and (powers or ".weight_global_scale" in parts):
        blocks = spread_shape(shape, scales.shape)

        def floats() -> np.ndarray:
            values = unpack(codes.load(), "float4_e2m1fn").reshape(shape)
            if powers:
                return scaled(values, _powers(scales.load()))
            steps = scales.load().astype(np.float32) / parts[".weight_global_scale"].load().astype(np.float32)
            return scaled(values, steps)

        return whole(target, shape, parts, f"{'MX' if powers else 'NV'}FP4, blocks of {blocks[1]}", floats)
    if (
        ".weight_shape" not in parts
        or parts[".weight_shape"].size != 2
        or codes.dtype not in ("int32", "uint32")
    ):
        raise Unclear("packed codes without the shape of the weights")
    rows, columns = (int(size) for size in parts[".weight_shape"].load().reshape(-1))
    fits = [bits for bits in (2, 4, 8) if codes.shape == (rows, -(-columns * bits // 32))]
    if len(fits) != 1 or scales.shape[:1] != (rows,):
        raise Unclear(f"packed codes of shape {codes.shape} for weights of shape {(rows, columns)}")
    (bits,) = fits
    blocks = spread_shape((rows, columns), scales.shape if len(scales.shape) == 2 else (rows, 1))
    zeros = parts.get(".weight_zero_point")
    if zeros is not None and zeros.dtype == "int8" and zeros.size != scales.size:
        raise Unclear(f"zero points of shape {zeros.shape} for scales of shape {scales.shape}")
    if ".weight_g_idx" in parts and (parts[".weight_g_idx"].load() >= 0).any():
        raise Unclear("groups in another order than that of the inputs")

    def read() -> np.ndarray:
        middle = 2.0 ** (bits - 1)
        values = words(codes.load(), bits, 1)[:, :columns]
        points = np.full(1, middle)
        if zeros is not None and zeros.dtype == "int8":  # of versions that did not pack them
            points = zeros.load().reshape(rows, -1).astype(np.float32) + np.float32(middle)
        elif zeros is not None:
            points = words(zeros.load(), bits, 0)[:rows].astype(np.float32)
        return scaled(values, scales.load().reshape(rows, -1), points)

    return whole(target, (rows, columns), parts, f"{bits} bits, groups of {blocks[1]}", read)


def mlx(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """MLX: value = code scale + bias per group, codes in words along the inputs."""
    codes, scales = parts[".weight"], parts[".scales"]
    settings = config.get("quantization") or config.get("quantization_config")
    settings = settings if isinstance(settings, dict) else {}
    own = settings.get(name.removesuffix(".weight"))  # of a layer that is an exception
    settings = settings | own if isinstance(own, dict) else settings
    columns, groups = codes.shape[-1], scales.shape[-1]
    fits = [
        (bits, group)
        for bits in (2, 3, 4, 5, 6, 8)
        for group in (16, 32, 64, 128)
        if bits * group * groups == 32 * columns
        and settings.get("bits", bits) == bits
        and settings.get("group_size", group) == group
    ]
    if len(fits) != 1:
        raise Unclear("MLX; only config.json says how many bits a code has")
    ((bits, group),) = fits
    if bits not in (2, 4, 8) or codes.shape[:-1] != scales.shape[:-1]:
        raise Unclear(f"MLX, {bits} bits, which is not read")
    shape = (*codes.shape[:-1], group * groups)

    def read() -> np.ndarray:
        values = words(codes.load().reshape(-1, columns), bits, 1)
        steps, offsets = (
            parts[part].load().reshape(-1, groups).astype(np.float32) for part in (".scales", ".biases")
        )
        result = scaled(values, steps)
        result.reshape(-1, groups, group)[...] += offsets[..., None]
        return result.reshape(shape)

    return whole(name, shape, parts, f"MLX, {bits} bits, groups of {group}", read)


def bitsandbytes(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """bitsandbytes 4-bit: two codes a byte, the first in the high bits; the scales may be codes, too."""
    state = next(part for key, part in parts.items() if key.startswith(".quant_state."))
    text = bytes(state.load().astype(np.uint8)) if state.nbytes <= 2**16 else b""
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict) or not isinstance(settings.get("shape"), list):
        raise Unclear("a state that names no shape")
    shape, block = tuple(settings["shape"]), settings.get("blocksize")
    if not all(type(size) is int and size > 0 for size in (*shape, block)):
        raise Unclear("a state without shape or block size")
    codes, absmax, levels = parts[""], parts[".absmax"], parts[".quant_map"]
    size = math.prod(shape)
    block = min(block, size)
    if size > 2 * codes.size or levels.shape != (16,) or absmax.size != -(-size // block):
        raise Unclear("levels or scales that do not fit the codes")

    def read() -> np.ndarray:
        steps = absmax.load()
        if ".nested_absmax" in parts:
            inner, table = parts[".nested_absmax"].load(), parts[".nested_quant_map"].load()
            steps = table[steps] * inner[np.arange(steps.size) // int(settings["nested_blocksize"])]
            steps = steps + np.float32(settings["nested_offset"])
        packed = codes.load().reshape(-1).view(np.uint8)
        values = np.empty(2 * packed.size, np.uint8)
        values[::2], values[1::2] = packed >> 4, packed & 15
        table, count = levels.load().astype(np.float32), math.prod(shape)
        result = table[values[:count]]
        for first in range(0, count, each := block * max(1, ROWS // block)):
            part = steps[first // block : -(-min(first + each, count) // block)].astype(np.float32)
            result[first : first + each] *= np.repeat(part, block)[: min(each, count - first)]
        return result.reshape(shape)

    what = f"{settings.get('quant_type', '4 bits')}, blocks of {block}"
    return whole(name, shape, parts, what, read)


def int8_bnb(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """bitsandbytes LLM.int8: a row's largest magnitude is code 127."""
    codes, largest = parts[".weight"], parts[".SCB"]
    if codes.dtype != "int8" or largest.shape != codes.shape[:1]:
        raise Unclear(f"codes of type {codes.dtype} with scales of shape {largest.shape}")
    if ".weight_format" in parts and parts[".weight_format"].load().any():  # of tiles of a kind of device
        raise Unclear("codes in an order that is not that of rows")
    return whole(
        name,
        codes.shape,
        parts,
        "int8, a scale per row",
        lambda: scaled(codes.load(), largest.load() / np.float32(127)),
    )


def mxfp4(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """Blocks of 32 4-bit floats in 16 bytes, an exponent each."""
    codes, exponents = parts.values()
    if codes.shape[:-1] != exponents.shape or codes.shape[-1:] != (16,) or len(codes.shape) < 3:
        raise Unclear(f"blocks of shape {codes.shape} with exponents of shape {exponents.shape}")
    shape = (*codes.shape[:-2], 32 * codes.shape[-2])

    def read() -> np.ndarray:
        values = unpack(codes.load(), "float4_e2m1fn").reshape(-1, 32)
        values *= _powers(exponents.load()).reshape(-1, 1)
        return values.reshape(shape)

    found = whole(re.sub(r"[._]blocks$", "", name), shape, parts, "MXFP4, blocks of 32", read)
    return found.renamed(
        axis=tuple(range(len(shape) - 1)) if len(shape) > 2 else 0
    )  # blocks run along inputs


def bitmask(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """compressed-tensors: the weights that are not pruned, one after another, and a bit for every place."""
    kept, bits = parts[".compressed"], parts[".bitmask"]
    if parts[".shape"].size != 2 or bits.dtype != "uint8":
        raise Unclear("pruned weights without their shape")
    shape = tuple(int(size) for size in parts[".shape"].load().reshape(-1))
    if min(shape) < 1 or bits.shape != (shape[0], -(-shape[1] // 8)):
        raise Unclear(f"a mask of shape {bits.shape} for weights of shape {shape}")
    scale = parts.get(".weight_scale")
    if scale is None and not is_float(kept.dtype):
        raise Unclear(f"{kept.dtype} codes without scales")
    if scale is not None:
        spread_shape(shape, scale.shape)

    def read() -> np.ndarray:
        places = np.unpackbits(bits.load(), axis=1, count=shape[1], bitorder="little").astype(bool)
        if int(places.sum()) != kept.size:
            raise ValueError(
                f"a mask that keeps {int(places.sum())} of its weights, and {kept.size} are there"
            )
        dense = np.zeros(shape, np.float32)
        dense[places] = kept.load().reshape(-1)
        return dense if scale is None else scaled(dense, scale.load())

    target = name.removesuffix(".compressed")
    target = target if target.endswith(".weight") else f"{target}.weight"
    what = "kept weights and a mask" if scale is None else f"{kept.dtype}, kept weights and a mask"
    return whole(target, shape, parts, what, read, of="" if scale is None else "dequantized from ")


def nvfp4(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """Two 4-bit floats a byte, an E4M3 scale per block, and one for the tensor."""
    codes, scales = parts[""], parts["_scale"]
    shape = (*codes.shape[:-1], 2 * codes.shape[-1])
    if scales.dtype != "float8_e4m3fn" or codes.dtype != "uint8" or shape[-1] != 16 * scales.shape[-1]:
        raise Unclear(f"codes of type {codes.dtype} with scales of type {scales.dtype}")

    def read() -> np.ndarray:
        steps = scales.load() * parts["_scale_2"].load().astype(np.float32).reshape(())
        return scaled(unpack(codes.load(), "float4_e2m1fn").reshape(shape), steps)

    return whole(name, shape, parts, "NVFP4, blocks of 16", read)


def unread(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """Codes and scales of a convention that is not known here."""
    raise Unclear("codes and scales in a convention that is not read")
