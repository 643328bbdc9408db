r"""Limits of spending bits over tensors: reverse water-filling, and the output error at high rate.

**Weights.** Independent Gaussian tensors of n_i weights of variance v_i, R bits per weight in all: the least
summed error is that of reverse water-filling [1]: D = sum_i n_i min(t, v_i) with the level t of

    sum_i n_i/2 log2(v_i / min(t, v_i)) = R sum_i n_i.

Where all tensors receive bits, D / n is the geometric mean of the variances times 2^{-2R}, and every tensor
has the same error per weight: equal slopes.

**Outputs.** For one row w of independent N(0, v) weights the output error (w - w')G(w - w')' with G = X'X has
components of variance v l_k along the eigenvectors of G, l_k its eigenvalues: the same water-filling. At high
rate

    D / n -> v det(G)^{1/n} 2^{-2R},

a factor (tr G / n) / det(G)^{1/n} below what rounding without feedback leaves, since that spreads its error
evenly over the directions. Uniform scalar grids with entropy coding stay 2 pi e / 12 (1.53 dB) above it.

References
----------
.. [1] Cover & Thomas, "Elements of Information Theory", 2nd ed., Th. 10.3.3.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from theory.snr import decibel


def water_filling(variances: ArrayLike, bits: float, sizes: ArrayLike | None = None) -> np.ndarray:
    """Least error per weight of every Gaussian tensor at `bits` per weight in all: min(t, v_i).

    Parameters
    ----------
    variances
        v_i >= 0.
    bits
        R >= 0, mean over all weights.
    sizes
        n_i > 0; 1 each.

    Examples
    --------
    >>> water_filling([1.0, 16.0], 2.0)  # 1 bit and 3 bits
    array([0.25, 0.25])
    >>> water_filling([1e-4, 1.0], 0.5)  # the first is not worth a bit
    array([1.0e-04, 2.5e-01])
    """
    v, n = _tensors(variances, bits, sizes)
    order = np.argsort(-v)
    v, n = v[order], n[order]
    v_used, rate = v[v > 0], bits * n.sum()
    if v_used.size == 0:
        return np.zeros(v.size)
    weight, logs = np.cumsum(n[: v_used.size]), np.cumsum(n[: v_used.size] * np.log2(v_used))
    # with the k largest variances served: log2 t = (sum n log2 v - 2 R) / sum n; the right k leaves t < v_k
    level = (logs - 2 * rate) / weight
    served = np.flatnonzero(level <= np.log2(v_used))
    t = 2.0 ** level[served[-1]] if served.size and bits > 0 else v_used[0]
    found = np.empty(v.size)
    found[order] = np.minimum(t, v)
    return found


def water_filling_snr(variances: ArrayLike, bits: float, sizes: ArrayLike | None = None) -> float:
    """SNR in dB of :func:`water_filling`, pooled: no code of independent Gaussian weights does better.

    Examples
    --------
    >>> round(water_filling_snr([1.0], 4.0), 4), round(water_filling_snr([1.0, 100.0], 4.0), 2)
    (24.0824, 31.12)
    """
    v, n = _tensors(variances, bits, sizes)
    v = v / (v.max() or 1.0)  # sums and shares of them stay within doubles
    return decibel(float(n @ v), float(n @ water_filling(v, bits, n)))


def _tensors(variances: ArrayLike, bits: float, sizes: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Variances and sizes as arrays."""
    v = np.asarray(variances, dtype=np.float64)
    n = np.ones_like(v) if sizes is None else np.asarray(sizes, dtype=np.float64)
    if v.ndim != 1 or v.size == 0 or not np.all((v >= 0) & np.isfinite(v)):
        raise ValueError("variances must be a list of finite numbers of at least 0")
    if n.shape != v.shape or not np.all((n > 0) & np.isfinite(n)):
        raise ValueError(f"sizes must be {v.size} positive finite numbers, one for every variance")
    if not 0 <= bits < math.inf:
        raise ValueError(f"bits must be a finite number of at least 0, got {bits!r}")
    return v, np.ldexp(n, -np.frexp(n.max())[1])  # shares alone count: sums may leave double precision


def output_snr(gram: np.ndarray, bits: float) -> float:
    """Largest SNR in dB of a layer's outputs at `bits` per weight, independent Gaussian weights.

    Parameters
    ----------
    gram
        X'X of the layer's inputs, (fan_in, fan_in).

    Examples
    --------
    >>> round(output_snr(np.eye(3), 4.0), 4), round(output_snr(np.diag([1.0, 1.0, 1e-6]), 4.0), 2)
    (24.0824, 36.11)
    """
    return water_filling_snr(_eigenvalues(gram), bits)


def feedback_gain(gram: np.ndarray) -> float:
    """(tr G / n) / det(G)^{1/n} in dB: what error feedback can gain over plain rounding at high rate.

    Infinite where the inputs span no more than a part of the space.

    Examples
    --------
    >>> round(feedback_gain(np.diag([1.0, 4.0])), 3)
    0.969
    """
    values = _eigenvalues(gram)
    if values.max() == 0:
        raise ValueError("gram must not be zero: the outputs carry nothing")
    if values.min() <= 1e-14 * values.max():
        return math.inf
    return 10 * (math.log10(values.mean()) - float(np.mean(np.log10(values))))


def _eigenvalues(gram: np.ndarray) -> np.ndarray:
    gram = np.asarray(gram, dtype=np.float64)
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or gram.size == 0 or not np.isfinite(gram).all():
        raise ValueError("gram must be a square matrix of finite numbers")
    gram = gram / (np.abs(gram).max() or 1.0)  # ratios of eigenvalues, whatever their unit
    return np.maximum(np.linalg.eigvalsh((gram + gram.T) / 2), 0.0)
