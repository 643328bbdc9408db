"""Weights stored in parts (codes and scales, values and masks): the numbers they stand for, or why not.

Judging codes, or scales, as if they were weights gives the verdict of another network. Where the names and
shapes follow one convention exactly, the codes are dequantized; otherwise codes and scales are left out with
the reason.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sims.checkpoints import Tensor, is_float
from sims.checkpoints.elements import is_narrow_float
from sims.weights import hqq, packed, reparametrized
from sims.weights.dequantize import Unclear

_LONE = ("weight_scale_inv", "weight_scale", "weight_scale_2", "qzeros", "absmax", "scales", "SCB")
# What stands beside codes: left where a file has any, whatever the convention.
_SCALES = re.compile(r"(.*_)?(w|wc|wt)?(scales?(_inv|_packed)?|absmax|q?zeros?|zero_points?)")
_RECURRENT = re.compile(r"(^|\.)weight_[ih]h_l\d+(_reverse)?_v$")
_INDICES = re.compile(r".*(ids|index|indices|idx|mask|perm|order|bias)")  # integers that are no codes
_CODES = 256  # elements from which integers of several axes are those of weights
_WHY = "already quantized: "


def is_code(tensor: Tensor) -> bool:
    """Whether the element type is one of codes: integers of at most 32 bits, or floats of at most 8."""
    few = tensor.dtype in ("int8", "uint8", "int4", "uint4", "int32", "uint32", "int2", "uint2")
    return few or is_narrow_float(tensor.dtype)


def _is_eight(tensor: Tensor) -> bool:
    return tensor.dtype.startswith("float8")


def is_packed(tensor: Tensor) -> bool:
    """Whether a tensor may hold codes of weights: integers of up to 32 bits, 8-bit floats, in a matrix."""
    short = tensor.dtype in ("int16", "uint16")
    return (short or is_code(tensor)) and len(tensor.shape) > 1 and tensor.size >= _CODES


def _is_index(tensor: Tensor) -> bool:
    return tensor.dtype.startswith(("int", "uint"))


def _is_real(tensor: Tensor) -> bool:
    return is_float(tensor.dtype) and not tensor.skip


def joined(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, recognised groups of codes and scales as one; and what was left out of the others.

    Parameters
    ----------
    tensors
        Of a network, by name.
    config
        Its config.json: bits, group sizes and formats that names and shapes leave open.
    """
    found = dict(tensors)
    joins: dict[str, Tensor] = {}  # by the name of the codes
    skipped: dict[str, str] = {}
    for name in tensors:
        for family in _FAMILIES if name in found else ():
            parts = family.parts(name, found)
            if parts is None:
                continue
            try:
                joins[name] = family.join(name, parts, config)
            except (Unclear, LookupError, ArithmeticError, TypeError) as error:
                why = str(error) if isinstance(error, Unclear) else "parts that do not fit each other"
                why = why if family.plain else f"{_WHY}{why}"
                skipped |= dict.fromkeys((part.name for part in parts.values()), why)
            for part in parts.values():
                del found[part.name]
            break
    whole = {}
    codes = any(
        is_packed(tensor) and not tensor.note and not _INDICES.fullmatch(name)
        for name, tensor in tensors.items()
    )
    for name in tensors:
        if name in joins:  # the weights stand where their codes stood
            whole[joins[name].name] = joins[name]
        elif name in found and (why := _lone(name, found[name], codes)):
            skipped[name] = why
        elif name in found:
            whole[name] = found[name]
    return whole, skipped


def _lone(name: str, tensor: Tensor, codes: bool) -> str:
    """Why a tensor that belongs to no group is no weight by itself; "" of one that may be."""
    part = re.split(r"[./]", name)[-1]
    if reparametrized.PART.search(name) and is_float(tensor.dtype):
        return reparametrized.UNKNOWN
    if tensor.note or not tensor.shape:
        return ""
    if part in _LONE:
        return f"{_WHY}scales of codes that are not here"
    if codes and _SCALES.fullmatch(part) and not is_packed(tensor):
        return f"{_WHY}scales of codes in a convention that is not read"
    return ""


class _Family:
    """A convention: the parts it stores beside the codes of a name, and how they are joined."""

    def __init__(
        self,
        suffix: str,
        needed: tuple[str, ...],
        optional: tuple[str, ...],
        join: Callable[[str, dict[str, Tensor], Mapping[str, Any]], Tensor],
        codes: Callable[[Tensor], bool] = is_code,
        fits: Callable[[dict[str, Tensor]], bool] = lambda parts: True,
    ) -> None:
        self.suffix, self.needed, self.optional, self.join, self.codes = suffix, needed, optional, join, codes
        self.fits = fits
        self.plain = codes is _is_real  # floats: masked, normed or pruned, but not quantized

    def parts(self, name: str, found: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """The tensors of the group whose codes are `name`, by their part; None where it is no such group."""
        if not name.endswith(self.suffix) or not self.codes(found[name]):
            return None
        stem = name.removesuffix(self.suffix) if self.suffix else name
        parts = {self.suffix: found[name]}
        for part in (*self.needed, *self.optional):
            if stem + part in found:
                parts[part] = found[stem + part]
        return parts if all(part in parts for part in self.needed) and self.fits(parts) else None


def _of_one_shape(parts: dict[str, Tensor]) -> bool:
    return len({tensor.shape for tensor in parts.values()}) == 1


def _of_a_recurrence(parts: dict[str, Tensor]) -> bool:
    return bool(_RECURRENT.search(next(iter(parts.values())).name))


_NESTED = (".nested_absmax", ".nested_quant_map")
_BESIDE = ("_zero", ".zero", ".zeros", ".qzeros", ".tables", ".tables2")
_MASKS = (  # of TensorFlow
    (f"/{kernel}{ending}", f"/mask{ending}") for kernel in ("kernel", "weights") for ending in (":0", "")
)
_FAMILIES = (
    _Family(".qweight", (".qzeros", ".scales"), (".g_idx",), packed.gptq),
    _Family("_orig", ("_mask",), (), reparametrized.masked, _is_real),
    *(
        _Family(suffix, (mask,), (), reparametrized.masked, _is_real, _of_one_shape)
        for suffix, mask in (("", "_mask"), (".weight", ".mask"), (".original", ".0.mask"), *_MASKS)
    ),
    *(
        _Family(".weight", (scores,), (), reparametrized.scored, _is_real, _of_one_shape)
        for scores in (".scores", ".mask_scores", ".popup_scores")
    ),
    _Family("_orig", ("_u", "_v"), (), reparametrized.spectral, _is_real),
    _Family(".original", (".0._u", ".0._v"), (), reparametrized.spectral, _is_real),
    _Family("weight_v", ("weight_g",), (), reparametrized.normed("weight_g", "weight_v"), _is_real),
    _Family("_v", ("_g",), (), reparametrized.normed("_g", "_v"), _is_real, _of_a_recurrence),
    _Family(".original1", (".original0",), (), reparametrized.normed(".original0", ".original1"), _is_real),
    _Family(
        ".compressed",
        (".bitmask", ".shape"),
        (".row_offsets", ".weight_scale"),
        packed.bitmask,
        lambda tensor: _is_real(tensor) or is_code(tensor),
    ),
    _Family(
        ".weight_packed",
        (".weight_scale",),
        (
            ".weight_shape",
            ".weight_zero_point",
            ".weight_global_scale",
            ".weight_g_idx",
            ".input_global_scale",
        ),
        packed.compressed,
    ),
    _Family(".weight", (".scales", ".biases"), (), packed.mlx, lambda tensor: tensor.dtype == "uint32"),
    *(
        _Family(
            "", (".absmax", ".quant_map", f".quant_state.bitsandbytes__{kind}"), _NESTED, packed.bitsandbytes
        )
        for kind in ("nf4", "fp4")
    ),
    _Family(".weight", (".SCB",), (".weight_format",), packed.int8_bnb),
    *(
        _Family(f"{mark}blocks", (f"{mark}scales",), (), packed.mxfp4, lambda tensor: tensor.dtype == "uint8")
        for mark in "_."
    ),
    *(  # ComfyUI, Mistral, torchao
        _Family(
            ".weight",
            (f".{word}_weight",),
            (f".{word}_input", f".{word}_act"),
            packed.by_scale(f".{word}_weight"),
        )
        for word in ("scale", "qscale")
    ),
    _Family(".weight", (".scale",), (), packed.by_scale(".scale"), _is_eight),  # DeepSeek, for inference
    _Family("_qdata", ("_scale",), ("_zero_point",), packed.by_scale("_scale", "_zero_point")),
    _Family(".qdata", (".scale",), (".zero_point",), packed.by_scale(".scale", ".zero_point")),
    _Family(".weight_packed", (".scale_packed", ".meta"), (), packed.unread),
    _Family("._data._data", ("._scale", "._shift"), (), packed.unread),
    _Family("", ("_scale", "_scale_2"), ("_input_scale",), packed.nvfp4),
    _Family("", ("_scale_inv",), (), packed.by_scale("_scale_inv")),
    _Family("_quantized", ("_scale",), ("_zero_point",), packed.by_scale("_scale", "_zero_point")),
    _Family("._data", ("._scale", "._shift"), (), packed.unread),
    _Family("._data", ("._scale",), (), packed.by_scale("._scale")),
    _Family("", ("_scale",), ("_zero_point",), packed.by_scale("_scale", "_zero_point")),
    # AQLM, VPTQ, Marlin: codes of rows of a table, or in an order of their own
    _Family(".codes", (".codebooks",), (".scales",), packed.unread, _is_index),
    _Family(".indices", (".centroids.weight",), (".res_centroids.weight",), packed.unread, _is_index),
    _Family(".W_q", (".scale", ".zero"), (*hqq.BESIDE, *hqq.SETTINGS), hqq.hqq),
    _Family(".B", (".s",), (".workspace",), packed.unread),
    *(
        _Family(suffix, (other,), _BESIDE, packed.unread)
        for suffix in (".W_q", ".qweight", ".weight", "")
        for other in (".scale", ".scales", "_scales", "_absmax", ".absmax")
    ),
)
