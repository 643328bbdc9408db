"""Tensors of a weight file: what they are is known at once, their values are read when they are wanted."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sims.checkpoints.limits import LimitError


@dataclass(frozen=True)
class Grouped:
    """Output axes of a transposed convolution in groups: its inputs fall into `groups` parts of one length.

    Every part has outputs of its own, of which `outputs` is the axis.
    """

    groups: int
    inputs: int = 0
    outputs: int = 1

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether the inputs of an array of that shape fall into the groups."""
        return shape[self.inputs] % self.groups == 0


Axis = int | tuple[int, ...] | Grouped
_LONGEST = 300  # characters of a library's message


@dataclass(frozen=True, eq=False)
class Tensor:
    """One array of a file, its values unread.

    Attributes
    ----------
    name, shape
        As the file has them.
    dtype
        Element type by its usual name ("float32", "bfloat16", "int8", "float8_e4m3fn").
    nbytes
        Bytes it takes in the file.
    read
        Gives the values, in a type that numpy has; call :meth:`load`, whose errors name file and tensor.
    storage
        Equal for tensors that show the same elements of one storage; None where the format shares nothing.
    axis
        The output axis (channels of the result) where the format says which it is; several where an output
        has a place on each, such as (head, channel) or (direction, gate).
    apart
        What it is where the format says that it is no weight (a bias, a scale, a slice of one that counts);
        "" where it does not.
    note
        What a reader of the table should know, such as "dequantized from Q4_K".
    skip
        Why it holds no numbers to read; "" where it does.
    file
        Name of the file, for messages.
    fresh
        Whether every load gives memory of its own, which may be overwritten.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    read: Callable[[], np.ndarray]
    storage: Hashable = None
    axis: Axis | None = None
    apart: str = ""
    note: str = ""
    skip: str = ""
    file: str = ""
    fresh: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def load(self) -> np.ndarray:
        """The values; one sentence that names file and tensor where they cannot be read."""
        with boundary(self.file), about(self.name):
            if self.skip:
                raise ValueError(self.skip)
            array = self.read()
            return array if array.shape == self.shape else array.reshape(self.shape)

    def renamed(self, **changes) -> "Tensor":
        """The same tensor with some attributes changed.

        Examples
        --------
        >>> of_array("w", np.zeros((2, 3))).renamed(name="v", axis=1).axis
        1
        """
        return dataclasses.replace(self, **changes)


def of_array(name: str, array: np.ndarray) -> Tensor:
    """A tensor of an array in memory.

    Examples
    --------
    >>> tensor = of_array("w", np.zeros((2, 3), np.float32))
    >>> tensor.shape, tensor.dtype, tensor.nbytes, tensor.load().sum()
    ((2, 3), 'float32', 24, np.float32(0.0))
    """
    array = np.asanyarray(array)
    start = array.__array_interface__["data"][0]
    place = (start, array.shape, array.strides, array.dtype.str) if array.size else None
    return Tensor(
        name,
        array.shape,
        array.dtype.name,
        array.nbytes,
        lambda: array,
        storage=place,
        skip=unreal(array.dtype),
        fresh=False,
    )


def unreadable(
    name: str, reason: str, nbytes: int = 0, shape: tuple[int, ...] = (), dtype: str = ""
) -> Tensor:
    """A tensor that holds no numbers, with the reason."""
    return Tensor(name, shape, dtype, nbytes, _nothing, skip=reason)


def _nothing() -> np.ndarray:
    raise ValueError("it holds no numbers")


def unreal(dtype: np.dtype) -> str:
    """Why an array of this type holds no real numbers; "" where it does."""
    if dtype.kind in "fiub" and dtype.itemsize <= 8:
        return ""
    if dtype.kind == "O":
        return "object array: it holds Python objects, not numbers"
    return f"{dtype} values, not real numbers"


@dataclass
class Contents:
    """What a weight file (or a folder of them) holds, unread.

    Attributes
    ----------
    file
        Its name.
    tensors
        By name, in the file's order; those whose `skip` is not empty hold no numbers.
    config
        What a config.json beside the file says; {} where there is none.
    path
        Where it was opened; "" of arrays in memory.
    identity
        Changes with the names, sizes and times of its files, and with `config`.
    part
        Says so where the file is a part of a network: one of several shards.
    """

    file: str = ""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    config: dict = field(default_factory=dict)
    path: str = ""
    identity: str = ""
    part: str = ""
    _repeats: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def add(self, tensor: Tensor) -> None:
        """Keep `tensor`, under another name where its own is taken."""
        name = self._free(tensor.name)
        storage = None if tensor.storage is None else (self.file, tensor.storage)
        self.tensors[name] = tensor.renamed(name=name, file=self.file, storage=storage)

    def _free(self, name: str) -> str:
        """The name, or where it is taken name', name'', name'3, ...; every number is tried once."""
        free = name
        while free in self.tensors:
            count = self._repeats[name] = self._repeats.get(name, 0) + 1
            free = name + ("'" * count if count < 3 else f"'{count}")
        return free


@dataclass
class Checkpoint:
    """What a file holds, read.

    Attributes
    ----------
    tensors
        Numeric arrays by name, in the file's order and in their own precision (bfloat16 and narrower types
        widened to float32, which holds them exactly).
    skipped
        Names of arrays that are not numbers, each with its reason.
    """

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


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


@contextlib.contextmanager
def boundary(file: str) -> Iterator[None]:
    """The one boundary: what a reader, or the library behind it, raises names the file in one sentence."""
    try:
        yield
    except OSError as error:
        named = str(error.filename) if error.filename else file
        raise ValueError(f"cannot read {named!r}: {error.strerror or sentence(error)}") from None
    except Exception as error:  # libraries raise what they like
        raise ValueError(f"cannot read {file!r}: {sentence(error)}") from None
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":  # a panic of a Rust library, such as safetensors
            raise
        raise ValueError(f"cannot read {file!r}: {sentence(error)}") from None


Tensors = Iterable[Tensor]
