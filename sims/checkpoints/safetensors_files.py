"""Reader of .safetensors: a header of JSON, parsed here so that tensors are lazy, then plain numbers."""

import json
import math
from pathlib import Path

import numpy as np

from sims.checkpoints.elements import PAIRS, raw_dtype, read_values
from sims.checkpoints.tensor import Tensor, Tensors, about, unreadable

_LONGEST = 100_000_000  # bytes of a header, as the package of that name allows

_ELEMENTS = {
    **{
        f"{letter}{bits}": f"{kind}{bits}"
        for letter, kind in (("I", "int"), ("U", "uint"))
        for bits in (8, 16, 32, 64)
    },
    **{"F16": "float16", "F32": "float32", "F64": "float64", "BOOL": "bool", "BF16": "bfloat16"},
    **{"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu"},
    **{"F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz", "F4": "float4_e2m1fn_x2"},
}
_SIZES = {"C64": 64, "F6_E2M3": 6, "F6_E3M2": 6}  # bits of the types that are named and left


def read_safetensors(path: Path) -> Tensors:
    """Every tensor of a .safetensors file.

    Raises
    ------
    ValueError
        The header is no JSON, or its tensors do not fill the rest of the file exactly, in any order.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size - 8 - length
        if not 2 <= length <= _LONGEST or size < 0:
            raise ValueError(f"not a safetensors file (a header of {length} bytes)")
        text = file.read(length)
    try:
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError("the header is no object")
        header.pop("__metadata__", None)
        entries = sorted((name, *_entry(name, entry)) for name, entry in header.items())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a safetensors file ({error})") from None
    end = 0
    for begin, stop in sorted((begin, stop) for _, _, _, begin, stop in entries):
        if begin != end:
            raise ValueError(
                f"not a safetensors file (its tensors leave or share bytes at {min(begin, end)})"
            )
        end = stop
    if end != size:
        raise ValueError(f"truncated: its tensors take {end} bytes, {size} are there")
    for name, kind, shape, begin, stop in entries:
        yield _tensor(path, name, kind, shape, 8 + length + begin, stop - begin)


def _entry(name: str, entry: object) -> tuple[str, tuple[int, ...], int, int]:
    with about(name):
        if not isinstance(entry, dict):
            raise ValueError("its entry is no object")
        kind, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
        if not isinstance(shape, list) or not isinstance(offsets, list):
            raise ValueError("it has no shape or no place")
        numbers = [*shape, *offsets]
        if not all(type(number) is int and 0 <= number < 2**62 for number in numbers) or len(offsets) != 2:
            raise ValueError("its shape or place does not consist of sizes")
        begin, end = offsets
        if not isinstance(kind, str) or len(shape) > 64 or begin > end:
            raise ValueError("its type or place is none")
        element = _ELEMENTS.get(kind)
        bits = _SIZES.get(kind)
        if element is not None:
            bits = 4 if element in PAIRS else 8 * raw_dtype(element).itemsize
        if bits is not None and math.prod(shape) * bits != 8 * (end - begin):
            raise ValueError(f"{kind} of shape {shape} does not take {end - begin} bytes")
        return kind, tuple(shape), begin, end


def _tensor(path: Path, name: str, kind: str, shape: tuple[int, ...], offset: int, nbytes: int) -> Tensor:
    element = _ELEMENTS.get(kind)
    if element is None:
        return unreadable(name, f"values of type {kind[:30]!r}, not read", nbytes, shape, kind)
    units = nbytes // raw_dtype(element).itemsize

    def read() -> np.ndarray:
        return read_values(path, offset, units, element).reshape(shape)

    return Tensor(name, shape, PAIRS.get(element, element), nbytes, read)
