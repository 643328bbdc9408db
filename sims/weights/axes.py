"""Which axis of a weight array is that of the outputs, and the rows that formats run along.

Torch keeps (outputs, inputs, positions of a kernel); Keras, JAX and GPT-2 keep (positions, inputs, outputs).
Per-channel scales belong to outputs; blocks and n:m groups run along inputs, first within one position of a
convolution's kernel.
"""

import fnmatch
import math
import re
from collections.abc import Mapping

import numpy as np

from sims.checkpoints import Tensor
from sims.checkpoints.keras_names import output_axis
from sims.checkpoints.tensor import Axis

# Of Keras and JAX, for which outputs mostly come last.
_LAST = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
_STACKED = re.compile(r"expert|_exps\b|switch_mlp|(^|[._/])moe([._/]|$)|_moe[._/]", re.IGNORECASE)
_CONV1D = ("c_attn", "c_proj", "c_fc")  # of GPT-2, of which some are square: they follow the others


def with_axes(tensors: Mapping[str, Tensor], chosen: Mapping[str, int]) -> dict[str, Tensor]:
    """The tensors with their output axes: as asked for, as the format says, by their names or biases.

    Parameters
    ----------
    chosen
        Axis by pattern of names; negative ones count from the end.

    Raises
    ------
    ValueError
        An axis that a tensor does not have.
    """
    found = {name: tensor.renamed(axis=_axis(name, tensor, tensors)) for name, tensor in tensors.items()}
    conv1d = [name for name in found if _layer(name) in _CONV1D and len(found[name].shape) == 2]
    if any(found[name].axis == 1 for name in conv1d):
        for name in conv1d:
            if found[name].axis is None and found[name].shape[0] == found[name].shape[1]:
                found[name] = found[name].renamed(axis=1)
    for pattern, axis in chosen.items():
        for name, tensor in found.items():
            if fnmatch.fnmatchcase(name, pattern) and len(tensor.shape) > 1:
                if not -len(tensor.shape) <= axis < len(tensor.shape):
                    raise ValueError(
                        f"tensor {name[:100]!r} has {len(tensor.shape)} axes, and no axis {axis}"
                    )
                found[name] = tensor.renamed(axis=axis % len(tensor.shape))
    return found


def _axis(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> Axis | None:
    rank = len(tensor.shape)
    if rank < 2:
        return tensor.axis
    part = name.replace("/", ".").rpartition(".")[2]
    stem = name[: len(name) - len(part)]
    kernel = part.partition(":")[0] in _LAST
    if rank == 3 and _STACKED.search(name) and tensor.axis is None:
        return (0, 2) if kernel else _expert_axes(name, tensors)
    axis = output_axis(name, rank) if kernel and tensor.axis is None else tensor.axis
    if kernel and rank > 2 and axis == rank - 1:  # a transposed convolution of Keras: outputs before inputs
        bias = tensors.get(stem + part.replace("kernel", "bias"))
        if bias is not None and bias.shape == tensor.shape[-2:-1] != tensor.shape[-1:]:
            return rank - 2
    if axis is not None:
        return axis
    bias = tensors.get(stem + "bias")
    if part == "weight" and bias is not None and len(bias.shape) == 1:
        fits = [axis for axis in (0, 1) if tensor.shape[axis] == bias.shape[0]]
        return fits[0] if len(fits) == 1 else None
    return None


def _expert_axes(name: str, tensors: Mapping[str, Tensor]) -> Axis:
    """(expert, output) of stacked matrices: which comes second, the shapes that belong together say."""
    shapes = [
        tensors[other].shape if other in tensors else ()
        for other in (
            name.replace("down_proj", "gate_up_proj"),
            name.replace("gate_up_proj", "down_proj"),
            f"{name}_bias",
            f"{name.removesuffix('weight')}bias",
        )
    ]
    if len(shapes[0]) == len(shapes[1]) == 3:  # from the hidden to twice the inner width, and back
        (_, a, b), (_, c, d) = shapes[:2]
        if (a, b) == (d, 2 * c):
            return 0, 2
    for bias in shapes[2:]:
        fits = [axis for axis in (1, 2) if bias == (tensors[name].shape[0], tensors[name].shape[axis])]
        if len(fits) == 1:
            return 0, fits[0]
    return 0, 1


def _layer(name: str) -> str:
    return name.replace("/", ".").split(".")[-2] if "." in name or "/" in name else ""


def rows_of(array: np.ndarray, axis: Axis | None = None) -> np.ndarray:
    """Weights as (outputs, everything else), inputs running fastest, then the positions of a kernel.

    With several output axes every place on them is a row.

    Examples
    --------
    >>> kernel = np.arange(12).reshape(1, 3, 2, 2)  # one output, three inputs, 2 x 2 positions
    >>> rows_of(kernel)
    array([[ 0,  4,  8,  1,  5,  9,  2,  6, 10,  3,  7, 11]])
    >>> rows_of(np.arange(6).reshape(2, 3), axis=1)
    array([[0, 3],
           [1, 4],
           [2, 5]])
    """
    array = np.asarray(array)
    if array.ndim < 2:
        return array.reshape(1, -1)
    array = np.transpose(array, _order(array.ndim, axis))
    outputs = len(axis) if isinstance(axis, tuple) else 1
    return array.reshape(math.prod(array.shape[:outputs]), -1)


def from_rows(rows: np.ndarray, shape: tuple[int, ...], axis: Axis | None = None) -> np.ndarray:
    """The array of `shape` whose rows, by :func:`rows_of`, are these.

    Examples
    --------
    >>> kernel = np.arange(24).reshape(2, 3, 2, 2)
    >>> bool((from_rows(rows_of(kernel), kernel.shape) == kernel).all())
    True
    """
    if len(shape) < 2:
        return rows.reshape(shape)
    order = _order(len(shape), axis)
    return np.transpose(rows.reshape([shape[i] for i in order]), np.argsort(order))


def _order(rank: int, axis: Axis | None) -> list[int]:
    """Axes of an array, outputs first and inputs last."""
    if isinstance(axis, tuple):
        return [*axis, *(i for i in range(rank) if i not in axis)]
    axis = 0 if axis is None else axis
    rest = [i for i in range(rank) if i != axis]
    if rank > 2 and axis in (0, 1):  # (outputs, inputs, ...) or (inputs, outputs, ...)
        rest = [*rest[1:], rest[0]]
    return [axis, *rest]
