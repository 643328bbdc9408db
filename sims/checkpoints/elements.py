"""Element types of stored tensors, those that numpy does not have included, and their values."""

from pathlib import Path
from typing import Literal

import numpy as np

CHUNK = 2**18  # elements widened at a time: a file of 16-bit numbers needs no second copy in memory

_WIDENED = {  # what ml_dtypes knows, by the type of its bits
    "u2": ("bfloat16",),
    "u1": (
        *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
        *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float6_e2m3fn", "float6_e3m2fn"),
        *("float4_e2m1fn",),
    ),
}
NARROW = {name: raw for raw, names in _WIDENED.items() for name in names}  # type of the bits by name
# Two values a byte, the first in the low bits: the type of one value.
PAIRS = {"float4_e2m1fn_x2": "float4_e2m1fn", "int4_x2": "int4", "uint4_x2": "uint4"}
PLAIN = (
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32", "uint64", "bool"),
)


def raw_dtype(element: str) -> np.dtype:
    """Type of the stored bits of an element type.

    Examples
    --------
    >>> raw_dtype("bfloat16"), raw_dtype("int8"), raw_dtype("int4_x2")
    (dtype('uint16'), dtype('int8'), dtype('uint8'))
    """
    if element in PAIRS:
        return np.dtype("u1")
    return np.dtype(NARROW.get(element, element))


def is_float(element: str) -> bool:
    """Whether values of the type are floating-point numbers, however few bits they have.

    Examples
    --------
    >>> is_float("float8_e4m3fn"), is_float("bfloat16"), is_float("int8"), is_float("complex64")
    (True, True, False, False)
    """
    return element.startswith(("float", "bfloat"))


def is_narrow_float(element: str) -> bool:
    """Whether values of the type are floating-point numbers of at most 8 bits.

    Examples
    --------
    >>> is_narrow_float("float8_e4m3fn"), is_narrow_float("float4_e2m1fn"), is_narrow_float("float64")
    (True, True, False)
    """
    return element.startswith(("float8_", "float6_", "float4_"))


def widen(bits: np.ndarray, kind: str) -> np.ndarray:
    """float32 values of narrow bit patterns, exactly.

    Examples
    --------
    >>> widen(np.array([0x3F80, 0xC000], np.uint16), "bfloat16")
    array([ 1., -2.], dtype=float32)
    >>> widen(np.array([0x38, 0x7E], np.uint8), "float8_e4m3fn")
    array([  1., 448.], dtype=float32)
    """
    import ml_dtypes

    if kind == "bfloat16":  # the upper half of a float32
        wide = bits.astype(np.uint32)  # also of a big-endian file
        wide <<= np.uint32(16)
        return wide.view(np.float32)
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return bits.view(getattr(ml_dtypes, kind)).astype(np.float32)


def unpack(packed: np.ndarray, kind: str) -> np.ndarray:
    """Values of bytes that hold two 4-bit ones each, the first in the low bits, flat.

    Examples
    --------
    >>> unpack(np.array([0x2F], np.uint8), "int4"), unpack(np.array([0x2F], np.uint8), "float4_e2m1fn")
    (array([-1,  2], dtype=int8), array([-6.,  1.], dtype=float32))
    """
    packed = packed.reshape(-1).view(np.uint8)
    codes = np.empty(2 * packed.size, np.uint8)
    codes[::2], codes[1::2] = packed & 15, packed >> 4
    if kind == "uint4":
        return codes
    if kind == "int4":
        return (codes ^ 8).view(np.int8) - np.int8(8)
    return widen(codes, kind)


def values(bits: np.ndarray, element: str) -> np.ndarray:
    """Numbers that numpy has of the stored bits of a type."""
    if element in PAIRS:
        return unpack(bits, PAIRS[element])
    if element in NARROW:
        return widen(bits, element)
    return bits.astype(bits.dtype.newbyteorder("="), copy=False)


def read_values(
    path: Path, offset: int, count: int, element: str, order: Literal["<", ">"] = "<"
) -> np.ndarray:
    """`count` stored units of a file from byte `offset` on, as numbers, in memory of their own.

    Raises
    ------
    ValueError
        The file is shorter.
    """
    raw = raw_dtype(element).newbyteorder(order)
    with path.open("rb") as file:
        file.seek(offset)
        if element not in NARROW and element not in PAIRS:
            found = np.fromfile(file, raw, count)
            if found.size < count:
                raise ValueError(f"truncated: {found.size} of {count} values")
            return values(found, element)
        each = 2 if element in PAIRS else 1
        whole: np.ndarray | None = None
        for start in range(0, count, CHUNK):
            bits = np.fromfile(file, raw, min(CHUNK, count - start))
            if bits.size < min(CHUNK, count - start):
                raise ValueError(f"truncated: {start + bits.size} of {count} values")
            part = values(bits, element)
            if whole is None:
                whole = np.empty(each * count, part.dtype)
            whole[each * start : each * (start + bits.size)] = part
        return np.empty(0, np.float32) if whole is None else whole
