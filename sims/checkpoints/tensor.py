"""What a weight file holds, and element types that numpy does not have."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sims.checkpoints.limits import LimitError

_LONGEST = 300  # characters of a library's message
NARROW = ("bfloat16", "float8_e4m3fn", "float8_e5m2")  # numpy has no such types


@dataclass
class Checkpoint:
    """What a file holds.

    Attributes
    ----------
    tensors
        Numeric arrays by name, in the file's order and in their own precision (bfloat16 and float8
        widened to float32, which holds them exactly).
    skipped
        Names of arrays that are not numbers, each with its reason.
    """

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    _repeats: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def add(self, name: str, array: np.ndarray, kind: str = "") -> None:
        """Keep `array`, or the reason it is not numeric; `kind` names a type numpy does not have."""
        name = self._free(name)
        if kind in NARROW:
            self.tensors[name] = widen(array, kind)
        elif array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
            self.tensors[name] = array
        elif array.dtype.kind == "O":
            self.skipped[name] = "object array: it holds Python objects, not numbers"
        else:
            self.skipped[name] = f"{array.dtype} values, not real numbers"

    def _free(self, name: str) -> str:
        """The name, or where it is taken name', name'', name'3, ...; every number is tried once."""
        free = name
        while free in self.tensors or free in self.skipped:
            count = self._repeats[name] = self._repeats.get(name, 0) + 1
            free = name + ("'" * count if count < 3 else f"'{count}")
        return free


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
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return bits.view(getattr(ml_dtypes, kind)).astype(np.float32)


def sentence(error: BaseException) -> str:
    r"""What a library's error says, in one line of bounded length.

    Examples
    --------
    >>> sentence(KeyError("x")), sentence(ValueError("no\nnumber")), sentence(MemoryError())
    ("KeyError: 'x'", 'no number', 'it does not fit in memory')
    """
    if isinstance(error, MemoryError):
        return "it does not fit in memory"
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    kind = type(error).__name__
    return text if isinstance(error, ValueError) and text else f"{kind}: {text}" if text else kind


@contextlib.contextmanager
def about(name: str) -> Iterator[None]:
    """Whatever is raised inside becomes one ValueError that names the tensor."""
    try:
        yield
    except LimitError:
        raise
    except Exception as error:
        raise ValueError(f"tensor {name[:100]!r}: {sentence(error)}") from None


Arrays = Iterable[tuple[str, np.ndarray, str]]
