r"""Signal-to-noise ratio of every layer of a network, for weights or activations.

    SNR_dB = 10 log10( sum w^2 / sum (w - w')^2 )

A network's figure is pooled (summed signal over summed error): a mean of dB is not a property of the network.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from theory.snr import decibel

TOTAL = "network"  # the pooled figure stands under this name, last


def layer_snr(original: Any, compressed: Any) -> dict[str, float]:
    """SNR in dB of every array of `compressed` as an image of the same array of `original`, and pooled.

    Parameters
    ----------
    original, compressed
        Mappings {name: array} with the same names and shapes, or sequences of arrays, named "layer1",
        "layer2",
        ... Weights, or activations (samples, width).

    Returns
    -------
    {name: dB}, and the pooled ratio last, under "network". inf where nothing was lost; -inf where the
    original is zero and the other is not.

    Raises
    ------
    ValueError
        Names or shapes that differ, no array, NaN or infinity.

    Examples
    --------
    >>> found = layer_snr([[[3.0, 4.0]], [[10.0]]], [[[3.0, 3.5]], [[10.0]]])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'layer1': 20.0, 'layer2': inf, 'network': 26.99}
    """
    stream = SignalToNoise()
    stream.update(original, compressed)
    return stream.values()


class SignalToNoise:
    """The same from batches of activations: energies are added, so the batches do not change the values.

    Examples
    --------
    >>> stream = SignalToNoise()
    >>> for batch in ([[1.0, 0.0]], [[0.0, 3.0]]):
    ...     stream.update({"relu1": batch}, {"relu1": 0.9 * np.array(batch)})
    >>> round(stream.values()["relu1"], 9)
    20.0
    """

    def __init__(self) -> None:
        self._energies: dict[str, tuple[float, float, float]] = {}

    def update(self, original: Any, compressed: Any) -> None:
        """Add a batch, in the forms that :func:`layer_snr` takes."""
        first, second = _named(original), _named(compressed)
        if list(first) != list(second):
            raise ValueError(f"the layers must be the same, got {', '.join(first)} and {', '.join(second)}")
        if self._energies and list(self._energies) != list(first):
            raise ValueError(f"the batches before had the layers {', '.join(self._energies)}")
        for name, array in first.items():
            other = second[name]
            if array.shape != other.shape:
                raise ValueError(
                    f"layer {name!r} has shape {array.shape} in one and {other.shape} in the other"
                )
            self._energies[name] = _added(self._energies.get(name), array, other)

    def values(self) -> dict[str, float]:
        """{layer: dB} of all batches so far, the pooled ratio last."""
        if not self._energies:
            raise ValueError("there is no layer to compare")
        scale = max(one[0] for one in self._energies.values())
        pooled = [0.0, 0.0]
        for largest, signal, noise in self._energies.values():
            factor = (largest / scale) ** 2 if scale else 0.0
            pooled[0] += factor * signal
            pooled[1] += factor * noise
        found = {name: decibel(signal, noise) for name, (_, signal, noise) in self._energies.items()}
        return {**found, TOTAL: decibel(*pooled)}


def _added(
    before: tuple[float, float, float] | None, array: np.ndarray, other: np.ndarray
) -> tuple[float, float, float]:
    """(largest magnitude, signal, noise), both energies in units of its square: squares must not overflow."""
    old, signal, noise = before or (0.0, 0.0, 0.0)
    largest = max(old, float(np.abs(array).max(initial=0.0)), float(np.abs(other).max(initial=0.0)))
    if largest == 0.0:
        return 0.0, 0.0, 0.0
    shrink, scaled = (old / largest) ** 2, array / largest
    signal = signal * shrink + float((scaled**2).sum())
    noise = noise * shrink + float(((scaled - other / largest) ** 2).sum())
    return largest, signal, noise


def _named(arrays: Any) -> dict[str, np.ndarray]:
    if isinstance(arrays, Mapping):
        given = {str(name): value for name, value in arrays.items()}
    elif isinstance(arrays, Sequence) and not isinstance(arrays, str):
        given = {f"layer{i}": value for i, value in enumerate(arrays, start=1)}
    else:
        raise TypeError(f"layers must be a mapping or a sequence of arrays, got {type(arrays).__name__}")
    found = {}
    for name, value in given.items():
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"layer {name!r} must hold real numbers, got an array of {array.dtype}")
        array = array.astype(np.float64)
        if not np.all(np.isfinite(array)):
            raise ValueError(f"layer {name!r} must be finite, got NaN or infinity")
        found[name] = array
    if TOTAL in found:
        raise ValueError(f"{TOTAL!r} is the name of the pooled figure and cannot be a layer's")
    return found
