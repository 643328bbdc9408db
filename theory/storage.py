r"""Storage of pruned and quantized weights, in bits per weight, metadata counted.

At sparsity c (share of zeros) and b bits per kept value:

    dense        b
    bitmask      1 + (1 - c) b                          one bit per weight says which are kept
    csr          (1 - c)(b + ceil log2 columns) + 32 / columns
    run-length   (1 - c)(b + r) / (1 - c^(2^r))         r-bit zero runs, fillers where a run is longer, best r
    entropy      h(c) + (1 - c) b                       the mask at its entropy: no shorter code of it
    n:m          (n/m) b + n ceil(log2 m) / m           n kept of every m, positions within the group
    block        b + scale bits / block                 dense values that share a scale

Run-length: a zero run G of an iid mask has P(G >= k) = c^k; an entry covers at most 2^r - 1 zeros before its
value, so a run costs floor(G / 2^r) fillers, in the mean c^(2^r) / (1 - c^(2^r)).
"""

import math
from typing import Any

import numpy as np

from theory.arguments import positive, share_of_zeros, shown, whole

SCHEMES = ("dense", "bitmask", "csr", "run-length", "entropy", "n:m", "block")


def binary_entropy(p: float) -> float:
    """H(p) = -p log2 p - (1-p) log2(1-p), bits.

    Examples
    --------
    >>> binary_entropy(0.5), binary_entropy(0.0)
    (1.0, 0.0)
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p!r}")
    return sum((-q * math.log2(q) for q in (p, 1 - p) if q > 0), 0.0)


def _size(name: str, value: float) -> float:
    """A number of bits as a float: NumPy's small integers would wrap around."""
    if not 0 <= value < 2.0**53:
        raise ValueError(f"{name} must be a finite number from 0 to 2**53, got {shown(value)}")
    return float(value)


def run_length_bits(sparsity: float, run_bits: int) -> float:
    """Entries per weight, values and fillers, with `run_bits`-bit runs: (1 - c) / (1 - c^(2^r)).

    Each takes a value and its run field, `bits` + `run_bits`.

    Examples
    --------
    >>> run_length_bits(0.5, 0), run_length_bits(0.5, 1)
    (1.0, 0.6666666666666666)
    """
    return _entries(share_of_zeros(sparsity), whole("run_bits", run_bits, 0, 1000))


def _entries(sparsity: float, run_bits: int) -> float:
    if sparsity == 0 or run_bits == 0:
        return 1.0  # no runs, or every weight an entry
    # 1 - c^(2^r) where c^(2^r) is close to 1
    return (1 - sparsity) / -math.expm1(2.0**run_bits * math.log(sparsity))


def _best_run_length(sparsity: float, bits: float) -> float:
    """Bits per weight with the best run field; r = 53 is that of c = 1 - 2^-53."""
    best = math.inf
    for r in range(64):
        entries = _entries(sparsity, r)
        best = min(best, entries * (bits + r))
        if entries <= 1 - sparsity:  # no fillers are left to save
            break
    return best


def bits_per_weight(
    scheme: str,
    sparsity: float = 0.0,
    bits: float = 16,
    *,
    columns: int = 1024,
    group: int = 4,
    block: int = 32,
    scale_bits: float = 8,
) -> float:
    """Stored bits per weight of a scheme.

    Parameters
    ----------
    scheme
        "dense", "bitmask", "csr", "run-length", "entropy", "n:m" or "block".
    sparsity
        Share of zeros, in [0, 1).
    bits
        Of one kept value.
    columns
        Of the matrix, for "csr".
    group
        m of "n:m"; (1 - sparsity) m must be a whole number n.
    block, scale_bits
        Weights that share a scale, and its size, for "block".

    Raises
    ------
    ValueError
        An unknown scheme, a sparsity outside [0, 1), or a group the sparsity does not fit.

    Examples
    --------
    >>> bits_per_weight("bitmask", 0.75), bits_per_weight("n:m", 0.5), bits_per_weight("block", bits=4)
    (5.0, 9.0, 4.25)
    """
    sparsity = share_of_zeros(sparsity)
    bits, scale_bits = _size("bits", bits), _size("scale_bits", scale_bits)
    columns, group, block = whole("columns", columns, 1), whole("group", group, 1), whole("block", block, 1)
    kept = 1 - sparsity
    if scheme == "dense":
        return float(bits)
    if scheme == "bitmask":
        return 1 + kept * bits
    if scheme == "csr":
        return kept * (bits + math.ceil(math.log2(columns))) + 32 / columns
    if scheme == "run-length":
        return _best_run_length(sparsity, bits)
    if scheme == "entropy":
        return binary_entropy(sparsity) + kept * bits
    if scheme == "n:m":
        n = round(kept * group)
        if abs(n - kept * group) > 1e-9 or n == 0:
            raise ValueError(f"sparsity {sparsity!r} keeps no whole number of every {group} weights")
        return n * (bits + math.ceil(math.log2(group))) / group
    if scheme == "block":
        return bits + scale_bits / block
    raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")


def mask_overhead(bits: float = 16) -> float:
    """Size of the mask's one bit per weight relative to dense weights of `bits` bits.

    Examples
    --------
    >>> mask_overhead()
    0.0625
    """
    return 1 / positive("bits", bits)


def break_even_sparsity(scheme: str, dense_bits: float, bits: float = 16, **options: Any) -> float:
    """Sparsity from which on `scheme` with `bits`-bit values is no larger than dense weights.

    nan where no sparsity is enough (a mask alone may be larger). For the mask: 1 - (dense_bits - 1)/bits.

    Parameters
    ----------
    scheme
        "bitmask", "csr", "run-length" or "entropy".
    dense_bits
        Bits per weight of the dense alternative.
    bits
        Of one kept value.
    options
        As for :func:`bits_per_weight`.

    Examples
    --------
    >>> break_even_sparsity("bitmask", 4)
    0.8125
    >>> round(break_even_sparsity("entropy", 4), 4)
    0.7957
    """
    if scheme not in ("bitmask", "csr", "run-length", "entropy"):
        raise ValueError(f'scheme must be "bitmask", "csr", "run-length" or "entropy", got {scheme!r}')
    dense_bits, bits = _size("dense_bits", dense_bits), float(positive("bits", bits))
    if scheme == "bitmask":
        sparsity = 1 - (dense_bits - 1) / bits
        return max(sparsity, 0.0) if sparsity < 1 else math.nan
    from scipy.optimize import brentq

    def excess(sparsity: float) -> float:
        return bits_per_weight(scheme, sparsity, bits, **options) - dense_bits

    # "entropy" grows up to c = 1/(1 + 2^bits), so look from the sparse end, where every scheme decreases
    most = math.exp2(-bits) / (1 + math.exp2(-bits))
    grid = np.concatenate([[0.0], np.linspace(0.001, 0.999, 999), 1 - np.geomspace(1e-3, 1e-15, 120)[1:]])
    grid = np.sort(np.append(grid, most))
    last = next((i for i in reversed(range(grid.size)) if excess(grid[i]) > 0), -1)
    if last == grid.size - 1:
        return math.nan
    if last < 0:
        return 0.0
    return float(brentq(excess, grid[last], grid[last + 1], xtol=1e-14))
