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
from sims.checkpoints.keras_names import bare, output_axis
from sims.checkpoints.tensor import Axis, Grouped

# Of Keras and JAX, for which outputs mostly come last.
_LAST = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
_STACKED = re.compile(r"expert|_exps\b|switch_mlp|(^|[._/])moe([._/]|$)", re.IGNORECASE)
# In a list, as get_weights of Keras gives it, and jax.example_libraries.stax.
_NUMBERED = re.compile(r"(|.*[./]|arr_)(\d{1,6})")
_POSITIONS = re.compile(r"pos(ition(al)?)?_?embed", re.IGNORECASE)
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
    linear = [name for name in found if len(found[name].shape) == 2 and _bias_of(name, tensors) is not None]
    known = {found[name].axis for name in linear} - {None}
    if known == {1}:  # of Paddle: inputs come first in all of them
        for name in linear:
            if found[name].axis is None:
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


def _bias_of(name: str, tensors: Mapping[str, Tensor]) -> Tensor | None:
    """The vector beside a weight of torch's name, or after it in a list."""
    if match := _NUMBERED.fullmatch(name):
        after = tensors.get(f"{match[1]}{int(match[2]) + 1}")
        return after if after is not None and len(after.shape) == 1 else None
    bias = tensors.get(f"{name.removesuffix('weight')}bias") if name.endswith("weight") else None
    return bias if bias is not None and len(bias.shape) == 1 else None


def _axis(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> Axis | None:
    rank = len(tensor.shape)
    if rank < 2:
        return tensor.axis
    part = re.split(r"[./:]", bare(name))[-1]
    ending = name[len(bare(name)) :]
    stem = bare(name)[: len(bare(name)) - len(part)]
    kernel = part.partition(":")[0] in _LAST
    if rank == 3 and _STACKED.search(name) and tensor.axis is None:
        return (0, 2) if kernel else _expert_axes(name, tensors)
    axis = output_axis(name, rank) if kernel and tensor.axis is None else tensor.axis
    numbered = part == "0" and stem.endswith("vars/")  # of Keras 3: kernel, bias
    if (kernel or numbered) and rank > 2 and axis == rank - 1:
        # a transposed convolution of Keras: outputs before inputs
        bias = tensors.get(f"{stem}1" if numbered else stem + part.replace("kernel", "bias") + ending)
        if bias is not None and bias.shape == tensor.shape[-2:-1] != tensor.shape[-1:]:
            return rank - 2
    if axis is not None:
        return axis
    if rank == 3 and tensor.shape[0] == 1 and _POSITIONS.search(part):
        return 1  # of vision transformers: a batch of one, then a row for every position
    if part == "weight" and rank == 5 and tensor.shape[0] == 1 and f"{stem}modulation.weight" in tensors:
        return 1  # of StyleGAN: a batch of one, then as every convolution
    if _NUMBERED.fullmatch(name) and (bias := _bias_of(name, tensors)) is not None:
        fits = [axis for axis in (0, rank - 1) if tensor.shape[axis] == bias.size]
        return fits[0] if len(fits) == 1 else None
    if part == "weight":
        bias = tensors.get(f"{stem}bias")
        return _beside_bias(tensor.shape, bias.shape) if bias is not None else None
    if rank == 2 and re.search(r"(^|[./])coefs_[./]\d+$", name):  # of scikit-learn: (inputs, outputs)
        return 1
    return _of_arrays(stem, part, ending, tensor.shape, tensors)


def _beside_bias(shape: tuple[int, ...], bias: tuple[int, ...]) -> Axis | None:
    """The axis of a weight of torch that fits its bias."""
    if len(bias) != 1:
        return None
    fits = [axis for axis in (0, 1) if shape[axis] == bias[0]]
    if fits or len(shape) < 3 or not shape[1]:
        return fits[0] if len(fits) == 1 else None
    groups, left = divmod(bias[0], shape[1])  # a transposed convolution in groups
    return Grouped(groups) if groups and not left and Grouped(groups).fits(shape) else None


def _of_arrays(
    stem: str, part: str, ending: str, shape: tuple[int, ...], tensors: Mapping[str, Tensor]
) -> Axis | None:
    """The axis of `w` or `weights` beside `b` or `biases`: of Haiku, TF-slim, and programs of NumPy."""
    found = re.fullmatch(r"(.*_)?(w|weights?|W)(_?\d*)", part)
    if found is None:
        return None
    last, prefix = len(shape) - 1, found[1] or ""
    of_jax = "/" in stem and found[2] != "W"  # and TensorFlow, which keep outputs last; Chainer does not
    letter = {"w": "b", "W": "b"}.get(found[2], "biases")
    names = [f"{stem}{prefix}{one}{found[3]}{ending}" for one in (letter, "bias")]
    bias = next((tensors[one] for one in names if one in tensors), None)
    if bias is not None and last > 1 and bias.shape == (shape[0], shape[last]) and min(bias.shape) > 1:
        return 0, last  # layers that are stacked
    if bias is None or max(bias.shape, default=0) != bias.size:
        return output_axis(f"{stem}{prefix.strip('_')}/kernel", len(shape)) if of_jax else None
    fits = [axis for axis in (0, last) if shape[axis] == bias.size]
    if len(fits) == 2:  # a row is added to products from the right, a column from the left
        row = len(bias.shape) == 2 and bias.shape[0] == 1
        return last if row or (of_jax and len(bias.shape) == 1) else None
    if of_jax and shape[-2] == bias.size and last not in fits:
        return last - 1
    return fits[0] if fits else None


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
    shape, order, outputs = _split(array.shape, axis)
    array = np.transpose(array.reshape(shape), order)
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
    split, order, _ = _split(shape, axis)
    return np.transpose(rows.reshape([split[i] for i in order]), np.argsort(order)).reshape(shape)


def _split(shape: tuple[int, ...], axis: Axis | None) -> tuple[tuple[int, ...], list[int], int]:
    """The shape with groups as an axis of their own, its axes outputs first and inputs last, and how many
    of them are outputs.
    """
    if isinstance(axis, Grouped):
        inputs, outputs = axis.inputs, axis.outputs + (axis.outputs > axis.inputs)
        shape = (*shape[:inputs], axis.groups, shape[inputs] // axis.groups, *shape[inputs + 1 :])
        rest = [i for i in range(len(shape)) if i not in (inputs, inputs + 1, outputs)]
        return shape, [inputs, outputs, *rest, inputs + 1], 2
    if isinstance(axis, tuple):
        return shape, [*axis, *(i for i in range(len(shape)) if i not in axis)], len(axis)
    axis = 0 if axis is None else axis
    rest = [i for i in range(len(shape)) if i != axis]
    if axis in (0, 1):  # (outputs, inputs, ...) or (inputs, outputs, ...)
        rest = [*rest[1:], rest[0]]
    return shape, [axis, *rest], 1
