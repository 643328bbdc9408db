"""The per-tensor results that Kuzmin et al. published beside their code: the points of their Figure 3.

45 image classification models, 2,704 weight tensors, as they were computed and printed by the authors,
partly in float16: 12 kurtoses overflowed to infinity, 139 excess kurtoses lie below -2, which no
distribution has, and 323 pruning errors underflowed to 0 (an infinite ratio). Nothing is mended here.

References
----------
.. [1] Qualcomm AI Research, github.com/Qualcomm-AI-research/pruning-vs-quantization, folder
   plots_data/weights_sqnr (BSD-3-Clause-Clear), to 5 digits.
"""

import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

FILE = "kuzmin_released.npz"
BITS = tuple(range(2, 9))


@dataclass(frozen=True, eq=False)
class Released:
    """The authors' figures, a row per tensor; columns of two-dimensional arrays are 2 to 8 bits.

    Attributes
    ----------
    model, layer
        str (tensors,): names.
    excess_kurtosis
        float64 (tensors,): kurtosis minus 3, in the authors' float16.
    quantization
        float64 (tensors, 7): SNR of quantization in dB.
    pruning, pruning_mask
        float64 (tensors, 7): SNR of pruning at sparsity 1 - b/16 in dB; with a mask bit counted.
    natural_zeros
        float64 (tensors, 7): share of the weights that rounding sends to zero.
    """

    model: np.ndarray
    layer: np.ndarray
    excess_kurtosis: np.ndarray
    quantization: np.ndarray
    pruning: np.ndarray
    pruning_mask: np.ndarray
    natural_zeros: np.ndarray

    def wins(self, mask: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Tensors at which quantization is ahead, and tensors with both ratios finite, (7,) each by width.

        Examples
        --------
        >>> ahead, finite = load().wins()
        >>> int(ahead.sum()), int(finite.sum())
        (16856, 18605)
        """
        pruned = self.pruning_mask if mask else self.pruning
        finite = np.isfinite(self.quantization) & np.isfinite(pruned)
        return ((self.quantization > pruned) & finite).sum(axis=0), finite.sum(axis=0)


@functools.cache
def load() -> Released:
    """The released figures of [1].

    Examples
    --------
    >>> found = load()
    >>> found.quantization.shape, np.unique(found.model).size
    ((2704, 7), 45)
    """
    with resources.files("sims.data").joinpath(FILE).open("rb") as file, np.load(file) as kept:
        # 5 digits survive 24 bits: printing a value to 5 digits gives back the text it was read from
        values = kept["values"].astype(np.float64)
        names = kept["model"].astype(str), kept["layer"].astype(str)
    ratios = values[1:].reshape(4, len(BITS), -1).transpose(0, 2, 1)
    return Released(*names, values[0], *ratios)
