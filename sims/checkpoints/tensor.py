"""What a weight file holds, and element types that numpy does not have."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    tensors : numeric arrays by name, in the file's order and in their own precision (bfloat16 and float8
        widened to float32, which holds them exactly).
    skipped : names of arrays that are not numbers, each with its reason.
    """

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, array: np.ndarray, kind: str = "") -> None:
        """Keep `array`, or the reason it is not numeric; `kind` names a type numpy does not have."""
        while name in self.tensors or name in self.skipped:
            name += "'"
        if kind in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            self.tensors[name] = widen(array, kind)
        elif array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
            self.tensors[name] = array
        elif array.dtype.kind == "O":
            self.skipped[name] = "object array: it holds Python objects, not numbers"
        else:
            self.skipped[name] = f"{array.dtype} values, not real numbers"


def widen(bits: np.ndarray, kind: str) -> np.ndarray:
    """float32 values of bfloat16 or float8 bit patterns, exactly.

    Examples
    --------
    >>> widen(np.array([0x3F80, 0xC000], np.uint16), "bfloat16")
    array([ 1., -2.], dtype=float32)
    >>> widen(np.array([0x38, 0x7E], np.uint8), "float8_e4m3fn")
    array([  1., 448.], dtype=float32)
    """
    import ml_dtypes

    bits = bits.astype(bits.dtype.newbyteorder("="), copy=False)  # a file may be big-endian
    return bits.view(getattr(ml_dtypes, kind)).astype(np.float32)


Arrays = Iterable[tuple[str, np.ndarray, str]]
