"""How much a weight file may cost to open: budgets in proportion to what it stores.

A small file can ask for much: an archive inflates, a pickle repeats itself, names pile up. Every reader asks
here how much the bytes at hand may lead to; beyond it the reading ends in one sentence. The budgets are far
above what files that hold tensors need, and $SNAPCUT_READ_LIMIT multiplies them all.
"""

import math
import os
from dataclasses import dataclass


class LimitError(ValueError):
    """A file leads to more than what it stores warrants."""


@dataclass(frozen=True)
class Budget:
    """`free` units, and `rate` more for every byte (or element) that is stored."""

    what: str
    rate: float
    free: int

    def check(self, used: int, stored: int) -> None:
        """Raise LimitError where `stored` does not allow `used`.

        Examples
        --------
        >>> INFLATED.check(5000, 1000)
        """
        allowed = self.allowed(stored)
        if used > allowed:
            raise LimitError(
                f"it leads to more than {allowed} {self.what}, which the {stored} stored do not warrant"
                " (if you trust it, SNAPCUT_READ_LIMIT=10 allows ten times as much)"
            )

    def allowed(self, stored: int) -> int:
        """Units that `stored` allows."""
        return int((self.free + self.rate * stored) * _factor())


# An opcode that carries data has at least two bytes; one-byte opcodes alone are a program, not data.
OPCODES = Budget("instructions", 2 / 3, 10_000)
# A dotted name repeats the names above it.
NAMES = Budget("characters of names", 16, 2**20)
# Storage, sizes and strides of one tensor are more than 16 bytes.
TENSORS = Budget("tensors", 1 / 16, 1_000)
# Elements shown per element stored: layers that share weights name one storage several times.
ALIASES = Budget("elements in tensors that share a storage", 64, 2**16)
# Weights hardly compress; a pruned network with 1 % of its weights left comes to about 50.
INFLATED = Budget("bytes when unpacked", 100, 2**24)

# Files beside an ONNX model: tensors that share weights may name one part of them more than once.
EXTERNAL = Budget("bytes read from files beside it", 4, 2**24)


def _factor() -> float:
    text = os.environ.get("SNAPCUT_READ_LIMIT") or "1"
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise ValueError(f"SNAPCUT_READ_LIMIT must be a positive number, got {text!r}")
    return factor
