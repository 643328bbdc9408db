"""Which algorithm answers a subset-sum question, what it will cost, and why it was chosen."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Shape of the modular meet in the middle (`sims.kernels.subset_sum.search`).

    Attributes
    ----------
    split : left items, enumerated into bitsets.
    base : left items enumerated one by one before the rotations start.
    inner : right items whose sums stand in a table.
    words, second : 64-bit words of the two moduli; second = 1 means no second filter.
    """

    split: int
    base: int
    inner: int
    words: int
    second: int

    @property
    def bytes(self) -> int:
        """Memory of the tables."""
        rows = self.split - self.base + 3
        return 8 * rows * (self.words + self.second) + 8 * (2**self.base + 2 * 2**self.inner)


def geometry(items: int, log2_spread: float) -> Geometry:
    """Geometry for `items` items whose subset sums spread over about 2**log2_spread values.

    Halves are balanced when solutions are rare; with many solutions (items well above log2_spread) the
    left half need only make a hit likely within a similar number of probes, 2^(log2_spread/2).
    The bitset holds 16 times as many bits as left sums; from 2^11 left sums on, a second modulus (coprime
    to the first up to 64) pays for itself. Measured by benchmarks/subset_sum.py.

    Examples
    --------
    >>> geometry(23, 24.0)
    Geometry(split=12, base=6, inner=7, words=1024, second=1023)
    """
    wanted = math.ceil(max(log2_spread, 4.0) / 2) + 1
    split = max(min((items + 1) // 2, wanted, 24), 1)
    base = min(split, 7 if split >= 15 else 6)
    inner = min(items - split, 8 if split >= 15 else 7)
    log2_bits = max(split + (3 if split >= 16 else 4), 6)
    words = 2 ** (log2_bits - 6)
    return Geometry(split, base, inner, words, words - 1 if split >= 11 else 1)
